import type { Secret } from '../../api/types/core_v1.ts'
import { every, reading, runController } from '../../client/controller.ts'
import { configMaps, pods, secrets, serviceAccounts } from '../../client/resources.ts'
import { isReason } from '../../machinery/status.ts'
import type { StartController } from '../context.ts'

const dayMs = 24 * 3_600_000
const secretType = 'kubernetes.io/service-account-token'
const tracking = { namespace: 'kube-system', name: 'kube-apiserver-legacy-service-account-token-tracking' }
const lastUsedLabel = 'kubernetes.io/legacy-token-last-used'
const invalidSinceLabel = 'kubernetes.io/legacy-token-invalid-since'

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

export interface LegacyTokenCleanerOptions {
  /** How long a token may be unused (`--legacy-service-account-token-clean-up-period`); a year where left out. */
  periodMs?: number
}

/**
 * Secrets that once were made for accounts by themselves: those that nobody mounts and nobody has used for a period are marked
 * invalid, and deleted a period later (KEP-2799). Secrets that somebody made by hand stay.
 */
export function legacyTokenCleaner({ periodMs = 365 * dayMs }: LegacyTokenCleanerOptions = {}): StartController {
  return ({ informers, client, runtime }) => {
    const tokens = informers.informer(secrets, { fieldSelector: `type=${secretType}` })
    const accounts = informers.informer(serviceAccounts)
    const podInformer = informers.informer(pods)

    function isMounted({ metadata }: Readonly<Secret>): boolean {
      return podInformer.list().some((pod) => pod.metadata.namespace === metadata.namespace && (pod.spec?.volumes ?? []).some((volume) => volume.secret?.secretName === metadata.name))
    }

    /** Made for its account by itself, as the account still says. */
    function isGenerated({ metadata }: Readonly<Secret>): boolean {
      const account = accounts.get(`${metadata.namespace}/${metadata.annotations?.['kubernetes.io/service-account.name'] ?? ''}`)
      return account !== undefined && (account.secrets ?? []).some((reference) => reference.name === metadata.name)
    }

    async function clean(secret: Readonly<Secret>, nowMs: number): Promise<void> {
      const { labels = {}, namespace = '', name = '', uid, creationTimestamp, deletionTimestamp } = secret.metadata
      const oldest = dayOf(nowMs - periodMs)
      if (deletionTimestamp !== undefined || creationTimestamp === undefined || Date.parse(creationTimestamp) > nowMs - periodMs) return
      const lastUsed = labels[lastUsedLabel] ?? ''
      if ((lastUsed !== '' && lastUsed >= oldest) || !isGenerated(secret) || isMounted(secret)) return
      const invalidSince = labels[invalidSinceLabel] ?? ''
      if (invalidSince === '' || lastUsed > invalidSince) {
        await client.patch(secrets, namespace, name, 'merge', { metadata: { ...(uid === undefined ? {} : { uid }), labels: { [invalidSinceLabel]: dayOf(nowMs) } } })
        runtime.log.info('a legacy service-account token was marked invalid', { secret: `${namespace}/${name}` })
      } else if (invalidSince < oldest) {
        await client.delete(secrets, namespace, name, uid === undefined ? {} : { preconditions: { uid } })
        runtime.log.info('a legacy service-account token was deleted', { secret: `${namespace}/${name}`, invalidSince })
      }
    }

    return runController({
      name: 'legacy-serviceaccount-token-cleaner-controller', runtime, concurrency: 1,
      sources: [every(runtime, dayMs), reading(tokens as never), reading(accounts as never), reading(podInformer as never)],
      async reconcile() {
        const nowMs = runtime.clock.now()
        const since = (await client.find(configMaps, tracking.namespace, tracking.name))?.data?.since ?? ''
        // Uses of the first day may have been missed.
        if (Number.isNaN(Date.parse(since)) || nowMs < Date.parse(since) + dayMs + periodMs) return
        for (const secret of tokens.list()) {
          await clean(secret, nowMs).catch((error: unknown) => {
            if (!isReason(error, 'NotFound', 'Conflict')) throw error
          })
        }
      },
    })
  }
}
