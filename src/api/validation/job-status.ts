import { semanticEqual } from '../../machinery/equality.ts'
import { fieldErrors, omittedValue } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import type { Job, JobStatus } from '../types/batch_v1.ts'
import { checkNonNegative, isEmpty } from './check.ts'
import { internalForm } from './internal-form.ts'
import { immutableText } from './object-meta.ts'

/** What a job's status may say, and how it may go on from what it said before (KEP-3850, KEP-3998, KEP-4368). */

/** First and last index of `3` or `3-5`; throws in upstream's words. */
function parseInterval(text: string, completions: number): [first: number, last: number] {
  const parts = text.split('-')
  if (parts.length > 2) throw new Error(`the fragment ${JSON.stringify(text)} violates the requirement that an index interval can have at most two parts separated by '-'`)
  const numbers = parts.map((part) => {
    if (!/^\+?\d+$/.test(part)) throw new Error(`cannot convert string to integer for index: ${JSON.stringify(part)}`)
    if (Number(part) >= completions) throw new Error(`too large index: ${JSON.stringify(part)}`)
    return Number(part)
  })
  const [first = 0, last = first] = numbers
  if (numbers.length > 1 && first >= last) throw new Error(`non-increasing order, previous: ${first}, current: ${last}`)
  return [first, last]
}

/** How many indexes a text like `1,3-5` names; throws in upstream's words when it is none. */
export function countIndexes(text: string, completions: number): number {
  if (text === '') return 0
  let total = 0
  let previous = -1
  for (const part of text.split(',')) {
    const [first, last] = parseInterval(part, completions)
    if (previous >= first) throw new Error(`non-increasing order, previous: ${previous}, current: ${first}`)
    total += last - first + 1
    previous = last
  }
  return total
}

function intervalsOf(text: string, completions: number): Array<[number, number]> {
  return text.split(',').flatMap((part) => {
    try {
      return [parseInterval(part, completions)]
    } catch {
      return [] // told of where the format is checked
    }
  })
}

/** The lowest index that both name. */
function overlapOf(completed: string, failed: string, completions: number): number | undefined {
  if (completed === '' || failed === '') return undefined
  const others = intervalsOf(failed, completions)
  for (const [from, to] of intervalsOf(completed, completions)) {
    const hit = others.find(([first, last]) => from <= last && first <= to)
    if (hit !== undefined) return Math.max(from, hit[0])
  }
  return undefined
}

const isTrue = (status: Readonly<JobStatus>, type: string): boolean => status.conditions?.some((condition) => condition.type === type && condition.status === 'True') === true

function checkUncounted(out: FieldError[], status: Readonly<JobStatus>): void {
  const seen = new Set<string>()
  for (const field of ['succeeded', 'failed'] as const) {
    for (const [i, uid] of (status.uncountedTerminatedPods?.[field] ?? []).entries()) {
      const at = `status.uncountedTerminatedPods.${field}[${i}]`
      if (uid === '') out.push(fieldErrors.invalid(at, uid, 'must not be empty'))
      else if (seen.has(uid)) out.push(fieldErrors.duplicate(at, uid))
      seen.add(uid)
    }
  }
}

function checkIndexes(out: FieldError[], field: 'completedIndexes' | 'failedIndexes', text: string, completions: number): void {
  try {
    countIndexes(text, completions)
  } catch (error) {
    out.push(fieldErrors.invalid(`status.${field}`, text, `error parsing ${field}: ${(error as Error).message}`))
  }
}

