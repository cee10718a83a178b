import { fieldErrors, type FieldError } from '../../machinery/field-error.ts'
import { isJsonObject, jsonEqual, type JsonObject } from '../../machinery/json-value.ts'
import { dns1035LabelErrors } from '../../machinery/names.ts'
import type { ObjectMeta } from '../../machinery/object.ts'
import { pathSegmentName, validateObjectMeta } from '../validation/object-meta.ts'
import type { JSONSchemaProps } from '../types/apiextensions.k8s.io_v1.ts'
import { hasFormat, isKnownFormat } from './formats.ts'
import { childPath, isUnchanged, listMapKey, type SchemaNode } from './schema.ts'
import { matches } from '../cel/patterns.ts'

/**
 * Checks values by a schema, with the texts of kube-openapi as apiextensions turns them into field errors
 * (`spec.replicas in body should be greater than or equal to 0`).
 */
export function validateValue(node: SchemaNode, value: unknown, path = ''): FieldError[] {
  const out: FieldError[] = []
  check(node.raw, value, path, out)
  return out
}

/** The same for a value that stands at `path` and has a schema of its own: texts name its fields from there. */
export function validateValueAt(path: string, node: SchemaNode, value: unknown): FieldError[] {
  return validateValue(node, value).map((error) => placed(path, error))
}

function placed(path: string, error: FieldError): FieldError {
  return { ...error, path: error.path === '' ? path : `${path}.${error.path.replace(/^\./, '')}` }
}

/**
 * The same for an update: what stands unchanged from the old object is not held against the new one (KEP-4008). The old
 * object is looked at only when there is something wrong.
 */
export function validateUpdatedValue(node: SchemaNode, value: unknown, old: unknown, path = ''): FieldError[] {
  const all = validateValue(node, value, path)
  if (all.length === 0) return all
  const out: FieldError[] = []
  // Both come converted to the version asked for: that these are as before says nothing.
  if (path === '' && isJsonObject(value)) {
    for (const name of ['apiVersion', 'kind']) {
      const property = node.properties.get(name)
      if (property !== undefined && Object.hasOwn(value, name)) check(property.raw, value[name], name, out)
    }
  }
  const types = out.length
  ratchet(node, value, old, path, out)
  return types === 0 ? out : [...out.slice(0, types), ...out.slice(types).filter((error) => error.path !== 'apiVersion' && error.path !== 'kind')]
}

export function validateUpdatedValueAt(path: string, node: SchemaNode, value: unknown, old: unknown): FieldError[] {
  return validateUpdatedValue(node, value, old).map((error) => placed(path, error))
}

/** Validates where something changed only: a node whose value is as before is passed over. */
function ratchet(node: SchemaNode, value: unknown, old: unknown, path: string, out: FieldError[]): void {
  if (old !== undefined && isUnchanged(node, value, old)) return
  const isObject = isJsonObject(value) && isJsonObject(old)
  const isMap = Array.isArray(value) && Array.isArray(old) && node.listType === 'map'
  if (!isObject && !isMap) {
    check(node.raw, value, path, out)
    return
  }
  checkSelf(node.raw, value, path, out, true)
  if (isObject) {
    for (const [name, child] of Object.entries(value)) {
      const schema = node.properties.get(name) ?? node.additional
      if (typeof schema === 'object') ratchet(schema, child, Object.hasOwn(old, name) ? old[name] : undefined, childPath(path, name), out)
    }
  } else if (isMap && node.items !== undefined) {
    const before = new Map(old.map((item) => [listMapKey(node, item), item]))
    for (const [i, item] of value.entries()) ratchet(node.items, item, before.get(listMapKey(node, item)), `${path}[${i}]`, out)
  }
}

/** What Go makes of a value: its type in JSON, and the format of its numbers. Whole numbers beyond 2^53 that are no bigints are doubles. */
function typeName(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'bigint') return 'integer'
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'integer' : 'number'
  return typeof value
}

const numberFormats: Readonly<Record<string, string>> = { integer: 'int64', number: 'float64' }

/** A schema's format, where values of its type are held to one. */
function formatOf({ type, format }: Readonly<JSONSchemaProps>): string {
  return format === undefined || format === '' || !isKnownFormat(type ?? '', format) ? '' : format
}

