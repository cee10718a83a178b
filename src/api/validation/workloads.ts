import { semanticEqual } from '../../machinery/equality.ts'
import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { isPercent } from '../../machinery/intstr.ts'
import { labelSelectorMatcher, validateLabelSelector } from '../../machinery/labels.ts'
import type { LabelSelector } from '../../machinery/labels.ts'
import { percentErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet } from '../types/apps_v1.ts'
import type { PodTemplateSpec, ReplicationController } from '../types/core_v1.ts'
import { addInvalid, checkNonNegative, isEmpty } from './check.ts'
import { validateImmutable } from './object-meta.ts'
import { checkPodTemplate } from './pod-spec.ts'
import type { Validation } from './validation.ts'

/** Deployments, ReplicaSets, DaemonSets, StatefulSets and ReplicationControllers (upstream's `pkg/apis/apps/validation`). */

/** The selector of a workload; answers with a matcher where it is fit to be used. */
export function checkWorkloadSelector(out: FieldError[], selector: LabelSelector | undefined, emptyText: string): ((labels: Record<string, string> | undefined) => boolean) | undefined {
  if (selector === undefined) {
    out.push(fieldErrors.required('spec.selector'))
    return undefined
  }
  const errors = validateLabelSelector(selector, 'spec.selector')
  out.push(...errors)
  if (Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length === 0) out.push(fieldErrors.invalid('spec.selector', selector, emptyText))
  if (errors.length > 0) {
    if (selector.matchExpressions?.some(({ operator }) => !['In', 'NotIn', 'Exists', 'DoesNotExist'].includes(operator)) === true) out.push(fieldErrors.invalid('spec.selector', selector, 'invalid label selector'))
    return undefined
  }
  return labelSelectorMatcher(selector)
}

/** A template whose pods the workload must own and keep running for ever. */
function checkOwnedTemplate(out: FieldError[], template: PodTemplateSpec | undefined, matches: ((labels: Record<string, string> | undefined) => boolean) | undefined, kind: string): void {
  if (template === undefined) {
    out.push(fieldErrors.required('spec.template'))
    return
  }
  if (matches !== undefined && !matches(template.metadata?.labels)) out.push(fieldErrors.invalid('spec.template.metadata.labels', template.metadata?.labels, '`selector` does not match template `labels`'))
  checkPodTemplate(out, 'spec.template', template)
  const restartPolicy = template.spec?.restartPolicy
  if (restartPolicy !== 'Always') out.push(fieldErrors.notSupported('spec.template.spec.restartPolicy', restartPolicy ?? '', ['Always']))
  if (template.spec?.activeDeadlineSeconds !== undefined) out.push(fieldErrors.forbidden('spec.template.spec.activeDeadlineSeconds', `activeDeadlineSeconds in ${kind} is not Supported`))
}

export function checkIntOrPercent(out: FieldError[], path: string, value: number | string | undefined): void {
  if (typeof value === 'string') addInvalid(out, path, value, percentErrors(value))
  else checkNonNegative(out, path, value)
}

/** The number, a percentage taken as one: zero is zero either way. */
const amountOf = (value: number | string | undefined): number => (typeof value === 'number' ? value : value !== undefined && isPercent(value) ? Number(value.slice(0, -1)) : 0)

export function checkAtMostWhole(out: FieldError[], path: string, value: number | string | undefined): void {
  if (typeof value === 'string' && amountOf(value) > 100) out.push(fieldErrors.invalid(path, value, 'must not be greater than 100%'))
}

