import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { memoryLogger } from '../runtime/log.ts'
import { systemRuntime } from '../runtime/runtime.ts'
import { memoryStore } from '../store/memory.ts'
import type { Store } from '../store/store.ts'
import { ruleCompilerPlugin } from './custom-resources/rule-compiler.ts'
import { customResourcesHook } from './custom-resources/serving.ts'
import type { ApiServer } from './server.ts'
import { testClient, type Json, type TestClient } from './testing/http-client.ts'
import { startTestServer } from './testing/server.ts'

const runtime = systemRuntime(memoryLogger())
const maps = '/api/v1/namespaces/default/configmaps'
let store: Store
let server: ApiServer & { certificate: string }
let client: TestClient

before(async () => {
  store = memoryStore(runtime)
  server = await startTestServer(runtime, store, { hooks: [customResourcesHook], admission: [ruleCompilerPlugin] })
  client = testClient(server.url, server.certificate)
  assert.equal((await client.call('POST', '/api/v1/namespaces', { body: { metadata: { name: 'default' } } })).status, 201)
  for (const name of ['a', 'b', 'c']) assert.equal((await client.call('POST', maps, { body: { metadata: { name } } })).status, 201)
})

after(async () => {
  client[Symbol.dispose]()
  await server[Symbol.asyncDispose]()
  await store[Symbol.asyncDispose]()
})

const token = (value: unknown): string => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

test('an object has one name: two that are asked for at once are nobody\'s, also of what is deleted', async () => {
  const both = `${maps}?fieldSelector=metadata.name%3Da%2Cmetadata.name%3Db`
  assert.deepEqual((await client.call('GET', both)).json.items, [])
  assert.equal((await client.call('DELETE', both)).status, 200)
  assert.equal((await client.call('GET', `${maps}?fieldSelector=metadata.name%3Da%2Cmetadata.name%3Da`)).json.items.length, 1)
})

test('options that cannot be read or do not go together are refused in upstream\'s words', async () => {
  const invalid = (text: string): string => `ListOptions.meta.k8s.io "" is invalid: ${text}`
  const cases: Array<[query: string, status: number, message: string]> = [
    ['limit=x', 400, 'strconv.ParseInt: parsing "x": invalid syntax'], ['limit=', 400, 'strconv.ParseInt: parsing "": invalid syntax'],
    ['timeoutSeconds=99999999999999999999', 400, 'strconv.ParseInt: parsing "99999999999999999999": value out of range'],
    ['resourceVersion=abc', 400, 'invalid resource version: resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax'],
    ['resourceVersion=-1', 400, 'invalid resource version: resourceVersion: Invalid value: "-1": strconv.ParseUint: parsing "-1": invalid syntax'],
    ['watch=true&resourceVersion=abc', 500, 'resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax'],
    ['resourceVersionMatch=Exact', 422, invalid('resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided')],
    ['resourceVersion=1&resourceVersionMatch=Exactly', 422, invalid('resourceVersionMatch: Unsupported value: "Exactly": supported values: "Exact", "NotOlderThan", ""')],
    ['resourceVersion=0&resourceVersionMatch=Exact', 422, invalid('resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"')],
    ['continue=x&resourceVersion=1&resourceVersionMatch=Exact', 422, invalid('resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided')],
    ['sendInitialEvents=true', 422, invalid('sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list')],
    ['watch=true&sendInitialEvents=true', 422, invalid('resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan')],
    ['watch=true&resourceVersionMatch=NotOlderThan', 422, invalid('resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided')],
    [`continue=${token('{')}`, 400, 'invalid continue token: continue key is not valid: unexpected end of JSON input'],
    [`continue=${token({ v: 'v2', rv: 1, start: 'a' })}`, 400, 'invalid continue token: continue key is not valid: server does not recognize this encoded version v2'],
    [`continue=${token({ v: 'meta.k8s.io/v1', rv: 0, start: 'a' })}`, 400, 'invalid continue token: continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)'],
    [`continue=${token({ v: 'meta.k8s.io/v1', rv: 1, start: '' })}`, 400, 'invalid continue token: continue key is not valid: encoded start key empty (version meta.k8s.io/v1)'],
    [`continue=${token({ v: 'meta.k8s.io/v1', rv: 1, start: '../secrets/x' })}`, 400, 'invalid continue token: continue key is not valid: ../secrets/x'],
    ['continue=a%20b', 400, 'invalid continue token: continue key is not valid: illegal base64 data at input byte 1'],
    [`continue=${token({ v: 'meta.k8s.io/v1', rv: 1, start: 'a' })}&resourceVersion=7`, 400, 'specifying resource version is not allowed when using continue'],
    ['fieldSelector=spec.x%3D1', 400, '"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"'],
    ['fieldSelector=x', 400, 'invalid selector: \'x\'; can\'t understand \'x\''],
    // What does not go together is found before what the kind has not.
    ['fieldSelector=spec.x%3D1&resourceVersionMatch=Exact', 422, invalid('resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided')],
  ]
  for (const [query, status, message] of cases) {
    const answer = await client.call('GET', `${maps}?${query}`)
    assert.deepEqual([answer.status, answer.json.message], [status, message], query)
  }
})

