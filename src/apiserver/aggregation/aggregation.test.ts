import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { after, before, test } from 'node:test'
import type { Duplex } from 'node:stream'
import type { OpenObject } from '../../machinery/object.ts'
import { memoryLogger } from '../../runtime/log.ts'
import { systemRuntime, type Runtime } from '../../runtime/runtime.ts'
import { memoryStore } from '../../store/memory.ts'
import type { Store } from '../../store/store.ts'
import { customResourcesHook } from '../custom-resources/serving.ts'
import type { ApiServer } from '../server.ts'
import { testAuthority, type TestAuthority } from '../testing/authority.ts'
import { flunder, startExtensionServer, type ExtensionServer } from '../testing/extension-server.ts'
import { testClient, type Json, type TestClient } from '../testing/http-client.ts'
import { startTestServer } from '../testing/server.ts'
import { aggregation } from './aggregator.ts'

const services = '/apis/apiregistration.k8s.io/v1/apiservices'
const remote = `${services}/v1.wardle.example.com`
let runtime: Runtime
let store: Store
let server: ApiServer & { certificate: string }
let client: TestClient
let authority: TestAuthority
let extension: ExtensionServer
let proxyFiles: string

before(async () => {
  const real = systemRuntime(memoryLogger())
  // The time that a server is given to answer goes by faster.
  runtime = { ...real, clock: { ...real.clock, timer: (delayMs, callback, options) => real.clock.timer(delayMs === 5_000 ? 400 : delayMs, callback, options) } }
  store = memoryStore(runtime)
  authority = await testAuthority(runtime.clock.now())
  extension = await startExtensionServer({ ...await authority.issue('wardle', ['wardle.default.svc']), clientCa: authority.certificate })
  proxyFiles = await mkdtemp(join(tmpdir(), 'k8ts-proxy-'))
  const files = { certificate: join(proxyFiles, 'tls.crt'), key: join(proxyFiles, 'tls.key') }
  const proxyClient = { ...await authority.issue('front-proxy-client'), files }
  for (const part of ['certificate', 'key'] as const) await writeFile(files[part], proxyClient[part])
  const aggregated = aggregation({ proxyClient, enableAggregatorRouting: true })
  server = await startTestServer(runtime, store, {
    hooks: [customResourcesHook, ...aggregated.hooks], aggregator: aggregated.build, guards: { priorityAndFairness: false, maxRequestsInFlight: 10 },
    authorizers: [() => ({ name: 'test', authorize: ({ user }) => ({ decision: user.username === 'visitor' || user.groups.includes('system:masters') ? 'allow' : 'noOpinion', reason: '' }) })],
  })
  client = testClient(server.url, server.certificate)
  await post('/api/v1/namespaces', { metadata: { name: 'default' } })
})

after(async () => {
  client[Symbol.dispose]()
  await server[Symbol.asyncDispose]()
  await extension[Symbol.asyncDispose]()
  await store[Symbol.asyncDispose]()
  await rm(proxyFiles, { recursive: true, force: true })
})

async function post(path: string, body: object): Promise<Json> {
  const answer = await client.call('POST', path, { body })
  assert.equal(answer.status, 201, answer.text)
  return answer.json
}

const condition = (service: Json): string => (service.status?.conditions ?? []).map((each: Json) => `${each.type}=${each.status} ${each.reason}: ${each.message}`).join('; ')

/** Looks again with each change of an APIService. */
async function untilService(name: string, test: (service: Json | undefined) => boolean): Promise<Json> {
  using watch = await client.watch(`${services}?watch=true&fieldSelector=metadata.name=${name}&timeoutSeconds=15`)
  for (;;) {
    const answer = await client.call('GET', `${services}/${name}`)
    const service: Json | undefined = answer.status === 200 ? answer.json : undefined
    if (test(service)) return service
    if ((await watch.next()) === undefined) throw new Error(`${name} did not get there: ${answer.text}`)
  }
}

