import { createHash } from 'node:crypto'
import { aggregatedDiscovery, apiGroup, apiGroupList, apiResourceList, apiVersions, tableCatalogue, type Catalogue } from '../api/discovery.ts'
import type { ResourceTable } from '../api/resource.ts'
import { typeById } from '../api/type-table.ts'
import { encodeProtobuf } from '../machinery/protobuf-envelope.ts'
import type { StructType } from '../machinery/schema-type.ts'
import type { ServerRequest, ServerResponse } from './context.ts'
import { readOnly, type Endpoints } from './endpoints.ts'
import { acceptClauses, mediaTypes, negotiate, wantsPretty, type Encoding } from './negotiation.ts'
import { encodeAnswer, encodeAny } from './representation.ts'

/** Documents made from the catalogue, made again when it has changed. */
class CatalogueDocuments {
  readonly #catalogue: Catalogue
  readonly #made = new Map<string, unknown>()
  #generation = ''

  constructor(catalogue: Catalogue) {
    this.#catalogue = catalogue
  }

  get<T>(key: string, make: () => T): T {
    const { generation } = this.#catalogue
    if (this.#generation !== generation) {
      this.#made.clear()
      this.#generation = generation
    }
    if (!this.#made.has(key)) this.#made.set(key, make())
    return this.#made.get(key) as T
  }
}

type AggregatedForm = 'json' | 'yaml' | 'protobuf'

interface Aggregated { bytes: Uint8Array | string; etag: string; contentType: string }

/** /api, /apis and what is below them (https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api), and `/`, the list of paths. */
export function addDiscoveryEndpoints(endpoints: Endpoints, { resources, listen }: { resources: ResourceTable; listen: readonly { host: string; port: number }[] }, catalogue: Catalogue = tableCatalogue(resources)): void {
  const documents = new CatalogueDocuments(catalogue)
  const serverAddress = listen[0] === undefined ? '' : `${listen[0].host}:${listen[0].port}`
  const answer = (key: string, make: () => object | undefined) => (request: ServerRequest): ServerResponse | undefined => {
    const { encoding } = negotiate(request.headers.accept, { encodings: ['json', 'yaml', 'protobuf'], transforms: false })
    const pretty = encoding === 'json' && wantsPretty(request)
    const document = documents.get(key, make)
    if (document === undefined) return undefined
    return documents.get(`${key} ${encoding} ${pretty}`, () => encodedAnswer(document, encoding, pretty))
  }
  const aggregated = (key: 'legacy' | 'groups', form: AggregatedForm): Aggregated => documents.get(`aggregated ${key} ${form}`, () => {
    const document = aggregatedDiscovery(resources, key, catalogue)
    const json = encodeAnswer('json', document, false)
    const bytes = form === 'json' ? json : form === 'yaml' ? encodeAny('yaml', document, false) : encodeProtobuf(typeById('apidiscovery.k8s.io/v2.APIGroupDiscoveryList') as StructType, document)
    // One tag for a state, whatever it is written in.
    return { bytes, etag: `"${createHash('sha512').update(json).digest('hex').toUpperCase()}"`, contentType: `${mediaTypes[form]};g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList` }
  })
  const root = (key: 'legacy' | 'groups', plain: ReturnType<typeof answer>) => (request: ServerRequest): ServerResponse | undefined => {
    const form = aggregatedForm(request.headers.accept)
    return form === undefined ? plain(request) : answerAggregated(request, aggregated(key, form))
  }
  endpoints.addRoute('/api', root('legacy', answer('/api', () => apiVersions(resources, serverAddress))))
  const groups = root('groups', answer('/apis', () => apiGroupList(catalogue)))
  endpoints.add('/apis', groups)
  endpoints.add('/apis/', groups)
  const builtIn = new Set(resources.all().filter(({ typeId }) => typeId !== undefined).map(({ group }) => group))
  endpoints.isBuiltIn = (group) => builtIn.has(group)
  endpoints.addTree('/api/', (request, info) => {
    const [version = '', ...rest] = request.path.slice('/api/'.length).split('/').filter((part) => part !== '')
    return rest.length > 0 ? undefined : readOnly(answer(`/api/${version}`, () => apiResourceList(resources, '', version)))(request, info)
  })
  endpoints.addTree('/apis/', (request, info) => {
    const [group = '', version, ...rest] = request.path.slice('/apis/'.length).split('/').filter((part) => part !== '')
    if (group === '' || rest.length > 0) return undefined
    if (version === undefined) return answer(`/apis/${group}`, () => apiGroup(catalogue, group))(request)
    const versionAnswer = answer(`/apis/${group}/${version}`, () => apiResourceList(resources, group, version))
    return (builtIn.has(group) ? readOnly(versionAnswer) : versionAnswer)(request, info)
  })
  // JSON for everybody, and indented, as upstream writes it.
  const index = (): ServerResponse => ({ status: 200, headers: { 'content-type': mediaTypes.json }, bytes: documents.get('/', () => JSON.stringify({ paths: allPaths(endpoints, catalogue) }, null, 2)) })
  endpoints.add('/', index)
  endpoints.addUnlisted('/index.html', index)
}

function encodedAnswer(document: object, encoding: Encoding, pretty: boolean): ServerResponse {
  const { kind = '' } = document as { kind?: string }
  const type = encoding === 'protobuf' ? typeById(`meta/v1.${kind}`) : undefined
  const bytes = type === undefined ? encodeAnswer(encoding === 'protobuf' ? 'json' : encoding, document, pretty) : encodeProtobuf(type, { apiVersion: '', ...document, kind })
  return { status: 200, headers: { 'content-type': type === undefined && encoding === 'protobuf' ? mediaTypes.json : mediaTypes[encoding] }, bytes }
}

const aggregatedEncodings: Readonly<Record<string, AggregatedForm>> = { '*/*': 'json', 'application/*': 'json', [mediaTypes.json]: 'json', [mediaTypes.yaml]: 'yaml', [mediaTypes.protobuf]: 'protobuf' }

/** The form of aggregated discovery that a client accepts before the plain documents; its beta is no longer served (gate AggregatedDiscoveryRemoveBetaType). */
function aggregatedForm(accept: string | undefined): AggregatedForm | undefined {
  if (accept === undefined) return undefined
  for (const { type, params } of acceptClauses(accept)) {
    const form = aggregatedEncodings[type]
    if (form === undefined) continue
    if (params.as === undefined) return undefined
    if (params.as === 'APIGroupDiscoveryList' && params.g === 'apidiscovery.k8s.io' && params.v === 'v2') return form
  }
  return undefined
}

function answerAggregated(request: ServerRequest, { bytes, etag, contentType }: Aggregated): ServerResponse {
  const headers = { etag, vary: 'Accept', 'cache-control': 'public' }
  if (request.headers['if-none-match'] === etag) return { status: 304, headers }
  return { status: 200, headers: { ...headers, 'content-type': contentType }, bytes }
}

/** Every path that answers, as upstream's index lists them. */
function allPaths(endpoints: Endpoints, catalogue: Catalogue): string[] {
  const paths = new Set(endpoints.paths().filter((path) => path !== '/'))
  for (const { name, versions } of catalogue.groups()) {
    if (name !== '') paths.add(`/apis/${name}`)
    for (const version of versions) paths.add(name === '' ? `/api/${version}` : `/apis/${name}/${version}`)
  }
  return [...paths].sort()
}
