import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Binding, Pod } from '../../api/types/core_v1.ts'
import type { PodDisruptionBudget } from '../../api/types/policy_v1.ts'
import { StatusError } from '../../machinery/status.ts'
import { bindPod } from './binding.ts'
import { chargeBudget } from './eviction.ts'

const nowMs = Date.UTC(2026, 0, 2)
const budget = (status: object): PodDisruptionBudget => ({ metadata: { name: 'b' }, spec: {}, status: { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0, ...status } }) as PodDisruptionBudget
const condition = (reason: string, message: string): object => ({ conditions: [{ type: 'DisruptionAllowed', status: 'False', reason, message, lastTransitionTime: '2026-01-01T00:00:00Z' }] })

const refusals: ReadonlyArray<readonly [status: object, text: string]> = [
  [{ currentHealthy: 2, desiredHealthy: 2 }, 'The disruption budget b needs 2 healthy pods and has 2 currently'],
  [{ currentHealthy: 3, desiredHealthy: 2 }, 'The disruption budget b does not allow evicting pods currently'],
  [{ currentHealthy: 3, desiredHealthy: 2, ...condition('Frozen', 'not today') }, 'The disruption budget b does not allow evicting pods currently (Frozen): not today'],
  [condition('SyncFailed', 'no scale'), 'The disruption budget b does not allow evicting pods currently because it failed sync: no scale'],
]

for (const [status, text] of refusals) {
  test(`an eviction is refused: ${text}`, () => assert.throws(() => chargeBudget(budget(status), 'p', nowMs), (error) => error instanceof StatusError && error.status.details?.causes?.[0]?.message === text))
}

test('the last disruption says that there are no more', () => {
  const { status } = chargeBudget(budget({ disruptionsAllowed: 1, observedGeneration: 3 }), 'p', nowMs)
  assert.equal(status?.disruptionsAllowed, 0)
  assert.deepEqual(status?.disruptedPods, { p: '2026-01-02T00:00:00Z' })
  assert.deepEqual(status?.conditions, [{ type: 'DisruptionAllowed', status: 'False', observedGeneration: 3, lastTransitionTime: '2026-01-02T00:00:00Z', reason: 'InsufficientPods', message: '' }])
  assert.equal(chargeBudget(budget({ disruptionsAllowed: 2 }), 'p', nowMs).status?.conditions, undefined)
})

test('a condition of a bound pod takes the place of the one before', () => {
  const waiting = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: 'no room', lastTransitionTime: '2026-01-01T00:00:00Z' }
  const pod = { metadata: { name: 'p', generation: 2 }, spec: { containers: [] }, status: { conditions: [waiting, { type: 'Other', status: 'True' }] } } as unknown as Pod
  assert.deepEqual(bindPod(pod, { metadata: {}, target: { name: 'n' } } as Binding, nowMs).status?.conditions, [
    { type: 'PodScheduled', observedGeneration: 2, status: 'True', lastProbeTime: null, lastTransitionTime: '2026-01-02T00:00:00Z' }, { type: 'Other', status: 'True' },
  ])
})
