import { maxNodeScore, unresolvable, unschedulable, type ClusterView, type Plugin } from '../framework.ts'
import type { AffinityTerm, NodeInfo, PodInfo } from '../node-info.ts'

/** Pods counted by `topologyKey=value`. */
type TopologyCounts = Map<string, number>

function domainOf(node: NodeInfo, topologyKey: string): string | undefined {
  const value = node.node.metadata.labels?.[topologyKey]
  return value === undefined ? undefined : `${topologyKey}=${value}`
}

function count(counts: TopologyCounts, node: NodeInfo, term: AffinityTerm, by: number): void {
  const domain = domainOf(node, term.topologyKey)
  if (domain !== undefined) counts.set(domain, (counts.get(domain) ?? 0) + by)
}

interface FilterState {
  /** Domains where a pod stands whose anti-affinity refuses the new pod. */
  refusedBy: TopologyCounts
  /** Domains where a pod stands that matches all of the new pod's affinity terms. */
  wanted: TopologyCounts
  /** Domains where a pod stands that matches one of its anti-affinity terms. */
  avoided: TopologyCounts
  /** No pod anywhere matches the affinity terms, but the new pod matches its own: it may be the first. */
  mayBeFirst: boolean
}

function selectsAll(terms: readonly AffinityTerm[], other: PodInfo, view: ClusterView): boolean {
  const labels = view.namespaceLabels(other.pod.metadata.namespace ?? '')
  return terms.every((term) => term.selects(other.pod, labels))
}

function filterState(info: PodInfo, view: ClusterView): FilterState {
  const state: FilterState = { refusedBy: new Map(), wanted: new Map(), avoided: new Map(), mayBeFirst: false }
  const ownLabels = view.namespaceLabels(info.pod.metadata.namespace ?? '')
  for (const node of view.nodesWithAntiAffinityPods) {
    for (const other of node.pods.values()) for (const term of other.requiredAntiAffinity) if (term.selects(info.pod, ownLabels)) count(state.refusedBy, node, term, 1)
  }
  if (info.requiredAffinity.length + info.requiredAntiAffinity.length > 0) {
    for (const node of view.nodes) {
      for (const other of node.pods.values()) {
        if (info.requiredAffinity.length > 0 && selectsAll(info.requiredAffinity, other, view)) for (const term of info.requiredAffinity) count(state.wanted, node, term, 1)
        const labels = view.namespaceLabels(other.pod.metadata.namespace ?? '')
        for (const term of info.requiredAntiAffinity) if (term.selects(other.pod, labels)) count(state.avoided, node, term, 1)
      }
    }
    state.mayBeFirst = state.wanted.size === 0 && selectsAll(info.requiredAffinity, info, view)
  }
  return state
}

const affinityNotMet = unresolvable("node(s) didn't match pod affinity rules")
const antiAffinityNotMet = unschedulable("node(s) didn't match pod anti-affinity rules")
const refusedByOthers = unschedulable("node(s) didn't satisfy existing pods anti-affinity rules")

/** Weighs every domain by the preferred terms of the new pod and, the other way round, of the pods that stand there. */
function scoreDomains(info: PodInfo, view: ClusterView): TopologyCounts {
  const domains: TopologyCounts = new Map()
  const ownLabels = view.namespaceLabels(info.pod.metadata.namespace ?? '')
  const hasPreferences = info.preferredAffinity.length + info.preferredAntiAffinity.length > 0
  for (const node of hasPreferences ? view.nodes : view.nodesWithAffinityPods) {
    for (const other of node.pods.values()) {
      const labels = view.namespaceLabels(other.pod.metadata.namespace ?? '')
      for (const term of info.preferredAffinity) if (term.selects(other.pod, labels)) count(domains, node, term, term.weight)
      for (const term of info.preferredAntiAffinity) if (term.selects(other.pod, labels)) count(domains, node, term, -term.weight)
      // A pod that must be near others likes them near it: weight 1 (upstream's hardPodAffinityWeight).
      for (const term of other.requiredAffinity) if (term.selects(info.pod, ownLabels)) count(domains, node, term, 1)
      for (const term of other.preferredAffinity) if (term.selects(info.pod, ownLabels)) count(domains, node, term, term.weight)
      for (const term of other.preferredAntiAffinity) if (term.selects(info.pod, ownLabels)) count(domains, node, term, -term.weight)
    }
  }
  return domains
}

/** Affinity and anti-affinity between pods. */
export const interPodAffinity: Plugin = {
  name: 'InterPodAffinity',
  weight: 2,
  events: [{ resource: 'Pod', action: 'add' }, { resource: 'Pod', action: 'update' }, { resource: 'Pod', action: 'delete' }, { resource: 'Node', action: 'add' }, { resource: 'Node', action: 'update' }, { resource: 'Namespace', action: 'update' }],
  preFilter(state, info, view) {
    if (info.requiredAffinity.length + info.requiredAntiAffinity.length === 0 && view.nodesWithAntiAffinityPods.size === 0) return 'skip'
    state.set('InterPodAffinity', filterState(info, view))
    return undefined
  },
  filter(state, info, node) {
    const { refusedBy, wanted, avoided, mayBeFirst } = state.get('InterPodAffinity') as FilterState
    for (const term of info.requiredAffinity) {
      const domain = domainOf(node, term.topologyKey)
      if (domain === undefined || (!wanted.has(domain) && !mayBeFirst)) return affinityNotMet
    }
    for (const term of info.requiredAntiAffinity) if (avoided.has(domainOf(node, term.topologyKey) ?? '')) return antiAffinityNotMet
    for (const domain of refusedBy.keys()) {
      const equals = domain.indexOf('=')
      if (node.node.metadata.labels?.[domain.slice(0, equals)] === domain.slice(equals + 1)) return refusedByOthers
    }
    return undefined
  },
  preScore(state, info, _nodes, view) {
    if (info.preferredAffinity.length + info.preferredAntiAffinity.length === 0 && view.nodesWithAffinityPods.size === 0) return 'skip'
    const domains = scoreDomains(info, view)
    if (domains.size === 0) return 'skip'
    state.set('InterPodAffinityScore', domains)
    return undefined
  },
  score(state, _info, node) {
    let sum = 0
    for (const [domain, weight] of state.get('InterPodAffinityScore') as TopologyCounts) {
      const equals = domain.indexOf('=')
      if (node.node.metadata.labels?.[domain.slice(0, equals)] === domain.slice(equals + 1)) sum += weight
    }
    return sum
  },
  normalize(_state, _info, scores) {
    const min = Math.min(...scores)
    const max = Math.max(...scores)
    for (let i = 0; i < scores.length; i++) scores[i] = max === min ? 0 : Math.trunc((maxNodeScore * (scores[i]! - min)) / (max - min))
  },
}
