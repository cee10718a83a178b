// Generated from src/api/schema by `npm run generate`.
import type { ListMeta, ObjectMeta } from './meta_v1.ts'

export interface StorageVersion {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: StorageVersionSpec
  status: StorageVersionStatus
}

export interface StorageVersionStatus {
  storageVersions?: ServerStorageVersion[]
  commonEncodingVersion?: string
  conditions?: StorageVersionCondition[]
}

export interface ServerStorageVersion {
  apiServerID?: string
  encodingVersion?: string
  decodableVersions?: string[]
  servedVersions?: string[]
}

export interface StorageVersionCondition {
  type: string
  status: string
  observedGeneration?: number
  lastTransitionTime?: string
  reason: string
  message?: string
}

export interface StorageVersionList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: StorageVersion[]
}

export interface StorageVersionSpec {
}
