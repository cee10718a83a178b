import { fieldErrors, type FieldError } from '../../machinery/field-error.ts'
import { isJsonObject } from '../../machinery/json-value.ts'
import type { JSONSchemaProps, ValidationRule } from '../types/apiextensions.k8s.io_v1.ts'
import { compilePattern } from '../cel/patterns.ts'
import { applySchemaDefaults } from './default.ts'
import { prune } from './prune.ts'
import { schemaHasRules } from './rules-in-schema.ts'
import { compileSchema } from './schema.ts'
import { validateListTypes, validateValue } from './validate.ts'

type Schema = Readonly<JSONSchemaProps>
const types = ['array', 'boolean', 'integer', 'number', 'object', 'string']
const reasons = ['FieldValueRequired', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueDuplicate']

/** Looks into the rules of a schema whose structure is sound; loaded by whoever loads the CEL engine, since most definitions have none. */
export type RuleChecker = (schema: Readonly<JSONSchemaProps>, path: string) => FieldError[]
let checkRules: RuleChecker | undefined

/** Gives definitions with rules somebody to ask; without one their rules are taken as they are. */
export function useRuleChecker(checker: RuleChecker): void {
  checkRules = checker
}

/** The rules of structural schemas, and that their defaults hold. */
export function validateStructuralSchema(schema: Schema, path: string): FieldError[] {
  const out: FieldError[] = []
  if (schema.type !== 'object') out.push(schema.type === undefined || schema.type === '' ? fieldErrors.required(`${path}.type`, 'must not be empty at the root') : fieldErrors.invalid(`${path}.type`, schema.type, 'must be object at the root'))
  if (schema.nullable === true) out.push(fieldErrors.forbidden(`${path}.nullable`, 'nullable cannot be true at the root'))
  checkNode(schema, path, true, out)
  return out.length === 0 && schemaHasRules(schema) && checkRules !== undefined ? checkRules(schema, path) : out
}

function checkNode(schema: Schema, path: string, isRoot: boolean, out: FieldError[]): void {
  const forbidden = (field: string, text: string): void => void out.push(fieldErrors.forbidden(`${path}.${field}`, text))
  const preserves = schema['x-kubernetes-preserve-unknown-fields']
  const intOrString = schema['x-kubernetes-int-or-string'] === true
  if (schema.$ref !== undefined) forbidden('$ref', '$ref is not supported')
  if (schema.definitions !== undefined) forbidden('definitions', 'definitions is not supported')
  if (schema.dependencies !== undefined) forbidden('dependencies', 'dependencies is not supported')
  if (schema.patternProperties !== undefined) forbidden('patternProperties', 'patternProperties is not supported')
  if (schema.additionalItems !== undefined) forbidden('additionalItems', 'additionalItems is not supported')
  if (schema.uniqueItems === true) forbidden('uniqueItems', 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic')
  if (schema.additionalProperties === false) forbidden('additionalProperties', 'additionalProperties cannot be set to false')
  if (schema.additionalProperties !== undefined && schema.properties !== undefined) forbidden('additionalProperties', 'additionalProperties and properties are mutual exclusive')
  if (preserves === false) out.push(fieldErrors.invalid(`${path}.x-kubernetes-preserve-unknown-fields`, false, 'must be true or undefined'))
  if (schema.type === undefined || schema.type === '') {
    if (!intOrString && preserves !== true && !isRoot) out.push(fieldErrors.required(`${path}.type`, 'must not be empty for specified object fields'))
  } else if (!types.includes(schema.type)) out.push(fieldErrors.notSupported(`${path}.type`, schema.type, types))
  if (intOrString && schema.type !== undefined && schema.type !== '') out.push(fieldErrors.forbidden(`${path}.type`, 'must be empty if x-kubernetes-int-or-string is true'))
  if (schema['x-kubernetes-embedded-resource'] === true) {
    if (schema.type !== 'object') out.push(fieldErrors.invalid(`${path}.type`, schema.type ?? '', 'must be object if x-kubernetes-embedded-resource is true'))
    if (schema.properties === undefined && preserves !== true) out.push(fieldErrors.required(`${path}.properties`, 'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields'))
  }
  checkLists(schema, path, out)
  if (schema.pattern !== undefined && schema.pattern !== '') checkPattern(schema.pattern, `${path}.pattern`, out)
  checkDefault(schema, path, out)
  for (const [i, rule] of (schema['x-kubernetes-validations'] ?? []).entries()) {
    checkRule(rule, `${path}.x-kubernetes-validations[${i}]`, out)
    if ((rule.fieldPath ?? '') !== '' && !leadsSomewhere(schema, rule.fieldPath!)) out.push(fieldErrors.invalid(`${path}.x-kubernetes-validations[${i}].fieldPath`, rule.fieldPath, 'must be a valid path'))
  }
  for (const field of ['allOf', 'anyOf', 'oneOf'] as const) for (const [i, each] of (schema[field] ?? []).entries()) checkValueSchema(schema, each, `${path}.${field}[${i}]`, out)
  if (schema.not !== undefined) checkValueSchema(schema, schema.not, `${path}.not`, out)
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    if ((isRoot || schema['x-kubernetes-embedded-resource'] === true) && name === 'metadata') checkMetadata(child, `${path}.properties[metadata]`, out)
    else checkNode(child, `${path}.properties[${name}]`, false, out)
  }
  if (isJsonObject(schema.additionalProperties)) checkNode(schema.additionalProperties as JSONSchemaProps, `${path}.additionalProperties`, false, out)
  if (isJsonObject(schema.items)) checkNode(schema.items as JSONSchemaProps, `${path}.items`, false, out)
}

/** Metadata is the API server's: a schema may restrict its name only. */
function checkMetadata(schema: Schema, path: string, out: FieldError[]): void {
  if (schema.type !== undefined && schema.type !== 'object') out.push(fieldErrors.invalid(`${path}.type`, schema.type, 'must be object'))
  for (const name of Object.keys(schema.properties ?? {})) if (name !== 'name' && name !== 'generateName') out.push(fieldErrors.forbidden(`${path}`, `must not specify anything other than name and generateName, but metadata.${name} is specified`))
}

function checkLists(schema: Schema, path: string, out: FieldError[]): void {
  const listType = schema['x-kubernetes-list-type']
  const keys = schema['x-kubernetes-list-map-keys'] ?? []
  if (schema.type === 'array' && schema.items === undefined) out.push(fieldErrors.required(`${path}.items`, 'must be specified'))
  if (listType !== undefined && !['atomic', 'set', 'map'].includes(listType)) out.push(fieldErrors.notSupported(`${path}.x-kubernetes-list-type`, listType, ['atomic', 'set', 'map']))
  if (listType !== undefined && schema.type !== 'array') out.push(schema.type === undefined || schema.type === '' ? fieldErrors.required(`${path}.type`, 'must be array if x-kubernetes-list-type is specified') : fieldErrors.invalid(`${path}.type`, schema.type, 'must be array if x-kubernetes-list-type is specified'))
  const mapType = schema['x-kubernetes-map-type']
  if (mapType !== undefined && !['atomic', 'granular'].includes(mapType)) out.push(fieldErrors.notSupported(`${path}.x-kubernetes-map-type`, mapType, ['atomic', 'granular']))
  if (listType !== 'map') {
    if (keys.length > 0) out.push(fieldErrors.forbidden(`${path}.x-kubernetes-list-map-keys`, 'must not be set if x-kubernetes-list-type is not map'))
    return
  }
  if (keys.length === 0) out.push(fieldErrors.required(`${path}.x-kubernetes-list-map-keys`, 'must not be empty if x-kubernetes-list-type is map'))
  const items = isJsonObject(schema.items) ? (schema.items as JSONSchemaProps) : undefined
  if (items === undefined) return
  if (items.type !== 'object') out.push(fieldErrors.invalid(`${path}.items.type`, items.type ?? '', 'must be object if parent array\'s x-kubernetes-list-type is map'))
  for (const [i, key] of keys.entries()) {
    const property = items.properties?.[key]
    if (property === undefined) out.push(fieldErrors.invalid(`${path}.x-kubernetes-list-map-keys[${i}]`, key, 'entries must all be names of item properties'))
    else if (property.default === undefined && items.required?.includes(key) !== true) out.push(fieldErrors.required(`${path}.items.properties[${key}].default`, 'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property'))
  }
}

function checkDefault(schema: Schema, path: string, out: FieldError[]): void {
  if (schema.default === undefined) return
  const node = compileSchema(schema)
  const value = structuredClone(schema.default)
  applySchemaDefaults(node, value)
  if (isJsonObject(value) && !node.preservesUnknown) {
    const dropped = prune({ ...node, embedded: false }, { ...structuredClone(value) })
    if (dropped.length > 0 && !node.embedded) out.push(fieldErrors.invalid(`${path}.default`, schema.default, `must not have unknown fields: ${dropped.join(', ')}`))
  }
  for (const error of [...validateValue(node, value, `${path}.default`), ...validateListTypes(node, value, `${path}.default`)]) out.push(error)
}

/** Inside allOf, anyOf, oneOf and not a schema says nothing about shape. */
function checkValueSchema(parent: Schema, schema: Schema, path: string, out: FieldError[]): void {
  const forbidden = (field: string): void => void out.push(fieldErrors.forbidden(`${path}.${field}`, 'must be empty to be structural'))
  const isIntOrString = parent['x-kubernetes-int-or-string'] === true
  if (schema.type !== undefined && schema.type !== '' && !isIntOrString) forbidden('type')
  if (schema.description !== undefined) forbidden('description')
  if (schema.title !== undefined) forbidden('title')
  if (schema.nullable === true) forbidden('nullable')
  if (schema.default !== undefined) forbidden('default')
  if (schema.additionalProperties !== undefined) forbidden('additionalProperties')
  if (schema['x-kubernetes-preserve-unknown-fields'] !== undefined) forbidden('x-kubernetes-preserve-unknown-fields')
  if (schema['x-kubernetes-embedded-resource'] === true) forbidden('x-kubernetes-embedded-resource')
  if (schema['x-kubernetes-validations'] !== undefined && schema['x-kubernetes-validations'].length > 0) forbidden('x-kubernetes-validations')
  for (const field of ['allOf', 'anyOf', 'oneOf'] as const) for (const [i, each] of (schema[field] ?? []).entries()) checkValueSchema(parent, each, `${path}.${field}[${i}]`, out)
  if (schema.not !== undefined) checkValueSchema(parent, schema.not, `${path}.not`, out)
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    const above = parent.properties?.[name] ?? (isJsonObject(parent.additionalProperties) ? (parent.additionalProperties as JSONSchemaProps) : undefined)
    if (above === undefined && parent['x-kubernetes-preserve-unknown-fields'] !== true) out.push(fieldErrors.required(`${path.replace(/\.(allOf|anyOf|oneOf|not)(\[\d+\])?.*$/, '')}.properties[${name}]`, `because it is defined in ${path}.properties[${name}]`))
    checkValueSchema(above ?? {}, child, `${path}.properties[${name}]`, out)
  }
  if (isJsonObject(schema.items)) checkValueSchema(isJsonObject(parent.items) ? (parent.items as JSONSchemaProps) : {}, schema.items as JSONSchemaProps, `${path}.items`, out)
}

