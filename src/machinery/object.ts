/** What every Kubernetes object has, whatever its kind. Objects taken from a cache are read-only. */
export interface OwnerReference { apiVersion: string; kind: string; name: string; uid: string; controller?: boolean; blockOwnerDeletion?: boolean }

export interface ManagedFieldsEntry {
  manager?: string
  operation?: string
  apiVersion?: string
  time?: string
  fieldsType?: string
  fieldsV1?: Record<string, unknown>
  subresource?: string
}

export interface ObjectMeta {
  name?: string
  generateName?: string
  namespace?: string
  /** Taken off whatever is written (KEP-1164). */
  selfLink?: string
  uid?: string
  resourceVersion?: string
  generation?: number
  creationTimestamp?: string
  deletionTimestamp?: string
  deletionGracePeriodSeconds?: number
  labels?: Record<string, string>
  annotations?: Record<string, string>
  ownerReferences?: OwnerReference[]
  finalizers?: string[]
  managedFields?: ManagedFieldsEntry[]
}

/** Any object; a typed one (`Pod` of `api/types`) is assignable to it. */
export interface KubeObject { apiVersion?: string; kind?: string; metadata: ObjectMeta }

/** An object whose other fields are looked at by name. */
export interface OpenObject extends KubeObject { [field: string]: unknown }

export interface ListMeta { resourceVersion?: string; continue?: string; remainingItemCount?: number }
export interface KubeList<T = KubeObject> { apiVersion?: string; kind?: string; metadata: ListMeta; items: T[] }

export type WatchEventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
export interface WatchEvent<T = KubeObject> { type: WatchEventType; object: T }

/** `namespace/name`, or the bare name of a cluster-scoped object: the key of caches and work queues. */
export function keyOf(object: KubeObject): string {
  const { namespace, name } = object.metadata
  return namespace === undefined || namespace === '' ? (name ?? '') : `${namespace}/${name ?? ''}`
}

/** The parts of a key; the namespace is '' for a cluster-scoped object. */
export function splitKey(key: string): { namespace: string; name: string } {
  const slash = key.indexOf('/')
  return slash < 0 ? { namespace: '', name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) }
}

/** The owner that manages the object (`controller: true`), if any. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true)
}

/** Freezes an object and everything in it. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) deepFreeze(inner)
  }
  return value
}

let areReadersTrusted = false

/**
 * Says that this process is no test: objects that many read are not frozen any longer, which costs more than all else that is done to
 * a pod once it is known. Whoever would change one is found by the tests.
 */
export function trustReaders(): void {
  areReadersTrusted = true
}

/** An object that others read from now on, and nobody may change; takes it over. */
export function readOnly<T extends KubeObject>(object: T): T {
  if (!areReadersTrusted) return deepFreeze(object)
  // Copies of an object share its owners where these are frozen.
  if (object.metadata?.managedFields !== undefined) Object.freeze(object.metadata.managedFields)
  return object
}

let lastSecond = NaN
let lastText = ''

/** A time as metav1.Time writes it: whole seconds, UTC. */
export function timeText(epochMs: number): string {
  const second = Math.floor(epochMs / 1000)
  // Writes come many a second, and each asks.
  if (second !== lastSecond) {
    lastText = `${new Date(epochMs).toISOString().slice(0, 19)}Z`
    lastSecond = second
  }
  return lastText
}

/** A time as metav1.MicroTime writes it. */
export function microTimeText(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 23)}000Z`
}
