import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { memoryLogger } from '../runtime/log.ts'
import { systemRuntime, type Runtime } from '../runtime/runtime.ts'
import { memoryStore } from '../store/memory.ts'
import type { Store } from '../store/store.ts'
import type { ApiServer } from './server.ts'
import { testClient, type Answer, type TestClient } from './testing/http-client.ts'
import { startTestServer } from './testing/server.ts'

let runtime: Runtime
let store: Store
let server: ApiServer & { certificate: string }
let client: TestClient
let namespace = ''
let count = 0

before(async () => {
  runtime = systemRuntime(memoryLogger())
  store = memoryStore(runtime)
  server = await startTestServer(runtime, store)
  client = testClient(server.url, server.certificate)
})

after(async () => {
  client[Symbol.dispose]()
  await server[Symbol.asyncDispose]()
  await store[Symbol.asyncDispose]()
})

beforeEach(async () => {
  namespace = `lw-${count++}`
  await client.call('POST', '/api/v1/namespaces', { body: { metadata: { name: namespace } } })
})

const maps = (): string => `/api/v1/namespaces/${namespace}/configmaps`
const pods = (): string => `/api/v1/namespaces/${namespace}/pods`
const create = async (name: string, labels: Record<string, string> = {}): Promise<Answer> => await client.call('POST', maps(), { body: { metadata: { name, labels }, data: { a: '1' } } })
const relabel = async (name: string, labels: Record<string, string | null>): Promise<Answer> =>
  await client.call('PATCH', `${maps()}/${name}`, { body: { metadata: { labels } }, headers: { 'content-type': 'application/merge-patch+json' } })
const names = (answer: Answer): string[] => answer.json.items.map((item: { metadata: { name: string } }) => item.metadata.name)
const revisionNow = async (): Promise<string> => (await client.call('GET', maps())).json.metadata.resourceVersion as string

test('a list is ordered by name, its items without kind, and bears the revision', async () => {
  for (const name of ['b', 'a', 'c']) await create(name)
  const { json } = await client.call('GET', maps())
  assert.deepEqual(json.items.map((item: { metadata: { name: string }; kind?: string }) => [item.metadata.name, item.kind]), [['a', undefined], ['b', undefined], ['c', undefined]])
  assert.deepEqual([json.kind, json.apiVersion], ['ConfigMapList', 'v1'])
  assert.ok(Number(json.metadata.resourceVersion) >= Number(json.items[2].metadata.resourceVersion))
})

test('selectors by labels and fields', async () => {
  await create('a', { tier: 'web', env: 'prod' })
  await create('b', { tier: 'web', env: 'test' })
  await create('c', { tier: 'db' })
  const table: [string, string[]][] = [
    ['labelSelector=tier%3Dweb', ['a', 'b']], ['labelSelector=tier%21%3Dweb', ['c']], ['labelSelector=env', ['a', 'b']], ['labelSelector=%21env', ['c']],
    ['labelSelector=env+in+(prod,x),tier', ['a']], ['fieldSelector=metadata.name%3Db', ['b']], ['fieldSelector=metadata.name%21%3Db', ['a', 'c']],
    [`fieldSelector=metadata.namespace%3D${namespace}`, ['a', 'b', 'c']], ['fieldSelector=metadata.namespace%3Dother', []],
  ]
  for (const [query, wanted] of table) assert.deepEqual(names(await client.call('GET', `${maps()}?${query}`)), wanted, query)
})

test('a list in pieces is one consistent state', async () => {
  for (const name of ['a', 'b', 'c', 'd', 'e']) await create(name)
  const first = await client.call('GET', `${maps()}?limit=2`)
  assert.deepEqual([names(first), first.json.metadata.remainingItemCount], [['a', 'b'], 3])
  assert.equal((await client.call('DELETE', `${maps()}/d`)).status, 200)
  await create('bb')
  const second = await client.call('GET', `${maps()}?limit=2&continue=${first.json.metadata.continue as string}`)
  assert.deepEqual([names(second), second.json.metadata.remainingItemCount, second.json.metadata.resourceVersion], [['c', 'd'], 1, first.json.metadata.resourceVersion])
  const third = await client.call('GET', `${maps()}?limit=2&continue=${second.json.metadata.continue as string}`)
  assert.deepEqual([names(third), third.json.metadata.continue], [['e'], undefined])
  assert.deepEqual(JSON.parse(Buffer.from(first.json.metadata.continue as string, 'base64url').toString()), {
    v: 'meta.k8s.io/v1', rv: Number(first.json.metadata.resourceVersion), start: `${namespace}/b\0`,
  })
})

