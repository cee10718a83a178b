import { isJsonObject, setOwn, type JsonObject } from '../../machinery/json-value.ts'
import type { SchemaNode } from './schema.ts'

/**
 * Fills defaults in place: in objects, and in items and values that are there already. A null where the schema has a default
 * and takes no null counts as left out.
 */
export function applySchemaDefaults(node: SchemaNode, value: unknown): void {
  if (!node.has.defaults) return
  if (Array.isArray(value)) {
    if (node.items === undefined || !node.items.has.defaults) return
    for (const [i, item] of value.entries()) {
      if (item === null && !node.items.nullable && node.items.default !== undefined) value[i] = structuredClone(node.items.default)
      applySchemaDefaults(node.items, value[i])
    }
  } else if (isJsonObject(value)) fillObject(node, value)
}

function fillObject(node: SchemaNode, object: JsonObject): void {
  for (const [name, child] of node.properties) {
    if (!child.has.defaults) continue
    const isLeftOut = !Object.hasOwn(object, name) || (object[name] === null && !child.nullable)
    if (isLeftOut) {
      if (child.default === undefined) continue
      setOwn(object, name, structuredClone(child.default))
    }
    applySchemaDefaults(child, object[name])
  }
  const { additional } = node
  if (typeof additional !== 'object' || !additional.has.defaults) return
  for (const name of Object.keys(object)) {
    if (node.properties.has(name)) continue
    if (object[name] === null && !additional.nullable && additional.default !== undefined) setOwn(object, name, structuredClone(additional.default))
    applySchemaDefaults(additional, object[name])
  }
}
