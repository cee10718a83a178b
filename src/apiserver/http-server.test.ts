import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectHttp2, constants } from 'node:http2'
import { after, before, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { typeById } from '../api/type-table.ts'
import { decodeProtobuf } from '../machinery/protobuf-envelope.ts'
import type { StructType } from '../machinery/schema-type.ts'
import { memoryLogger } from '../runtime/log.ts'
import { systemRuntime, type Runtime } from '../runtime/runtime.ts'
import { memoryStore } from '../store/memory.ts'
import type { Store } from '../store/store.ts'
import type { ApiServer } from './server.ts'
import { testClient, type TestClient } from './testing/http-client.ts'
import { startTestServer } from './testing/server.ts'

let runtime: Runtime
let store: Store
let server: ApiServer & { certificate: string }
let client: TestClient

before(async () => {
  runtime = systemRuntime(memoryLogger())
  store = memoryStore(runtime)
  server = await startTestServer(runtime, store, { componentChecks: [{ name: 'scheduler', check: async () => 'ok' }, { name: 'broken', check: () => Promise.reject(new Error('gone')) }] })
  client = testClient(server.url, server.certificate)
  await client.call('POST', '/api/v1/namespaces', { body: { metadata: { name: 'default' } } })
})

after(async () => {
  client[Symbol.dispose]()
  await server[Symbol.asyncDispose]()
  await store[Symbol.asyncDispose]()
})

async function rawConnection(alpn = 'http/1.1'): Promise<TLSSocket> {
  const { hostname, port } = new URL(server.url)
  const socket = connect({ host: hostname, port: Number(port), ca: server.certificate, ALPNProtocols: [alpn] })
  socket.on('error', () => undefined)
  await once(socket, 'secureConnect')
  return socket
}

async function answerTo(text: string | Buffer): Promise<string> {
  const socket = await rawConnection()
  socket.write(text)
  let answer = ''
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString()))
  const ended = new Promise((resolve) => socket.once('close', resolve))
  socket.setTimeout(2000, () => socket.destroy())
  await ended
  return answer
}

test('HTTP/2 and HTTP/1.1 share the port', async () => {
  const session = connectHttp2(server.url, { ca: server.certificate })
  const stream = session.request({ ':path': '/version' })
  const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
  assert.equal(headers[':status'], 200)
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  assert.deepEqual([JSON.parse(text).major, JSON.parse(text).minor], ['1', '36'])
  session.close()
  assert.equal((await client.call('GET', '/version')).json.minor, '36')
})

test('a watch over HTTP/2 delivers events and ends when the client resets it', async () => {
  const session = connectHttp2(server.url, { ca: server.certificate })
  const stream = session.request({ ':path': '/api/v1/namespaces/default/configmaps?watch=true' })
  await once(stream, 'response')
  await client.call('POST', '/api/v1/namespaces/default/configmaps', { body: { metadata: { name: 'seen' } } })
  const [chunk] = (await once(stream, 'data')) as [Buffer]
  assert.equal(JSON.parse(chunk.toString()).object.metadata.name, 'seen')
  stream.close(constants.NGHTTP2_CANCEL)
  await once(stream, 'close')
  session.close()
})

test('nothing that a client sends ends the process', async () => {
  const texts = [
    'nonsense\r\n\r\n', 'GET\r\n\r\n', `GET /${'x'.repeat(300_000)} HTTP/1.1\r\nhost: a\r\n\r\n`, `GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(400_000)}\r\n\r\n`,
    'POST /api/v1/namespaces HTTP/1.1\r\nhost: a\r\ncontent-length: -5\r\n\r\n', 'POST /api/v1/namespaces HTTP/1.1\r\nhost: a\r\ncontent-length: 50\r\n\r\n{"metadata"', '\0\0\0\0',
    'GET /api/v1/namespaces/%00 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n', 'GET //api//v1/pods HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n',
    'OPTIONS * HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n', 'TRACE /api/v1/pods HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n',
    'CONNECT a:1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n', 'GET /api/v1/pods HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
    'POST /api/v1/namespaces HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
  ]
  await Promise.all(texts.map(answerTo))
  const http2 = await rawConnection('h2')
  http2.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.from('00ffff0401000000ff', 'hex')]))
  http2.destroy()
  const session = connectHttp2(server.url, { ca: server.certificate })
  session.on('error', () => undefined)
  const bodies = await Promise.all(Array.from({ length: 20 }, async () => {
    const stream = session.request({ ':method': 'POST', ':path': '/api/v1/namespaces', 'content-type': 'application/json' }, { endStream: false })
    stream.on('error', () => undefined)
    stream.write('{"meta')
    stream.close(constants.NGHTTP2_CANCEL)
    await once(stream, 'close')
    return stream.rstCode
  }))
  assert.equal(bodies.length, 20)
  session.destroy()
  assert.equal((await client.call('GET', '/livez')).text, 'ok')
})

