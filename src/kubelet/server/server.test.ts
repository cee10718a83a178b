import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createAuthority, issueCertificate, type KeyPair } from '../../cluster/certificates.ts'
import type { Client } from '../../client/client.ts'
import { systemRuntime } from '../../runtime/runtime.ts'
import { startTestKubelet, type TestKubelet } from '../testing/test-kubelet.ts'
import { createAccessControl, subresourcesOf } from './access.ts'

const image = 'docker.io/library/busybox:test'
const forever = ['sh', '-c', 'trap; forever']
const system = systemRuntime()

interface Reply { status: number; body: string }

describe('kubelet server', { timeout: 30_000 }, () => {
  let kubelet: TestKubelet
  let ca: KeyPair
  let client: KeyPair
  let logDirectory: string
  const reviews: unknown[] = []
  let allowed: (spec: { user: string; resourceAttributes: { verb: string; subresource: string } }) => boolean = () => true

  /** The API server's part in judging requests. */
  const judge = {
    create: async (type: { kind: string }, object: { spec: never }) => {
      if (type.kind === 'TokenReview') return { ...object, status: (object.spec as { token: string }).token === 'good' ? { authenticated: true, user: { username: 'robot', groups: ['g'] } } : { authenticated: false } }
      reviews.push(object.spec)
      return { ...object, status: { allowed: allowed(object.spec) } }
    },
  } as unknown as Client

  const get = (path: string, options: { credentials?: KeyPair | undefined; method?: string; token?: string } = { credentials: client }): Promise<Reply> => new Promise((resolve, reject) => {
    const { credentials } = options
    const sent = request({
      host: '127.0.0.1', port: kubelet.kubelet.port, path, method: options.method ?? 'GET', ca: ca.certificate, servername: 'node-1', agent: false,
      ...(credentials === undefined ? {} : { cert: credentials.certificate, key: credentials.key }), headers: options.token === undefined ? {} : { authorization: `Bearer ${options.token}` },
    }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString() }))
    })
    sent.on('error', reject)
    sent.end()
  })

  before(async () => {
    ca = await createAuthority(system, 'test-ca')
    const serving = await issueCertificate(system, ca, { commonName: 'node-1', usages: ['server'], hosts: ['node-1', '127.0.0.1'] })
    client = await issueCertificate(system, ca, { commonName: 'apiserver', organizations: ['system:masters'], usages: ['client'] })
    kubelet = await startTestKubelet({ server: { address: '127.0.0.1', port: 0, certificate: serving.certificate, key: serving.key, clientCA: ca.certificate, access: createAccessControl(judge, system.clock, 'node-1') } })
    kubelet.bind('web', { containers: [{ name: 'c', image, command: forever }, { name: 'waits', image: 'registry.example/absent:1', imagePullPolicy: 'Never', command: forever }] })
    await kubelet.until('its log can be', () => kubelet.pod('web')?.status?.containerStatuses?.[0]?.state?.running !== undefined)
    logDirectory = join(kubelet.rootDirectory, 'log', 'pods', `default_web_${kubelet.pod('web')!.metadata.uid}`, 'c')
    await mkdir(logDirectory, { recursive: true })
    const lines = ['2026-01-01T00:00:01.000000000Z stdout F one', '2026-01-01T00:00:02.000000000Z stderr F two', '2026-01-01T00:00:03.000000000Z stdout P thr', '2026-01-01T00:00:03.100000000Z stdout F ee', '2026-01-01T00:00:04.000000000Z stdout F four']
    await writeFile(join(logDirectory, '0.log'), `${lines.join('\n')}\n`)
  })
  after(async () => {
    await kubelet[Symbol.asyncDispose]()
  })

  const cases: { title: string; query: string; body: string; status?: number }[] = [
    { title: 'the whole log', query: '', body: 'one\ntwo\nthree\nfour\n' },
    { title: 'the last lines', query: '?tailLines=1', body: 'four\n' },
    { title: 'no lines', query: '?tailLines=0', body: '' },
    { title: 'times', query: '?timestamps=true&tailLines=1', body: '2026-01-01T00:00:04.000000000Z four\n' },
    { title: 'lines since a time', query: '?sinceTime=2026-01-01T00:00:03Z', body: 'three\nfour\n' },
    { title: 'a number of bytes', query: '?limitBytes=6', body: 'one\ntw' },
    { title: 'one stream', query: '?stream=Stderr', body: 'two\n' },
    { title: 'no earlier run', query: '?previous=true', status: 400, body: 'previous terminated container "c" in pod "web" not found' },
    { title: 'a bad number', query: '?tailLines=-1', status: 422, body: '{"message": "Invalid request: tailLines must be a whole number of at least 0"}' },
  ]
  for (const { title, query, body, status = 200 } of cases) {
    it(`logs: ${title}`, async () => assert.deepEqual(await get(`/containerLogs/default/web/c${query}`), { status, body }))
  }
  it('logs: of what is not there', async () => {
    assert.deepEqual(await get('/containerLogs/default/none/c'), { status: 404, body: 'pod "none" does not exist\n' })
    assert.deepEqual(await get('/containerLogs/default/web/none'), { status: 404, body: 'container "none" not found in pod "web"\n' })
    assert.deepEqual(await get('/containerLogs/default/web/waits'), { status: 400, body: 'container "waits" in pod "web" is waiting to start: ErrImageNeverPull' })
  })
  it('answers other paths', async () => {
    assert.deepEqual(await get('/healthz'), { status: 200, body: 'ok' })
    assert.equal(JSON.parse((await get('/pods')).body).items[0].metadata.name, 'web')
    assert.match((await get('/metrics')).body, /^kubelet_running_pods 1$/m)
    assert.match((await get('/metrics/resource')).body, /^node_cpu_usage_seconds_total /m)
    assert.equal(JSON.parse((await get('/stats/summary')).body).node.nodeName, 'node-1')
    assert.equal((await get('/nothing')).status, 404)
    assert.deepEqual(await get('/exec/default/web/c?command=true&output=1', { credentials: client, method: 'POST' }), { status: 400, body: 'unable to upgrade: missing upgrade headers in request\n' })
    assert.deepEqual(await get('/run/default/web/c?cmd=echo%20hi', { credentials: client, method: 'POST' }), { status: 200, body: 'hi\n' })
  })
  it('asks who it is and what they may do', async () => {
    assert.deepEqual(await get('/pods', {}), { status: 401, body: 'Unauthorized' })
    assert.equal((await get('/pods', { token: 'bad' })).status, 401)
    allowed = ({ user, resourceAttributes }) => user !== 'robot' || resourceAttributes.subresource === 'metrics'
    assert.deepEqual(await get('/pods', { token: 'good' }), { status: 403, body: 'Forbidden (user=robot, verb=get, resource=nodes, subresource(s)=[pods proxy])' })
    assert.equal((await get('/metrics', { token: 'good' })).status, 200)
    const asked = reviews.length
    await get('/metrics', { token: 'good' })
    assert.equal(reviews.length, asked, 'an answer is remembered')
    assert.ok(reviews.some((spec) => (spec as { user: string; groups: string[] }).user === 'apiserver' && (spec as { groups: string[] }).groups.includes('system:masters')))
  })
  it('takes the narrowest subresource first', () => {
    assert.deepEqual(subresourcesOf('/stats/summary'), ['stats'])
    assert.deepEqual(subresourcesOf('/pods'), ['pods', 'proxy'])
    assert.deepEqual(subresourcesOf('/exec/default/web/c'), ['proxy'])
  })
})
