import { fieldErrors, fieldErrorText, type FieldError } from '../../machinery/field-error.ts'
import { isJsonObject, jsonEqual } from '../../machinery/json-value.ts'
import type { JSONSchemaProps, ValidationRule } from '../types/apiextensions.k8s.io_v1.ts'
import { embeddedMisfit } from './embedded-metadata.ts'
import { findFieldPath } from './field-path.ts'
import { internalSchema, isZero, itemsOf } from './internal-definition.ts'
import { prune } from './prune.ts'
import { schemaHasRules } from './rules-in-schema.ts'
import { compileSchema, type SchemaNode } from './schema.ts'
import { structuralProblems } from './structural.ts'
import { validateEmbedded, validateValueAt } from './validate.ts'

/** What apiextensions checks of the schema of a version (`validateCustomResourceDefinitionValidation`). */
type Schema = Readonly<JSONSchemaProps>
const types = ['array', 'boolean', 'integer', 'number', 'object', 'string']
const reasons = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired']

/** What updates of older definitions need not keep to, and whether the cost of single rules was looked at before. */
export interface SchemaOptions { anyType: boolean; unprunedDefaults: boolean; anySetItems: boolean; anyMapKeys: boolean; ignoresRuleCost: boolean }
export const strictSchema: SchemaOptions = { anyType: false, unprunedDefaults: false, anySetItems: false, anyMapKeys: false, ignoresRuleCost: false }

/** Looks into the rules of sound schemas; loaded by whoever loads the CEL engine, since most definitions have none. */
export interface RuleChecker {
  /** Problems of the rules themselves; of those at paths that are skipped none is looked at. */
  problems(schema: Schema, path: string, ignoresRuleCost: boolean, isSkipped: (path: string) => boolean): FieldError[]
  /** What the rules of a schema have against its default. */
  checkDefault(schema: Schema, path: string): FieldError[]
}
let checker: RuleChecker | undefined

/** Gives definitions with rules somebody to ask; without one their rules are taken as they are. */
export function useRuleChecker(one: RuleChecker): void {
  checker = one
}

export function validateSchema(schema: Schema, path: string, hasStatus: boolean, options: SchemaOptions): FieldError[] {
  const out = hasStatus ? rootProblems(schema, path) : []
  if (schema.nullable === true) out.push(fieldErrors.forbidden(`${path}.nullable`, 'nullable cannot be true at the root'))
  const unsupported = unsupportedField(schema)
  const structural = unsupported === undefined ? structuralProblems(schema, path) : []
  if (unsupported === undefined && structural.length === 0) structural.push(...defaultProblems({ ...schema, 'x-kubernetes-embedded-resource': true }, path, undefined, options))
  const said: FieldError[] = []
  checkNode(schema, path, { isRoot: true, insideMeta: false, defaultsForbidden: undefined, options }, said)
  out.push(...structural, ...said)
  if (out.length === 0 && unsupported !== undefined) return [fieldErrors.invalid(path, '', unsupported)]
  if (unsupported !== undefined || structural.length > 0 || checker === undefined || !schemaHasRules(schema)) return out
  // What is wrong with a schema, or below it, comes before its rules.
  return [...out, ...checker.problems(schema, path, options.ignoresRuleCost, (at) => said.some((error) => error.path.startsWith(`${at}.`)))]
}

