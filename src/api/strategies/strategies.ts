import { semanticEqual } from '../../machinery/equality.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { groupResourceOf } from '../resource.ts'
import type { Strategy } from '../resource.ts'
import { validateFinalizerOwners, validateObjectMeta, validateUpdatedMeta } from '../validation/object-meta.ts'
import { isNamespaced, nameRuleFor, validationFor } from '../validation/validation.ts'
import { claimStrategy } from './claims.ts'
import { deviceSliceStrategy, deviceTaintRuleStrategy, resourceClaimStatusStrategy } from './devices.ts'
import * as cluster from './cluster.ts'
import { daemonSetStatusStrategy, daemonSetStrategy } from './daemon-sets.ts'
import { kindWarningsFor } from './kind-warnings.ts'
import { podEphemeralContainersStrategy, podResizeStrategy, podStatusStrategy, podStrategy } from './pods.ts'
import { serviceStatusStrategy, serviceStrategy } from './services.ts'

/** What sets a kind apart, beside its own strategy. */
interface Traits {
  /** Has a status that only `/status` writes; the value a new object starts with, as Go writes its zero value. */
  status?: Record<string, unknown>
  /** Fields whose change is a new `metadata.generation`; none: the kind has no generation. */
  generationOf?: readonly string[]
  /** New annotations are a new generation as well: they are copied to what the object is made into. */
  annotationsCount?: true
  /** The first change is the first generation. */
  bornWithoutGeneration?: true
  own?: Strategy
  allowCreateOnUpdate?: true
  allowUnconditionalUpdate?: false
  defaultPropagation?: 'Orphan' | 'Unsupported'
}

const spec = ['spec'] as const
const daemonSetStatus = { currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 }
const disruptionBudgetStatus = { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 }

/** A status that only `/status` writes, and that is not there until it does. */
const bornWithoutStatus: Strategy = {
  prepareForCreate: (object) => void delete object.status,
  prepareForUpdate: (object, old) => setOrDelete(object, 'status', old.status),
}

