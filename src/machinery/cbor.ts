import { Token, Tokenizer, Type, decode, encode, rfc8949EncodeOptions } from 'cborg'
import { maxDepth } from './schema-decode.ts'
import { formatTime } from './schema-time.ts'

/** CBOR (RFC 8949) as Kubernetes writes and reads it: KEP-4222, `k8s.io/apimachinery/pkg/runtime/serializer/cbor`. */

/** The input is no CBOR that an API server takes. An API server answers 400. */
export class CborError extends Error {}

/** Tag 55799, "self-described CBOR": what every object begins with. */
const selfDescribed = Buffer.from([0xd9, 0xd9, 0xf7])

/** How bytes under a tag for "expected later encoding" (RFC 8949, 3.4.5.2) become text. */
const laterEncodings: Readonly<Record<number, BufferEncoding>> = { 21: 'base64url', 22: 'base64', 23: 'hex' }
const epochTimeTag = 1
const bignumTags: ReadonlySet<number> = new Set([2, 3])

/** Tags one inside another, far more than anybody means. */
const maxTags = 16

/**
 * Tokens as JSON knows them: byte strings are text, tags are gone, and nothing is deeper than an object may be. Looks at every
 * token before the decoder follows it down.
 */
class JsonTokens extends Tokenizer {
  /** Items that are still to come of each container that is open. */
  readonly #open: number[] = []
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true })

  override next(): Token {
    let token = super.next()
    let tags = 0
    let innermost: number | undefined
    for (; token.type === Type.tag; token = super.next()) {
      if (++tags > maxTags) throw new CborError('too many tags one inside another')
      innermost = token.value as number
      if (bignumTags.has(innermost)) throw new CborError('integers of any length cannot be decoded')
    }
    this.#follow(token)
    return this.#plain(token, innermost)
  }

  #follow(token: Token): void {
    const open = this.#open
    if (token.type === Type.break) open.pop()
    else if ((token.type === Type.array || token.type === Type.map) && token.value !== 0) {
      if (open.length >= maxDepth) throw new CborError('exceeded max depth')
      open.push(token.type === Type.map ? (token.value as number) * 2 : (token.value as number))
      return
    }
    for (let last = open.length - 1; last >= 0; last--) {
      open[last]!--
      if (open[last]! > 0) return
      open.pop()
    }
  }

  #plain(token: Token, tag: number | undefined): Token {
    const { value } = token
    if (token.type === Type.bytes) {
      const encoding = tag === undefined ? undefined : laterEncodings[tag]
      return new Token(Type.string, encoding === undefined ? this.#text(value as Uint8Array) : Buffer.from(value as Uint8Array).toString(encoding), token.encodedLength)
    }
    if (typeof value === 'bigint' && BigInt.asIntN(64, value) !== value) return new Token(Type.float, Number(value), token.encodedLength)
    if (tag === epochTimeTag && typeof value === 'number') return new Token(Type.string, formatTime(Math.floor(value)), token.encodedLength)
    return token
  }

  #text(bytes: Uint8Array): string {
    try {
      return this.#utf8.decode(bytes)
    } catch (cause) {
      throw new CborError('a byte string is no UTF-8 text', { cause })
    }
  }
}

/** The JSON value in one CBOR data item. Throws `CborError`, also for maps that name a key twice. */
export function decodeCbor(bytes: Uint8Array): unknown {
  try {
    return decode(bytes, { tokenizer: new JsonTokens(bytes, decodeOptions), ...decodeOptions })
  } catch (cause) {
    if (cause instanceof CborError) throw cause
    throw new CborError(`cbor: ${cause instanceof Error ? cause.message.replace(/^CBOR decode error: /, '') : String(cause)}`, { cause })
  }
}

const decodeOptions = { allowIndefinite: true, allowUndefined: false, allowInfinity: false, allowNaN: false, rejectDuplicateMapKeys: true }

/** A JSON value in CBOR's deterministic encoding, strings as byte strings, as upstream writes them. Fields that are undefined are left out. */
export function encodeCbor(value: unknown): Uint8Array {
  return Buffer.concat([selfDescribed, encode(value, encodeOptions)])
}

const encodeOptions = {
  ...rfc8949EncodeOptions,
  ignoreUndefinedProperties: true,
  typeEncoders: { string: (text: string): Token => new Token(Type.bytes, Buffer.from(text)) },
}
