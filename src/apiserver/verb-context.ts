import { typeById } from '../api/type-table.ts'
import { apiVersionOf, type ResourceDescription, type Strategy, type SubresourceDescription, type UserInfo } from '../api/resource.ts'
import { fieldErrorCause, fieldErrors, type FieldError } from '../machinery/field-error.ts'
import type { KubeObject, OpenObject } from '../machinery/object.ts'
import type { StructType } from '../machinery/schema-type.ts'
import { errors, type Status } from '../machinery/status.ts'
import { cloneJson } from './clone.ts'
import { decodeBody, readBody, type FieldValidation } from './body.ts'
import type { RequestAudit } from './audit/request-audit.ts'
import type { RequestInfo, ServerRequest, ServerResponse } from './context.ts'
import type { ApiServerCore, WriteOptions } from './core.ts'
import type { AdmissionChain } from './admission-chain.ts'
import { fieldManagerFor, managerOf } from './field-management/field-manager.ts'
import { cborSequence, mediaTypes, negotiate, negotiateLoosely, requireProduced, wantsPretty, type Encoding, type Negotiated } from './negotiation.ts'
import type { GenericRegistry, WriteOutcome } from './registry.ts'
import { encodeAnswer, representationOf, type Representation } from './representation.ts'
import type { StoredEntry } from './stored-object.ts'
import type { BodyKind } from './subresources.ts'
import type { IncludeObject } from './tables.ts'
import type { WatchCaches } from './watch-caches.ts'
import type { WatchLine } from './watcher.ts'

/** What verbs work with; one for the whole server. */
export interface VerbEnvironment {
  /** Counts what watches of a resource are sent. */
  watchReader?(resource: ResourceDescription): (lines: readonly WatchLine[]) => void
  core: ApiServerCore
  registry: GenericRegistry
  caches: WatchCaches
  admission: AdmissionChain
  /** Whether CBOR is served (feature gate CBORServingAndStorage). */
  cbor: boolean
  /** `--min-request-timeout`; upstream's where left out. */
  minRequestTimeoutSeconds?: number | undefined
}

/** One request to a resource, on its way through a verb. */
export interface VerbContext {
  server: VerbEnvironment
  request: ServerRequest
  info: RequestInfo
  user: UserInfo
  resource: ResourceDescription
  /** The subresource asked for, if any. */
  subresource: SubresourceDescription | undefined
  /** Texts of `Warning` headers. */
  warnings: string[]
  /** The record of the request, where one is kept. */
  audit?: RequestAudit | undefined
}

/** Encodings of built-in and of custom resources; everybody's metadata has those of built-in ones. */
const encodings = { typed: ['json', 'yaml', 'protobuf'], custom: ['json', 'yaml'] } satisfies Record<string, readonly Encoding[]>
const encodingsWithCbor = { typed: [...encodings.typed, 'cbor'], custom: [...encodings.custom, 'cbor'] } satisfies Record<string, readonly Encoding[]>

function encodingsOf({ server, resource }: VerbContext): { encodings: readonly Encoding[]; transformed: readonly Encoding[] } {
  const all = server.cbor ? encodingsWithCbor : encodings
  return { encodings: resource.typeId === undefined ? all.custom : all.typed, transformed: all.typed }
}

export function warnIn(context: VerbContext): (message: string) => void {
  return (message) => {
    if (!context.warnings.includes(message)) context.warnings.push(message)
  }
}

const streamTypes: Partial<Record<Encoding, string>> = { json: 'application/json;stream=watch', protobuf: 'application/vnd.kubernetes.protobuf;stream=watch', cbor: cborSequence }

/** Throws 406 where nothing that the client accepts can be given, before anything else is done for it. `isPlain`: what this answers is an object or a list. */
export function requireAnswerable(context: VerbContext, isPlain: boolean): void {
  const { accept } = context.request.headers
  if (accept === undefined || accept === '' || accept === mediaTypes.json || accept === '*/*') return
  const { verb } = context.info
  if (context.resource.typeId !== undefined) {
    const { encodings } = encodingsOf(context)
    const streams = verb === 'list' || verb === 'watch' ? encodings.flatMap((each) => streamTypes[each] ?? []) : []
    requireProduced(accept, [...encodings.map((each) => mediaTypes[each]), ...streams])
  }
  if (isPlain) negotiated(context, verb === 'watch')
}

/** The form of answer that the client wants of this resource. */
export function negotiated(context: VerbContext, isWatch = false): Negotiated {
  return negotiate(context.request.headers.accept, { ...encodingsOf(context), transforms: true, tables: context.resource.virtual !== true || context.resource.verbs.includes('get'), isWatch })
}