/** What is wrong with a value's type: the type that is wanted, and the one that is there. */
function typeProblem(schema: Readonly<JSONSchemaProps>, actual: string): { wanted: string; actual: string } | undefined {
  const types = schema['x-kubernetes-int-or-string'] === true ? 'integer,string' : (schema.type ?? '')
  if (actual === 'null') return types === '' || schema.nullable === true ? undefined : { wanted: types, actual }
  const fits = types === actual || (types === 'number' && actual === 'integer') || (types === 'integer,string' && (actual === 'integer' || actual === 'string'))
  if (fits) return undefined
  const format = formatOf(schema)
  if (format !== '') {
    const isText = actual === 'string' || actual === 'array'
    const own = numberFormats[actual] ?? ''
    if (!isText) return own === format ? { wanted: types, actual } : { wanted: format, actual: own }
    if (types !== 'number' && !types.startsWith('integer')) return undefined
  }
  return types === '' ? undefined : { wanted: types, actual }
}

function check(schema: Readonly<JSONSchemaProps>, value: unknown, path: string, out: FieldError[]): number {
  return checkSelf(schema, value, path, out, false)
}

const inBody = (path: string, text: string): string => `${path} in body ${text}`

/**
 * Every check that is for values of this kind, whatever the others found; how many there were (kube-openapi's match count, by which
 * it chooses among alternatives). `shallow`: the fields and items themselves are the caller's to look at.
 */
function checkSelf(schema: Readonly<JSONSchemaProps>, value: unknown, path: string, out: FieldError[], shallow: boolean): number {
  const found = typeName(value)
  const problem = typeProblem(schema, found)
  if (problem !== undefined) out.push({ type: 'typeInvalid', path, badValue: problem.actual, detail: inBody(path, `must be of type ${problem.wanted}: ${JSON.stringify(problem.actual)}`) })
  const hasType = schema.type !== undefined || schema['x-kubernetes-int-or-string'] === true
  if (value === null || value === undefined) {
    if (value === null) checkEnum(schema, value, path, out)
    return hasType ? 1 : 0
  }
  // Each check that applies counts one, and the schema itself; those of types, compositions, numbers and lists count themselves, too.
  let count = (hasType ? 2 : 0) + 2 + 1 + 1 + checkCompositions(schema, value, path, out)
  if (typeof value === 'string') count += checkText(schema, value, path, out)
  else if (typeof value === 'number' || typeof value === 'bigint') count += checkNumber(schema, value, path, out)
  else if (Array.isArray(value)) count += checkArray(schema, value, path, out, shallow)
  checkEnum(schema, value, path, out)
  if (isJsonObject(value)) count += checkObject(schema, value, path, out, shallow)
  return count
}

function checkEnum(schema: Readonly<JSONSchemaProps>, value: unknown, path: string, out: FieldError[]): void {
  if (schema.enum === undefined || schema.enum.length === 0 || (value !== null && schema.enum.some((allowed) => jsonEqual(allowed, value)))) return
  out.push({ type: 'notSupported', path, badValue: value, detail: `supported values: ${schema.enum.map((each) => JSON.stringify(typeof each === 'string' ? each : JSON.stringify(each))).join(', ')}` })
}

function checkText(schema: Readonly<JSONSchemaProps>, value: string, path: string, out: FieldError[]): number {
  const { maxLength, minLength, pattern } = schema
  const problem = textProblem({ maxLength, minLength, pattern }, value, path)
  if (problem !== undefined) out.push(problem)
  const format = formatOf(schema)
  if (format === '' || (schema.type !== undefined && schema.type !== 'string')) return 1
  if (!hasFormat(format, value)) out.push({ type: 'typeInvalid', path, badValue: value, detail: inBody(path, `must be of type ${format}: ${JSON.stringify(value)}`) })
  return 2
}

