import type { Pod, PodCondition } from '../../api/types/core_v1.ts'
import { timeText } from '../../machinery/object.ts'

/** The pod with a condition, in the place of the one of its type (upstream's `podutil.UpdatePodCondition`). */
export function withCondition(pod: Pod, given: Pick<PodCondition, 'message' | 'reason' | 'status' | 'type'>, nowMs: number): Pod {
  const conditions = pod.status?.conditions ?? []
  const before = conditions.find(({ type }) => type === given.type)
  const { generation } = pod.metadata
  const { type, status, ...words } = given
  const condition: PodCondition = {
    type, ...(generation === undefined ? {} : { observedGeneration: generation }), status, lastProbeTime: null as unknown as string,
    lastTransitionTime: before?.status === status ? before.lastTransitionTime : timeText(nowMs), ...words,
  }
  return { ...pod, status: { ...pod.status, conditions: before === undefined ? [...conditions, condition] : conditions.map((other) => (other === before ? condition : other)) } }
}
