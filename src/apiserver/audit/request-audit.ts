import { parseJson } from '../../machinery/json-numbers.ts'
import { isIP } from 'node:net'
import { formatGoDuration } from '../../machinery/schema-time.ts'
import type { ResourceDescription, UserInfo } from '../../api/resource.ts'
import type { KubeObject, ObjectMeta } from '../../machinery/object.ts'
import type { Status } from '../../machinery/status.ts'
import type { RequestInfo, ServerRequest, ServerResponse } from '../context.ts'
import { wholeBody } from '../long-body.ts'
import { auditUser, microTimeText, withoutManagedFields, type AuditEvent, type AuditObjectReference, type AuditUser } from './audit-event.ts'
import type { AuditDecision, AuditStage } from './audit-policy.ts'

const maxUserAgentLength = 1024

/** Where the events of a request go. Resolves with false when they could not be kept and the request must not go on for that. */
export type AuditSink = (event: AuditEvent) => Promise<boolean> | boolean

/** Requests that take longer say how long. */
const slowMicros = 500_000

export interface RequestAuditOptions {
  decision: AuditDecision
  sink: AuditSink
  auditId: string
  request: ServerRequest
  info: RequestInfo
  user: UserInfo | undefined
  isLongRunning: boolean
  /** Microseconds since the epoch, when the request came and at the time of asking. */
  receivedMicros: number
  nowMicros(): number
  warn(message: string, fields: Record<string, unknown>): void
}

/** What is kept of one request, and told at each of its stages. */
export class RequestAudit {
  readonly #options: RequestAuditOptions
  readonly #base: Omit<AuditEvent, 'stage' | 'stageTimestamp'>
  #impersonated: AuditUser | undefined
  #constraint: string | undefined
  #objectRef: AuditObjectReference | undefined
  #status: Partial<Status> | undefined
  #requestObject: string | undefined
  #responseObject: string | undefined
  #annotations: Record<string, string> | undefined
  #waits: Map<string, number> | undefined

