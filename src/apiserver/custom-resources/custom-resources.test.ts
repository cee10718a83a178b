import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { memoryLogger } from '../../runtime/log.ts'
import { systemRuntime, type Runtime } from '../../runtime/runtime.ts'
import { memoryStore } from '../../store/memory.ts'
import type { Store } from '../../store/store.ts'
import type { ApiServer } from '../server.ts'
import { loopbackCertificate, type TestCertificate } from '../testing/certificate.ts'
import { testClient, type Json, type TestClient } from '../testing/http-client.ts'
import { startTestServer } from '../testing/server.ts'
import { startWebhookServer } from '../testing/webhook-server.ts'
import { ruleCompilerPlugin } from './rule-compiler.ts'
import { customResourcesHook } from './serving.ts'

const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
let runtime: Runtime
let store: Store
let server: ApiServer & { certificate: string }
let client: TestClient

async function startAnew(): Promise<void> {
  server = await startTestServer(runtime, store, { hooks: [customResourcesHook], admission: [ruleCompilerPlugin] })
  client = testClient(server.url, server.certificate)
}

before(async () => {
  runtime = systemRuntime(memoryLogger())
  store = memoryStore(runtime)
  await startAnew()
  assert.equal((await client.call('POST', '/api/v1/namespaces', { body: { metadata: { name: 'default' } } })).status, 201)
})

after(async () => {
  client[Symbol.dispose]()
  await server[Symbol.asyncDispose]()
  await store[Symbol.asyncDispose]()
})

const version = (name: string, more: object = {}, spec: object = { size: { type: 'integer', default: 1 } }): object => ({
  name, served: true, storage: false, subresources: { status: {} },
  schema: { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties: spec }, status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } } } }, ...more,
})

const definition = (plural: string, kind: string, more: object = {}): object => ({
  apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: `${plural}.example.com` },
  spec: { group: 'example.com', scope: 'Namespaced', names: { plural, kind }, versions: [version('v1', { storage: true })], ...more },
})

const at = (plural: string, name = '', group = 'v1'): string => `/apis/example.com/${group}/namespaces/default/${plural}${name === '' ? '' : `/${name}`}`

/** Looks again with each change of the definitions. */
async function untilDefinition(name: string, test: (object: Json | undefined) => boolean): Promise<Json | undefined> {
  using watch = await client.watch(`${definitions}?watch=true&fieldSelector=metadata.name=${name}&timeoutSeconds=10`)
  for (;;) {
    const answer = await client.call('GET', `${definitions}/${name}`)
    const object: Json | undefined = answer.status === 200 ? answer.json : undefined
    if (test(object)) return object
    if ((await watch.next()) === undefined) throw new Error(`${name} did not get there: ${answer.text}`)
  }
}

const condition = (object: Json | undefined, type: string): Json => object?.status?.conditions?.find((each: Json) => each.type === type)
const isServed = (object: Json | undefined): boolean => condition(object, 'Established')?.status === 'True'

async function define(plural: string, kind: string, more: object = {}): Promise<void> {
  const answer = await client.call('POST', definitions, { body: definition(plural, kind, more) })
  assert.equal(answer.status, 201, answer.text)
  await untilDefinition(`${plural}.example.com`, isServed)
}

test('objects of a definition are created, pruned, defaulted, updated by generation, watched and listed', async () => {
  await define('widgets', 'Widget')
  using watch = await client.watch(`${at('widgets')}?watch=true`)
  const made = await client.call('POST', at('widgets'), { body: { apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name: 'a', foo: 1 }, spec: { other: 1 }, status: { x: 1 } } })
  assert.equal(made.status, 201, made.text)
  assert.deepEqual(made.json.spec, { size: 1 })
  assert.equal(made.json.status, undefined)
  assert.equal(made.json.metadata.generation, 1)
  assert.deepEqual(made.headers.warning, '299 - "unknown field \\"metadata.foo\\"", 299 - "unknown field \\"spec.other\\""')
  const status = await client.call('PUT', `${at('widgets', 'a')}/status`, { body: { ...made.json, spec: { size: 9 }, status: { y: 2 } } })
  assert.deepEqual([status.json.spec, status.json.status, status.json.metadata.generation], [{ size: 1 }, { y: 2 }, 1])
  const changed = await client.call('PATCH', at('widgets', 'a'), { body: { spec: { size: 2 } }, headers: { 'content-type': 'application/merge-patch+json' } })
  assert.equal(changed.json.metadata.generation, 2)
  assert.deepEqual([(await watch.next())?.type, (await watch.next())?.type, (await watch.next())?.object.spec], ['ADDED', 'MODIFIED', { size: 2 }])
  const strict = await client.call('POST', `${at('widgets')}?fieldValidation=Strict`, { body: '{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"b"},"spec":{"z":1,"size":1,"size":2}}' })
  assert.equal(strict.json.message, 'Widget in version "v1" cannot be handled as a Widget: strict decoding error: duplicate field "spec.size", unknown field "spec.z"')
  const blind = await client.call('PUT', at('widgets', 'a'), { body: { apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name: 'a' }, spec: {} } })
  assert.equal(blind.json.message, 'widgets.example.com "a" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update')
})

