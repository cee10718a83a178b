import type { ResourceDescription, ResourceTable, Strategy, UserInfo } from '../api/resource.ts'
import type { Transport } from '../client/transport.ts'
import type { OpenObject } from '../machinery/object.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Store } from '../store/store.ts'
import type { AdmissionPlugin, Authenticator, Authorizer, ObjectReader, ResolvedRules } from './context.ts'
import type { Known } from './known.ts'
import type { SubresourceHandler } from './subresources.ts'

/**
 * One revision of one object. `bytes` is its JSON as served in the storage version, resourceVersion included; `object()` the
 * same parsed and frozen (parsed at most once). Shared by every reader: never change either.
 */
export interface StoredObject {
  /** `namespace/name`, or `name` for cluster-scoped resources. */
  readonly key: string
  readonly namespace: string
  readonly name: string
  /** The revision of its last write; what `metadata.resourceVersion` shows. */
  readonly revision: number
  readonly bytes: Buffer
  object(): Readonly<OpenObject>
}

/** Where admission plugins leave notes for the audit log. */
export interface AuditAnnotations {
  annotate(key: string, value: string): void
  /** Whether request bodies are kept, and what is as telling as they are. */
  readonly keepsRequest: boolean
}

/** Who writes, and how much of the usual path the write takes. */
export interface WriteOptions {
  user: UserInfo
  dryRun?: boolean
  /** '' or left out: the main resource. Named to strategies and admission. */
  subresource?: string
  /** Used instead of the resource's own strategy; `{}` takes the object as it is given. */
  strategy?: Strategy
  /** Runs the admission chain with these options (CreateOptions, UpdateOptions, …); left out: no admission, as for the server's own writes. */
  admission?: Readonly<Record<string, unknown>>
  warn?(message: string): void
  /** The record of the request that writes, for admission's annotations. */
  audit?: AuditAnnotations | undefined
  /**
   * Sets `metadata.managedFields` of what is about to be written, defaulted and not admitted yet; `old` undefined for a new
   * object. Left out: owners stay as the object has them.
   */
  manageFields?(next: OpenObject, old: Readonly<OpenObject> | undefined): void | Promise<void>
  /** For updates: what the object that is there has to be. */
  preconditions?: { uid?: string; resourceVersion?: string }
}

export interface DeleteRequest extends WriteOptions {
  /** One of a collection that is deleted: admission is told no name, as the request had none. */
  ofCollection?: boolean
  /** metav1.DeleteOptions as the client sent them. */
  gracePeriodSeconds?: number
  propagationPolicy?: 'Orphan' | 'Background' | 'Foreground'
  orphanDependents?: boolean
  preconditions?: { uid?: string; resourceVersion?: string }
}

/** Options of a change. */
export interface ChangeOptions extends WriteOptions {
  /** The change answers with a new object and leaves the one it is given as it is: then that need not be a copy, and what is the same is shared. */
  changesNothingGiven?: true
}

/** What a deletion came to: `removed` true when the object is gone, else it waits for its finalizers or its grace period. */
export interface DeleteOutcome { object: Readonly<OpenObject>; removed: boolean }

/**
 * Reads and writes objects with the full semantics of the generic registry (upstream's `genericregistry.Store`). Objects go
 * in and come out in the version of the `ResourceDescription` given; what comes out is frozen. All reads see every write
 * acknowledged before they began. Errors are `StatusError`s.
 */
export interface Registry {
  /** Rejects with NotFound. */
  get(resource: ResourceDescription, namespace: string, name: string): Promise<Readonly<OpenObject>>
  find(resource: ResourceDescription, namespace: string, name: string): Promise<Readonly<OpenObject> | undefined>
  /** `find` that answers at once where it can. */
  findNow(resource: ResourceDescription, namespace: string, name: string): Known<Readonly<OpenObject> | undefined>
  /** All objects of a namespace, or of all for ''; in order of their keys. */
  list(resource: ResourceDescription, namespace?: string): Promise<readonly Readonly<OpenObject>[]>
  /** `list` that answers at once where it can. */
  listNow(resource: ResourceDescription, namespace?: string): Known<readonly Readonly<OpenObject>[]>
  /** Fills system fields and defaults, runs strategy, admission and validation, and writes. `object` is consumed. Rejects with AlreadyExists, Invalid, … */
  create(resource: ResourceDescription, namespace: string, object: OpenObject, options: WriteOptions): Promise<Readonly<OpenObject>>
  /**
   * Compare-and-set loop: `change` gets a copy of what stands, edits it in place or returns another object (or undefined to
   * leave all as it is), and is called again when somebody else wrote first. It refuses by throwing. An object whose last
   * finalizer goes while it is being deleted is removed.
   */
  update(resource: ResourceDescription, namespace: string, name: string, change: (current: OpenObject) => OpenObject | undefined | void | Promise<OpenObject | undefined | void>, options: ChangeOptions): Promise<Readonly<OpenObject>>
  delete(resource: ResourceDescription, namespace: string, name: string, options: DeleteRequest): Promise<DeleteOutcome>
}

/** What parts of the API server beside the core (admission plugins, authorizers, connect handlers, bootstrap) work with. */
export interface ApiServerCore {
  readonly runtime: Runtime
  readonly store: Store
  readonly resources: ResourceTable
  readonly registry: Registry
  readonly reader: ObjectReader
  /** The resource of this name in the group's preferred version; throws for one that is not served. `resource('pods')`, `resource('deployments', 'apps')`. */
  resource(resource: string, group?: string, version?: string): ResourceDescription
  /** Ends the watches of a resource that is served no more, and drops its cache. */
  forget(resource: ResourceDescription): void
  /** Ends the watches of a resource that is served another way from now on: whoever watches comes again. */
  endWatches(resource: ResourceDescription): void
  /** Asks the authorizers; for review APIs, impersonation and plugins that check further rights. */
  readonly authorize: Authorizer['authorize']
  /** What the authorizers can tell of a user's rules in a namespace. */
  rulesFor(user: UserInfo, namespace: string): Promise<ResolvedRules>
  /** Asks the authenticators; for TokenReview. */
  readonly authenticate: Authenticator['authenticate']
  /** Aborts when the server shuts down. */
  readonly signal: AbortSignal
  /** The server itself, as `system:apiserver`: where webhooks behind the `kubernetes` Service are. There once the server is put together. */
  readonly loopback?: Transport
}

/** Work done once after the server listens; /readyz fails as `poststarthook/<name>` until it has resolved. */
export interface PostStartHook {
  name: string
  run(core: ApiServerCore): Promise<void>
  /** Done first when the server shuts down, while it still reads and writes. */
  stop?(core: ApiServerCore): Promise<void>
}

/** Parts that need the core to be built. */
export type CorePart<T> = (core: ApiServerCore) => T

/** The parts that owner rooms beside the core bring along. */
export interface CoreParts {
  authenticators: readonly CorePart<Authenticator>[]
  authorizers: readonly CorePart<Authorizer>[]
  /** In the order in which they run. */
  admission: readonly CorePart<AdmissionPlugin>[]
  subresources: readonly CorePart<SubresourceHandler>[]
  hooks: readonly PostStartHook[]
}
