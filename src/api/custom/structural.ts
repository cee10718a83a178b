import { fieldErrors, fieldErrorText, type FieldError } from '../../machinery/field-error.ts'
import { isJsonObject, jsonEqual } from '../../machinery/json-value.ts'
import type { JSONSchemaProps } from '../types/apiextensions.k8s.io_v1.ts'
import { compilePattern } from '../cel/patterns.ts'

/**
 * Whether a schema is structural: every field has a type, and what stands in allOf, anyOf, oneOf and not speaks of values only
 * and of fields that are specified outside of them (apiextensions' `pkg/apiserver/schema`).
 */
type Schema = Readonly<JSONSchemaProps>
type Level = 'root' | 'item' | 'field'

/** Problems of the structure, in upstream's order: by their text. */
export function structuralProblems(schema: Schema, path: string): FieldError[] {
  const out: FieldError[] = []
  checkNode(schema, 'root', path, out)
  checkCompleteness(schema, schema, path, path, out)
  const text = (error: FieldError): string => `${error.path}: ${fieldErrorText(error)}`
  return out.map((error) => [text(error), error] as const).toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, error]) => error)
}

const emptyTypeTexts: Readonly<Record<Level, string>> = { root: 'must not be empty at the root', item: 'must not be empty for specified array items', field: 'must not be empty for specified object fields' }

/** The schema below `items` or `additionalProperties`, which may hold something else as well. */
const below = (value: unknown): Schema | undefined => (isJsonObject(value) ? (value as JSONSchemaProps) : undefined)
const isEmpty = (text: string | undefined): boolean => text === undefined || text === ''

function checkNode(schema: Schema, level: Level, path: string, out: FieldError[]): void {
  const { type = '', properties = {}, additionalProperties } = schema
  const isIntOrString = schema['x-kubernetes-int-or-string'] === true
  const preserves = schema['x-kubernetes-preserve-unknown-fields'] === true
  const isEmbedded = schema['x-kubernetes-embedded-resource'] === true
  const items = below(schema.items)
  if (type === 'array' && items === undefined) out.push(fieldErrors.required(`${path}.items`, 'must be specified'))
  if (items !== undefined) checkNode(items, 'item', `${path}.items`, out)
  for (const [name, child] of Object.entries(properties)) checkNode(child, 'field', `${path}.properties[${name}]`, out)
  if (additionalProperties !== undefined) {
    if (level === 'root') out.push(fieldErrors.forbidden(`${path}.additionalProperties`, 'must not be used at the root'))
    const values = below(additionalProperties)
    if (values !== undefined) checkNode(values, 'field', `${path}.additionalProperties`, out)
  }
  if (isIntOrString && preserves) out.push(fieldErrors.invalid(`${path}.x-kubernetes-preserve-unknown-fields`, true, 'must be false if x-kubernetes-int-or-string is true'))
  if (isIntOrString && isEmbedded) out.push(fieldErrors.invalid(`${path}.x-kubernetes-embedded-resource`, true, 'must be false if x-kubernetes-int-or-string is true'))
  checkValues(schema, { anyOf: isIntOrStringPair(schema.anyOf), firstAllOf: isIntOrStringPair(schema.allOf?.[0]?.anyOf) }, path, out)
  if (isEmbedded && type !== 'object') {
    const text = 'must be object if x-kubernetes-embedded-resource is true'
    out.push(type === '' ? fieldErrors.required(`${path}.type`, text) : fieldErrors.invalid(`${path}.type`, type, text))
  } else if (type === '' && !isIntOrString && !preserves) out.push(fieldErrors.required(`${path}.type`, emptyTypeTexts[level]))
  if (isEmbedded && additionalProperties !== undefined) out.push(fieldErrors.forbidden(`${path}.additionalProperties`, 'must not be used if x-kubernetes-embedded-resource is set'))
  if (level === 'root' && type !== '' && type !== 'object') out.push(fieldErrors.invalid(`${path}.type`, type, 'must be object at the root'))
  checkResourceFields(properties, level, isEmbedded, path, out)
  if (isEmbedded && !preserves && Object.keys(properties).length === 0) out.push(fieldErrors.required(`${path}.properties`, 'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields'))
}

/** What a schema may say of the fields that every object has. */
function checkResourceFields(properties: Readonly<Record<string, Schema>>, level: Level, isEmbedded: boolean, path: string, out: FieldError[]): void {
  const isResource = level === 'root' || isEmbedded
  for (const name of ['kind', 'apiVersion']) {
    if (isResource && Object.hasOwn(properties, name) && properties[name]!.type !== 'string') out.push(fieldErrors.invalid(`${path}.properties[${name}].type`, properties[name]!.type ?? '', 'must be string'))
  }
  if (!Object.hasOwn(properties, 'metadata')) return
  const metadata = properties.metadata!
  if (isResource && metadata.type !== 'object') out.push(fieldErrors.invalid(`${path}.properties[metadata].type`, metadata.type ?? '', 'must be object'))
  if (level === 'root' && !restrictsNamesOnly(metadata)) out.push(fieldErrors.forbidden(`${path}.properties[metadata]`, 'must not specify anything other than name and generateName, but metadata is implicitly specified'))
}

