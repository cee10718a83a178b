import { FieldSet } from '../../machinery/apply/field-set.ts'
import { fieldElement } from '../../machinery/apply/path-element.ts'
import { groupResourceOf, type ResourceDescription } from '../resource.ts'

/**
 * Which fields a request to a resource or subresource may set but not own, since its strategy puts them back (upstream:
 * `GetResetFields` of each strategy). Main resources with a status give it back, `status` gives back the spec; here is what differs.
 */
const own: Record<string, readonly string[]> = {
  // A request is made once and for all; nobody manages it.
  'certificatesigningrequests.certificates.k8s.io': ['spec', 'status'],
  'certificatesigningrequests.certificates.k8s.io/status': ['spec', 'status.conditions'],
  'certificatesigningrequests.certificates.k8s.io/approval': ['spec', 'status.certificate'],
  namespaces: ['status'],
  'namespaces/finalize': ['status'],
  'pods/status': ['spec', 'metadata.deletionTimestamp', 'metadata.ownerReferences'],
  'deployments.apps/status': ['spec', 'metadata.labels'],
  'apiservices.apiregistration.k8s.io/status': ['spec', 'metadata'],
  'volumeattachments.storage.k8s.io/status': ['spec', 'metadata'],
  'flowschemas.flowcontrol.apiserver.k8s.io/status': ['spec', 'metadata'],
  'prioritylevelconfigurations.flowcontrol.apiserver.k8s.io/status': ['spec', 'metadata'],
  'validatingadmissionpolicies.admissionregistration.k8s.io/status': ['spec', 'metadata'],
  'resourceclaims.resource.k8s.io/status': ['spec', 'metadata'],
  'servicecidrs.networking.k8s.io/status': ['spec', 'metadata'],
  'devicetaintrules.resource.k8s.io/status': ['spec', 'metadata'],
  'resourcepoolstatusrequests.resource.k8s.io/status': ['spec', 'metadata'],
  'podgroups.scheduling.k8s.io/status': ['spec', 'metadata'],
  'storageversionmigrations.storagemigration.k8s.io/status': ['spec', 'metadata'],
  'storageversions.internal.apiserver.k8s.io/status': ['spec', 'metadata'],
}

const known = new WeakMap<ResourceDescription, Map<string, FieldSet | undefined>>()

/** `subresource` is '' for the main resource. Undefined: everything that is set is owned. */
export function resetFieldsFor(resource: ResourceDescription, subresource: string): FieldSet | undefined {
  let of = known.get(resource)
  if (of === undefined) known.set(resource, (of = new Map()))
  if (!of.has(subresource)) of.set(subresource, resetFields(resource, subresource))
  return of.get(subresource)
}

function resetFields(resource: ResourceDescription, subresource: string): FieldSet | undefined {
  const key = `${groupResourceOf(resource)}${subresource === '' ? '' : `/${subresource}`}`
  const paths = Object.hasOwn(own, key) ? own[key]! : usual(resource, subresource)
  return paths.length === 0 ? undefined : FieldSet.of(...paths.map((path) => path.split('.').map(fieldElement)))
}

function usual(resource: ResourceDescription, subresource: string): readonly string[] {
  if (subresource === 'status') return resource.custom === undefined ? ['spec'] : ['metadata', 'spec']
  return subresource === '' && resource.subresources.some(({ name }) => name === 'status') ? ['status'] : []
}
