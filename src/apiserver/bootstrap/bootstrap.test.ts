import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OpenObject } from '../../machinery/object.ts'
import { fakeCore, type FakeCore } from '../admission/fake-core.ts'
import { bootstrapFlowControl } from './flow-control.ts'
import { memoryStore } from '../../store/memory.ts'
import { bootstrapKubernetesService, kubernetesServiceIp } from './kubernetes-service.ts'
import { bootstrapRbac } from './rbac.ts'
import { bootstrapPriorityClasses } from './system-objects.ts'

const group = 'rbac.authorization.k8s.io'

async function bootstrap(core: FakeCore): Promise<string[]> {
  const before = core.writes.length
  await bootstrapRbac(core)
  await bootstrapFlowControl(core)
  await bootstrapPriorityClasses(core)
  return core.writes.slice(before)
}
const change = (core: FakeCore, resource: string, name: string, edit: (object: OpenObject) => void): Promise<unknown> =>
  core.registry.update(core.resource(resource, group), '', name, edit, { user: { username: 'root', groups: [] } })

test('a second start writes nothing', async () => {
  const core = fakeCore()
  assert.ok((await bootstrap(core)).length > 100)
  assert.deepEqual(await bootstrap(core), [])
})

test('a start puts back what default roles and bindings have lost and keeps what was added', async () => {
  const core = fakeCore()
  await bootstrap(core)
  await change(core, 'clusterroles', 'system:kube-dns', (role) => void (role.rules = [{ verbs: ['get'], apiGroups: ['example.com'], resources: ['things'] }]))
  await change(core, 'clusterrolebindings', 'system:kube-dns', (binding) => void (binding.subjects = []))
  assert.deepEqual((await bootstrap(core)).toSorted(), [`update clusterrolebindings.${group} /system:kube-dns`, `update clusterroles.${group} /system:kube-dns`])
  const role = core.reader.get(`clusterroles.${group}`, '', 'system:kube-dns') as OpenObject
  assert.deepEqual((role.rules as Array<{ resources: string[]; verbs: string[] }>).map((rule) => [rule.resources, rule.verbs]), [[['things'], ['get']], [['endpoints'], ['list']], [['endpoints'], ['watch']], [['services'], ['list']], [['services'], ['watch']]])
  const binding = core.reader.get(`clusterrolebindings.${group}`, '', 'system:kube-dns') as OpenObject
  assert.equal((binding.subjects as unknown[]).length, 1)
})

test('a role marked not to be updated is left alone', async () => {
  const core = fakeCore()
  await bootstrap(core)
  await change(core, 'clusterroles', 'system:kube-dns', (role) => {
    role.rules = []
    role.metadata.annotations!['rbac.authorization.kubernetes.io/autoupdate'] = 'false'
  })
  assert.deepEqual(await bootstrap(core), [])
})

test('selectors of aggregated roles are added to, and a role that should be none is no longer one', async () => {
  const core = fakeCore()
  await bootstrap(core)
  const own = { clusterRoleSelectors: [{ matchLabels: { mine: 'true' } }] }
  await change(core, 'clusterroles', 'view', (role) => void (role.aggregationRule = own))
  await change(core, 'clusterroles', 'system:kube-dns', (role) => void (role.aggregationRule = own))
  await core.runtime.clock.settle()
  await bootstrap(core)
  const rule = (name: string): unknown => (core.reader.get(`clusterroles.${group}`, '', name) as OpenObject).aggregationRule
  assert.deepEqual(rule('view'), { clusterRoleSelectors: [{ matchLabels: { mine: 'true' } }, { matchLabels: { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' } }] })
  assert.equal(rule('system:kube-dns'), undefined)
})

test('a binding that refers to another role is made anew', async () => {
  const core = fakeCore()
  await bootstrap(core)
  await change(core, 'clusterrolebindings', 'system:kube-dns', (binding) => void ((binding.roleRef as { name: string }).name = 'cluster-admin'))
  assert.deepEqual(await bootstrap(core), [`delete clusterrolebindings.${group} /system:kube-dns`, `create clusterrolebindings.${group} /system:kube-dns`])
})

test('the kubernetes Service has the first address of the range', () => {
  assert.equal(kubernetesServiceIp('10.96.0.0/12'), '10.96.0.1')
  assert.equal(kubernetesServiceIp('fd00::/108'), 'fd00::1')
  assert.throws(() => kubernetesServiceIp('ten'), /is no CIDR/)
})

test('servers of one address that share a store announce it together, and go on doing so', async () => {
  const fake = fakeCore()
  const store = Object.assign(memoryStore(fake.runtime), { driver: 'etcd' })
  const core = new Proxy(fake, { get: (of, name) => (name === 'store' ? store : Reflect.get(of, name)) as unknown })
  const options = { serviceCidr: '10.96.0.0/16', advertiseAddress: '192.0.2.1', advertisePort: 6443 }
  await bootstrapKubernetesService(core, options)
  await bootstrapKubernetesService(core, options)
  for (let seconds = 0; seconds < 60; seconds++) await fake.runtime.clock.advance(1000)
  assert.deepEqual(fake.runtime.log.lines.map(({ message }) => message), [])
  assert.ok((await store.get('/registry/masterleases/192.0.2.1')).kv !== undefined)
  await store[Symbol.asyncDispose]()
})
