// Generated from src/api/schema by `npm run generate`.
import type { RuleWithOperations } from './admissionregistration.k8s.io_v1.ts'
import type { Condition, LabelSelector, ListMeta, ObjectMeta } from './meta_v1.ts'

export interface ValidatingAdmissionPolicy {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: ValidatingAdmissionPolicySpec
  status?: ValidatingAdmissionPolicyStatus
}

export interface ValidatingAdmissionPolicyStatus {
  observedGeneration?: number
  typeChecking?: TypeChecking
  conditions?: Condition[]
}

export interface TypeChecking {
  expressionWarnings?: ExpressionWarning[]
}

export interface ExpressionWarning {
  fieldRef: string
  warning: string
}

export interface ValidatingAdmissionPolicyList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: ValidatingAdmissionPolicy[]
}

export interface ValidatingAdmissionPolicySpec {
  paramKind?: ParamKind
  matchConstraints?: MatchResources
  validations?: Validation[]
  failurePolicy?: string
  auditAnnotations?: AuditAnnotation[]
  matchConditions?: MatchCondition[]
  variables?: Variable[]
}

export interface ParamKind {
  apiVersion?: string
  kind?: string
}

export interface Validation {
  expression: string
  message?: string
  reason?: string
  messageExpression?: string
}

export interface Variable {
  name: string
  expression: string
}

export interface AuditAnnotation {
  key: string
  valueExpression: string
}

export interface ValidatingAdmissionPolicyBinding {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: ValidatingAdmissionPolicyBindingSpec
}

export interface ValidatingAdmissionPolicyBindingList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: ValidatingAdmissionPolicyBinding[]
}

export interface ValidatingAdmissionPolicyBindingSpec {
  policyName?: string
  paramRef?: ParamRef
  matchResources?: MatchResources
  validationActions?: string[]
}

export interface ParamRef {
  name?: string
  namespace?: string
  selector?: LabelSelector
  parameterNotFoundAction?: string
}

export interface MatchResources {
  namespaceSelector?: LabelSelector
  objectSelector?: LabelSelector
  resourceRules?: NamedRuleWithOperations[]
  excludeResourceRules?: NamedRuleWithOperations[]
  matchPolicy?: string
}

export interface NamedRuleWithOperations extends RuleWithOperations {
  resourceNames?: string[]
}

export interface ValidatingWebhookConfiguration {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  webhooks?: ValidatingWebhook[]
}

export interface ValidatingWebhookConfigurationList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: ValidatingWebhookConfiguration[]
}

export interface MutatingWebhookConfiguration {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  webhooks?: MutatingWebhook[]
}

export interface MutatingWebhookConfigurationList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: MutatingWebhookConfiguration[]
}

export interface ValidatingWebhook {
  name: string
  clientConfig: WebhookClientConfig
  rules?: RuleWithOperations[]
  failurePolicy?: string
  matchPolicy?: string
  namespaceSelector?: LabelSelector
  objectSelector?: LabelSelector
  sideEffects?: string
  timeoutSeconds?: number
  admissionReviewVersions?: string[]
  matchConditions?: MatchCondition[]
}

export interface MutatingWebhook {
  name: string
  clientConfig: WebhookClientConfig
  rules?: RuleWithOperations[]
  failurePolicy?: string
  matchPolicy?: string
  namespaceSelector?: LabelSelector
  objectSelector?: LabelSelector
  sideEffects?: string
  timeoutSeconds?: number
  admissionReviewVersions?: string[]
  reinvocationPolicy?: string
  matchConditions?: MatchCondition[]
}

export interface WebhookClientConfig {
  url?: string
  service?: ServiceReference
  caBundle?: string
}

export interface ServiceReference {
  namespace: string
  name: string
  path?: string
  port?: number
}

export interface MatchCondition {
  name: string
  expression: string
}

export interface MutatingAdmissionPolicy {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: MutatingAdmissionPolicySpec
}

export interface MutatingAdmissionPolicyList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: MutatingAdmissionPolicy[]
}

export interface MutatingAdmissionPolicySpec {
  paramKind?: ParamKind
  matchConstraints?: MatchResources
  variables?: Variable[]
  mutations?: Mutation[]
  failurePolicy?: string
  matchConditions?: MatchCondition[]
  reinvocationPolicy?: string
}

export interface Mutation {
  patchType: string
  applyConfiguration?: ApplyConfiguration
  jsonPatch?: JSONPatch
}

export interface ApplyConfiguration {
  expression?: string
}

export interface JSONPatch {
  expression?: string
}

export interface MutatingAdmissionPolicyBinding {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: MutatingAdmissionPolicyBindingSpec
}

export interface MutatingAdmissionPolicyBindingList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: MutatingAdmissionPolicyBinding[]
}

export interface MutatingAdmissionPolicyBindingSpec {
  policyName?: string
  paramRef?: ParamRef
  matchResources?: MatchResources
}
