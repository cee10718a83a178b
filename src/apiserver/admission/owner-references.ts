import { semanticEqual } from '../../machinery/equality.ts'
import type { OwnerReference } from '../../machinery/object.ts'
import type { AdmissionAttributes, AdmissionPlugin, AuthorizationAttributes } from '../context.ts'
import type { ApiServerCore } from '../core.ts'
import { refusal } from './refusal.ts'

/** References that hold up the owner's deletion now and did not before. */
function newlyBlocking({ object, oldObject }: AdmissionAttributes): OwnerReference[] {
  const before = new Map((oldObject?.metadata.ownerReferences ?? []).map((reference) => [reference.uid, reference]))
  return (object?.metadata?.ownerReferences ?? []).filter(({ uid, blockOwnerDeletion }) => blockOwnerDeletion === true && before.get(uid)?.blockOwnerDeletion !== true)
}

/**
 * Owner references are changed by those who may delete the object, and hold up an owner's deletion only for those who may set its
 * finalizers. Off by default.
 */
export function ownerReferencesPermissionEnforcement(core: ApiServerCore): AdmissionPlugin {
  async function refuses({ user }: AdmissionAttributes, asked: Omit<AuthorizationAttributes, 'user' | 'isResourceRequest' | 'path'>): Promise<string | undefined> {
    const { decision, reason } = await core.authorize({ ...asked, user, isResourceRequest: true, path: '' })
    return decision === 'allow' ? undefined : reason
  }

  async function checkOwner(attributes: AdmissionAttributes, { apiVersion, kind, name }: OwnerReference): Promise<void> {
    const slash = apiVersion.indexOf('/')
    const [group, version] = [slash < 0 ? '' : apiVersion.slice(0, slash), apiVersion.slice(slash + 1)]
    const owner = core.resources.findKind(group, version, kind)
    if (owner === undefined) throw refusal(attributes, `cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion ${apiVersion} Kind ${kind}: no matches for kind ${JSON.stringify(kind)} in version ${JSON.stringify(apiVersion)}`)
    const reason = await refuses(attributes, { verb: 'update', apiGroup: group, apiVersion: version, resource: owner.resource, subresource: 'finalizers', namespace: owner.namespaced ? attributes.namespace : '', name })
    if (reason !== undefined) throw refusal(attributes, `cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: ${reason}, <nil>`)
  }

  return {
    name: 'OwnerReferencesPermissionEnforcement',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    async validate(attributes) {
      const { resource, subresource, namespace, name, operation, object, oldObject } = attributes
      // Kubelets of old spoilt these; the strategy keeps owners as they are.
      if (resource.group === '' && resource.resource === 'pods' && subresource === 'status') return
      if (object?.metadata === undefined || semanticEqual(object.metadata.ownerReferences, oldObject?.metadata.ownerReferences)) return
      if (operation !== 'CREATE') {
        const reason = await refuses(attributes, { verb: 'delete', apiGroup: resource.group, apiVersion: resource.version, resource: resource.resource, subresource, namespace, name })
        if (reason !== undefined) throw refusal(attributes, `cannot set an ownerRef on a resource you can't delete: ${reason}, <nil>`)
      }
      const blocking = newlyBlocking(attributes)
      if (blocking.length === 0) return
      if (await refuses(attributes, { verb: 'update', apiGroup: '*', apiVersion: '*', resource: '*', subresource: 'finalizers', namespace: '', name: '*' }) === undefined) return
      for (const reference of blocking) await checkOwner(attributes, reference)
    },
  }
}
