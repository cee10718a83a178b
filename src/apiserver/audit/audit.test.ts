import assert from 'node:assert/strict'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { systemRuntime, testRuntime } from '../../runtime/runtime.ts'
import { memoryLogger } from '../../runtime/log.ts'
import { memoryStore } from '../../store/memory.ts'
import { requestInfoOf } from '../request-info.ts'
import { startTestServer } from '../testing/server.ts'
import { testClient, type Json, type TestClient } from '../testing/http-client.ts'
import { buffered, truncating, type AuditBackend } from './audit-backend.ts'
import { eventLine, legacyLine, microTimeText, type AuditEvent } from './audit-event.ts'
import { requestAuditing } from './auditing.ts'
import { auditOptionProblems, openAudit, type AuditOptions } from './audit-options.ts'
import { decideAudit, parseAuditPolicy } from './audit-policy.ts'
import { openLogFile } from './log-file.ts'
import { sourceIps } from './request-audit.ts'

const head = 'apiVersion: audit.k8s.io/v1\nkind: Policy\n'
const parse = (text: string, warnings: string[] = []): ReturnType<typeof parseAuditPolicy> => parseAuditPolicy(text, 'policy.yaml', (message) => warnings.push(message))

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'k8ts-audit-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

test('what is wrong with a policy is said in upstream\'s words', () => {
  for (const [text, expected] of [
    ['', /^loading audit policy file: failed decoding: couldn't get version\/kind.*: from file policy.yaml$/],
    ['apiVersion: audit.k8s.io/v1\n', /Object 'Kind' is missing/],
    ['apiVersion: audit.k8s.io/v1beta1\nkind: Policy\n', /no kind "Policy" is registered for version "audit.k8s.io\/v1beta1"/],
    [`${head}rules: []\n`, /loaded illegal policy with 0 rules/],
    [`${head}rules: [{}]\n`, /rules\[0\].level: Required value/],
    [`${head}rules: [{level: Loud}]\n`, /rules\[0\].level: Unsupported value: "Loud": supported values: "None", "Metadata", "Request", "RequestResponse"/],
    [`${head}rules: [{level: None, nonResourceURLs: [healthz, /a*b]}]\n`, /rules\[0\].nonResourceURLs\[0\]: Invalid value: "healthz": non-resource URL rules must begin with a '\/' character, rules\[0\].nonResourceURLs\[1\]: Invalid value: "\/a\*b": non-resource URL wildcards '\*' must be the final character of the rule/],
    [`${head}rules: [{level: None, resources: [{group: "a_b"}]}]\n`, /rules\[0\].resources.group: Invalid value: "a_b": a lowercase RFC 1123 subdomain/],
    [`${head}rules: [{level: None, resources: [{resourceNames: [a]}]}]\n`, /using resourceNames requires at least one resource/],
    [`${head}rules: [{level: None, nonResourceURLs: [/a], namespaces: [b]}]\n`, /rules cannot apply to both regular resources and non-resource URLs/],
    [`${head}omitStages: [Later]\nrules: [{level: None}]\n`, /omitStages\[0\]: Invalid value: "Later": allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic/],
    [`${head}rules: [{level: None, users: alice}]\n`, /json: cannot unmarshal string into Go struct field Policy.rules.users of type \[\]string/],
  ] as const) assert.throws(() => parse(text), { message: expected }, text)
  const warnings: string[] = []
  parse(`${head}rules: [{level: None, colour: red, __proto__: 1}]\n`, warnings)
  assert.match(warnings[0]!, /falling back to lenient decoding: strict decoding error: unknown field "rules\[0\].colour"/)
})

test('the first rule that fits decides', () => {
  const policy = parse(`${head}omitStages: [RequestReceived]
rules:
- {level: None, users: ["system:kube-proxy"], verbs: [watch], resources: [{group: "", resources: [endpoints]}]}
- {level: Request, userGroups: [devs], namespaces: [a, ""]}
- {level: Metadata, resources: [{group: "", resources: ["pods/*", "*/status"]}, {group: apps, resources: [deployments], resourceNames: [web]}], omitStages: [ResponseStarted]}
- {level: RequestResponse, nonResourceURLs: ["/version", "/healthz*"], omitManagedFields: true}
`)
  const level = (user: string, groups: string[], method: string, url: string): string => decideAudit(policy, { username: user, groups }, requestInfoOf(method, url.split('?')[0]!, new URLSearchParams(url.split('?')[1]))).level
  assert.equal(level('system:kube-proxy', [], 'GET', '/api/v1/endpoints?watch=1'), 'None')
  assert.equal(level('a', ['devs'], 'GET', '/api/v1/namespaces/a/pods'), 'Request')
  assert.equal(level('a', ['devs'], 'GET', '/api/v1/nodes'), 'Request')
  assert.equal(level('a', ['devs'], 'GET', '/version'), 'RequestResponse')
  assert.equal(level('a', [], 'GET', '/api/v1/namespaces/a/pods/p/log'), 'Metadata')
  assert.equal(level('a', [], 'PUT', '/api/v1/nodes/n/status'), 'Metadata')
  assert.equal(level('a', [], 'GET', '/apis/apps/v1/namespaces/a/deployments/web'), 'Metadata')
  assert.equal(level('a', [], 'GET', '/apis/apps/v1/namespaces/a/deployments/db'), 'None')
  assert.equal(level('a', [], 'GET', '/healthz/etcd'), 'RequestResponse')
  const decision = decideAudit(policy, undefined, requestInfoOf('GET', '/api/v1/namespaces/a/pods/p/log', new URLSearchParams()))
  assert.deepEqual(decision, { level: 'Metadata', omitStages: ['RequestReceived', 'ResponseStarted'], omitManagedFields: false })
})

test('source addresses are those that proxies name, and the one that connected', () => {
  const ips = (headers: Record<string, string>, remoteAddress: string): string[] => sourceIps({ headers, remoteAddress } as never)
  assert.deepEqual(ips({}, '::ffff:10.0.0.1'), ['10.0.0.1'])
  assert.deepEqual(ips({ 'x-forwarded-for': '1.1.1.1, junk, 2001:db8::1', 'x-real-ip': '3.3.3.3' }, '10.0.0.1'), ['1.1.1.1', '2001:db8::1', '3.3.3.3', '10.0.0.1'])
  assert.deepEqual(ips({ 'x-forwarded-for': '10.0.0.1', 'x-real-ip': '10.0.0.1' }, '10.0.0.1'), ['10.0.0.1'])
})

async function audited(t: TestContext, policy: string, options: Omit<AuditOptions, 'policyFile' | 'log'> = {}, parts: Parameters<typeof startTestServer>[2] = {}): Promise<{ client: TestClient; events(): Promise<Json[]>; stop(): Promise<void> }> {
  const path = await folder(t)
  await writeFile(join(path, 'policy.yaml'), policy)
  const runtime = systemRuntime(memoryLogger())
  const audit = await openAudit({ ...options, policyFile: join(path, 'policy.yaml'), log: { path: join(path, 'audit.log') } }, runtime)
  const store = memoryStore(runtime)
  const server = await startTestServer(runtime, store, { guards: { audit: audit! }, ...parts })
  const client = testClient(server.url, server.certificate)
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => (stopped ??= (async () => {
    client[Symbol.dispose]()
    await server[Symbol.asyncDispose]()
    await store[Symbol.asyncDispose]()
  })())
  t.after(stop)
  return { client, stop, events: async () => (await readFile(join(path, 'audit.log'), 'utf8')).split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as never) }
}

