import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { UserInfo } from '../../api/resource.ts'
import { bootstrapClusterRoleBindings, bootstrapClusterRoles } from '../../api/rbac-bootstrap.ts'
import type { PolicyRule, Subject } from '../../api/types/rbac.authorization.k8s.io_v1.ts'
import type { AuthorizationAttributes } from '../context.ts'
import { fakeReader, type FakeReader } from './fake-reader.ts'
import { RbacIndex } from './rbac-index.ts'
import { rbacAuthorizer } from './rbac.ts'
import { compactRules, ruleText, uncovered } from './rbac-rules.ts'

const group = 'rbac.authorization.k8s.io'
const ann: UserInfo = { username: 'ann', groups: ['dev', 'system:authenticated'] }
const annSubject: Subject = { apiGroup: group, kind: 'User', name: 'ann' }

function resourceRequest(verb: string, path: string, user = ann): AuthorizationAttributes {
  // NAMESPACE:GROUP/RESOURCE[/SUBRESOURCE][=NAME]
  const [, namespace = '', apiGroup = '', resource = '', subresource = '', name = ''] = /^([^:]*):([^/]*)\/([^/=]*)(?:\/([^=]*))?(?:=(.*))?$/.exec(path)!
  return { user, verb, isResourceRequest: true, path: '', apiGroup, apiVersion: 'v1', resource, subresource: subresource ?? '', namespace, name: name ?? '' }
}
function urlRequest(verb: string, path: string, user = ann): AuthorizationAttributes {
  return { user, verb, isResourceRequest: false, path, apiGroup: '', apiVersion: '', resource: '', subresource: '', namespace: '', name: '' }
}
function clusterRole(reader: FakeReader, name: string, ...rules: PolicyRule[]): void {
  reader.put(`clusterroles.${group}`, { kind: 'ClusterRole', metadata: { name }, rules } as never)
}
function clusterBinding(reader: FakeReader, name: string, role: string, ...subjects: Subject[]): void {
  reader.put(`clusterrolebindings.${group}`, { metadata: { name }, roleRef: { apiGroup: group, kind: 'ClusterRole', name: role }, subjects } as never)
}
function binding(reader: FakeReader, namespace: string, name: string, kind: 'Role' | 'ClusterRole', role: string, ...subjects: Subject[]): void {
  reader.put(`rolebindings.${group}`, { metadata: { name, namespace }, roleRef: { apiGroup: group, kind, name: role }, subjects } as never)
}

test('a rule allows by verb, group, resource, subresource, name and path', async (t) => {
  const cases: Array<[string, PolicyRule, AuthorizationAttributes, boolean]> = [
    ['plain resource', { verbs: ['get'], apiGroups: [''], resources: ['pods'] }, resourceRequest('get', 'web:/pods=a'), true],
    ['another verb', { verbs: ['get'], apiGroups: [''], resources: ['pods'] }, resourceRequest('list', 'web:/pods'), false],
    ['another group', { verbs: ['get'], apiGroups: ['apps'], resources: ['pods'] }, resourceRequest('get', 'web:/pods=a'), false],
    ['a resource does not give its subresource', { verbs: ['get'], apiGroups: [''], resources: ['pods'] }, resourceRequest('get', 'web:/pods/log=a'), false],
    ['a subresource does not give its resource', { verbs: ['get'], apiGroups: [''], resources: ['pods/log'] }, resourceRequest('get', 'web:/pods=a'), false],
    ['a subresource', { verbs: ['get'], apiGroups: [''], resources: ['pods/log'] }, resourceRequest('get', 'web:/pods/log=a'), true],
    ['any resource with a subresource', { verbs: ['get'], apiGroups: ['*'], resources: ['*/scale'] }, resourceRequest('get', 'web:apps/deployments/scale=a'), true],
    ['any resource with a subresource is not the resource', { verbs: ['get'], apiGroups: ['*'], resources: ['*/scale'] }, resourceRequest('get', 'web:apps/deployments=a'), false],
    ['everything', { verbs: ['*'], apiGroups: ['*'], resources: ['*'] }, resourceRequest('delete', 'web:apps/deployments/status=a'), true],
    ['a named object', { verbs: ['get'], apiGroups: [''], resources: ['secrets'], resourceNames: ['a'] }, resourceRequest('get', 'web:/secrets=a'), true],
    ['another named object', { verbs: ['get'], apiGroups: [''], resources: ['secrets'], resourceNames: ['a'] }, resourceRequest('get', 'web:/secrets=b'), false],
    ['a list is not a named object', { verbs: ['list'], apiGroups: [''], resources: ['secrets'], resourceNames: ['a'] }, resourceRequest('list', 'web:/secrets'), false],
    ['a path', { verbs: ['get'], nonResourceURLs: ['/version'] }, urlRequest('get', '/version'), true],
    ['a longer path', { verbs: ['get'], nonResourceURLs: ['/version'] }, urlRequest('get', '/version/'), false],
    ['a path prefix', { verbs: ['get'], nonResourceURLs: ['/api/*'] }, urlRequest('get', '/api/v1'), true],
    ['resources give no paths', { verbs: ['*'], apiGroups: ['*'], resources: ['*'] }, urlRequest('get', '/version'), false],
    ['paths give no resources', { verbs: ['*'], nonResourceURLs: ['*'] }, resourceRequest('get', 'web:/pods=a'), false],
  ]
  for (const [name, rule, request, allowed] of cases) {
    await t.test(name, async () => {
      const reader = fakeReader()
      clusterRole(reader, 'r', rule)
      clusterBinding(reader, 'b', 'r', annSubject)
      const answer = await rbacAuthorizer(new RbacIndex(reader)).authorize(request)
      assert.equal(answer.decision, allowed ? 'allow' : 'noOpinion')
    })
  }
})