/** The first thing wrong with a text. */
function textProblem({ maxLength, minLength, pattern }: Pick<JSONSchemaProps, 'maxLength' | 'minLength' | 'pattern'>, value: string, path: string): FieldError | undefined {
  if (maxLength !== undefined || minLength !== undefined) {
    let length = 0
    for (const _ of value) length++
    if (maxLength !== undefined && length > maxLength) return fieldErrors.tooLong(path, maxLength)
    if (minLength !== undefined && length < minLength) return fieldErrors.invalid(path, value, inBody(path, `should be at least ${minLength} chars long`))
  }
  if (pattern === undefined || pattern === '') return undefined
  try {
    return matches(pattern, value) ? undefined : fieldErrors.invalid(path, value, inBody(path, `should match '${pattern}'`))
  } catch (cause) {
    return fieldErrors.invalid(path, value, inBody(path, `should match '${pattern}, but pattern is invalid: ${(cause as Error).message}'`))
  }
}

function isNoMultiple(value: number | bigint, factor: number): boolean {
  if (Number.isSafeInteger(factor) && (typeof value === 'bigint' || Number.isSafeInteger(value))) return BigInt(value) % BigInt(factor) !== 0n
  const quotient = Number(value) / factor
  return Math.abs(quotient - Math.round(quotient)) > 1e-9
}

const intBits: Readonly<Record<string, readonly [number, number]>> = { int32: [-2_147_483_648, 2_147_483_647] }
const maxFloat = 3.4028235677973366e38

/** Whether a number is one of a schema's type and format: kube-openapi's `IsValueValidAgainstRange`. */
function isInRange(type: string, format: string, value: number | bigint): boolean {
  if (type !== 'integer') return format !== 'float' || Math.abs(Number(value)) < maxFloat
  if (typeof value === 'number' && (!Number.isInteger(value) || Math.abs(value) >= 2 ** 63)) return false
  const [min, max] = intBits[format] ?? [-(2n ** 63n), 2n ** 63n - 1n]
  return value >= min && value <= max
}

function checkNumber(schema: Readonly<JSONSchemaProps>, value: number | bigint, path: string, out: FieldError[]): number {
  const { multipleOf, maximum, minimum, exclusiveMaximum, exclusiveMinimum } = schema
  const type = schema.type ?? ''
  const format = formatOf(schema)
  const refuse = (text: string): void => void out.push(fieldErrors.invalid(path, value, inBody(path, text)))
  const checkRange = (what: string, number: number | bigint | undefined): void => {
    if (number === undefined || isInRange(type, format, number)) return
    out.push(fieldErrors.invalid('', '', `${what} value must be of type ${type} ${format === '' ? '(default format)' : `with format ${format}`} in ${path}`))
  }
  checkRange('Checked', value)
  // Bounds that are fit for a value are of its own kind: those of whole numbers have no fraction.
  const bound = (number: number): number => (typeName(value) === 'integer' && isInRange(type, format, number) ? Math.trunc(number) : number)
  checkRange('MultipleOf', multipleOf)
  if (multipleOf !== undefined) {
    const factor = bound(multipleOf)
    if (factor <= 0) out.push(fieldErrors.invalid(path, factor, `factor MultipleOf declared for ${path} must be positive: ${factor}`))
    else if (isNoMultiple(value, factor)) refuse(`should be a multiple of ${factor}`)
  }
  checkRange('Minimum boundary', minimum)
  if (minimum !== undefined) {
    const least = bound(minimum)
    if (exclusiveMinimum === true ? value <= least : value < least) refuse(`should be greater than ${exclusiveMinimum === true ? '' : 'or equal to '}${least}`)
  }
  checkRange('Maximum boundary', maximum)
  if (maximum !== undefined) {
    const most = bound(maximum)
    if (exclusiveMaximum === true ? value >= most : value > most) refuse(`should be less than ${exclusiveMaximum === true ? '' : 'or equal to '}${most}`)
  }
  return 2
}

function checkArray(schema: Readonly<JSONSchemaProps>, value: readonly unknown[], path: string, out: FieldError[], shallow: boolean): number {
  const { maxItems, minItems, uniqueItems } = schema
  let count = 2
  if (!shallow && isJsonObject(schema.items)) for (const [i, item] of value.entries()) count += check(schema.items as JSONSchemaProps, item, `${path}[${i}]`, out)
  if (minItems !== undefined && value.length < minItems) out.push(fieldErrors.invalid(path, value.length, inBody(path, `should have at least ${minItems} items`)))
  if (maxItems !== undefined && value.length > maxItems) out.push(fieldErrors.tooMany(path, value.length, maxItems))
  if (uniqueItems === true && value.some((item, i) => value.slice(0, i).some((other) => jsonEqual(item, other)))) out.push(fieldErrors.invalid(path, value, inBody(path, "shouldn't contain duplicates")))
  return count
}

