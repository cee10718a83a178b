/** CEL types as the checker knows them. Instances that stand for schemas also say how large their values can be. */
export interface CelType {
  readonly kind: 'dyn' | 'any' | 'error' | 'bool' | 'int' | 'uint' | 'double' | 'string' | 'bytes' | 'null' | 'timestamp' | 'duration' | 'list' | 'map' | 'object' | 'opaque' | 'type' | 'param'
  /** Of objects, opaque types and type parameters. */
  readonly name: string
  /** A list's item, a map's key and value, what an optional holds. */
  readonly params: readonly CelType[]
  /** Fields of an object by the name that expressions use; made when first asked for. */
  readonly fields?: () => ReadonlyMap<string, CelField>
  /** Fields of an object whose fields are not known ahead: constructors of apply configurations. */
  readonly anyField?: (name: string) => CelType | undefined
  /** Items, entries, characters or bytes at most, by the schema. */
  readonly maxElements?: number
  /** Bytes of JSON at least. */
  readonly minSerializedSize?: number
}

export interface CelField { type: CelType; /** Its name in JSON. */ name: string }

/** Words that no identifier may be: fields of such a name are escaped, and known by their plain name, too. */
export const reservedWords: ReadonlySet<string> = new Set([
  'true', 'false', 'null', 'in', 'as', 'break', 'const', 'continue', 'else', 'for', 'function', 'if', 'import', 'let', 'loop', 'package', 'namespace', 'return', 'var', 'void', 'while',
])

export function fieldNamed(fields: ReadonlyMap<string, CelField> | undefined, name: string): CelField | undefined {
  return fields?.get(name) ?? (reservedWords.has(name) ? fields?.get(`__${name}__`) : undefined)
}

const simple = (kind: CelType['kind'], name: string = kind): CelType => ({ kind, name, params: [] })
export const DYN = simple('dyn')
export const ANY = simple('any')
export const ERROR = simple('error', '!error!')
export const BOOL = simple('bool')
export const INT = simple('int')
export const UINT = simple('uint')
export const DOUBLE = simple('double')
export const STRING = simple('string')
export const BYTES = simple('bytes')
export const NULL = simple('null')
export const TIMESTAMP = simple('timestamp')
export const DURATION = simple('duration')

export const listOf = (item: CelType): CelType => ({ kind: 'list', name: 'list', params: [item] })
export const mapOf = (key: CelType, value: CelType): CelType => ({ kind: 'map', name: 'map', params: [key, value] })
export const optionalOf = (held: CelType): CelType => ({ kind: 'opaque', name: 'optional_type', params: [held] })
export const typeOf = (of: CelType): CelType => ({ kind: 'type', name: 'type', params: [of] })
export const param = (name: string): CelType => ({ kind: 'param', name, params: [] })
export const namedType = (name: string): CelType => ({ kind: 'object', name, params: [], fields: () => new Map() })

/** An object type with these fields. */
export function objectOf(name: string, fields: Readonly<Record<string, CelType>>): CelType {
  const known = new Map(Object.entries(fields).map(([field, type]) => [field, { type, name: field }]))
  return { kind: 'object', name, params: [], fields: () => known }
}

/** `list(int)`, `map(string, dyn)`, `optional_type(string)`: cel-go's `FormatCELType`. */
export function typeText(type: CelType): string {
  switch (type.kind) {
    case 'list':
    case 'map': return `${type.kind}(${type.params.map(typeText).join(', ')})`
    case 'type': return type.params.length === 0 ? 'type' : `type(${type.params.map(typeText).join(', ')})`
    case 'opaque': return type.params.length === 0 ? type.name : `${type.name}(${type.params.map(typeText).join(', ')})`
    case 'object':
    case 'param':
    case 'error': return type.name
    default: return type.kind
  }
}

/** The type's name in messages about results (`Type.String`): timestamps and null go by their full names there. */
export function typeName(type: CelType): string {
  switch (type.kind) {
    case 'timestamp': return 'google.protobuf.Timestamp'
    case 'duration': return 'google.protobuf.Duration'
    case 'null': return 'null_type'
    case 'any': return 'google.protobuf.Any'
    case 'list':
    case 'map':
    case 'opaque':
    case 'type': return type.params.length === 0 ? type.name : `${type.name}(${type.params.map(typeName).join(', ')})`
    default: return typeText(type)
  }
}

