import type { Runtime } from '../../runtime/runtime.ts'
import { httpsClient, kubeconfigTarget } from '../configuration/https.ts'
import type { AuditBackend } from './audit-backend.ts'
import { eventListJson } from './audit-event.ts'

export interface WebhookBackendOptions {
  /** A kubeconfig: its cluster is the webhook, its user is this server. */
  configFile: string
  initialBackoffMs: number
}

/** Tries, each 1.5 times as long after the last (upstream: `DefaultRetryBackoffWithInitialDelay`). */
const maxTries = 5
const backoffFactor = 1.5
const jitter = 0.2
const callTimeoutMs = 30_000
/** Once the server stops, what is under way may take this much longer. */
const closeTimeoutMs = 5_000

/** Sends events to a webhook as an EventList; tried again when that fails. Rejects with an `Error` for a file that says too little. */
export async function webhookBackend(options: WebhookBackendOptions, runtime: Runtime): Promise<AuditBackend> {
  const target = await kubeconfigTarget(options.configFile).catch((cause: unknown) => {
    throw new Error(`initializing audit webhook: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  })
  const { clock, random, log } = runtime
  const client = httpsClient(target, runtime)
  const closing = new AbortController()
  const calls = new Set<Promise<boolean>>()
  let failed = 0
  const call = async (body: string): Promise<void> => {
    const authorization = await target.authorization()
    const { status, bytes } = await client.call({
      method: 'POST', url: target.url, body, timeoutMs: callTimeoutMs, signal: closing.signal,
      headers: { 'content-type': 'application/json', 'accept': 'application/json, */*', ...(authorization === undefined ? {} : { authorization }) },
    })
    if (status < 200 || status > 299) throw new Error(`the webhook answered ${status}: ${bytes.subarray(0, 500).toString('utf8')}`)
  }
  const deliver = async (body: string, count: number): Promise<boolean> => {
    let delayMs = options.initialBackoffMs
    for (let tries = 1; ; tries++) {
      try {
        await call(body)
        return true
      } catch (err) {
        if (tries === maxTries || closing.signal.aborted) {
          failed += count
          log.error('audit events are lost', { plugin: 'webhook', lost: count, err })
          return false
        }
        await clock.sleep(delayMs * (1 + jitter * random.next()), closing.signal).catch(() => undefined)
        delayMs *= backoffFactor
      }
    }
  }
  return {
    process(events) {
      const delivered = deliver(eventListJson(events), events.length).finally(() => calls.delete(delivered))
      calls.add(delivered)
      return delivered
    },
    failures: () => [{ name: 'webhook', failed }],
    async [Symbol.asyncDispose]() {
      using _limit = clock.timer(closeTimeoutMs, () => closing.abort(new Error('the server is stopping')))
      await Promise.all(calls)
      closing.abort(new Error('the server is stopping'))
      client[Symbol.dispose]()
    },
  }
}
