import { apiVersionOf, type ResourceDescription, type UserInfo } from '../../api/resource.ts'
import type { KubeObject, OpenObject } from '../../machinery/object.ts'
import { isReason } from '../../machinery/status.ts'
import type { ApiServerCore, WriteOptions } from '../core.ts'
import { fieldManagerFor } from '../field-management/field-manager.ts'

/** Who the server is when it writes for itself. */
export const apiServerUser: UserInfo = { username: 'system:apiserver', groups: ['system:masters', 'system:authenticated'] }

/** Whose the fields are that the server writes for itself. */
const manager = 'kube-apiserver'

/** How the server writes for itself: as whom, and keeping owners of fields as it does for everybody. */
export function asServer(core: ApiServerCore, resource: ResourceDescription, subresource = ''): Pick<WriteOptions, 'user' | 'subresource' | 'manageFields'> {
  return { user: apiServerUser, ...(subresource === '' ? {} : { subresource }), manageFields: managedBy(core, resource, manager, subresource) }
}

/** Keeps the owners of what a part of the server writes in its own name. */
export function managedBy(core: ApiServerCore, resource: ResourceDescription, name: string, subresource = ''): NonNullable<WriteOptions['manageFields']> {
  return (next, old) => {
    const fields = fieldManagerFor(core.resources, resource, subresource)
    const nowMs = core.runtime.clock.now()
    return old === undefined ? fields.created(next, name, nowMs) : fields.updated(next, old, name, nowMs)
  }
}

/** Keeps owners where a part of the server applies in its own name, whoever else had it, what `fieldsOf` names of what is written. */
export function appliedBy<T>(core: ApiServerCore, resource: ResourceDescription, name: string, subresource: string, fieldsOf: (next: T) => Readonly<Record<string, unknown>>): NonNullable<WriteOptions['manageFields']> {
  return async (next, old) => {
    const configuration = { apiVersion: apiVersionOf(resource), kind: resource.kind, metadata: { name: next.metadata.name }, ...fieldsOf(next as T) }
    const { metadata } = await fieldManagerFor(core.resources, resource, subresource).applied(old, configuration, name, true, core.runtime.clock.now())
    if (metadata.managedFields !== undefined) next.metadata.managedFields = metadata.managedFields
  }
}

/** Changes `current` into what it should be, or says with `undefined` that it is. */
export type Mend<T extends KubeObject> = (current: T, wanted: T) => T | undefined

/**
 * Makes sure that an object exists: creates it, or lets `mend` put right what stands (left out: it is left alone). May run on
 * several servers at once. `owner`: in whose name the fields are written.
 */
export async function ensure<T extends KubeObject>(core: ApiServerCore, resource: ResourceDescription, wanted: T, mend?: Mend<T>, owner = manager): Promise<void> {
  const { name = '', namespace = '' } = wanted.metadata
  const writing = { user: apiServerUser, manageFields: managedBy(core, resource, owner) }
  const standing = await core.registry.find(resource, namespace, name)
  if (standing === undefined) {
    try {
      await core.registry.create(resource, namespace, structuredClone(wanted) as unknown as OpenObject, writing)
      return
    } catch (error) {
      // Another server was first.
      if (!isReason(error, 'AlreadyExists')) throw error
    }
  }
  if (mend === undefined || (standing !== undefined && mend(structuredClone(standing) as unknown as T, wanted) === undefined)) return
  await core.registry.update(resource, namespace, name, (current) => mend(current as unknown as T, wanted) as OpenObject | undefined, writing)
}
