import { amountsOf, podRequests, type ResourceAmounts } from '../api/pod-resources.ts'
import type { Node, Pod, PodAffinityTerm, Taint, WeightedPodAffinityTerm } from '../api/types/core_v1.ts'
import { labelSelectorMatcher } from '../machinery/labels.ts'
import { keyOf } from '../machinery/object.ts'

/** An affinity term, its selectors ready to match. */
export interface AffinityTerm {
  readonly topologyKey: string
  readonly weight: number
  /** Whether the term is about `pod`; `namespaceLabels` are those of the pod's namespace. */
  selects(pod: Pod, namespaceLabels: Readonly<Record<string, string>> | undefined): boolean
}

export interface HostPort { ip: string; protocol: string; port: number }

/** A pod with everything that scheduling asks of it worked out once. */
export interface PodInfo {
  readonly pod: Pod
  readonly key: string
  readonly priority: number
  readonly requests: ResourceAmounts
  /** CPU (milli) and memory (bytes) for scoring: pods that ask for nothing count as 100m and 200 MiB, as upstream. */
  readonly scoredMilliCpu: number
  readonly scoredMemoryBytes: number
  readonly hostPorts: readonly HostPort[]
  readonly requiredAffinity: readonly AffinityTerm[]
  readonly requiredAntiAffinity: readonly AffinityTerm[]
  readonly preferredAffinity: readonly AffinityTerm[]
  readonly preferredAntiAffinity: readonly AffinityTerm[]
}

const defaultMilliCpu = 100
const defaultMemoryBytes = 200 * 1024 * 1024

function affinityTerm(owner: Pod, term: PodAffinityTerm, weight: number): AffinityTerm {
  const matches = labelSelectorMatcher(withLabelKeys(owner, term))
  const names = new Set(term.namespaces ?? [])
  const byLabels = term.namespaceSelector === undefined ? undefined : labelSelectorMatcher(term.namespaceSelector)
  if (names.size === 0 && byLabels === undefined) names.add(owner.metadata.namespace ?? '')
  return {
    topologyKey: term.topologyKey, weight,
    selects: (pod, namespaceLabels) => (names.has(pod.metadata.namespace ?? '') || byLabels?.(namespaceLabels) === true) && matches(pod.metadata.labels),
  }
}

/** `matchLabelKeys` and `mismatchLabelKeys` (KEP-3633) stand for the owner's own label values. */
function withLabelKeys(owner: Pod, term: PodAffinityTerm): PodAffinityTerm['labelSelector'] {
  if (term.labelSelector === undefined) return undefined
  const expressions = [...(term.labelSelector.matchExpressions ?? [])]
  for (const [operator, keys] of [['In', term.matchLabelKeys], ['NotIn', term.mismatchLabelKeys]] as const) {
    for (const key of keys ?? []) {
      const value = owner.metadata.labels?.[key]
      if (value !== undefined && !expressions.some((each) => each.key === key && each.operator === operator)) expressions.push({ key, operator, values: [value] })
    }
  }
  return { ...term.labelSelector, matchExpressions: expressions }
}

function hostPortsOf(pod: Pod): HostPort[] {
  const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? []).filter((each) => each.restartPolicy === 'Always')]
  return containers.flatMap((container) => container.ports ?? [])
    .filter((port) => (port.hostPort ?? 0) > 0)
    .map((port) => ({ ip: port.hostIP === undefined || port.hostIP === '' ? '0.0.0.0' : port.hostIP, protocol: port.protocol ?? 'TCP', port: port.hostPort ?? 0 }))
}

