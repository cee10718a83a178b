import { typeById, typeForKind } from '../api/type-table.ts'
import { apiVersionOf, type ResourceDescription } from '../api/resource.ts'
import { cborCodec } from './cbor.ts'
import type { KubeObject, ListMeta, OpenObject, WatchEvent } from '../machinery/object.ts'
import { encodeProtobuf, envelopedObject, listEnvelopeOf, watchFrame, type EnvelopedObject } from '../machinery/protobuf-envelope.ts'
import { decodeObject } from '../machinery/schema-decode.ts'
import type { StructType } from '../machinery/schema-type.ts'
import type { Status } from '../machinery/status.ts'
import { errors } from '../machinery/status.ts'
import { cborSequence, mediaTypes, type Encoding, type Negotiated } from './negotiation.ts'
import { viewOf } from './registry.ts'
import type { StoredEntry } from './stored-object.ts'
import { partialMetadata, tableOf, type IncludeObject } from './tables.ts'
import { yamlText } from './yaml.ts'
import type { WatchLine } from './watcher.ts'

/**
 * How objects of one resource are written for one client. JSON in the storage version is spliced from stored bytes; other
 * shapes are made from the parsed object and kept with it, once a revision (tables are not kept: they show ages).
 */
export interface Representation {
  readonly contentType: string
  readonly watchContentType: string
  one(entry: StoredEntry): Uint8Array
  /** An object that isn't in the cache: a dry run's result, a deleted object. */
  object(object: Readonly<KubeObject>): Uint8Array
  /** The pieces of a list, in order. */
  list(entries: readonly StoredEntry[], meta: ListMeta): Uint8Array[]
  /** A list of objects that are in no cache. */
  objects(objects: readonly Readonly<KubeObject>[], meta: ListMeta): Uint8Array
  /** One frame of a watch stream. `isFirst` of a stream: tables name their columns there only. */
  line(line: WatchLine, isFirst: boolean): Uint8Array
  /** Watchers with the same key are written the same bytes for the same lines; undefined where that doesn't hold. */
  readonly shareKey: string | undefined
}

export interface RepresentationOptions { includeObject: IncludeObject; pretty: boolean; now(): number }

const openings = { first: Buffer.from('{'), next: Buffer.from(',{') } as const
const listEnd = Buffer.from(']}\n')
const watchHeads = { ADDED: '{"type":"ADDED","object":', MODIFIED: '{"type":"MODIFIED","object":', DELETED: '{"type":"DELETED","object":', BOOKMARK: '{"type":"BOOKMARK","object":' } as const

/** The representation of `resource` that was negotiated. */
export function representationOf(resource: ResourceDescription, form: Negotiated, options: RepresentationOptions): Representation {
  if (form.as === 'Table') return tableRepresentation(resource, form, options)
  if (form.as !== '') return shapedRepresentation(resource, form, `partial ${form.asVersion}`, (entry) => partialMetadata(entry.object(), form.asVersion), partialType(form), options)
  if (form.encoding === 'json' && !options.pretty && resource.view === undefined && apiVersionOf(resource) === resource.storageVersion) return storedJson(resource)
  return shapedRepresentation(resource, form, resource.view?.key ?? apiVersionOf(resource), (entry) => viewOf(resource, entry), { kind: resource.kind, listKind: resource.listKind, apiVersion: apiVersionOf(resource) }, options)
}

interface ListType { kind: string; listKind: string; apiVersion: string }

function partialType(form: Negotiated): ListType {
  return { kind: 'PartialObjectMetadata', listKind: 'PartialObjectMetadataList', apiVersion: `meta.k8s.io/${form.asVersion}` }
}

function bookmarkObject(type: ListType, revision: number, initialEventsEnd: boolean): OpenObject {
  const annotations = initialEventsEnd ? { 'k8s.io/initial-events-end': 'true' } : undefined
  const metadata = { resourceVersion: String(revision), ...(annotations === undefined ? {} : { annotations }) }
  return { kind: type.kind, apiVersion: type.apiVersion, metadata: metadata as unknown as OpenObject['metadata'] }
}

/** A watch line as an event, for the direct transport. */
export function eventOf(resource: ResourceDescription, line: WatchLine): WatchEvent {
  if (line.type !== 'BOOKMARK') return { type: line.type, object: viewOf(resource, line.entry) as KubeObject }
  return { type: 'BOOKMARK', object: bookmarkObject({ kind: resource.kind, listKind: '', apiVersion: apiVersionOf(resource) }, line.revision, line.initialEventsEnd) }
}