test('what a definition does not make is not there, in the words of upstream', async () => {
  await define('plains', 'Plain', { versions: [{ ...version('v1', { storage: true }), subresources: undefined }] })
  const noPage = [404, '404 page not found\n', undefined]
  const cases: Array<[method: string, path: string, expected: unknown[]]> = [
    ['GET', '/apis/example.com/v1/nope', noPage], ['GET', '/apis/example.com/v9/plains', noPage], ['GET', '/apis/example.com/v9', noPage], ['GET', '/apis/example.com/v1/plains/x', noPage],
    ['POST', '/apis/example.com/v1/plains', noPage], ['DELETE', '/apis/example.com/v1/plains', noPage],
    ['GET', `${at('plains', 'x')}/status`, [404, 'plains.example.com "x" not found', { name: 'x', group: 'example.com', kind: 'plains' }]],
  ]
  for (const [method, path, expected] of cases) {
    const { status, text, json } = await client.call(method, path, method === 'POST' ? { body: {} } : {})
    assert.deepEqual([status, json.message ?? text, json.details], expected, `${method} ${path}`)
  }
})

test('names that are taken are refused, and given when they get free', async () => {
  await define('owners', 'Owner')
  const second = { ...definition('seconds', 'Owner') }
  assert.equal((await client.call('POST', definitions, { body: second })).status, 201)
  const refused = await untilDefinition('seconds.example.com', (object) => condition(object, 'NamesAccepted')?.status === 'False')
  assert.equal(condition(refused, 'NamesAccepted').reason, 'ListKindConflict')
  assert.equal(condition(refused, 'Established').reason, 'NotAccepted')
  assert.equal((await client.call('GET', at('seconds'))).status, 404)
  assert.equal((await client.call('DELETE', `${definitions}/owners.example.com`)).status, 200)
  await untilDefinition('seconds.example.com', isServed)
  const list = await client.call('GET', at('seconds'))
  // Lists of custom resources say that nothing follows.
  assert.deepEqual([list.status, list.json.metadata.continue], [200, ''])
})

test('a definition goes when its instances have gone, and ends their watches', async () => {
  await define('gones', 'Gone')
  for (const name of ['a', 'b']) assert.equal((await client.call('POST', at('gones'), { body: { apiVersion: 'example.com/v1', kind: 'Gone', metadata: { name, ...(name === 'b' ? { finalizers: ['example.com/hold'] } : {}) } } })).status, 201)
  using watch = await client.watch(`${at('gones')}?watch=true`)
  const deleted = await client.call('DELETE', `${definitions}/gones.example.com?propagationPolicy=Foreground`)
  assert.deepEqual([deleted.status, condition(deleted.json, 'Terminating').reason], [200, 'InstanceDeletionPending'])
  // Its storage marks it itself.
  assert.deepEqual([deleted.json.metadata.generation, deleted.json.metadata.deletionGracePeriodSeconds, deleted.json.metadata.finalizers], [1, undefined, ['customresourcecleanup.apiextensions.k8s.io']])
  const going = await untilDefinition('gones.example.com', (object) => condition(object, 'Terminating').reason === 'InstanceDeletionInProgress')
  assert.equal(condition(going, 'Terminating').status, 'True')
  const late = await client.call('POST', at('gones'), { body: { apiVersion: 'example.com/v1', kind: 'Gone', metadata: { name: 'c' } } })
  assert.deepEqual([late.status, late.json.message], [403, 'gones.example.com "c" is forbidden: create not allowed while custom resource definition is terminating'])
  assert.equal((await client.call('PATCH', at('gones', 'b'), { body: { metadata: { finalizers: null } }, headers: { 'content-type': 'application/merge-patch+json' } })).status, 200)
  await untilDefinition('gones.example.com', (object) => object === undefined)
  let last: string | undefined
  for (let event = await watch.next(); event !== undefined; event = await watch.next()) last = event.type
  assert.equal(last, 'DELETED')
  assert.equal((await client.call('GET', at('gones'))).status, 404)
})

