import type { UserInfo } from '../../api/resource.ts'
import { isJsonObject, type JsonObject } from '../../machinery/json-value.ts'
import { reviewWebhook, type ReviewWebhookOptions } from '../configuration/review-webhook.ts'
import type { ApiServerCore } from '../core.ts'
import type { TokenChecker } from './bearer-token.ts'
import { metricSetOf } from '../metrics/metric-set.ts'
import { refused } from './failure.ts'
import { authenticated } from './user.ts'

/** The `--authentication-token-webhook-*` flags. */
export interface TokenWebhookOptions {
  /** Path of the kubeconfig that names the webhook. */
  kubeconfig: string
  /** Version of TokenReview that it speaks; v1beta1 where left out. */
  version?: 'v1' | 'v1beta1'
  /** How long answers hold; two minutes where left out. */
  cacheTtlMs?: number
  retry?: ReviewWebhookOptions['retry']
}

const timeoutMs = 30_000

function stringsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}

function userOfStatus(user: JsonObject): UserInfo {
  const extra = isJsonObject(user.extra) ? Object.entries(user.extra).map(([key, values]): [string, string[]] => [key, stringsOf(values)]) : []
  return authenticated({
    username: typeof user.username === 'string' ? user.username : '', ...(typeof user.uid === 'string' && user.uid !== '' ? { uid: user.uid } : {}), groups: stringsOf(user.groups),
    ...(extra.length === 0 ? {} : { extra: Object.fromEntries(extra) }),
  })
}

/** Asks a webhook whose token it is (Kubernetes documentation, "Webhook Token Authentication"). Trouble with the webhook refuses the token. */
export function tokenWebhook(options: TokenWebhookOptions, own: readonly string[], core: Pick<ApiServerCore, 'runtime' | 'signal'>): TokenChecker {
  const { version = 'v1beta1' } = options
  const call = reviewWebhook({ kubeconfig: options.kubeconfig, timeoutMs, retry: options.retry, runtime: core.runtime, signal: core.signal, metrics: metricSetOf(core) })
  return {
    name: 'webhook',
    async check(token, audiences) {
      let review: JsonObject
      try {
        review = await call({ apiVersion: `authentication.k8s.io/${version}`, kind: 'TokenReview', metadata: { creationTimestamp: null }, spec: { token, ...(audiences.length === 0 ? {} : { audiences }) }, status: { user: {} } })
      } catch (cause) {
        core.runtime.log.error('the webhook that reviews tokens could not be asked', { err: cause })
        throw refused(cause instanceof Error ? cause.message : String(cause), cause)
      }
      const status = isJsonObject(review.status) ? review.status : {}
      const meant = stringsOf(status.audiences)
      // A webhook that knows no audiences speaks for this server.
      const common = audiences.filter((audience) => (meant.length > 0 ? meant : own).includes(audience))
      if (audiences.length > 0 && common.length === 0) return undefined
      if (status.authenticated !== true) {
        if (typeof status.error === 'string' && status.error !== '') throw refused(status.error)
        return undefined
      }
      return { user: userOfStatus(isJsonObject(status.user) ? status.user : {}), audiences: common }
    },
  }
}
