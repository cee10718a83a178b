import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { stringify } from 'yaml'
import { singleKubeconfig } from '../../client/kubeconfig.ts'
import { memoryLogger } from '../../runtime/log.ts'
import { systemRuntime } from '../../runtime/runtime.ts'
import { tokenWebhook } from '../authentication/token-webhook.ts'
import { cachedChecker } from '../authentication/token-cache.ts'
import type { AuthorizationAttributes } from '../context.ts'
import type { ApiServerCore } from '../core.ts'
import { loopbackCertificate } from '../testing/certificate.ts'
import { abacAuthorizer, parseAbacPolicies } from './abac.ts'
import { createAuthorizers } from './authorizers.ts'
import { authorizerChain } from './chain.ts'
import { parseAuthorizationConfiguration } from './configuration.ts'
import { fakeReader } from './fake-reader.ts'
import { authorizersOfFlags } from './modes.ts'
import { familyText } from '../metrics/families.ts'
import { MetricSet } from '../metrics/metric-set.ts'
import { webhookAuthorizer, type AuthorizationWebhookOptions } from './webhook.ts'

// Reviews of every shape.
type Body = Record<string, any>

const runtime = systemRuntime(memoryLogger())
const closing = new AbortController()
const core = { runtime, signal: closing.signal }
let server: Server
let directory: string
let kubeconfig: string
let asked: { body: Body; authorization: string | undefined }[] = []
/** What the webhook answers: a status, an HTTP code, or nothing at all. */
let answer: (review: Body) => Body | number | undefined

