import { textOfOwned } from './apply/owned-fields.ts'
import { parseJson } from './json-numbers.ts'
import type { SchemaField, SchemaType, StructType, UnionType } from './schema-type.ts'
import { fillZeroValues, maxDepth } from './schema-decode.ts'
import { formatGoDuration, formatMicroTime, formatTime, parseGoDuration, parseTime } from './schema-time.ts'
import { canonicalQuantity } from './quantity.ts'
import { ProtobufError, Reader, ReverseWriter, eachField } from './protobuf-wire.ts'

/**
 * Kubernetes' protobuf encoding of JSON-form objects, byte for byte as gogo's generated marshallers write it: fields by
 * number, scalars that are no pointers always, pointers when set, map entries sorted. Here are single messages; the envelope that
 * bodies have is in protobuf-envelope.ts.
 */

type FieldEncoder = (writer: ReverseWriter, value: unknown) => void
type ObjectEncoder = (writer: ReverseWriter, object: Record<string, unknown>) => void

function bytesOf(value: unknown): Buffer {
  return Buffer.from(typeof value === 'string' ? value : '', 'base64')
}

function jsonText(value: unknown): string {
  return textOfOwned(value as object) ?? JSON.stringify(value)
}

/** Writes the content of one value as a field with the given number; `value` is neither undefined nor null unless the type has a zero form. */
function fieldEncoder(type: SchemaType, number: number): FieldEncoder {
  switch (type.kind) {
    case 'scalar':
      switch (type.scalar) {
        case 'string': return (writer, value) => writer.textField(number, typeof value === 'string' ? value : '')
        case 'bool': return (writer, value) => { writer.varint(value === true ? 1 : 0); writer.tag(number, 0) }
        case 'int32':
        case 'int64': return (writer, value) => { writer.signed(typeof value === 'number' || typeof value === 'bigint' ? value : 0); writer.tag(number, 0) }
        case 'float64': return (writer, value) => { writer.double(typeof value === 'number' ? value : 0); writer.tag(number, 1) }
        case 'bytes': return (writer, value) => writer.bytesField(number, bytesOf(value))
        default: {
          const encode = messageScalar(type.scalar)
          return (writer, value) => {
            const before = writer.length
            encode(writer, value)
            writer.close(number, before)
          }
        }
      }
    case 'list': {
      const item = fieldEncoder(type.item, type.wrapped === true ? 1 : number)
      const writeItems: FieldEncoder = (writer, value) => {
        const list = value as unknown[]
        for (let i = list.length - 1; i >= 0; i--) item(writer, list[i])
      }
      if (type.wrapped !== true) return writeItems
      return (writer, value) => {
        const before = writer.length
        if (Array.isArray(value)) writeItems(writer, value)
        writer.close(number, before)
      }
    }
    case 'map': {
      const item = fieldEncoder(type.value, 2)
      const skipsNull = type.value.kind === 'scalar' && type.value.scalar === 'bytes'
      return (writer, value) => {
        const map = value as Record<string, unknown>
        const keys = Object.keys(map).sort(byUtf8)
        for (let i = keys.length - 1; i >= 0; i--) {
          const key = keys[i] as string
          const before = writer.length
          const value = map[key]
          if (value !== null || !skipsNull) item(writer, value)
          writer.textField(1, key)
          writer.close(number, before)
        }
      }
    }
    case 'union':
      return (writer, value) => {
        const before = writer.length
        encodeUnion(type, writer, value)
        writer.close(number, before)
      }
    case 'struct': {
      let encode: ObjectEncoder | undefined
      return (writer, value) => {
        const before = writer.length
        encode ??= structEncoder(type)
        encode(writer, (value ?? {}) as Record<string, unknown>)
        writer.close(number, before)
      }
    }
  }
}

/** Go sorts by bytes; JavaScript by UTF-16 units. They differ for characters beyond the basic plane only. */
function byUtf8(a: string, b: string): number {
  if (a === b) return 0
  for (let i = 0; i < a.length && i < b.length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return x < 0xd800 || y < 0xd800 ? x - y : Buffer.compare(Buffer.from(a), Buffer.from(b))
  }
  return a.length - b.length
}

