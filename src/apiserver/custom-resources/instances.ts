import type { ResourceDescription } from '../../api/resource.ts'
import { isReason } from '../../machinery/status.ts'
import type { ApiServerCore } from '../core.ts'

const serverUser = { username: 'system:apiserver', groups: ['system:masters'] }
/** Deletions under way at once: enough to share the store's group commits, few enough to leave room for others. */
const deletionsAtOnce = 32

/** Deletes every instance of a definition; resolves with how many still stand, waiting for their finalizers. */
export async function removeInstances(core: ApiServerCore, resource: ResourceDescription): Promise<number> {
  const { registry } = core
  const objects = await registry.list(resource)
  for (let from = 0; from < objects.length; from += deletionsAtOnce) {
    core.signal.throwIfAborted()
    await Promise.all(objects.slice(from, from + deletionsAtOnce).map(async ({ metadata }) => {
      if (metadata.deletionTimestamp !== undefined) return
      try {
        await registry.delete(resource, metadata.namespace ?? '', metadata.name ?? '', { user: serverUser })
      } catch (error) {
        if (!isReason(error, 'NotFound')) throw error
      }
    }))
  }
  return objects.length === 0 ? 0 : (await registry.list(resource)).length
}
