import type { OpenObject } from '../machinery/object.ts'
import { groupResourceOf } from './resource.ts'
import type { Strategy } from './resource.ts'

/**
 * Fields of features that are off: dropped when an object is created, and kept on updates only where the object had one of
 * them before (upstream's `dropDisabledFields`).
 */

/** Whether a feature gate is on. */
export type FeatureEnabled = (gate: string) => boolean

/** Fields that come and go together: `a.*.b` is `b` of every item of the list (or value of the map) `a`. */
interface GatedFields {
  /** All have to be on. */
  gates: readonly string[]
  fields: readonly string[]
  /** What an item becomes of which nothing is left; `containers.*.lifecycle` goes then as a whole. */
  dropsEmptyParent?: true
}

const inContainers = (...fields: string[]): string[] => ['containers', 'initContainers', 'ephemeralContainers'].flatMap((list) => fields.map((field) => `${list}.*.${field}`))

/** Of a pod's spec. */
const podSpec: readonly GatedFields[] = [
  { gates: ['PodLevelResources'], fields: ['resources'] },
  { gates: ['MatchLabelKeysInPodTopologySpread'], fields: ['topologySpreadConstraints.*.matchLabelKeys'] },
  { gates: ['ClusterTrustBundleProjection'], fields: ['volumes.*.projected.sources.*.clusterTrustBundle'] },
  { gates: ['PodCertificateRequest'], fields: ['volumes.*.projected.sources.*.podCertificate'] },
  { gates: ['GenericWorkload'], fields: ['schedulingGroup'] },
  { gates: ['ContainerRestartRules'], fields: [...inContainers('restartPolicyRules'), 'containers.*.restartPolicy', 'ephemeralContainers.*.restartPolicy'] },
  { gates: ['HostnameOverride'], fields: ['hostnameOverride'] },
  { gates: ['EnvFiles'], fields: inContainers('env.*.valueFrom.fileKeyRef') },
  { gates: ['ContainerStopSignals'], fields: inContainers('lifecycle.stopSignal'), dropsEmptyParent: true },
]

const statusLists = ['containerStatuses', 'initContainerStatuses', 'ephemeralContainerStatuses'].map((list) => `status.${list}.*.`)

const podStatus: readonly GatedFields[] = [
  { gates: ['InPlacePodLevelResourcesVerticalScaling'], fields: ['status.resources', 'status.allocatedResources'] },
  { gates: ['DRAExtendedResource'], fields: ['status.extendedResourceClaimStatus'] },
  { gates: ['ResourceHealthStatus'], fields: statusLists.map((list) => `${list}allocatedResourcesStatus`) },
  { gates: ['ResourceHealthStatusMessage'], fields: statusLists.map((list) => `${list}allocatedResourcesStatus.*.resources.*.message`) },
  { gates: ['ImageVolumeWithDigest'], fields: statusLists.map((list) => `${list}volumeMounts.*.volumeStatus`) },
  { gates: ['DRANodeAllocatableResources'], fields: ['status.nodeAllocatableResourceClaimStatuses'] },
]

const below = (prefix: string, rows: readonly GatedFields[]): GatedFields[] => rows.map((row) => ({ ...row, fields: row.fields.map((field) => `${prefix}.${field}`) }))

const template = below('spec.template.spec', podSpec)

const bindingConditions = ['DRADeviceBindingConditions', 'DRAResourceClaimDeviceStatus']

/** Of a ResourceClaim's spec. */
const claimSpec: readonly GatedFields[] = [
  { gates: ['DRAPrioritizedList'], fields: ['devices.requests.*.firstAvailable'] },
  { gates: ['DRADeviceTaints'], fields: ['devices.requests.*.exactly.tolerations', 'devices.requests.*.firstAvailable.*.tolerations'] },
  { gates: ['DRAConsumableCapacity'], fields: ['devices.constraints.*.distinctAttribute', 'devices.requests.*.exactly.capacity', 'devices.requests.*.firstAvailable.*.capacity'] },
]

const podGroup: readonly GatedFields[] = [
  { gates: ['TopologyAwareWorkloadScheduling'], fields: ['schedulingConstraints'] },
  { gates: ['DRAWorkloadResourceClaims'], fields: ['resourceClaims'] },
  { gates: ['WorkloadAwarePreemption'], fields: ['disruptionMode', 'priorityClassName', 'priority'] },
]

const terminatingReplicas: GatedFields = { gates: ['DeploymentReplicaSetTerminatingReplicas'], fields: ['status.terminatingReplicas'] }

