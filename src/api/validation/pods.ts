import { semanticEqual } from '../../machinery/equality.ts'
import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { canonicalIpErrors } from '../../machinery/ip-checks.ts'
import { dnsSubdomainErrors, qualifiedNameErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { qosClass } from '../qos.ts'
import type { Container, ContainerStatus, Pod, PodResourceClaim, PodResourceClaimStatus, PodSpec, PodTemplate, ResourceRequirements, Toleration } from '../types/core_v1.ts'
import { checkTolerations } from './affinity.ts'
import { specChanges } from './changes.ts'
import { addInvalid, isEmpty } from './check.ts'
import { checkImagePadding } from './containers.ts'
import { validateImmutable } from './object-meta.ts'
import { checkPodAnnotations, checkPodSpec, checkPodTemplate } from './pod-spec.ts'
import { checkProfilesAgree } from './profile-annotations.ts'
import type { Validation } from './validation.ts'

const mirrorAnnotation = 'kubernetes.io/config.mirror'

/** Everything about a pod but its identity. */
function validatePod(pod: Readonly<Pod>): FieldError[] {
  const out: FieldError[] = []
  const { metadata, spec } = pod
  checkPodAnnotations(out, 'metadata.annotations', metadata, spec)
  checkPodSpec(out, 'spec', spec, { podName: metadata.name ?? '', isPod: true })
  if (isEmpty(spec.serviceAccountName)) {
    for (const [v, volume] of (spec.volumes ?? []).entries()) {
      for (const [s, source] of (volume.projected?.sources ?? []).entries()) {
        if (source.serviceAccountToken !== undefined) out.push(fieldErrors.forbidden(`spec.volumes[${v}].projected.sources[${s}].serviceAccountToken`, 'must not be specified when serviceAccountName is not set'))
      }
    }
  }
  for (const [i, container] of (spec.containers ?? []).entries()) checkImagePadding(out, `spec.containers[${i}]`, container)
  for (const [i, container] of (spec.initContainers ?? []).entries()) checkImagePadding(out, `spec.initContainers[${i}]`, container)
  return out
}

function validateCreate(object: Readonly<OpenObject>): FieldError[] {
  const pod = object as unknown as Pod
  const out = validatePod(pod)
  if ((pod.spec.ephemeralContainers ?? []).length > 0) out.push(fieldErrors.forbidden('spec.ephemeralContainers', 'cannot be set on create'))
  if (!isEmpty(pod.spec.nodeName) && (pod.spec.schedulingGates ?? []).length > 0) out.push(fieldErrors.forbidden('spec.nodeName', 'cannot be set until all schedulingGates have been cleared'))
  checkProfilesAgree(out, pod.metadata, pod.spec)
  return out
}

const updatableFields = [
  '`spec.containers[*].image`', '`spec.initContainers[*].image`', '`spec.activeDeadlineSeconds`', '`spec.tolerations` (only additions to existing tolerations)',
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
].join(',')

function checkTolerationAdditions(out: FieldError[], now: readonly Toleration[], before: readonly Toleration[]): void {
  const known = (old: Toleration): boolean => now.some((toleration) => semanticEqual({ ...old, tolerationSeconds: toleration.tolerationSeconds }, toleration))
  if (before.every(known)) checkTolerations(out, 'spec.tolerations', now)
  else out.push(fieldErrors.forbidden('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds'))
}

function checkDeadline(out: FieldError[], now: number | undefined, before: number | undefined): void {
  if (now === undefined) {
    if (before !== undefined) out.push(fieldErrors.invalid('spec.activeDeadlineSeconds', null, 'must not update from a positive integer to nil value'))
    return
  }
  if (now < 0 || now > 2147483647) out.push(fieldErrors.invalid('spec.activeDeadlineSeconds', now, 'must be between 0 and 2147483647, inclusive'))
  else if (before !== undefined && before < now) out.push(fieldErrors.invalid('spec.activeDeadlineSeconds', now, 'must be less than or equal to previous value'))
}

const withOldImages = (containers: readonly Container[] | undefined, old: readonly Container[] | undefined): Container[] | undefined =>
  containers?.map((container, i) => ({ ...container, image: old?.[i]?.image }))

/** The new spec with everything that may change put back as it was: what still differs may not. */
function withUpdatablesRestored(spec: Readonly<PodSpec>, before: Readonly<PodSpec>): PodSpec {
  const munged: PodSpec = {
    ...spec, containers: withOldImages(spec.containers, before.containers) ?? [], initContainers: withOldImages(spec.initContainers, before.initContainers),
    activeDeadlineSeconds: before.activeDeadlineSeconds, tolerations: before.tolerations, schedulingGates: before.schedulingGates,
  }
  if ((before.terminationGracePeriodSeconds ?? 0) < 0 && spec.terminationGracePeriodSeconds === 1) munged.terminationGracePeriodSeconds = before.terminationGracePeriodSeconds
  return munged
}

/** A pod held back by gates may still be told where to go, more narrowly than before (KEP-3838). */
function restoreGatedPlacement(out: FieldError[], munged: PodSpec, before: Readonly<PodSpec>): void {
  if (!semanticEqual(munged.nodeSelector, before.nodeSelector)) {
    for (const [key, value] of Object.entries(before.nodeSelector ?? {})) {
      if (munged.nodeSelector?.[key] !== value) {
        out.push(fieldErrors.invalid('spec.nodeSelector', munged.nodeSelector, 'only additions to spec.nodeSelector are allowed (no mutations or deletions)'))
        break
      }
    }
    munged.nodeSelector = before.nodeSelector
  }
  const now = munged.affinity?.nodeAffinity
  const then = before.affinity?.nodeAffinity
  if (semanticEqual(now, then)) return
  const required = then?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? []
  const wanted = now?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? []
  if (required.length > 0 && required.length !== wanted.length) {
    out.push(fieldErrors.invalid('spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms', wanted, 'no additions/deletions to non-empty NodeSelectorTerms list are allowed'))
  }
  for (const [i, term] of required.entries()) {
    const next = wanted[i]
    const kept = (field: 'matchExpressions' | 'matchFields'): boolean => (term[field] ?? []).every((old, j) => semanticEqual(old, next?.[field]?.[j]))
    if (next !== undefined && !(kept('matchExpressions') && kept('matchFields'))) {
      out.push(fieldErrors.invalid(`spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[${i}]`, next, 'only additions are allowed (no mutations or deletions)'))
    }
  }
  munged.affinity = munged.affinity === undefined ? undefined : { ...munged.affinity, nodeAffinity: then }
  if (before.affinity === undefined && munged.affinity?.podAffinity === undefined && munged.affinity?.podAntiAffinity === undefined) munged.affinity = undefined
  else if (munged.affinity === undefined && before.affinity !== undefined) munged.affinity = { nodeAffinity: then }
}

function checkContainerCounts(out: FieldError[], spec: Readonly<PodSpec>, before: Readonly<PodSpec>): boolean {
  for (const field of ['containers', 'initContainers'] as const) {
    if ((spec[field] ?? []).length !== (before[field] ?? []).length) {
      out.push(fieldErrors.forbidden(`spec.${field}`, 'pod updates may not add or remove containers'))
      return false
    }
    for (const [i, container] of (spec[field] ?? []).entries()) {
      if (isEmpty(container.image)) out.push(fieldErrors.required(`spec.${field}[${i}].image`))
      checkImagePadding(out, `spec.${field}[${i}]`, container)
    }
  }
  return true
}

function checkAnnotationUpdates(out: FieldError[], pod: Readonly<Pod>, before: Readonly<Pod>): void {
  const now = pod.metadata.annotations ?? {}
  const then = before.metadata.annotations ?? {}
  for (const key of new Set([...Object.keys(then), ...Object.keys(now)])) {
    const what = key === mirrorAnnotation ? 'mirror pod annotation' : key.startsWith('container.apparmor.security.beta.kubernetes.io/') ? 'AppArmor annotations' : ''
    if (what === '' || now[key] === then[key]) continue
    out.push(fieldErrors.forbidden(`metadata.annotations[${key}]`, `${then[key] === undefined ? 'may not add' : 'may not remove or update'} ${what}`))
  }
  checkPodAnnotations(out, 'metadata.annotations', pod.metadata, pod.spec)
}

function validateUpdate(object: Readonly<OpenObject>, old: Readonly<OpenObject>): FieldError[] {
  const pod = object as unknown as Pod
  const before = old as unknown as Pod
  const out: FieldError[] = []
  // Unchanged specs, which is most updates of pods, were valid when they were written.
  checkAnnotationUpdates(out, pod, before)
  if (semanticEqual(pod.spec, before.spec)) return out
  out.push(...validatePod(pod).filter((error) => !error.path.startsWith('metadata.annotations')))
  if (!checkContainerCounts(out, pod.spec, before.spec)) return out
  checkDeadline(out, pod.spec.activeDeadlineSeconds, before.spec.activeDeadlineSeconds)
  checkTolerationAdditions(out, pod.spec.tolerations ?? [], before.spec.tolerations ?? [])
  const oldGates = new Set((before.spec.schedulingGates ?? []).map((gate) => gate.name))
  for (const [i, { name }] of (pod.spec.schedulingGates ?? []).entries()) {
    if (!oldGates.has(name)) out.push(fieldErrors.forbidden(`spec.schedulingGates[${i}].name`, `only deletion is allowed, but found new scheduling gate '${name}'`))
  }
  const munged = withUpdatablesRestored(pod.spec, before.spec)
  if (oldGates.size > 0) restoreGatedPlacement(out, munged, before.spec)
  if (!semanticEqual(munged, before.spec)) out.push(fieldErrors.forbidden('spec', `pod updates may not change fields other than ${updatableFields}\n${specChanges(before.spec, munged)}`))
  return out
}

function checkTransitions(out: FieldError[], path: string, now: readonly ContainerStatus[] | undefined, before: readonly ContainerStatus[] | undefined, restartPolicy: string | undefined, restartable: ReadonlySet<string>): void {
  if (restartPolicy === 'Always') return
  for (const [i, old] of (before ?? []).entries()) {
    const ended = old.state?.terminated
    if (ended === undefined || restartable.has(old.name) || (ended.exitCode !== 0 && restartPolicy === 'OnFailure')) continue
    if ((now ?? []).some((status) => status.name === old.name && status.state?.terminated === undefined)) {
      out.push(fieldErrors.forbidden(`${path}[${i}].state`, 'may not be transitioned to non-terminated state'))
    }
  }
}

function checkIps(out: FieldError[], path: string, ips: readonly { ip?: string }[] | undefined): void {
  for (const [i, { ip = '' }] of (ips ?? []).entries()) {
    addInvalid(out, `${path}[${i}]`, ip, canonicalIpErrors(ip))
    if ((ips ?? []).findIndex((other) => other.ip === ip) < i) out.push(fieldErrors.duplicate(`${path}[${i}]`, { ip }))
  }
  if ((ips ?? []).length > 2) out.push(fieldErrors.invalid(path, ips, 'may specify no more than one IP for each IP family'))
}

function checkClaimStatuses(out: FieldError[], statuses: readonly PodResourceClaimStatus[] | undefined, claims: readonly PodResourceClaim[] | undefined): void {
  const names = new Set<string>()
  for (const [i, { name, resourceClaimName }] of (statuses ?? []).entries()) {
    const at = `status.resourceClaimStatuses[${i}].name`
    if (!(claims ?? []).some((claim) => claim.name === name)) out.push(fieldErrors.invalid(at, name, 'must match the name of an entry in `spec.resourceClaims`'))
    if (names.has(name)) out.push(fieldErrors.duplicate(at, name))
    names.add(name)
    if (resourceClaimName !== undefined) addInvalid(out, at, resourceClaimName, dnsSubdomainErrors(resourceClaimName))
  }
}

const systemConditions = new Set(['PodScheduled', 'Ready', 'Initialized'])

function validateStatusUpdate(object: Readonly<OpenObject>, old: Readonly<OpenObject>): FieldError[] {
  const pod = object as unknown as Pod
  const before = old as unknown as Pod
  const out: FieldError[] = []
  const status = pod.status ?? {}
  const then = before.status ?? {}
  checkAnnotationUpdates(out, pod, before)
  for (const [i, { type }] of (status.conditions ?? []).entries()) if (!systemConditions.has(type)) addInvalid(out, `metadata.conditions[${i}].Type`, type, qualifiedNameErrors(type))
  if (!isEmpty(status.nominatedNodeName) && status.nominatedNodeName !== then.nominatedNodeName) addInvalid(out, 'status.nominatedNodeName', status.nominatedNodeName, dnsSubdomainErrors(status.nominatedNodeName))
  out.push(...validateImmutable(status.qosClass, then.qosClass, 'status.qosClass'))
  const restarting = (containers: readonly Container[] | undefined): Set<string> => new Set((containers ?? []).filter((c) => c.restartPolicy !== undefined && c.restartPolicy !== 'Never').map((c) => c.name))
  const { restartPolicy } = before.spec
  checkTransitions(out, 'status.containerStatuses', status.containerStatuses, then.containerStatuses, restartPolicy, restarting(before.spec.containers))
  checkTransitions(out, 'status.initContainerStatuses', status.initContainerStatuses, then.initContainerStatuses, restartPolicy, restarting(before.spec.initContainers))
  checkTransitions(out, 'status.ephemeralContainerStatuses', status.ephemeralContainerStatuses, then.ephemeralContainerStatuses, 'Never', new Set())
  checkClaimStatuses(out, status.resourceClaimStatuses, before.spec.resourceClaims)
  checkIps(out, 'status.podIPs', status.podIPs)
  if ((status.hostIPs ?? []).length > 0) {
    if (status.hostIP !== status.hostIPs?.[0]?.ip) out.push(fieldErrors.invalid('status.hostIPs[0].ip', status.hostIPs?.[0]?.ip, 'must be equal to `hostIP`'))
    checkIps(out, 'status.hostIPs', status.hostIPs)
  }
  return out
}

export const podValidation: Validation = { validate: validateCreate, validateUpdate, validateStatusUpdate }

export function validateEphemeralContainersUpdate(object: Readonly<OpenObject>, old: Readonly<OpenObject>): FieldError[] {
  const pod = object as unknown as Pod
  const before = old as unknown as Pod
  if (before.metadata.annotations?.[mirrorAnnotation] !== undefined) return [fieldErrors.forbidden('', 'static pods do not support ephemeral containers')]
  const out = validatePod(pod)
  for (const container of before.spec.ephemeralContainers ?? []) {
    const now = pod.spec.ephemeralContainers?.find((other) => other.name === container.name)
    if (now === undefined) out.push(fieldErrors.forbidden('spec.ephemeralContainers', `existing ephemeral containers "${container.name}" may not be removed\n`))
    else if (!semanticEqual(now, container)) out.push(fieldErrors.forbidden('spec.ephemeralContainers', `existing ephemeral containers "${container.name}" may not be changed\n${specChanges(container, now)}`))
  }
  return out
}

function checkResize(out: FieldError[], path: string, now: Readonly<ResourceRequirements>, before: Readonly<ResourceRequirements>): void {
  for (const kind of ['requests', 'limits'] as const) {
    if (Object.keys(before[kind] ?? {}).some((name) => now[kind]?.[name] === undefined)) out.push(fieldErrors.forbidden(`${path}.${kind}`, `resource ${kind} cannot be removed`))
    const other = (list: Readonly<Record<string, string>> | undefined): Record<string, string> => Object.fromEntries(Object.entries(list ?? {}).filter(([name]) => name !== 'cpu' && name !== 'memory'))
    if (!semanticEqual(other(now[kind]), other(before[kind]))) out.push(fieldErrors.forbidden('spec', 'only cpu and memory resources are mutable'))
  }
}

export function validateResizeUpdate(object: Readonly<OpenObject>, old: Readonly<OpenObject>): FieldError[] {
  const pod = object as unknown as Pod
  const before = old as unknown as Pod
  if (before.metadata.annotations?.[mirrorAnnotation] !== undefined) return [fieldErrors.forbidden('', 'static pods cannot be resized')]
  if (before.spec.os?.name === 'windows') return [fieldErrors.forbidden('', 'windows pods cannot be resized')]
  const out = validatePod(pod)
  if (!checkContainerCounts(out, pod.spec, before.spec)) return out
  if (qosClass(before.spec) !== qosClass(pod.spec)) out.push(fieldErrors.invalid('spec', pod.status?.qosClass, 'Pod QOS Class may not change as a result of resizing'))
  for (const [i, container] of (before.spec.containers ?? []).entries()) {
    const now = pod.spec.containers[i]
    checkResize(out, `spec.containers[${i}].resources`, now?.resources ?? {}, container.resources ?? {})
  }
  for (const [i, container] of (before.spec.initContainers ?? []).entries()) {
    const now = pod.spec.initContainers?.[i]
    if (container.restartPolicy === 'Always') checkResize(out, `spec.initContainers[${i}].resources`, now?.resources ?? {}, container.resources ?? {})
    else if (!semanticEqual(now, container)) out.push(fieldErrors.forbidden('spec', 'resources for non-sidecar init containers are immutable'))
  }
  return out
}

function validatePodTemplateObject(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  checkPodTemplate(out, 'template', (object as unknown as PodTemplate).template ?? { metadata: {}, spec: { containers: [] } })
  return out
}

export const podTemplateValidation: Validation = { validate: validatePodTemplateObject, validateUpdate: validatePodTemplateObject }
