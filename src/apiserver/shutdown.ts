import { errors } from '../machinery/status.ts'
import type { Clock } from '../runtime/clock.ts'
import type { RequestInfo, ServerRequest, ServerResponse } from './context.ts'

export interface ShutdownOptions {
  /** `--shutdown-delay-duration`: how long the server goes on as before, while /readyz tells load balancers to look elsewhere. */
  delayMs?: number
  /** `--shutdown-send-retry-after`: new requests hear 429 while those in flight are finished, with the listener still open. */
  sendRetryAfter?: boolean
  /** `--shutdown-watch-termination-grace-period`: time for watches to end by themselves before they are ended. */
  watchTerminationGracePeriodMs?: number
  /** How long requests in flight are waited for. */
  drainTimeoutMs?: number
}

const defaultDrainTimeoutMs = 60_000
/** Requests that are answered to the last: probes, and what API servers ask of each other (upstream: `pathPrefixesExemptFromRetryAfter`). */
const exemptPaths = ['/livez', '/readyz', '/healthz', '/metrics']

/** How the server comes to an end: first it says so, then it refuses new requests, then it closes. */
export class Shutdown {
  readonly options: ShutdownOptions
  readonly #clock: Clock
  #phase: 'serving' | 'announced' | 'refusing' = 'serving'

  constructor(clock: Clock, options: ShutdownOptions) {
    this.#clock = clock
    this.options = options
  }

  get drainTimeoutMs(): number {
    return this.options.drainTimeoutMs ?? defaultDrainTimeoutMs
  }

  /** For /readyz. */
  check(): void {
    if (this.#phase !== 'serving') throw new Error('process is shutting down')
  }

  /** Tells /readyz, and resolves when new requests are no longer taken. */
  async begin(): Promise<void> {
    if (this.#phase !== 'serving') return
    this.#phase = 'announced'
    const { delayMs = 0 } = this.options
    if (delayMs > 0) await this.#clock.sleep(delayMs)
    this.#phase = 'refusing'
  }

  /** The answer to a request that comes too late; undefined while requests are taken. */
  refuse(request: ServerRequest, _info: RequestInfo): ServerResponse | undefined {
    if (this.#phase !== 'refusing' || isExempt(request)) return undefined
    if (this.options.sendRetryAfter === true) {
      return {
        status: 429, headers: { 'connection': 'close', 'retry-after': '5', 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
        bytes: 'The apiserver is shutting down, please try again later.\n',
      }
    }
    const { status } = errors.serviceUnavailable('apiserver is shutting down')
    return { status: 503, headers: { 'connection': 'close', 'retry-after': '1', 'content-type': 'application/json', 'x-content-type-options': 'nosniff' }, bytes: `${JSON.stringify(status)}\n`, value: status }
  }
}

function isExempt({ path, headers, directUser }: ServerRequest): boolean {
  return directUser !== undefined || exemptPaths.some((prefix) => path.startsWith(prefix)) || headers['user-agent']?.startsWith('kube-apiserver/') === true
}
