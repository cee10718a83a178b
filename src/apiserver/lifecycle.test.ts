import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { after, before, test } from 'node:test'
import { builtinResources } from '../api/builtin.ts'
import { apiVersionOf, groupResourceOf, type ResourceDescription } from '../api/resource.ts'
import { memoryLogger } from '../runtime/log.ts'
import { systemRuntime } from '../runtime/runtime.ts'
import { memoryStore } from '../store/memory.ts'
import { composeApiServer } from './compose.ts'
import { loopbackCertificate } from './testing/certificate.ts'
import { testClient, type Answer, type CallOptions, type Json } from './testing/http-client.ts'
import { specimens } from './testing/specimens.ts'

/** What upstream's conformance suite does with each kind in turn, done with all of them. */

const closing = new AsyncDisposableStack()
const namespace = 'lifecycle'
const protobuf = 'application/vnd.kubernetes.protobuf'
const table = 'application/json;as=Table;v=v1;g=meta.k8s.io'
const partial = 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io'
let call: (method: string, path: string, options?: CallOptions) => Promise<Answer>
let watch: ReturnType<typeof testClient>['watch']

before(async () => {
  const runtime = systemRuntime(memoryLogger())
  const store = closing.use(memoryStore(runtime))
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256', privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' } })
  const serving = await loopbackCertificate(runtime.clock.now())
  const server = closing.use(await composeApiServer({
    runtime, store, listen: [{ host: '127.0.0.1', port: 0 }], serving, serviceAccounts: { signingKeyPem: privateKey }, serviceCidr: '10.96.0.0/16',
    authentication: { staticTokens: [{ token: 'root', username: 'root', groups: ['system:masters'] }] },
  }))
  await server.ready()
  const client = closing.use(testClient(server.url, serving.certificate))
  const authorization = { authorization: 'Bearer root' }
  call = (method, path, options = {}) => client.call(method, path, { ...options, headers: { ...authorization, ...options.headers } })
  watch = (path, headers) => client.watch(path, { ...authorization, ...headers })
  await call('POST', '/api/v1/namespaces', { body: { metadata: { name: namespace } } })
  await call('POST', `/api/v1/namespaces/${namespace}/serviceaccounts`, { body: { metadata: { name: 'default' } } })
})
after(() => closing.disposeAsync())