function validateDeployment(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec } = object as unknown as Deployment
  checkNonNegative(out, 'spec.replicas', spec.replicas)
  const matches = checkWorkloadSelector(out, spec.selector, 'empty selector is invalid for deployment')
  checkOwnedTemplate(out, spec.template, matches, 'ReplicaSet')
  const { type, rollingUpdate } = spec.strategy ?? {}
  if (type === 'Recreate') {
    if (rollingUpdate !== undefined) out.push(fieldErrors.forbidden('spec.strategy.rollingUpdate', "may not be specified when strategy `type` is 'Recreate'"))
  } else if (type !== 'RollingUpdate') {
    out.push(fieldErrors.notSupported('spec.strategy', spec.strategy, ['Recreate', 'RollingUpdate']))
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

function withImmutableSelector(validate: (object: Readonly<OpenObject>) => FieldError[]): NonNullable<Validation['validateUpdate']> {
  return (object, old) => {
    // What did not change was valid when it was written: most updates are of metadata or replicas.
    const errors = semanticEqual(object.spec, old.spec) ? [] : validate(object)
    return [...errors, ...validateImmutable(selectorOf(object), selectorOf(old), 'spec.selector')]
  }
}

type Counts = Record<string, number | undefined>

/** Counts of a status: none negative, `parts` no more than the whole. */
function validateCounts(object: Readonly<OpenObject>, all: readonly string[], whole: string, parts: readonly string[]): FieldError[] {
  const out: FieldError[] = []
  const status = (object.status ?? {}) as Counts
  for (const field of all) checkNonNegative(out, `status.${field}`, status[field])
  for (const field of parts) if ((status[field] ?? 0) > (status[whole] ?? 0)) out.push(fieldErrors.invalid(`status.${field}`, status[field], `cannot be greater than status.${whole}`))
  if (parts.includes('availableReplicas') && (status.availableReplicas ?? 0) > (status.readyReplicas ?? 0)) {
    out.push(fieldErrors.invalid('status.availableReplicas', status.availableReplicas, 'cannot be greater than readyReplicas'))
  }
  return out
}

function validateCollisions(object: Readonly<OpenObject>, old: Readonly<OpenObject>): FieldError[] {
  const now = (object.status as Counts | undefined)?.collisionCount
  const before = (old.status as Counts | undefined)?.collisionCount
  if (before === undefined) return []
  return now === undefined || now < before ? [fieldErrors.invalid('status.collisionCount', now, 'cannot be decremented')] : []
}

export const deploymentValidation: Validation = {
  validate: validateDeployment,
  validateUpdate: withImmutableSelector(validateDeployment),
  validateStatusUpdate: (object, old) => [
    ...validateCounts(object, ['observedGeneration', 'replicas', 'updatedReplicas', 'readyReplicas', 'availableReplicas', 'unavailableReplicas', 'collisionCount'], 'replicas', ['updatedReplicas', 'readyReplicas', 'availableReplicas']),
    ...validateCollisions(object, old),
  ],
}

function validateReplicaSet(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec } = object as unknown as ReplicaSet
  checkNonNegative(out, 'spec.replicas', spec.replicas)
  checkNonNegative(out, 'spec.minReadySeconds', spec.minReadySeconds)
  const matches = checkWorkloadSelector(out, spec.selector, 'empty selector is invalid for deployment')
  checkOwnedTemplate(out, spec.template, matches, 'ReplicaSet')
  return out
}

const replicaCounts = ['replicas', 'fullyLabeledReplicas', 'readyReplicas', 'availableReplicas', 'observedGeneration']
const replicaParts = ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas']

export const replicaSetValidation: Validation = {
  validate: validateReplicaSet,
  validateUpdate: withImmutableSelector(validateReplicaSet),
  validateStatusUpdate: (object) => validateCounts(object, replicaCounts, 'replicas', replicaParts),
}

function validateDaemonSet(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec } = object as unknown as DaemonSet
  const matches = checkWorkloadSelector(out, spec.selector, 'empty selector is invalid for daemonset')
  checkOwnedTemplate(out, spec.template, matches, 'DaemonSet')
  checkNonNegative(out, 'spec.minReadySeconds', spec.minReadySeconds)
  const { type, rollingUpdate } = spec.updateStrategy ?? {}
  if (type === 'RollingUpdate') {
    const path = 'spec.updateStrategy.rollingUpdate'
    if (rollingUpdate === undefined) out.push(fieldErrors.required(path))
    else {
      checkIntOrPercent(out, `${path}.maxUnavailable`, rollingUpdate.maxUnavailable)
      checkAtMostWhole(out, `${path}.maxUnavailable`, rollingUpdate.maxUnavailable)
      checkIntOrPercent(out, `${path}.maxSurge`, rollingUpdate.maxSurge)
      checkAtMostWhole(out, `${path}.maxSurge`, rollingUpdate.maxSurge)
      const unavailable = amountOf(rollingUpdate.maxUnavailable) !== 0
      const surge = amountOf(rollingUpdate.maxSurge) !== 0
      if (unavailable && surge) out.push(fieldErrors.invalid(`${path}.maxSurge`, rollingUpdate.maxSurge, 'may not be set when maxUnavailable is non-zero'))
      if (!unavailable && !surge) out.push(fieldErrors.required(`${path}.maxUnavailable`, 'cannot be 0 when maxSurge is 0'))
    }
  } else if (type !== 'OnDelete') {
    out.push(fieldErrors.notSupported('spec.updateStrategy', spec.updateStrategy, ['RollingUpdate', 'OnDelete']))
  }
  checkNonNegative(out, 'spec.revisionHistoryLimit', spec.revisionHistoryLimit)
  return out
}

export const daemonSetValidation: Validation = {
  validate: validateDaemonSet,
  validateUpdate: withImmutableSelector(validateDaemonSet),
  validateStatusUpdate: (object, old) => [
    ...validateCounts(object, ['currentNumberScheduled', 'numberMisscheduled', 'desiredNumberScheduled', 'numberReady', 'observedGeneration', 'updatedNumberScheduled', 'numberAvailable', 'numberUnavailable', 'collisionCount'], '', []),
    ...validateCollisions(object, old),
  ],
}