const traits: Record<string, Traits> = {
  pods: { own: podStrategy },
  podtemplates: { generationOf: ['template'] },
  services: { own: serviceStrategy },
  replicationcontrollers: { status: { replicas: 0 }, generationOf: spec, defaultPropagation: 'Orphan' },
  namespaces: { status: {}, own: cluster.namespaceStrategy },
  nodes: { own: cluster.nodeStrategy, status: {} },
  persistentvolumes: { status: { phase: 'Pending' }, own: cluster.volumeStrategy },
  persistentvolumeclaims: { status: { phase: 'Pending' }, own: claimStrategy },
  resourcequotas: { status: {} },
  limitranges: { allowCreateOnUpdate: true, own: cluster.limitRangeStrategy },
  endpoints: { allowCreateOnUpdate: true },
  events: { allowCreateOnUpdate: true, defaultPropagation: 'Unsupported' },
  'events.events.k8s.io': { allowCreateOnUpdate: true, defaultPropagation: 'Unsupported' },
  secrets: { own: cluster.secretStrategy },
  serviceaccounts: { own: cluster.serviceAccountStrategy },
  'deployments.apps': { status: {}, generationOf: spec, annotationsCount: true },
  'replicasets.apps': { status: { replicas: 0 }, generationOf: spec },
  'daemonsets.apps': { status: daemonSetStatus, generationOf: spec, own: daemonSetStrategy },
  'statefulsets.apps': { status: { replicas: 0, availableReplicas: 0 }, generationOf: spec },
  'jobs.batch': { status: {}, generationOf: spec, own: cluster.jobStrategy },
  'cronjobs.batch': { status: {}, generationOf: spec },
  'horizontalpodautoscalers.autoscaling': { status: { desiredReplicas: 0, currentMetrics: null } },
  'poddisruptionbudgets.policy': { status: disruptionBudgetStatus, generationOf: spec, allowUnconditionalUpdate: false },
  'ingresses.networking.k8s.io': { status: { loadBalancer: {} }, generationOf: spec },
  'networkpolicies.networking.k8s.io': { generationOf: spec },
  'ingressclasses.networking.k8s.io': { generationOf: spec },
  'servicecidrs.networking.k8s.io': { status: {} },
  'endpointslices.discovery.k8s.io': { own: cluster.endpointSliceStrategy },
  'leases.coordination.k8s.io': { allowCreateOnUpdate: true, allowUnconditionalUpdate: false },
  'leasecandidates.coordination.k8s.io': { allowCreateOnUpdate: true, allowUnconditionalUpdate: false },
  'roles.rbac.authorization.k8s.io': { allowCreateOnUpdate: true },
  'rolebindings.rbac.authorization.k8s.io': { allowCreateOnUpdate: true },
  'clusterroles.rbac.authorization.k8s.io': { allowCreateOnUpdate: true },
  'clusterrolebindings.rbac.authorization.k8s.io': { allowCreateOnUpdate: true },
  'volumeattachments.storage.k8s.io': { status: { attached: false }, allowUnconditionalUpdate: false },
  'csistoragecapacities.storage.k8s.io': { allowUnconditionalUpdate: false },
  'csidrivers.storage.k8s.io': { generationOf: spec, bornWithoutGeneration: true, allowUnconditionalUpdate: false },
  'csinodes.storage.k8s.io': { own: cluster.csiNodeStrategy, allowUnconditionalUpdate: false },
  'priorityclasses.scheduling.k8s.io': { generationOf: [] },
  'runtimeclasses.node.k8s.io': { allowCreateOnUpdate: true, allowUnconditionalUpdate: false },
  'certificatesigningrequests.certificates.k8s.io': { status: {}, own: cluster.certificateRequestStrategy },
  'customresourcedefinitions.apiextensions.k8s.io': { status: {}, generationOf: spec, own: cluster.customResourceDefinitionStrategy, allowUnconditionalUpdate: false },
  'apiservices.apiregistration.k8s.io': { status: {}, own: cluster.apiServiceStrategy, allowUnconditionalUpdate: false },
  'flowschemas.flowcontrol.apiserver.k8s.io': { status: {}, generationOf: spec },
  'prioritylevelconfigurations.flowcontrol.apiserver.k8s.io': { status: {}, generationOf: spec },
  'mutatingwebhookconfigurations.admissionregistration.k8s.io': { generationOf: ['webhooks'], allowUnconditionalUpdate: false },
  'validatingwebhookconfigurations.admissionregistration.k8s.io': { generationOf: ['webhooks'], allowUnconditionalUpdate: false },
  'validatingadmissionpolicies.admissionregistration.k8s.io': { status: {}, generationOf: spec, allowUnconditionalUpdate: false },
  'validatingadmissionpolicybindings.admissionregistration.k8s.io': { generationOf: spec, allowUnconditionalUpdate: false },
  'mutatingadmissionpolicies.admissionregistration.k8s.io': { generationOf: spec, allowUnconditionalUpdate: false },
  'mutatingadmissionpolicybindings.admissionregistration.k8s.io': { generationOf: spec, allowUnconditionalUpdate: false },
  'resourceclaims.resource.k8s.io': { status: {} },
  'resourceslices.resource.k8s.io': { generationOf: spec, own: deviceSliceStrategy },
  'deviceclasses.resource.k8s.io': { generationOf: spec },
  'podcertificaterequests.certificates.k8s.io': { status: {}, allowUnconditionalUpdate: false },
  'clustertrustbundles.certificates.k8s.io': { allowUnconditionalUpdate: false },
  'devicetaintrules.resource.k8s.io': { status: {}, generationOf: spec, own: deviceTaintRuleStrategy },
  'resourcepoolstatusrequests.resource.k8s.io': { own: bornWithoutStatus, allowUnconditionalUpdate: false },
  'podgroups.scheduling.k8s.io': { status: {} },
  'storageversionmigrations.storagemigration.k8s.io': { status: {}, allowUnconditionalUpdate: false },
  'storageversions.internal.apiserver.k8s.io': { status: {}, allowUnconditionalUpdate: false },
}