/** Asks until the answer is as wanted; for documents that nothing can be watched of. */
async function until(path: string, headers: Record<string, string>, test: (answer: Json) => boolean): Promise<Json> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const answer = await client.call('GET', path, { headers })
    if (test(answer.json)) return answer.json
    await runtime.clock.sleep(25)
  }
  throw new Error(`${path} did not get there`)
}

const aggregatedAccept = { accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' }
const found = (document: Json): Json => document.items.find((group: Json) => group.metadata.name === 'wardle.example.com')?.versions[0]

const registration = (more: object = {}): object => ({
  apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService', metadata: { name: 'v1.wardle.example.com' },
  spec: { group: 'wardle.example.com', version: 'v1', groupPriorityMinimum: 2000, versionPriority: 200, caBundle: Buffer.from(authority.certificate).toString('base64'), service: { namespace: 'default', name: 'wardle', port: 443 }, ...more },
})

/** Written past validation, which refuses endpoints on loopback. */
async function writeSlice(ready: boolean): Promise<void> {
  const { registry } = server.core
  const resource = server.core.resource('endpointslices', 'discovery.k8s.io')
  const options = { user: { username: 'admin', groups: ['system:masters'] }, strategy: {} }
  const wanted = slice(extension.port, { endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready } }] })
  if (await registry.find(resource, 'default', 'wardle-1') === undefined) await registry.create(resource, 'default', wanted, options)
  else await registry.update(resource, 'default', 'wardle-1', (current) => ({ ...wanted, metadata: current.metadata }), options)
}

const slice = (port: number, more: object = {}): OpenObject => ({
  apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { name: 'wardle-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'wardle' } },
  addressType: 'IPv4', ports: [{ name: '', port, protocol: 'TCP' }], ...more,
})

test('what is served here has an APIService that says so', async () => {
  const list = (await client.call('GET', services)).json
  const byName = new Map<string, Json>(list.items.map((item: Json) => [item.metadata.name, item]))
  assert.deepEqual(byName.get('v1.apps').spec, { group: 'apps', version: 'v1', groupPriorityMinimum: 17800, versionPriority: 15 })
  assert.deepEqual(byName.get('v1.apps').metadata.labels, { 'kube-aggregator.kubernetes.io/automanaged': 'onstart' })
  assert.equal(condition(byName.get('v1.apps')), 'Available=True Local: Local APIServices are always available')
  assert.deepEqual(byName.get('v1.').spec, { version: 'v1', groupPriorityMinimum: 18000, versionPriority: 1 })
  assert.deepEqual([byName.get('v2.autoscaling').spec.versionPriority, byName.get('v1.autoscaling').spec.versionPriority], [30, 15])
  assert.equal(byName.has('v1.apiregistration.k8s.io'), false)
})

test('a custom group version has its APIService as long as it is served', async () => {
  await post('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: 'widgets.shop.example.com' },
    spec: { group: 'shop.example.com', scope: 'Namespaced', names: { plural: 'widgets', kind: 'Widget' }, versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }] },
  })
  const service = await untilService('v1.shop.example.com', (each) => each !== undefined)
  assert.deepEqual(service.spec, { group: 'shop.example.com', version: 'v1', groupPriorityMinimum: 1000, versionPriority: 100 })
  assert.deepEqual(service.metadata.labels, { 'kube-aggregator.kubernetes.io/automanaged': 'true' })
  // What others make of it is put right.
  await client.call('PATCH', `${services}/v1.shop.example.com`, { headers: { 'content-type': 'application/merge-patch+json' }, body: { spec: { versionPriority: 5 } } })
  await untilService('v1.shop.example.com', (each) => each?.spec.versionPriority === 100)
  await client.call('DELETE', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.shop.example.com')
  await untilService('v1.shop.example.com', (each) => each === undefined)
})

