import { durationProblem } from '../machinery/go-time-problem.ts'
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
  if (nanoseconds === undefined) throw errors.badRequest(`invalid timeout specified in the request URL - ${durationProblem(text)}`)
  const timeoutMs = Number(nanoseconds) / 1e6
  return timeoutMs <= 0 || timeoutMs >= maxTimeoutMs ? undefined : timeoutMs
}

/** One request under way, and what to do when its time is over. */
export interface Deadline {
  readonly dueMs: number
  /** Where it has a time of its own; the others stand in a row. */
  readonly timer: Disposable | undefined
  expire(): void
  before: Deadline | undefined
  after: Deadline | undefined
  isPending: boolean
}

/**
 * Deadlines of requests. Nearly all have the same, and share one timer: they end in the order in which they came, so that it
 * need only wait for the oldest.
 */
export class RequestDeadlines implements Disposable {
  readonly timeoutMs: number
  readonly #clock: Clock
  #oldest: Deadline | undefined
  #newest: Deadline | undefined
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

  /** Calls `expire` when work that began at `startedMs` takes longer; `end` must follow when it is done, in any case. */
  begin(startedMs: number, timeoutMs: number, expire: () => void): Deadline {
    this.#inFlight++
    const dueMs = startedMs + timeoutMs
    const isOwn = timeoutMs !== this.timeoutMs
    const timer = isOwn ? this.#clock.timer(Math.max(dueMs - this.#clock.monotonicMs(), 0), expire, { background: true }) : undefined
    const deadline: Deadline = { dueMs, expire, timer, before: isOwn ? undefined : this.#newest, after: undefined, isPending: !isOwn }
    if (isOwn) return deadline
    if (this.#newest === undefined) this.#oldest = deadline
    else this.#newest.after = deadline
    this.#newest = deadline
    if (this.#timer === undefined) this.#arm(deadline)
    return deadline
  }

  end(deadline: Deadline): void {
    if (deadline.timer === undefined) this.#remove(deadline)
    else deadline.timer[Symbol.dispose]()
    if (--this.#inFlight === 0) this.#onIdle?.()
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

  #arm(oldest: Deadline): void {
    this.#timer = this.#clock.timer(Math.max(oldest.dueMs - this.#clock.monotonicMs(), 0), () => this.#expire(), { background: true })
  }

  #expire(): void {
    this.#timer = undefined
    const nowMs = this.#clock.monotonicMs()
    for (let oldest = this.#oldest; oldest !== undefined; oldest = this.#oldest) {
      if (oldest.dueMs > nowMs) return this.#arm(oldest)
      this.#remove(oldest)
      oldest.expire()
    }
  }

  #remove(deadline: Deadline): void {
    if (!deadline.isPending) return
    const { before, after } = deadline
    deadline.isPending = false
    if (before === undefined) this.#oldest = after
    else before.after = after
    if (after === undefined) this.#newest = before
    else after.before = before
    deadline.before = deadline.after = undefined
  }
}
