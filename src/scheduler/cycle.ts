import type { ClusterView, CycleState, Plugin, Refusal } from './framework.ts'
import { maxNodeScore } from './framework.ts'
import { PerNode, type NodeInfo, type PodInfo } from './node-info.ts'

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

/** What is left of the filters after preFilter, and the nodes they are to look at. */
export interface Prepared {
  /** Those whose answers are remembered by the pod's signature; they come before the others. */
  signed: readonly Plugin[]
  others: readonly Plugin[]
  only: ReadonlySet<string> | undefined
}

/** What nodes answer to pods of one signature. */
class Answers {
  /** Of the filters that sign pods; `null` where none refuses. */
  readonly refusals = new PerNode<Refusal | null>()
  readonly #scores = new Map<Plugin, PerNode<number>>()

  /** Scores by a plugin that signs pods. */
  scoresBy(plugin: Plugin): PerNode<number> {
    let scores = this.#scores.get(plugin)
    if (scores === undefined) this.#scores.set(plugin, (scores = new PerNode()))
    return scores
  }
}

/** Each holds some numbers a node. */
const maxSignatures = 100

/** The plugins that take part in each step, and where the last search for nodes stopped. */
export class SchedulingCycle {
  readonly #plugins: readonly Plugin[]
  readonly #signing: readonly Plugin[]
  /** The filters that may be asked before all others without changing whose refusal comes first. */
  readonly #signedFilters: ReadonlySet<Plugin>
  readonly #answers = new Map<string, Answers>()
  readonly #random: { int(below: number): number }
  #nextStart = 0

  constructor(plugins: readonly Plugin[], random: { int(below: number): number }) {
    this.#plugins = plugins
    this.#signing = plugins.filter((plugin) => plugin.sign !== undefined)
    const filters = plugins.filter((plugin) => plugin.filter !== undefined)
    const firstUnsigned = filters.findIndex((plugin) => plugin.sign === undefined)
    this.#signedFilters = new Set(firstUnsigned < 0 ? filters : filters.slice(0, firstUnsigned))
    this.#random = random
  }

