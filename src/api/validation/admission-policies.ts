import { fieldErrors, type FieldError } from '../../machinery/field-error.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { parseJsonPath } from '../../machinery/jsonpath.ts'
import { validateLabelSelector } from '../../machinery/labels.ts'
import { dns1035LabelErrors, dnsSubdomainErrors, pathSegmentErrors, qualifiedNameErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { AdmissionExpression } from '../cel/admission.ts'
import { ANY, BOOL, DYN, listOf, namedType, NULL, STRING, type CelType } from '../cel/types.ts'
import type {
  MatchResources, MutatingAdmissionPolicySpec, MutatingAdmissionPolicyBindingSpec, Mutation, NamedRuleWithOperations, ParamKind, ParamRef, ValidatingAdmissionPolicySpec, ValidatingAdmissionPolicyBindingSpec, ValidatingAdmissionPolicyStatus,
  Validation as PolicyValidation, Variable,
} from '../types/admissionregistration.k8s.io_v1.ts'
import { checkExpression, checkMatchConditions } from './admission-expressions.ts'
import { addInvalid } from './check.ts'
import { checkConditions } from './conditions.ts'
import type { Validation } from './validation.ts'
import { checkRuleWithOperations } from './webhooks.ts'

/** Admission policies and their bindings (upstream's `pkg/apis/admissionregistration/validation`). */

export { usePolicyCompiler } from './admission-expressions.ts'

/** What expressions of one policy may name. */
interface Scope { hasParams: boolean; variables: Record<string, CelType> | undefined }

const within = ({ hasParams, variables }: Scope): Pick<AdmissionExpression, 'hasParams' | 'variables'> => ({ hasParams, ...(variables === undefined ? {} : { variables }) })

function checkFailurePolicy(out: FieldError[], failurePolicy: string | undefined): void {
  if (failurePolicy === undefined) out.push(fieldErrors.required('spec.failurePolicy'))
  else if (failurePolicy !== 'Fail' && failurePolicy !== 'Ignore') out.push(fieldErrors.notSupported('spec.failurePolicy', failurePolicy, ['Fail', 'Ignore']))
}

function checkParamKind(out: FieldError[], path: string, { apiVersion = '', kind = '' }: ParamKind): void {
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion]
  if (apiVersion === '') out.push(fieldErrors.required(`${path}.apiVersion`))
  else if (apiVersion.split('/').length > 2) out.push(fieldErrors.invalid(`${path}.apiVersion`, apiVersion, `unexpected GroupVersion string: ${apiVersion}`))
  else {
    const groupErrors = group === '' ? [] : dnsSubdomainErrors(group!)
    if (groupErrors.length > 0) out.push(fieldErrors.invalid(`${path}.apiVersion`, group, groupErrors.join(',')))
    const versionErrors = version === '' ? [] : dns1035LabelErrors(version!)
    if (version === '') out.push(fieldErrors.invalid(`${path}.apiVersion`, apiVersion, 'version must be specified'))
    else if (versionErrors.length > 0) out.push(fieldErrors.invalid(`${path}.apiVersion`, version, versionErrors.join(',')))
  }
  const kindErrors = dns1035LabelErrors(kind.toLowerCase())
  if (kind === '') out.push(fieldErrors.required(`${path}.kind`))
  else if (kindErrors.length > 0) out.push(fieldErrors.invalid(`${path}.kind`, kind, `may have mixed case, but should otherwise match: ${kindErrors.join(',')}`))
}

function checkNamedRule(out: FieldError[], path: string, rule: NamedRuleWithOperations): void {
  const names = new Set<string>()
  for (const [i, name] of (rule.resourceNames ?? []).entries()) {
    addInvalid(out, `${path}.resourceNames[${i}]`, name, pathSegmentErrors(name))
    if (names.has(name)) out.push(fieldErrors.duplicate(`${path}.resourceNames[${i}]`, name))
    names.add(name)
  }
  checkRuleWithOperations(out, path, rule)
}

const mutable = ['*', 'CONNECT', 'CREATE', 'UPDATE']

/** What is deleted cannot be changed any more. The path is upstream's. */
function checkMutable(out: FieldError[], path: string, match: MatchResources | undefined): void {
  for (const { operations = [] } of match?.resourceRules ?? []) {
    for (const operation of operations) if (!mutable.includes(operation)) out.push(fieldErrors.notSupported(`${path}.resourceRules.operations`, operation, mutable))
  }
}

