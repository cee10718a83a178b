import { longNameErrors, maskTrailingDash, pathSegmentErrors } from '../../machinery/names.ts'
import * as admissionPolicies from './admission-policies.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { podCertificateRequestValidation, signingRequestValidation, trustBundleValidation } from './certificates.ts'
import { apiServiceValidation } from './api-services.ts'
import { autoscalerValidation } from './autoscalers.ts'
import { claimValidation } from './claims.ts'
import * as core from './core.ts'
import * as csi from './csi.ts'
import { customResourceDefinitionValidation } from './custom-resource-definitions.ts'
import { resourceSliceValidation } from './device-slices.ts'
import * as devices from './devices.ts'
import { disruptionBudgetValidation } from './disruption-budgets.ts'
import { endpointSliceValidation, endpointsValidation } from './endpoints.ts'
import { eventValidation, newEventValidation } from './events.ts'
import { flowSchemaValidation, priorityLevelValidation } from './flow-control.ts'
import { cronJobValidation, jobValidation } from './jobs.ts'
import { leaseCandidateName, leaseCandidateValidation, leaseValidation } from './leases.ts'
import { limitRangeValidation, resourceQuotaValidation } from './limits.ts'
import * as networking from './networking.ts'
import { nodeValidation } from './nodes.ts'
import { labelName, pathSegmentName, subdomainName } from './object-meta.ts'
import type { NameRule } from './object-meta.ts'
import { podTemplateValidation, podValidation } from './pods.ts'
import { priorityClassValidation } from './priority-classes.ts'
import * as rbac from './rbac.ts'
import { runtimeClassValidation } from './runtime-class.ts'
import { ipAddressName, ipAddressValidation, serviceCidrValidation } from './service-ranges.ts'
import { serviceValidation } from './services.ts'
import { resourcePoolRequestValidation } from './resource-pools.ts'
import { storageMigrationValidation } from './storage-migration.ts'
import { storageVersionName, storageVersionValidation } from './storage-versions.ts'
import * as storage from './storage.ts'
import { webhookConfigurationValidation } from './webhooks.ts'
import * as workloads from './workloads.ts'

/** What is checked of a kind beside its metadata. Objects are in the resource's own version, and defaulted. */
export interface Validation {
  validate?(object: Readonly<OpenObject>): FieldError[]
  /** An update of the object; runs instead of `validate`, which it calls where the whole must be valid anew. */
  validateUpdate?(object: Readonly<OpenObject>, old: Readonly<OpenObject>): FieldError[]
  /** An update through `/status`. */
  validateStatusUpdate?(object: Readonly<OpenObject>, old: Readonly<OpenObject>): FieldError[]
}

const clusterScoped = new Set([
  'namespaces', 'nodes', 'persistentvolumes', 'componentstatuses',
  'clusterroles.rbac.authorization.k8s.io', 'clusterrolebindings.rbac.authorization.k8s.io',
  'storageclasses.storage.k8s.io', 'volumeattachments.storage.k8s.io', 'csidrivers.storage.k8s.io', 'csinodes.storage.k8s.io', 'volumeattributesclasses.storage.k8s.io',
  'priorityclasses.scheduling.k8s.io', 'runtimeclasses.node.k8s.io', 'ingressclasses.networking.k8s.io', 'ipaddresses.networking.k8s.io', 'servicecidrs.networking.k8s.io',
  'certificatesigningrequests.certificates.k8s.io', 'clustertrustbundles.certificates.k8s.io',
  'customresourcedefinitions.apiextensions.k8s.io', 'apiservices.apiregistration.k8s.io',
  'flowschemas.flowcontrol.apiserver.k8s.io', 'prioritylevelconfigurations.flowcontrol.apiserver.k8s.io',
  'mutatingwebhookconfigurations.admissionregistration.k8s.io', 'validatingwebhookconfigurations.admissionregistration.k8s.io',
  'validatingadmissionpolicies.admissionregistration.k8s.io', 'validatingadmissionpolicybindings.admissionregistration.k8s.io',
  'mutatingadmissionpolicies.admissionregistration.k8s.io', 'mutatingadmissionpolicybindings.admissionregistration.k8s.io',
  'deviceclasses.resource.k8s.io', 'resourceslices.resource.k8s.io', 'devicetaintrules.resource.k8s.io', 'resourcepoolstatusrequests.resource.k8s.io',
  'storageversionmigrations.storagemigration.k8s.io', 'storageversions.internal.apiserver.k8s.io',
])

export function isNamespaced(groupResource: string): boolean {
  return !clusterScoped.has(groupResource)
}

/** Kinds whose names follow another rule than DNS subdomain. */
const nameRules: Record<string, NameRule> = {
  namespaces: labelName,
  services: labelName,
  // What names are made from is not looked at: a name that is made of it is.
  replicationcontrollers: (name, isPrefix) => (isPrefix ? [] : subdomainName(name, false)),
  'statefulsets.apps': labelName,
  'roles.rbac.authorization.k8s.io': pathSegmentName,
  'rolebindings.rbac.authorization.k8s.io': pathSegmentName,
  'clusterroles.rbac.authorization.k8s.io': pathSegmentName,
  'clusterrolebindings.rbac.authorization.k8s.io': pathSegmentName,
  // Names of signers' bundles are `signer:name`; the kind's own rules look closer.
  'clustertrustbundles.certificates.k8s.io': pathSegmentName,
  'ipaddresses.networking.k8s.io': ipAddressName,
  'leasecandidates.coordination.k8s.io': leaseCandidateName,
  'certificatesigningrequests.certificates.k8s.io': pathSegmentName,
  'poddisruptionbudgets.policy': pathSegmentName,
  'deviceclasses.resource.k8s.io': (name, isPrefix) => longNameErrors(isPrefix ? maskTrailingDash(name) : name),
  'apiservices.apiregistration.k8s.io': (name) => pathSegmentErrors(name),
  'storageversions.internal.apiserver.k8s.io': storageVersionName,
  events: pathSegmentName,
}