function messageScalar(scalar: string): FieldEncoder {
  switch (scalar) {
    case 'time': return (writer, value) => {
      const time = typeof value === 'string' ? parseTime(value) : undefined
      if (time !== undefined) writeTimestamp(writer, time.seconds, 0)
    }
    case 'microTime': return (writer, value) => {
      const time = typeof value === 'string' ? parseTime(value) : undefined
      if (time !== undefined) writeTimestamp(writer, time.seconds, time.nanos - (time.nanos % 1000))
    }
    case 'duration': return (writer, value) => {
      writer.signed((typeof value === 'string' ? parseGoDuration(value) : undefined) ?? 0n)
      writer.tag(1, 0)
    }
    case 'quantity': return (writer, value) => writer.textField(1, typeof value === 'string' || typeof value === 'number' ? canonicalQuantity(String(value)) : '0')
    case 'intOrString': return (writer, value) => {
      const isText = typeof value === 'string'
      writer.textField(3, isText ? value : '')
      writer.signed(typeof value === 'number' ? value : 0)
      writer.tag(2, 0)
      writer.varint(isText ? 1 : 0)
      writer.tag(1, 0)
    }
    // RawExtension, JSON and FieldsV1 all hold the JSON text as field 1.
    default: return (writer, value) => { if (value !== undefined) writer.textField(1, jsonText(value)) }
  }
}

function writeTimestamp(writer: ReverseWriter, seconds: number, nanos: number): void {
  writer.signed(nanos)
  writer.tag(2, 0)
  writer.signed(seconds)
  writer.tag(1, 0)
}

/** JSONSchemaPropsOrArray {schema=1, jSONSchemas=2}, …OrBool {allows=1, schema=2}, …OrStringArray {schema=1, property=2}. */
function encodeUnion(type: UnionType, writer: ReverseWriter, value: unknown): void {
  const props = fieldEncoder(type.props, type.other === 'bool' ? 2 : 1)
  if (type.other === 'bool') {
    if (typeof value !== 'boolean') props(writer, value)
    writer.varint(value === false ? 0 : 1)
    writer.tag(1, 0)
  } else if (Array.isArray(value)) {
    const item = fieldEncoder(type.other === 'array' ? type.props : { kind: 'scalar', scalar: 'string' }, 2)
    for (let i = value.length - 1; i >= 0; i--) item(writer, value[i])
  } else props(writer, value)
}

const structEncoders = new WeakMap<StructType, ObjectEncoder>()

/** Whether a field that JSON leaves out is written all the same. */
function isWrittenWhenAbsent(field: SchemaField): boolean {
  if (field.pointer) return false
  return field.type.kind === 'struct' || (field.type.kind === 'scalar' && field.type.scalar !== 'bytes')
    // `Verbs` is a message of its own and no pointer.
    || (field.type.kind === 'list' && field.type.wrapped === true)
}

function structEncoder(type: StructType): ObjectEncoder {
  const known = structEncoders.get(type)
  if (known !== undefined) return known
  const steps: Array<{ name: string; inline: boolean; always: boolean; encode: FieldEncoder }> = type.fields
    .filter((field) => field.proto > 0)
    .sort((a, b) => b.proto - a.proto)
    .map((field) => ({ name: field.name, inline: field.inline, always: field.inline || isWrittenWhenAbsent(field), encode: fieldEncoder(field.type, field.proto) }))
  const encode: ObjectEncoder = (writer, object) => {
    for (const step of steps) {
      const value = step.inline ? object : object[step.name]
      if (value === undefined || value === null) {
        if (step.always) step.encode(writer, undefined)
      } else step.encode(writer, value)
    }
  }
  structEncoders.set(type, encode)
  return encode
}

/** Writes the message of one object, without envelope. */
export function writeMessage(writer: ReverseWriter, type: StructType, object: object): void {
  structEncoder(type)(writer, object as Record<string, unknown>)
}

/** The message of one object, without envelope. */
export function encodeMessage(type: StructType, object: object): Uint8Array {
  const writer = new ReverseWriter()
  writeMessage(writer, type, object)
  return writer.finish()
}

/** Reads one occurrence of a field; `current` is what earlier occurrences made. */
type FieldDecoder = (reader: Reader, wireType: number, current: unknown, depth: number) => unknown

function expectWire(wireType: number, expected: number, name: string): void {
  if (wireType !== expected) throw new ProtobufError(`wrong wireType = ${wireType} for field ${name}`)
}

