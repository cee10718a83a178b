import type { Definition } from '../functions.ts'
import { CelError, compare, Duration, equal, isList, none, Optional, textLength, Timestamp, typeNameOf, Uint, type Value } from '../values.ts'
import { add } from './standard.ts'

/** Lists (Kubernetes' library and cel-go's `ext.Lists`), sets and optional values. */
type List = readonly Value[]

/** `zero`: of the type that the list is declared to hold, where it holds nothing. */
function sum(list: List, zero: Value): Value {
  const [first] = list
  if (first === undefined) return zero
  if (typeof first !== 'bigint' && typeof first !== 'number' && !(first instanceof Uint) && !(first instanceof Duration)) throw new CelError('no such overload: sum(list)')
  return list.slice(1).reduce<Value>((total, item) => add(total, item), first)
}

/** Whether values of its type have an order. */
function isOrdered(value: Value): boolean {
  return value !== null && (typeof value !== 'object' || value instanceof Uint || value instanceof Uint8Array || value instanceof Timestamp || value instanceof Duration)
}

/** The order of two values of a list; 0 where they cannot be compared, which upstream passes over. */
function order(a: Value, b: Value): number {
  if (!isOrdered(a) || !isOrdered(b)) throw new CelError('no such overload')
  try {
    return compare(a, b)
  } catch (cause) {
    if (cause instanceof CelError) return 0
    throw cause
  }
}

function extreme(list: List, sign: number, name: string): Value {
  if (list.length === 0) throw new CelError(`${name} called on empty list`)
  if (!list.every(isOrdered)) throw new CelError(`no such overload: ${name}(list)`)
  return list.reduce((best, item) => (order(item, best) * sign > 0 ? item : best))
}

const isSorted = (list: List): boolean => list.every((item, i) => order(list[Math.max(0, i - 1)]!, item) <= 0)
const comparable = ['int', 'uint', 'double', 'bool', 'duration', 'timestamp', 'string', 'bytes']

function distinct(list: List): List {
  const out: Value[] = []
  for (const item of list) if (!out.some((known) => equal(known, item))) out.push(item)
  return out
}

function slice(list: List, from: bigint, to: bigint): List {
  if (from < 0n || to < 0n) throw new CelError(`cannot slice(${from}, ${to}), negative indexes not supported`)
  if (from > to) throw new CelError(`cannot slice(${from}, ${to}), start index must be less than or equal to end index`)
  if (to > BigInt(list.length)) throw new CelError(`cannot slice(${from}, ${to}), list is length ${list.length}`)
  return list.slice(Number(from), Number(to))
}

function flatten(list: List, depth: bigint): List {
  if (depth < 0n) throw new CelError('level must be non-negative')
  return list.flatMap((item) => (isList(item) && depth > 0n ? flatten(item, depth - 1n) : [item]))
}

function range(count: bigint): List {
  if (count > 1_000_000n) throw new CelError('lists.range: too many items')
  return Array.from({ length: Math.max(0, Number(count)) }, (_, i) => BigInt(i))
}

/** A list in the order of keys that belong to its items. */
function sortedBy(list: List, keys: List): List {
  if (list.length !== keys.length) throw new CelError(`@sortByAssociatedKeys() expected a list of the same size as the associated keys list, but got ${list.length} and ${keys.length} elements respectively`)
  const [first = null] = keys
  if (keys.length > 0 && !isOrdered(first)) throw new CelError('list elements must be comparable')
  if (keys.some((key) => typeNameOf(key) !== typeNameOf(first))) throw new CelError('list elements must have the same type')
  return list.map((_, i) => i).toSorted((a, b) => compare(keys[a]!, keys[b]!)).map((i) => list[i]!)
}

const contains = (list: List, items: List): boolean => items.every((item) => list.some((other) => equal(item, other)))

