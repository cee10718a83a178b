import { asServer, ensure } from '../bootstrap/ensure.ts'
import type { ApiServerCore } from '../core.ts'
import type { LegacyTokenUse } from './service-account-token.ts'

/** The day on which a Secret's token was last used; what has not been used for a year is cleaned up (KEP-2799). */
export const lastUsedLabel = 'kubernetes.io/legacy-token-last-used'
export const trackingConfigMap = { namespace: 'kube-system', name: 'kube-apiserver-legacy-service-account-token-tracking' }

const maxRemembered = 10_000

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

/** Writes the day of use on a legacy token's Secret, once a day, beside the request that used it. */
export function legacyTokenUse(core: ApiServerCore): (use: LegacyTokenUse) => void {
  const written = new Map<string, string>()
  return ({ namespace, secretName, secret }) => {
    const day = dayOf(core.runtime.clock.now())
    const key = `${namespace}/${secretName}`
    if (secret.metadata.labels?.[lastUsedLabel] === day || written.get(key) === day) return
    if (written.size >= maxRemembered) written.delete(written.keys().next().value!)
    written.set(key, day)
    const resource = core.resource('secrets')
    core.registry.update(resource, namespace, secretName, (current) => {
      if (current.metadata.uid !== secret.metadata.uid) return undefined
      current.metadata.labels = { ...current.metadata.labels, [lastUsedLabel]: day }
      return current
    }, asServer(core, resource)).catch((err: unknown) => {
      written.delete(key)
      core.runtime.log.warn('the day of use could not be written on the secret of a service-account token', { secret: key, err })
    })
  }
}

/** Since when uses are written down: clean-up must not count time before that. Made once, then left alone. */
export async function trackLegacyTokens(core: ApiServerCore): Promise<void> {
  await ensure(core, core.resource('configmaps'), { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...trackingConfigMap }, data: { since: dayOf(core.runtime.clock.now()) } })
}
