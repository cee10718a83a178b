import { type ResourceDescription, type SubresourceDescription, type UserInfo, type Verb } from '../api/resource.ts'
import { errors, isReason, toStatusError, type StatusError } from '../machinery/status.ts'
import type { Authenticator, RequestInfo, ServerRequest, ServerResponse } from './context.ts'
import { attributesOf, authenticateRequest, impersonatedUser, requireAllowed } from './authentication-filter.ts'
import { compressed } from './compression.ts'
import type { Endpoints } from './endpoints.ts'
import { mediaTypes, negotiateLoosely, wantsPretty, type Encoding } from './negotiation.ts'
import { encodeAny } from './representation.ts'
import { requestTimeoutMs, withinTimeout } from './request-deadline.ts'
import { requestInfoOf, wantsWatch } from './request-info.ts'
import type { SubresourceHandler } from './subresources.ts'
import { contextFor } from './subresource-context.ts'
import type { VerbContext, VerbEnvironment } from './verb-context.ts'
import { create } from './verbs/create.ts'
import { deleteOne } from './verbs/delete.ts'
import { deleteCollection } from './verbs/deletecollection.ts'
import { get } from './verbs/get.ts'
import { list } from './verbs/list.ts'
import { patch } from './verbs/patch.ts'
import { scale } from './verbs/scale.ts'
import { update } from './verbs/update.ts'
import { watch } from './verbs/watch.ts'

export interface PipelineParts {
  server: VerbEnvironment
  authenticators: readonly Authenticator[]
  handlers: readonly SubresourceHandler[]
  endpoints: Endpoints
  /** Answers what belongs to an aggregated server; undefined for what is this one's own. */
  delegate?(request: ServerRequest, info: RequestInfo, user: UserInfo): Promise<ServerResponse> | undefined
  /** Told of each request once its answer is known. */
  observe(info: RequestInfo | undefined, method: string, status: number, startedMs: number): void
}

const errorEncodings: readonly Encoding[] = ['json', 'yaml', 'protobuf']
const errorEncodingsWithCbor: readonly Encoding[] = [...errorEncodings, 'cbor']

type VerbHandler = (context: VerbContext) => Promise<ServerResponse>

const verbs: Readonly<Record<Verb, VerbHandler>> = { create, get, list, watch, update, patch, delete: deleteOne, deletecollection: deleteCollection }
const longRunning = new Set(['watch', 'proxy', 'connect'])

/** The way of every request: who is it, may they, what is it, do it. Never throws; whatever goes wrong is a Status. */
export class Pipeline {
  readonly #parts: PipelineParts
  readonly #handlers = new Map<string, SubresourceHandler>()

  constructor(parts: PipelineParts) {
    this.#parts = parts
    for (const handler of parts.handlers) this.#handlers.set(`${handler.group}/${handler.resource}/${handler.subresource}`, handler)
  }

  async handle(request: ServerRequest): Promise<ServerResponse> {
    const { server, observe } = this.#parts
    const startedMs = server.core.runtime.clock.monotonicMs()
    const warnings: string[] = []
    let info: RequestInfo | undefined
    let response: ServerResponse
    try {
      info = requestInfoOf(request.method, request.path, request.query)
      const timeoutMs = request.query.has('timeout') && !isLongRunning(info) && !wantsWatch(request.query) ? requestTimeoutMs(request.query) : undefined
      const answer = this.#answer(request, info, warnings)
      response = await (timeoutMs === undefined ? answer : withinTimeout(server.core.runtime.clock, timeoutMs, answer))
      if (response.bytes !== undefined && request.directUser === undefined) response = await compressed(request, response)
    } catch (error) {
      response = this.#failed(request, toStatusError(error))
    }
    if (warnings.length > 0) response.headers.warning = warnings.map(warningHeader)
    observe(info, request.method, response.status, startedMs)
    return response
  }