test('a name in the path must be the one that is selected', async () => {
  const answer = await client.call('GET', `${maps.replace('/v1/', '/v1/watch/')}/a?fieldSelector=metadata.namespace%3Ddefault`)
  assert.deepEqual([answer.status, answer.json.message], [400, 'fieldSelector metadata.name doesn\'t match requested name'])
  using watch = await client.watch(`${maps.replace('/v1/', '/v1/watch/')}/b`)
  assert.equal((await watch.next())?.object.metadata.name, 'b')
})

test('the limit does not hold for what the cache has, nor is there a count where a selector narrows', async () => {
  const list = async (query: string): Promise<Json> => (await client.call('GET', `${maps}?${query}`)).json
  for (const query of ['limit=1&resourceVersion=0', 'limit=1&resourceVersion=0&resourceVersionMatch=NotOlderThan']) assert.deepEqual((await list(query)).items.length, 3, query)
  const selected = await list('limit=1&labelSelector=%21x')
  assert.deepEqual([selected.items.length, typeof selected.metadata.continue, selected.metadata.remainingItemCount], [1, 'string', undefined])
  assert.equal((await list('limit=1')).metadata.remainingItemCount, 2)
})

test('a watch with bookmarks that begins with the state says when it is complete, unless it does not want the state', async () => {
  for (const query of ['', '&resourceVersion=0']) {
    using watch = await client.watch(`${maps}?watch=true&allowWatchBookmarks=true${query}`)
    const events = [await watch.next(), await watch.next(), await watch.next(), await watch.next()]
    assert.deepEqual(events.map((event) => event!.type), ['ADDED', 'ADDED', 'ADDED', 'BOOKMARK'])
    const { object } = events[3]!
    assert.deepEqual([object.kind, object.apiVersion, Object.keys(object.metadata), object.metadata.annotations], ['ConfigMap', 'v1', ['resourceVersion', 'annotations'], { 'k8s.io/initial-events-end': 'true' }])
  }
  using none = await client.watch(`${maps}?watch=true&allowWatchBookmarks=true&sendInitialEvents=false&resourceVersionMatch=NotOlderThan&timeoutSeconds=1`)
  assert.equal((await none.next())!.type, 'BOOKMARK')
})

test('parts of an object and of a list are not the same', async () => {
  const as = (kind: string): { headers: Record<string, string> } => ({ headers: { accept: `application/json;as=${kind};g=meta.k8s.io;v=v1` } })
  const list = await client.call('GET', maps, as('PartialObjectMetadata'))
  assert.deepEqual([list.status, list.json.reason, list.json.message], [406, 'NotAcceptable', 'you requested PartialObjectMetadata, but the requested object is a list (*core.ConfigMapList)'])
  const one = await client.call('GET', `${maps}/a`, as('PartialObjectMetadataList'))
  assert.deepEqual([one.status, one.json.message], [406, 'you requested PartialObjectMetadataList, but the requested object is not a list (*core.ConfigMap)'])
  const table = await client.call('GET', `${maps}?includeObject=All`, as('Table'))
  assert.deepEqual([table.status, table.json.message], [400, 'Unable to convert to Table as requested: includeObject: Invalid value: "All": must be \'Metadata\', \'Object\', \'None\', or empty'])
  assert.equal((await client.call('GET', `${maps}?includeObject=All`)).status, 200)
})

test('the metadata of custom resources comes in protobuf, which they themselves do not', async () => {
  await client.call('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    body: {
      metadata: { name: 'widgets.example.com' },
      spec: { group: 'example.com', scope: 'Namespaced', names: { plural: 'widgets', kind: 'Widget' }, versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }] },
    },
  })
  const widgets = '/apis/example.com/v1/namespaces/default/widgets'
  for (let attempt = 0; attempt < 100 && (await client.call('GET', widgets)).status !== 200; attempt++) await runtime.clock.sleep(20)
  assert.equal((await client.call('POST', widgets, { body: { apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name: 'w' } } })).status, 201)
  const protobuf = 'application/vnd.kubernetes.protobuf'
  const part = `${protobuf};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1`
  const list = await client.call('GET', widgets, { headers: { accept: part } })
  assert.deepEqual([list.status, list.headers['content-type'], list.bytes.subarray(0, 4).toString('latin1'), list.bytes.includes('PartialObjectMetadataList')], [200, protobuf, 'k8s\0', true])
  assert.equal((await client.call('GET', widgets, { headers: { accept: protobuf } })).status, 406)
  const refused = await client.call('GET', `${widgets}?fieldSelector=spec.x%3D1`)
  assert.deepEqual([refused.status, refused.json.message], [400, 'field label not supported: spec.x'])
})