test('whole numbers of 64 bits keep their digits: in JSON, YAML, every kind of patch, owners, rules, and after a restart', async () => {
  const rules = [{ rule: 'self.count % 2 == 1', message: 'must be odd' }]
  const spec = { count: { type: 'integer', format: 'int64' }, set: { type: 'array', maxItems: 5, items: { type: 'integer' }, 'x-kubernetes-list-type': 'set' } }
  const schema = { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, properties: spec, 'x-kubernetes-validations': rules } } } }
  await define('numbers', 'Number', { versions: [{ name: 'v1', served: true, storage: true, schema, additionalPrinterColumns: [{ name: 'Count', type: 'integer', jsonPath: '.spec.count' }] }] })
  const specOf = (text: string): string => /"spec":(.*)}\s*$/s.exec(text)![1]!
  const body = (values: string): string => `{"apiVersion":"example.com/v1","kind":"Number","metadata":{"name":"a"},"spec":${values}}`
  const made = await client.call('POST', at('numbers'), { body: body('{"count":9007199254740993,"set":[9007199254740995],"free":{"a":[-9223372036854775808]},"f":1.0,"g":18446744073709551615}') })
  assert.equal(specOf(made.text), '{"count":9007199254740993,"set":[9007199254740995],"free":{"a":[-9223372036854775808]},"f":1,"g":18446744073709552000}')
  assert.match(made.text, /"v:9007199254740995":\{\}/)
  const patch = async (type: string, text: string): Promise<string> => {
    const answer = await client.call('PATCH', `${at('numbers', 'a')}?fieldManager=test&force=${type.includes('apply')}`.replace('&force=false', ''), { body: text, headers: { 'content-type': `application/${type}` } })
    return answer.status === 200 ? specOf(answer.text) : answer.json.message
  }
  assert.equal(await patch('merge-patch+json', '{"spec":{"free":null,"f":null,"g":null,"count":9007199254740997}}'), '{"count":9007199254740997,"set":[9007199254740995]}')
  assert.equal(await patch('json-patch+json', '[{"op":"test","path":"/spec/count","value":9007199254740996}]'), 'the server rejected our request due to an error in our request')
  assert.equal(await patch('json-patch+json', '[{"op":"test","path":"/spec/count","value":9007199254740997},{"op":"replace","path":"/spec/count","value":9007199254740999}]'), '{"count":9007199254740999,"set":[9007199254740995]}')
  assert.equal(await patch('merge-patch+json', '{"spec":{"count":9007199254740998}}'), 'Number.example.com "a" is invalid: spec: Invalid value: must be odd')
  assert.equal(await patch('apply-patch+yaml', 'apiVersion: example.com/v1\nkind: Number\nmetadata: {name: a}\nspec: {count: 9223372036854775807, set: [9007199254740993]}'), '{"count":9223372036854775807,"set":[9007199254740995,9007199254740993]}')
  client[Symbol.dispose]()
  await server[Symbol.asyncDispose]()
  await startAnew()
  await untilDefinition('numbers.example.com', isServed)
  assert.equal(await patch('merge-patch+json', '{"metadata":{"labels":{"a":"b"}}}'), '{"count":9223372036854775807,"set":[9007199254740995,9007199254740993]}')
  const yaml = await client.call('GET', at('numbers', 'a'), { headers: { accept: 'application/yaml' } })
  assert.match(yaml.text, /count: 9223372036854775807\n {2}set:\n {2}- 9007199254740995\n/)
  assert.match(yaml.text, /v:9007199254740993: /)
  const table = await client.call('GET', at('numbers'), { headers: { accept: 'application/json;as=Table;g=meta.k8s.io;v=v1' } })
  assert.match(table.text, /"cells":\["a",9223372036854775807\]/)
})

