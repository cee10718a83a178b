import type { X509Certificate } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { ResourceDescription, UserInfo } from '../api/resource.ts'
import type { NonResourceRule, ResourceRule } from '../api/types/authorization.k8s.io_v1.ts'
import type { KubeObject, WatchEvent } from '../machinery/object.ts'
import type { CauseChain } from '../runtime/causes.ts'
import type { LongBody } from './long-body.ts'

/** A client's certificate, and those that it sent along to link it with an authority. */
export type ClientCertificates = readonly [X509Certificate, ...X509Certificate[]]

/** A request as every filter and verb sees it, whether it came by HTTP/1.1, HTTP/2 or the direct transport. */
export interface ServerRequest {
  method: string
  /** The method was HEAD, of which `method` makes GET: the answer's body will not be sent. */
  isHead?: boolean
  /** The client has gone, and nobody will read the answer. */
  readonly isAbandoned?: boolean
  /** The query as it was sent, without `?`; left out where it is not known. */
  rawQuery?: string
  /** Decoded path without query: `/api/v1/namespaces/default/pods`. */
  path: string
  query: URLSearchParams
  /** Lower-case names. */
  headers: Readonly<Record<string, string | undefined>>
  /** Reads the whole body; rejects with 413 beyond `limitBytes` (3 MiB, as etcd's request limit allows upstream). */
  readBody(limitBytes?: number): Promise<Uint8Array>
  /** Body as it comes, for proxied requests. */
  bodyStream(): AsyncIterable<Uint8Array>
  /** What the client showed in the TLS handshake, unverified: each authenticator holds it against its own authorities. */
  clientCertificates?: ClientCertificates
  /** Name, value, name, value, … as they came, for headers whose values may hold commas; left out by the direct transport. */
  rawHeaders?: readonly string[]
  /** Set by the direct transport, which is inside the trust boundary: the identity it was made for. */
  directUser?: UserInfo
  remoteAddress: string
  /** Aborts when the client goes away or the server shuts down. */
  signal: AbortSignal
  /** HTTP/1.1 `Upgrade` requests: the raw socket. */
  upgrade?: { socket: Duplex; head: Uint8Array }
  causes?: CauseChain
}

/** What goes back. Exactly one of `bytes`, `stream`, `events` and `hijacked` carries the body. */
export interface ServerResponse {
  status: number
  headers: Record<string, string | string[]>
  bytes?: Uint8Array | string
  /** In place of `bytes`, where these would be many. */
  body?: LongBody
  stream?: AsyncIterable<Uint8Array | string>
  /** Aborted when a `stream` is not worth waiting for a reader any longer: then the connection is closed. */
  abandon?: AbortSignal
  /** The parsed, frozen body, for the direct transport. */
  value?: unknown
  /** A watch, for the direct transport; used instead of `stream` there. */
  events?: AsyncIterable<WatchEvent[]>
  /** The handler has taken the upgraded socket and answers on it itself. */
  hijacked?: true
  /** Of a watch that begins with what is there: resolves when that has been read. The watch keeps its seat until then. */
  begun?: Promise<void>
  /** Called once, when a body that lasts (`stream`, `events`, `hijacked`) has been sent or nobody reads it any longer. */
  onClose?: () => void
}

/** What a request means, read off its path and method (upstream's `request.RequestInfo`). */
export interface RequestInfo {
  isResourceRequest: boolean
  path: string
  /** get, list, watch, create, update, patch, delete, deletecollection; for non-resource requests the method in lower case. */
  verb: string
  apiGroup: string
  apiVersion: string
  namespace: string
  resource: string
  subresource: string
  name: string
  /** Path parts after the subresource (proxy paths). */
  rest: readonly string[]
}

/**
 * Checks who is calling. `undefined`: nothing that concerns this authenticator. Rejecting with Unauthorized: credentials that are
 * wrong; others are asked still, but without one that knows the caller the request is refused.
 */