test('a handler that fails as none does on purpose ends in the stage Panic, and others go on', async (t) => {
  const { client, events, stop } = await audited(t, `${head}omitStages: [RequestReceived]\nrules:\n- {level: Metadata, namespaces: [default]}\n`, {}, {
    admission: [() => ({ name: 'Broken', handles: () => true, resources: ['secrets'], mutate: () => void (undefined as unknown as { missing(): void }).missing() })],
  })
  const broken = await client.call('POST', '/api/v1/namespaces/default/secrets', { body: { metadata: { name: 's' } } })
  assert.deepEqual([broken.status, broken.headers['content-type'], broken.text], [500, 'text/plain; charset=utf-8', 'This request caused apiserver to panic. Look in the logs for details.\n'])
  assert.equal((await client.call('POST', '/api/v1/namespaces/default/configmaps', { body: { metadata: { name: 'c' } } })).status, 201)
  await stop()
  const all = await events()
  assert.deepEqual(all.map(({ stage, responseStatus }) => [stage, responseStatus.code]), [['Panic', 500], ['ResponseComplete', 201]])
  assert.match(all[0]!.responseStatus.message, /^APIServer panic'd: Cannot read properties of undefined/)
  assert.equal(all[0]!.responseStatus.reason, 'InternalError')
})

test('requests that are slow say how slow', async () => {
  const runtime = testRuntime()
  const seen: AuditEvent[] = []
  const backend = { process: (events: readonly AuditEvent[]) => seen.push(...events) > 0, failures: () => [], [Symbol.asyncDispose]: async () => undefined } as unknown as AuditBackend
  const auditing = requestAuditing(runtime, parse(`${head}omitStages: [RequestReceived]\nrules: [{level: Metadata}]\n`), [backend])
  for (const delayMs of [499, 1234]) {
    const audit = auditing.begin({ method: 'GET', path: '/version', query: new URLSearchParams(), headers: {}, remoteAddress: '' } as never, requestInfoOf('GET', '/version', new URLSearchParams()), undefined, 'id', runtime.clock.monotonicMs())!
    await runtime.clock.advance(delayMs)
    audit.waited('apf-queue-wait', 40.5)
    await audit.answered({ status: 200, headers: {}, bytes: '' })
    await audit.closed()
  }
  assert.deepEqual(seen.map(({ annotations }) => annotations), [undefined, { 'apiserver.latency.k8s.io/total': '1.234s', 'apiserver.latency.k8s.io/apf-queue-wait': '40.5ms' }])
})

test('events of a server: stages, identities, objects, statuses and annotations', async (t) => {
  const { client, events, stop } = await audited(t, `${head}rules:
- {level: None, nonResourceURLs: ["/healthz"]}
- {level: RequestResponse, resources: [{group: "", resources: [configmaps]}], omitManagedFields: true}
- {level: Metadata}
`)
  const created = await client.call('POST', '/api/v1/namespaces/default/configmaps', { body: { metadata: { name: 'a' }, data: { k: 'v' } }, headers: { 'x-forwarded-for': '1.2.3.4' } })
  assert.equal(created.status, 201)
  const auditId = created.headers['audit-id'] as string
  assert.match(auditId, /^[0-9a-f-]{36}$/)
  const named = await client.call('GET', '/api/v1/namespaces/default/configmaps/none?pretty=true', { headers: { 'audit-id': 'my-own' } })
  assert.equal(named.headers['audit-id'], 'my-own')
  await client.call('GET', '/healthz')
  await client.call('GET', '/api/v1/pods', { headers: { authorization: 'Bearer jane' } })
  await client.call('GET', '/api/v1/pods', { headers: { authorization: 'Bearer nobody' } })
  await client.call('DELETE', '/api/v1/namespaces/default/configmaps/a', { body: { propagationPolicy: 'Background' } })
  await client.call('GET', '/api/v1/pods?watch=1&timeoutSeconds=1&resourceVersion=1')
  await stop()
  const all = await events()
  assert.ok(all.every(({ kind, apiVersion }) => kind === 'Event' && apiVersion === 'audit.k8s.io/v1'))
  const [received, complete] = all.filter((event) => event.auditID === auditId)
  assert.deepEqual([received!.stage, complete!.stage], ['RequestReceived', 'ResponseComplete'])
  assert.equal(received!.stageTimestamp, received!.requestReceivedTimestamp)
  assert.match(complete!.stageTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
  assert.deepEqual(complete!.user, { username: 'admin', groups: ['system:masters', 'system:authenticated'] })
  assert.deepEqual(complete!.sourceIPs, ['1.2.3.4', '127.0.0.1'])
  assert.equal(complete!.requestURI, '/api/v1/namespaces/default/configmaps')
  assert.deepEqual(complete!.objectRef, { resource: 'configmaps', namespace: 'default', name: 'a', apiVersion: 'v1' })
  assert.deepEqual(complete!.responseStatus, { metadata: {}, code: 201 })
  assert.deepEqual(complete!.requestObject.data, { k: 'v' })
  assert.ok(complete!.responseObject.metadata.uid !== undefined && complete!.responseObject.metadata.managedFields === undefined)
  assert.deepEqual(complete!.annotations, { 'authorization.k8s.io/decision': 'allow', 'authorization.k8s.io/reason': '' })
  const missing = all.find((event) => event.auditID === 'my-own' && event.stage === 'ResponseComplete')!
  assert.equal(missing.requestURI, '/api/v1/namespaces/default/configmaps/none?pretty=true')
  assert.deepEqual([missing.responseStatus.status, missing.responseStatus.reason, missing.responseStatus.code], ['Failure', 'NotFound', 404])
  assert.equal(missing.responseObject.reason, 'NotFound')
  const refused = all.find((event) => event.user.username === 'jane' && event.stage === 'ResponseComplete')!
  assert.deepEqual([refused.responseStatus.code, refused.annotations['authorization.k8s.io/decision'], refused.responseObject], [403, 'forbid', undefined])
  const unknown = all.filter((event) => event.responseStatus?.code === 401)
  assert.deepEqual(unknown.map(({ stage, user, responseStatus }) => [stage, user, responseStatus.reason]), [['ResponseStarted', {}, 'Unauthorized']])
  const deleted = all.find((event) => event.verb === 'delete' && event.stage === 'ResponseComplete')!
  assert.deepEqual(deleted.requestObject, { kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/__internal', propagationPolicy: 'Background' })
  assert.equal(deleted.responseStatus.status, 'Success')
  assert.deepEqual(all.filter(({ verb }) => verb === 'watch').map(({ stage }) => stage), ['RequestReceived', 'ResponseStarted', 'ResponseComplete'])
  assert.equal(all.some(({ requestURI }) => requestURI === '/healthz'), false)
})

test('a webhook gets event lists, and one that hangs holds nobody up', async (t) => {
  const lists: { kind: string; items: { kind?: string; auditID: string }[] }[] = []
  let held: ServerResponse | undefined
  const webhook = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part)).on('end', () => {
      lists.push(JSON.parse(Buffer.concat(parts).toString()) as never)
      // The first call is not answered before the test is over.
      if (lists.length > 1) response.end('{}')
      else held = response
    })
  })
  await new Promise<void>((resolve) => webhook.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    webhook.closeAllConnections()
    webhook.close()
  })
  const path = await folder(t)
  await writeFile(join(path, 'webhook.yaml'), `apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{name: a, cluster: {server: "http://127.0.0.1:${(webhook.address() as AddressInfo).port}/audit"}}]\ncontexts: [{name: a, context: {cluster: a, user: a}}]\nusers: [{name: a, user: {}}]\n`)
  const { client } = await audited(t, `${head}rules: [{level: Metadata}]\n`, { webhook: { configFile: join(path, 'webhook.yaml'), batchMaxSize: 2 } })
  const { clock } = systemRuntime(memoryLogger())
  const startedMs = clock.monotonicMs()
  for (let i = 0; i < 10; i++) assert.equal((await client.call('GET', '/version')).status, 200)
  assert.ok(clock.monotonicMs() - startedMs < 3000)
  while (lists.flatMap(({ items }) => items).length < 20) await clock.sleep(10)
  assert.ok(lists.every(({ kind, items }) => kind === 'EventList' && items.length <= 2 && items.every((item) => item.kind === undefined)))
  held?.end('{}')
})

