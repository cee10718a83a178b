import { semanticEqual } from '../../machinery/equality.ts'
import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { isPercent } from '../../machinery/intstr.ts'
import { isJsonObject } from '../../machinery/json-value.ts'
import { labelSelectorMatcher, validateLabelSelector, validateLabels } from '../../machinery/labels.ts'
import type { LabelSelector } from '../../machinery/labels.ts'
import { dnsLabelErrors, percentErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet, StatefulSetSpec } from '../types/apps_v1.ts'
import type { PodTemplateSpec, ReplicationController } from '../types/core_v1.ts'
import { addInvalid, checkNonNegative, isEmpty } from './check.ts'
import { checkClaimSpec } from './claims.ts'
import { internalForm, selectorForm, sorted } from './internal-form.ts'
import { immutableText, validateAnnotations, validateImmutable } from './object-meta.ts'
import { checkPodAnnotations, checkPodTemplate } from './pod-spec.ts'
import type { Validation } from './validation.ts'

/** Deployments, ReplicaSets, DaemonSets, StatefulSets and ReplicationControllers (upstream's `pkg/apis/apps/validation`). */

type Matcher = (labels: Record<string, string> | undefined) => boolean

interface SelectorTexts { empty: string; invalid: string }

/** The selector of a workload; answers with a matcher, for `undefined` one that nothing matches, where it is fit to be used. */
function checkWorkloadSelector(out: FieldError[], selector: LabelSelector | undefined, texts: SelectorTexts): Matcher | undefined {
  if (selector === undefined) {
    out.push(fieldErrors.required('spec.selector'))
    return () => false
  }
  const errors = validateLabelSelector(selector, 'spec.selector')
  const shown = selectorForm(selector)
  out.push(...errors)
  if (isEmptySelector(selector)) out.push(fieldErrors.invalid('spec.selector', shown, texts.empty))
  if (errors.length === 0) return labelSelectorMatcher(selector)
  out.push(fieldErrors.invalid('spec.selector', shown, texts.invalid))
  return undefined
}

const isEmptySelector = ({ matchLabels = {}, matchExpressions = [] }: LabelSelector): boolean => Object.keys(matchLabels).length + matchExpressions.length === 0

function checkLabelsMatch(out: FieldError[], template: Readonly<Partial<PodTemplateSpec>>, matches: Matcher): void {
  const labels = template.metadata?.labels
  if (!matches(labels)) out.push(fieldErrors.invalid('spec.template.metadata.labels', sorted(labels), '`selector` does not match template `labels`'))
}

/** Pods that are kept running for ever. */
function checkRunsForEver(out: FieldError[], { spec }: Readonly<Partial<PodTemplateSpec>>, kind: string): void {
  const restartPolicy = spec?.restartPolicy
  if (restartPolicy !== 'Always') out.push(fieldErrors.notSupported('spec.template.spec.restartPolicy', restartPolicy ?? '', ['Always']))
  if (spec?.activeDeadlineSeconds !== undefined) out.push(fieldErrors.forbidden('spec.template.spec.activeDeadlineSeconds', `activeDeadlineSeconds in ${kind} is not Supported`))
}

export function checkIntOrPercent(out: FieldError[], path: string, value: number | string | undefined): void {
  if (typeof value === 'string') addInvalid(out, path, value, percentErrors(value))
  else checkNonNegative(out, path, value)
}

/** The number, a percentage taken as one: zero is zero either way. */
function amountOf(value: number | string | undefined): number {
  if (typeof value === 'number') return value
  if (value === undefined) return 0
  return isPercent(value) ? Number(value.slice(0, -1)) : /^[+-]?\d+$/.test(value) ? Number(value) : 0
}

export function checkAtMostWhole(out: FieldError[], path: string, value: number | string | undefined): void {
  if (typeof value === 'string' && isPercent(value) && amountOf(value) > 100) out.push(fieldErrors.invalid(path, value, 'must not be greater than 100%'))
}

const replicaTexts: SelectorTexts = { empty: 'empty selector is invalid for deployment', invalid: 'invalid label selector' }

