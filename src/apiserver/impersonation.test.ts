import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { UserInfo } from '../api/resource.ts'
import { StatusError } from '../machinery/status.ts'
import type { AuthorizationAttributes, ServerRequest } from './context.ts'
import { impersonator, type Impersonation } from './impersonation.ts'

const ann: UserInfo = { username: 'ann', groups: ['system:authenticated'] }
const agent: UserInfo = { username: 'system:serviceaccount:kube-system:agent', groups: [], extra: { 'authentication.kubernetes.io/node-name': ['n1'], 'authentication.kubernetes.io/pod-name': ['p'] } }

/** A right as `verb group/resource/subresource=name`, in a namespace `ns:` where it has one. */
function right({ verb, namespace, apiGroup, resource, subresource, name }: AuthorizationAttributes): string {
  return `${verb} ${namespace === '' ? '' : `${namespace}:`}${apiGroup}/${resource}${subresource === '' ? '' : `/${subresource}`}${name === '' ? '' : `=${name}`}`
}

interface Outcome { result: Impersonation | undefined; asked: string[]; users: UserInfo[] }

async function attempt(headers: Record<string, string>, allowed: readonly string[], requestor = ann, rawHeaders?: readonly string[], isConstrained = true): Promise<Outcome> {
  const asked: string[] = []
  const users: UserInfo[] = []
  const impersonate = impersonator((attributes) => {
    asked.push(right(attributes))
    users.push(attributes.user)
    return { decision: allowed.includes(right(attributes)) ? 'allow' : 'noOpinion', reason: '' }
  }, isConstrained)
  const attributes: AuthorizationAttributes = { user: requestor, verb: 'list', isResourceRequest: true, path: '', apiGroup: '', apiVersion: 'v1', resource: 'pods', subresource: '', namespace: 'web', name: '' }
  const request = { headers, ...(rawHeaders === undefined ? {} : { rawHeaders }) } as unknown as ServerRequest
  return { result: await impersonate(request, attributes), asked, users }
}

const refusal = (code: number, message: string) => (error: unknown): boolean => {
  assert.ok(error instanceof StatusError, String(error))
  assert.deepEqual([error.code, error.message], [code, message])
  return true
}

test('requests without such headers are asked nothing', async () => {
  assert.deepEqual((await attempt({ accept: 'x' }, [])).asked, [])
})

test('the verb impersonate on every part is enough', async () => {
  const headers = { 'impersonate-user': 'bob', 'impersonate-group': 'a, b', 'impersonate-uid': '7', 'impersonate-extra-acme.com%2fscope': 'all' }
  const { result } = await attempt(headers, ['impersonate /users=bob', 'impersonate /groups=a', 'impersonate /groups=b', 'impersonate authentication.k8s.io/uids=7', 'impersonate authentication.k8s.io/userextras/acme.com/scope=all'])
  assert.deepEqual(result, { user: { username: 'bob', uid: '7', groups: ['a', 'b', 'system:authenticated'], extra: { 'acme.com/scope': ['all'] } }, constraint: '' })
})

test('without a right the first mode that fits says which one is missing', async () => {
  await assert.rejects(attempt({ 'impersonate-user': 'bob' }, []), refusal(403, 'pods is forbidden: User "ann" cannot impersonate-on:user-info:list resource "pods" in API group "" in the namespace "web"'))
  await assert.rejects(attempt({ 'impersonate-user': 'bob' }, ['impersonate-on:user-info:list web:/pods']), refusal(403, 'users.authentication.k8s.io "bob" is forbidden: User "ann" cannot impersonate:user-info resource "users" in API group "authentication.k8s.io" at the cluster scope'))
  await assert.rejects(attempt({ 'impersonate-user': 'bob', 'impersonate-group': 'a' }, ['impersonate /users=bob']), refusal(403, 'pods is forbidden: User "ann" cannot impersonate-on:user-info:list resource "pods" in API group "" in the namespace "web"'))
})

test('constrained: the right to be that user, and to do this as one', async () => {
  const user = await attempt({ 'impersonate-user': 'bob', 'impersonate-group': 'dev' }, ['impersonate-on:user-info:list web:/pods', 'impersonate:user-info authentication.k8s.io/users=bob', 'impersonate:user-info authentication.k8s.io/groups=dev'])
  assert.deepEqual(user.result, { user: { username: 'bob', groups: ['dev', 'system:authenticated'] }, constraint: 'impersonate:user-info' })
  const account = await attempt({ 'impersonate-user': 'system:serviceaccount:ci:bot' }, ['impersonate-on:serviceaccount:list web:/pods', 'impersonate:serviceaccount ci:authentication.k8s.io/serviceaccounts=bot'])
  assert.deepEqual(account.result?.user.groups, ['system:serviceaccounts', 'system:serviceaccounts:ci', 'system:authenticated'])
  const node = await attempt({ 'impersonate-user': 'system:node:n2' }, ['impersonate-on:arbitrary-node:list web:/pods', 'impersonate:arbitrary-node authentication.k8s.io/nodes=n2'])
  assert.deepEqual(node.result, { user: { username: 'system:node:n2', groups: ['system:nodes', 'system:authenticated'] }, constraint: 'impersonate:arbitrary-node' })
})

