import { parseCron } from '../../machinery/cron.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { labelSelectorMatcher, validateLabelSelector } from '../../machinery/labels.ts'
import { qualifiedNameErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { CronJob, Job, JobSpec, PodFailurePolicy } from '../types/batch_v1.ts'
import type { PodTemplateSpec } from '../types/core_v1.ts'
import { addInvalid, checkNonNegative, checkOneOf, checkOptionalOneOf, isEmpty } from './check.ts'
import { validateImmutable } from './object-meta.ts'
import { checkPodTemplate } from './pod-spec.ts'
import type { Validation } from './validation.ts'

/** Jobs and CronJobs (upstream's `pkg/apis/batch/validation`). */

const maxIndexedCompletions = 100_000

function checkFailurePolicy(out: FieldError[], path: string, policy: Readonly<PodFailurePolicy>, spec: Readonly<JobSpec>): void {
  if (spec.template.spec?.restartPolicy !== 'Never') out.push(fieldErrors.invalid(`${path.replace(/podFailurePolicy$/, 'template.spec.restartPolicy')}`, spec.template.spec?.restartPolicy, 'only "Never" is supported when podFailurePolicy is specified'))
  if ((policy.rules ?? []).length > 20) out.push(fieldErrors.tooMany(`${path}.rules`, policy.rules.length, 20))
  const names = new Set([...(spec.template.spec?.containers ?? []), ...(spec.template.spec?.initContainers ?? [])].map((container) => container.name))
  for (const [i, rule] of (policy.rules ?? []).entries()) {
    const at = `${path}.rules[${i}]`
    checkOneOf(out, `${at}.action`, rule.action, ['Count', 'FailIndex', 'FailJob', 'Ignore'])
    if (rule.action === 'FailIndex' && spec.backoffLimitPerIndex === undefined) out.push(fieldErrors.invalid(`${at}.action`, rule.action, 'requires the backoffLimitPerIndex to be set'))
    const exit = rule.onExitCodes
    const conditions = rule.onPodConditions ?? []
    if (exit !== undefined && conditions.length > 0) out.push(fieldErrors.invalid(at, null, 'specifying both OnExitCodes and OnPodConditions is not supported'))
    if (exit === undefined && conditions.length === 0) out.push(fieldErrors.invalid(at, null, 'specifying one of OnExitCodes and OnPodConditions is required'))
    if (exit !== undefined) {
      checkOneOf(out, `${at}.onExitCodes.operator`, exit.operator, ['In', 'NotIn'])
      if (!isEmpty(exit.containerName) && !names.has(exit.containerName)) out.push(fieldErrors.invalid(`${at}.onExitCodes.containerName`, exit.containerName, 'must be one of the container or initContainer names in the pod template'))
      if ((exit.values ?? []).length === 0) out.push(fieldErrors.invalid(`${at}.onExitCodes.values`, exit.values, 'at least one value is required'))
      if (exit.operator === 'In') exit.values?.forEach((value, v) => { if (value === 0) out.push(fieldErrors.invalid(`${at}.onExitCodes.values[${v}]`, value, 'must not be 0 for the In operator')) })
    }
    conditions.forEach((pattern, p) => {
      addInvalid(out, `${at}.onPodConditions[${p}].type`, pattern.type, qualifiedNameErrors(pattern.type))
      checkOneOf(out, `${at}.onPodConditions[${p}].status`, pattern.status, ['False', 'True', 'Unknown'])
    })
  }
}

function checkIndexed(out: FieldError[], path: string, spec: Readonly<JobSpec>): void {
  const { completionMode, completions, parallelism, backoffLimitPerIndex, maxFailedIndexes } = spec
  checkOptionalOneOf(out, `${path}.completionMode`, completionMode, ['NonIndexed', 'Indexed'])
  if (completionMode === 'Indexed') {
    if (completions === undefined) out.push(fieldErrors.required(`${path}.completions`, 'when completion mode is Indexed'))
    if ((parallelism ?? 0) > maxIndexedCompletions) out.push(fieldErrors.invalid(`${path}.parallelism`, parallelism, `must be less than or equal to ${maxIndexedCompletions} when completion mode is Indexed`))
    if (maxFailedIndexes !== undefined && completions !== undefined && maxFailedIndexes > completions) out.push(fieldErrors.invalid(`${path}.maxFailedIndexes`, maxFailedIndexes, `must be less than or equal to completions`))
    if (maxFailedIndexes !== undefined && backoffLimitPerIndex === undefined) out.push(fieldErrors.required(`${path}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified'))
    return
  }
  if (backoffLimitPerIndex !== undefined) out.push(fieldErrors.invalid(`${path}.backoffLimitPerIndex`, backoffLimitPerIndex, 'requires indexed completion mode'))
  if (maxFailedIndexes !== undefined) out.push(fieldErrors.invalid(`${path}.maxFailedIndexes`, maxFailedIndexes, 'requires indexed completion mode'))
  if (spec.successPolicy !== undefined) out.push(fieldErrors.invalid(`${path}.successPolicy`, spec.successPolicy, 'requires indexed completion mode'))
}

function checkJobSpec(out: FieldError[], path: string, spec: Readonly<JobSpec>): void {
  for (const field of ['parallelism', 'completions', 'activeDeadlineSeconds', 'backoffLimit', 'ttlSecondsAfterFinished', 'backoffLimitPerIndex', 'maxFailedIndexes'] as const) checkNonNegative(out, `${path}.${field}`, spec[field])
  checkIndexed(out, path, spec)
  if (!isEmpty(spec.managedBy)) {
    addInvalid(out, `${path}.managedBy`, spec.managedBy, spec.managedBy.includes('/') ? qualifiedNameErrors(spec.managedBy) : ['must be a domain-prefixed path (such as "acme.io/foo")'])
    if (spec.managedBy.length > 63) out.push(fieldErrors.tooLong(`${path}.managedBy`, 63))
  }
  if (spec.podFailurePolicy !== undefined) checkFailurePolicy(out, `${path}.podFailurePolicy`, spec.podFailurePolicy, spec)
  if (spec.successPolicy !== undefined && (spec.successPolicy.rules ?? []).length === 0) out.push(fieldErrors.required(`${path}.successPolicy.rules`, 'at least one rules must be specified when the successPolicy is specified'))
  if (spec.podReplacementPolicy !== undefined) {
    if (spec.podFailurePolicy !== undefined && spec.podReplacementPolicy !== 'Failed') out.push(fieldErrors.notSupported(`${path}.podReplacementPolicy`, spec.podReplacementPolicy, ['Failed']))
    else checkOptionalOneOf(out, `${path}.podReplacementPolicy`, spec.podReplacementPolicy, ['Failed', 'TerminatingOrFailed'])
  }
  checkPodTemplate(out, `${path}.template`, spec.template ?? { metadata: {}, spec: { containers: [] } })
  const restartPolicy = spec.template?.spec?.restartPolicy
  if (isEmpty(restartPolicy) || restartPolicy === 'Always') out.push(fieldErrors.required(`${path}.template.spec.restartPolicy`, 'valid values: "OnFailure", "Never"'))
  else if (restartPolicy !== 'OnFailure' && restartPolicy !== 'Never') out.push(fieldErrors.notSupported(`${path}.template.spec.restartPolicy`, restartPolicy, ['OnFailure', 'Never']))
}

function validateJob(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { metadata, spec } = object as unknown as Job
  checkJobSpec(out, 'spec', spec)
  if (spec.selector === undefined) out.push(fieldErrors.required('spec.selector'))
  else {
    const errors = validateLabelSelector(spec.selector, 'spec.selector')
    out.push(...errors)
    if (errors.length === 0 && !labelSelectorMatcher(spec.selector)(spec.template?.metadata?.labels)) {
      out.push(fieldErrors.invalid('spec.template.metadata.labels', spec.template?.metadata?.labels, '`selector` does not match template `labels`'))
    }
  }
  if (spec.manualSelector !== true) {
    const uid = spec.template?.metadata?.labels?.['batch.kubernetes.io/controller-uid']
    if (uid !== metadata.uid) out.push(fieldErrors.invalid('spec.template.metadata.labels[batch.kubernetes.io/controller-uid]', spec.template?.metadata?.labels, `must be '${metadata.uid}'`))
  }
  if (spec.completionMode === 'Indexed' && (spec.completions ?? 0) > 0 && `${metadata.name}-${(spec.completions ?? 1) - 1}`.length > 63) {
    out.push(fieldErrors.invalid('metadata.name', metadata.name, 'will not able to create pod with invalid DNS label: must be no more than 63 characters'))
  }
  return out
}

/** Where pods go may be changed while a suspended job has not begun (KEP-2926). */
function withoutPlacement(template: Readonly<PodTemplateSpec> | undefined): unknown {
  if (template?.spec === undefined) return template
  const { labels: _l, annotations: _a, ...metadata } = template.metadata ?? {}
  const { nodeSelector: _n, affinity, tolerations: _t, schedulingGates: _s, ...spec } = template.spec
  return { ...template, metadata, spec: { ...spec, affinity: { ...affinity, nodeAffinity: undefined } } }
}

function validateJobUpdate(object: Readonly<OpenObject>, old: Readonly<OpenObject>): FieldError[] {
  const job = object as unknown as Job
  const before = old as unknown as Job
  if (semanticEqual(job.spec, before.spec)) return []
  const out = validateJob(object)
  const elastic = job.spec.completionMode === 'Indexed' && job.spec.completions === job.spec.parallelism && before.spec.completions === before.spec.parallelism
  if (!elastic) out.push(...validateImmutable(job.spec.completions, before.spec.completions, 'spec.completions'))
  out.push(...validateImmutable(job.spec.selector, before.spec.selector, 'spec.selector'))
  const maySteer = before.spec.suspend === true && before.status?.startTime === undefined
  const templates: [unknown, unknown] = maySteer ? [withoutPlacement(job.spec.template), withoutPlacement(before.spec.template)] : [job.spec.template, before.spec.template]
  if (!semanticEqual(...templates)) out.push(fieldErrors.invalid('spec.template', job.spec.template, 'field is immutable'))
  for (const field of ['completionMode', 'podFailurePolicy', 'backoffLimitPerIndex', 'managedBy', 'successPolicy'] as const) out.push(...validateImmutable(job.spec[field], before.spec[field], `spec.${field}`))
  return out
}

export const jobValidation: Validation = {
  validate: validateJob,
  validateUpdate: validateJobUpdate,
  validateStatusUpdate(object) {
    const out: FieldError[] = []
    const status = (object as unknown as Job).status ?? {}
    for (const field of ['active', 'succeeded', 'failed', 'ready', 'terminating'] as const) checkNonNegative(out, `status.${field}`, status[field])
    return out
  },
}

function checkSchedule(out: FieldError[], schedule: string | undefined, timeZone: string | undefined): void {
  if (isEmpty(schedule)) out.push(fieldErrors.required('spec.schedule'))
  else if (schedule.includes('TZ')) out.push(fieldErrors.invalid('spec.schedule', schedule, timeZone === undefined ? 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead' : 'cannot use both timeZone field and TZ or CRON_TZ in schedule'))
  else {
    try {
      parseCron(schedule)
    } catch (error) {
      out.push(fieldErrors.invalid('spec.schedule', schedule, (error as Error).message))
    }
  }
  if (timeZone === undefined) return
  if (timeZone === '') out.push(fieldErrors.invalid('spec.timeZone', timeZone, 'timeZone must be nil or non-empty string'))
  else if (timeZone.toLowerCase() === 'local') out.push(fieldErrors.invalid('spec.timeZone', timeZone, 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones'))
  else {
    try {
      Intl.DateTimeFormat('en', { timeZone })
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      out.push(fieldErrors.invalid('spec.timeZone', timeZone, `unknown time zone ${timeZone}`))
    }
  }
}

function validateCronJob(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { metadata, spec } = object as unknown as CronJob
  checkSchedule(out, spec.schedule, spec.timeZone)
  checkNonNegative(out, 'spec.startingDeadlineSeconds', spec.startingDeadlineSeconds)
  checkOneOf(out, 'spec.concurrencyPolicy', spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace'])
  const job = spec.jobTemplate?.spec
  if (job === undefined) out.push(fieldErrors.required('spec.jobTemplate.spec'))
  else {
    checkJobSpec(out, 'spec.jobTemplate.spec', job)
    if (job.manualSelector === true) out.push(fieldErrors.notSupported('spec.jobTemplate.spec.manualSelector', true, ['nil', 'false']))
  }
  checkNonNegative(out, 'spec.successfulJobsHistoryLimit', spec.successfulJobsHistoryLimit)
  checkNonNegative(out, 'spec.failedJobsHistoryLimit', spec.failedJobsHistoryLimit)
  // Jobs get the name with 11 characters more, and pods need room for a suffix of their own.
  if ((metadata.name ?? '').length > 52) out.push(fieldErrors.invalid('metadata.name', metadata.name, 'must be no more than 52 characters'))
  return out
}

export const cronJobValidation: Validation = {
  validate: validateCronJob,
  validateUpdate: (object, old) => (semanticEqual(object.spec, old.spec) ? [] : validateCronJob(object).filter((error) => error.path !== 'metadata.name')),
}
