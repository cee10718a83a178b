/**
 * Values while an expression runs. Ints are bigints, doubles numbers; lists are arrays; maps and objects are `CelMap`;
 * what JavaScript has no value for is a class of its own.
 */
export type Value = null | boolean | bigint | number | string | Uint8Array | Uint | Timestamp | Duration | Optional | TypeValue | Opaque | CelMap | readonly Value[]

/** Evaluation came to no value; the text is what cel-go's `types.Err` says. */
export class CelError extends Error {}

/** Evaluation took more than it may; no operator swallows it. */
export class CostExceeded extends Error {
  constructor() {
    super('operation cancelled: actual cost limit exceeded')
  }
}

export class Uint {
  readonly value: bigint
  constructor(value: bigint) {
    this.value = value
  }
}

const nanosPerSecond = 1_000_000_000n
const minTimestamp = -62_135_596_800n * nanosPerSecond
const maxTimestamp = 253_402_300_799n * nanosPerSecond + 999_999_999n
const maxDuration = 9_223_372_036_854_775_807n

export class Timestamp {
  /** Since 1970, UTC. */
  readonly nanos: bigint
  /** Minutes east of UTC in which the time was written, and is written again. */
  readonly zoneMinutes: number
  constructor(nanos: bigint, zoneMinutes = 0) {
    if (nanos < minTimestamp || nanos > maxTimestamp) throw new CelError('timestamp overflow')
    this.nanos = nanos
    this.zoneMinutes = zoneMinutes
  }
}

export class Duration {
  readonly nanos: bigint
  constructor(nanos: bigint) {
    if (nanos > maxDuration || nanos < -maxDuration) throw new CelError('duration overflow')
    this.nanos = nanos
  }
}

export class Optional {
  readonly value: Value | undefined
  constructor(value: Value | undefined) {
    this.value = value
  }
}
export const none = new Optional(undefined)

/** A type as a value: what `type(x)` gives. */
export class TypeValue {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}

/** A value of a type that CEL itself lacks: a quantity, an address, an authorizer. */
export class Opaque {
  readonly typeName: string
  readonly held: unknown
  readonly equals: (other: Opaque) => boolean
  readonly size: number
  constructor(typeName: string, held: unknown, equals: (other: Opaque) => boolean = (other) => other.held === held, size = 1) {
    this.typeName = typeName
    this.held = held
    this.equals = equals
    this.size = size
  }
}

export interface CelMap {
  readonly isCelMap: true
  /** Its type's name where it is an object of one, `map` otherwise. */
  readonly typeName: string
  readonly size: number
  get(key: Value): Value | undefined
  has(key: Value): boolean
  keys(): Iterable<Value>
}

export function isMap(value: unknown): value is CelMap {
  return typeof value === 'object' && value !== null && (value as { isCelMap?: unknown }).isCelMap === true
}

export function isList(value: unknown): value is readonly Value[] {
  return Array.isArray(value)
}

/** Equal keys have equal texts: 1, 1u and 1.0 are one key. */
function keyOf(key: Value): string | undefined {
  if (typeof key === 'string') return `s${key}`
  if (typeof key === 'bigint') return `n${key}`
  if (typeof key === 'boolean') return `b${key}`
  if (key instanceof Uint) return `n${key.value}`
  if (typeof key === 'number' && Number.isInteger(key)) return `n${BigInt(key)}`
  return undefined
}

/** A map that an expression made. */
export class MapValue implements CelMap {
  readonly isCelMap = true
  readonly typeName: string
  readonly #entries = new Map<string, [Value, Value]>()

  constructor(typeName = 'map') {
    this.typeName = typeName
  }

  static of(entries: Iterable<readonly [Value, Value]>): MapValue {
    const made = new MapValue()
    for (const [key, value] of entries) made.set(key, value)
    return made
  }

  get size(): number {
    return this.#entries.size
  }

  set(key: Value, value: Value): void {
    const text = keyOf(key)
    if (text === undefined) throw new CelError('unsupported key type')
    this.#entries.set(text, [key, value])
  }

  get(key: Value): Value | undefined {
    const text = keyOf(key)
    return text === undefined ? undefined : this.#entries.get(text)?.[1]
  }

  has(key: Value): boolean {
    const text = keyOf(key)
    return text !== undefined && this.#entries.has(text)
  }

