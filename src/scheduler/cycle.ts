import type { ClusterView, CycleState, Plugin, Refusal } from './framework.ts'
import { maxNodeScore } from './framework.ts'
import type { NodeInfo, PodInfo } from './node-info.ts'

/** Where a pod goes, or why nowhere. `refusals` holds a reason for each node that was looked at. */
export type CycleResult =
  | { node: string; feasible: number }
  | { node: undefined; refusals: Map<string, Refusal>; refusedBy: Set<string>; message: string }

/** Nodes to find before scoring: all of up to 100, else 50 % shrinking to 5 % as clusters grow (upstream's percentageOfNodesToScore = 0). */
export function feasibleNodesWanted(nodeCount: number): number {
  if (nodeCount < 100) return nodeCount
  const percent = Math.max(50 - Math.trunc(nodeCount / 125), 5)
  return Math.max(Math.trunc((nodeCount * percent) / 100), 100)
}

/** `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.`, as upstream's FitError. */
export function fitMessage(nodeCount: number, refusals: ReadonlyMap<string, Refusal>, more = ''): string {
  const counts = new Map<string, number>()
  for (const refusal of refusals.values()) for (const reason of refusal.reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  const reasons = [...counts].map(([reason, count]) => `${count} ${reason}`).sort()
  const head = `0/${nodeCount} nodes are available`
  return `${head}${reasons.length === 0 ? '' : `: ${reasons.join(', ')}`}.${more === '' ? '' : ` ${more}`}`
}

/** The plugins that take part in each step, and where the last search for nodes stopped. */
export class SchedulingCycle {
  readonly #plugins: readonly Plugin[]
  readonly #random: { int(below: number): number }
  #nextStart = 0

  constructor(plugins: readonly Plugin[], random: { int(below: number): number }) {
    this.#plugins = plugins
    this.#random = random
  }

  /** Finds the best node for one pod. Synchronous: nothing in `view` changes meanwhile. */
  run(state: CycleState, info: PodInfo, view: ClusterView): CycleResult {
    const total = view.nodes.length
    if (total === 0) return { node: undefined, refusals: new Map(), refusedBy: new Set(), message: 'no nodes available to schedule pods' }
    const prepared = this.prepare(state, info, view)
    if ('refusal' in prepared) {
      const { refusal } = prepared
      const refusals = new Map(view.nodes.map((node) => [node.name, refusal]))
      return { node: undefined, refusals, refusedBy: new Set([refusal.plugin ?? '']), message: `0/${total} nodes are available: ${refusal.reasons.join(', ')}.` }
    }
    const nominated = view.node(info.pod.status?.nominatedNodeName ?? '')
    if (nominated !== undefined && this.filterWithNominated(state, info, nominated, prepared, view) === undefined) return { node: nominated.name, feasible: 1 }
    const { feasible, refusals } = this.#findFeasible(state, info, view, prepared)
    if (feasible.length === 0) {
      const refusedBy = new Set<string>()
      for (const refusal of refusals.values()) refusedBy.add(refusal.plugin ?? '')
      return { node: undefined, refusals, refusedBy, message: fitMessage(total, refusals) }
    }
    if (feasible.length === 1) return { node: feasible[0]!.name, feasible: 1 }
    return { node: this.#best(state, info, feasible, view).name, feasible: feasible.length }
  }

  /** Runs the preFilter step; the filters that are left to run, and the nodes they are to look at, or a refusal for all nodes. */
  prepare(state: CycleState, info: PodInfo, view: ClusterView): { filters: readonly Plugin[]; only: ReadonlySet<string> | undefined } | { refusal: Refusal } {
    const skipped = new Set<Plugin>()
    let only: Set<string> | undefined
    for (const plugin of this.#plugins) {
      const answer = plugin.preFilter?.(state, info, view)
      if (answer === undefined) continue
      if (answer === 'skip') skipped.add(plugin)
      else if ('code' in answer) return { refusal: { ...answer, plugin: plugin.name } }
      else only = only === undefined ? new Set(answer) : only.intersection(answer)
    }
    return { filters: this.#plugins.filter((plugin) => plugin.filter !== undefined && !skipped.has(plugin)), only }
  }

  /** The first refusal of a node by any filter. */
  filter(state: CycleState, info: PodInfo, node: NodeInfo, prepared: { filters: readonly Plugin[]; only: ReadonlySet<string> | undefined }): Refusal | undefined {
    if (prepared.only !== undefined && !prepared.only.has(node.name)) return { code: 'unresolvable', reasons: ["node(s) didn't satisfy plugin(s) [NodeAffinity]"], plugin: 'NodeAffinity' }
    for (const plugin of prepared.filters) {
      const refusal = plugin.filter!(state, info, node)
      if (refusal !== undefined) return { code: refusal.code, reasons: refusal.reasons, plugin: plugin.name }
    }
    return undefined
  }

  /** As `filter`, and the pod must also fit beside the nominated pods that come before it. */
  filterWithNominated(state: CycleState, info: PodInfo, node: NodeInfo, prepared: { filters: readonly Plugin[]; only: ReadonlySet<string> | undefined }, view: ClusterView): Refusal | undefined {
    const before = view.nominatedOn(node.name).filter((other) => other.priority >= info.priority && other.key !== info.key && !node.pods.has(other.key))
    if (before.length > 0) {
      for (const other of before) node.add(other)
      const beside = new Map<string, unknown>()
      const again = this.prepare(beside, info, view)
      const refusal = 'refusal' in again ? again.refusal : this.filter(beside, info, node, again)
      for (const other of before) node.remove(other.key)
      if (refusal !== undefined) return refusal
    }
    return this.filter(state, info, node, prepared)
  }

  #findFeasible(state: CycleState, info: PodInfo, view: ClusterView, prepared: { filters: readonly Plugin[]; only: ReadonlySet<string> | undefined }): { feasible: NodeInfo[]; refusals: Map<string, Refusal> } {
    const { nodes } = view
    const wanted = feasibleNodesWanted(nodes.length)
    const feasible: NodeInfo[] = []
    const refusals = new Map<string, Refusal>()
    let looked = 0
    for (; looked < nodes.length && feasible.length < wanted; looked++) {
      const node = nodes[(this.#nextStart + looked) % nodes.length]!
      const refusal = this.filterWithNominated(state, info, node, prepared, view)
      if (refusal === undefined) feasible.push(node)
      else refusals.set(node.name, refusal)
    }
    this.#nextStart = (this.#nextStart + looked) % nodes.length
    return { feasible, refusals }
  }

  #best(state: CycleState, info: PodInfo, nodes: readonly NodeInfo[], view: ClusterView): NodeInfo {
    const totals = new Float64Array(nodes.length)
    for (const plugin of this.#plugins) {
      if (plugin.score === undefined || plugin.preScore?.(state, info, nodes, view) === 'skip') continue
      const scores = nodes.map((node) => plugin.score!(state, info, node))
      plugin.normalize?.(state, info, scores, nodes)
      const weight = plugin.weight ?? 1
      for (let i = 0; i < scores.length; i++) {
        const score = scores[i]!
        if (!(score >= 0 && score <= maxNodeScore)) throw new Error(`plugin ${plugin.name} gave node ${nodes[i]!.name} the score ${score}; it must be within 0 and ${maxNodeScore}`)
        totals[i] = totals[i]! + weight * score
      }
    }
    // Of several best nodes one is drawn at random (reservoir of one).
    let best = 0
    let ties = 1
    for (let i = 1; i < totals.length; i++) {
      if (totals[i]! > totals[best]!) {
        best = i
        ties = 1
      } else if (totals[i] === totals[best] && this.#random.int(++ties) === 0) best = i
    }
    return nodes[best]!
  }
}
