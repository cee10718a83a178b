import { matchesNodeTerm, matchesRequiredNodeAffinity } from '../../api/node-affinity.ts'
import type { Node, Taint, Toleration } from '../../api/types/core_v1.ts'
import { tolerates, untoleratedTaint } from '../../api/tolerations.ts'
import { normalizeScores, unresolvable, unschedulable, type Plugin } from '../framework.ts'
import type { PodInfo } from '../node-info.ts'

const nodeChanges = [{ resource: 'Node', action: 'add' }, { resource: 'Node', action: 'update' }] as const

const wrongName = unresolvable("node(s) didn't match the requested node name")

/** `spec.nodeName` set on a pod that still is to be scheduled. */
export const nodeName: Plugin = {
  name: 'NodeName',
  events: nodeChanges,
  sign: ({ pod }) => pod.spec.nodeName ?? '',
  filter: (_state, { pod }, node) => ((pod.spec.nodeName ?? '') === '' || pod.spec.nodeName === node.name ? undefined : wrongName),
}

/** What stands in tolerations has no space. */
function tolerationsOf({ pod }: PodInfo): string {
  let text = ''
  for (const { key, operator, value, effect } of pod.spec.tolerations ?? []) text += `${key ?? ''} ${operator ?? ''} ${value ?? ''} ${effect ?? ''} `
  return text
}

const cordoned: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }
const wasCordoned = unresolvable('node(s) were unschedulable')

/** Cordoned nodes, unless the pod tolerates `node.kubernetes.io/unschedulable`. */
export const nodeUnschedulable: Plugin = {
  name: 'NodeUnschedulable',
  events: nodeChanges,
  sign: tolerationsOf,
  filter(_state, { pod }, { unschedulable }) {
    if (!unschedulable) return undefined
    return (pod.spec.tolerations ?? []).some((toleration) => tolerates(toleration, cordoned)) ? undefined : wasCordoned
  },
}

const untolerated = unresolvable('node(s) had untolerated taint(s)')

function softTolerations(tolerations: readonly Toleration[] | undefined): Toleration[] {
  return (tolerations ?? []).filter((each) => (each.effect ?? '') === '' || each.effect === 'PreferNoSchedule')
}

/** NoSchedule and NoExecute taints keep pods away; nodes with fewer untolerated PreferNoSchedule taints score higher. */
export const taintToleration: Plugin = {
  name: 'TaintToleration',
  weight: 3,
  events: nodeChanges,
  sign: tolerationsOf,
  mayHelp: (info, _event, object) => object === undefined || untoleratedTaint((object as Node).spec?.taints, info.pod.spec.tolerations, ['NoSchedule', 'NoExecute']) === undefined,
  filter(_state, { pod }, { taints }) {
    if (taints === undefined) return undefined
    return untoleratedTaint(taints, pod.spec.tolerations, ['NoSchedule', 'NoExecute']) === undefined ? undefined : untolerated
  },
  preScore: (_state, _info, nodes) => (nodes.some(({ taints }) => taints?.some((taint) => taint.effect === 'PreferNoSchedule') === true) ? undefined : 'skip'),
  score(_state, { pod }, { node }) {
    const soft = softTolerations(pod.spec.tolerations)
    return (node.spec.taints ?? []).filter((taint) => taint.effect === 'PreferNoSchedule' && !soft.some((each) => tolerates(each, taint))).length
  },
  normalize: (_state, _info, scores) => normalizeScores(scores, true),
}

const noAffinity = unresolvable("node(s) didn't match Pod's node affinity/selector")

/** `nodeSelector` and node affinity. */
export const nodeAffinity: Plugin = {
  name: 'NodeAffinity',
  weight: 2,
  events: nodeChanges,
  sign: ({ pod }) => (pod.spec.nodeSelector === undefined && pod.spec.affinity?.nodeAffinity === undefined ? '' : JSON.stringify([pod.spec.nodeSelector, pod.spec.affinity?.nodeAffinity])),
  mayHelp: (info, _event, object) => object === undefined || matchesRequiredNodeAffinity(info.pod.spec, object as Node),
  preFilter(_state, { pod }) {
    const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
    if (required === undefined) return pod.spec.nodeSelector === undefined ? 'skip' : undefined
    // Terms that each name their nodes (as a DaemonSet's do) spare looking at the rest.
    const names = new Set<string>()
    for (const term of required.nodeSelectorTerms) {
      const named = (term.matchFields ?? []).find((field) => field.key === 'metadata.name' && field.operator === 'In')
      if (named === undefined) return undefined
      for (const name of named.values ?? []) names.add(name)
    }
    return names
  },
  filter: (_state, { pod }, { node }) => (matchesRequiredNodeAffinity(pod.spec, node) ? undefined : noAffinity),
  preScore: (_state, { pod }) => ((pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).length === 0 ? 'skip' : undefined),
  score(_state, { pod }, { node }) {
    let sum = 0
    for (const { weight, preference } of pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []) if (matchesNodeTerm(preference, node)) sum += weight
    return sum
  },
  normalize: (_state, _info, scores) => normalizeScores(scores),
}

const portTaken = unschedulable("node(s) didn't have free ports for the requested pod ports")

/** Host ports. */
export const nodePorts: Plugin = {
  name: 'NodePorts',
  events: [{ resource: 'Node', action: 'add' }, { resource: 'Pod', action: 'delete' }],
  sign: ({ hostPorts }) => (hostPorts.length === 0 ? '' : JSON.stringify(hostPorts)),
  preFilter: (_state, info) => (info.hostPorts.length === 0 ? 'skip' : undefined),
  filter: (_state, info, node) => (info.hostPorts.some((port) => node.portTaken(port)) ? portTaken : undefined),
}

const megabyte = 1024 * 1024
const smallestImage = 23 * megabyte
const largestPerContainer = 1000 * megabyte

/** Nodes that have the pod's images score by their size, less where few nodes have them. */
export const imageLocality: Plugin = {
  name: 'ImageLocality',
  preScore(state, { pod }, _nodes, view) {
    const names = pod.spec.containers.map((container) => normalizedImage(container.image ?? ''))
    const having = names.map(() => 0)
    for (const { imageSizes } of view.nodes) {
      if (imageSizes.size > 0) for (let i = 0; i < names.length; i++) if (imageSizes.has(names[i]!)) having[i]!++
    }
    if (having.every((count) => count === 0)) return 'skip'
    const spread = having.map((count) => count / view.nodes.length)
    state.set('ImageLocality', { names, spread })
    return undefined
  },
  score(state, { pod }, node) {
    const { names, spread } = state.get('ImageLocality') as { names: string[]; spread: number[] }
    const sum = names.reduce((total, name, index) => total + Math.trunc((node.imageSizes.get(name) ?? 0) * spread[index]!), 0)
    const most = largestPerContainer * pod.spec.containers.length
    const bounded = Math.min(Math.max(sum, smallestImage), most)
    return Math.trunc((100 * (bounded - smallestImage)) / (most - smallestImage))
  },
}

function normalizedImage(name: string): string {
  return name.lastIndexOf(':') <= name.lastIndexOf('/') ? `${name}:latest` : name
}