  *keys(): Iterable<Value> {
    for (const [key] of this.#entries.values()) yield key
  }
}

/** How a list compares and adds up, by its schema: items of a set have no order, those of a map are told by their keys. */
export interface ListShape { kind: 'set' | 'map'; keys: readonly string[] }
const listShapes = new WeakMap<object, ListShape>()

export function shapedList(items: readonly Value[], shape: ListShape): readonly Value[] {
  listShapes.set(items, shape)
  return items
}

export function shapeOf(items: readonly Value[]): ListShape | undefined {
  return listShapes.get(items)
}

/** What identifies an item of a list of type map. */
export function itemKey(item: Value, keys: readonly string[]): string {
  return isMap(item) ? JSON.stringify(keys.map((key) => String(keyOf(item.get(key) ?? null)))) : ''
}

function numeric(value: Value): number | bigint | undefined {
  if (typeof value === 'number' || typeof value === 'bigint') return value
  return value instanceof Uint ? value.value : undefined
}

export function equal(a: Value, b: Value): boolean {
  if (a === b) return true
  const left = numeric(a)
  if (left !== undefined) {
    const right = numeric(b)
    // oxlint-disable-next-line eqeqeq -- ints equal doubles of the same value
    return right !== undefined && left == right
  }
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (isList(a)) return isList(b) && listsEqual(a, b)
  if (isMap(a)) return isMap(b) && mapsEqual(a, b)
  if (a instanceof Timestamp) return b instanceof Timestamp && a.nanos === b.nanos
  if (a instanceof Duration) return b instanceof Duration && a.nanos === b.nanos
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0
  if (a instanceof Optional) return b instanceof Optional && (a.value === undefined ? b.value === undefined : b.value !== undefined && equal(a.value, b.value))
  if (a instanceof TypeValue) return b instanceof TypeValue && a.name === b.name
  if (a instanceof Opaque) return isAlike(a, b) && a.equals(b as Opaque)
  return false
}

/** Values of Kubernetes' own types compare with their like only. */
const isAlike = (a: Opaque, b: Value): boolean => b instanceof Opaque && a.typeName === b.typeName

/** The operator `==`. */
export function operatorEqual(a: Value, b: Value): boolean {
  if (a instanceof Opaque && a !== b && b !== null && !isAlike(a, b)) throw new CelError('no such overload')
  return equal(a, b)
}

/** Parts of lists and maps: those that cannot be compared make no difference, as in cel-go. */
const partsEqual = (a: Value, b: Value): boolean => (a instanceof Opaque && b !== null && !isAlike(a, b)) || equal(a, b)

function listsEqual(a: readonly Value[], b: readonly Value[]): boolean {
  if (a.length !== b.length) return false
  const shape = shapeOf(a) ?? shapeOf(b)
  if (shape === undefined) return a.every((item, i) => partsEqual(item, b[i]!))
  if (shape.kind === 'set') return a.every((item) => b.some((other) => equal(item, other)))
  const byKey = new Map(b.map((item) => [itemKey(item, shape.keys), item]))
  return a.every((item) => {
    const other = byKey.get(itemKey(item, shape.keys))
    return other !== undefined && equal(item, other)
  })
}

function mapsEqual(a: CelMap, b: CelMap): boolean {
  if (a.size !== b.size) return false
  for (const key of a.keys()) {
    const other = b.get(key)
    if (other === undefined || !partsEqual(a.get(key)!, other)) return false
  }
  return true
}

/** Below, equal or above zero; throws where values of these types have no order. */
export function compare(a: Value, b: Value): number {
  const left = numeric(a)
  const right = numeric(b)
  if (left !== undefined && right !== undefined) return left < right ? -1 : left > right ? 1 : 0
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b)
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b)
  if (a instanceof Timestamp && b instanceof Timestamp) return a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0
  if (a instanceof Duration && b instanceof Duration) return a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b)
  throw new CelError('no such overload')
}

/** By code points, as Go compares UTF-8. */
function compareText(a: string, b: string): number {
  if (a === b) return 0
  return /[\ud800-\udfff]/.test(a) || /[\ud800-\udfff]/.test(b) ? Buffer.compare(Buffer.from(a), Buffer.from(b)) : a < b ? -1 : 1
}

/** The name of a value's type at run time. */
export function typeNameOf(value: Value): string {
  switch (typeof value) {
    case 'boolean': return 'bool'
    case 'bigint': return 'int'
    case 'number': return 'double'
    case 'string': return 'string'
    default: break
  }
  if (value === null) return 'null_type'
  if (isList(value)) return 'list'
  if (isMap(value)) return value.typeName
  if (value instanceof Uint) return 'uint'
  if (value instanceof Uint8Array) return 'bytes'
  if (value instanceof Timestamp) return 'google.protobuf.Timestamp'
  if (value instanceof Duration) return 'google.protobuf.Duration'
  if (value instanceof Optional) return 'optional_type'
  if (value instanceof TypeValue) return 'type'
  return (value as Opaque).typeName
}

/** Characters of a text: CEL counts code points. */
export function textLength(text: string): number {
  if (!/[\ud800-\udfff]/.test(text)) return text.length
  let count = 0
  for (const _ of text) count += 1
  return count
}