test('a continue token whose revision was compacted away says so and offers to go on', async () => {
  for (const name of ['a', 'b', 'c']) await create(name)
  const first = await client.call('GET', `${maps()}?limit=1`)
  await create('d')
  await store.compact(await store.currentRevision())
  const second = await client.call('GET', `${maps()}?limit=1&continue=${first.json.metadata.continue as string}`)
  assert.deepEqual([second.status, second.json.reason], [410, 'Expired'])
  assert.match(second.json.message, /^The provided continue parameter is too old to display a consistent list result/)
  const rest = await client.call('GET', `${maps()}?continue=${second.json.metadata.continue as string}`)
  assert.deepEqual(names(rest), ['b', 'c', 'd'])
})

test('lists at a revision', async () => {
  await create('a')
  const revision = await revisionNow()
  await create('b')
  const at = (query: string) => client.call('GET', `${maps()}?${query}`)
  assert.deepEqual(names(await at(`resourceVersion=${revision}&resourceVersionMatch=Exact`)), ['a'])
  assert.deepEqual(names(await at(`resourceVersion=${revision}&resourceVersionMatch=NotOlderThan`)), ['a', 'b'])
  assert.deepEqual(names(await at(`resourceVersion=${revision}`)), ['a', 'b'])
  assert.deepEqual(names(await at('resourceVersion=0')), ['a', 'b'])
  assert.deepEqual(names(await at(`resourceVersion=${revision}&limit=10`)), ['a'])
  await store.compact(await store.currentRevision())
  await create('c')
  const old = await at(`resourceVersion=${revision}&resourceVersionMatch=Exact`)
  assert.deepEqual([old.status, old.json.message], [410, 'The resourceVersion for the provided list is too old.'])
})

test('a revision that has not come is a timeout', async () => {
  const { status, json } = await client.call('GET', `${maps()}?resourceVersion=999999999`)
  assert.equal(status, 504)
  assert.match(json.message, /^Timeout: Too large resource version: 999999999, current: \d+$/)
  assert.equal(json.details.causes[0].reason, 'ResourceVersionTooLarge')
})

test('a watch from a revision shows what came after, once, in order', async () => {
  const revision = await revisionNow()
  await create('a')
  using watch = await client.watch(`${maps()}?watch=true&resourceVersion=${revision}`)
  await relabel('a', { x: 'y' })
  const { json } = await client.call('GET', `${maps()}/a`)
  await client.call('DELETE', `${maps()}/a`)
  const events = [await watch.next(), await watch.next(), await watch.next()]
  assert.deepEqual(events.map((event) => [event!.type, event!.object.kind, event!.object.metadata.name]), [['ADDED', 'ConfigMap', 'a'], ['MODIFIED', 'ConfigMap', 'a'], ['DELETED', 'ConfigMap', 'a']])
  assert.deepEqual(events[1]!.object, json)
  assert.ok(Number(events[2]!.object.metadata.resourceVersion) > Number(json.metadata.resourceVersion))
})

test('objects that enter or leave the selected set are added and deleted', async () => {
  await create('a', { tier: 'web' })
  using watch = await client.watch(`${maps()}?watch=true&labelSelector=tier%3Dweb&resourceVersion=${await revisionNow()}`)
  await relabel('a', { tier: 'db' })
  await relabel('a', { note: 'unseen' })
  await relabel('a', { tier: 'web' })
  const events = [await watch.next(), await watch.next()]
  assert.deepEqual(events.map((event) => [event!.type, event!.object.metadata.labels.tier]), [['DELETED', 'web'], ['ADDED', 'web']])
})

test('a watch by an indexed field sees objects come and go', async () => {
  const path = `${pods()}?watch=true&fieldSelector=spec.nodeName%3Dn1&resourceVersion=${await revisionNow()}`
  using watch = await client.watch(path)
  const make = (name: string, nodeName?: string) => client.call('POST', pods(), { body: { metadata: { name }, spec: { nodeName, containers: [{ name: 'c', image: 'i' }] } } })
  await make('elsewhere', 'n2')
  await make('here', 'n1')
  await client.call('DELETE', `${pods()}/here?gracePeriodSeconds=0`)
  const events = [await watch.next(), await watch.next()]
  assert.deepEqual(events.map((event) => [event!.type, event!.object.metadata.name]), [['ADDED', 'here'], ['DELETED', 'here']])
})

test('a watch of one name', async () => {
  using watch = await client.watch(`${maps()}?watch=true&fieldSelector=metadata.name%3Db`)
  await create('a')
  await create('b')
  assert.deepEqual((await watch.next())!.object.metadata.name, 'b')
})

