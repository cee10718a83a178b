// Generated from src/api/schema by `npm run generate`.
import type { ListMeta, ObjectMeta } from './meta_v1.ts'

export interface LeaseCandidate {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: LeaseCandidateSpec
}

export interface LeaseCandidateSpec {
  leaseName: string
  pingTime?: string
  renewTime?: string
  binaryVersion: string
  emulationVersion?: string
  strategy?: string
}

export interface LeaseCandidateList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: LeaseCandidate[]
}