/** Plain JavaScript of a value: ints become numbers where they are exact, maps objects. For answers that are written as JSON. */
export function plainValue(value: Value): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value
  if (typeof value !== 'object' || value === null) return value
  if (isList(value)) return value.map(plainValue)
  if (isMap(value)) {
    const out: Record<string, unknown> = {}
    for (const key of value.keys()) Object.defineProperty(out, String(plainValue(key)), { value: plainValue(value.get(key)!), enumerable: true, writable: true, configurable: true })
    return out
  }
  if (value instanceof Uint) return plainValue(value.value)
  if (value instanceof Optional) return value.value === undefined ? undefined : plainValue(value.value)
  if (value instanceof Timestamp) return timestampText(value)
  if (value instanceof Duration) return durationText(value)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (value instanceof TypeValue) return value.name
  return String((value as Opaque).held)
}

export function timestampText({ nanos, zoneMinutes }: Timestamp): string {
  const seconds = nanos >= 0n ? nanos / nanosPerSecond : -((-nanos + nanosPerSecond - 1n) / nanosPerSecond)
  const fraction = nanos - seconds * nanosPerSecond
  const text = new Date((Number(seconds) + zoneMinutes * 60) * 1000).toISOString().slice(0, 19)
  const size = Math.abs(zoneMinutes)
  const zone = zoneMinutes === 0 ? 'Z' : `${zoneMinutes < 0 ? '-' : '+'}${String(Math.trunc(size / 60)).padStart(2, '0')}:${String(size % 60).padStart(2, '0')}`
  return `${text}${fraction === 0n ? '' : `.${fraction.toString().padStart(9, '0').replace(/0+$/, '')}`}${zone}`
}

/** `5400s`, as `string(duration)` writes it. */
export function durationText({ nanos }: Duration): string {
  const size = nanos < 0n ? -nanos : nanos
  const fraction = size % nanosPerSecond
  return `${nanos < 0n ? '-' : ''}${size / nanosPerSecond}${fraction === 0n ? '' : `.${fraction.toString().padStart(9, '0').replace(/0+$/, '')}`}s`
}

/** RFC 3339; undefined for what is none. */
export function parseTimestamp(text: string): Timestamp | undefined {
  const match = /^(\d{4}-\d\d-\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)$/.exec(text)
  if (match === null) return undefined
  const ms = Date.parse(`${match[1]}T${match[2]}:${match[3]}:${match[4]}${match[6]!.toUpperCase()}`)
  if (Number.isNaN(ms)) return undefined
  const [, sign, hours, minutes] = /^([+-])(\d\d):(\d\d)$/.exec(match[6]!) ?? []
  const zoneMinutes = sign === undefined ? 0 : (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes))
  return new Timestamp(BigInt(ms) * 1_000_000n + BigInt((match[5] ?? '').slice(0, 9).padEnd(9, '0')), zoneMinutes)
}

const unitNanos: Readonly<Record<string, bigint>> = { ns: 1n, us: 1_000n, 'µs': 1_000n, 'μs': 1_000n, ms: 1_000_000n, s: nanosPerSecond, m: 60n * nanosPerSecond, h: 3600n * nanosPerSecond }

/** Go's `time.ParseDuration`: `1h30m`, `-1.5s`; undefined for what is none. */
export function parseDuration(text: string): Duration | undefined {
  if (text === '0' || text === '+0' || text === '-0') return new Duration(0n)
  if (!/^[+-]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(text)) return undefined
  let nanos = 0n
  for (const [, whole = '', fraction = '', unit = ''] of text.matchAll(/(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/g)) {
    const size = unitNanos[unit]!
    nanos += BigInt(whole === '' ? '0' : whole) * size + (fraction === '' ? 0n : (BigInt(fraction) * size) / 10n ** BigInt(fraction.length))
  }
  return nanos > maxDuration ? undefined : new Duration(text.startsWith('-') ? -nanos : nanos)
}

const looseUnits: readonly (readonly [names: RegExp, nanos: bigint])[] = [
  [/^(?:ns|nano.*)$/, 1n], [/^(?:us|µs|micro.*)$/, 1_000n], [/^(?:ms|milli.*)$/, 1_000_000n], [/^(?:s|sec.*)$/, nanosPerSecond], [/^(?:m|min.*)$/, 60n * nanosPerSecond],
  [/^(?:h|hr|hour.*)$/, 3600n * nanosPerSecond], [/^(?:d|day.*)$/, 86_400n * nanosPerSecond], [/^(?:w|wk|week.*)$/, 604_800n * nanosPerSecond],
]

/** Durations as the format of schemas takes them: Go's, and words (`3 days`, `2 weeks`), of which those that are known add up. */
export function parseLooseDuration(text: string): Duration | undefined {
  const strict = parseDuration(text)
  if (strict !== undefined) return strict
  let nanos: bigint | undefined
  for (const [, count = '', unit = ''] of text.matchAll(/(\d+)\s*([A-Za-zµ]+)/g)) {
    if (BigInt(count) > maxDuration) return undefined
    const size = looseUnits.find(([names]) => names.test(unit.toLowerCase()))?.[1]
    if (size !== undefined) nanos = BigInt.asIntN(64, (nanos ?? 0n) + BigInt(count) * size)
  }
  return nanos === undefined || nanos < -maxDuration ? undefined : new Duration(nanos)
}
