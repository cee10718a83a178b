import { goKindOf, goPrint } from './go-print.ts'
import { getOwn, isJsonObject, jsonEqual, setOwn } from './json-value.ts'
import type { JsonObject } from './json-value.ts'
import type { SchemaField, SchemaType, StructType } from './schema-type.ts'
import { errors } from './status.ts'

/**
 * Strategic merge patch: a merge patch that knows which lists are sets, or maps by a key, from the type of the object
 * (KEP-less; described in sig-api-machinery's "Strategic Merge Patch" and apimachinery `pkg/util/strategicpatch`).
 * Directives: `$patch: replace|delete`, `$retainKeys`, `$setElementOrder/<list>`, `$deleteFromPrimitiveList/<list>`.
 * Problems have upstream's words; some of them are its unclassified errors, which it answers with 500, and are bad requests here.
 */

/** What is known of a field. A list's `element` and a map's or struct's own type are both `type`. */
export interface PatchField {
  /** Of the values `merge`, `replace` and `retainKeys`. */
  readonly strategies: readonly string[]
  readonly mergeKey?: string
  readonly type?: PatchType
}

/** Looks up a field by its JSON name; undefined for fields (or whole types) that are not known. */
export interface PatchType { field(name: string): PatchField | undefined }

const untyped: PatchType = { field: () => undefined }

const patchTypes = new WeakMap<SchemaType, PatchType>()

/** What the type tables say of a type, for patching. */
export function patchTypeOf(type: StructType): PatchType {
  return patchTypeOfAny(type)
}

function patchTypeOfAny(type: SchemaType): PatchType {
  let known = patchTypes.get(type)
  if (known === undefined) {
    known = buildPatchType(type)
    patchTypes.set(type, known)
  }
  return known
}

function buildPatchType(type: SchemaType): PatchType {
  if (type.kind === 'list') return patchTypeOfAny(type.item)
  if (type.kind === 'map') {
    const inner: PatchField = { strategies: [], type: patchTypeOfAny(type.value) }
    return { field: () => inner }
  }
  if (type.kind !== 'struct') return untyped
  const fields = new Map<string, PatchField>()
  const fieldOf = ({ patchStrategy, patchMergeKey, type: inner }: SchemaField): PatchField => ({
    strategies: patchStrategy === undefined || patchStrategy === '' ? [] : patchStrategy.split(','),
    ...(patchMergeKey === undefined ? {} : { mergeKey: patchMergeKey }),
    type: patchTypeOfAny(inner),
  })
  return {
    field(name) {
      let field = fields.get(name)
      const raw = field === undefined ? type.jsonFields.get(name) : undefined
      if (raw !== undefined) fields.set(name, (field = fieldOf(raw)))
      return field
    },
  }
}

const directive = '$patch'
const retainKeys = '$retainKeys'
const orderPrefix = '$setElementOrder/'
const deletePrefix = '$deleteFromPrimitiveList/'

/** Answers with a new object that shares what the patch leaves alone; neither argument is changed. */
export function applyStrategicMergePatch(original: Readonly<JsonObject>, patch: unknown, type: PatchType): JsonObject {
  if (!isJsonObject(patch)) throw errors.badRequest('invalid JSON document')
  return mergeObject(original, patch, type)
}

function mergeObject(original: Readonly<JsonObject>, patch: Readonly<JsonObject>, type: PatchType): JsonObject {
  if (Object.hasOwn(patch, directive)) return applyDirective(patch)
  const result = retained(original, patch)
  const done = mergeOrderedLists(result, patch, type)
  for (const patchKey of Object.keys(patch)) {
    if (patchKey === retainKeys || patchKey.startsWith(orderPrefix) || done.has(patchKey)) continue
    const value = patch[patchKey]
    const deletes = patchKey.startsWith(deletePrefix)
    const key = deletes ? patchKey.slice(deletePrefix.length) : patchKey
    if (value === null) {
      delete result[key]
      continue
    }
    const current = getOwn(result, key)
    if (current === undefined || current === null || shapeOf(current) !== shapeOf(value)) {
      if (!deletes) setClean(result, key, value)
    } else if (isJsonObject(value)) {
      const field = type.field(key)
      setOwn(result, key, strategyOf(field) === 'replace' ? clean(value) : mergeObject(current as JsonObject, value, field?.type ?? untyped))
    } else if (Array.isArray(value)) {
      setOwn(result, key, mergeListField(current as unknown[], value, type.field(key), deletes, key))
    } else {
      setOwn(result, key, value)
    }
  }
  return result
}

