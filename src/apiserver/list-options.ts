import type { ResourceDescription } from '../api/resource.ts'
import { exactFieldMatch, matchesFields, parseFieldSelector, checkFieldsSupported, type FieldSelector } from '../machinery/fields.ts'
import { matchesSelector, parseLabelSelector, type Selector } from '../machinery/labels.ts'
import type { OpenObject } from '../machinery/object.ts'
import { errors } from '../machinery/status.ts'
import { fieldErrorCause, fieldErrors, type FieldError } from '../machinery/field-error.ts'
import type { RequestInfo } from './context.ts'
import type { Selection } from './selection.ts'

/** metav1.ListOptions as a request gives them, parsed and checked. */
export interface ListOptions {
  selection: Selection
  /** '' when not given. */
  resourceVersion: string
  match: '' | 'Exact' | 'NotOlderThan'
  /** 0: no limit. */
  limit: number
  continueToken: string
  isWatch: boolean
  timeoutSeconds: number | undefined
  allowBookmarks: boolean
  sendInitialEvents: boolean | undefined
}

const maxInt64 = 2n ** 63n - 1n

/** A resourceVersion that a client sent; throws Invalid. */
export function parseRevision(text: string): number {
  if (!/^[0-9]{1,20}$/.test(text) || BigInt(text) > maxInt64 * 2n + 1n) {
    throw errors.badRequest(`invalid resource version ${JSON.stringify(text)}: resourceVersion: Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`)
  }
  return Number(text)
}

function wholeNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)
  if (text === null || text === '') return undefined
  if (!/^-?[0-9]{1,18}$/.test(text)) throw errors.badRequest(`unable to decode query parameter ${name}: strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)
  return Number(text)
}

function truth(query: URLSearchParams, name: string): boolean | undefined {
  const text = query.get(name)
  if (text === null) return undefined
  return text.toLowerCase() !== 'false' && text !== '0'
}

/** Reads list and watch options; 400 for what cannot be parsed, 422 for what does not go together. */
export function listOptionsOf(resource: ResourceDescription, info: RequestInfo, query: URLSearchParams): ListOptions {
  const options: ListOptions = {
    selection: selectionOf(resource, info, query.get('labelSelector') ?? '', query.get('fieldSelector') ?? ''),
    resourceVersion: query.get('resourceVersion') ?? '',
    match: (query.get('resourceVersionMatch') ?? '') as ListOptions['match'],
    limit: Math.max(wholeNumber(query, 'limit') ?? 0, 0),
    continueToken: query.get('continue') ?? '',
    isWatch: info.verb === 'watch',
    timeoutSeconds: wholeNumber(query, 'timeoutSeconds'),
    allowBookmarks: truth(query, 'allowWatchBookmarks') ?? false,
    sendInitialEvents: truth(query, 'sendInitialEvents'),
  }
  const problems = options.isWatch ? watchProblems(options) : listProblems(options)
  if (problems.length > 0) throw errors.invalid({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', problems.map(fieldErrorCause))
  return options
}

/** The rules of upstream's `ValidateListOptions`. */
function listProblems({ match, resourceVersion, continueToken, sendInitialEvents }: ListOptions): FieldError[] {
  const problems: FieldError[] = []
  if (match !== '') {
    if (resourceVersion === '') problems.push(fieldErrors.forbidden('resourceVersionMatch', 'resourceVersionMatch is forbidden unless resourceVersion is provided'))
    if (continueToken !== '') problems.push(fieldErrors.forbidden('resourceVersionMatch', 'resourceVersionMatch is forbidden when continue is provided'))
    if (match !== 'Exact' && match !== 'NotOlderThan') problems.push(fieldErrors.notSupported('resourceVersionMatch', match, ['Exact', 'NotOlderThan', '']))
    if (match === 'Exact' && resourceVersion === '0') problems.push(fieldErrors.forbidden('resourceVersionMatch', 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'))
  }
  if (sendInitialEvents !== undefined) problems.push(fieldErrors.forbidden('sendInitialEvents', 'sendInitialEvents is forbidden for list'))
  return problems
}

function watchProblems({ match, sendInitialEvents, continueToken }: ListOptions): FieldError[] {
  const problems: FieldError[] = []
  if (sendInitialEvents !== undefined && match !== 'NotOlderThan') {
    problems.push(fieldErrors.forbidden('resourceVersionMatch', 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'))
  }
  if (match !== '') {
    if (sendInitialEvents === undefined) problems.push(fieldErrors.forbidden('resourceVersionMatch', 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided'))
    if (match !== 'NotOlderThan') problems.push(fieldErrors.notSupported('resourceVersionMatch', match, ['NotOlderThan']))
    if (continueToken !== '') problems.push(fieldErrors.forbidden('resourceVersionMatch', 'resourceVersionMatch is forbidden when continue is provided'))
  }
  return problems
}

function parsedOrBadRequest<T>(parse: () => T): T {
  try {
    return parse()
  } catch (cause) {
    throw errors.badRequest(cause instanceof Error ? cause.message : String(cause), cause)
  }
}

/** The set of objects that a path and selectors name. */
export function selectionOf(resource: ResourceDescription, info: RequestInfo, labelText: string, fieldText: string): Selection {
  const labels = labelText === '' ? undefined : parsedOrBadRequest(() => parseLabelSelector(labelText))
  const fields = fieldText === '' ? undefined : parsedOrBadRequest(() => {
    const selector = parseFieldSelector(fieldText)
    checkFieldsSupported(selector, resource.selectableFields)
    return selector
  })
  const namespace = resource.namespaced ? info.namespace : ''
  const name = nameOf(info, fields)
  const test = testOf(resource, labels, fields)
  return {
    namespace, name, test,
    index: name === undefined && fields !== undefined ? indexOf(resource, fields) : undefined,
    isWhole: name === undefined && test === undefined,
  }
}

function nameOf(info: RequestInfo, fields: FieldSelector | undefined): string | undefined {
  const selected = fields === undefined ? undefined : exactFieldMatch(fields, 'metadata.name')
  if (info.name !== '' && selected !== undefined && info.name !== selected) throw errors.badRequest("fieldSelector metadata.name doesn't match requested name")
  return info.name !== '' ? info.name : selected
}

function testOf(resource: ResourceDescription, labels: Selector | undefined, fields: FieldSelector | undefined): Selection['test'] {
  const wantsLabels = labels !== undefined && (labels.requirements.length > 0 || labels.nothing === true) ? labels : undefined
  const terms = fields?.terms.filter(({ field, operator }) => field !== 'metadata.name' || operator !== '=') ?? []
  if (wantsLabels === undefined && terms.length === 0) return undefined
  const rest: FieldSelector = { terms }
  return (object) => {
    if (wantsLabels !== undefined && !matchesSelector(wantsLabels, object.metadata.labels)) return false
    return terms.length === 0 || matchesFields(rest, (field) => fieldOf(resource, object, field))
  }
}

function fieldOf(resource: ResourceDescription, object: Readonly<OpenObject>, field: string): string {
  if (field === 'metadata.name') return object.metadata.name ?? ''
  if (field === 'metadata.namespace') return object.metadata.namespace ?? ''
  return resource.selectableFields[field]?.(object) ?? ''
}

/** A field with one demanded value, by which watchers are found without asking each of them. */
function indexOf(resource: ResourceDescription, fields: FieldSelector): Selection['index'] {
  for (const { field, operator, value } of fields.terms) {
    const read = resource.selectableFields[field]
    if (operator === '=' && read !== undefined) return { field, value, read }
  }
  return undefined
}
