import { isUtf8 } from 'node:buffer'
import { typeById, typeForKind } from '../api/type-table.ts'
import type { OpenObject } from '../machinery/object.ts'
import { decodeProtobuf, isProtobuf, protobufMediaType } from '../machinery/protobuf-envelope.ts'
import { ProtobufError } from '../machinery/protobuf-wire.ts'
import { countKeys, duplicateFields, fieldProblems } from '../machinery/json-duplicates.ts'
import { parseJson, parseJsonAsWritten } from '../machinery/json-numbers.ts'
import { jsonSyntaxProblem, withNumbersAsWritten } from '../machinery/json-syntax.ts'
import { SchemaDecodeError, decodeObject, maxDepth, type DecodeResult } from '../machinery/schema-decode.ts'
import type { StructType } from '../machinery/schema-type.ts'
import { StatusError, errors } from '../machinery/status.ts'
import { completed, kindProblem, versionText, wrongKind, type GivenKind } from './body-kind.ts'
import type { ServerRequest } from './context.ts'
import { cborCodec } from './cbor.ts'
import { mediaTypes } from './negotiation.ts'
import type { BodyKind } from './subresources.ts'
import { conversionPrefix, readYaml, type ParsedYaml } from './yaml.ts'

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore'
export type BodyEncoding = 'json' | 'yaml' | 'protobuf' | 'cbor'

/** A body read whole, with its encoding known. */
export interface Body { encoding: BodyEncoding; bytes: Uint8Array }

const accepted = ['application/json', 'application/yaml', protobufMediaType]

/** What a body is written in; JSON where its type is not named. `cbor`: whether that is taken. */
export function bodyEncoding(contentType: string | undefined, cbor: boolean): BodyEncoding {
  const type = (contentType ?? '').split(';', 1)[0]!.trim().toLowerCase()
  switch (type) {
    // Nothing but parameters is no media type.
    case '': if ((contentType ?? '') === '') return 'json'; break
    case 'application/json': return 'json'
    case 'application/yaml': return 'yaml'
    case protobufMediaType: return 'protobuf'
    case mediaTypes.cbor: if (cbor) return 'cbor'
  }
  throw errors.unsupportedMediaType(cbor ? [...accepted, mediaTypes.cbor] : accepted)
}

export async function readBody(request: ServerRequest, cbor: boolean): Promise<Body> {
  const encoding = bodyEncoding(request.headers['content-type'], cbor)
  return { encoding, bytes: await request.readBody() }
}

/** First bytes of a body that nobody understands, as upstream shows them. */
function summary(bytes: Uint8Array): string {
  if (bytes.length === 0) return '<empty>'
  const head = Buffer.from(bytes.subarray(0, 30))
  const text = bytes[0] === 123 ? head.toString() : head.toString('hex')
  return bytes.length > 30 ? `${text} ...` : text
}

/** What a body holds, before it is fitted to its type. */
interface Raw { value: Record<string, unknown>; source: Source | undefined }

/** Where duplicate keys can be looked for. */
type Source = { text: string } | { yaml: ParsedYaml }

function parseRaw(body: Body, expected: BodyKind, isTyped: boolean): Raw {
  const unrecognized = (problem: string): StatusError =>
    errors.badRequest(`the object provided is unrecognized (must be of type ${expected.kind}): ${problem} (${summary(body.bytes)})`)
  if (body.encoding === 'protobuf') return { value: fromProtobuf(body.bytes, expected, unrecognized), source: undefined }
  const text = Buffer.from(body.bytes.buffer, body.bytes.byteOffset, body.bytes.byteLength).toString('utf8')
  let value: unknown
  let source: Source | undefined = { text }
  if (body.encoding === 'yaml') {
    if (!isUtf8(body.bytes)) throw unrecognized('yaml: invalid leading UTF-8 octet')
    const yaml = readableYaml(text, unrecognized)
    source = { yaml }
    value = yaml.value
  } else if (body.encoding === 'cbor') {
    try {
      value = cborCodec().decodeCbor(body.bytes)
      source = undefined
    } catch (cause) {
      if (cause instanceof cborCodec().CborError) throw unrecognized(cause.message)
      throw cause
    }
  } else {
    try {
      value = isTyped ? parseJsonAsWritten(text) : parseJson(text)
    } catch (cause) {
      throw unrecognized(`couldn't get version/kind; json parse error: ${jsonSyntaxProblem(text) ?? String(cause)}`)
    }
  }
  // Go reads null, and YAML that holds nothing, as an object that has nothing.
  if (value === null || value === undefined) value = {}
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw unrecognized(unreadableKind(jsonTypeOf(value)))
  }
  return { value: value as Record<string, unknown>, source }
}

