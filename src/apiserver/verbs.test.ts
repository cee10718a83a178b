import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { systemRuntime, type Runtime } from '../runtime/runtime.ts'
import { memoryLogger } from '../runtime/log.ts'
import { memoryStore } from '../store/memory.ts'
import { ValueTooLargeError, type Store } from '../store/store.ts'
import type { ApiServer } from './server.ts'
import { testClient, type Json, type TestClient } from './testing/http-client.ts'
import { startTestServer } from './testing/server.ts'

const core = '/api/v1'
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
  namespace = `test-${count++}`
  assert.equal((await client.call('POST', `${core}/namespaces`, { body: { metadata: { name: namespace } } })).status, 201)
})

const maps = (): string => `${core}/namespaces/${namespace}/configmaps`
const pods = (): string => `${core}/namespaces/${namespace}/pods`
const deployments = (): string => `/apis/apps/v1/namespaces/${namespace}/deployments`
const configMap = (name: string, more: object = {}): object => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { a: '1' }, ...more })
const deployment = (name: string): object => ({
  apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name },
  spec: { replicas: 2, selector: { matchLabels: { app: name } }, template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image: 'busybox' }] } } },
})
const pod = (name: string, more: object = {}): object => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name, ...more }, spec: { containers: [{ name: 'c', image: 'busybox' }] } })

