import type { SchemaNode } from '../custom/schema.ts'
import type { ListType } from './json-values.ts'
import { BOOL, BYTES, DOUBLE, DURATION, DYN, INT, listOf, mapOf, reservedWords, STRING, TIMESTAMP, type CelField, type CelType } from './types.ts'

/** CEL types of structural schemas (`pkg/cel/common/schemas.go`), with the sizes that their limits allow. */
export const maxRequestBytes = 3 * 1024 * 1024

/** How a field is named in rules (`namespace` is `__namespace__`, `a.b` is `a__dot__b`); undefined where it cannot be. */
export function escapedName(name: string): string | undefined {
  if (reservedWords.has(name)) return `__${name}__`
  if (!/^[A-Za-z_.\-/][A-Za-z0-9_.\-/]*$/.test(name)) return undefined
  return name.replaceAll('__', '__underscores__').replaceAll('.', '__dot__').replaceAll('-', '__dash__').replaceAll('/', '__slash__')
}

const escapes: Readonly<Record<string, string>> = { underscores: '__', dot: '.', dash: '-', slash: '/' }

/** The name that an escaped one stands for; undefined where it has an escape that there is not. */
export function unescapedName(escaped: string): string | undefined {
  let isValid = true
  const name = escaped.replaceAll(/__([^_]+)__/g, (whole, inner: string) => {
    const text = Object.hasOwn(escapes, inner) ? escapes[inner] : reservedWords.has(inner) && whole.length === escaped.length ? inner : undefined
    isValid &&= text !== undefined
    return text ?? ''
  })
  return isValid ? name : undefined
}

const sized = (type: CelType, minSerializedSize: number, maxElements: number): CelType => ({ ...type, minSerializedSize, maxElements })
const scalar = (type: CelType, minSerializedSize: number): CelType => ({ ...type, minSerializedSize, maxElements: 0 })
const name = sized(STRING, 2, maxRequestBytes - 2)
/** Upstream reckons keys of maps as if they were empty. */
const key = sized(STRING, 2, 0)
const limit = (value: number): number => Math.max(0, value)

/** A name for the type of what a rule is about, another for each: objects of different schemas cannot be compared. */
export function uniqueTypeName(prefix: string): string {
  namesGiven += 1
  return `${prefix}${namesGiven}`
}
let namesGiven = 0

/**
 * The type of a schema's values; undefined for what rules don't see. `isRoot`: of a resource, or an embedded one. Types of objects are
 * called by where they are: `selfType1`, `selfType1.spec`, `selfType1.list.@idx`.
 */
export function schemaType(node: SchemaNode, isRoot: boolean, name = uniqueTypeName('selfType')): CelType | undefined {
  const { raw } = node
  if (node.intOrString) return sized(DYN, 1, raw.maxLength === undefined ? maxRequestBytes - 2 : limit(raw.maxLength) * 4)
  switch (node.type) {
    case 'array': return listType(node, name)
    case 'object': return typeof node.additional === 'object' ? mapType(node, node.additional, name) : objectType(node, isRoot, name)
    case 'string': return textType(node)
    case 'boolean': return scalar(BOOL, 4)
    case 'number': return scalar(DOUBLE, 1)
    case 'integer': return scalar(INT, 1)
    default: return isRoot ? objectType(node, isRoot, name) : undefined
  }
}

function listType(node: SchemaNode, name: string): CelType | undefined {
  const item = node.items === undefined ? undefined : schemaType(node.items, node.items.embedded, `${name}.@idx`)
  if (item === undefined) return undefined
  const maxElements = node.raw.maxItems === undefined ? Math.trunc((maxRequestBytes - 2) / ((item.minSerializedSize ?? 0) + 1)) : limit(node.raw.maxItems)
  const type: ListType = { ...sized(listOf(item), 2, maxElements), ...(node.listType === 'set' || node.listType === 'map' ? { shape: { kind: node.listType, keys: node.listMapKeys.map((key) => escapedName(key) ?? key) } } : {}) }
  return type
}

function mapType(node: SchemaNode, values: SchemaNode, name: string): CelType | undefined {
  const value = schemaType(values, values.embedded, `${name}.@elem`)
  if (value === undefined) return undefined
  return sized(mapOf(key, value), 2, node.raw.maxProperties === undefined ? Math.trunc((maxRequestBytes - 2) / ((value.minSerializedSize ?? 0) + 6)) : limit(node.raw.maxProperties))
}

function objectType(node: SchemaNode, isRoot: boolean, typeName: string): CelType {
  const fields = new Map<string, CelField>()
  const required = new Set(node.raw.required)
  let minSerializedSize = 2
  const isDescribed = describesObject(node)
  const put = (field: string, type: CelType): void => {
    const escaped = escapedName(field)
    if (escaped !== undefined) fields.set(escaped, { type, name: field })
    if (required.has(field) && node.properties.get(field)?.default === undefined) minSerializedSize += field.length + (type.minSerializedSize ?? 0) + 4
  }
  for (const [field, child] of node.properties) {
    if (isRoot && !isDescribed && (field === 'apiVersion' || field === 'kind' || field === 'metadata')) continue
    const type = schemaType(child, child.embedded, `${typeName}.${escapedName(field) ?? field}`)
    if (type !== undefined) put(field, type)
  }
  if (isRoot && !isDescribed) {
    put('apiVersion', name)
    put('kind', name)
    put('metadata', { ...metadataType, name: `${typeName}.metadata` })
  }
  return { kind: 'object', name: typeName, params: [], fields: () => fields, minSerializedSize, maxElements: 0 }
}

/** Whether a schema says itself what `apiVersion`, `kind` and `metadata` are. */
function describesObject({ properties }: SchemaNode): boolean {
  const metadata = properties.get('metadata')
  return properties.get('kind')?.type === 'string' && properties.get('apiVersion')?.type === 'string' && metadata?.type === 'object' && metadata.properties.size > 0
}

const metadataFields: ReadonlyMap<string, CelField> = new Map([['name', { type: name, name: 'name' }], ['generateName', { type: name, name: 'generateName' }]])
const metadataType: CelType = { kind: 'object', name: 'object', params: [], fields: () => metadataFields, minSerializedSize: 2, maxElements: 0 }

function textType({ raw }: SchemaNode): CelType {
  switch (raw.format) {
    case 'byte': return sized(BYTES, 2, raw.maxLength === undefined ? maxRequestBytes - 2 : limit(raw.maxLength))
    case 'duration': return sized(DURATION, 3, 32)
    case 'date': return sized(TIMESTAMP, 12, 12)
    case 'date-time': return sized(TIMESTAMP, 21, 32)
    default: break
  }
  if (raw.maxLength !== undefined) return sized(STRING, 2, limit(raw.maxLength) * 4)
  const longest = (raw.enum ?? []).reduce<number>((max, each) => (typeof each === 'string' ? Math.max(max, Buffer.byteLength(each)) : max), 0)
  return sized(STRING, 2, (raw.enum ?? []).length > 0 ? longest : maxRequestBytes - 2)
}
