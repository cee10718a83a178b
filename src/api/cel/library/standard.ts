import type { Definition } from '../functions.ts'
import { matches } from '../patterns.ts'
import {
  CelError, compare, Duration, durationText, equal, isList, isMap, itemKey, MapValue, operatorEqual, parseDuration, parseTimestamp, shapedList, shapeOf, textLength, Timestamp, timestampText, typeNameOf, TypeValue, Uint, type CelMap, type Value,
} from '../values.ts'

/** CEL's own functions and operators (https://github.com/google/cel-spec/blob/master/doc/langdef.md). */
const maxInt = 9223372036854775807n
const minInt = -9223372036854775808n
const maxUint = 18446744073709551615n

export function int(value: bigint): bigint {
  if (value > maxInt || value < minInt) throw new CelError('integer overflow')
  return value
}

function uint(value: bigint): Uint {
  if (value < 0n || value > maxUint) throw new CelError('unsigned integer overflow')
  return new Uint(value)
}

const noOverload = (): never => { throw new CelError('no such overload') }
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function textOf(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new CelError('invalid UTF-8 in bytes, cannot convert to string')
  }
}

/** As Go's `%g` writes a double with as many digits as it takes. */
export function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  const size = Math.abs(value)
  if (size !== 0 && (size < 1e-4 || size >= 1e6)) return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2')
  return Object.is(value, -0) ? '-0' : String(value)
}

function concatenated(a: readonly Value[], b: readonly Value[]): readonly Value[] {
  const shape = shapeOf(a)
  if (shape === undefined) return [...a, ...b]
  if (shape.kind === 'set') return shapedList([...a, ...b.filter((item) => !a.some((known) => equal(known, item)))], shape)
  const byKey = new Map(b.map((item) => [itemKey(item, shape.keys), item]))
  const known = new Set(a.map((item) => itemKey(item, shape.keys)))
  return shapedList([...a.map((item) => byKey.get(itemKey(item, shape.keys)) ?? item), ...b.filter((item) => !known.has(itemKey(item, shape.keys)))], shape)
}

/** The operator `+`. */
export function add(a: Value, b: Value): Value {
  if (typeof a === 'bigint' && typeof b === 'bigint') return int(a + b)
  if (typeof a === 'number' && typeof b === 'number') return a + b
  if (typeof a === 'string' && typeof b === 'string') return a + b
  if (a instanceof Uint && b instanceof Uint) return uint(a.value + b.value)
  if (isList(a) && isList(b)) return concatenated(a, b)
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Uint8Array.from([...a, ...b])
  if (a instanceof Timestamp && b instanceof Duration) return new Timestamp(a.nanos + b.nanos, a.zoneMinutes)
  if (a instanceof Duration && b instanceof Timestamp) return new Timestamp(a.nanos + b.nanos, b.zoneMinutes)
  if (a instanceof Duration && b instanceof Duration) return new Duration(a.nanos + b.nanos)
  return noOverload()
}

function subtract(a: Value, b: Value): Value {
  if (typeof a === 'bigint' && typeof b === 'bigint') return int(a - b)
  if (typeof a === 'number' && typeof b === 'number') return a - b
  if (a instanceof Uint && b instanceof Uint) return uint(a.value - b.value)
  if (a instanceof Timestamp && b instanceof Timestamp) return new Duration(a.nanos - b.nanos)
  if (a instanceof Timestamp && b instanceof Duration) return new Timestamp(a.nanos - b.nanos, a.zoneMinutes)
  if (a instanceof Duration && b instanceof Duration) return new Duration(a.nanos - b.nanos)
  return noOverload()
}

function multiply(a: Value, b: Value): Value {
  if (typeof a === 'bigint' && typeof b === 'bigint') return int(a * b)
  if (typeof a === 'number' && typeof b === 'number') return a * b
  if (a instanceof Uint && b instanceof Uint) return uint(a.value * b.value)
  return noOverload()
}

function divide(a: Value, b: Value): Value {
  if (typeof a === 'number' && typeof b === 'number') return a / b
  const isUint = a instanceof Uint && b instanceof Uint
  const by = isUint ? b.value : b
  if (typeof by !== 'bigint' || !(isUint || typeof a === 'bigint')) return noOverload()
  if (by === 0n) throw new CelError('division by zero')
  return isUint ? uint(a.value / by) : int((a as bigint) / by)
}

function remainder(a: Value, b: Value): Value {
  const isUint = a instanceof Uint && b instanceof Uint
  const by = isUint ? b.value : b
  if (typeof by !== 'bigint' || !(isUint || typeof a === 'bigint')) return noOverload()
  if (by === 0n) throw new CelError('modulus by zero')
  return isUint ? uint(a.value % by) : int((a as bigint) % by)
}

