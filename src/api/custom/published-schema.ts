import { isJsonObject, type JsonObject } from '../../machinery/json-value.ts'
import { docOf } from '../type-docs.ts'

const valueChecks = ['oneOf', 'anyOf', 'allOf', 'not', 'nullable', 'x-kubernetes-validations']

/**
 * A custom resource's schema as OpenAPI documents show it: with the fields that every object has. Version 2 of OpenAPI lacks
 * some of what schemas say; what it lacks is left out, and what it would get wrong (fields that may be null, or anything)
 * is published without shape, as upstream does.
 */
export function publishedSchema(schema: Readonly<JsonObject>, format: 'v2' | 'v3', metadata: JsonObject): JsonObject {
  if (format === 'v2' && schema['x-kubernetes-preserve-unknown-fields'] === true) return { ...reduced(schema), type: 'object' }
  const described = withFields(format === 'v2' ? reduced(schema) : schema, format, resourceProperties(format, metadata))
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

/** The schema with `fields` in every embedded resource below. */
function withFields(schema: Readonly<JsonObject>, format: 'v2' | 'v3', fields: JsonObject): JsonObject {
  const out: JsonObject = { ...schema }
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

function reduced(schema: Readonly<JsonObject>): JsonObject {
  const out: JsonObject = Object.fromEntries(Object.entries(schema).filter(([name]) => !valueChecks.includes(name)))
  if (schema.nullable === true || schema['x-kubernetes-preserve-unknown-fields'] === true) {
    for (const name of ['type', 'items', 'properties', 'additionalProperties']) delete out[name]
    if (schema.type === 'object' && schema.nullable !== true) out.type = 'object'
    return out
  }
  if (isJsonObject(schema.items)) out.items = reduced(schema.items)
  if (isJsonObject(schema.additionalProperties)) out.additionalProperties = reduced(schema.additionalProperties)
  if (isJsonObject(schema.properties)) out.properties = Object.fromEntries(Object.entries(schema.properties).map(([name, child]) => [name, isJsonObject(child) ? reduced(child) : child]))
  return out
}
