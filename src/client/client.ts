import type { KubeList, KubeObject, WatchEvent } from '../machinery/object.ts'
import type { ApiRequest, ApiResponse, Transport } from './transport.ts'

/** Names a resource to the client; see `resources.ts` for the built-in ones, typed. */
export interface ResourceType<T extends KubeObject = KubeObject> {
  readonly group: string
  readonly version: string
  readonly resource: string
  readonly kind: string
  readonly namespaced: boolean
  /** Never set: carries the object's type. */
  readonly _type?: T
}

export interface ListOptions {
  namespace?: string
  labelSelector?: string
  fieldSelector?: string
  limit?: number
  continue?: string
  resourceVersion?: string
  resourceVersionMatch?: 'Exact' | 'NotOlderThan'
  /** Ask for PartialObjectMetadata; a server that doesn't know it sends whole objects. */
  metadataOnly?: boolean
  signal?: AbortSignal
}

export interface WatchOptions {
  namespace?: string
  labelSelector?: string
  fieldSelector?: string
  resourceVersion?: string
  allowWatchBookmarks?: boolean
  sendInitialEvents?: boolean
  resourceVersionMatch?: 'NotOlderThan'
  timeoutSeconds?: number
  /** As in `ListOptions`. */
  metadataOnly?: boolean
  /** Who doesn't look at `metadata.managedFields` is spared to read them; they may be there nevertheless. */
  withoutManagedFields?: boolean
  signal: AbortSignal
}

/** `withoutManagedFields` as in `WatchOptions`, of the answer. */
export interface WriteOptions { dryRun?: boolean; fieldManager?: string; fieldValidation?: 'Strict' | 'Warn' | 'Ignore'; withoutManagedFields?: boolean; signal?: AbortSignal }

export interface DeleteOptions {
  gracePeriodSeconds?: number
  propagationPolicy?: 'Orphan' | 'Background' | 'Foreground'
  preconditions?: { uid?: string; resourceVersion?: string }
  dryRun?: boolean
  signal?: AbortSignal
}

export type PatchType = 'json' | 'merge' | 'strategic' | 'apply'

/**
 * The API, typed. Every method rejects with `StatusError` when the server answers with a failure, and with another Error
 * when no answer came. `namespace` is '' for cluster-scoped resources. What comes back may be shared and frozen: copy before changing.
 */
export interface Client {
  readonly transport: Transport
  get<T extends KubeObject>(type: ResourceType<T>, namespace: string, name: string, options?: { resourceVersion?: string; metadataOnly?: boolean; signal?: AbortSignal }): Promise<T>
  /** `get`, with NotFound as undefined. */
  find<T extends KubeObject>(type: ResourceType<T>, namespace: string, name: string, options?: { metadataOnly?: boolean; signal?: AbortSignal }): Promise<T | undefined>
  list<T extends KubeObject>(type: ResourceType<T>, options?: ListOptions): Promise<KubeList<T>>
  /** Events in batches as they arrive. Ends when the server ends the watch or the signal aborts; an ERROR event throws its StatusError. */
  watch<T extends KubeObject>(type: ResourceType<T>, options: WatchOptions): AsyncIterable<WatchEvent<T>[]>
  create<T extends KubeObject>(type: ResourceType<T>, object: T, options?: WriteOptions): Promise<T>
  /** Creates a subresource of a named object: bindings, eviction, token, … */
  createSubresource<T extends KubeObject, R extends KubeObject>(type: ResourceType<T>, namespace: string, name: string, subresource: string, body: R, options?: WriteOptions): Promise<R>
  update<T extends KubeObject>(type: ResourceType<T>, object: T, options?: WriteOptions): Promise<T>
  updateStatus<T extends KubeObject>(type: ResourceType<T>, object: T, options?: WriteOptions): Promise<T>
  patch<T extends KubeObject>(type: ResourceType<T>, namespace: string, name: string, patchType: PatchType, patch: unknown, options?: WriteOptions & { subresource?: string; force?: boolean }): Promise<T>
  /** The deleted object, or the object as it now waits for its finalizers or its grace period, or a Status. */
  delete<T extends KubeObject>(type: ResourceType<T>, namespace: string, name: string, options?: DeleteOptions): Promise<T>
  deleteCollection<T extends KubeObject>(type: ResourceType<T>, options: ListOptions & DeleteOptions): Promise<void>
  /** A request of another form; rejects like the rest unless `raw` answers are wanted: use `transport` for these. */
  request(request: ApiRequest): Promise<ApiResponse>
}
