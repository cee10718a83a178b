import assert from 'node:assert/strict'
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { createAuthority, createSigningKey, issueCertificate, type KeyPair } from '../../src/cluster/certificates.ts'
import { systemRuntime } from '../../src/runtime/runtime.ts'
import { memoryLogger } from '../../src/runtime/log.ts'
import { onPath } from './support.ts'

/** How controller-runtime's envtest starts its binaries, down to the names of files. */

const k8ts = join(import.meta.dirname, '../../src/cli/main.ts')
const runtime = systemRuntime(memoryLogger())
const startAndStopMs = 20_000

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

interface Answer { status: number; body: string; headers: Record<string, unknown> }

function call(port: number, path: string, options: { ca: string; cert?: string; key?: string; servername?: string; method?: string; body?: object; headers?: Record<string, string> }): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { body, headers, ...rest } = options
    const sent = request({ host: '127.0.0.1', port, path, agent: false, ...rest, headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) } }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('end', () => resolve({ status: response.statusCode ?? 0, body: text, headers: response.headers }))
    })
    sent.on('error', reject)
    sent.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

async function until<T>(what: string, timeoutMs: number, look: () => Promise<T | undefined>): Promise<T> {
  const end = Date.now() + timeoutMs
  for (let last: unknown; ; await new Promise((resolve) => setTimeout(resolve, 100))) {
    try {
      const found = await look()
      if (found !== undefined) return found
    } catch (error) {
      last = error
    }
    if (Date.now() > end) throw new Error(`${what} did not come about in ${timeoutMs} ms`, { cause: last })
  }
}

