import { createGzip, constants, type Gzip } from 'node:zlib'

/**
 * A large body that is put together while it is sent, so that neither its memory nor the time it takes is needed at once. Parts may
 * share memory: each must be on its way before the next is asked for.
 */
export interface LongBody {
  /** Before compression. */
  readonly sizeBytes: number
  readonly isCompressed?: true
  parts(): Iterable<Uint8Array> | AsyncIterable<Uint8Array>
}

/** Bodies up to this size are made whole. */
const maxWholeBytes = 256 << 10
/** As much as is encrypted and handed to the kernel at a time, while the reader takes what came before. */
const partBytes = 512 << 10

/** The body that `pieces` make one after the other. */
export function bodyOf(pieces: readonly Uint8Array[]): { bytes: Uint8Array } | { body: LongBody } {
  let sizeBytes = 0
  for (const piece of pieces) sizeBytes += piece.length
  return sizeBytes <= maxWholeBytes ? { bytes: Buffer.concat(pieces, sizeBytes) } : { body: { sizeBytes, parts: () => partsOf(pieces) } }
}

/** Memory of bodies that have been sent, for the next ones: to the kernel, what is new costs as much as what it holds. */
const spares: Buffer[] = []
const maxSpares = 4
/** Writing more than this is waited for, whatever the stream's own measure is. */
const surelyAwaitedBytes = 64 << 10

function* partsOf(pieces: readonly Uint8Array[]): Generator<Uint8Array> {
  const part = spares.pop() ?? Buffer.allocUnsafeSlow(partBytes)
  let at = 0
  for (const piece of pieces) {
    if (at + piece.length > partBytes && at > 0) {
      // What is small may still be on its way when the next is asked for.
      yield at > surelyAwaitedBytes ? part.subarray(0, at) : Buffer.from(part.subarray(0, at))
      at = 0
    }
    if (piece.length > partBytes) yield piece
    else {
      part.set(piece, at)
      at += piece.length
    }
  }
  if (at > 0) yield at > surelyAwaitedBytes ? part.subarray(0, at) : Buffer.from(part.subarray(0, at))
  // Of a body that was broken off the last part may still be in use: only those that come to their end get here.
  if (spares.length < maxSpares) spares.push(part)
}

/** All of it at once. */
export async function wholeBody(body: LongBody): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of body.parts()) parts.push(Buffer.from(part))
  return Buffer.concat(parts)
}

/** The same body, compressed on its way. */
export function compressedBody(body: LongBody): LongBody {
  return { sizeBytes: body.sizeBytes, isCompressed: true, parts: () => compressedParts(body) }
}

async function* compressedParts(body: LongBody): AsyncGenerator<Uint8Array> {
  const packer = createGzip({ level: constants.Z_BEST_SPEED, chunkSize: 64 << 10 })
  const fed = feed(body, packer)
  try {
    yield* packer as AsyncIterable<Uint8Array>
  } finally {
    packer.destroy()
    await fed
  }
}

/** Ends early when the packer is destroyed: then nobody reads on. */
async function feed(body: LongBody, packer: Gzip): Promise<void> {
  for await (const part of body.parts()) {
    if (packer.destroyed) return
    await new Promise<void>((taken) => void packer.write(part, () => taken()))
  }
  packer.end()
}
