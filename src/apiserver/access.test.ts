import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { after, before, test } from 'node:test'
import { builtinResources } from '../api/builtin.ts'
import type { UserInfo } from '../api/resource.ts'
import type { Transport } from '../client/transport.ts'
import { memoryLogger } from '../runtime/log.ts'
import { systemRuntime } from '../runtime/runtime.ts'
import { memoryStore } from '../store/memory.ts'
import { createAdmissionPlugins } from './admission/plugins.ts'
import { serviceAllocation } from './allocation/services.ts'
import { createAuthenticators, type AuthenticationOptions } from './authentication/authenticators.ts'
import { addOpenIdEndpoints } from './authentication/openid-endpoints.ts'
import { createServiceAccountIssuer } from './authentication/service-account-issuer.ts'
import { createAuthorizers } from './authorization/authorizers.ts'
import { bootstrapHooks } from './bootstrap/hooks.ts'
import { startApiServer, type ApiServer } from './server.ts'
import { subresourceHandlers } from './subresource-handlers.ts'
import { loopbackCertificate } from './testing/certificate.ts'

const root: UserInfo = { username: 'root', groups: ['system:masters', 'system:authenticated'] }
const ann: UserInfo = { username: 'ann', groups: ['system:authenticated'] }
const kubelet: UserInfo = { username: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'] }

type Body = Record<string, any>

let server: ApiServer
let clientCa: string
let runtime: ReturnType<typeof systemRuntime>

before(async () => {
  runtime = systemRuntime(memoryLogger())
  clientCa = (await loopbackCertificate(runtime.clock.now())).certificate
  const store = memoryStore(runtime)
  const signingKeyPem = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  const issuer = createServiceAccountIssuer({ signingKeyPem })
  const authentication: AuthenticationOptions = { serviceAccounts: issuer, staticTokens: [{ token: 'abc', username: 'ann' }] }
  const allocation = serviceAllocation({ serviceCidrs: ['10.96.0.0/24'], nodePorts: { first: 30000, last: 30063 } })
  server = await startApiServer({
    runtime, store, resources: builtinResources(), listen: [],
    authenticators: createAuthenticators(authentication), authorizers: createAuthorizers(), admission: [...createAdmissionPlugins(), allocation.plugin],
    subresources: subresourceHandlers({ authentication }),
    hooks: [...bootstrapHooks({ kubernetesService: { serviceCidr: '10.96.0.0/24', advertiseAddress: '192.0.2.1', advertisePort: 6443 }, authenticationInfo: { clientCaPem: clientCa } }), allocation.hook],
    endpoints: (endpoints) => addOpenIdEndpoints(endpoints, issuer),
  })
  const started = runtime.clock.monotonicMs()
  await server.ready()
  assert.ok(runtime.clock.monotonicMs() - started < 3000)
})
after(async () => await server[Symbol.asyncDispose]())

const transports = new Map<UserInfo, Transport>()
async function ask(user: UserInfo, method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: Body, type = 'application/json'): Promise<{ status: number; body: Body }> {
  const transport = transports.get(user) ?? server.transport(user)
  transports.set(user, transport)
  const response = await transport.request({ method, path, headers: { accept: 'application/json', 'content-type': type }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  return { status: response.status, body: JSON.parse(Buffer.from(await response.bytes()).toString()) as Body }
}
async function must(user: UserInfo, method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: Body, type?: string): Promise<Body> {
  const answer = await ask(user, method, path, body, type)
  assert.ok(answer.status < 300, `${method} ${path}: ${JSON.stringify(answer.body)}`)
  return answer.body
}
const createNamespace = (name: string): Promise<Body> => must(root, 'POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
async function createNamespaceWithAccount(name: string): Promise<void> {
  await createNamespace(name)
  await must(root, 'POST', `/api/v1/namespaces/${name}/serviceaccounts`, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } })
}
const pod = (name: string, spec: Body = {}, container: Body = {}): Body => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec: { containers: [{ name: 'c', image: 'busybox', ...container }], ...spec } })

