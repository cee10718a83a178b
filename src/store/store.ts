/**
 * The store: a revisioned key-value map after etcd's model (etcd API v3), kept small.
 *
 * 1. Revisions are whole numbers from 1 that rise by one with every committed transaction; each change of a key carries one.
 * 2. A read or range without `revision` sees every write acknowledged before it began.
 * 3. A write is acknowledged only when it is durable (driver `memory`: when it is visible).
 * 4. A watch delivers every change of its range from its start revision on, in order of revision, none twice, none left out;
 *    when it cannot, it ends with `CompactedError`.
 * 5. After `compact(r)` reads below `r` fail with `CompactedError`; the newest value of every key stays.
 * 6. An empty store stands at revision 1, as etcd does, so that the first write has revision 2 and no list ever says 0.
 * 7. Keys are well-formed strings of 1 to 1900 UTF-8 bytes; the store orders them by these bytes.
 * 8. A value handed to `put`, and every value handed out, belongs to everyone from then on: nobody alters it.
 * `store.contract.ts` holds every driver to these rules.
 */

export interface KeyValue {
  key: string
  value: Uint8Array
  createRevision: number
  modRevision: number
  /** 1 for a new key, one more with each change. */
  version: number
  /** 0 when no lease is attached. */
  leaseId: number
}

export interface GetResult { kv: KeyValue | undefined; /** The store's revision at the time of reading. */ revision: number }

export interface RangeOptions {
  /** Read as of this revision; 0 or left out: now. */
  revision?: number
  /** At most this many; 0 or left out: all. */
  limit?: number
  /** Leave values empty. */
  keysOnly?: boolean
  /** Only count. */
  countOnly?: boolean
}

export interface RangeResult { kvs: KeyValue[]; /** Keys in the whole range, whatever `limit` says. */ count: number; more: boolean; revision: number }

/**
 * A write. `expected` is the modRevision the key must have: 0 means it must not exist, undefined means whatever it is.
 *
 * The caller keeps `value` unchanged until the promise settles, and may do with its memory what it likes afterwards; the event of the
 * write carries the same `value`. The `headroomBytes` that stand before it in its buffer are the store's to write to meanwhile, so that
 * a driver can put its own record around the value without copying it.
 */
export interface PutRequest { key: string; value: Uint8Array; headroomBytes?: number; expected?: number; leaseId?: number }

/** `kv` is what stands in the store when the condition failed (undefined: nothing does). */
export type WriteResult =
  | { ok: true; revision: number; previous: KeyValue | undefined }
  | { ok: false; revision: number; kv: KeyValue | undefined }

/**
 * A change of one key. For a deletion `kv` is the tombstone: no value, `createRevision` and `version` 0, `modRevision` the
 * revision of the deletion. `previous` is what stood before; undefined for a new key, or when compaction has taken it.
 */
export interface StoreEvent {
  type: 'put' | 'delete'
  key: string
  kv: KeyValue
  previous: KeyValue | undefined
  revision: number
  /** The value is not the one that a read would give, and has to be read (encryption at rest). */
  isUnread?: true
}

/** How a key deleted at `revision` looks in an event. */
export function tombstone(key: string, revision: number): KeyValue {
  return { key, value: new Uint8Array(0), createRevision: 0, modRevision: revision, version: 0, leaseId: 0 }
}

/** Events of one revision or more, in order; `revision` is how far the watch has come, also when `events` is empty (progress). */
export interface StoreEventBatch { events: StoreEvent[]; revision: number }

export interface WatchOptions {
  /** First revision wanted; left out: what comes next. */
  fromRevision?: number
  signal: AbortSignal
}

/** How much a watch holds for a consumer that does not take it; past either it ends with `SlowWatcherError`. */
export const watchBounds = { queuedEvents: 20_000, queuedBytes: 64 * 1024 * 1024 } as const

/** The revision asked for has been compacted away. */
export class CompactedError extends Error {
  readonly compactRevision: number
  constructor(compactRevision: number) {
    super(`the required revision has been compacted; the oldest kept is ${compactRevision}`)
    this.name = 'CompactedError'
    this.compactRevision = compactRevision
  }
}