/** Lists of custom resources say of the last page, too, that nothing follows. */
function listMetaOf<Meta extends object>({ typeId }: ResourceDescription, meta: Meta): Meta {
  return typeId === undefined ? { continue: '', ...meta } : meta
}

/** JSON of the storage version, straight from stored bytes. */
function storedJson(resource: ResourceDescription): Representation {
  const type = { kind: resource.kind, listKind: resource.listKind, apiVersion: apiVersionOf(resource) }
  const isCustom = resource.typeId === undefined
  // Items of a list carry no kind and apiVersion, as upstream's don't: they begin with `"metadata":`. Custom ones do.
  const skipOf = (entry: StoredEntry): number => (isCustom ? 1 : entry.headLength - '"metadata":{'.length)
  const itemOf = isCustom ? (object: Readonly<KubeObject>): object => object : untyped
  return {
    contentType: mediaTypes.json,
    watchContentType: mediaTypes.json,
    shareKey: `json ${type.apiVersion} ${type.kind}`,
    one: (entry) => entry.line(),
    object: (object) => encodeAnswer('json', object, false),
    objects: (objects, meta) => encodeAnswer('json', { kind: type.listKind, apiVersion: type.apiVersion, metadata: listMetaOf(resource, meta), items: objects.map(itemOf) }, false),
    list(entries, meta) {
      const head = `{"kind":"${type.listKind}","apiVersion":"${type.apiVersion}","metadata":${JSON.stringify(listMetaOf(resource, meta))},"items":[`
      const pieces: Uint8Array[] = [Buffer.from(head)]
      for (const entry of entries) pieces.push(pieces.length === 1 ? openings.first : openings.next, entry.bytes.subarray(skipOf(entry)))
      pieces.push(listEnd)
      return pieces
    },
    line(line) {
      if (line.type === 'BOOKMARK') return Buffer.from(`${watchHeads.BOOKMARK}${JSON.stringify(bookmarkObject(type, line.revision, line.initialEventsEnd))}}\n`)
      // The state that a watch begins with is not kept in this form: it would double the cache.
      return line.initial === true ? jsonFrame(line.type, line.entry.bytes) : line.entry.shape(`frame ${line.type}`, () => jsonFrame(line.type, line.entry.bytes))
    },
  }
}

function jsonFrame(type: keyof typeof watchHeads, bytes: Buffer): Buffer {
  const head = watchHeads[type]
  const frame = Buffer.allocUnsafe(head.length + bytes.length + 2)
  frame.write(head, 0, 'latin1')
  bytes.copy(frame, head.length)
  frame.write('}\n', head.length + bytes.length, 'latin1')
  return frame
}

const watchTypes: Readonly<Record<Encoding, string>> = { json: mediaTypes.json, yaml: `${mediaTypes.yaml};stream=watch`, protobuf: `${mediaTypes.protobuf};stream=watch`, cbor: cborSequence }

/** Any encoding of any shape, made from parsed objects. */
function shapedRepresentation(
  resource: ResourceDescription, form: Negotiated, shapeKey: string, shapeOf: (entry: StoredEntry) => Readonly<KubeObject>, type: ListType, options: RepresentationOptions,
): Representation {
  const { encoding } = form
  const encode = (value: object): Uint8Array => encodeAnswer(encoding, value, options.pretty)
  if (encoding === 'protobuf') {
    const messageType = typeForKind(type.apiVersion, type.kind) ?? typeById(`meta/v1.${type.kind}`)
    if (messageType !== undefined) return protobufRepresentation(`${shapeKey} ${resource.kind}`, messageType, form, shapeOf, type)
  }
  const reduce = form.as === '' ? (object: Readonly<KubeObject>) => object : (object: Readonly<KubeObject>) => partialMetadata(object, form.asVersion)
  const itemOf = resource.typeId === undefined ? (object: Readonly<KubeObject>): object => object : untyped
  const metaOf = <Meta extends object>(meta: Meta): Meta => (form.as === '' ? listMetaOf(resource, meta) : meta)
  return {
    contentType: mediaTypes[encoding],
    watchContentType: watchTypes[encoding],
    shareKey: `${encoding} ${shapeKey} ${resource.kind}`,
    one: (entry) => entry.shape(`${encoding} ${options.pretty} ${shapeKey} ${resource.kind}`, () => encode(shapeOf(entry))),
    object: (object) => encode(reduce(object)),
    objects: (objects, meta) => encode({ kind: type.listKind, apiVersion: type.apiVersion, metadata: metaOf(meta), items: objects.map((object) => itemOf(reduce(object))) }),
    list: (entries, meta) => [encode({ kind: type.listKind, apiVersion: type.apiVersion, metadata: metaOf(meta), items: entries.map((entry) => itemOf(shapeOf(entry))) })],
    line(line) {
      if (line.type === 'BOOKMARK') return frameOf(encoding, line.type, encodeAny(encoding, bookmarkObject(type, line.revision, line.initialEventsEnd), false))
      const make = (): Uint8Array => frameOf(encoding, line.type, encodeAny(encoding, shapeOf(line.entry), false))
      return line.initial === true ? make() : line.entry.shape(`frame ${line.type} ${encoding} ${shapeKey} ${resource.kind}`, make)
    },
  }
}

