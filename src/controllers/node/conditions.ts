import type { Lease } from '../../api/types/coordination.k8s.io_v1.ts'
import type { Node, NodeCondition, Taint } from '../../api/types/core_v1.ts'
import { timeText } from '../../machinery/object.ts'
import { timeMs } from '../pods.ts'

/** What the controller remembers of a node's signs of life; times are its own clock's, a node's clock is not trusted. */
export interface NodeHealth { aliveMs: number; heartbeat: string | undefined; renewTime: string | undefined }

const judged = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure']

export function nodeCondition(node: Node, type: string): NodeCondition | undefined {
  return node.status?.conditions?.find((condition) => condition.type === type)
}

/** Takes in what is seen of a node now. */
export function observeHealth(known: NodeHealth | undefined, node: Node, lease: Lease | undefined, nowMs: number): NodeHealth {
  const ready = nodeCondition(node, 'Ready')
  const renewTime = lease?.spec?.renewTime
  // A node that never reported counts from when it was made.
  if (known === undefined) return { aliveMs: ready === undefined ? timeMs(node.metadata.creationTimestamp) : nowMs, heartbeat: ready?.lastHeartbeatTime, renewTime }
  const alive = known.heartbeat !== ready?.lastHeartbeatTime || (renewTime !== undefined && renewTime !== known.renewTime)
  return { aliveMs: alive ? nowMs : known.aliveMs, heartbeat: ready?.lastHeartbeatTime, renewTime: renewTime ?? known.renewTime }
}

/** The conditions of a node that gives no sign of life: all that the kubelet reports are unknown. Undefined when they say so already. */
export function unknownConditions(node: Node, nowMs: number): NodeCondition[] | undefined {
  let changed = false
  const conditions = [...(node.status?.conditions ?? [])]
  const lastTransitionTime = timeText(nowMs)
  for (const type of judged) {
    const at = conditions.findIndex((condition) => condition.type === type)
    const known = conditions[at]
    if (known?.status === 'Unknown') continue
    changed = true
    if (known === undefined) {
      conditions.push({ type, status: 'Unknown', reason: 'NodeStatusNeverUpdated', message: 'Kubelet never posted node status.', lastHeartbeatTime: node.metadata.creationTimestamp, lastTransitionTime })
    } else conditions[at] = { ...known, status: 'Unknown', reason: 'NodeStatusUnknown', message: 'Kubelet stopped posting node status.', lastTransitionTime }
  }
  return changed ? conditions : undefined
}

export const notReadyTaint = 'node.kubernetes.io/not-ready'
export const unreachableTaint = 'node.kubernetes.io/unreachable'

/** Which condition, with which status, keeps new pods away by which taint. */
const conditionTaints: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Ready: { False: notReadyTaint, Unknown: unreachableTaint },
  MemoryPressure: { True: 'node.kubernetes.io/memory-pressure' },
  DiskPressure: { True: 'node.kubernetes.io/disk-pressure' },
  PIDPressure: { True: 'node.kubernetes.io/pid-pressure' },
  NetworkUnavailable: { True: 'node.kubernetes.io/network-unavailable' },
}
const unschedulableTaint = 'node.kubernetes.io/unschedulable'
const ownKeys = new Set([unschedulableTaint, ...Object.values(conditionTaints).flatMap((byStatus) => Object.values(byStatus))])

/** The node's taints with the NoSchedule ones as its conditions ask; undefined when they are so already. */
export function withNoScheduleTaints(node: Node, nowMs: number): Taint[] | undefined {
  const wanted = new Set<string>(node.spec?.unschedulable === true ? [unschedulableTaint] : [])
  for (const { type, status } of node.status?.conditions ?? []) {
    const key = conditionTaints[type]?.[status]
    if (key !== undefined) wanted.add(key)
  }
  return adjusted(node.spec?.taints ?? [], 'NoSchedule', wanted, ownKeys, nowMs)
}

/** The node's taints with the NoExecute one that evicts (or none); undefined when they are so already. */
export function withNoExecuteTaint(node: Node, key: string | undefined, nowMs: number): Taint[] | undefined {
  return adjusted(node.spec?.taints ?? [], 'NoExecute', new Set(key === undefined ? [] : [key]), new Set([notReadyTaint, unreachableTaint]), nowMs)
}

function adjusted(taints: readonly Taint[], effect: string, wanted: ReadonlySet<string>, managed: ReadonlySet<string>, nowMs: number): Taint[] | undefined {
  const isManaged = (taint: Taint): boolean => taint.effect === effect && managed.has(taint.key)
  const kept = taints.filter((taint) => !isManaged(taint) || wanted.has(taint.key))
  const added = [...wanted].filter((key) => !kept.some((taint) => taint.key === key && taint.effect === effect))
  if (added.length === 0 && kept.length === taints.length) return undefined
  return [...kept, ...added.map((key): Taint => ({ key, effect, timeAdded: timeText(nowMs) }))]
}