test('an agent may be the node that it runs on, and no other', async () => {
  const rights = ['impersonate-on:associated-node:list web:/pods', 'impersonate:associated-node authentication.k8s.io/nodes=*']
  const own = await attempt({ 'impersonate-user': 'system:node:n1' }, rights, agent)
  assert.equal(own.result?.constraint, 'impersonate:associated-node')
  assert.deepEqual(own.users[0]?.extra, { 'authentication.kubernetes.io/associated-node-keys': ['authentication.kubernetes.io/node-name', 'authentication.kubernetes.io/pod-name'] })
  await assert.rejects(attempt({ 'impersonate-user': 'system:node:n2' }, rights, agent), StatusError)
  await assert.rejects(attempt({ 'impersonate-user': 'system:node:n1' }, rights, ann), StatusError)
  // Groups beside a node's name are no node any more.
  await assert.rejects(attempt({ 'impersonate-user': 'system:node:n1', 'impersonate-group': 'system:masters' }, rights, agent), StatusError)
})

test('constrained impersonation never makes a member of system:masters', async () => {
  const rights = ['impersonate-on:user-info:list web:/pods', 'impersonate:user-info authentication.k8s.io/users=bob', 'impersonate:user-info authentication.k8s.io/groups=system:masters', 'impersonate:user-info authentication.k8s.io/groups=*']
  await assert.rejects(attempt({ 'impersonate-user': 'bob', 'impersonate-group': 'system:masters' }, rights), refusal(403, 'groups.authentication.k8s.io "system:masters" is forbidden: User "ann" cannot impersonate:user-info resource "groups" in API group "authentication.k8s.io" at the cluster scope: impersonating the system:masters group is not allowed'))
})

test('many groups may be allowed at once', async () => {
  const rights = ['impersonate-on:user-info:list web:/pods', 'impersonate:user-info authentication.k8s.io/users=bob', 'impersonate:user-info authentication.k8s.io/groups=*']
  assert.deepEqual((await attempt({ 'impersonate-user': 'bob', 'impersonate-group': 'a,b,c,d' }, rights)).result?.user.groups, ['a', 'b', 'c', 'd', 'system:authenticated'])
})

test('anonymous users and explicit system groups keep the groups that they have', async () => {
  const anonymous = await attempt({ 'impersonate-user': 'system:anonymous' }, ['impersonate /users=system:anonymous'])
  assert.deepEqual(anonymous.result?.user.groups, ['system:unauthenticated'])
  const unauthenticated = await attempt({ 'impersonate-user': 'bob', 'impersonate-group': 'system:unauthenticated' }, ['impersonate /users=bob', 'impersonate /groups=system:unauthenticated'])
  assert.deepEqual(unauthenticated.result?.user.groups, ['system:unauthenticated'])
})

test('group names with commas stay whole, and headers that name no user are a bad request', async () => {
  const rawHeaders = ['Impersonate-User', 'bob', 'Impersonate-Group', 'cn=a,dc=b']
  const { result } = await attempt({ 'impersonate-user': 'bob', 'impersonate-group': 'cn=a,dc=b' }, ['impersonate /users=bob', 'impersonate /groups=cn=a,dc=b'], ann, rawHeaders)
  assert.deepEqual(result?.user.groups, ['cn=a,dc=b', 'system:authenticated'])
  await assert.rejects(attempt({ 'impersonate-extra-scope': 'x' }, []), refusal(400, 'requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string(nil), Extra:map[string][]string{"scope":[]string{"x"}}} without impersonating a user name'))
  for (const name of ['__proto__', 'constructor']) {
    const { result: made } = await attempt({ 'impersonate-user': 'bob', [`impersonate-extra-${name}`]: 'x' }, ['impersonate /users=bob', `impersonate authentication.k8s.io/userextras/${name}=x`])
    assert.ok(Object.hasOwn(made!.user.extra!, name))
  }
})

test('without the feature only the verb impersonate counts', async () => {
  const rights = ['impersonate-on:user-info:list web:/pods', 'impersonate:user-info authentication.k8s.io/users=bob']
  await assert.rejects(attempt({ 'impersonate-user': 'bob' }, rights, ann, undefined, false), refusal(403, 'users "bob" is forbidden: User "ann" cannot impersonate resource "users" in API group "" at the cluster scope'))
  assert.equal((await attempt({ 'impersonate-user': 'bob' }, ['impersonate /users=bob'], ann, undefined, false)).result?.constraint, '')
  await assert.rejects(attempt({ 'impersonate-group': 'devs', 'impersonate-uid': '7' }, [], ann, undefined, false), refusal(400, 'requested [{Group  devs    } {UID  7  authentication.k8s.io/v1  }] without impersonating a user'))
})
