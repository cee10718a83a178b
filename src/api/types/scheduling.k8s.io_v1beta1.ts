// Generated from src/api/schema by `npm run generate`.
import type { ListMeta, ObjectMeta } from './meta_v1.ts'

export interface PriorityClass {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  value: number
  globalDefault?: boolean
  description?: string
  preemptionPolicy?: string
}

export interface PriorityClassList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: PriorityClass[]
}