/** As `shapedRepresentation`; an object is put in its envelope once a revision, out of which lists and watch frames are made. */
function protobufRepresentation(key: string, messageType: StructType, form: Negotiated, shapeOf: (entry: StoredEntry) => Readonly<KubeObject>, type: ListType): Representation {
  const list = { apiVersion: type.apiVersion, kind: type.listKind }
  const listMeta = typeById('meta/v1.ListMeta')!
  const enveloped = (entry: StoredEntry): EnvelopedObject => entry.shape(`protobuf ${key}`, () => envelopedObject(messageType, shapeOf(entry)))
  const reduce = form.as === '' ? (object: Readonly<KubeObject>) => object : (object: Readonly<KubeObject>) => partialMetadata(object, form.asVersion)
  return {
    contentType: mediaTypes.protobuf,
    watchContentType: watchTypes.protobuf,
    shareKey: `protobuf ${key}`,
    one: (entry) => enveloped(entry).envelope,
    object: (object) => encodeAny('protobuf', reduce(object), false),
    objects: (objects, meta) => Buffer.concat(listEnvelopeOf(list, listMeta, meta, objects.map((object) => envelopedObject(messageType, reduce(object))))),
    list: (entries, meta) => listEnvelopeOf(list, listMeta, meta, entries.map(enveloped)),
    line(line) {
      if (line.type === 'BOOKMARK') return frameOf('protobuf', line.type, encodeAny('protobuf', bookmarkObject(type, line.revision, line.initialEventsEnd), false))
      const make = (): Uint8Array => watchFrame(line.type, (line.initial === true ? envelopedObject(messageType, shapeOf(line.entry)) : enveloped(line.entry)).envelope)
      return line.initial === true ? make() : line.entry.shape(`frame ${line.type} protobuf ${key}`, make)
    },
  }
}

/** An item of a list of a built-in kind. */
function untyped(object: Readonly<KubeObject>): object {
  if (object.kind === 'PartialObjectMetadata') return object
  const { kind: _kind, apiVersion: _apiVersion, ...rest } = object
  return rest
}

function tableRepresentation(resource: ResourceDescription, form: Negotiated, options: RepresentationOptions): Representation {
  const type = { kind: resource.kind, listKind: resource.listKind, apiVersion: apiVersionOf(resource) }
  const table = (objects: readonly Readonly<OpenObject>[], meta: ListMeta, withHeaders = true): object =>
    tableOf(resource, objects, meta, { version: form.asVersion, includeObject: options.includeObject, nowMs: options.now(), withHeaders })
  const encode = (value: object): Uint8Array => encodeAnswer(form.encoding, value, options.pretty)
  const isSpliced = form.encoding === 'json' && !options.pretty && options.includeObject === 'Metadata' && resource.view === undefined && apiVersionOf(resource) === resource.storageVersion
  const ofOne = (object: Readonly<OpenObject>): object => table([object], object.metadata.resourceVersion === undefined ? {} : { resourceVersion: object.metadata.resourceVersion })
  return {
    contentType: mediaTypes[form.encoding],
    watchContentType: form.encoding === 'cbor' ? cborSequence : mediaTypes[form.encoding],
    shareKey: undefined,
    one: (entry) => encode(ofOne(viewOf(resource, entry))),
    object: (object) => encode(ofOne(object as OpenObject)),
    objects: (objects, meta) => encode(table(objects as OpenObject[], meta)),
    list: (entries, meta) => (isSpliced ? splicedTable(resource, entries, table([], meta), form.asVersion, options.now()) : [encode(table(entries.map((entry) => viewOf(resource, entry)), meta))]),
    line(line, isFirst) {
      // A bookmark is a row, too, of an object that has nothing but its revision and annotation.
      const [shown, revision] = line.type === 'BOOKMARK' ? [emptyWith(resource, bookmarkObject(type, line.revision, line.initialEventsEnd)), line.revision] : [viewOf(resource, line.entry), line.entry.revision]
      const object = table([shown], { resourceVersion: String(revision) }, isFirst)
      return frameOf(form.encoding, line.type, encodeAny(form.encoding, object, false))
    },
  }
}

