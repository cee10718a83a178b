// Generated from src/api/schema by `npm run generate`.
import type { LabelSelector, ListMeta, ObjectMeta } from './meta_v1.ts'

export interface PolicyRule {
  verbs: string[]
  apiGroups?: string[]
  resources?: string[]
  resourceNames?: string[]
  nonResourceURLs?: string[]
}

export interface Subject {
  kind: string
  apiGroup?: string
  name: string
  namespace?: string
}

export interface RoleRef {
  apiGroup: string
  kind: string
  name: string
}

export interface Role {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  rules: PolicyRule[]
}

export interface RoleBinding {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  subjects?: Subject[]
  roleRef: RoleRef
}

export interface RoleBindingList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: RoleBinding[]
}

export interface RoleList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: Role[]
}

export interface ClusterRole {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  rules: PolicyRule[]
  aggregationRule?: AggregationRule
}

export interface AggregationRule {
  clusterRoleSelectors?: LabelSelector[]
}

export interface ClusterRoleBinding {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  subjects?: Subject[]
  roleRef: RoleRef
}

export interface ClusterRoleBindingList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: ClusterRoleBinding[]
}

export interface ClusterRoleList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: ClusterRole[]
}