test('a local APIService that a user makes is available at once, and status is written apart', async () => {
  const made = await post(services, { ...registration(), metadata: { name: 'v1.local.example.com' }, spec: { group: 'local.example.com', version: 'v1', groupPriorityMinimum: 10, versionPriority: 10 } })
  assert.equal(condition(made), 'Available=True Local: Local APIServices are always available')
  const both = { ...made, spec: { ...made.spec, versionPriority: 11 }, status: { conditions: [...made.status.conditions, { type: 'Mine', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }] } }
  const spec = (await client.call('PUT', `${services}/v1.local.example.com`, { body: both })).json
  assert.deepEqual([spec.spec.versionPriority, spec.status.conditions.length], [11, 1])
  const status = await client.call('PUT', `${services}/v1.local.example.com/status`, { body: { ...both, spec: made.spec, metadata: spec.metadata } })
  assert.deepEqual([status.status, status.json.spec.versionPriority, status.json.status.conditions.length], [200, 11, 2])
  assert.equal((await client.call('GET', '/apis/local.example.com')).json.preferredVersion.version, 'v1')
  assert.equal((await client.call('DELETE', `${services}/v1.local.example.com`)).status, 200)
  assert.equal((await client.call('GET', '/apis/local.example.com')).status, 404)
})

test('the condition tells step by step why a server cannot be reached', async () => {
  await post(services, registration({ caBundle: undefined }))
  const reached = (reason: string) => (service: Json | undefined): boolean => condition(service ?? {}).includes(` ${reason}:`)
  assert.equal(condition(await untilService('v1.wardle.example.com', reached('ServiceNotFound'))), 'Available=False ServiceNotFound: service/wardle in "default" is not present')
  assert.equal((await client.call('GET', '/apis/wardle.example.com/v1/flunders')).text, 'service unavailable\n')
  const service = { metadata: { name: 'wardle', namespace: 'default' }, spec: { type: 'ClusterIP', clusterIP: '10.96.0.9', ports: [{ port: 8443, targetPort: 8443, protocol: 'TCP' }] } }
  await post('/api/v1/namespaces/default/services', service)
  assert.equal(condition(await untilService('v1.wardle.example.com', reached('ServicePortError'))), 'Available=False ServicePortError: service/wardle in "default" is not listening on port 443')
  await client.call('PATCH', '/api/v1/namespaces/default/services/wardle', { headers: { 'content-type': 'application/merge-patch+json' }, body: { spec: { ports: [{ port: 443, targetPort: 8443, protocol: 'TCP' }] } } })
  assert.equal(condition(await untilService('v1.wardle.example.com', reached('EndpointsNotFound'))), 'Available=False EndpointsNotFound: cannot find endpointslices for service/wardle in "default"')
  await writeSlice(false)
  assert.equal(condition(await untilService('v1.wardle.example.com', reached('MissingEndpoints'))), 'Available=False MissingEndpoints: endpointslices for service/wardle in "default" have no addresses with port name ""')
  await writeSlice(true)
  const where = `https://127.0.0.1:${extension.port}/apis/wardle.example.com/v1`
  assert.equal(
    condition(await untilService('v1.wardle.example.com', reached('FailedDiscoveryCheck'))),
    `Available=False FailedDiscoveryCheck: failing or missing response from ${where}: Get "${where}": tls: failed to verify certificate: x509: certificate signed by unknown authority`,
  )
  await client.call('PATCH', remote, { headers: { 'content-type': 'application/merge-patch+json' }, body: { spec: { caBundle: Buffer.from(authority.certificate).toString('base64') } } })
  assert.equal(condition(await untilService('v1.wardle.example.com', reached('Passed'))), 'Available=True Passed: all checks passed')
})

