import { semanticEqual } from '../../machinery/equality.ts'
import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { canonicalCidrErrors } from '../../machinery/ip-checks.ts'
import { configMapKeyErrors, labelValueErrors, qualifiedNameErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { compareQuantities, parseQuantity } from '../../machinery/quantity.ts'
import type { ConfigMap, LimitRange, LimitRangeItem, Namespace, Node, ResourceQuota, Secret } from '../types/core_v1.ts'
import { taintEffects } from './affinity.ts'
import { checkAmount, checkResourceName, isHugePages, isNative } from './amounts.ts'
import { addInvalid, checkOneOf, isEmpty } from './check.ts'
import { validateFinalizerName, validateImmutable } from './object-meta.ts'
import type { Validation } from './validation.ts'

/** The small kinds of the core group. */

const maxDataBytes = 1024 * 1024

function base64Bytes(text: string): number {
  return Math.floor((text.length * 3) / 4) - (text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0)
}

function validateConfigMap(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { data = {}, binaryData = {} } = object as unknown as ConfigMap
  let sizeBytes = 0
  for (const key in data) {
    addInvalid(out, `data[${key}]`, key, configMapKeyErrors(key))
    if (Object.hasOwn(binaryData, key)) out.push(fieldErrors.invalid(`data[${key}]`, key, 'duplicate of key present in binaryData'))
    sizeBytes += Buffer.byteLength(data[key] as string)
  }
  for (const key in binaryData) {
    addInvalid(out, `binaryData[${key}]`, key, configMapKeyErrors(key))
    sizeBytes += base64Bytes(binaryData[key] as string)
  }
  if (sizeBytes > maxDataBytes) out.push(fieldErrors.tooLong('', maxDataBytes))
  return out
}

const frozenText = 'field is immutable when `immutable` is set'

function checkFrozen(object: Readonly<OpenObject>, old: Readonly<OpenObject>, fields: readonly string[]): FieldError[] {
  if (old.immutable !== true) return []
  return [...(object.immutable === true ? [] : [fieldErrors.forbidden('immutable', frozenText)]), ...fields.filter((field) => !semanticEqual(object[field], old[field])).map((field) => fieldErrors.forbidden(field, frozenText))]
}

export const configMapValidation: Validation = {
  validate: validateConfigMap,
  validateUpdate: (object, old) => [...checkFrozen(object, old, ['data', 'binaryData']), ...validateConfigMap(object)],
}

function validateSecret(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { metadata, data = {}, type } = object as unknown as Secret
  let sizeBytes = 0
  for (const key in data) {
    addInvalid(out, `data[${key}]`, key, configMapKeyErrors(key))
    sizeBytes += base64Bytes(data[key] as string)
  }
  if (sizeBytes > maxDataBytes) out.push(fieldErrors.tooLong('data', maxDataBytes))
  const requireKeys = (...keys: string[]): void => {
    for (const key of keys) if (data[key] === undefined) out.push(fieldErrors.required(`data[${key}]`))
  }
  const requireJson = (key: string): void => {
    if (data[key] === undefined) out.push(fieldErrors.required(`data[${key}]`))
    else if (!isJsonObjectText(Buffer.from(data[key], 'base64').toString('utf8'))) out.push(fieldErrors.invalid(`data[${key}]`, '<secret contents redacted>', 'invalid character, must be a JSON object'))
  }
  switch (type) {
    case 'kubernetes.io/service-account-token':
      if (isEmpty(metadata.annotations?.['kubernetes.io/service-account.name'])) out.push(fieldErrors.required('metadata.annotations[kubernetes.io/service-account.name]'))
      break
    case 'kubernetes.io/dockercfg': requireJson('.dockercfg'); break
    case 'kubernetes.io/dockerconfigjson': requireJson('.dockerconfigjson'); break
    case 'kubernetes.io/basic-auth':
      if (data.username === undefined && data.password === undefined) requireKeys('username', 'password')
      break
    case 'kubernetes.io/ssh-auth':
      if (isEmpty(data['ssh-privatekey'])) out.push(fieldErrors.required('data[ssh-privatekey]'))
      break
    case 'kubernetes.io/tls': requireKeys('tls.crt', 'tls.key'); break
    default:
  }
  return out
}

function isJsonObjectText(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false // not JSON: what is asked
  }
}

export const secretValidation: Validation = {
  validate: validateSecret,
  validateUpdate: (object, old) => [...validateImmutable(object.type, old.type, 'type'), ...checkFrozen(object, old, ['data']), ...validateSecret(object)],
}