test('an object comes back as it was created, with system fields', async () => {
  const created = await client.call('POST', maps(), { body: configMap('one') })
  assert.equal(created.status, 201)
  const { metadata, data, kind, apiVersion } = created.json
  assert.deepEqual([kind, apiVersion, data], ['ConfigMap', 'v1', { a: '1' }])
  assert.match(metadata.uid, /^[0-9a-f-]{36}$/)
  assert.match(metadata.creationTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  assert.match(metadata.resourceVersion, /^\d+$/)
  const got = await client.call('GET', `${maps()}/one`)
  assert.deepEqual(got.bytes, created.bytes)
})

test('built-in resources know neither HEAD nor OPTIONS', async () => {
  await client.call('POST', maps(), { body: configMap('one') })
  for (const method of ['HEAD', 'OPTIONS'] as const) {
    for (const path of [maps(), `${maps()}/one`, `${maps()}/missing`, `${pods()}/p/log`]) assert.equal((await client.call(method, path)).status, 405, `${method} ${path}`)
  }
  for (const method of ['POST', 'PUT', 'DELETE'] as const) assert.equal((await client.call(method, `${core}/watch/namespaces/${namespace}/configmaps`)).status, 405, method)
  assert.equal((await client.call('GET', `${core}/proxy/namespaces/${namespace}/pods/p`)).status, 404)
})

test('generateName adds five characters', async () => {
  const { json } = await client.call('POST', maps(), { body: { metadata: { generateName: 'gen-' } } })
  assert.match(json.metadata.name, /^gen-[bcdfghjklmnpqrstvwxz2456789]{5}$/)
})

test('creating what exists is a conflict', async () => {
  await client.call('POST', maps(), { body: configMap('one') })
  const { status, json } = await client.call('POST', maps(), { body: configMap('one') })
  assert.equal(status, 409)
  assert.deepEqual(json, {
    kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message: 'configmaps "one" already exists', reason: 'AlreadyExists', details: { name: 'one', kind: 'configmaps' }, code: 409,
  })
})

test('what a client gets wrong is named', async () => {
  const table: [method: string, path: string, body: unknown, status: number, message: RegExp][] = [
    ['POST', maps(), '{"metadata":', 400, /^the object provided is unrecognized \(must be of type ConfigMap\): couldn't get version\/kind; json parse error: /],
    ['POST', maps(), '[1]', 400, /cannot unmarshal array/],
    ['POST', maps(), '', 400, /<empty>/],
    ['POST', maps(), { ...configMap('x'), kind: 'Secret' }, 400, /^Secret in version "v1" cannot be handled as a ConfigMap: /],
    ['POST', maps(), '{"data":{"a":tru}}', 400, /json parse error: invalid character '}' in literal true \(expecting 'e'\) \({"data":{"a":tru}}\)$/],
    ['POST', maps(), { ...configMap('x'), kind: 'Secrets' }, 400, /^Secrets in version "v1" cannot be handled as a ConfigMap: no kind "Secrets" is registered for version "v1" in scheme "pkg\/api\/legacyscheme\/scheme.go:30"$/],
    ['POST', maps(), { ...configMap('x'), kind: 'Secret' }, 400, /^Secret in version "v1" cannot be handled as a ConfigMap: converting \(v1.Secret\) to \(core.ConfigMap\): unknown conversion$/],
    ['POST', maps(), { ...configMap('x'), apiVersion: 'v2' }, 400, /^ConfigMap in version "v2" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for version "v2" in scheme/],
    ['POST', '/apis/apps/v1/namespaces/default/deployments', { kind: 'Deployment', apiVersion: 'apps/v1beta1' }, 400, /^the API version in the data \(apps\/v1beta1\) does not match the expected API version \(apps\/v1\)$/],
    ['POST', maps(), { ...configMap('x'), apiVersion: 'a/b/c' }, 400, /^the object provided is unrecognized \(must be of type ConfigMap\): unexpected GroupVersion string: a\/b\/c \(/],
    ['POST', maps(), '{"metadata":{"generation":99999999999999999999}}', 400, /cannot unmarshal number 99999999999999999999 into Go struct field ObjectMeta.metadata.generation of type int64$/],
    ['POST', maps(), configMap('x', { metadata: { name: 'x', namespace: 'other' } }), 400, /^the namespace of the provided object does not match the namespace sent on the request$/],
    ['POST', maps(), configMap('x', { data: { a: 1 } }), 400, /^ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type string$/],
    ['POST', maps(), configMap('Not_A_Name'), 422, /^ConfigMap "Not_A_Name" is invalid: metadata.name: Invalid value: "Not_A_Name": a lowercase RFC 1123 subdomain must consist of/],
    ['POST', maps(), { data: {} }, 422, /metadata.name: Required value: name or generateName is required/],
    ['POST', maps(), configMap('x', { metadata: { name: 'x', resourceVersion: '5' } }), 500, /^resourceVersion should not be set on objects to be created$/],
    ['POST', `${maps()}?dryRun=Some`, configMap('x'), 422, /dryRun: Unsupported value: \["Some"\]: supported values: "All"/],
    ['POST', `${maps()}?fieldValidation=Maybe`, configMap('x'), 422, /fieldValidation: Unsupported value: "Maybe": supported values: "", "Ignore", "Strict", "Warn"$/],
    ['POST', `${maps()}?fieldManager=a%C3%A4%07`, configMap('x'), 422, /fieldManager: Invalid value: "aä\\a": invalid character U\+0007 \(at position 3\)$/],
    ['GET', `${maps()}/none`, undefined, 404, /^configmaps "none" not found$/],
    ['GET', '/api/v1/nonsense', undefined, 404, /^the server could not find the requested resource$/],
    ['GET', `${maps()}?labelSelector=%21%21`, undefined, 400, /./],
    ['GET', `${maps()}?fieldSelector=spec.x%3Dy`, undefined, 400, /^"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"$/],
    ['GET', `${maps()}?resourceVersion=abc`, undefined, 400, /invalid/],
    ['GET', `${maps()}?limit=abc`, undefined, 400, /invalid/],
    ['GET', `${maps()}?continue=eHl6`, undefined, 400, /^invalid continue token: continue key is not valid: invalid character 'x' looking for beginning of value$/],
    ['GET', `${maps()}?continue=xyz`, undefined, 400, /^invalid continue token: continue key is not valid: /],
    ['GET', `${maps()}?resourceVersionMatch=Exact`, undefined, 422, /resourceVersionMatch is forbidden unless resourceVersion is provided/],
    ['GET', `${maps()}?sendInitialEvents=true`, undefined, 422, /sendInitialEvents is forbidden for list/],
    ['PUT', `${core}/nodes`, undefined, 405, /./],
    ['GET', '/api/v1/%ZZ', undefined, 400, /not well-formed/],
  ]
  for (const [method, path, body, status, message] of table) {
    const answer = await client.call(method, path, body === undefined ? {} : { body })
    assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`)
    assert.equal(answer.json.kind, 'Status')
    assert.match(answer.json.message, message, `${method} ${path}`)
  }
})

test('a new object may name what is no revision, and its version with the group that has no name', async () => {
  for (const resourceVersion of ['0', 'five', '']) {
    const made = await client.call('POST', maps(), { body: configMap('x', { apiVersion: '/v1', metadata: { generateName: 'x-', resourceVersion } }) })
    assert.deepEqual([made.status, made.json.apiVersion], [201, 'v1'], made.text)
  }
})

test('bodies beyond three megabytes are refused with 413', async () => {
  const { status, json } = await client.call('POST', maps(), { body: configMap('big', { data: { a: 'x'.repeat(3 << 20) } }) })
  assert.deepEqual([status, json.reason], [413, 'RequestEntityTooLarge'])
})

test('unknown and duplicate fields are refused, warned of or ignored', async () => {
  const body = `{"metadata":{"name":"NAME"},"dta":{},"data":{"a":"1","a":"2"}}`
  const strict = await client.call('POST', `${maps()}?fieldValidation=Strict`, { body })
  assert.equal(strict.status, 400)
  assert.equal(strict.json.message, 'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "dta", duplicate field "data.a"')
  const warned = await client.call('POST', maps(), { body: body.replace('NAME', 'warned') })
  assert.equal(warned.status, 201)
  assert.equal(warned.headers.warning, '299 - "unknown field \\"dta\\"", 299 - "duplicate field \\"data.a\\""')
  assert.equal('dta' in warned.json, false)
  const ignored = await client.call('POST', `${maps()}?fieldValidation=Ignore`, { body: body.replace('NAME', 'ignored') })
  assert.equal(ignored.headers.warning, undefined)
})

test('field validation of YAML names lines, and that of patches what is wrong with the patch', async () => {
  const yaml = 'metadata:\n  name: yaml\ndata:\n  a: "1"\n  a: "2"\nzzz: 1\ndta: 2\n'
  const strict = await client.call('POST', `${maps()}?fieldValidation=Strict`, { body: yaml, headers: { 'content-type': 'application/yaml' } })
  assert.equal(strict.json.message, 'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: yaml: unmarshal errors:\n  line 5: key "a" already set in map, unknown field "dta", unknown field "zzz"')
  const warned = await client.call('POST', maps(), { body: yaml, headers: { 'content-type': 'application/yaml' } })
  assert.equal(warned.headers.warning, '299 - "line 5: key \\"a\\" already set in map", 299 - "unknown field \\"dta\\"", 299 - "unknown field \\"zzz\\""')
  assert.deepEqual(warned.json.data, { a: '2' })
  const patch = (type: string, body: string): ReturnType<TestClient['call']> => client.call('PATCH', `${maps()}/yaml?fieldValidation=Strict`, { body, headers: { 'content-type': `application/${type}+json` } })
  const merge = await patch('merge-patch', '{"data":{"b":"1","b":"2"},"dta":1}')
  assert.equal(merge.status, 422)
  assert.match(merge.json.message, /strict decoding error: duplicate field "data\.b", unknown field "dta"$/)
  const json = await patch('json-patch', '[{"op":"add","path":"/data/c","value":"1","value":"2","foo":"bar"}]')
  assert.match(json.json.message, /strict decoding error: json patch duplicate field "\[0\]\.value", json patch unknown field "\[0\]\.foo"$/)
})

test('what Go leaves out is left out, however it came', async () => {
  const created = await client.call('POST', pods(), { body: { metadata: { name: 'empty', labels: {}, ownerReferences: [], finalizers: [] }, spec: { hostNetwork: false, nodeName: '', tolerations: [], containers: [{ name: 'c', image: 'i', env: [{ name: 'A', value: '' }], command: [] }] } } })
  assert.equal(created.status, 201)
  assert.deepEqual(Object.keys(created.json.metadata).filter((key) => key !== 'managedFields').sort(), ['creationTimestamp', 'generation', 'name', 'namespace', 'resourceVersion', 'uid'])
  const [container] = created.json.spec.containers
  assert.deepEqual([created.json.spec.hostNetwork, created.json.spec.nodeName, container.env, container.command], [undefined, undefined, [{ name: 'A' }], undefined])
})

test('a dry run changes nothing', async () => {
  const dry = await client.call('POST', `${maps()}?dryRun=All`, { body: configMap('dry') })
  assert.equal(dry.status, 201)
  assert.equal(dry.json.metadata.resourceVersion, undefined)
  assert.equal((await client.call('GET', `${maps()}/dry`)).status, 404)
  const versioned = (name: string): object => ({ ...configMap('x'), metadata: { name, resourceVersion: '5' } })
  assert.equal((await client.call('POST', `${maps()}?dryRun=All`, { body: versioned('dry') })).status, 201)
  assert.equal((await client.call('POST', maps(), { body: versioned('Not_A_Name') })).status, 422)
  const real = await client.call('POST', maps(), { body: configMap('real') })
  assert.equal((await client.call('POST', `${maps()}?dryRun=All`, { body: versioned('real') })).json.reason, 'AlreadyExists')
  const blind = await client.call('PUT', `${maps()}/real?dryRun=All`, { body: configMap('real', { data: { a: '2' } }) })
  assert.deepEqual([blind.json.data, blind.json.metadata.resourceVersion], [{ a: '2' }, real.json.metadata.resourceVersion])
  assert.equal((await client.call('DELETE', `${maps()}/real?dryRun=All`)).status, 200)
  assert.equal((await client.call('PATCH', `${maps()}/real?dryRun=All`, { body: { data: { a: '2' } }, headers: { 'content-type': 'application/merge-patch+json' } })).json.data.a, '2')
  assert.equal((await client.call('GET', `${maps()}/real`)).json.data.a, '1')
})

test('an update needs the newest resourceVersion or none', async () => {
  const { json } = await client.call('POST', maps(), { body: configMap('one') })
  const second = await client.call('PUT', `${maps()}/one`, { body: { ...json, data: { a: '2' } } })
  assert.equal(second.status, 200)
  assert.notEqual(second.json.metadata.resourceVersion, json.metadata.resourceVersion)
  const stale = await client.call('PUT', `${maps()}/one`, { body: { ...json, data: { a: '3' } } })
  assert.equal(stale.status, 409)
  assert.equal(stale.json.message, 'Operation cannot be fulfilled on configmaps "one": the object has been modified; please apply your changes to the latest version and try again')
  const blind = await client.call('PUT', `${maps()}/one`, { body: configMap('one', { data: { a: '4' } }) })
  assert.equal(blind.json.data.a, '4')
  assert.equal(blind.json.metadata.uid, json.metadata.uid)
})

test('an object that its strategy knows in another version is updated without its system fields', async () => {
  const path = `/apis/autoscaling/v1/namespaces/${namespace}/horizontalpodautoscalers`
  const scaler = { apiVersion: 'autoscaling/v1', kind: 'HorizontalPodAutoscaler', metadata: { name: 'h' }, spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' }, maxReplicas: 3 } }
  const { json: created } = await client.call('POST', path, { body: scaler })
  const { status, json } = await client.call('PUT', `${path}/h`, { body: { ...scaler, spec: { ...scaler.spec, maxReplicas: 4 } } })
  assert.deepEqual([status, json.spec?.maxReplicas, json.metadata.uid, json.metadata.creationTimestamp], [200, 4, created.metadata.uid, created.metadata.creationTimestamp])
})

test('a scale of something else is not written, in the words of who finds out', async () => {
  await client.call('POST', deployments(), { body: deployment('d') })
  const { json: { metadata: { uid } } } = await client.call('GET', `${deployments()}/d`)
  const problem = `Precondition failed: UID in precondition: x, UID in object meta: ${uid}`
  const scale = { apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: { name: 'd', namespace, uid: 'x' }, spec: { replicas: 3 } }
  const put = await client.call('PUT', `${deployments()}/d/scale`, { body: scale })
  assert.deepEqual([put.status, put.json.message], [409, `Operation cannot be fulfilled on deployments.apps "d": StorageError: invalid object, Code: 4, Key: /registry/deployments/${namespace}/d, ResourceVersion: 0, AdditionalErrorMsg: ${problem}`])
  const patched = await client.call('PATCH', `${deployments()}/d/scale`, { body: { metadata: { uid: 'x' } }, headers: { 'content-type': 'application/merge-patch+json' } })
  assert.deepEqual([patched.status, patched.json.message], [409, `Operation cannot be fulfilled on deployments/scale.apps "d": ${problem}`])
})

test('the status of what is never written blindly names its version, too', async () => {
  const path = `/apis/policy/v1/namespaces/${namespace}/poddisruptionbudgets`
  const budget = { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata: { name: 'b' }, spec: { minAvailable: 1 } }
  await client.call('POST', path, { body: budget })
  const { status, json } = await client.call('PUT', `${path}/b/status`, { body: budget })
  assert.deepEqual([status, json.message], [422, 'poddisruptionbudgets.policy "b" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update'])
})

test('an update that changes nothing keeps its resourceVersion', async () => {
  const { json } = await client.call('POST', maps(), { body: configMap('one') })
  const { metadata, ...rest } = json
  // The order of fields is no change.
  const again = await client.call('PUT', `${maps()}/one`, { body: { metadata: Object.fromEntries(Object.entries(metadata).reverse()), ...Object.fromEntries(Object.entries(rest).reverse()) } })
  assert.equal(again.json.metadata.resourceVersion, json.metadata.resourceVersion)
})

test('an empty list of owners forgets them, also where nothing else changes', async () => {
  await client.call('POST', maps(), { body: configMap('owned') })
  const emptied = await client.call('PUT', `${maps()}/owned`, { body: configMap('owned', { metadata: { name: 'owned', managedFields: [] } }) })
  assert.equal(emptied.json.metadata.managedFields, undefined)
  const patched = await client.call('PATCH', `${maps()}/owned`, { body: { data: { a: '2' } }, headers: { 'content-type': 'application/merge-patch+json' } })
  assert.equal(patched.json.metadata.managedFields, undefined)
})

test('what is too large for the store with its owners is written without them, unless they were applied', async () => {
  const mostBytes = 600
  const narrow = memoryStore(runtime)
  const put = narrow.put.bind(narrow)
  narrow.put = (request) => (request.key.includes('/configmaps/') && request.value.length > mostBytes ? Promise.reject(new ValueTooLargeError()) : put(request))
  const strict = await startTestServer(runtime, narrow)
  const user = testClient(strict.url, strict.certificate)
  const all = `${core}/namespaces/default/configmaps`
  const data = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`key-${i}-of-a-large-object`, 'x']))
  try {
    await user.call('POST', `${core}/namespaces`, { body: { metadata: { name: 'default' } } })
    const made = await user.call('POST', all, { body: configMap('large', { data }) })
    assert.deepEqual([made.status, made.json.metadata.managedFields], [201, undefined])
    assert.ok((await user.call('POST', all, { body: configMap('small') })).json.metadata.managedFields.length > 0)
    const grown = await user.call('PATCH', `${all}/small`, { body: { data }, headers: { 'content-type': 'application/merge-patch+json' } })
    assert.deepEqual([grown.status, grown.json.metadata.managedFields], [200, undefined])
    const applied = await user.call('PATCH', `${all}/large?fieldManager=me`, { body: configMap('large'), headers: { 'content-type': 'application/apply-patch+yaml' } })
    assert.deepEqual([applied.status, applied.json.message, applied.json.reason], [500, 'etcdserver: request is too large', undefined])
    assert.equal((await user.call('POST', all, { body: configMap('larger', { data: { ...data, a: 'x'.repeat(mostBytes) } }) })).status, 500)
  } finally {
    user[Symbol.dispose]()
    await strict[Symbol.asyncDispose]()
    await narrow[Symbol.asyncDispose]()
  }
})

test('an update checks names and identity', async () => {
  const { json } = await client.call('POST', maps(), { body: configMap('one') })
  const other = await client.call('PUT', `${maps()}/two`, { body: json })
  assert.deepEqual([other.status, other.json.message], [400, 'the name of the object (one) does not match the name on the URL (two)'])
  const uid = await client.call('PUT', `${maps()}/one`, { body: { ...json, metadata: { ...json.metadata, uid: 'other' } } })
  assert.equal(uid.status, 409)
  assert.match(uid.json.message, /Precondition failed: UID in precondition: other, UID in object meta: /)
  assert.equal((await client.call('PUT', `${maps()}/none`, { body: configMap('none') })).status, 404)
})

test('nobody but a deletion says that an object goes, and nobody where it is', async () => {
  const { json } = await client.call('POST', maps(), { body: configMap('one', { metadata: { name: 'one', selfLink: '/one', deletionTimestamp: '2020-01-01T00:00:00Z' } }) })
  assert.deepEqual([json.metadata.selfLink, json.metadata.deletionTimestamp], [undefined, undefined])
  const gone = await client.call('PUT', `${maps()}/one`, { body: { ...json, metadata: { ...json.metadata, selfLink: '/two', deletionTimestamp: '2020-01-01T00:00:00Z', deletionGracePeriodSeconds: 5 } } })
  assert.deepEqual([gone.status, gone.json.message], [422, 'ConfigMap "one" is invalid: [metadata.deletionTimestamp: Invalid value: "2020-01-01T00:00:00Z": field is immutable, metadata.deletionGracePeriodSeconds: Invalid value: 5: field is immutable]'])
  const linked = await client.call('PUT', `${maps()}/one`, { body: { ...json, data: { b: '2' }, metadata: { ...json.metadata, selfLink: '/two' } } })
  assert.deepEqual([linked.status, linked.json.metadata.selfLink], [200, undefined])
})

test('owner references given twice are kept once, with a warning that tells when they were seen', async () => {
  const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'o', uid: 'u' }
  const text = (when: string): string => `299 - ".metadata.ownerReferences contains duplicate entries${when}; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: u"`
  const created = await client.call('POST', maps(), { body: configMap('one', { metadata: { name: 'one', ownerReferences: [owner, owner] } }) })
  const updated = await client.call('PUT', `${maps()}/one`, { body: configMap('one', { metadata: { name: 'one', ownerReferences: [owner, owner] } }) })
  const patched = await client.call('PATCH', `${maps()}/one`, { body: [{ op: 'add', path: '/metadata/ownerReferences/-', value: owner }], headers: { 'content-type': 'application/json-patch+json' } })
  const after = text(' after mutating admission happens')
  for (const [answer, warning] of [[created, text('')], [updated, text('')], [patched, after]] as const) assert.deepEqual([answer.headers.warning, answer.json.metadata.ownerReferences], [warning, [owner]])
})

test('the three kinds of patch', async () => {
  await client.call('POST', deployments(), { body: deployment('web') })
  const patch = (type: string, body: unknown) => client.call('PATCH', `${deployments()}/web`, { body, headers: { 'content-type': type } })
  const json = await patch('application/json-patch+json', [{ op: 'replace', path: '/spec/replicas', value: 5 }])
  assert.equal(json.json.spec.replicas, 5)
  const merge = await patch('application/merge-patch+json', { metadata: { labels: { x: 'y' } }, spec: { replicas: null } })
  assert.deepEqual([merge.json.metadata.labels.x, merge.json.spec.replicas], ['y', 1])
  const strategic = await patch('application/strategic-merge-patch+json', { spec: { template: { spec: { containers: [{ name: 'side', image: 'side' }] } } } })
  assert.deepEqual(strategic.json.spec.template.spec.containers.map((c: { name: string }) => c.name), ['side', 'c'])
  const other = await patch('application/foo+json', 'a: b')
  assert.equal(other.status, 415)
  // Clients that prefer CBOR learn by this that they may not have it, before anything else is wrong.
  const cbor = await client.call('PATCH', `${maps()}/one?force=true&fieldManager=m`, { body: Buffer.from([0xa0]), headers: { 'content-type': 'application/apply-patch+cbor' } })
  assert.equal(cbor.status, 415, cbor.text)
  assert.match(other.json.message, /^415: Unsupported Media Type$/)
  const broken = await patch('application/merge-patch+json', '{')
  assert.equal(broken.status, 400)
  const conflict = await patch('application/merge-patch+json', { metadata: { resourceVersion: '1' } })
  assert.equal(conflict.status, 409)
  const renamed = await patch('application/merge-patch+json', { metadata: { name: 'other' } })
  assert.equal(renamed.status, 400)
})

test('patches that do not fit are refused in the words of upstream', async () => {
  const path = `${maps()}/${'misfit'}`
  assert.equal((await client.call('POST', maps(), { body: configMap('misfit') })).status, 201)
  const table: [type: 'json' | 'merge' | 'strategic', patch: string, status: number, message: string | RegExp][] = [
    ['json', 'x', 400, "error decoding patch: invalid character 'x' looking for beginning of value"],
    ['json', '{}', 400, 'error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp'],
    ['json', '[{"op":"test","path":"/data","value":{}}]', 422, 'the server rejected our request due to an error in our request'],
    ['merge', '', 400, 'error decoding patch: unexpected end of JSON input'],
    ['merge', '[]', 400, 'error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}'],
    ['merge', 'null', 400, 'Invalid JSON Patch'],
    ['merge', '{"data":[1]}', 422, /^ "" is invalid: patch: Invalid value: "\{\\"apiVersion\\":\\"v1\\",\\"data\\":\[1\],.*": json: cannot unmarshal array into Go struct field ConfigMap.data of type map\[string\]string$/],
    ['merge', '{"kind":"Foo"}', 422, /: no kind "Foo" is registered for version "v1" in scheme "pkg\/api\/legacyscheme\/scheme.go:30"$/],
    ['strategic', '{', 400, 'unexpected end of JSON input'],
    ['strategic', '5', 400, 'json: cannot unmarshal number into Go value of type map[string]interface {}'],
    ['strategic', '{"data":[1]}', 422, ' "" is invalid: patch: Invalid value: "map[data:[1]]": cannot restore map from slice'],
    ['strategic', '{"data":{"a":1}}', 422, ' "" is invalid: patch: Invalid value: "map[data:map[a:1]]": cannot convert int64 to string'],
    ['strategic', '{"metadata":"x"}', 422, ' "" is invalid: patch: Invalid value: "map[metadata:x]": cannot restore struct from: string'],
    ['strategic', '{"immutable":"x"}', 422, ' "" is invalid: patch: Invalid value: "map[immutable:x]": unrecognized type: bool'],
    ['strategic', '{"$patch":"x"}', 500, 'unknown patch type: x in map: map[$patch:x]'],
    ['strategic', '{"kind":"Foo","apiVersion":"bar/v1"}', 200, /./],
  ]
  const contentTypes = { json: 'application/json-patch+json', merge: 'application/merge-patch+json', strategic: 'application/strategic-merge-patch+json' }
  for (const [type, patch, status, message] of table) {
    const answer = await client.call('PATCH', path, { body: patch, headers: { 'content-type': contentTypes[type] } })
    assert.equal(answer.status, status, `${type} ${patch}: ${answer.text}`)
    if (status === 200) assert.equal((answer.json as { kind: string }).kind, 'ConfigMap')
    else if (typeof message === 'string') assert.equal((answer.json as { message: string }).message, message)
    else assert.match((answer.json as { message: string }).message, message)
  }
})

test('items that an apply gives no key have the empty one, which validation refuses', async () => {
  const body = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'keyless' }, spec: { selector: { matchLabels: { a: 'b' } }, template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ image: 'i' }] } } } }
  const { status, json } = await client.call('PATCH', '/apis/apps/v1/namespaces/default/deployments/keyless?fieldManager=m', { body, headers: { 'content-type': 'application/apply-patch+yaml' } })
  assert.deepEqual([status, json.message], [422, 'Deployment.apps "keyless" is invalid: spec.template.spec.containers[0].name: Required value'])
})

test('concurrent patches all take effect', async () => {
  await client.call('POST', maps(), { body: configMap('busy') })
  const answers = await Promise.all(Array.from({ length: 30 }, (_, i) =>
    client.call('PATCH', `${maps()}/busy`, { body: { data: { [`k${i}`]: 'v' } }, headers: { 'content-type': 'application/merge-patch+json' } })))
  assert.deepEqual([...new Set(answers.map((answer) => answer.status))], [200])
  assert.equal(Object.keys((await client.call('GET', `${maps()}/busy`)).json.data).length, 31)
})

test('status and spec are written apart, and only spec raises the generation', async () => {
  const { json } = await client.call('POST', deployments(), { body: deployment('web') })
  assert.equal(json.metadata.generation, 1)
  const viaMain = await client.call('PUT', `${deployments()}/web`, { body: { ...json, spec: { ...json.spec, replicas: 3 }, status: { replicas: 9 } } })
  assert.deepEqual([viaMain.json.metadata.generation, viaMain.json.status.replicas], [2, undefined])
  const viaStatus = await client.call('PUT', `${deployments()}/web/status`, { body: { ...viaMain.json, spec: { ...json.spec, replicas: 7 }, status: { replicas: 3, observedGeneration: 2 } } })
  assert.deepEqual([viaStatus.json.metadata.generation, viaStatus.json.spec.replicas, viaStatus.json.status.replicas], [2, 3, 3])
})

test('scale shows and sets replicas', async () => {
  await client.call('POST', deployments(), { body: deployment('web') })
  const shown = await client.call('GET', `${deployments()}/web/scale`)
  assert.deepEqual([shown.json.kind, shown.json.apiVersion, shown.json.spec, shown.json.status], ['Scale', 'autoscaling/v1', { replicas: 2 }, { replicas: 0, selector: 'app=web' }])
  const set = await client.call('PUT', `${deployments()}/web/scale`, { body: { metadata: { name: 'web', namespace }, spec: { replicas: 4 } } })
  assert.equal(set.json.spec.replicas, 4)
  const patched = await client.call('PATCH', `${deployments()}/web/scale`, { body: { spec: { replicas: 6 } }, headers: { 'content-type': 'application/merge-patch+json' } })
  assert.equal(patched.json.spec.replicas, 6)
  assert.equal((await client.call('GET', `${deployments()}/web`)).json.spec.replicas, 6)
  assert.equal((await client.call('GET', `${deployments()}/web`)).json.metadata.generation, 3)
  const negative = await client.call('PUT', `${deployments()}/web/scale`, { body: { metadata: { name: 'web' }, spec: { replicas: -1 } } })
  assert.deepEqual([negative.status, negative.json.message], [422, 'Scale.autoscaling "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0'])
})

test('deleting answers a Status, and some kinds the object', async () => {
  const { json } = await client.call('POST', maps(), { body: configMap('one') })
  const gone = await client.call('DELETE', `${maps()}/one`)
  assert.deepEqual([gone.status, gone.json], [200, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details: { name: 'one', kind: 'configmaps', uid: json.metadata.uid } }])
  await client.call('POST', pods(), { body: pod('p') })
  const removed = await client.call('DELETE', `${pods()}/p`)
  assert.deepEqual([removed.json.kind, removed.json.metadata.name], ['Pod', 'p'])
  assert.equal((await client.call('GET', `${pods()}/p`)).status, 404)
})

test('a scheduled pod is deleted gracefully, and at once when forced', async () => {
  const { json } = await client.call('POST', pods(), { body: { ...pod('p'), spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'busybox' }] } } })
  const first = await client.call('DELETE', `${pods()}/p`)
  assert.equal(first.status, 200)
  assert.equal(first.json.metadata.deletionGracePeriodSeconds, 30)
  assert.ok(first.json.metadata.deletionTimestamp > json.metadata.creationTimestamp)
  const shorter = await client.call('DELETE', `${pods()}/p`, { body: { kind: 'DeleteOptions', apiVersion: 'v1', gracePeriodSeconds: 5 } })
  assert.equal(shorter.json.metadata.deletionGracePeriodSeconds, 5)
  const longer = await client.call('DELETE', `${pods()}/p?gracePeriodSeconds=60`)
  assert.equal(longer.json.metadata.deletionGracePeriodSeconds, 5)
  const wrong = await client.call('DELETE', `${pods()}/p`, { body: { preconditions: { uid: 'x' }, gracePeriodSeconds: 0 } })
  const other = await client.call('DELETE', `${pods()}/p`, { body: { preconditions: { resourceVersion: '1' } } })
  assert.deepEqual([wrong.status, wrong.json.message, wrong.json.details], [409, `Operation cannot be fulfilled on Pod "p": the UID in the precondition (x) does not match the UID in record (${json.metadata.uid}). The object might have been deleted and then recreated`, { name: 'p', kind: 'Pod' }])
  assert.equal(other.json.message, `Operation cannot be fulfilled on Pod "p": the ResourceVersion in the precondition (1) does not match the ResourceVersion in record (${longer.json.metadata.resourceVersion}). The object might have been modified`)
  const { json: gone } = await client.call('DELETE', `${pods()}/p`, { body: { gracePeriodSeconds: 0, preconditions: { uid: json.metadata.uid } } })
  // The answer is the pod as it would have been, which nobody sees any more.
  assert.deepEqual([gone.metadata.deletionGracePeriodSeconds, typeof gone.metadata.deletionTimestamp, Number(gone.metadata.resourceVersion) > Number(longer.json.metadata.resourceVersion)], [0, 'string', true])
  assert.equal((await client.call('GET', `${pods()}/p`)).status, 404)
})

test('who deletes a job without saying what becomes of its pods is warned', async () => {
  const jobs = `/apis/batch/v1/namespaces/${namespace}/jobs`
  const body = { metadata: { name: 'j' }, spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'busybox' }] } } } }
  const warning = '299 - "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning"'
  for (const [path, wanted] of [[`${jobs}/j`, warning], [jobs, warning], [`${jobs}/j?propagationPolicy=Orphan`, undefined]] as const) {
    const { status, text } = await client.call('POST', jobs, { body: { ...body, metadata: { name: 'j' } } })
    assert.ok(status === 201 || status === 409, text)
    assert.equal((await client.call('DELETE', path)).headers.warning, wanted, path)
  }
})

test('finalizers hold an object until the last is gone', async () => {
  await client.call('POST', maps(), { body: configMap('held', { metadata: { name: 'held', finalizers: ['example.com/a', 'example.com/b'] } }) })
  const deleted = await client.call('DELETE', `${maps()}/held`)
  assert.equal(deleted.json.kind, 'ConfigMap')
  assert.equal(deleted.json.metadata.deletionGracePeriodSeconds, 0)
  const recreated = await client.call('POST', maps(), { body: configMap('held') })
  assert.equal(recreated.json.message, 'object is being deleted: configmaps "held" already exists')
  const patch = (finalizers: string[] | null) => client.call('PATCH', `${maps()}/held`, { body: { metadata: { finalizers } }, headers: { 'content-type': 'application/merge-patch+json' } })
  assert.equal((await patch(['example.com/b'])).status, 200)
  assert.equal((await client.call('GET', `${maps()}/held`)).status, 200)
  assert.equal((await patch(null)).status, 200)
  assert.equal((await client.call('GET', `${maps()}/held`)).status, 404)
})

test('grace of 64 bits is kept to the second, and its end is where Go\'s durations end', async () => {
  const body = '{"metadata":{"name":"eternal"},"spec":{"nodeName":"n","terminationGracePeriodSeconds":9223372036854775807,"containers":[{"name":"a","image":"b"}]}}'
  assert.match((await client.call('POST', pods(), { body })).text, /"terminationGracePeriodSeconds":9223372036854775807[,}]/)
  const ending = await client.call('DELETE', `${pods()}/eternal`)
  assert.equal(ending.status, 200, ending.text)
  assert.match(ending.text, /"deletionGracePeriodSeconds":9223372036854775807,/)
  assert.ok(Math.abs(Date.parse(ending.json.metadata.deletionTimestamp) - Date.now()) < 5000)
  const shorter = await client.call('DELETE', `${pods()}/eternal`, { body: '{"gracePeriodSeconds":9223372036854775806}' })
  assert.equal(shorter.status, 200, shorter.text)
  assert.equal((await client.call('DELETE', `${pods()}/eternal`, { body: { gracePeriodSeconds: 0 } })).status, 200)
  assert.equal((await client.call('GET', `${pods()}/eternal`)).status, 404)
})

test('the export parameter is refused', async () => {
  const path = `${core}/namespaces/${namespace}`
  assert.equal((await client.call('GET', `${path}?export=true`)).json.message, 'the export parameter, deprecated since v1.14, is no longer supported')
  assert.equal((await client.call('GET', `${path}?export=false`)).status, 200)
})

test('propagation policies become finalizers', async () => {
  for (const [policy, finalizers] of [['Foreground', ['foregroundDeletion']], ['Orphan', ['orphan']]] as const) {
    await client.call('POST', deployments(), { body: deployment('web') })
    const { json } = await client.call('DELETE', `${deployments()}/web`, { body: { propagationPolicy: policy } })
    assert.deepEqual(json.metadata.finalizers, finalizers)
    await client.call('PATCH', `${deployments()}/web`, { body: { metadata: { finalizers: null } }, headers: { 'content-type': 'application/merge-patch+json' } })
  }
  assert.equal((await client.call('DELETE', `${maps()}/x`, { body: { propagationPolicy: 'Sometimes' } })).status, 422)
  // Nothing depends on events.
  const event = { metadata: { name: 'held', finalizers: ['example.com/hold'] }, involvedObject: { namespace } }
  await client.call('POST', `${core}/namespaces/${namespace}/events`, { body: event })
  const path = `${core}/namespaces/${namespace}/events/held`
  assert.deepEqual((await client.call('DELETE', path, { body: { propagationPolicy: 'Foreground' } })).json.metadata.finalizers, ['example.com/hold'])
  await client.call('PATCH', path, { body: { metadata: { finalizers: null } }, headers: { 'content-type': 'application/merge-patch+json' } })
})

test('a namespace waits for its own finalizers', async () => {
  const path = `${core}/namespaces/${namespace}`
  const deleted = await client.call('DELETE', path)
  assert.equal(deleted.json.status.phase, 'Terminating')
  assert.deepEqual(deleted.json.spec.finalizers, ['kubernetes'])
  const finalized = await client.call('PUT', `${path}/finalize`, { body: { ...deleted.json, spec: { finalizers: [] } } })
  assert.equal(finalized.status, 200, finalized.text)
  assert.equal((await client.call('GET', path)).status, 404)
})

test('deletecollection deletes what the selectors name', async () => {
  for (const name of ['a', 'b', 'c']) await client.call('POST', maps(), { body: configMap(name, { metadata: { name, labels: { keep: String(name === 'c') } } }) })
  const { status, json } = await client.call('DELETE', `${maps()}?labelSelector=keep%3Dfalse`)
  assert.deepEqual([status, json.kind, json.items.map((item: Json) => [item.kind, item.metadata.name])], [200, 'ConfigMapList', [[undefined, 'a'], [undefined, 'b']]])
  const table = await client.call('DELETE', `${maps()}?labelSelector=keep%3Dtrue&dryRun=All`, { headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' } })
  assert.deepEqual([table.json.kind, table.json.rows.length], ['Table', 1])
  assert.deepEqual((await client.call('GET', maps())).json.items.map((item: Json) => item.metadata.name), ['c'])
})

test('every resource of the table can be listed', async () => {
  for (const resource of server.core.resources.all()) {
    if (!resource.verbs.includes('list') || resource.virtual === true) continue
    const path = `${resource.group === '' ? '/api' : `/apis/${resource.group}`}/${resource.version}/${resource.resource}`
    for (const accept of ['application/json', 'application/json;as=Table;v=v1;g=meta.k8s.io', 'application/vnd.kubernetes.protobuf', 'application/yaml']) {
      const answer = await client.call('GET', path, { headers: { accept } })
      assert.equal(answer.status, 200, `${path} ${accept}: ${answer.text}`)
    }
  }
})
