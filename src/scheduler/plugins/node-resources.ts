import { amountsOf } from '../../api/pod-resources.ts'
import type { Node, Pod } from '../../api/types/core_v1.ts'
import { maxNodeScore, unresolvable, unschedulable, type Plugin, type Refusal } from '../framework.ts'
import type { NodeInfo, PodInfo } from '../node-info.ts'

const tooManyPods = unschedulable('Too many pods')
const insufficient = new Map<string, Refusal>()

function insufficientOf(resources: readonly string[], resolvable: boolean): Refusal {
  const key = `${resolvable}/${resources.join()}`
  let refusal = insufficient.get(key)
  if (refusal === undefined) {
    const reasons = resources.map((resource) => `Insufficient ${resource}`)
    insufficient.set(key, refusal = resolvable ? unschedulable(...reasons) : unresolvable(...reasons))
  }
  return refusal
}

function room(node: NodeInfo, resource: string): number {
  return (node.allocatable.get(resource) ?? 0) - (node.requested.get(resource) ?? 0)
}

function fits(info: PodInfo, node: NodeInfo): Refusal | undefined {
  const allowed = node.allocatable.get('pods')
  if (allowed !== undefined && node.pods.size + 1 > allowed) return tooManyPods
  let lacking: string[] | undefined
  let resolvable = true
  for (const [resource, amount] of info.requests) {
    if (amount === 0 || amount <= room(node, resource)) continue
    lacking = [...(lacking ?? []), resource]
    if (amount > (node.allocatable.get(resource) ?? 0)) resolvable = false
  }
  return lacking === undefined ? undefined : insufficientOf(lacking, resolvable)
}

function requestsText({ requests }: PodInfo): string {
  let text = ''
  for (const [resource, amount] of requests) text += `${resource}=${amount} `
  return text
}

function scoreLeft(used: number, capacity: number): number {
  return capacity === 0 || used > capacity ? 0 : Math.trunc(((capacity - used) * maxNodeScore) / capacity)
}

function share(requested: number, capacity: number): number {
  return capacity === 0 ? 1 : Math.min(requested / capacity, 1)
}

/** Requests against what is left; nodes that would have more left over (CPU and memory) score higher. */
export const nodeResourcesFit: Plugin = {
  name: 'NodeResourcesFit',
  events: [{ resource: 'Pod', action: 'delete' }, { resource: 'Pod', action: 'update' }, { resource: 'Node', action: 'add' }, { resource: 'Node', action: 'update' }],
  mayHelp(info, event, object) {
    if (object === undefined) return true
    if (event.resource === 'Pod') return ((object as Pod).spec.nodeName ?? '') !== ''
    // A node that is too small when empty does not help.
    const allocatable = amountsOf((object as Node).status?.allocatable)
    for (const [resource, amount] of info.requests) if (amount > (allocatable.get(resource) ?? 0)) return false
    return true
  },
  sign: (info) => `${info.scoredMilliCpu} ${info.scoredMemoryBytes} ${requestsText(info)}`,
  filter: (_state, info, node) => fits(info, node),
  score(_state, info, node) {
    const { allocatableMilliCpu: cpu, allocatableMemoryBytes: memory } = node
    const kinds = (cpu > 0 ? 1 : 0) + (memory > 0 ? 1 : 0)
    if (kinds === 0) return 0
    return Math.trunc((scoreLeft(node.scoredMilliCpu + info.scoredMilliCpu, cpu) + scoreLeft(node.scoredMemoryBytes + info.scoredMemoryBytes, memory)) / kinds)
  },
}

/** Of two shares the standard deviation is half their difference. */
function spread(node: NodeInfo, milliCpu: number, bytes: number): number {
  return Math.abs(share(node.requestedMilliCpu + milliCpu, node.allocatableMilliCpu) - share(node.requestedMemoryBytes + bytes, node.allocatableMemoryBytes)) / 2
}

/** Prefers nodes where the pod brings the shares of CPU and memory in use closer together. */
export const nodeResourcesBalancedAllocation: Plugin = {
  name: 'NodeResourcesBalancedAllocation',
  sign: requestsText,
  preScore: (_state, info) => ((info.requests.get('cpu') ?? 0) === 0 && (info.requests.get('memory') ?? 0) === 0 ? 'skip' : undefined),
  score(_state, info, node) {
    const withPod = 1 - spread(node, info.requests.get('cpu') ?? 0, info.requests.get('memory') ?? 0)
    const without = 1 - spread(node, 0, 0)
    return Math.trunc((maxNodeScore / 2) * (1 + Math.min(Math.max(withPod - without, -1), 1)))
  },
}
