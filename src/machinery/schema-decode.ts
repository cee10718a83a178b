import { goTypeName } from './schema-type.ts'
import type { ScalarName, SchemaField, SchemaType, StructType, UnionType } from './schema-type.ts'
import { base64ErrorAt, formatGoDuration, normalizeMicroTime, normalizeTime, parseGoDuration } from './schema-time.ts'
import { goKindOf } from './go-print.ts'
import { durationProblem, timeProblem } from './go-time-problem.ts'
import { canonicalQuantity } from './quantity.ts'

/**
 * Brings parsed JSON into the form that a Kubernetes API server would store for its type: what Go's decoder does to a
 * struct and its encoder makes of it again. Works in place on the freshly parsed value; compiled once per type, since
 * every write passes here.
 */

/** A value of a JSON type that its Go type does not take: what was given, of which kind the Go type is, and its name. */
export interface Mismatch { given: unknown; target: 'basic' | 'struct' | 'map' | 'slice' | /** Decodes itself, as times do. */ 'unmarshaler'; type: string }

/** The JSON does not fit the type; the message is Go's. An API server answers 400 with it. */
export class SchemaDecodeError extends Error {
  readonly mismatch: Mismatch | undefined

  constructor(message: string, mismatch?: Mismatch) {
    super(message)
    this.name = 'SchemaDecodeError'
    this.mismatch = mismatch
  }
}

/** What upstream says of a value that does not fit where it converts data to Go's types without JSON, as strategic merge patches do. */
export function conversionProblem(error: SchemaDecodeError): string {
  if (error.mismatch === undefined) return error.message
  const { given, target, type } = error.mismatch
  if (target === 'unmarshaler') return mismatchText(given, type, undefined, type === 'string' ? '' : numberText(given))
  const kind = goKindOf(given)
  if (target === 'struct') return `cannot restore struct from: ${kind}`
  if (target !== 'basic') return `cannot restore ${target} from ${kind}`
  const isName = type.includes('.')
  const isTextual = isName || type === 'string'
  if ((kind === 'int64' && isTextual) || (kind === 'float64' && /^(int|float)/.test(type))) return `cannot convert ${kind} to ${type}`
  return `unrecognized type: ${isName ? 'string' : type}`
}

export interface DecodeOptions {
  /** Adds what Go writes for fields that were left out: `{}` for structs, zero values where there is no `omitempty`. True where left out. */
  fillZeroValues?: boolean
}

export interface DecodeResult {
  value: Record<string, unknown>
  /** Paths of dropped fields that the type does not have, in order: `spec.template.spec.containers[0].foo`. At most 100. */
  unknownFields: string[]
  /** Keys of all objects met, for `duplicateFields`. */
  keyCount: number
}

/** Nesting beyond this is refused, in JSON and protobuf; no Kubernetes type comes near it. */
export const maxDepth = 1000
const maxReported = 100

class Cursor {
  unknown: string[] = []
  keys = 0
  depth = 0
  readonly fill: boolean
  /** Path of where decoding stands: field names, map keys and list positions. */
  readonly stack: Array<string | number> = []

  constructor(fill: boolean) {
    this.fill = fill
  }

  /** With list positions and map keys, as strict decoding reports. */
  pathOf(last: string): string {
    let text = ''
    for (let i = 0; i < this.depth; i++) {
      const part = this.stack[i] as string | number
      text += typeof part === 'number' ? `[${part}]` : text === '' ? part : `.${part}`
    }
    return text === '' ? last : `${text}.${last}`
  }

  enter(part: string | number): void {
    if (this.depth >= maxDepth) throw new SchemaDecodeError('exceeded max depth')
    this.stack[this.depth++] = part
  }
}

/** Where a value stands, for Go's error text: the struct that holds it and the path of struct fields to it. */
interface Place { structName: string; path: Place | undefined; field: string }

/** Returns what to put in the place of `value`; undefined drops it. */
type Decoder = (value: unknown, cursor: Cursor, place: Place | undefined) => unknown

function placeText(place: Place): string {
  return place.path === undefined ? place.field : `${placeText(place.path)}.${place.field}`
}