test('the answer follows roles and bindings as they come, change and go', async () => {
  const reader = fakeReader()
  const authorizer = rbacAuthorizer(new RbacIndex(reader))
  const request = resourceRequest('get', 'web:/pods=a')
  const decision = async (): Promise<string> => (await authorizer.authorize(request)).decision
  assert.equal(await decision(), 'noOpinion')
  binding(reader, 'web', 'b', 'ClusterRole', 'r', annSubject)
  assert.deepEqual(await authorizer.authorize(request), { decision: 'noOpinion', reason: 'RBAC: clusterrole.rbac.authorization.k8s.io "r" not found' })
  clusterRole(reader, 'r', { verbs: ['get'], apiGroups: [''], resources: ['pods'] })
  assert.equal(await decision(), 'allow')
  assert.equal(await decision(), 'allow')
  binding(reader, 'web', 'b', 'ClusterRole', 'r', { apiGroup: group, kind: 'User', name: 'bob' })
  assert.equal(await decision(), 'noOpinion')
  binding(reader, 'web', 'b', 'ClusterRole', 'r', annSubject)
  assert.equal(await decision(), 'allow')
  clusterRole(reader, 'r', { verbs: ['list'], apiGroups: [''], resources: ['pods'] })
  assert.equal(await decision(), 'noOpinion')
  clusterRole(reader, 'r', { verbs: ['get'], apiGroups: [''], resources: ['pods'] })
  reader.remove(`rolebindings.${group}`, 'web', 'b')
  assert.equal(await decision(), 'noOpinion')
})

test('a role binding reaches its own namespace only, users by name, group and service account', async () => {
  const reader = fakeReader()
  clusterRole(reader, 'r', { verbs: ['get'], apiGroups: [''], resources: ['pods'] })
  binding(reader, 'web', 'g', 'ClusterRole', 'r', { apiGroup: group, kind: 'Group', name: 'dev' }, { kind: 'ServiceAccount', name: 'bot' })
  const authorizer = rbacAuthorizer(new RbacIndex(reader))
  const ask = async (namespace: string, user: UserInfo): Promise<string> => (await authorizer.authorize(resourceRequest('get', `${namespace}:/pods=a`, user))).decision
  assert.equal(await ask('web', ann), 'allow')
  assert.equal(await ask('other', ann), 'noOpinion')
  assert.equal(await ask('', ann), 'noOpinion')
  assert.equal(await ask('web', { username: 'dev', groups: [] }), 'noOpinion')
  assert.equal(await ask('web', { username: 'system:serviceaccount:web:bot', groups: [] }), 'allow')
  assert.equal(await ask('web', { username: 'system:serviceaccount:other:bot', groups: [] }), 'noOpinion')
  const reason = (await authorizer.authorize(resourceRequest('get', 'web:/pods=a'))).reason
  assert.equal(reason, 'RBAC: allowed by RoleBinding "g/web" of ClusterRole "r" to Group "dev"')
})

test('what one credential may do is never told to another of the same name', async () => {
  const reader = fakeReader()
  clusterRole(reader, 'r', { verbs: ['get'], apiGroups: [''], resources: ['pods'] })
  clusterBinding(reader, 'b', 'r', { apiGroup: group, kind: 'Group', name: 'dev' })
  const authorizer = rbacAuthorizer(new RbacIndex(reader))
  assert.equal((await authorizer.authorize(resourceRequest('get', 'web:/pods=a'))).decision, 'allow')
  assert.equal((await authorizer.authorize(resourceRequest('get', 'web:/pods=a', { username: 'ann', groups: [] }))).decision, 'noOpinion')
})

