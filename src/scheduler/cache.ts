import type { Node, Pod } from '../api/types/core_v1.ts'
import { keyOf } from '../machinery/object.ts'
import type { ClusterView } from './framework.ts'
import { NodeInfo, podInfoOf, type PodInfo } from './node-info.ts'

interface Placement { node: string; info: PodInfo; /** Set by us before the API server said so. */ assumed: boolean }

/**
 * What the scheduler believes of the cluster.
 * 1. A pod counts on at most one node.
 * 2. An assumed pod counts until it is confirmed by a watch event, forgotten, or seen deleted; what the API server says wins.
 * 3. Pods may arrive before their node: they count as soon as it does, and still after it has gone, until they go themselves.
 * 4. The list of nodes goes round the zones, so that looking at some of them looks at all zones.
 */
export class SchedulerCache implements ClusterView {
  readonly #nodes = new Map<string, NodeInfo>()
  readonly #placements = new Map<string, Placement>()
  readonly #namespaceLabels: (namespace: string) => Readonly<Record<string, string>> | undefined
  #list: NodeInfo[] | undefined
  /** Slots of nodes that are gone, for those to come. */
  readonly #freeSlots: number[] = []
  readonly nodesWithAffinityPods = new Set<NodeInfo>()
  readonly nodesWithAntiAffinityPods = new Set<NodeInfo>()
  readonly #nominated = new Map<string, { node: string; info: PodInfo }>()

  constructor(namespaceLabels: (namespace: string) => Readonly<Record<string, string>> | undefined) {
    this.#namespaceLabels = namespaceLabels
  }

  get nodes(): readonly NodeInfo[] {
    this.#list ??= roundRobin([...this.#nodes.values()])
    return this.#list
  }

  node(name: string): NodeInfo | undefined {
    return this.#nodes.get(name)
  }

  namespaceLabels(namespace: string): Readonly<Record<string, string>> | undefined {
    return this.#namespaceLabels(namespace)
  }

  setNode(node: Node): void {
    const name = node.metadata.name ?? ''
    const known = this.#nodes.get(name)
    if (known !== undefined) {
      if (zoneOf(known.node) !== zoneOf(node)) this.#list = undefined
      return known.setNode(node)
    }
    const info = new NodeInfo(node, this.#freeSlots.pop() ?? this.#nodes.size)
    this.#nodes.set(name, info)
    this.#list = undefined
    for (const placement of this.#placements.values()) if (placement.node === name) this.#count(info, placement.info)
  }

  removeNode(name: string): void {
    const info = this.#nodes.get(name)
    if (info === undefined) return
    this.#nodes.delete(name)
    this.#freeSlots.push(info.slot)
    this.nodesWithAffinityPods.delete(info)
    this.nodesWithAntiAffinityPods.delete(info)
    this.#list = undefined
  }

  /** A bound pod as the API server has it. */
  setPod(pod: Pod): void {
    const node = pod.spec.nodeName ?? ''
    const key = keyOf(pod)
    const known = this.#placements.get(key)
    if (known !== undefined && known.node === node && asksTheSame(known.info.pod, pod)) {
      known.assumed = false
      if (known.info.pod === pod) return
      known.info = { ...known.info, pod }
      return this.#nodes.get(node)?.replace(known.info)
    }
    this.#place(podInfoOf(pod), node, false)
  }

  /** Counts a pod on a node that it is being bound to. */
  assume(info: PodInfo, node: string): void {
    this.#place(info, node, true)
  }

  /** Takes back an assumption; does nothing once the API server has confirmed it. */
  forget(key: string): void {
    if (this.#placements.get(key)?.assumed === true) this.removePod(key)
  }

  /** A pod for which room is being made on a node; '' takes the nomination back. */
  nominate(info: PodInfo, node: string): void {
    if (node === '') this.#nominated.delete(info.key)
    else this.#nominated.set(info.key, { node, info })
  }

  withdrawNomination(key: string): void {
    this.#nominated.delete(key)
  }

  nominatedOn(node: string): readonly PodInfo[] {
    if (this.#nominated.size === 0) return none
    return [...this.#nominated.values()].filter((each) => each.node === node).map((each) => each.info)
  }

  isAssumed(key: string): boolean {
    return this.#placements.get(key)?.assumed === true
  }

  removePod(key: string): void {
    const placement = this.#placements.get(key)
    if (placement === undefined) return
    this.#placements.delete(key)
    const info = this.#nodes.get(placement.node)
    if (info === undefined) return
    info.remove(key)
    this.#noteAffinity(info)
  }

  #place(info: PodInfo, node: string, assumed: boolean): void {
    this.removePod(info.key)
    this.#placements.set(info.key, { node, info, assumed })
    const target = this.#nodes.get(node)
    if (target !== undefined) this.#count(target, info)
  }

  #count(target: NodeInfo, info: PodInfo): void {
    target.add(info)
    this.#noteAffinity(target)
  }

  #noteAffinity(info: NodeInfo): void {
    if (info.affinityPodCount > 0) this.nodesWithAffinityPods.add(info)
    else this.nodesWithAffinityPods.delete(info)
    if (info.antiAffinityPodCount > 0) this.nodesWithAntiAffinityPods.add(info)
    else this.nodesWithAntiAffinityPods.delete(info)
  }
}

const none: readonly PodInfo[] = []

/** Whether two states of a pod mean the same to the node it is on: states made from one another share what did not change. */
function asksTheSame(a: Pod, b: Pod): boolean {
  if (a.metadata.labels !== b.metadata.labels || (a.metadata.deletionTimestamp === undefined) !== (b.metadata.deletionTimestamp === undefined)) return false
  const before = a.spec
  const after = b.spec
  return before === after || (before.containers === after.containers && before.initContainers === after.initContainers && before.resources === after.resources
    && before.overhead === after.overhead && before.affinity === after.affinity && before.priority === after.priority)
}

function zoneOf(node: Node): string {
  return node.metadata.labels?.['topology.kubernetes.io/zone'] ?? ''
}

function roundRobin(nodes: NodeInfo[]): NodeInfo[] {
  const zones = new Map<string, NodeInfo[]>()
  for (const info of nodes) {
    const zone = zoneOf(info.node)
    const members = zones.get(zone)
    if (members === undefined) zones.set(zone, [info])
    else members.push(info)
  }
  if (zones.size < 2) return nodes
  const lists = [...zones.values()]
  const longest = Math.max(...lists.map((list) => list.length))
  return Array.from({ length: longest }, (_, index) => lists.flatMap((list) => list[index] ?? [])).flat()
}