test('requests go to the other server in the name of who asks', async () => {
  extension.seen.length = 0
  const answer = await client.call('GET', '/apis/wardle.example.com/v1/namespaces/default/flunders?b=2&a=1', {
    headers: { 'x-remote-user': 'intruder', 'x-remote-group': 'system:masters', 'x-remote-extra-scopes': 'all', 'x-custom': 'kept', connection: 'x-hop', 'x-hop': 'dropped' },
  })
  assert.deepEqual([answer.status, answer.json.kind, answer.json.items.length], [200, 'FlunderList', 1])
  const [request] = extension.seen.filter(({ url }) => url.includes('/flunders'))
  assert.deepEqual([request!.method, request!.url, request!.proxyName], ['GET', '/apis/wardle.example.com/v1/namespaces/default/flunders?a=1&b=2', 'front-proxy-client'])
  const { headers } = request!
  assert.equal(headers['audit-id'], answer.headers['audit-id'])
  assert.deepEqual([headers['x-remote-user'], headers['x-remote-group'], headers['x-remote-extra-scopes'], headers['x-custom'], headers['x-hop']], ['admin', 'system:masters, system:authenticated', undefined, 'kept', undefined])
  assert.deepEqual([headers.authorization, headers['x-forwarded-for'], headers['x-forwarded-uri'], headers['x-forwarded-proto']], [undefined, '127.0.0.1', '/apis/wardle.example.com/v1/namespaces/default/flunders', 'https'])
  assert.equal((await client.call('POST', '/apis/wardle.example.com/v1/namespaces/default/flunders', { body: flunder('b') })).json.metadata.name, 'b')
  assert.equal(extension.seen.findLast(({ method }) => method === 'POST')!.body, JSON.stringify(flunder('b')))
  assert.equal((await client.call('GET', '/apis/wardle.example.com/v1/nothing')).json.message, 'no /apis/wardle.example.com/v1/nothing here')
})

test('a certificate that is exchanged in its files is shown from then on', async () => {
  const next = await authority.issue('front-proxy-next')
  await writeFile(join(proxyFiles, 'tls.crt'), next.certificate)
  await writeFile(join(proxyFiles, 'tls.key'), next.key)
  const nameSeen = async (): Promise<string | undefined> => {
    await client.call('GET', '/apis/wardle.example.com/v1/namespaces/default/flunders')
    return extension.seen.findLast(({ url }) => url.endsWith('/flunders'))?.proxyName
  }
  for (let attempt = 0; attempt < 100 && (await nameSeen()) !== 'front-proxy-next'; attempt++) await runtime.clock.sleep(50)
  assert.equal(await nameSeen(), 'front-proxy-next')
})

test('a server that hangs uses up nobody\'s seats', async () => {
  let hanging = 0
  extension.behaviour.routes['/apis/wardle.example.com/v1/namespaces/default/slow'] = () => void hanging++
  const limit = new AbortController()
  const transport = server.transport({ username: 'visitor', groups: [] })
  const waiting: Array<Promise<{ status: number }>> = []
  for (let attempt = 0; attempt < 1_000 && waiting.length < 30; attempt++) {
    if (hanging === waiting.length) waiting.push(transport.request({ method: 'GET', path: '/apis/wardle.example.com/v1/namespaces/default/slow', signal: limit.signal }))
    await runtime.clock.sleep(2)
  }
  assert.equal(waiting.length, 30)
  for (let count = 0; count < 20; count++) assert.equal((await client.call('GET', '/api/v1/namespaces/default', { headers: { authorization: 'Bearer visitor' } })).status, 200)
  limit.abort(new Error('enough'))
  for (const answer of await Promise.all(waiting)) assert.equal(answer.status, 503)
})

test('metrics tell which APIServices are unavailable, and how often they became so', async () => {
  const { text } = await client.call('GET', '/metrics')
  assert.match(text, /^aggregator_unavailable_apiservice\{name="v1.apps"\} 0$/m)
  assert.match(text, /^aggregator_unavailable_apiservice\{name="v1.wardle.example.com"\} 0$/m)
  assert.match(text, /^aggregator_unavailable_apiservice_total\{name="v1.wardle.example.com",reason="ServiceNotFound"\} 1$/m)
})

test('redirects of the other server go no further', async () => {
  extension.behaviour.routes['/apis/wardle.example.com/v1/elsewhere'] = (_, response) => void response.writeHead(302, { location: 'https://elsewhere.example.com/' }).end()
  const answer = await client.call('GET', '/apis/wardle.example.com/v1/elsewhere')
  assert.deepEqual([answer.status, answer.text, answer.headers.location, answer.headers['content-type']], [502, 'the backend attempted to redirect this request, which is not permitted', undefined, 'text/plain; charset=utf-8'])
})

