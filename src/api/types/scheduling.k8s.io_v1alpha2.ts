// Generated from src/api/schema by `npm run generate`.
import type { Condition, ListMeta, ObjectMeta } from './meta_v1.ts'

export interface Workload {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: WorkloadSpec
}

export interface WorkloadList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: Workload[]
}

export interface WorkloadSpec {
  controllerRef?: TypedLocalObjectReference
  podGroupTemplates: PodGroupTemplate[]
}

export interface TypedLocalObjectReference {
  apiGroup?: string
  kind: string
  name: string
}

export interface PodGroupTemplate {
  name: string
  schedulingPolicy: PodGroupSchedulingPolicy
  schedulingConstraints?: PodGroupSchedulingConstraints
  resourceClaims?: PodGroupResourceClaim[]
  disruptionMode?: string
  priorityClassName?: string
  priority?: number
}

export interface PodGroupSchedulingPolicy {
  basic?: BasicSchedulingPolicy
  gang?: GangSchedulingPolicy
}

export interface BasicSchedulingPolicy {
}

export interface GangSchedulingPolicy {
  minCount: number
}

export interface PodGroupResourceClaim {
  name: string
  resourceClaimName?: string
  resourceClaimTemplateName?: string
}

export interface PodGroup {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: PodGroupSpec
  status?: PodGroupStatus
}

export interface PodGroupList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: PodGroup[]
}

export interface PodGroupSpec {
  podGroupTemplateRef?: PodGroupTemplateReference
  schedulingPolicy: PodGroupSchedulingPolicy
  schedulingConstraints?: PodGroupSchedulingConstraints
  resourceClaims?: PodGroupResourceClaim[]
  disruptionMode?: string
  priorityClassName?: string
  priority?: number
}

export interface PodGroupStatus {
  conditions?: Condition[]
  resourceClaimStatuses?: PodGroupResourceClaimStatus[]
}

export interface PodGroupResourceClaimStatus {
  name: string
  resourceClaimName?: string
}

export interface PodGroupTemplateReference {
  workload?: WorkloadPodGroupTemplateReference
}

export interface WorkloadPodGroupTemplateReference {
  workloadName: string
  podGroupTemplateName: string
}

export interface PodGroupSchedulingConstraints {
  topology?: TopologyConstraint[]
}

export interface TopologyConstraint {
  key: string
}