function applyDirective(patch: Readonly<JsonObject>): JsonObject {
  if (patch[directive] === 'replace') {
    const { [directive]: _, ...rest } = patch
    return rest
  }
  if (patch[directive] === 'delete') return {}
  throw errors.plain(`unknown patch type: ${goPrint(patch[directive])} in map: ${goPrint(patch)}`)
}

/** `$retainKeys` names the only keys that stay. */
function retained(original: Readonly<JsonObject>, patch: Readonly<JsonObject>): JsonObject {
  if (!Object.hasOwn(patch, retainKeys)) return { ...original }
  const keys = patch[retainKeys]
  if (!Array.isArray(keys)) throw errors.badRequest('invalid patch format of retainKeys')
  const keep = new Set<unknown>(keys)
  for (const [key, value] of Object.entries(patch)) {
    if (key === retainKeys || value === null || key.startsWith(deletePrefix) || key.startsWith(orderPrefix)) continue
    if (!keep.has(key)) throw errors.badRequest('invalid patch format of retainKeys')
  }
  const result: JsonObject = {}
  for (const key of Object.keys(original)) if (keep.has(key)) setOwn(result, key, original[key])
  return result
}

/** Lists whose order the patch names in `$setElementOrder`. Answers with the keys that need no more work. */
function mergeOrderedLists(result: JsonObject, patch: Readonly<JsonObject>, type: PatchType): Set<string> {
  const done = new Set<string>()
  for (const [orderKey, order] of Object.entries(patch)) {
    if (!orderKey.startsWith(orderPrefix)) continue
    const key = orderKey.slice(orderPrefix.length)
    const original = getOwn(result, key)
    const patched = getOwn(patch, key)
    if (!Array.isArray(order) || (isPresent(original) && !Array.isArray(original)) || (isPresent(patched) && !Array.isArray(patched))) {
      throw errors.badRequest('invalid patch format of setElementOrder list')
    }
    if (patched === null) continue
    const field = type.field(key)
    const mergeKey = field?.mergeKey
    const originalList = (original as unknown[] | null | undefined) ?? []
    const patchList = patched as unknown[] | undefined
    checkOrder(patchList ?? [], order, mergeKey)
    if (original === undefined && patched === undefined) continue
    done.add(key)
    const replaces = patchList !== undefined && strategyOf(field) !== 'merge'
    const merged = patchList === undefined ? originalList
      : replaces || originalList.length === 0 ? (clean(patchList) as unknown[])
        : mergeList(originalList, patchList, field?.type ?? untyped, mergeKey, key)
    setOwn(result, key, ordered(merged, order, originalList, mergeKey))
  }
  return done
}

const isPresent = (value: unknown): boolean => value !== undefined && value !== null

/** Items of the patch must come in the order that the patch itself asks for. */
function checkOrder(patchList: readonly unknown[], order: readonly unknown[], mergeKey: string | undefined): void {
  if (patchList.length === 0 || order.length === 0) return
  let at = 0
  for (const item of patchList) {
    if (isJsonObject(item) && Object.hasOwn(item, directive)) continue
    const found = order.findIndex((other, i) => i >= at && sameItem(item, other, mergeKey))
    if (found < 0) throw errors.plain(`The order in patch list:\n${goPrint(patchList)}\n doesn't match $setElementOrder list:\n${goPrint(order)}\n`)
    at = found + 1
  }
}

function sameItem(a: unknown, b: unknown, mergeKey: string | undefined): boolean {
  return mergeKey === undefined || mergeKey === '' ? a === b : jsonEqual(keyValue(a, mergeKey), keyValue(b, mergeKey))
}

function goTypeOf(value: unknown): string {
  const kind = goKindOf(value)
  return kind === 'slice' ? '[]interface {}' : kind === 'invalid' ? '%!s(<nil>)' : kind
}

function keyValue(item: unknown, mergeKey: string): unknown {
  if (!isJsonObject(item)) throw errors.plain(`expected a map[string]interface {}, but received a ${goTypeOf(item)}`)
  const value = getOwn(item, mergeKey)
  if (value === undefined) throw errors.plain(`map: ${goPrint(item)} does not contain declared merge key: ${mergeKey}`)
  return value
}

function mergeListField(current: unknown[], patch: unknown[], field: PatchField | undefined, deletes: boolean, name: string): unknown[] {
  if (deletes) return current.filter((item) => !patch.includes(item))
  if (strategyOf(field) !== 'merge') return clean(patch) as unknown[]
  return mergeList(current, patch, field?.type ?? untyped, field?.mergeKey, name)
}

