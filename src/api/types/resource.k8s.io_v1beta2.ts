// Generated from src/api/schema by `npm run generate`.
import type { Condition, ListMeta, ObjectMeta } from './meta_v1.ts'
import type { NodeSelector } from './core_v1.ts'

export interface ResourceSlice {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: ResourceSliceSpec
}

export interface ResourceSliceSpec {
  driver: string
  pool: ResourcePool
  nodeName?: string
  nodeSelector?: NodeSelector
  allNodes?: boolean
  devices?: Device[]
  perDeviceNodeSelection?: boolean
  sharedCounters?: CounterSet[]
}

export interface CounterSet {
  name: string
  counters?: Record<string, Counter>
}

export interface ResourcePool {
  name: string
  generation: number
  resourceSliceCount: number
}

export interface Device {
  name: string
  attributes?: Record<string, DeviceAttribute>
  capacity?: Record<string, DeviceCapacity>
  consumesCounters?: DeviceCounterConsumption[]
  nodeName?: string
  nodeSelector?: NodeSelector
  allNodes?: boolean
  taints?: DeviceTaint[]
  bindsToNode?: boolean
  bindingConditions?: string[]
  bindingFailureConditions?: string[]
  allowMultipleAllocations?: boolean
  nodeAllocatableResourceMappings?: Record<string, NodeAllocatableResourceMapping>
}

export interface NodeAllocatableResourceMapping {
  capacityKey?: string
  allocationMultiplier?: string
}

export interface DeviceCounterConsumption {
  counterSet: string
  counters?: Record<string, Counter>
}

export interface DeviceCapacity {
  value: string
  requestPolicy?: CapacityRequestPolicy
}

export interface Counter {
  value: string
}

export interface CapacityRequestPolicy {
  default?: string
  validValues?: string[]
  validRange?: CapacityRequestPolicyRange
}

export interface CapacityRequestPolicyRange {
  min?: string
  max?: string
  step?: string
}

export interface DeviceAttribute {
  int?: number
  bool?: boolean
  string?: string
  version?: string
  ints?: number[]
  bools?: boolean[]
  strings?: string[]
  versions?: string[]
}

export interface DeviceTaint {
  key: string
  value?: string
  effect: string
  timeAdded?: string
}

export interface DeviceTaintRule {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: DeviceTaintRuleSpec
  status?: DeviceTaintRuleStatus
}

export interface DeviceTaintRuleSpec {
  deviceSelector?: DeviceTaintSelector
  taint?: DeviceTaint
}

export interface DeviceTaintSelector {
  driver?: string
  pool?: string
  device?: string
}

export interface DeviceTaintRuleStatus {
  conditions?: Condition[]
}

export interface DeviceTaintRuleList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: DeviceTaintRule[]
}

export interface ResourceSliceList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: ResourceSlice[]
}

export interface ResourceClaim {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: ResourceClaimSpec
  status?: ResourceClaimStatus
}

export interface ResourceClaimSpec {
  devices: DeviceClaim
}

export interface DeviceClaim {
  requests: DeviceRequest[]
  constraints?: DeviceConstraint[]
  config?: DeviceClaimConfiguration[]
}

export interface DeviceRequest {
  name: string
  exactly?: ExactDeviceRequest
  firstAvailable?: DeviceSubRequest[]
}

export interface ExactDeviceRequest {
  deviceClassName: string
  selectors?: DeviceSelector[]
  allocationMode?: string
  count?: number
  adminAccess?: boolean
  tolerations?: DeviceToleration[]
  capacity?: CapacityRequirements
}

export interface DeviceSubRequest {
  name: string
  deviceClassName: string
  selectors?: DeviceSelector[]
  allocationMode?: string
  count?: number
  tolerations?: DeviceToleration[]
  capacity?: CapacityRequirements
}

export interface CapacityRequirements {
  requests?: Record<string, string>
}

export interface DeviceSelector {
  cel?: CELDeviceSelector
}

export interface CELDeviceSelector {
  expression: string
}

export interface DeviceConstraint {
  requests?: string[]
  matchAttribute?: string
  distinctAttribute?: string
}

export interface DeviceClaimConfiguration extends DeviceConfiguration {
  requests?: string[]
}

export interface DeviceConfiguration {
  opaque?: OpaqueDeviceConfiguration
}

export interface OpaqueDeviceConfiguration {
  driver: string
  parameters: Record<string, unknown>
}

export interface DeviceToleration {
  key?: string
  operator?: string
  value?: string
  effect?: string
  tolerationSeconds?: number
}

export interface ResourceClaimStatus {
  allocation?: AllocationResult
  reservedFor?: ResourceClaimConsumerReference[]
  devices?: AllocatedDeviceStatus[]
}

export interface ResourceClaimConsumerReference {
  apiGroup?: string
  resource: string
  name: string
  uid: string
}

export interface AllocationResult {
  devices?: DeviceAllocationResult
  nodeSelector?: NodeSelector
  allocationTimestamp?: string
}

export interface DeviceAllocationResult {
  results?: DeviceRequestAllocationResult[]
  config?: DeviceAllocationConfiguration[]
}

export interface DeviceRequestAllocationResult {
  request: string
  driver: string
  pool: string
  device: string
  adminAccess?: boolean
  tolerations?: DeviceToleration[]
  bindingConditions?: string[]
  bindingFailureConditions?: string[]
  shareID?: string
  consumedCapacity?: Record<string, string>
}

export interface DeviceAllocationConfiguration extends DeviceConfiguration {
  source: string
  requests?: string[]
}

export interface ResourceClaimList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: ResourceClaim[]
}

export interface DeviceClass {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: DeviceClassSpec
}

export interface DeviceClassSpec {
  selectors?: DeviceSelector[]
  config?: DeviceClassConfiguration[]
  extendedResourceName?: string
}

export interface DeviceClassConfiguration extends DeviceConfiguration {
}

export interface DeviceClassList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: DeviceClass[]
}

export interface ResourceClaimTemplate {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: ResourceClaimTemplateSpec
}

export interface ResourceClaimTemplateSpec {
  metadata: ObjectMeta
  spec: ResourceClaimSpec
}

export interface ResourceClaimTemplateList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: ResourceClaimTemplate[]
}

export interface AllocatedDeviceStatus {
  driver: string
  pool: string
  device: string
  shareID?: string
  conditions: Condition[]
  data?: Record<string, unknown>
  networkData?: NetworkDeviceData
}

export interface NetworkDeviceData {
  interfaceName?: string
  ips?: string[]
  hardwareAddress?: string
}
