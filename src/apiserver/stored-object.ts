import { managersText } from '../machinery/apply/managed-fields.ts'
import { parseJson } from '../machinery/json-numbers.ts'
import { readOnly, type OpenObject } from '../machinery/object.ts'
import type { KeyValue } from '../store/store.ts'
import type { StoredObject } from './core.ts'
import { noteSealed, sealedBy } from './encryption/sealed-values.ts'
import { beginsOldDefinition, foreignObject } from './foreign-values.ts'

/**
 * How objects lie in the store. A value is the object's JSON in the storage version, begun with `kind`, `apiVersion` and
 * `metadata`, without `metadata.resourceVersion`: that is the key's modRevision, known only after the write. Served bytes
 * are the value with `"resourceVersion":"N",` spliced in behind `"metadata":{`:
 *
 *     stored  {"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a",…}
 *     served  {"kind":"ConfigMap","apiVersion":"v1","metadata":{"resourceVersion":"7","name":"a",…}
 *                                                              ^ headLength
 */
const metadataOpening = Buffer.from('"metadata":{')
const definitionsPrefix = '/registry/apiextensions.k8s.io/customresourcedefinitions/'

/** What is kept of a value handed to the store, so that the watch cache neither parses nor copies it again. `headLength` 0: not known to be as above. */
interface Written { object: OpenObject; headLength: number; entry?: StoredEntry }
const written = Symbol('written')
/** On the value itself, where it costs less to find than in a WeakMap, and nothing to collect. */
interface OwnValue extends Uint8Array { [written]?: Written }

/** A value for the store, and how much room stands before it: for the store's record and key while it is written, then for the revision. */
export interface StorableValue { value: Buffer; headroomBytes: number }

const recordBytes = 64
const lineFeed = 0x0a
const scratch = Buffer.allocUnsafeSlow(256 << 10)
/** No unit of a text, and no character of it, takes more bytes. */
const [maxBytesPerUnit, maxBytesPerCharacter] = [3, 4]

/** The value to store under `key` for `object`, which is in its storage version; takes the object over. */
export function encodeForStore(object: OpenObject, key = ''): StorableValue {
  const { kind, apiVersion, metadata, ...rest } = object
  const { resourceVersion: _known, managedFields, ...others } = metadata
  const isOwned = managedFields !== undefined && managedFields.length > 0
  const stored = { kind, apiVersion, metadata: isOwned ? { ...others, managedFields } : others, ...rest } as OpenObject
  const head = headOf(kind, apiVersion)
  const meta = JSON.stringify(others)
  const tail = JSON.stringify(rest)
  // Owners, which many objects share, are not written anew; nothing is joined that is copied anyway.
  const texts = isOwned ? [head, meta === '{}' ? '{' : meta.slice(0, -1), meta === '{}' ? '"managedFields":' : ',"managedFields":', managersText(managedFields), '}'] : [head, meta]
  texts.push(tail === '{}' ? '' : ',', tail.slice(1))
  const headroomBytes = recordBytes + key.length
  const value = encodeTexts(texts, headroomBytes)
  const isServable = meta !== '{}' && Buffer.byteLength(head) === head.length
  ;(value as OwnValue)[written] = { object: readOnly(stored), headLength: isServable ? head.length + 1 : 0 }
  return { value, headroomBytes }
}

const heads = new Map<string, string>()
const maxHeads = 2000

/** What every object of a kind begins with. */
function headOf(kind: string | undefined, apiVersion: string | undefined): string {
  const key = `${apiVersion}/${kind}`
  let head = heads.get(key)
  if (head === undefined) {
    if (heads.size >= maxHeads) heads.clear()
    // Of one piece, as it is written again and again.
    head = Buffer.from(`{"kind":${JSON.stringify(kind)},"apiVersion":${JSON.stringify(apiVersion)},"metadata":`).toString()
    heads.set(key, head)
  }
  return head
}

