import { escalationCheck } from '../authorization/escalation.ts'
import type { AdmissionPlugin } from '../context.ts'
import type { CorePart } from '../core.ts'
import { certificateApproval, certificateSigning, certificateSubjectRestriction } from './certificates.ts'
import { defaultIngressClass, defaultStorageClass, runtimeClass } from './class-defaults.ts'
import { limitRanger } from './limit-ranger.ts'
import { namespaceLifecycle } from './namespace-lifecycle.ts'
import { nodeRestriction } from './node-restriction.ts'
import { alwaysPullImages, defaultTolerationSeconds, taintNodesByCondition, type TolerationDefaults } from './pod-defaults.ts'
import { priorityAdmission } from './priority.ts'
import { resourceQuota } from './resource-quota.ts'
import { serviceAccountAdmission } from './service-account.ts'
import { mutatingWebhooks } from './webhooks/mutating.ts'
import { validatingWebhooks } from './webhooks/validating.ts'
import type { WebhookCredentials } from '../webhook-credentials.ts'

export interface AdmissionOptions {
  /** Names of plugins to run beside those that run by default. */
  enable?: readonly string[]
  /** Names of plugins not to run. */
  disable?: readonly string[]
  tolerations?: TolerationDefaults
  /** Who this server is to webhooks (`kubeConfigFile` of WebhookAdmission). */
  webhookCredentials?: { mutating?: WebhookCredentials; validating?: WebhookCredentials }
  /** Plugins of this server's own, run before ResourceQuota, as webhooks are. */
  extra?: readonly CorePart<AdmissionPlugin>[]
}

interface Entry { name: string; isDefault: boolean; make: CorePart<AdmissionPlugin> }

/** Every plugin in upstream's order (kubeapiserver `AllOrderedPlugins`). */
function entries(options: AdmissionOptions): Entry[] {
  const on = (name: string, make: CorePart<AdmissionPlugin>): Entry => ({ name, isDefault: true, make })
  return [
    on('NamespaceLifecycle', namespaceLifecycle),
    on('LimitRanger', limitRanger),
    on('ServiceAccount', serviceAccountAdmission),
    on('NodeRestriction', nodeRestriction),
    on('TaintNodesByCondition', () => taintNodesByCondition),
    { name: 'AlwaysPullImages', isDefault: false, make: () => alwaysPullImages },
    on('Priority', priorityAdmission),
    on('DefaultTolerationSeconds', () => defaultTolerationSeconds(options.tolerations)),
    on('DefaultStorageClass', defaultStorageClass),
    on('RuntimeClass', runtimeClass),
    on('CertificateApproval', certificateApproval),
    on('CertificateSigning', certificateSigning),
    on('CertificateSubjectRestriction', () => certificateSubjectRestriction),
    on('DefaultIngressClass', defaultIngressClass),
    on('MutatingAdmissionWebhook', (core) => mutatingWebhooks(core, options.webhookCredentials?.mutating)),
    on('ValidatingAdmissionWebhook', (core) => validatingWebhooks(core, options.webhookCredentials?.validating)),
  ]
}

/** The names that `enable` and `disable` may hold. */
export const admissionPluginNames: readonly string[] = [...entries({}).map((entry) => entry.name), 'ResourceQuota']

/** The plugins that run, in order. Throws for a name that is none. */
export function createAdmissionPlugins(options: AdmissionOptions = {}): CorePart<AdmissionPlugin>[] {
  const { enable = [], disable = [] } = options
  for (const name of [...enable, ...disable]) {
    if (!admissionPluginNames.includes(name)) throw new Error(`unknown admission plugin ${JSON.stringify(name)}; the plugins are ${admissionPluginNames.join(', ')}`)
  }
  const runs = ({ name, isDefault }: { name: string; isDefault: boolean }): boolean => !disable.includes(name) && (isDefault || enable.includes(name))
  return [
    ...entries(options).filter(runs).map((entry) => entry.make),
    ...(options.extra ?? []),
    escalationCheck,
    // Last, so that nothing is charged for what another plugin refuses.
    ...(runs({ name: 'ResourceQuota', isDefault: true }) ? [resourceQuota] : []),
  ]
}
