import { semanticEqual } from '../../machinery/equality.ts'
import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { validateLabelSelector } from '../../machinery/labels.ts'
import { dnsSubdomainErrors, pathSegmentErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { LabelSelector } from '../types/meta_v1.ts'
import type { ClusterRole, PolicyRule, RoleBinding, Subject } from '../types/rbac.authorization.k8s.io_v1.ts'
import { addInvalid, isEmpty } from './check.ts'
import type { Validation } from './validation.ts'

/** Roles and their bindings (upstream's `pkg/apis/rbac/validation`). */

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

const selectorsOf = (role: Readonly<ClusterRole>): readonly LabelSelector[] => role.aggregationRule?.clusterRoleSelectors ?? []

/** Selectors with values that no label can have may stay where `old` has such. */
const roleRules = (namespaced: boolean) => (object: Readonly<OpenObject>, old?: Readonly<OpenObject>): FieldError[] => {
  const out: FieldError[] = []
  const { rules, aggregationRule } = object as unknown as ClusterRole
  for (const [i, rule] of (rules ?? []).entries()) checkRule(out, `rules[${i}]`, rule, namespaced)
  if (namespaced || aggregationRule === undefined) return out
  const keepsValues = old !== undefined && selectorsOf(old as unknown as ClusterRole).some((selector) => validateLabelSelector(selector, '').length > 0)
  if ((aggregationRule.clusterRoleSelectors ?? []).length === 0) out.push(fieldErrors.required('aggregationRule.clusterRoleSelectors', 'at least one clusterRoleSelector required if aggregationRule is non-nil'))
  for (const [i, selector] of (aggregationRule.clusterRoleSelectors ?? []).entries()) {
    const at = `aggregationRule.clusterRoleSelectors[${i}]`
    out.push(...validateLabelSelector(selector, at, keepsValues))
    // Where upstream builds the selector it has nothing left to show.
    if (validateLabelSelector(selector, at).length > 0) out.push(fieldErrors.invalid(at, null, 'invalid label selector.'))
  }
  return out
}

export const roleValidation: Validation = { validate: (object) => roleRules(true)(object), validateUpdate: roleRules(true) }
export const clusterRoleValidation: Validation = { validate: (object) => roleRules(false)(object), validateUpdate: roleRules(false) }

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
    validateUpdate(object, old) {
      const { apiGroup = '', kind = '', name = '' } = (object as unknown as RoleBinding).roleRef ?? {}
      // Upstream shows its internal form.
      return [...validate(object), ...(semanticEqual(object.roleRef, old.roleRef) ? [] : [fieldErrors.invalid('roleRef', { APIGroup: apiGroup, Kind: kind, Name: name }, 'cannot change roleRef')])]
    },
  }
}

export const roleBindingValidation = bindingValidation(true)
export const clusterRoleBindingValidation = bindingValidation(false)