function checkMatchResources(out: FieldError[], path: string, match: MatchResources | undefined): void {
  if (match === undefined) return
  const { matchPolicy, namespaceSelector, objectSelector, resourceRules = [], excludeResourceRules = [] } = match
  if (matchPolicy === undefined) out.push(fieldErrors.required(`${path}.matchPolicy`))
  else if (matchPolicy !== 'Exact' && matchPolicy !== 'Equivalent') out.push(fieldErrors.notSupported(`${path}.matchPolicy`, matchPolicy, ['Equivalent', 'Exact']))
  for (const [field, selector] of [['namespaceSelector', namespaceSelector], ['objectSelector', objectSelector]] as const) {
    if (selector === undefined) out.push(fieldErrors.required(`${path}.${field}`))
    else out.push(...validateLabelSelector(selector, `${path}.${field}`))
  }
  for (const [i, rule] of resourceRules.entries()) checkNamedRule(out, `${path}.resourceRules[${i}]`, rule)
  for (const [i, rule] of excludeResourceRules.entries()) checkNamedRule(out, `${path}.excludeResourceRules[${i}]`, rule)
}

function checkConstraints(out: FieldError[], match: MatchResources | undefined): void {
  if (match === undefined) return void out.push(fieldErrors.required('spec.matchConstraints'))
  checkMatchResources(out, 'spec.matchConstraints', match)
  if ((match.resourceRules ?? []).length === 0) out.push(fieldErrors.required('spec.matchConstraints.resourceRules'))
}

const reserved = new Set(['true', 'false', 'null', 'in', 'as', 'break', 'const', 'continue', 'else', 'for', 'function', 'if', 'import', 'let', 'loop', 'package', 'namespace', 'return', 'var', 'void', 'while'])

function checkVariables(out: FieldError[], variables: readonly Variable[], scope: Scope): void {
  if (variables.length === 0) return
  scope.variables = {}
  for (const [i, { name = '', expression = '' }] of variables.entries()) {
    const path = `spec.variables[${i}]`
    if (name.trim() === '') out.push(fieldErrors.required(`${path}.name`, 'name is not specified'))
    else if (!/^[_a-zA-Z][_a-zA-Z0-9]*$/.test(name) || reserved.has(name)) out.push(fieldErrors.invalid(`${path}.name`, name, 'must be a valid CEL identifier'))
    if (expression.trim() === '') {
      out.push(fieldErrors.required(`${path}.expression`, 'expression is not specified'))
      continue
    }
    const type = checkExpression(out, `${path}.expression`, expression, { resultTypes: [ANY], hasAuthorizer: true, ...within({ ...scope, variables: { ...scope.variables } }) })
    Object.defineProperty(scope.variables, name, { value: type ?? DYN, enumerable: true, configurable: true, writable: true })
  }
}

const reasons = ['Forbidden', 'Invalid', 'RequestEntityTooLarge']

function checkValidation(out: FieldError[], path: string, validation: PolicyValidation, scope: Scope): void {
  const { expression = '', message = '', messageExpression = '', reason } = validation
  if (expression.trim() === '') out.push(fieldErrors.required(`${path}.expression`, 'expression is not specified'))
  else checkExpression(out, `${path}.expression`, expression, { resultTypes: [BOOL], hasAuthorizer: true, ...within(scope) })
  if (messageExpression !== '' && messageExpression.trim() === '') out.push(fieldErrors.invalid(`${path}.messageExpression`, messageExpression, 'must be non-empty if specified'))
  else if (messageExpression !== '') checkExpression(out, `${path}.messageExpression`, messageExpression, { resultTypes: [STRING], ...within(scope) })
  if (message !== '' && message.trim() === '') out.push(fieldErrors.invalid(`${path}.message`, message, 'message must be non-empty if specified'))
  else if (/[\n\r]/.test(message.trim())) out.push(fieldErrors.invalid(`${path}.message`, message, 'message must not contain line breaks'))
  if (reason !== undefined && !reasons.includes(reason)) out.push(fieldErrors.notSupported(`${path}.reason`, reason, reasons))
}

function checkAnnotations(out: FieldError[], name: string, annotations: NonNullable<ValidatingAdmissionPolicySpec['auditAnnotations']>, scope: Scope): void {
  const path = 'spec.auditAnnotations'
  if (annotations.length > 20) out.push(fieldErrors.invalid(path, annotations.map(({ key = '', valueExpression = '' }) => ({ Key: key, ValueExpression: valueExpression })), 'must not have more than 20 auditAnnotations'))
  const keys = new Set<string>()
  for (const [i, { key = '', valueExpression = '' }] of annotations.entries()) {
    if (name === '') out.push(fieldErrors.invalid(`${path}[${i}].key`, key, 'requires metadata.name be non-empty'))
    else addInvalid(out, `${path}[${i}].key`, `${name}/${key}`, qualifiedNameErrors(`${name}/${key}`))
    const expression = valueExpression.trim()
    if (expression === '') out.push(fieldErrors.required(`${path}[${i}].valueExpression`, 'valueExpression is not specified'))
    else if (Buffer.byteLength(expression) > 5 * 1024) out.push(fieldErrors.required(`${path}[${i}].valueExpression`, 'must not exceed 5120 bytes in length'))
    else checkExpression(out, `${path}[${i}].valueExpression`, expression, { resultTypes: [STRING, NULL], hasAuthorizer: true, ...within(scope) }, valueExpression)
    if (keys.has(key)) out.push(fieldErrors.duplicate(`${path}[${i}].key`, key))
    keys.add(key)
  }
}