/** The JSON of a table of stored objects: the metadata beside each row is copied, not written anew. */
function splicedTable(resource: ResourceDescription, entries: readonly StoredEntry[], empty: object, version: string, nowMs: number): Uint8Array[] {
  const head = JSON.stringify({ ...empty, rows: undefined })
  const pieces: Uint8Array[] = [Buffer.from(`${head.slice(0, -1)},"rows":[`)]
  const middle = `,"object":{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/${version}","metadata":`
  for (const [i, entry] of entries.entries()) {
    const object = viewOf(resource, entry)
    const cells = JSON.stringify(resource.printRow(object, nowMs))
    const conditions = resource.rowConditions?.(object)
    pieces.push(Buffer.from(`${i === 0 ? '' : '}},'}{"cells":${cells}${conditions === undefined ? '' : `,"conditions":${JSON.stringify(conditions)}`}${middle}`), entry.metadataBytes())
  }
  pieces.push(Buffer.from(entries.length === 0 ? ']}\n' : '}}]}\n'))
  return pieces
}

/** With the zero values of its kind, as printers want it. */
function emptyWith({ typeId }: ResourceDescription, object: OpenObject): OpenObject {
  const type = typeId === undefined ? undefined : typeById(typeId)
  return type === undefined ? object : (decodeObject(type, object).value as unknown as OpenObject)
}

function frameOf(encoding: Encoding, type: WatchLine['type'] | 'ERROR', encoded: Uint8Array): Uint8Array {
  if (encoding === 'protobuf') return watchFrame(type, encoded)
  if (encoding === 'cbor') return Buffer.concat([cborEventHead(type), encoded])
  return Buffer.concat([Buffer.from(`{"type":"${type}","object":`), encoded, Buffer.from('}\n')])
}

/** A map of two, of which the object is still to come: keys in the order that makes the encoding deterministic. */
function cborEventHead(type: string): Uint8Array {
  const head = cborCodec().encodeCbor({ type, object: null })
  return head.subarray(0, head.length - 1)
}

/** The ERROR event that ends a watch. */
export function errorFrame(encoding: Encoding, status: Status): Uint8Array {
  return frameOf(encoding, 'ERROR', encodeAny(encoding, status, false))
}

/** As `encodeAny`; plain JSON is a line, as Go's encoder ends it (upstream: `json.Serializer`). */
export function encodeAnswer(encoding: Encoding, value: object, pretty: boolean): Uint8Array {
  return encoding === 'json' && !pretty ? Buffer.from(`${JSON.stringify(value)}\n`) : encodeAny(encoding, value, pretty)
}

/** An object of a known kind in an encoding. */
export function encodeAny(encoding: Encoding, value: object, pretty: boolean): Uint8Array {
  switch (encoding) {
    case 'json': return Buffer.from(pretty ? JSON.stringify(value, null, 2) : JSON.stringify(value))
    case 'yaml': return Buffer.from(yamlText(value))
    case 'cbor': return cborCodec().encodeCbor(value)
    case 'protobuf': {
      const { apiVersion = '', kind = '' } = value as { apiVersion?: string; kind?: string }
      const type = kind === 'Status' ? typeById('meta/v1.Status') : typeForKind(apiVersion, kind) ?? typeById(`meta/v1.${kind}`)
      if (type === undefined) throw errors.notAcceptable([mediaTypes.json, mediaTypes.yaml])
      return encodeProtobuf(type, value)
    }
  }
}
