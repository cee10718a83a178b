// Generated from src/api/schema by `npm run generate`.
import type { GroupVersionKind, GroupVersionResource, Status } from './meta_v1.ts'

export interface AdmissionReview {
  apiVersion?: string
  kind?: string
  request?: AdmissionRequest
  response?: AdmissionResponse
}

export interface AdmissionRequest {
  uid: string
  kind: GroupVersionKind
  resource: GroupVersionResource
  subResource?: string
  requestKind?: GroupVersionKind
  requestResource?: GroupVersionResource
  requestSubResource?: string
  name?: string
  namespace?: string
  operation: string
  userInfo: import('./authentication.k8s.io_v1.ts').UserInfo
  object?: Record<string, unknown>
  oldObject?: Record<string, unknown>
  dryRun?: boolean
  options?: Record<string, unknown>
}

export interface AdmissionResponse {
  uid: string
  allowed: boolean
  status?: Status
  patch?: string
  patchType?: string
  auditAnnotations?: Record<string, string>
  warnings?: string[]
}