test('a watch without a revision begins with what there is', async () => {
  await create('a')
  await create('b')
  using watch = await client.watch(`${maps()}?watch=true`)
  assert.deepEqual([(await watch.next())!.object.metadata.name, (await watch.next())!.object.metadata.name], ['a', 'b'])
  await create('c')
  assert.equal((await watch.next())!.object.metadata.name, 'c')
})

test('bookmarks of tables are rows of nothing, with headers where they come first', async () => {
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io'
  using watch = await client.watch(`${maps()}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&fieldSelector=metadata.name=none`, { accept })
  const { type, object } = (await watch.next())! as unknown as { type: string; object: { columnDefinitions: unknown[]; rows: Array<{ cells: unknown[]; object: { kind: string; metadata: { annotations: object } } }> } }
  assert.deepEqual([type, object.columnDefinitions.length, object.rows.map(({ cells }) => cells)], ['BOOKMARK', 3, [['', 0, '<unknown>']]])
  assert.deepEqual([object.rows[0]!.object.kind, object.rows[0]!.object.metadata.annotations], ['PartialObjectMetadata', { 'k8s.io/initial-events-end': 'true' }])
})

test('sendInitialEvents ends the initial state with an annotated bookmark', async () => {
  await create('a')
  using watch = await client.watch(`${maps()}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true`)
  const [added, bookmark] = [await watch.next(), await watch.next()]
  assert.equal(added!.type, 'ADDED')
  assert.equal(bookmark!.type, 'BOOKMARK')
  assert.deepEqual(bookmark!.object.metadata.annotations, { 'k8s.io/initial-events-end': 'true' })
  assert.ok(Number(bookmark!.object.metadata.resourceVersion) >= Number(added!.object.metadata.resourceVersion))
  await create('b')
  assert.equal((await watch.next())!.object.metadata.name, 'b')
})

test('a watch ends when its time is up, with a last bookmark', async () => {
  using watch = await client.watch(`${maps()}?watch=true&timeoutSeconds=1&allowWatchBookmarks=true&resourceVersion=${await revisionNow()}`)
  assert.equal((await watch.next())!.type, 'BOOKMARK')
  assert.equal(await watch.next(), undefined)
})

test('a watch from before the history is an ERROR event of 410', async () => {
  using watch = await client.watch(`${maps()}?watch=true&resourceVersion=1`)
  assert.equal(watch.status, 200)
  const event = await watch.next()
  assert.deepEqual([event!.type, event!.object.code, event!.object.reason], ['ERROR', 410, 'Expired'])
  assert.match(event!.object.message, /^too old resource version: 1 \(\d+\)$/)
  assert.equal(await watch.next(), undefined)
})

test('tables hold the printed columns and what includeObject asks for', async () => {
  await create('a')
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json'
  const list = await client.call('GET', maps(), { headers: { accept } })
  assert.deepEqual([list.json.kind, list.json.apiVersion], ['Table', 'meta.k8s.io/v1'])
  assert.deepEqual(list.json.columnDefinitions.map((column: { name: string }) => column.name), ['Name', 'Data', 'Age'])
  assert.deepEqual(list.json.rows[0].cells.slice(0, 2), ['a', 1])
  assert.deepEqual([list.json.rows[0].object.kind, list.json.rows[0].object.data], ['PartialObjectMetadata', undefined])
  const whole = await client.call('GET', `${maps()}/a?includeObject=Object`, { headers: { accept } })
  assert.deepEqual(whole.json.rows[0].object.data, { a: '1' })
  const none = await client.call('GET', `${maps()}/a?includeObject=None`, { headers: { accept } })
  assert.equal(none.json.rows[0].object, null)
  using watch = await client.watch(`${maps()}?watch=true`, { accept })
  const first = await watch.next()
  assert.deepEqual([first!.type, first!.object.kind, first!.object.columnDefinitions.length], ['ADDED', 'Table', 3])
  await create('b')
  assert.equal((await watch.next())!.object.columnDefinitions, null)
})

