import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { qualifiedNameErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { compareQuantities, milliValue, parseQuantity } from '../../machinery/quantity.ts'
import type { LimitRange, LimitRangeItem, ResourceQuota, ResourceQuotaSpec } from '../types/core_v1.ts'
import { checkAmount, checkContainerResourceName, checkResourceName, isHugePages, isOvercommitAllowed } from './amounts.ts'
import type { ResourceList } from './amounts.ts'
import { addInvalid } from './check.ts'
import type { Validation } from './validation.ts'

/** LimitRanges and ResourceQuotas. */

const limitFields = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const

function checkLimitItem(out: FieldError[], path: string, item: Readonly<LimitRangeItem>): void {
  const isPod = item.type === 'Pod'
  const checkName = isPod || item.type === 'Container' ? checkContainerResourceName : checkResourceName
  const names = new Set<string>()
  for (const field of limitFields) {
    if (field === 'maxLimitRequestRatio' && item.type === 'PersistentVolumeClaim' && item.min?.storage === undefined && item.max?.storage === undefined) {
      out.push(fieldErrors.required(`${path}.limits`, 'either minimum or maximum storage value is required, but neither was provided'))
    }
    const given = Object.keys(item[field] ?? {})
    if (isPod && (field === 'default' || field === 'defaultRequest')) {
      if (given.length > 0) out.push(fieldErrors.forbidden(`${path}.${field}`, "may not be specified when `type` is 'Pod'"))
      continue
    }
    for (const name of given) {
      checkName(out, `${path}.${field}[${name}]`, name)
      names.add(name)
    }
  }
  for (const name of [...names].sort()) checkLimitOrder(out, path, isPod ? { ...item, default: {}, defaultRequest: {} } : item, name)
}

function checkLimitOrder(out: FieldError[], path: string, item: Readonly<LimitRangeItem>, name: string): void {
  const [min, max, standard, request, ratio] = [item.min?.[name], item.max?.[name], item.default?.[name], item.defaultRequest?.[name], item.maxLimitRequestRatio?.[name]]
  const above = (a: string | undefined, b: string | undefined): boolean => a !== undefined && b !== undefined && compareQuantities(parseQuantity(a), parseQuantity(b)) > 0
  const wrong = (field: string, value: string | undefined, detail: string): void => void out.push(fieldErrors.invalid(`${path}.${field}[${name}]`, value, detail))
  if (above(min, max)) wrong('min', min, `min value ${min} is greater than max value ${max}`)
  if (above(min, request)) wrong('defaultRequest', request, `min value ${min} is greater than default request value ${request}`)
  if (above(request, max)) wrong('defaultRequest', request, `default request value ${request} is greater than max value ${max}`)
  if (above(request, standard)) wrong('defaultRequest', request, `default request value ${request} is greater than default limit value ${standard}`)
  // The bound is what upstream shows of these two.
  if (above(min, standard)) wrong('default', min, `min value ${min} is greater than default value ${standard}`)
  if (above(standard, max)) wrong('default', max, `default value ${standard} is greater than max value ${max}`)
  if (above('1', ratio)) wrong('maxLimitRequestRatio', ratio, `ratio ${ratio} is less than 1`)
  if (ratio !== undefined && min !== undefined && max !== undefined) {
    const limit = milliValue(max) / milliValue(min)
    if (milliValue(ratio) / 1000 > limit) wrong('maxLimitRequestRatio', ratio, `ratio ${ratio} is greater than max/min = ${limit.toFixed(6)}`)
  }
  if (!isOvercommitAllowed(name) && standard !== undefined && request !== undefined && compareQuantities(parseQuantity(standard), parseQuantity(request)) !== 0) {
    wrong('defaultRequest', request, `default value ${standard} must equal to defaultRequest value ${request} in ${name}`)
  }
}

function validateLimitRange(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const types = new Set<string>()
  for (const [i, item] of ((object as unknown as LimitRange).spec?.limits ?? []).entries()) {
    const { type = '' } = item
    const messages = qualifiedNameErrors(type)
    addInvalid(out, `spec.limits[${i}].type`, type, messages)
    if (messages.length === 0 && !type.includes('/') && !['Container', 'PersistentVolumeClaim', 'Pod'].includes(type)) {
      out.push(fieldErrors.invalid(`spec.limits[${i}].type`, type, 'must be a standard limit type or fully qualified'))
    }
    if (types.has(type)) out.push(fieldErrors.duplicate(`spec.limits[${i}].type`, type))
    types.add(type)
    checkLimitItem(out, `spec.limits[${i}]`, item)
  }
  return out
}

export const limitRangeValidation: Validation = { validate: validateLimitRange, validateUpdate: validateLimitRange }

const computeResources = ['cpu', 'memory', 'limits.cpu', 'limits.memory', 'requests.cpu', 'requests.memory']
const quotaResources = new Set([
  ...computeResources, 'ephemeral-storage', 'requests.storage', 'requests.ephemeral-storage', 'limits.ephemeral-storage', 'pods', 'resourcequotas', 'services', 'replicationcontrollers', 'secrets',
  'configmaps', 'persistentvolumeclaims', 'services.nodeports', 'services.loadbalancers',
])
const isQuotaResource = (name: string): boolean => quotaResources.has(name) || isHugePages(name) || name.startsWith('requests.hugepages-')

/** Which resources a scope can be counted by. */
const ofPods = new Set(['pods', ...computeResources])
const scopeResources: Readonly<Record<string, ReadonlySet<string>>> = {
  Terminating: ofPods, NotTerminating: ofPods, NotBestEffort: ofPods, PriorityClass: ofPods, CrossNamespacePodAffinity: ofPods, BestEffort: new Set(['pods']),
  VolumeAttributesClass: new Set(['persistentvolumeclaims', 'requests.storage']),
}
const isScope = (name: string): boolean => Object.hasOwn(scopeResources, name)

function checkQuotaAmounts(out: FieldError[], path: string, amounts: ResourceList | undefined): void {
  for (const [name, amount] of Object.entries(amounts ?? {})) {
    const at = `${path}[${name}]`
    checkResourceName(out, at, name)
    if (!name.includes('/') && !isQuotaResource(name)) out.push(fieldErrors.invalid(at, name, 'must be a standard resource for quota'))
    checkAmount(out, at, name, amount)
  }
}

function hasConflict(scopes: ReadonlySet<string>): boolean {
  return (scopes.has('BestEffort') && scopes.has('NotBestEffort')) || (scopes.has('Terminating') && scopes.has('NotTerminating'))
}

function checkScopes(out: FieldError[], spec: Readonly<ResourceQuotaSpec>): void {
  const { scopes = [], scopeSelector, hard = {} } = spec
  const names = Object.keys(hard).sort()
  const misfits = (scope: string): string[] => names.filter((name) => isQuotaResource(name) && isScope(scope) && scopeResources[scope]?.has(name) === false)
  for (const scope of scopes) {
    if (!isScope(scope)) out.push(fieldErrors.invalid('spec.scopes', scopes, 'unsupported scope'))
    for (const _ of misfits(scope)) out.push(fieldErrors.invalid('spec.scopes', scopes, 'unsupported scope applied to resource'))
  }
  if (hasConflict(new Set(scopes))) out.push(fieldErrors.invalid('spec.scopes', scopes, 'conflicting scopes'))
  const at = 'spec.scopeSelector.matchExpressions'
  const selected = scopeSelector?.matchExpressions ?? []
  // Upstream shows its internal form.
  const shown = { MatchExpressions: selected.map(({ scopeName, operator, values }) => ({ ScopeName: scopeName, Operator: operator, Values: values ?? null })) }
  for (const { scopeName, operator, values = [] } of selected) {
    if (!isScope(scopeName)) out.push(fieldErrors.invalid(`${at}.scopeName`, scopeName, 'unsupported scope'))
    for (const _ of misfits(scopeName)) out.push(fieldErrors.invalid(at, shown, 'unsupported scope applied to resource'))
    if (isScope(scopeName) && scopeName !== 'PriorityClass' && scopeName !== 'VolumeAttributesClass' && operator !== 'Exists') {
      out.push(fieldErrors.invalid(`${at}.operator`, operator, "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"))
    }
    if (operator === 'In' || operator === 'NotIn') {
      if (values.length === 0) out.push(fieldErrors.required(`${at}.values`, "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"))
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (values.length > 0) out.push(fieldErrors.invalid(`${at}.values`, values, "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"))
    } else out.push(fieldErrors.invalid(`${at}.operator`, operator, 'not a valid selector operator'))
  }
  if (hasConflict(new Set(selected.map(({ scopeName }) => scopeName)))) out.push(fieldErrors.invalid('spec.scopes', scopes, 'conflicting scopes'))
}

function validateQuota(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const spec = (object as unknown as ResourceQuota).spec ?? {}
  checkQuotaAmounts(out, 'spec.hard', spec.hard)
  checkScopes(out, spec)
  return out
}

export const resourceQuotaValidation: Validation = {
  validate: validateQuota,
  validateUpdate(object, old) {
    const out = validateQuota(object)
    const { scopes } = (object as unknown as ResourceQuota).spec ?? {}
    const before = new Set<string>((old as unknown as ResourceQuota).spec?.scopes)
    // Neither their order counts nor how often one is named.
    if (new Set<string>(scopes).symmetricDifference(before).size > 0) out.push(fieldErrors.invalid('spec.scopes', scopes ?? null, 'field is immutable'))
    return out
  },
  validateStatusUpdate(object) {
    const out: FieldError[] = []
    const { status } = object as unknown as ResourceQuota
    checkQuotaAmounts(out, 'status.hard', status?.hard)
    checkQuotaAmounts(out, 'status.used', status?.used)
    return out
  },
}
