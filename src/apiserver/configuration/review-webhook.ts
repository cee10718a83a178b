import { isJsonObject, type JsonObject } from '../../machinery/json-value.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { MetricSet } from '../metrics/metric-set.ts'
import { httpsClient, kubeconfigTarget, type HttpsAnswer } from './https.ts'

export interface ReviewWebhookOptions {
  /** A kubeconfig: its cluster is the webhook, its user is this server. */
  kubeconfig: string
  timeoutMs: number
  /** Waits between tries; upstream's grow from half a second by half, five tries in all. */
  retry?: { tries: number; initialDelayMs: number; factor: number }
  runtime: Runtime
  signal: AbortSignal
  /** Told how each try ended. */
  tried?(result: TriedResult, seconds: number): void
  /** Where calls are counted as those of the server's client; left out: nowhere. */
  metrics?: MetricSet
}

export type TriedResult = 'success' | 'timeout' | 'error'

/** What a try that failed with `cause` counts as. */
export function triedResult(cause: unknown): TriedResult {
  return cause instanceof Error && cause.message.includes('context deadline exceeded') ? 'timeout' : 'error'
}

/** POSTs a review and resolves with the object that comes back. Rejects when every try failed. */
export type ReviewWebhook = (review: object) => Promise<JsonObject>

const defaultRetry = { tries: 5, initialDelayMs: 500, factor: 1.5 }

/** A webhook that answers reviews (TokenReview, SubjectAccessReview). The kubeconfig is read when first needed, and again after a failure to read it. */
export function reviewWebhook(options: ReviewWebhookOptions): ReviewWebhook {
  const { runtime, signal, timeoutMs, retry = defaultRetry } = options
  const connect = async (): Promise<{ post: (body: string) => Promise<HttpsAnswer> }> => {
    const target = await kubeconfigTarget(options.kubeconfig)
    const client = httpsClient(target, runtime)
    signal.addEventListener('abort', () => client[Symbol.dispose](), { once: true })
    return {
      async post(body) {
        const authorization = await target.authorization()
        const begunMs = runtime.clock.monotonicMs()
        const { host } = new URL(target.url)
        const note = (code: string): void => {
          options.metrics?.count('rest_client_requests_total', code, 'POST', host)
          options.metrics?.observe('rest_client_request_duration_seconds', (runtime.clock.monotonicMs() - begunMs) / 1000, 'POST', host)
        }
        return await client.call({
          method: 'POST', url: target.url, body, timeoutMs, signal,
          headers: { 'content-type': 'application/json', 'accept': 'application/json', ...(authorization === undefined ? {} : { authorization }) },
        }).then((answer) => {
          note(String(answer.status))
          return answer
        }, (error: unknown) => {
          note('<error>')
          throw error
        })
      },
    }
  }
  let connection: ReturnType<typeof connect> | undefined
  const connected = (): ReturnType<typeof connect> => {
    connection ??= connect().catch((error: unknown) => {
      connection = undefined
      throw error
    })
    return connection
  }

  async function once(body: string): Promise<{ review?: JsonObject; error?: Error; again: boolean }> {
    let answer: HttpsAnswer
    try {
      answer = await (await connected()).post(body)
    } catch (error) {
      // Upstream tries again when the connection was lost, and gives up when nobody answers in time.
      const problem = error instanceof Error ? error : new Error(String(error))
      return { error: problem, again: /ECONNRESET|socket hang up|EPIPE/.test(problem.message) }
    }
    if (answer.status < 200 || answer.status > 299) {
      const again = answer.status === 429 || answer.status >= 500
      return { error: new Error(`the server answered ${answer.status}: ${answer.bytes.subarray(0, 300).toString('utf8')}`), again }
    }
    try {
      const review: unknown = JSON.parse(answer.bytes.toString('utf8'))
      if (isJsonObject(review)) return { review, again: false }
      return { error: new Error('the answer is no object'), again: false }
    } catch (cause) {
      return { error: new Error(`the answer is no JSON: ${cause instanceof Error ? cause.message : String(cause)}`, { cause }), again: false }
    }
  }

  return async (review) => {
    const body = JSON.stringify(review)
    let delayMs = retry.initialDelayMs
    for (let attempt = 1; ; attempt++) {
      const begunMs = runtime.clock.monotonicMs()
      const { review: answered, error, again } = await once(body)
      options.tried?.(answered === undefined ? triedResult(error) : 'success', (runtime.clock.monotonicMs() - begunMs) / 1000)
      if (answered !== undefined) return answered
      if (!again || attempt >= retry.tries) throw error!
      await runtime.clock.sleep(delayMs, signal)
      delayMs *= retry.factor
    }
  }
}