before(async () => {
  const tls = await loopbackCertificate(runtime.clock.now())
  server = createServer({ cert: tls.certificate, key: tls.key }, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as Body
      asked.push({ body, authorization: request.headers.authorization })
      const status = answer(body)
      if (status === undefined) return
      if (typeof status === 'number') response.writeHead(status).end('no')
      else response.end(JSON.stringify({ ...body, status }))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  directory = await mkdtemp(join(tmpdir(), 'k8ts-webhook-'))
  kubeconfig = join(directory, 'webhook.kubeconfig')
  await writeFile(kubeconfig, stringify(singleKubeconfig('hook', { server: `https://127.0.0.1:${(server.address() as AddressInfo).port}/review`, caData: tls.certificate, token: 'secret' })))
})
beforeEach(() => {
  asked = []
})
after(async () => {
  closing.abort(new Error('done'))
  server.closeAllConnections()
  server.close()
  await rm(directory, { recursive: true })
})

const retry = { tries: 2, initialDelayMs: 1, factor: 1 }
const ann = { username: 'ann', groups: ['dev', 'system:authenticated'] }
const list: AuthorizationAttributes = {
  user: ann, verb: 'list', isResourceRequest: true, path: '', apiGroup: '', apiVersion: 'v1', resource: 'pods', subresource: '', namespace: 'web', name: '',
  fieldSelector: 'spec.nodeName=n1', labelSelector: 'app in (a,b),!old',
}
const options = (more: Partial<AuthorizationWebhookOptions> = {}): AuthorizationWebhookOptions => ({
  name: 'hook', kubeconfig, version: 'v1', timeoutMs: 2_000, authorizedTtlMs: 60_000, unauthorizedTtlMs: 60_000, onError: 'noOpinion', retry, ...more,
})

test('the webhook is told all of the request, and its answer is kept', async () => {
  answer = () => ({ allowed: true, reason: 'because' })
  const authorizer = webhookAuthorizer(options(), core)
  assert.deepEqual(await authorizer.authorize(list), { decision: 'allow', reason: 'because' })
  assert.deepEqual(await authorizer.authorize(list), { decision: 'allow', reason: 'because' })
  assert.equal(asked.length, 1)
  assert.equal(asked[0]!.authorization, 'Bearer secret')
  assert.deepEqual([asked[0]!.body.apiVersion, asked[0]!.body.kind], ['authorization.k8s.io/v1', 'SubjectAccessReview'])
  assert.deepEqual(asked[0]!.body.spec, {
    resourceAttributes: {
      namespace: 'web', verb: 'list', version: 'v1', resource: 'pods', fieldSelector: { requirements: [{ key: 'spec.nodeName', operator: 'In', values: ['n1'] }] },
      labelSelector: { requirements: [{ key: 'app', operator: 'In', values: ['a', 'b'] }, { key: 'old', operator: 'DoesNotExist' }] },
    },
    user: 'ann', groups: ['dev', 'system:authenticated'],
  })
})

test('v1beta1 names the groups in the singular, and paths are asked about as such', async () => {
  answer = () => ({ allowed: false })
  const authorizer = webhookAuthorizer(options({ version: 'v1beta1', unauthorizedTtlMs: 0 }), core)
  const path: AuthorizationAttributes = { ...list, isResourceRequest: false, verb: 'get', path: '/metrics', apiVersion: '', resource: '', namespace: '' }
  assert.deepEqual(await authorizer.authorize(path), { decision: 'noOpinion', reason: '' })
  await authorizer.authorize(path)
  assert.equal(asked.length, 2, 'a ttl of 0 keeps nothing')
  assert.deepEqual(asked[0]!.body.spec, { nonResourceAttributes: { path: '/metrics', verb: 'get' }, user: 'ann', group: ['dev', 'system:authenticated'] })
})

test('denied is a denial; both at once is a denial and an error', async () => {
  answer = () => ({ denied: true, reason: 'no' })
  assert.deepEqual(await webhookAuthorizer(options(), core).authorize(list), { decision: 'deny', reason: 'no' })
  answer = () => ({ denied: true, allowed: true })
  assert.equal((await webhookAuthorizer(options(), core).authorize(list)).decision, 'deny')
})

test('a webhook that fails is tried again, and then the failure policy decides', async () => {
  answer = () => 500
  const set = new MetricSet()
  const open = await webhookAuthorizer(options(), core, set).authorize(list)
  assert.equal(open.decision, 'noOpinion')
  assert.match(open.error!, /the server answered 500/)
  assert.equal(asked.length, 2)
  assert.equal((await webhookAuthorizer(options({ onError: 'deny' }), core).authorize(list)).decision, 'deny')
  answer = () => undefined
  const hanging = await webhookAuthorizer(options({ timeoutMs: 50 }), core, set).authorize(list)
  assert.match(hanging.error!, /context deadline exceeded/)
  const counted = set.families().map(familyText).join('')
  assert.match(counted, /^apiserver_authorization_webhook_evaluations_total\{name="hook",result="error"\} 2$/m)
  assert.match(counted, /^apiserver_authorization_webhook_evaluations_total\{name="hook",result="timeout"\} 1$/m)
  assert.match(counted, /^apiserver_authorization_webhook_evaluations_fail_open_total\{name="hook",result="timeout"\} 1$/m)
  assert.match(counted, /^rest_client_requests_total\{code="500",host="127.0.0.1:\d+",method="POST"\} 2$/m)
  assert.match(counted, /^rest_client_requests_total\{code="<error>",host="127.0.0.1:\d+",method="POST"\} 1$/m)
})

test('match conditions choose what the webhook is asked about', async () => {
  answer = () => ({ allowed: true })
  const [settings] = parseAuthorizationConfiguration(stringify({
    apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthorizationConfiguration',
    authorizers: [{
      type: 'Webhook', name: 'hook',
      webhook: {
        timeout: '3s', subjectAccessReviewVersion: 'v1', matchConditionSubjectAccessReviewVersion: 'v1', failurePolicy: 'Deny', connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: kubeconfig },
        matchConditions: [{ expression: 'has(request.resourceAttributes)' }, { expression: "request.resourceAttributes.namespace == 'web'" }, { expression: "!('system:masters' in request.groups)" }],
      },
    }],
  }), () => undefined)
  assert.ok(settings?.type === 'Webhook')
  const set = new MetricSet()
  const authorizer = webhookAuthorizer(settings.webhook, core, set)
  assert.equal((await authorizer.authorize(list)).decision, 'allow')
  assert.equal((await authorizer.authorize({ ...list, namespace: 'other' })).decision, 'noOpinion')
  assert.equal((await authorizer.authorize({ ...list, user: { username: 'root', groups: ['system:masters'] } })).decision, 'noOpinion')
  assert.equal((await authorizer.authorize({ ...list, isResourceRequest: false, path: '/x' })).decision, 'noOpinion')
  assert.equal(asked.length, 1)
  assert.equal(set.number('apiserver_authorization_match_condition_exclusions_total', 'Webhook', 'hook').value, 3)
  assert.equal(set.spread('apiserver_authorization_match_condition_evaluation_seconds', 'Webhook', 'hook').count, 4)
})

