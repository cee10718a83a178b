import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { after, before, beforeEach, test } from 'node:test'
import { memoryLogger } from '../../../runtime/log.ts'
import { systemRuntime } from '../../../runtime/runtime.ts'
import { memoryStore } from '../../../store/memory.ts'
import { selfSubjectReviewHandler } from '../../reviews/authentication-reviews.ts'
import { testClient, type Answer, type CallOptions, type Json } from '../../testing/http-client.ts'
import { startTestServer } from '../../testing/server.ts'
import { jsonPatch, startWebhookServer, type WebhookServer } from '../../testing/webhook-server.ts'
import { webhookExpressionsCheck } from './expressions-check.ts'
import { mutatingWebhooks } from './mutating.ts'
import { validatingWebhooks } from './validating.ts'

const closing = new AsyncDisposableStack()
let hooks: WebhookServer
let call: (method: string, path: string, options?: CallOptions) => Promise<Answer>
const registration = '/apis/admissionregistration.k8s.io/v1'

before(async () => {
  const runtime = systemRuntime(memoryLogger())
  const store = closing.use(memoryStore(runtime))
  hooks = closing.use(await startWebhookServer(runtime.clock.now(), ['127.0.0.1', 'hook.default.svc']))
  const server = closing.use(await startTestServer(runtime, store, { admission: [mutatingWebhooks, validatingWebhooks, () => webhookExpressionsCheck], subresources: [() => selfSubjectReviewHandler] }))
  const client = closing.use(testClient(server.url, server.certificate))
  call = (method, path, options) => client.call(method, path, options)
  for (const [name, labels] of [['default', { team: 'a' }], ['other', { team: 'b' }]] as const) await call('POST', '/api/v1/namespaces', { body: { metadata: { name, labels } } })
})
after(() => closing.disposeAsync())