function mismatchText(value: unknown, type: string, place: Place | undefined, detail: string): string {
  const jsType = typeof value
  const kind = value === null ? 'null' : Array.isArray(value) ? 'array' : jsType === 'boolean' ? 'bool' : jsType === 'bigint' || jsType === 'symbol' ? 'number' : jsType
  const into = place === undefined ? `Go value of type ${type}` : `Go struct field ${place.structName}.${placeText(place)} of type ${type}`
  return `json: cannot unmarshal ${kind}${detail} into ${into}`
}

function mismatch(value: unknown, type: string, place: Place | undefined, detail = '', target: Mismatch['target'] = 'basic'): SchemaDecodeError {
  return new SchemaDecodeError(mismatchText(value, type, place, detail), place === undefined ? undefined : { given: value, target, type })
}

function integer(min: number, max: number, type: string): Decoder {
  const isInt64 = type === 'int64'
  return (value, _cursor, place) => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
    if (typeof value === 'bigint' && isInt64) return value
    throw mismatch(value, type, place, numberText(value))
  }
}

/** ` 1e3`: a number as it was written, for messages; '' where none was given. */
function numberText(value: unknown): string {
  return typeof value === 'number' || typeof value === 'bigint' ? ` ${value}` : typeof value === 'symbol' ? ` ${value.description}` : ''
}

function expectText(type: string): Decoder {
  return (value, _cursor, place) => {
    if (typeof value !== 'string') throw mismatch(value, type, place)
    return value
  }
}

function timeDecoder(fraction: '' | '.000000', normalize: (text: string) => string | undefined): Decoder {
  return (value, _cursor, place) => {
    if (typeof value !== 'string') throw mismatch(value, 'string', place, '', 'unmarshaler')
    const time = normalize(value)
    if (time === undefined) throw new SchemaDecodeError(timeProblem(value, fraction))
    return time
  }
}

/** The double that a number of `parseJsonAsWritten` is. */
function numberOf(written: bigint | symbol): number {
  return Number(typeof written === 'symbol' ? written.description : written)
}

/** Counts keys and depth of a value of any shape, which stays as it is, but for numbers that were kept as written. */
function keepAny(value: unknown, cursor: Cursor): unknown {
  if (typeof value !== 'object' || value === null) return typeof value === 'symbol' ? numberOf(value) : value
  if (++cursor.depth > maxDepth) throw new SchemaDecodeError('exceeded max depth')
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const kept = keepAny(value[i], cursor)
      if (typeof value[i] === 'symbol') value[i] = kept
    }
  } else {
    const object = value as Record<string, unknown>
    for (const key in object) {
      cursor.keys++
      const inner = object[key]
      if (typeof inner === 'symbol') object[key] = numberOf(inner)
      else keepAny(inner, cursor)
    }
  }
  cursor.depth--
  return value
}

function byteOf(value: unknown, place: Place | undefined): number {
  if (value === null) return 0
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 255) return value
  throw mismatch(value, 'uint8', place, numberText(value))
}

const scalarDecoders: Record<ScalarName, Decoder> = {
  string: expectText('string'),
  bool: (value, _cursor, place) => {
    if (typeof value !== 'boolean') throw mismatch(value, 'bool', place)
    return value
  },
  int32: integer(-2147483648, 2147483647, 'int32'),
  int64: integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 'int64'),
  float64: (value, _cursor, place) => {
    if (typeof value === 'bigint' || typeof value === 'symbol') return numberOf(value)
    if (typeof value !== 'number') throw mismatch(value, 'float64', place)
    return value
  },
  bytes: (value, _cursor, place) => {
    // Go takes a list of numbers, too.
    if (Array.isArray(value)) return Buffer.from(value.map((byte) => byteOf(byte, place))).toString('base64')
    if (typeof value !== 'string') throw mismatch(value, '[]uint8', place, '', 'slice')
    const at = base64ErrorAt(value)
    if (at >= 0) throw new SchemaDecodeError(`illegal base64 data at input byte ${at}`)
    return value
  },
  time: timeDecoder('', normalizeTime),
  microTime: timeDecoder('.000000', normalizeMicroTime),
  duration: (value, _cursor, place) => {
    if (typeof value !== 'string') throw mismatch(value, 'string', place, '', 'unmarshaler')
    const nanos = parseGoDuration(value)
    if (nanos === undefined) throw new SchemaDecodeError(durationProblem(value))
    return formatGoDuration(nanos)
  },
  quantity: (value) => {
    if (typeof value === 'symbol') value = value.description
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'bigint') {
      throw new SchemaDecodeError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    }
    try {
      return canonicalQuantity(String(value).trim())
    } catch (error) {
      throw new SchemaDecodeError(error instanceof Error ? error.message : String(error))
    }
  },
  intOrString: (value, _cursor, place) => {
    if (typeof value === 'string') return value
    if (typeof value === 'number' && Number.isInteger(value) && value >= -2147483648 && value <= 2147483647) return value
    throw mismatch(value, 'int32', place, numberText(value), 'unmarshaler')
  },
  raw: keepAny,
  json: keepAny,
  fieldsV1: keepAny,
}

