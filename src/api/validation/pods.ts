import { semanticEqual } from '../../machinery/equality.ts'
import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { rangeError } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { Container, NodeAffinity, NodeSelectorTerm, Pod, PodSpec, PodTemplate, Toleration } from '../types/core_v1.ts'
import { checkTolerations } from './affinity.ts'
import { isEmpty } from './check.ts'
import { checkImagePadding } from './containers.ts'
import { internalChanges, internalForm } from './internal-form.ts'
import { subdomainName, validateFinalizerOwners, validateObjectMeta } from './object-meta.ts'
import { checkAnnotationUpdates, mirrorAnnotation } from './pod-annotations.ts'
import { checkResize } from './pod-resize.ts'
import { checkPodAnnotations, checkPodSpec, checkPodTemplate } from './pod-spec.ts'
import { validatePodStatusUpdate } from './pod-status.ts'
import { checkProfilesAgree } from './profile-annotations.ts'
import type { Validation } from './validation.ts'

const restartsInit = (spec: Readonly<PodSpec> | undefined): boolean =>
  spec?.initContainers?.some(({ restartPolicy, resizePolicy }) => restartPolicy !== 'Always' && resizePolicy?.some((policy) => policy.restartPolicy === 'RestartContainer')) === true

/** Metadata and spec as they are, whatever they were; but what `before` had by older rules, it may keep. */
function validatePod(pod: Readonly<Pod>, before?: Readonly<Pod>): FieldError[] {
  const out: FieldError[] = []
  const { metadata, spec } = pod
  checkPodAnnotations(out, 'metadata.annotations', metadata, spec)
  checkPodSpec(out, 'spec', spec, { podName: metadata.name ?? '', isPod: true, isMirror: metadata.annotations?.[mirrorAnnotation] !== undefined, mayRestartInit: restartsInit(before?.spec) })
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
  checkProfilesAgree(out, 'spec', pod.metadata, pod.spec)
  return out
}

/** On updates upstream looks at the metadata of a pod once more, as if it were new. */
const validateMeta = ({ metadata }: Readonly<Pod>): FieldError[] => [...validateObjectMeta(metadata, true, subdomainName), ...validateFinalizerOwners(metadata)]
const validateWhole = (pod: Readonly<Pod>, before: Readonly<Pod>): FieldError[] => [...validateMeta(pod), ...validatePod(pod, before)]

const updatableFields = [
  '`spec.containers[*].image`', '`spec.initContainers[*].image`', '`spec.activeDeadlineSeconds`', '`spec.tolerations` (only additions to existing tolerations)',
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
].join(',')

function checkTolerationAdditions(out: FieldError[], now: readonly Toleration[], before: readonly Toleration[]): void {
  const known = (old: Toleration): boolean => now.some((toleration) => semanticEqual({ ...old, tolerationSeconds: toleration.tolerationSeconds }, toleration))
  if (before.every(known)) checkTolerations(out, 'spec.tolerations', now)
  else out.push(fieldErrors.forbidden('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds'))
}