function fromProtobuf(bytes: Uint8Array, expected: BodyKind, unrecognized: (problem: string) => StatusError): Record<string, unknown> {
  if (bytes.length === 0) throw unrecognized('empty data')
  if (bytes.length === 4 && isProtobuf(bytes)) throw unrecognized('empty body')
  let given: GivenKind | undefined
  try {
    return decodeProtobuf(bytes, (apiVersion, kind) => {
      given = { apiVersion, kind }
      const problem = kindProblem(given, expected)
      const type = typeForKind(apiVersion === '' ? versionText(expected) : apiVersion, kind === '' ? expected.kind : kind)
      if (type === undefined && problem !== undefined) throw new SchemaDecodeError(problem)
      return type
    })
  } catch (cause) {
    if (!(cause instanceof ProtobufError) && !(cause instanceof SchemaDecodeError)) throw cause
    // Only some of upstream's errors say that they are of protobuf.
    const problem = cause.message.replace(/^proto: (?=unexpected EOF|provided data|no kind)/, '')
    if (given === undefined) throw unrecognized(problem)
    const { kind, version } = completed(given, expected)
    throw errors.badRequest(`${kind} in version ${JSON.stringify(version.slice(version.indexOf('/') + 1))} cannot be handled as a ${expected.kind}: ${problem}`, cause)
  }
}

function readableYaml(text: string, unrecognized: (problem: string) => StatusError): ParsedYaml {
  try {
    return readYaml(text)
  } catch (cause) {
    if (cause instanceof StatusError) throw unrecognized(cause.message.replace(conversionPrefix, ''))
    throw cause
  }
}

export interface DecodeBodyOptions {
  expected: BodyKind
  /** The type to fit to; undefined takes the fields as they come (custom resources). */
  type: StructType | undefined
  /** Drops what the schema of a custom resource doesn't specify, and names it. */
  prune?: ((object: Record<string, unknown>) => string[]) | undefined
  validation: FieldValidation
  /** What strict decoding has found before, in a patch. */
  problems?: readonly string[]
  warn(message: string): void
}

/** The object in a body, fitted to its type: unknown fields dropped, warned of or refused. `kind` and `apiVersion` are set. */
export function decodeBody(body: Body, options: DecodeBodyOptions): OpenObject {
  const { expected } = options
  const { value, source } = parseRaw(body, expected, options.type !== undefined)
  const apiVersion = versionText(expected)
  const given = { kind: textField(value, 'kind', body, expected), apiVersion: textField(value, 'apiVersion', body, expected) }
  if (given.kind !== expected.kind || given.apiVersion !== apiVersion) {
    const name = (value.metadata as { name?: unknown } | undefined)?.name
    const refusal = wrongKind(given, expected, options.type === undefined, { text: Buffer.from(body.bytes).toString('utf8'), summary: summary(body.bytes), name: typeof name === 'string' ? name : '' })
    if (refusal !== undefined) throw refusal
  }
  value.kind = expected.kind
  value.apiVersion = apiVersion
  const implied = (given.kind === '' ? 1 : 0) + (given.apiVersion === '' ? 1 : 0)
  return fitToType(value, source, implied, options)
}

/** What a body that is no object, but a `goType`, is answered with. */
export function unreadableKind(goType: string): string {
  return `couldn't get version/kind; json parse error: json: cannot unmarshal ${goType} into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }`
}

/** Go's name of what JSON calls the type of a value. */
export function jsonTypeOf(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  const type = typeof value
  return type === 'boolean' ? 'bool' : type === 'bigint' || type === 'symbol' ? 'number' : type
}

function textField(value: Record<string, unknown>, name: string, body: Body, expected: BodyKind): string {
  const field = Object.hasOwn(value, name) ? value[name] : undefined
  if (field === undefined || field === null) return ''
  if (typeof field === 'string') return field
  const what = jsonTypeOf(field)
  throw errors.badRequest(`the object provided is unrecognized (must be of type ${expected.kind}): couldn't get version/kind; json parse error: json: cannot unmarshal ${what} into Go struct field .${name} of type string (${summary(body.bytes)})`)
}