function checkObject(schema: Readonly<JSONSchemaProps>, value: JsonObject, path: string, out: FieldError[], shallow: boolean): number {
  const { maxProperties, minProperties, required, properties, additionalProperties } = schema
  const names = Object.keys(value)
  let count = 1
  if (minProperties !== undefined && names.length < minProperties) out.push(fieldErrors.invalid(path, names.length, inBody(path, `should have at least ${minProperties} properties`)))
  if (maxProperties !== undefined && names.length > maxProperties) out.push(fieldErrors.tooMany(path, names.length, maxProperties))
  for (const name of shallow ? [] : names) {
    const isProperty = properties !== undefined && Object.hasOwn(properties, name)
    const child = isProperty ? properties[name] : additionalProperties
    // Values of a map that is the root are named as kube-openapi does.
    if (isJsonObject(child)) count += check(child as JSONSchemaProps, value[name], isProperty ? childPath(path, name) : `${path}.${name}`, out)
  }
  for (const name of required ?? []) if (!Object.hasOwn(value, name)) out.push(fieldErrors.required(childPath(path, name)))
  return count
}

interface Tried { errors: FieldError[]; count: number }

/** allOf, anyOf, oneOf and not, which say more about a value but never its shape. Errors of the alternative that was matched furthest go along. */
function checkCompositions(schema: Readonly<JSONSchemaProps>, value: unknown, path: string, out: FieldError[]): number {
  const { allOf, anyOf, oneOf, not } = schema
  if (allOf === undefined && anyOf === undefined && oneOf === undefined && not === undefined) return 0
  const attempt = (each: JSONSchemaProps): Tried => {
    const errors: FieldError[] = []
    return { errors, count: check(each, value, path, errors) }
  }
  const isValid = ({ errors }: Tried): boolean => errors.length === 0
  const refuse = (text: string): void => void out.push(fieldErrors.invalid('', '', `${JSON.stringify(path)} ${text}`))
  let count = 0
  const take = (tried: Tried | undefined): void => {
    if (tried === undefined) return
    count += tried.count
    // The same is said once.
    for (const error of tried.errors) if (!out.some((said) => said.type === error.type && said.path === error.path && said.detail === error.detail)) out.push(error)
  }
  const furthest = (tried: readonly Tried[]): Tried => tried.reduce((a, b) => (b.count > a.count ? b : a))
  if (anyOf !== undefined && anyOf.length > 0) {
    const tried = anyOf.map(attempt)
    const first = tried.find(isValid)
    if (first === undefined) refuse('must validate at least one schema (anyOf)')
    take(first ?? furthest(tried))
  }
  if (oneOf !== undefined && oneOf.length > 0) {
    const tried = oneOf.map(attempt)
    const valid = tried.filter(isValid)
    if (valid.length !== 1) refuse(`must validate one and only one schema (oneOf). Found ${valid.length === 0 ? 'none valid' : `${valid.length} valid alternatives`}`)
    if (valid.length < 2) take(valid[0] ?? furthest(tried))
  }
  if (allOf !== undefined && allOf.length > 0) {
    const tried = allOf.map(attempt)
    tried.forEach(take)
    if (!tried.every(isValid)) refuse(`must validate all the schemas (allOf)${tried.some(isValid) ? '' : '. None validated'}`)
  }
  if (not !== undefined && isValid(attempt(not))) refuse('must not validate the schema (not)')
  return count
}

/** Duplicates in lists of type set and map, which their schema promises not to have. */
export function validateListTypes(node: SchemaNode, value: unknown, path = ''): FieldError[] {
  const out: FieldError[] = []
  walkListTypes(node, value, path, out)
  return out
}

