import { formOf, type ApplyType, type MapShape } from './apply-type.ts'
import { isZero } from './compare.ts'
import { itemElement } from './list-items.ts'
import { compareElements, fieldElement, type PathElement } from './path-element.ts'

/**
 * The FieldsV1 text of what the creator of an object owns: every field that it sets, of those that a new object has not by itself.
 * The same as `fieldsText` of the comparison with an empty object, in one walk and without making a set: every creation passes here.
 *
 * `empty` is the object as Go has it before anything is set (`{}` for custom resources); `skip` names fields at the top, and
 * `skipMetadata` those of metadata, that nobody owns. Undefined where nothing is owned; throws ItemError as `compare` does.
 */
export function newFieldsText(type: ApplyType, object: Readonly<Record<string, unknown>>, options: NewFieldsOptions): string | undefined {
  const shape = type.map
  if (shape === undefined) return undefined
  const writer = writerOf(shape)
  const text = writer.inside(object, options.empty, options.typed, options.skip, options)
  return text === '' ? undefined : `{${text}}`
}

export interface NewFieldsOptions {
  empty: Readonly<Record<string, unknown>>
  typed: boolean
  skip: ReadonlySet<string>
  skipMetadata: ReadonlySet<string>
}

interface FieldWriter { name: string; /** `"f:name":{` */ key: string; rank: number; type: ApplyType; omitsZero: boolean; nullWhenUnset: boolean }

class StructWriter {
  readonly #fields = new Map<string, FieldWriter>()
  readonly #byRank: readonly FieldWriter[]
  readonly #nulls: readonly FieldWriter[]
  readonly #shape: MapShape

  constructor(shape: MapShape) {
    this.#shape = shape
    this.#byRank = [...shape.fields].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, field], rank) => ({
      name, rank, key: openingOf(fieldElement(name)), type: field.type, omitsZero: field.omitsZero === true, nullWhenUnset: field.nullWhenUnset === true,
    }))
    for (const field of this.#byRank) this.#fields.set(field.name, field)
    this.#nulls = this.#byRank.filter((field) => field.nullWhenUnset)
  }

  /** What stands between the braces of a struct or map. `empty` undefined: nothing was there. */
  inside(object: Readonly<Record<string, unknown>>, empty: Readonly<Record<string, unknown>> | undefined, typed: boolean, skip?: ReadonlySet<string>, top?: NewFieldsOptions): string {
    if (this.#fields.size === 0 || this.#shape.other !== undefined) return this.#free(object, empty, typed, skip, top)
    // Objects have few of the fields that their types know: those are put in order, not all asked for.
    const ranks: number[] = []
    for (const name in object) {
      const field = this.#fields.get(name)
      if (field !== undefined && object[name] !== undefined && skip?.has(name) !== true) insertRank(ranks, field.rank)
    }
    if (typed && empty === undefined) for (const { name, rank } of this.#nulls) if (object[name] === undefined) insertRank(ranks, rank)
    let out = ''
    for (const rank of ranks) {
      const field = this.#byRank[rank]!
      const { name } = field
      const value = object[name] ?? null
      if (typed && field.omitsZero && isZero(value)) continue
      let before = empty?.[name]
      if (before === undefined && empty !== undefined && typed && field.nullWhenUnset) before = null
      const text = top !== undefined && name === 'metadata' ? metadataText(field.type, value, before, typed, top) : nodeText(field.type, value, before, typed)
      if (text !== undefined) out += out === '' ? `${field.key}${text}}` : `,${field.key}${text}}`
    }
    return out
  }

  #free(object: Readonly<Record<string, unknown>>, empty: Readonly<Record<string, unknown>> | undefined, typed: boolean, skip?: ReadonlySet<string>, top?: NewFieldsOptions): string {
    let out = ''
    const names = Object.keys(object)
    if (names.length > 1) names.sort()
    for (const name of names) {
      const value = object[name]
      if (value === undefined || skip?.has(name) === true) continue
      const type = this.#shape.fields.get(name)?.type ?? this.#shape.other
      if (type === undefined) continue
      const before = empty !== undefined && Object.hasOwn(empty, name) ? empty[name] : undefined
      const text = top !== undefined && name === 'metadata' ? metadataText(type, value, before, typed, top) : nodeText(type, value, before, typed)
      if (text !== undefined) out += `${out === '' ? '' : ','}${openingOf(fieldElement(name))}${text}}`
    }
    return out
  }
}