test('a server that has started has its namespaces, roles, classes, flow control and the kubernetes Service', async () => {
  const names = async (path: string): Promise<string[]> => (await must(root, 'GET', path)).items.map((item: Body) => item.metadata.name)
  assert.deepEqual((await names('/api/v1/namespaces')).filter((name) => name === 'default' || name.startsWith('kube-')), ['default', 'kube-node-lease', 'kube-public', 'kube-system'])
  const clusterRoles = await names('/apis/rbac.authorization.k8s.io/v1/clusterroles')
  for (const name of ['admin', 'cluster-admin', 'system:node', 'system:kube-scheduler', 'system:controller:deployment-controller']) assert.ok(clusterRoles.includes(name), name)
  const edit = await must(root, 'GET', '/apis/rbac.authorization.k8s.io/v1/clusterroles/edit')
  assert.equal(edit.rules, null, 'rules of aggregated roles come from the controller manager')
  const parts = await must(root, 'GET', '/apis/rbac.authorization.k8s.io/v1/clusterroles/system:aggregate-to-edit')
  assert.ok(parts.rules.some((rule: Body) => rule.resources.includes('deployments') && rule.verbs.includes('create')))
  assert.deepEqual(await names('/apis/scheduling.k8s.io/v1/priorityclasses'), ['system-cluster-critical', 'system-node-critical'])
  assert.equal((await names('/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas')).length, 11)
  const service = await must(root, 'GET', '/api/v1/namespaces/default/services/kubernetes')
  assert.equal(service.spec.clusterIP, '10.96.0.1')
  assert.equal((await must(root, 'GET', '/api/v1/namespaces/default/endpoints/kubernetes')).subsets[0].addresses[0].ip, '192.0.2.1')
  assert.deepEqual(await names('/apis/networking.k8s.io/v1/ipaddresses'), ['10.96.0.1'])
  assert.equal((await must(root, 'GET', '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication')).data['client-ca-file'].trim(), clientCa.trim())
})

test('nothing is created in a namespace that is missing or ending, and the system\'s own stay', async () => {
  const missing = await ask(root, 'POST', '/api/v1/namespaces/nowhere/configmaps', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } })
  assert.equal(missing.status, 404)
  assert.equal(missing.body.message, 'namespaces "nowhere" not found')
  const immortal = await ask(root, 'DELETE', '/api/v1/namespaces/kube-system')
  assert.equal(immortal.status, 403)
  assert.equal(immortal.body.message, 'namespaces "kube-system" is forbidden: this namespace may not be deleted')
  await createNamespace('ending')
  await must(root, 'DELETE', '/api/v1/namespaces/ending')
  const late = await ask(root, 'POST', '/api/v1/namespaces/ending/configmaps', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } })
  assert.equal(late.status, 403)
  assert.equal(late.body.message, 'configmaps "a" is forbidden: unable to create new content in namespace ending because it is being terminated')
  assert.equal(late.body.details.causes[0].reason, 'NamespaceTerminating')
})

test('a pod gets its account, token, priority and tolerations', async () => {
  await createNamespaceWithAccount('pods')
  const made = await must(root, 'POST', '/api/v1/namespaces/pods/pods', pod('a'))
  assert.equal(made.spec.serviceAccountName, 'default')
  assert.equal(made.spec.priority, 0)
  assert.equal(made.spec.preemptionPolicy, 'PreemptLowerPriority')
  assert.match(made.spec.volumes[0].name, /^kube-api-access-[a-z0-9]{5}$/)
  assert.equal(made.spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds, 3607)
  assert.deepEqual(made.spec.containers[0].volumeMounts, [{ name: made.spec.volumes[0].name, readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }])
  assert.deepEqual(made.spec.tolerations.map((each: Body) => [each.key, each.tolerationSeconds]), [['node.kubernetes.io/not-ready', 300], ['node.kubernetes.io/unreachable', 300]])
  const critical = await must(root, 'POST', '/api/v1/namespaces/pods/pods', pod('critical', { priorityClassName: 'system-node-critical' }))
  assert.equal(critical.spec.priority, 2_000_001_000)
  const unknown = await ask(root, 'POST', '/api/v1/namespaces/pods/pods', pod('b', { priorityClassName: 'gold' }))
  assert.equal(unknown.body.message, 'pods "b" is forbidden: no PriorityClass with name gold was found')
  const noAccount = await ask(root, 'POST', '/api/v1/namespaces/pods/pods', pod('b', { serviceAccountName: 'x' }))
  assert.equal(noAccount.status, 403)
  assert.equal(noAccount.body.message, 'pods "b" is forbidden: error looking up service account pods/x: serviceaccount "x" not found')
  const noSpec = await ask(root, 'POST', '/api/v1/namespaces/pods/pods', { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'b' } })
  assert.equal(noSpec.status, 422, JSON.stringify(noSpec.body))
})