test('what is wrong with a configuration is said in upstream\'s words', () => {
  const problem = (authorizers: unknown): string => {
    try {
      parseAuthorizationConfiguration(stringify({ apiVersion: 'apiserver.config.k8s.io/v1beta1', kind: 'AuthorizationConfiguration', authorizers }), () => 'error loading file: gone')
      return ''
    } catch (error) {
      return (error as Error).message
    }
  }
  assert.equal(problem([{ type: 'Node', name: 'node' }, { type: 'RBAC', name: 'rbac' }]), '')
  assert.equal(problem([]), 'authorizers: Required value: at least one authorization mode must be defined')
  assert.equal(problem([{ type: 'Foo', name: 'a' }]), 'authorizers[0].type: Unsupported value: "Foo": supported values: "ABAC", "AlwaysAllow", "AlwaysDeny", "Node", "RBAC", "Webhook"')
  assert.equal(problem([{ type: 'RBAC', name: 'a' }, { type: 'RBAC', name: 'b' }]), 'authorizers[1].type: Duplicate value: "RBAC"')
  assert.equal(problem([{ type: 'Webhook', name: 'a' }]), 'authorizers[0].webhook: Required value: required when type=Webhook')
  const webhook = { timeout: '40s', authorizedTTL: '-1s', subjectAccessReviewVersion: 'v2', failurePolicy: 'Maybe', connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: '/gone' }, matchConditions: [{ expression: 'request.user' }] }
  assert.equal(problem([{ type: 'Webhook', name: 'a', webhook }]), `[${[
    'authorizers[0].timeout: Invalid value: "40s": must be > 0s and <= 30s', 'authorizers[0].authorizedTTL: Invalid value: "-1s": must be > 0s',
    'authorizers[0].subjectAccessReviewVersion: Unsupported value: "v2": supported values: "v1", "v1beta1"',
    'authorizers[0].matchConditionSubjectAccessReviewVersion: Required value: required if match conditions are specified',
    'authorizers[0].failurePolicy: Unsupported value: "Maybe": supported values: "NoOpinion", "Deny"',
    'authorizers[0].connectionInfo.kubeConfigFile: Invalid value: "/gone": error loading file: gone',
    'authorizers[0].matchConditions[0].expression: Invalid value: "request.user": must evaluate to bool but got string',
  ].join(', ')}]`)
  assert.match(problem([{ type: 'Webhook', name: 'a', webhook: { ...webhook, connectionInfo: { type: 'Foo' } } }]), /authorizers\[0\]\.connectionInfo\.type: Unsupported value: \{"Type":"Foo","KubeConfigFile":null\}: supported values: "InClusterConfig", "KubeConfigFile"/)
  assert.throws(() => authorizersOfFlags(['RBAC', 'RBAC']), /more than once/)
  assert.throws(() => authorizersOfFlags(['Webhook']), /config file not passed/)
})

test('the first authorizer with an opinion decides; without one the reasons are joined', async () => {
  const says = (decision: 'allow' | 'deny' | 'noOpinion', reason: string): { name: string; authorize: () => { decision: typeof decision; reason: string } } => ({ name: reason, authorize: () => ({ decision, reason }) })
  assert.deepEqual(await authorizerChain([says('noOpinion', 'a'), says('deny', 'b'), says('allow', 'c')]).authorize(list), { decision: 'deny', reason: 'b' })
  assert.deepEqual(await authorizerChain([says('noOpinion', 'a'), says('noOpinion', 'b')]).authorize(list), { decision: 'noOpinion', reason: 'a\nb' })
})

test('an authorization file that changes takes effect; a wrong one does not', async () => {
  const path = join(directory, 'authz.yaml')
  const text = (type: string): string => stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthorizationConfiguration', authorizers: [{ type, name: 'only' }] })
  const parse = (file: string): ReturnType<typeof parseAuthorizationConfiguration> => parseAuthorizationConfiguration(file, () => undefined)
  await writeFile(path, text('AlwaysDeny'))
  const parts = createAuthorizers({ authorizers: parse(text('AlwaysDeny')), file: { path, text: text('AlwaysDeny'), parse } })
  const chain = authorizerChain(parts.map((part) => part({ ...core, reader: fakeReader() } as unknown as ApiServerCore)))
  assert.deepEqual(await chain.authorize(list), { decision: 'noOpinion', reason: 'Everything is forbidden.' })
  assert.equal((await chain.authorize({ ...list, user: { username: 'root', groups: ['system:masters'] } })).decision, 'allow')
  await writeFile(path, text('AlwaysAllow'))
  for (let i = 0; i < 500 && (await chain.authorize(list)).decision !== 'allow'; i++) await runtime.clock.sleep(10)
  assert.deepEqual((await chain.rulesFor(ann, 'web')).resourceRules, [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }])
  await writeFile(path, text('Nonsense'))
  await runtime.clock.sleep(1_200)
  assert.equal((await chain.authorize(list)).decision, 'allow')
})