/** The revision asked for has not happened yet. */
export class FutureRevisionError extends Error {
  readonly revision: number
  constructor(asked: number, revision: number) {
    super(`required revision ${asked} is a future revision; the newest is ${revision}`)
    this.name = 'FutureRevisionError'
    this.revision = revision
  }
}

export interface Store extends AsyncDisposable {
  /** Which driver: `memory`, `lmdb` or `etcd`. */
  readonly driver: string
  /** The newest revision (for etcd: as of the call). */
  currentRevision(): Promise<number>
  get(key: string, options?: { revision?: number }): Promise<GetResult>
  /** Keys in [`start`, `end`) in byte order. For a prefix use `prefixEnd`. */
  range(start: string, end: string, options?: RangeOptions): Promise<RangeResult>
  put(request: PutRequest): Promise<WriteResult>
  /** Deleting what does not exist succeeds (unless `expected` names a revision), changes nothing and takes no revision. */
  delete(key: string, options?: { expected?: number }): Promise<WriteResult>
  /**
   * Changes in [`start`, `end`), from the moment of the call. Ends when the signal aborts; throws `CompactedError`,
   * `SlowWatcherError` when more than `watchBounds` piles up unread, `StoreClosedError`, or another error on loss of the store.
   */
  watch(start: string, end: string, options: WatchOptions): AsyncIterable<StoreEventBatch>
  /** Forgets history before `revision`; when that is gone already, there is nothing to do. */
  compact(revision: number): Promise<void>
  /** A lease of `ttlSeconds`; keys attached to it are deleted (one revision) when it runs out or is revoked. */
  grantLease(ttlSeconds: number): Promise<number>
  keepAlive(leaseId: number): Promise<void>
  revokeLease(leaseId: number): Promise<void>
  /** Whether a value that lies there under `mark` ('': as it is) would be stored otherwise if it were written now (encryption at rest). */
  isStale?(key: string, mark: string): boolean
  /** Rejects when a durable write and read cannot be done just now. */
  healthy(): Promise<void>
  /** How much room it takes on disk; left out by stores that take none. */
  sizeBytes?(): Promise<number>
}

/** The lease named does not exist, or has run out. */
export class LeaseNotFoundError extends Error {
  readonly leaseId: number
  constructor(leaseId: number) {
    super(`requested lease ${leaseId} not found`)
    this.name = 'LeaseNotFoundError'
    this.leaseId = leaseId
  }
}

/** The store was closed while, or before, this was asked of it. */
export class StoreClosedError extends Error {
  constructor(options?: ErrorOptions) {
    super('the store is closed', options)
    this.name = 'StoreClosedError'
  }
}

/** A watcher let more pile up than a watch may hold; watch again from its last revision + 1. */
export class SlowWatcherError extends Error {
  constructor(queuedEvents: number, queuedBytes: number) {
    super(`the watcher is ${queuedEvents} events (${queuedBytes} bytes) behind, more than a watch may hold; watch again from the last revision received`)
    this.name = 'SlowWatcherError'
  }
}

/** The disk or the quota is full: the write was not done, reads go on, and writes do again once there is room. */
export class StoreFullError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StoreFullError'
  }
}

/** The value is more than the store takes at once: the write was not done. The message is etcd's own. */
export class ValueTooLargeError extends Error {
  constructor(message = 'etcdserver: request is too large', options?: ErrorOptions) {
    super(message, options)
    this.name = 'ValueTooLargeError'
  }
}

/**
 * The end of the range of all keys that start with `prefix`: the prefix with its last code point raised by one.
 * The empty prefix gives an end above every key that does not begin with U+10FFFF.
 */
export function prefixEnd(prefix: string): string {
  const codePoints = Array.from(prefix, (char) => char.codePointAt(0)!)
  for (let last = codePoints.pop(); last !== undefined; last = codePoints.pop()) {
    if (last === 0x10ffff) continue
    return String.fromCodePoint(...codePoints, last === 0xd7ff ? 0xe000 : last + 1)
  }
  return '\u{10ffff}'
}