const event: AuditEvent = {
  level: 'Request', auditID: 'id', stage: 'ResponseComplete', requestURI: '/api/v1/pods', verb: 'list', user: { username: 'jane', groups: ['a', 'b'] }, sourceIPs: ['127.0.0.1'], userAgent: 'curl',
  responseStatus: { code: 200 }, requestObject: '{"a":1}', requestReceivedTimestamp: '2026-01-02T03:04:05.600000Z', stageTimestamp: '2026-01-02T03:04:05.700001Z', annotations: { b: '2', a: '1' },
}

test('lines of a log in both formats', () => {
  assert.equal(eventLine(event), '{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Request","auditID":"id","stage":"ResponseComplete","requestURI":"/api/v1/pods","verb":"list","user":{"username":"jane","groups":["a","b"]},"sourceIPs":["127.0.0.1"],"userAgent":"curl","responseStatus":{"metadata":{},"code":200},"requestObject":{"a":1},"requestReceivedTimestamp":"2026-01-02T03:04:05.600000Z","stageTimestamp":"2026-01-02T03:04:05.700001Z","annotations":{"a":"1","b":"2"}}\n')
  assert.equal(legacyLine(event), '2026-01-02T03:04:05.6Z AUDIT: id="id" stage="ResponseComplete" ip="127.0.0.1" method="list" user="jane" groups="\\"a\\",\\"b\\"" as="<self>" asgroups="<lookup>" user-agent="curl" namespace="<none>" uri="/api/v1/pods" response="200"\n')
  assert.equal(microTimeText(1_767_323_045_600_001), '2026-01-02T03:04:05.600001Z')
})