export function nameRuleFor(groupResource: string): NameRule {
  return nameRules[groupResource] ?? subdomainName
}

const validations: Record<string, Validation> = {
  pods: podValidation,
  podtemplates: podTemplateValidation,
  services: serviceValidation,
  endpoints: endpointsValidation,
  configmaps: core.configMapValidation,
  secrets: core.secretValidation,
  namespaces: core.namespaceValidation,
  nodes: nodeValidation,
  events: eventValidation,
  'events.events.k8s.io': newEventValidation,
  limitranges: limitRangeValidation,
  resourcequotas: resourceQuotaValidation,
  persistentvolumes: storage.persistentVolumeValidation,
  persistentvolumeclaims: claimValidation,
  replicationcontrollers: workloads.replicationControllerValidation,
  'deployments.apps': workloads.deploymentValidation,
  'replicasets.apps': workloads.replicaSetValidation,
  'daemonsets.apps': workloads.daemonSetValidation,
  'statefulsets.apps': workloads.statefulSetValidation,
  'controllerrevisions.apps': workloads.controllerRevisionValidation,
  'jobs.batch': jobValidation,
  'cronjobs.batch': cronJobValidation,
  'horizontalpodautoscalers.autoscaling': autoscalerValidation,
  'poddisruptionbudgets.policy': disruptionBudgetValidation,
  'networkpolicies.networking.k8s.io': networking.networkPolicyValidation,
  'ingresses.networking.k8s.io': networking.ingressValidation,
  'ingressclasses.networking.k8s.io': networking.ingressClassValidation,
  'endpointslices.discovery.k8s.io': endpointSliceValidation,
  'roles.rbac.authorization.k8s.io': rbac.roleValidation,
  'clusterroles.rbac.authorization.k8s.io': rbac.clusterRoleValidation,
  'rolebindings.rbac.authorization.k8s.io': rbac.roleBindingValidation,
  'clusterrolebindings.rbac.authorization.k8s.io': rbac.clusterRoleBindingValidation,
  'priorityclasses.scheduling.k8s.io': priorityClassValidation,
  'leases.coordination.k8s.io': leaseValidation,
  'leasecandidates.coordination.k8s.io': leaseCandidateValidation,
  'storageclasses.storage.k8s.io': storage.storageClassValidation,
  'volumeattachments.storage.k8s.io': storage.volumeAttachmentValidation,
  'csidrivers.storage.k8s.io': csi.csiDriverValidation,
  'csinodes.storage.k8s.io': csi.csiNodeValidation,
  'csistoragecapacities.storage.k8s.io': csi.storageCapacityValidation,
  'volumeattributesclasses.storage.k8s.io': csi.attributesClassValidation,
  'runtimeclasses.node.k8s.io': runtimeClassValidation,
  'ipaddresses.networking.k8s.io': ipAddressValidation,
  'servicecidrs.networking.k8s.io': serviceCidrValidation,
  'certificatesigningrequests.certificates.k8s.io': signingRequestValidation,
  'clustertrustbundles.certificates.k8s.io': trustBundleValidation,
  'podcertificaterequests.certificates.k8s.io': podCertificateRequestValidation,
  'flowschemas.flowcontrol.apiserver.k8s.io': flowSchemaValidation,
  'prioritylevelconfigurations.flowcontrol.apiserver.k8s.io': priorityLevelValidation,
  'mutatingwebhookconfigurations.admissionregistration.k8s.io': webhookConfigurationValidation,
  'validatingwebhookconfigurations.admissionregistration.k8s.io': webhookConfigurationValidation,
  'validatingadmissionpolicies.admissionregistration.k8s.io': admissionPolicies.validatingPolicyValidation,
  'validatingadmissionpolicybindings.admissionregistration.k8s.io': admissionPolicies.validatingBindingValidation,
  'mutatingadmissionpolicies.admissionregistration.k8s.io': admissionPolicies.mutatingPolicyValidation,
  'mutatingadmissionpolicybindings.admissionregistration.k8s.io': admissionPolicies.mutatingBindingValidation,
  'resourceclaims.resource.k8s.io': devices.resourceClaimValidation,
  'resourceclaimtemplates.resource.k8s.io': devices.resourceClaimTemplateValidation,
  'deviceclasses.resource.k8s.io': devices.deviceClassValidation,
  'devicetaintrules.resource.k8s.io': devices.deviceTaintRuleValidation,
  'resourceslices.resource.k8s.io': resourceSliceValidation,
  'resourcepoolstatusrequests.resource.k8s.io': resourcePoolRequestValidation,
  'storageversions.internal.apiserver.k8s.io': storageVersionValidation,
  'storageversionmigrations.storagemigration.k8s.io': storageMigrationValidation,
  'customresourcedefinitions.apiextensions.k8s.io': customResourceDefinitionValidation,
  'apiservices.apiregistration.k8s.io': apiServiceValidation,
}

/** `groupResource` is `pods`, `deployments.apps`. */
export function validationFor(groupResource: string): Validation | undefined {
  return Object.hasOwn(validations, groupResource) ? validations[groupResource] : undefined
}