test('limit ranges fill in and refuse', async () => {
  await createNamespaceWithAccount('limits')
  await must(root, 'POST', '/api/v1/namespaces/limits/limitranges', {
    apiVersion: 'v1', kind: 'LimitRange', metadata: { name: 'l' },
    spec: { limits: [{ type: 'Container', default: { cpu: '500m' }, defaultRequest: { cpu: '100m' }, max: { cpu: '1' }, min: { cpu: '50m' } }] },
  })
  const made = await must(root, 'POST', '/api/v1/namespaces/limits/pods', pod('a'))
  assert.deepEqual(made.spec.containers[0].resources, { limits: { cpu: '500m' }, requests: { cpu: '100m' } })
  assert.equal(made.metadata.annotations['kubernetes.io/limit-ranger'], 'LimitRanger plugin set: cpu request for container c; cpu limit for container c')
  const big = await ask(root, 'POST', '/api/v1/namespaces/limits/pods', pod('b', {}, { resources: { limits: { cpu: '2' }, requests: { cpu: '10m' } } }))
  assert.equal(big.body.message, 'pods "b" is forbidden: [minimum cpu usage per Container is 50m, but request is 10m, maximum cpu usage per Container is 1, but limit is 2]')
})

test('a quota is charged by compare-and-set and holds under requests at the same time', async () => {
  await createNamespaceWithAccount('quota')
  await must(root, 'POST', '/api/v1/namespaces/quota/resourcequotas', { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'q' }, spec: { hard: { pods: '2', 'count/configmaps': '1', 'limits.cpu': '1' } } })
  const early = await ask(root, 'POST', '/api/v1/namespaces/quota/pods', pod('a', {}, { resources: { limits: { cpu: '100m' } } }))
  assert.ok(early.status < 300, 'a quota without a counted status limits nothing yet')
  await must(root, 'DELETE', '/api/v1/namespaces/quota/pods/a?gracePeriodSeconds=0')
  const quota = await must(root, 'GET', '/api/v1/namespaces/quota/resourcequotas/q')
  await must(root, 'PUT', '/api/v1/namespaces/quota/resourcequotas/q/status', { ...quota, status: { hard: quota.spec.hard, used: { pods: '0', 'count/configmaps': '0', 'limits.cpu': '0' } } })
  const unsaid = await ask(root, 'POST', '/api/v1/namespaces/quota/pods', pod('a'))
  assert.equal(unsaid.body.message, 'pods "a" is forbidden: failed quota: q: must specify limits.cpu for: c')
  const answers = await Promise.all([1, 2, 3, 4].map((n) => ask(root, 'POST', '/api/v1/namespaces/quota/pods', pod(`p${n}`, {}, { resources: { limits: { cpu: '100m' } } }))))
  assert.deepEqual(answers.map((answer) => answer.status).toSorted(), [201, 201, 403, 403])
  assert.match(answers.find((answer) => answer.status === 403)!.body.message, /^pods "p\d" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2$/)
  const used = (await must(root, 'GET', '/api/v1/namespaces/quota/resourcequotas/q')).status.used
  assert.deepEqual(used, { pods: '2', 'count/configmaps': '0', 'limits.cpu': '200m' })
  const dry = await ask(root, 'POST', '/api/v1/namespaces/quota/configmaps?dryRun=All', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } })
  assert.equal(dry.status, 201)
  assert.equal((await must(root, 'GET', '/api/v1/namespaces/quota/resourcequotas/q')).status.used['count/configmaps'], '0')
})