function checkReplicated(out: FieldError[], selector: LabelSelector | undefined, template: PodTemplateSpec | undefined): void {
  const matches = checkWorkloadSelector(out, selector, replicaTexts)
  if (matches === undefined) return
  checkLabelsMatch(out, template ?? {}, matches)
  checkPodTemplate(out, 'spec.template', template)
  checkRunsForEver(out, template ?? {}, 'ReplicaSet')
}

function validateDeployment(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec } = object as unknown as Deployment
  checkNonNegative(out, 'spec.replicas', spec.replicas)
  checkReplicated(out, spec.selector, spec.template)
  const { type, rollingUpdate } = spec.strategy ?? {}
  if (type === 'Recreate') {
    if (rollingUpdate !== undefined) out.push(fieldErrors.forbidden('spec.strategy.rollingUpdate', "may not be specified when strategy `type` is 'Recreate'"))
  } else if (type !== 'RollingUpdate') {
    out.push(fieldErrors.notSupported('spec.strategy', internalForm('DeploymentStrategy', spec.strategy), ['Recreate', 'RollingUpdate']))
  } else if (rollingUpdate === undefined) {
    out.push(fieldErrors.required('spec.strategy.rollingUpdate', 'this should be defaulted and never be nil'))
  } else {
    checkIntOrPercent(out, 'spec.strategy.rollingUpdate.maxUnavailable', rollingUpdate.maxUnavailable)
    checkIntOrPercent(out, 'spec.strategy.rollingUpdate.maxSurge', rollingUpdate.maxSurge)
    if (amountOf(rollingUpdate.maxUnavailable) === 0 && amountOf(rollingUpdate.maxSurge) === 0) {
      out.push(fieldErrors.invalid('spec.strategy.rollingUpdate.maxUnavailable', rollingUpdate.maxUnavailable, 'may not be 0 when `maxSurge` is 0'))
    }
    checkAtMostWhole(out, 'spec.strategy.rollingUpdate.maxUnavailable', rollingUpdate.maxUnavailable)
  }
  checkNonNegative(out, 'spec.minReadySeconds', spec.minReadySeconds)
  checkNonNegative(out, 'spec.revisionHistoryLimit', spec.revisionHistoryLimit)
  checkNonNegative(out, 'spec.progressDeadlineSeconds', spec.progressDeadlineSeconds)
  if (spec.progressDeadlineSeconds !== undefined && spec.progressDeadlineSeconds <= (spec.minReadySeconds ?? 0)) {
    out.push(fieldErrors.invalid('spec.progressDeadlineSeconds', spec.progressDeadlineSeconds, 'must be greater than minReadySeconds'))
  }
  return out
}

const selectorOf = (object: Readonly<OpenObject>): unknown => (object.spec as { selector?: unknown } | undefined)?.selector

function checkSameSelector(out: FieldError[], object: Readonly<OpenObject>, old: Readonly<OpenObject>): void {
  if (!semanticEqual(selectorOf(object), selectorOf(old))) out.push(fieldErrors.invalid('spec.selector', selectorForm(selectorOf(object)), immutableText))
}

function withImmutableSelector(validate: (object: Readonly<OpenObject>) => FieldError[]): NonNullable<Validation['validateUpdate']> {
  return (object, old) => {
    // What did not change was valid when it was written: most updates are of metadata or replicas.
    if (semanticEqual(object.spec, old.spec)) return []
    const out = validate(object)
    checkSameSelector(out, object, old)
    return out
  }
}

type Counts = Record<string, number | undefined>

/** Counts of a status: none negative, `parts` no more than the whole, and no more available than ready. */
function validateCounts(object: Readonly<OpenObject>, all: readonly string[], parts: readonly string[], readyText = 'cannot be greater than readyReplicas'): FieldError[] {
  const out: FieldError[] = []
  const status = (object.status ?? {}) as Counts
  for (const field of all) checkNonNegative(out, `status.${field}`, status[field])
  for (const field of parts) if ((status[field] ?? 0) > (status.replicas ?? 0)) out.push(fieldErrors.invalid(`status.${field}`, status[field] ?? 0, 'cannot be greater than status.replicas'))
  if (parts.length > 0 && (status.availableReplicas ?? 0) > (status.readyReplicas ?? 0)) out.push(fieldErrors.invalid('status.availableReplicas', status.availableReplicas ?? 0, readyText))
  return out
}