beforeEach(async () => {
  for (const plural of ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations']) await call('DELETE', `${registration}/${plural}`)
  hooks.seen.length = 0
  for (const routes of [hooks.routes, hooks.raw]) for (const path of Object.keys(routes)) delete routes[path]
})

const configMaps = { apiGroups: [''], apiVersions: ['v1'], operations: ['*'], resources: ['configmaps'] }

function hook(path: string, more: object = {}): Json {
  return { name: `${path.slice(1)}.example.com`, clientConfig: hooks.clientConfig(path), rules: [configMaps], sideEffects: 'None', admissionReviewVersions: ['v1'], ...more }
}

async function configure(kind: 'Mutating' | 'Validating', name: string, ...webhooks: Json[]): Promise<void> {
  const answer = await call('POST', `${registration}/${kind.toLowerCase()}webhookconfigurations`, { body: { metadata: { name }, webhooks } })
  assert.equal(answer.status, 201, answer.text)
}

let count = 0
function create(more: Json = {}, query = ''): Promise<Answer> {
  const { metadata, ...rest } = more
  return call('POST', `/api/v1/namespaces/${metadata?.namespace ?? 'default'}/configmaps${query}`, { body: { metadata: { name: `map-${count++}`, ...metadata }, ...rest } })
}

test('a validating webhook refuses with its own words, code and reason', async () => {
  const table: Array<[object, number, string, string | undefined]> = [
    [{ allowed: false, status: { message: 'not today' } }, 400, 'admission webhook "deny.example.com" denied the request: not today', undefined],
    [{ allowed: false, status: { message: 'not you', reason: 'Forbidden', code: 403 } }, 403, 'admission webhook "deny.example.com" denied the request: not you', 'Forbidden'],
    [{ allowed: false, status: { reason: 'Invalid', code: 422 } }, 422, 'admission webhook "deny.example.com" denied the request: Invalid', 'Invalid'],
    [{ allowed: false, status: { code: 200, status: 'Success' } }, 400, 'admission webhook "deny.example.com" denied the request without explanation', undefined],
    [{ allowed: false }, 400, 'admission webhook "deny.example.com" denied the request without explanation', undefined],
  ]
  await configure('Validating', 'deny', hook('/deny'))
  for (const [answer, code, message, reason] of table) {
    hooks.routes['/deny'] = () => answer
    const { status, json } = await create()
    assert.deepEqual([status, json.message, json.reason, json.code, json.status], [code, message, reason, code, 'Failure'])
  }
})

test('what a webhook is told: the request, both kinds, the user, the object and the options', async () => {
  hooks.routes['/see'] = () => ({ allowed: true, warnings: ['mind the gap'] })
  await configure('Validating', 'see', hook('/see', { timeoutSeconds: 7 }))
  const created = await create({ metadata: { name: 'told' }, data: { a: 'b' } }, '?fieldManager=me')
  assert.equal(created.headers.warning, '299 - "mind the gap"')
  await call('PATCH', '/api/v1/namespaces/default/configmaps/told', { body: { data: { a: 'c' } }, headers: { 'content-type': 'application/merge-patch+json' } })
  await call('DELETE', '/api/v1/namespaces/default/configmaps/told', { body: { gracePeriodSeconds: 3 } })
  const [first, second, third] = hooks.seen.map(({ review }) => review.request)
  assert.equal(hooks.seen[0]!.url, '/see?timeout=7s')
  const { uid, object, ...rest } = first
  assert.match(uid, /^[0-9a-f-]{36}$/)
  assert.deepEqual([object.kind, object.apiVersion, object.data, object.metadata.uid !== undefined], ['ConfigMap', 'v1', { a: 'b' }, true])
  assert.deepEqual(rest, {
    kind: { group: '', version: 'v1', kind: 'ConfigMap' }, resource: { group: '', version: 'v1', resource: 'configmaps' },
    requestKind: { group: '', version: 'v1', kind: 'ConfigMap' }, requestResource: { group: '', version: 'v1', resource: 'configmaps' },
    name: 'told', namespace: 'default', operation: 'CREATE', userInfo: { username: 'admin', groups: ['system:masters', 'system:authenticated'] }, oldObject: null, dryRun: false,
    options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1', fieldManager: 'me' },
  })
  assert.deepEqual([second.operation, second.object.data, second.oldObject.data, second.options.kind], ['UPDATE', { a: 'c' }, { a: 'b' }, 'UpdateOptions'])
  assert.deepEqual([third.operation, third.object, third.oldObject.data, third.options], ['DELETE', null, { a: 'c' }, { kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/v1', gracePeriodSeconds: 3 }])
})

test('updates are told as they will be: in their namespace, for the version that stands; those of an old version are told, too', async () => {
  hooks.routes['/told'] = () => ({ allowed: true })
  const { json: made } = await create({ metadata: { name: 'blind' }, data: { a: 'b' } })
  await configure('Mutating', 'first', hook('/told'))
  await configure('Validating', 'last', hook('/told'))
  const path = '/api/v1/namespaces/default/configmaps/blind'
  assert.equal((await call('PUT', path, { body: { metadata: { name: 'blind' }, data: { a: 'c' } } })).status, 200)
  assert.deepEqual(hooks.seen.map(({ review: { request: { object: { metadata } } } }) => [metadata.namespace, metadata.resourceVersion]), [['default', undefined], ['default', made.metadata.resourceVersion]])
  hooks.seen.length = 0
  assert.equal((await call('PUT', path, { body: { metadata: { name: 'blind', resourceVersion: '1' }, data: { a: 'd' } } })).status, 409)
  assert.equal((await call('PATCH', '/api/v1/namespaces/default/configmaps/anew?fieldManager=me', { body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'anew' } }, headers: { 'content-type': 'application/apply-patch+yaml' } })).status, 201)
  assert.deepEqual(hooks.seen.map(({ review: { request } }) => [request.operation, request.options.kind]), [['UPDATE', 'UpdateOptions'], ['CREATE', 'CreateOptions'], ['CREATE', 'CreateOptions']])
})

test('deleting a collection names no object, and asks about each', async () => {
  hooks.routes['/sweep'] = () => ({ allowed: true })
  for (const name of ['one', 'two']) await create({ metadata: { name, namespace: 'other', labels: { sweep: 'yes' } } })
  await configure('Validating', 'sweep', hook('/sweep', { rules: [{ ...configMaps, operations: ['DELETE'] }] }))
  assert.equal((await call('DELETE', '/api/v1/namespaces/other/configmaps?labelSelector=sweep%3Dyes')).status, 200)
  const told = hooks.seen.map(({ review: { request } }) => [request.name, request.namespace, request.oldObject.metadata.name])
  assert.deepEqual(told.toSorted(), [[undefined, 'other', 'one'], [undefined, 'other', 'two']])
})

test('rules, selectors and match conditions choose the requests', async () => {
  const inDefault = { namespaceSelector: { matchLabels: { team: 'a' } } }
  const table: Array<[string, object, Json, boolean]> = [
    ['another operation', { rules: [{ ...configMaps, operations: ['UPDATE'] }] }, {}, false],
    ['another version', { rules: [{ ...configMaps, apiVersions: ['v2'] }] }, {}, false],
    ['every resource', { rules: [{ ...configMaps, resources: ['*'] }] }, {}, true],
    ['a subresource', { rules: [{ ...configMaps, resources: ['*/status'] }] }, {}, false],
    ['every resource and subresource', { rules: [{ ...configMaps, resources: ['*/*'] }] }, {}, true],
    ['cluster scope', { rules: [{ ...configMaps, scope: 'Cluster' }] }, {}, false],
    ['namespaced scope', { rules: [{ ...configMaps, scope: 'Namespaced' }] }, {}, true],
    ['a namespace by its labels', inDefault, {}, true],
    ['another namespace', inDefault, { metadata: { namespace: 'other' } }, false],
    ['an object by its labels', { objectSelector: { matchLabels: { on: 'yes' } } }, { metadata: { labels: { on: 'yes' } } }, true],
    ['an object without them', { objectSelector: { matchLabels: { on: 'yes' } } }, {}, false],
    ['conditions that hold', { matchConditions: [{ name: 'a', expression: 'request.operation == "CREATE"' }, { name: 'b', expression: 'object.metadata.labels["a.b/c"] == "d"' }] }, { metadata: { labels: { 'a.b/c': 'd' } } }, true],
    ['a condition that does not', { matchConditions: [{ name: 'a', expression: 'has(oldObject.data)' }, { name: 'b', expression: 'request.name == "x"' }] }, {}, false],
  ]
  hooks.routes['/choose'] = () => ({ allowed: true })
  for (const [what, more, body, isCalled] of table) {
    await configure('Validating', 'choose', hook('/choose', more))
    hooks.seen.length = 0
    const answer = await create(body)
    assert.deepEqual([what, answer.status, hooks.seen.length], [what, 201, isCalled ? 1 : 0])
    await call('DELETE', `${registration}/validatingwebhookconfigurations/choose`)
  }
})

test('a condition that cannot be evaluated refuses or skips by failure policy', async () => {
  hooks.routes['/odd'] = () => ({ allowed: false })
  const matchConditions = [{ name: 'odd', expression: 'object.data.missing == "x"' }]
  await configure('Validating', 'odd', hook('/odd', { matchConditions }))
  const refused = await create({ metadata: { name: 'odd' }, data: { a: 'b' } })
  assert.equal(refused.status, 403)
  assert.match(refused.json.message, /^configmaps "odd" is forbidden: .*missing/)
  await call('PATCH', `${registration}/validatingwebhookconfigurations/odd`, { body: [{ op: 'replace', path: '/webhooks/0/failurePolicy', value: 'Ignore' }], headers: { 'content-type': 'application/json-patch+json' } })
  assert.equal((await create({ data: { a: 'b' } })).status, 201)
  assert.equal(hooks.seen.length, 0)
})

test('conditions that do not compile are refused where they are written', async () => {
  const write = (expression: string): Promise<Answer> => call('POST', `${registration}/validatingwebhookconfigurations`, { body: { metadata: { name: 'wrong' }, webhooks: [hook('/wrong', { matchConditions: [{ name: 'a', expression: 'true' }, { name: 'b', expression }] })] } })
  const { status, json } = await write('object.metadata.')
  assert.equal(status, 422)
  assert.deepEqual([json.details.causes.length, json.details.causes[0].field, json.details.causes[0].reason], [1, 'webhooks[0].matchConditions[1].expression', 'FieldValueInvalid'])
  assert.match(json.details.causes[0].message, /^Invalid value: "object\.metadata\.": compilation failed: ERROR: <input>:1:/)
  assert.match((await write('"text"')).json.message, /must evaluate to bool/)
  assert.match((await write('params.x == 1')).json.message, /undeclared reference to 'params'/)
})

test('the authorizer answers conditions', async () => {
  hooks.routes['/ask'] = () => ({ allowed: true })
  await configure('Validating', 'ask', hook('/ask', { matchConditions: [{ name: 'a', expression: '!authorizer.group("").resource("configmaps").check("breakglass").allowed()' }] }))
  await create()
  assert.equal(hooks.seen.length, 0)
  await call('PATCH', `${registration}/validatingwebhookconfigurations/ask`, { body: [{ op: 'replace', path: '/webhooks/0/matchConditions/0/expression', value: 'authorizer.requestResource.check("create").allowed()' }], headers: { 'content-type': 'application/json-patch+json' } })
  await create()
  assert.equal(hooks.seen.length, 1)
})

test('mutating webhooks change the object in the order of their configurations, defaults and pruning included', async () => {
  hooks.routes['/second'] = (request) => jsonPatch({ op: 'add', path: '/data/order', value: `${request.object.data.order}2` })
  hooks.routes['/first'] = () => jsonPatch({ op: 'add', path: '/data', value: { order: '1' } }, { op: 'add', path: '/nonsense', value: true }, { op: 'add', path: '/metadata/labels', value: { by: 'webhook' } })
  await configure('Mutating', 'z-last', hook('/second'))
  await configure('Mutating', 'a-first', hook('/first'))
  const { status, json } = await create()
  assert.deepEqual([status, json.data, json.nonsense, json.metadata.labels], [201, { order: '12' }, undefined, { by: 'webhook' }])
  assert.equal((await call('GET', `/api/v1/namespaces/default/configmaps/${json.metadata.name}`)).json.data.order, '12')
})

test('a name that a webhook gives is the name, a namespace that it changes is refused', async () => {
  hooks.routes['/name'] = (request) => jsonPatch(request.namespace === 'other' ? { op: 'replace', path: '/metadata/namespace', value: 'default' } : { op: 'add', path: '/metadata/name', value: 'given' })
  await configure('Mutating', 'name', hook('/name', { rules: [{ ...configMaps, operations: ['CREATE'] }] }))
  const created = await create({ metadata: { name: undefined, generateName: 'auto-' } })
  assert.deepEqual([created.status, created.json.metadata.name], [201, 'given'])
  assert.equal((await create({ metadata: { namespace: 'other' } })).status, 400)
})

test('a webhook that asks for it is called again when one behind it changed the object, and only then', async () => {
  hooks.routes['/again'] = (request) => jsonPatch({ op: 'add', path: '/metadata/annotations', value: { seen: JSON.stringify(request.object.data ?? null) } })
  hooks.routes['/once'] = () => ({ allowed: true })
  hooks.routes['/change'] = () => jsonPatch({ op: 'add', path: '/data', value: { changed: 'yes' } })
  await configure('Mutating', 'a', hook('/again', { reinvocationPolicy: 'IfNeeded' }), hook('/once'), hook('/change'))
  const { json } = await create()
  assert.deepEqual(hooks.seen.map(({ path }) => path), ['/again', '/once', '/change', '/again'])
  assert.equal(json.metadata.annotations.seen, '{"changed":"yes"}')
  hooks.seen.length = 0
  hooks.routes['/change'] = () => ({ allowed: true })
  await create()
  assert.deepEqual(hooks.seen.map(({ path }) => path), ['/again', '/once', '/change'])
})

test('answers that are none, by failure policy', async () => {
  const failing = 'Internal error occurred: failed calling webhook "bad.example.com": '
  const reply = (body: unknown, status = 200) => (review: Json, response: ServerResponse): void => {
    response.writeHead(status, { 'content-type': typeof body === 'string' ? 'text/plain' : 'application/json' })
    response.end(typeof body === 'string' ? body : JSON.stringify(typeof body === 'function' ? (body as (review: Json) => unknown)(review) : body))
  }
  const answer = (response: object) => (review: Json): object => ({ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', response: { uid: review.request.uid, ...response } })
  const table: Array<[unknown, number, RegExp | string]> = [
    [{ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1' }, 200, `${failing}received invalid webhook response: webhook response was absent`],
    [{ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', response: { uid: 'x', allowed: true } }, 200, /received invalid webhook response: expected response\.uid="[0-9a-f-]+", got "x"$/],
    [(review: Json) => ({ response: { uid: review.request.uid, allowed: true } }), 200, `${failing}received invalid webhook response: expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got /, Kind=`],
    [answer({ allowed: true, patchType: 'JSONPatch' }), 200, `${failing}received invalid webhook response: webhook returned response.patchType but not response.patch`],
    [answer({ allowed: true, patch: 'W10=' }), 200, `${failing}received invalid webhook response: webhook returned response.patch but not response.patchType`],
    [answer({ allowed: true, patch: 'e30=', patchType: 'JSONPatch' }), 200, /received undecodable patch in webhook response: /],
    [answer(jsonPatch({ op: 'remove', path: '/no/such' })), 200, /^Internal error occurred: .*\/no\/such/],
    ['it broke', 500, `${failing}failed to call webhook: an error on the server ("it broke") has prevented the request from succeeding`],
    ['', 404, `${failing}failed to call webhook: the server could not find the requested resource`],
    ['no json', 200, /failed to call webhook: couldn't get version\/kind; json parse error: json: cannot unmarshal string into Go value of type struct \{ APIVersion/],
    ['', 200, /failed to call webhook: 0-length response with status code: 200 and content type: /],
    ['{"kind":', 200, /failed to call webhook: couldn't get version\/kind; json parse error: unexpected end of JSON input$/],
    ['{"kind":"Foo"}', 200, /failed to call webhook: no kind "Foo" is registered for version "admission\.k8s\.io\/v1" in scheme/],
    ['{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview"}', 200, /failed to call webhook: converting \(v1beta1\.AdmissionReview\) to \(v1\.AdmissionReview\): unknown conversion$/],
    ['{"response":{"allowed":"yes"}}', 200, /failed to call webhook: json: cannot unmarshal string into Go struct field AdmissionResponse\.response\.allowed of type bool$/],
  ]
  await configure('Mutating', 'bad', hook('/bad'))
  for (const [body, status, message] of table) {
    hooks.raw['/bad'] = reply(body, status)
    const { status: code, json } = await create()
    assert.equal(code, 500, json.message)
    if (typeof message === 'string') assert.equal(json.message, message)
    else assert.match(json.message, message)
    assert.equal(json.reason, 'InternalError')
  }
  await call('DELETE', `${registration}/mutatingwebhookconfigurations/bad`)
  await configure('Mutating', 'bad', hook('/bad', { failurePolicy: 'Ignore' }))
  hooks.raw['/bad'] = reply('it broke', 500)
  assert.equal((await create()).status, 201)
})

test('a webhook that cannot be reached, or is not who it should be', async () => {
  const table: Array<[object, RegExp]> = [
    [{ url: 'https://127.0.0.1:1/x', caBundle: hooks.caBundle }, /failed to call webhook: Post "https:\/\/127\.0\.0\.1:1\/x\?timeout=10s": dial tcp 127\.0\.0\.1:1: connect: connection refused$/],
    [{ url: hooks.clientConfig('/x').url }, /tls: failed to verify certificate: x509: certificate signed by unknown authority$/],
    [{ service: { namespace: 'default', name: 'nowhere' }, caBundle: hooks.caBundle }, /failed to call webhook: Post "https:\/\/nowhere\.default\.svc:443\/\?timeout=10s": service "nowhere" not found$/],
  ]
  for (const [clientConfig, message] of table) {
    await configure('Validating', 'away', hook('/away', { clientConfig }))
    const { status, json } = await create()
    assert.equal(status, 500)
    assert.match(json.message, message)
    await call('DELETE', `${registration}/validatingwebhookconfigurations/away`)
  }
})

test('a webhook behind a service is called by the service\'s name, wherever that leads', async () => {
  // Endpoints may not be on loopback; an external name may.
  await call('POST', '/api/v1/namespaces/default/services', { body: { metadata: { name: 'hook' }, spec: { type: 'ExternalName', externalName: 'localhost' } } })
  hooks.routes['/served'] = () => ({ allowed: true })
  await configure('Validating', 'served', hook('/served', { clientConfig: { service: { namespace: 'default', name: 'hook', path: '/served', port: hooks.port }, caBundle: hooks.caBundle } }))
  const { status, text } = await create()
  assert.equal(status, 201, text)
  assert.equal(hooks.seen[0]!.headers.host, `hook.default.svc:${hooks.port}`)
})

test('a bundle may hold the certificate of the webhook itself, as tools that sign it on the spot write it', async () => {
  hooks.routes['/own'] = () => ({ allowed: false, status: { message: 'Always denied' } })
  await configure('Validating', 'own', hook('/own', { clientConfig: { ...hooks.clientConfig('/own'), caBundle: hooks.certificate } }))
  assert.match((await create()).json.message, /denied the request: Always denied$/)
})

test('slashes given twice, or at the end of a path, are not sent', async () => {
  hooks.routes['/once/more'] = () => ({ allowed: false, status: { message: 'found' } })
  const { url, caBundle } = hooks.clientConfig('//once//more/')
  await configure('Validating', 'own', hook('/once', { clientConfig: { url, caBundle } }))
  assert.match((await create()).json.message, /denied the request: found$/)
})

test('a webhook behind the kubernetes Service is asked without a wire, as the server itself', async () => {
  const self = (path: string): object => ({ clientConfig: { service: { namespace: 'default', name: 'kubernetes', path } } })
  await configure('Validating', 'self', hook('/self', self('/apis/authentication.k8s.io/v1/selfsubjectreviews')))
  assert.match((await create()).json.message, /failed to call webhook: AdmissionReview in version "v1" cannot be handled as a SelfSubjectReview/)
  await call('DELETE', `${registration}/validatingwebhookconfigurations/self`)
  await configure('Validating', 'self', hook('/self', self('/nowhere')))
  assert.match((await create()).json.message, /failed to call webhook: the server could not find the requested resource$/)
})

test('patches that make something else of the object are errors, whatever they try', async () => {
  const table: Array<[object, number, RegExp]> = [
    [{ op: 'replace', path: '', value: {} }, 422, /name or generateName is required/],
    [{ op: 'replace', path: '/kind', value: 'Zork' }, 500, /^Internal error occurred: no kind "Zork" is registered for version "v1" in scheme "pkg\/api\/legacyscheme\/scheme\.go:30"$/],
    [{ op: 'replace', path: '', value: [] }, 500, /^Internal error occurred: the patched document is not an object$/],
    [{ op: 'replace', path: '/kind', value: 'Pod' }, 500, /^Internal error occurred: converting \(v1\.Pod\) to \(v1\.ConfigMap\): unknown conversion$/],
    [{ op: 'replace', path: '/apiVersion', value: 'apps/v1' }, 500, /^Internal error occurred: no kind "ConfigMap" is registered for version "apps\/v1"/],
    [{ op: 'remove', path: '/metadata' }, 422, /name or generateName is required/],
    [{ op: 'replace', path: '/metadata', value: 'x' }, 500, /^Internal error occurred: .*cannot unmarshal string/],
    [{ op: 'add', path: '/data', value: [1] }, 500, /^Internal error occurred: json: cannot unmarshal array into Go struct field ConfigMap\.data of type map\[string\]string$/],
    [{ op: 'replace', path: '/metadata/name', value: 'Bad Name' }, 422, /a lowercase RFC 1123 subdomain/],
    [{ op: 'add', path: '/__proto__/polluted', value: 1 }, 500, /missing path/],
    [{ op: 'explode', path: '/' }, 500, /^Internal error occurred: Unexpected kind: explode$/],
  ]
  await configure('Mutating', 'evil', hook('/evil'))
  for (const [operation, wanted, message] of table) {
    hooks.routes['/evil'] = () => jsonPatch(operation)
    const { status, json } = await create()
    assert.equal(status, wanted, json.message)
    assert.match(json.message, message)
  }
  assert.equal(({} as { polluted?: number }).polluted, undefined)
})

test('a hanging webhook ends at its timeout and holds up nobody else', async () => {
  hooks.routes['/hang'] = () => undefined
  await configure('Validating', 'hang', hook('/hang', { timeoutSeconds: 1, objectSelector: { matchLabels: { slow: 'yes' } } }))
  const slow = create({ metadata: { labels: { slow: 'yes' } } })
  assert.equal((await create()).status, 201)
  const { status, json } = await slow
  assert.equal(status, 500)
  assert.match(json.message, /^Internal error occurred: failed calling webhook "hang\.example\.com": failed to call webhook: Post "https:\/\/127\.0\.0\.1:\d+\/hang\?timeout=1s": context deadline exceeded$/)
})

test('validating webhooks are asked at once, and all of them', async () => {
  let under = 0
  let most = 0
  const waiting: Array<() => void> = []
  for (const path of ['/p1', '/p2', '/p3']) {
    hooks.raw[path] = (review, response) => {
      most = Math.max(most, ++under)
      waiting.push(() => response.end(JSON.stringify({ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', response: { uid: review.request.uid, allowed: true } })))
      if (waiting.length === 3) for (const go of waiting) go()
    }
  }
  await configure('Validating', 'p', hook('/p1'), hook('/p2'), hook('/p3'))
  assert.equal((await create()).status, 201)
  assert.equal(most, 3)
})

test('a dry run reaches only webhooks without side effects', async () => {
  hooks.routes['/dry'] = (request) => ({ allowed: true, warnings: [`dry ${request.dryRun}`] })
  await configure('Validating', 'dry', hook('/dry', { sideEffects: 'NoneOnDryRun' }))
  const answer = await create({}, '?dryRun=All')
  assert.deepEqual([answer.status, answer.headers.warning], [201, '299 - "dry true"'])
})

test('a webhook for another version of a resource sees the object in that version', async () => {
  const rules = [{ apiGroups: ['autoscaling'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['horizontalpodautoscalers'] }]
  hooks.routes['/hpa'] = () => jsonPatch({ op: 'replace', path: '/spec/targetCPUUtilizationPercentage', value: 33 })
  await configure('Mutating', 'hpa', hook('/hpa', { rules }))
  const spec = { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }, maxReplicas: 3, metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 70 } } }] }
  const { status, json, text } = await call('POST', '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers', { body: { metadata: { name: 'web' }, spec } })
  assert.equal(status, 201, text)
  assert.equal(json.spec.metrics[0].resource.target.averageUtilization, 33)
  const { kind, requestKind, object } = hooks.seen[0]!.review.request
  assert.deepEqual([kind.version, requestKind.version, object.apiVersion, object.spec.targetCPUUtilizationPercentage], ['v1', 'v2', 'autoscaling/v1', 70])
  await call('DELETE', `${registration}/mutatingwebhookconfigurations/hpa`)
  await configure('Mutating', 'hpa', hook('/hpa', { rules, matchPolicy: 'Exact' }))
  hooks.seen.length = 0
  await call('POST', '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers', { body: { metadata: { name: 'web2' }, spec } })
  assert.equal(hooks.seen.length, 0)
})

test('v1beta1 reviews are spoken with webhooks that know no other', async () => {
  hooks.raw['/old'] = (review, response) => response.end(JSON.stringify({ response: { allowed: true, patch: Buffer.from('[{"op":"add","path":"/data","value":{"old":"yes"}}]').toString('base64'), uid: 'any', api: review.apiVersion } }))
  await configure('Mutating', 'old', hook('/old', { admissionReviewVersions: ['v1beta1'] }))
  assert.deepEqual((await create()).json.data, { old: 'yes' })
  assert.equal(hooks.seen[0]!.review.apiVersion, 'admission.k8s.io/v1beta1')
})

test('scale and status requests are told by subresource, namespaces by themselves', async () => {
  hooks.routes['/sub'] = () => ({ allowed: true })
  await configure('Validating', 'sub', hook('/sub', {
    rules: [{ apiGroups: ['apps'], apiVersions: ['*'], operations: ['UPDATE'], resources: ['deployments/scale'] }, { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['namespaces'], scope: 'Cluster' }],
  }))
  const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } }
  await call('POST', '/apis/apps/v1/namespaces/default/deployments', { body: { metadata: { name: 'web' }, spec: { selector: { matchLabels: { a: 'b' } }, template } } })
  await call('PATCH', '/apis/apps/v1/namespaces/default/deployments/web/scale', { body: { spec: { replicas: 4 } }, headers: { 'content-type': 'application/merge-patch+json' } })
  await call('POST', '/api/v1/namespaces', { body: { metadata: { name: 'told' } } })
  const [scale, namespace] = hooks.seen.map(({ review }) => review.request)
  assert.deepEqual([scale.kind, scale.subResource, scale.requestSubResource, scale.object.spec.replicas, scale.oldObject.spec.replicas], [{ group: 'autoscaling', version: 'v1', kind: 'Scale' }, 'scale', 'scale', 4, 1])
  assert.deepEqual([namespace.name, namespace.namespace, namespace.kind.kind], ['told', 'told', 'Namespace'])
})

test('webhooks are not asked about webhook configurations', async () => {
  hooks.routes['/all'] = () => ({ allowed: false })
  await configure('Validating', 'all', hook('/all', { rules: [{ apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*/*'] }] }))
  assert.equal((await create()).status, 400)
  assert.equal((await call('DELETE', `${registration}/validatingwebhookconfigurations/all`)).status, 200)
  assert.equal((await create()).status, 201)
})

test('a patch of what is being deleted is an error', async () => {
  hooks.routes['/del'] = () => jsonPatch({ op: 'add', path: '/data', value: {} })
  await create({ metadata: { name: 'gone' } })
  await configure('Mutating', 'del', hook('/del', { rules: [{ ...configMaps, operations: ['DELETE'] }] }))
  const { status, json } = await call('DELETE', '/api/v1/namespaces/default/configmaps/gone')
  assert.deepEqual([status, json.message], [500, 'Internal error occurred: admission webhook "del.example.com" attempted to modify the object, which is not supported for this operation'])
})

test('connections to a webhook are kept and used again', async () => {
  hooks.routes['/keep'] = () => ({ allowed: true })
  await configure('Validating', 'keep', hook('/keep'))
  for (let i = 0; i < 3; i++) await create()
  assert.equal(new Set(hooks.seen.map(({ connection }) => connection)).size, 1)
})

test('calls of webhooks are counted, by how they went', async () => {
  hooks.routes['/counted'] = ({ name }) => ({ allowed: name !== 'counted' })
  await configure('Validating', 'counted', hook('/counted'), hook('/uncounted', { clientConfig: { url: 'https://127.0.0.1:1/', caBundle: hooks.caBundle }, failurePolicy: 'Ignore' }))
  await create()
  await create({ metadata: { name: 'counted' } })
  const { text } = await call('GET', '/metrics')
  for (const line of [
    'apiserver_admission_webhook_request_total{code="200",name="counted.example.com",operation="CREATE",rejected="false",type="validating"} 1',
    'apiserver_admission_webhook_request_total{code="400",name="counted.example.com",operation="CREATE",rejected="true",type="validating"} 1',
    'apiserver_admission_webhook_rejection_count{error_type="no_error",name="counted.example.com",operation="CREATE",rejection_code="400",type="validating"} 1',
    'apiserver_admission_webhook_fail_open_count{name="uncounted.example.com",type="validating"} 2',
    'apiserver_admission_webhook_admission_duration_seconds_count{name="counted.example.com",operation="CREATE",rejected="false",type="validating"} 1',
  ]) assert.ok(text.includes(`${line}\n`), line)
  assert.match(text, /^apiserver_admission_step_admission_duration_seconds_bucket\{operation="CREATE",rejected="true",type="validate",le="\+Inf"\} [1-9]/m)
  assert.match(text, /^apiserver_admission_controller_admission_duration_seconds_count\{name="ValidatingAdmissionWebhook",operation="CREATE",rejected="false",type="validate"\} [1-9]/m)
})
