import type { AllocationResult, DeviceRequest, ResourceClaim, ResourceClaimStatus, ResourceClaimTemplate } from '../../api/types/resource.k8s.io_v1.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { fieldErrorCause, fieldErrors, type FieldError } from '../../machinery/field-error.ts'
import { dnsSubdomainErrors } from '../../machinery/names.ts'
import { errors } from '../../machinery/status.ts'
import type { UserInfo } from '../../api/resource.ts'
import { forbiddenError } from '../authentication-filter.ts'
import { serviceAccountOf } from '../authentication/service-account-token.ts'
import type { AdmissionAttributes, AdmissionPlugin, AuthorizationAttributes } from '../context.ts'
import type { ApiServerCore } from '../core.ts'

const group = 'resource.k8s.io'
const adminLabel = 'resource.kubernetes.io/admin-access'
const nodeNameExtra = 'authentication.kubernetes.io/node-name'

type Device = NonNullable<ResourceClaimStatus['devices']>[number]
const keyOf = ({ driver, pool, device, shareID }: Device): string => JSON.stringify([driver, pool, device, shareID])

/** Drivers of devices that are told of anew, otherwise, or no longer, sorted; what goes with its allocation is the allocation's. */
function driversOfChanges(now: ResourceClaimStatus, before: ResourceClaimStatus): string[] {
  const drivers = new Set<string>()
  const left = new Map((before.devices ?? []).map((device) => [keyOf(device), device]))
  for (const device of now.devices ?? []) {
    if (!semanticEqual(left.get(keyOf(device)), device)) drivers.add(device.driver)
    left.delete(keyOf(device))
  }
  for (const { driver } of left.values()) drivers.add(driver)
  return [...drivers].toSorted()
}

/** The one node that an allocation is bound to; undefined for any other choice of nodes. */
function nodeOf(allocation: AllocationResult | undefined): string | undefined {
  const terms = allocation?.nodeSelector?.nodeSelectorTerms ?? []
  const [term] = terms
  const [field] = term?.matchFields ?? []
  if (terms.length !== 1 || (term!.matchExpressions ?? []).length > 0 || term!.matchFields?.length !== 1) return undefined
  return field!.key === 'metadata.name' && field!.operator === 'In' && field!.values?.length === 1 ? field!.values[0] : undefined
}

function runsOn(user: UserInfo, node: string | undefined): boolean {
  const names = user.extra?.[nodeNameExtra] ?? []
  return node !== undefined && serviceAccountOf(user.username) !== undefined && names.length === 1 && names[0] === node && dnsSubdomainErrors(node).length === 0
}

/** Devices that a request for admin access asks for, in any version's shape. */
function adminAccessPath(requests: readonly DeviceRequest[] | undefined): string | undefined {
  const at = (requests ?? []).findIndex((request) => (request.exactly ?? (request as { adminAccess?: boolean })).adminAccess === true)
  return at < 0 ? undefined : `spec.devices.requests[${at}].adminAccess`
}

function grantedPath(status: ResourceClaimStatus | undefined): string | undefined {
  const at = (status?.allocation?.devices?.results ?? []).findIndex((result) => result.adminAccess === true)
  return at < 0 ? undefined : `status.allocation.devices.results[${at}].adminAccess`
}

/**
 * Rights that claims to devices need beside those on the claim itself (Kubernetes documentation, "Harden DRA status update
 * permissions" and "Admin access"): `resourceclaims/binding` to change what is allocated or reserved, `resourceclaims/driver` of
 * each driver whose devices are told of (both by feature DRAResourceClaimGranularStatusAuthorization), and a label of the namespace
 * for admin access. Upstream has this in the strategies; here it runs before validation, over what all mutations have made.
 */
export function resourceClaimRights(core: ApiServerCore, isGranular = true): AdmissionPlugin {
  async function problemOf(attributes: AdmissionAttributes, question: Partial<AuthorizationAttributes> & { verb: string; subresource: string }): Promise<string | undefined> {
    const { user, namespace, resource } = attributes
    const asked: AuthorizationAttributes = { user, isResourceRequest: true, path: '', apiGroup: group, apiVersion: resource.version, resource: resource.resource, namespace, name: '', ...question }
    const { decision, reason } = await core.authorize(asked)
    return decision === 'allow' ? undefined : forbiddenError(asked, reason).message
  }

  async function statusProblems(attributes: AdmissionAttributes, now: ResourceClaimStatus, before: ResourceClaimStatus): Promise<FieldError[]> {
    const problems: FieldError[] = []
    const verb = attributes.options.kind === 'PatchOptions' ? 'patch' : 'update'
    if (!semanticEqual(now.allocation, before.allocation) || !semanticEqual(now.reservedFor, before.reservedFor)) {
      const because = await problemOf(attributes, { verb, subresource: 'binding', namespace: '' })
      if (because !== undefined) problems.push(fieldErrors.forbidden('status', `changing status.allocation or status.reservedFor requires resource="resourceclaims/binding", verb="${verb}" permission: ${because}`))
    }
    const verbs = [...(runsOn(attributes.user, nodeOf(now.allocation)) ? [`associated-node:${verb}`] : []), `arbitrary-node:${verb}`]
    for (const name of driversOfChanges(now, before)) {
      const refusals = []
      for (const each of verbs) {
        const because = await problemOf(attributes, { verb: each, subresource: 'driver', name })
        if (because === undefined) break
        refusals.push(because)
      }
      if (refusals.length === verbs.length) problems.push(fieldErrors.forbidden('status.devices', `changing status.devices requires resource="resourceclaims/driver", verb="[${verbs.join(' ')}]" permission: ${refusals[0]}`))
    }
    return problems
  }

  async function adminProblems(namespace: string, path: string | undefined): Promise<FieldError[]> {
    if (path === undefined) return []
    const { metadata } = await core.registry.get(core.resource('namespaces'), '', namespace)
    return metadata.labels?.[adminLabel] === 'true' ? [] : [fieldErrors.forbidden(path, `admin access to devices requires the \`${adminLabel}: true\` label on the containing namespace`)]
  }

  async function problemsOf(attributes: AdmissionAttributes): Promise<FieldError[]> {
    const { object, oldObject, operation, subresource, namespace, resource } = attributes
    if (operation === 'CREATE' && subresource === '') {
      const spec = resource.resource === 'resourceclaims' ? (object as ResourceClaim).spec : (object as ResourceClaimTemplate).spec?.spec
      return await adminProblems(namespace, adminAccessPath(spec?.devices?.requests))
    }
    if (operation !== 'UPDATE' || subresource !== 'status' || oldObject === undefined) return []
    const [now, before] = [(object as ResourceClaim).status ?? {}, (oldObject as ResourceClaim).status ?? {}]
    const admin = grantedPath(before) === undefined ? await adminProblems(namespace, grantedPath(now)) : []
    return isGranular ? [...admin, ...await statusProblems(attributes, now, before)] : admin
  }

  return {
    name: 'ResourceClaimRights',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    resources: [`resourceclaims.${group}`, `resourceclaimtemplates.${group}`],
    async mutate(attributes) {
      const { object, resource } = attributes
      if (object === undefined || resource.group !== group) return
      const problems = await problemsOf(attributes)
      if (problems.length > 0) throw errors.invalid({ group, kind: resource.kind }, object.metadata.name ?? '', problems.map(fieldErrorCause))
    },
  }
}