  #answersTo(info: PodInfo): Answers {
    let signature = ''
    for (const plugin of this.#signing) signature += `${plugin.sign!(info)}\n`
    let answers = this.#answers.get(signature)
    if (answers === undefined) {
      if (this.#answers.size >= maxSignatures) this.#answers.clear()
      this.#answers.set(signature, (answers = new Answers()))
    }
    return answers
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
    if (nominated !== undefined && this.#filterWithNominated(state, info, nominated, prepared, view) === undefined) return { node: nominated.name, feasible: 1 }
    const answers = this.#answersTo(info)
    const { feasible, refusals } = this.#findFeasible(state, info, view, prepared, answers)
    if (feasible.length === 0) {
      const refusedBy = new Set<string>()
      for (const refusal of refusals.values()) refusedBy.add(refusal.plugin ?? '')
      return { node: undefined, refusals, refusedBy, message: fitMessage(total, refusals) }
    }
    if (feasible.length === 1) return { node: feasible[0]!.name, feasible: 1 }
    return { node: this.#best(state, info, feasible, view, answers).name, feasible: feasible.length }
  }

  /** Runs the preFilter step; the filters that are left to run, and the nodes they are to look at, or a refusal for all nodes. */
  prepare(state: CycleState, info: PodInfo, view: ClusterView): Prepared | { refusal: Refusal } {
    const signed: Plugin[] = []
    const others: Plugin[] = []
    let only: Set<string> | undefined
    for (const plugin of this.#plugins) {
      const answer = plugin.preFilter?.(state, info, view)
      if (answer === 'skip') continue
      if (plugin.filter !== undefined) (this.#signedFilters.has(plugin) ? signed : others).push(plugin)
      if (answer === undefined) continue
      if ('code' in answer) return { refusal: { ...answer, plugin: plugin.name } }
      only = only === undefined ? new Set(answer) : only.intersection(answer)
    }
    return { signed, others, only }
  }

  /** The first refusal of a node by any filter. */
  filter(state: CycleState, info: PodInfo, node: NodeInfo, prepared: Prepared, answers?: Answers): Refusal | undefined {
    if (prepared.only !== undefined && !prepared.only.has(node.name)) return { code: 'unresolvable', reasons: ["node(s) didn't satisfy plugin(s) [NodeAffinity]"], plugin: 'NodeAffinity' }
    let refusal = answers?.refusals.get(node)
    if (refusal === undefined) {
      refusal = refusalBy(prepared.signed, state, info, node) ?? null
      answers?.refusals.set(node, refusal)
    }
    return refusal ?? refusalBy(prepared.others, state, info, node)
  }

  /** As `filter`, and the pod must also fit beside the nominated pods that come before it. */
  #filterWithNominated(state: CycleState, info: PodInfo, node: NodeInfo, prepared: Prepared, view: ClusterView, answers?: Answers): Refusal | undefined {
    const nominated = view.nominatedOn(node.name)
    if (nominated.length > 0) {
      const before = nominated.filter((other) => other.priority >= info.priority && other.key !== info.key && !node.pods.has(other.key))
      for (const other of before) node.add(other)
      const beside = new Map<string, unknown>()
      const again = this.prepare(beside, info, view)
      const refusal = 'refusal' in again ? again.refusal : this.filter(beside, info, node, again)
      for (const other of before) node.remove(other.key)
      if (refusal !== undefined) return refusal
    }
    return this.filter(state, info, node, prepared, answers)
  }

  #findFeasible(state: CycleState, info: PodInfo, view: ClusterView, prepared: Prepared, answers: Answers): { feasible: NodeInfo[]; refusals: Map<string, Refusal> } {
    const { nodes } = view
    const wanted = feasibleNodesWanted(nodes.length)
    const feasible: NodeInfo[] = []
    const refusals = new Map<string, Refusal>()
    let at = this.#nextStart % nodes.length
    for (let looked = 0; looked < nodes.length && feasible.length < wanted; looked++) {
      const node = nodes[at]!
      at = at + 1 === nodes.length ? 0 : at + 1
      const refusal = this.#filterWithNominated(state, info, node, prepared, view, answers)
      if (refusal === undefined) feasible.push(node)
      else refusals.set(node.name, refusal)
    }
    this.#nextStart = at
    return { feasible, refusals }
  }

  #best(state: CycleState, info: PodInfo, nodes: readonly NodeInfo[], view: ClusterView, answers: Answers): NodeInfo {
    const totals = new Float64Array(nodes.length)
    for (const plugin of this.#plugins) {
      if ((plugin.score ?? plugin.scoreAll) === undefined || plugin.preScore?.(state, info, nodes, view) === 'skip') continue
      const scores = plugin.scoreAll?.(state, info, nodes) ?? this.#scoresBy(plugin, state, info, nodes, answers)
      plugin.normalize?.(state, info, scores, nodes)
      const weight = plugin.weight ?? 1
      for (let i = 0; i < scores.length; i++) {
        const score = scores[i]!
        if (!(score >= 0 && score <= maxNodeScore)) throw new Error(`plugin ${plugin.name} gave node ${nodes[i]!.name} the score ${score}; it must be within 0 and ${maxNodeScore}`)
        totals[i] = totals[i]! + weight * score
      }
    }
    return nodes[this.#drawHighest(totals)]!
  }

  #scoresBy(plugin: Plugin, state: CycleState, info: PodInfo, nodes: readonly NodeInfo[], answers: Answers): Float64Array {
    const scores = new Float64Array(nodes.length)
    const known = plugin.sign === undefined ? undefined : answers.scoresBy(plugin)
    for (let i = 0; i < nodes.length; i++) {
      const node = nodes[i]!
      let score = known?.get(node)
      if (score === undefined) {
        score = plugin.score!(state, info, node)
        known?.set(node, score)
      }
      scores[i] = score
    }
    return scores
  }

  /** The index of the highest; of several one is drawn at random. */
  #drawHighest(totals: Float64Array): number {
    let best = 0
    let ties = 1
    for (let i = 1; i < totals.length; i++) {
      if (totals[i]! > totals[best]!) {
        best = i
        ties = 1
      } else if (totals[i] === totals[best]) ties++
    }
    const highest = totals[best]
    for (let left = ties === 1 ? 0 : this.#random.int(ties); left > 0;) if (totals[++best] === highest) left--
    return best
  }
}

function refusalBy(filters: readonly Plugin[], state: CycleState, info: PodInfo, node: NodeInfo): Refusal | undefined {
  for (const plugin of filters) {
    const refusal = plugin.filter!(state, info, node)
    if (refusal !== undefined) return { code: refusal.code, reasons: refusal.reasons, plugin: plugin.name }
  }
  return undefined
}