export function sameType(a: CelType, b: CelType): boolean {
  return a === b || (a.kind === b.kind && a.name === b.name && a.params.length === b.params.length && a.params.every((each, i) => sameType(each, b.params[i]!)))
}

export const isDyn = ({ kind }: CelType): boolean => kind === 'dyn' || kind === 'any'
const isDynOrError = ({ kind }: CelType): boolean => kind === 'dyn' || kind === 'any' || kind === 'error'

export function unwrapOptional(type: CelType): CelType | undefined {
  return type.kind === 'opaque' && type.name === 'optional_type' ? type.params[0] : undefined
}

/** What type parameters stand for; copied before each attempt, for attempts may fail half way. */
export type Bindings = Map<string, CelType>

/** Replaces bound parameters; those that nothing binds become dyn where asked. */
export function substitute(bindings: Bindings, type: CelType, freeToDyn: boolean): CelType {
  if (type.kind === 'param') {
    const bound = bindings.get(type.name)
    if (bound !== undefined) return substitute(bindings, bound, freeToDyn)
    return freeToDyn ? DYN : type
  }
  if (type.params.length === 0) return type
  let changed = false
  const params = type.params.map((each) => {
    const made = substitute(bindings, each, freeToDyn)
    if (made !== each) changed = true
    return made
  })
  return changed ? { ...type, params } : type
}

/** Whether all of `from` may go where `to` are expected; the bindings that this takes, or undefined. */
export function assignable(bindings: Bindings, from: readonly CelType[], to: readonly CelType[]): Bindings | undefined {
  const tried = new Map(bindings)
  return listsAssign(tried, from, to) ? tried : undefined
}

function listsAssign(bindings: Bindings, from: readonly CelType[], to: readonly CelType[]): boolean {
  return from.length === to.length && from.every((each, i) => assigns(bindings, each, to[i]!))
}

function assigns(bindings: Bindings, a: CelType, b: CelType): boolean {
  if (b.kind === 'param') {
    const { valid, bound } = substitutes(bindings, a, b)
    if (valid) return true
    if (bound) return false
  }
  if (a.kind === 'param') return substitutes(bindings, b, a).valid
  if (isDynOrError(a) || isDynOrError(b)) return true
  if (a.kind === 'null') return isNullable(b)
  if (b.kind === 'null') return isNullable(a)
  if (a.kind !== b.kind) return false
  switch (a.kind) {
    case 'type': return true
    case 'list':
    case 'map':
    case 'opaque': return a.name === b.name && listsAssign(bindings, a.params, b.params)
    default: return sameType(a, b)
  }
}

function isNullable({ kind }: CelType): boolean {
  return kind === 'null' || kind === 'opaque' || kind === 'object' || kind === 'timestamp' || kind === 'duration'
}

function substitutes(bindings: Bindings, type: CelType, parameter: CelType): { valid: boolean; bound: boolean } {
  if (type.kind === 'param' && type.name === parameter.name) return { valid: true, bound: true }
  const current = bindings.get(parameter.name)
  if (current !== undefined) {
    if (sameType(type, current)) return { valid: true, bound: true }
    if (!assigns(bindings, type, current)) return { valid: false, bound: true }
    const general = moreGeneral(type, current)
    if (!occurs(bindings, parameter, general)) bindings.set(parameter.name, general)
    return { valid: true, bound: true }
  }
  if (occurs(bindings, parameter, type)) return { valid: false, bound: false }
  bindings.set(parameter.name, type)
  return { valid: true, bound: false }
}

function occurs(bindings: Bindings, parameter: CelType, within: CelType): boolean {
  if (within.kind !== 'param') return within.params.some((each) => occurs(bindings, parameter, each))
  if (within.name === parameter.name) return true
  const bound = bindings.get(within.name)
  return bound !== undefined && occurs(bindings, parameter, bound)
}

export function moreGeneral(a: CelType, b: CelType): CelType {
  return lessSpecific(a, b) ? a : b
}

function lessSpecific(a: CelType, b: CelType): boolean {
  if (isDyn(a) || a.kind === 'param') return true
  if (isDyn(b) || b.kind === 'param' || a.kind !== b.kind) return false
  if (a.kind === 'type') return true
  if (a.kind === 'list' || a.kind === 'map' || a.kind === 'opaque') return a.name === b.name && a.params.length === b.params.length && a.params.every((each, i) => lessSpecific(each, b.params[i]!))
  return sameType(a, b)
}
