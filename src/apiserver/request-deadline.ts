import { parseGoDuration } from '../machinery/schema-time.ts'
import { errors } from '../machinery/status.ts'
import type { Clock } from '../runtime/clock.ts'

/** No client may wait longer than this (upstream: `--request-timeout`). */
const maxTimeoutMs = 60_000

/** The `timeout` of a request's query; undefined where it names none. Throws 400 for what is no duration. */
export function requestTimeoutMs(query: URLSearchParams): number | undefined {
  const text = query.get('timeout') ?? ''
  if (text === '') return undefined
  const nanoseconds = parseGoDuration(text)
  if (nanoseconds === undefined) throw errors.badRequest(`invalid timeout specified in the request URL - time: invalid duration ${JSON.stringify(text)}`)
  return nanoseconds === 0n ? undefined : Math.min(Math.max(Number(nanoseconds) / 1e6, 0), maxTimeoutMs)
}

/** What `work` answers, or 504 when that takes longer than the client wants to wait; the work itself goes on to its end. */
export async function withinTimeout<T>(clock: Clock, timeoutMs: number, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  using _timer = clock.timer(timeoutMs, () => late.reject(errors.timeout('Timeout: request did not complete within requested timeout - context deadline exceeded')), { background: true })
  return await Promise.race([work, late.promise])
}
