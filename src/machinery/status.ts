import { goQuoted } from './go-json.ts'

/**
 * The one catalogue of API errors. Reasons, codes and wording follow apimachinery's `pkg/api/errors` and
 * `metav1.StatusReason`; clients and scripts match on them. No `Status` literal stands anywhere else.
 */

export interface StatusCause { reason?: string; message?: string; field?: string }
export interface StatusDetails { name?: string; group?: string; kind?: string; uid?: string; causes?: StatusCause[]; retryAfterSeconds?: number }

export interface Status {
  kind: 'Status'
  apiVersion: 'v1'
  metadata: { continue?: string; resourceVersion?: string; remainingItemCount?: number }
  status: 'Success' | 'Failure'
  message?: string
  reason?: string
  details?: StatusDetails
  code: number
}

export const reasonCodes = {
  BadRequest: 400, Invalid: 422, Unauthorized: 401, Forbidden: 403, NotFound: 404, AlreadyExists: 409, Conflict: 409, Gone: 410, Expired: 410,
  MethodNotAllowed: 405, NotAcceptable: 406, UnsupportedMediaType: 415, RequestEntityTooLarge: 413, TooManyRequests: 429, Timeout: 504,
  ServerTimeout: 500, InternalError: 500, ServiceUnavailable: 503, StorageReadError: 500,
} as const satisfies Record<string, number>

export type StatusReason = keyof typeof reasonCodes

/** What names a resource in messages: `pods "web" not found`, `deployments.apps "web" …`. */
export interface GroupResource { group: string; resource: string }

/** An error that the API answers with, or has answered with. */
export class StatusError extends Error {
  readonly status: Status
  constructor(status: Status, options?: ErrorOptions) {
    super(status.message ?? status.reason ?? `status ${status.code}`, options)
    this.name = 'StatusError'
    this.status = status
  }
  get reason(): string { return this.status.reason ?? '' }
  get code(): number { return this.status.code }
}

export function isReason(error: unknown, ...reasons: StatusReason[]): error is StatusError {
  return error instanceof StatusError && (reasons as string[]).includes(error.reason)
}

/** `deployments.apps`, or `pods` for the core group. */
export function groupResourceText(gr: GroupResource): string {
  return gr.group === '' ? gr.resource : `${gr.resource}.${gr.group}`
}

function failure(reason: StatusReason | '', message: string, details?: StatusDetails, code?: number, cause?: unknown): StatusError {
  const status: Status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, ...(reason === '' ? {} : { reason }), ...(details === undefined ? {} : { details }), code: code ?? (reason === '' ? 500 : reasonCodes[reason]) }
  return new StatusError(status, cause === undefined ? undefined : { cause })
}

/** Zero is what Go leaves out. */
function retryAfter(seconds: number): StatusDetails {
  return seconds === 0 ? {} : { retryAfterSeconds: seconds }
}

function detailsOf(gr: GroupResource, name: string): StatusDetails {
  return { ...(name === '' ? {} : { name }), ...(gr.group === '' ? {} : { group: gr.group }), kind: gr.resource }
}