test('covering looks at every verb, resource and name', () => {
  const owned: PolicyRule[] = [{ verbs: ['get', 'list'], apiGroups: [''], resources: ['pods'] }, { verbs: ['get'], nonResourceURLs: ['/api/*'] }]
  assert.deepEqual(uncovered(owned, [{ verbs: ['get'], apiGroups: [''], resources: ['pods'], resourceNames: ['a'] }, { verbs: ['get'], nonResourceURLs: ['/api/v1'] }]), [])
  const missing = uncovered(owned, [{ verbs: ['get', 'delete', 'watch'], apiGroups: ['', 'apps'], resources: ['pods'] }])
  assert.deepEqual(compactRules(missing).map(ruleText), [
    '{APIGroups:[""], Resources:["pods"], Verbs:["delete" "watch"]}', '{APIGroups:["apps"], Resources:["pods"], Verbs:["get" "delete" "watch"]}',
  ])
  // What two rules ask for is told twice, and a rule without verbs asks for nothing.
  assert.deepEqual(compactRules(uncovered(owned, [{ verbs: ['watch'], apiGroups: [''], resources: ['pods'] }, { verbs: ['delete', 'watch'], apiGroups: [''], resources: ['pods'] }, {} as PolicyRule])).map(ruleText), ['{APIGroups:[""], Resources:["pods"], Verbs:["watch" "delete" "watch"]}'])
  // Rules for paths are told one by one.
  assert.deepEqual(compactRules(uncovered(owned, [{ verbs: ['get', 'post'], nonResourceURLs: ['/metrics'] }])).map(ruleText), [
    '{NonResourceURLs:["/metrics"], Verbs:["get"]}', '{NonResourceURLs:["/metrics"], Verbs:["post"]}',
  ])
  // Rights on named objects don't cover the whole resource, nor resources their wildcard.
  assert.equal(uncovered([{ verbs: ['get'], apiGroups: [''], resources: ['pods'], resourceNames: ['a'] }], [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }]).length, 1)
  assert.equal(uncovered(owned, [{ verbs: ['get'], apiGroups: ['*'], resources: ['*'] }]).length, 1)
  assert.equal(uncovered(owned, [{ verbs: ['*'], apiGroups: [''], resources: ['pods'] }]).length, 1)
})

test('default roles give components what they need and no more', async (t) => {
  const reader = fakeReader()
  for (const role of bootstrapClusterRoles()) reader.put(`clusterroles.${group}`, role)
  for (const each of bootstrapClusterRoleBindings()) reader.put(`clusterrolebindings.${group}`, each)
  const authorizer = rbacAuthorizer(new RbacIndex(reader))
  const scheduler: UserInfo = { username: 'system:kube-scheduler', groups: ['system:authenticated'] }
  const proxy: UserInfo = { username: 'system:kube-proxy', groups: ['system:authenticated'] }
  const manager: UserInfo = { username: 'system:kube-controller-manager', groups: ['system:authenticated'] }
  const anonymous: UserInfo = { username: 'system:anonymous', groups: ['system:unauthenticated'] }
  const node: UserInfo = { username: 'system:node:a', groups: ['system:nodes', 'system:authenticated'] }
  const controller = (name: string): UserInfo => ({ username: `system:serviceaccount:kube-system:${name}`, groups: ['system:serviceaccounts', 'system:serviceaccounts:kube-system', 'system:authenticated'] })
  const cases: Array<[UserInfo, string, string, boolean]> = [
    [scheduler, 'create', 'web:/pods/binding=a', true], [scheduler, 'update', 'web:/pods=a', false], [scheduler, 'get', 'web:/secrets=a', false],
    [scheduler, 'update', 'kube-system:coordination.k8s.io/leases=kube-scheduler', true], [scheduler, 'update', 'kube-system:coordination.k8s.io/leases=other', false],
    [proxy, 'watch', ':/services', true], [proxy, 'watch', ':discovery.k8s.io/endpointslices', true], [proxy, 'list', ':/secrets', false],
    [manager, 'list', ':apps/deployments', true], [manager, 'create', 'kube-system:/serviceaccounts/token=deployment-controller', true], [manager, 'delete', 'web:/pods=a', false],
    [controller('deployment-controller'), 'create', 'web:apps/replicasets', true], [controller('deployment-controller'), 'delete', 'web:/pods=a', false],
    [controller('replicaset-controller'), 'create', 'web:/pods', true], [controller('namespace-controller'), 'deletecollection', 'web:/configmaps', true],
    [anonymous, 'list', ':/pods', false], [ann, 'create', ':authorization.k8s.io/selfsubjectaccessreviews', true], [ann, 'list', 'web:/pods', false],
    // Kubelets have their rights from the node authorizer alone.
    [node, 'get', 'web:/secrets=a', false],
    [{ username: 'root', groups: ['system:masters'] }, 'delete', ':/nodes=a', true],
  ]
  for (const [user, verb, path, allowed] of cases) {
    await t.test(`${user.username} ${verb} ${path}`, async () => {
      assert.equal((await authorizer.authorize(resourceRequest(verb, path, user))).decision, allowed ? 'allow' : 'noOpinion')
    })
  }
  for (const [user, path, allowed] of [[anonymous, '/version', true], [anonymous, '/api', false], [anonymous, '/metrics', false], [ann, '/apis', true], [ann, '/openid/v1/jwks', false], [controller('x'), '/openid/v1/jwks', true]] as const) {
    assert.equal((await authorizer.authorize(urlRequest('get', path, user))).decision, allowed ? 'allow' : 'noOpinion', `${user.username} ${path}`)
  }
})
