// Generated from src/api/schema by `npm run generate`.
import type { ListMeta, ObjectMeta } from './meta_v1.ts'
import type { Toleration } from './core_v1.ts'

export interface RuntimeClass {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  handler: string
  overhead?: Overhead
  scheduling?: Scheduling
}

export interface Overhead {
  podFixed?: Record<string, string>
}

export interface Scheduling {
  nodeSelector?: Record<string, string>
  tolerations?: Toleration[]
}

export interface RuntimeClassList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: RuntimeClass[]
}
