import { errors } from '../machinery/status.ts'
import type { RequestInfo, ServerRequest, ServerResponse } from './context.ts'

/** Answers one path, or a tree of paths; undefined when it does not know this one. */
export type Endpoint = (request: ServerRequest, info: RequestInfo) => Promise<ServerResponse | undefined> | ServerResponse | undefined

/** Paths that are not resources: discovery, health, version, metrics. */
export class Endpoints {
  readonly #exact = new Map<string, Endpoint>()
  readonly #trees: { prefix: string; endpoint: Endpoint }[] = []

  /** `prefix` ends with `/`. */
  addTree(prefix: string, endpoint: Endpoint): void {
    this.#trees.push({ prefix, endpoint })
  }

  add(path: string, endpoint: Endpoint): void {
    this.#exact.set(path, endpoint)
  }

  paths(): string[] {
    return [...this.#exact.keys()]
  }

  async answer(request: ServerRequest, info: RequestInfo): Promise<ServerResponse> {
    const path = request.path.length > 1 ? request.path.replace(/\/+$/, '') : request.path
    const endpoint = this.#exact.get(path) ?? this.#trees.find(({ prefix }) => path.startsWith(prefix) || path === prefix.slice(0, -1))?.endpoint
    if (endpoint === undefined) throw errors.unknownPath()
    if (request.method !== 'GET') throw errors.methodNotAllowedHere()
    const response = await endpoint(request, info)
    if (response === undefined) throw errors.unknownPath()
    return response
  }
}
