// Generated from src/api/schema by `npm run generate`.
import type { Condition, GroupResource, ListMeta, ObjectMeta } from './meta_v1.ts'

export interface StorageVersionMigration {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: StorageVersionMigrationSpec
  status?: StorageVersionMigrationStatus
}

export interface StorageVersionMigrationSpec {
  resource: GroupResource
}

export interface StorageVersionMigrationStatus {
  conditions?: Condition[]
  resourceVersion?: string
}

export interface StorageVersionMigrationList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: StorageVersionMigration[]
}
