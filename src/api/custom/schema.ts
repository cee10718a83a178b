import { isJsonObject, jsonEqual, type JsonObject } from '../../machinery/json-value.ts'
import type { JSONSchemaProps, ValidationRule } from '../types/apiextensions.k8s.io_v1.ts'

/**
 * A structural schema (https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema)
 * compiled once for a version of a definition: what pruning, defaulting, validation and apply walk along with an object.
 */
export interface SchemaNode {
  /** As written, for value checks. */
  readonly raw: Readonly<JSONSchemaProps>
  /** '' where any type goes (int-or-string, preserve-unknown-fields). */
  readonly type: string
  readonly nullable: boolean
  readonly intOrString: boolean
  readonly preservesUnknown: boolean
  readonly embedded: boolean
  readonly properties: ReadonlyMap<string, SchemaNode>
  /** Schema of values that are no property; `true` takes anything. */
  readonly additional: SchemaNode | true | undefined
  readonly items: SchemaNode | undefined
  readonly default: unknown
  readonly listType: '' | 'atomic' | 'set' | 'map'
  readonly listMapKeys: readonly string[]
  readonly mapType: '' | 'atomic' | 'granular'
  readonly rules: readonly ValidationRule[]
  /** What this node or a node below it has: walks turn back where there is nothing for them. */
  readonly has: { readonly defaults: boolean; readonly listTypes: boolean; readonly embedded: boolean; readonly rules: boolean }
}

const none: ReadonlyMap<string, SchemaNode> = new Map()

/** Compiles a schema that has passed the definition's validation; no schema at all keeps every field. */
export function compileSchema(raw: Readonly<JSONSchemaProps> | undefined): SchemaNode {
  return compile(raw ?? { type: 'object', 'x-kubernetes-preserve-unknown-fields': true })
}

function compile(raw: Readonly<JSONSchemaProps>): SchemaNode {
  const properties = raw.properties === undefined ? none : new Map(Object.entries(raw.properties).map(([name, each]) => [name, compile(each)]))
  const items = isJsonObject(raw.items) ? compile(raw.items as JSONSchemaProps) : undefined
  const extra = raw.additionalProperties
  const additional = extra === true ? true : isJsonObject(extra) ? compile(extra as JSONSchemaProps) : undefined
  const below = [...properties.values(), ...(items === undefined ? [] : [items]), ...(typeof additional === 'object' ? [additional] : [])]
  const listType = (raw['x-kubernetes-list-type'] ?? '') as SchemaNode['listType']
  const embedded = raw['x-kubernetes-embedded-resource'] === true
  const rules = raw['x-kubernetes-validations'] ?? []
  return {
    raw, properties, items, additional, listType, embedded, rules,
    type: raw.type ?? '',
    nullable: raw.nullable === true,
    intOrString: raw['x-kubernetes-int-or-string'] === true,
    preservesUnknown: raw['x-kubernetes-preserve-unknown-fields'] === true,
    default: raw.default,
    listMapKeys: raw['x-kubernetes-list-map-keys'] ?? [],
    mapType: (raw['x-kubernetes-map-type'] ?? '') as SchemaNode['mapType'],
    has: {
      defaults: raw.default !== undefined || below.some((node) => node.has.defaults),
      listTypes: listType === 'set' || listType === 'map' || below.some((node) => node.has.listTypes),
      embedded: embedded || below.some((node) => node.has.embedded),
      rules: rules.length > 0 || below.some((node) => node.has.rules),
    },
  }
}

/** The schema of a field of an object, if it has one. */
export function childOf(node: SchemaNode, name: string): SchemaNode | undefined {
  return node.properties.get(name) ?? (typeof node.additional === 'object' ? node.additional : undefined)
}

/** `spec.ports[0].name`, `metadata.labels[app]`: how upstream's field paths are joined. */
export function childPath(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`
}

/** Fields that every object has, whether its schema names them or not. */
export const rootFields: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata'])

/** The items of a list of type map by their keys; undefined where one of them has none. */
export function listMapKey(node: SchemaNode, item: unknown): string | undefined {
  if (!isJsonObject(item)) return undefined
  return JSON.stringify(node.listMapKeys.map((key) => (Object.hasOwn(item, key) ? item[key] : (node.items?.properties.get(key)?.default ?? null))))
}

/** Whether a value stands as it was: items of list maps may have changed places. */
export function isUnchanged(node: SchemaNode | undefined, value: unknown, old: unknown): boolean {
  if (jsonEqual(value, old)) return true
  if (node === undefined || !node.has.listTypes) return false
  if (Array.isArray(value)) {
    if (node.listType !== 'map' || node.items === undefined || !Array.isArray(old) || value.length !== old.length) return false
    const before = new Map(old.map((item) => [listMapKey(node, item), item]))
    return value.every((item) => isUnchanged(node.items, item, before.get(listMapKey(node, item))))
  }
  if (!isJsonObject(value) || !isJsonObject(old) || Object.keys(value).length !== Object.keys(old).length) return false
  return Object.entries(value).every(([name, child]) => Object.hasOwn(old, name) && isUnchanged(childOf(node, name), child, old[name]))
}

export type { JsonObject }
