import type { UserInfo } from '../api/resource.ts'
import { errors } from '../machinery/status.ts'
import type { RequestAudit } from './audit/request-audit.ts'
import type { RequestInfo, ServerRequest, ServerResponse } from './context.ts'
import type { RequestLimiter } from './flow-control/request-limiter.ts'
import type { RequestDeadlines } from './request-deadline.ts'

/** Starts the record of a request; undefined where the policy wants none. `user` is undefined for whom nobody knows. `startedMs` is of the monotonic clock. */
export interface Auditor { begin(request: ServerRequest, info: RequestInfo, user: UserInfo | undefined, auditId: string, startedMs: number): RequestAudit | undefined }

/** What stands around every request. */
export interface RequestGuards {
  deadlines: RequestDeadlines
  limiter?: RequestLimiter | undefined
  auditor?: Auditor | undefined
  /** The answer to requests that come too late, when the server is being stopped. */
  refuse?(request: ServerRequest, info: RequestInfo): ServerResponse | undefined
  /** Adds headers that have nothing to do with what the answer is. */
  decorate?(request: ServerRequest, headers: ServerResponse['headers']): void
}

/** What the client hears when a write was not answered in time: what its handler would say, as upstream. */
export function lateError(): Error {
  return errors.timeout('Timeout: request did not complete within requested timeout - context deadline exceeded')
}

/** What it hears of all else: upstream's filter writes a Status that does not say what it is, as text. */
export function lateAnswer(): ServerResponse {
  const { kind: _kind, apiVersion: _version, ...status } = { ...errors.timeout('Timeout: request did not complete within the allotted timeout').status, details: {} }
  const { metadata, message, reason, details, code } = status
  return {
    status: 504, headers: { 'content-type': 'text/plain; charset=utf-8' }, bytes: `${JSON.stringify({ metadata, status: status.status, message, reason, details, code })}\n`,
    value: { kind: 'Status', apiVersion: 'v1', ...status },
  }
}

/** Calls `done` once, when all of the answer has been sent or the client has gone. */
export function whenClosed(response: ServerResponse, done: () => void): void {
  const before = response.onClose
  response.onClose = before === undefined ? done : () => {
    before()
    done()
  }
}

/** Whether the answer goes on after its head is known. */
export function lasts({ stream, events, hijacked }: ServerResponse): boolean {
  return stream !== undefined || events !== undefined || hijacked === true
}