/** An own property even for names such as `__proto__`. */
function setOwn(object: Record<string, unknown>, name: string, value: unknown): void {
  if (name === '__proto__') Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
  else object[name] = value
}

function parseRaw(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined
  try {
    return parseJson(bytes.toString('utf8'))
  } catch (error) {
    throw new ProtobufError(`embedded value is no JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function fieldDecoder(type: SchemaType, name: string): FieldDecoder {
  switch (type.kind) {
    case 'scalar':
      switch (type.scalar) {
        case 'string': return (reader, wireType) => { expectWire(wireType, 2, name); return reader.text() }
        case 'bool': return (reader, wireType) => { expectWire(wireType, 0, name); return reader.varint() !== 0 }
        case 'int32': return (reader, wireType) => { expectWire(wireType, 0, name); return Number(reader.signed()) | 0 }
        case 'int64': return (reader, wireType) => { expectWire(wireType, 0, name); return reader.signed() }
        case 'float64': return (reader, wireType) => { expectWire(wireType, 1, name); return reader.double() }
        case 'bytes': return (reader, wireType) => { expectWire(wireType, 2, name); return reader.bytes().toString('base64') }
        default: {
          const decode = messageScalarDecoder(type.scalar, name)
          return (reader, wireType) => {
            expectWire(wireType, 2, name)
            const outer = reader.enter()
            const value = decode(reader)
            reader.leave(outer)
            return value
          }
        }
      }
    case 'list': return type.wrapped === true ? wrappedListDecoder(type.item, name) : listDecoder(type.item, name)
    case 'map': return mapDecoder(type.value, name)
    case 'union': return (reader, wireType, _current, depth) => {
      expectWire(wireType, 2, name)
      const outer = reader.enter()
      const value = decodeUnion(type, reader, name, depth + 1)
      reader.leave(outer)
      return value
    }
    case 'struct': return (reader, wireType, current, depth) => {
      expectWire(wireType, 2, name)
      const outer = reader.enter()
      const object = (current ?? {}) as Record<string, unknown>
      decodeStruct(type, reader, object, depth + 1)
      reader.leave(outer)
      return object
    }
  }
}

function listDecoder(item: SchemaType, name: string): FieldDecoder {
  const decode = fieldDecoder(item, name)
  const packedWire = item.kind === 'scalar' ? { bool: 0, int32: 0, int64: 0, float64: 1 }[item.scalar as string] : undefined
  return (reader, wireType, current, depth) => {
    const list = (current ?? []) as unknown[]
    if (packedWire !== undefined && wireType === 2) {
      const outer = reader.enter()
      while (reader.at < reader.end) list.push(decode(reader, packedWire, undefined, depth))
      reader.leave(outer)
    } else list.push(decode(reader, wireType, undefined, depth))
    return list
  }
}

function wrappedListDecoder(item: SchemaType, name: string): FieldDecoder {
  const items = listDecoder(item, name)
  return (reader, wireType, current, depth) => {
    expectWire(wireType, 2, name)
    let list: unknown = current ?? []
    const outer = reader.enter()
    eachField(reader, (number, inner) => {
      if (number !== 1) return false
      list = items(reader, inner, list, depth)
      return true
    })
    reader.leave(outer)
    return list
  }
}

function mapDecoder(value: SchemaType, name: string): FieldDecoder {
  const decode = fieldDecoder(value, name)
  return (reader, wireType, current, depth) => {
    expectWire(wireType, 2, name)
    const map = (current ?? {}) as Record<string, unknown>
    const outer = reader.enter()
    let key = ''
    let item: unknown
    eachField(reader, (number, inner) => {
      if (number === 1) {
        expectWire(inner, 2, name)
        key = reader.text()
      } else if (number === 2) item = decode(reader, inner, undefined, depth)
      else return false
      return true
    })
    reader.leave(outer)
    setOwn(map, key, item ?? emptyOf(value))
    return map
  }
}

/** What a map entry without a value holds. */
function emptyOf(type: SchemaType): unknown {
  if (type.kind === 'list') return []
  if (type.kind === 'scalar') return { string: '', quantity: '0' }[type.scalar as string] ?? null
  return {}
}

function messageScalarDecoder(scalar: string, name: string): (reader: Reader) => unknown {
  if (scalar === 'time' || scalar === 'microTime') return (reader) => decodeTimestamp(reader, scalar === 'microTime', name)
  return (reader) => {
    let number1: number | bigint | undefined
    let number2 = 0
    let text: Buffer | undefined
    eachField(reader, (number, wireType) => {
      if (number > 3) return false
      if (wireType === 0) {
        if (number === 1) number1 = scalar === 'duration' ? reader.bigSigned() : reader.varint()
        else number2 = Number(reader.signed())
      } else if (wireType === 2) text = reader.bytes()
      else return false
      return true
    })
    switch (scalar) {
      case 'duration': return formatGoDuration(BigInt(number1 ?? 0n))
      case 'quantity': return text === undefined || text.length === 0 ? '0' : quantityOf(text.toString('utf8'))
      case 'intOrString': return number1 === 1 ? (text ?? Buffer.alloc(0)).toString('utf8') : number2
      default: return text === undefined ? undefined : parseRaw(text)
    }
  }
}

function quantityOf(text: string): string {
  try {
    return canonicalQuantity(text)
  } catch (error) {
    throw new ProtobufError(error instanceof Error ? error.message : String(error))
  }
}

function decodeTimestamp(reader: Reader, micro: boolean, name: string): string | undefined {
  if (reader.at === reader.end) return undefined
  let seconds = 0
  let nanos = 0
  eachField(reader, (number, wireType) => {
    if (wireType !== 0 || number > 2) return false
    if (number === 1) seconds = Number(reader.signed())
    else nanos = Number(reader.signed())
    return true
  })
  if (Math.abs(seconds) > 8.64e12 || nanos < 0 || nanos >= 1e9) throw new ProtobufError(`time out of range for field ${name}`)
  return micro ? formatMicroTime(seconds, nanos) : formatTime(seconds)
}

function decodeUnion(type: UnionType, reader: Reader, name: string, depth: number): unknown {
  const props = fieldDecoder(type.props, name)
  let schema: unknown
  let allows: boolean | undefined
  let list: unknown[] | undefined
  eachField(reader, (number, wireType) => {
    if (type.other === 'bool' && number === 1) allows = (expectWire(wireType, 0, name), reader.varint() !== 0)
    else if (number === (type.other === 'bool' ? 2 : 1)) schema = props(reader, wireType, schema, depth)
    else if (number === 2) {
      expectWire(wireType, 2, name)
      ;(list ??= []).push(type.other === 'array' ? props(reader, wireType, undefined, depth) : reader.text())
    } else return false
    return true
  })
  return schema ?? list ?? (type.other === 'bool' ? allows === true : {})
}

interface DecodeStep { field: SchemaField; decode: FieldDecoder; dropsZero: boolean }
const structDecoders = new WeakMap<StructType, Map<number, DecodeStep>>()

function stepsOf(type: StructType): Map<number, DecodeStep> {
  let steps = structDecoders.get(type)
  if (steps === undefined) {
    steps = new Map()
    structDecoders.set(type, steps)
    for (const field of type.fields) {
      if (field.proto === 0) continue
      const dropsZero = !field.pointer && field.omitempty && field.type.kind === 'scalar'
      steps.set(field.proto, { field, decode: fieldDecoder(field.type, field.name), dropsZero })
    }
  }
  return steps
}

function decodeStruct(type: StructType, reader: Reader, object: Record<string, unknown>, depth: number): void {
  if (depth > maxDepth) throw new ProtobufError('exceeded max depth')
  const steps = stepsOf(type)
  eachField(reader, (number, wireType) => {
    const step = steps.get(number)
    if (step === undefined) return false
    if (step.field.inline) {
      step.decode(reader, wireType, object, depth)
      return true
    }
    const name = step.field.name
    const value = step.decode(reader, wireType, object[name], depth)
    if (value !== undefined && !(step.dropsZero && (value === '' || value === 0 || value === false))) object[name] = value
    // Zero values are sent with every object, and mostly there is nothing to take away.
    else if (object[name] !== undefined) delete object[name]
    return true
  })
}

/** The JSON form of one message without envelope, complete with the zero values that Go would write; `object` is what it is read into. */
export function decodeMessage(type: StructType, bytes: Uint8Array, object: Record<string, unknown> = {}): Record<string, unknown> {
  decodeStruct(type, new Reader(bytes), object, 0)
  fillZeroValues(type, object)
  return object
}
