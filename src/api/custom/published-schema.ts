import { isJsonObject, type JsonObject } from '../../machinery/json-value.ts'
import { docOf } from '../type-docs.ts'

/** What version 2 of OpenAPI has no word for, and defaults, which are the server's to fill in. */
const version3Only = ['oneOf', 'anyOf', 'allOf', 'not', 'nullable', 'default']

/**
 * A custom resource's schema as OpenAPI documents show it: with the fields that every object has. Version 2 of OpenAPI lacks
 * some of what schemas say; what it lacks is left out, and what it would get wrong (fields that may be null, or anything)
 * is published without shape, as upstream does.
 */
export function publishedSchema(schema: Readonly<JsonObject>, format: 'v2' | 'v3', metadata: JsonObject): JsonObject {
  if (format === 'v2' && schema['x-kubernetes-preserve-unknown-fields'] === true) return { type: 'object' }
  const described = withFields(format === 'v2' ? reduced(schema) : schema, format, embeddedProperties(format, metadata))
  return { ...described, type: 'object', properties: { ...(isJsonObject(described.properties) ? described.properties : {}), ...resourceProperties(format, metadata) } }
}

/** What every object has, with what every type says of them. OpenAPI v3 allows nothing beside a `$ref`. */
function resourceProperties(format: 'v2' | 'v3', metadata: JsonObject): JsonObject {
  const description = 'Standard object\'s metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata'
  return {
    apiVersion: { type: 'string', description: docOf('v1.ConfigMap', 'apiVersion') },
    kind: { type: 'string', description: docOf('v1.ConfigMap', 'kind') },
    metadata: format === 'v2' ? { ...metadata, description } : { description, allOf: [metadata] },
  }
}

/** What every embedded object has: the same, in fewer words. */
function embeddedProperties(format: 'v2' | 'v3', metadata: JsonObject): JsonObject {
  const conventions = 'https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md'
  return {
    ...resourceProperties(format, metadata),
    apiVersion: { type: 'string', description: `apiVersion defines the versioned schema of this representation of an object. More info: ${conventions}#resources` },
    kind: { type: 'string', description: `kind is a string value representing the type of this object. In CamelCase. More info: ${conventions}#types-kinds` },
  }
}

/** The schema with `fields` in every embedded resource below. */
function withFields(schema: Readonly<JsonObject>, format: 'v2' | 'v3', fields: JsonObject): JsonObject {
  const out: JsonObject = { ...schema }
  if (format === 'v3' && schema['x-kubernetes-int-or-string'] === true && schema.anyOf === undefined && schema.allOf === undefined) out.anyOf = [{ type: 'integer' }, { type: 'string' }]
  for (const name of ['items', 'additionalProperties']) {
    const child = schema[name]
    if (isJsonObject(child)) out[name] = withFields(child, format, fields)
  }
  if (isJsonObject(schema.properties)) {
    out.properties = Object.fromEntries(Object.entries(schema.properties).map(([name, child]) => [name, isJsonObject(child) ? withFields(child, format, fields) : child]))
  }
  if (schema['x-kubernetes-embedded-resource'] !== true || (format === 'v2' && schema['x-kubernetes-preserve-unknown-fields'] === true)) return out
  const required = Array.isArray(schema.required) ? schema.required as string[] : []
  return {
    ...out, properties: { ...(isJsonObject(out.properties) ? out.properties : {}), ...fields },
    required: [...required, ...['kind', 'apiVersion'].filter((name) => !required.includes(name))],
  }
}

/** Without what version 2 lacks, and without the shapes that its readers would take for all there may be. */
function reduced(schema: Readonly<JsonObject>): JsonObject {
  const out: JsonObject = Object.fromEntries(Object.entries(schema).filter(([name]) => !version3Only.includes(name)))
  const [open, nullable] = [schema['x-kubernetes-preserve-unknown-fields'] === true, schema.nullable === true]
  if (open || nullable) for (const name of ['items', 'properties']) delete out[name]
  if (nullable || (open && out.type === 'object') || (out.type === 'array' && out.items === undefined)) delete out.type
  if (isJsonObject(out.properties)) {
    const properties = Object.entries(out.properties)
    requireLess(out, properties.filter(([, child]) => isJsonObject(child) && child.nullable === true).map(([name]) => name))
    out.properties = Object.fromEntries(properties.map(([name, child]) => [name, isJsonObject(child) ? reduced(child) : child]))
  }
  if (isJsonObject(out.items)) out.items = reduced(out.items)
  if (isJsonObject(out.additionalProperties)) {
    if (out.additionalProperties.nullable === true) delete out.required
    out.additionalProperties = reduced(out.additionalProperties)
  }
  return out
}

/** A field that may be null would be refused as missing by readers of version 2, so it is not required there. */
function requireLess(schema: JsonObject, names: readonly string[]): void {
  if (!Array.isArray(schema.required) || names.length === 0) return
  const left = schema.required.filter((name) => !names.includes(name as string))
  if (left.length > 0) schema.required = left
  else delete schema.required
}
