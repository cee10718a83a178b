import { errors } from '../machinery/status.ts'
import type { RequestInfo, ServerRequest, ServerResponse } from './context.ts'

/** Answers one path, or a tree of paths; undefined when it does not know this one. */
export type Endpoint = (request: ServerRequest, info: RequestInfo) => Promise<ServerResponse | undefined> | ServerResponse | undefined

/** Paths that are not resources: discovery, health, version, metrics. */
export class Endpoints {
  /** False while paths may still come (custom resources, aggregated groups): an unknown one is then not said to be missing. */
  isComplete: () => boolean = () => true
  /** Whether a group is one of the server's own, which definitions don't make. */
  isBuiltIn: (group: string) => boolean = () => false
  readonly #exact = new Map<string, Endpoint>()
  readonly #unlisted = new Set<string>()
  readonly #trees: { prefix: string; endpoint: Endpoint }[] = []

  /** `prefix` ends with `/`. */
  addTree(prefix: string, endpoint: Endpoint): void {
    this.#trees.push({ prefix, endpoint })
  }

  add(path: string, endpoint: Endpoint): void {
    this.#exact.set(path, endpoint)
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
    const path = request.path.length > 1 ? request.path.replace(/\/+$/, '') : request.path
    const endpoint = this.#exact.get(path) ?? this.#trees.find(({ prefix }) => path.startsWith(prefix) || path === prefix.slice(0, -1))?.endpoint
    if (endpoint === undefined || info.isResourceRequest) return this.#missing(path)
    const response = await endpoint(request, info)
    if (response === undefined) return this.#missing(path)
    if (request.method !== 'GET') throw errors.methodNotAllowedHere()
    return response
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