/** Fits parsed data to its type by the rules of field validation. `implied`: keys of `value` that are not in its source. */
function fitToType(value: Record<string, unknown>, source: Source | undefined, implied: number, options: DecodeBodyOptions): OpenObject {
  const { expected, type, validation, problems = [] } = options
  const refuse = (problem: string, cause?: unknown): StatusError =>
    errors.badRequest(`${expected.kind} in version "${expected.version}" cannot be handled as a ${expected.kind}: ${problem}`, cause)
  const forgetsOwners = isEmptyList((value.metadata as { managedFields?: unknown } | null | undefined)?.managedFields)
  let decoded
  try {
    decoded = type === undefined ? decodeCustom(value, options.prune) : decodeObject(type, value)
  } catch (cause) {
    if (cause instanceof SchemaDecodeError) throw refuse(source !== undefined && 'text' in source ? withNumbersAsWritten(cause.message, source.text) : cause.message, cause)
    throw cause
  }
  if (validation !== 'Ignore') {
    const { yaml, fields: found } = strictProblems(decoded, source, decoded.keyCount - implied, type !== undefined)
    const fields = problems.length === 0 ? found : [...problems, ...found]
    if (validation === 'Strict') {
      const parts = yaml.length === 0 ? fields : [`yaml: unmarshal errors:\n  ${yaml.join('\n  ')}`, ...fields]
      if (parts.length > 0) throw refuse(`strict decoding error: ${parts.join(', ')}`)
    } else for (const part of [...yaml, ...fields]) options.warn(part)
  }
  const object = decoded.value as unknown as OpenObject
  object.metadata ??= {}
  // The one list that means something when it is empty: that nobody owns anything any more.
  if (forgetsOwners) object.metadata.managedFields = []
  return object
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0
}

/** What strict decoding has to say, in upstream's order: of typed objects as they are read, of others duplicates before unknown fields. */
function strictProblems({ unknownFields }: DecodeResult, source: Source | undefined, parsedKeys: number, isTyped: boolean): { yaml: readonly string[]; fields: readonly string[] } {
  // What upstream decodes is JSON made of the YAML, with its keys sorted.
  if (source !== undefined && 'yaml' in source) return { yaml: source.yaml.duplicates, fields: (isTyped ? unknownFields.toSorted() : unknownFields).map(unknownField) }
  const hasDuplicates = source !== undefined && countKeys(source.text) !== parsedKeys
  if (!hasDuplicates) return { yaml: [], fields: unknownFields.map(unknownField) }
  if (isTyped) return { yaml: [], fields: fieldProblems(source.text, unknownFields) }
  return { yaml: [], fields: [...duplicateFields(source.text, parsedKeys).map((path) => `duplicate field "${path}"`), ...unknownFields.map(unknownField)] }
}

function unknownField(path: string): string {
  return `unknown field "${path}"`
}

/** A custom resource: its metadata is typed, the rest follows its schema. Keys below are counted as they came, so that duplicates show. */
function decodeCustom(value: Record<string, unknown>, prune: DecodeBodyOptions['prune']): DecodeResult {
  const keyCount = countAllKeys(value)
  const metadata = value.metadata === undefined || value.metadata === null ? undefined : decodeObject(typeById('meta/v1.ObjectMeta')!, value.metadata)
  if (metadata !== undefined) value.metadata = metadata.value
  const unknownFields = [...(metadata?.unknownFields ?? []).map((field) => `metadata.${field}`), ...(prune?.(value) ?? [])]
  return { value, unknownFields, keyCount }
}

function countAllKeys(value: unknown, depth = 0): number {
  if (typeof value !== 'object' || value === null) return 0
  if (depth > maxDepth) throw new SchemaDecodeError('exceeded max depth')
  let count = Array.isArray(value) ? 0 : Object.keys(value).length
  for (const child of Object.values(value)) count += countAllKeys(child, depth + 1)
  return count
}

/** Fits data that did not come as a body, such as a patch's result; reports unknown fields only. */
export function fitObject(value: Record<string, unknown>, options: DecodeBodyOptions): OpenObject {
  return fitToType(value, undefined, 0, options)
}