export function representation(context: VerbContext, form: Negotiated, isWatch = false): Representation {
  const { request, server } = context
  const includes = form.as === 'Table' ? includeObject(request.query) : 'Metadata'
  const { clock } = server.core.runtime
  return representationOf(context.resource, form, {
    includeObject: includes, pretty: !isWatch && wantsPretty(request), now: () => clock.now(),
  })
}

/** One object is no list, and a list no object: which of the two a client asked to see in part must be what there is. */
export function requireFit({ resource }: VerbContext, form: Negotiated, isList: boolean): void {
  const refused = isList ? 'PartialObjectMetadata' : 'PartialObjectMetadataList'
  if (form.as !== refused) return
  const type = resource.typeId === undefined ? `*unstructured.Unstructured${isList ? 'List' : ''}` : `*${resource.group === '' ? 'core' : resource.group.split('.')[0]!}.${isList ? resource.listKind : resource.kind}`
  const error = errors.notAcceptable([])
  error.status.message = `you requested ${refused}, but the requested object is ${isList ? 'a' : 'not a'} list (${type})`
  throw error
}

function includeObject(query: URLSearchParams): IncludeObject {
  const asked = query.get('includeObject') ?? ''
  if (asked === '' || asked === 'Metadata') return 'Metadata'
  if (asked === 'None' || asked === 'Object') return asked
  throw errors.badRequest(`Unable to convert to Table as requested: includeObject: Invalid value: ${JSON.stringify(asked)}: must be 'Metadata', 'Object', 'None', or empty`)
}

/** Query parameters that every write has, checked; `kind` names their options object in errors. */
export interface WriteParameters { dryRun: boolean; validation: FieldValidation; options: Record<string, unknown> }

export function writeParameters(query: URLSearchParams, kind: 'CreateOptions' | 'UpdateOptions' | 'PatchOptions'): WriteParameters {
  if (query.size === 0) return { dryRun: false, validation: 'Warn', options: { kind, apiVersion: 'meta.k8s.io/v1' } }
  const problems: FieldError[] = []
  const dryRun = query.getAll('dryRun').filter((value) => value !== '')
  if (dryRun.some((value) => value !== 'All')) problems.push(fieldErrors.notSupported('dryRun', dryRun, ['All']))
  const validation = query.get('fieldValidation') ?? ''
  if (!['', 'Strict', 'Warn', 'Ignore'].includes(validation)) problems.push(fieldErrors.notSupported('fieldValidation', validation, ['', 'Ignore', 'Strict', 'Warn']))
  const fieldManager = query.get('fieldManager') ?? ''
  if (Buffer.byteLength(fieldManager) > 128) problems.push(fieldErrors.tooLong('fieldManager', 128))
  else if (/[^\x20-\x7e]/.test(fieldManager) && /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(fieldManager)) problems.push(fieldErrors.invalid('fieldManager', fieldManager, unprintableIn(fieldManager)))
  if (problems.length > 0) throw errors.invalid({ group: 'meta.k8s.io', kind }, '', problems.map(fieldErrorCause))
  const options = {
    kind, apiVersion: 'meta.k8s.io/v1', ...(dryRun.length === 0 ? {} : { dryRun }), ...(fieldManager === '' ? {} : { fieldManager }),
    ...(validation === '' ? {} : { fieldValidation: validation }),
  }
  return { dryRun: dryRun.length > 0, validation: validation === '' ? 'Warn' : (validation as FieldValidation), options }
}