/** What keeps a schema from being held against the rules of structure at all (upstream's `NewStructural`); mostly said otherwise, too. */
function unsupportedField(schema: Schema): string | undefined {
  for (const field of ['id', '$schema', '$ref', 'patternProperties', 'dependencies', 'additionalItems', 'definitions'] as const) {
    const value: unknown = schema[field]
    if (value === undefined || value === '' || (field !== 'additionalItems' && isJsonObject(value) && Object.keys(value).length === 0)) continue
    return `OpenAPIV3Schema '${field === '$schema' ? 'schema' : field}' is not supported`
  }
  if (schema['x-kubernetes-preserve-unknown-fields'] === false) return "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined"
  for (const each of [...schemasOf(schema.not), ...(schema.allOf ?? []), ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]) {
    const found = unsupportedField(each)
    if (found !== undefined) return found
  }
  if (Array.isArray(schema.items)) return schema.items.length > 0 ? "OpenAPIV3Schema 'items' must be a schema, but is an array" : undefined
  for (const each of [...schemasOf(schema.items), ...sorted(schema.properties).map(([, child]) => child), ...schemasOf(schema.additionalProperties)]) {
    const found = unsupportedField(each)
    if (found !== undefined) return found
  }
  return undefined
}

const rootFields = ['Description', 'Type', 'Format', 'Title', 'Maximum', 'ExclusiveMaximum', 'Minimum', 'ExclusiveMinimum', 'MaxLength', 'MinLength', 'Pattern', 'MaxItems', 'MinItems', 'UniqueItems', 'MultipleOf', 'Required', 'Items', 'Properties', 'ExternalDocs', 'Example', 'XPreserveUnknownFields', 'XValidations']

