/**
 * A protobuf codec driven by a table of messages. A field is written as `'NUMBER TYPE'`: a scalar, `map` (string to string),
 * the name of an enum or of another message, with `[]` behind it when repeated. The TypeScript types follow from the table.
 */

interface Scalars { string: string; bool: boolean; int32: number; uint32: number; int64: number; uint64: number; bytes: Uint8Array; map: Record<string, string> }

export type FieldTable = Record<string, string>
export type MessageTable = Record<string, FieldTable>
/** Names in the order of their numbers, from 0. */
export type EnumTable = Record<string, readonly string[]>

type TypeName<F> = F extends `${number} ${infer T}` ? T : never
type Sent1<M extends MessageTable, E extends EnumTable, T> =
  T extends keyof Scalars ? Scalars[T] : T extends keyof E ? E[T][number] : T extends keyof M ? Sent<M, E, T> : never
type Received1<M extends MessageTable, E extends EnumTable, T> =
  T extends keyof Scalars ? Scalars[T] : T extends keyof E ? E[T][number] : T extends keyof M ? Received<M, E, T> : never

/** What may be encoded: every field may be left out. */
export type Sent<M extends MessageTable, E extends EnumTable, N extends keyof M> = {
  -readonly [F in keyof M[N]]?: TypeName<M[N][F]> extends `${infer T}[]` ? readonly Sent1<M, E, T>[] : Sent1<M, E, TypeName<M[N][F]>>
}

/** What decoding gives: scalars, lists and maps are always there (with protobuf's zero values), messages only when they were sent. */
export type Received<M extends MessageTable, E extends EnumTable, N extends keyof M> = {
  [F in keyof M[N] as TypeName<M[N][F]> extends keyof M ? never : F]: TypeName<M[N][F]> extends `${infer T}[]` ? Received1<M, E, T>[] : Received1<M, E, TypeName<M[N][F]>>
} & {
  [F in keyof M[N] as TypeName<M[N][F]> extends keyof M ? F : never]?: Received1<M, E, TypeName<M[N][F]>>
}

export interface Codec<M extends MessageTable, E extends EnumTable> {
  encode<N extends keyof M>(name: N, value: Sent<M, E, N>): Buffer
  /** Unknown fields are skipped. Throws RangeError when the bytes end inside a field. */
  decode<N extends keyof M>(name: N, bytes: Uint8Array): Received<M, E, N>
}

type FieldKind = 'string' | 'bool' | 'number' | 'bytes' | 'map' | 'enum' | 'message'
interface Field { name: string; number: number; kind: FieldKind; repeated: boolean; signed: boolean; type: string }
interface Message { fields: readonly Field[]; byNumber: ReadonlyMap<number, Field> }

const scalarKinds: Record<string, FieldKind> = { string: 'string', bool: 'bool', int32: 'number', uint32: 'number', int64: 'number', uint64: 'number', bytes: 'bytes', map: 'map' }

function parseField(name: string, text: string, enums: EnumTable): Field {
  const match = /^(\d+) (\w+)(\[\])?$/.exec(text)
  if (match === null) throw new Error(`field ${name} is described as "${text}"; write it as "NUMBER TYPE"`)
  const type = match[2]!
  return { name, number: Number(match[1]), type, repeated: match[3] !== undefined, signed: type.startsWith('int'), kind: scalarKinds[type] ?? (type in enums ? 'enum' : 'message') }
}

function writeVarint(out: number[], value: number): void {
  if (value < 0 || value > Number.MAX_SAFE_INTEGER) {
    let big = BigInt.asUintN(64, BigInt(Math.trunc(value)))
    for (; big > 0x7fn; big >>= 7n) out.push(Number(big & 0x7fn) | 0x80)
    out.push(Number(big))
    return
  }
  let rest = value
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) out.push((rest % 128) | 0x80)
  out.push(rest)
}