test('who may not, is stopped before the other server hears of it', async () => {
  extension.seen.length = 0
  const refused = await client.call('GET', '/apis/wardle.example.com/v1/namespaces/default/flunders', { headers: { authorization: 'Bearer jane' } })
  assert.deepEqual([refused.status, refused.json.message], [403, 'flunders.wardle.example.com is forbidden: User "jane" cannot list resource "flunders" in API group "wardle.example.com" in the namespace "default"'])
  assert.equal(extension.seen.filter(({ url }) => url.includes('/flunders')).length, 0)
})

test('watches stream, and end with their reader', async () => {
  using watch = await client.watch('/apis/wardle.example.com/v1/flunders?watch=true')
  assert.equal((await watch.next())?.object.metadata.name, 'a')
  extension.emit({ type: 'MODIFIED', object: flunder('c') })
  assert.deepEqual(await watch.next(), { type: 'MODIFIED', object: flunder('c') })
})

test('upgraded connections are handed through', async () => {
  const { hostname, port } = new URL(server.url)
  const socket = connect({ host: hostname, port: Number(port), ca: server.certificate })
  await once(socket, 'secureConnect')
  socket.write(`GET /apis/wardle.example.com/v1/namespaces/default/flunders/a/shell HTTP/1.1\r\nHost: server\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX-Remote-User: intruder\r\n\r\n`)
  const [head] = (await once(socket, 'data')) as [Buffer]
  assert.match(head.toString(), /^HTTP\/1.1 101 Switching Protocols/)
  socket.write('hello')
  assert.equal(((await once(socket, 'data')) as [Buffer])[0].toString(), 'hello')
  ;(socket as Duplex).destroy()
  assert.equal(extension.seen.findLast(({ url }) => url.endsWith('/shell'))!.headers['x-remote-user'], 'admin')
})

test('discovery holds what is served there and here, by priority', async () => {
  const groups = (await client.call('GET', '/apis')).json.groups.map(({ name }: Json) => name) as string[]
  assert.deepEqual([groups[0], groups[1], groups.at(-1)], ['apiregistration.k8s.io', 'apps', 'wardle.example.com'])
  assert.deepEqual((await client.call('GET', '/apis/wardle.example.com')).json.preferredVersion, { groupVersion: 'wardle.example.com/v1', version: 'v1' })
  assert.equal((await client.call('GET', '/apis/wardle.example.com/v1')).json.resources[0].name, 'flunders')
  const document = await until('/apis', aggregatedAccept, (each) => found(each)?.freshness === 'Current')
  assert.deepEqual(found(document).resources.map(({ resource, scope, verbs }: Json) => [resource, scope, verbs.length]), [['flunders', 'Namespaced', 8]])
  // Clients rely on kinds being there, and this server does not tell that of its subresource.
  assert.deepEqual(found(document).resources[0].subresources, [{ subresource: 'status', verbs: ['get'], responseKind: { group: '', version: '', kind: '' } }])
  assert.equal(document.items[0].metadata.name, 'apiregistration.k8s.io')
  assert.equal((await client.call('GET', '/')).json.paths.includes('/apis/wardle.example.com/v1'), true)
})

