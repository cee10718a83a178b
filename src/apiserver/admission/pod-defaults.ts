import { podContainers } from '../../api/pod-references.ts'
import type { Node, Toleration } from '../../api/types/core_v1.ts'
import type { AdmissionPlugin } from '../context.ts'
import { admittedPod, isCore } from './refusal.ts'

const evictionTaints = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'] as const

export interface TolerationDefaults { notReadySeconds?: number; unreachableSeconds?: number }

function covers(toleration: Toleration, key: string): boolean {
  const effect = toleration.effect ?? ''
  return (toleration.key === key || (toleration.key ?? '') === '') && (effect === 'NoExecute' || effect === '')
}

/** Pods stay five minutes on a node that is not ready or out of reach, unless they say otherwise. */
export function defaultTolerationSeconds({ notReadySeconds = 300, unreachableSeconds = 300 }: TolerationDefaults = {}): AdmissionPlugin {
  const seconds = [notReadySeconds, unreachableSeconds]
  return {
    name: 'DefaultTolerationSeconds',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    resources: ['pods'],
    mutate(attributes) {
      const spec = admittedPod(attributes)?.spec
      if (spec === undefined) return
      const missing = evictionTaints.map((key, index) => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: seconds[index]! }))
        .filter(({ key }) => !(spec.tolerations ?? []).some((toleration) => covers(toleration, key)))
      if (missing.length > 0) spec.tolerations = [...(spec.tolerations ?? []), ...missing]
    },
  }
}

/** Every image is pulled anew, so that nobody runs a private image just because it lies on the node. Off by default. */
export const alwaysPullImages: AdmissionPlugin = {
  name: 'AlwaysPullImages',
  handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
  resources: ['pods'],
  mutate(attributes) {
    const pod = admittedPod(attributes) ?? admittedPod(attributes, 'ephemeralcontainers')
    if (pod !== undefined) for (const container of podContainers(pod.spec)) container.imagePullPolicy = 'Always'
  },
}

function isExtendedResource(name: string): boolean {
  return name.includes('/') && !name.includes('kubernetes.io/') && !name.startsWith('requests.')
}

/** Pods that ask for a device tolerate the taint by which nodes with such devices keep others away. Off by default. */
export const extendedResourceToleration: AdmissionPlugin = {
  name: 'ExtendedResourceToleration',
  handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
  resources: ['pods'],
  mutate(attributes) {
    const spec = admittedPod(attributes)?.spec
    if (spec === undefined) return
    const wanted = new Set([...spec.containers, ...(spec.initContainers ?? [])].flatMap(({ resources }) => Object.keys(resources?.requests ?? {})).filter(isExtendedResource))
    for (const key of [...wanted].sort()) {
      const isThere = (spec.tolerations ?? []).some((toleration) => toleration.key === key && toleration.operator === 'Exists' && toleration.effect === 'NoSchedule' && (toleration.value ?? '') === '')
      if (!isThere) spec.tolerations = [...(spec.tolerations ?? []), { key, operator: 'Exists', effect: 'NoSchedule' }]
    }
  },
}

/** A node starts as not ready, so that nothing is scheduled to it before its first status has been looked at. */
export const taintNodesByCondition: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  handles: (operation) => operation === 'CREATE',
  resources: ['nodes'],
  mutate(attributes) {
    if (!isCore(attributes, 'nodes')) return
    const node = attributes.object as Node
    const taints = node.spec?.taints ?? []
    if (taints.some((taint) => taint.key === 'node.kubernetes.io/not-ready' && taint.effect === 'NoSchedule')) return
    node.spec = { ...node.spec, taints: [...taints, { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }] }
  },
}
