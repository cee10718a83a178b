import type { OpenObject } from '../../machinery/object.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { dnsLabelErrors } from '../../machinery/names.ts'
import { timeText } from '../../machinery/object.ts'
import { syncServiceAccountNames } from '../defaults/pod-spec.ts'
import { qosClass } from '../qos.ts'
import type { Strategy, StrategyContext } from '../resource.ts'
import type { Container, Pod, PodCondition } from '../types/core_v1.ts'
import { validateEphemeralContainersUpdate, validateResizeUpdate } from '../validation/pods.ts'
import { syncAppArmor } from './app-armor.ts'
import { ipWarnings } from './field-warnings.ts'
import { podWarnings } from './pod-warnings.ts'

// What Go writes for a time that never was.
const never = null as unknown as string

function prepareForCreate(object: OpenObject, context: StrategyContext): void {
  const pod = object as unknown as Pod
  pod.metadata.generation = 1
  syncServiceAccountNames(pod.spec)
  // A class that the client gives stands, as with upstream.
  pod.status = { phase: 'Pending', qosClass: pod.status?.qosClass || qosClass(pod.spec) }
  if ((pod.spec.schedulingGates ?? []).length > 0) {
    pod.status.conditions = [{ type: 'PodScheduled', lastProbeTime: never, lastTransitionTime: timeText(context.nowMs), status: 'False', reason: 'SchedulingGated', message: 'Scheduling is blocked due to non-empty scheduling gates' }]
  }
  mergeMatchLabelKeys(pod)
  syncAppArmor(pod, context.warn)
}

interface KeyedTerm { labelSelector?: { matchExpressions?: Array<{ key: string; operator: string; values?: string[] }> }; matchLabelKeys?: string[]; mismatchLabelKeys?: string[] }