export function podInfoOf(pod: Pod): PodInfo {
  const requests = podRequests(pod.spec)
  const affinity = pod.spec.affinity
  const required = (terms: readonly PodAffinityTerm[] | undefined): AffinityTerm[] => (terms ?? []).map((term) => affinityTerm(pod, term, 0))
  const preferred = (terms: readonly WeightedPodAffinityTerm[] | undefined): AffinityTerm[] => (terms ?? []).map((each) => affinityTerm(pod, each.podAffinityTerm, each.weight))
  const scored = (resource: string, fallback: number): number => {
    const asked = requests.get(resource)
    return asked === undefined || asked === 0 ? fallback * pod.spec.containers.length : asked
  }
  return {
    pod, key: keyOf(pod), priority: pod.spec.priority ?? 0, requests,
    scoredMilliCpu: scored('cpu', defaultMilliCpu), scoredMemoryBytes: scored('memory', defaultMemoryBytes),
    hostPorts: hostPortsOf(pod),
    requiredAffinity: required(affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
    requiredAntiAffinity: required(affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
    preferredAffinity: preferred(affinity?.podAffinity?.preferredDuringSchedulingIgnoredDuringExecution),
    preferredAntiAffinity: preferred(affinity?.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution),
  }
}

export function hasAffinity(info: PodInfo): boolean {
  return info.requiredAffinity.length + info.preferredAffinity.length + info.requiredAntiAffinity.length + info.preferredAntiAffinity.length > 0
}

const hostnameLabel = 'kubernetes.io/hostname'
const zoneLabel = 'topology.kubernetes.io/zone'

let lastVersion = 0

/** Something worked out for each node, which holds until the node or its pods change. */
export class PerNode<T> {
  readonly #versions: number[] = []
  readonly #values: T[] = []

  get(node: NodeInfo): T | undefined {
    return this.#versions[node.slot] === node.version ? this.#values[node.slot] : undefined
  }

  set(node: NodeInfo, value: T): T {
    // Without holes, which would make each look slower.
    for (let at = this.#versions.length; at < node.slot; at++) {
      this.#versions.push(0)
      this.#values.push(value)
    }
    this.#versions[node.slot] = node.version
    this.#values[node.slot] = value
    return value
  }
}

/** A node and the sums over its pods, kept as pods come and go. */
export class NodeInfo {
  readonly name: string
  /** A small number that no other node has at the time. */
  readonly slot: number
  /** Another one, of all nodes, after each change. */
  version = ++lastVersion
  node: Node
  readonly pods = new Map<string, PodInfo>()
  readonly requested: ResourceAmounts = new Map()
  allocatable: ResourceAmounts
  scoredMilliCpu = 0
  scoredMemoryBytes = 0
  /** Bytes of the images on the node, by each of their names. */
  imageSizes = new Map<string, number>()
  affinityPodCount = 0
  antiAffinityPodCount = 0
  // What is asked of every node in every cycle, as plain fields.
  unschedulable = false
  taints: readonly Taint[] | undefined
  allocatableMilliCpu = 0
  allocatableMemoryBytes = 0
  requestedMilliCpu = 0
  requestedMemoryBytes = 0
  #hostname: string | undefined
  #zone: string | undefined

  constructor(node: Node, slot: number) {
    this.name = node.metadata.name ?? ''
    this.slot = slot
    this.node = node
    this.allocatable = new Map()
    this.setNode(node)
  }

  setNode(node: Node): void {
    this.node = node
    this.unschedulable = node.spec.unschedulable === true
    this.taints = (node.spec.taints ?? []).length === 0 ? undefined : node.spec.taints
    this.allocatable = amountsOf(node.status?.allocatable)
    this.allocatableMilliCpu = this.allocatable.get('cpu') ?? 0
    this.allocatableMemoryBytes = this.allocatable.get('memory') ?? 0
    this.imageSizes = new Map()
    for (const image of node.status?.images ?? []) for (const name of image.names ?? []) this.imageSizes.set(name, image.sizeBytes ?? 0)
    this.#hostname = node.metadata.labels?.[hostnameLabel]
    this.#zone = node.metadata.labels?.[zoneLabel]
    this.version = ++lastVersion
  }

  /** Where the node stands in a topology: the value of its label. */
  domain(topologyKey: string): string | undefined {
    return topologyKey === hostnameLabel ? this.#hostname : topologyKey === zoneLabel ? this.#zone : this.node.metadata.labels?.[topologyKey]
  }

  add(info: PodInfo): void {
    if (this.pods.has(info.key)) this.remove(info.key)
    this.pods.set(info.key, info)
    this.#count(info, 1)
  }

  remove(key: string): void {
    const info = this.pods.get(key)
    if (info === undefined) return
    this.pods.delete(key)
    this.#count(info, -1)
  }

  /** A pod of the node under another state that asks for the same. */
  replace(info: PodInfo): void {
    this.pods.set(info.key, info)
  }

  /** Whether a pod on the node already listens on a port that clashes with `wanted` (0.0.0.0 clashes with every address). */
  portTaken(wanted: HostPort): boolean {
    for (const info of this.pods.values()) {
      for (const used of info.hostPorts) {
        if (used.port === wanted.port && used.protocol === wanted.protocol && (used.ip === wanted.ip || used.ip === '0.0.0.0' || wanted.ip === '0.0.0.0')) return true
      }
    }
    return false
  }

  #count(info: PodInfo, sign: 1 | -1): void {
    for (const [resource, amount] of info.requests) this.requested.set(resource, (this.requested.get(resource) ?? 0) + sign * amount)
    this.version = ++lastVersion
    this.requestedMilliCpu += sign * (info.requests.get('cpu') ?? 0)
    this.requestedMemoryBytes += sign * (info.requests.get('memory') ?? 0)
    this.scoredMilliCpu += sign * info.scoredMilliCpu
    this.scoredMemoryBytes += sign * info.scoredMemoryBytes
    if (hasAffinity(info)) this.affinityPodCount += sign
    if (info.requiredAntiAffinity.length > 0) this.antiAffinityPodCount += sign
  }
}
