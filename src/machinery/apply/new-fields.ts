import { formOf, type ApplyType, type ListShape, type MapShape } from './apply-type.ts'
import { isZero } from './compare.ts'
import { itemElement } from './list-items.ts'
import { compareElements, fieldElement, isPlainText, type PathElement } from './path-element.ts'

/**
 * The FieldsV1 text of what the creator of an object owns: every field that it sets, of those that a new object has not by itself.
 * The same as `fieldsText` of the comparison with an empty object, in one walk and without making a set: every creation passes here.
 *
 * `empty` is the object as Go has it before anything is set (`{}` for custom resources); `skip` names fields at the top, and
 * `skipMetadata` those of metadata, that nobody owns. Undefined where nothing is owned; throws ItemError as `compare` does.
 */
export function newFieldsText(type: ApplyType, object: Readonly<Record<string, unknown>>, options: NewFieldsOptions): string | undefined {
  if (type.map === undefined) return undefined
  const text = structWriterOf(type.map).inside(object, options.empty, options.typed, options.skip, options.skipMetadata)
  return text === '' ? undefined : `{${text}}`
}

export interface NewFieldsOptions {
  empty: Readonly<Record<string, unknown>>
  typed: boolean
  skip: ReadonlySet<string>
  skipMetadata: ReadonlySet<string>
}

/** What stands between the braces of a field that is set: '' for a leaf; undefined where it is not owned, being what it was `before`. */
type Writer = (value: unknown, before: unknown, typed: boolean) => string | undefined
type Fields = Readonly<Record<string, unknown>>

const writers = new WeakMap<ApplyType, Writer>()

/** The writer of a type, made once: types refer to one another in circles, so those inside are made when first met. */
function writerOf(type: ApplyType): Writer {
  let writer = writers.get(type)
  if (writer === undefined) writers.set(type, (writer = makeWriter(type)))
  return writer
}

const writeScalar: Writer = (value, before) => (value === before ? undefined : '')
const writeWhole: Writer = (value, before) => (sameEmpty(value, before) ? undefined : '')

function makeWriter(type: ApplyType): Writer {
  const { scalar, list, map } = type
  const writeMap = map === undefined ? undefined : mapWriter(map)
  const writeList = list === undefined ? undefined : listWriter(list)
  if (list === undefined && map === undefined) return writeScalar
  if (scalar === undefined && list === undefined) return writeMap!
  if (scalar === undefined && map === undefined) return writeList!
  return (value, before, typed) => {
    const form = formOf(type, value)
    return form === 'scalar' ? writeScalar(value, before, typed) : form === 'map' ? writeMap!(value, before, typed) : writeList!(value, before, typed)
  }
}

function mapWriter(shape: MapShape): Writer {
  let struct: StructWriter | undefined
  return (value, before, typed) => {
    if (shape.atomic || typeof value !== 'object' || value === null) return writeWhole(value, before, typed)
    const isNew = before === undefined
    struct ??= structWriterOf(shape)
    const text = struct.inside(value as Fields, isNew ? undefined : ((before ?? noValues) as Fields), typed)
    if (text === '') return isNew ? '' : undefined
    return isNew ? `".":{},${text}` : text
  }
}

const noValues: Fields = Object.freeze({})

interface FieldWriter {
  name: string
  /** `"f:name":{`, with a comma before it, and both as leaves: most fields are, and each piece of text costs. */
  key: string
  nextKey: string
  leaf: string
  nextLeaf: string
  rank: number
  type: ApplyType
  write: Writer | undefined
  omitsZero: boolean
  nullWhenUnset: boolean
}

class StructWriter {
  readonly #fields = new Map<string, FieldWriter>()
  readonly #byRank: readonly FieldWriter[]
  readonly #nulls: readonly FieldWriter[]
  readonly #other: ApplyType | undefined
  readonly #isFree: boolean

  constructor(shape: MapShape) {
    this.#other = shape.other
    this.#isFree = shape.fields.size === 0 || shape.other !== undefined
    this.#byRank = [...shape.fields].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, field], rank) => {
      const key = openingOf(fieldElement(name))
      const texts = { key, nextKey: `,${key}`, leaf: `${key}}`, nextLeaf: `,${key}}` }
      return { name, rank, ...texts, type: field.type, write: undefined, omitsZero: field.omitsZero === true, nullWhenUnset: field.nullWhenUnset === true }
    })
    for (const field of this.#byRank) this.#fields.set(field.name, field)
    this.#nulls = this.#byRank.filter((field) => field.nullWhenUnset)
  }

  /** What stands between the braces of a struct or map. `empty` undefined: nothing was there. */
  inside(object: Fields, empty: Fields | undefined, typed: boolean, skip?: ReadonlySet<string>, skipMetadata?: ReadonlySet<string>): string {
    if (this.#isFree) return this.#free(object, empty, typed, skip, skipMetadata)
    // Objects have few of the fields that their types know: those are put in order, not all asked for.
    const ranks: number[] = []
    for (const name in object) {
      const field = this.#fields.get(name)
      if (field === undefined || skip?.has(name) === true) continue
      const value = object[name]
      if (value !== undefined && !(typed && field.omitsZero && isZero(value))) insertRank(ranks, field.rank)
    }
    if (typed && empty === undefined) for (const { name, rank } of this.#nulls) if (object[name] === undefined) insertRank(ranks, rank)
    let out = ''
    for (const rank of ranks) {
      const field = this.#byRank[rank]!
      const { name } = field
      let before = empty?.[name]
      if (before === undefined && empty !== undefined && typed && field.nullWhenUnset) before = null
      const value = object[name] ?? null
      const text = skipMetadata !== undefined && name === 'metadata' ? metadataText(field.type, value, before, typed, skipMetadata) : (field.write ??= writerOf(field.type))(value, before, typed)
      if (text === undefined) continue
      if (text === '') out += out === '' ? field.leaf : field.nextLeaf
      else out += `${out === '' ? field.key : field.nextKey}${text}}`
    }
    return out
  }

  #free(object: Fields, empty: Fields | undefined, typed: boolean, skip?: ReadonlySet<string>, skipMetadata?: ReadonlySet<string>): string {
    let out = ''
    const names = Object.keys(object)
    if (names.length > 1) names.sort()
    for (const name of names) {
      const value = object[name]
      if (value === undefined || skip?.has(name) === true) continue
      const type = this.#fields.get(name)?.type ?? this.#other
      if (type === undefined) continue
      const before = empty !== undefined && Object.hasOwn(empty, name) ? empty[name] : undefined
      const text = skipMetadata !== undefined && name === 'metadata' ? metadataText(type, value, before, typed, skipMetadata) : writerOf(type)(value, before, typed)
      if (text !== undefined) out += `${out === '' ? '' : ','}${openingOf(fieldElement(name))}${text}}`
    }
    return out
  }
}

