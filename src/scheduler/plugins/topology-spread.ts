import { matchesRequiredNodeAffinity } from '../../api/node-affinity.ts'
import { untoleratedTaint } from '../../api/tolerations.ts'
import type { Pod, TopologySpreadConstraint } from '../../api/types/core_v1.ts'
import type { LabelSelector } from '../../api/types/meta_v1.ts'
import { labelSelectorMatcher } from '../../machinery/labels.ts'
import { maxNodeScore, unresolvable, unschedulable, type ClusterView, type Plugin } from '../framework.ts'
import { PerNode, type NodeInfo, type PodInfo } from '../node-info.ts'

const hostname = 'kubernetes.io/hostname'
const zone = 'topology.kubernetes.io/zone'

interface Constraint {
  maxSkew: number
  topologyKey: string
  minDomains: number
  selected: Selected
  /** Whether the node's pods count at all (KEP-3094). */
  includes(node: NodeInfo): boolean
}

/** The pods of a namespace that a selector selects, and how many of them there are on each node. */
interface Selected {
  matches(labels: Readonly<Record<string, string>> | undefined): boolean
  namespace: string | undefined
  counts: PerNode<number>
  /** The same for nodes that have a host name, and `nowhere` for others. */
  hostCounts: PerNode<number>
}

const nowhere = -1

const maxSelectors = 100
const selections = new Map<string, Selected>()

function selectedBy(selector: LabelSelector | undefined, namespace: string | undefined): Selected {
  const key = `${namespace}/${JSON.stringify(selector)}`
  let selected = selections.get(key)
  if (selected === undefined) {
    if (selections.size >= maxSelectors) selections.clear()
    selections.set(key, (selected = { matches: labelSelectorMatcher(selector), namespace, counts: new PerNode(), hostCounts: new PerNode() }))
  }
  return selected
}

function constraintOf(pod: Pod, each: TopologySpreadConstraint): Constraint {
  const expressions = [...(each.labelSelector?.matchExpressions ?? [])]
  for (const key of each.matchLabelKeys ?? []) {
    const value = pod.metadata.labels?.[key]
    if (value !== undefined && !expressions.some((known) => known.key === key && known.values?.[0] === value)) expressions.push({ key, operator: 'In', values: [value] })
  }
  const selector = each.labelSelector === undefined ? undefined : { ...each.labelSelector, matchExpressions: expressions }
  return {
    maxSkew: each.maxSkew, topologyKey: each.topologyKey, minDomains: each.minDomains ?? 1,
    selected: selectedBy(selector, pod.metadata.namespace),
    includes: ({ node }) => ((each.nodeAffinityPolicy ?? 'Honor') === 'Ignore' || matchesRequiredNodeAffinity(pod.spec, node))
      && ((each.nodeTaintsPolicy ?? 'Ignore') === 'Ignore' || untoleratedTaint(node.spec.taints, pod.spec.tolerations, ['NoSchedule', 'NoExecute']) === undefined),
  }
}

function matchingPods(node: NodeInfo, { matches, namespace, counts }: Selected): number {
  const known = counts.get(node)
  if (known !== undefined) return known
  let count = 0
  for (const { pod: { metadata } } of node.pods.values()) if (metadata.namespace === namespace && metadata.deletionTimestamp === undefined && matches(metadata.labels)) count++
  return counts.set(node, count)
}

function podsOnHost(node: NodeInfo, selected: Selected): number {
  return selected.hostCounts.get(node) ?? selected.hostCounts.set(node, node.domain(hostname) === undefined ? nowhere : matchingPods(node, selected))
}

function podsInDomain(node: NodeInfo, topologyKey: string, counts: ReadonlyMap<string, number>): number {
  const value = node.domain(topologyKey)
  return value === undefined ? nowhere : counts.get(value) ?? 0
}

function hasKeys(node: NodeInfo, constraints: readonly Constraint[]): boolean {
  return constraints.every((each) => node.domain(each.topologyKey) !== undefined)
}

interface FilterState { constraints: Constraint[]; counts: Array<Map<string, number>>; lowest: number[]; matchesSelf: boolean[] }

interface ScoreState { constraints: Constraint[]; counts: Array<Map<string, number> | undefined>; weights: number[]; ignored: Set<string> }

const missingLabel = unresolvable("node(s) didn't match pod topology spread constraints (missing required label)")
const skewed = unschedulable("node(s) didn't match pod topology spread constraints")

function filterState(info: PodInfo, view: ClusterView, constraints: Constraint[]): FilterState {
  const counts = constraints.map(() => new Map<string, number>())
  for (const node of view.nodes) {
    if (!hasKeys(node, constraints)) continue
    constraints.forEach((constraint, index) => {
      if (!constraint.includes(node)) return
      const value = node.domain(constraint.topologyKey) ?? ''
      counts[index]!.set(value, (counts[index]!.get(value) ?? 0) + matchingPods(node, constraint.selected))
    })
  }
  const lowest = constraints.map((constraint, index) => (counts[index]!.size < constraint.minDomains ? 0 : Math.min(...counts[index]!.values())))
  return { constraints, counts, lowest, matchesSelf: constraints.map((constraint) => constraint.selected.matches(info.pod.metadata.labels)) }
}

