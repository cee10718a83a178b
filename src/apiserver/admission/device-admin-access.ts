import { groupResourceOf } from '../../api/resource.ts'
import type { Namespace } from '../../api/types/core_v1.ts'
import type { DeviceRequest, ResourceClaim, ResourceClaimTemplate } from '../../api/types/resource.k8s.io_v1.ts'
import { fieldErrorCause, fieldErrors } from '../../machinery/field-error.ts'
import { errors } from '../../machinery/status.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../context.ts'
import type { ApiServerCore } from '../core.ts'

const label = 'resource.kubernetes.io/admin-access'

function requestPath(requests: readonly DeviceRequest[] | undefined): string | undefined {
  const i = (requests ?? []).findIndex(({ exactly }) => exactly?.adminAccess === true)
  return i < 0 ? undefined : `spec.devices.requests[${i}].adminAccess`
}

function resultPath({ status }: Readonly<ResourceClaim>): string | undefined {
  const i = (status?.allocation?.devices?.results ?? []).findIndex(({ adminAccess }) => adminAccess === true)
  return i < 0 ? undefined : `status.allocation.devices.results[${i}].adminAccess`
}

/** Where a request asks for more than others get; undefined: nowhere, or it was so before. */
function askedAt({ operation, resource, subresource, object, oldObject }: AdmissionAttributes): string | undefined {
  if (resource.resource === 'resourceclaimtemplates') return operation === 'CREATE' ? requestPath((object as ResourceClaimTemplate).spec?.spec?.devices?.requests) : undefined
  if (subresource === '') return operation === 'CREATE' ? requestPath((object as ResourceClaim).spec?.devices?.requests) : undefined
  return subresource !== 'status' || (oldObject !== undefined && resultPath(oldObject as Readonly<ResourceClaim>) !== undefined) ? undefined : resultPath(object as ResourceClaim)
}

/**
 * Devices that are in use are seen by those in namespaces with a label for it only (KEP-5018). Upstream's strategies look
 * into the namespace, which ours cannot; the answer is the same.
 */
export function deviceAdminAccessCheck(core: ApiServerCore): AdmissionPlugin {
  const namespaces = core.resource('namespaces')
  const claims = ['resourceclaims.resource.k8s.io', 'resourceclaimtemplates.resource.k8s.io']
  return {
    name: 'DeviceAdminAccess',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    resources: claims,
    async validate(attributes) {
      const path = claims.includes(groupResourceOf(attributes.resource)) ? askedAt(attributes) : undefined
      if (path === undefined) return
      const namespace = (await core.registry.find(namespaces, '', attributes.namespace)) as Readonly<Namespace> | undefined
      if (namespace?.metadata.labels?.[label] === 'true') return
      const problem = fieldErrors.forbidden(path, `admin access to devices requires the \`${label}: true\` label on the containing namespace`)
      throw errors.invalid(attributes.resource, attributes.name === '' ? (attributes.object?.metadata?.name ?? '') : attributes.name, [fieldErrorCause(problem)])
    },
  }
}
