/** Bytes of the protobuf wire format: https://protobuf.dev/programming-guides/encoding/ */

/** The input is no valid protobuf of the expected shape. An API server answers 400. */
export class ProtobufError extends Error {
  constructor(message: string) {
    super(`proto: ${message}`)
    this.name = 'ProtobufError'
  }
}

const keptBytes = 64 << 10
const maxKeptBytes = 1 << 20

/**
 * Writes from the end to the front, as gogo's marshallers do: when a nested message is done, its length is known, so
 * one pass suffices and nothing is copied. Write fields in descending order to have them ascend.
 */
export class ReverseWriter {
  #buffer: Buffer
  /** Everything from here to the end is written. */
  #start: number

  constructor(sizeBytes = 1024) {
    this.#buffer = Buffer.allocUnsafe(sizeBytes)
    this.#start = sizeBytes
  }

  /** To be used anew, in the same memory: what `finish` gave before is no more. */
  rewind(): void {
    if (this.#buffer.length > maxKeptBytes) this.#buffer = Buffer.allocUnsafe(keptBytes)
    this.#start = this.#buffer.length
  }

  /** Bytes written so far; take it before and after a nested message to know its length. */
  get length(): number {
    return this.#buffer.length - this.#start
  }

  #reserve(sizeBytes: number): number {
    if (this.#start < sizeBytes) {
      const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.length + sizeBytes))
      const start = grown.length - this.length
      this.#buffer.copy(grown, start, this.#start)
      this.#buffer = grown
      this.#start = start
    }
    return (this.#start -= sizeBytes)
  }

  bytes(value: Uint8Array): void {
    const at = this.#reserve(value.length)
    this.#buffer.set(value, at)
  }

  text(value: string): void {
    const size = Buffer.byteLength(value)
    const at = this.#reserve(size)
    this.#buffer.write(value, at, size, 'utf8')
  }

  /** An unsigned integer below 2^53. */
  varint(value: number): void {
    let size = 1
    for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++
    let at = this.#reserve(size)
    let rest = value
    while (rest >= 128) {
      this.#buffer[at++] = (rest % 128) | 128
      rest = Math.floor(rest / 128)
    }
    this.#buffer[at] = rest
  }

  /** A signed 64-bit integer in two's complement (int32 and int64 alike). */
  signed(value: number | bigint): void {
    if (typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER) return this.varint(value)
    let rest = BigInt.asUintN(64, BigInt(value))
    const parts: number[] = []
    for (; rest >= 128n; rest >>= 7n) parts.push(Number(rest & 127n) | 128)
    parts.push(Number(rest))
    this.bytes(Uint8Array.from(parts))
  }

  double(value: number): void {
    const at = this.#reserve(8)
    this.#buffer.writeDoubleLE(value, at)
  }

  tag(field: number, wireType: number): void {
    this.varint(field * 8 + wireType)
  }

  /** Ends a length-delimited field whose content began when `length` was `before`. */
  close(field: number, before: number): void {
    this.varint(this.length - before)
    this.tag(field, 2)
  }

  textField(field: number, value: string): void {
    const before = this.length
    this.text(value)
    this.close(field, before)
  }

  bytesField(field: number, value: Uint8Array): void {
    const before = this.length
    this.bytes(value)
    this.close(field, before)
  }

  finish(): Uint8Array {
    return this.#buffer.subarray(this.#start)
  }
}

/** Reads within bounds; whatever does not fit throws ProtobufError. */
export class Reader {
  readonly buffer: Buffer
  at: number
  end: number

  constructor(bytes: Uint8Array) {
    this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.at = 0
    this.end = bytes.length
  }

  byte(): number {
    if (this.at >= this.end) throw new ProtobufError('unexpected EOF')
    return this.buffer[this.at++] as number
  }

  /** An unsigned varint; values beyond 2^53 lose digits (`signed` keeps them). */
  varint(): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < 10; i++) {
      const byte = this.byte()
      value += (byte & 127) * scale
      if (byte < 128) return value
      scale *= 128
    }
    throw new ProtobufError('integer overflow')
  }

  /** A signed 64-bit integer: a number within 2^53, a bigint beyond. */
  signed(): number | bigint {
    const start = this.at
    const value = this.varint()
    if (value <= Number.MAX_SAFE_INTEGER) return value
    const exact = this.#big(start)
    return Number.isSafeInteger(Number(exact)) ? Number(exact) : exact
  }

  bigSigned(): bigint {
    const start = this.at
    this.varint()
    return this.#big(start)
  }

  #big(start: number): bigint {
    let value = 0n
    for (let i = start, shift = 0n; i < this.at; i++, shift += 7n) value |= BigInt((this.buffer[i] as number) & 127) << shift
    return BigInt.asIntN(64, value)
  }

  double(): number {
    if (this.end - this.at < 8) throw new ProtobufError('unexpected EOF')
    this.at += 8
    return this.buffer.readDoubleLE(this.at - 8)
  }

  /** Length of a delimited field, checked against what is left; returns where it ends. */
  delimited(): number {
    const size = this.varint()
    if (size > this.end - this.at) throw new ProtobufError('unexpected EOF')
    return this.at + size
  }

  text(): string {
    const end = this.delimited()
    const value = this.buffer.toString('utf8', this.at, end)
    this.at = end
    return value
  }

  bytes(): Buffer {
    const end = this.delimited()
    const value = this.buffer.subarray(this.at, end)
    this.at = end
    return value
  }

  /** Narrows the reader to a delimited field; give what it returns to `leave`. */
  enter(): number {
    const end = this.delimited()
    const outer = this.end
    this.end = end
    return outer
  }

  leave(outer: number): void {
    this.at = this.end
    this.end = outer
  }

  skip(wireType: number, depth = 0): void {
    switch (wireType) {
      case 0: this.varint(); return
      case 1: this.#advance(8); return
      case 2: this.at = this.delimited(); return
      case 5: this.#advance(4); return
      case 3: {
        if (depth > 100) throw new ProtobufError('groups are nested too deep')
        for (;;) {
          const tag = this.varint()
          if (tag % 8 === 4) return
          this.skip(tag % 8, depth + 1)
        }
      }
      default: throw new ProtobufError(`illegal wireType ${wireType}`)
    }
  }

  #advance(sizeBytes: number): void {
    if (this.end - this.at < sizeBytes) throw new ProtobufError('unexpected EOF')
    this.at += sizeBytes
  }
}

/** Calls `take` for every field; fields it does not take are skipped. */
export function eachField(reader: Reader, take: (number: number, wireType: number) => boolean): void {
  while (reader.at < reader.end) {
    const tag = reader.varint()
    const number = Math.floor(tag / 8)
    const wireType = tag % 8
    if (number <= 0 || number > 536870911) throw new ProtobufError(`illegal tag ${number} (wire type ${wireType})`)
    if (wireType === 4) throw new ProtobufError('wiretype end group for non-group')
    if (!take(number, wireType)) reader.skip(wireType)
  }
}