const scalarZeros: Partial<Record<ScalarName, string | number | boolean>> = { string: '', bool: false, int32: 0, int64: 0, float64: 0, quantity: '0', intOrString: 0, duration: '0s' }

/** The value Go writes for one that was never set, or undefined where it writes null or nothing. */
function zeroOf(type: SchemaType): (() => unknown) | undefined {
  if (type.kind === 'struct') return () => zeroStruct(type)
  if (type.kind !== 'scalar') return undefined
  const zero = scalarZeros[type.scalar]
  return zero === undefined ? undefined : () => zero
}

/** What null becomes as an element of a list or map: Go's zero value, with nothing for validation to trip over where Go has nil. */
function elementZeroOf(type: SchemaType): (() => unknown) | undefined {
  if (type.kind === 'list') return () => []
  if (type.kind === 'map') return () => ({})
  return type.kind === 'scalar' && type.scalar === 'bytes' ? () => '' : zeroOf(type)
}

/** Structs inside Go, which `omitempty` does not leave out. */
const neverLeftOut: ReadonlySet<ScalarName> = new Set(['quantity', 'time', 'microTime', 'raw'])

/** Required lists and maps that may be missing all the same; other ones are left for validation to find. */
const requiredButNull: ReadonlySet<string> = new Set(['LimitRangeSpec.limits', 'PodFailurePolicy.rules', 'NodeAllocatableResourceClaimStatus.resources', 'WorkloadSpec.podGroupTemplates'])

/** As these, of pointers. */
const pointersButNull: ReadonlySet<string> = new Set(['ScaleIOVolumeSource.secretRef', 'ScaleIOPersistentVolumeSource.secretRef'])

/** Whether a list or map that is not there, or empty, is what Go writes as null. */
function isNullWhenEmpty({ name: struct }: StructType, field: SchemaField): boolean {
  const { kind } = field.type
  return (kind === 'list' || kind === 'map') && !field.pointer && !field.omitempty && (!field.required || requiredButNull.has(`${struct}.${field.name}`))
}

/** What Go writes for a field that was never set: null for pointers, lists, maps, times and data that have no value. */
function fieldZeroOf(field: SchemaField): () => unknown {
  return (field.pointer ? undefined : zeroOf(field.type)) ?? (() => null)
}

/** Go leaves out a field with `omitempty` unless it is a struct, or a type that is one inside. */
function isAlwaysWritten(struct: StructType, field: SchemaField): boolean {
  const { type } = field
  if (field.pointer) return !field.omitempty && (!field.required || pointersButNull.has(`${struct.name}.${field.name}`))
  if (type.kind === 'struct') return true
  if (type.kind !== 'scalar') return isNullWhenEmpty(struct, field)
  // The one field with `omitzero`.
  if (field.name === 'creationTimestamp') return false
  return type.scalar === 'bytes' ? false : !field.omitempty || neverLeftOut.has(type.scalar)
}

/** `VolumeSource.`: the names of the embedded structs that a field comes from, which Go shows in paths, though JSON does not have them; '' for a field of the struct's own. */
function embedding(type: StructType, name: string): string {
  for (const field of type.fields) {
    if (!field.inline || field.type.kind !== 'struct' || !field.type.jsonFields.has(name)) continue
    return `${field.type.name}.${embedding(field.type, name)}`
  }
  return ''
}