test('OpenAPI holds what is served there', async () => {
  const v2 = await until('/openapi/v2', {}, (each) => each.paths?.['/apis/wardle.example.com/v1/flunders'] !== undefined)
  assert.deepEqual(v2.paths['/apis/wardle.example.com/v1/flunders'].get.parameters, [{ name: 'pretty', in: 'query', type: 'string' }])
  assert.equal(v2.definitions['com.example.wardle.v1.Flunder'].description, 'A Flunder.')
  assert.deepEqual([v2.paths['/apis/other.example.com/v1/things'], v2.definitions.unused], [undefined, undefined])
  assert.equal((await client.call('GET', '/openapi/v2', { headers: { accept: 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf' } })).bytes.includes('com.example.wardle.v1.Flunder'), true)
  const index = (await client.call('GET', '/openapi/v3')).json
  assert.equal(index.paths['apis/wardle.example.com/v1'].serverRelativeURL, '/openapi/v3/apis/wardle.example.com/v1?hash=X')
  assert.equal((await client.call('GET', '/openapi/v3/apis/wardle.example.com/v1?hash=X')).json.info.title, 'wardle')
})

test('a server that hangs delays no one: its group is told as stale, and others answer as ever', async () => {
  extension.behaviour.hangs = true
  // Any change has the server asked anew.
  await client.call('PATCH', remote, { headers: { 'content-type': 'application/merge-patch+json' }, body: { metadata: { labels: { touched: 'yes' } } } })
  // Of a group version that nothing was ever known of nothing is told.
  const other = { ...registration({ group: 'other.example.com', version: 'v2' }), metadata: { name: 'v2.other.example.com' } }
  await post(services, other)
  const waiting = client.call('GET', '/apis/wardle.example.com/v1')
  const startedMs = runtime.clock.monotonicMs()
  assert.equal((await client.call('GET', '/apis', { headers: aggregatedAccept })).status, 200)
  assert.equal((await client.call('GET', '/api/v1/namespaces/default')).status, 200)
  assert.ok(runtime.clock.monotonicMs() - startedMs < 2_000)
  const late = await waiting
  assert.deepEqual([late.status, late.text.trim()], [503, 'error trying to reach service: context deadline exceeded'])
  const document = await until('/apis', aggregatedAccept, (each) => found(each)?.freshness === 'Stale')
  assert.equal(found(document).resources[0].resource, 'flunders')
  const versionsOf = (each: Json): Json => each.items.find((group: Json) => group.metadata.name === 'other.example.com')?.versions
  assert.deepEqual(versionsOf(await until('/apis', aggregatedAccept, (each) => versionsOf(each) !== undefined)), [{ version: 'v2', freshness: 'Stale' }])
  await client.call('DELETE', `${services}/v2.other.example.com`)
  const service = await untilService('v1.wardle.example.com', (each) => condition(each ?? {}).includes('FailedDiscoveryCheck'))
  assert.match(condition(service), /Get ".*": context deadline exceeded \(Client.Timeout exceeded while awaiting headers\)$/)
  extension.behaviour.hangs = false
  await untilService('v1.wardle.example.com', (each) => condition(each ?? {}).includes('Passed'))
})

test('a server of the older kind is asked for its older documents', async () => {
  extension.behaviour.isLegacy = true
  extension.behaviour.onlyOpenapiV2 = true
  await client.call('DELETE', remote)
  await until('/apis', aggregatedAccept, (each) => found(each) === undefined)
  assert.equal((await client.call('GET', '/apis/wardle.example.com')).status, 404)
  assert.equal((await client.call('GET', '/apis/wardle.example.com/v1/flunders')).status, 404)
  await post(services, registration())
  const document = await until('/apis', aggregatedAccept, (each) => found(each)?.resources?.length === 1)
  assert.deepEqual(found(document).resources[0].subresources.map(({ subresource }: Json) => subresource), ['status'])
  const index = await until('/openapi/v3', {}, (each) => each.paths?.['apis/wardle.example.com/v1'] !== undefined)
  const v3 = (await client.call('GET', index.paths['apis/wardle.example.com/v1'].serverRelativeURL)).json
  assert.deepEqual(v3.paths['/apis/wardle.example.com/v1/flunders'].get.responses['200'].content['application/json'].schema, { $ref: '#/components/schemas/com.example.wardle.v1.Flunder' })
})

test('a server that is gone is answered for', async () => {
  await untilService('v1.wardle.example.com', (each) => condition(each ?? {}).includes('Passed'))
  const { port } = extension
  await extension[Symbol.asyncDispose]()
  const answer = await client.call('GET', '/apis/wardle.example.com/v1/flunders')
  assert.deepEqual([answer.status, answer.headers['content-type'], answer.text], [503, 'text/plain; charset=utf-8', `error trying to reach service: dial tcp 127.0.0.1:${port}: connect: connection refused\n`])
})
