import { parseCron } from '../../machinery/cron.ts'
import { domainPrefixedPathErrors } from '../../machinery/domain-prefixed-path.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { fieldErrors, omittedValue } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { labelSelectorMatcher, validateLabelSelector } from '../../machinery/labels.ts'
import { dnsLabelErrors, qualifiedNameErrors } from '../../machinery/names.ts'
import type { ObjectMeta, OpenObject } from '../../machinery/object.ts'
import type { CronJob, Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, SuccessPolicy } from '../types/batch_v1.ts'
import type { Container, PodSpec, PodTemplateSpec } from '../types/core_v1.ts'
import { addInvalid, checkNonNegative, checkOneOf, checkOptionalOneOf, isEmpty } from './check.ts'
import { checkJobStatus, countIndexes } from './job-status.ts'
import { internalForm, selectorForm, sorted } from './internal-form.ts'
import { immutableText } from './object-meta.ts'
import { checkPodTemplate } from './pod-spec.ts'
import type { Validation } from './validation.ts'

/** Jobs and CronJobs (upstream's `pkg/apis/batch/validation`). */

const maxIndexedParallelism = 100_000
/** Beyond so many completions, limits per index are held tighter. */
const manyCompletions = 100_000
const maxForManyCompletions = 10_000

const jobUidLabel = 'batch.kubernetes.io/controller-uid'
const jobNameLabel = 'batch.kubernetes.io/job-name'

/** Upstream's `%q` of a list. */
const quoted = (values: readonly string[]): string => `valid values: [${values.map((value) => JSON.stringify(value)).join(' ')}]`

function checkNamedOneOf(out: FieldError[], path: string, value: string | undefined, supported: readonly string[]): void {
  if (isEmpty(value)) out.push(fieldErrors.required(path, quoted(supported)))
  else if (!supported.includes(value)) out.push(fieldErrors.notSupported(path, value, supported))
}

function checkExitCodes(out: FieldError[], path: string, exit: Readonly<PodFailurePolicyOnExitCodesRequirement>, names: ReadonlySet<string>): void {
  const { operator, containerName, values = [] } = exit
  checkNamedOneOf(out, `${path}.operator`, operator, ['In', 'NotIn'])
  if (containerName !== undefined && !names.has(containerName)) out.push(fieldErrors.invalid(`${path}.containerName`, containerName, 'must be one of the container or initContainer names in the pod template'))
  if (values.length === 0) out.push(fieldErrors.invalid(`${path}.values`, exit.values ?? null, 'at least one value is required'))
  else if (values.length > 255) out.push(fieldErrors.tooMany(`${path}.values`, values.length, 255))
  for (const [i, value] of values.entries()) {
    if (operator === 'In' && value === 0) out.push(fieldErrors.invalid(`${path}.values[${i}]`, value, 'must not be 0 for the In operator'))
    if (values.indexOf(value) < i) out.push(fieldErrors.duplicate(`${path}.values[${i}]`, value))
  }
  if (values.some((value, i) => i > 0 && (values[i - 1] as number) > value)) out.push(fieldErrors.invalid(`${path}.values`, values, 'must be ordered'))
}