class Reader {
  readonly #bytes: Uint8Array
  at = 0
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }
  get done(): boolean {
    return this.at >= this.#bytes.length
  }
  varint(signed: boolean): number {
    let result = 0
    for (let shift = 1, count = 0; count < 10; count++, shift *= 128) {
      const byte = this.#bytes[this.at++]
      if (byte === undefined) throw new RangeError('protobuf message ends inside a number')
      if (count >= 7) return this.#bigVarint(count, signed)
      result += (byte & 0x7f) * shift
      if (byte < 0x80) return result
    }
    throw new RangeError('protobuf number is longer than 10 bytes')
  }
  #bigVarint(read: number, signed: boolean): number {
    this.at -= read + 1
    let big = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.at++]
      if (byte === undefined) throw new RangeError('protobuf message ends inside a number')
      big |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    return Number(signed ? BigInt.asIntN(64, big) : BigInt.asUintN(64, big))
  }
  chunk(): Uint8Array {
    const length = this.varint(false)
    if (this.at + length > this.#bytes.length) throw new RangeError('protobuf message ends inside a field')
    const start = this.at
    this.at += length
    return this.#bytes.subarray(start, this.at)
  }
  skip(wireType: number): void {
    if (wireType === 0) this.varint(false)
    else if (wireType === 1) this.at += 8
    else if (wireType === 2) this.chunk()
    else if (wireType === 5) this.at += 4
    else throw new RangeError(`protobuf wire type ${wireType} is not known`)
  }
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')

export function codecFor<const M extends MessageTable, const E extends EnumTable>(messages: M, enums: E): Codec<M, E> {
  const parsed = new Map<string, Message>()
  const messageOf = (name: string): Message => {
    const known = parsed.get(name)
    if (known !== undefined) return known
    const table = messages[name]
    if (table === undefined) throw new Error(`no protobuf message is called ${name}`)
    const fields = Object.entries(table).map(([field, text]) => parseField(field, text, enums))
    const message = { fields, byNumber: new Map(fields.map((field) => [field.number, field])) }
    parsed.set(name, message)
    return message
  }

  const writeChunk = (out: number[], number: number, bytes: Uint8Array | readonly number[]): void => {
    writeVarint(out, number * 8 + 2)
    writeVarint(out, bytes.length)
    for (const byte of bytes) out.push(byte)
  }
  const writeOne = (out: number[], field: Field, value: unknown): void => {
    switch (field.kind) {
      case 'string': return writeChunk(out, field.number, Buffer.from(value as string))
      case 'bytes': return writeChunk(out, field.number, value as Uint8Array)
      case 'message': return writeChunk(out, field.number, encodeMessage(field.type, value as Record<string, unknown>))
      case 'map':
        for (const [key, text] of Object.entries(value as Record<string, string>)) {
          const entry: number[] = []
          writeChunk(entry, 1, Buffer.from(key))
          writeChunk(entry, 2, Buffer.from(text))
          writeChunk(out, field.number, entry)
        }
        return
      case 'enum': {
        const index = enums[field.type]!.indexOf(value as string)
        if (index < 0) throw new Error(`${field.type} has no value ${String(value)}`)
        writeVarint(out, field.number * 8)
        return writeVarint(out, index)
      }
      case 'bool':
      case 'number':
        writeVarint(out, field.number * 8)
        writeVarint(out, Number(value))
    }
  }
  const encodeMessage = (name: string, value: Record<string, unknown>): number[] => {
    const out: number[] = []
    for (const field of messageOf(name).fields) {
      const inner = value[field.name]
      if (inner === undefined || inner === null) continue
      if (field.repeated) for (const item of inner as unknown[]) writeOne(out, field, item)
      else if (inner !== '' && inner !== 0 && inner !== false) writeOne(out, field, inner)
    }
    return out
  }

  const zeroOf = (field: Field): unknown => {
    if (field.repeated) return []
    switch (field.kind) {
      case 'string': return ''
      case 'bool': return false
      case 'number': return 0
      case 'bytes': return new Uint8Array(0)
      case 'map': return {}
      case 'enum': return enums[field.type]![0]
      case 'message': return undefined
    }
  }
  const readOne = (field: Field, reader: Reader): unknown => {
    switch (field.kind) {
      case 'string': return textOf(reader.chunk())
      case 'bytes': return reader.chunk()
      case 'message': return decodeMessage(field.type, reader.chunk())
      case 'bool': return reader.varint(false) !== 0
      case 'number': return reader.varint(field.signed)
      case 'enum': {
        const names = enums[field.type]!
        return names[reader.varint(false)] ?? names[0]
      }
      case 'map': {
        const entry = new Reader(reader.chunk())
        const pair = ['', '']
        while (!entry.done) {
          const tag = entry.varint(false)
          if (tag === 10 || tag === 18) pair[tag === 10 ? 0 : 1] = textOf(entry.chunk())
          else entry.skip(tag & 7)
        }
        return pair
      }
    }
  }
  const decodeMessage = (name: string, bytes: Uint8Array): Record<string, unknown> => {
    const message = messageOf(name)
    const result: Record<string, unknown> = {}
    for (const field of message.fields) {
      const zero = zeroOf(field)
      if (zero !== undefined) result[field.name] = zero
    }
    const reader = new Reader(bytes)
    while (!reader.done) {
      const tag = reader.varint(false)
      const field = message.byNumber.get(tag >>> 3)
      if (field === undefined) {
        reader.skip(tag & 7)
      } else if (field.kind === 'map') {
        const [key, text] = readOne(field, reader) as [string, string]
        ;(result[field.name] as Record<string, string>)[key] = text
      } else if (field.repeated && field.kind === 'number' && (tag & 7) === 2) {
        const packed = new Reader(reader.chunk())
        while (!packed.done) (result[field.name] as unknown[]).push(packed.varint(field.signed))
      } else if (field.repeated) {
        ;(result[field.name] as unknown[]).push(readOne(field, reader))
      } else {
        result[field.name] = readOne(field, reader)
      }
    }
    return result
  }

  return {
    encode: (name, value) => Buffer.from(encodeMessage(name as string, value as Record<string, unknown>)),
    decode: (name, bytes) => decodeMessage(name as string, bytes) as Received<M, E, typeof name>,
  }
}
