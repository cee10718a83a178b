import { runController, watching } from '../../client/controller.ts'
import { secrets } from '../../client/resources.ts'
import { isReason } from '../../machinery/status.ts'
import type { StartController } from '../context.ts'
import { tokenExpiryMs, tokenNamespace, tokenSecretType } from './tokens.ts'

/** Deletes bootstrap tokens when they end. */
export const startTokenCleaner: StartController = ({ informers, client, runtime }) => {
  const tokens = informers.informer(secrets, { fieldSelector: `type=${tokenSecretType}` })
  return runController({
    name: 'token-cleaner-controller', runtime, concurrency: 1, sources: [watching(tokens)],
    async reconcile(key) {
      const secret = tokens.get(key)
      if (secret === undefined || secret.metadata.namespace !== tokenNamespace) return
      const endsMs = tokenExpiryMs(secret)
      if (endsMs === undefined) return
      const leftMs = endsMs - runtime.clock.now()
      if (leftMs > 0) return { requeueAfterMs: Math.min(leftMs, 2 ** 31 - 1) }
      const { uid, name } = secret.metadata
      await client.delete(secrets, tokenNamespace, name!, uid === undefined ? {} : { preconditions: { uid } }).catch((error: unknown) => {
        if (!isReason(error, 'NotFound', 'Conflict')) throw error
      })
    },
  })
}
