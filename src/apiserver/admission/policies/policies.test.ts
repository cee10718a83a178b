import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { memoryLogger } from '../../../runtime/log.ts'
import { systemRuntime } from '../../../runtime/runtime.ts'
import { memoryStore } from '../../../store/memory.ts'
import type { AdmissionPlugin } from '../../context.ts'
import { testClient, type Answer, type CallOptions, type Json } from '../../testing/http-client.ts'
import { startTestServer } from '../../testing/server.ts'
import { policyCompilerPlugin } from './compiler-plugin.ts'
import { mutatingPolicies } from './mutating.ts'
import { validatingPolicies } from './validating.ts'

const closing = new AsyncDisposableStack()
let call: (method: string, path: string, options?: CallOptions) => Promise<Answer>
const registration = '/apis/admissionregistration.k8s.io/v1'
const notes: [string, string][] = []
/** Keeps what plugins note for the audit log, by standing before them in the chain. */
const noting: AdmissionPlugin = {
  name: 'Notes', handles: () => true,
  validate(attributes) {
    attributes.annotateAudit = (key, value) => void notes.push([key, value])
  },
}
/** Changes what policies before it have seen. */
const late: AdmissionPlugin = {
  name: 'Late', handles: (operation) => operation === 'CREATE', resources: ['configmaps'],
  mutate({ object, reinvocation }) {
    const map = object as unknown as { data?: Record<string, string> }
    if (map.data?.['late'] !== 'wanted') return
    map.data['late'] = 'done'
    reinvocation.request()
  },
}

before(async () => {
  const runtime = systemRuntime(memoryLogger())
  const store = closing.use(memoryStore(runtime))
  const server = closing.use(await startTestServer(runtime, store, { admission: [policyCompilerPlugin, () => noting, mutatingPolicies, () => late, validatingPolicies] }))
  const client = closing.use(testClient(server.url, server.certificate))
  call = (method, path, options) => client.call(method, path, options)
  for (const [name, labels] of [['default', { team: 'a' }], ['other', { team: 'b' }]] as const) await call('POST', '/api/v1/namespaces', { body: { metadata: { name, labels } } })
})
after(() => closing.disposeAsync())

beforeEach(async () => {
  for (const kind of ['mutating', 'validating']) for (const plural of ['policybindings', 'policies']) await call('DELETE', `${registration}/${kind}admission${plural}`)
  for (const namespace of ['default', 'other']) await call('DELETE', `/api/v1/namespaces/${namespace}/configmaps`)
  notes.length = 0
})

const resourceRules = [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['configmaps'] }]

async function policy(spec: Json, binding: Json = {}): Promise<void> {
  const kind = spec.mutations === undefined ? 'validating' : 'mutating'
  const name = spec.name ?? 'p'
  const own = kind === 'mutating' ? { reinvocationPolicy: 'Never' } : {}
  const { name: _, ...rest } = spec
  const made = await call('POST', `${registration}/${kind}admissionpolicies`, { body: { metadata: { name }, spec: { matchConstraints: { resourceRules }, ...own, ...rest } } })
  assert.equal(made.status, 201, made.text)
  const bound = await call('POST', `${registration}/${kind}admissionpolicybindings`, { body: { metadata: { name: `${name}-b` }, spec: { policyName: name, ...(kind === 'validating' ? { validationActions: ['Deny'] } : {}), ...binding } } })
  assert.equal(bound.status, 201, bound.text)
}

let count = 0
const create = (data: Json = {}, namespace = 'default', labels: Json = {}): Promise<Answer> => call('POST', `/api/v1/namespaces/${namespace}/configmaps`, { body: { metadata: { name: `map-${count++}`, labels }, data } })