function walkListTypes(node: SchemaNode, value: unknown, path: string, out: FieldError[]): void {
  if (!node.has.listTypes) return
  if (Array.isArray(value)) {
    if (node.listType === 'set') for (const i of repeated(value)) out.push(fieldErrors.duplicate(`${path}[${i}]`, value[i]))
    else if (node.listType === 'map') checkListMap(node, value, path, out)
    if (node.items !== undefined) for (const [i, item] of value.entries()) walkListTypes(node.items, item, `${path}[${i}]`, out)
  } else if (isJsonObject(value)) {
    for (const [name, child] of Object.entries(value)) {
      const property = node.properties.get(name)
      const schema = property ?? node.additional
      if (typeof schema === 'object') walkListTypes(schema, child, property === undefined ? `${path}[${name}]` : childPath(path, name), out)
    }
  }
}

/** Where a value stands for the second time; its third and later places are not told. */
function repeated(values: readonly unknown[]): number[] {
  const times = new Map<string, number>()
  const out: number[] = []
  for (const [i, value] of values.entries()) {
    const text = stableText(value)
    const count = (times.get(text) ?? 0) + 1
    times.set(text, count)
    if (count === 2) out.push(i)
  }
  return out
}

function checkListMap(node: SchemaNode, items: readonly unknown[], path: string, out: FieldError[]): void {
  const odd = items.findIndex((item) => item !== null && !isJsonObject(item))
  if (odd >= 0) return void out.push(fieldErrors.invalid(`${path}[${odd}]`, items[odd], 'must be an object for an array of list-type map'))
  const keys = items.map((item) => (item === null ? {} : keysOf(node, item)))
  for (const i of repeated(keys)) out.push(fieldErrors.duplicate(`${path}[${i}]`, keys[i]))
}

/** The keys that an item has: one that is null is another than one that is missing. */
function keysOf(node: SchemaNode, item: unknown): JsonObject {
  const source = item as JsonObject
  return Object.fromEntries(node.listMapKeys.filter((key) => Object.hasOwn(source, key)).map((key) => [key, source[key]]))
}

function stableText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(stableText).join()}]`
  if (!isJsonObject(value)) return JSON.stringify(value)
  return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${stableText(value[key])}`).join()}}`
}

/** Embedded resources must say what they are (`x-kubernetes-embedded-resource`). */
export function validateEmbedded(node: SchemaNode, value: unknown, path = ''): FieldError[] {
  const out: FieldError[] = []
  walkEmbedded(node, value, path, out)
  return out
}

function walkEmbedded(node: SchemaNode, value: unknown, path: string, out: FieldError[]): void {
  if (!node.has.embedded) return
  if (Array.isArray(value)) {
    if (node.items !== undefined) for (const [i, item] of value.entries()) walkEmbedded(node.items, item, `${path}[${i}]`, out)
    return
  }
  if (!isJsonObject(value)) return
  if (node.embedded) checkEmbedded(value, path, out)
  for (const [name, child] of Object.entries(value)) {
    const property = node.properties.get(name)
    const schema = property ?? node.additional
    if (typeof schema === 'object') walkEmbedded(schema, child, property === undefined ? `${path}[${name}]` : childPath(path, name), out)
  }
}

function checkEmbedded(resource: JsonObject, path: string, out: FieldError[]): void {
  const { apiVersion, kind, metadata } = resource
  const problems = { apiVersion: (text: string) => (text.split('/').length > 2 ? `unexpected GroupVersion string: ${text}` : undefined), kind: kindProblem }
  for (const [name, value] of Object.entries({ apiVersion, kind })) {
    const at = childPath(path, name)
    if (value === undefined) out.push(fieldErrors.required(at))
    else if (typeof value !== 'string') out.push(fieldErrors.invalid(at, value, 'must be a string'))
    else {
      const problem = value === '' ? 'must not be empty' : problems[name as keyof typeof problems](value)
      if (problem !== undefined) out.push(fieldErrors.invalid(at, value, problem))
    }
  }
  if (!isJsonObject(metadata)) return
  const meta = metadata as Readonly<ObjectMeta>
  const isNamed = meta.name !== undefined && meta.name !== ''
  // A name need not be given: any will do.
  out.push(...validateObjectMeta(isNamed ? meta : { ...meta, name: 'fakename' }, (meta.namespace ?? '') !== '', pathSegmentName, childPath(path, 'metadata')))
}

function kindProblem(kind: string): string | undefined {
  const problems = dns1035LabelErrors(kind.toLowerCase())
  return problems.length === 0 ? undefined : `may have mixed case, but should otherwise match: ${problems.join(',')}`
}