function collectionOf(resource: ResourceDescription): string {
  const root = resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`
  return resource.namespaced ? `${root}/namespaces/${namespace}/${resource.resource}` : `${root}/${resource.resource}`
}

function expectStatus(answer: Answer, wanted: number, what: string): Json {
  assert.equal(answer.status, wanted, `${what}: ${answer.text.slice(0, 1000)}`)
  return answer.json
}

/** Removes what a deletion left waiting for somebody who isn't here: finalizers, grace periods, the namespace controller. */
async function letGo(resource: ResourceDescription, path: string): Promise<void> {
  const left = await call('GET', path)
  if (left.status === 404) return
  const object = left.json
  assert.ok(object.metadata.deletionTimestamp !== undefined, `${path} was deleted and shows no sign of it`)
  if (resource.resource === 'namespaces') return void expectStatus(await call('PUT', `${path}/finalize`, { body: { ...object, spec: { finalizers: [] } } }), 200, 'finalizing')
  if ((object.metadata.finalizers ?? []).length > 0) return void expectStatus(await call('PATCH', path, { body: { metadata: { finalizers: null } }, headers: { 'content-type': 'application/merge-patch+json' } }), 200, 'removing finalizers')
  expectStatus(await call('DELETE', `${path}?gracePeriodSeconds=0`), 200, 'deletion without grace')
}

/** Controllers inside the server write these too, at any moment. */
const controlled = new Set(['customresourcedefinitions.apiextensions.k8s.io', 'apiservices.apiregistration.k8s.io', 'servicecidrs.networking.k8s.io', 'flowschemas.flowcontrol.apiserver.k8s.io'])
const attempts = 5

/** PUT of what `change` makes of the object as it is, tried again where a controller wrote in between. */
async function update(path: string, accept: string, change: (answer: Answer) => unknown): Promise<Json> {
  for (let attempt = 1; ; attempt++) {
    const read = await call('GET', path, { headers: { accept } })
    const answer = await call('PUT', path, { body: change(read), headers: { 'content-type': accept } })
    if (answer.status !== 409 || attempt === attempts) return expectStatus(answer, 200, 'an update')
  }
}

const creatable = builtinResources().all().filter((resource) => resource.virtual !== true)

test('there is a specimen of every kind', () => {
  assert.deepEqual(creatable.map(groupResourceOf).filter((name) => specimens[name] === undefined), [])
})

for (const resource of creatable) {
  test(`${apiVersionOf(resource)} ${resource.resource} lives and dies as conformance wants`, async () => {
    const specimen = specimens[groupResourceOf(resource)]!
    const collection = collectionOf(resource)
    const name = specimen.name ?? `specimen-${resource.version}`
    const path = `${collection}/${name}`
    const labels = { 'lifecycle-test': name }
    const body = JSON.stringify({ apiVersion: apiVersionOf(resource), kind: resource.kind, metadata: { name, labels }, ...specimen.body }).replaceAll('NAMESPACE', namespace)
    const selected = `${collection}?labelSelector=lifecycle-test%3D${name}`

    const dry = expectStatus(await call('POST', `${collection}?dryRun=All`, { body }), 201, 'dry creation')
    assert.equal(dry.metadata.name, name)
    const created = expectStatus(await call('POST', `${collection}?fieldValidation=Strict`, { body }), 201, 'creation')
    assert.deepEqual([created.kind, created.apiVersion, created.metadata.labels['lifecycle-test']], [resource.kind, apiVersionOf(resource), name])
    const steady = !controlled.has(groupResourceOf(resource))
    if (steady) assert.deepEqual(expectStatus(await call('GET', path), 200, 'reading'), created)
    assert.equal(expectStatus(await call('POST', collection, { body }), 409, 'creating it again').reason, 'AlreadyExists')

    const list = expectStatus(await call('GET', selected), 200, 'listing')
    assert.deepEqual([list.kind, list.items.length], [resource.listKind, 1])
    if (resource.namespaced) assert.equal(expectStatus(await call('GET', selected.replace(`/namespaces/${namespace}`, '')), 200, 'listing all namespaces').items.length, 1)
    const rows = expectStatus(await call('GET', selected, { headers: { accept: table } }), 200, 'a table')
    const extra = resource.resource === 'ipaddresses' ? 1 : 0 // their rows tell an age that no column shows
    assert.deepEqual([rows.kind, rows.rows.length, rows.rows[0].cells.length - extra], ['Table', 1, rows.columnDefinitions.length])
    const metadata = expectStatus(await call('GET', selected, { headers: { accept: partial } }), 200, 'partial metadata')
    assert.deepEqual([metadata.kind, metadata.items[0].metadata.name], ['PartialObjectMetadataList', name])

    using changes = await watch(`${selected}&watch=true&resourceVersion=${list.metadata.resourceVersion}`)
    const asPatch = (type: string): Record<string, string> => ({ 'content-type': `application/${type}+json` })
    const patched = expectStatus(await call('PATCH', path, { body: { metadata: { annotations: { 'patched.example.com/a': 'yes' } } }, headers: asPatch('merge-patch') }), 200, 'a merge patch')
    assert.equal(patched.metadata.annotations['patched.example.com/a'], 'yes')
    expectStatus(await call('PATCH', path, { body: { metadata: { annotations: { 'patched.example.com/b': 'yes' } } }, headers: asPatch('strategic-merge-patch') }), 200, 'a strategic merge patch')
    const json = expectStatus(await call('PATCH', path, { body: [{ op: 'add', path: '/metadata/annotations/patched.example.com~1c', value: 'yes' }], headers: asPatch('json-patch') }), 200, 'a JSON patch')
    assert.deepEqual(Object.keys(json.metadata.annotations).filter((key) => key.startsWith('patched.')).sort(), ['patched.example.com/a', 'patched.example.com/b', 'patched.example.com/c'])
    for (let event = await changes.next(); event?.object.metadata.annotations?.['patched.example.com/a'] !== 'yes'; event = await changes.next()) assert.ok(!steady && event?.type === 'MODIFIED')

    const updated = await update(path, 'application/json', ({ json: read }) => ({ ...read, metadata: { ...read.metadata, annotations: { ...read.metadata.annotations, updated: 'yes' } } }))
    assert.equal(updated.metadata.annotations.updated, 'yes')
    assert.equal(expectStatus(await call('PUT', path, { body: { ...json, metadata: { ...json.metadata, annotations: { other: 'yes' } } } }), 409, 'an update of what was before').reason, 'Conflict')
    const again = await update(path, protobuf, ({ bytes }) => bytes)
    if (steady) assert.deepEqual(again, updated, 'protobuf and back is no change')

    if (resource.subresources.some((each) => each.name === 'status')) {
      const status = expectStatus(await call('GET', `${path}/status`), 200, 'reading status')
      assert.equal(status.metadata.uid, created.metadata.uid)
      expectStatus(await call('PATCH', `${path}/status`, { body: { metadata: { annotations: { 'status.example.com/a': 'yes' } } }, headers: asPatch('merge-patch') }), 200, 'patching status')
      await update(`${path}/status`, 'application/json', (read) => read.json)
    }

    expectStatus(await call('DELETE', `${path}?dryRun=All`), 200, 'dry deletion')
    const gone = await call('DELETE', path)
    assert.ok(gone.status === 200 || gone.status === 202, `deletion: ${gone.text.slice(0, 500)}`)
    await letGo(resource, path)
    assert.equal(expectStatus(await call('GET', path), 404, 'reading what was deleted').reason, 'NotFound')
    if (!resource.verbs.includes('deletecollection') || specimen.name !== undefined) return
    for (const suffix of ['a', 'b']) expectStatus(await call('POST', collection, { body: body.replace(`"name":"${name}"`, `"name":"${name}-${suffix}"`) }), 201, 'creation')
    expectStatus(await call('DELETE', selected), 200, 'deletion of a collection')
    for (const suffix of ['a', 'b']) await letGo(resource, `${path}-${suffix}`)
    assert.deepEqual(expectStatus(await call('GET', selected), 200, 'listing what was deleted').items, [])
  })
}

test('a review is no table: nothing is behind it that could be listed', async () => {
  const body = { spec: { nonResourceAttributes: { path: '/', verb: 'get' } } }
  const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'
  assert.equal((await call('POST', path, { body, headers: { accept: table } })).status, 406)
  assert.equal((await call('POST', path, { body, headers: { accept: `${table},application/json` } })).json.kind, 'SelfSubjectAccessReview')
})