/** The texts one after the other in UTF-8, behind as much room and before a line feed. */
function encodeTexts(texts: readonly string[], headroomBytes: number): Buffer {
  let units = 0
  for (const text of texts) units += text.length
  // ASCII, as nearly all is, has a byte for each character. What else there is makes it longer, also where it is cut off for want of room.
  const whole = Buffer.allocUnsafe(headroomBytes + units + maxBytesPerCharacter)
  let end = headroomBytes
  for (const text of texts) {
    const sizeBytes = whole.write(text, end)
    if (sizeBytes !== text.length) return encodeAnyTexts(texts, units, headroomBytes)
    end += sizeBytes
  }
  whole[end] = lineFeed
  return whole.subarray(headroomBytes, end)
}

function encodeAnyTexts(texts: readonly string[], units: number, headroomBytes: number): Buffer {
  // In memory that is in use all the time a length is found sooner than in the text.
  if (units * maxBytesPerUnit < scratch.length) {
    let sizeBytes = 0
    for (const text of texts) sizeBytes += scratch.write(text, sizeBytes)
    scratch[sizeBytes] = lineFeed
    const whole = Buffer.allocUnsafe(headroomBytes + sizeBytes + 1)
    scratch.copy(whole, headroomBytes, 0, sizeBytes + 1)
    return whole.subarray(headroomBytes, headroomBytes + sizeBytes)
  }
  const text = `${texts.join('')}\n`
  const whole = Buffer.allocUnsafe(headroomBytes + Buffer.byteLength(text))
  whole.write(text, headroomBytes)
  return whole.subarray(headroomBytes, whole.length - 1)
}

/** `key` is the store key without its resource's prefix. */
export class StoredEntry implements StoredObject {
  readonly key: string
  readonly namespace: string
  readonly name: string
  readonly revision: number
  /** A line feed follows in the same memory. */
  readonly bytes: Buffer
  /** Under what key it lies in the store; '': as it is. */
  sealedBy = ''
  /** Length of `{"kind":…,"metadata":{`. */
  readonly headLength: number
  #metadataEnd: number | undefined
  #object: Readonly<OpenObject> | undefined
  /** Other shapes of this revision (other versions, tables, protobuf), by encoding. */
  #shapes: Map<string, unknown> | undefined

  constructor(key: string, revision: number, bytes: Buffer, headLength: number, object?: Readonly<OpenObject>) {
    const slash = key.indexOf('/')
    this.key = key
    this.namespace = slash < 0 ? '' : key.slice(0, slash)
    this.name = slash < 0 ? key : key.slice(slash + 1)
    this.revision = revision
    this.bytes = bytes
    this.headLength = headLength
    this.#object = object
  }

  /** `bytes` as a line, which is how Go's encoder writes an answer. */
  line(): Buffer {
    const { buffer, byteOffset, length } = this.bytes
    return Buffer.from(buffer, byteOffset, length + 1)
  }

  object(): Readonly<OpenObject> {
    this.#object ??= readOnly(parseJson(this.bytes.toString('utf8')) as OpenObject)
    return this.#object
  }

