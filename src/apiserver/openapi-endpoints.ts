import { createHash } from 'node:crypto'
import type { ForeignV2 } from '../api/openapi/foreign.ts'
import type { ResourceTable } from '../api/resource.ts'
import type { ServerRequest, ServerResponse } from './context.ts'
import type { Endpoints } from './endpoints.ts'
import { acceptClauses } from './negotiation.ts'

/** A document ready to be sent. */
interface Document { bytes: Uint8Array; contentType: string; etag: string }

/** What other servers say of their APIs, to be merged in. */
export interface ForeignOpenapi {
  /** Rises with every change. */
  readonly generation: number
  v2(): ForeignV2[]
  v3Paths(): Record<string, { serverRelativeURL: string }>
  /** The v2 document to make the v3 document of a path of. */
  v2For(path: string): ForeignV2 | undefined
}

/** As clients have asked for protobuf, and as it is called. */
const protobufTypes = {
  v2: ['application/com.github.proto-openapi.spec.v2@v1.0+protobuf', 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'],
  v3: ['application/com.github.proto-openapi.spec.v3@v1.0+protobuf', 'application/com.github.proto-openapi.spec.v3.v1.0+protobuf'],
} as const
const year = 'Fri, 31 Dec 9999 23:59:59 GMT'

/**
 * /openapi/v2 and /openapi/v3 (https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-interface-definition).
 * Documents are made when first asked for, and again when the resource table has changed.
 */
export function addOpenapiEndpoints(endpoints: Endpoints, resources: ResourceTable, foreign?: ForeignOpenapi): void {
  // Start-up does without the schemas and their documentation.
  const generator = async (): Promise<typeof import('../api/openapi/documents.ts')> => await import('../api/openapi/documents.ts')
  let generation = ''
  const made = new Map<string, Promise<Document | undefined>>()
  const document = (key: string, contentType: string, make: () => Promise<Uint8Array | string | undefined>, tag?: string): Promise<Document | undefined> => {
    const now = `${resources.generation} ${foreign?.generation ?? 0}`
    if (generation !== now) {
      made.clear()
      generation = now
    }
    let found = made.get(key)
    if (found === undefined) {
      found = make().then((body) => (body === undefined ? undefined : documentOf(body, contentType, tag)))
      made.set(key, found)
    }
    return found
  }
  endpoints.add('/openapi/v2', async (request) => {
    const form = formOf(request.headers.accept, 'v2')
    if (form === undefined) return notAcceptable()
    const make = async (): Promise<Uint8Array | string> => {
      const { json, protobuf } = (await generator()).openapiV2(resources, foreign?.v2())
      return form === 'json' ? json : protobuf
    }
    return answer(request, await document(`v2 ${form}`, form === 'json' ? 'application/json' : protobufTypes.v2[1], make), 'no-cache, private')
  })
  endpoints.add('/openapi/v3', async () => {
    const make = async (): Promise<string> => {
      const { paths } = (await generator()).openapiV3Index(resources)
      const others = Object.entries(foreign?.v3Paths() ?? {}).filter(([path]) => !Object.hasOwn(paths, path))
      return JSON.stringify({ paths: { ...paths, ...Object.fromEntries(others) } })
    }
    const index = await document('v3', 'text/plain; charset=utf-8', make)
    return { status: 200, headers: { 'cache-control': 'no-cache, private', 'content-type': index!.contentType }, bytes: index!.bytes }
  })
  endpoints.addTree('/openapi/v3/', async (request) => {
    const path = request.path.slice('/openapi/v3/'.length)
    const form = formOf(request.headers.accept, 'v3')
    const { openapiV3, openapiV3Index, openapiV3OfForeign, openapiV3Protobuf } = await generator()
    const inForm = async (json: () => string | undefined, tag?: string): Promise<Document | undefined> => {
      const asJson = async (): Promise<Document | undefined> => await document(`v3/${path}`, 'application/json', async () => json(), tag)
      if (form === 'json') return await asJson()
      return await document(`v3 protobuf/${path}`, protobufTypes.v3[1], async () => {
        const found = await asJson()
        return found === undefined ? undefined : openapiV3Protobuf(Buffer.from(found.bytes).toString('utf8'))
      }, tag)
    }
    const v2 = foreign?.v2For(path)
    if (v2 !== undefined) return answer(request, await inForm(() => openapiV3OfForeign(v2)), 'no-cache, private')
    const current = openapiV3Index(resources).paths[path]?.serverRelativeURL
    if (current === undefined) return { status: 404, headers: {}, bytes: '' }
    if (form === undefined) return notAcceptable()
    const asked = request.query.get('hash')
    // A client with an old hash is sent to the document of today, which it may keep for ever.
    const hash = new URL(current, 'https://server').searchParams.get('hash')!
    if (asked !== null && hash !== asked) return { status: 301, headers: { location: current, etag: `"${hash}"`, vary: 'Accept', 'content-type': 'application/json' } }
    return answer(request, await inForm(() => openapiV3(resources, path), hash), asked === null ? 'no-cache, private' : 'public, immutable')
  })
}

function notAcceptable(): ServerResponse {
  return { status: 406, headers: { vary: 'Accept' }, bytes: '' }
}

/** `tag` names the content where something else than its bytes does. */
function documentOf(body: Uint8Array | string, contentType: string, tag?: string): Document {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  return { bytes, contentType, etag: `"${tag ?? createHash('sha512').update(bytes).digest('hex').toUpperCase()}"` }
}

/** Undefined where nothing that the client accepts can be given. */
function formOf(accept: string | undefined, version: keyof typeof protobufTypes): 'json' | 'protobuf' | undefined {
  if (accept === undefined || accept === '') return 'json'
  const types: readonly string[] = protobufTypes[version]
  for (const { type } of acceptClauses(accept)) {
    if (types.includes(type)) return 'protobuf'
    if (type === 'application/json' || type === 'application/*' || type === '*/*') return 'json'
  }
  return undefined
}

function answer(request: ServerRequest, found: Document | undefined, cacheControl: string): ServerResponse | undefined {
  if (found === undefined) return undefined
  const headers: Record<string, string> = { etag: found.etag, vary: 'Accept', 'cache-control': cacheControl }
  if (cacheControl.includes('immutable')) headers.expires = year
  if (request.headers['if-none-match'] === found.etag) return { status: 304, headers }
  return { status: 200, headers: { ...headers, 'content-type': found.contentType }, bytes: found.bytes }
}