function collector(): AuditBackend & { batches: AuditEvent[][] } {
  const batches: AuditEvent[][] = []
  return {
    batches, failures: () => [], [Symbol.asyncDispose]: () => Promise.resolve(),
    process: (events) => {
      batches.push([...events])
      return true
    },
  }
}

test('batches are sent when full or due, not faster than allowed, and the rest when the server stops', async () => {
  const runtime = testRuntime()
  const inner = collector()
  const backend = buffered(inner, { bufferSize: 10, maxBatchSize: 3, maxBatchWaitMs: 1000, concurrency: 4, throttle: { qps: 1, burst: 2 } }, runtime)
  backend.process([event, event])
  await runtime.clock.settle()
  assert.equal(inner.batches.length, 0)
  await runtime.clock.advance(1000)
  assert.deepEqual(inner.batches.map((batch) => batch.length), [2])
  backend.process(Array.from({ length: 9 }, () => event))
  await runtime.clock.settle()
  assert.deepEqual(inner.batches.map((batch) => batch.length), [2, 3], 'the burst is used up')
  await runtime.clock.advance(1000)
  assert.deepEqual(inner.batches.map((batch) => batch.length), [2, 3, 3])
  backend.process(Array.from({ length: 12 }, () => event))
  await runtime.clock.settle()
  await backend[Symbol.asyncDispose]()
  assert.equal(inner.batches.flat().length + backend.failures().find(({ name }) => name === 'buffered')!.failed, 23)
})