test('a validation that fails refuses with its message, reason, code and cause', async () => {
  const cases: [validation: Json, code: number, reason: string, text: string][] = [
    [{ expression: 'object.data.a == "b"' }, 422, 'Invalid', 'failed expression: object.data.a == "b"'],
    [{ expression: 'false', message: ' said ', reason: 'Forbidden' }, 403, 'Forbidden', 'said'],
    [{ expression: 'false', message: 'said', messageExpression: '"a is " + object.data.a', reason: 'RequestEntityTooLarge' }, 413, 'RequestEntityTooLarge', 'a is x'],
    [{ expression: 'false', message: 'said', messageExpression: '"two\\nlines"' }, 422, 'Invalid', 'said'],
    [{ expression: 'object.data.b == ""' }, 422, 'Invalid', 'expression \'object.data.b == ""\' resulted in error: no such key: b'],
  ]
  for (const [i, [validation, code, reason, text]] of cases.entries()) {
    await policy({ name: `p${i}`, validations: [validation] })
    const { status, json } = await create({ a: 'x' })
    const message = `ValidatingAdmissionPolicy 'p${i}' with binding 'p${i}-b' denied request: ${text}`
    assert.deepEqual([status, json.reason, json.code, json.details.causes], [code, reason, code, [{ message }]])
    assert.match(json.message, /^configmaps "map-\d+" is forbidden: /)
    assert.ok(json.message.endsWith(message), json.message)
    await call('DELETE', `${registration}/validatingadmissionpolicybindings/p${i}-b`)
  }
})

test('a binding warns, keeps for the audit log, or refuses; an ignored error does neither', async () => {
  await policy({ name: 'w', validations: [{ expression: 'false', message: 'no' }], auditAnnotations: [{ key: 'seen', valueExpression: '"map of " + request.userInfo.username' }, { key: 'none', valueExpression: 'null' }] }, { validationActions: ['Warn', 'Audit'] })
  await policy({ name: 'i', failurePolicy: 'Ignore', validations: [{ expression: 'object.nope == 1' }] })
  const { status, headers } = await create()
  assert.deepEqual([status, headers.warning], [201, `299 - "Validation failed for ValidatingAdmissionPolicy 'w' with binding 'w-b': no"`])
  assert.deepEqual(notes, [
    ['validation.policy.admission.k8s.io/validation_failure', JSON.stringify([{ message: 'no', policy: 'w', binding: 'w-b', expressionIndex: 0, validationActions: ['Warn', 'Audit'] }])],
    ['w/seen', 'map of admin'],
  ])
})

test('rules, exclusions, selectors and conditions choose the requests', async () => {
  await policy({
    validations: [{ expression: 'false' }], matchConditions: [{ name: 'marked', expression: 'has(object.data) && "x" in object.data' }, { name: 'admin', expression: 'request.userInfo.username == "admin"' }],
    matchConstraints: { resourceRules, objectSelector: { matchExpressions: [{ key: 'free', operator: 'DoesNotExist' }] }, excludeResourceRules: [{ ...resourceRules[0], resourceNames: ['exempt'] }] },
  }, { matchResources: { namespaceSelector: { matchLabels: { team: 'a' } } } })
  const marked = { x: '1' }
  assert.deepEqual([(await create(marked)).status, (await create()).status, (await create(marked, 'other')).status, (await create(marked, 'default', { free: 'yes' })).status], [422, 201, 201, 201])
  assert.equal((await call('POST', '/api/v1/namespaces/default/configmaps', { body: { metadata: { name: 'exempt' }, data: marked } })).status, 201)
})

test('parameters by name and by selector; none where they are to be found', async () => {
  const limit = (name: string, most: string): Promise<Answer> => call('POST', '/api/v1/namespaces/other/configmaps', { body: { metadata: { name, labels: { limit: 'yes' } }, data: { most } } })
  const spec = { paramKind: { apiVersion: 'v1', kind: 'ConfigMap' }, validations: [{ expression: 'size(object.data.a) <= int(params.data.most)' }], matchConstraints: { resourceRules, namespaceSelector: { matchLabels: { team: 'a' } } } }
  await policy({ name: 'named', ...spec }, { paramRef: { name: 'most', namespace: 'other', parameterNotFoundAction: 'Deny' } })
  assert.match((await create({ a: '1' })).json.message, /failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction$/)
  await limit('most', '3')
  assert.deepEqual([(await create({ a: '123' })).status, (await create({ a: '1234' })).status], [201, 422])
  await policy({ name: 'selected', ...spec }, { paramRef: { selector: { matchLabels: { limit: 'yes' } }, namespace: 'other', parameterNotFoundAction: 'Allow' } })
  await limit('less', '2')
  assert.equal((await create({ a: '123' })).status, 422)
  await policy({ name: 'unknown', paramKind: { apiVersion: 'example.com/v1', kind: 'Nothing' }, validations: [{ expression: 'true' }] }, { paramRef: { name: 'x', parameterNotFoundAction: 'Allow' } })
  assert.match((await create({ a: '1' })).json.message, /^configmaps ".*" is forbidden: ValidatingAdmissionPolicy 'unknown' denied request: failed to configure policy: failed to find resource referenced by paramKind: 'example\.com\/v1, Kind=Nothing'$/)
})

