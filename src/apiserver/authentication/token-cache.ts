import { createHmac } from 'node:crypto'
import type { Runtime } from '../../runtime/runtime.ts'
import { MetricSet } from '../metrics/metric-set.ts'
import type { TokenAnswer, TokenChecker } from './bearer-token.ts'

/** Upstream keeps 32 stripes of 1024. */
const maxEntries = 32 * 1024
const sharedLookupMs = 30_000

interface Entry { answer: TokenAnswer | undefined; untilMs: number }

/**
 * Remembers a checker's answers for a while, and asks once for callers that come at the same time (upstream's token cache).
 * Refusals are never remembered; `failureTtlMs` is for tokens that the checker doesn't know. Tokens are kept as keyed hashes.
 */
export function cachedChecker(checker: TokenChecker, ttl: { successTtlMs: number; failureTtlMs?: number }, runtime: Runtime, set: MetricSet = new MetricSet([])): TokenChecker {
  const { clock } = runtime
  const key = Buffer.from(runtime.random.bytes(32))
  const entries = new Map<string, Entry>()
  const asking = new Map<string, Promise<TokenAnswer | undefined>>()

  const hits = set.number('authentication_token_cache_request_total', 'hit')
  const misses = set.number('authentication_token_cache_request_total', 'miss')
  const hitSeconds = set.spread('authentication_token_cache_request_duration_seconds', 'hit')
  const missSeconds = set.spread('authentication_token_cache_request_duration_seconds', 'miss')
  const blocked = set.number('authentication_token_cache_active_fetch_count', 'blocked')

  async function ask(id: string, token: string, audiences: readonly string[]): Promise<TokenAnswer | undefined> {
    const late = Promise.withResolvers<never>()
    using _timer = clock.timer(sharedLookupMs, () => late.reject(new Error(`the token checker ${checker.name} did not answer within ${sharedLookupMs / 1000} s`)))
    const inFlight = set.number('authentication_token_cache_active_fetch_count', 'in_flight')
    inFlight.value++
    let answer: TokenAnswer | undefined
    try {
      answer = await Promise.race([Promise.resolve(checker.check(token, audiences)), late.promise])
      set.count('authentication_token_cache_fetch_total', answer === undefined ? 'error' : 'ok')
    } catch (error) {
      set.count('authentication_token_cache_fetch_total', 'error')
      throw error
    } finally {
      inFlight.value--
    }
    const ttlMs = answer === undefined ? (ttl.failureTtlMs ?? 0) : ttl.successTtlMs
    if (ttlMs > 0) {
      if (entries.size >= maxEntries) entries.delete(entries.keys().next().value!)
      entries.set(id, { answer, untilMs: clock.monotonicMs() + ttlMs })
    }
    return answer
  }

  /** How long callers wait, whoever of them has made the call. */
  async function missed(answer: Promise<TokenAnswer | undefined>): Promise<TokenAnswer | undefined> {
    const begunMs = clock.monotonicMs()
    blocked.value++
    try {
      return await answer
    } finally {
      blocked.value--
      missSeconds.observe((clock.monotonicMs() - begunMs) / 1000)
    }
  }

  return {
    name: checker.name,
    check(token, audiences) {
      const id = createHmac('sha256', key).update(JSON.stringify([token, audiences])).digest('base64')
      const entry = entries.get(id)
      if (entry !== undefined) {
        if (entry.untilMs > clock.monotonicMs()) {
          hits.value++
          hitSeconds.observe(0)
          return entry.answer
        }
        entries.delete(id)
      }
      misses.value++
      let running = asking.get(id)
      if (running === undefined) {
        running = ask(id, token, audiences).finally(() => asking.delete(id))
        asking.set(id, running)
      }
      return missed(running)
    },
  }
}
