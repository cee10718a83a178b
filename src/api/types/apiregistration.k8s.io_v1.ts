// Generated from src/api/schema by `npm run generate`.
import type { ListMeta, ObjectMeta } from './meta_v1.ts'

export interface APIServiceList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: APIService[]
}

export interface ServiceReference {
  namespace?: string
  name?: string
  port?: number
}

export interface APIServiceSpec {
  service?: ServiceReference
  group?: string
  version?: string
  insecureSkipTLSVerify?: boolean
  caBundle?: string
  groupPriorityMinimum: number
  versionPriority: number
}

export interface APIServiceCondition {
  type: string
  status: string
  lastTransitionTime?: string
  reason?: string
  message?: string
}

export interface APIServiceStatus {
  conditions?: APIServiceCondition[]
}

export interface APIService {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: APIServiceSpec
  status?: APIServiceStatus
}