const structWriters = new WeakMap<MapShape, StructWriter>()

function structWriterOf(shape: MapShape): StructWriter {
  let writer = structWriters.get(shape)
  if (writer === undefined) structWriters.set(shape, (writer = new StructWriter(shape)))
  return writer
}

function insertRank(ranks: number[], rank: number): void {
  let at = ranks.length
  ranks.push(rank)
  for (; at > 0 && ranks[at - 1]! > rank; at--) ranks[at] = ranks[at - 1]!
  ranks[at] = rank
}

const maxOpenings = 10_000
const openings = new Map<PathElement, string>()

/** The element as a key and the brace that follows it: `"f:spec":{`. */
function openingOf(element: PathElement): string {
  let opening = openings.get(element)
  if (opening === undefined) {
    opening = `${JSON.stringify(element)}:{`
    if (openings.size >= maxOpenings) openings.clear()
    openings.set(element, opening)
  }
  return opening
}

/** Metadata itself is nobody's: `.` never stands there. */
function metadataText(type: ApplyType, value: unknown, before: unknown, typed: boolean, skip: ReadonlySet<string>): string | undefined {
  if (typeof value !== 'object' || value === null || type.map === undefined) return undefined
  const text = structWriterOf(type.map).inside(value as Fields, (before ?? noValues) as Fields, typed, skip)
  return text === '' ? undefined : text
}

/** Whether a value that is owned whole is what an empty object has anyway. */
function sameEmpty(value: unknown, before: unknown): boolean {
  if (value === before) return true
  if (typeof value !== 'object' || typeof before !== 'object' || value === null || before === null || Array.isArray(value) !== Array.isArray(before)) return false
  return JSON.stringify(value) === JSON.stringify(before)
}

function listWriter(list: ListShape): Writer {
  let writeItem: Writer | undefined
  const [key] = list.keys
  const hasOneKey = list.keys.length === 1
  const opening = hasOneKey ? `"k:{\\"${key!}\\":\\"` : ''
  const isPlainKey = hasOneKey && isPlainText(key!)
  return (value, before, typed) => {
    if (list.atomic || !Array.isArray(value)) return writeWhole(value, before, typed)
    const isNew = before === undefined
    if (value.length === 0) return isNew ? '' : undefined
    writeItem ??= writerOf(list.item)
    const start = isNew ? '".":{}' : ''
    const ordered = isPlainKey ? orderedText(value as unknown[], key!, opening, start, writeItem, typed) : undefined
    return ordered ?? itemsText(list, value as unknown[], start, writeItem, typed)
  }
}

/** The items of a list by one key, where these are plain and in order already, as they mostly are; else undefined. */
function orderedText(items: readonly unknown[], key: string, opening: string, start: string, writeItem: Writer, typed: boolean): string | undefined {
  let out = start
  let last: string | undefined
  for (const item of items) {
    const name = typeof item === 'object' && item !== null ? (item as Fields)[key] : undefined
    if (typeof name !== 'string' || (last !== undefined && name <= last) || !isPlainText(name)) return undefined
    last = name
    out += `${out === '' ? '' : ','}${opening}${name}\\"}":{${writeItem(item, undefined, typed) ?? ''}}`
  }
  return out
}

function itemsText(list: ListShape, items: readonly unknown[], start: string, writeItem: Writer, typed: boolean): string {
  const nodes: Array<{ element: PathElement; text: string }> = []
  const at = new Map<PathElement, number>()
  for (const item of items) {
    const element = itemElement(list, item)
    const seen = at.get(element)
    // Items of one key are owned together, and nothing in them.
    if (seen !== undefined) nodes[seen]!.text = ''
    else {
      at.set(element, nodes.length)
      nodes.push({ element, text: writeItem(item, undefined, typed) ?? '' })
    }
  }
  if (nodes.length > 1) nodes.sort((a, b) => compareElements(a.element, b.element))
  let out = start
  for (const { element, text } of nodes) out += `${out === '' ? '' : ','}${openingOf(element)}${text}}`
  return out
}
