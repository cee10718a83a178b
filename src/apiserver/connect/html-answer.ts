import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { deflateRaw, gunzip, gzip, inflateRaw } from 'node:zlib'
import type { ServerResponse } from '../context.ts'
import { rewrittenHtml, type LinkFrame } from './proxy-rewriting.ts'

/** Longer pages are passed on as they are. */
const maxPageBytes = 16 << 20

interface Coding { decode(bytes: Uint8Array): Promise<Buffer>; encode(text: string): Promise<Buffer> }

const limits = { maxOutputLength: maxPageBytes }
const codings: Readonly<Record<string, Coding>> = {
  '': { decode: async (bytes) => Buffer.from(bytes), encode: async (text) => Buffer.from(text) },
  gzip: { decode: (bytes) => promisify(gunzip)(bytes, limits) as Promise<Buffer>, encode: (text) => promisify(gzip)(text) as Promise<Buffer> },
  deflate: { decode: (bytes) => promisify(inflateRaw)(bytes, limits) as Promise<Buffer>, encode: (text) => promisify(deflateRaw)(text) as Promise<Buffer> },
}

/** A backend's page with its links led through the proxy; what can't be read as a page is passed on untouched. */
export async function htmlAnswer(status: number, headers: Record<string, string | string[]>, body: IncomingMessage, frame: LinkFrame): Promise<ServerResponse> {
  const name = String(headers['content-encoding'] ?? '').toLowerCase()
  const coding = Object.hasOwn(codings, name) ? codings[name]! : undefined
  if (coding === undefined) return { status, headers, stream: body }
  const chunks: Uint8Array[] = []
  const source = body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>
  let sizeBytes = 0
  for (let next = await source.next(); next.done !== true; next = await source.next()) {
    chunks.push(next.value)
    sizeBytes += next.value.length
    if (sizeBytes > maxPageBytes) return { status, headers, stream: rest(chunks, source) }
  }
  const bytes = Buffer.concat(chunks)
  try {
    const page = await coding.decode(bytes)
    const { 'content-length': _length, ...others } = headers
    return { status, headers: others, bytes: await coding.encode(rewrittenHtml(page.toString('utf8'), frame)) }
  } catch {
    // Not in the coding that it claims.
    return { status, headers, bytes }
  }
}

async function* rest(chunks: readonly Uint8Array[], source: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks
    for (let next = await source.next(); next.done !== true; next = await source.next()) yield next.value
  } finally {
    await source.return?.()
  }
}