/** Every type in both places, and numbers across types. */
function ordered(operator: string, test: (order: number) => boolean): Definition[] {
  const call = (a: Value, b: Value): boolean => {
    if (Number.isNaN(a) || Number.isNaN(b)) throw new CelError('NaN values cannot be ordered')
    return test(compare(a, b))
  }
  const numbers = ['int', 'uint', 'double']
  const pairs = [...['bool', 'string', 'bytes', 'timestamp', 'duration'].map((type) => [type, type]), ...numbers.flatMap((a) => numbers.map((b) => [a, b]))]
  return pairs.map(([a, b]) => [`${operator}(${a},${b}): bool`, call] as const)
}

function each(operator: string, signatures: readonly string[], call: (a: Value, b: Value) => Value): Definition[] {
  return signatures.map((signature) => [`${operator}(${signature.replace(/:.*/, '')}): ${signature.replace(/.*:/, '')}`, call] as const)
}

const sameTyped = (types: readonly string[]): string[] => types.map((type) => `${type},${type}:${type}`)

export function elementAt(collection: Value, key: Value): Value {
  if (isList(collection)) {
    if (typeof key === 'string') throw new CelError("unsupported index type 'string' in list")
    const index = typeof key === 'bigint' ? key : key instanceof Uint ? key.value : typeof key === 'number' && Number.isInteger(key) ? BigInt(key) : undefined
    if (index === undefined) throw new CelError(typeof key === 'number' ? `unsupported index value ${key} in list` : 'no such overload')
    if (index < 0n || index >= BigInt(collection.length)) throw new CelError(`index out of bounds: ${index}`)
    return collection[Number(index)]!
  }
  if (!isMap(collection)) throw new CelError(`no such key: ${keyText(key)}`)
  const found = collection.get(key)
  if (found === undefined) throw new CelError(`no such key: ${keyText(key)}`)
  return found
}

export function keyText(key: Value): string {
  return key instanceof Uint ? String(key.value) : String(key)
}

function toInt(value: Value): bigint {
  if (typeof value === 'bigint') return value
  if (value instanceof Uint) return int(value.value)
  if (typeof value === 'number') {
    if (!Number.isFinite(value) || value <= -(2 ** 63) || value >= 2 ** 63) throw new CelError('integer overflow')
    return BigInt(Math.trunc(value))
  }
  if (value instanceof Timestamp) return value.nanos / 1_000_000_000n - (value.nanos < 0n && value.nanos % 1_000_000_000n !== 0n ? 1n : 0n)
  if (value instanceof Duration) return value.nanos
  if (typeof value !== 'string' || !/^[+-]?\d+$/.test(value)) throw new CelError(`type conversion error from 'string' to 'int'`)
  const parsed = BigInt(value.replace(/^\+/, ''))
  if (parsed > maxInt || parsed < minInt) throw new CelError(`type conversion error from 'string' to 'int'`)
  return parsed
}

function toUint(value: Value): Uint {
  if (value instanceof Uint) return value
  if (typeof value === 'bigint') return uint(value)
  if (typeof value === 'number') {
    if (!Number.isFinite(value) || value < 0 || value >= 2 ** 64) throw new CelError('unsigned integer overflow')
    return new Uint(BigInt(Math.trunc(value)))
  }
  if (typeof value !== 'string' || !/^\d+$/.test(value) || BigInt(value) > maxUint) throw new CelError(`type conversion error from 'string' to 'uint'`)
  return new Uint(BigInt(value))
}

function toDouble(value: Value): number {
  if (typeof value === 'number') return value
  if (typeof value === 'bigint') return Number(value)
  if (value instanceof Uint) return Number(value.value)
  const text = String(value)
  if (/^[+-]?(inf|infinity)$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity
  if (/^nan$/i.test(text)) return NaN
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) throw new CelError(`type conversion error from 'string' to 'double'`)
  return Number(text)
}

function toText(value: Value): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return doubleText(value)
  if (value instanceof Uint) return String(value.value)
  if (value instanceof Uint8Array) return textOf(value)
  if (value instanceof Timestamp) return timestampText(value)
  if (value instanceof Duration) return durationText(value)
  return String(value)
}

function toTimestamp(value: Value): Timestamp {
  if (value instanceof Timestamp) return value
  if (typeof value === 'bigint') return new Timestamp(value * 1_000_000_000n)
  const parsed = parseTimestamp(String(value))
  if (parsed === undefined) throw new CelError(`type conversion error from 'string' to 'google.protobuf.Timestamp'`)
  return parsed
}

function toDuration(value: Value): Duration {
  if (value instanceof Duration) return value
  if (typeof value === 'bigint') return new Duration(value)
  const parsed = parseDuration(String(value))
  if (parsed === undefined) throw new CelError(`type conversion error from 'string' to 'google.protobuf.Duration'`)
  return parsed
}

