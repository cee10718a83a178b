// Generated from src/api/schema by `npm run generate`.
import type { ListMeta, ObjectMeta } from './meta_v1.ts'

export interface FlowSchema {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: FlowSchemaSpec
  status?: FlowSchemaStatus
}

export interface FlowSchemaList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: FlowSchema[]
}

export interface FlowSchemaSpec {
  priorityLevelConfiguration: PriorityLevelConfigurationReference
  matchingPrecedence: number
  distinguisherMethod?: FlowDistinguisherMethod
  rules?: PolicyRulesWithSubjects[]
}

export interface FlowDistinguisherMethod {
  type: string
}

export interface PriorityLevelConfigurationReference {
  name: string
}

export interface PolicyRulesWithSubjects {
  subjects: Subject[]
  resourceRules?: ResourcePolicyRule[]
  nonResourceRules?: NonResourcePolicyRule[]
}

export interface Subject {
  kind: string
  user?: UserSubject
  group?: GroupSubject
  serviceAccount?: ServiceAccountSubject
}

export interface UserSubject {
  name: string
}

export interface GroupSubject {
  name: string
}

export interface ServiceAccountSubject {
  namespace: string
  name: string
}

export interface ResourcePolicyRule {
  verbs: string[]
  apiGroups: string[]
  resources: string[]
  clusterScope?: boolean
  namespaces: string[]
}

export interface NonResourcePolicyRule {
  verbs: string[]
  nonResourceURLs: string[]
}

export interface FlowSchemaStatus {
  conditions?: FlowSchemaCondition[]
}

export interface FlowSchemaCondition {
  type?: string
  status?: string
  lastTransitionTime?: string
  reason?: string
  message?: string
}

export interface PriorityLevelConfiguration {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: PriorityLevelConfigurationSpec
  status?: PriorityLevelConfigurationStatus
}

export interface PriorityLevelConfigurationList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: PriorityLevelConfiguration[]
}

export interface PriorityLevelConfigurationSpec {
  type: string
  limited?: LimitedPriorityLevelConfiguration
  exempt?: ExemptPriorityLevelConfiguration
}

export interface LimitedPriorityLevelConfiguration {
  nominalConcurrencyShares: number
  limitResponse?: LimitResponse
  lendablePercent?: number
  borrowingLimitPercent?: number
}

export interface ExemptPriorityLevelConfiguration {
  nominalConcurrencyShares?: number
  lendablePercent?: number
}

export interface LimitResponse {
  type: string
  queuing?: QueuingConfiguration
}

export interface QueuingConfiguration {
  queues: number
  handSize: number
  queueLengthLimit: number
}

export interface PriorityLevelConfigurationStatus {
  conditions?: PriorityLevelConfigurationCondition[]
}

export interface PriorityLevelConfigurationCondition {
  type?: string
  status?: string
  lastTransitionTime?: string
  reason?: string
  message?: string
}
