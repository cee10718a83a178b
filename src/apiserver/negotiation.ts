import { errors } from '../machinery/status.ts'
import type { ServerRequest } from './context.ts'

/** `cbor` only where the feature gate CBORServingAndStorage is on. */
export type Encoding = 'json' | 'yaml' | 'protobuf' | 'cbor'

export const mediaTypes: Readonly<Record<Encoding, string>> = {
  json: 'application/json', yaml: 'application/yaml', protobuf: 'application/vnd.kubernetes.protobuf', cbor: 'application/cbor',
}

/** RFC 8742: what a watch in CBOR is. */
export const cborSequence = 'application/cbor-seq'

/** What form of an answer a client wants. */
export interface Negotiated {
  encoding: Encoding
  /** '' for the object as it is, else `Table`, `PartialObjectMetadata`, `PartialObjectMetadataList` of meta.k8s.io. */
  as: '' | 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList'
  /** `v1` or `v1beta1` with `as`. */
  asVersion: string
}

/** One `type/subtype;param=value` of an Accept header. */
export interface AcceptClause { type: string; params: Readonly<Record<string, string>>; q: number }

const plainJson: Negotiated = { encoding: 'json', as: '', asVersion: '' }
const parsed = new Map<string, readonly AcceptClause[]>()
const maxParsed = 500

/** The clauses of an Accept header, best first. */
export function acceptClauses(header: string): readonly AcceptClause[] {
  const known = parsed.get(header)
  if (known !== undefined) return known
  const clauses = header.split(',').map(clauseOf).filter((clause) => clause.type !== '' && clause.q > 0)
  clauses.sort((a, b) => b.q - a.q || wildness(a.type) - wildness(b.type))
  if (parsed.size >= maxParsed) parsed.clear()
  parsed.set(header, clauses)
  return clauses
}

/** What is named exactly goes before what is not. */
function wildness(type: string): number {
  return type === '*/*' ? 2 : type.endsWith('/*') ? 1 : 0
}

function clauseOf(text: string): AcceptClause {
  const [type = '', ...rest] = text.split(';').map((part) => part.trim())
  const params: Record<string, string> = {}
  let q = 1
  for (const part of rest) {
    const equals = part.indexOf('=')
    if (equals < 0) continue
    const name = part.slice(0, equals).trim().toLowerCase()
    const value = part.slice(equals + 1).trim().replace(/^"|"$/g, '')
    if (name === 'q') q = Number.isFinite(Number(value)) ? Number(value) : 1
    else params[name] = value
  }
  return { type: type.toLowerCase(), params, q }
}

export interface NegotiationLimits {
  /** Encodings that this answer can have, most preferred first. */
  encodings: readonly Encoding[]
  /** Whether the answer can be turned into partial metadata. */
  transforms: boolean
  /** Encodings of partial metadata, where they are others: custom resources have no protobuf of their own, but their metadata does. */
  transformed?: readonly Encoding[]
  /** Whether it can be turned into tables too; as `transforms` where left out. Reviews cannot. */
  tables?: boolean
  /** The answer is a stream of events. */
  isWatch?: boolean
}

const streamed: ReadonlySet<Encoding> = new Set(['json', 'protobuf', 'cbor'])

/** Routes name the types that they produce, and are not there for whoever accepts none of them by name: 406. Parameters and `application/*` mean nothing here (go-restful). */
export function requireProduced(accept: string | undefined, produced: readonly string[]): void {
  if (accept === undefined || accept === '' || accept === '*/*' || accept === mediaTypes.json) return
  for (const clause of accept.split(',')) {
    const type = clause.split(';', 1)[0]!.trim()
    if (type === '*/*' || produced.includes(type)) return
  }
  throw errors.notAcceptableHere(produced)
}

/** Picks the form of the answer; throws 406 when nothing that the client accepts can be given. */
export function negotiate(accept: string | undefined, limits: NegotiationLimits): Negotiated {
  if (accept === undefined || accept === '' || accept === '*/*') return plainJson
  const { encodings, transformed = encodings, isWatch = false } = limits
  const all = transformed.length > encodings.length ? transformed : encodings
  for (const clause of acceptClauses(accept)) {
    for (const encoding of all) {
      if (!matches(clause.type, mediaTypes[encoding])) continue
      const form = formOf(clause, encoding, limits, transformed)
      if (form === undefined) continue
      if (isWatch && !streamed.has(encoding)) throw errors.notAcceptable(all.filter((each) => streamed.has(each)).map((each) => (each === 'cbor' ? cborSequence : `${mediaTypes[each]};stream=watch`)))
      return form
    }
  }
  throw errors.notAcceptable(all.map((each) => mediaTypes[each]))
}

/** The form that a clause means in this encoding; undefined where there is none. */
function formOf({ params }: AcceptClause, encoding: Encoding, limits: NegotiationLimits, transformed: readonly Encoding[]): Negotiated | undefined {
  const { as = '', g, v, stream = '', sv = '' } = params
  if ((stream !== '' && (stream !== 'watch' || !streamed.has(encoding))) || (sv !== '' && sv !== 'v1')) return undefined
  if (as === '' && g === undefined && v === undefined) {
    if (!limits.encodings.includes(encoding)) return undefined
    return encoding === 'json' ? plainJson : { encoding, as: '', asVersion: '' }
  }
  if (!limits.transforms || g !== 'meta.k8s.io' || (v !== 'v1' && v !== 'v1beta1')) return undefined
  if (as === 'Table') return limits.tables !== false && (encoding === 'json' || encoding === 'yaml') ? { encoding, as, asVersion: v } : undefined
  if (as !== 'PartialObjectMetadata' && as !== 'PartialObjectMetadataList') return undefined
  return transformed.includes(encoding) ? { encoding, as, asVersion: v } : undefined
}

function matches(wanted: string, offered: string): boolean {
  return wanted === offered || (wanted === cborSequence && offered === mediaTypes.cbor) || wanted === '*/*' || (wanted.endsWith('/*') && offered.startsWith(wanted.slice(0, -1)))
}

/** `Accept: application/json;pretty=1`, `?pretty=true`, or a client that a person looks at (upstream: `isPrettyPrint`). */
export function wantsPretty({ query, headers }: Pick<ServerRequest, 'query' | 'headers'>): boolean {
  const { accept = '', 'user-agent': userAgent } = headers
  if (accept.includes('pretty=') && acceptClauses(accept).some(({ params }) => params.pretty === '1')) return true
  const asked = query.get('pretty')
  if (asked !== null && asked !== '') return ['1', 't', 'T', 'true', 'TRUE', 'True'].includes(asked)
  return userAgent !== undefined && /^(curl|Wget|Mozilla\/5\.0)/.test(userAgent)
}

/**
 * As `negotiate` for answers that are never transformed, errors above all, which must reach everybody: where nothing fits, they are
 * `raw` JSON, indented (upstream: `WriteRawJSON`).
 */
export function negotiateLoosely(accept: string | undefined, encodings: readonly Encoding[]): Negotiated & { raw?: true } {
  if (accept === undefined || accept === '' || accept === '*/*') return plainJson
  const limits = { encodings, transforms: false }
  for (const clause of acceptClauses(accept)) {
    for (const encoding of encodings) {
      const form = matches(clause.type, mediaTypes[encoding]) ? formOf(clause, encoding, limits, encodings) : undefined
      if (form !== undefined) return form
    }
  }
  return rawJson
}

const rawJson: Negotiated & { raw?: true } = { ...plainJson, raw: true }