function validatingPolicy(object: Readonly<OpenObject>, keepsConditions: boolean): FieldError[] {
  const out: FieldError[] = []
  const spec = (object.spec ?? {}) as ValidatingAdmissionPolicySpec
  const scope: Scope = { hasParams: spec.paramKind !== undefined, variables: undefined }
  const { validations = [], auditAnnotations = [] } = spec
  checkFailurePolicy(out, spec.failurePolicy)
  if (spec.paramKind !== undefined) checkParamKind(out, 'spec.paramKind', spec.paramKind)
  checkConstraints(out, spec.matchConstraints)
  if (!keepsConditions) checkMatchConditions(out, 'spec.matchConditions', spec.matchConditions ?? [], scope.hasParams)
  checkVariables(out, spec.variables ?? [], scope)
  if (validations.length === 0 && auditAnnotations.length === 0) {
    for (const field of ['validations', 'auditAnnotations']) out.push(fieldErrors.required(`spec.${field}`, 'validations or auditAnnotations must contain at least one item'))
  }
  for (const [i, validation] of validations.entries()) checkValidation(out, `spec.validations[${i}]`, validation, scope)
  checkAnnotations(out, object.metadata.name ?? '', auditAnnotations, scope)
  return out
}

const patchResult: Readonly<Record<string, CelType>> = { JSONPatch: listOf(namedType('JSONPatch')), ApplyConfiguration: namedType('Object') }
const patchFields = { JSONPatch: 'jsonPatch', ApplyConfiguration: 'applyConfiguration' } as const

function checkMutation(out: FieldError[], path: string, mutation: Mutation, scope: Scope): void {
  const { patchType = '' } = mutation
  if (patchType === '') return void out.push(fieldErrors.required(`${path}.patchType`))
  if (patchType !== 'JSONPatch' && patchType !== 'ApplyConfiguration') return void out.push(fieldErrors.notSupported(`${path}.patchType`, patchType, ['ApplyConfiguration', 'JSONPatch']))
  const field = patchFields[patchType]
  const other = patchFields[patchType === 'JSONPatch' ? 'ApplyConfiguration' : 'JSONPatch']
  if (mutation[field] === undefined) out.push(fieldErrors.required(`${path}.${field}`, `must be specified when patchType is ${patchType}`))
  else {
    const expression = (mutation[field].expression ?? '').trim()
    if (expression === '') out.push(fieldErrors.required(`${path}.${field}.expression`))
    else checkExpression(out, `${path}.${field}.expression`, expression, { resultTypes: [patchResult[patchType]!], hasAuthorizer: true, hasPatchTypes: true, ...within(scope) })
  }
  if (mutation[other] !== undefined) out.push(fieldErrors.invalid(`${path}.${other}`, `{${other}}`, `must not be specified when patchType is ${patchType}`))
}

function mutatingPolicy(object: Readonly<OpenObject>, keepsConditions: boolean): FieldError[] {
  const out: FieldError[] = []
  const spec = (object.spec ?? {}) as MutatingAdmissionPolicySpec
  const scope: Scope = { hasParams: spec.paramKind !== undefined, variables: undefined }
  const { mutations = [], reinvocationPolicy = '' } = spec
  checkFailurePolicy(out, spec.failurePolicy)
  if (spec.paramKind !== undefined) checkParamKind(out, 'spec.paramKind', spec.paramKind)
  checkConstraints(out, spec.matchConstraints)
  checkMutable(out, 'spec.matchConstraints', spec.matchConstraints)
  if (!keepsConditions) checkMatchConditions(out, 'spec.matchConditions', spec.matchConditions ?? [], scope.hasParams)
  checkVariables(out, spec.variables ?? [], scope)
  // Mutations know of variables even where there are none.
  scope.variables ??= {}
  if (mutations.length === 0) out.push(fieldErrors.required('spec.mutations', 'mutations must contain at least one item'))
  for (const [i, mutation] of mutations.entries()) checkMutation(out, `spec.mutations[${i}]`, mutation, scope)
  if (reinvocationPolicy === '') out.push(fieldErrors.required('spec.reinvocationPolicy'))
  else if (reinvocationPolicy !== 'Never' && reinvocationPolicy !== 'IfNeeded') out.push(fieldErrors.notSupported('spec.reinvocationPolicy', reinvocationPolicy, ['IfNeeded', 'Never']))
  return out
}