test('services get addresses and node ports, and give them back', async () => {
  await createNamespace('svc')
  const service = (name: string, spec: Body): Body => ({ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { ports: [{ port: 80 }], ...spec } })
  const create = (name: string, spec: Body): ReturnType<typeof ask> => ask(root, 'POST', '/api/v1/namespaces/svc/services', service(name, spec))
  const made = await create('a', {})
  assert.equal(made.status, 201, JSON.stringify(made.body))
  assert.match(made.body.spec.clusterIP, /^10\.96\.0\.\d+$/)
  assert.deepEqual([made.body.spec.clusterIPs, made.body.spec.ipFamilies, made.body.spec.ipFamilyPolicy], [[made.body.spec.clusterIP], ['IPv4'], 'SingleStack'])
  const claim = await must(root, 'GET', `/apis/networking.k8s.io/v1/ipaddresses/${made.body.spec.clusterIP}`)
  assert.deepEqual(claim.spec.parentRef, { resource: 'services', namespace: 'svc', name: 'a' })
  const same = await create('b', { clusterIP: made.body.spec.clusterIP })
  assert.equal(same.status, 422)
  assert.match(same.body.message, /^Service "b" is invalid: spec\.clusterIPs: Invalid value: \["10\.96\.0\.\d+"\]: failed to allocate IP 10\.96\.0\.\d+: provided IP is already allocated$/)
  const outside = await create('b', { clusterIP: '10.97.0.5' })
  assert.match(outside.body.message, /failed to allocate IP 10\.97\.0\.5: the provided network does not match the current range$/)
  const own = await create('network', { clusterIP: '10.96.0.0' })
  assert.match(own.body.message, /failed to allocate IP 10\.96\.0\.0: the provided network does not match the current range$/)
  const local = await create('local', { type: 'LoadBalancer', externalTrafficPolicy: 'Local' })
  assert.equal(local.status, 201, JSON.stringify(local.body))
  assert.ok(local.body.spec.healthCheckNodePort >= 30000 && local.body.spec.healthCheckNodePort !== local.body.spec.ports[0].nodePort)
  const headless = await create('headless', { clusterIP: 'None' })
  assert.deepEqual([headless.body.spec.clusterIP, headless.body.spec.clusterIPs], ['None', ['None']])
  const nodePort = await create('np', { type: 'NodePort', ports: [{ name: 'x', port: 80 }, { name: 'y', port: 81, nodePort: 30005 }] })
  assert.equal(nodePort.status, 201, JSON.stringify(nodePort.body))
  const ports: number[] = nodePort.body.spec.ports.map((port: Body) => port.nodePort)
  assert.equal(ports[1], 30005)
  assert.ok(ports[0]! >= 30000 && ports[0]! <= 30063 && ports[0] !== 30005)
  const taken = await create('np2', { type: 'NodePort', ports: [{ port: 80, nodePort: 30005 }] })
  assert.equal(taken.body.message, 'Service "np2" is invalid: spec.ports[0].nodePort: Invalid value: 30005: provided port is already allocated')
  const beyond = await create('np2', { type: 'NodePort', ports: [{ port: 80, nodePort: 40000 }] })
  assert.equal(beyond.body.message, 'Service "np2" is invalid: spec.ports[0].nodePort: Invalid value: 40000: provided port is not in the valid range. The range of valid ports is 30000-30063')
  await must(root, 'DELETE', '/api/v1/namespaces/svc/services/np')
  await must(root, 'DELETE', '/api/v1/namespaces/svc/services/a')
  for (let attempt = 0; ; attempt++) {
    const again = await create('np3', { type: 'NodePort', clusterIP: made.body.spec.clusterIP, ports: [{ port: 80, nodePort: 30005 }] })
    if (again.status === 201) break
    assert.ok(attempt < 100, JSON.stringify(again.body))
    await new Promise((resolve) => runtime.clock.immediate(() => resolve(undefined)))
  }
  const kept = await must(root, 'PATCH', '/api/v1/namespaces/svc/services/np3', { spec: { selector: { app: 'x' } } }, 'application/merge-patch+json')
  assert.equal(kept.spec.ports[0].nodePort, 30005)
})

test('as many services at once as there are addresses, and none twice', async () => {
  await createNamespace('many')
  const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => ask(root, 'POST', '/api/v1/namespaces/many/services', { apiVersion: 'v1', kind: 'Service', metadata: { name: `s${n}` }, spec: { type: 'NodePort', ports: [{ port: 80 }] } })))
  assert.ok(answers.every((answer) => answer.status === 201), JSON.stringify(answers.find((answer) => answer.status !== 201)?.body))
  assert.equal(new Set(answers.map((answer) => answer.body.spec.clusterIP)).size, 40)
  assert.equal(new Set(answers.map((answer) => answer.body.spec.ports[0].nodePort)).size, 40)
})

function ownersOf({ metadata }: Body): Body[] {
  return metadata.managedFields.map(({ time: _time, ...entry }: Body) => entry)
}

