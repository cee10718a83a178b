// Generated from src/api/schema by `npm run generate`.
import type { ListMeta, ObjectMeta } from './meta_v1.ts'

export interface ClusterTrustBundle {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: ClusterTrustBundleSpec
}

export interface ClusterTrustBundleSpec {
  signerName?: string
  trustBundle: string
}

export interface ClusterTrustBundleList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: ClusterTrustBundle[]
}
