// Generated from src/api/schema by `npm run generate`.
import type { ListMeta, ObjectMeta } from './meta_v1.ts'

export interface NodeMetrics {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  timestamp: string
  window: string
  usage: Record<string, string>
}

export interface NodeMetricsList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: NodeMetrics[]
}

export interface PodMetrics {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  timestamp: string
  window: string
  containers: ContainerMetrics[]
}

export interface PodMetricsList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: PodMetrics[]
}

export interface ContainerMetrics {
  name: string
  usage: Record<string, string>
}
