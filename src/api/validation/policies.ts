import { validateDefinition, validateDefinitionStatus, validateDefinitionUpdate } from '../custom/definition-validation.ts'
import type { CustomResourceDefinition } from '../types/apiextensions.k8s.io_v1.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { validateLabelSelector } from '../../machinery/labels.ts'
import { dnsSubdomainErrors, pathSegmentErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { HorizontalPodAutoscaler, MetricSpec, MetricTarget } from '../types/autoscaling_v2.ts'
import type { PodDisruptionBudget } from '../types/policy_v1.ts'
import type { ClusterRole, PolicyRule, RoleBinding, Subject } from '../types/rbac.authorization.k8s.io_v1.ts'
import type { PriorityClass } from '../types/scheduling.k8s.io_v1.ts'
import { addInvalid, checkNonNegative, checkOneOf, checkOptionalOneOf, isEmpty } from './check.ts'
import { validateImmutable } from './object-meta.ts'
import type { Validation } from './validation.ts'
import { checkIntOrPercent } from './workloads.ts'

/** RBAC, disruption budgets, autoscalers, priority classes. */

function validateBudget(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec } = object as unknown as PodDisruptionBudget
  if (spec.minAvailable !== undefined && spec.maxUnavailable !== undefined) out.push(fieldErrors.invalid('spec', spec, 'minAvailable and maxUnavailable cannot be both set'))
  for (const field of ['minAvailable', 'maxUnavailable'] as const) {
    const value = spec[field]
    checkIntOrPercent(out, `spec.${field}`, value)
    if (typeof value === 'string' && Number(value.replace('%', '')) > 100) out.push(fieldErrors.invalid(`spec.${field}`, value, 'must not be greater than 100%'))
  }
  out.push(...validateLabelSelector(spec.selector, 'spec.selector'))
  checkOptionalOneOf(out, 'spec.unhealthyPodEvictionPolicy', spec.unhealthyPodEvictionPolicy, ['AlwaysAllow', 'IfHealthyBudget'])
  return out
}

