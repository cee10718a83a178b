// Generated from src/api/schema by `npm run generate`.
import type { ObjectMeta } from './meta_v1.ts'

export interface SelfSubjectReview {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  status?: SelfSubjectReviewStatus
}

export interface SelfSubjectReviewStatus {
  userInfo?: import('./authentication.k8s.io_v1.ts').UserInfo
}
