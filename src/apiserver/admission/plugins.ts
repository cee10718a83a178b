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
import { limitPodHardAntiAffinityTopology, podResizeValidator, podTopologyLabels } from './pod-placement.ts'
import { podSecurity } from './pod-security/plugin.ts'
import { podTolerationRestriction } from './pod-toleration-restriction.ts'
import { priorityAdmission } from './priority.ts'
import { resourceQuota } from './resource-quota.ts'
import { serviceAccountAdmission } from './service-account.ts'
import { denyServiceExternalIPs } from './services.ts'
import { persistentVolumeClaimResize, storageObjectInUseProtection } from './volumes.ts'
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
}

/** `make` is left out for a plugin whose feature is off in this release: it has a name, and nothing to do. */
interface Entry { name: string; isDefault: boolean; make?: CorePart<AdmissionPlugin> }

/** Every plugin in upstream's order (kubeapiserver `AllOrderedPlugins`). NodeRestriction is on by default here: kubelets are held to their node. */
function entries({ tolerations, configuration = {} }: AdmissionOptions): Entry[] {
  const on = (name: string, make?: CorePart<AdmissionPlugin>): Entry => ({ name, isDefault: true, ...(make === undefined ? {} : { make }) })
  const off = (name: string, make: CorePart<AdmissionPlugin>): Entry => ({ name, isDefault: false, make })
  return [
    off('AlwaysAdmit', () => alwaysAdmit),
    off('NamespaceAutoProvision', namespaceAutoProvision),
    on('NamespaceLifecycle', namespaceLifecycle),
    off('NamespaceExists', namespaceExists),
    off('LimitPodHardAntiAffinityTopology', () => limitPodHardAntiAffinityTopology),
    on('LimitRanger', limitRanger),
    on('ServiceAccount', serviceAccountAdmission),
    on('NodeRestriction', nodeRestriction),
    on('TaintNodesByCondition', () => taintNodesByCondition),
    off('AlwaysPullImages', () => alwaysPullImages),
    off('ImagePolicyWebhook', (core) => {
      if (configuration.imagePolicy === undefined) throw new Error('couldn\'t init admission plugin "ImagePolicyWebhook": no config specified; name its kubeconfig in --admission-control-config-file')
      return imagePolicyWebhook(core, configuration.imagePolicy)
    }),
    on('PodSecurity', (core) => podSecurity(core, configuration.podSecurity)),
    off('PodNodeSelector', (core) => podNodeSelector(core, configuration.podNodeSelector)),
    on('Priority', priorityAdmission),
    on('DefaultTolerationSeconds', () => defaultTolerationSeconds(tolerations)),
    off('PodTolerationRestriction', (core) => podTolerationRestriction(core, configuration.podTolerationRestriction)),
    off('EventRateLimit', (core) => eventRateLimit(core, configuration.eventRateLimit)),
    off('ExtendedResourceToleration', () => extendedResourceToleration),
    on('DefaultStorageClass', defaultStorageClass),
    on('StorageObjectInUseProtection', () => storageObjectInUseProtection),
    on('PodGroupProtection'),
    off('OwnerReferencesPermissionEnforcement', ownerReferencesPermissionEnforcement),
    on('PersistentVolumeClaimResize', persistentVolumeClaimResize),
    on('RuntimeClass', runtimeClass),
    on('CertificateApproval', certificateApproval),
    on('CertificateSigning', certificateSigning),
    on('ClusterTrustBundleAttest', clusterTrustBundleAttest),
    on('CertificateSubjectRestriction', () => certificateSubjectRestriction),
    on('DefaultIngressClass', defaultIngressClass),
    off('DenyServiceExternalIPs', () => denyServiceExternalIPs),
    on('PodTopologyLabels', podTopologyLabels),
    on('PodGroupWorkloadExists'),
    on('NodeDeclaredFeatureValidator'),
    on('JobValidation'),
    on('PodResizeValidator', podResizeValidator),
    on('MutatingAdmissionPolicy'),
    on('MutatingAdmissionWebhook', (core) => mutatingWebhooks(core, configuration.mutatingWebhooks)),
    on('ValidatingAdmissionPolicy'),
    on('ValidatingAdmissionWebhook', (core) => validatingWebhooks(core, configuration.validatingWebhooks)),
    // Near the end, so that nothing is charged for what another plugin refuses.
    on('ResourceQuota', (core) => resourceQuota(core, configuration.limitedResources)),
    off('AlwaysDeny', () => alwaysDeny),
  ]
}

/** The names that `enable` and `disable` may hold, in the order in which the plugins run. */
export const admissionPluginNames: readonly string[] = entries({}).map((entry) => entry.name)

/** Of them, those that run unless told otherwise. */
export const defaultAdmissionPlugins: readonly string[] = entries({}).filter(({ isDefault }) => isDefault).map((entry) => entry.name)

/** The plugins that run, in order. Throws for a name that is none, and one that is to run and not to run. */
export function createAdmissionPlugins(options: AdmissionOptions = {}): CorePart<AdmissionPlugin>[] {
  const { enable = [], disable = [], extra = [] } = options
  for (const name of [...enable, ...disable]) {
    if (!admissionPluginNames.includes(name)) throw new Error(`unknown admission plugin ${JSON.stringify(name)}; the plugins are ${admissionPluginNames.join(', ')}`)
    if (enable.includes(name) && disable.includes(name)) throw new Error(`${name} in enable-admission-plugins and disable-admission-plugins overlapped`)
  }
  const makers: CorePart<AdmissionPlugin>[] = []
  for (const { name, isDefault, make } of entries(options)) {
    // This server's own checks see what every mutation before them has made of the object.
    if (name === 'ResourceQuota') makers.push(...extra, escalationCheck)
    if (make !== undefined && !disable.includes(name) && (isDefault || enable.includes(name))) makers.push(make)
  }
  return makers
}
