import type { ResourceDescription, UserInfo } from '../../api/resource.ts'
import type { KubeObject, OpenObject } from '../../machinery/object.ts'
import { isReason } from '../../machinery/status.ts'
import type { ApiServerCore } from '../core.ts'

/** Who the server is when it writes for itself. */
export const apiServerUser: UserInfo = { username: 'system:apiserver', groups: ['system:masters', 'system:authenticated'] }

/** Changes `current` into what it should be, or says with `undefined` that it is. */
export type Mend<T extends KubeObject> = (current: T, wanted: T) => T | undefined

/**
 * Makes sure that an object exists: creates it, or lets `mend` put right what stands (left out: it is left alone). May run on
 * several servers at once.
 */
export async function ensure<T extends KubeObject>(core: ApiServerCore, resource: ResourceDescription, wanted: T, mend?: Mend<T>): Promise<void> {
  const { name = '', namespace = '' } = wanted.metadata
  const standing = await core.registry.find(resource, namespace, name)
  if (standing === undefined) {
    try {
      await core.registry.create(resource, namespace, structuredClone(wanted) as unknown as OpenObject, { user: apiServerUser })
      return
    } catch (error) {
      // Another server was first.
      if (!isReason(error, 'AlreadyExists')) throw error
    }
  }
  if (mend === undefined || (standing !== undefined && mend(structuredClone(standing) as unknown as T, wanted) === undefined)) return
  await core.registry.update(resource, namespace, name, (current) => mend(current as unknown as T, wanted) as OpenObject | undefined, { user: apiServerUser })
}