/** Merges a list that is a set of scalars or a map by `mergeKey`; new items of the patch come before or among the old by the patch's order. */
function mergeList(original: readonly unknown[], patch: readonly unknown[], type: PatchType, mergeKey: string | undefined, name: string): unknown[] {
  checkItemTypes(original, patch)
  const first = original[0] ?? patch[0]
  if (first === undefined) return []
  if (!isJsonObject(first)) return ordered([...new Set([...original, ...patch])], patch, original, undefined)
  if (mergeKey === undefined || mergeKey === '') throw errors.plain(`cannot merge lists without merge key for ${name}`)
  let list = [...original] as JsonObject[]
  let additions: JsonObject[] = []
  let replace = false
  for (const item of patch as JsonObject[]) {
    if (!Object.hasOwn(item, directive)) additions.push(item)
    else if (item[directive] === 'delete') {
      const wanted = keyValue(item, mergeKey)
      list = list.filter((other) => !jsonEqual(getOwn(other, mergeKey), wanted))
    } else if (item[directive] === 'replace') replace = true
    else if (item[directive] === 'merge') throw errors.plain('merging lists cannot yet be specified in the patch')
    else throw errors.plain(`unknown patch type: ${goPrint(item[directive])} in map: ${goPrint(item)}`)
  }
  if (replace) {
    list = []
    additions = additions.map((item) => clean(item) as JsonObject)
    return additions
  }
  const before = [...list]
  for (const item of additions) {
    const wanted = keyValue(item, mergeKey)
    const at = list.findIndex((other) => jsonEqual(getOwn(other, mergeKey), wanted))
    if (at < 0) list.push(clean(item) as JsonObject)
    else list[at] = mergeObject(list[at] as JsonObject, item, type)
  }
  return ordered(list, additions, before, mergeKey)
}

function checkItemTypes(...lists: ReadonlyArray<readonly unknown[]>): void {
  const items = lists.flat(1)
  const shape = items.length === 0 ? '' : shapeOf(items[0])
  for (const item of items) {
    if (Array.isArray(item)) throw errors.rejectedPatch('lists of lists are not supported')
    if (shapeOf(item) !== shape) throw errors.plain(`list element types are not identical: ${goPrint(lists)}`)
  }
}

/**
 * Items named in `order` come in that order; the others keep the server's, each before the first ordered item that stood
 * behind it: server [a b c d], order [d x a] and items a b c d x -> [b c d x a].
 */
function ordered(items: readonly unknown[], order: readonly unknown[], server: readonly unknown[], mergeKey: string | undefined): unknown[] {
  const position = (item: unknown, list: readonly unknown[]): number => list.findIndex((other) => sameItem(item, other, mergeKey))
  const sortBy = (list: unknown[], by: readonly unknown[]): unknown[] => list
    .map((item) => ({ item, at: position(item, by) })).sort((a, b) => a.at - b.at).map(({ item }) => item)
  const mine = sortBy(items.filter((item) => position(item, order) >= 0), order)
  const others = sortBy(items.filter((item) => position(item, order) < 0), server)
  const result: unknown[] = []
  let i = 0
  let j = 0
  while (i < others.length || j < mine.length) {
    if (i >= others.length) result.push(mine[j++])
    else if (j >= mine.length) result.push(others[i++])
    else {
      const left = position(others[i], server)
      const right = position(mine[j], server)
      result.push(left >= 0 && right >= 0 && left < right ? others[i++] : mine[j++])
    }
  }
  return result
}

function strategyOf(field: PatchField | undefined): string | undefined {
  return field?.strategies.find((strategy) => strategy !== 'retainKeys')
}

function shapeOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'list' : typeof value
}

function setClean(result: JsonObject, key: string, value: unknown): void {
  if (isJsonObject(value) && Object.hasOwn(value, directive)) delete result[key]
  else setOwn(result, key, clean(value))
}

/** A value that is new to the object: without directives and without the nulls that would have deleted something. */
function clean(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => !(isJsonObject(item) && Object.hasOwn(item, directive))).map(clean)
  if (!isJsonObject(value)) return value
  const result: JsonObject = {}
  for (const [key, inner] of Object.entries(value)) {
    if (inner === null || key === retainKeys || key.startsWith(orderPrefix) || key.startsWith(deletePrefix)) continue
    if (isJsonObject(inner) && Object.hasOwn(inner, directive)) continue
    setOwn(result, key, clean(inner))
  }
  return result
}
