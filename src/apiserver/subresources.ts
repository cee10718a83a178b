import type { ResourceDescription, SubresourceDescription, UserInfo } from '../api/resource.ts'
import type { KubeObject, OpenObject } from '../machinery/object.ts'
import type { AdmissionOperation, RequestInfo, ServerRequest, ServerResponse } from './context.ts'
import type { ApiServerCore } from './core.ts'

/** A group, version and kind that a body must have. */
export interface BodyKind {
  group: string
  version: string
  kind: string
  /** Another API version that a body may be of, `policy/v1beta1`. */
  alsoTaken?: string
}

/** One authenticated and authorized request to a subresource or a virtual resource. */
export interface SubresourceContext {
  readonly core: ApiServerCore
  readonly request: ServerRequest
  readonly info: RequestInfo
  readonly user: UserInfo
  readonly resource: ResourceDescription
  /** Undefined for virtual resources, which are handled whole. */
  readonly subresource: SubresourceDescription | undefined
  readonly dryRun: boolean
  /** Adds a `Warning: 299` header to the answer. */
  warn(message: string): void
  /** Notes something in the request's audit event. */
  annotateAudit(key: string, value: string): void
  /**
   * The request body, decoded from JSON, YAML or protobuf, unknown fields dropped or refused by `fieldValidation`, defaults of
   * the kind filled; `kind` is what it must be, by default the subresource's own kind. Rejects with 400 or 415.
   */
  readObject(kind?: BodyKind): Promise<OpenObject>
  /**
   * What POST does to an object before admission: what only the server sets is wiped, unless `keepsSystemFields`, it is in the request's
   * namespace (400 where it names another), and whoever sent it owns its fields.
   */
  prepare(object: OpenObject, options?: { keepsSystemFields?: boolean }): Promise<void>
  /** Runs mutating, then validating admission plugins on this request, and `between` the two what the object is checked for. For CONNECT `object` is the options object. */
  admit(operation: AdmissionOperation, object: KubeObject | undefined, oldObject?: Readonly<KubeObject>, between?: () => Promise<void> | void): Promise<void>
  /** The answer in whatever encoding the client accepts. */
  answer(object: KubeObject, status?: number): ServerResponse
  /** The answer to a list of a virtual resource. */
  answerList(items: readonly KubeObject[]): ServerResponse
}

/**
 * Serves one subresource (`pods/log`) or, with `subresource: ''`, a virtual resource (`subjectaccessreviews`). Called after
 * authentication and authorization; admission is the handler's own to ask for, with `context.admit`. Errors thrown are answered as Status.
 */
export interface SubresourceHandler {
  group: string
  resource: string
  subresource: string
  /** Left out: whatever verbs the resource description allows. */
  handle(context: SubresourceContext): Promise<ServerResponse>
}
