import { formOf, type ApplyType, type ListShape, type MapShape } from './apply-type.ts'
import { isZero } from './compare.ts'
import { itemElement } from './list-items.ts'
import { compareElements, fieldElement, isPlainText, type PathElement } from './path-element.ts'
import { TextShapes } from './text-shapes.ts'

/**
 * The FieldsV1 text of what the creator of an object owns: every field that it sets, of those that a new object has not by itself.
 * The same as `fieldsText` of the comparison with an empty object, in one walk and without making a set: every creation passes here.
 *
 * Without the outermost braces; the very same string for objects that own the same fields, as long as it is remembered.
 *
 * `empty` is the object as Go has it before anything is set (`{}` for custom resources); `skip` names fields at the top, and
 * `skipMetadata` those of metadata, that nobody owns. Undefined where nothing is owned; throws ItemError as `compare` does.
 */
export function newFieldsText(type: ApplyType, object: Readonly<Record<string, unknown>>, options: NewFieldsOptions): string | undefined {
  if (type.map === undefined) return undefined
  const text = structWriterOf(type.map).inside(object, options.empty, options.typed, options.skip, options.skipMetadata)
  return text === '' ? undefined : text
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
    return text === '' && !isNew ? undefined : text
  }
}

const noValues: Fields = Object.freeze({})

interface FieldWriter {
  name: string
  type: ApplyType
  write: Writer | undefined
  omitsZero: boolean
  nullWhenUnset: boolean
}

/** The fields to look at in objects with these keys, in their order: those that are there, and those that are null where they are not. */
interface Plan { names: readonly string[]; fields: readonly FieldWriter[] }

const maxPlans = 4

class StructWriter {
  readonly #fields = new Map<string, FieldWriter>()
  readonly #byRank: readonly FieldWriter[]
  readonly #plans: Plan[] = []
  readonly #other: ApplyType | undefined
  readonly #isFree: boolean
  /** Of structs and maps that are new, and so owned themselves, and of those that every object has. */
  readonly #shapes = { new: new TextShapes(openingOfField, true), standing: new TextShapes(openingOfField, false) }

