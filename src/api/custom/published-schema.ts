import { isJsonObject, type JsonObject } from '../../machinery/json-value.ts'

const valueChecks = ['oneOf', 'anyOf', 'allOf', 'not', 'nullable', 'x-kubernetes-validations']

/**
 * A custom resource's schema as OpenAPI documents show it: with the fields that every object has. Version 2 of OpenAPI lacks
 * some of what schemas say; what it lacks is left out, and what it would get wrong (fields that may be null, or anything)
 * is published without shape, as upstream does.
 */
export function publishedSchema(schema: Readonly<JsonObject>, format: 'v2' | 'v3', metadata: JsonObject): JsonObject {
  const base = format === 'v2' ? reduced(schema) : schema
  const properties = isJsonObject(base.properties) ? base.properties : undefined
  if (properties === undefined) return { ...base, type: 'object', ...(schema['x-kubernetes-preserve-unknown-fields'] === true && format === 'v2' ? {} : { properties: rootProperties(metadata) }) }
  return { ...base, type: 'object', properties: { ...properties, ...rootProperties(metadata) } }
}

function rootProperties(metadata: JsonObject): JsonObject {
  return {
    apiVersion: { type: 'string', description: 'The version of the API that this object is written in: GROUP/VERSION.' },
    kind: { type: 'string', description: 'What kind of object this is. Cannot be changed.' },
    metadata,
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