test('ABAC policies allow by user, group, resource, path and readonly', async () => {
  const policies = parseAbacPolicies([
    '{"apiVersion": "abac.authorization.kubernetes.io/v1beta1", "kind": "Policy", "spec": {"user": "ann", "namespace": "web", "resource": "pods", "apiGroup": "*", "readonly": true}}',
    '# a comment', '',
    '{"apiVersion": "abac.authorization.kubernetes.io/v1beta1", "kind": "Policy", "spec": {"group": "ops", "namespace": "*", "resource": "*", "apiGroup": "*"}}',
    '{"apiVersion": "abac.authorization.kubernetes.io/v1beta1", "kind": "Policy", "spec": {"user": "*", "nonResourcePath": "/version*", "readonly": true}}',
    '{"user": "old"}',
  ].join('\n'))
  const authorizer = abacAuthorizer(policies)
  const decide = async (attributes: Partial<AuthorizationAttributes>): Promise<string> => (await authorizer.authorize({ ...list, ...attributes })).decision
  assert.equal(await decide({}), 'allow')
  assert.equal(await decide({ verb: 'delete' }), 'noOpinion')
  assert.equal(await decide({ namespace: 'other' }), 'noOpinion')
  assert.equal(await decide({ verb: 'delete', user: { username: 'bob', groups: ['ops'] } }), 'allow')
  assert.equal(await decide({ isResourceRequest: false, verb: 'get', path: '/version/' }), 'allow')
  assert.equal(await decide({ isResourceRequest: false, verb: 'get', path: '/version/', user: { username: 'system:anonymous', groups: ['system:unauthenticated'] } }), 'noOpinion')
  assert.equal(await decide({ verb: 'delete', namespace: 'x', user: { username: 'old', groups: [] } }), 'allow')
  assert.throws(() => parseAbacPolicies('{"kind": "Policy"}'), /line 1/)
  assert.throws(() => parseAbacPolicies('\nno json'), /line 2/)
})

test('a token webhook says whose token it is, for the audiences asked about', async () => {
  const own = ['api']
  const set = new MetricSet()
  const checker = cachedChecker(tokenWebhook({ kubeconfig, version: 'v1', retry }, own, core), { successTtlMs: 60_000, failureTtlMs: 60_000 }, runtime, set)
  answer = ({ spec }) => (spec.token === 'good' ? { authenticated: true, user: { username: 'ann', uid: 'u1', groups: ['dev'], extra: { a: ['b'] } } } : { authenticated: false, error: spec.token === 'bad' ? 'it is bad' : '' })
  assert.deepEqual(await checker.check('good', own), { user: { username: 'ann', uid: 'u1', groups: ['dev', 'system:authenticated'], extra: { a: ['b'] } }, audiences: ['api'] })
  await checker.check('good', own)
  assert.deepEqual(asked.map(({ body }) => [body.apiVersion, body.kind, body.spec]), [['authentication.k8s.io/v1', 'TokenReview', { token: 'good', audiences: ['api'] }]])
  assert.equal(await checker.check('good', ['vault']), undefined, 'a webhook that names no audience speaks for this server')
  assert.equal(await checker.check('none', own), undefined)
  await assert.rejects(async () => await checker.check('bad', own), (error: Error) => (error.cause as Error).message === 'it is bad')
  answer = () => 403
  await assert.rejects(async () => await checker.check('other', own), (error: Error) => /the server answered 403/.test((error.cause as Error).message))
  await Promise.all([checker.check('good', own), checker.check('good', own)])
  const seconds = (status: string): number => set.spread('authentication_token_cache_request_duration_seconds', status).count
  assert.deepEqual([seconds('hit'), seconds('miss'), set.number('authentication_token_cache_active_fetch_count', 'blocked').value], [3, 5, 0])
})