  constructor(shape: MapShape) {
    this.#other = shape.other
    this.#isFree = shape.fields.size === 0 || shape.other !== undefined
    this.#byRank = [...shape.fields].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, field]) => ({ name, type: field.type, write: undefined, omitsZero: field.omitsZero === true, nullWhenUnset: field.nullWhenUnset === true }))
    for (const field of this.#byRank) this.#fields.set(field.name, field)
  }

  /** What stands between the braces of a struct or map. `empty` undefined: nothing was there. */
  inside(object: Fields, empty: Fields | undefined, typed: boolean, skip?: ReadonlySet<string>, skipMetadata?: ReadonlySet<string>): string {
    if (this.#isFree) return this.#free(object, empty, typed, skip, skipMetadata)
    const { fields } = this.#planFor(object)
    const shapes = empty === undefined ? this.#shapes.new : this.#shapes.standing
    let shape = shapes.start()
    for (const field of fields) {
      const { name, nullWhenUnset } = field
      const value = object[name]
      if (skip?.has(name) === true) continue
      if (value === undefined ? !(typed && empty === undefined && nullWhenUnset) : typed && field.omitsZero && isZero(value)) continue
      let before = empty?.[name]
      if (before === undefined && empty !== undefined && typed && nullWhenUnset) before = null
      const text = skipMetadata !== undefined && name === 'metadata'
        ? metadataText(field.type, value, before, typed, skipMetadata)
        : (field.write ??= writerOf(field.type))(value ?? null, before, typed)
      if (text !== undefined) shape = shapes.with(shape, name, text)
    }
    return shapes.text(shape)
  }

  /** Objects have few of the fields that their types know, and most have the same as the one before: which these are is worked out once. */
  #planFor(object: Fields): Plan {
    for (const plan of this.#plans) if (fits(plan, object)) return plan
    const names = Object.keys(object)
    const present = new Set(names)
    const plan = { names, fields: this.#byRank.filter(({ name, nullWhenUnset }) => nullWhenUnset || present.has(name)) }
    this.#plans.unshift(plan)
    if (this.#plans.length > maxPlans) this.#plans.pop()
    return plan
  }

  #free(object: Fields, empty: Fields | undefined, typed: boolean, skip?: ReadonlySet<string>, skipMetadata?: ReadonlySet<string>): string {
    const shapes = empty === undefined ? this.#shapes.new : this.#shapes.standing
    let shape = shapes.start()
    for (const name of inOrder(Object.keys(object))) {
      const value = object[name]
      if (value === undefined || skip?.has(name) === true) continue
      const type = this.#fields.get(name)?.type ?? this.#other
      if (type === undefined) continue
      const before = empty !== undefined && Object.hasOwn(empty, name) ? empty[name] : undefined
      const text = skipMetadata !== undefined && name === 'metadata' ? metadataText(type, value, before, typed, skipMetadata) : writerOf(type)(value, before, typed)
      if (text !== undefined) shape = shapes.with(shape, name, text)
    }
    return shapes.text(shape)
  }
}

/** Sorts in place. Most maps are in order already, and sorting makes a copy even of those. */
function inOrder(names: string[]): string[] {
  for (let at = 1; at < names.length; at++) if (names[at]! < names[at - 1]!) return names.sort()
  return names
}

function fits({ names }: Plan, object: Fields): boolean {
  let at = 0
  for (const name in object) if (names[at++] !== name) return false
  return at === names.length
}

function openingOfField(name: string): string {
  return openingOf(fieldElement(name))
}

const structWriters = new WeakMap<MapShape, StructWriter>()

function structWriterOf(shape: MapShape): StructWriter {
  let writer = structWriters.get(shape)
  if (writer === undefined) structWriters.set(shape, (writer = new StructWriter(shape)))
  return writer
}

/** The element as a key and the brace that follows it: `"f:spec":{`. */
function openingOf(element: PathElement): string {
  return `${JSON.stringify(element)}:{`
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

/** `byName`: of items by one key that are in order, by the value of that key; `byElement` of all others. */
interface ListShapes { byName: TextShapes; byElement: TextShapes }

function listWriter(list: ListShape): Writer {
  let writeItem: Writer | undefined
  const [key] = list.keys
  const hasOneKey = list.keys.length === 1
  const openingOfName = hasOneKey ? (name: string): string => `"k:{\\"${key!}\\":\\"${name}\\"}":{` : openingOf
  const isPlainKey = hasOneKey && isPlainText(key!)
  const shapesOf = (self: boolean): ListShapes => ({ byName: new TextShapes(openingOfName, self), byElement: new TextShapes(openingOf, self) })
  const shapes = { new: shapesOf(true), standing: shapesOf(false) }
  return (value, before, typed) => {
    if (list.atomic || !Array.isArray(value)) return writeWhole(value, before, typed)
    const isNew = before === undefined
    if (value.length === 0) return isNew ? '' : undefined
    writeItem ??= writerOf(list.item)
    const { byName, byElement } = isNew ? shapes.new : shapes.standing
    const ordered = isPlainKey ? orderedText(value as unknown[], key!, byName, writeItem, typed) : undefined
    return ordered ?? itemsText(list, value as unknown[], byElement, writeItem, typed)
  }
}

/** The items of a list by one key, where these are plain and in order already, as they mostly are; else undefined. */
function orderedText(items: readonly unknown[], key: string, shapes: TextShapes, writeItem: Writer, typed: boolean): string | undefined {
  let shape = shapes.start()
  let last: string | undefined
  for (const item of items) {
    const name = typeof item === 'object' && item !== null ? (item as Fields)[key] : undefined
    if (typeof name !== 'string' || (last !== undefined && name <= last) || !isPlainText(name)) return undefined
    last = name
    shape = shapes.with(shape, name, writeItem(item, undefined, typed) ?? '')
  }
  return shapes.text(shape)
}

function itemsText(list: ListShape, items: readonly unknown[], shapes: TextShapes, writeItem: Writer, typed: boolean): string {
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
  let shape = shapes.start()
  for (const { element, text } of nodes) shape = shapes.with(shape, element, text)
  return shapes.text(shape)
}