test('deeply nested JSON is a bad request', async () => {
  const body = `{"metadata":{"name":"deep"},"data":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
  const { status } = await client.call('POST', '/api/v1/namespaces/default/configmaps', { body })
  assert.equal(status, 400)
})

test('pairs of a query that Go would not read are left out', async () => {
  for (const query of ['labelSelector=a;b', 'limit=%zz', ';', 'labelSelector=%00']) assert.equal((await client.call('GET', `/api/v1/namespaces/default/configmaps?${query}`)).status, 200, query)
  assert.equal((await client.call('GET', '/api/v1/namespaces/default/configmaps?a;b&labelSelector=a%20b')).status, 400)
})

test('keys such as __proto__ are plain data', async () => {
  const body = '{"metadata":{"name":"proto","labels":{"__proto__":"x","constructor":"y"}},"data":{"__proto__":"z"}}'
  const created = await client.call('POST', '/api/v1/namespaces/default/configmaps', { body })
  assert.ok(created.status === 201 || created.status === 422, created.text)
  const patched = await client.call('PATCH', '/api/v1/namespaces/default/configmaps/seen', { body: '{"data":{"__proto__":"z"}}', headers: { 'content-type': 'application/merge-patch+json' } })
  assert.ok(patched.status === 200 || patched.status === 422, patched.text)
  assert.equal(({} as { x?: string }).x, undefined)
})

test('health: one word, all checks, single checks, exclusions', async () => {
  for (const path of ['/healthz', '/livez', '/readyz', '/livez/ping', '/readyz/etcd']) assert.deepEqual([(await client.call('GET', path)).status, (await client.call('GET', path)).text], [200, 'ok'], path)
  const verbose = await client.call('GET', '/readyz?verbose')
  assert.match(verbose.text, /^\[\+\]ping ok\n\[\+\]log ok\n\[\+\]etcd ok\n/)
  assert.match(verbose.text, /\[\+\]informer-sync ok\n(\[\+\]poststarthook\/[a-z-]+ ok\n)+\[\+\]shutdown ok\nreadyz check passed\n$/)
  for (const name of ['start-apiserver-admission-initializer', 'generic-apiserver-start-informers', 'priority-and-fairness-config-consumer', 'priority-and-fairness-filter']) assert.ok(verbose.text.includes(`[+]poststarthook/${name} ok\n`), name)
  assert.match((await client.call('GET', '/livez?verbose&exclude=etcd')).text, /\[\+\]etcd excluded: ok/)
  assert.equal((await client.call('GET', '/livez/none')).status, 404)
})

test('a failing post-start hook shows in /readyz until it has succeeded', async () => {
  let attempts = 0
  const slow = startTestServer(runtime, store, { hooks: [{ name: 'flaky', run: async () => { if (attempts++ === 0) throw new Error('not yet') } }] })
  await using other = await slow
  assert.equal(attempts, 2)
  using otherClient = testClient(other.url, other.certificate)
  assert.match((await otherClient.call('GET', '/readyz?verbose')).text, /\[\+\]poststarthook\/flaky ok/)
})

test('discovery, plain and aggregated', async () => {
  assert.deepEqual((await client.call('GET', '/api')).json.versions, ['v1'])
  const core = await client.call('GET', '/api/v1')
  assert.equal(core.json.kind, 'APIResourceList')
  assert.ok(core.json.resources.some((resource: { name: string }) => resource.name === 'pods/log'))
  assert.equal((await client.call('GET', '/apis/apps')).json.preferredVersion.groupVersion, 'apps/v1')
  assert.equal((await client.call('GET', '/apis/apps/v1')).json.groupVersion, 'apps/v1')
  assert.equal((await client.call('GET', '/apis/none')).status, 404)
  assert.equal((await client.call('GET', '/apis/apps/v9')).status, 404)
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json'
  const all = await client.call('GET', '/apis', { headers: { accept } })
  assert.deepEqual([all.json.kind, all.headers['content-type']], ['APIGroupDiscoveryList', 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'])
  const unchanged = await client.call('GET', '/apis', { headers: { accept, 'if-none-match': all.headers.etag! } })
  assert.equal(unchanged.status, 304)
  const protobuf = await client.call('GET', '/apis', { headers: { accept: 'application/vnd.kubernetes.protobuf;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' } })
  assert.deepEqual([protobuf.headers['content-type'], protobuf.headers.etag], ['application/vnd.kubernetes.protobuf;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList', all.headers.etag])
  const items = decodeProtobuf(protobuf.bytes, () => typeById('apidiscovery.k8s.io/v2.APIGroupDiscoveryList') as StructType).items as Array<{ metadata: { name: string } }>
  assert.deepEqual(items.map(({ metadata }) => metadata.name), all.json.items.map(({ metadata }: { metadata: { name: string } }) => metadata.name))
  const beta = 'application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList'
  assert.deepEqual([(await client.call('GET', '/apis', { headers: { accept: `${beta},application/json` } })).json.kind, (await client.call('GET', '/apis', { headers: { accept: beta } })).status], ['APIGroupList', 406])
  assert.ok((await client.call('GET', '/')).json.paths.includes('/apis/apps/v1'))
})

test('OpenAPI documents with lasting addresses', async () => {
  const index = await client.call('GET', '/openapi/v3')
  const { serverRelativeURL } = index.json.paths['apis/apps/v1']
  const document = await client.call('GET', serverRelativeURL)
  assert.equal(document.headers['cache-control'], 'public, immutable')
  assert.equal(`"${new URL(serverRelativeURL, server.url).searchParams.get('hash')}"`, document.headers.etag)
  for (const path of ['/openapi/v3', '/openapi/v3/apis/apps/v1', '/openapi/v2']) assert.equal((await client.call('GET', path)).headers['cache-control'], 'no-cache, private', path)
  assert.ok(document.json.components.schemas['io.k8s.api.apps.v1.Deployment'] !== undefined)
  const moved = await client.call('GET', '/openapi/v3/apis/apps/v1?hash=OLD')
  assert.deepEqual([moved.status, moved.headers.location], [301, serverRelativeURL])
  assert.equal((await client.call('GET', '/openapi/v3/apis/none/v1')).status, 404)
  const swagger = await client.call('GET', '/openapi/v2', { headers: { 'accept-encoding': 'gzip' } })
  assert.deepEqual([swagger.headers['content-encoding'], swagger.headers.vary], ['gzip', 'Accept, Accept-Encoding'])
  const asProtobuf = await client.call('GET', '/openapi/v3/apis/apps/v1', { headers: { accept: 'application/com.github.proto-openapi.spec.v3@v1.0+protobuf, application/json' } })
  assert.equal(asProtobuf.headers['content-type'], 'application/com.github.proto-openapi.spec.v3.v1.0+protobuf')
  assert.equal((await client.call('GET', '/openapi/v3/apis/apps/v1', { headers: { accept: 'text/html' } })).status, 406)
})

test('metrics count requests', async () => {
  await client.call('GET', '/api/v1/namespaces/default/secrets')
  const { text, headers } = await client.call('GET', '/metrics')
  assert.match(headers['content-type']!, /^text\/plain/)
  assert.match(text, /apiserver_request_total\{code="200",component="apiserver",dry_run="",group="",resource="secrets",scope="namespace",subresource="",verb="LIST",version="v1"\} 1\n/)
  assert.match(text, /apiserver_request_duration_seconds_count\{component="apiserver",dry_run="",group="",resource="secrets",scope="namespace",subresource="",verb="LIST",version="v1"\} 1\n/)
  assert.match(text, /apiserver_response_sizes_bucket\{[^}]*resource="secrets",[^}]*verb="LIST",[^}]*le="1000"\} 1\n/)
  assert.match(text, /apiserver_current_inflight_requests\{request_kind="readOnly"\} [1-9]/)
  for (const filter of ['authentication', 'constrainedimpersonation', 'authorization']) assert.match(text, new RegExp(`apiserver_request_filter_duration_seconds_bucket\\{filter="${filter}",le="30"\\} [1-9]`))
  assert.match(text, /kubernetes_build_info\{[^}]*major="1",minor="36",/)
  assert.match(text, /process_cpu_seconds_total [\d.]+\n/)
  await client.call('GET', '/api/v1/namespaces/default/nonsense')
  await client.call('GET', '/apis/made.up/v1/things')
  await client.call('GET', '/made/up')
  await client.call('GET', '/readyz')
  const later = (await client.call('GET', '/metrics')).text
  assert.match(later, /apiserver_request_total\{[^}]*subresource="\/readyz",verb="GET"/)
  assert.doesNotMatch(later, /nonsense|made/, 'names that requests make up leave nothing behind')
  const open = await client.call('GET', '/metrics', { headers: { accept: 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5' } })
  assert.equal(open.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores')
  assert.match(String(open.headers['process-start-time-unix']), /^\d{10}$/)
})

test('component statuses come from the checks', async () => {
  const { json } = await client.call('GET', '/api/v1/componentstatuses')
  assert.deepEqual(json.items.map((item: { metadata: { name: string }; conditions: { status: string; message: string }[] }) => [item.metadata.name, item.conditions[0]!.status, item.conditions[0]!.message]), [
    ['scheduler', 'True', 'ok'], ['broken', 'False', 'Unhealthy'], ['etcd-0', 'True', 'ok'],
  ])
  assert.equal((await client.call('GET', '/api/v1/componentstatuses/none')).status, 404)
  assert.equal((await client.call('POST', '/api/v1/componentstatuses', { body: {} })).status, 405)
})

test('who has no right is told which one, and who shows an unknown token is refused', async () => {
  const as = (token: string, path: string) => client.call('GET', path, { headers: { authorization: `Bearer ${token}` } })
  const table: [string, string][] = [
    ['/api/v1/pods', 'pods is forbidden: User "jane" cannot list resource "pods" in API group "" at the cluster scope'],
    ['/apis/apps/v1/namespaces/a/deployments/web', 'deployments.apps "web" is forbidden: User "jane" cannot get resource "deployments" in API group "apps" in the namespace "a"'],
    ['/api/v1/namespaces/a/pods/p/log', 'pods "p" is forbidden: User "jane" cannot get resource "pods/log" in API group "" in the namespace "a"'],
    ['/metrics', 'forbidden: User "jane" cannot get path "/metrics"'],
  ]
  for (const [path, message] of table) {
    const { status, json } = await as('jane', path)
    assert.deepEqual([status, json.reason, json.message], [403, 'Forbidden', message])
  }
  const unknown = await as('nobody', '/api/v1/pods')
  assert.deepEqual([unknown.status, unknown.json.message], [401, 'Unauthorized'])
})

test('impersonation needs the right to impersonate and changes who acts', async () => {
  const asked = await client.call('GET', '/api/v1/pods', { headers: { 'impersonate-user': 'joe', 'impersonate-group': 'devs' } })
  assert.deepEqual([asked.status, asked.json.message], [403, 'pods is forbidden: User "joe" cannot list resource "pods" in API group "" at the cluster scope'])
  const refused = await client.call('GET', '/api/v1/pods', { headers: { authorization: 'Bearer jane', 'impersonate-user': 'joe' } })
  assert.equal(refused.json.message, 'pods is forbidden: User "jane" cannot impersonate-on:user-info:list resource "pods" in API group "" at the cluster scope')
  const nobody = await client.call('GET', '/api/v1/pods', { headers: { 'impersonate-group': 'devs' } })
  assert.deepEqual([nobody.status, nobody.json.message], [400, 'requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string{"devs"}, Extra:map[string][]string(nil)} without impersonating a user name'])
})

test('the direct transport takes the same way as HTTP', async () => {
  await using admin = server.transport({ username: 'admin', groups: ['system:masters'] })
  const path = '/api/v1/namespaces/default/configmaps'
  const created = await admin.request({ method: 'POST', path, body: JSON.stringify({ metadata: { name: 'direct' } }) })
  assert.equal(created.status, 201)
  const { value } = await admin.request({ method: 'GET', path: `${path}/direct` })
  assert.deepEqual(value, (await client.call('GET', `${path}/direct`)).json)
  assert.ok(Object.isFrozen(value) && Object.isFrozen((value as { metadata: object }).metadata))
  const list = await admin.request({ method: 'GET', path })
  assert.ok((list.value as { items: unknown[] }).items.includes(value))
  const watch = await admin.request({ method: 'GET', path: `${path}?watch=true&resourceVersion=${(list.value as { metadata: { resourceVersion: string } }).metadata.resourceVersion}` })
  await client.call('DELETE', `${path}/direct`)
  const { value: batch } = await watch.events![Symbol.asyncIterator]().next()
  assert.deepEqual([batch[0].type, batch[0].object.metadata.name], ['DELETED', 'direct'])
  await using jane = server.transport({ username: 'jane', groups: [] })
  const refused = await jane.request({ method: 'GET', path })
  assert.equal(refused.status, 403)
  assert.equal((refused.value as { reason: string }).reason, 'Forbidden')
  const missing = await admin.request({ method: 'GET', path: `${path}/none` })
  assert.equal(JSON.parse(Buffer.from(await missing.bytes()).toString()).code, 404)
})

test('closing ends watches cleanly and refuses what comes after', async () => {
  const other = await startTestServer(runtime, store)
  const otherClient = testClient(other.url, other.certificate)
  using watch = await otherClient.watch('/api/v1/namespaces/default/configmaps?watch=true&resourceVersion=' + (await otherClient.call('GET', '/api/v1/configmaps')).json.metadata.resourceVersion)
  const ended = watch.next()
  await other[Symbol.asyncDispose]()
  assert.equal(await ended, undefined)
  await assert.rejects(otherClient.call('GET', '/version'))
  otherClient[Symbol.dispose]()
})
