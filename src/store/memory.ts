import type { Runtime } from '../runtime/runtime.ts'
import { byteForm, checkKey, checkRevision } from './keys.ts'
import { LeaseTable, checkTtl } from './leases.ts'
import { SortedMap } from './sorted-map.ts'
import {
  CompactedError, FutureRevisionError, LeaseNotFoundError, StoreClosedError, tombstone,
  type GetResult, type KeyValue, type PutRequest, type RangeOptions, type RangeResult, type Store, type StoreEvent, type StoreEventBatch, type WatchOptions, type WriteResult,
} from './store.ts'
import { WatchHub, type EventLog } from './watch-hub.ts'

/** What a key was and is, oldest first. `kv` undefined: from this revision on it did not exist. */
interface History { key: string; states: { revision: number; kv: KeyValue | undefined }[] }

const nothing = new Uint8Array(0)
/** Revisions handed to a watch that catches up, at a time. */
const logPieceRevisions = 1000

/**
 * A store in memory: nothing outlives it. Writes take effect at once, in the order of the calls. `initialRevision` is where
 * an empty store stands (1).
 */
export function memoryStore(runtime: Runtime, options: { initialRevision?: number } = {}): Store {
  return new MemoryStore(runtime, options.initialRevision ?? 1)
}

class MemoryStore implements Store {
  readonly driver = 'memory'
  readonly #runtime: Runtime
  readonly #keys = new SortedMap<History>()
  readonly #leases: LeaseTable
  readonly #log: MemoryLog
  readonly #hub: WatchHub
  #revision: number
  #closed = false

  constructor(runtime: Runtime, initialRevision: number) {
    this.#runtime = runtime
    this.#revision = initialRevision
    this.#log = new MemoryLog(initialRevision)
    this.#hub = new WatchHub(runtime.clock, this.#log, initialRevision)
    this.#leases = new LeaseTable(runtime.clock, (leaseId) => this.#endLease(leaseId))
  }

  async currentRevision(): Promise<number> {
    this.#checkOpen()
    return this.#revision
  }

  async get(key: string, options: { revision?: number } = {}): Promise<GetResult> {
    const at = this.#readRevision(options.revision)
    const history = this.#keys.get(byteForm(key))
    return { kv: history === undefined ? undefined : stateAt(history, at), revision: this.#revision }
  }

  async range(start: string, end: string, options: RangeOptions = {}): Promise<RangeResult> {
    const at = this.#readRevision(options.revision)
    const limit = options.countOnly === true ? -1 : options.limit === undefined || options.limit === 0 ? Infinity : options.limit
    const kvs: KeyValue[] = []
    let count = 0
    this.#keys.forRange(byteForm(start), byteForm(end), (history) => {
      const kv = stateAt(history, at)
      if (kv === undefined) return
      count++
      if (kvs.length < limit) kvs.push(options.keysOnly === true ? { ...kv, value: nothing } : kv)
    })
    return { kvs, count, more: count > kvs.length && options.countOnly !== true, revision: this.#revision }
  }