/** With a status subresource the root says no more than what its fields are. */
function rootProblems(schema: Schema, path: string): FieldError[] {
  const internal = internalSchema(schema)
  for (const [field, value] of Object.entries(internal)) {
    if (isZero(value)) continue
    if (field === 'Type' && value !== 'object') return [fieldErrors.invalid(`${path}.type`, value, 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled')]
    if (!rootFields.includes(field)) return [fieldErrors.invalid(path, internal, `only [${rootFields.join(' ')}] fields are allowed at the root of the schema if the status subresource is enabled`)]
  }
  return []
}

/** A resource whose metadata or type a default is in: its schema, and what it is with a value in that place. */
interface Surrounding { resource: Schema; object(value: unknown): Record<string, unknown> }

/** Whether defaults fit what they are defaults of. Those in `metadata`, `kind` and `apiVersion` are held against the rules of these. */
function defaultProblems(schema: Schema, path: string, inside: Surrounding | undefined, options: SchemaOptions): FieldError[] {
  const out: FieldError[] = []
  const isResource = schema['x-kubernetes-embedded-resource'] === true
  const around = isResource ? undefined : inside
  if (schema.default !== undefined && schema.default !== null) checkDefault(schema, `${path}.default`, around, options, out)
  const within = (wrap: (value: unknown) => unknown): Surrounding | undefined => around && { resource: around.resource, object: (value) => around.object(wrap(value)) }
  if (isJsonObject(schema.items)) out.push(...defaultProblems(schema.items as JSONSchemaProps, `${path}.items`, within((value) => [value]), options))
  for (const [name, child] of sorted(schema.properties)) {
    const isMeta = isResource && resourceFields.includes(name)
    const place: Surrounding | undefined = isMeta ? { resource: schema, object: (value) => ({ kind: 'Validation', apiVersion: 'validation/v1', [name]: value }) } : within((value) => ({ [name]: value }))
    out.push(...defaultProblems(child, `${path}.properties[${name}]`, place, options))
  }
  return out
}

function checkDefault(schema: Schema, path: string, inside: Surrounding | undefined, options: SchemaOptions, out: FieldError[]): void {
  const node = compileSchema(schema)
  const value = structuredClone(schema.default)
  if (inside === undefined && !options.unprunedDefaults && isUnpruned(schema)) out.push(fieldErrors.invalid(path, value, 'must not have unknown fields'))
  const found = inside === undefined ? resourceProblems(node, value, path) : surroundingProblems(inside, value, path)
  // Values are looked at by themselves: texts name their fields from there.
  if (found.length === 0) found.push(...validateValueAt(path, compileSchema(withoutIntOrString(schema)), value))
  if (found.length === 0 && checker !== undefined && schemaHasRules(schema)) found.push(...checker.checkDefault(schema, path))
  out.push(...found)
}

/** A schema by which integers and texts may be anything: as upstream takes it for defaults. */
function withoutIntOrString(schema: Schema): Schema {
  const { 'x-kubernetes-int-or-string': _intOrString, items, properties, additionalProperties, ...rest } = schema
  return {
    ...rest, ...(items === undefined ? {} : { items: isJsonObject(items) ? withoutIntOrString(items as JSONSchemaProps) : items }),
    ...(properties === undefined ? {} : { properties: Object.fromEntries(Object.entries(properties).map(([name, each]) => [name, withoutIntOrString(each)])) }),
    ...(additionalProperties === undefined ? {} : { additionalProperties: isJsonObject(additionalProperties) ? withoutIntOrString(additionalProperties as JSONSchemaProps) : additionalProperties }),
  } as Schema
}

/** What is wrong with the resources in a value. */
function resourceProblems(node: SchemaNode, value: unknown, path: string): FieldError[] {
  const misfit = embeddedMisfit(node, value, path)
  return misfit === undefined ? validateEmbedded(node, value, path) : [misfit]
}

/** What is wrong with a resource in whose metadata or type a default stands. */
function surroundingProblems({ resource, object }: Surrounding, value: unknown, path: string): FieldError[] {
  const found = resourceProblems(compileSchema({ ...resource, 'x-kubernetes-embedded-resource': true }), object(structuredClone(value)), '')
  if (found.length === 0) return []
  const texts = found.map((error) => `${error.path}: ${fieldErrorText(error)}`)
  return [fieldErrors.invalid(path, value, `must result in valid metadata: ${texts.length === 1 ? texts[0]! : `[${texts.join(', ')}]`}`)]
}

/** Whether pruning takes something from the default of a schema. */
function isUnpruned(schema: Schema): boolean {
  const around = { 'x-kubernetes-embedded-resource': undefined, type: 'object', properties: { default: { ...schema, default: undefined } } } as unknown as JSONSchemaProps
  const object = { default: structuredClone(schema.default) }
  prune(compileSchema(around), object)
  return !jsonEqual(object.default, schema.default)
}

/** Whether a schema somewhere has a default that pruning takes something from. */
export function hasUnprunedDefaults(schema: Schema): boolean {
  return anySchema(schema, (each) => each.default !== undefined && each.default !== null && isUnpruned(each))
}

function sorted(schemas: Readonly<Record<string, Schema>> | undefined): [string, Schema][] {
  return schemas === undefined ? [] : Object.entries(schemas).toSorted(([a], [b]) => (a < b ? -1 : 1))
}

const schemasOf = (value: unknown): Schema[] => (Array.isArray(value) ? (value as JSONSchemaProps[]) : isJsonObject(value) ? [value as JSONSchemaProps] : [])

/** Whether a schema or one within it is such. */
export function anySchema(schema: Schema, isSuch: (schema: Schema) => boolean): boolean {
  if (isSuch(schema)) return true
  const within = [
    ...schemasOf(schema.items), ...(schema.allOf ?? []), ...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...schemasOf(schema.not), ...Object.values(schema.properties ?? {}),
    ...schemasOf(schema.additionalProperties), ...Object.values(schema.patternProperties ?? {}), ...schemasOf(schema.additionalItems), ...Object.values(schema.definitions ?? {}),
    ...Object.values(schema.dependencies ?? {}).filter(isJsonObject) as JSONSchemaProps[],
  ]
  return within.some((each) => anySchema(each, isSuch))
}

/** Where a schema stands: whether in the metadata of a resource, and why it may have no default. */
interface Place { isRoot: boolean; insideMeta: boolean; defaultsForbidden: string | undefined; options: SchemaOptions }

const resourceFields = ['metadata', 'kind', 'apiVersion']

function checkNode(schema: Schema, path: string, place: Place, out: FieldError[]): void {
  const inner: Place = { ...place, isRoot: false }
  checkSupported(schema, path, place, out)
  if (schema.uniqueItems === true) out.push(fieldErrors.forbidden(`${path}.uniqueItems`, 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic'))
  const extra = schema.additionalProperties
  if (extra !== undefined) {
    if (Object.keys(schema.properties ?? {}).length > 0 && extra !== true) out.push(fieldErrors.forbidden(`${path}.additionalProperties`, 'additionalProperties and properties are mutual exclusive'))
    const within: Place = place.insideMeta ? { ...inner, defaultsForbidden: 'inside additionalProperties applying to object metadata' } : inner
    for (const each of schemasOf(extra)) checkNode(each, `${path}.additionalProperties`, within, out)
  }
  for (const [name, child] of sorted(schema.properties)) {
    const isOfResource = (place.isRoot || schema['x-kubernetes-embedded-resource'] === true) && resourceFields.includes(name)
    checkNode(child, `${path}.properties[${name}]`, { ...inner, insideMeta: inner.insideMeta || isOfResource, defaultsForbidden: isOfResource && place.isRoot ? `in top-level ${name}` : inner.defaultsForbidden }, out)
  }
  if (schema.not !== undefined) checkNode(schema.not, `${path}.not`, inner, out)
  for (const field of ['allOf', 'oneOf', 'anyOf'] as const) for (const [i, each] of (schema[field] ?? []).entries()) checkNode(each, `${path}.${field}[${i}]`, inner, out)
  for (const [name, each] of sorted(schema.definitions)) checkNode(each, `${path}.definitions[${name}]`, inner, out)
  if (Array.isArray(schema.items)) for (const [i, each] of schemasOf(schema.items).entries()) checkNode(each, `${path}.items[${i}]`, inner, out)
  else for (const each of schemasOf(schema.items)) checkNode(each, `${path}.items`, inner, out)
  for (const [name, each] of Object.entries(schema.dependencies ?? {})) if (isJsonObject(each)) checkNode(each as JSONSchemaProps, `${path}.dependencies[${name}]`, inner, out)
  if (schema['x-kubernetes-preserve-unknown-fields'] === false) out.push(fieldErrors.invalid(`${path}.x-kubernetes-preserve-unknown-fields`, false, 'must be true or undefined'))
  checkMapType(schema, path, out)
  checkListType(schema, path, place.options, out)
  if (!place.options.anyMapKeys) out.push(...mapKeyProblems(schema, path))
  for (const [i, rule] of (schema['x-kubernetes-validations'] ?? []).entries()) checkRule(schema, rule, `${path}.x-kubernetes-validations[${i}]`, out)
}

function checkSupported(schema: Schema, path: string, { insideMeta, defaultsForbidden, options }: Place, out: FieldError[]): void {
  const forbid = (field: string, detail = `${field} is not supported`): void => void out.push(fieldErrors.forbidden(`${path}.${field}`, detail))
  const { type = '' } = schema
  if (!options.anyType && type !== '' && !types.includes(type)) out.push(fieldErrors.notSupported(`${path}.type`, type, types))
  if (schema.default !== undefined && schema.default !== null && defaultsForbidden !== undefined) forbid('default', `must not be set ${defaultsForbidden}`)
  if (schema.id !== undefined && schema.id !== '') forbid('id')
  if (schema.additionalItems !== undefined) forbid('additionalItems')
  if (Object.keys(schema.patternProperties ?? {}).length > 0) forbid('patternProperties')
  if (Object.keys(schema.definitions ?? {}).length > 0) forbid('definitions')
  if (schema.dependencies !== undefined) forbid('dependencies')
  if (schema.$ref !== undefined) forbid('$ref')
  if (type === 'null') forbid('type', 'type cannot be set to null, use nullable as an alternative')
  if (Array.isArray(schema.items) && schema.items.length > 0) forbid('items', 'items must be a schema object and not an array')
  if (insideMeta && schema['x-kubernetes-embedded-resource'] === true) forbid('x-kubernetes-embedded-resource', 'must not be used inside of resource meta')
}

/** A type that an extension needs, which may be missing or another. */
function checkNeededType({ type = '' }: Schema, wanted: string, extension: string, path: string, out: FieldError[]): void {
  if (type === wanted) return
  const text = `must be ${wanted} if ${extension} is specified`
  out.push(type === '' ? fieldErrors.required(`${path}.type`, text) : fieldErrors.invalid(`${path}.type`, type, text))
}

function checkMapType(schema: Schema, path: string, out: FieldError[]): void {
  const mapType = schema['x-kubernetes-map-type']
  if (mapType === undefined) return
  checkNeededType(schema, 'object', 'x-kubernetes-map-type', path, out)
  if (mapType !== 'atomic' && mapType !== 'granular') out.push(fieldErrors.notSupported(`${path}.x-kubernetes-map-type`, mapType, ['atomic', 'granular']))
}

const atomicItemText = 'must be atomic as item of a list with x-kubernetes-list-type=set'

/** Items of sets are compared whole. */
function setItemProblems(schema: Schema, path: string): FieldError[] {
  const [item] = schemasOf(schema.items)
  if (schema['x-kubernetes-list-type'] !== 'set' || item === undefined || Array.isArray(schema.items)) return []
  const listType = item['x-kubernetes-list-type']
  if (item.type === 'array' && listType !== undefined && listType !== 'atomic') return [fieldErrors.invalid(`${path}.items.x-kubernetes-list-type`, listType, atomicItemText)]
  if (item.type === 'object' && item['x-kubernetes-map-type'] !== 'atomic') return [fieldErrors.invalid(`${path}.items.x-kubernetes-map-type`, listType ?? null, atomicItemText)]
  return []
}

export const hasGranularSetItems = (schema: Schema): boolean => anySchema(schema, (each) => setItemProblems(each, '').length > 0)

function checkListType(schema: Schema, path: string, options: SchemaOptions, out: FieldError[]): void {
  const listType = schema['x-kubernetes-list-type']
  const keys = schema['x-kubernetes-list-map-keys'] ?? []
  if (listType !== undefined && schema.type !== 'array') checkNeededType(schema, 'array', 'x-kubernetes-list-type', path, out)
  else if (!options.anySetItems) out.push(...setItemProblems(schema, path))
  if (listType !== undefined && !['atomic', 'set', 'map'].includes(listType)) out.push(fieldErrors.notSupported(`${path}.x-kubernetes-list-type`, listType, ['atomic', 'set', 'map']))
  if (keys.length > 0 && listType !== 'map') {
    const text = 'must be map if x-kubernetes-list-map-keys is non-empty'
    out.push(listType === undefined ? fieldErrors.required(`${path}.x-kubernetes-list-type`, text) : fieldErrors.invalid(`${path}.x-kubernetes-list-type`, listType, text))
  }
  if (listType !== 'map') return
  if (keys.length === 0) out.push(fieldErrors.required(`${path}.x-kubernetes-list-map-keys`, 'must not be empty if x-kubernetes-list-type is map'))
  if (schema.items === undefined) out.push(fieldErrors.required(`${path}.items`, 'must have a schema if x-kubernetes-list-type is map'))
  if (Array.isArray(schema.items)) out.push(fieldErrors.invalid(`${path}.items`, itemsOf(schema.items), 'must only have a single schema if x-kubernetes-list-type is map'))
  if (!isJsonObject(schema.items)) return
  const items = schema.items as JSONSchemaProps
  if (items.type !== 'object') {
    out.push(fieldErrors.invalid(`${path}.items.type`, items.type ?? '', "must be object if parent array's x-kubernetes-list-type is map"))
    return
  }
  for (const [i, key] of keys.entries()) {
    const property = Object.hasOwn(items.properties ?? {}, key) ? items.properties![key] : undefined
    if (property === undefined) out.push(fieldErrors.invalid(`${path}.x-kubernetes-list-map-keys`, keys, 'entries must all be names of item properties'))
    else if (property.type === 'array' || property.type === 'object') out.push(fieldErrors.invalid(`${path}.items.properties[${key}].type`, items.type, "must be a scalar type if parent array's x-kubernetes-list-type is map"))
    if (keys.indexOf(key) < i) out.push(fieldErrors.invalid(`${path}.x-kubernetes-list-map-keys`, keys, 'must not contain duplicate entries'))
  }
}

/** Keys of maps must be there, and neither they nor the items of maps and sets null. */
function mapKeyProblems(schema: Schema, path: string): FieldError[] {
  const listType = schema['x-kubernetes-list-type']
  if ((listType !== 'set' && listType !== 'map') || !isJsonObject(schema.items)) return []
  const out: FieldError[] = []
  const items = schema.items as JSONSchemaProps
  if (items.nullable === true) out.push(fieldErrors.forbidden(`${path}.items.nullable`, `cannot be nullable when x-kubernetes-list-type is ${listType}`))
  for (const key of listType === 'map' ? (schema['x-kubernetes-list-map-keys'] ?? []) : []) {
    const property = Object.hasOwn(items.properties ?? {}, key) ? items.properties![key] : undefined
    if (property === undefined) continue
    const at = `${path}.items.properties[${key}]`
    if ((property.default ?? undefined) === undefined && items.required?.includes(key) !== true) out.push(fieldErrors.required(`${at}.default`, 'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property'))
    if (property.nullable === true) out.push(fieldErrors.forbidden(`${at}.nullable`, 'this property is in x-kubernetes-list-map-keys, so it cannot be nullable'))
  }
  return out
}

export const hasLooseMapKeys = (schema: Schema): boolean => anySchema(schema, (each) => mapKeyProblems(each, '').length > 0)
export const hasUnknownTypes = (schema: Schema): boolean => anySchema(schema, ({ type = '' }) => type !== '' && !types.includes(type))

/** What can be said of a rule without compiling it. */
function checkRule(schema: Schema, rule: Readonly<ValidationRule>, path: string, out: FieldError[]): void {
  const { rule: text = '', message = '', messageExpression = '', reason, fieldPath = '' } = rule
  if (text.trim() === '') out.push(fieldErrors.required(`${path}.rule`, 'rule is not specified'))
  else if (message !== '' && message.trim() === '') out.push(fieldErrors.invalid(`${path}.message`, message, 'must be non-empty if specified'))
  else if (/[\r\n]/.test(message.trim())) out.push(fieldErrors.invalid(`${path}.message`, message, 'must not contain line breaks'))
  else if (/[\r\n]/.test(text.trim()) && message.trim() === '') out.push(fieldErrors.required(`${path}.message`, 'message must be specified if rule contains line breaks'))
  if (messageExpression !== '' && messageExpression.trim() === '') out.push(fieldErrors.required(`${path}.messageExpression`, 'messageExpression must be non-empty if specified'))
  if (reason !== undefined && !reasons.includes(reason)) out.push(fieldErrors.notSupported(`${path}.reason`, reason, reasons))
  if (fieldPath === '') return
  if (fieldPath.trim() === '') out.push(fieldErrors.invalid(`${path}.fieldPath`, fieldPath, 'must be non-empty if specified'))
  if (/[\r\n]/.test(fieldPath)) out.push(fieldErrors.invalid(`${path}.fieldPath`, fieldPath, 'must not contain line breaks'))
  if (typeof findFieldPath(fieldPath, schema, true) === 'string') out.push(fieldErrors.invalid(`${path}.fieldPath`, fieldPath, 'must be a valid path'))
}