test('events that are too large lose their objects, or are lost', async () => {
  const runtime = testRuntime()
  const inner = collector()
  const backend = truncating(inner, { maxEventSizeBytes: 600, maxBatchSizeBytes: 1000 }, runtime)
  const large = { ...event, requestObject: JSON.stringify('x'.repeat(1000)) }
  await backend.process([event, large, event, { ...event, userAgent: 'x'.repeat(1000) }])
  assert.deepEqual(inner.batches.map((batch) => batch.length), [2, 1])
  assert.deepEqual([inner.batches[0]![1]!.requestObject, inner.batches[0]![1]!.annotations], [undefined, { 'a': '1', 'b': '2', 'audit.k8s.io/truncated': 'true' }])
  assert.deepEqual(backend.failures(), [{ name: 'truncate', failed: 1 }])
})

test('a log is rotated by size, and old ones are compressed and removed', async (t) => {
  const path = await folder(t)
  const runtime = testRuntime()
  const log = await openLogFile({ path: join(path, 'audit.log'), maxSizeBytes: 100, maxAgeDays: 0, maxBackups: 2, compress: true }, runtime)
  for (let i = 0; i < 20; i++) {
    await log.write(`${String(i).padStart(2, '0')} ${'x'.repeat(30)}\n`)
    await runtime.clock.advance(1000)
  }
  await assert.rejects(log.write('x'.repeat(101)), /exceeds maximum file size/)
  await log[Symbol.asyncDispose]()
  const names = (await readdir(path)).sort()
  assert.equal(names.filter((name) => /^audit-2026-01-01T00-00-\d\d\.\d{3}\.log\.gz$/.test(name)).length, 2)
  const kept = [...await Promise.all(names.filter((name) => name.endsWith('.gz')).map(async (name) => gunzipSync(await readFile(join(path, name))).toString())), await readFile(join(path, 'audit.log'), 'utf8')].join('')
  assert.match(kept, /19 x+\n$/)
  assert.ok(kept.split('\n').length > 4)
})

test('wrong options are named as upstream names them', () => {
  assert.deepEqual(auditOptionProblems({
    log: { path: 'a', mode: 'eager' as never, format: 'xml' as never, maxAgeDays: -1 }, webhook: { configFile: 'b', batchBufferSize: 0, truncateMaxEventSizeBytes: 100, truncateMaxBatchSizeBytes: 10, version: 'audit.k8s.io/v1beta1' },
  }), [
    'invalid audit log mode eager, allowed modes are "batch,blocking,blocking-strict"', 'invalid audit log format xml, allowed formats are ["legacy" "json"]', '--audit-log-maxage -1 can\'t be a negative number',
    'invalid audit batch webhook buffer size 0, must be a positive number', 'invalid audit truncate webhook max batch size 10, must be greater than max event size (100)',
    'invalid group version, allowed versions are [{"audit.k8s.io" "v1"}]',
  ])
})