export interface Authenticator {
  readonly name: string
  /** Asked last, and only when no other has refused: whoever calls without credentials. */
  readonly isFallback?: boolean
  authenticate(request: ServerRequest): Promise<UserInfo | undefined> | UserInfo | undefined
}

export interface AuthorizationAttributes {
  user: UserInfo
  verb: string
  isResourceRequest: boolean
  path: string
  apiGroup: string
  apiVersion: string
  resource: string
  subresource: string
  namespace: string
  name: string
  /** The query's selectors, where there are any: authorizers may allow what they narrow a request to (KEP-4601). */
  fieldSelector?: string
  labelSelector?: string
}

/** `error`: what went wrong on the way to it; reviews show it. */
export interface AuthorizationDecision { decision: 'allow' | 'deny' | 'noOpinion'; reason: string; error?: string }

/** What an authorizer lets a user do in a namespace, as far as it can say (SelfSubjectRulesReview). */
export interface ResolvedRules { resourceRules: ResourceRule[]; nonResourceRules: NonResourceRule[]; incomplete: boolean; errors: string[] }

/** Asked in order; the first allow or deny decides; no opinion from all is a denial. */
export interface Authorizer {
  readonly name: string
  authorize(attributes: AuthorizationAttributes): Promise<AuthorizationDecision> | AuthorizationDecision
  /** Left out: it has no rules to tell. */
  rulesFor?(user: UserInfo, namespace: string): Promise<ResolvedRules> | ResolvedRules
}

/**
 * Objects as the watch cache holds them: frozen, current to within the store's notification delay. For plugins and
 * authorizers inside the API server. `resource` is `pods`, `roles.rbac.authorization.k8s.io`.
 */
export interface ObjectReader {
  get(resource: string, namespace: string, name: string): Readonly<KubeObject> | undefined
  list(resource: string, namespace?: string): readonly Readonly<KubeObject>[]
  /** Called after each change of the resource has reached the cache. */
  onChange(resource: string, handler: (event: WatchEvent) => void): Disposable
  /** Resolves when the caches of these resources hold everything the store held at the call. */
  whenReady(resources: readonly string[]): Promise<void>
}

export type AdmissionOperation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT'

export interface AdmissionAttributes {
  operation: AdmissionOperation
  resource: ResourceDescription
  subresource: string
  namespace: string
  name: string
  /** What will be written; changed in place by `mutate`. Undefined for DELETE. For subresources with a body of their own, that body. */
  object: KubeObject | undefined
  oldObject: Readonly<KubeObject> | undefined
  user: UserInfo
  dryRun: boolean
  /** Parsed CreateOptions, UpdateOptions, PatchOptions or DeleteOptions. */
  options: Readonly<Record<string, unknown>>
  warn(message: string): void
  /** Notes something in the request's audit event; with level `Request`, only where the audit policy keeps request bodies. */
  annotateAudit(key: string, value: string, level?: 'Request'): void
  readonly reinvocation: Reinvocation
}

/** Lets the mutating plugins run a second time over what those behind them have changed (upstream's `ReinvocationContext`). */
export interface Reinvocation {
  /** This is the second run. */
  readonly isSecondRun: boolean
  /** Asks for a second run; there is never a third. */
  request(): void
  /** What plugins keep between the runs, by plugin name. */
  readonly state: Map<string, unknown>
}

/** One admission plugin. Refuses by throwing a `StatusError` (usually `errors.forbidden`). */
export interface AdmissionPlugin {
  readonly name: string
  handles(operation: AdmissionOperation): boolean
  /** The resources it looks at, `pods`, `ingresses.networking.k8s.io`; all where left out. Others never reach it. */
  readonly resources?: readonly string[]
  mutate?(attributes: AdmissionAttributes): Promise<void> | void
  validate?(attributes: AdmissionAttributes): Promise<void> | void
}