/** By resource, in the form its strategy knows. */
const table: Readonly<Record<string, readonly GatedFields[]>> = {
  pods: [...below('spec', podSpec), ...podStatus],
  podtemplates: below('template.spec', podSpec),
  replicationcontrollers: template,
  'deployments.apps': [...template, terminatingReplicas],
  'replicasets.apps': [...template, terminatingReplicas],
  'daemonsets.apps': template,
  'statefulsets.apps': [...template, { gates: ['MaxUnavailableStatefulSet'], fields: ['spec.updateStrategy.rollingUpdate.maxUnavailable'] }],
  'jobs.batch': template,
  'cronjobs.batch': below('spec.jobTemplate.spec.template.spec', podSpec),
  nodes: [{ gates: ['NodeDeclaredFeatures'], fields: ['status.declaredFeatures'] }],
  'horizontalpodautoscalers.autoscaling': [{ gates: ['HPAConfigurableTolerance'], fields: ['spec.behavior.scaleUp.tolerance', 'spec.behavior.scaleDown.tolerance'] }],
  'leases.coordination.k8s.io': [{ gates: ['CoordinatedLeaderElection'], fields: ['spec.strategy'] }, { gates: ['CoordinatedLeaderElection'], fields: ['spec.preferredHolder'] }],
  'csidrivers.storage.k8s.io': [{ gates: ['VolumeLimitScaling'], fields: ['spec.preventPodSchedulingIfMissing'] }],
  'deviceclasses.resource.k8s.io': [{ gates: ['DRAExtendedResource'], fields: ['spec.extendedResourceName'] }],
  'resourceslices.resource.k8s.io': [
    { gates: ['DRADeviceTaints'], fields: ['spec.devices.*.taints'] },
    { gates: ['DRAPartitionableDevices'], fields: ['spec.sharedCounters', 'spec.perDeviceNodeSelection', ...['consumesCounters', 'nodeName', 'nodeSelector', 'allNodes'].map((field) => `spec.devices.*.${field}`)] },
    { gates: bindingConditions, fields: ['bindingConditions', 'bindingFailureConditions', 'bindsToNode'].map((field) => `spec.devices.*.${field}`) },
    { gates: ['DRAConsumableCapacity'], fields: ['spec.devices.*.allowMultipleAllocations', 'spec.devices.*.capacity.*.requestPolicy'] },
    { gates: ['DRANodeAllocatableResources'], fields: ['spec.devices.*.nodeAllocatableResourceMappings'] },
    { gates: ['DRAListTypeAttributes'], fields: ['ints', 'bools', 'strings', 'versions'].map((field) => `spec.devices.*.attributes.*.${field}`) },
  ],
  'resourceclaims.resource.k8s.io': [
    ...below('spec', claimSpec),
    { gates: ['DRAResourceClaimDeviceStatus'], fields: ['status.devices'] },
    { gates: bindingConditions, fields: ['status.allocation.allocationTimestamp', 'status.allocation.devices.results.*.bindingConditions', 'status.allocation.devices.results.*.bindingFailureConditions'] },
    { gates: ['DRAConsumableCapacity'], fields: ['status.allocation.devices.results.*.shareID', 'status.allocation.devices.results.*.consumedCapacity', 'status.devices.*.shareID'] },
  ],
  'resourceclaimtemplates.resource.k8s.io': below('spec.spec', claimSpec),
  'workloads.scheduling.k8s.io': below('spec.podGroupTemplates.*', podGroup),
  'podgroups.scheduling.k8s.io': [...below('spec', podGroup), { gates: ['DRAWorkloadResourceClaims'], fields: ['status.resourceClaimStatuses'] }],
}

/** Resources that are not served while a feature is off, whatever `--runtime-config` says. */
const gatedResources: Readonly<Record<string, string>> = {
  'clustertrustbundles.certificates.k8s.io': 'ClusterTrustBundle',
  'podcertificaterequests.certificates.k8s.io': 'PodCertificateRequest',
  'workloads.scheduling.k8s.io': 'GenericWorkload',
  'podgroups.scheduling.k8s.io': 'GenericWorkload',
  'storageversionmigrations.storagemigration.k8s.io': 'StorageVersionMigrator',
}

/** The feature gate that has to be on for a resource to be served; undefined where there is none. */
export function gateOfResource(resource: { group: string; resource: string }): string | undefined {
  const key = groupResourceOf(resource)
  return Object.hasOwn(gatedResources, key) ? gatedResources[key] : undefined
}

/** Every gate that the tables name. */
export function gatesOfFields(): string[] {
  return [...new Set([...Object.values(table).flat().flatMap(({ gates }) => gates), ...Object.values(gatedResources)])]
}

