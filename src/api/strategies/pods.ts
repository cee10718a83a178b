import type { OpenObject } from '../../machinery/object.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { dnsLabelErrors } from '../../machinery/names.ts'
import { syncServiceAccountNames } from '../defaults/pod-spec.ts'
import { qosClass } from '../qos.ts'
import type { Strategy, StrategyContext } from '../resource.ts'
import type { Container, Pod, PodCondition } from '../types/core_v1.ts'
import { validateEphemeralContainersUpdate, validateResizeUpdate } from '../validation/pods.ts'
import { syncAppArmor } from './app-armor.ts'
import { podTemplateWarnings } from './pod-warnings.ts'

function prepareForCreate(object: OpenObject, context: StrategyContext): void {
  const pod = object as unknown as Pod
  pod.metadata.generation = 1
  syncServiceAccountNames(pod.spec)
  pod.status = { phase: 'Pending', qosClass: qosClass(pod.spec) }
  if ((pod.spec.schedulingGates ?? []).length > 0) {
    pod.status.conditions = [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated', message: 'Scheduling is blocked due to non-empty scheduling gates' }]
  }
  mergeMatchLabelKeys(pod)
  syncAppArmor(pod, context.warn)
}

interface KeyedTerm { labelSelector?: { matchExpressions?: Array<{ key: string; operator: string; values?: string[] }> }; matchLabelKeys?: string[]; mismatchLabelKeys?: string[] }

/** `matchLabelKeys` become requirements on the pod's own values (KEP-3633, KEP-3243). */
function mergeMatchLabelKeys({ metadata, spec }: Pod): void {
  const affinity = spec.affinity
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
    return [...about, ...podTemplateWarnings(metadata, spec, '', 'spec')]
  },
  gracePeriodSeconds(object, requested) {
    const { spec, status } = object as unknown as Pod
    if ((spec.nodeName ?? '') === '' || status?.phase === 'Failed' || status?.phase === 'Succeeded') return 0
    const period = requested ?? spec.terminationGracePeriodSeconds ?? 0
    return period < 0 ? 1 : period
  },
}

export const podStatusStrategy: Strategy = {
  prepareForUpdate(object, old) {
    const pod = object as unknown as Pod
    const before = old as unknown as Pod
    pod.spec = before.spec
    if (before.metadata.ownerReferences === undefined) delete pod.metadata.ownerReferences
    else pod.metadata.ownerReferences = before.metadata.ownerReferences
    const status = (pod.status ??= {})
    status.qosClass ||= before.status?.qosClass
    keepObservedGenerations(status, before.status ?? {})
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
    raiseGeneration(pod, before)
  },
}

/** `pods/resize`: only resources and resize policies of containers change (KEP-1287). */
export const podResizeStrategy: Strategy = {
  validateUpdate: validateResizeUpdate,
  prepareForUpdate(object, old) {
    const pod = object as unknown as Pod
    const before = old as unknown as Pod
    const sameNames = (a: readonly Container[] = [], b: readonly Container[] = []): boolean => a.length === b.length && a.every((c, i) => c.name === b[i]?.name)
    if (!sameNames(pod.spec.containers, before.spec.containers) || !sameNames(pod.spec.initContainers, before.spec.initContainers)) return
    const resized = (list: readonly Container[] | undefined, from: readonly Container[] | undefined): Container[] | undefined =>
      from?.map((container, i) => ({ ...container, resources: list?.[i]?.resources, ...(list?.[i]?.resizePolicy === undefined ? {} : { resizePolicy: list[i].resizePolicy }) }))
    const containers = resized(pod.spec.containers, before.spec.containers) ?? []
    const initContainers = resized(pod.spec.initContainers, before.spec.initContainers)
    const { resources } = pod.spec
    pod.spec = { ...before.spec, containers, ...(initContainers === undefined ? {} : { initContainers }), ...(resources === undefined ? {} : { resources }) }
    pod.status = before.status
    raiseGeneration(pod, before)
  },
}
