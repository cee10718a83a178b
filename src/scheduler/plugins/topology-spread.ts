import { matchesRequiredNodeAffinity } from '../../api/node-affinity.ts'
import { untoleratedTaint } from '../../api/tolerations.ts'
import type { Pod, TopologySpreadConstraint } from '../../api/types/core_v1.ts'
import type { LabelSelector } from '../../api/types/meta_v1.ts'
import { labelSelectorMatcher } from '../../machinery/labels.ts'
import { maxNodeScore, unresolvable, unschedulable, type ClusterView, type Plugin } from '../framework.ts'
import type { NodeInfo, PodInfo } from '../node-info.ts'

const hostname = 'kubernetes.io/hostname'
const zone = 'topology.kubernetes.io/zone'

interface Constraint {
  maxSkew: number
  topologyKey: string
  minDomains: number
  /** Names the selected pods of the namespace, for the tallies that nodes keep. */
  tallyKey: string
  matches(labels: Readonly<Record<string, string>> | undefined): boolean
  /** Whether the node's pods count at all (KEP-3094). */
  includes(node: NodeInfo): boolean
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
    tallyKey: `${pod.metadata.namespace}/${JSON.stringify(selector)}`, matches: labelSelectorMatcher(selector),
    includes: ({ node }) => ((each.nodeAffinityPolicy ?? 'Honor') === 'Ignore' || matchesRequiredNodeAffinity(pod.spec, node))
      && ((each.nodeTaintsPolicy ?? 'Ignore') === 'Ignore' || untoleratedTaint(node.spec.taints, pod.spec.tolerations, ['NoSchedule', 'NoExecute']) === undefined),
  }
}

function matchingPods(node: NodeInfo, namespace: string | undefined, constraint: Constraint): number {
  return node.tally(constraint.tallyKey, ({ metadata }) => metadata.namespace === namespace && metadata.deletionTimestamp === undefined && constraint.matches(metadata.labels))
}

function hasKeys(node: NodeInfo, constraints: readonly Constraint[]): boolean {
  return constraints.every((each) => node.node.metadata.labels?.[each.topologyKey] !== undefined)
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
      const value = node.node.metadata.labels?.[constraint.topologyKey] ?? ''
      counts[index]!.set(value, (counts[index]!.get(value) ?? 0) + matchingPods(node, info.pod.metadata.namespace, constraint))
    })
  }
  const lowest = constraints.map((constraint, index) => (counts[index]!.size < constraint.minDomains ? 0 : Math.min(...counts[index]!.values())))
  return { constraints, counts, lowest, matchesSelf: constraints.map((constraint) => constraint.matches(info.pod.metadata.labels)) }
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
        const value = node.node.metadata.labels?.[constraint.topologyKey]
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
        for (const node of nodes) if (!ignored.has(node.name)) domains.set(node.node.metadata.labels?.[constraint.topologyKey] ?? '', 0)
        // One domain for all nodes tells none from another.
        if (domains.size < 2) return
        for (const node of view.nodes) {
          const value = node.node.metadata.labels?.[constraint.topologyKey] ?? ''
          const known = domains.get(value)
          if (known !== undefined && (!own || hasKeys(node, constraints)) && constraint.includes(node)) domains.set(value, known + matchingPods(node, info.pod.metadata.namespace, constraint))
        }
      })
      const weights = counts.map((domains) => Math.log((domains === undefined ? nodes.length - ignored.size : domains.size) + 2))
      state.set('PodTopologySpreadScore', { constraints, counts, weights, ignored } satisfies ScoreState)
      return undefined
    },
    score(state, info, node) {
      const { constraints, counts, weights, ignored } = state.get('PodTopologySpreadScore') as ScoreState
      if (ignored.has(node.name)) return 0
      let sum = 0
      for (let index = 0; index < constraints.length; index++) {
        const constraint = constraints[index]!
        const value = node.node.metadata.labels?.[constraint.topologyKey]
        if (value === undefined) continue
        const domains = counts[index]
        const pods = domains === undefined ? matchingPods(node, info.pod.metadata.namespace, constraint) : domains.get(value) ?? 0
        sum += pods * weights[index]! + (constraint.maxSkew - 1)
      }
      return Math.round(sum)
    },
    normalize(state, _info, scores, nodes) {
      const { ignored } = state.get('PodTopologySpreadScore') as ScoreState
      const counted = scores.filter((_, index) => !ignored.has(nodes[index]!.name))
      const min = Math.min(...counted)
      const max = Math.max(...counted)
      for (let i = 0; i < scores.length; i++) {
        if (ignored.has(nodes[i]!.name)) scores[i] = 0
        else scores[i] = max === 0 ? maxNodeScore : Math.trunc((maxNodeScore * (max + min - scores[i]!)) / max)
      }
    },
  }
}