  /** The JSON of its metadata, out of `bytes`. */
  metadataBytes(): Buffer {
    this.#metadataEnd ??= closingBrace(this.bytes, this.headLength)
    return this.bytes.subarray(this.headLength - 1, this.#metadataEnd)
  }

  /** True when parsing has already happened (or never was needed). */
  get isParsed(): boolean {
    return this.#object !== undefined
  }

  /** Lets go of everything that can be made anew from the bytes. */
  release(): void {
    this.#object = undefined
    this.#shapes = undefined
  }

  hasShape(key: string): boolean {
    return this.#shapes?.has(key) === true
  }

  /** What `make` gives, made once a revision. */
  shape<T>(key: string, make: () => T): T {
    this.#shapes ??= new Map()
    if (!this.#shapes.has(key)) this.#shapes.set(key, make())
    return this.#shapes.get(key) as T
  }

  /** The same state under another revision: what a DELETED event shows. */
  at(revision: number): StoredEntry {
    const tail = this.bytes.subarray(this.headLength + resourceVersionText(this.revision).length)
    const bytes = splice(this.bytes.subarray(0, this.headLength), revision, tail)
    const object = this.#object
    return new StoredEntry(this.key, revision, bytes, this.headLength, object === undefined ? undefined : withRevision(object, revision))
  }
}

const brackets = { quote: 0x22, backslash: 0x5c, opening: [0x5b, 0x7b], closing: [0x5d, 0x7d] } as const

/** Index behind the bracket that closes the object into which `from` has just led. */
function closingBrace(json: Buffer, from: number): number {
  let depth = 1
  for (let at = from; at < json.length; at++) {
    const byte = json[at]
    if (byte === brackets.quote) {
      at = json.indexOf(brackets.quote, at + 1)
      // Of backslashes before a quotation mark an odd number makes it part of the text.
      for (let before = at - 1; json[before] === brackets.backslash;) {
        while (json[before] === brackets.backslash) before--
        if ((at - before) % 2 === 1) break
        at = json.indexOf(brackets.quote, at + 1)
        before = at - 1
      }
      if (at < 0) break
    } else if (byte === brackets.opening[0] || byte === brackets.opening[1]) depth++
    else if ((byte === brackets.closing[0] || byte === brackets.closing[1]) && --depth === 0) return at + 1
  }
  throw new Error('a stored object ends within its metadata')
}

function resourceVersionText(revision: number): string {
  return `"resourceVersion":"${revision}",`
}

function splice(head: Uint8Array, revision: number, tail: Uint8Array): Buffer {
  const text = resourceVersionText(revision)
  const sizeBytes = head.length + text.length + tail.length
  const bytes = Buffer.allocUnsafe(sizeBytes + 1)
  bytes.set(head, 0)
  bytes.write(text, head.length, 'latin1')
  bytes.set(tail, head.length + text.length)
  bytes[sizeBytes] = lineFeed
  return bytes.subarray(0, sizeBytes)
}

function withRevision(object: Readonly<OpenObject>, revision: number): Readonly<OpenObject> {
  return readOnly({ ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } })
}

/** The entry for what stands in the store; the same entry for the same value, so that a write's answer and the watch cache share it. */
export function entryOf(kv: KeyValue, prefix: string): StoredEntry {
  const own = (kv.value as OwnValue)[written]
  if (own === undefined) return makeEntry(kv, prefix, undefined)
  const { entry } = own
  if (entry !== undefined) return entry.revision === kv.modRevision ? entry : entry.at(kv.modRevision)
  return (own.entry = own.headLength > 0 ? ownEntry(kv, prefix, own) : makeEntry(kv, prefix, own.object))
}

/** The entry of a value of ours, which the store is done with: it is served out of the same memory, its head moved to where the revision fits in. */
function ownEntry({ key, value, modRevision }: KeyValue, prefix: string, { object, headLength }: Written): StoredEntry {
  const text = resourceVersionText(modRevision)
  const bytes = Buffer.from(value.buffer, value.byteOffset - text.length, text.length + value.byteLength)
  bytes.copyWithin(0, text.length, text.length + headLength)
  bytes.write(text, headLength, 'latin1')
  const entry = new StoredEntry(key.slice(prefix.length), modRevision, bytes, headLength, withRevision(object, modRevision))
  entry.sealedBy = sealedBy(value)
  return entry
}

function makeEntry(kv: KeyValue, prefix: string, object: OpenObject | undefined): StoredEntry {
  const key = kv.key.slice(prefix.length)
  const value = Buffer.from(kv.value.buffer, kv.value.byteOffset, kv.value.byteLength)
  const at = value.indexOf(metadataOpening)
  const headLength = at + metadataOpening.length
  // Foreign writers may order fields otherwise, leave metadata empty or use protobuf: what doesn't look like ours is encoded anew.
  if (value[0] !== 0x7b || at < 0 || at > 400 || value[headLength] !== 0x22 || (prefix === definitionsPrefix && beginsOldDefinition(value.subarray(0, at)))) {
    const parsed = foreignObject(value)
    parsed.metadata = { ...parsed.metadata, name: parsed.metadata?.name ?? key.slice(key.indexOf('/') + 1) }
    const mended = encodeForStore(parsed).value
    noteSealed(mended, sealedBy(kv.value))
    return makeEntry({ ...kv, value: mended }, prefix, parsed)
  }
  const bytes = splice(value.subarray(0, headLength), kv.modRevision, value.subarray(headLength))
  const entry = new StoredEntry(key, kv.modRevision, bytes, headLength, object === undefined ? undefined : withRevision(object, kv.modRevision))
  entry.sealedBy = sealedBy(kv.value)
  return entry
}