function restrictsNamesOnly({ type: _type, default: _default, properties = {}, ...rest }: Schema): boolean {
  if (!Object.keys(properties).every((name) => name === 'name' || name === 'generateName')) return false
  return Object.values(rest).every((value) => value === undefined || value === '' || value === false)
}

function isIntOrStringPair(schemas: readonly Schema[] | undefined): boolean {
  return schemas !== undefined && jsonEqual(schemas, [{ type: 'integer' }, { type: 'string' }])
}

/** int-or-string may say so with types in `anyOf`, or in that of the first of `allOf`. */
interface Skipped { anyOf: boolean; firstAllOf: boolean }
const nothingSkipped: Skipped = { anyOf: false, firstAllOf: false }

function checkValues(schema: Schema, skipped: Skipped, path: string, out: FieldError[]): void {
  if (!skipped.anyOf) for (const [i, each] of (schema.anyOf ?? []).entries()) checkNested(each, nothingSkipped, `${path}.anyOf[${i}]`, out)
  for (const [i, each] of (schema.allOf ?? []).entries()) checkNested(each, { anyOf: skipped.firstAllOf && i === 0, firstAllOf: false }, `${path}.allOf[${i}]`, out)
  for (const [i, each] of (schema.oneOf ?? []).entries()) checkNested(each, nothingSkipped, `${path}.oneOf[${i}]`, out)
  if (schema.not !== undefined) checkNested(schema.not, nothingSkipped, `${path}.not`, out)
  if (isEmpty(schema.pattern)) return
  try {
    compilePattern(schema.pattern!)
  } catch (cause) {
    out.push(fieldErrors.invalid(`${path}.pattern`, schema.pattern, `must be a valid regular expression, but isn't: ${(cause as Error).message}`))
  }
}

function checkNested(schema: Schema, skipped: Skipped, path: string, out: FieldError[]): void {
  const forbid = (field: string, must: 'empty' | 'undefined' | 'false'): void => void out.push(fieldErrors.forbidden(`${path}.${field}`, `must be ${must} to be structural`))
  checkValues(schema, skipped, path, out)
  const items = below(schema.items)
  if (items !== undefined) checkNested(items, nothingSkipped, `${path}.items`, out)
  for (const [name, child] of Object.entries(schema.properties ?? {})) checkNested(child, nothingSkipped, `${path}.properties[${name}]`, out)
  for (const field of ['type', 'title', 'description'] as const) if (!isEmpty(schema[field])) forbid(field, 'empty')
  if (schema.additionalProperties === true || isJsonObject(schema.additionalProperties)) forbid('additionalProperties', 'undefined')
  for (const field of ['default', 'x-kubernetes-list-type', 'x-kubernetes-map-type'] as const) if (schema[field] !== undefined && schema[field] !== null) forbid(field, 'undefined')
  for (const field of ['nullable', 'x-kubernetes-preserve-unknown-fields', 'x-kubernetes-embedded-resource', 'x-kubernetes-int-or-string'] as const) if (schema[field] === true) forbid(field, 'false')
  for (const field of ['x-kubernetes-list-map-keys', 'x-kubernetes-validations'] as const) if ((schema[field]?.length ?? 0) > 0) forbid(field, 'empty')
  if (Object.hasOwn(schema.properties ?? {}, 'metadata')) out.push(fieldErrors.forbidden(`${path}.properties[metadata]`, 'must not be specified in a nested context'))
}

/**
 * What values are checked for must be specified: `nested` is where they are checked (at `nestedPath`), `schema` what is
 * specified there. As upstream, only from the root of the schema.
 */
function checkCompleteness(nested: Schema, schema: Schema, path: string, nestedPath: string, out: FieldError[]): void {
  if (nested.not !== undefined) checkSpecified(nested.not, schema, path, `${nestedPath}.not`, out)
  for (const field of ['allOf', 'anyOf', 'oneOf'] as const) for (const [i, each] of (nested[field] ?? []).entries()) checkSpecified(each, schema, path, `${nestedPath}.${field}[${i}]`, out)
}

function checkSpecified(nested: Schema, schema: Schema | undefined, path: string, nestedPath: string, out: FieldError[]): void {
  if (schema === undefined) {
    out.push(fieldErrors.required(path, `because it is defined in ${nestedPath}`))
    return
  }
  checkCompleteness(nested, schema, path, nestedPath, out)
  const items = below(nested.items)
  if (items !== undefined) checkSpecified(items, below(schema.items), `${path}.items`, `${nestedPath}.items`, out)
  for (const [name, child] of Object.entries(nested.properties ?? {})) {
    const own = schema.properties !== undefined && Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined
    checkSpecified(child, own, `${path}.properties[${name}]`, `${nestedPath}.properties[${name}]`, out)
  }
}
