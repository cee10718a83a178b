import type { OpenObject } from '../../machinery/object.ts'
import type { MatchResources, MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, MutatingWebhookConfiguration, RuleWithOperations, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingWebhookConfiguration } from '../types/admissionregistration.k8s.io_v1.ts'
import type { CustomResourceDefinition } from '../types/apiextensions.k8s.io_v1.ts'
import type { APIService } from '../types/apiregistration.k8s.io_v1.ts'
import type { FlowSchema, PriorityLevelConfiguration } from '../types/flowcontrol.apiserver.k8s.io_v1.ts'
import type { RoleBinding } from '../types/rbac.authorization.k8s.io_v1.ts'
import type { ResourceClaimSpec } from '../types/resource.k8s.io_v1.ts'
import type { PriorityClass } from '../types/scheduling.k8s.io_v1.ts'
import type { CSIDriver, StorageClass } from '../types/storage.k8s.io_v1.ts'
import type { Defaulter } from './defaults.ts'

const rbacGroup = 'rbac.authorization.k8s.io'

function defaultRoleBinding(object: OpenObject): void {
  const { roleRef, subjects } = object as unknown as RoleBinding
  if (roleRef !== undefined) roleRef.apiGroup ||= rbacGroup
  for (const subject of subjects ?? []) if (subject.kind === 'User' || subject.kind === 'Group') subject.apiGroup ||= rbacGroup
}

function defaultStorageClass(object: OpenObject): void {
  const storageClass = object as unknown as StorageClass
  storageClass.reclaimPolicy ??= 'Delete'
  storageClass.volumeBindingMode ??= 'Immediate'
}

function defaultCsiDriver(object: OpenObject): void {
  const { spec } = object as unknown as CSIDriver
  if (spec === undefined) return
  spec.attachRequired ??= true
  spec.podInfoOnMount ??= false
  spec.storageCapacity ??= false
  spec.fsGroupPolicy ??= 'ReadWriteOnceWithFSType'
  if ((spec.volumeLifecycleModes ?? []).length === 0) spec.volumeLifecycleModes = ['Persistent']
  spec.requiresRepublish ??= false
  spec.seLinuxMount ??= false
}

function defaultPriorityClass(object: OpenObject): void {
  const priorityClass = object as unknown as PriorityClass
  priorityClass.preemptionPolicy ??= 'PreemptLowerPriority'
}

function defaultRules(rules: RuleWithOperations[] | undefined): void {
  for (const rule of rules ?? []) rule.scope ??= '*'
}

function defaultWebhooks(object: OpenObject): void {
  for (const webhook of (object as unknown as MutatingWebhookConfiguration | ValidatingWebhookConfiguration).webhooks ?? []) {
    webhook.failurePolicy ??= 'Fail'
    webhook.matchPolicy ??= 'Equivalent'
    webhook.namespaceSelector ??= {}
    webhook.objectSelector ??= {}
    webhook.timeoutSeconds ??= 10
    if (object.kind === 'MutatingWebhookConfiguration' && !('reinvocationPolicy' in webhook)) Object.assign(webhook, { reinvocationPolicy: 'Never' })
    if (webhook.clientConfig?.service !== undefined) webhook.clientConfig.service.port ??= 443
    defaultRules(webhook.rules)
  }
}

function defaultMatchResources(match: MatchResources | undefined): void {
  if (match === undefined) return
  match.matchPolicy ??= 'Equivalent'
  match.namespaceSelector ??= {}
  match.objectSelector ??= {}
  defaultRules(match.resourceRules)
  defaultRules(match.excludeResourceRules)
}

function defaultAdmissionPolicy(object: OpenObject): void {
  const { spec } = object as unknown as ValidatingAdmissionPolicy | MutatingAdmissionPolicy
  if (spec === undefined) return
  spec.failurePolicy ??= 'Fail'
  defaultMatchResources(spec.matchConstraints)
}

function defaultAdmissionPolicyBinding(object: OpenObject): void {
  defaultMatchResources((object as unknown as ValidatingAdmissionPolicyBinding).spec?.matchResources)
}

function defaultFlowSchema(object: OpenObject): void {
  const { spec } = object as unknown as FlowSchema
  if (spec !== undefined) spec.matchingPrecedence ||= 1000
}

function defaultPriorityLevel(object: OpenObject): void {
  const { spec } = object as unknown as PriorityLevelConfiguration
  if (spec?.exempt !== undefined) {
    spec.exempt.nominalConcurrencyShares ??= 0
    spec.exempt.lendablePercent ??= 0
  }
  if (spec?.limited === undefined) return
  spec.limited.nominalConcurrencyShares ??= 30
  spec.limited.lendablePercent ??= 0
  const response = (spec.limited.limitResponse ??= { type: '' })
  if (response.queuing !== undefined) {
    response.queuing.handSize ||= 8
    response.queuing.queues ||= 64
    response.queuing.queueLengthLimit ||= 50
  }
}