function checkFailurePolicy(out: FieldError[], path: string, policy: Readonly<PodFailurePolicy>, spec: Readonly<JobSpec>): void {
  const rules = policy.rules ?? []
  if (rules.length > 20) out.push(fieldErrors.tooMany(`${path}.rules`, rules.length, 20))
  const names = new Set([...(spec.template?.spec?.containers ?? []), ...(spec.template?.spec?.initContainers ?? [])].map((container) => container.name))
  for (const [i, { action, onExitCodes, onPodConditions = [] }] of rules.entries()) {
    const at = `${path}.rules[${i}]`
    checkNamedOneOf(out, `${at}.action`, action, ['Count', 'FailIndex', 'FailJob', 'Ignore'])
    if (action === 'FailIndex' && spec.backoffLimitPerIndex === undefined) out.push(fieldErrors.invalid(`${at}.action`, action, 'requires the backoffLimitPerIndex to be set'))
    if (onExitCodes !== undefined) checkExitCodes(out, `${at}.onExitCodes`, onExitCodes, names)
    if (onPodConditions.length > 20) out.push(fieldErrors.tooMany(`${at}.onPodConditions`, onPodConditions.length, 20))
    for (const [p, pattern] of onPodConditions.entries()) {
      addInvalid(out, `${at}.onPodConditions[${p}].type`, pattern.type ?? '', qualifiedNameErrors(pattern.type ?? ''))
      checkNamedOneOf(out, `${at}.onPodConditions[${p}].status`, pattern.status, ['False', 'True', 'Unknown'])
    }
    if (onExitCodes !== undefined && onPodConditions.length > 0) out.push(fieldErrors.invalid(at, omittedValue, 'specifying both OnExitCodes and OnPodConditions is not supported'))
    if (onExitCodes === undefined && onPodConditions.length === 0) out.push(fieldErrors.invalid(at, omittedValue, 'specifying one of OnExitCodes and OnPodConditions is required'))
  }
}

function checkSuccessPolicy(out: FieldError[], path: string, policy: Readonly<SuccessPolicy>, completions: number): void {
  const rules = policy.rules ?? []
  if (rules.length === 0) out.push(fieldErrors.required(`${path}.rules`, 'at least one rules must be specified when the successPolicy is specified'))
  if (rules.length > 20) out.push(fieldErrors.tooMany(`${path}.rules`, rules.length, 20))
  for (const [i, { succeededCount, succeededIndexes }] of rules.entries()) {
    const at = `${path}.rules[${i}]`
    if (succeededCount === undefined && succeededIndexes === undefined) out.push(fieldErrors.required(at, 'at least one of succeededCount or succeededIndexes must be specified'))
    let total = 0
    if (succeededIndexes !== undefined) {
      if (succeededIndexes.length > 64 * 1024) out.push(fieldErrors.tooLong(`${at}.succeededIndexes`, 64 * 1024))
      try {
        total = countIndexes(succeededIndexes, completions)
      } catch (error) {
        out.push(fieldErrors.invalid(`${at}.succeededIndexes`, succeededIndexes, `error parsing succeededIndexes: ${(error as Error).message}`))
      }
    }
    if (succeededCount === undefined) continue
    checkNonNegative(out, `${at}.succeededCount`, succeededCount)
    if (succeededCount > completions) out.push(fieldErrors.invalid(`${at}.succeededCount`, succeededCount, `must be less than or equal to ${completions} (the number of specified completions)`))
    if (succeededIndexes !== undefined && succeededCount > total) {
      out.push(fieldErrors.invalid(`${at}.succeededCount`, succeededCount, `must be less than or equal to ${total} (the number of indexes in the specified succeededIndexes field)`))
    }
  }
}