function validateCollisions(object: Readonly<OpenObject>, old: Readonly<OpenObject>): FieldError[] {
  const now = (object.status as Counts | undefined)?.collisionCount
  const before = (old.status as Counts | undefined)?.collisionCount
  return before !== undefined && (now === undefined || now < before) ? [fieldErrors.invalid('status.collisionCount', now ?? 0, 'cannot be decremented')] : []
}

export const deploymentValidation: Validation = {
  validate: validateDeployment,
  validateUpdate: withImmutableSelector(validateDeployment),
  validateStatusUpdate: (object, old) => [
    ...validateCounts(object, ['observedGeneration', 'replicas', 'updatedReplicas', 'readyReplicas', 'availableReplicas', 'unavailableReplicas', 'terminatingReplicas', 'collisionCount'], ['updatedReplicas', 'readyReplicas', 'availableReplicas']),
    ...validateCollisions(object, old),
  ],
}

function validateReplicaSet(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec } = object as unknown as ReplicaSet
  checkNonNegative(out, 'spec.replicas', spec.replicas)
  checkNonNegative(out, 'spec.minReadySeconds', spec.minReadySeconds)
  checkReplicated(out, spec.selector, spec.template)
  return out
}

const replicaCounts = ['replicas', 'fullyLabeledReplicas', 'readyReplicas', 'availableReplicas', 'observedGeneration', 'terminatingReplicas']
const replicaParts = ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas']

export const replicaSetValidation: Validation = {
  validate: validateReplicaSet,
  validateUpdate: withImmutableSelector(validateReplicaSet),
  validateStatusUpdate: (object) => validateCounts(object, replicaCounts, replicaParts),
}

function validateDaemonSet(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec } = object as unknown as DaemonSet
  const { selector, template } = spec
  const errors = selector === undefined ? [] : validateLabelSelector(selector, 'spec.selector')
  out.push(...errors)
  if (errors.length === 0) checkLabelsMatch(out, template ?? {}, selector === undefined ? () => false : labelSelectorMatcher(selector))
  if (selector !== undefined && isEmptySelector(selector)) out.push(fieldErrors.invalid('spec.selector', selectorForm(selector), 'empty selector is invalid for daemonset'))
  checkPodTemplate(out, 'spec.template', template)
  checkRunsForEver(out, template ?? {}, 'DaemonSet')
  checkNonNegative(out, 'spec.minReadySeconds', spec.minReadySeconds)
  const { type, rollingUpdate } = spec.updateStrategy ?? {}
  if (type === 'RollingUpdate') {
    const path = 'spec.updateStrategy.rollingUpdate'
    if (rollingUpdate === undefined) out.push(fieldErrors.required(path))
    else {
      checkIntOrPercent(out, `${path}.maxUnavailable`, rollingUpdate.maxUnavailable)
      checkIntOrPercent(out, `${path}.maxSurge`, rollingUpdate.maxSurge)
      checkAtMostWhole(out, `${path}.maxUnavailable`, rollingUpdate.maxUnavailable)
      checkAtMostWhole(out, `${path}.maxSurge`, rollingUpdate.maxSurge)
      const unavailable = amountOf(rollingUpdate.maxUnavailable) !== 0
      const surge = amountOf(rollingUpdate.maxSurge) !== 0
      if (unavailable && surge) out.push(fieldErrors.invalid(`${path}.maxSurge`, rollingUpdate.maxSurge, 'may not be set when maxUnavailable is non-zero'))
      if (!unavailable && !surge) out.push(fieldErrors.required(`${path}.maxUnavailable`, 'cannot be 0 when maxSurge is 0'))
    }
  } else if (type !== 'OnDelete') {
    out.push(fieldErrors.notSupported('spec.updateStrategy', internalForm('DaemonSetUpdateStrategy', spec.updateStrategy), ['RollingUpdate', 'OnDelete']))
  }
  checkNonNegative(out, 'spec.revisionHistoryLimit', spec.revisionHistoryLimit)
  return out
}