export const disruptionBudgetValidation: Validation = {
  validate: validateBudget,
  validateUpdate: validateBudget,
  validateStatusUpdate(object) {
    const out: FieldError[] = []
    const { status } = object as unknown as PodDisruptionBudget
    for (const field of ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'] as const) checkNonNegative(out, `status.${field}`, status?.[field])
    return out
  },
}

function checkTarget(out: FieldError[], path: string, target: Readonly<MetricTarget> | undefined): void {
  if (target === undefined || isEmpty(target.type)) {
    out.push(fieldErrors.required(`${path}.type`, 'must specify a metric target type'))
    return
  }
  if (!['Utilization', 'Value', 'AverageValue'].includes(target.type)) out.push(fieldErrors.invalid(`${path}.type`, target.type, 'must be either Utilization, Value, or AverageValue'))
  if (target.averageUtilization !== undefined && target.averageUtilization < 1) out.push(fieldErrors.invalid(`${path}.averageUtilization`, target.averageUtilization, 'must be greater than 0'))
}

const metricKinds: Record<string, keyof MetricSpec> = { Object: 'object', Pods: 'pods', Resource: 'resource', ContainerResource: 'containerResource', External: 'external' }

function checkMetric(out: FieldError[], path: string, metric: Readonly<MetricSpec>): void {
  if (isEmpty(metric.type)) out.push(fieldErrors.required(`${path}.type`, 'must specify a metric source type'))
  else if (!Object.hasOwn(metricKinds, metric.type)) out.push(fieldErrors.notSupported(`${path}.type`, metric.type, Object.keys(metricKinds).sort()))
  const wanted = Object.hasOwn(metricKinds, metric.type) ? metricKinds[metric.type] : undefined
  if (wanted === undefined) return
  for (const kind of Object.values(metricKinds)) if (kind !== wanted && metric[kind] !== undefined) out.push(fieldErrors.forbidden(`${path}.${kind}`, `must populate the given metric source only`))
  if (metric[wanted] === undefined) out.push(fieldErrors.required(`${path}.${wanted}`, 'must populate information for the given metric source'))
  if (metric.resource !== undefined) {
    if (isEmpty(metric.resource.name)) out.push(fieldErrors.required(`${path}.resource.name`, 'must specify a resource name'))
    checkTarget(out, `${path}.resource.target`, metric.resource.target)
  }
}

function validateAutoscaler(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec } = object as unknown as HorizontalPodAutoscaler
  const { minReplicas, maxReplicas = 0 } = spec
  if (minReplicas !== undefined && minReplicas < 1) out.push(fieldErrors.invalid('spec.minReplicas', minReplicas, 'must be greater than or equal to 1'))
  if (maxReplicas < 1) out.push(fieldErrors.invalid('spec.maxReplicas', maxReplicas, 'must be greater than 0'))
  if (minReplicas !== undefined && maxReplicas < minReplicas) out.push(fieldErrors.invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`'))
  for (const field of ['kind', 'name'] as const) {
    const value = spec.scaleTargetRef?.[field]
    if (isEmpty(value)) out.push(fieldErrors.required(`spec.scaleTargetRef.${field}`))
    else addInvalid(out, `spec.scaleTargetRef.${field}`, value, pathSegmentErrors(value))
  }
  for (const [i, metric] of (spec.metrics ?? []).entries()) checkMetric(out, `spec.metrics[${i}]`, metric)
  for (const direction of ['scaleUp', 'scaleDown'] as const) {
    const rules = spec.behavior?.[direction]
    if (rules === undefined) continue
    const at = `spec.behavior.${direction}`
    const window = rules.stabilizationWindowSeconds
    if (window !== undefined && window < 0) out.push(fieldErrors.invalid(`${at}.stabilizationWindowSeconds`, window, 'must be greater than or equal to zero'))
    if (window !== undefined && window > 3600) out.push(fieldErrors.invalid(`${at}.stabilizationWindowSeconds`, window, 'must be less than or equal to 3600'))
    checkOptionalOneOf(out, `${at}.selectPolicy`, rules.selectPolicy, ['Disabled', 'Max', 'Min'])
    for (const [p, policy] of (rules.policies ?? []).entries()) {
      checkOptionalOneOf(out, `${at}.policies[${p}].type`, policy.type, ['Percent', 'Pods'])
      if (policy.value <= 0) out.push(fieldErrors.invalid(`${at}.policies[${p}].value`, policy.value, 'must be greater than zero'))
      if (policy.periodSeconds <= 0) out.push(fieldErrors.invalid(`${at}.policies[${p}].periodSeconds`, policy.periodSeconds, 'must be greater than zero'))
      if (policy.periodSeconds > 1800) out.push(fieldErrors.invalid(`${at}.policies[${p}].periodSeconds`, policy.periodSeconds, 'must be less than or equal to 1800'))
    }
  }
  return out
}

export const autoscalerValidation: Validation = { validate: validateAutoscaler, validateUpdate: validateAutoscaler }

function checkRule(out: FieldError[], path: string, rule: Readonly<PolicyRule>, namespaced: boolean): void {
  if ((rule.verbs ?? []).length === 0) out.push(fieldErrors.required(`${path}.verbs`, 'verbs must contain at least one value'))
  if ((rule.nonResourceURLs ?? []).length > 0) {
    if (namespaced) out.push(fieldErrors.invalid(`${path}.nonResourceURLs`, rule.nonResourceURLs, 'namespaced rules cannot apply to non-resource URLs'))
    if ((rule.apiGroups ?? []).length > 0 || (rule.resources ?? []).length > 0 || (rule.resourceNames ?? []).length > 0) {
      out.push(fieldErrors.invalid(`${path}.nonResourceURLs`, rule.nonResourceURLs, 'rules cannot apply to both regular resources and non-resource URLs'))
    }
    return
  }
  if ((rule.apiGroups ?? []).length === 0) out.push(fieldErrors.required(`${path}.apiGroups`, 'resource rules must supply at least one api group'))
  if ((rule.resources ?? []).length === 0) out.push(fieldErrors.required(`${path}.resources`, 'resource rules must supply at least one resource'))
}

const roleRules = (namespaced: boolean) => (object: Readonly<OpenObject>): FieldError[] => {
  const out: FieldError[] = []
  const { rules, aggregationRule } = object as unknown as ClusterRole
  for (const [i, rule] of (rules ?? []).entries()) checkRule(out, `rules[${i}]`, rule, namespaced)
  if (namespaced || aggregationRule === undefined) return out
  if ((aggregationRule.clusterRoleSelectors ?? []).length === 0) out.push(fieldErrors.required('aggregationRule.clusterRoleSelectors', 'at least one clusterRoleSelector required if aggregationRule is non-nil'))
  for (const [i, selector] of (aggregationRule.clusterRoleSelectors ?? []).entries()) {
    const at = `aggregationRule.clusterRoleSelectors[${i}]`
    out.push(...validateLabelSelector(selector, at))
  }
  return out
}

export const roleValidation: Validation = { validate: roleRules(true), validateUpdate: roleRules(true) }
export const clusterRoleValidation: Validation = { validate: roleRules(false), validateUpdate: roleRules(false) }

const rbacGroup = 'rbac.authorization.k8s.io'

function checkSubject(out: FieldError[], path: string, subject: Readonly<Subject>, namespaced: boolean): void {
  if (isEmpty(subject.name)) out.push(fieldErrors.required(`${path}.name`))
  if (subject.kind === 'ServiceAccount') {
    if (!isEmpty(subject.name)) addInvalid(out, `${path}.name`, subject.name, dnsSubdomainErrors(subject.name))
    if (!isEmpty(subject.apiGroup)) out.push(fieldErrors.notSupported(`${path}.apiGroup`, subject.apiGroup, ['']))
    if (!namespaced && isEmpty(subject.namespace)) out.push(fieldErrors.required(`${path}.namespace`))
  } else if (subject.kind === 'User' || subject.kind === 'Group') {
    if (subject.apiGroup !== rbacGroup) out.push(fieldErrors.notSupported(`${path}.apiGroup`, subject.apiGroup ?? '', [rbacGroup]))
  } else {
    out.push(fieldErrors.notSupported(`${path}.kind`, subject.kind, ['ServiceAccount', 'User', 'Group']))
  }
}

const bindingRules = (namespaced: boolean) => (object: Readonly<OpenObject>): FieldError[] => {
  const out: FieldError[] = []
  const { roleRef, subjects } = object as unknown as RoleBinding
  if (roleRef?.apiGroup !== rbacGroup) out.push(fieldErrors.notSupported('roleRef.apiGroup', roleRef?.apiGroup ?? '', [rbacGroup]))
  const kinds = namespaced ? ['Role', 'ClusterRole'] : ['ClusterRole']
  if (!kinds.includes(roleRef?.kind ?? '')) out.push(fieldErrors.notSupported('roleRef.kind', roleRef?.kind ?? '', kinds))
  if (isEmpty(roleRef?.name)) out.push(fieldErrors.required('roleRef.name'))
  else addInvalid(out, 'roleRef.name', roleRef.name, pathSegmentErrors(roleRef.name))
  for (const [i, subject] of (subjects ?? []).entries()) checkSubject(out, `subjects[${i}]`, subject, namespaced)
  return out
}

function bindingValidation(namespaced: boolean): Validation {
  const validate = bindingRules(namespaced)
  return {
    validate,
    validateUpdate: (object, old) => [...validate(object), ...(semanticEqual(object.roleRef, old.roleRef) ? [] : [fieldErrors.invalid('roleRef', object.roleRef, 'cannot change roleRef')])],
  }
}

export const roleBindingValidation = bindingValidation(true)
export const clusterRoleBindingValidation = bindingValidation(false)

const systemPriorities: Record<string, number> = { 'system-cluster-critical': 2000000000, 'system-node-critical': 2000001000 }
const maxUserPriority = 1000000000

export const priorityClassValidation: Validation = {
  validate(object) {
    const out: FieldError[] = []
    const { metadata, value, preemptionPolicy } = object as unknown as PriorityClass
    const name = metadata.name ?? ''
    if (name.startsWith('system-')) {
      if (systemPriorities[name] !== value) out.push(fieldErrors.forbidden('metadata.name', "priority class names with 'system-' prefix are reserved for system use only"))
    } else if (value > maxUserPriority) {
      out.push(fieldErrors.forbidden('value', `maximum allowed value of a user defined priority is ${maxUserPriority}`))
    }
    if (preemptionPolicy !== undefined) checkOneOf(out, 'preemptionPolicy', preemptionPolicy, ['PreemptLowerPriority', 'Never'])
    return out
  },
  validateUpdate: (object, old) => [
    ...(object.value === old.value ? [] : [fieldErrors.forbidden('value', 'may not be changed in an update.')]),
    ...validateImmutable(object.preemptionPolicy, old.preemptionPolicy, 'preemptionPolicy'),
  ],
}

export const customResourceDefinitionValidation: Validation = {
  validate: (object) => validateDefinition(object as unknown as CustomResourceDefinition),
  validateUpdate: (object, old) => validateDefinitionUpdate(object as unknown as CustomResourceDefinition, old as unknown as CustomResourceDefinition),
  validateStatusUpdate: (object) => validateDefinitionStatus(object as unknown as CustomResourceDefinition),
}

export const apiServiceValidation: Validation = {
  validate(object) {
    const { metadata, spec } = object as unknown as { metadata: { name?: string }; spec: { group?: string; version?: string; groupPriorityMinimum?: number; versionPriority?: number } }
    const out: FieldError[] = []
    const wanted = `${spec.version ?? ''}.${spec.group ?? ''}`
    if (metadata.name !== wanted) out.push(fieldErrors.invalid('metadata.name', metadata.name, `must be \`spec.version+"."+spec.group\`: "${wanted}"`))
    if ((spec.groupPriorityMinimum ?? 0) <= 0 || (spec.groupPriorityMinimum ?? 0) > 20000) out.push(fieldErrors.invalid('spec.groupPriorityMinimum', spec.groupPriorityMinimum, 'must be positive and less than 20000'))
    if ((spec.versionPriority ?? 0) <= 0 || (spec.versionPriority ?? 0) > 1000) out.push(fieldErrors.invalid('spec.versionPriority', spec.versionPriority, 'must be positive and less than 1000'))
    return out
  },
}
