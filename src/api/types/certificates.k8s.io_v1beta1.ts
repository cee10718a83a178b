// Generated from src/api/schema by `npm run generate`.
import type { Condition, ListMeta, ObjectMeta } from './meta_v1.ts'

export interface CertificateSigningRequest {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: CertificateSigningRequestSpec
  status?: CertificateSigningRequestStatus
}

export interface CertificateSigningRequestSpec {
  request: string
  signerName?: string
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

export interface PodCertificateRequest {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: PodCertificateRequestSpec
  status?: PodCertificateRequestStatus
}

export interface PodCertificateRequestSpec {
  signerName: string
  podName: string
  podUID: string
  serviceAccountName: string
  serviceAccountUID: string
  nodeName: string
  nodeUID: string
  maxExpirationSeconds?: number
  pkixPublicKey: string
  proofOfPossession: string
  stubPKCS10Request: string
  unverifiedUserAnnotations?: Record<string, string>
}

export interface PodCertificateRequestStatus {
  conditions?: Condition[]
  certificateChain?: string
  notBefore?: string
  beginRefreshAt?: string
  notAfter?: string
}

export interface PodCertificateRequestList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: PodCertificateRequest[]
}