test('versions are views of one object; a new storage version takes over as objects are written; all stands after a restart', async () => {
  await define('plans', 'Plan')
  assert.equal((await client.call('POST', at('plans'), { body: { apiVersion: 'example.com/v1', kind: 'Plan', metadata: { name: 'a' }, spec: {} } })).status, 201)
  const current = (await client.call('GET', `${definitions}/plans.example.com`)).json
  using watch = await client.watch(`${at('plans')}?watch=true`)
  assert.equal((await watch.next())?.type, 'ADDED')
  current.spec.versions = [version('v1', { deprecated: true }), version('v2', { storage: true }, { size: { type: 'integer', default: 1 }, extra: { type: 'string', default: 'new' } })]
  assert.equal((await client.call('PUT', `${definitions}/plans.example.com`, { body: current })).status, 200)
  const stored = await untilDefinition('plans.example.com', (object) => object?.status.storedVersions.length === 2)
  assert.deepEqual(stored?.status.storedVersions, ['v1', 'v2'])
  assert.equal(await watch.next(), undefined, 'watches end when the definition changes')
  const seen = async (group: string): Promise<Json> => (await client.call('GET', at('plans', 'a', group))).json
  for (;;) if ((await client.call('GET', at('plans', 'a', 'v2'))).status === 200) break
  // Read by the schema of the version that it is stored in: defaults of another are for what comes in.
  assert.deepEqual((await seen('v2')).spec, { size: 1 })
  const old = await client.call('GET', at('plans', 'a', 'v1'))
  assert.equal(old.headers.warning, '299 - "example.com/v1 Plan is deprecated; use example.com/v2 Plan"')
  assert.equal(old.json.apiVersion, 'example.com/v1')
  const list = (await client.call('GET', at('plans', '', 'v2'))).json
  assert.equal(list.items.length, 1)
  assert.deepEqual([list.items[0].kind, list.items[0].apiVersion], ['Plan', 'example.com/v2'])
  const [first] = (await client.call('GET', at('plans', '', 'v1'))).json.items
  assert.deepEqual([first.kind, first.apiVersion], ['Plan', 'example.com/v1'])
  const rewritten = await client.call('PATCH', at('plans', 'a', 'v1'), { body: { spec: { size: 2 } }, headers: { 'content-type': 'application/merge-patch+json' } })
  assert.deepEqual(rewritten.json.spec, { size: 2 })
  assert.deepEqual((await seen('v2')).spec, { size: 2, extra: 'new' })
  client[Symbol.dispose]()
  await server[Symbol.asyncDispose]()
  await startAnew()
  assert.equal((await seen('v2')).apiVersion, 'example.com/v2')
})

/** Converts between v1 (`spec.host`, `spec.port`) and v2 (`spec.address`), or fails as told. */
async function startWebhook(tls: TestCertificate): Promise<{ server: Server; url: string; calls: () => number; fail(message: string): void }> {
  let calls = 0
  let failure = ''
  const webhook = createServer({ cert: tls.certificate, key: tls.key }, (request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part)).on('end', () => {
      calls++
      const { request: { uid, desiredAPIVersion, objects } } = JSON.parse(Buffer.concat(parts).toString()) as Json
      const convertedObjects = objects.map((object: Json) => {
        const [host, port] = (object.spec.address ?? '').split(':')
        return { ...object, apiVersion: desiredAPIVersion, spec: desiredAPIVersion.endsWith('v2') ? { address: `${object.spec.host}:${object.spec.port}` } : { host, port } }
      })
      const result = failure === '' ? { status: 'Success' } : { status: 'Failed', message: failure }
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ apiVersion: 'apiextensions.k8s.io/v1', kind: 'ConversionReview', response: { uid, convertedObjects, result } }))
    })
  })
  webhook.listen(0, '127.0.0.1')
  await once(webhook, 'listening')
  return { server: webhook, url: `https://127.0.0.1:${(webhook.address() as AddressInfo).port}/convert`, calls: () => calls, fail: (message) => void (failure = message) }
}

