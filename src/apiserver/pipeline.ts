import { type ResourceDescription, type SubresourceDescription, type UserInfo, type Verb } from '../api/resource.ts'
import { errors, isReason, toStatusError, type StatusError } from '../machinery/status.ts'
import type { RequestAudit } from './audit/request-audit.ts'
import type { AuthorizationAttributes, AuthorizationDecision, Authenticator, RequestInfo, ServerRequest, ServerResponse } from './context.ts'
import { Denial, attributesOf, authenticateRequest, forbiddenError, undecidedAnswer } from './authentication-filter.ts'
import { authenticationNotesOf } from './authentication/authentication-notes.ts'
import { warnOfSpace } from './authentication/bearer-token.ts'
import { anonymousUser } from './authentication/user.ts'
import { compressed, isCompressible } from './compression.ts'
import { crashAnswer, isCrash } from './crash.ts'
import { notFound, type Endpoints } from './endpoints.ts'
import { isLongRunning, isMutating, type Seat } from './flow-control/request-limiter.ts'
import { impersonator, type Impersonate } from './impersonation.ts'
import type { Known } from './known.ts'
import { metricSetOf } from './metrics/metric-set.ts'
import type { Spread } from './metrics/families.ts'
import type { RequestMetrics } from './metrics/request-metrics.ts'
import { mediaTypes, negotiateLoosely, wantsPretty, type Encoding } from './negotiation.ts'
import { encodeAnswer } from './representation.ts'
import { requestTimeoutMs, type Deadline } from './request-deadline.ts'
import { lasts, lateAnswer, lateError, whenClosed, type RequestGuards } from './request-guards.ts'
import { PathError, requestInfoOf } from './request-info.ts'
import type { SubresourceHandler } from './subresources.ts'
import { contextFor } from './subresource-context.ts'
import { requireAnswerable, type VerbContext, type VerbEnvironment } from './verb-context.ts'
import { create } from './verbs/create.ts'
import { deleteOne } from './verbs/delete.ts'
import { deleteCollection } from './verbs/deletecollection.ts'
import { get } from './verbs/get.ts'
import { list } from './verbs/list.ts'
import { patch } from './verbs/patch.ts'
import { scale } from './verbs/scale.ts'
import { update } from './verbs/update.ts'
import { watch } from './verbs/watch.ts'
import { warningHeaders } from './warning-header.ts'

export interface PipelineParts {
  server: VerbEnvironment
  /** Feature gate ConstrainedImpersonation; on where left out. */
  constrainedImpersonation?: boolean
  authenticators: readonly Authenticator[]
  handlers: readonly SubresourceHandler[]
  endpoints: Endpoints
  guards: RequestGuards
  /** Answers what belongs to an aggregated server; undefined for what is this one's own. */
  delegate?(request: ServerRequest, info: RequestInfo, user: UserInfo, auditId: string): Promise<ServerResponse> | undefined
  metrics: RequestMetrics
}

const errorEncodings: readonly Encoding[] = ['json', 'yaml', 'protobuf']
const errorEncodingsWithCbor: readonly Encoding[] = [...errorEncodings, 'cbor']

/** What is known at once is answered at once: promises on the way of every read would cost more than the read. */
type Answering = Known<ServerResponse>
type VerbHandler = (context: VerbContext) => Answering

const verbs: Readonly<Record<Verb, VerbHandler>> = { create, get, list, watch, update, patch, delete: deleteOne, deletecollection: deleteCollection }

/** Subresources that answer in whatever form they like. */
const connections: ReadonlySet<string> = new Set(['attach', 'exec', 'log', 'portforward', 'proxy'])

/** One request on its way, and what the filters have found out about it so far. */
interface Run {
  readonly request: ServerRequest
  readonly info: RequestInfo
  readonly auditId: string
  readonly startedMs: number
  /** When the answer is due; of long-running requests, when it would be if they were not. */
  deadlineMs: number
  readonly warnings: string[]
  audit: RequestAudit | undefined
  seat: Seat | undefined
}