function defaultCustomResourceDefinition(object: OpenObject): void {
  const { spec } = object as unknown as CustomResourceDefinition
  if (spec?.names === undefined) return
  const { names } = spec
  if ((names.singular ?? '') === '' && (names.kind ?? '') !== '') names.singular = names.kind.toLowerCase()
  if ((names.listKind ?? '') === '' && (names.kind ?? '') !== '') names.listKind = `${names.kind}List`
  const conversion = (spec.conversion ??= { strategy: 'None' })
  if (conversion.webhook?.clientConfig?.service !== undefined) conversion.webhook.clientConfig.service.port ??= 443
}

function defaultApiService(object: OpenObject): void {
  const { spec } = object as unknown as APIService
  if (spec?.service !== undefined) spec.service.port ??= 443
}

interface Toleration { operator?: string }
interface DeviceChoice { allocationMode?: string; count?: number; tolerations?: Toleration[] }
interface DeviceRequest extends DeviceChoice { exactly?: DeviceChoice; firstAvailable?: DeviceChoice[]; deviceClassName?: string }

function defaultDeviceChoice(choice: DeviceChoice): void {
  choice.allocationMode ||= 'ExactCount'
  if (choice.allocationMode === 'ExactCount') choice.count ||= 1
  for (const toleration of choice.tolerations ?? []) toleration.operator ||= 'Equal'
}

/** Requests stand under `exactly` in v1 and v1beta2, flat in v1beta1. */
function defaultClaimSpec(spec: ResourceClaimSpec | undefined): void {
  for (const request of (spec?.devices?.requests ?? []) as DeviceRequest[]) {
    if (request.exactly !== undefined) defaultDeviceChoice(request.exactly)
    else if (request.deviceClassName !== undefined && request.deviceClassName !== '') defaultDeviceChoice(request)
    for (const choice of request.firstAvailable ?? []) defaultDeviceChoice(choice)
  }
}

const perVersion = (group: string, versions: readonly string[], kinds: Record<string, Defaulter>): Record<string, Defaulter> =>
  Object.fromEntries(versions.flatMap((version) => Object.entries(kinds).map(([kind, apply]) => [`${group}/${version}.${kind}`, apply])))

export const clusterDefaults: Record<string, Defaulter> = {
  ...perVersion(rbacGroup, ['v1', 'v1beta1'], { RoleBinding: defaultRoleBinding, ClusterRoleBinding: defaultRoleBinding }),
  ...perVersion('storage.k8s.io', ['v1', 'v1beta1'], { StorageClass: defaultStorageClass, CSIDriver: defaultCsiDriver }),
  ...perVersion('scheduling.k8s.io', ['v1', 'v1beta1'], { PriorityClass: defaultPriorityClass }),
  ...perVersion('admissionregistration.k8s.io', ['v1', 'v1beta1', 'v1alpha1'], {
    ValidatingAdmissionPolicy: defaultAdmissionPolicy, ValidatingAdmissionPolicyBinding: defaultAdmissionPolicyBinding,
    MutatingAdmissionPolicy: defaultAdmissionPolicy, MutatingAdmissionPolicyBinding: defaultAdmissionPolicyBinding,
  }),
  'admissionregistration.k8s.io/v1alpha1.MutatingAdmissionPolicyBinding': (object) => {
    defaultAdmissionPolicyBinding(object)
    const ref = (object as unknown as MutatingAdmissionPolicyBinding).spec?.paramRef
    if (ref !== undefined) ref.parameterNotFoundAction ??= 'Deny'
  },
  'admissionregistration.k8s.io/v1.ValidatingWebhookConfiguration': defaultWebhooks,
  'admissionregistration.k8s.io/v1.MutatingWebhookConfiguration': (object) => {
    object.kind ??= 'MutatingWebhookConfiguration'
    defaultWebhooks(object)
  },
  ...perVersion('flowcontrol.apiserver.k8s.io', ['v1', 'v1beta3'], { FlowSchema: defaultFlowSchema, PriorityLevelConfiguration: defaultPriorityLevel }),
  'apiextensions.k8s.io/v1.CustomResourceDefinition': defaultCustomResourceDefinition,
  'apiregistration.k8s.io/v1.APIService': defaultApiService,
  ...perVersion('resource.k8s.io', ['v1', 'v1beta1', 'v1beta2'], {
    ResourceClaim: (object) => defaultClaimSpec(object.spec as ResourceClaimSpec | undefined),
    ResourceClaimTemplate: (object) => defaultClaimSpec((object.spec as { spec?: ResourceClaimSpec } | undefined)?.spec),
  }),
  'resource.k8s.io/v1alpha3.ResourcePoolStatusRequest': (object) => {
    const spec = (object.spec ??= {}) as { limit?: number }
    spec.limit ??= 100
  },
  'authentication.k8s.io/v1.TokenRequest': (object) => {
    const spec = (object.spec ??= {}) as { expirationSeconds?: number }
    spec.expirationSeconds ??= 3600
  },
}
