import { checkKey } from './keys.ts'
import type { KeyValue, PutRequest, RangeOptions, RangeResult, Store, StoreEvent, StoreEventBatch, WatchOptions, WriteResult } from './store.ts'

/**
 * A view of `store` in which keys that begin with `seen` lie under `kept` instead: several API servers can share one etcd. Everything is
 * moved, so that keys outside `seen` are refused.
 */
export function prefixedStore(store: Store, seen: string, kept: string): Store {
  const inward = (key: string): string => {
    checkKey(key)
    if (!key.startsWith(seen)) throw new Error(`the key ${JSON.stringify(key)} does not begin with ${seen}`)
    return kept + key.slice(seen.length)
  }
  const outward = (key: string): string => seen + key.slice(kept.length)
  // A range's end is a prefix with its last letter raised: of all that is seen, that is beyond `seen` itself.
  const bound = (end: string): string => (end.startsWith(seen) ? kept + end.slice(seen.length) : kept.slice(0, -1) + String.fromCodePoint(kept.codePointAt(kept.length - 1)! + 1))
  const kvOut = (kv: KeyValue): KeyValue => ({ ...kv, key: outward(kv.key) })
  const resultOut = (result: WriteResult): WriteResult => {
    if (result.ok) return result.previous === undefined ? result : { ...result, previous: kvOut(result.previous) }
    return result.kv === undefined ? result : { ...result, kv: kvOut(result.kv) }
  }
  const eventOut = (event: StoreEvent): StoreEvent => ({ ...event, key: outward(event.key), kv: kvOut(event.kv), previous: event.previous === undefined ? undefined : kvOut(event.previous) })
  return {
    driver: store.driver,
    currentRevision: () => store.currentRevision(),
    async get(key, options) {
      const { kv, revision } = await store.get(inward(key), options)
      return { kv: kv === undefined ? undefined : kvOut(kv), revision }
    },
    async range(start: string, end: string, options?: RangeOptions): Promise<RangeResult> {
      const result = await store.range(bound(start), bound(end), options)
      return { ...result, kvs: result.kvs.map(kvOut) }
    },
    put: async (request: PutRequest) => resultOut(await store.put({ ...request, key: inward(request.key) })),
    delete: async (key, options) => resultOut(await store.delete(inward(key), options)),
    // Not a generator itself: changes count from the call, not from the first reading.
    watch: (start: string, end: string, options: WatchOptions) => batchesOut(store.watch(bound(start), bound(end), options), eventOut),
    compact: (revision) => store.compact(revision),
    grantLease: (ttlSeconds) => store.grantLease(ttlSeconds),
    keepAlive: (leaseId) => store.keepAlive(leaseId),
    revokeLease: (leaseId) => store.revokeLease(leaseId),
    healthy: () => store.healthy(),
    ...(store.sizeBytes === undefined ? {} : { sizeBytes: () => store.sizeBytes!() }),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  }
}

async function* batchesOut(batches: AsyncIterable<StoreEventBatch>, eventOut: (event: StoreEvent) => StoreEvent): AsyncIterable<StoreEventBatch> {
  for await (const { events, revision } of batches) yield { events: events.map(eventOut), revision }
}