test('partial metadata for one, a list and a watch', async () => {
  await create('a')
  const accept = (kind: string): Record<string, string> => ({ accept: `application/json;as=${kind};v=v1;g=meta.k8s.io` })
  const one = await client.call('GET', `${maps()}/a`, { headers: accept('PartialObjectMetadata') })
  assert.deepEqual([one.json.kind, one.json.apiVersion, one.json.metadata.name, one.json.data], ['PartialObjectMetadata', 'meta.k8s.io/v1', 'a', undefined])
  const list = await client.call('GET', maps(), { headers: accept('PartialObjectMetadataList') })
  assert.deepEqual([list.json.kind, list.json.items[0].kind], ['PartialObjectMetadataList', 'PartialObjectMetadata'])
  using watch = await client.watch(`${maps()}?watch=true`, accept('PartialObjectMetadata'))
  assert.equal((await watch.next())!.object.kind, 'PartialObjectMetadata')
})

test('protobuf and YAML, in and out', async () => {
  const yaml = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: yam\ndata:\n  "on": "yes"\n'
  const created = await client.call('POST', maps(), { body: yaml, headers: { 'content-type': 'application/yaml', accept: 'application/yaml' } })
  assert.equal(created.status, 201)
  assert.match(created.text, /^apiVersion: v1\ndata:\n(?:  .*\n)+kind: ConfigMap\n/)
  const bytes = await client.call('GET', `${maps()}/yam`, { headers: { accept: 'application/vnd.kubernetes.protobuf' } })
  assert.equal(bytes.headers['content-type'], 'application/vnd.kubernetes.protobuf')
  assert.equal(bytes.bytes.subarray(0, 4).toString('latin1'), 'k8s\0')
  const put = await client.call('PUT', `${maps()}/yam`, { body: bytes.bytes, headers: { 'content-type': 'application/vnd.kubernetes.protobuf' } })
  assert.deepEqual([put.status, put.json.data], [200, { on: 'yes' }])
  const garbage = await client.call('POST', maps(), { body: Buffer.from('k8s\0garbage'), headers: { 'content-type': 'application/vnd.kubernetes.protobuf' } })
  assert.equal(garbage.status, 400)
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n`
  assert.equal((await client.call('POST', maps(), { body: bomb, headers: { 'content-type': 'application/yaml' } })).status, 400)
})

test('media types that nobody has are 406 and 415', async () => {
  const types = 'application/json, application/yaml, application/vnd.kubernetes.protobuf'
  const refusal = async (path: string, accept: string): Promise<unknown[]> => {
    const { status, json } = await client.call('GET', path, { headers: { accept } })
    return [status, json.message]
  }
  // Routes have no say in parameters, and no wildcards but one; what is asked for in other forms is looked at before the object.
  assert.deepEqual(await refusal(maps(), 'text/html'), [406, `406: Not Acceptable\n\nAvailable representations: ${types}, application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch`])
  for (const path of [`${maps()}/none`, '/api', '/api/v1', '/apis/apps/v1']) assert.deepEqual(await refusal(path, 'application/*'), [406, `406: Not Acceptable\n\nAvailable representations: ${types}`], path)
  assert.deepEqual(await refusal('/api', 'text/html'), [406, `406: Not Acceptable\n\nAvailable representations: ${types}`])
  assert.deepEqual(await refusal('/version', 'text/html'), [406, '406: Not Acceptable\n\nAvailable representations: application/json'])
  assert.deepEqual(await refusal(`${maps()}/none`, 'application/json;as=Table;v=v2;g=meta.k8s.io'), [406, `only the following media types are accepted: ${types}`])
  assert.equal((await refusal(`${maps()}/none`, 'text/html, */*'))[0], 404)
  const written = await client.call('POST', `${maps()}?dryRun=All`, { body: { metadata: { name: 'x' } }, headers: { accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io' } })
  assert.deepEqual([written.status, written.json.message], [406, 'you requested PartialObjectMetadataList, but the requested object is not a list (*core.ConfigMap)'])
  assert.deepEqual([(await client.call('GET', '/api/v1/watch')).status, (await client.call('GET', '/api/v1/watch')).text], [500, 'Internal Server Error: "/api/v1/watch": failed to create RequestInfo: unable to determine kind and namespace from url, /api/v1/watch\n'])
  const post = await client.call('POST', maps(), { body: 'x', headers: { 'content-type': 'text/plain' } })
  assert.deepEqual([post.status, post.json.message], [415, 'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf'])
})

test('large answers are compressed for clients that ask', async () => {
  await client.call('POST', maps(), { body: { metadata: { name: 'large' }, data: { a: 'x'.repeat(200_000) } } })
  const plain = await client.call('GET', maps())
  assert.equal(plain.headers['content-encoding'], undefined)
  const packed = await client.call('GET', maps(), { headers: { 'accept-encoding': 'gzip' } })
  assert.equal(packed.headers['content-encoding'], 'gzip')
  assert.deepEqual(gunzipSync(packed.bytes), plain.bytes)
})