function checkParamRef(out: FieldError[], path: string, ref: ParamRef | undefined): void {
  if (ref === undefined) return
  const { name = '', selector, parameterNotFoundAction = '' } = ref
  if (name !== '') {
    addInvalid(out, `${path}.name`, name, pathSegmentErrors(name))
    if (selector !== undefined) out.push(fieldErrors.forbidden(`${path}.name`, 'name and selector are mutually exclusive'))
  }
  if (selector !== undefined) {
    out.push(...validateLabelSelector(selector, `${path}.selector`))
    if (name !== '') out.push(fieldErrors.forbidden(`${path}.selector`, 'name and selector are mutually exclusive'))
  }
  if (name === '' && selector === undefined) out.push(fieldErrors.required(path, 'one of name or selector must be specified'))
  if (parameterNotFoundAction === '') out.push(fieldErrors.required(`${path}.parameterNotFoundAction`))
  else if (parameterNotFoundAction !== 'Deny' && parameterNotFoundAction !== 'Allow') out.push(fieldErrors.notSupported(`${path}.parameterNotFoundAction`, parameterNotFoundAction, ['Deny', 'Allow']))
}

function checkBinding(out: FieldError[], { policyName = '', paramRef, matchResources }: MutatingAdmissionPolicyBindingSpec): void {
  if (policyName === '') out.push(fieldErrors.required('spec.policyName'))
  else addInvalid(out, 'spec.policyName', policyName, dnsSubdomainErrors(policyName))
  checkParamRef(out, 'spec.paramRef', paramRef)
  checkMatchResources(out, 'spec.matchResources', matchResources)
}

function validatingBinding(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const spec = (object.spec ?? {}) as ValidatingAdmissionPolicyBindingSpec
  checkBinding(out, spec as MutatingAdmissionPolicyBindingSpec)
  const { validationActions = [] } = spec
  const path = 'spec.validationActions'
  const seen = new Set<string>()
  for (const [i, action] of validationActions.entries()) {
    if (!['Deny', 'Warn', 'Audit'].includes(action)) out.push(fieldErrors.notSupported(`${path}[${i}]`, action, ['Audit', 'Deny', 'Warn']))
    if (seen.has(action)) out.push(fieldErrors.duplicate(`${path}[${i}]`, action))
    seen.add(action)
  }
  if (seen.has('Deny') && seen.has('Warn')) out.push(fieldErrors.invalid(path, validationActions, 'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)'))
  if (seen.size === 0) out.push(fieldErrors.required(path, 'at least one validation action is required'))
  return out
}

function mutatingBinding(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const spec = (object.spec ?? {}) as MutatingAdmissionPolicyBindingSpec
  checkBinding(out, spec)
  checkMutable(out, 'spec.matchResources', spec.matchResources)
  return out
}

/** Conditions that stand are not looked at again, as long as what they may name is the same. */
function keepsConditions(object: Readonly<OpenObject>, old: Readonly<OpenObject>): boolean {
  const [now, before] = [object.spec, old.spec] as ({ paramKind?: unknown; matchConditions?: unknown } | undefined)[]
  return semanticEqual(now?.paramKind, before?.paramKind) && semanticEqual(now?.matchConditions, before?.matchConditions)
}

/** What the checker of types found out, and the conditions. */
function policyStatus(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { typeChecking, conditions = [] } = (object.status ?? {}) as ValidatingAdmissionPolicyStatus
  for (const [i, { warning = '', fieldRef = '' }] of (typeChecking?.expressionWarnings ?? []).entries()) {
    const path = `status.typeChecking.expressionWarnings[${i}]`
    if (warning === '') out.push(fieldErrors.required(`${path}.warning`))
    if (fieldRef.trim() === '') out.push(fieldErrors.required(`${path}.fieldRef`))
    else {
      try {
        // A name to begin with needs no dot.
        parseJsonPath(`{${fieldRef.trim().replace(/^(?=\w)/, '.')}}`)
      } catch (error) {
        out.push(fieldErrors.invalid(`${path}.fieldRef`, fieldRef.trim(), `invalid JSONPath: ${(error as Error).message.replace(/^invalid JSONPath ".*?": /, '')}`))
      }
    }
  }
  checkConditions(out, 'status.conditions', conditions)
  return out
}

export const validatingPolicyValidation: Validation = {
  validate: (object) => validatingPolicy(object, false),
  validateUpdate: (object, old) => validatingPolicy(object, keepsConditions(object, old)),
  validateStatusUpdate: policyStatus,
}
export const mutatingPolicyValidation: Validation = { validate: (object) => mutatingPolicy(object, false), validateUpdate: (object, old) => mutatingPolicy(object, keepsConditions(object, old)) }
export const validatingBindingValidation: Validation = { validate: validatingBinding, validateUpdate: validatingBinding }
export const mutatingBindingValidation: Validation = { validate: mutatingBinding, validateUpdate: mutatingBinding }