test('variables are composed and evaluated once at most; the authorizer is asked', async () => {
  await policy({
    variables: [{ name: 'size', expression: 'object.data.map(k, size(object.data[k])).sum()' }, { name: 'doubled', expression: 'variables.size * 2' }, { name: 'broken', expression: 'object.nope' }],
    validations: [
      { expression: 'variables.doubled == 6 || variables.broken' }, { expression: 'authorizer.group("").resource("secrets").namespace("default").check("get").allowed()' },
      { expression: '!authorizer.serviceAccount("default", "x").requestResource.check("get").allowed()'.replace('.requestResource', '.group("").resource("pods")'), message: 'account' }, { expression: 'authorizer.requestResource.check("delete").reason() != "?"' },
    ],
  })
  assert.equal((await create({ a: '12', b: '3' })).status, 201)
  assert.match((await create({ a: '1' })).json.message, /resulted in error: composited variable "broken" fails to evaluate: no such key: nope$/)
})

test('a policy that takes too long is stopped at its budget', async () => {
  await policy({ validations: [{ expression: 'lists.range(1000).all(a, lists.range(1000).all(b, lists.range(1000).all(c, a + b + c >= 0)))' }] })
  assert.match((await create()).json.message, /resulted in error: operation cancelled: actual cost limit exceeded$/)
})

test('mutations are merged and patched in order of the policies, and seen by what comes behind', async () => {
  const apply = (expression: string): Json => ({ patchType: 'ApplyConfiguration', applyConfiguration: { expression } })
  const patch = (expression: string): Json => ({ patchType: 'JSONPatch', jsonPatch: { expression } })
  await policy({ name: 'b', mutations: [patch('[JSONPatch{op: "add", path: "/data/b", value: object.data.a + "b"}]'), patch('[JSONPatch{op: "test", path: "/data/b", value: "no"}, JSONPatch{op: "remove", path: "/data/a"}]')] })
  await policy({ name: 'a', mutations: [apply('Object{metadata: Object.metadata{labels: {"made": "by-a"}}, data: Object.data{a: "x"}}')] })
  await policy({ name: 'v', validations: [{ expression: 'object.data.b == "xb"' }] })
  const { status, json } = await create({ z: '1' })
  assert.deepEqual([status, json.data, json.metadata.labels], [201, { z: '1', a: 'x', b: 'xb' }, { made: 'by-a' }])
})

test('a mutation that cannot be applied refuses by its failure policy', async () => {
  const spec = { mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression: 'Object{metadata: Object.spec{labels: {}}}' } }] }
  await policy({ name: 'bad', ...spec })
  const { status, json } = await create()
  assert.deepEqual([status, json.reason, json.message], [403, 'Invalid', 'policy \'bad\' with binding \'bad-b\' denied request: type mismatch: unexpected type name "Object.spec", expected "Object.metadata", which matches field name path from root Object type'])
  await call('PATCH', `${registration}/mutatingadmissionpolicies/bad`, { body: { spec: { failurePolicy: 'Ignore' } }, headers: { 'content-type': 'application/merge-patch+json' } })
  assert.equal((await create()).status, 201)
})

test('a policy whose parameters are of no served kind refuses whatever it matches, whether its binding does or not', async () => {
  const paramKind = { apiVersion: 'example.com/v1', kind: 'Nothing' }
  await policy({ name: 'p', paramKind, mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: '[JSONPatch{op: "test", path: "/kind", value: "x"}]' } }] }, { matchResources: { namespaceSelector: { matchLabels: { none: 'such' } } } })
  const { status, json } = await create()
  assert.deepEqual([status, json.message], [403, 'policy "p" denied request: failed to configure policy: failed to find resource referenced by paramKind: \'example.com/v1, Kind=Nothing\''])
})