export const listLibrary: readonly Definition[] = [
  ...comparable.flatMap((type): Definition[] => [
    [`list<${type}>.isSorted(): bool`, isSorted], [`list<${type}>.max(): ${type}`, (list: List) => extreme(list, 1, 'max')], [`list<${type}>.min(): ${type}`, (list: List) => extreme(list, -1, 'min')],
  ]),
  ['list<int>.sum(): int', (list: List) => sum(list, 0n)], ['list<uint>.sum(): uint', (list: List) => sum(list, new Uint(0n))], ['list<double>.sum(): double', (list: List) => sum(list, 0)],
  ['list<duration>.sum(): duration', (list: List) => sum(list, new Duration(0n))],
  ['list<A>.indexOf(A): int', (list: List, item: Value) => BigInt(list.findIndex((each) => equal(each, item)))],
  ['list<A>.lastIndexOf(A): int', (list: List, item: Value) => BigInt(list.findLastIndex((each) => equal(each, item)))],
  ['list<A>.distinct(): list<A>', distinct], ['list<A>.reverse(): list<A>', (list: List) => list.toReversed()], ['list<A>.slice(int,int): list<A>', slice],
  ...comparable.map((type): Definition => [`list<${type}>.sort(): list<${type}>`, (list: List) => sortedBy(list, list)]),
  ...comparable.map((type): Definition => [`list<A>.@sortByAssociatedKeys(list<${type}>): list<A>`, sortedBy]),
  ['list<list<A>>.flatten(): list<A>', (list: List) => flatten(list, 1n)], ['list<dyn>.flatten(int): list<dyn>', flatten],
  ['lists.range(int): list<int>', range],
  ['list<A>.first(): optional<A>', (list: List) => (list.length === 0 ? none : new Optional(list[0]!))], ['list<A>.last(): optional<A>', (list: List) => (list.length === 0 ? none : new Optional(list.at(-1)!))],
  ['sets.contains(list<A>,list<A>): bool', contains], ['sets.equivalent(list<A>,list<A>): bool', (a: List, b: List) => contains(a, b) && contains(b, a)],
  ['sets.intersects(list<A>,list<A>): bool', (a: List, b: List) => b.some((item) => a.some((other) => equal(item, other)))],
]

/** Go's zero time, the year 1. */
const zeroTime = -62_135_596_800_000_000_000n

function isZero(value: Value): boolean {
  if (value === null || value === false || value === 0n || value === 0 || value === '') return true
  if (value instanceof Uint) return value.value === 0n
  if (value instanceof Duration) return value.nanos === 0n
  if (value instanceof Timestamp) return value.nanos === zeroTime
  if (typeof value === 'string') return textLength(value) === 0
  return typeof value === 'object' && ((isList(value) && value.length === 0) || ('size' in value && value.size === 0) || (value instanceof Uint8Array && value.length === 0))
}

export const optionalLibrary: readonly Definition[] = [
  ['optional.of(A): optional<A>', (value: Value) => new Optional(value)], ['optional.none(): optional<A>', () => none],
  ['optional.ofNonZeroValue(A): optional<A>', (value: Value) => (isZero(value) ? none : new Optional(value))],
  ['optional<A>.hasValue(): bool', ({ value }: Optional) => value !== undefined],
  ['optional<A>.value(): A', ({ value }: Optional) => {
    if (value === undefined) throw new CelError('optional.none() dereference')
    return value
  }],
  ['optional<A>.or(optional<A>): optional<A>', (a: Optional, b: Optional) => (a.value === undefined ? b : a)],
  ['optional<A>.orValue(A): A', (a: Optional, b: Value) => (a.value === undefined ? b : a.value)],
  ['optional.unwrap(list<optional<A>>): list<A>', unwrapped], ['list<optional<A>>.unwrapOpt(): list<A>', unwrapped],
]

function unwrapped(list: readonly Optional[]): Value {
  return list.flatMap(({ value }) => (value === undefined ? [] : [value]))
}
