import { keyOf, type KubeObject, type WatchEvent } from '../machinery/object.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Client, ResourceType } from './client.ts'
import { runReflector } from './reflector.ts'

/** Told of each change: `object` is undefined after a deletion, `old` before an addition. Must not throw and must not change either. */
export type ChangeHandler<T> = (object: T | undefined, old: T | undefined) => void

/** Values that an object is found by; an index is a pure function of the object. */
export type IndexFunction<T> = (object: T) => readonly string[]

/**
 * A read-only copy of a collection, kept up to date.
 * 1. Objects are shared: nobody changes them (tests freeze them). They may come without `metadata.managedFields`.
 * 2. Handlers see every object once as added before anything else of it, and its changes in order; versions in between may be left out.
 * 3. A handler that comes late is first told of everything there is.
 * 4. The cache holds a change before handlers hear of it.
 */
export interface Informer<T extends KubeObject = KubeObject> {
  readonly type: ResourceType<T>
  /** By `namespace/name`, or the name of a cluster-scoped object. */
  get(key: string): T | undefined
  /** All, or those of one namespace (through an index). */
  list(namespace?: string): T[]
  readonly size: number
  /** Names an index; a second call with the same name is ignored. May be called at any time. */
  addIndex(name: string, values: IndexFunction<T>): void
  byIndex(name: string, value: string): T[]
  /** Disposing the answer stops the calls. */
  onChange(handler: ChangeHandler<T>): Disposable
  /** Resolves when the first list is complete; rejects when the informer is stopped before. */
  readonly synced: Promise<void>
  readonly hasSynced: boolean
}

export interface InformerOptions { namespace?: string; labelSelector?: string; fieldSelector?: string; metadataOnly?: boolean }

const namespaceIndex = 'namespace'

class Index<T extends KubeObject> {
  private readonly keysByValue = new Map<string, Map<string, T>>()
  private readonly values: IndexFunction<T>
  constructor(values: IndexFunction<T>) {
    this.values = values
  }
  put(key: string, object: T, old: T | undefined): void {
    if (old !== undefined) this.remove(key, old)
    for (const value of this.values(object)) {
      const known = this.keysByValue.get(value)
      if (known === undefined) this.keysByValue.set(value, new Map([[key, object]]))
      else known.set(key, object)
    }
  }
  remove(key: string, old: T): void {
    for (const value of this.values(old)) {
      const known = this.keysByValue.get(value)
      if (known?.delete(key) === true && known.size === 0) this.keysByValue.delete(value)
    }
  }
  find(value: string): T[] {
    const known = this.keysByValue.get(value)
    return known === undefined ? [] : [...known.values()]
  }
}

class Cache<T extends KubeObject> implements Informer<T> {
  readonly type: ResourceType<T>
  readonly synced: Promise<void>
  hasSynced = false
  private readonly runtime: Runtime
  private readonly objects = new Map<string, T>()
  private readonly indexes = new Map<string, Index<T>>()
  private readonly handlers = new Set<ChangeHandler<T>>()
  private readonly settleSynced: { resolve: () => void; reject: (error: Error) => void }

  constructor(type: ResourceType<T>, runtime: Runtime) {
    this.type = type
    this.runtime = runtime
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.synced = promise
    this.settleSynced = { resolve, reject }
    // Whoever awaits `synced` hears of a stop; that nobody does is no fault.
    promise.catch(() => undefined)
  }

  get(key: string): T | undefined {
    return this.objects.get(key)
  }
  get size(): number {
    return this.objects.size
  }
  list(namespace?: string): T[] {
    if (namespace === undefined) return [...this.objects.values()]
    this.addIndex(namespaceIndex, (object) => [object.metadata.namespace ?? ''])
    return this.byIndex(namespaceIndex, namespace)
  }
  addIndex(name: string, values: IndexFunction<T>): void {
    if (this.indexes.has(name)) return
    const index = new Index(values)
    for (const [key, object] of this.objects) index.put(key, object, undefined)
    this.indexes.set(name, index)
  }
  byIndex(name: string, value: string): T[] {
    const index = this.indexes.get(name)
    if (index === undefined) throw new Error(`the informer of ${this.type.resource} has no index ${name}`)
    return index.find(value)
  }
  onChange(handler: ChangeHandler<T>): Disposable {
    // A wrapper of its own, so that one function may be registered twice.
    const own: ChangeHandler<T> = (object, old) => handler(object, old)
    for (const object of this.objects.values()) this.call(own, object, undefined)
    this.handlers.add(own)
    return { [Symbol.dispose]: () => void this.handlers.delete(own) }
  }