  async put(request: PutRequest): Promise<WriteResult> {
    this.#checkOpen()
    checkKey(request.key)
    const leaseId = request.leaseId ?? 0
    if (leaseId !== 0 && !this.#leases.has(leaseId)) throw new LeaseNotFoundError(leaseId)
    const byteKey = byteForm(request.key)
    const history = this.#keys.get(byteKey)
    const previous = history?.states.at(-1)?.kv
    if (request.expected !== undefined && request.expected !== (previous?.modRevision ?? 0)) return { ok: false, revision: this.#revision, kv: previous }
    const revision = ++this.#revision
    const kv: KeyValue = {
      key: request.key, value: request.value, createRevision: previous?.createRevision ?? revision, modRevision: revision,
      version: (previous?.version ?? 0) + 1, leaseId,
    }
    const state = { revision, kv: { ...kv, value: Buffer.from(request.value) } }
    if (history === undefined) this.#keys.set(byteKey, { key: request.key, states: [state] })
    else history.states.push(state)
    this.#leases.move(request.key, previous?.leaseId ?? 0, leaseId)
    this.#commit([{ type: 'put', key: request.key, kv, previous, revision }])
    return { ok: true, revision, previous }
  }

  async delete(key: string, options: { expected?: number } = {}): Promise<WriteResult> {
    this.#checkOpen()
    checkKey(key)
    const previous = this.#keys.get(byteForm(key))?.states.at(-1)?.kv
    if (options.expected !== undefined && options.expected !== (previous?.modRevision ?? 0)) return { ok: false, revision: this.#revision, kv: previous }
    if (previous !== undefined) this.#deleteAll([key])
    return { ok: true, revision: this.#revision, previous }
  }

  watch(start: string, end: string, options: WatchOptions): AsyncIterable<StoreEventBatch> {
    return this.#hub.watch(start, end, options)
  }

  async compact(revision: number): Promise<void> {
    this.#checkOpen()
    if (revision > this.#revision) throw new FutureRevisionError(revision, this.#revision)
    if (revision <= this.#log.oldest()) return
    for (const key of this.#log.dropBefore(revision)) {
      const byteKey = byteForm(key)
      const history = this.#keys.get(byteKey)
      if (history === undefined) continue
      // What stood at `revision` stays readable; what it replaced goes, and so does the fact that the key was absent.
      const kept = history.states.findLastIndex((state) => state.revision <= revision)
      const first = kept === -1 ? 0 : history.states[kept]!.kv === undefined ? kept + 1 : kept
      history.states.splice(0, first)
      if (history.states.length === 0) this.#keys.delete(byteKey)
    }
  }

  async grantLease(ttlSeconds: number): Promise<number> {
    this.#checkOpen()
    checkTtl(ttlSeconds)
    let leaseId = 0
    while (leaseId === 0 || this.#leases.has(leaseId)) leaseId = this.#runtime.random.int(Number.MAX_SAFE_INTEGER)
    this.#leases.add(leaseId, ttlSeconds)
    return leaseId
  }

  async keepAlive(leaseId: number): Promise<void> {
    this.#checkOpen()
    this.#leases.renew(leaseId)
  }

  async revokeLease(leaseId: number): Promise<void> {
    this.#checkOpen()
    this.#endLease(leaseId)
  }

  async healthy(): Promise<void> {
    this.#checkOpen()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#leases[Symbol.dispose]()
    this.#hub.fail(new StoreClosedError())
  }

  #endLease(leaseId: number): void {
    this.#deleteAll(this.#leases.keysOf(leaseId))
    this.#leases.drop(leaseId)
  }

  /** Deletes keys that exist, in one revision. */
  #deleteAll(keys: readonly string[]): void {
    if (keys.length === 0) return
    const revision = ++this.#revision
    this.#commit(keys.map((key) => {
      const history = this.#keys.get(byteForm(key))!
      const previous = history.states.at(-1)!.kv!
      history.states.push({ revision, kv: undefined })
      this.#leases.move(key, previous.leaseId, 0)
      return { type: 'delete', key, kv: tombstone(key, revision), previous, revision }
    }))
  }

  #commit(events: StoreEvent[]): void {
    this.#log.append(events)
    this.#hub.publish(events, this.#revision)
  }

  #checkOpen(): void {
    if (this.#closed) throw new StoreClosedError()
  }

  #readRevision(asked = 0): number {
    this.#checkOpen()
    if (asked !== 0) checkRevision(asked, this.#log.oldest(), this.#revision)
    return asked === 0 ? this.#revision : asked
  }
}

function stateAt(history: History, revision: number): KeyValue | undefined {
  const { states } = history
  let at = states.length - 1
  while (at >= 0 && states[at]!.revision > revision) at--
  return states[at]?.kv
}

/** The changes since the last compaction: `#revisions[i]` are the events of revision `#first + i`. */
class MemoryLog implements EventLog {
  #oldest: number
  #first: number
  #revisions: StoreEvent[][] = []

  constructor(revision: number) {
    this.#oldest = revision
    this.#first = revision + 1
  }

  oldest(): number { return this.#oldest }

  append(events: StoreEvent[]): void { this.#revisions.push(events) }

  read(from: number, upTo: number): { events: StoreEvent[]; next: number } {
    if (from < this.#oldest) throw new CompactedError(this.#oldest)
    const next = Math.min(upTo, from + logPieceRevisions - 1) + 1
    return { events: this.#revisions.slice(Math.max(from - this.#first, 0), next - this.#first).flat(), next }
  }

  /** Forgets what came before `revision`; returns the keys that it, or what was forgotten, changed. */
  dropBefore(revision: number): Set<string> {
    const gone = this.#revisions.slice(0, revision - this.#first + 1)
    this.#revisions = this.#revisions.slice(revision - this.#first)
    // The first event kept may still name a previous state that is gone; it is dropped with it.
    for (const [i, event] of (this.#revisions[0] ?? []).entries()) this.#revisions[0]![i] = { ...event, previous: undefined }
    this.#first = revision
    this.#oldest = revision
    return new Set(gone.flat().map((event) => event.key))
  }
}