/** The way of every request: who is it, may they, what is it, do it. Never throws; whatever goes wrong is a Status. */
export class Pipeline {
  readonly #parts: PipelineParts
  readonly #handlers = new Map<string, SubresourceHandler>()
  readonly #impersonate: Impersonate
  readonly #filters: Readonly<Record<'audit' | 'impersonation' | 'fairness' | 'authorization', Spread>>

  constructor(parts: PipelineParts) {
    this.#parts = parts
    this.#impersonate = impersonator(parts.server.core.authorize, parts.constrainedImpersonation, { set: metricSetOf(parts.server.core), clock: parts.server.core.runtime.clock })
    const { metrics } = parts
    this.#filters = {
      audit: metrics.filter('audit'), impersonation: metrics.filter(parts.constrainedImpersonation === false ? 'impersonation' : 'constrainedimpersonation'),
      fairness: metrics.filter('priorityandfairness'), authorization: metrics.filter('authorization'),
    }
    for (const handler of parts.handlers) this.#handlers.set(`${handler.group}/${handler.resource}/${handler.subresource}`, handler)
  }

  handle(request: ServerRequest): Promise<ServerResponse> {
    return new Promise((resolve, reject) => void this.#process(request, resolve, reject))
  }

  /** Answers once: with what came of the request, or, at its deadline, that it could not be done in time; what was begun goes on to its end. */
  async #process(request: ServerRequest, resolve: (response: ServerResponse) => void, reject: (error: unknown) => void): Promise<void> {
    const { server, metrics, guards } = this.#parts
    const { clock, random } = server.core.runtime
    const startedMs = clock.monotonicMs()
    const isDirect = request.directUser !== undefined
    const auditId = request.headers['audit-id'] || (isDirect && guards.auditor === undefined ? '' : random.uuid())
    const warnings: string[] = []
    let info: RequestInfo | undefined
    let deadline: Deadline | undefined
    let isAnswered = false
    const answer = (response: ServerResponse): void => {
      if (isAnswered) {
        metrics.late(response)
        return dropped(response)
      }
      isAnswered = true
      if (warnings.length > 0) response.headers.warning = warningHeaders(warnings)
      if (!isDirect) {
        response.headers['audit-id'] = auditId
        guards.decorate?.(request, response.headers)
      }
      metrics.answered(info, request, response, clock.monotonicMs() - startedMs)
      resolve(response)
    }
    try {
      let response: ServerResponse
      try {
        info = requestInfoOf(request.isHead === true ? 'HEAD' : request.method, request.path, request.query)
        metrics.started(info)
        const refusal = guards.refuse?.(request, info)
        if (refusal !== undefined) return answer(refusal)
        let { timeoutMs } = guards.deadlines
        const run: Run = { request, info, auditId, startedMs, deadlineMs: startedMs + timeoutMs, warnings, audit: undefined, seat: undefined }
        if (!isLongRunning(info)) {
          const { deadlines } = guards
          if (request.query.has('timeout')) {
            try {
              timeoutMs = requestTimeoutMs(request.query, timeoutMs) ?? timeoutMs
              run.deadlineMs = startedMs + timeoutMs
            } catch (error) {
              return answer(await this.#refuse(run, error))
            }
          }
          deadline = deadlines.begin(startedMs, timeoutMs, () => answer(isMutating(run.info) ? this.#failed(request, toStatusError(lateError())) : lateAnswer()))
        }
        response = await this.#run(run)
        if (!isDirect && isCompressible(request, response)) response = await compressed(response)
      } catch (error) {
        response = error instanceof PathError ? this.#unreadablePath(request, error) : this.#failed(request, toStatusError(error))
      }
      answer(response)
    } catch (error) {
      reject(error)
    } finally {
      if (deadline !== undefined) guards.deadlines.end(deadline)
    }
  }

  /** The answer to a request that gets no further than its credentials or its parameters. */
  async #refuse(run: Run, error: unknown): Promise<ServerResponse> {
    const { request, info, auditId, startedMs } = run
    const response = this.#failed(request, toStatusError(error))
    await this.#parts.guards.auditor?.begin(request, info, undefined, auditId, startedMs)?.refused(response)
    return response
  }

  /** Authentication, audit, impersonation, flow control, authorization, and then what was asked for; order as upstream's `DefaultBuildHandlerChain`. Never throws. */
  async #run(run: Run): Promise<ServerResponse> {
    const { request, info } = run
    const { authenticators, guards } = this.#parts
    let user: UserInfo
    try {
      const answer = authenticateRequest(authenticators, request)
      user = answer instanceof Promise ? await answer : answer
      this.#parts.metrics.authenticated(user.username, run.startedMs)
      if (user === anonymousUser) warnOfSpace(request, run.warnings)
    } catch (error) {
      warnOfSpace(request, run.warnings)
      this.#parts.metrics.refused(request, run.startedMs)
      return this.#refuse(run, error)
    }
    const notes = authenticationNotesOf(request)
    if (notes !== undefined) run.warnings.push(...notes.warnings)
    let response: ServerResponse
    try {
      if (guards.auditor !== undefined) {
        const authenticatedMs = this.#parts.server.core.runtime.clock.monotonicMs()
        const audit = guards.auditor.begin(request, info, user, run.auditId, run.startedMs)
        const isKept = audit?.received()
        if (!(isKept instanceof Promise)) this.#filters.audit.observe(0)
        if ((isKept instanceof Promise ? await this.#timed(this.#filters.audit, isKept) : isKept) === false) throw errors.internal(new Error('failed to store audit event'))
        run.audit = audit
        for (const [key, value] of Object.entries(notes?.annotations ?? {})) audit?.annotate(key, value)
        audit?.waited('authentication', authenticatedMs - run.startedMs)
      }
      let attributes = attributesOf(user, info, request.query)
      const impersonating = this.#impersonate(request, attributes)
      if (!(impersonating instanceof Promise)) this.#filters.impersonation.observe(0)
      const impersonation = impersonating instanceof Promise ? await this.#timed(this.#filters.impersonation, impersonating, run, 'impersonation') : impersonating
      if (impersonation !== undefined) {
        attributes = { ...attributes, user: impersonation.user }
        run.audit?.impersonates(impersonation.user, impersonation.constraint)
      }
      const admission = guards.limiter?.admit({ request, info, user: attributes.user, receivedMs: run.startedMs, deadlineMs: run.deadlineMs })
      if (guards.limiter !== undefined && !(admission instanceof Promise)) this.#filters.fairness.observe(0)
      const seat = (run.seat = admission instanceof Promise ? await this.#timed(this.#filters.fairness, admission, run, 'apf-queue-wait') : admission)
      const answering = seat?.admitted === false ? seat.refusal() : this.#authorized(run, attributes)
      response = answering instanceof Promise ? await answering : answering
    } catch (error) {
      if (isCrash(error)) return await this.#crashed(run, error)
      response = this.#failed(request, toStatusError(error))
    }
    const { audit, seat } = run
    if (seat !== undefined) {
      if (response.begun === undefined) seat.release()
      else void response.begun.then(() => seat.release())
      if (request.directUser === undefined) seat.mark(response.headers)
      if (seat.watchEnded !== undefined) {
        if (lasts(response)) whenClosed(response, seat.watchEnded)
        else seat.watchEnded()
      }
    }
    if (audit === undefined) return response
    await audit.answered(response)
    if (lasts(response)) whenClosed(response, () => void audit.closed())
    else await audit.closed()
    return response
  }

  /** A handler has thrown what none throws on purpose. */
  async #crashed({ request, audit, seat }: Run, error: Error): Promise<ServerResponse> {
    seat?.release()
    seat?.watchEnded?.()
    this.#parts.server.core.runtime.log.error('a request caused the API server to panic', { method: request.method, path: request.path, err: error })
    await audit?.crashed(error)
    return crashAnswer()
  }

  #authorized(run: Run, attributes: AuthorizationAttributes): Answering {
    const answer = this.#parts.server.core.authorize(attributes)
    if (answer instanceof Promise) return this.#timed(this.#filters.authorization, answer, run, 'authorization').then((decision) => this.#decided(run, attributes, decision))
    this.#filters.authorization.observe(0)
    return this.#decided(run, attributes, answer)
  }

  /** Only what is waited for is timed: what is known at once is less than the smallest bucket, and costs no look at the clock. */
  async #timed<T>(filter: Spread, answer: Promise<T>, run?: Run, step?: Parameters<RequestAudit['waited']>[0]): Promise<T> {
    const { clock } = this.#parts.server.core.runtime
    const begunMs = clock.monotonicMs()
    try {
      return await answer
    } finally {
      const tookMs = clock.monotonicMs() - begunMs
      filter.observe(tookMs / 1000)
      if (step !== undefined) run?.audit?.waited(step, tookMs)
    }
  }

  #decided(run: Run, attributes: AuthorizationAttributes, { decision, reason, error }: AuthorizationDecision): Answering {
    const { request, info, warnings, audit } = run
    const { user } = attributes
    if (decision !== 'allow' && error !== undefined) {
      audit?.annotate('authorization.k8s.io/reason', 'internal error')
      this.#parts.server.core.runtime.log.error('authorizers could not decide on a request', { method: request.method, path: request.path, err: error })
      return undecidedAnswer(request, error)
    }
    audit?.annotate('authorization.k8s.io/decision', decision === 'allow' ? 'allow' : 'forbid')
    audit?.annotate('authorization.k8s.io/reason', reason)
    if (decision !== 'allow') throw forbiddenError(attributes, reason)
    const delegated = this.#parts.delegate?.(request, info, user, run.auditId)
    if (delegated !== undefined) {
      // The work is another server's: one that hangs must not use up the seats of this one.
      run.seat?.release()
      return delegated
    }
    if (!info.isResourceRequest) return this.#parts.endpoints.answer(request, info)
    if (info.path.startsWith('//')) return notFound()
    return this.#resourceRequest(request, info, user, warnings, audit)
  }

  #resourceRequest(request: ServerRequest, info: RequestInfo, user: UserInfo, warnings: string[], audit: RequestAudit | undefined): Answering {
    const { server } = this.#parts
    const resource = server.core.resources.find(info.apiGroup, info.apiVersion, info.resource)
    if (resource === undefined) return this.#parts.endpoints.answer(request, info)
    // Those of custom resources are found request by request: where the scope is another, there is no path.
    if (resource.typeId === undefined && (resource.namespaced ? info.namespace === '' && info.verb !== 'list' && info.verb !== 'watch' : info.namespace !== '')) return notFound()
    if (info.namespace !== '' && !resource.namespaced && info.resource !== 'namespaces') throw errors.unknownPath()
    if (resource.namespaced && info.namespace === '' && info.name !== '' && info.verb !== 'list' && info.verb !== 'watch') throw errors.unknownPath()
    // Custom resources have no routes that tell paths apart: what is created tells its name itself, whatever the path says.
    if (!fitsPath(info, resource) && (resource.typeId !== undefined || info.verb !== 'create')) throw resource.typeId === undefined ? errors.badRequest('name must be provided') : noSuchMethod(info, resource)
    const subresource = info.subresource === '' ? undefined : resource.subresources.find((each) => each.name === info.subresource)
    if (info.subresource !== '' && subresource === undefined) throw resource.typeId === undefined ? errors.notFound(resource, info.name) : errors.unknownPath()
    if (subresource?.name !== 'proxy' && info.rest.length > 0) throw errors.unknownPath()
    const context: VerbContext = { server, request, info, user, resource, subresource, warnings, audit }
    // Proxies take every method; OPTIONS has no verb of its own.
    const isProxied = subresource?.name === 'proxy' && request.method === 'OPTIONS'
    // Custom resources are handled by verbs; the routes of the built-in ones name methods: HEAD is one of proxies only, and watches by path are read.
    if (resource.typeId !== undefined && ((request.isHead === true && subresource?.name !== 'proxy') || (info.verb === 'watch' && request.method !== 'GET'))) throw noSuchMethod(info, resource)
    if (!isProxied && !(subresource?.verbs ?? resource.verbs).includes(context.info.verb as Verb)) throw noSuchMethod(info, resource)
    if (resource.deprecationWarning !== undefined) {
      warnings.push(resource.deprecationWarning)
      if (audit !== undefined) annotateDeprecated(audit, resource.deprecationWarning)
    }
    const handler = this.#handlers.get(`${resource.group}/${resource.resource}/${info.subresource}`)
    const isConnection = subresource !== undefined && connections.has(subresource.name)
    if (!isConnection) requireAnswerable(context, handler === undefined)
    if (handler !== undefined) return handler.handle(contextFor(context))
    return verbFor(context, resource, subresource)(context)
  }

  #failed(request: ServerRequest, error: StatusError): ServerResponse {
    const { status } = error
    const { log } = this.#parts.server.core.runtime
    if (status.code === 401 && error.cause !== undefined) log.info('a request could not be authenticated', { method: request.method, path: request.path, because: String((error.cause as Error).message ?? error.cause) })
    if (status.code >= 500 && !isReason(error, 'Timeout', 'ServiceUnavailable')) log.error('a request failed', { method: request.method, path: request.path, err: (error as StatusError).cause ?? error })
    const headers: Record<string, string> = {}
    const { retryAfterSeconds } = status.details ?? {}
    if (retryAfterSeconds !== undefined && retryAfterSeconds > 0) headers['retry-after'] = String(retryAfterSeconds)
    const { encoding, raw } = negotiateLoosely(request.headers.accept, this.#parts.server.cbor ? errorEncodingsWithCbor : errorEncodings)
    headers['content-type'] = mediaTypes[encoding]
    if (error instanceof Denial) headers['x-content-type-options'] = 'nosniff'
    return { status: status.code, headers, bytes: raw === true ? JSON.stringify(status, undefined, 2) : encodeAnswer(encoding, status, wantsPretty(request)), value: status }
  }

  /** What upstream says of paths that mean nothing, before anything else is asked. */
  #unreadablePath({ method, path }: ServerRequest, error: PathError): ServerResponse {
    this.#parts.server.core.runtime.log.warn('a path means nothing', { method, path, err: error })
    return { status: 500, headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' }, bytes: `Internal Server Error: ${JSON.stringify(path)}: failed to create RequestInfo: ${error.message}\n` }
  }
}

