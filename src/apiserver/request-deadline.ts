import { parseGoDuration } from '../machinery/schema-time.ts'
import { errors } from '../machinery/status.ts'
import type { Clock } from '../runtime/clock.ts'

/** No client waits longer than this (upstream: `--request-timeout`). */
export const defaultRequestTimeoutMs = 60_000

/** The `timeout` of a request's query; undefined where it names none, or more than `maxTimeoutMs`. Throws 400 for what is no duration. */
export function requestTimeoutMs(query: URLSearchParams, maxTimeoutMs = defaultRequestTimeoutMs): number | undefined {
  const text = query.get('timeout') ?? ''
  if (text === '') return undefined
  const nanoseconds = parseGoDuration(text)
  if (nanoseconds === undefined) throw errors.badRequest(`invalid timeout specified in the request URL - time: invalid duration ${JSON.stringify(text)}`)
  const timeoutMs = Number(nanoseconds) / 1e6
  return timeoutMs <= 0 || timeoutMs >= maxTimeoutMs ? undefined : timeoutMs
}

interface Pending { readonly dueMs: number; expire(): void }

/**
 * Deadlines of requests. Nearly all have the same, and share one timer: they end in the order in which they came, so that it
 * need only wait for the oldest.
 */
export class RequestDeadlines implements Disposable {
  readonly timeoutMs: number
  readonly #clock: Clock
  readonly #pending = new Set<Pending>()
  #timer: Disposable | undefined
  #inFlight = 0
  #onIdle: (() => void) | undefined

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock
    this.timeoutMs = timeoutMs
  }

  /** Work that is under way, whether or not its answer is still waited for. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** What `work`, begun at `startedMs`, answers, or what `late` does once the time is over; the work itself goes on to its end. */
  guard<T>(work: Promise<T>, startedMs: number, timeoutMs: number, late: () => T): Promise<T> {
    this.#inFlight++
    return new Promise((resolve, reject) => {
      const pending: Pending = { dueMs: startedMs + timeoutMs, expire: () => resolve(late()) }
      let own: Disposable | undefined
      if (timeoutMs === this.timeoutMs) this.#add(pending)
      else own = this.#clock.timer(Math.max(pending.dueMs - this.#clock.monotonicMs(), 0), () => pending.expire(), { background: true })
      const done = (): void => {
        if (own === undefined) this.#pending.delete(pending)
        else own[Symbol.dispose]()
        if (--this.#inFlight === 0) this.#onIdle?.()
      }
      work.then((value) => {
        done()
        resolve(value)
      }, (error: unknown) => {
        done()
        reject(error as Error)
      })
    })
  }

  /** Resolves when no work is under way, or after `timeoutMs`. */
  async idle(timeoutMs: number): Promise<void> {
    if (this.#inFlight === 0) return
    const idle = Promise.withResolvers<void>()
    this.#onIdle = idle.resolve
    using _timer = this.#clock.timer(timeoutMs, idle.resolve)
    await idle.promise
    this.#onIdle = undefined
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]()
    this.#timer = undefined
  }

  #add(pending: Pending): void {
    this.#pending.add(pending)
    if (this.#timer === undefined) this.#arm(pending)
  }

  #arm(oldest: Pending): void {
    this.#timer = this.#clock.timer(Math.max(oldest.dueMs - this.#clock.monotonicMs(), 0), () => this.#expire(), { background: true })
  }

  #expire(): void {
    this.#timer = undefined
    const nowMs = this.#clock.monotonicMs()
    for (const pending of this.#pending) {
      if (pending.dueMs > nowMs) return this.#arm(pending)
      this.#pending.delete(pending)
      pending.expire()
    }
  }
}
