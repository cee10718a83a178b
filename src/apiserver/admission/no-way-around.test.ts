import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { after, before, test } from 'node:test'
import { builtinResources } from '../../api/builtin.ts'
import { apiVersionOf, groupResourceOf, type ResourceDescription } from '../../api/resource.ts'
import { memoryLogger } from '../../runtime/log.ts'
import { systemRuntime } from '../../runtime/runtime.ts'
import { memoryStore } from '../../store/memory.ts'
import { composeApiServer } from '../compose.ts'
import { loopbackCertificate } from '../testing/certificate.ts'
import { testClient, type Answer, type CallOptions, type Json } from '../testing/http-client.ts'
import { specimens } from '../testing/specimens.ts'
import { startWebhookServer, type WebhookServer } from '../testing/webhook-server.ts'

/** Whatever writes is asked about: with a webhook that refuses everything, nothing is written by any verb, on any subresource. */

const closing = new AsyncDisposableStack()
const namespace = 'held'
const denial = 'admission webhook "all.example.com" denied the request without explanation'
const resources = builtinResources().all()
const stored = resources.filter((resource) => resource.virtual !== true)
/** Admission's own configuration is what no webhook is asked about. */
const exempt = new Set(['mutatingwebhookconfigurations', 'validatingwebhookconfigurations', 'mutatingadmissionpolicies', 'mutatingadmissionpolicybindings', 'validatingadmissionpolicies', 'validatingadmissionpolicybindings'])
let hooks: WebhookServer
let call: (method: string, path: string, options?: CallOptions) => Promise<Answer>

const collectionOf = (resource: ResourceDescription): string =>
  `${resource.group === '' ? '/api' : `/apis/${resource.group}`}/${resource.version}${resource.namespaced ? `/namespaces/${namespace}` : ''}/${resource.resource}`
const nameOf = (resource: ResourceDescription): string => specimens[groupResourceOf(resource)]!.name ?? `held-${resource.version}`
const bodyOf = (resource: ResourceDescription, name = nameOf(resource)): Json =>
  JSON.parse(JSON.stringify({ apiVersion: apiVersionOf(resource), kind: resource.kind, metadata: { name }, ...specimens[groupResourceOf(resource)]!.body }).replaceAll('NAMESPACE', namespace))

