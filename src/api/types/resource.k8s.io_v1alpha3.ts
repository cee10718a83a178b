// Generated from src/api/schema by `npm run generate`.
import type { Condition, ListMeta, ObjectMeta } from './meta_v1.ts'

export interface DeviceSelector {
  cel?: CELDeviceSelector
}

export interface CELDeviceSelector {
  expression: string
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

export interface ResourcePoolStatusRequest {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: ResourcePoolStatusRequestSpec
  status?: ResourcePoolStatusRequestStatus
}

export interface ResourcePoolStatusRequestSpec {
  driver: string
  poolName?: string
  limit?: number
}

export interface ResourcePoolStatusRequestStatus {
  poolCount?: number
  pools?: PoolStatus[]
  conditions?: Condition[]
}

export interface PoolStatus {
  driver?: string
  poolName?: string
  generation: number
  resourceSliceCount?: number
  totalDevices?: number
  allocatedDevices?: number
  availableDevices?: number
  unavailableDevices?: number
  nodeName?: string
  validationError?: string
}

export interface ResourcePoolStatusRequestList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: ResourcePoolStatusRequest[]
}