test('a webhook converts what is read, listed, watched and written in another version', async () => {
  const tls = await loopbackCertificate(runtime.clock.now())
  const webhook = await startWebhook(tls)
  try {
    const one = version('v1', { storage: true }, { host: { type: 'string' }, port: { type: 'string' } })
    const two = version('v2', {}, { address: { type: 'string' } })
    const clientConfig = { url: webhook.url, caBundle: Buffer.from(tls.certificate).toString('base64') }
    await define('hosts', 'Host', { versions: [one, two], conversion: { strategy: 'Webhook', webhook: { conversionReviewVersions: ['v1'], clientConfig } } })
    using watch = await client.watch(`${at('hosts', '', 'v2')}?watch=true`)
    const made = await client.call('POST', at('hosts', '', 'v2'), { body: { apiVersion: 'example.com/v2', kind: 'Host', metadata: { name: 'a' }, spec: { address: 'x:1' } } })
    assert.deepEqual([made.status, made.json.spec], [201, { address: 'x:1' }], made.text)
    assert.deepEqual((await client.call('GET', at('hosts', 'a', 'v1'))).json.spec, { host: 'x', port: '1' })
    assert.equal((await client.call('PATCH', at('hosts', 'a', 'v1'), { body: { spec: { port: '2' } }, headers: { 'content-type': 'application/merge-patch+json' } })).status, 200)
    assert.deepEqual((await client.call('GET', at('hosts', '', 'v2'))).json.items.map((item: Json) => item.spec), [{ address: 'x:2' }])
    assert.deepEqual([(await watch.next())?.object.spec, (await watch.next())?.object.spec], [{ address: 'x:1' }, { address: 'x:2' }])
    const before = webhook.calls()
    await client.call('GET', at('hosts', 'a', 'v2'))
    assert.equal(webhook.calls(), before, 'a revision is converted once')
    webhook.fail('not today')
    assert.equal((await client.call('PATCH', at('hosts', 'a', 'v1'), { body: { spec: { port: '3' } }, headers: { 'content-type': 'application/merge-patch+json' } })).status, 200)
    const failed = await client.call('GET', at('hosts', 'a', 'v2'))
    assert.deepEqual([failed.status, failed.json.message], [500, 'conversion webhook for example.com/v1, Kind=Host failed: not today'])
  } finally {
    webhook.server.closeAllConnections()
    webhook.server.close()
  }
})

test('a conversion webhook behind a service is called by the name of the service', async () => {
  await using webhook = await startWebhookServer(runtime.clock.now(), ['convert.default.svc'])
  webhook.routes['/convert'] = ({ desiredAPIVersion, objects }) => ({ result: { status: 'Success' }, convertedObjects: objects.map((object: Json) => ({ ...object, apiVersion: desiredAPIVersion })) })
  // Endpoints may not be on loopback; an external name may.
  await client.call('POST', '/api/v1/namespaces', { body: { metadata: { name: 'default' } } })
  const service = await client.call('POST', '/api/v1/namespaces/default/services', { body: { metadata: { name: 'convert' }, spec: { type: 'ExternalName', externalName: 'localhost' } } })
  assert.equal(service.status, 201, service.text)
  const clientConfig = { service: { namespace: 'default', name: 'convert', path: '/convert', port: webhook.port }, caBundle: webhook.caBundle }
  await define('ports', 'Port', { versions: [version('v1', { storage: true }, { n: { type: 'integer' } }), version('v2', {}, { n: { type: 'integer' } })], conversion: { strategy: 'Webhook', webhook: { conversionReviewVersions: ['v1'], clientConfig } } })
  const made = await client.call('POST', at('ports', '', 'v2'), { body: { apiVersion: 'example.com/v2', kind: 'Port', metadata: { name: 'a' }, spec: { n: 1 } } })
  assert.equal(made.status, 201, made.text)
  assert.deepEqual((await client.call('GET', at('ports', 'a', 'v1'))).json.spec, { n: 1 })
  assert.equal(webhook.seen[0]!.headers['host'], `convert.default.svc:${webhook.port}`)
  const returned = 'conversion webhook for example.com/v2, Kind=Port returned invalid'
  const meddling: Array<[(metadata: Json) => object | undefined, string | RegExp]> = [
    [(metadata) => ({ ...metadata, uid: 'x' }), /^conversion webhook for example.com\/v2, Kind=Port returned invalid object: must have the same UID: [0-9a-f-]+ != x$/],
    [(metadata) => ({ ...metadata, name: 'c' }), `${returned} object: must have the same name: b != c`],
    [() => undefined, `${returned} metadata: missing metadata in converted object`],
    [(metadata) => ({ ...metadata, labels: { a: 1 } }), `${returned} metadata: metadata.labels[a] must be a string, but is int64 in converted object`],
    [(metadata) => ({ ...metadata, labels: { 'a': 'x y' } }), /returned invalid metadata: metadata.labels: Invalid value: "x y": a valid label must be/],
  ]
  for (const [change, message] of meddling) {
    webhook.routes['/convert'] = ({ desiredAPIVersion, objects }) => ({ result: { status: 'Success' }, convertedObjects: objects.map((object: Json) => ({ ...object, apiVersion: desiredAPIVersion, metadata: change(object.metadata) })) })
    const refused = await client.call('POST', at('ports', '', 'v2'), { body: { apiVersion: 'example.com/v2', kind: 'Port', metadata: { name: 'b' }, spec: { n: 1 } } })
    assert.equal(refused.status, 500)
    if (typeof message === 'string') assert.equal(refused.json.message, message)
    else assert.match(refused.json.message, message)
  }
})

