import type { Pod } from '../../api/types/core_v1.ts'
import { isPodReady, podCondition, timeMs } from '../pods.ts'

const phaseOrder: Record<string, number> = { Pending: 0, Unknown: 1, Running: 2 }

/** Cost of deleting a pod, as its owner says; pods without it cost nothing. */
function deletionCost(pod: Pod): number {
  const cost = Number(pod.metadata.annotations?.['controller.kubernetes.io/pod-deletion-cost'] ?? 0)
  return Number.isInteger(cost) ? cost : 0
}

function restarts(pod: Pod): number {
  return Math.max(0, ...(pod.status?.containerStatuses ?? []).map((status) => status.restartCount ?? 0))
}

/**
 * Ages compare on a logarithmic scale (KEP 2185), so that of pods of about one age the one to go is random (its uid decides),
 * and not always the newest, which would pile up on some nodes.
 */
function compareAges(a: Pod, b: Pod, aMs: number, bMs: number, nowMs: number): number {
  if (aMs === bMs) return 0
  if (aMs === 0 || bMs === 0) return aMs === 0 ? -1 : 1
  const bucket = (atMs: number): number => (nowMs - atMs <= 0 ? -1 : Math.floor(Math.log2((nowMs - atMs) * 1e6)))
  const difference = bucket(aMs) - bucket(bMs)
  if (difference !== 0) return difference
  return (a.metadata.uid ?? '') < (b.metadata.uid ?? '') ? -1 : 1
}

/**
 * The pods in the order in which they should go: not yet placed first, then not running, not ready, cheap to delete, on the node with most
 * of `related` (pods of the same owner's owner), ready most recently, restarted most, made most recently.
 */
export function inDeletionOrder(pods: readonly Pod[], related: readonly Pod[], nowMs: number): Pod[] {
  const perNode = new Map<string, number>()
  for (const { spec } of related) if (spec?.nodeName !== undefined) perNode.set(spec.nodeName, (perNode.get(spec.nodeName) ?? 0) + 1)
  const rank = (pod: Pod): number => perNode.get(pod.spec?.nodeName ?? '') ?? 0
  const assigned = (pod: Pod): number => Number((pod.spec?.nodeName ?? '') !== '')
  const phase = (pod: Pod): number => phaseOrder[pod.status?.phase ?? 'Pending'] ?? 0
  const readySince = (pod: Pod): number => timeMs(podCondition(pod, 'Ready')?.lastTransitionTime)
  return [...pods].sort((a, b) =>
    assigned(a) - assigned(b) || phase(a) - phase(b) || Number(isPodReady(a)) - Number(isPodReady(b)) || deletionCost(a) - deletionCost(b)
    || rank(b) - rank(a) || (isPodReady(a) && isPodReady(b) ? compareAges(a, b, readySince(a), readySince(b), nowMs) : 0)
    || restarts(b) - restarts(a) || compareAges(a, b, timeMs(a.metadata.creationTimestamp), timeMs(b.metadata.creationTimestamp), nowMs))
}
