import { jsonEqual } from '../json-value.ts'
import { formOf, sameForm, type ApplyType, type Form, type ListShape, type MapShape } from './apply-type.ts'
import { PathInserter, noFields, type FieldSet } from './field-set.ts'
import { itemElement } from './list-items.ts'
import { fieldElement, type PathElement } from './path-element.ts'

/** How two objects differ; no field is in more than one of the sets. Fields that hold others appear where they came or went whole. */
export interface Comparison { removed: FieldSet; modified: FieldSet; added: FieldSet }

/**
 * Compares two objects of a type. `typed` objects are as the server keeps those of built-in kinds: what Go would leave out
 * counts as not there, what Go would write as null as null. Throws ItemError where items of a list cannot be told apart.
 */
export function compare(type: ApplyType, left: unknown, right: unknown, typed: boolean): Comparison {
  const sets = new DifferenceSets()
  new Comparer(typed, sets).compare(type, left, right)
  return sets.result()
}

/** Whether nothing is removed, and nothing but fields of the sets is changed or added: what `compare` would tell, without making its sets. */
export function changesOnly(type: ApplyType, left: unknown, right: unknown, typed: boolean, ...sets: readonly FieldSet[]): boolean {
  const check = new OnlyIn(sets)
  new Comparer(typed, check).compare(type, left, right)
  return check.holds
}

/** Told of what differs. Paths are reused. */
interface Differences {
  removed(path: readonly PathElement[]): void
  modified(path: readonly PathElement[]): void
  added(path: readonly PathElement[]): void
}

class DifferenceSets implements Differences {
  /** Made when there is something in them: most of what is compared is the same. */
  #removed: PathInserter | undefined
  #modified: PathInserter | undefined
  #added: PathInserter | undefined

  result(): Comparison {
    return { removed: this.#removed?.set ?? noFields, modified: this.#modified?.set ?? noFields, added: this.#added?.set ?? noFields }
  }

  removed(path: readonly PathElement[]): void {
    (this.#removed ??= new PathInserter()).insert(path)
  }

  modified(path: readonly PathElement[]): void {
    (this.#modified ??= new PathInserter()).insert(path)
  }

  added(path: readonly PathElement[]): void {
    (this.#added ??= new PathInserter()).insert(path)
  }
}

class OnlyIn implements Differences {
  holds = true
  readonly #sets: readonly FieldSet[]
  constructor(sets: readonly FieldSet[]) {
    this.#sets = sets
  }

  removed(): void {
    this.holds = false
  }

  modified(path: readonly PathElement[]): void {
    this.holds &&= this.#sets.some((set) => set.has(path))
  }

  added(path: readonly PathElement[]): void {
    this.modified(path)
  }
}

class Comparer {
  readonly #path: PathElement[] = []
  readonly #typed: boolean
  readonly #differences: Differences

  constructor(typed: boolean, differences: Differences) {
    this.#typed = typed
    this.#differences = differences
  }

  /** Undefined is a value that is not there; null is one. */
  compare(type: ApplyType, left: unknown, right: unknown): void {
    if (left === right && (left !== null || left === undefined)) return
    let leaf: boolean
    if (right === undefined) leaf = this.#visit(formOf(type, left), type, left, right)
    else if (left === undefined || sameForm(type, left, right)) leaf = this.#visit(formOf(type, right), type, left, right)
    else {
      this.#visit(formOf(type, left), type, left, right)
      leaf = this.#visit(formOf(type, right), type, left, right)
    }
    if (leaf) return
    if (left === undefined) this.#differences.added(this.#path)
    else if (right === undefined) this.#differences.removed(this.#path)
  }

  /** Returns whether the value was taken as one. */
  #visit(form: Form, type: ApplyType, left: unknown, right: unknown): boolean {
    switch (form) {
      case 'scalar': return this.#leaf(left, right)
      case 'map': return this.#maps(type.map!, left, right)
      case 'list': return this.#lists(type.list!, left, right)
    }
  }

  #leaf(left: unknown, right: unknown): boolean {
    if (left === undefined) this.#differences.added(this.#path)
    else if (right === undefined) this.#differences.removed(this.#path)
    else if (!jsonEqual(left, right)) this.#differences.modified(this.#path)
    return true
  }

  #maps(shape: MapShape, left: unknown, right: unknown): boolean {
    const lefts = mapOf(left)
    const rights = mapOf(right)
    if (shape.atomic || (isEmpty(lefts) && isEmpty(rights))) return this.#leaf(left, right)
    if (lefts !== undefined) for (const name in lefts) this.#field(shape, name, lefts, rights)
    if (rights !== undefined) for (const name in rights) if (lefts === undefined || !Object.hasOwn(lefts, name)) this.#field(shape, name, lefts, rights)
    if (this.#typed && (lefts === undefined) !== (rights === undefined)) this.#unset(shape, lefts, rights)
    return false
  }

  #field(shape: MapShape, name: string, lefts: Readonly<Record<string, unknown>> | undefined, rights: Readonly<Record<string, unknown>> | undefined): void {
    let left = lefts === undefined || !Object.hasOwn(lefts, name) ? undefined : lefts[name]
    let right = rights === undefined || !Object.hasOwn(rights, name) ? undefined : rights[name]
    if (left === right) return
    const field = shape.fields.get(name)
    const type = field?.type ?? shape.other
    if (type === undefined) return
    if (this.#typed && field !== undefined) {
      if (field.omitsZero === true) {
        if (isZero(left)) left = undefined
        if (isZero(right)) right = undefined
      } else if (field.nullWhenUnset === true) {
        if (lefts !== undefined) left ??= null
        if (rights !== undefined) right ??= null
      }
      if (left === right) return
    }
    this.#path.push(fieldElement(name))
    this.compare(type, left, right)
    this.#path.pop()
  }

  /** Fields that a struct has by being there, where it came or went whole. */
  #unset(shape: MapShape, lefts: Readonly<Record<string, unknown>> | undefined, rights: Readonly<Record<string, unknown>> | undefined): void {
    const present = (lefts ?? rights)!
    for (const name of nullFields(shape)) {
      if (present[name] !== undefined) continue
      const path = [...this.#path, fieldElement(name)]
      if (lefts === undefined) this.#differences.added(path)
      else this.#differences.removed(path)
    }
  }

  #lists(shape: ListShape, left: unknown, right: unknown): boolean {
    const lefts = Array.isArray(left) ? (left as unknown[]) : undefined
    const rights = Array.isArray(right) ? (right as unknown[]) : undefined
    if (shape.atomic || ((lefts?.length ?? 0) === 0 && (rights?.length ?? 0) === 0)) return this.#leaf(left, right)
    // Most lists do not change: then nothing needs to be known of their keys.
    if (lefts !== undefined && rights !== undefined && jsonEqual(lefts, rights)) return false
    const before = grouped(shape, lefts)
    const after = grouped(shape, rights)
    for (const [element, olds] of before) this.#items(shape, element, olds, after.get(element) ?? none)
    for (const [element, news] of after) if (!before.has(element)) this.#items(shape, element, none, news)
    return false
  }