/** What can be said of a rule without its schema. */
function checkRule(rule: Readonly<ValidationRule>, path: string, out: FieldError[]): void {
  const { rule: text = '', message = '', messageExpression = '', reason, fieldPath = '' } = rule
  if (text.trim() === '') out.push(fieldErrors.required(`${path}.rule`, 'rule is not specified'))
  else if (message !== '' && message.trim() === '') out.push(fieldErrors.invalid(`${path}.message`, message, 'must be non-empty if specified'))
  else if (/[\r\n]/.test(message.trim())) out.push(fieldErrors.invalid(`${path}.message`, message, 'must not contain line breaks'))
  else if (/[\r\n]/.test(text.trim()) && message.trim() === '') out.push(fieldErrors.required(`${path}.message`, 'message must be specified if rule contains line breaks'))
  if (messageExpression !== '' && messageExpression.trim() === '') out.push(fieldErrors.required(`${path}.messageExpression`, 'messageExpression must be non-empty if specified'))
  if (reason !== undefined && !reasons.includes(reason)) out.push(fieldErrors.notSupported(`${path}.reason`, reason, reasons.toSorted()))
  if (fieldPath !== '' && fieldPath.trim() === '') out.push(fieldErrors.invalid(`${path}.fieldPath`, fieldPath, 'must be non-empty if specified'))
  if (/[\r\n]/.test(fieldPath)) out.push(fieldErrors.invalid(`${path}.fieldPath`, fieldPath, 'must not contain line breaks'))
}

/** Whether a rule's path leads through the schema: `.spec.foo`, `.labels['app']`. */
function leadsSomewhere(schema: Schema, fieldPath: string): boolean {
  if (!/^(?:\.[A-Za-z_$][\w$-]*|\['(?:[^'\\]|\\.)*'\])+$/.test(fieldPath)) return false
  let at: Schema | undefined = schema
  for (const [, name, quoted] of fieldPath.matchAll(/\.([A-Za-z_$][\w$-]*)|\['((?:[^'\\]|\\.)*)'\]/g)) {
    const field = name ?? quoted!.replace(/\\(.)/g, '$1')
    const property: Schema | undefined = at?.properties !== undefined && Object.hasOwn(at.properties, field) ? at.properties[field] : undefined
    at = property ?? (isJsonObject(at?.additionalProperties) && name === undefined ? (at.additionalProperties as JSONSchemaProps) : undefined)
    if (at === undefined) return false
  }
  return true
}

function checkPattern(pattern: string, path: string, out: FieldError[]): void {
  try {
    compilePattern(pattern)
  } catch (cause) {
    out.push(fieldErrors.invalid(path, pattern, `must be a valid regular expression, but isn't: ${(cause as Error).message}`))
  }
}
