import { fieldErrors, type FieldError } from '../../machinery/field-error.ts'
import { isJsonObject, jsonEqual, type JsonObject } from '../../machinery/json-value.ts'
import type { JSONSchemaProps } from '../types/apiextensions.k8s.io_v1.ts'
import { hasFormat } from './formats.ts'
import { childPath, listMapKey, type SchemaNode } from './schema.ts'
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

/**
 * The same for an update: what stands unchanged from the old object is not held against the new one (KEP-4008). The old
 * object is looked at only when there is something wrong.
 */
export function validateUpdatedValue(node: SchemaNode, value: unknown, old: unknown, path = ''): FieldError[] {
  const all = validateValue(node, value, path)
  if (all.length === 0) return all
  const out: FieldError[] = []
  ratchet(node, value, old, path, out)
  return out
}

/** Validates where something changed only: a node whose value is as before is passed over. */
function ratchet(node: SchemaNode, value: unknown, old: unknown, path: string, out: FieldError[]): void {
  if (old !== undefined && jsonEqual(value, old)) return
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

function typeName(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'bigint') return 'integer'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return typeof value
}

function isOfType(schema: Readonly<JSONSchemaProps>, actual: string): boolean {
  if (actual === 'null') return schema.nullable === true
  if (schema['x-kubernetes-int-or-string'] === true) return actual === 'integer' || actual === 'string'
  if (schema.type === undefined || schema.type === '') return true
  return schema.type === actual || (schema.type === 'number' && actual === 'integer')
}

function check(schema: Readonly<JSONSchemaProps>, value: unknown, path: string, out: FieldError[]): void {
  checkSelf(schema, value, path, out, false)
}

const inBody = (path: string, text: string): string => `${path} in body ${text}`

/** `shallow`: the fields and items themselves are the caller's to look at. */
function checkSelf(schema: Readonly<JSONSchemaProps>, value: unknown, path: string, out: FieldError[], shallow: boolean): void {
  const actual = typeName(value)
  if (!isOfType(schema, actual)) {
    const wanted = schema['x-kubernetes-int-or-string'] === true ? 'integer,string' : (schema.type ?? '')
    out.push({ type: 'typeInvalid', path, badValue: actual, detail: inBody(path, `must be of type ${wanted}: ${JSON.stringify(actual)}`) })
    return
  }
  if (value === null || value === undefined) return
  checkCompositions(schema, value, path, out)
  if (typeof value === 'string') checkText(schema, value, path, out)
  else if (typeof value === 'number' || typeof value === 'bigint') checkNumber(schema, value, path, out)
  else if (Array.isArray(value)) checkArray(schema, value, path, out, shallow)
  if (schema.enum !== undefined && !schema.enum.some((allowed) => jsonEqual(allowed, value))) {
    out.push({ type: 'notSupported', path, badValue: value, detail: `supported values: ${schema.enum.map((each) => JSON.stringify(typeof each === 'string' ? each : JSON.stringify(each))).join(', ')}` })
  }
  if (isJsonObject(value)) checkObject(schema, value, path, out, shallow)
}

function checkText(schema: Readonly<JSONSchemaProps>, value: string, path: string, out: FieldError[]): void {
  const { maxLength, minLength, pattern, format } = schema
  if (maxLength !== undefined || minLength !== undefined) {
    let length = 0
    for (const _ of value) length++
    if (maxLength !== undefined && length > maxLength) out.push(fieldErrors.tooLong(path, maxLength))
    if (minLength !== undefined && length < minLength) out.push(fieldErrors.invalid(path, value, inBody(path, `should be at least ${minLength} chars long`)))
  }
  if (pattern !== undefined && pattern !== '' && !patternMatches(pattern, value)) out.push(fieldErrors.invalid(path, value, inBody(path, `should match '${pattern}'`)))
  if (format !== undefined && format !== '' && !hasFormat(format, value)) {
    out.push({ type: 'typeInvalid', path, badValue: value, detail: inBody(path, `must be of type ${format}: ${JSON.stringify(value)}`) })
  }
}

function isNoMultiple(value: number | bigint, factor: number): boolean {
  if (typeof value === 'bigint' && Number.isSafeInteger(factor)) return value % BigInt(factor) !== 0n
  const quotient = Number(value) / factor
  return Math.abs(quotient - Math.round(quotient)) > 1e-9
}

function checkNumber(schema: Readonly<JSONSchemaProps>, value: number | bigint, path: string, out: FieldError[]): void {
  const { multipleOf, maximum, minimum, exclusiveMaximum, exclusiveMinimum, format } = schema
  const refuse = (text: string): void => void out.push(fieldErrors.invalid(path, value, inBody(path, text)))
  if (format === 'int32' && schema.type === 'integer' && (value > 2_147_483_647 || value < -2_147_483_648)) refuse('must be of type int32: "int64"')
  if (multipleOf !== undefined && multipleOf !== 0 && isNoMultiple(value, multipleOf)) refuse(`should be a multiple of ${multipleOf}`)
  if (maximum !== undefined && (exclusiveMaximum === true ? value >= maximum : value > maximum)) refuse(`should be less than ${exclusiveMaximum === true ? '' : 'or equal to '}${maximum}`)
  if (minimum !== undefined && (exclusiveMinimum === true ? value <= minimum : value < minimum)) refuse(`should be greater than ${exclusiveMinimum === true ? '' : 'or equal to '}${minimum}`)
}

