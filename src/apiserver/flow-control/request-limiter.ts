import type { UserInfo } from '../../api/resource.ts'
import type { RequestInfo, ServerRequest, ServerResponse } from '../context.ts'

/** A request on its way past the limiter. Times are of the monotonic clock. */
export interface LimitedRequest { request: ServerRequest; info: RequestInfo; user: UserInfo; receivedMs: number; /** When the whole request must be done. */ deadlineMs: number }

/** A place among the requests that run. */
export interface Seat {
  /** False: there was no place, and `refusal` is the answer. */
  readonly admitted: boolean
  refusal(): ServerResponse
  /** Adds the headers that tell how the request was classified. */
  mark(headers: ServerResponse['headers']): void
  /** The request, or the beginning of a watch, is done. */
  release(): void
  /** For watches: called when the stream has ended. */
  readonly watchEnded?: (() => void) | undefined
}

/** Keeps the server from taking on more than it can do. `undefined`: not a matter of the limiter. */
export interface RequestLimiter {
  admit(limited: LimitedRequest): Seat | undefined | Promise<Seat>
}

/** The answer to whoever should come again later (RFC 6585, section 4); plain text, as upstream's. */
export function tooManyRequests(retryAfterSeconds: number): ServerResponse {
  return {
    status: 429, headers: { 'retry-after': String(retryAfterSeconds), 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
    bytes: 'Too many requests, please try again later.\n',
  }
}

const longRunningVerbs = new Set(['watch', 'proxy'])
const longRunningSubresources = new Set(['attach', 'exec', 'proxy', 'log', 'portforward'])

/** Requests that may last: no deadline, no limit on how many there are. */
export function isLongRunning(info: RequestInfo): boolean {
  return longRunningVerbs.has(info.verb) || (info.isResourceRequest ? longRunningSubresources.has(info.subresource) : info.path.startsWith('/debug/pprof/'))
}

export function isMutating(info: RequestInfo): boolean {
  return info.verb !== 'get' && info.verb !== 'list' && info.verb !== 'watch'
}
