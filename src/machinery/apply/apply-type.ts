/**
 * What structured merge needs to know of a type, whoever supplies it: the built-in kinds by the type tables, custom resources
 * by their schemas. A type allows a scalar, a list, a map, or several of these (int-or-string, unknown fields); which of them
 * a value is decides how it is merged.
 */
export interface ApplyType {
  readonly scalar?: 'numeric' | 'string' | 'boolean' | 'untyped'
  readonly list?: ListShape
  readonly map?: MapShape
}

export interface ListShape {
  readonly item: ApplyType
  /** An atomic list is owned whole; others by their items. */
  readonly atomic: boolean
  /** Keys of a list of type map, in order of their names; none: a set. */
  readonly keys: readonly string[]
}

/** A struct, or a map with free keys. */
export interface MapShape {
  readonly fields: ReadonlyMap<string, MapField>
  /** Type of what `fields` doesn't name; undefined: nothing else is allowed. */
  readonly other: ApplyType | undefined
  readonly atomic: boolean
}

export interface MapField {
  readonly type: ApplyType
  /** Value of a key of a list of type map where the item has none. */
  readonly default?: unknown
  /** Go holds null for it where JSON has nothing: lists and maps without `omitempty`, times. */
  readonly nullWhenUnset?: true
  /** Go leaves it out where it is '', 0, false or empty. */
  readonly omitsZero?: true
}

export const noFields: ReadonlyMap<string, MapField> = new Map()

/** Anything, owned as one: what lists of unknown type hold. */
export const atomicAny: ApplyType = {
  scalar: 'untyped',
  get list() { return atomicAnyList },
  get map() { return atomicAnyMap },
}
const atomicAnyList: ListShape = { item: atomicAny, atomic: true, keys: [] }
const atomicAnyMap: MapShape = { fields: noFields, other: atomicAny, atomic: true }

/** Anything, its objects owned field by field: fields that no schema describes. */
export const deduced: ApplyType = {
  scalar: 'untyped',
  list: atomicAnyList,
  get map() { return deducedMap },
}
const deducedMap: MapShape = { fields: noFields, get other() { return deduced }, atomic: false }

/** Which of its forms a value of a type takes. */
export type Form = 'map' | 'scalar' | 'list'

/** The form of `value`; where it has none that the type allows (null, a mismatch), the first that the type has. */
export function formOf(type: ApplyType, value: unknown): Form {
  if (Array.isArray(value)) {
    if (type.list !== undefined) return 'list'
  } else if (typeof value === 'object' && value !== null) {
    if (type.map !== undefined) return 'map'
  } else if (value !== null && value !== undefined && type.scalar !== undefined) return 'scalar'
  return type.map !== undefined ? 'map' : type.scalar !== undefined ? 'scalar' : 'list'
}

/** Whether two values are handled alike: of one form, or of a type that has only one. */
export function sameForm(type: ApplyType, a: unknown, b: unknown): boolean {
  const several = (type.scalar === undefined ? 0 : 1) + (type.list === undefined ? 0 : 1) + (type.map === undefined ? 0 : 1) > 1
  return !several || (fits(type, a) === fits(type, b))
}

function fits(type: ApplyType, value: unknown): Form | '' {
  if (value === null || value === undefined) return ''
  const form: Form = Array.isArray(value) ? 'list' : typeof value === 'object' ? 'map' : 'scalar'
  return type[form] === undefined ? '' : form
}

export function fieldType(shape: MapShape, name: string): ApplyType | undefined {
  return shape.fields.get(name)?.type ?? shape.other
}