/** Collections are created in and deleted from, objects are updated; across namespaces there is only reading. */
function fitsPath(info: RequestInfo, resource: ResourceDescription): boolean {
  switch (info.verb) {
    case 'update': case 'patch': return info.name !== ''
    case 'create': return (info.name === '' || info.subresource !== '') && (!resource.namespaced || info.namespace !== '')
    case 'deletecollection': return !resource.namespaced || info.namespace !== ''
    default: return true
  }
}

/** What is only created has no path of an object, nor one across namespaces; paths with `proxy/` before the resource are long gone. */
function noSuchMethod(info: RequestInfo, resource: ResourceDescription): StatusError {
  if (resource.typeId === undefined) return errors.methodNotAllowed(resource, info.verb)
  if (info.verb === 'proxy') return errors.unknownPath()
  const isOnlyCreated = !resource.verbs.includes('get') && !resource.verbs.includes('list') && info.subresource === ''
  return isOnlyCreated && (info.name !== '' || (resource.namespaced && info.namespace === '')) ? errors.unknownPath() : errors.methodNotAllowedHere()
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

/** Lets go of an answer that came too late. */
function dropped({ stream, events, onClose }: ServerResponse): void {
  for (const source of [stream, events]) void source?.[Symbol.asyncIterator]().return?.()
  onClose?.()
}

function annotateDeprecated(audit: RequestAudit, warning: string): void {
  audit.annotate('k8s.io/deprecated', 'true')
  const removed = /unavailable in v(\d+\.\d+)/.exec(warning)?.[1]
  if (removed !== undefined) audit.annotate('k8s.io/removed-release', removed)
}
