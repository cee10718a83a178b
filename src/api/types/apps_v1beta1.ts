// Generated from src/api/schema by `npm run generate`.
import type { LabelSelector, ListMeta, ObjectMeta } from './meta_v1.ts'
import type { PersistentVolumeClaim, PodTemplateSpec } from './core_v1.ts'

export interface ScaleSpec {
  replicas?: number
}

export interface ScaleStatus {
  replicas: number
  selector?: Record<string, string>
  targetSelector?: string
}

export interface Scale {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: ScaleSpec
  status?: ScaleStatus
}

export interface StatefulSet {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: StatefulSetSpec
  status?: StatefulSetStatus
}

export interface StatefulSetUpdateStrategy {
  type?: string
  rollingUpdate?: RollingUpdateStatefulSetStrategy
}

export interface RollingUpdateStatefulSetStrategy {
  partition?: number
  maxUnavailable?: number | string
}

export interface StatefulSetPersistentVolumeClaimRetentionPolicy {
  whenDeleted?: string
  whenScaled?: string
}

export interface StatefulSetOrdinals {
  start: number
}

export interface StatefulSetSpec {
  replicas?: number
  selector?: LabelSelector
  template: PodTemplateSpec
  volumeClaimTemplates?: PersistentVolumeClaim[]
  serviceName: string
  podManagementPolicy?: string
  updateStrategy?: StatefulSetUpdateStrategy
  revisionHistoryLimit?: number
  minReadySeconds?: number
  persistentVolumeClaimRetentionPolicy?: StatefulSetPersistentVolumeClaimRetentionPolicy
  ordinals?: StatefulSetOrdinals
}

export interface StatefulSetStatus {
  observedGeneration?: number
  replicas: number
  readyReplicas?: number
  currentReplicas?: number
  updatedReplicas?: number
  currentRevision?: string
  updateRevision?: string
  collisionCount?: number
  conditions?: StatefulSetCondition[]
  availableReplicas: number
}

export interface StatefulSetCondition {
  type: string
  status: string
  lastTransitionTime?: string
  reason?: string
  message?: string
}

export interface StatefulSetList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: StatefulSet[]
}

export interface Deployment {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: DeploymentSpec
  status?: DeploymentStatus
}

export interface DeploymentSpec {
  replicas?: number
  selector?: LabelSelector
  template: PodTemplateSpec
  strategy?: DeploymentStrategy
  minReadySeconds?: number
  revisionHistoryLimit?: number
  paused?: boolean
  rollbackTo?: RollbackConfig
  progressDeadlineSeconds?: number
}

export interface DeploymentRollback {
  apiVersion?: string
  kind?: string
  name: string
  updatedAnnotations?: Record<string, string>
  rollbackTo: RollbackConfig
}

export interface RollbackConfig {
  revision?: number
}

export interface DeploymentStrategy {
  type?: string
  rollingUpdate?: RollingUpdateDeployment
}

export interface RollingUpdateDeployment {
  maxUnavailable?: number | string
  maxSurge?: number | string
}

export interface DeploymentStatus {
  observedGeneration?: number
  replicas?: number
  updatedReplicas?: number
  readyReplicas?: number
  availableReplicas?: number
  unavailableReplicas?: number
  terminatingReplicas?: number
  conditions?: DeploymentCondition[]
  collisionCount?: number
}

export interface DeploymentCondition {
  type: string
  status: string
  lastUpdateTime?: string
  lastTransitionTime?: string
  reason?: string
  message?: string
}

export interface DeploymentList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: Deployment[]
}

export interface ControllerRevision {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  data?: Record<string, unknown>
  revision: number
}

export interface ControllerRevisionList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: ControllerRevision[]
}
