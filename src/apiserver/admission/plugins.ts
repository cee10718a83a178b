import { escalationCheck } from '../authorization/escalation.ts'
import type { AdmissionPlugin } from '../context.ts'
import type { CorePart } from '../core.ts'
import { alwaysAdmit, alwaysDeny } from './always.ts'
import { certificateApproval, certificateSigning, certificateSubjectRestriction, clusterTrustBundleAttest } from './certificates.ts'
import { defaultIngressClass, defaultStorageClass, runtimeClass } from './class-defaults.ts'
import type { AdmissionConfiguration } from './configuration.ts'
import { eventRateLimit } from './event-rate-limit.ts'
import { imagePolicyWebhook } from './image-policy.ts'
import { limitRanger } from './limit-ranger.ts'
import { namespaceLifecycle } from './namespace-lifecycle.ts'
import { namespaceAutoProvision, namespaceExists } from './namespaces.ts'
import { nodeRestriction } from './node-restriction.ts'
import { ownerReferencesPermissionEnforcement } from './owner-references.ts'
import { alwaysPullImages, defaultTolerationSeconds, extendedResourceToleration, taintNodesByCondition, type TolerationDefaults } from './pod-defaults.ts'
import { podNodeSelector } from './pod-node-selector.ts'
import { admissionPluginNames, defaultAdmissionPlugins, type AdmissionPluginName } from './plugin-names.ts'
import { limitPodHardAntiAffinityTopology, nodeDeclaredFeatureValidator, podResizeValidator, podTopologyLabels } from './pod-placement.ts'
import { podSecurity } from './pod-security/plugin.ts'
import { podTolerationRestriction } from './pod-toleration-restriction.ts'
import { mutatingPolicies } from './policies/mutating.ts'
import { validatingPolicies } from './policies/validating.ts'
import { priorityAdmission } from './priority.ts'
import { resourceClaimRights } from './resource-claim-rights.ts'
import { resourceQuota } from './resource-quota.ts'
import { serviceAccountAdmission } from './service-account.ts'
import { denyServiceExternalIPs } from './services.ts'
import { persistentVolumeClaimResize, storageObjectInUseProtection } from './volumes.ts'
import { webhookExpressionsCheck } from './webhooks/expressions-check.ts'
import { mutatingWebhooks } from './webhooks/mutating.ts'
import { validatingWebhooks } from './webhooks/validating.ts'

export interface AdmissionOptions {
  /** Names of plugins to run beside those that run by default. */
  enable?: readonly string[]
  /** Names of plugins not to run. */
  disable?: readonly string[]
  tolerations?: TolerationDefaults
  /** What `readAdmissionConfiguration` has read. */
  configuration?: AdmissionConfiguration
  /** Plugins of this server's own, run before ResourceQuota, as webhooks are. */
  extra?: readonly CorePart<AdmissionPlugin>[]
  /** Parts of a claim's status need rights of their own (feature gate DRAResourceClaimGranularStatusAuthorization); true where left out. */
  granularClaimStatus?: boolean
}

/** How each is made; undefined for those whose feature is off in this release: they have a name, and nothing to do. */
function makersOf({ tolerations, configuration = {} }: AdmissionOptions): Readonly<Record<AdmissionPluginName, CorePart<AdmissionPlugin> | undefined>> {
  return {
    AlwaysAdmit: () => alwaysAdmit,
    NamespaceAutoProvision: namespaceAutoProvision,
    NamespaceLifecycle: namespaceLifecycle,
    NamespaceExists: namespaceExists,
    LimitPodHardAntiAffinityTopology: () => limitPodHardAntiAffinityTopology,
    LimitRanger: limitRanger,
    ServiceAccount: serviceAccountAdmission,
    NodeRestriction: nodeRestriction,
    TaintNodesByCondition: () => taintNodesByCondition,
    AlwaysPullImages: () => alwaysPullImages,
    ImagePolicyWebhook: (core) => {
      if (configuration.imagePolicy === undefined) throw new Error('couldn\'t init admission plugin "ImagePolicyWebhook": no config specified; name its kubeconfig in --admission-control-config-file')
      return imagePolicyWebhook(core, configuration.imagePolicy)
    },
    PodSecurity: (core) => podSecurity(core, configuration.podSecurity),
    PodNodeSelector: (core) => podNodeSelector(core, configuration.podNodeSelector),
    Priority: priorityAdmission,
    DefaultTolerationSeconds: () => defaultTolerationSeconds(tolerations),
    PodTolerationRestriction: (core) => podTolerationRestriction(core, configuration.podTolerationRestriction),
    EventRateLimit: (core) => eventRateLimit(core, configuration.eventRateLimit),
    ExtendedResourceToleration: () => extendedResourceToleration,
    DefaultStorageClass: defaultStorageClass,
    StorageObjectInUseProtection: () => storageObjectInUseProtection,
    PodGroupProtection: undefined,
    OwnerReferencesPermissionEnforcement: ownerReferencesPermissionEnforcement,
    PersistentVolumeClaimResize: persistentVolumeClaimResize,
    RuntimeClass: runtimeClass,
    CertificateApproval: certificateApproval,
    CertificateSigning: certificateSigning,
    ClusterTrustBundleAttest: clusterTrustBundleAttest,
    CertificateSubjectRestriction: () => certificateSubjectRestriction,
    DefaultIngressClass: defaultIngressClass,
    DenyServiceExternalIPs: () => denyServiceExternalIPs,
    PodTopologyLabels: podTopologyLabels,
    PodGroupWorkloadExists: undefined,
    NodeDeclaredFeatureValidator: nodeDeclaredFeatureValidator,
    JobValidation: undefined,
    PodResizeValidator: podResizeValidator,
    MutatingAdmissionPolicy: mutatingPolicies,
    MutatingAdmissionWebhook: (core) => mutatingWebhooks(core, configuration.mutatingWebhooks),
    ValidatingAdmissionPolicy: validatingPolicies,
    ValidatingAdmissionWebhook: (core) => validatingWebhooks(core, configuration.validatingWebhooks),
    ResourceQuota: (core) => resourceQuota(core, configuration.limitedResources),
    AlwaysDeny: () => alwaysDeny,
  }
}

/** The plugins that run, in order. Throws for a name that is none, and one that is to run and not to run. */
export function createAdmissionPlugins(options: AdmissionOptions = {}): CorePart<AdmissionPlugin>[] {
  const { enable = [], disable = [], extra = [] } = options
  for (const [flag, names] of [['enable', enable], ['disable', disable]] as const) {
    for (const name of names) {
      if (!(admissionPluginNames as readonly string[]).includes(name)) throw new Error(`${flag}-admission-plugins plugin ${JSON.stringify(name)} is unknown; the plugins are ${admissionPluginNames.join(', ')}`)
    }
  }
  const both = enable.filter((name) => disable.includes(name))
  if (both.length > 0) throw new Error(`${both.join(', ')} in enable-admission-plugins and disable-admission-plugins overlapped`)
  const makers = makersOf(options)
  const made: CorePart<AdmissionPlugin>[] = []
  for (const name of admissionPluginNames) {
    // This server's own checks see what every mutation before them has made of the object; nothing is charged for what they refuse.
    if (name === 'ResourceQuota') made.push(...extra, escalationCheck, (core) => resourceClaimRights(core, options.granularClaimStatus), () => webhookExpressionsCheck)
    const make = makers[name]
    if (make !== undefined && !disable.includes(name) && (defaultAdmissionPlugins.includes(name) || enable.includes(name))) made.push(make)
  }
  return made
}
