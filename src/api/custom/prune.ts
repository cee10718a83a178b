import { isJsonObject, type JsonObject } from '../../machinery/json-value.ts'
import { childPath, rootFields, type SchemaNode } from './schema.ts'

/** Paths of dropped fields that are named at most, so that a hostile object cannot make a hostile answer. */
const maxReported = 100

/**
 * Drops in place what the schema doesn't specify, and nulls that it doesn't take, and returns the paths of what was dropped, sorted. `apiVersion`, `kind` and
 * `metadata` of the root and of embedded resources stay.
 */
export function prune(node: SchemaNode, object: JsonObject): string[] {
  const dropped: string[] = []
  pruneObject(node, object, '', true, dropped)
  return dropped.sort()
}

function pruneValue(node: SchemaNode, value: unknown, path: string, dropped: string[]): void {
  if (Array.isArray(value)) {
    if (node.items === undefined) return
    for (const [i, item] of value.entries()) pruneValue(node.items, item, `${path}[${i}]`, dropped)
  } else if (isJsonObject(value)) pruneObject(node, value, path, node.embedded, dropped)
}

function pruneObject(node: SchemaNode, object: JsonObject, path: string, isResource: boolean, dropped: string[]): void {
  for (const name of Object.keys(object)) {
    if (isResource && rootFields.has(name)) continue
    const child = node.properties.get(name) ?? node.additional
    if (child === undefined) {
      if (node.preservesUnknown) continue
      delete object[name]
      if (dropped.length < maxReported) dropped.push(childPath(path, name))
    } else if (child !== true) {
      // A null that a field takes neither as value nor for its default is as if it was not there.
      if (object[name] === null && !child.nullable && (child.default ?? undefined) === undefined) delete object[name]
      else pruneValue(child, object[name], childPath(path, name), dropped)
    }
  }
}
