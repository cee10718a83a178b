import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterRole, PolicyRule } from '../../api/types/rbac.authorization.k8s.io_v1.ts'
import { clusterRoles } from '../../client/resources.ts'
import { controllerTest } from '../testing/cluster.ts'
import { startRoleAggregation } from './controller.ts'

const rule = (resource: string): PolicyRule => ({ verbs: ['get'], apiGroups: [''], resources: [resource] })
const part = (name: string, to: string, ...resources: string[]): ClusterRole => ({ metadata: { name, labels: { [`to-${to}`]: 'true' } }, rules: resources.map(rule) })
const whole = (name: string, of: string[], labels: Record<string, string> = {}): ClusterRole => ({
  metadata: { name, labels }, rules: [], aggregationRule: { clusterRoleSelectors: of.map((each) => ({ matchLabels: { [`to-${each}`]: 'true' } })) },
})

test('an aggregated role has the rules of those it selects, by name, each once, and follows them', async (t) => {
  const { api, start, settle, stop } = controllerTest()
  t.after(stop)
  api.seed(clusterRoles, whole('all', ['all', 'some']))
  api.seed(clusterRoles, whole('some', ['some'], { 'to-all': 'true' }))
  api.seed(clusterRoles, part('b', 'some', 'pods', 'nodes'))
  api.seed(clusterRoles, part('a', 'some', 'secrets', 'pods'))
  start(startRoleAggregation)
  await settle()
  const held = (name: string): string[] => api.get(clusterRoles, name)!.rules!.map(({ resources }) => resources!.join())
  assert.deepEqual(held('some'), ['secrets', 'pods', 'nodes'])
  assert.deepEqual(held('all'), ['secrets', 'pods', 'nodes'])
  api.change(clusterRoles, 'b', (role) => void (role.rules = [rule('events')]))
  await settle()
  assert.deepEqual(held('all'), ['secrets', 'pods', 'events'])
  api.remove(clusterRoles, 'a')
  await settle()
  assert.deepEqual(held('some'), ['events'])
})

test('roles that are right, and those that are no aggregates, are left alone', async (t) => {
  const { api, start, settle, stop } = controllerTest()
  t.after(stop)
  api.seed(clusterRoles, { ...whole('all', ['all']), rules: [rule('pods')] })
  api.seed(clusterRoles, whole('none', ['nothing']))
  api.seed(clusterRoles, part('a', 'all', 'pods'))
  const before = api.all(clusterRoles).map(({ metadata }) => metadata.resourceVersion)
  start(startRoleAggregation)
  await settle()
  assert.deepEqual(api.all(clusterRoles).map(({ metadata }) => metadata.resourceVersion), before)
})
