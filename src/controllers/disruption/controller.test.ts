import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '../../api/types/core_v1.ts'
import type { PodDisruptionBudget } from '../../api/types/policy_v1.ts'
import { deployments, podDisruptionBudgets, pods, replicaSets } from '../../client/resources.ts'
import { timeText, type OwnerReference } from '../../machinery/object.ts'
import { controllerTest, deployment } from '../testing/cluster.ts'
import { startDisruptionController } from './controller.ts'
import { demandOf } from './budget.ts'

const budget = (spec: PodDisruptionBudget['spec']): PodDisruptionBudget => ({ metadata: { name: 'b', namespace: 'default', generation: 1 }, spec: { selector: { matchLabels: { app: 'web' } }, ...spec } })
const owner = (kind: string, apiVersion: string, name: string, uid: string): OwnerReference => ({ kind, apiVersion, name, uid, controller: true, blockOwnerDeletion: true })
const pod = (name: string, ownerReferences?: OwnerReference[], ready = true): Pod => ({
  metadata: { name, namespace: 'default', labels: { app: 'web' }, ...(ownerReferences === undefined ? {} : { ownerReferences }) }, spec: { containers: [{ name: 'c' }] },
  status: { phase: 'Running', conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
})

for (const [spec, present, scale, expectedPods, desiredHealthy] of [
  [{ minAvailable: 2 }, 3, 0, 3, 2], [{ minAvailable: '50%' }, 3, 5, 5, 3], [{ maxUnavailable: 1 }, 2, 5, 5, 4], [{ maxUnavailable: '30%' }, 2, 5, 5, 3], [{ maxUnavailable: 9 }, 2, 5, 5, 0], [{}, 3, 0, 3, 0],
] as const) {
  test(`${JSON.stringify(spec)} of ${present} pods and ${scale} wanted asks for ${desiredHealthy} of ${expectedPods}`, () => {
    assert.deepEqual(demandOf(budget(spec), present, scale), { expectedPods, desiredHealthy })
  })
}

test('a status says how many pods may go, and follows them', async (t) => {
  const { api, start, settle, stop, runtime } = controllerTest()
  t.after(stop)
  for (const name of ['a', 'b', 'c']) api.seed(pods, pod(name, undefined, name !== 'c'))
  api.seed(podDisruptionBudgets, budget({ minAvailable: 1 }))
  start(startDisruptionController)
  await settle()
  const status = () => api.get(podDisruptionBudgets, 'default/b')?.status
  const condition = { type: 'DisruptionAllowed', status: 'True', reason: 'SufficientPods', message: '', observedGeneration: 1 }
  const { conditions, ...counts } = status()!
  assert.deepEqual(counts, { observedGeneration: 1, disruptionsAllowed: 1, currentHealthy: 2, desiredHealthy: 1, expectedPods: 3 })
  assert.deepEqual(conditions?.map(({ lastTransitionTime: _time, ...rest }) => rest), [condition])
  api.change(pods, 'default/b', (b) => void (b.status!.conditions![0]!.status = 'False'))
  await settle()
  assert.deepEqual([status()?.disruptionsAllowed, status()?.conditions?.[0]?.reason], [0, 'InsufficientPods'])
  api.change(pods, 'default/c', (c) => void (c.status!.conditions![0]!.status = 'True'))
  api.change(podDisruptionBudgets, 'default/b', (b) => void (b.status!.disruptedPods = { a: timeText(runtime.clock.now()), gone: timeText(runtime.clock.now()) }))
  await settle()
  assert.deepEqual([status()?.currentHealthy, Object.keys(status()?.disruptedPods ?? {})], [1, ['a']])
  await runtime.clock.advance(2 * 60_000)
  await settle()
  assert.deepEqual([status()?.currentHealthy, status()?.disruptionsAllowed, status()?.disruptedPods], [2, 1, undefined])
})

test('a share is taken of what the Deployment above the replica sets wants', async (t) => {
  const { api, start, settle, stop } = controllerTest()
  t.after(stop)
  api.seed(deployments, { ...deployment('web', 4), metadata: { ...deployment('web', 4).metadata, uid: 'd' } })
  for (const uid of ['old', 'new']) api.seed(replicaSets, { metadata: { name: uid, namespace: 'default', uid, ownerReferences: [owner('Deployment', 'apps/v1', 'web', 'd')] }, spec: { replicas: 3, selector: { matchLabels: { app: 'web' } } } })
  for (const [name, set] of [['a', 'old'], ['b', 'old'], ['c', 'new'], ['d', 'new']] as const) api.seed(pods, pod(name, [owner('ReplicaSet', 'apps/v1', set, set)]))
  api.seed(podDisruptionBudgets, budget({ maxUnavailable: '25%' }))
  start(startDisruptionController)
  await settle()
  const status = () => api.get(podDisruptionBudgets, 'default/b')?.status
  assert.deepEqual([status()?.expectedPods, status()?.desiredHealthy, status()?.disruptionsAllowed], [4, 3, 1])
  api.change(deployments, 'default/web', (web) => void (web.spec!.replicas = 8))
  await settle()
  assert.deepEqual([status()?.expectedPods, status()?.desiredHealthy, status()?.disruptionsAllowed], [8, 6, 0])
})

test('pods that no controller wants are said to be', async (t) => {
  const { api, start, settle, stop, eventsOf } = controllerTest()
  t.after(stop)
  api.seed(pods, pod('a'))
  api.seed(podDisruptionBudgets, budget({ maxUnavailable: 1 }))
  start(startDisruptionController)
  await settle()
  assert.equal(api.get(podDisruptionBudgets, 'default/b')?.status?.disruptionsAllowed, 0)
  assert.match(eventsOf('b').join(), /^UnmanagedPods Pods selected by this PodDisruptionBudget/)
})

test('an announced disruption that does not come is taken back', async (t) => {
  const { api, start, settle, stop, runtime } = controllerTest()
  t.after(stop)
  const announced = pod('a')
  announced.status!.conditions!.push({ type: 'DisruptionTarget', status: 'True', lastTransitionTime: timeText(runtime.clock.now()) })
  api.seed(pods, announced)
  start(startDisruptionController)
  await settle()
  const condition = () => api.get(pods, 'default/a')?.status?.conditions?.find(({ type }) => type === 'DisruptionTarget')
  assert.equal(condition()?.status, 'True')
  await runtime.clock.advance(2 * 60_000)
  await settle()
  assert.equal(condition()?.status, 'False')
})