test('what is not there is said as upstream says it: a line of text outside of what is served, a Status within', async () => {
  const cases: Array<[method: string, path: string, status: number, text: string]> = [
    ['GET', '/nope', 404, '404 page not found\n'], ['GET', '/apis/nope', 404, '404 page not found\n'], ['GET', '/apis/apps/v9', 404, 'the server could not find the requested resource'],
    ['GET', '/apis/nope/v1/things', 404, '404 page not found\n'], ['POST', '/apis/nope/v1/namespaces/default/things', 404, '404 page not found\n'],
    ['GET', '/apis/apps/v1/nope', 404, 'the server could not find the requested resource'], ['POST', '/apis/apps/v1/namespaces/default/nope', 404, 'the server could not find the requested resource'],
    ['GET', '/api/v9', 404, 'the server could not find the requested resource'], ['GET', '/api/v9/pods', 404, 'the server could not find the requested resource'],
    ['POST', '/api/v1/configmaps', 405, 'the server does not allow this method on the requested resource'],
    ['POST', '/apis/apps/v1', 405, 'the server does not allow this method on the requested resource'], ['POST', '/version/', 405, 'the server does not allow this method on the requested resource'],
    ['GET', '/healthz/', 404, '404 page not found\n'], ['GET', '//api/v1/pods', 404, '404 page not found\n'], ['GET', '/openapi/v2/', 404, '404 page not found\n'], ['GET', '/openapi/v3/nope', 404, ''],
    ['GET', '/api/v1/namespaces/default/configmaps/a%252fb', 400, `Name parameter invalid: "a%2fb": may not contain '%'`], ['DELETE', '/api/v1/namespaces/default/configmaps/a%25', 400, `Name parameter invalid: "a%": may not contain '%'`],
    // What is only created has no other paths than the one for that.
    ['GET', '/apis/authentication.k8s.io/v1/tokenreviews', 405, 'the server does not allow this method on the requested resource'],
    ['GET', '/apis/authentication.k8s.io/v1/tokenreviews/x', 404, 'the server could not find the requested resource'],
    ['POST', '/apis/authorization.k8s.io/v1/localsubjectaccessreviews', 404, 'the server could not find the requested resource'],
    ['GET', '/api/v1/namespaces/default/bindings/x', 404, 'the server could not find the requested resource'],
  ]
  for (const [method, path, status, text] of cases) {
    const answer = await client.call(method, path, method === 'POST' ? { body: {} } : {})
    assert.deepEqual([answer.status, answer.json?.message ?? answer.text], [status, text], `${method} ${path}`)
  }
})

test('routes are read by GET and nothing else, other paths by any method', async () => {
  for (const path of ['/api', '/api/v1', '/apis/apps/v1', '/version']) assert.deepEqual([(await client.call('HEAD', path)).status, (await client.call('OPTIONS', path)).status], [405, 405], path)
  for (const path of ['/apis', '/apis/', '/apis/apps', '/healthz']) assert.deepEqual([(await client.call('HEAD', path)).status, (await client.call('POST', path, { body: {} })).status], [200, 200], path)
})

test('options of a deletion that say they are something else are refused in the words of upstream\'s scheme', async () => {
  const cases: Array<[body: unknown, status: number, message: string]> = [
    [{ kind: 'Secret', apiVersion: 'v1' }, 400, 'no kind "Secret" is registered for version "v1" in scheme "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27"'],
    [{ kind: 'Secret' }, 400, 'no kind "Secret" is registered for version "meta.k8s.io/v1" in scheme "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27"'],
    [{ kind: 'Status', apiVersion: 'v1' }, 400, 'converting (v1.Status) to (v1.DeleteOptions): unknown conversion'],
    [{ apiVersion: 'a/b/c' }, 400, 'unexpected GroupVersion string: a/b/c'],
    [{ kind: 1 }, 400, "couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .kind of type string"],
    [{ dryRun: ['x'] }, 422, 'DeleteOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["x"]: supported values: "All"'],
    [{ kind: 'DeleteOptions', apiVersion: 'apps/v1' }, 404, 'configmaps "gone" not found'],
  ]
  for (const [body, status, message] of cases) {
    const answer = await client.call('DELETE', '/api/v1/namespaces/default/configmaps/gone', { body })
    assert.deepEqual([answer.status, answer.json.message], [status, message], JSON.stringify(body))
  }
})
