import type { Duplex } from 'node:stream'

/**
 * The client's side of SPDY/3.1 as container runtimes speak it for exec and attach: streams opened here, data both ways,
 * half-close, reset and ping. No flow control: Go's spdystream, on the other end, has none and sends no window updates.
 * (Libraries of SPDY for HTTP refuse its replies, which carry no `:status`.)
 *
 * Frames (SPDY Protocol Draft 3.1, sections 2.2 and 2.6):
 *   control  1|version:15  type:16  flags:8 length:24  payload
 *   data     0|stream:31            flags:8 length:24  payload
 */

const frames = { synStream: 1, synReply: 2, reset: 3, ping: 6, goAway: 7 } as const
const flagFin = 1
const resetCancel = 5
const headBytes = 8
const maxFrameBytes = 1 << 20

/** One stream. Callbacks are set before anything can arrive, in the same turn as `open`. */
export interface SpdyStream {
  readonly id: number
  /** False: too much is waiting to be sent; `onDrain` of the connection tells when to go on. */
  write(data: Uint8Array): boolean
  /** Half-closes: the other end sees the end of its input. */
  end(): void
  reset(): void
  onData: (data: Buffer) => void
  /** The other end has closed or reset the stream, or the connection is gone. Called once. */
  onEnd: () => void
}

/** An empty stored block: it makes Go's decompressor hand over what it has read, instead of asking for more and failing for good. */
const syncFlush = Buffer.from([0, 0, 0, 0xff, 0xff])

/**
 * A header block that the session's zlib decompressor accepts: a stored deflate block, so no compressor state is needed. The first
 * block of a session opens the zlib stream, naming SPDY/3's dictionary by its checksum.
 */
export function headerBlock(headers: Readonly<Record<string, string>>, isFirst: boolean): Buffer {
  const parts: Buffer[] = []
  const number = (value: number): void => void parts.push(Buffer.from([value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]))
  const text = (value: string): void => {
    const bytes = Buffer.from(value)
    number(bytes.length)
    parts.push(bytes)
  }
  const entries = Object.entries(headers)
  number(entries.length)
  for (const [name, value] of entries) {
    text(name.toLowerCase())
    text(value)
  }
  const data = Buffer.concat(parts)
  const opening = isFirst ? [0x78, 0xbb, 0xe3, 0xc6, 0xa7, 0xc2] : []
  const stored = Buffer.alloc(5)
  stored.writeUInt16LE(data.length, 1)
  stored.writeUInt16LE(~data.length & 0xffff, 3)
  return Buffer.concat([Buffer.from(opening), stored, data, syncFlush])
}

export class SpdyConnection {
  /** What was queued has gone out. */
  onDrain: () => void = () => undefined
  /** The connection has ended; every stream has been told. */
  onClose: (error: Error | undefined) => void = () => undefined
  readonly #socket: Duplex
  readonly #streams = new Map<number, SpdyStream>()
  #nextId = 1
  #rest: Buffer = Buffer.alloc(0)
  #isClosed = false

  constructor(socket: Duplex, head: Buffer) {
    this.#socket = socket
    let failure: Error | undefined
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('drain', () => this.onDrain())
    socket.on('error', (error) => {
      failure = error
    })
    socket.once('end', () => this.#close(undefined))
    socket.once('close', () => this.#close(failure))
    if (head.length > 0) this.#read(head)
  }

  open(headers: Readonly<Record<string, string>>): SpdyStream {
    const id = this.#nextId
    this.#nextId += 2
    const block = headerBlock(headers, id === 1)
    const payload = Buffer.alloc(10)
    payload.writeUInt32BE(id, 0)
    this.#control(frames.synStream, 0, Buffer.concat([payload, block]))
    const stream: SpdyStream = {
      id, onData: () => undefined, onEnd: () => undefined,
      write: (data) => this.#data(id, data, 0),
      end: () => void this.#data(id, new Uint8Array(0), flagFin),
      reset: () => {
        const body = Buffer.alloc(8)
        body.writeUInt32BE(id, 0)
        body.writeUInt32BE(resetCancel, 4)
        this.#control(frames.reset, 0, body)
        this.#end(id)
      },
    }
    this.#streams.set(id, stream)
    return stream
  }

  /** Stops or resumes reading: whoever takes the data is behind. */
  pause(): void {
    this.#socket.pause()
  }
  resume(): void {
    this.#socket.resume()
  }

  close(): void {
    this.#socket.destroy()
    this.#close(undefined)
  }

  #close(error: Error | undefined): void {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const id of this.#streams.keys()) this.#end(id)
    this.#socket.destroy()
    this.onClose(error)
  }

  #end(id: number): void {
    const stream = this.#streams.get(id)
    this.#streams.delete(id)
    stream?.onEnd()
  }

  #control(type: number, flags: number, payload: Uint8Array): void {
    if (this.#isClosed || !this.#socket.writable) return
    const head = Buffer.alloc(headBytes)
    head.writeUInt16BE(0x8003, 0)
    head.writeUInt16BE(type, 2)
    head.writeUInt32BE(((flags << 24) | payload.length) >>> 0, 4)
    this.#socket.write(Buffer.concat([head, payload]))
  }

  #data(id: number, data: Uint8Array, flags: number): boolean {
    if (this.#isClosed || !this.#socket.writable) return true
    const head = Buffer.alloc(headBytes)
    head.writeUInt32BE(id, 0)
    head.writeUInt32BE(((flags << 24) | data.length) >>> 0, 4)
    this.#socket.write(head)
    return data.length === 0 || this.#socket.write(data)
  }

  #read(chunk: Buffer): void {
    let buffer = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    while (buffer.length >= headBytes && !this.#isClosed) {
      const lengthBytes = buffer.readUInt32BE(4) & 0xffffff
      if (lengthBytes > maxFrameBytes) return this.#close(new Error(`a SPDY frame of ${lengthBytes} bytes is too large`))
      if (buffer.length < headBytes + lengthBytes) break
      this.#frame(buffer.readUInt32BE(0), buffer[4]!, buffer.subarray(headBytes, headBytes + lengthBytes))
      buffer = buffer.subarray(headBytes + lengthBytes)
    }
    this.#rest = Buffer.from(buffer)
  }

  #frame(word: number, flags: number, payload: Buffer): void {
    if (word < 0x80000000) {
      if (payload.length > 0) this.#streams.get(word)?.onData(payload)
      if ((flags & flagFin) !== 0) this.#end(word)
      return
    }
    const type = word & 0xffff
    if (type === frames.ping && payload.length === 4 && payload.readUInt32BE(0) % 2 === 0) this.#control(frames.ping, 0, payload)
    else if (type === frames.reset && payload.length >= 4) this.#end(payload.readUInt32BE(0) & 0x7fffffff)
    else if (type === frames.synReply && payload.length >= 4 && (flags & flagFin) !== 0) this.#end(payload.readUInt32BE(0) & 0x7fffffff)
    // A reply's headers say nothing; GOAWAY only that no new streams may come, and there will be none; settings and window updates concern flow control.
  }
}