export const daemonSetValidation: Validation = {
  validate: validateDaemonSet,
  validateUpdate(object, old) {
    if (semanticEqual(object.spec, old.spec)) return []
    const out: FieldError[] = []
    checkSameSelector(out, object, old)
    return [...out, ...validateDaemonSet(object)]
  },
  validateStatusUpdate: (object, old) => [
    ...validateCounts(object, ['currentNumberScheduled', 'numberMisscheduled', 'desiredNumberScheduled', 'numberReady', 'observedGeneration', 'updatedNumberScheduled', 'numberAvailable', 'numberUnavailable', 'collisionCount'], []),
    ...validateCollisions(object, old),
  ],
}

/** The template as the controller makes pods from it: their names and the volumes of their claims are its own to give. */
function templateOfSet({ template, volumeClaimTemplates = [] }: Readonly<StatefulSetSpec>): PodTemplateSpec | undefined {
  if (template?.spec === undefined) return template
  const names = volumeClaimTemplates.map(({ metadata }) => metadata?.name ?? '')
  const claims = [...new Set(names)].map((name) => ({ name, persistentVolumeClaim: { claimName: name } }))
  const { hostname: _hostname, subdomain: _subdomain, volumes = [], ...spec } = template.spec
  return { ...template, spec: { ...spec, volumes: [...claims, ...volumes.filter(({ name }) => !names.includes(name))] } }
}

function checkSetStrategy(out: FieldError[], { podManagementPolicy, updateStrategy }: Readonly<StatefulSetSpec>): void {
  if (isEmpty(podManagementPolicy)) out.push(fieldErrors.required('spec.podManagementPolicy'))
  else if (podManagementPolicy !== 'OrderedReady' && podManagementPolicy !== 'Parallel') out.push(fieldErrors.invalid('spec.podManagementPolicy', podManagementPolicy, "must be 'OrderedReady' or 'Parallel'"))
  const rolling = updateStrategy?.rollingUpdate
  if (isEmpty(updateStrategy?.type)) out.push(fieldErrors.required('spec.updateStrategy'))
  else if (updateStrategy?.type === 'OnDelete') {
    if (rolling !== undefined) out.push(fieldErrors.invalid('spec.updateStrategy.rollingUpdate', internalForm('StatefulSetRollingUpdate', rolling), "only allowed for updateStrategy 'RollingUpdate'"))
  } else if (updateStrategy?.type !== 'RollingUpdate') {
    out.push(fieldErrors.invalid('spec.updateStrategy', internalForm('StatefulSetUpdateStrategy', updateStrategy), "must be 'RollingUpdate' or 'OnDelete'"))
  } else if (rolling !== undefined) {
    const at = 'spec.updateStrategy.rollingUpdate.maxUnavailable'
    checkNonNegative(out, 'spec.updateStrategy.rollingUpdate.partition', rolling.partition)
    checkIntOrPercent(out, at, rolling.maxUnavailable)
    if (rolling.maxUnavailable !== undefined && amountOf(rolling.maxUnavailable) === 0) out.push(fieldErrors.invalid(at, rolling.maxUnavailable, 'cannot be 0'))
    checkAtMostWhole(out, at, rolling.maxUnavailable)
  }
}

const setTexts: SelectorTexts = { empty: 'empty selector is invalid for statefulset', invalid: '' }