describe('the API server as envtest starts it', { skip: onPath('etcd') === undefined ? 'etcd is not on PATH' : false }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'k8ts-envtest-'))
  const children: ChildProcess[] = []
  let ports: { etcd: number; peer: number; api: number }
  let servingAuthority: KeyPair
  let clientAuthority: KeyPair
  let admin: KeyPair
  let apiserver: ChildProcess
  let log = ''

  const start = (command: string, args: string[]): ChildProcess => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    children.push(child)
    child.stderr!.setEncoding('utf8').on('data', (chunk: string) => (log = (log + chunk).slice(-20_000)))
    return child
  }
  const ended = async (child: ChildProcess): Promise<number | null> => (child.exitCode === null && child.signalCode === null ? ((await once(child, 'exit')) as [number | null])[0] : child.exitCode)
  const asAdmin = (path: string, more: object = {}): Promise<Answer> => call(ports.api, path, { ca: servingAuthority.certificate, cert: admin.certificate, key: admin.key, ...more })
  const flags = (...more: string[]): string[] => [
    '--disable-warning=ExperimentalWarning', k8ts, 'apiserver', '--advertise-address=127.0.0.1', '--allow-privileged=true', '--authorization-mode=RBAC', '--bind-address=127.0.0.1', `--secure-port=${ports.api}`,
    `--cert-dir=${folder}`, `--client-ca-file=${join(folder, 'client-cert-auth-ca.crt')}`, '--disable-admission-plugins=ServiceAccount', `--etcd-servers=http://127.0.0.1:${ports.etcd}`,
    '--service-cluster-ip-range=10.0.0.0/24', `--service-account-issuer=https://127.0.0.1:${ports.api}/`, `--service-account-key-file=${join(folder, 'sa-signer.crt')}`,
    `--service-account-signing-key-file=${join(folder, 'sa-signer.key')}`, ...more,
  ]

  before(async () => {
    ports = { etcd: await freePort(), peer: await freePort(), api: await freePort() }
    servingAuthority = await createAuthority(runtime, 'envtest-environment')
    clientAuthority = await createAuthority(runtime, 'client-ca')
    admin = await issueCertificate(runtime, clientAuthority, { commonName: 'admin', organizations: ['system:masters'], usages: ['client'] })
    const serving = await issueCertificate(runtime, servingAuthority, { commonName: 'localhost', hosts: ['localhost', '127.0.0.1'], usages: ['server'] })
    const signer = await createSigningKey()
    const files: [string, string][] = [
      ['apiserver.crt', serving.certificate], ['apiserver.key', serving.key], ['client-cert-auth-ca.crt', clientAuthority.certificate], ['sa-signer.key', signer.privateKey], ['sa-signer.crt', signer.publicKey],
    ]
    for (const [name, text] of files) writeFileSync(join(folder, name), text, { mode: 0o600 })
    start('etcd', [`--advertise-client-urls=http://127.0.0.1:${ports.etcd}`, `--listen-client-urls=http://127.0.0.1:${ports.etcd}`, `--listen-peer-urls=http://127.0.0.1:${ports.peer}`, `--data-dir=${join(folder, 'etcd')}`])
    apiserver = start(process.execPath, flags('--runtime-config=resource.k8s.io/v1beta2=true', '--event-ttl=2h'))
  })

  after(async () => {
    for (const child of children) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await Promise.all(children.map(ended))
    rmSync(folder, { recursive: true, force: true })
  })

  test('--help lists the flags it is probed for, and exits 0', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--disable-warning=ExperimentalWarning', k8ts, 'apiserver', '--help'])
    for (const flag of ['advertise-address', 'service-account-issuer', 'authorization-mode', 'client-ca-file', 'cert-dir', 'runtime-config']) assert.match(stdout, new RegExp(`^\\s*--${flag}\\b`, 'm'), flag)
    assert.doesNotMatch(stdout, /^\s*--insecure-port\b/m)
  })

  test('is healthy without credentials within the time that envtest waits', async () => {
    const answer = await until('health', startAndStopMs, async () => {
      const health = await call(ports.api, '/healthz', { ca: servingAuthority.certificate })
      return health.status === 200 ? health : undefined
    }).catch((error: unknown) => assert.fail(`${String(error)}\n${log}`))
    assert.equal(answer.body, 'ok')
    await until('readiness', startAndStopMs, async () => ((await call(ports.api, '/readyz', { ca: servingAuthority.certificate })).status === 200 ? true : undefined))
  })

  test('a client certificate is who its subject says; without one there is nothing to see', async () => {
    assert.equal((await asAdmin('/api/v1/namespaces/default')).status, 200)
    assert.equal((await call(ports.api, '/api/v1/namespaces/default', { ca: servingAuthority.certificate })).status, 403)
    const review = await asAdmin('/apis/authentication.k8s.io/v1/selfsubjectreviews', { method: 'POST', body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' } })
    assert.equal((JSON.parse(review.body) as { status: { userInfo: { username: string } } }).status.userInfo.username, 'admin')
  })

  test('--runtime-config serves what is off by default', async () => {
    assert.equal((await asAdmin('/apis/resource.k8s.io/v1beta2')).status, 200)
    assert.equal((await asAdmin('/apis/resource.k8s.io/v1beta1')).status, 404)
  })

  test('service addresses come from the range given', async () => {
    const service = JSON.parse((await asAdmin('/api/v1/namespaces/default/services/kubernetes')).body) as { spec: { clusterIP: string } }
    assert.equal(service.spec.clusterIP, '10.0.0.1')
  })

  test('client authorities and the serving certificate are read again when their files change', async () => {
    const another = await createAuthority(runtime, 'another-client-ca')
    const other = await issueCertificate(runtime, another, { commonName: 'other', organizations: ['system:masters'], usages: ['client'] })
    writeFileSync(join(folder, 'client-cert-auth-ca.crt'), clientAuthority.certificate + another.certificate)
    await until('trust in the new authority', 10_000, async () => ((await call(ports.api, '/api/v1/namespaces/default', { ca: servingAuthority.certificate, cert: other.certificate, key: other.key })).status === 200 ? true : undefined))
    const serving = await issueCertificate(runtime, servingAuthority, { commonName: 'renewed', hosts: ['localhost', '127.0.0.1', 'renewed.example'], usages: ['server'] })
    writeFileSync(join(folder, 'apiserver.key'), serving.key)
    writeFileSync(join(folder, 'apiserver.crt'), serving.certificate)
    await until('the new serving certificate', 10_000, async () => ((await call(ports.api, '/healthz', { ca: servingAuthority.certificate, servername: 'renewed.example' })).status === 200 ? true : undefined))
  })

  test('it tells of itself: checks, metrics, flags and versions', async () => {
    const ready = await asAdmin('/readyz?verbose')
    for (const name of ['ping', 'etcd', 'etcd-readiness', 'informer-sync', 'poststarthook/rbac/bootstrap-roles', 'poststarthook/start-apiextensions-controllers', 'poststarthook/start-kube-aggregator-informers', 'poststarthook/apiservice-status-local-available-controller', 'poststarthook/start-kube-apiserver-identity-lease-controller', 'shutdown']) assert.ok(ready.body.includes(`[+]${name} ok\n`), name)
    assert.ok(ready.body.endsWith('readyz check passed\n'))
    const metrics = (await asAdmin('/metrics')).body
    assert.match(metrics, /^apiserver_request_total\{code="200",component="apiserver",dry_run="",group="",resource="namespaces",scope="resource",subresource="",verb="GET",version="v1"\} \d+$/m)
    assert.match(metrics, /^etcd_request_duration_seconds_count\{group="",operation="create",resource="namespaces"\} \d+$/m)
    assert.match((await asAdmin('/flagz')).body, /^event-ttl:2h0m0s$/m)
    assert.match((await asAdmin('/statusz')).body, /^Binary version: 1\.36\.0$/m)
    assert.equal((JSON.parse((await asAdmin('/version')).body) as { minor: string }).minor, '36')
    const leases = JSON.parse((await asAdmin('/apis/coordination.k8s.io/v1/namespaces/kube-system/leases?labelSelector=apiserver.kubernetes.io%2Fidentity%3Dkube-apiserver')).body) as { items: object[] }
    assert.equal(leases.items.length, 1)
    assert.equal((await call(ports.api, '/metrics', { ca: servingAuthority.certificate })).status, 403)
  })

  test('an address and a node port can be had again at once when their service has gone', async () => {
    const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 's' }, spec: { type: 'NodePort', clusterIP: '10.0.0.9', ports: [{ port: 80, nodePort: 30_099 }] } }
    for (let turn = 0; turn < 5; turn++) {
      const made = await asAdmin('/api/v1/namespaces/default/services', { method: 'POST', body: service })
      assert.equal(made.status, 201, made.body)
      assert.equal((await asAdmin('/apis/networking.k8s.io/v1/ipaddresses/10.0.0.9')).status, 200)
      assert.equal((await asAdmin('/api/v1/namespaces/default/services/s', { method: 'DELETE' })).status, 200)
    }
  })

  test('is gone within bounds after SIGTERM', async () => {
    const begun = Date.now()
    apiserver.kill('SIGTERM')
    assert.equal(await ended(apiserver), 0)
    assert.ok(Date.now() - begun < startAndStopMs)
    await assert.rejects(call(ports.api, '/healthz', { ca: servingAuthority.certificate }), /ECONNREFUSED/)
    assert.ok(readFileSync(join(folder, 'apiserver.crt'), 'utf8').includes('BEGIN CERTIFICATE'))
  })

  test('a wrong command line is an error of one sentence', async () => {
    for (const [args, message] of [[['--etcd-serverz=x'], /unknown flag: --etcd-serverz; did you mean --etcd-servers\?/], [['--secure-port=70000'], /--secure-port must be from 0 to 65535, not 70000/], [['--token-auth-file=/none'], /--token-auth-file/], [['--feature-gates=Nope=true'], /unrecognized feature gate: Nope/]] as const) {
      const child = spawn(process.execPath, flags(...args), { stdio: ['ignore', 'ignore', 'pipe'] })
      children.push(child)
      let text = ''
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      assert.equal(await ended(child), 1)
      assert.match(text, message)
      assert.equal(text.trim().split('\n').length, 1)
    }
  })
})
