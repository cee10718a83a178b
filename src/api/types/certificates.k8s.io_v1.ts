// Generated from src/api/schema by `npm run generate`.
import type { ListMeta, ObjectMeta } from './meta_v1.ts'

export interface CertificateSigningRequest {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: CertificateSigningRequestSpec
  status?: CertificateSigningRequestStatus
}

export interface CertificateSigningRequestSpec {
  request: string
  signerName: string
  expirationSeconds?: number
  usages?: string[]
  username?: string
  uid?: string
  groups?: string[]
  extra?: Record<string, string[]>
}

export interface CertificateSigningRequestStatus {
  conditions?: CertificateSigningRequestCondition[]
  certificate?: string
}

export interface CertificateSigningRequestCondition {
  type: string
  status: string
  reason?: string
  message?: string
  lastUpdateTime?: string
  lastTransitionTime?: string
}

export interface CertificateSigningRequestList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: CertificateSigningRequest[]
}