test('a patch may add only what the type has, made as the type of its place', async () => {
  const patched = async (name: string, value: string): Promise<string> => {
    await policy({ name, mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: `[JSONPatch{op: "add", path: "/metadata/managedFields", value: [${value}]}]` } }] })
    const { json } = await create()
    await call('DELETE', `${registration}/mutatingadmissionpolicies/${name}`)
    return json.message
  }
  assert.equal(await patched('unknown', 'Object.metadata.managedFields{managerZ: "x"}'), 'Internal error occurred: strict decoding error: unknown field "metadata.managedFields[0].managerZ"')
  await policy({ name: 'misplaced', mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: '[JSONPatch{op: "add", path: "/metadata", value: Object.metadata{labels: Object.metadata.x{}}}]' } }] })
  assert.match((await create()).json.message, /type mismatch: unexpected type name "Object.metadata.x", expected "Object.metadata.labels", which matches field name path from root Object type$/)
})

test('a policy that asks for it sees the object again when something behind it has changed it', async () => {
  const spec = { mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: '[JSONPatch{op: "add", path: "/data/saw", value: (has(object.data.saw) ? object.data.saw : "") + object.data.late + ";"}]' } }] }
  await policy({ name: 'again', reinvocationPolicy: 'IfNeeded', ...spec })
  assert.equal((await create({ late: 'wanted' })).json.data.saw, 'wanted;done;')
  await call('DELETE', `${registration}/mutatingadmissionpolicybindings/again-b`)
  await policy({ name: 'once', ...spec })
  assert.equal((await create({ late: 'wanted' })).json.data.saw, 'wanted;')
})

test('policies are not held up by policies', async () => {
  await policy({ validations: [{ expression: 'false' }], matchConstraints: { resourceRules: [{ apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*'] }] } })
  assert.equal((await create()).status, 422)
  assert.equal((await call('DELETE', `${registration}/validatingadmissionpolicies/p`)).status, 200)
  assert.equal((await create()).status, 201)
})

test('policies that are wrong are refused field by field', async () => {
  const refused = async (kind: string, spec: Json): Promise<[string, string][]> => (await call('POST', `${registration}/${kind}`, { body: { metadata: { name: 'wrong' }, spec } })).json.details.causes.map(({ field, message }: Json) => [field, message.split('\n')[0]])
  assert.deepEqual(await refused('validatingadmissionpolicies', { matchConstraints: { resourceRules }, variables: [{ name: 'in', expression: '1' }], validations: [{ expression: 'variables.x', reason: 'Odd' }, { expression: '' }, { expression: 'int("x") == 1' }] }), [
    ['spec.variables[0].name', 'Invalid value: "in": must be a valid CEL identifier'],
    ['spec.validations[0].expression', 'Invalid value: "variables.x": compilation failed: ERROR: <input>:1:10: undefined field \'x\''],
    ['spec.validations[0].reason', 'Unsupported value: "Odd": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge"'],
    ['spec.validations[1].expression', 'Required value: expression is not specified'],
    ['spec.validations[2].expression', "Internal error: program instantiation failed: type conversion error from 'string' to 'int'"],
  ])
  assert.deepEqual(await refused('mutatingadmissionpolicies', { matchConstraints: { resourceRules }, mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: '[]' } }, { patchType: 'JSONPatch', applyConfiguration: { expression: 'Object{}' } }] }), [
    ['spec.mutations[0].jsonPatch.expression', 'Invalid value: "[]": must evaluate to list(JSONPatch) but got list(dyn)'],
    ['spec.mutations[1].jsonPatch', 'Required value: must be specified when patchType is JSONPatch'],
    ['spec.mutations[1].applyConfiguration', 'Invalid value: "{applyConfiguration}": must not be specified when patchType is JSONPatch'],
    ['spec.reinvocationPolicy', 'Required value'],
  ])
  assert.deepEqual(await refused('validatingadmissionpolicybindings', { policyName: 'p', validationActions: [], paramRef: {} }), [
    ['spec.paramRef', 'Required value: one of name or selector must be specified'], ['spec.paramRef.parameterNotFoundAction', 'Required value'], ['spec.validationActions', 'Required value: at least one validation action is required'],
  ])
})