function insertRank(ranks: number[], rank: number): void {
  let at = ranks.length
  while (at > 0 && ranks[at - 1]! > rank) at--
  if (at === ranks.length) ranks.push(rank)
  else ranks.splice(at, 0, rank)
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

const writers = new WeakMap<MapShape, StructWriter>()

function writerOf(shape: MapShape): StructWriter {
  let writer = writers.get(shape)
  if (writer === undefined) writers.set(shape, (writer = new StructWriter(shape)))
  return writer
}

/** Metadata itself is nobody's: `.` never stands there. */
function metadataText(type: ApplyType, value: unknown, before: unknown, typed: boolean, { skipMetadata }: NewFieldsOptions): string | undefined {
  if (typeof value !== 'object' || value === null || type.map === undefined) return undefined
  const text = writerOf(type.map).inside(value as Record<string, unknown>, (before ?? {}) as Record<string, unknown>, typed, skipMetadata)
  return text === '' ? undefined : text
}

/** What stands between the braces of a field that is set: '' for a leaf; undefined where it is not owned. */
function nodeText(type: ApplyType, value: unknown, before: unknown, typed: boolean): string | undefined {
  switch (formOf(type, value)) {
    case 'scalar': return value === before ? undefined : ''
    case 'map': return mapText(type.map!, value, before, typed)
    case 'list': return listText(type, value, before, typed)
  }
}

function mapText(shape: MapShape, value: unknown, before: unknown, typed: boolean): string | undefined {
  if (typeof value !== 'object' || value === null || shape.atomic) return sameEmpty(value, before) ? undefined : ''
  const isNew = before === undefined
  const text = writerOf(shape).inside(value as Record<string, unknown>, isNew ? undefined : ((before ?? {}) as Record<string, unknown>), typed)
  if (text === '') return isNew ? '' : undefined
  return isNew ? `".":{},${text}` : text
}

/** Whether an atomic value is what an empty object has anyway: compared shallowly, since empty objects hold little. */
function sameEmpty(value: unknown, before: unknown): boolean {
  if (value === before) return true
  if (typeof value !== 'object' || typeof before !== 'object' || value === null || before === null || Array.isArray(value) !== Array.isArray(before)) return false
  return JSON.stringify(value) === JSON.stringify(before)
}

function listText(type: ApplyType, value: unknown, before: unknown, typed: boolean): string | undefined {
  const list = type.list!
  if (!Array.isArray(value) || list.atomic) return sameEmpty(value, before) ? undefined : ''
  const isNew = before === undefined
  if (value.length === 0) return isNew ? '' : undefined
  const nodes: Array<{ element: PathElement; text: string }> = []
  const at = new Map<PathElement, number>()
  for (const item of value as unknown[]) {
    const element = itemElement(list, item)
    const seen = at.get(element)
    // Items of one key are owned together, and nothing in them.
    if (seen !== undefined) nodes[seen]!.text = ''
    else {
      at.set(element, nodes.length)
      nodes.push({ element, text: nodeText(list.item, item, undefined, typed) ?? '' })
    }
  }
  if (nodes.length > 1) nodes.sort((a, b) => compareElements(a.element, b.element))
  let out = isNew ? '".":{}' : ''
  for (const { element, text } of nodes) out += `${out === '' ? '' : ','}${openingOf(element)}${text}}`
  return out
}