  constructor(options: RequestAuditOptions) {
    this.#options = options
    const { decision, auditId, request, info, user, receivedMicros } = options
    if (info.isResourceRequest) this.#objectRef = referenceOf(info)
    this.#base = {
      level: decision.level, auditID: auditId, requestURI: requestUri(request), verb: info.verb, user: user === undefined ? {} : auditUser(user), sourceIPs: sourceIps(request),
      userAgent: shortened(request.headers['user-agent'] ?? ''), requestReceivedTimestamp: microTimeText(receivedMicros),
    }
  }

  /** Level Request or more: the request's object is wanted. */
  get keepsRequest(): boolean {
    const { level } = this.#options.decision
    return level === 'Request' || level === 'RequestResponse'
  }

  received(): Promise<boolean> | boolean {
    return this.#tell('RequestReceived')
  }

  impersonates(user: UserInfo, constraint?: string): void {
    this.#impersonated = auditUser(user)
    if (constraint !== undefined && constraint !== '') this.#constraint = constraint
  }

  /** The first value of a key stands. */
  annotate(key: string, value: string): void {
    const annotations = (this.#annotations ??= {})
    const standing = Object.hasOwn(annotations, key) ? annotations[key] : undefined
    if (standing === undefined) Object.defineProperty(annotations, key, { value, enumerable: true, writable: true, configurable: true })
    else if (standing !== value) this.#options.warn('an audit annotation has been set before, to another value', { key, value, standing, auditID: this.#options.auditId })
  }

  /** How long the request has waited for one of the steps on its way, by upstream's name; told of requests that are slow. */
  waited(step: 'authentication' | 'authorization' | 'impersonation' | 'apf-queue-wait', ms: number): void {
    (this.#waits ??= new Map()).set(step, ms)
  }

  /** The decoded body; `object` is read at once and may be changed later. */
  sent(object: Readonly<Pick<KubeObject, 'kind' | 'apiVersion'>> & { metadata?: ObjectMeta }, resource: ResourceDescription): void {
    const { metadata } = object
    const reference: AuditObjectReference = (this.#objectRef ??= {})
    if (metadata !== undefined) {
      reference.namespace ??= metadata.namespace || undefined!
      reference.name ??= metadata.name || undefined!
      reference.uid ??= metadata.uid || undefined!
      reference.resourceVersion ??= metadata.resourceVersion || undefined!
    }
    if (reference.apiVersion === undefined && resource.group !== '') reference.apiGroup = resource.group
    reference.apiVersion ??= resource.version
    reference.resource ??= resource.resource
    if (!this.keepsRequest) return
    this.#requestObject = JSON.stringify(this.#options.decision.omitManagedFields ? withoutManagedFields(object) : object)
  }

  /** A patch as JSON. */
  sentPatch(json: string): void {
    if (this.keepsRequest) this.#requestObject = json
  }

  /** The answer is known; for what goes on (streams, upgraded connections) `closed` follows. */
  async answered(response: ServerResponse): Promise<void> {
    const { decision, isLongRunning } = this.#options
    const { value } = response
    if (isStatus(value)) {
      const { status, message, reason, details, code } = value
      this.#status = { ...(status === undefined ? {} : { status }), ...(message === undefined ? {} : { message }), ...(reason === undefined ? {} : { reason }), ...(details === undefined ? {} : { details }), ...(code === undefined ? {} : { code }) }
    }
    this.#status = { ...this.#status, code: response.hijacked === true ? 101 : response.status }
    if (decision.level === 'RequestResponse') this.#responseObject = await this.#objectOf(response)
    if (isLongRunning) await this.#tell('ResponseStarted')
  }

  /** All of the answer has been sent, or will not be. */
  closed(): Promise<boolean> | boolean {
    const micros = this.#options.nowMicros() - this.#options.receivedMicros
    // Watches are slow on purpose.
    if (micros > slowMicros && this.#base.verb !== 'watch') {
      for (const [step, ms] of this.#waits ?? []) this.annotate(`apiserver.latency.k8s.io/${step}`, formatGoDuration(BigInt(Math.round(ms * 1e6))))
      this.annotate('apiserver.latency.k8s.io/total', formatGoDuration(BigInt(micros) * 1000n))
    }
    return this.#tell('ResponseComplete')
  }

  /** Its handler has failed in a way that none fails on purpose: there is no answer to tell of. */
  async crashed(error: Error): Promise<void> {
    this.#status = { status: 'Failure', message: `APIServer panic'd: ${error.message}`, reason: 'InternalError', code: 500 }
    await this.#tell('Panic')
  }

  /** Refused for its credentials: nothing but the answer is told. */
  async refused(response: ServerResponse): Promise<void> {
    await this.answered(response)
    if (!this.#options.isLongRunning) await this.#tell('ResponseStarted')
  }

  /** The answer as JSON; undefined for what is none. */
  async #objectOf(response: ServerResponse): Promise<string | undefined> {
    const { stream, events, hijacked, headers } = response
    const bytes = response.body === undefined ? response.bytes : await wholeBody(response.body)
    if (stream !== undefined || events !== undefined || hijacked === true || bytes === undefined) return undefined
    const { jsonOf } = await import('./answer-json.ts')
    try {
      const contentType = headers['content-type']
      const json = jsonOf(bytes, typeof contentType === 'string' ? contentType : 'application/json')
      if (json === undefined || !this.#options.decision.omitManagedFields) return json
      return JSON.stringify(withoutManagedFields(parseJson(json)))
    } catch (err) {
      this.#options.warn('the answer to a request could not be shown in its audit event', { auditID: this.#options.auditId, err })
      return undefined
    }
  }

  #tell(stage: AuditStage): Promise<boolean> | boolean {
    const { decision, sink, nowMicros } = this.#options
    if (decision.omitStages.includes(stage)) return true
    return sink({
      ...this.#base, stage, stageTimestamp: stage === 'RequestReceived' ? this.#base.requestReceivedTimestamp : microTimeText(nowMicros()),
      ...(this.#impersonated === undefined ? {} : { impersonatedUser: this.#impersonated }), ...(this.#constraint === undefined ? {} : { impersonationConstraint: this.#constraint }),
      ...(this.#objectRef === undefined ? {} : { objectRef: orderedReference(this.#objectRef) }), ...(this.#status === undefined ? {} : { responseStatus: this.#status }),
      ...(this.#requestObject === undefined ? {} : { requestObject: this.#requestObject }), ...(this.#responseObject === undefined ? {} : { responseObject: this.#responseObject }),
      ...(this.#annotations === undefined ? {} : { annotations: { ...this.#annotations } }),
    })
  }
}

function isStatus(value: unknown): value is Partial<Status> {
  return typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === 'Status' && (value as { apiVersion?: unknown }).apiVersion === 'v1'
}

function referenceOf(info: RequestInfo): AuditObjectReference {
  const { resource, namespace, name, apiGroup, apiVersion, subresource } = info
  return {
    ...(resource === '' ? {} : { resource }), ...(namespace === '' ? {} : { namespace }), ...(name === '' ? {} : { name }), ...(apiGroup === '' ? {} : { apiGroup }),
    ...(apiVersion === '' ? {} : { apiVersion }), ...(subresource === '' ? {} : { subresource }),
  }
}

/** The fields in the order in which upstream writes them. */
function orderedReference(reference: AuditObjectReference): AuditObjectReference {
  const { resource, namespace, name, uid, apiGroup, apiVersion, resourceVersion, subresource } = reference
  return JSON.parse(JSON.stringify({ resource, namespace, name, uid, apiGroup, apiVersion, resourceVersion, subresource })) as AuditObjectReference
}

function requestUri({ path, query, rawQuery }: ServerRequest): string {
  const text = rawQuery ?? query.toString()
  return text === '' ? encodeURI(path) : `${encodeURI(path)}?${text}`
}

/** Told for the record only: whoever sends the headers may write what they like into them. */
export function sourceIps({ headers, remoteAddress }: ServerRequest): string[] {
  const found: string[] = []
  for (const part of (headers['x-forwarded-for'] ?? '').split(',')) if (isIP(part.trim()) !== 0) found.push(plainIp(part.trim()))
  const realIp = headers['x-real-ip'] ?? ''
  if (isIP(realIp) !== 0 && !found.includes(plainIp(realIp))) found.push(plainIp(realIp))
  const remote = plainIp(remoteAddress === '' ? '127.0.0.1' : remoteAddress)
  if (found.at(-1) !== remote) found.push(remote)
  return found
}

function plainIp(address: string): string {
  return address.toLowerCase().startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}

function shortened(userAgent: string): string {
  return userAgent.length > maxUserAgentLength ? `${userAgent.slice(0, maxUserAgentLength)}...TRUNCATED` : userAgent
}