interface StructPlan { fields: Map<string, { field: SchemaField; decode: Decoder; nested: boolean; place: string; isLeftOut: ((value: unknown) => boolean) | undefined; /** Null is what Go writes for it. */ keepsNull: boolean }>; zeros: Array<[name: string, zero: () => unknown]> }

const plans = new WeakMap<StructType, StructPlan>()

function planOf(type: StructType): StructPlan {
  let plan = plans.get(type)
  if (plan !== undefined) return plan
  plan = { fields: new Map(), zeros: [] }
  plans.set(type, plan)
  for (const [name, field] of type.jsonFields) {
    plan.fields.set(name, { field, decode: decoderOf(field.type, field.enumGoName), nested: field.type.kind !== 'scalar', place: `${embedding(type, name)}${name}`, isLeftOut: leftOut(type, field), keepsNull: isAlwaysWritten(type, field) && fieldZeroOf(field)() === null })
    if (isAlwaysWritten(type, field)) plan.zeros.push([name, fieldZeroOf(field)])
  }
  return plan
}

/**
 * Which values of a field Go's encoder leaves out: the zero value of what is no pointer and has `omitempty`; structs never. Empty lists
 * without it go too: stored as protobuf, they come back as none, which is null.
 */
function leftOut(struct: StructType, field: SchemaField): ((value: unknown) => boolean) | undefined {
  const { type } = field
  if (isNullWhenEmpty(struct, field)) return type.kind === 'map' ? isEmptyMap : (value) => (value as unknown[]).length === 0
  if (field.pointer || !field.omitempty) return undefined
  if (type.kind === 'list') return (value) => (value as unknown[]).length === 0
  if (type.kind === 'map') return isEmptyMap
  if (type.kind !== 'scalar') return undefined
  switch (type.scalar) {
    case 'string': case 'bytes': return (value) => value === ''
    case 'bool': return (value) => value === false
    case 'int32': case 'int64': case 'float64': return (value) => value === 0
    default: return undefined
  }
}

function isEmptyMap(value: unknown): boolean {
  for (const _key in value as object) return false
  return true
}

function zeroStruct(type: StructType): Record<string, unknown> {
  const object: Record<string, unknown> = {}
  for (const [name, zero] of planOf(type).zeros) object[name] = zero()
  return object
}

function structDecoder(type: StructType): Decoder {
  let plan: StructPlan | undefined
  const places = new Map<string, Place>()
  return (value, cursor, place) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw mismatch(value, type.goName, place, '', 'struct')
    plan ??= planOf(type)
    const object = value as Record<string, unknown>
    for (const key in object) {
      cursor.keys++
      const known = plan.fields.get(key)
      const old = object[key]
      if (known === undefined) {
        keepAny(old, cursor)
        if (cursor.unknown.length < maxReported) cursor.unknown.push(cursor.pathOf(key))
        delete object[key]
        continue
      }
      if (old === null || old === undefined) {
        // Taking a field out and putting it back makes an object slow for good.
        if (old === undefined || !known.keepsNull || !cursor.fill) delete object[key]
        continue
      }
      let at: Place
      if (place === undefined) {
        at = places.get(key) ?? { structName: type.name, path: undefined, field: known.place }
        places.set(key, at)
      } else at = { structName: type.name, path: place, field: known.place }
      let made: unknown
      if (known.nested) {
        cursor.enter(key)
        made = known.decode(old, cursor, at)
        cursor.depth--
      } else made = known.decode(old, cursor, at)
      if (known.isLeftOut?.(made) === true) delete object[key]
      else if (made !== old) object[key] = made
    }
    if (cursor.fill) for (const [name, zero] of plan.zeros) if (object[name] === undefined) object[name] = zero()
    return object
  }
}