  /** Items of one key, of which there should be one; several are taken as one value. */
  #items(shape: ListShape, element: PathElement, olds: readonly unknown[], news: readonly unknown[]): void {
    this.#path.push(element)
    if (olds.length <= 1 && news.length <= 1) this.compare(shape.item, olds[0], news[0])
    else if (olds.length >= 2 && news.length >= 2) {
      if (!jsonEqual(olds, news)) this.#differences.modified(this.#path)
    } else if (olds.length >= 2) {
      if (news.length > 0) this.compare(shape.item, undefined, news[0])
      this.#differences.removed(this.#path)
    } else {
      if (olds.length > 0) this.compare(shape.item, olds[0], undefined)
      this.#differences.added(this.#path)
    }
    this.#path.pop()
  }
}

const none: readonly unknown[] = []

function grouped(shape: ListShape, items: readonly unknown[] | undefined): Map<PathElement, unknown[]> {
  const groups = new Map<PathElement, unknown[]>()
  for (const item of items ?? none) {
    const element = itemElement(shape, item)
    const group = groups.get(element)
    if (group === undefined) groups.set(element, [item])
    else group.push(item)
  }
  return groups
}

export function mapOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
}

export function isEmpty(map: Readonly<Record<string, unknown>> | undefined): boolean {
  if (map !== undefined) for (const key in map) if (map[key] !== undefined) return false
  return true
}

/** What Go leaves out under `omitempty`. */
export function isZero(value: unknown): boolean {
  if (typeof value !== 'object') return value === '' || value === 0 || value === false
  if (Array.isArray(value)) return value.length === 0
  return value === null || isEmpty(value as Record<string, unknown>)
}

const nullFieldsOf = new WeakMap<MapShape, readonly string[]>()

/** Names of fields that are null where they are not set. */
export function nullFields(shape: MapShape): readonly string[] {
  let names = nullFieldsOf.get(shape)
  if (names === undefined) {
    names = [...shape.fields].filter(([, field]) => field.nullWhenUnset === true).map(([name]) => name)
    nullFieldsOf.set(shape, names)
  }
  return names
}