function checkIndexed(out: FieldError[], path: string, spec: Readonly<JobSpec>): void {
  const { completionMode, completions, parallelism, backoffLimitPerIndex, maxFailedIndexes } = spec
  checkOptionalOneOf(out, `${path}.completionMode`, completionMode, ['NonIndexed', 'Indexed'])
  if (completionMode === 'Indexed') {
    if (completions === undefined) out.push(fieldErrors.required(`${path}.completions`, 'when completion mode is Indexed'))
    if ((parallelism ?? 0) > maxIndexedParallelism) out.push(fieldErrors.invalid(`${path}.parallelism`, parallelism, `must be less than or equal to ${maxIndexedParallelism} when completion mode is Indexed`))
    if (maxFailedIndexes !== undefined && completions !== undefined && maxFailedIndexes > completions) out.push(fieldErrors.invalid(`${path}.maxFailedIndexes`, maxFailedIndexes, 'must be less than or equal to completions'))
    if ((maxFailedIndexes ?? 0) > 100_000) out.push(fieldErrors.invalid(`${path}.maxFailedIndexes`, maxFailedIndexes, 'must be less than or equal to 100000'))
    if ((completions ?? 0) > manyCompletions && backoffLimitPerIndex !== undefined) {
      const when = `when completions are above ${manyCompletions} and used with backoff limit per index`
      if (maxFailedIndexes === undefined) out.push(fieldErrors.required(`${path}.maxFailedIndexes`, `must be specified when completions is above ${manyCompletions}`))
      if ((parallelism ?? 0) > maxForManyCompletions) out.push(fieldErrors.invalid(`${path}.parallelism`, parallelism, `must be less than or equal to ${maxForManyCompletions} ${when}`))
      if ((maxFailedIndexes ?? 0) > maxForManyCompletions) out.push(fieldErrors.invalid(`${path}.maxFailedIndexes`, maxFailedIndexes, `must be less than or equal to ${maxForManyCompletions} ${when}`))
    }
  } else if (completionMode === undefined || completionMode === 'NonIndexed') {
    if (backoffLimitPerIndex !== undefined) out.push(fieldErrors.invalid(`${path}.backoffLimitPerIndex`, backoffLimitPerIndex, 'requires indexed completion mode'))
    if (maxFailedIndexes !== undefined) out.push(fieldErrors.invalid(`${path}.maxFailedIndexes`, maxFailedIndexes, 'requires indexed completion mode'))
  }
}