/** Also of updates through `namespaces/finalize`. */
export function validateNamespaceFinalize(object: Readonly<OpenObject>): FieldError[] {
  return ((object as unknown as Namespace).spec?.finalizers ?? []).flatMap((name) => {
    const errors = validateFinalizerName(name, 'spec.finalizers')
    if (!name.includes('/') && !['kubernetes', 'orphan', 'foregroundDeletion'].includes(name)) errors.push(fieldErrors.invalid('spec.finalizers', name, 'name is neither a standard finalizer name nor is it fully qualified'))
    return errors
  })
}

export const namespaceValidation: Validation = {
  validate: validateNamespaceFinalize,
  validateStatusUpdate(object) {
    const { metadata, status } = object as unknown as Namespace
    if (metadata.deletionTimestamp === undefined && status?.phase !== 'Active') return [fieldErrors.invalid('status.Phase', status?.phase, "may only be 'Active' if `deletionTimestamp` is empty")]
    if (metadata.deletionTimestamp !== undefined && status?.phase !== 'Terminating') return [fieldErrors.invalid('status.Phase', status?.phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")]
    return []
  },
}

function validateNode(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec = {}, status } = object as unknown as Node
  const seen = new Set<string>()
  for (const [i, taint] of (spec.taints ?? []).entries()) {
    const at = `spec.taints[${i}]`
    addInvalid(out, `${at}.key`, taint.key, qualifiedNameErrors(taint.key ?? ''))
    const valueErrors = labelValueErrors(taint.value ?? '')
    if (valueErrors.length > 0) out.push(fieldErrors.invalid(`${at}.value`, taint.value, valueErrors.join(';')))
    checkOneOf(out, `${at}.effect`, taint.effect, taintEffects)
    if (seen.has(`${taint.key}:${taint.effect}`)) out.push(fieldErrors.duplicate(at, taint))
    seen.add(`${taint.key}:${taint.effect}`)
  }
  for (const [i, cidr] of (spec.podCIDRs ?? []).entries()) addInvalid(out, `spec.podCIDRs[${i}]`, cidr, canonicalCidrErrors(cidr))
  if ((spec.podCIDRs ?? []).length > 2) out.push(fieldErrors.invalid('spec.podCIDRs', spec.podCIDRs, 'may specify no more than one CIDR for each IP family'))
  for (const kind of ['capacity', 'allocatable'] as const) {
    for (const [name, amount] of Object.entries(status?.[kind] ?? {})) checkAmount(out, `status.${kind}[${name}]`, name, amount)
  }
  const addresses = new Set<string>()
  for (const [i, address] of (status?.addresses ?? []).entries()) {
    const key = `${address.type}/${address.address}`
    if (addresses.has(key)) out.push(fieldErrors.duplicate(`status.addresses[${i}]`, address))
    addresses.add(key)
  }
  return out
}

function validateNodeUpdate(object: Readonly<OpenObject>, old: Readonly<OpenObject>): FieldError[] {
  const spec = (object as unknown as Node).spec ?? {}
  const before = (old as unknown as Node).spec ?? {}
  const out = validateNode(object)
  if ((before.podCIDRs ?? []).length > 0 && !semanticEqual(spec.podCIDRs, before.podCIDRs)) out.push(fieldErrors.forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid'))
  if (!isEmpty(before.providerID) && spec.providerID !== before.providerID) out.push(fieldErrors.forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid'))
  return out
}

export const nodeValidation: Validation = { validate: validateNode, validateUpdate: validateNodeUpdate, validateStatusUpdate: validateNode }

function checkLimitItem(out: FieldError[], path: string, item: Readonly<LimitRangeItem>): void {
  const isPod = item.type === 'Pod'
  const names = new Set<string>()
  for (const kind of ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const) {
    for (const name of Object.keys(item[kind] ?? {})) {
      checkResourceName(out, `${path}.${kind}[${name}]`, name)
      names.add(name)
    }
  }
  for (const kind of ['default', 'defaultRequest'] as const) if (isPod && Object.keys(item[kind] ?? {}).length > 0) out.push(fieldErrors.forbidden(`${path}.${kind}`, "may not be specified when `type` is 'Pod'"))
  if (item.type === 'PersistentVolumeClaim' && item.min?.storage === undefined && item.max?.storage === undefined) {
    out.push(fieldErrors.required(path, 'either minimum or maximum storage value is required, but neither was provided'))
  }
  for (const name of [...names].sort()) checkLimitOrder(out, path, item, name)
}

function checkLimitOrder(out: FieldError[], path: string, item: Readonly<LimitRangeItem>, name: string): void {
  const [min, max, standard, request, ratio] = [item.min?.[name], item.max?.[name], item.default?.[name], item.defaultRequest?.[name], item.maxLimitRequestRatio?.[name]]
  const above = (a: string | undefined, b: string | undefined): boolean => a !== undefined && b !== undefined && compareQuantities(parseQuantity(a), parseQuantity(b)) > 0
  if (above(min, max)) out.push(fieldErrors.invalid(`${path}.min[${name}]`, min, `min value ${min} is greater than max value ${max}`))
  if (above(min, request)) out.push(fieldErrors.invalid(`${path}.defaultRequest[${name}]`, request, `min value ${min} is greater than default request value ${request}`))
  if (above(request, max)) out.push(fieldErrors.invalid(`${path}.defaultRequest[${name}]`, request, `default request value ${request} is greater than max value ${max}`))
  if (above(request, standard)) out.push(fieldErrors.invalid(`${path}.defaultRequest[${name}]`, request, `default request value ${request} is greater than default limit value ${standard}`))
  if (above(min, standard)) out.push(fieldErrors.invalid(`${path}.default[${name}]`, standard, `min value ${min} is greater than default value ${standard}`))
  if (above(standard, max)) out.push(fieldErrors.invalid(`${path}.default[${name}]`, standard, `default value ${standard} is greater than max value ${max}`))
  if (ratio !== undefined && above('1', ratio)) out.push(fieldErrors.invalid(`${path}.maxLimitRequestRatio[${name}]`, ratio, `ratio ${ratio} is less than 1`))
  if (!isHugePages(name) && isNative(name)) return
  if (standard !== undefined && request !== undefined && compareQuantities(parseQuantity(standard), parseQuantity(request)) !== 0) {
    out.push(fieldErrors.invalid(`${path}.defaultRequest[${name}]`, request, `default value ${standard} must equal to defaultRequest value ${request} in ${name}`))
  }
}

function validateLimitRange(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const types = new Set<string>()
  for (const [i, item] of ((object as unknown as LimitRange).spec?.limits ?? []).entries()) {
    if (!['Container', 'PersistentVolumeClaim', 'Pod'].includes(item.type)) addInvalid(out, `spec.limits[${i}].type`, item.type, item.type.includes('/') ? qualifiedNameErrors(item.type) : ['must be a standard limit type or fully qualified'])
    if (types.has(item.type)) out.push(fieldErrors.duplicate(`spec.limits[${i}].type`, item.type))
    types.add(item.type)
    checkLimitItem(out, `spec.limits[${i}]`, item)
  }
  return out
}

export const limitRangeValidation: Validation = { validate: validateLimitRange, validateUpdate: validateLimitRange }

const quotaScopes = ['Terminating', 'NotTerminating', 'BestEffort', 'NotBestEffort', 'PriorityClass', 'CrossNamespacePodAffinity', 'VolumeAttributesClass']

function validateQuota(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec } = object as unknown as ResourceQuota
  for (const [name, amount] of Object.entries(spec?.hard ?? {})) {
    checkResourceName(out, `spec.hard[${name}]`, name)
    checkAmount(out, `spec.hard[${name}]`, name, amount)
  }
  const scopes = spec?.scopes ?? []
  for (const scope of scopes) if (!quotaScopes.includes(scope)) out.push(fieldErrors.invalid('spec.scopes', scopes, 'unsupported scope'))
  for (const [a, b] of [['BestEffort', 'NotBestEffort'], ['Terminating', 'NotTerminating']] as const) {
    if (scopes.includes(a) && scopes.includes(b)) out.push(fieldErrors.invalid('spec.scopes', scopes, 'conflicting scopes'))
  }
  for (const { scopeName, operator, values = [] } of spec?.scopeSelector?.matchExpressions ?? []) {
    const at = `spec.scopeSelector.matchExpressions`
    if (!quotaScopes.includes(scopeName)) out.push(fieldErrors.invalid(`${at}.scopeName`, scopeName, 'unsupported scope'))
    if (['In', 'NotIn'].includes(operator) ? values.length === 0 : false) out.push(fieldErrors.required(`${at}.values`, 'must be at least one value when `operator` is \'In\' or \'NotIn\' for scope selector'))
    if (['Exists', 'DoesNotExist'].includes(operator) ? values.length > 0 : false) out.push(fieldErrors.invalid(`${at}.values`, values, "must be no value when `operator` is 'Exists' or 'DoesNotExist' for scope selector"))
    if (!['In', 'NotIn', 'Exists', 'DoesNotExist'].includes(operator)) out.push(fieldErrors.invalid(`${at}.operator`, operator, 'not a valid selector operator'))

  }
  return out
}

export const resourceQuotaValidation: Validation = {
  validate: validateQuota,
  validateUpdate: (object, old) => [
    ...validateQuota(object),
    ...validateImmutable((object as unknown as ResourceQuota).spec?.scopes, (old as unknown as ResourceQuota).spec?.scopes, 'spec.scopes'),
  ],
}