type Node = Record<string, unknown> | unknown[] | undefined

function childrenOf(node: NonNullable<Node>): unknown[] {
  return Array.isArray(node) ? node : Object.values(node)
}

/** Calls `found` with what holds the field, until it returns true; whether it did. */
function visit(node: Node, path: readonly string[], at: number, found: (holder: Record<string, unknown>, field: string) => boolean): boolean {
  if (typeof node !== 'object' || node === null) return false
  const name = path[at]!
  if (name === '*') {
    for (const child of childrenOf(node)) if (visit(child as Node, path, at + 1, found)) return true
    return false
  }
  const value = (node as Record<string, unknown>)[name]
  if (value === undefined) return false
  return at === path.length - 1 ? found(node as Record<string, unknown>, name) : visit(value as Node, path, at + 1, found)
}

/** Empty lists and nothing do not count as use. */
function isUsed(value: unknown): boolean {
  return value !== null && value !== '' && !(Array.isArray(value) && value.length === 0)
}

interface Dropped { paths: readonly (readonly string[])[]; dropsEmptyParent: boolean }

/** Paths by their first steps, so that an object is walked once; undefined ends a path. */
type Steps = ReadonlyMap<string, Steps | undefined>

function stepsOf(paths: readonly (readonly string[])[], at = 0): Steps {
  const names = new Set(paths.map((path) => path[at]!))
  return new Map([...names].map((name) => {
    const through = paths.filter((path) => path[at] === name)
    return [name, through.some((path) => path.length === at + 1) ? undefined : stepsOf(through, at + 1)]
  }))
}

/** True as soon as one of the fields is found to be set; most objects have none, and are not looked at field by field then. */
function hasAny(node: Node, steps: Steps): boolean {
  if (typeof node !== 'object' || node === null) return false
  for (const [name, next] of steps) {
    if (name === '*') {
      for (const child of childrenOf(node)) if (hasAny(child as Node, next!)) return true
      continue
    }
    const value = (node as Record<string, unknown>)[name]
    if (value !== undefined && (next === undefined || hasAny(value as Node, next))) return true
  }
  return false
}

function drop(object: OpenObject, old: Readonly<OpenObject> | undefined, rows: readonly Dropped[]): void {
  for (const { paths, dropsEmptyParent } of rows) {
    let isInUse: boolean | undefined
    const remove = (holder: Record<string, unknown>, field: string): boolean => {
      isInUse ??= old !== undefined && paths.some((path) => visit(old as Record<string, unknown>, path, 0, (oldHolder, name) => isUsed(oldHolder[name])))
      if (isInUse) return true
      delete holder[field]
      return false
    }
    for (const path of paths) {
      if (!dropsEmptyParent) visit(object as Record<string, unknown>, path, 0, remove)
      else visit(object as Record<string, unknown>, path.slice(0, -1), 0, (holder, parent) => {
        const inner = holder[parent] as Record<string, unknown>
        if (inner[path.at(-1)!] === undefined) return false
        if (remove(inner, path.at(-1)!)) return true
        if (Object.keys(inner).length === 0) delete holder[parent]
        return false
      })
      if (isInUse === true) break
    }
  }
}

/** `strategy` of a resource or of one of its subresources, with the fields of features that are off dropped first. */
export function withoutDisabledFields(strategy: Strategy, group: string, resource: string, subresource: string, isEnabled: FeatureEnabled): Strategy {
  const key = groupResourceOf({ group, resource })
  const rows = (Object.hasOwn(table, key) ? table[key]! : [])
    .filter(({ gates }) => !gates.every(isEnabled))
    // What a write does not carry is taken from the object before it: nothing to drop there.
    .map(({ fields, dropsEmptyParent = false }) => ({ dropsEmptyParent, paths: fields.filter((field) => field.startsWith('status.') === (subresource === 'status') || key === 'nodes').map((field) => field.split('.')) }))
    .filter(({ paths }) => paths.length > 0)
  if (rows.length === 0) return strategy
  const { prepareForCreate, prepareForUpdate } = strategy
  const steps = stepsOf(rows.flatMap(({ paths }) => paths))
  return {
    ...strategy,
    prepareForCreate(object, context) {
      if (hasAny(object as Record<string, unknown>, steps)) drop(object, undefined, rows)
      prepareForCreate?.(object, context)
    },
    prepareForUpdate(object, old, context) {
      if (hasAny(object as Record<string, unknown>, steps)) drop(object, old, rows)
      prepareForUpdate?.(object, old, context)
    },
  }
}