test('a token is made for an account, names it, and may do what it may', async () => {
  await createNamespaceWithAccount('tokens')
  const path = '/api/v1/namespaces/tokens/serviceaccounts/default/token'
  const request = await must(root, 'POST', path, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 900 } })
  assert.equal(request.status.token.split('.').length, 3)
  assert.deepEqual(ownersOf(request), [{ manager: 'unknown', operation: 'Update', apiVersion: 'authentication.k8s.io/v1', fieldsType: 'FieldsV1', fieldsV1: { 'f:spec': { 'f:expirationSeconds': {} } }, subresource: 'token' }])
  const review = await must(root, 'POST', '/apis/authentication.k8s.io/v1/tokenreviews', { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token: request.status.token } })
  assert.equal(review.status.authenticated, true, JSON.stringify(review.status))
  assert.equal(review.status.user.username, 'system:serviceaccount:tokens:default')
  const vault = await must(root, 'POST', path, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences: ['vault'] } })
  const foreign = await must(root, 'POST', '/apis/authentication.k8s.io/v1/tokenreviews', { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token: vault.status.token } })
  assert.equal(foreign.status.authenticated ?? false, false)
  const short = await ask(root, 'POST', path, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 60 } })
  assert.equal(short.status, 422)
  assert.match(short.body.message, /spec\.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes$/)
  assert.equal((await ask(ann, 'POST', path, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} })).status, 403)
})

test('kubelets get tokens for pods of their own node only', async () => {
  await createNamespaceWithAccount('nodes')
  const made = await must(root, 'POST', '/api/v1/namespaces/nodes/pods', pod('mine', { nodeName: 'n1' }))
  const other = await must(root, 'POST', '/api/v1/namespaces/nodes/pods', pod('other', { nodeName: 'n2' }))
  const path = '/api/v1/namespaces/nodes/serviceaccounts/default/token'
  const request = (target?: Body): Body => ({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 3607, ...(target === undefined ? {} : { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: target.metadata.name, uid: target.metadata.uid } }) } })
  const own = await must(kubelet, 'POST', path, request(made))
  const claims = JSON.parse(Buffer.from(own.status.token.split('.')[1], 'base64url').toString()) as Body
  assert.equal(claims['kubernetes.io'].pod.name, 'mine')
  assert.equal(claims['kubernetes.io'].warnafter, claims.iat + 3607)
  assert.equal(claims.exp, claims.iat + 365 * 86400)
  const foreign = await ask(kubelet, 'POST', path, request(other))
  assert.equal(foreign.status, 403)
  assert.match(foreign.body.message, /node requested token bound to a pod scheduled on a different node$/)
  assert.match((await ask(kubelet, 'POST', path, request())).body.message, /node requested token not bound to a pod$/)
})

test('kubelets write their own node and lease only', async () => {
  const node = (name: string, more: Body = {}): Body => ({ apiVersion: 'v1', kind: 'Node', metadata: { name, labels: { 'kubernetes.io/hostname': name }, ...more } })
  const made = await must(kubelet, 'POST', '/api/v1/nodes', node('n1'))
  assert.deepEqual(made.spec.taints.map((taint: Body) => taint.key), ['node.kubernetes.io/not-ready'])
  assert.match((await ask(kubelet, 'POST', '/api/v1/nodes', node('n2'))).body.message, /node "n1" is not allowed to modify node "n2"$/)
  assert.match((await ask(kubelet, 'PATCH', '/api/v1/nodes/n1', { spec: { taints: [] } }, 'application/merge-patch+json')).body.message, /node "n1" is not allowed to modify taints$/)
  assert.match((await ask(kubelet, 'PATCH', '/api/v1/nodes/n1', { metadata: { labels: { 'node-restriction.kubernetes.io/a': 'b' } } }, 'application/merge-patch+json')).body.message, /is not allowed to modify labels: node-restriction\.kubernetes\.io\/a$/)
  assert.equal((await ask(kubelet, 'PATCH', '/api/v1/nodes/n1/status', { status: { capacity: { cpu: '2' } } }, 'application/merge-patch+json')).status, 200)
  const lease = (name: string): Body => ({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name }, spec: { holderIdentity: name, leaseDurationSeconds: 40 } })
  await must(kubelet, 'POST', '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases', lease('n1'))
  assert.match((await ask(kubelet, 'POST', '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases', lease('n2'))).body.message, /can only access node lease with the same name as the requesting node$/)
  assert.equal((await ask(kubelet, 'GET', '/api/v1/pods')).status, 403)
  assert.equal((await ask(kubelet, 'GET', '/api/v1/pods?fieldSelector=spec.nodeName%3Dn1')).status, 200)
})