  async #answer(request: ServerRequest, info: RequestInfo, warnings: string[]): Promise<ServerResponse> {
    const { server, authenticators, endpoints } = this.#parts
    const { authorize } = server.core
    let user = await authenticateRequest(authenticators, request)
    const impersonated = await impersonatedUser(request, user, authorize)
    if (impersonated !== undefined) user = impersonated
    await requireAllowed(authorize, attributesOf(user, info, request.query))
    const delegated = this.#parts.delegate?.(request, info, user)
    if (delegated !== undefined) return await delegated
    if (!info.isResourceRequest) return await endpoints.answer(request, info)
    return await this.#resourceRequest(request, info, user, warnings)
  }

  async #resourceRequest(request: ServerRequest, info: RequestInfo, user: UserInfo, warnings: string[]): Promise<ServerResponse> {
    const { server } = this.#parts
    const resource = server.core.resources.find(info.apiGroup, info.apiVersion, info.resource)
    if (resource === undefined) return await this.#parts.endpoints.answer(request, info)
    if (info.namespace !== '' && !resource.namespaced && info.resource !== 'namespaces') throw errors.unknownPath()
    if (resource.namespaced && info.namespace === '' && info.name !== '' && info.verb !== 'list' && info.verb !== 'watch') throw errors.unknownPath()
    if (!fitsPath(info, resource)) throw errors.methodNotAllowedHere()
    if (resource.deprecationWarning !== undefined) warnings.push(resource.deprecationWarning)
    const subresource = info.subresource === '' ? undefined : resource.subresources.find((each) => each.name === info.subresource)
    if (info.subresource !== '' && subresource === undefined) throw errors.unknownPath()
    if (subresource?.name !== 'proxy' && info.rest.length > 0) throw errors.unknownPath()
    const context: VerbContext = { server, request, info: watchOfOne(info, request), user, resource, subresource, warnings }
    if (!(subresource?.verbs ?? resource.verbs).includes(context.info.verb as Verb)) throw errors.methodNotAllowedHere()
    const handler = this.#handlers.get(`${resource.group}/${resource.resource}/${info.subresource}`)
    if (handler !== undefined) return await handler.handle(contextFor(context))
    return await verbFor(context, resource, subresource)(context)
  }

  #failed(request: ServerRequest, error: StatusError): ServerResponse {
    const { status } = error
    const { log } = this.#parts.server.core.runtime
    if (status.code >= 500 && !isReason(error, 'Timeout', 'ServiceUnavailable')) log.error('a request failed', { method: request.method, path: request.path, err: (error as StatusError).cause ?? error })
    const headers: Record<string, string> = {}
    const { retryAfterSeconds } = status.details ?? {}
    if (retryAfterSeconds !== undefined && retryAfterSeconds > 0) headers['retry-after'] = String(retryAfterSeconds)
    const { encoding } = negotiateLoosely(request.headers.accept, this.#parts.server.cbor ? errorEncodingsWithCbor : errorEncodings)
    headers['content-type'] = mediaTypes[encoding]
    return { status: status.code, headers, bytes: encodeAny(encoding, status, wantsPretty(request.query, request.headers['user-agent'])), value: status }
  }
}

/** Collections are created in and deleted from, objects are updated; across namespaces there is only reading. */
function fitsPath(info: RequestInfo, resource: ResourceDescription): boolean {
  switch (info.verb) {
    case 'update': case 'patch': return info.name !== ''
    case 'create': return info.name === '' || info.subresource !== ''
    case 'deletecollection': return !resource.namespaced || info.namespace !== ''
    default: return true
  }
}

/** A GET of one name with `watch=true` is a watch of that name (the deprecated `watch/` prefix as well). */
function watchOfOne(info: RequestInfo, request: ServerRequest): RequestInfo {
  if (info.verb === 'get' && info.subresource === '' && request.query.has('watch') && !['false', '0'].includes(request.query.get('watch')!)) return { ...info, verb: 'watch' }
  // A list or watch whose field selector names one object carries that name for authorization only.
  return info
}

/** The core's own handler of a verb that the resource or subresource has. */
function verbFor(context: VerbContext, resource: ResourceDescription, subresource: SubresourceDescription | undefined): VerbHandler {
  const { verb } = context.info
  if (resource.virtual === true) throw errors.methodNotAllowed(resource, verb)
  if (subresource === undefined) return verbs[verb as Verb]
  if (subresource.name === 'scale') return scale
  if (verb === 'get' || verb === 'update' || verb === 'patch') return verbs[verb]
  throw errors.methodNotAllowed(resource, verb)
}

function warningHeader(text: string): string {
  return `299 - "${text.replaceAll(/[\\"]/g, '\\$&').replaceAll(/[\r\n\t]+/g, ' ').replaceAll(/[^\x20-\x7e]/g, '?')}"`
}

function isLongRunning(info: RequestInfo): boolean {
  return longRunning.has(info.verb) || ['log', 'exec', 'attach', 'portforward', 'proxy'].includes(info.subresource)
}

