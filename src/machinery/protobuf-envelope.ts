import { decodeMessage, writeMessage } from './protobuf.ts'
import { ProtobufError, Reader, ReverseWriter, eachField } from './protobuf-wire.ts'
import type { StructType } from './schema-type.ts'

/**
 * The envelope in which objects travel in protobuf: `k8s\0`, then a runtime.Unknown with the object's apiVersion and kind and its message
 * (https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding).
 */

export const protobufMediaType = 'application/vnd.kubernetes.protobuf'
const magic = Buffer.from('k8s\0', 'latin1')
/** Content encoding and content type, which are never set. */
const emptyTail = Uint8Array.of(0x1a, 0, 0x22, 0)

/** `k8s\0` + runtime.Unknown holding the message, as bodies of the protobuf media type are. */
export function encodeProtobuf(type: StructType, object: { apiVersion?: string; kind?: string }): Uint8Array {
  return envelopedObject(type, object).envelope
}

/**
 * An object in its envelope, and the field within that holds its message: in a list of its kind an item is the very same bytes, since both
 * are field 2.
 */
export interface EnvelopedObject { readonly envelope: Uint8Array; readonly item: Uint8Array }

/** Memory that is in use all the time is written to faster than new memory: objects are encoded here and copied out. */
const writer = new ReverseWriter()

/** As `encodeProtobuf`. */
export function envelopedObject(type: StructType, object: { apiVersion?: string; kind?: string }): EnvelopedObject {
  writer.rewind()
  writer.bytes(emptyTail)
  writeMessage(writer, type, object)
  writer.close(2, emptyTail.length)
  const itemBytes = writer.length - emptyTail.length
  writeTypeMeta(writer, object)
  const envelope = Buffer.from(writer.finish())
  const itemAt = envelope.length - emptyTail.length - itemBytes
  return { envelope, item: envelope.subarray(itemAt, itemAt + itemBytes) }
}

/**
 * A list of objects that are in their envelopes already, in pieces, so that nothing is copied; every list kind has its ListMeta as field 1
 * and its items as field 2.
 */
export function listEnvelopeOf(list: { apiVersion: string; kind: string }, metadataType: StructType, metadata: object, objects: readonly EnvelopedObject[]): Uint8Array[] {
  const head = new ReverseWriter()
  writeMessage(head, metadataType, metadata)
  head.close(1, 0)
  let sizeBytes = head.length
  for (const { item } of objects) sizeBytes += item.length
  head.varint(sizeBytes)
  head.tag(2, 2)
  writeTypeMeta(head, list)
  return [head.finish(), ...objects.map(({ item }) => item), emptyTail]
}

function writeTypeMeta(writer: ReverseWriter, object: { apiVersion?: string; kind?: string }): void {
  const meta = writer.length
  writer.textField(2, object.kind ?? '')
  writer.textField(1, object.apiVersion ?? '')
  writer.close(1, meta)
  writer.bytes(magic)
}

/**
 * One frame of a protobuf watch stream: big-endian length, then a WatchEvent whose object is `encoded`, the envelope
 * that `encodeProtobuf` made.
 */
export function watchFrame(eventType: string, encoded: Uint8Array): Uint8Array {
  const writer = new ReverseWriter(encoded.length + 64)
  const before = writer.length
  writer.bytesField(1, encoded)
  writer.close(2, before)
  writer.textField(1, eventType)
  const size = Buffer.allocUnsafe(4)
  size.writeUInt32BE(writer.length)
  writer.bytes(size)
  return writer.finish()
}

export interface Envelope { apiVersion: string; kind: string; raw: Uint8Array; contentType: string; contentEncoding: string }

/** Whether the bytes start with the magic of the protobuf encoding. */
export function isProtobuf(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 107 && bytes[1] === 56 && bytes[2] === 115 && bytes[3] === 0
}

/** Opens the envelope: says what is inside, so that the caller can find its type. */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  if (!isProtobuf(bytes)) throw new ProtobufError('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]')
  const reader = new Reader(bytes.subarray(4))
  const envelope: Envelope = { apiVersion: '', kind: '', raw: new Uint8Array(), contentType: '', contentEncoding: '' }
  eachField(reader, (number, wireType) => {
    if (wireType !== 2) return false
    switch (number) {
      case 1: {
        const outer = reader.enter()
        eachField(reader, (inner, innerType) => {
          if (innerType !== 2 || inner > 2) return false
          envelope[inner === 1 ? 'apiVersion' : 'kind'] = reader.text()
          return true
        })
        reader.leave(outer)
        return true
      }
      case 2: envelope.raw = reader.bytes(); return true
      case 3: envelope.contentEncoding = reader.text(); return true
      case 4: envelope.contentType = reader.text(); return true
      default: return false
    }
  })
  return envelope
}

/** The object of an envelope, given the type that `resolve` finds for it; throws ProtobufError for bytes that are none. */
export function decodeProtobuf(bytes: Uint8Array, resolve: (apiVersion: string, kind: string) => StructType | undefined): Record<string, unknown> {
  const envelope = decodeEnvelope(bytes)
  const type = resolve(envelope.apiVersion, envelope.kind)
  if (type === undefined) throw new ProtobufError(`no kind "${envelope.kind}" is registered for version "${envelope.apiVersion}"`)
  return decodeMessage(type, envelope.raw, type.isObject ? { kind: envelope.kind, apiVersion: envelope.apiVersion } : {})
}