test('nobody grants what they do not have', async () => {
  await createNamespace('grants')
  const rbac = '/apis/rbac.authorization.k8s.io/v1'
  // What `admin` is made of once a controller manager runs.
  for (const part of ['admin', 'edit', 'view']) {
    await must(root, 'POST', `${rbac}/namespaces/grants/rolebindings`, {
      apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'RoleBinding', metadata: { name: `ann-${part}` },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: `system:aggregate-to-${part}` }, subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'ann' }],
    })
  }
  const role = (name: string, ...rules: Body[]): Body => ({ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { name }, rules })
  assert.equal((await ask(ann, 'POST', `${rbac}/namespaces/grants/roles`, role('ok', { verbs: ['get'], apiGroups: [''], resources: ['pods'] }))).status, 201)
  const refused = await ask(ann, 'POST', `${rbac}/namespaces/grants/roles`, role('no', { verbs: ['get', 'list'], apiGroups: [''], resources: ['nodes'] }))
  assert.equal(refused.status, 403)
  assert.equal(refused.body.message, 'roles.rbac.authorization.k8s.io "no" is forbidden: user "ann" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["nodes"], Verbs:["get" "list"]}')
  const bind = (name: string, target: string): Body => ({ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'RoleBinding', metadata: { name }, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: target }, subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'bob' }] })
  assert.equal((await ask(ann, 'POST', `${rbac}/namespaces/grants/rolebindings`, bind('view', 'system:aggregate-to-view'))).status, 201)
  assert.equal((await ask(ann, 'POST', `${rbac}/namespaces/grants/rolebindings`, bind('root', 'cluster-admin'))).status, 403)
  const missing = await ask(ann, 'POST', `${rbac}/namespaces/grants/rolebindings`, bind('none', 'nothing'))
  assert.equal(missing.status, 404)
  assert.equal(missing.body.message, 'rolebindings.rbac.authorization.k8s.io "nothing" not found')
  // Rights come before validation.
  const strange = await ask(ann, 'POST', `${rbac}/namespaces/grants/rolebindings`, { ...bind('strange', 'x'), roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Foo', name: 'x' } })
  assert.deepEqual([strange.status, strange.body.message], [500, 'unsupported role reference kind: "Foo"'])
  const nameless = await ask(ann, 'POST', `${rbac}/namespaces/grants/rolebindings`, { ...bind('nameless', ''), roleRef: undefined })
  assert.equal(nameless.status, 500)
  const escalated = await ask(ann, 'PATCH', `${rbac}/namespaces/grants/roles/ok`, { rules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }] }, 'application/merge-patch+json')
  assert.equal(escalated.status, 403)
  // Whoever changes anything of a role vouches for all of its rules; releasing its finalizers is not such a change.
  await must(root, 'POST', `${rbac}/namespaces/grants/roles`, { ...role('strong', { verbs: ['get'], apiGroups: [''], resources: ['nodes'] }), metadata: { name: 'strong', finalizers: ['example.com/f'] } })
  const labels = await ask(ann, 'PATCH', `${rbac}/namespaces/grants/roles/strong`, { metadata: { labels: { a: 'b' } } }, 'application/merge-patch+json')
  assert.match(labels.body.message, /is attempting to grant RBAC permissions not currently held:\n\{APIGroups:\[""\], Resources:\["nodes"\], Verbs:\["get"\]\}$/)
  assert.equal((await ask(ann, 'PATCH', `${rbac}/namespaces/grants/roles/strong`, { metadata: { finalizers: null } }, 'application/merge-patch+json')).status, 200)
})