export const errors = {
  badRequest: (message: string, cause?: unknown) => failure('BadRequest', message, undefined, undefined, cause),
  unauthorized: (message = 'Unauthorized') => failure('Unauthorized', message),
  /** `pods "web" is forbidden: because`; with no name, `pods is forbidden: because`. */
  forbidden: (gr: GroupResource, name: string, because: string) =>
    failure('Forbidden', `${groupResourceText(gr)}${name === '' ? '' : ` ${goQuoted(name)}`} is forbidden: ${because}`, detailsOf(gr, name)),
  forbiddenPath: (message: string) => failure('Forbidden', message, {}),
  notFound: (gr: GroupResource, name: string) => failure('NotFound', `${groupResourceText(gr)} ${goQuoted(name)} not found`, detailsOf(gr, name)),
  /** What has no object because no object can have that name, or just has none. */
  noObject: (gr: GroupResource, name: string) => {
    const problems = [...(name === '.' || name === '..' ? [`may not be '${name}'`] : []), ...['/', '%'].filter((part) => name.includes(part)).map((part) => `may not contain '${part}'`)]
    return problems.length === 0 ? errors.notFound(gr, name) : errors.badRequest(`Name parameter invalid: ${JSON.stringify(name)}: ${problems.join(';')}`)
  },
  /** The answer to a path that nothing serves. */
  unknownPath: () => failure('NotFound', 'the server could not find the requested resource', {}),
  alreadyExists: (gr: GroupResource, name: string) => failure('AlreadyExists', `${groupResourceText(gr)} ${goQuoted(name)} already exists`, detailsOf(gr, name)),
  conflict: (gr: GroupResource, name: string, because = 'the object has been modified; please apply your changes to the latest version and try again', causes?: StatusCause[]) =>
    failure('Conflict', `Operation cannot be fulfilled on ${groupResourceText(gr)} ${goQuoted(name)}: ${because}`, { ...detailsOf(gr, name), ...(causes === undefined ? {} : { causes }) }),
  /** Server-side apply met fields that others own. */
  applyConflict: (message: string, causes: StatusCause[]) => failure('Conflict', message, { causes }),
  /** `kind` and `group` are those of the object, not of the resource. The message lists every cause as upstream's aggregate does. */
  invalid: (object: { group: string; kind: string }, name: string, causes: StatusCause[]) => {
    const lines = causes.map((c) => (c.field === undefined || c.field === '' ? (c.message ?? '') : `${c.field}: ${c.message ?? ''}`))
    const unique = [...new Set(lines)]
    const text = unique.length === 1 ? unique[0] : `[${unique.join(', ')}]`
    const kind = object.group === '' ? object.kind : `${object.kind}.${object.group}`
    return failure('Invalid', causes.length === 0 ? `${kind} ${goQuoted(name)} is invalid` : `${kind} ${goQuoted(name)} is invalid: ${text}`, { ...(name === '' ? {} : { name }), ...(object.group === '' ? {} : { group: object.group }), ...(object.kind === '' ? {} : { kind: object.kind }), causes })
  },
  /** 422 to a patch that is well-formed but does not fit the object. Clients are not told why (upstream: `NewGenericServerResponse`); `because` is the error's cause. */
  rejectedPatch: (because: string) =>
    failure('Invalid', 'the server rejected our request due to an error in our request', {}, undefined, new Error(because)),
  /** 410: the revision asked for is compacted away; clients list anew. */
  expired: (message: string, continueToken?: string) => {
    const error = failure('Expired', message)
    if (continueToken !== undefined) error.status.metadata.continue = continueToken
    return error
  },
  gone: (message: string) => failure('Gone', message),
  methodNotAllowed: (gr: GroupResource, verb: string) => failure('MethodNotAllowed', `${verb} is not supported on resources of kind "${groupResourceText(gr)}"`, detailsOf(gr, '')),
  /** The answer to a method that a known path does not take. */
  methodNotAllowedHere: () => failure('MethodNotAllowed', 'the server does not allow this method on the requested resource', {}),
  notAcceptable: (accepted: readonly string[]) => failure('NotAcceptable', `only the following media types are accepted: ${accepted.join(', ')}`),
  /** What a route answers to whoever accepts none of the types that it produces. */
  notAcceptableHere: (produced: readonly string[]) => failure('NotAcceptable', `406: Not Acceptable\n\nAvailable representations: ${produced.join(', ')}`, {}),
  /** What a route answers to a body of a type that none of its methods takes. */
  unsupportedMediaTypeHere: () => failure('UnsupportedMediaType', '415: Unsupported Media Type', {}),
  unsupportedMediaType: (accepted: readonly string[]) => failure('UnsupportedMediaType', `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`),
  tooLarge: (message: string) => failure('RequestEntityTooLarge', message),
  tooManyRequests: (message: string, retryAfterSeconds: number, causes?: StatusCause[]) => failure('TooManyRequests', message, { ...retryAfter(retryAfterSeconds), ...(causes === undefined ? {} : { causes }) }),
  timeout: (message: string, retryAfterSeconds = 0) => failure('Timeout', message, retryAfter(retryAfterSeconds)),
  serverTimeout: (gr: GroupResource, verb: string, retryAfterSeconds = 0) =>
    failure('ServerTimeout', `The ${verb} operation against ${groupResourceText(gr)} could not be completed at this time, please try again.`, { ...detailsOf(gr, ''), ...retryAfter(retryAfterSeconds) }),
  internal: (cause: unknown) => {
    const message = cause instanceof Error ? cause.message : String(cause)
    return failure('InternalError', `Internal error occurred: ${message}`, { causes: [{ message }] }, undefined, cause)
  },
  /** 500 and the bare message, without a reason: how upstream answers errors that nobody has classified. */
  plain: (message: string) => failure('', message),
  serviceUnavailable: (message: string, cause?: unknown) => failure('ServiceUnavailable', message, undefined, undefined, cause),
} as const

/** Whatever was thrown, as a `StatusError`: unknown errors become 500 InternalError with the original as cause. */
export function toStatusError(error: unknown): StatusError {
  return error instanceof StatusError ? error : errors.internal(error)
}

/** The body of a successful deletion of something that is gone at once (without a code), and of acts that create without an object (201). */
export function success(details?: StatusDetails, code?: number): Omit<Status, 'code'> & { code?: number } {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', ...(details === undefined ? {} : { details }), ...(code === undefined ? {} : { code }) }
}
