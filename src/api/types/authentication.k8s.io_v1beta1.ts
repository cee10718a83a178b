// Generated from src/api/schema by `npm run generate`.
import type { ObjectMeta } from './meta_v1.ts'

export interface TokenReview {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: TokenReviewSpec
  status?: TokenReviewStatus
}

export interface TokenReviewSpec {
  token?: string
  audiences?: string[]
}

export interface TokenReviewStatus {
  authenticated?: boolean
  user?: UserInfo
  audiences?: string[]
  error?: string
}

export interface UserInfo {
  username?: string
  uid?: string
  groups?: string[]
  extra?: Record<string, string[]>
}

export interface SelfSubjectReview {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  status?: SelfSubjectReviewStatus
}

export interface SelfSubjectReviewStatus {
  userInfo?: import('./authentication.k8s.io_v1.ts').UserInfo
}