test('access reviews answer for oneself, for others, and list', async () => {
  const group = '/apis/authorization.k8s.io/v1'
  const self = async (attributes: Body): Promise<Body> => (await must(ann, 'POST', `${group}/selfsubjectaccessreviews`, { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes: attributes } })).status
  assert.equal((await self({ namespace: 'grants', verb: 'create', resource: 'pods' })).allowed, true)
  assert.equal((await self({ namespace: 'default', verb: 'create', resource: 'pods' })).allowed, false)
  const other = await must(root, 'POST', `${group}/subjectaccessreviews`, { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec: { user: 'bob', resourceAttributes: { namespace: 'grants', verb: 'list', resource: 'pods' } } })
  assert.equal(other.status.allowed, true)
  assert.equal(other.status.reason, 'RBAC: allowed by RoleBinding "view/grants" of ClusterRole "system:aggregate-to-view" to User "bob"')
  const none = await ask(root, 'POST', `${group}/subjectaccessreviews`, { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec: { resourceAttributes: { verb: 'list', resource: 'pods' } } })
  assert.equal(none.status, 422)
  assert.equal(none.body.message, '.authorization.k8s.io "" is invalid: spec.user: Invalid value: "": at least one of user or group must be specified')
  assert.equal('kind' in none.body.details, false)
  assert.equal((await ask(ann, 'POST', `${group}/subjectaccessreviews`, { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec: {} })).status, 403)
  const given = { uid: 'wiped', creationTimestamp: '2020-01-01T00:00:00Z', namespace: 'dropped' }
  const wiped = await must(root, 'POST', `${group}/subjectaccessreviews?fieldManager=me`, { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', metadata: given, spec: { user: 'bob', nonResourceAttributes: { verb: 'get', path: '/x' } } })
  assert.deepEqual(Object.keys(wiped.metadata), ['managedFields'])
  assert.deepEqual(ownersOf(wiped), [{
    manager: 'me', operation: 'Update', apiVersion: 'authorization.k8s.io/v1', fieldsType: 'FieldsV1',
    fieldsV1: { 'f:spec': { 'f:nonResourceAttributes': { '.': {}, 'f:path': {}, 'f:verb': {} }, 'f:user': {} } },
  }])
  const elsewhere = await ask(root, 'POST', `${group}/namespaces/grants/localsubjectaccessreviews`, { apiVersion: 'authorization.k8s.io/v1', kind: 'LocalSubjectAccessReview', metadata: { namespace: 'other' }, spec: { user: 'bob', resourceAttributes: { namespace: 'grants' } } })
  assert.deepEqual([elsewhere.status, elsewhere.body.message], [400, 'the namespace of the provided object does not match the namespace sent on the request'])
  const rules = await must(ann, 'POST', `${group}/selfsubjectrulesreviews`, { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectRulesReview', spec: { namespace: 'grants' } })
  assert.ok(rules.status.resourceRules.some((rule: Body) => rule.resources.includes('pods') && rule.verbs.includes('create')))
  const whoami = await must(ann, 'POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' })
  assert.equal(whoami.status.userInfo.username, 'ann')
})

test('a pod is bound once, and not while it is being deleted', async () => {
  await createNamespaceWithAccount('binding')
  await must(root, 'POST', '/api/v1/namespaces/binding/pods', pod('a'))
  const bind = (node: string): Body => ({ apiVersion: 'v1', kind: 'Binding', metadata: { name: 'a', annotations: { why: 'test' } }, target: { apiVersion: 'v1', kind: 'Node', name: node } })
  const bindWith = (changes: Body): ReturnType<typeof ask> => ask(root, 'POST', '/api/v1/namespaces/binding/pods/a/binding', { ...bind('n1'), ...changes })
  const nowhere = await bindWith({ target: { kind: 'Pod' } })
  assert.deepEqual([nowhere.status, nowhere.body.message], [500, '[target.kind: Unsupported value: "Pod": supported values: "Node", "<empty>", target.name: Required value]'])
  const other = await bindWith({ metadata: { name: 'a', uid: 'other' } })
  assert.equal(other.status, 409)
  assert.match(other.body.message, /^Operation cannot be fulfilled on pods "a": StorageError: invalid object, Code: 4, Key: \/registry\/pods\/binding\/a, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: other, UID in object meta: /)
  assert.equal((await bindWith({ metadata: {} })).body.message, 'name in URL does not match name in Binding object')
  const done = await ask(root, 'POST', '/api/v1/namespaces/binding/pods/a/binding', bind('n1'))
  assert.equal(done.status, 201, JSON.stringify(done.body))
  assert.equal(done.body.kind, 'Status')
  const bound = await must(root, 'GET', '/api/v1/namespaces/binding/pods/a')
  assert.equal(bound.spec.nodeName, 'n1')
  assert.equal(bound.metadata.annotations.why, 'test')
  assert.equal(bound.status.conditions.find((each: Body) => each.type === 'PodScheduled').status, 'True')
  const again = await ask(root, 'POST', '/api/v1/namespaces/binding/bindings', bind('n2'))
  assert.equal(again.status, 409)
  assert.equal(again.body.message, 'Operation cannot be fulfilled on pods/binding "a": pod a is already assigned to node "n1"')
})

test('what a deleted service had is there for the next, be the range ever so full', async () => {
  await createNamespaceWithAccount('ports')
  const path = '/api/v1/namespaces/ports/services'
  const create = (name: string): ReturnType<typeof ask> => ask(root, 'POST', path, { metadata: { name }, spec: { type: 'NodePort', ports: [{ port: 80 }] } })
  const names: string[] = []
  for (let last = ''; last === ''; ) {
    const { status, body } = await create(`s${names.length}`)
    if (status === 201) names.push(body.metadata.name)
    else last = body.message
    assert.ok(names.length < 65 && (last === '' || last === 'Internal error occurred: failed to allocate a nodePort: range is full'), last)
  }
  for (const name of names) {
    await must(root, 'DELETE', `${path}/${name}`)
    assert.equal((await create('next')).status, 201)
    await must(root, 'DELETE', `${path}/next`)
    assert.equal((await create(name)).status, 201)
  }
  for (const name of names) await must(root, 'DELETE', `${path}/${name}`)
})

test('an eviction asks the disruption budget', async () => {
  await createNamespaceWithAccount('evict')
  for (const name of ['a', 'b']) {
    await must(root, 'POST', '/api/v1/namespaces/evict/pods', { ...pod(name), metadata: { name, labels: { app: 'x' } } })
    await must(root, 'PATCH', `/api/v1/namespaces/evict/pods/${name}/status`, { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } }, 'application/merge-patch+json')
  }
  const odd = await ask(root, 'POST', '/api/v1/namespaces/evict/pods/a/eviction?dryRun=All', { metadata: { name: 'a' }, deleteOptions: { dryRun: ['x'] } })
  assert.deepEqual([odd.status, odd.body.message], [500, 'Non-matching dry-run options in request and content: [All] and [x]'])
  const policy = await ask(root, 'POST', '/api/v1/namespaces/evict/pods/a/eviction', { metadata: { name: 'a' }, deleteOptions: { propagationPolicy: 'x' } })
  assert.deepEqual([policy.status, policy.body.message], [422, 'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "x": supported values: "Foreground", "Background", "Orphan", "nil"'])
  const changed = await ask(root, 'POST', '/api/v1/namespaces/evict/pods/a/eviction', { metadata: { name: 'a' }, deleteOptions: { preconditions: { resourceVersion: '1' } } })
  assert.equal(changed.status, 409)
  assert.match(changed.body.message, /^Operation cannot be fulfilled on Pod "a": the ResourceVersion in the precondition \(1\) does not match/)
  const pdb = await must(root, 'POST', '/apis/policy/v1/namespaces/evict/poddisruptionbudgets', { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata: { name: 'budget' }, spec: { minAvailable: 1, selector: { matchLabels: { app: 'x' } } } })
  await must(root, 'PUT', '/apis/policy/v1/namespaces/evict/poddisruptionbudgets/budget/status', { ...pdb, status: { observedGeneration: pdb.metadata.generation, disruptionsAllowed: 1, currentHealthy: 2, desiredHealthy: 1, expectedPods: 2 } })
  const evict = (name: string, query = ''): ReturnType<typeof ask> => ask(root, 'POST', `/api/v1/namespaces/evict/pods/${name}/eviction${query}`, { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name } })
  assert.equal((await evict('a', '?dryRun=All')).status, 201)
  const first = await evict('a')
  assert.equal(first.status, 201, JSON.stringify(first.body))
  const second = await evict('b')
  assert.equal(second.status, 429)
  assert.equal(second.body.message, "Cannot evict pod as it would violate the pod's disruption budget.")
  assert.deepEqual(Object.keys(second.body.details), ['causes'])
  assert.equal(second.body.details.causes[0].reason, 'DisruptionBudget')
  assert.ok((await must(root, 'GET', '/apis/policy/v1/namespaces/evict/poddisruptionbudgets/budget')).status.disruptedPods.a)
})

test('componentstatuses tell how the store is', async () => {
  const { items } = await must(root, 'GET', '/api/v1/componentstatuses')
  assert.deepEqual(items.map((item: Body) => [item.metadata.name, item.conditions[0].status]), [['scheduler', 'False'], ['controller-manager', 'False'], ['etcd-0', 'True']])
  assert.equal((await must(root, 'GET', '/api/v1/componentstatuses/etcd-0')).conditions[0].message, 'ok')
})

test('the OpenID documents are served to accounts, not to everybody', async () => {
  const account: UserInfo = { username: 'system:serviceaccount:tokens:default', groups: ['system:serviceaccounts', 'system:authenticated'] }
  assert.equal((await must(account, 'GET', '/openid/v1/jwks')).keys.length, 1)
  assert.equal((await ask(ann, 'GET', '/.well-known/openid-configuration')).status, 403)
})
