// Generated from src/api/schema by `npm run generate`.
import type { ListMeta, ObjectMeta } from './meta_v1.ts'

export interface Lease {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: LeaseSpec
}

export interface LeaseSpec {
  holderIdentity?: string
  leaseDurationSeconds?: number
  acquireTime?: string
  renewTime?: string
  leaseTransitions?: number
  strategy?: string
  preferredHolder?: string
}

export interface LeaseList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: Lease[]
}