before(async () => {
  const runtime = systemRuntime(memoryLogger())
  const store = closing.use(memoryStore(runtime))
  hooks = closing.use(await startWebhookServer(runtime.clock.now()))
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256', privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' } })
  const serving = await loopbackCertificate(runtime.clock.now())
  const server = closing.use(await composeApiServer({
    runtime, store, listen: [{ host: '127.0.0.1', port: 0 }], serving, serviceAccounts: { signingKeyPem: privateKey }, serviceCidr: '10.96.0.0/16',
    authentication: { staticTokens: [{ token: 'root', username: 'root', groups: ['system:masters'] }] },
  }))
  await server.ready()
  const client = closing.use(testClient(server.url, serving.certificate))
  call = (method, path, options = {}) => client.call(method, path, { ...options, headers: { authorization: 'Bearer root', ...options.headers } })
  await call('POST', '/api/v1/namespaces', { body: { metadata: { name: namespace } } })
  await call('POST', `/api/v1/namespaces/${namespace}/serviceaccounts`, { body: { metadata: { name: 'default' } } })
  for (const resource of stored) {
    const answer = await call('POST', collectionOf(resource), { body: bodyOf(resource) })
    assert.ok(answer.status === 201 || answer.status === 409, `${resource.resource}: ${answer.text.slice(0, 500)}`)
  }
  hooks.routes['/all'] = () => ({ allowed: false })
  const all = { name: 'all.example.com', clientConfig: hooks.clientConfig('/all'), rules: [{ apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*/*'] }], sideEffects: 'None', admissionReviewVersions: ['v1'], matchPolicy: 'Exact' }
  assert.equal((await call('POST', '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations', { body: { metadata: { name: 'all' }, webhooks: [all] } })).status, 201)
})
after(() => closing.disposeAsync())

interface Attempt { method: string; path: string; body?: unknown; type?: string }

const patches = (path: string, body: Json): Attempt[] => [
  { method: 'PATCH', path, body: { metadata: { labels: { tried: 'yes' } } }, type: 'application/merge-patch+json' },
  { method: 'PATCH', path, body: { metadata: { labels: { tried: 'yes' } } }, type: 'application/strategic-merge-patch+json' },
  { method: 'PATCH', path, body: [{ op: 'add', path: '/metadata/labels', value: { tried: 'yes' } }], type: 'application/json-patch+json' },
  { method: 'PATCH', path: `${path}?fieldManager=me&force=true`, body: { ...body, metadata: { name: body.metadata.name, labels: { tried: 'yes' } } }, type: 'application/apply-patch+yaml' },
]

const scaleBody = (name: string): Json => ({ apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: { name, namespace }, spec: { replicas: 7 } })
/** Bodies of what is created at a subresource. */
const created: Readonly<Record<string, (name: string) => Json>> = {
  'pods/binding': (name) => ({ apiVersion: 'v1', kind: 'Binding', metadata: { name }, target: { kind: 'Node', name: 'n' } }),
  'pods/eviction': (name) => ({ apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace } }),
  'serviceaccounts/token': () => ({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} }),
}

async function attemptsAt(resource: ResourceDescription): Promise<Attempt[]> {
  const collection = collectionOf(resource)
  const name = nameOf(resource)
  const path = `${collection}/${name}`
  const standing = (await call('GET', path)).json
  const attempts: Attempt[] = []
  if (resource.verbs.includes('create')) attempts.push({ method: 'POST', path: collection, body: specimens[groupResourceOf(resource)]!.name === undefined ? bodyOf(resource, `${name}-new`) : bodyOf(resource) })
  if (resource.verbs.includes('update')) attempts.push({ method: 'PUT', path, body: { ...standing, metadata: { ...standing.metadata, labels: { tried: 'yes' } } } })
  if (resource.verbs.includes('patch')) attempts.push(...patches(path, bodyOf(resource)))
  if (resource.verbs.includes('delete')) attempts.push({ method: 'DELETE', path })
  if (resource.verbs.includes('deletecollection')) attempts.push({ method: 'DELETE', path: collection })
  for (const { name: subresource, verbs } of resource.subresources) {
    const at = `${path}/${subresource}`
    const own = subresource === 'scale' ? scaleBody(name) : { ...standing, metadata: { ...standing.metadata, labels: { tried: 'yes' } } }
    if (verbs.includes('update')) attempts.push({ method: 'PUT', path: at, body: own })
    if (verbs.includes('patch')) attempts.push(...(subresource === 'scale' ? [{ method: 'PATCH', path: at, body: { spec: { replicas: 7 } }, type: 'application/merge-patch+json' }] : patches(at, bodyOf(resource)).slice(0, 3)))
    const make = created[`${resource.resource}/${subresource}`]
    if (verbs.includes('create') && make !== undefined) attempts.push({ method: 'POST', path: at, body: make(name) })
  }
  return attempts
}

for (const resource of stored.filter(({ group, resource: plural }) => group !== 'admissionregistration.k8s.io' || !exempt.has(plural))) {
  test(`${apiVersionOf(resource)} ${resource.resource}: no verb and no subresource leads around webhooks`, async () => {
    for (const { method, path, body, type } of await attemptsAt(resource)) {
      const { status, json, text } = await call(method, path, { ...(body === undefined ? {} : { body }), ...(type === undefined ? {} : { headers: { 'content-type': type } }) })
      assert.deepEqual([status, json.message], [400, denial], `${method} ${path} (${type ?? 'json'}): ${text.slice(0, 300)}`)
    }
  })
}

test('reviews pass by webhooks too', async () => {
  const bodies: Readonly<Record<string, Json>> = {
    tokenreviews: { spec: { token: 'x' } }, selfsubjectreviews: {}, selfsubjectaccessreviews: { spec: { nonResourceAttributes: { path: '/', verb: 'get' } } }, selfsubjectrulesreviews: { spec: { namespace } },
    subjectaccessreviews: { spec: { user: 'u', nonResourceAttributes: { path: '/', verb: 'get' } } }, localsubjectaccessreviews: { spec: { user: 'u', resourceAttributes: { namespace, verb: 'get', resource: 'pods' } } },
    bindings: { metadata: { name: nameOf(resources.find(({ resource }) => resource === 'pods')!) }, target: { kind: 'Node', name: 'n' } },
  }
  for (const resource of resources.filter((each) => each.virtual === true && each.verbs.includes('create'))) {
    const body = bodies[resource.resource]
    assert.ok(body !== undefined, `no body to try ${resource.resource} with`)
    const { status, json } = await call('POST', collectionOf(resource), { body: { apiVersion: apiVersionOf(resource), kind: resource.kind, ...body } })
    assert.deepEqual([resource.resource, status, json.message], [resource.resource, 400, denial])
  }
})

test('the configuration of admission itself can be written, else nobody could take the webhook away', async () => {
  assert.equal((await call('DELETE', '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/all')).status, 200)
  assert.equal((await call('POST', `/api/v1/namespaces/${namespace}/configmaps`, { body: { metadata: { name: 'free' } } })).status, 201)
})