function listDecoder(item: SchemaType, enumGoName: string | undefined): Decoder {
  const decode = decoderOf(item, enumGoName)
  const zero = elementZeroOf(item)
  return (value, cursor, place) => {
    if (!Array.isArray(value)) throw mismatch(value, `[]${goTypeName(item, enumGoName)}`, place, '', 'slice')
    const list = value as unknown[]
    for (let i = 0; i < list.length; i++) {
      const old = list[i]
      if (old === null || old === undefined) {
        if (zero !== undefined) list[i] = zero()
        continue
      }
      cursor.enter(i)
      const made = decode(old, cursor, place)
      cursor.depth--
      if (made !== old) list[i] = made
    }
    return list
  }
}

function mapDecoder(item: SchemaType): Decoder {
  const decode = decoderOf(item)
  const zero = elementZeroOf(item)
  const isText = item.kind === 'scalar' && item.scalar === 'string'
  return (value, cursor, place) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw mismatch(value, goTypeName({ kind: 'map', value: item }), place, '', 'map')
    const map = value as Record<string, unknown>
    for (const key in map) {
      cursor.keys++
      const old = map[key]
      if (isText && typeof old === 'string') continue
      if (old === null || old === undefined) {
        if (zero !== undefined) map[key] = zero()
        continue
      }
      cursor.enter(key)
      const made = decode(old, cursor, place)
      cursor.depth--
      if (made !== old) map[key] = made
    }
    return map
  }
}

function unionDecoder(type: UnionType): Decoder {
  const props = decoderOf(type.props)
  return (value, cursor, place) => {
    if (type.other === 'bool' && typeof value === 'boolean') return value
    if (Array.isArray(value)) {
      if (type.other === 'stringArray') {
        for (const item of value) if (typeof item !== 'string') throw mismatch(item, 'string', undefined)
        return value
      }
      if (type.other === 'array') {
        for (let i = 0; i < value.length; i++) {
          cursor.enter(i)
          value[i] = props(value[i], cursor, place)
          cursor.depth--
        }
        return value
      }
    }
    return props(value, cursor, undefined)
  }
}

const structDecoders = new WeakMap<StructType, Decoder>()

function decoderOf(type: SchemaType, enumGoName?: string): Decoder {
  switch (type.kind) {
    case 'scalar':
      return type.scalar === 'string' && enumGoName !== undefined ? expectText(enumGoName) : scalarDecoders[type.scalar]
    case 'list':
      return listDecoder(type.item, enumGoName)
    case 'map':
      return mapDecoder(type.value)
    case 'union': {
      // Resolved on first use: JSONSchemaProps holds itself.
      let decode: Decoder | undefined
      return (value, cursor, place) => (decode ??= unionDecoder(type))(value, cursor, place)
    }
    case 'struct': {
      let decode = structDecoders.get(type)
      if (decode === undefined) {
        decode = structDecoder(type)
        structDecoders.set(type, decode)
      }
      return decode
    }
  }
}

/**
 * Fits a freshly parsed JSON value to a type, in place: drops unknown fields (reported) and nulls, checks JSON types,
 * normalises times, durations and quantities. Keys such as `__proto__` are data like any other.
 * Throws SchemaDecodeError for the first value of a wrong type.
 */
export function decodeObject(type: StructType, parsed: unknown, options: DecodeOptions = {}): DecodeResult {
  const cursor = new Cursor(options.fillZeroValues !== false)
  const value = decoderOf(type)(parsed, cursor, undefined) as Record<string, unknown>
  return { value, unknownFields: cursor.unknown, keyCount: cursor.keys }
}

/** Adds, in place, what Go writes for absent fields; for objects that were built or changed after decoding. */
export function fillZeroValues(type: StructType, object: Record<string, unknown>): void {
  const plan = planOf(type)
  for (const [name, zero] of plan.zeros) if (object[name] === undefined) object[name] = zero()
  for (const key in object) {
    const known = plan.fields.get(key)
    if (known?.nested === true) fillInside(known.field.type, object[key])
  }
}

function fillInside(type: SchemaType, value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  if (type.kind === 'struct') fillZeroValues(type, value as Record<string, unknown>)
  else if (type.kind === 'list') for (const item of value as unknown[]) fillInside(type.item, item)
  else if (type.kind === 'map') for (const key in value) fillInside(type.value, (value as Record<string, unknown>)[key])
}