function checkArray(schema: Readonly<JSONSchemaProps>, value: readonly unknown[], path: string, out: FieldError[], shallow: boolean): void {
  const { maxItems, minItems, uniqueItems } = schema
  if (!shallow && isJsonObject(schema.items)) for (const [i, item] of value.entries()) check(schema.items as JSONSchemaProps, item, `${path}[${i}]`, out)
  if (minItems !== undefined && value.length < minItems) out.push(fieldErrors.invalid(path, value.length, inBody(path, `should have at least ${minItems} items`)))
  if (maxItems !== undefined && value.length > maxItems) out.push(fieldErrors.tooMany(path, value.length, maxItems))
  if (uniqueItems === true && value.some((item, i) => value.slice(0, i).some((other) => jsonEqual(item, other)))) out.push(fieldErrors.invalid(path, value, inBody(path, "shouldn't contain duplicates")))
}

function checkObject(schema: Readonly<JSONSchemaProps>, value: JsonObject, path: string, out: FieldError[], shallow: boolean): void {
  const { maxProperties, minProperties, required, properties, additionalProperties } = schema
  const names = Object.keys(value)
  if (minProperties !== undefined && names.length < minProperties) out.push(fieldErrors.invalid(path, names.length, inBody(path, `should have at least ${minProperties} properties`)))
  if (maxProperties !== undefined && names.length > maxProperties) out.push(fieldErrors.tooMany(path, names.length, maxProperties))
  for (const name of shallow ? [] : names) {
    const child = properties !== undefined && Object.hasOwn(properties, name) ? properties[name] : additionalProperties
    if (isJsonObject(child)) check(child as JSONSchemaProps, value[name], childPath(path, name), out)
  }
  for (const name of required ?? []) if (!Object.hasOwn(value, name)) out.push(fieldErrors.required(childPath(path, name)))
}

/** allOf, anyOf, oneOf and not, which say more about a value but never its shape. Errors of the schema that fitted best go along. */
function checkCompositions(schema: Readonly<JSONSchemaProps>, value: unknown, path: string, out: FieldError[]): void {
  const { allOf, anyOf, oneOf, not } = schema
  if (allOf === undefined && anyOf === undefined && oneOf === undefined && not === undefined) return
  const errorsOf = (each: JSONSchemaProps): FieldError[] => {
    const found: FieldError[] = []
    check(each, value, path, found)
    return found
  }
  const refuse = (text: string): void => void out.push(fieldErrors.invalid('', '', `${JSON.stringify(path)} ${text}`))
  const best = (tried: FieldError[][]): FieldError[] => tried.reduce((a, b) => (b.length < a.length ? b : a))
  if (anyOf !== undefined && anyOf.length > 0) {
    const tried = anyOf.map(errorsOf)
    if (!tried.some((each) => each.length === 0)) {
      refuse('must validate at least one schema (anyOf)')
      out.push(...best(tried))
    }
  }
  if (oneOf !== undefined && oneOf.length > 0) {
    const tried = oneOf.map(errorsOf)
    const valid = tried.filter((each) => each.length === 0).length
    if (valid !== 1) refuse(`must validate one and only one schema (oneOf). Found ${valid === 0 ? 'none valid' : `${valid} valid alternatives`}`)
    if (valid === 0) out.push(...best(tried))
  }
  if (allOf !== undefined && allOf.length > 0) {
    const tried = allOf.map(errorsOf)
    for (const each of tried) out.push(...each)
    if (tried.some((each) => each.length > 0)) refuse(`must validate all the schemas (allOf)${tried.every((each) => each.length > 0) ? '. None validated' : ''}`)
  }
  if (not !== undefined && errorsOf(not).length === 0) refuse('must not validate the schema (not)')
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
  if (node.embedded) {
    for (const name of ['apiVersion', 'kind']) if (typeof value[name] !== 'string' || value[name] === '') out.push(fieldErrors.required(childPath(path, name), 'must not be empty'))
  }
  for (const [name, child] of Object.entries(value)) {
    const property = node.properties.get(name)
    const schema = property ?? node.additional
    if (typeof schema === 'object') walkEmbedded(schema, child, property === undefined ? `${path}[${name}]` : childPath(path, name), out)
  }
}

/** A definition with a pattern that is none was accepted before patterns were checked: it holds nobody up. */
function patternMatches(pattern: string, value: string): boolean {
  try {
    return matches(pattern, value)
  } catch {
    return true
  }
}