/** Groups and kinds whose rules are upstream's general ones, where any qualified name will do for a finalizer. */
const generalMeta = /^(events|poddisruptionbudgets\.policy|.*\.(admissionregistration\.k8s\.io|apiextensions\.k8s\.io|apiregistration\.k8s\.io|coordination\.k8s\.io|node\.k8s\.io|storagemigration\.k8s\.io))$/

const noTraits: Traits = {}

function traitsOf(groupResource: string): Traits {
  return Object.hasOwn(traits, groupResource) ? (traits[groupResource] as Traits) : noTraits
}

function setOrDelete(object: OpenObject, field: string, value: unknown): void {
  if (value === undefined) delete object[field]
  else object[field] = value
}

/** Kinds whose updates are looked at as if they were new, metadata and all, beside what updates may do. */
const asNewOnUpdate: ReadonlySet<string> = new Set([
  'configmaps', 'secrets', 'namespaces', 'nodes', 'persistentvolumes', 'persistentvolumeclaims', 'endpoints', 'serviceaccounts', 'controllerrevisions.apps', 'jobs.batch',
  ...['ingresses', 'ingressclasses', 'ipaddresses'].map((name) => `${name}.networking.k8s.io`), ...['roles', 'clusterroles', 'rolebindings', 'clusterrolebindings'].map((name) => `${name}.rbac.authorization.k8s.io`),
  ...['storageclasses', 'csinodes', 'csistoragecapacities', 'volumeattachments', 'volumeattributesclasses'].map((name) => `${name}.storage.k8s.io`), 'runtimeclasses.node.k8s.io', 'endpointslices.discovery.k8s.io',
  ...['', '/status', '/approval'].map((subresource) => `certificatesigningrequests.certificates.k8s.io${subresource}`), ...['deviceclasses', 'resourceclaims', 'resourceclaimtemplates'].map((name) => `${name}.resource.k8s.io`),
  'flowschemas.flowcontrol.apiserver.k8s.io', 'prioritylevelconfigurations.flowcontrol.apiserver.k8s.io', 'apiservices.apiregistration.k8s.io', 'validatingadmissionpolicies.admissionregistration.k8s.io/status',
  ...['validatingwebhookconfigurations', 'mutatingwebhookconfigurations', 'validatingadmissionpolicies', 'validatingadmissionpolicybindings', 'mutatingadmissionpolicies', 'mutatingadmissionpolicybindings'].map((name) => `${name}.admissionregistration.k8s.io`),
  'volumeattachments.storage.k8s.io/status',
])

/** Those that are not asked, beside that, what an update may do to metadata; the registry asks it of all. */
const withoutUpdateRules = new RegExp(`^(${[
  'poddisruptionbudgets\\.policy', 'storageversions\\.internal\\.apiserver\\.k8s\\.io', 'csinodes\\.storage\\.k8s\\.io', 'volumeattachments\\.storage\\.k8s\\.io', 'endpointslices\\.discovery\\.k8s\\.io',
  '.*\\.flowcontrol\\.apiserver\\.k8s\\.io', '.*\\.admissionregistration\\.k8s\\.io', 'cronjobs\\.batch(?=/)',
].join('|')})(/status)?$`)

/** What an update of metadata is told, as often as upstream tells it. */
function updatedMetaErrors(groupResource: string, subresource = ''): (object: Readonly<OpenObject>, old: Readonly<OpenObject>) => FieldError[] {
  const name = subresource === '' ? groupResource : `${groupResource}/${subresource}`
  const isAskedAnew = !withoutUpdateRules.test(name)
  const ownsFinalizers = !generalMeta.test(groupResource)
  const isAsNew = asNewOnUpdate.has(name)
  const isWhole = subresource === '' || subresource === 'status' || isAsNew
  const [namespaced, nameRule] = [isNamespaced(groupResource), nameRuleFor(groupResource)]
  return ({ metadata }, old) => {
    const out = validateUpdatedMeta(metadata, old.metadata, isAskedAnew)
    const isCommonInOrder = out.length === 0
    if (ownsFinalizers && isAskedAnew && isWhole) out.push(...validateFinalizerOwners(metadata))
    if (isAsNew) out.push(...validateObjectMeta(metadata, namespaced, nameRule, 'metadata', isCommonInOrder), ...(ownsFinalizers ? validateFinalizerOwners(metadata) : []))
    return out
  }
}

