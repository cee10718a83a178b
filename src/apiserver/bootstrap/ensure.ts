import type { ResourceDescription, UserInfo } from '../../api/resource.ts'
import type { KubeObject, OpenObject } from '../../machinery/object.ts'
import { isReason } from '../../machinery/status.ts'
import type { ApiServerCore, WriteOptions } from '../core.ts'
import { fieldManagerFor } from '../field-management/field-manager.ts'

/** Who the server is when it writes for itself. */
export const apiServerUser: UserInfo = { username: 'system:apiserver', groups: ['system:masters', 'system:authenticated'] }

/** Whose the fields are that the server writes for itself. */
const manager = 'kube-apiserver'

/** How the server writes for itself: as whom, and keeping owners of fields as it does for everybody. */
export function asServer(core: ApiServerCore, resource: ResourceDescription): Pick<WriteOptions, 'user' | 'manageFields'> {
  return { user: apiServerUser, manageFields: managedBy(core, resource, manager) }
}

/** Keeps the owners of what a part of the server writes in its own name. */
export function managedBy(core: ApiServerCore, resource: ResourceDescription, name: string): NonNullable<WriteOptions['manageFields']> {
  return (next, old) => {
    const fields = fieldManagerFor(core.resources, resource, '')
    const nowMs = core.runtime.clock.now()
    return old === undefined ? fields.created(next, name, nowMs) : fields.updated(next, old, name, nowMs)
  }
}

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
      await core.registry.create(resource, namespace, structuredClone(wanted) as unknown as OpenObject, asServer(core, resource))
      return
    } catch (error) {
      // Another server was first.
      if (!isReason(error, 'AlreadyExists')) throw error
    }
  }
  if (mend === undefined || (standing !== undefined && mend(structuredClone(standing) as unknown as T, wanted) === undefined)) return
  await core.registry.update(resource, namespace, name, (current) => mend(current as unknown as T, wanted) as OpenObject | undefined, asServer(core, resource))
}