test('methods that custom resources do not know are refused by their verbs, and HEAD is known', async () => {
  await define('clocks', 'Clock')
  const object = { apiVersion: 'example.com/v1', kind: 'Clock', metadata: { name: 'a' } }
  assert.equal((await client.call('POST', at('clocks', 'other'), { body: object })).json.metadata.name, 'a', 'the path names nothing of what is created')
  const table: [method: 'HEAD' | 'OPTIONS' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, status: number, message?: string][] = [
    ['HEAD', at('clocks'), 200], ['HEAD', at('clocks', 'a'), 200], ['HEAD', at('clocks', 'b'), 404],
    ['OPTIONS', at('clocks'), 405, ' is not supported on resources of kind "clocks.example.com"'],
    ['DELETE', at('clocks', 'a/status'), 405, 'delete is not supported on resources of kind "clocks.example.com"'],
    ['POST', at('clocks', 'a/status'), 405, 'create is not supported on resources of kind "clocks.example.com"'],
    ['PUT', at('clocks'), 400, 'name must be provided'], ['PATCH', at('clocks'), 400, 'name must be provided'],
  ]
  for (const [method, path, status, message] of table) {
    const answer = await client.call(method, path, method === 'HEAD' || method === 'OPTIONS' || method === 'DELETE' ? {} : { body: object })
    assert.equal(answer.status, status, `${method} ${path}`)
    if (message !== undefined) assert.equal(answer.json.message, message)
  }
})

test('subresources are listed as apiextensions lists them; strategic merge patches are not for custom resources, nor for their Scale', async () => {
  await define('sizes', 'Size', { versions: [version('v1', { storage: true, subresources: { scale: { specReplicasPath: '.spec.size', statusReplicasPath: '.status.size' }, status: {} } })] })
  const { resources } = (await client.call('GET', '/apis/example.com/v1')).json
  const listed = resources.filter(({ name }: Json) => name.split('/')[0] === 'sizes').map(({ name, verbs }: Json) => [name, verbs.join()])
  assert.deepEqual(listed, [['sizes', 'delete,deletecollection,get,list,patch,create,update,watch'], ['sizes/status', 'get,patch,update'], ['sizes/scale', 'get,patch,update']])
  assert.equal((await client.call('POST', at('sizes'), { body: { apiVersion: 'example.com/v1', kind: 'Size', metadata: { name: 'a' }, spec: { size: 2 } } })).status, 201)
  const patch = async (type: string, subresource: string): Promise<number> => (await client.call('PATCH', `${at('sizes', 'a')}${subresource}`, { body: { spec: { replicas: 3 } }, headers: { 'content-type': `application/${type}-patch+json` } })).status
  assert.deepEqual([await patch('merge', '/scale'), await patch('strategic-merge', '/scale'), await patch('strategic-merge', '/status'), await patch('strategic-merge', '')], [200, 415, 415, 415])
})

test('defaults in the metadata of embedded resources are cut to what metadata has', async () => {
  const meta = { type: 'object', properties: { name: { type: 'string', default: 'a' }, unknown: { type: 'string', default: 'b' } } }
  const inner = { 'type': 'object', 'x-kubernetes-embedded-resource': true, 'properties': { apiVersion: { type: 'string', default: 'v1' }, kind: { type: 'string', default: 'Foo' }, metadata: { ...meta, default: { unknown: 'c' } } } }
  await define('frames', 'Frame', { versions: [version('v1', { storage: true }, { inner })] })
  const made = await client.call('POST', at('frames'), { body: { apiVersion: 'example.com/v1', kind: 'Frame', metadata: { name: 'a' }, spec: { inner: {} } } })
  assert.deepEqual(made.json.spec, { inner: { apiVersion: 'v1', kind: 'Foo', metadata: { name: 'a' } } }, made.text)
})