/**
 * Spreads the pods of a constraint over domains (KEP-895). Pods without constraints of their own get upstream's defaults for
 * scoring: over hosts (skew 3) and zones (skew 5), for the pods that their services and controller select (`selectorOf`).
 */
export function podTopologySpread(selectorOf: (pod: Pod) => LabelSelector | undefined): Plugin {
  const soft = (pod: Pod): { constraints: Constraint[]; own: boolean } => {
    const own = (pod.spec.topologySpreadConstraints ?? []).filter((each) => each.whenUnsatisfiable === 'ScheduleAnyway')
    if ((pod.spec.topologySpreadConstraints ?? []).length > 0) return { constraints: own.map((each) => constraintOf(pod, each)), own: true }
    const labelSelector = selectorOf(pod)
    if (labelSelector === undefined) return { constraints: [], own: false }
    const defaults: TopologySpreadConstraint[] = [{ maxSkew: 3, topologyKey: hostname, whenUnsatisfiable: 'ScheduleAnyway', labelSelector }, { maxSkew: 5, topologyKey: zone, whenUnsatisfiable: 'ScheduleAnyway', labelSelector }]
    return { constraints: defaults.map((each) => constraintOf(pod, each)), own: false }
  }
  return {
    name: 'PodTopologySpread',
    weight: 2,
    events: [{ resource: 'Pod', action: 'add' }, { resource: 'Pod', action: 'update' }, { resource: 'Pod', action: 'delete' }, { resource: 'Node', action: 'add' }, { resource: 'Node', action: 'update' }, { resource: 'Node', action: 'delete' }],
    preFilter(state, info, view) {
      const hard = (info.pod.spec.topologySpreadConstraints ?? []).filter((each) => each.whenUnsatisfiable === 'DoNotSchedule')
      if (hard.length === 0) return 'skip'
      state.set('PodTopologySpread', filterState(info, view, hard.map((each) => constraintOf(info.pod, each))))
      return undefined
    },
    filter(state, _info, node) {
      const { constraints, counts, lowest, matchesSelf } = state.get('PodTopologySpread') as FilterState
      for (const [index, constraint] of constraints.entries()) {
        const value = node.domain(constraint.topologyKey)
        if (value === undefined) return missingLabel
        if ((counts[index]!.get(value) ?? 0) + (matchesSelf[index]! ? 1 : 0) - lowest[index]! > constraint.maxSkew) return skewed
      }
      return undefined
    },
    preScore(state, info, nodes, view) {
      const { constraints, own } = soft(info.pod)
      if (constraints.length === 0) return 'skip'
      const ignored = new Set<string>()
      if (own) for (const node of nodes) if (!hasKeys(node, constraints)) ignored.add(node.name)
      const counts = constraints.map((constraint) => (constraint.topologyKey === hostname ? undefined : new Map<string, number>()))
      constraints.forEach((constraint, index) => {
        const domains = counts[index]
        if (domains === undefined) return
        let last: string | undefined
        for (const node of nodes) {
          const value = node.domain(constraint.topologyKey) ?? ''
          if (value !== last && !ignored.has(node.name)) domains.set((last = value), 0)
        }
        // One domain for all nodes tells none from another.
        if (domains.size < 2) return
        for (const node of view.nodes) {
          const value = node.domain(constraint.topologyKey) ?? ''
          const known = domains.get(value)
          if (known !== undefined && (!own || hasKeys(node, constraints)) && constraint.includes(node)) domains.set(value, known + matchingPods(node, constraint.selected))
        }
      })
      const weights = counts.map((domains) => Math.log((domains === undefined ? nodes.length - ignored.size : domains.size) + 2))
      state.set('PodTopologySpreadScore', { constraints, counts, weights, ignored } satisfies ScoreState)
      return undefined
    },
    scoreAll(state, _info, nodes) {
      const { constraints, counts, weights, ignored } = state.get('PodTopologySpreadScore') as ScoreState
      const sums = new Float64Array(nodes.length)
      for (const [index, { topologyKey, selected, maxSkew }] of constraints.entries()) {
        const domains = counts[index]
        if (domains?.size === 1 && domains.has('')) continue
        const weight = weights[index]!
        for (let i = 0; i < nodes.length; i++) {
          const pods = domains === undefined ? podsOnHost(nodes[i]!, selected) : podsInDomain(nodes[i]!, topologyKey, domains)
          if (pods >= 0) sums[i] = sums[i]! + pods * weight + (maxSkew - 1)
        }
      }
      for (let i = 0; i < sums.length; i++) sums[i] = ignored.size > 0 && ignored.has(nodes[i]!.name) ? 0 : Math.round(sums[i]!)
      return sums
    },
    normalize(state, _info, scores, nodes) {
      const { ignored } = state.get('PodTopologySpreadScore') as ScoreState
      const counts = (i: number): boolean => ignored.size === 0 || !ignored.has(nodes[i]!.name)
      let min = Infinity
      let max = -Infinity
      for (let i = 0; i < scores.length; i++) {
        if (!counts(i)) continue
        if (scores[i]! < min) min = scores[i]!
        if (scores[i]! > max) max = scores[i]!
      }
      for (let i = 0; i < scores.length; i++) {
        if (!counts(i)) scores[i] = 0
        else scores[i] = max === 0 ? maxNodeScore : Math.trunc((maxNodeScore * (max + min - scores[i]!)) / max)
      }
    },
  }
}
