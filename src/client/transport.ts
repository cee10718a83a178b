import type { WatchEvent } from '../machinery/object.ts'
import type { CauseChain } from '../runtime/causes.ts'

/** A request to the API, whichever way it travels. */
export interface ApiRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Path with query string: `/api/v1/pods?limit=500`. */
  path: string
  /** Lower-case names. */
  headers?: Record<string, string>
  body?: Uint8Array | string
  signal?: AbortSignal
  /** What woke the caller, if a reconcile did. */
  causes?: CauseChain
}

/**
 * An answer. Exactly one of the readers is used, once.
 * A direct transport may also hand over `value` (the parsed body, frozen, shared: never change it) and, for a watch,
 * `events`, so that nothing is serialised inside one process; whoever reads prefers these when they are there.
 */
export interface ApiResponse {
  status: number
  headers: Record<string, string>
  value?: unknown
  events?: AsyncIterable<WatchEvent[]>
  bytes(): Promise<Uint8Array>
  stream(): AsyncIterable<Uint8Array>
}

/** Carries requests to an API server. HTTP status 4xx and 5xx are answers, not rejections; a rejection means no answer came. */
export interface Transport extends AsyncDisposable {
  /** What is handed over is shared with the server, not copied: asking for less of an object (its metadata only) then costs more than it saves. */
  readonly sharesObjects?: true
  request(request: ApiRequest): Promise<ApiResponse>
}
