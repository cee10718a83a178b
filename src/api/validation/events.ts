import { coreEventOf } from '../conversions/event.ts'
import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { dnsSubdomainErrors, qualifiedNameErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { Event } from '../types/core_v1.ts'
import { addInvalid, isEmpty } from './check.ts'
import { validateImmutableForm } from './internal-form.ts'
import { validateImmutable } from './object-meta.ts'
import type { Validation } from './validation.ts'

/**
 * Events of both groups (upstream's `pkg/apis/core/validation/events.go`). Paths name the fields of core events, also for
 * those of events.k8s.io, but for who reports.
 */

/** What every event must be; one with an `eventTime` is of the new kind, and says more. */
function checkEvent(out: FieldError[], event: Readonly<Event>, reporterField: string): void {
  const { metadata, involvedObject } = event
  const namespace = metadata.namespace ?? ''
  const about = involvedObject?.namespace ?? ''
  const mismatch = (): void => void out.push(fieldErrors.invalid('involvedObject.namespace', about, 'does not match event.namespace'))
  if (isEmpty(event.eventTime)) {
    if (about === '' ? namespace !== '' && namespace !== 'default' : namespace !== about) mismatch()
  } else {
    if (about === '' && namespace !== 'default' && namespace !== 'kube-system') mismatch()
    const reporter = event.reportingComponent ?? ''
    if (reporter === '') out.push(fieldErrors.required(reporterField))
    addInvalid(out, reporterField, reporter, qualifiedNameErrors(reporter))
    for (const field of ['reportingInstance', 'action', 'reason'] as const) {
      if (isEmpty(event[field])) out.push(fieldErrors.required(field))
      else if (Buffer.byteLength(event[field]) > 128) out.push(fieldErrors.invalid(field, '', 'can have at most 128 characters'))
    }
    if (Buffer.byteLength(event.message ?? '') > 1024) out.push(fieldErrors.invalid('message', '', 'can have at most 1024 characters'))
  }
  addInvalid(out, 'namespace', namespace, dnsSubdomainErrors(namespace))
}

function validateCoreEvent(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  checkEvent(out, object as unknown as Event, 'reportingComponent')
  return out
}

export const eventValidation: Validation = { validate: validateCoreEvent, validateUpdate: validateCoreEvent }

function checkSeries(out: FieldError[], series: Event['series']): void {
  if (series === undefined) return
  if ((series.count ?? 0) < 2) out.push(fieldErrors.invalid('series.count', '', 'should be at least 2'))
  if (isEmpty(series.lastObservedTime)) out.push(fieldErrors.required('series.lastObservedTime'))
}

const fixedFields = [
  'involvedObject', 'reason', 'message', 'source', 'firstTimestamp', 'lastTimestamp', 'count', 'reason', 'type', 'eventTime', 'action', 'related',
] as const
/** What upstream shows of those that are no scalars. */
const fixedForms: Readonly<Partial<Record<(typeof fixedFields)[number], string>>> = { involvedObject: 'ObjectReference', source: 'EventSource', related: 'ObjectReference' }

export const newEventValidation: Validation = {
  validate(object) {
    const out: FieldError[] = []
    const event = coreEventOf(object)
    checkEvent(out, event, 'reportingController')
    checkSeries(out, event.series)
    if (isEmpty(event.eventTime)) out.push(fieldErrors.required('eventTime'))
    if (event.type !== 'Normal' && event.type !== 'Warning') out.push(fieldErrors.invalid('type', '', `has invalid value: ${event.type ?? ''}`))
    for (const field of ['firstTimestamp', 'lastTimestamp'] as const) if (!isEmpty(event[field])) out.push(fieldErrors.invalid(field, '', 'needs to be unset'))
    if ((event.count ?? 0) !== 0) out.push(fieldErrors.invalid('count', '', 'needs to be unset'))
    if (!isEmpty(event.source?.component) || !isEmpty(event.source?.host)) out.push(fieldErrors.invalid('source', '', 'needs to be unset'))
    return out
  },
  validateUpdate(object, old) {
    const out: FieldError[] = []
    const event = coreEventOf(object)
    const before = coreEventOf(old)
    checkEvent(out, event, 'reportingController')
    if (JSON.stringify(event.series) !== JSON.stringify(before.series)) checkSeries(out, event.series)
    for (const field of fixedFields) {
      const type = fixedForms[field]
      out.push(...(type === undefined ? validateImmutable(event[field] ?? (typeof before[field] === 'string' && !field.endsWith('Time') && !field.endsWith('Timestamp') ? '' : undefined), before[field], field) : validateImmutableForm(type, event[field], before[field], field)))
    }
    out.push(...validateImmutable(event.reportingComponent ?? '', before.reportingComponent ?? '', 'reportingController'), ...validateImmutable(event.reportingInstance ?? '', before.reportingInstance ?? '', 'reportingInstance'))
    return out
  },
}