/** Rules that hold from when what they look at changes: what older servers let through may stay. */
export function checkJobStatus(out: FieldError[], job: Readonly<Job>, oldJob: Readonly<Job>): void {
  const now = job.status ?? {}
  const before = oldJob.status ?? {}
  const { spec } = job
  const conditions = 'status.conditions'
  const wrong = (path: string, value: unknown, detail: string): void => void out.push(fieldErrors.invalid(path, value, detail))
  const complete = isTrue(now, 'Complete')
  const failed = isTrue(now, 'Failed')
  const failing = isTrue(now, 'FailureTarget')
  const succeeding = isTrue(now, 'SuccessCriteriaMet')
  const finished = complete || failed
  const changed = (...fields: ReadonlyArray<keyof JobStatus | 'Complete' | 'Failed' | 'FailureTarget' | 'SuccessCriteriaMet' | 'finished'>): boolean => fields.some((field) => {
    if (field === 'finished') return finished !== (isTrue(before, 'Complete') || isTrue(before, 'Failed'))
    if (field === 'Complete' || field === 'Failed' || field === 'FailureTarget' || field === 'SuccessCriteriaMet') return isTrue(now, field) !== isTrue(before, field)
    return !semanticEqual(now[field], before[field])
  })
  for (const field of ['active', 'succeeded', 'failed', 'ready', 'terminating'] as const) checkNonNegative(out, `status.${field}`, now[field])
  checkUncounted(out, now)
  if (complete && failed && changed('Complete', 'Failed')) wrong(conditions, omittedValue, 'cannot set Complete=True and Failed=true conditions')
  if (complete && failing && changed('Complete', 'FailureTarget')) wrong(conditions, omittedValue, 'cannot set Complete=True and FailureTarget=true conditions')
  if (changed('Complete', 'completionTime')) {
    if (!isEmpty(now.completionTime) && !complete) wrong('status.completionTime', now.completionTime, 'cannot set completionTime when there is no Complete=True condition')
    if (isEmpty(now.completionTime) && complete) out.push(fieldErrors.required('status.completionTime', 'completionTime is required for Complete jobs'))
  }
  if (changed('startTime', 'completionTime') && !isEmpty(now.startTime) && !isEmpty(now.completionTime) && Date.parse(now.completionTime) < Date.parse(now.startTime)) {
    wrong('status.completionTime', now.completionTime, 'must be equal to or after `startTime`')
  }
  if (failed && !failing && changed('Failed', 'failedIndexes')) wrong(conditions, omittedValue, 'cannot set Failed=True condition without the FailureTarget=true condition')
  if (complete && !succeeding && changed('Complete', 'SuccessCriteriaMet')) wrong(conditions, omittedValue, 'cannot set Complete=True condition without the SuccessCriteriaMet=true condition')
  if (finished) {
    if ((now.active ?? 0) > 0 && changed('finished', 'active')) wrong('status.active', now.active, 'active>0 is invalid for finished job')
    if (isEmpty(now.startTime) && spec.suspend !== true && changed('finished', 'startTime')) out.push(fieldErrors.required('status.startTime', 'startTime is required for finished job'))
    const uncounted = now.uncountedTerminatedPods
    if ((uncounted?.failed ?? []).length + (uncounted?.succeeded ?? []).length > 0 && changed('finished', 'uncountedTerminatedPods')) {
      wrong('status.uncountedTerminatedPods', internalForm('UncountedTerminatedPods', uncounted), 'must be empty for finished job')
    }
  }
  checkStatusIndexes(out, job, now, changed('completedIndexes'), changed('failedIndexes'))
  if (finished && (now.terminating ?? 0) > 0 && changed('finished', 'terminating')) wrong('status.terminating', now.terminating, 'terminating>0 is invalid for finished job')
  if (now.ready !== undefined && now.ready > (now.active ?? 0) && changed('ready', 'active')) wrong('status.ready', now.ready, 'cannot set more ready pods than active')
  if (succeeding && failed) wrong(conditions, omittedValue, 'cannot set SuccessCriteriaMet=True and Failed=true conditions')
  if (succeeding && failing) wrong(conditions, omittedValue, 'cannot set SuccessCriteriaMet=True and FailureTarget=true conditions')
  if (spec.successPolicy !== undefined && !succeeding && complete) wrong(conditions, omittedValue, 'cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True')
  checkJobProgress(out, job, now, before)
}

function checkStatusIndexes(out: FieldError[], { spec }: Readonly<Job>, now: Readonly<JobStatus>, completedChanged: boolean, failedChanged: boolean): void {
  const { completedIndexes = '', failedIndexes } = now
  const { completions, backoffLimitPerIndex } = spec
  if (completedChanged && completions !== undefined) checkIndexes(out, 'completedIndexes', completedIndexes, completions)
  if (failedChanged && completions !== undefined && backoffLimitPerIndex !== undefined && failedIndexes !== undefined) checkIndexes(out, 'failedIndexes', failedIndexes, completions)
  if (completedChanged && completedIndexes !== '' && spec.completionMode !== 'Indexed') out.push(fieldErrors.invalid('status.completedIndexes', completedIndexes, 'cannot set non-empty completedIndexes when non-indexed completion mode'))
  if (failedChanged && backoffLimitPerIndex === undefined && failedIndexes !== undefined) out.push(fieldErrors.invalid('status.failedIndexes', failedIndexes, 'cannot set non-null failedIndexes when backoffLimitPerIndex is null'))
  if ((completedChanged || failedChanged) && completions !== undefined && failedIndexes !== undefined) {
    const overlap = overlapOf(completedIndexes, failedIndexes, completions)
    if (overlap !== undefined) out.push(fieldErrors.invalid('status.failedIndexes', failedIndexes, `failedIndexes and completedIndexes overlap at index: ${overlap}`))
  }
}

/** What is said once stays said. */
function checkJobProgress(out: FieldError[], { spec }: Readonly<Job>, now: Readonly<JobStatus>, before: Readonly<JobStatus>): void {
  const wrong = (path: string, value: unknown, detail: string): void => void out.push(fieldErrors.invalid(path, value, detail))
  for (const type of ['Failed', 'Complete', 'FailureTarget']) {
    if (isTrue(before, type) && !isTrue(now, type)) wrong('status.conditions', omittedValue, `cannot disable the terminal ${type}=True condition`)
  }
  if ((now.failed ?? 0) < (before.failed ?? 0)) wrong('status.failed', now.failed ?? 0, 'cannot decrease the failed counter')
  // Jobs whose pods are as many as their indexes may shrink.
  const isElastic = spec.completionMode === 'Indexed' && spec.completions === spec.parallelism
  if (!isElastic && (now.succeeded ?? 0) < (before.succeeded ?? 0)) wrong('status.succeeded', now.succeeded ?? 0, 'cannot decrease the succeeded counter')
  if (!isEmpty(now.completionTime) && !isEmpty(before.completionTime) && now.completionTime !== before.completionTime) wrong('status.completionTime', now.completionTime, immutableText)
  if (!isEmpty(before.startTime) && before.startTime !== now.startTime && spec.suspend !== true) wrong('status.startTime', now.startTime ?? null, 'field is immutable for unsuspended job once set')
  if (isTrue(before, 'SuccessCriteriaMet') && !isTrue(now, 'SuccessCriteriaMet')) wrong('status.conditions', omittedValue, 'cannot disable the SuccessCriteriaMet=True condition')
  if (isTrue(before, 'Complete') && !isTrue(before, 'SuccessCriteriaMet') && isTrue(now, 'SuccessCriteriaMet')) wrong('status.conditions', omittedValue, 'cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions')
}