function buildStrategy(groupResource: string): Strategy {
  const trait = traitsOf(groupResource)
  const { own, generationOf } = trait
  const validation = validationFor(groupResource)
  const nameRule = nameRuleFor(groupResource)
  const namespaced = isNamespaced(groupResource)
  const kindWarnings = kindWarningsFor(groupResource)
  const ownsFinalizers = !generalMeta.test(groupResource)
  const metaErrors = updatedMetaErrors(groupResource)
  return {
    prepareForCreate(object, context) {
      // Kinds without a generation keep the one that a client names.
      if (generationOf !== undefined && trait.bornWithoutGeneration !== true) object.metadata.generation = 1
      // Nodes are the one kind that is born with a status.
      if (trait.status !== undefined && groupResource !== 'nodes') object.status = structuredClone(trait.status)
      own?.prepareForCreate?.(object, context)
    },
    prepareForUpdate(object, old, context) {
      if (trait.status !== undefined) setOrDelete(object, 'status', old.status)
      own?.prepareForUpdate?.(object, old, context)
      const isNew = generationOf?.some((field) => !semanticEqual(object[field], old[field])) === true
      if (isNew || (trait.annotationsCount === true && !semanticEqual(object.metadata.annotations, old.metadata.annotations))) object.metadata.generation = (old.metadata.generation ?? 0) + 1
    },
    validate(object) {
      // Of events upstream looks at the metadata after all else, and only if that is in order.
      if (groupResource === 'events') {
        const found = validation?.validate?.(object) ?? []
        if (found.length > 0) return found
      }
      return [...validateObjectMeta(object.metadata, namespaced, nameRule), ...(ownsFinalizers ? validateFinalizerOwners(object.metadata) : []), ...(validation?.validate?.(object) ?? [])]
    },
    validateUpdate(object, old) {
      return [...metaErrors(object, old), ...(validation?.validateUpdate?.(object, old) ?? [])]
    },
    warnings(object, old) {
      return own?.warnings?.(object, old) ?? kindWarnings?.(object, old) ?? []
    },
    allowCreateOnUpdate: trait.allowCreateOnUpdate ?? own?.allowCreateOnUpdate ?? false,
    allowUnconditionalUpdate: trait.allowUnconditionalUpdate ?? own?.allowUnconditionalUpdate ?? true,
    defaultPropagation: trait.defaultPropagation ?? own?.defaultPropagation ?? 'Background',
    ...(own?.defaultPropagationWarning === undefined ? {} : { defaultPropagationWarning: own.defaultPropagationWarning }),
    ...(own?.deletionFinalizers === undefined ? {} : { deletionFinalizers: own.deletionFinalizers }),
    ...(own?.beginDeletion === undefined ? {} : { beginDeletion: own.beginDeletion }),
    ...(own?.gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds: own.gracePeriodSeconds }),
  }
}

/** Keeps everything but the status (and metadata) as it was. */
function keepAllButStatus(object: OpenObject, old: Readonly<OpenObject>): void {
  for (const field of new Set([...Object.keys(object), ...Object.keys(old)])) {
    if (field !== 'apiVersion' && field !== 'kind' && field !== 'metadata' && field !== 'status') setOrDelete(object, field, old[field])
  }
}

const labelled = ['labels', 'annotations', 'finalizers', 'ownerReferences'] as const

/** Whose metadata `/status` leaves alone (upstream's `ResetObjectMetaForStatus`), or which part of it. */
const keptMetadata: Record<string, ReadonlyArray<(typeof labelled)[number]>> = {
  'deployments.apps': ['labels'],
  'apiservices.apiregistration.k8s.io': labelled,
  'volumeattachments.storage.k8s.io': labelled,
  'flowschemas.flowcontrol.apiserver.k8s.io': labelled,
  'prioritylevelconfigurations.flowcontrol.apiserver.k8s.io': labelled,
  'validatingadmissionpolicies.admissionregistration.k8s.io': labelled,
  'resourceclaims.resource.k8s.io': labelled,
  'servicecidrs.networking.k8s.io': labelled,
  'resourcepoolstatusrequests.resource.k8s.io': labelled,
  'podgroups.scheduling.k8s.io': labelled,
  'storageversionmigrations.storagemigration.k8s.io': labelled,
  'devicetaintrules.resource.k8s.io': labelled,
  'storageversions.internal.apiserver.k8s.io': labelled,
}