  replace(objects: T[]): void {
    const gone = new Map(this.objects)
    for (const object of objects) {
      const key = keyOf(object)
      gone.delete(key)
      this.put(key, object)
    }
    for (const key of gone.keys()) this.remove(key, undefined)
    if (this.hasSynced) return
    this.hasSynced = true
    this.settleSynced.resolve()
  }
  apply(events: WatchEvent<T>[]): void {
    for (const { type, object } of events) {
      if (type === 'DELETED') this.remove(keyOf(object), object)
      else this.put(keyOf(object), object)
    }
  }
  stop(): void {
    this.handlers.clear()
    if (!this.hasSynced) this.settleSynced.reject(new Error(`the informer of ${this.type.resource} was stopped before it was in sync`))
  }

  private put(key: string, object: T): void {
    const old = this.objects.get(key)
    if (old !== undefined && old.metadata.resourceVersion === object.metadata.resourceVersion && old.metadata.uid === object.metadata.uid) return
    this.objects.set(key, object)
    if (old !== undefined && old.metadata.uid !== object.metadata.uid) {
      // Deleted and made anew between two looks: handlers see both.
      for (const index of this.indexes.values()) index.remove(key, old)
      this.tell(undefined, old)
      for (const index of this.indexes.values()) index.put(key, object, undefined)
      return this.tell(object, undefined)
    }
    for (const index of this.indexes.values()) index.put(key, object, old)
    this.tell(object, old)
  }
  private remove(key: string, last: T | undefined): void {
    const old = this.objects.get(key)
    if (old === undefined) return
    this.objects.delete(key)
    for (const index of this.indexes.values()) index.remove(key, old)
    this.tell(undefined, last ?? old)
  }
  private tell(object: T | undefined, old: T | undefined): void {
    for (const handler of this.handlers) this.call(handler, object, old)
  }
  private call(handler: ChangeHandler<T>, object: T | undefined, old: T | undefined): void {
    try {
      handler(object, old)
    } catch (error) {
      this.runtime.log.error(`a handler of ${this.type.resource} changes failed`, { key: keyOf((object ?? old)!), err: error })
    }
  }
}

/** Shares one informer per resource and selection among all who ask. Disposing it stops them all and resolves when their watches have ended. */
export interface InformerFactory extends AsyncDisposable {
  /** Starts the informer when it isn't running yet. */
  informer<T extends KubeObject>(type: ResourceType<T>, options?: InformerOptions): Informer<T>
  /** Resolves when every informer asked for so far has its first list. */
  synced(): Promise<void>
}

export function createInformerFactory(client: Client, runtime: Runtime): InformerFactory {
  const stopped = new AbortController()
  const running = new Map<string, { cache: Cache<KubeObject>; done: Promise<void> }>()
  return {
    informer<T extends KubeObject>(type: ResourceType<T>, options: InformerOptions = {}): Informer<T> {
      const id = JSON.stringify([type.group, type.version, type.resource, options.namespace, options.labelSelector, options.fieldSelector, options.metadataOnly])
      const known = running.get(id)
      if (known !== undefined) return known.cache as unknown as Cache<T>
      const cache = new Cache<T>(type, runtime)
      if (stopped.signal.aborted) throw new Error('the informer factory is stopped')
      const done = runReflector({ client, runtime, type, ...options, signal: stopped.signal }, cache)
      running.set(id, { cache: cache as unknown as Cache<KubeObject>, done })
      return cache
    },
    async synced() {
      await Promise.all([...running.values()].map(({ cache }) => cache.synced))
    },
    async [Symbol.asyncDispose]() {
      stopped.abort(new Error('the informer factory was stopped'))
      for (const { cache } of running.values()) cache.stop()
      await Promise.all([...running.values()].map(({ done }) => done))
    },
  }
}