/** `isNew`: what cannot change later is looked at only once. */
function validateStatefulSet(object: Readonly<OpenObject>, isNew: boolean): FieldError[] {
  const out: FieldError[] = []
  const { spec } = object as unknown as StatefulSet
  const retention = spec.persistentVolumeClaimRetentionPolicy
  checkSetStrategy(out, spec)
  for (const field of ['whenDeleted', 'whenScaled'] as const) {
    const value = retention?.[field]
    if (retention !== undefined && value !== 'Retain' && value !== 'Delete') out.push(fieldErrors.notSupported(`spec.persistentVolumeClaimRetentionPolicy.${field}`, value ?? '', ['Retain', 'Delete']))
  }
  if (isNew) for (const [i, claim] of (spec.volumeClaimTemplates ?? []).entries()) checkClaimSpec(out, `spec.volumeClaimTemplates[${i}].spec`, claim.spec ?? {})
  checkNonNegative(out, 'spec.replicas', spec.replicas)
  checkNonNegative(out, 'spec.minReadySeconds', spec.minReadySeconds)
  checkNonNegative(out, 'spec.ordinals.start', spec.ordinals?.start)
  if (isNew && !isEmpty(spec.serviceName)) addInvalid(out, 'spec.serviceName', spec.serviceName, dnsLabelErrors(spec.serviceName))
  const matches = checkWorkloadSelector(out, spec.selector, setTexts)
  if (matches !== undefined) {
    const template = templateOfSet(spec)
    const { metadata } = template ?? {}
    checkLabelsMatch(out, template ?? {}, matches)
    checkPodTemplate(out, 'spec.template', template)
    out.push(...validateLabels(metadata?.labels, 'spec.template.labels'), ...validateAnnotations(metadata?.annotations, 'spec.template.annotations'))
    if (metadata !== undefined) checkPodAnnotations(out, 'spec.template.annotations', metadata, template?.spec ?? { containers: [] })
  }
  checkRunsForEver(out, spec.template ?? {}, 'StatefulSet')
  return out
}

const statefulSetMutable = ['replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy', 'minReadySeconds'] as const

export const statefulSetValidation: Validation = {
  validate: (object) => validateStatefulSet(object, true),
  validateUpdate(object, old) {
    if (semanticEqual(object.spec, old.spec)) return []
    const restored: Record<string, unknown> = { ...(object.spec as object) }
    const before = old.spec as Record<string, unknown>
    for (const field of statefulSetMutable) restored[field] = before[field]
    const errors = validateStatefulSet(object, false)
    return semanticEqual(restored, before) ? errors : [...errors, fieldErrors.forbidden('spec',
      "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden")]
  },
  validateStatusUpdate: (object, old) => [
    ...validateCounts(object, ['replicas', 'readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas', 'observedGeneration', 'collisionCount'], ['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas'], 'cannot be greater than status.readyReplicas'),
    ...validateCollisions(object, old),
  ],
}

function validateReplicationController(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec } = object as unknown as ReplicationController
  checkNonNegative(out, 'spec.minReadySeconds', spec.minReadySeconds)
  const selector = spec.selector ?? {}
  const selectsNothing = Object.keys(selector).length === 0
  if (selectsNothing) out.push(fieldErrors.required('spec.selector'))
  if (spec.replicas === undefined) out.push(fieldErrors.required('spec.replicas'))
  checkNonNegative(out, 'spec.replicas', spec.replicas)
  if (spec.template === undefined) out.push(fieldErrors.required('spec.template'))
  else {
    if (!selectsNothing) checkLabelsMatch(out, spec.template, labelSelectorMatcher({ matchLabels: selector }))
    checkPodTemplate(out, 'spec.template', spec.template)
    checkRunsForEver(out, spec.template, 'ReplicationController')
  }
  return out
}

export const replicationControllerValidation: Validation = {
  validate: validateReplicationController,
  validateUpdate(object, old) {
    if (semanticEqual(object.spec, old.spec)) return []
    return validateReplicationController(object)
  },
  validateStatusUpdate: (object) => validateCounts(object, replicaCounts, replicaParts),
}

function checkRevision(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  checkNonNegative(out, 'revision', (object as unknown as ControllerRevision).revision)
  return out
}

export const controllerRevisionValidation: Validation = {
  validate(object) {
    const out = checkRevision(object)
    const { data } = object
    if (data === undefined || data === null) out.push(fieldErrors.required('data', 'data is mandatory'))
    else if (!isJsonObject(data)) out.push(fieldErrors.required('data', 'data must be a valid JSON object'))
    return out
  },
  validateUpdate: (object, old) => [...checkRevision(object), ...validateImmutable(object.data, old.data, 'data')],
}
