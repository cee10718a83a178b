import type { Pod } from '../../api/types/core_v1.ts'
import type { PodDisruptionBudget, PodDisruptionBudgetStatus } from '../../api/types/policy_v1.ts'
import type { Condition } from '../../api/types/meta_v1.ts'
import { scaledIntOrPercent } from '../../machinery/intstr.ts'
import { timeText } from '../../machinery/object.ts'
import { isPodReady, timeMs } from '../pods.ts'

/** How long an eviction that was granted keeps its place before it counts as one that never happened. */
export const evictionHoldsMs = 2 * 60_000

/** Whether the pods that the budget counts on are those their controllers want, rather than those there are. */
export function needsScale({ spec }: PodDisruptionBudget): boolean {
  return spec?.maxUnavailable !== undefined || typeof spec?.minAvailable === 'string'
}

/** What a budget asks for, out of `scale` pods that controllers want and `present` that there are. */
export function demandOf({ spec }: PodDisruptionBudget, present: number, scale: number): { expectedPods: number; desiredHealthy: number } {
  if (spec?.maxUnavailable !== undefined) return { expectedPods: scale, desiredHealthy: Math.max(0, scale - scaledIntOrPercent(spec.maxUnavailable, scale, 'up')) }
  if (typeof spec?.minAvailable === 'string') return { expectedPods: scale, desiredHealthy: scaledIntOrPercent(spec.minAvailable, scale, 'up') }
  return { expectedPods: present, desiredHealthy: spec?.minAvailable ?? 0 }
}

/** Evictions granted that have not been seen to happen yet; and when the first of them stops counting. */
export function pendingEvictions(budget: PodDisruptionBudget, pods: readonly Pod[], nowMs: number): { disruptedPods: Record<string, string>; recheckMs: number | undefined } {
  const disruptedPods: Record<string, string> = {}
  let recheckMs: number | undefined
  const byName = new Map(pods.map((pod) => [pod.metadata.name ?? '', pod]))
  for (const [name, since] of Object.entries(budget.status?.disruptedPods ?? {})) {
    const pod = byName.get(name)
    const endsMs = timeMs(since) + evictionHoldsMs
    if (pod === undefined || pod.metadata.deletionTimestamp !== undefined || endsMs <= nowMs) continue
    disruptedPods[name] = since
    recheckMs = Math.min(recheckMs ?? Infinity, endsMs - nowMs)
  }
  return { disruptedPods, recheckMs }
}

/** The budget's status for the pods that it selects (KEP-85; `policy/v1` PodDisruptionBudgetStatus). */
export function statusOf(budget: PodDisruptionBudget, pods: readonly Pod[], scale: number, disruptedPods: Readonly<Record<string, string>>, nowMs: number): PodDisruptionBudgetStatus {
  const { expectedPods, desiredHealthy } = demandOf(budget, pods.length, scale)
  const currentHealthy = pods.filter((pod) => pod.metadata.deletionTimestamp === undefined && disruptedPods[pod.metadata.name ?? ''] === undefined && isPodReady(pod)).length
  const disruptionsAllowed = expectedPods <= 0 ? 0 : Math.max(0, currentHealthy - desiredHealthy)
  const generation = budget.metadata.generation
  return {
    ...(generation === undefined ? {} : { observedGeneration: generation }), disruptionsAllowed, currentHealthy, desiredHealthy, expectedPods,
    ...(Object.keys(disruptedPods).length === 0 ? {} : { disruptedPods: { ...disruptedPods } }),
    conditions: withCondition(budget, { status: disruptionsAllowed > 0 ? 'True' : 'False', reason: disruptionsAllowed > 0 ? 'SufficientPods' : 'InsufficientPods', message: '' }, nowMs),
  }
}

/** The status of a budget whose pods could not be counted: nothing may be evicted. */
export function failedStatus(budget: PodDisruptionBudget, message: string, nowMs: number): PodDisruptionBudgetStatus {
  const { currentHealthy = 0, desiredHealthy = 0, expectedPods = 0, ...rest } = budget.status ?? {}
  return { ...rest, currentHealthy, desiredHealthy, expectedPods, disruptionsAllowed: 0, conditions: withCondition(budget, { status: 'False', reason: 'SyncFailed', message }, nowMs) }
}

function withCondition(budget: PodDisruptionBudget, wanted: Pick<Condition, 'status' | 'reason' | 'message'>, nowMs: number): Condition[] {
  const conditions = budget.status?.conditions ?? []
  const old = conditions.find(({ type }) => type === 'DisruptionAllowed')
  const lastTransitionTime = old?.status === wanted.status ? old.lastTransitionTime : timeText(nowMs)
  const condition = { type: 'DisruptionAllowed', ...wanted, lastTransitionTime, observedGeneration: budget.metadata.generation ?? 0 }
  return old === undefined ? [...conditions, condition] : conditions.map((each) => (each === old ? condition : each))
}
