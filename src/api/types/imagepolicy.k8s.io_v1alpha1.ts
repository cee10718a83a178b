// Generated from src/api/schema by `npm run generate`.
import type { ObjectMeta } from './meta_v1.ts'

export interface ImageReview {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: ImageReviewSpec
  status?: ImageReviewStatus
}

export interface ImageReviewSpec {
  containers?: ImageReviewContainerSpec[]
  annotations?: Record<string, string>
  namespace?: string
}

export interface ImageReviewContainerSpec {
  image?: string
}

export interface ImageReviewStatus {
  allowed: boolean
  reason?: string
  auditAnnotations?: Record<string, string>
}
