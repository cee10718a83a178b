import { podContainers } from '../../api/pod-references.ts'
import type { Node, Pod, Toleration } from '../../api/types/core_v1.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../context.ts'
import { admittedPod, isCore, refusal } from './refusal.ts'

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

function imagesOf({ spec }: Pod): Set<string> {
  return new Set([...[...podContainers(spec)].map(({ image = '' }) => image), ...(spec.volumes ?? []).flatMap(({ image }) => (image === undefined ? [] : [image.reference ?? '']))])
}

/** The pod whose images are new to it; undefined for updates that bring none. */
function podWithNewImages(attributes: AdmissionAttributes): Pod | undefined {
  const pod = admittedPod(attributes) ?? admittedPod(attributes, 'ephemeralcontainers')
  if (pod === undefined || attributes.operation !== 'UPDATE' || attributes.oldObject === undefined) return pod
  const known = imagesOf(attributes.oldObject as Pod)
  return [...imagesOf(pod)].every((image) => known.has(image)) ? undefined : pod
}

/** Every image is pulled anew, so that nobody runs a private image just because it lies on the node. Off by default. */
export const alwaysPullImages: AdmissionPlugin = {
  name: 'AlwaysPullImages',
  handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
  resources: ['pods'],
  mutate(attributes) {
    const pod = podWithNewImages(attributes)
    if (pod === undefined) return
    for (const container of podContainers(pod.spec)) container.imagePullPolicy = 'Always'
    for (const { image } of pod.spec.volumes ?? []) if (image !== undefined) image.pullPolicy = 'Always'
  },
  validate(attributes) {
    const spec = podWithNewImages(attributes)?.spec
    if (spec === undefined) return
    const policies = [
      ...(['initContainers', 'containers', 'ephemeralContainers'] as const).flatMap((list) => (spec[list] ?? []).map(({ imagePullPolicy }, i) => [`spec.${list}[${i}].imagePullPolicy`, imagePullPolicy] as const)),
      ...(spec.volumes ?? []).flatMap(({ image }, i) => (image === undefined ? [] : [[`spec.volumes[${i}].image.pullPolicy`, image.pullPolicy] as const])),
    ]
    const [first] = policies.filter(([, policy]) => policy !== 'Always')
    if (first !== undefined) throw refusal(attributes, `${first[0]}: Unsupported value: ${JSON.stringify(first[1] ?? '')}: supported values: "Always"`)
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
