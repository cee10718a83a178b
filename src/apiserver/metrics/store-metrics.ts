import type { ResourceTable } from '../../api/resource.ts'
import type { Clock } from '../../runtime/clock.ts'
import { prefixEnd, type Store } from '../../store/store.ts'
import type { WatchCaches } from '../watch-caches.ts'
import { family, Histograms, Numbers, type MetricFamily, type NumberCell, type Sample, type Spread } from './families.ts'

const bounds = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60]

interface Cells { seconds: Spread; count: NumberCell; errors: NumberCell; kind: Kind }
interface Kind { group: string; resource: string }

/** Counts what is asked of the store, by operation and resource; reads from the watch cache are not among it. */
export class StoreMetrics {
  readonly #clock: Clock
  readonly #resources: ResourceTable
  readonly #seconds = new Histograms('etcd_request_duration_seconds', 'Etcd request latency in seconds for each operation and object type.', ['operation', 'group', 'resource'], bounds)
  readonly #count = new Numbers('counter', 'etcd_requests_total', 'Etcd request counts for each operation and object type.', ['operation', 'group', 'resource'])
  readonly #errors = new Numbers('counter', 'etcd_request_errors_total', 'Etcd failed request counts for each operation and object type.', ['operation', 'group', 'resource'])
  readonly #lists = new Numbers('counter', 'apiserver_storage_list_total', 'Number of LIST requests served from storage', ['group', 'resource'])
  /** All that is read is looked at and handed on: who wants less of it chooses in the cache. */
  readonly #listObjects = [
    ['fetched', 'Number of objects read from storage in the course of serving a LIST request'], ['evaluated', 'Number of objects tested in the course of serving a LIST request from storage'],
    ['returned', 'Number of objects returned for a LIST request from storage'],
  ].map(([what, help]) => new Numbers('counter', `apiserver_storage_list_${what}_objects_total`, help!, ['group', 'resource']))
  readonly #cells = new Map<string, Map<string, Cells>>()

  constructor(clock: Clock, resources: ResourceTable) {
    this.#clock = clock
    this.#resources = resources
  }

  /** The store, counted. */
  counted(store: Store): Store {
    const measure = <T>(operation: string, key: string, work: () => Promise<T>): Promise<T> => this.#measure(operation, key, work)
    const counted: Store = {
      driver: store.driver,
      currentRevision: () => store.currentRevision(),
      get: (key, options) => measure('get', key, () => store.get(key, options)),
      range: async (start, end, options) => {
        if (options?.countOnly === true) return await measure('listOnlyCount', start, () => store.range(start, end, options))
        const result = await measure('list', start, () => store.range(start, end, options))
        this.#listed(start, result.kvs.length)
        return result
      },
      put: (request) => measure(request.expected === 0 ? 'create' : 'update', request.key, () => store.put(request)),
      delete: (key, options) => measure('delete', key, () => store.delete(key, options)),
      watch: (start, end, options) => store.watch(start, end, options),
      compact: (revision) => store.compact(revision),
      grantLease: (ttlSeconds) => store.grantLease(ttlSeconds),
      keepAlive: (leaseId) => store.keepAlive(leaseId),
      revokeLease: (leaseId) => store.revokeLease(leaseId),
      healthy: () => store.healthy(),
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    }
    if (store.sizeBytes !== undefined) counted.sizeBytes = () => store.sizeBytes!()
    return store.isStale === undefined ? counted : { ...counted, isStale: (key, mark) => store.isStale!(key, mark) }
  }

  #measure<T>(operation: string, key: string, work: () => Promise<T>): Promise<T> {
    const cells = this.#cellsOf(operation, key)
    const startedMs = this.#clock.monotonicMs()
    const done = (): void => {
      cells.count.value++
      cells.seconds.observe((this.#clock.monotonicMs() - startedMs) / 1000)
    }
    const result = work()
    result.then(done, () => {
      cells.errors.value++
      done()
    })
    return result
  }

  /** By the folders that a key lies in: `/registry/pods/`, `/registry/services/specs/`. */
  #cellsOf(operation: string, key: string): Cells {
    let byPrefix = this.#cells.get(operation)
    if (byPrefix === undefined) this.#cells.set(operation, (byPrefix = new Map()))
    const second = key.indexOf('/', 10)
    const known = byPrefix.get(key.slice(0, second + 1))
    if (known !== undefined) return known
    const third = key.indexOf('/', second + 1)
    const folder = key.slice(0, third < 0 ? undefined : third + 1)
    const deeper = byPrefix.get(folder)
    if (deeper !== undefined) return deeper
    const kinds = prefixKinds(this.#resources)
    const prefix = [key.slice(0, second + 1), folder].find((each) => kinds.has(each))
    const { group, resource } = prefix === undefined ? { group: '', resource: '' } : kinds.get(prefix)!
    const cells: Cells = { seconds: this.#seconds.at(operation, group, resource), count: this.#count.at(operation, group, resource), errors: this.#errors.at(operation, group, resource), kind: { group, resource } }
    if (prefix !== undefined) byPrefix.set(prefix, cells)
    return cells
  }

  #listed(key: string, count: number): void {
    const { group, resource } = this.#cellsOf('list', key).kind
    this.#lists.at(group, resource).value++
    for (const objects of this.#listObjects) objects.at(group, resource).value += count
  }

  families(): MetricFamily[] {
    return [this.#seconds, this.#count, this.#errors, this.#lists, ...this.#listObjects]
  }
}

/** The resource whose objects lie under each prefix. */
function prefixKinds(resources: ResourceTable): Map<string, Kind> {
  const kinds = new Map<string, Kind>()
  for (const { storagePrefix, group, resource, virtual } of resources.all()) {
    if (virtual !== true && !kinds.has(storagePrefix)) kinds.set(storagePrefix, { group, resource })
  }
  return kinds
}

/** How many objects there are, and what the watch caches do. Counts of what is not cached are asked of the store, at most once a period. */
export class ObjectMetrics {
  readonly #store: Store
  readonly #resources: ResourceTable
  readonly #caches: WatchCaches
  readonly #clock: Clock
  readonly #periodMs: number
  #counted: { atMs: number; counts: Map<string, number> } | undefined

  constructor(parts: { store: Store; resources: ResourceTable; caches: WatchCaches; clock: Clock; periodMs: number }) {
    this.#store = parts.store
    this.#resources = parts.resources
    this.#caches = parts.caches
    this.#clock = parts.clock
    this.#periodMs = parts.periodMs
  }

  async families(): Promise<MetricFamily[]> {
    const kinds = prefixKinds(this.#resources)
    const counts = this.#periodMs === 0 ? new Map<string, number>() : await this.#count([...kinds.keys()])
    const labelled = (kind: Kind): Sample['labels'] => [['group', kind.group], ['resource', kind.resource]]
    const old = ({ group, resource }: Kind): Sample['labels'] => [['resource', group === '' ? resource : `${resource}.${group}`]]
    const gauge = (name: string, help: string, value: (prefix: string) => number | undefined, labels = labelled): MetricFamily => family('gauge', name, help, [...kinds].flatMap(([prefix, kind]): Sample[] => {
      const found = value(prefix)
      return found === undefined ? [] : [{ labels: labels(kind), value: found }]
    }))
    const counter = (name: string, help: string, value: (prefix: string) => number | undefined): MetricFamily => ({ ...gauge(name, help, value), type: 'counter' })
    // Lists read namespaces or all, never an index.
    const indexed = (kind: Kind): Sample['labels'] => [...labelled(kind), ['index', '']]
    const counted = (name: string, help: string, value: (prefix: string) => number | undefined, labels = labelled): MetricFamily => ({ ...gauge(name, help, (prefix) => value(prefix) || undefined, labels), type: 'counter' })
    const cache = (prefix: string) => this.#caches.peek(prefix)
    const size = await this.#size()
    return [
      family('gauge', 'apiserver_storage_size_bytes', 'Size of the storage database file physically allocated in bytes.', size === undefined ? [] : [{ labels: [['storage_cluster_id', 'etcd-0']], value: size }]),
      gauge('apiserver_resource_objects', 'Number of stored objects at the time of last check split by kind. In case of a fetching error, the value will be -1.', (prefix) => counts.get(prefix)),
      gauge('apiserver_storage_objects', '[DEPRECATED, consider using apiserver_resource_objects instead] Number of stored objects at the time of last check split by kind. In case of a fetching error, the value will be -1.', (prefix) => counts.get(prefix), old),
      gauge('apiserver_watch_cache_resource_version', 'Current resource version of watch cache broken by resource type. This is truncated to the 15 least significant digits.', (prefix) => cache(prefix)?.revision),
      gauge('watch_cache_capacity', 'Total capacity of watch cache broken by resource type.', (prefix) => cache(prefix)?.counts.capacity),
      counter('apiserver_watch_cache_events_received_total', 'Counter of events received in watch cache broken by resource type.', (prefix) => cache(prefix)?.counts.received),
      counter('apiserver_watch_cache_events_dispatched_total', 'Counter of events dispatched in watch cache broken by resource type.', (prefix) => cache(prefix)?.counts.dispatched),
      counter('apiserver_watch_cache_initializations_total', 'Counter of watch cache initializations broken by resource type.', (prefix) => cache(prefix)?.counts.initializations),
      counter('apiserver_init_events_total', 'Counter of init events processed in watch cache broken by resource type.', (prefix) => cache(prefix)?.counts.initEvents),
      counter('apiserver_storage_events_received_total', 'Number of etcd events received split by kind.', (prefix) => cache(prefix)?.counts.received),
      counted('apiserver_cache_list_total', 'Number of LIST requests served from watch cache', (prefix) => cache(prefix)?.counts.lists, indexed),
      counted('apiserver_cache_list_fetched_objects_total', 'Number of objects read from watch cache in the course of serving a LIST request', (prefix) => cache(prefix)?.counts.fetched, indexed),
      counted('apiserver_cache_list_returned_objects_total', 'Number of objects returned for a LIST request from watch cache', (prefix) => cache(prefix)?.counts.listed),
      counter('apiserver_terminated_watchers_total', 'Counter of watchers closed due to unresponsiveness broken by resource type.', (prefix) => cache(prefix)?.counts.terminatedWatchers),
    ]
  }

  async #count(prefixes: readonly string[]): Promise<Map<string, number>> {
    const nowMs = this.#clock.monotonicMs()
    if (this.#counted === undefined || nowMs - this.#counted.atMs >= this.#periodMs) this.#counted = { atMs: nowMs, counts: new Map() }
    const { counts } = this.#counted
    for (const prefix of prefixes) {
      const cached = this.#caches.peek(prefix)?.entries.size
      if (cached !== undefined) counts.set(prefix, cached)
      else if (!counts.has(prefix)) counts.set(prefix, await this.#countStored(prefix))
    }
    return counts
  }

  async #size(): Promise<number | undefined> {
    try {
      return await this.#store.sizeBytes?.()
    } catch {
      // A store that cannot tell, or not now, has no series; /readyz says more of what is wrong.
      return undefined
    }
  }

  async #countStored(prefix: string): Promise<number> {
    try {
      return (await this.#store.range(prefix, prefixEnd(prefix), { countOnly: true })).count
    } catch {
      // The metric's own way to say that it could not be found out.
      return -1
    }
  }
}
