import { errors } from '../../machinery/status.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { GetResult, KeyValue, RangeResult, Store, StoreEvent, StoreEventBatch, WriteResult } from '../../store/store.ts'
import { noteSealed } from './sealed-values.ts'
import type { Opened, ValueTransformer } from './value-transformer.ts'

/** Chooses how the values under a storage key are kept. */
export type TransformerChoice = (key: string) => ValueTransformer

/** Long lists are opened in slices, so that other requests get their turn. */
const sliceMs = 10

/**
 * A store whose values are encrypted: plain outside, under keys inside. Values that were put through it come back as the same
 * buffers. An event whose value cannot be opened at once has `isUnread` set: whoever follows reads that key's range anew.
 */
export function encryptedStore(inner: Store, choose: TransformerChoice, clock: Clock): Store {
  /** Plain values by what lies in the store. */
  const known = new WeakMap<Uint8Array, Uint8Array>()

  const keep = (stored: Uint8Array, { data, mark }: Opened): Uint8Array => {
    known.set(stored, data)
    noteSealed(data, mark)
    return data
  }
  const openValue = (key: string, stored: Uint8Array): Uint8Array | Promise<Uint8Array> => {
    const plain = known.get(stored)
    if (plain !== undefined) return plain
    const fail = (cause: unknown): never => {
      throw errors.internal(new Error(`unable to transform key ${JSON.stringify(key)}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause }))
    }
    try {
      const opened = choose(key).open(Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength), key)
      return opened instanceof Promise ? opened.then((result) => keep(stored, result), fail) : keep(stored, opened)
    } catch (cause) {
      return fail(cause)
    }
  }
  const openKv = async (kv: KeyValue | undefined): Promise<KeyValue | undefined> => (kv === undefined || kv.value.length === 0 ? kv : { ...kv, value: await openValue(kv.key, kv.value) })
  /** What stood before is seldom looked at. */
  const lazily = (kv: KeyValue | undefined): KeyValue | undefined => {
    if (kv === undefined || kv.value.length === 0) return kv
    const { value: stored, ...rest } = kv
    return {
      ...rest,
      get value() {
        const opened = openValue(kv.key, stored)
        if (opened instanceof Promise) {
          opened.catch(() => undefined)
          throw new Error(`the value of ${kv.key} cannot be opened at once`)
        }
        return opened
      },
    }
  }
  const written = async (result: WriteResult): Promise<WriteResult> => (result.ok ? { ...result, previous: lazily(result.previous) } : { ...result, kv: await openKv(result.kv) })

  const eventOf = (event: StoreEvent): StoreEvent => {
    const previous = lazily(event.previous)
    if (event.type === 'delete' || event.kv.value.length === 0) return { ...event, previous }
    try {
      const value = openValue(event.key, event.kv.value)
      if (!(value instanceof Promise)) return { ...event, kv: { ...event.kv, value }, previous }
      // Asked for already, so that whoever reads it anew need not wait as long.
      value.catch(() => undefined)
    } catch {
      // The read that follows says what is wrong.
    }
    return { ...event, previous, isUnread: true }
  }

  return {
    get driver() {
      return inner.driver
    },
    currentRevision: () => inner.currentRevision(),
    async get(key, options): Promise<GetResult> {
      const { kv, revision } = await inner.get(key, options)
      return { kv: await openKv(kv), revision }
    },
    async range(start, end, options): Promise<RangeResult> {
      const result = await inner.range(start, end, options)
      if (options?.keysOnly === true || options?.countOnly === true) return result
      const kvs: KeyValue[] = []
      let sinceMs = clock.monotonicMs()
      for (const kv of result.kvs) {
        const value = kv.value.length === 0 ? kv.value : openValue(kv.key, kv.value)
        kvs.push({ ...kv, value: value instanceof Promise ? await value : value })
        if (clock.monotonicMs() - sinceMs < sliceMs) continue
        await new Promise<void>((resolve) => clock.immediate(resolve))
        sinceMs = clock.monotonicMs()
      }
      return { ...result, kvs }
    },
    async put(request) {
      const transformer = choose(request.key)
      let value: Buffer
      try {
        value = transformer.seal(request.value, request.key)
      } catch (cause) {
        throw errors.internal(cause)
      }
      // The very buffer that was given comes back with the event, so that nothing is parsed twice.
      known.set(value, request.value)
      noteSealed(request.value, transformer.currentMark())
      return await written(await inner.put({ ...request, value, headroomBytes: 0 }))
    },
    delete: async (key, options) => written(await inner.delete(key, options)),
    async *watch(start, end, options): AsyncGenerator<StoreEventBatch> {
      for await (const batch of inner.watch(start, end, options)) yield { ...batch, events: batch.events.map(eventOf) }
    },
    isStale: (key, mark) => choose(key).currentMark() !== mark,
    compact: (revision) => inner.compact(revision),
    grantLease: (ttlSeconds) => inner.grantLease(ttlSeconds),
    keepAlive: (leaseId) => inner.keepAlive(leaseId),
    revokeLease: (leaseId) => inner.revokeLease(leaseId),
    healthy: () => inner.healthy(),
    ...(inner.sizeBytes === undefined ? {} : { sizeBytes: () => inner.sizeBytes!() }),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  }
}
