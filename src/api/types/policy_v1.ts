// Generated from src/api/schema by `npm run generate`.
import type { Condition, DeleteOptions, LabelSelector, ListMeta, ObjectMeta } from './meta_v1.ts'

export interface PodDisruptionBudgetSpec {
  minAvailable?: number | string
  selector?: LabelSelector
  maxUnavailable?: number | string
  unhealthyPodEvictionPolicy?: string
}

export interface PodDisruptionBudgetStatus {
  observedGeneration?: number
  disruptedPods?: Record<string, string>
  disruptionsAllowed: number
  currentHealthy: number
  desiredHealthy: number
  expectedPods: number
  conditions?: Condition[]
}

export interface PodDisruptionBudget {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: PodDisruptionBudgetSpec
  status?: PodDisruptionBudgetStatus
}

export interface PodDisruptionBudgetList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: PodDisruptionBudget[]
}

export interface Eviction {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  deleteOptions?: DeleteOptions
}