function toBool(value: Value): boolean {
  if (typeof value === 'boolean') return value
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(String(value))) return true
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(String(value))) return false
  throw new CelError(`type conversion error from 'string' to 'bool'`)
}

type DatePart = 'year' | 'month' | 'date' | 'dayOfMonth' | 'dayOfYear' | 'dayOfWeek' | 'hours' | 'minutes' | 'seconds' | 'milliseconds'

/** The clock's reading in a zone (`UTC`, `Europe/Berlin`, `+02:00`), as a Date whose UTC fields hold it. */
function inZone({ nanos }: Timestamp, zone: string): Date {
  const ms = Number(nanos / 1_000_000n - (nanos < 0n && nanos % 1_000_000n !== 0n ? 1n : 0n))
  if (zone === '' || zone === 'UTC') return new Date(ms)
  const offset = /^([+-]?)(\d\d?):(\d\d)$/.exec(zone)
  if (offset !== null) {
    if (Number(offset[3]) > 59) throw new CelError(`invalid timezone: ${zone}`)
    return new Date(ms + (offset[1] === '-' ? -1 : 1) * (Number(offset[2]) * 60 + Number(offset[3])) * 60_000)
  }
  try {
    const parts = new Intl.DateTimeFormat('en-US', { timeZone: zone, hourCycle: 'h23', era: 'short', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' }).formatToParts(new Date(ms))
    const part = (type: string): number => Number(parts.find((each) => each.type === type)?.value ?? 0)
    const isBeforeChrist = parts.some(({ type, value }) => type === 'era' && value.startsWith('B'))
    const time = ((part('hour') * 60 + part('minute')) * 60 + part('second')) * 1000 + (((ms % 1000) + 1000) % 1000)
    return new Date(startOf(isBeforeChrist ? 1 - part('year') : part('year'), part('month') - 1, part('day')) + time)
  } catch (cause) {
    throw new CelError(`unknown time zone ${zone}`, { cause })
  }
}

/** When a day began, also in the first century, whose years `Date.UTC` takes for others. */
function startOf(year: number, month: number, day: number): number {
  return new Date(0).setUTCFullYear(year, month, day)
}

function datePart(part: DatePart, timestamp: Timestamp, zone: string): bigint {
  const at = inZone(timestamp, zone)
  switch (part) {
    case 'year': return BigInt(at.getUTCFullYear())
    case 'month': return BigInt(at.getUTCMonth())
    case 'date': return BigInt(at.getUTCDate())
    case 'dayOfMonth': return BigInt(at.getUTCDate() - 1)
    case 'dayOfYear': return BigInt(Math.floor((at.getTime() - startOf(at.getUTCFullYear(), 0, 1)) / 86_400_000))
    case 'dayOfWeek': return BigInt(at.getUTCDay())
    case 'hours': return BigInt(at.getUTCHours())
    case 'minutes': return BigInt(at.getUTCMinutes())
    case 'seconds': return BigInt(at.getUTCSeconds())
    case 'milliseconds': return BigInt(at.getUTCMilliseconds())
  }
}

const dateFunctions: Definition[] = (Object.entries({
  getFullYear: 'year', getMonth: 'month', getDate: 'date', getDayOfMonth: 'dayOfMonth', getDayOfYear: 'dayOfYear', getDayOfWeek: 'dayOfWeek', getHours: 'hours', getMinutes: 'minutes', getSeconds: 'seconds', getMilliseconds: 'milliseconds',
}) as [string, DatePart][]).flatMap(([name, part]): Definition[] => [
  [`timestamp.${name}(): int`, (at: Timestamp) => datePart(part, at, 'UTC')],
  [`timestamp.${name}(string): int`, (at: Timestamp, zone: string) => datePart(part, at, zone)],
])

const conversions: Definition[] = [
  ...['int', 'uint', 'double', 'string', 'timestamp', 'duration'].map((from): Definition => [`int(${from}): int`, toInt]),
  ...['uint', 'int', 'double', 'string'].map((from): Definition => [`uint(${from}): uint`, toUint]),
  ...['double', 'int', 'uint', 'string'].map((from): Definition => [`double(${from}): double`, toDouble]),
  ...['string', 'bool', 'bytes', 'double', 'duration', 'int', 'timestamp', 'uint'].map((from): Definition => [`string(${from}): string`, toText]),
  ...['timestamp', 'int', 'string'].map((from): Definition => [`timestamp(${from}): timestamp`, toTimestamp]),
  ...['duration', 'int', 'string'].map((from): Definition => [`duration(${from}): duration`, toDuration]),
  ...['bool', 'string'].map((from): Definition => [`bool(${from}): bool`, toBool]),
  ['bytes(bytes): bytes', (value: Uint8Array) => value],
  ['bytes(string): bytes', (value: string) => new TextEncoder().encode(value)],
  ['dyn(A): dyn', (value: Value) => value],
  ['type(A): type<A>', (value: Value) => new TypeValue(typeNameOf(value))],
]

function has(collection: Value, item: Value): boolean {
  return isList(collection) ? collection.some((each) => equal(each, item)) : (collection as CelMap).has(item)
}

/** Adds to a map that a two-variable comprehension builds. */
function inserted(map: CelMap, key: Value, value: Value): Value {
  const made = MapValue.of([...map.keys()].map((each) => [each, map.get(each)!] as const))
  if (made.has(key)) throw new CelError(`insert failed: key ${keyText(key)} already exists`)
  made.set(key, value)
  return made
}

export const standardLibrary: readonly Definition[] = [
  ['_?_:_(bool,A,A): A', noOverload], ['_&&_(bool,bool): bool', noOverload], ['_||_(bool,bool): bool', noOverload], ['@not_strictly_false(bool): bool', (value: Value) => value !== false],
  ['!_(bool): bool', (value: boolean) => !value],
  ['_==_(A,A): bool', operatorEqual], ['_!=_(A,A): bool', (a: Value, b: Value) => !equal(a, b)],
  ...ordered('_<_', (order) => order < 0), ...ordered('_<=_', (order) => order <= 0), ...ordered('_>_', (order) => order > 0), ...ordered('_>=_', (order) => order >= 0),
  ...each('_+_', [...sameTyped(['bytes', 'double', 'duration', 'int', 'string', 'uint', 'list<A>']), 'duration,timestamp:timestamp', 'timestamp,duration:timestamp'], add),
  ...each('_-_', [...sameTyped(['double', 'duration', 'int', 'uint']), 'timestamp,duration:timestamp', 'timestamp,timestamp:duration'], subtract),
  ...each('_*_', sameTyped(['double', 'int', 'uint']), multiply),
  ...each('_/_', sameTyped(['double', 'int', 'uint']), divide),
  ...each('_%_', sameTyped(['int', 'uint']), remainder),
  ['-_(int): int', (value: bigint) => int(-value)], ['-_(double): double', (value: number) => -value],
  ['_[_](list<A>,int): A', elementAt], ['_[_](map<A,B>,A): B', elementAt], ['_[_](optional<list<A>>,int): optional<A>', noOverload], ['_[_](optional<map<A,B>>,A): optional<B>', noOverload],
  ['_[?_](list<A>,int): optional<A>', noOverload], ['_[?_](map<A,B>,A): optional<B>', noOverload], ['_[?_](optional<list<A>>,int): optional<A>', noOverload], ['_[?_](optional<map<A,B>>,A): optional<B>', noOverload],
  ['@in(A,list<A>): bool', (item: Value, list: Value) => has(list, item)], ['@in(A,map<A,B>): bool', (key: Value, map: Value) => has(map, key)],
  ['size(string): int', (text: string) => BigInt(textLength(text))], ['size(bytes): int', (bytes: Uint8Array) => BigInt(bytes.length)], ['size(list<A>): int', (list: Value[]) => BigInt(list.length)], ['size(map<A,B>): int', (map: CelMap) => BigInt(map.size)],
  ['string.size(): int', (text: string) => BigInt(textLength(text))], ['bytes.size(): int', (bytes: Uint8Array) => BigInt(bytes.length)], ['list<A>.size(): int', (list: Value[]) => BigInt(list.length)], ['map<A,B>.size(): int', (map: CelMap) => BigInt(map.size)],
  ['string.contains(string): bool', (text: string, part: string) => text.includes(part)], ['string.startsWith(string): bool', (text: string, part: string) => text.startsWith(part)], ['string.endsWith(string): bool', (text: string, part: string) => text.endsWith(part)],
  ['matches(string,string): bool', regexMatches], ['string.matches(string): bool', regexMatches],
  ['cel.@mapInsert(map<A,B>,A,B): map<A,B>', inserted],
  ['cel.@mapInsert(map<A,B>,map<A,B>): map<A,B>', (map: CelMap, more: CelMap) => [...more.keys()].reduce<CelMap>((all, key) => inserted(all, key, more.get(key)!) as CelMap, map)],
  ...conversions, ...dateFunctions,
  ['duration.getHours(): int', ({ nanos }: Duration) => nanos / 3_600_000_000_000n], ['duration.getMinutes(): int', ({ nanos }: Duration) => nanos / 60_000_000_000n],
  ['duration.getSeconds(): int', ({ nanos }: Duration) => nanos / 1_000_000_000n], ['duration.getMilliseconds(): int', ({ nanos }: Duration) => nanos / 1_000_000n],
]

function regexMatches(text: string, pattern: string): boolean {
  try {
    return matches(pattern, text)
  } catch (cause) {
    throw new CelError((cause as Error).message, { cause })
  }
}