/** Which character of a name is none that can be seen, by its place in the name's bytes. */
function unprintableIn(text: string): string {
  let at = 0
  for (const character of text) {
    if (!/[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(character)) return `invalid character U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')} (at position ${at})`
    at += Buffer.byteLength(character)
  }
  return 'should only contain printable characters'
}

/** Keeps the owners of what this request writes, but for an apply. */
export function fieldManagement({ server, resource, request, info }: VerbContext): NonNullable<WriteOptions['manageFields']> {
  const manager = managerOf(request.query.get('fieldManager'), request.headers['user-agent'])
  const fields = fieldManagerFor(server.core.resources, resource, info.subresource)
  const nowMs = server.core.runtime.clock.now()
  return (next, old) => (old === undefined ? fields.created(next, manager, nowMs) : fields.updated(next, old, manager, nowMs))
}

export function kindOf(resource: ResourceDescription): BodyKind {
  return { group: resource.group, version: resource.version, kind: resource.kind }
}

/** The type that objects of a kind are fitted to. */
export function bodyType(resource: ResourceDescription, kind: BodyKind): StructType | undefined {
  if (kind.kind === resource.kind && kind.group === resource.group && kind.version === resource.version) {
    return resource.typeId === undefined ? undefined : typeById(resource.typeId)
  }
  return typeById(`${apiVersionOf({ group: kind.group, version: kind.version })}.${kind.kind}`) ?? typeById(`meta/v1.${kind.kind}`)
}

/** Reads the request's body as `kind`, by the field validation asked for. */
export async function readObject(context: VerbContext, kind: BodyKind, validation: FieldValidation): Promise<OpenObject> {
  const body = await readBody(context.request, context.server.cbor)
  const { resource } = context
  if (body.encoding === 'protobuf' && resource.typeId === undefined && kind.kind === resource.kind) throw errors.unsupportedMediaType(['application/json', 'application/yaml', 'application/apply-patch+yaml'])
  const object = decodeBody(body, { expected: kind, type: bodyType(resource, kind), validation, warn: warnIn(context), prune: resource.custom?.prune })
  if (context.audit !== undefined) keepForAudit(context.audit, resource, object)
  return object
}

/** The record shows what was sent with its defaults, as decoding upstream fills them. */
function keepForAudit(audit: RequestAudit, resource: ResourceDescription, object: OpenObject): void {
  if (!audit.keepsRequest) return audit.sent(object, resource)
  const copy = cloneJson(object)
  if (object.kind === resource.kind && object.apiVersion === apiVersionOf(resource)) resource.applyDefaults?.(copy)
  audit.sent(copy, resource)
}

/** The answer that holds an entry of the cache. */
export function answerEntry(context: VerbContext, entry: StoredEntry, value: unknown, status = 200): ServerResponse {
  const form = negotiated(context)
  requireFit(context, form, false)
  const shape = representation(context, form)
  if (context.request.directUser !== undefined) return { status, headers: {}, value, get bytes() { return shape.one(entry) } }
  return { status, headers: { 'content-type': shape.contentType }, bytes: shape.one(entry) }
}

export function answerOutcome(context: VerbContext, outcome: WriteOutcome): ServerResponse {
  const status = outcome.created ? 201 : 200
  if (outcome.entry !== undefined) return answerEntry(context, outcome.entry, outcome.object, status)
  const form = negotiated(context)
  requireFit(context, form, false)
  const shape = representation(context, form)
  return { status, headers: { 'content-type': shape.contentType }, bytes: shape.object(outcome.object), value: outcome.object }
}

/** Whether this request comes from inside the process, where nothing needs to be encoded. */
export function isDirect(context: VerbContext): boolean {
  return context.request.directUser !== undefined && context.request.headers.accept === undefined
}

/** The strategy by which this request writes: the subresource's own where it writes the parent object. */
export function strategyOf(context: VerbContext): Strategy {
  return context.subresource?.strategy ?? context.resource.strategy
}

/** The answer that holds an object outside the cache: a Scale, a Status, a deleted object. Only the resource's own kind can be a table. */
export function answerObject(context: VerbContext, object: Readonly<KubeObject> | Status, status = 200): ServerResponse {
  if (isDirect(context)) return { status, headers: {}, value: object, get bytes() { return Buffer.from(JSON.stringify(object)) } }
  const isOwnKind = object.kind === context.resource.kind && object.apiVersion === apiVersionOf(context.resource)
  if (isOwnKind) {
    const form = negotiated(context)
    requireFit(context, form, false)
    const shape = representation(context, form)
    return { status, headers: { 'content-type': shape.contentType }, bytes: shape.object(object as KubeObject), value: object }
  }
  const { encoding } = negotiateLoosely(context.request.headers.accept, encodingsOf(context).encodings)
  const pretty = wantsPretty(context.request)
  return { status, headers: { 'content-type': mediaTypes[encoding] }, bytes: encodeAnswer(encoding, object, pretty), value: object }
}

/** The answer to a list whose objects are not in the cache. */
export function answerList(context: VerbContext, items: readonly KubeObject[]): ServerResponse {
  const { listKind } = context.resource
  if (isDirect(context)) return { status: 200, headers: {}, value: { kind: listKind, apiVersion: apiVersionOf(context.resource), metadata: {}, items } }
  const shape = representation(context, negotiated(context))
  return { status: 200, headers: { 'content-type': shape.contentType }, bytes: shape.objects(items, {}) }
}