function validateStatefulSet(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec } = object as unknown as StatefulSet
  const { podManagementPolicy, updateStrategy, persistentVolumeClaimRetentionPolicy: retention } = spec
  if (isEmpty(podManagementPolicy)) out.push(fieldErrors.required('spec.podManagementPolicy'))
  else if (podManagementPolicy !== 'OrderedReady' && podManagementPolicy !== 'Parallel') out.push(fieldErrors.invalid('spec.podManagementPolicy', podManagementPolicy, "must be 'OrderedReady' or 'Parallel'"))
  const rolling = updateStrategy?.rollingUpdate
  if (isEmpty(updateStrategy?.type)) out.push(fieldErrors.required('spec.updateStrategy'))
  else if (updateStrategy?.type === 'OnDelete') {
    if (rolling !== undefined) out.push(fieldErrors.invalid('spec.updateStrategy.rollingUpdate', rolling, "only allowed for updateStrategy 'RollingUpdate'"))
  } else if (updateStrategy?.type !== 'RollingUpdate') {
    out.push(fieldErrors.invalid('spec.updateStrategy', updateStrategy, "must be 'RollingUpdate' or 'OnDelete'"))
  } else if (rolling !== undefined) {
    checkNonNegative(out, 'spec.updateStrategy.rollingUpdate.partition', rolling.partition)
    checkIntOrPercent(out, 'spec.updateStrategy.rollingUpdate.maxUnavailable', rolling.maxUnavailable)
    if (rolling.maxUnavailable !== undefined && amountOf(rolling.maxUnavailable) === 0) out.push(fieldErrors.invalid('spec.updateStrategy.rollingUpdate.maxUnavailable', rolling.maxUnavailable, 'cannot be 0'))
    checkAtMostWhole(out, 'spec.updateStrategy.rollingUpdate.maxUnavailable', rolling.maxUnavailable)
  }
  for (const field of ['whenDeleted', 'whenScaled'] as const) {
    const value = retention?.[field]
    if (retention !== undefined && value !== 'Retain' && value !== 'Delete') out.push(fieldErrors.notSupported(`spec.persistentVolumeClaimRetentionPolicy.${field}`, value ?? '', ['Retain', 'Delete']))
  }
  checkNonNegative(out, 'spec.replicas', spec.replicas)
  checkNonNegative(out, 'spec.minReadySeconds', spec.minReadySeconds)
  checkNonNegative(out, 'spec.revisionHistoryLimit', spec.revisionHistoryLimit)
  checkNonNegative(out, 'spec.ordinals.start', spec.ordinals?.start)
  const matches = checkWorkloadSelector(out, spec.selector, 'empty selector is invalid for statefulset')
  checkOwnedTemplate(out, spec.template, matches, 'StatefulSet')
  return out
}

const statefulSetMutable = ['replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy', 'minReadySeconds'] as const

export const statefulSetValidation: Validation = {
  validate: validateStatefulSet,
  validateUpdate(object, old) {
    if (semanticEqual(object.spec, old.spec)) return []
    const restored: Record<string, unknown> = { ...(object.spec as object) }
    const before = old.spec as Record<string, unknown>
    for (const field of statefulSetMutable) restored[field] = before[field]
    const errors = validateStatefulSet(object)
    return semanticEqual(restored, before) ? errors : [...errors, fieldErrors.forbidden('spec',
      "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden")]
  },
  validateStatusUpdate: (object) => validateCounts(object, ['replicas', 'readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas', 'observedGeneration', 'collisionCount'], 'replicas', ['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas']),
}

function validateReplicationController(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec } = object as unknown as ReplicationController
  checkNonNegative(out, 'spec.minReadySeconds', spec.minReadySeconds)
  const selector = spec.selector ?? {}
  const isEmptySelector = Object.keys(selector).length === 0
  if (isEmptySelector) out.push(fieldErrors.required('spec.selector'))
  if (spec.replicas === undefined) out.push(fieldErrors.required('spec.replicas'))
  checkNonNegative(out, 'spec.replicas', spec.replicas)
  checkOwnedTemplate(out, spec.template, isEmptySelector ? undefined : labelSelectorMatcher({ matchLabels: selector }), 'ReplicationController')
  return out
}

export const replicationControllerValidation: Validation = {
  validate: validateReplicationController,
  validateUpdate: (object, old) => (semanticEqual(object.spec, old.spec) ? [] : validateReplicationController(object)),
  validateStatusUpdate: (object) => validateCounts(object, replicaCounts, 'replicas', replicaParts),
}

function validateRevision(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { revision, data } = object as unknown as ControllerRevision
  checkNonNegative(out, 'revision', revision)
  if (data === undefined) out.push(fieldErrors.required('data', 'data is mandatory'))
  return out
}

export const controllerRevisionValidation: Validation = {
  validate: validateRevision,
  validateUpdate: (object, old) => [...validateRevision(object), ...validateImmutable(object.data, old.data, 'data')],
}