/** Whether the rest is worth looking at. */
function checkDeadline(out: FieldError[], now: number | undefined, before: number | undefined): boolean {
  if (now === undefined) {
    if (before !== undefined) out.push(fieldErrors.invalid('spec.activeDeadlineSeconds', null, 'must not update from a positive integer to nil value'))
    return true
  }
  if (now < 0 || now > 2147483647) out.push(fieldErrors.invalid('spec.activeDeadlineSeconds', now, rangeError(0, 2147483647)))
  else if (before !== undefined && before < now) out.push(fieldErrors.invalid('spec.activeDeadlineSeconds', now, 'must be less than or equal to previous value'))
  else return true
  return false
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

const nodeTermsPath = 'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms'

/** Whether a term that said something before says that still, and maybe more. */
function hasOnlyAdditions(term: Readonly<NodeSelectorTerm>, before: Readonly<NodeSelectorTerm>): boolean {
  const fields = ['matchExpressions', 'matchFields'] as const
  const isBlank = (of: Readonly<NodeSelectorTerm>): boolean => fields.every((field) => (of[field] ?? []).length === 0)
  return isBlank(before) ? isBlank(term) : fields.every((field) => (before[field] ?? []).every((old, i) => semanticEqual(old, term[field]?.[i])))
}

function checkNodeTerms(out: FieldError[], now: Readonly<NodeAffinity> | undefined, before: Readonly<NodeAffinity> | undefined): void {
  const required = before?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? []
  const wanted = now?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? []
  if (required.length === 0) return
  if (required.length !== wanted.length) {
    const shown = wanted.length === 0 ? null : wanted.map((term) => internalForm('NodeSelectorTerm', term))
    out.push(fieldErrors.invalid(nodeTermsPath, shown, 'no additions/deletions to non-empty NodeSelectorTerms list are allowed'))
    return
  }
  for (const [i, term] of required.entries()) {
    const next = wanted[i] as NodeSelectorTerm
    if (!hasOnlyAdditions(next, term)) out.push(fieldErrors.invalid(`${nodeTermsPath}[${i}]`, internalForm('NodeSelectorTerm', next), 'only additions are allowed (no mutations or deletions)'))
  }
}

/** A pod held back by gates may still be told where to go, more narrowly than before (KEP-3838). */
function restoreGatedPlacement(out: FieldError[], munged: PodSpec, before: Readonly<PodSpec>): void {
  if (!semanticEqual(munged.nodeSelector, before.nodeSelector)) {
    const kept = Object.entries(before.nodeSelector ?? {}).every(([key, value]) => munged.nodeSelector?.[key] === value)
    if (!kept) out.push(fieldErrors.invalid('spec.nodeSelector', munged.nodeSelector, 'only additions to spec.nodeSelector are allowed (no mutations or deletions)'))
    munged.nodeSelector = before.nodeSelector
  }
  const now = munged.affinity?.nodeAffinity
  const then = before.affinity?.nodeAffinity
  if (semanticEqual(now, then)) return
  checkNodeTerms(out, now, then)
  if (munged.affinity === undefined) munged.affinity = then === undefined ? undefined : { nodeAffinity: then }
  else if (before.affinity === undefined && munged.affinity.podAntiAffinity === undefined && munged.affinity.podAffinity === undefined) munged.affinity = undefined
  else munged.affinity = { ...munged.affinity, nodeAffinity: then }
}

function checkImages(out: FieldError[], spec: Readonly<PodSpec>, before: Readonly<PodSpec>): boolean {
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

function validateUpdate(object: Readonly<OpenObject>, old: Readonly<OpenObject>): FieldError[] {
  const pod = object as unknown as Pod
  const before = old as unknown as Pod
  const { spec } = pod
  // Specs that did not change, as in most updates of pods, were valid when they were written.
  const isSame = semanticEqual(spec, before.spec)
  const out = isSame ? validateMeta(pod) : validateWhole(pod, before)
  checkAnnotationUpdates(out, pod, before)
  if (isSame || !checkImages(out, spec, before.spec) || !checkDeadline(out, spec.activeDeadlineSeconds, before.spec.activeDeadlineSeconds)) return out
  checkTolerationAdditions(out, spec.tolerations ?? [], before.spec.tolerations ?? [])
  const oldGates = new Set((before.spec.schedulingGates ?? []).map((gate) => gate.name))
  for (const [i, { name }] of (spec.schedulingGates ?? []).entries()) {
    if (!oldGates.has(name)) out.push(fieldErrors.forbidden(`spec.schedulingGates[${i}].name`, `only deletion is allowed, but found new scheduling gate '${name}'`))
  }
  const munged = withUpdatablesRestored(spec, before.spec)
  if (oldGates.size > 0) restoreGatedPlacement(out, munged, before.spec)
  if (!semanticEqual(munged, before.spec)) out.push(fieldErrors.forbidden('spec', `pod updates may not change fields other than ${updatableFields}\n${internalChanges('PodSpec', before.spec, munged)}`))
  return out
}

export const podValidation: Validation = { validate: validateCreate, validateUpdate, validateStatusUpdate: validatePodStatusUpdate }

/** An update through `pods/ephemeralcontainers`: new ones may come, those that are stay as they are. */
export function validateEphemeralContainersUpdate(object: Readonly<OpenObject>, old: Readonly<OpenObject>): FieldError[] {
  const pod = object as unknown as Pod
  const before = old as unknown as Pod
  if (before.metadata.annotations?.[mirrorAnnotation] !== undefined) return [fieldErrors.forbidden('[]', 'static pods do not support ephemeral containers')]
  const out = validateWhole(pod, before)
  checkAnnotationUpdates(out, pod, before)
  for (const container of before.spec.ephemeralContainers ?? []) {
    const now = pod.spec.ephemeralContainers?.findLast((other) => other.name === container.name)
    const quoted = JSON.stringify(container.name)
    if (now === undefined) out.push(fieldErrors.forbidden('spec.ephemeralContainers', `existing ephemeral containers ${quoted} may not be removed\n`))
    else if (!semanticEqual(now, container)) out.push(fieldErrors.forbidden('spec.ephemeralContainers', `existing ephemeral containers ${quoted} may not be changed\n${internalChanges('EphemeralContainer', container, now)}`))
  }
  return out
}

/** An update through `pods/resize`. */
export function validateResizeUpdate(object: Readonly<OpenObject>, old: Readonly<OpenObject>): FieldError[] {
  const pod = object as unknown as Pod
  const before = old as unknown as Pod
  if (before.metadata.annotations?.[mirrorAnnotation] !== undefined) return [fieldErrors.forbidden('[]', 'static pods cannot be resized')]
  if (before.spec.os?.name === 'windows') return [fieldErrors.forbidden('[]', 'windows pods cannot be resized')]
  const out = validateWhole(pod, before)
  checkResize(out, pod, before)
  return out
}

function validatePodTemplateObject(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  checkPodTemplate(out, 'template', (object as unknown as PodTemplate).template)
  return out
}

export const podTemplateValidation: Validation = { validate: validatePodTemplateObject, validateUpdate: validatePodTemplateObject }