const ownStatusStrategies: Record<string, Strategy> = {
  services: serviceStatusStrategy,
  nodes: cluster.nodeStatusStrategy,
  persistentvolumes: cluster.volumeStatusStrategy,
  'resourceclaims.resource.k8s.io': resourceClaimStatusStrategy,
  pods: podStatusStrategy,
  'daemonsets.apps': daemonSetStatusStrategy,
  'certificatesigningrequests.certificates.k8s.io': cluster.certificateStatusStrategy,
}

function buildStatusStrategy(groupResource: string): Strategy {
  const own = Object.hasOwn(ownStatusStrategies, groupResource) ? ownStatusStrategies[groupResource] : undefined
  const validation = validationFor(groupResource)
  const kept = Object.hasOwn(keptMetadata, groupResource) ? (keptMetadata[groupResource] ?? []) : []
  const metaErrors = updatedMetaErrors(groupResource, 'status')
  return {
    prepareForUpdate(object, old, context) {
      keepAllButStatus(object, old)
      for (const field of kept) setOrDelete(object.metadata as unknown as OpenObject, field, old.metadata[field])
      own?.prepareForUpdate?.(object, old, context)
    },
    validateUpdate(object, old) {
      return [...metaErrors(object, old), ...(validation?.validateStatusUpdate?.(object, old) ?? [])]
    },
    ...(own?.warnings === undefined ? {} : { warnings: own.warnings }),
    allowUnconditionalUpdate: traitsOf(groupResource).allowUnconditionalUpdate ?? true,
  }
}

const strategies = new Map<string, Strategy>()
const statusStrategies = new Map<string, Strategy>()

function memoized(cache: Map<string, Strategy>, group: string, resource: string, build: (groupResource: string) => Strategy): Strategy {
  const key = groupResourceOf({ group, resource })
  let strategy = cache.get(key)
  if (strategy === undefined) cache.set(key, (strategy = build(key)))
  return strategy
}

/** The strategy of a built-in resource, `('apps', 'deployments')`. Kinds without any rule of their own get metadata checks only. */
export function strategyFor(group: string, resource: string): Strategy {
  return memoized(strategies, group, resource, buildStrategy)
}

/**
 * The strategy of `/status` of a built-in resource: writes the status, keeps the rest. Other subresources that write their
 * parent are named with it: `('', 'pods/resize')`.
 */
export function statusStrategyFor(group: string, resource: string): Strategy {
  const slash = resource.indexOf('/')
  if (slash >= 0) return subresourceStrategyFor(group, resource.slice(0, slash), resource.slice(slash + 1)) ?? statusStrategyFor(group, resource.slice(0, slash))
  return memoized(statusStrategies, group, resource, buildStatusStrategy)
}

const otherSubresources: Record<string, Strategy> = {
  'pods/ephemeralcontainers': podEphemeralContainersStrategy,
  'pods/resize': podResizeStrategy,
  'namespaces/finalize': cluster.namespaceFinalizeStrategy,
  'certificatesigningrequests.certificates.k8s.io/approval': cluster.certificateApprovalStrategy,
}

/** Strategy of a subresource that writes its parent; undefined for those that do something else (log, binding, scale, …). */
export function subresourceStrategyFor(group: string, resource: string, subresource: string): Strategy | undefined {
  if (subresource === 'status') return statusStrategyFor(group, resource)
  const key = `${groupResourceOf({ group, resource })}/${subresource}`
  const own = Object.hasOwn(otherSubresources, key) ? otherSubresources[key] : undefined
  if (own === undefined) return undefined
  const metaErrors = updatedMetaErrors(groupResourceOf({ group, resource }), subresource)
  return { ...own, validateUpdate: (object, old, context) => [...metaErrors(object, old), ...(own.validateUpdate?.(object, old, context) ?? [])] }
}