/** `matchLabelKeys` become requirements on the pod's own values (KEP-3633, KEP-3243). */
function mergeMatchLabelKeys({ metadata, spec }: Pod): void {
  const affinity = spec.affinity
  if (affinity === undefined && spec.topologySpreadConstraints === undefined) return
  const terms: KeyedTerm[] = [affinity?.podAffinity, affinity?.podAntiAffinity].flatMap((kind) => [
    ...(kind?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(kind?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((weighted) => weighted.podAffinityTerm),
  ])
  terms.push(...(spec.topologySpreadConstraints ?? []))
  for (const term of terms) {
    if (term.labelSelector === undefined) continue
    for (const [keys, operator] of [[term.matchLabelKeys, 'In'], [term.mismatchLabelKeys, 'NotIn']] as const) {
      for (const key of keys ?? []) {
        const value = metadata.labels?.[key]
        if (value !== undefined) (term.labelSelector.matchExpressions ??= []).push({ key, operator, values: [value] })
      }
    }
  }
}

function prepareForUpdate(object: OpenObject, old: Readonly<OpenObject>): void {
  const pod = object as unknown as Pod
  const before = old as unknown as Pod
  if (before.status === undefined) delete pod.status
  else pod.status = before.status
  syncServiceAccountNames(pod.spec)
  raiseGeneration(pod, before)
}

function raiseGeneration(pod: Pod, before: Pod): void {
  if (!semanticEqual(pod.spec, before.spec)) pod.metadata.generation = (before.metadata.generation ?? 0) + 1
}

export const podStrategy: Strategy = {
  prepareForCreate,
  prepareForUpdate,
  warnings(object, old) {
    if (old !== undefined) return []
    const { metadata, spec } = object as unknown as Pod
    const name = dnsLabelErrors(metadata.name ?? '')
    const about = name.length === 0 ? [] : [`metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [${name.join(' ')}]`]
    return [...about, ...podWarnings(metadata, spec)]
  },
  gracePeriodSeconds(object, requested) {
    const { spec, status } = object as unknown as Pod
    if ((spec.nodeName ?? '') === '' || status?.phase === 'Failed' || status?.phase === 'Succeeded') return 0
    const period = requested ?? spec.terminationGracePeriodSeconds ?? 0
    return period < 0 ? 1 : period
  },
}

/** Metadata as it was, `fields` of it. */
function keepMetadata({ metadata }: Pod, before: Pod, fields: readonly string[]): void {
  const to = metadata as unknown as Record<string, unknown>
  const from = before.metadata as unknown as Record<string, unknown>
  for (const field of fields) {
    if (from[field] === undefined) delete to[field]
    else to[field] = from[field]
  }
}

/** Upstream's `ResetObjectMetaForStatus`. */
const metadataOfOthers = ['deletionTimestamp', 'generation', 'labels', 'annotations', 'finalizers', 'ownerReferences'] as const

export const podStatusStrategy: Strategy = {
  prepareForUpdate(object, old) {
    const pod = object as unknown as Pod
    const before = old as unknown as Pod
    pod.spec = before.spec
    keepMetadata(pod, before, ['deletionTimestamp', 'ownerReferences'])
    const status = (pod.status ??= {})
    status.qosClass ||= before.status?.qosClass
    keepObservedGenerations(status, before.status ?? {})
  },
  warnings(object) {
    const { podIPs = [], hostIPs = [] } = (object as unknown as Pod).status ?? {}
    return [...podIPs.flatMap(({ ip }, i) => ipWarnings(`status.podIPs[${i}].ip`, ip)), ...hostIPs.flatMap(({ ip }, i) => ipWarnings(`status.hostIPs[${i}].ip`, ip))]
  },
}

/** Clients that do not know `observedGeneration` must not clear it. */
function keepObservedGenerations(status: { observedGeneration?: number; conditions?: PodCondition[] }, old: { observedGeneration?: number; conditions?: PodCondition[] }): void {
  if (!status.observedGeneration && old.observedGeneration !== undefined) status.observedGeneration = old.observedGeneration
  for (const condition of status.conditions ?? []) {
    const known = old.conditions?.find((other) => other.type === condition.type)?.observedGeneration
    if (!condition.observedGeneration && known !== undefined) condition.observedGeneration = known
  }
}

/** PATCH and PUT of `pods/ephemeralcontainers`: nothing else of the pod changes. */
export const podEphemeralContainersStrategy: Strategy = {
  validateUpdate: validateEphemeralContainersUpdate,
  prepareForUpdate(object, old) {
    const pod = object as unknown as Pod
    const before = old as unknown as Pod
    const { ephemeralContainers } = pod.spec
    pod.spec = { ...before.spec, ...(ephemeralContainers === undefined ? {} : { ephemeralContainers }) }
    if (ephemeralContainers === undefined) delete pod.spec.ephemeralContainers
    pod.status = before.status
    keepMetadata(pod, before, metadataOfOthers)
    raiseGeneration(pod, before)
  },
}

/** Containers as they were but for what a resize may change; the new ones, for validation to refuse, where they are not the same. */
function resized(next: readonly Container[] = [], old: readonly Container[] = []): Container[] {
  if (next.some((container, i) => container.name !== old[i]?.name)) return [...next]
  return next.map(({ resources, resizePolicy }, i) => {
    const { resizePolicy: _, ...kept } = old[i] as Container
    return { ...kept, resources, ...(resizePolicy === undefined ? {} : { resizePolicy }) } as Container
  })
}

/** `pods/resize`: only resources and resize policies of containers change (KEP-1287), and the pod's own resources (KEP-5419). */
export const podResizeStrategy: Strategy = {
  validateUpdate: validateResizeUpdate,
  prepareForUpdate(object, old) {
    const pod = object as unknown as Pod
    const before = old as unknown as Pod
    const { containers, initContainers, resources } = pod.spec
    if ((containers ?? []).length !== (before.spec.containers ?? []).length || (initContainers ?? []).length !== (before.spec.initContainers ?? []).length) return
    const { resources: _, ...kept } = before.spec
    pod.spec = { ...kept, ...(resources === undefined ? {} : { resources }), containers: resized(containers, before.spec.containers) }
    if (before.spec.initContainers !== undefined) pod.spec.initContainers = resized(initContainers, before.spec.initContainers)
    pod.status = before.status
    keepMetadata(pod, before, metadataOfOthers)
    raiseGeneration(pod, before)
  },
}
