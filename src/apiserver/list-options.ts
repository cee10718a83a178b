import type { ResourceDescription } from '../api/resource.ts'
import { supportedFields } from '../api/field-labels.ts'
import { exactFieldMatch, matchesFields, parseFieldSelector, type FieldSelector } from '../machinery/fields.ts'
import { matchesSelector, parseLabelSelector, type Selector } from '../machinery/labels.ts'
import type { OpenObject } from '../machinery/object.ts'
import { errors } from '../machinery/status.ts'
import { fieldErrorCause, fieldErrors, type FieldError } from '../machinery/field-error.ts'
import type { RequestInfo } from './context.ts'
import { plainServerError } from './plain-error.ts'
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

const maxUint64 = 2n ** 64n - 1n
const maxInt64 = 2n ** 63n - 1n

/** What is wrong with a text as a whole number, in the words of Go's strconv; undefined where nothing is. */
function numberProblem(text: string, isSigned: boolean): string | undefined {
  const name = isSigned ? 'strconv.ParseInt' : 'strconv.ParseUint'
  if (!(isSigned ? /^[+-]?[0-9]+$/ : /^[0-9]+$/).test(text)) return `${name}: parsing ${JSON.stringify(text)}: invalid syntax`
  const value = BigInt(text.replace(/^\+/, ''))
  const fits = isSigned ? value <= maxInt64 && value >= -maxInt64 - 1n : value <= maxUint64
  return fits ? undefined : `${name}: parsing ${JSON.stringify(text)}: value out of range`
}

function revisionProblem(text: string): string | undefined {
  const problem = numberProblem(text, false)
  return problem === undefined ? undefined : `resourceVersion: Invalid value: ${JSON.stringify(text)}: ${problem}`
}

/** The resourceVersion of a get or a watch; upstream has no better answer to a wrong one than 500. */
export function parseRevision(text: string): number {
  const problem = revisionProblem(text)
  if (problem !== undefined) throw plainServerError(problem)
  return Number(text)
}

/** The resourceVersion of a list; throws 400. */
export function parseListRevision(text: string): number {
  const problem = revisionProblem(text)
  if (problem !== undefined) throw errors.badRequest(`invalid resource version: ${problem}`)
  return Number(text)
}

function wholeNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)
  if (text === null) return undefined
  const problem = numberProblem(text, true)
  if (problem !== undefined) throw errors.badRequest(problem)
  return Number(text)
}

function truth(query: URLSearchParams, name: string): boolean | undefined {
  const text = query.get(name)
  if (text === null) return undefined
  return text.toLowerCase() !== 'false' && text !== '0'
}

/** Reads list and watch options; 400 for what cannot be parsed, 422 for what does not go together. */
export function listOptionsOf(resource: ResourceDescription, info: RequestInfo, query: URLSearchParams): ListOptions {
  const selectors = parseSelectors(query.get('labelSelector') ?? '', query.get('fieldSelector') ?? '')
  const options: Omit<ListOptions, 'selection'> = {
    resourceVersion: query.get('resourceVersion') ?? '',
    match: (query.get('resourceVersionMatch') ?? '') as ListOptions['match'],
    limit: Math.max(wholeNumber(query, 'limit') ?? 0, 0),
    continueToken: query.get('continue') ?? '',
    isWatch: info.verb === 'watch',
    timeoutSeconds: wholeNumber(query, 'timeoutSeconds'),
    allowBookmarks: truth(query, 'allowWatchBookmarks') ?? false,
    sendInitialEvents: truth(query, 'sendInitialEvents'),
  }
  // Watches that begin with the state tell when it is complete, unless the client speaks of it itself (KEP-3157).
  const { resourceVersion, match, sendInitialEvents } = options
  if (options.isWatch && sendInitialEvents === undefined && match === '' && (resourceVersion === '' || resourceVersion === '0')) {
    options.sendInitialEvents = true
    options.match = 'NotOlderThan'
  }
  const problems = options.isWatch ? watchProblems(options) : listProblems(options)
  if (problems.length > 0) throw errors.invalid({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', problems.map(fieldErrorCause))
  return { ...options, selection: selectionFor(resource, info, selectors) }
}

/** The rules of upstream's `ValidateListOptions`. */
function listProblems({ match, resourceVersion, continueToken, sendInitialEvents }: Omit<ListOptions, 'selection'>): FieldError[] {
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

function watchProblems({ match, sendInitialEvents, continueToken }: Omit<ListOptions, 'selection'>): FieldError[] {
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

interface Selectors { labels: Selector | undefined; fields: FieldSelector | undefined }

function parseSelectors(labelText: string, fieldText: string): Selectors {
  return {
    labels: labelText === '' ? undefined : parsedOrBadRequest(() => parseLabelSelector(labelText)),
    fields: fieldText === '' ? undefined : parsedOrBadRequest(() => parseFieldSelector(fieldText)),
  }
}

/** The set of objects that a path and selectors name. */
export function selectionOf(resource: ResourceDescription, info: RequestInfo, labelText: string, fieldText: string): Selection {
  return selectionFor(resource, info, parseSelectors(labelText, fieldText))
}

function selectionFor(resource: ResourceDescription, info: RequestInfo, { labels, fields: parsed }: Selectors): Selection {
  const fields = parsed === undefined ? undefined : parsedOrBadRequest(() => supportedFields(resource, parsed))
  const namespace = resource.namespaced ? info.namespace : ''
  const name = nameOf(info, fields)
  const test = testOf(resource, labels, fields)
  return {
    namespace, name, test,
    index: name === undefined && fields !== undefined ? indexOf(resource, fields) : undefined,
    isWhole: name === undefined && test === undefined,
  }
}

/** A name in the path or in the selector is the only one wanted; both must agree. */
function nameOf(info: RequestInfo, fields: FieldSelector | undefined): string | undefined {
  const selected = fields === undefined ? undefined : exactFieldMatch(fields, 'metadata.name')
  if (info.name !== '' && fields !== undefined && fields.terms.length > 0 && info.name !== selected) throw errors.badRequest("fieldSelector metadata.name doesn't match requested name")
  return info.name !== '' ? info.name : selected
}

function testOf(resource: ResourceDescription, labels: Selector | undefined, fields: FieldSelector | undefined): Selection['test'] {
  const wantsLabels = labels !== undefined && (labels.requirements.length > 0 || labels.nothing === true) ? labels : undefined
  const name = fields === undefined ? undefined : exactFieldMatch(fields, 'metadata.name')
  const terms = fields?.terms.filter(({ field, operator, value }) => field !== 'metadata.name' || operator !== '=' || value !== name) ?? []
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