function checkJobSpec(out: FieldError[], path: string, spec: Readonly<JobSpec>): void {
  for (const field of ['parallelism', 'completions', 'activeDeadlineSeconds', 'backoffLimit', 'ttlSecondsAfterFinished', 'backoffLimitPerIndex', 'maxFailedIndexes'] as const) checkNonNegative(out, `${path}.${field}`, spec[field])
  if (spec.maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined) out.push(fieldErrors.required(`${path}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified'))
  if (spec.managedBy !== undefined) {
    out.push(...domainPrefixedPathErrors(`${path}.managedBy`, spec.managedBy))
    if (spec.managedBy.length > 63) out.push(fieldErrors.tooLong(`${path}.managedBy`, 63))
  }
  checkIndexed(out, path, spec)
  if (spec.podFailurePolicy !== undefined) checkFailurePolicy(out, `${path}.podFailurePolicy`, spec.podFailurePolicy, spec)
  if (spec.successPolicy !== undefined) {
    if (spec.completionMode !== 'Indexed') out.push(fieldErrors.invalid(`${path}.successPolicy`, internalForm('SuccessPolicy', spec.successPolicy), 'requires indexed completion mode'))
    else checkSuccessPolicy(out, `${path}.successPolicy`, spec.successPolicy, spec.completions ?? 0)
  }
  if (spec.podReplacementPolicy !== undefined) {
    const supported = spec.podFailurePolicy === undefined ? ['Failed', 'TerminatingOrFailed'] : ['Failed']
    if (!supported.includes(spec.podReplacementPolicy)) out.push(fieldErrors.notSupported(`${path}.podReplacementPolicy`, spec.podReplacementPolicy, supported))
  }
  checkPodTemplate(out, `${path}.template`, spec.template ?? { metadata: {}, spec: { containers: [] } })
  const restartPolicy = spec.template?.spec?.restartPolicy
  const at = `${path}.template.spec.restartPolicy`
  if (isEmpty(restartPolicy) || restartPolicy === 'Always') out.push(fieldErrors.required(at, 'valid values: "OnFailure", "Never"'))
  else if (restartPolicy !== 'OnFailure' && restartPolicy !== 'Never') out.push(fieldErrors.notSupported(at, restartPolicy, ['OnFailure', 'Never']))
  else if (spec.podFailurePolicy !== undefined && restartPolicy !== 'Never') out.push(fieldErrors.invalid(at, restartPolicy, 'only "Never" is supported when podFailurePolicy is specified'))
}

/** What holds on create and on update. */
function checkJob(out: FieldError[], spec: Readonly<JobSpec>): void {
  checkJobSpec(out, 'spec', spec)
  const labels = spec.template?.metadata?.labels
  const { selector } = spec
  const errors = selector === undefined ? [] : validateLabelSelector(selector, 'spec.selector')
  if (selector === undefined) out.push(fieldErrors.required('spec.selector'))
  out.push(...errors)
  if (errors.length === 0 && (selector === undefined || !labelSelectorMatcher(selector)(labels))) {
    out.push(fieldErrors.invalid('spec.template.metadata.labels', labelsForm(labels), '`selector` does not match template `labels`'))
  }
}

const labelsForm = (labels: Readonly<Record<string, string>> | undefined): unknown => (labels === undefined ? null : sorted(labels))

/** `before`: the job in its earlier form, which may be of a time when labels had no prefix. */
function validateJob(object: Readonly<OpenObject>, before?: Readonly<Job>): FieldError[] {
  const out: FieldError[] = []
  const { metadata, spec } = object as unknown as Job
  const labels = before?.spec.template?.metadata?.labels ?? {}
  const hasPrefixes = before === undefined || (labels[jobNameLabel] !== undefined && labels[jobUidLabel] !== undefined)
  if (spec.manualSelector !== true && spec.selector !== undefined) checkGeneratedLabels(out, metadata, spec, hasPrefixes)
  checkJob(out, spec)
  if (spec.completionMode === 'Indexed' && (spec.completions ?? 0) > 0) {
    const hostname = `${metadata.name ?? ''}-${(spec.completions ?? 1) - 1}`
    if (dnsLabelErrors(hostname).length > 0) out.push(fieldErrors.invalid('metadata.name', metadata.name ?? '', `will not able to create pod with invalid DNS label: ${hostname}`))
  }
  return out
}

/** Labels that tell a job's pods from those of any other job. */
function checkGeneratedLabels(out: FieldError[], metadata: Readonly<ObjectMeta>, spec: Readonly<JobSpec>, hasPrefixes: boolean): void {
  const { uid = '', name = '' } = metadata
  if (uid === '') out.push(fieldErrors.required('metadata.uid'))
  const labels = spec.template?.metadata?.labels ?? {}
  const expected = { 'controller-uid': uid, 'job-name': name, ...(hasPrefixes ? { [jobUidLabel]: uid, [jobNameLabel]: name } : {}) }
  for (const [key, value] of Object.entries(expected)) {
    const at = `spec.template.metadata.labels[${key}]`
    const detail = `must be '${value}'`
    if (!Object.hasOwn(labels, key)) out.push(fieldErrors.required(at, detail))
    else if (labels[key] !== value) out.push(fieldErrors.invalid(at, labelsForm(labels), detail))
  }
  if (validateLabelSelector(spec.selector ?? {}, '').length === 0 && !labelSelectorMatcher(spec.selector ?? {})(expected)) {
    out.push(fieldErrors.invalid('spec.selector', selectorForm(spec.selector), '`selector` not auto-generated'))
  }
}

/** The template with what it may take over of the new one while no pod is made from it: where pods go (KEP-2926). */
function withPlacementOf(template: Readonly<PodTemplateSpec>, before: Readonly<PodTemplateSpec>): PodTemplateSpec {
  const { labels: _l, annotations: _a, ...metadata } = before.metadata ?? {}
  const { nodeSelector: _n, tolerations: _t, schedulingGates: _g, affinity, ...spec } = before.spec ?? { containers: [] }
  const { nodeSelector, tolerations, schedulingGates, affinity: next } = template.spec ?? {}
  const others = affinity === undefined ? {} : Object.fromEntries(Object.entries(affinity).filter(([field]) => field !== 'nodeAffinity'))
  const joined = next?.nodeAffinity === undefined ? others : { ...others, nodeAffinity: next.nodeAffinity }
  const isBare = next === undefined && Object.keys(others).length === 0
  return {
    ...before,
    metadata: { ...metadata, labels: template.metadata?.labels, annotations: template.metadata?.annotations },
    spec: { ...spec, nodeSelector, tolerations, schedulingGates, affinity: isBare ? undefined : joined },
  } as PodTemplateSpec
}

/** The same for what containers ask for (KEP-5440). */
function withResourcesOf(template: Readonly<PodSpec>, before: Readonly<PodSpec>): PodSpec {
  const merged = (next: readonly Container[] = [], old: readonly Container[] | undefined): Container[] | undefined => {
    if (old?.length !== next.length) return old as Container[] | undefined
    return old.map((container, i) => (container.name === next[i]?.name ? { ...container, resources: next[i]?.resources } as Container : container))
  }
  return { ...before, containers: merged(template.containers, before.containers), initContainers: merged(template.initContainers, before.initContainers) } as PodSpec
}

const isHalted = (job: Readonly<Job>): boolean => job.status?.conditions?.some(({ type, status }) => type === 'Suspended' && status === 'True') === true

function checkTemplateUpdate(out: FieldError[], job: Readonly<Job>, before: Readonly<Job>): void {
  const template: PodTemplateSpec = job.spec.template ?? {}
  const old: PodTemplateSpec = before.spec.template ?? {}
  if (before.spec.suspend !== true) {
    if (!semanticEqual(template, old)) out.push(fieldErrors.invalid('spec.template', internalForm('PodTemplateSpec', template), immutableText))
    return
  }
  const isIdle = (before.status?.active ?? 0) === 0 && (before.status?.startTime === undefined || isHalted(before))
  if (isIdle) {
    const allowed = withResourcesOf(template.spec ?? { containers: [] }, withPlacementOf(template, old).spec ?? { containers: [] })
    if (!semanticEqual(template.spec, allowed)) out.push(fieldErrors.invalid('spec.template.spec', internalForm('PodSpec', template.spec), immutableText))
  } else if (!semanticEqual(template, old)) {
    out.push(fieldErrors.invalid('spec.template', internalForm('PodTemplateSpec', template), immutableText))
  }
}

function checkSame(out: FieldError[], path: string, value: unknown, old: unknown, shown: (value: unknown) => unknown = (same) => same): void {
  if (!semanticEqual(value, old)) out.push(fieldErrors.invalid(path, value === undefined ? null : shown(value), immutableText))
}

function validateJobUpdate(object: Readonly<OpenObject>, old: Readonly<OpenObject>): FieldError[] {
  const job = object as unknown as Job
  const before = old as unknown as Job
  const { spec } = job
  if (semanticEqual(spec, before.spec)) return []
  // Upstream's strategy asks for the rules of creation, then for those of updates, which hold most of them again.
  const out = validateJob(object, before)
  checkJob(out, spec)
  if (spec.completionMode !== 'Indexed') checkSame(out, 'spec.completions', spec.completions, before.spec.completions)
  else if (spec.completions !== undefined && spec.completions !== before.spec.completions && spec.completions !== spec.parallelism) {
    out.push(fieldErrors.invalid('spec.completions', spec.completions, 'can only be modified in tandem with spec.parallelism'))
  }
  checkSame(out, 'spec.selector', spec.selector, before.spec.selector, selectorForm)
  checkTemplateUpdate(out, job, before)
  checkSame(out, 'spec.completionMode', spec.completionMode, before.spec.completionMode)
  checkSame(out, 'spec.podFailurePolicy', spec.podFailurePolicy, before.spec.podFailurePolicy, (value) => internalForm('PodFailurePolicy', value))
  checkSame(out, 'spec.backoffLimitPerIndex', spec.backoffLimitPerIndex, before.spec.backoffLimitPerIndex)
  checkSame(out, 'spec.managedBy', spec.managedBy, before.spec.managedBy)
  checkSame(out, 'spec.successPolicy', spec.successPolicy, before.spec.successPolicy, (value) => internalForm('SuccessPolicy', value))
  return out
}

export const jobValidation: Validation = {
  validate: (object) => validateJob(object),
  validateUpdate: validateJobUpdate,
  validateStatusUpdate(object, old) {
    const out: FieldError[] = []
    checkJobStatus(out, object as unknown as Job, old as unknown as Job)
    return out
  },
}

/** `TZ=` in a schedule is tolerated where it has been before. */
function checkSchedule(out: FieldError[], schedule: string | undefined, timeZone: string | undefined, before: Readonly<CronJob> | undefined): void {
  if (isEmpty(schedule)) {
    out.push(fieldErrors.required('spec.schedule'))
    return
  }
  const zone = /^(?:TZ|CRON_TZ)=(\S*) +/.exec(schedule)
  try {
    parseCron(zone === null ? schedule : schedule.slice(zone[0].length))
  } catch (error) {
    out.push(fieldErrors.invalid('spec.schedule', schedule, (error as Error).message))
  }
  if (!schedule.includes('TZ')) return
  if (before?.spec.schedule.includes('TZ') !== true) out.push(fieldErrors.invalid('spec.schedule', schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'))
  else if (timeZone !== undefined) out.push(fieldErrors.invalid('spec.schedule', schedule, 'cannot use both timeZone field and TZ or CRON_TZ in schedule'))
}

function checkTimeZone(out: FieldError[], timeZone: string | undefined): void {
  const wrong = (detail: string): void => void out.push(fieldErrors.invalid('spec.timeZone', timeZone, detail))
  if (timeZone === undefined) return
  if (timeZone === '') return wrong('timeZone must be nil or non-empty string')
  if (timeZone.split('/').some((part) => part === '.' || part === '..' || part.startsWith('-') || !/^[A-Za-z.\-_0-9+]{1,14}$/.test(part))) return wrong(`unknown time zone ${timeZone}`)
  if (timeZone.toLowerCase() === 'local') wrong('timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones')
  try {
    Intl.DateTimeFormat('en', { timeZone })
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    if (timeZone.toLowerCase() !== 'local' || timeZone !== 'Local') wrong(`unknown time zone ${timeZone}`)
  }
}

function validateCronJobSpec(object: Readonly<OpenObject>, before?: Readonly<CronJob>): FieldError[] {
  const out: FieldError[] = []
  const { spec } = object as unknown as CronJob
  checkSchedule(out, spec.schedule, spec.timeZone, before)
  checkNonNegative(out, 'spec.startingDeadlineSeconds', spec.startingDeadlineSeconds)
  if (before === undefined || before.spec.timeZone !== spec.timeZone) checkTimeZone(out, spec.timeZone)
  checkOneOf(out, 'spec.concurrencyPolicy', spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace'])
  const at = 'spec.jobTemplate.spec'
  const job = spec.jobTemplate?.spec
  if (job === undefined) out.push(fieldErrors.required(at))
  else {
    checkJobSpec(out, at, job)
    if (job.selector !== undefined) out.push(fieldErrors.invalid(`${at}.selector`, selectorForm(job.selector), '`selector` will be auto-generated'))
    if (job.manualSelector === true) out.push(fieldErrors.notSupported(`${at}.manualSelector`, true, ['nil', 'false']))
  }
  checkNonNegative(out, 'spec.successfulJobsHistoryLimit', spec.successfulJobsHistoryLimit)
  checkNonNegative(out, 'spec.failedJobsHistoryLimit', spec.failedJobsHistoryLimit)
  return out
}

export const cronJobValidation: Validation = {
  validate(object) {
    const out = validateCronJobSpec(object)
    const name = object.metadata.name ?? ''
    // Jobs get the name with 11 characters more, and pods need room for a suffix of their own.
    if (name.length > 52) out.push(fieldErrors.invalid('metadata.name', name, 'must be no more than 52 characters'))
    return out
  },
  validateUpdate: (object, old) => (semanticEqual(object.spec, old.spec) ? [] : validateCronJobSpec(object, old as unknown as CronJob)),
}
