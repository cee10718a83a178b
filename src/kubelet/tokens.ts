import type { TokenRequest } from '../api/types/authentication.k8s.io_v1.ts'
import type { Client } from '../client/client.ts'
import { serviceAccounts } from '../client/resources.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { TokenSource } from './volumes/projection.ts'

interface Token { text: string; refreshAtMs: number; expiresAtMs: number }

/** As upstream: at 80 % of a token's life, and after a day at the latest. */
const refreshAfter = { share: 0.8, maxMs: 24 * 3_600_000 }

export interface PodTokens extends TokenSource {
  /** When the pod's first token wants to be renewed; undefined when it has none. */
  refreshAtMs(uid: string): number | undefined
  release(uid: string): void
}

/** Service account tokens bound to pods, by TokenRequest. A token that can't be renewed is used for as long as it is valid. */
export function createPodTokens(client: Client, runtime: Runtime): PodTokens {
  const tokens = new Map<string, Map<string, Token>>()
  const { clock, log } = runtime
  return {
    async token(pod, audience, expirationSeconds) {
      const { uid, namespace, name } = pod.metadata
      const ofPod = tokens.get(uid) ?? new Map<string, Token>()
      tokens.set(uid, ofPod)
      const key = JSON.stringify([audience, expirationSeconds])
      const known = ofPod.get(key)
      const nowMs = clock.now()
      if (known !== undefined && nowMs < known.refreshAtMs) return known.text
      const request: TokenRequest = {
        apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', metadata: {},
        spec: { audiences: audience === undefined || audience === '' ? [] : [audience], expirationSeconds, boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid } },
      }
      try {
        const answer = await client.createSubresource(serviceAccounts, namespace, pod.spec.serviceAccountName ?? 'default', 'token', request)
        if (answer.status === undefined) throw new Error('the token request was answered without a token')
        const expiresAtMs = Date.parse(answer.status.expirationTimestamp)
        const lifeMs = Math.min((expiresAtMs - nowMs) * refreshAfter.share, refreshAfter.maxMs)
        ofPod.set(key, { text: answer.status.token, expiresAtMs, refreshAtMs: nowMs + lifeMs })
        return answer.status.token
      } catch (error) {
        if (known !== undefined && nowMs < known.expiresAtMs) {
          log.warn('cannot renew a service account token; the old one is still used', { pod: `${namespace}/${name}`, err: error })
          return known.text
        }
        throw new Error(`failed to fetch token: ${(error as Error).message}`, { cause: error })
      }
    },
    refreshAtMs(uid) {
      const times = [...(tokens.get(uid)?.values() ?? [])].map((token) => token.refreshAtMs)
      return times.length === 0 ? undefined : Math.min(...times)
    },
    release: (uid) => void tokens.delete(uid),
  }
}
