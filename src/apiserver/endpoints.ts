import { errors, isReason } from '../machinery/status.ts'
import { mediaTypes, requireProduced } from './negotiation.ts'
import type { RequestInfo, ServerRequest, ServerResponse } from './context.ts'

/** Answers one path, or a tree of paths; undefined when it does not know this one. */
export type Endpoint = (request: ServerRequest, info: RequestInfo) => Promise<ServerResponse | undefined> | ServerResponse | undefined

const documentTypes = [mediaTypes.json, mediaTypes.yaml, mediaTypes.protobuf]

/** An endpoint that is a route upstream: it is read and nothing else. Others answer whatever the method. */
export function readOnly(endpoint: Endpoint, produced: readonly string[] = documentTypes): Endpoint {
  const checked = (request: ServerRequest, response: ServerResponse | undefined): ServerResponse | undefined => {
    if (response === undefined) return undefined
    if (request.method !== 'GET' || request.isHead === true) throw errors.methodNotAllowedHere()
    requireProduced(request.headers.accept, produced)
    return response
  }
  const asked: Endpoint = (request, info) => {
    try {
      return endpoint(request, info)
    } catch (error) {
      throw isReason(error, 'NotAcceptable') ? errors.notAcceptableHere(produced) : error
    }
  }
  return (request, info) => {
    const response = asked(request, info)
    return response instanceof Promise ? response.then((answer) => checked(request, answer)) : checked(request, response)
  }
}

/** Paths that are not resources: discovery, health, version, metrics. */
export class Endpoints {
  /** False while paths may still come (custom resources, aggregated groups): an unknown one is then not said to be missing. */
  isComplete: () => boolean = () => true
  /** Whether a group is one of the server's own, which definitions don't make. */
  isBuiltIn: (group: string) => boolean = () => false
  readonly #exact = new Map<string, Endpoint>()
  readonly #unlisted = new Set<string>()
  readonly #routes = new Set<string>()
  readonly #trees: { prefix: string; endpoint: Endpoint }[] = []

  /** `prefix` ends with `/`. */
  addTree(prefix: string, endpoint: Endpoint): void {
    this.#trees.push({ prefix, endpoint })
  }

  add(path: string, endpoint: Endpoint): void {
    this.#exact.set(path, endpoint)
  }

  /** As `add`, for what is a route upstream: read only, of types that it names, and there with a slash behind it, too. */
  addRoute(path: string, endpoint: Endpoint, produced: readonly string[] = documentTypes): void {
    this.#routes.add(path)
    this.add(path, readOnly(endpoint, produced))
  }

  /** As `add`, for paths that `/` does not name. */
  addUnlisted(path: string, endpoint: Endpoint): void {
    this.#unlisted.add(path)
    this.#exact.set(path, endpoint)
  }

  has(path: string): boolean {
    return this.#exact.has(path) || this.#trees.some(({ prefix }) => path === prefix.slice(0, -1))
  }

  paths(): string[] {
    return [...this.#exact.keys()].filter((path) => !this.#unlisted.has(path))
  }

  async answer(request: ServerRequest, info: RequestInfo): Promise<ServerResponse> {
    const { path } = request
    const endpoint = this.#endpointAt(path)
    if (endpoint === undefined || info.isResourceRequest) return this.#missing(path)
    return (await endpoint(request, info)) ?? this.#missing(path)
  }

  #endpointAt(path: string): Endpoint | undefined {
    const exact = this.#exact.get(path)
    if (exact !== undefined) return exact
    const bare = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
    if (this.#routes.has(bare)) return this.#exact.get(bare)
    return this.#trees.find(({ prefix }) => path.startsWith(prefix) || path === prefix.slice(0, -1))?.endpoint
  }

  /** Below `/api` and the server's own groups upstream's answer is a Status, elsewhere a line of text. */
  #missing(path: string): ServerResponse {
    if (!this.isComplete()) throw tooEarly()
    const [, root, group = ''] = path.split('/')
    if (root === 'api' || (root === 'apis' && this.isBuiltIn(group))) throw errors.unknownPath()
    return notFound()
  }
}

/** Controllers take "not found" at its word: they must not hear it of what is not there yet. */
function tooEarly(): Error {
  const error = errors.serviceUnavailable('the request has been made before all known HTTP paths have been installed, please retry')
  error.status.details = { retryAfterSeconds: 30 }
  return error
}

/** What Go's mux says of paths that are nothing at all. */
export function notFound(): ServerResponse {
  return { status: 404, headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' }, bytes: '404 page not found\n' }
}
