import { closeSync, fsyncSync, mkdirSync, openSync, realpathSync, statfsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { open, type Database, type RootDatabase } from 'lmdb'
import type { Runtime } from '../runtime/runtime.ts'
import { checkKey, checkRevision } from './keys.ts'
import { LeaseTable, checkTtl } from './leases.ts'
import {
  copyPutValue, decodeIndexEntry, decodeLogRecord, decodeU48, encodeDelete, encodeIndexEntry, encodePut, encodeU48, isDelete, readChanges,
  type IndexEntry,
} from './lmdb-records.ts'
import {
  CompactedError, FutureRevisionError, LeaseNotFoundError, StoreClosedError, StoreFullError, tombstone,
  type GetResult, type KeyValue, type PutRequest, type RangeOptions, type RangeResult, type Store, type StoreEvent, type StoreEventBatch, type WatchOptions, type WriteResult,
} from './store.ts'
import { WatchHub, type EventLog } from './watch-hub.ts'

export interface LmdbStoreOptions {
  /** A directory; made if missing. It belongs to one process at a time. */
  path: string
  runtime: Runtime
}

/** Writes committed together at most, by number and by size of their values. */
const groupBounds = { writes: 1000, valueBytes: 16 * 1024 * 1024 } as const
/** Revisions that one commit of a compaction goes through: between commits, writes have their turn. */
const compactPieceRevisions = 1000
/** What a watch that catches up reads at a time. */
const logPiece = { revisions: 1000, valueBytes: 4 * 1024 * 1024 } as const
const nothing = new Uint8Array(0)
const openPaths = new Set<string>()

/**
 * A store in an LMDB file, for one process.
 *
 * 1. Writes wait in a queue. While one group of them is being committed, the next gathers; its conditions are then decided in
 *    the order of the calls, each seeing what the ones before it did, and all of it becomes one LMDB transaction.
 * 2. LMDB runs with its plain commit: data is synced, then the meta page is written synchronously; only then is the
 *    transaction visible. So a write is acknowledged when it is durable, and what can be read is durable: nothing that was
 *    seen is lost to kill -9 or to a power cut. (lmdb-js's `overlappingSync`, which shows commits before they are synced, is off.)
 * 3. A read is one synchronous look at the newest transaction; its `revision` comes from that same transaction. It may show a
 *    durable write a moment before its acknowledgement. Watches are told after the commit, in order.
 * 4. When a commit fails, say on a full disk, its writes are rejected and nothing of them is in the store; later ones are tried anew.
 * 5. A lease found at opening has its whole time again.
 */
export async function openLmdbStore(options: LmdbStoreOptions): Promise<Store> {
  // The store holds secrets.
  mkdirSync(options.path, { recursive: true, mode: 0o700 })
  const path = realpathSync(options.path)
  if (openPaths.has(path)) throw inUse(path, 'by this process')
  openPaths.add(path)
  try {
    // Batches are made here; one that lmdb-js makes for itself would reject a promise of its own that nobody holds.
    const root = open<Buffer, Buffer>({ path, noSubdir: false, overlappingSync: false, eventTurnBatching: false, encoding: 'binary', keyEncoding: 'binary', maxDbs: 8 })
    const others = otherUsers(root)
    if (others.length > 0) {
      await root.close()
      throw inUse(path, `by process ${others.join(', ')}`)
    }
    const store = new LmdbStore(root, path, options.runtime)
    // LMDB syncs what is in its file; that there is such a file is for the directories to remember.
    for (const folder of [path, dirname(path)]) syncFolder(folder)
    return store
  } catch (error) {
    openPaths.delete(path)
    throw error
  }
}

function syncFolder(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function inUse(path: string, by: string): Error {
  return new Error(`the store in ${path} is already open ${by}; only one process may use it at a time: stop that one, or choose another directory`)
}

/** The ids of the other living processes that have the environment open, by LMDB's table of readers. */
function otherUsers(root: RootDatabase<Buffer, Buffer>): number[] {
  root.get(Buffer.of(0))
  root.readerCheck()
  const lines = root.readerList().split('\n').slice(1)
  const ids = lines.map((line) => Number(line.trim().split(/\s+/)[0])).filter((id) => id > 0 && id !== process.pid)
  return [...new Set(ids)]
}

interface Tables {
  index: Database<Buffer, Buffer>
  log: Database<Buffer, Buffer>
  leases: Database<Buffer, Buffer>
  leased: Database<Buffer, Buffer>
  meta: Database<Buffer, Buffer>
}

function openTables(root: RootDatabase<Buffer, Buffer>): Tables {
  const table = (name: string): Database<Buffer, Buffer> => root.openDB<Buffer, Buffer>({ name, encoding: 'binary', keyEncoding: 'binary' })
  return { index: table('index'), log: table('log'), leases: table('leases'), leased: table('leased'), meta: table('meta') }
}

const metaRevision = Buffer.from('revision')
const metaCompacted = Buffer.from('compacted')
const metaProbe = Buffer.from('probe')

/** Something waiting to be committed. `alone` jobs share a group with nothing. */
interface Job {
  alone: boolean
  valueBytes: number
  /** Decides and adds to the group; returns what to do once it is committed. May throw: then the job fails, and nothing of it was added. */
  decide: (group: Group) => () => void
  reject: (error: unknown) => void
}

/** The transaction that is being put together: what it writes, and the newest state of the keys that it changes. */
class Group {
  revision: number
  readonly events: StoreEvent[] = []
  readonly writes: (() => void)[] = []
  readonly newest = new Map<string, KeyValue | undefined>()

  constructor(revision: number) {
    this.revision = revision
  }
}

class LmdbStore implements Store {
  readonly driver = 'lmdb'
  readonly #root: RootDatabase<Buffer, Buffer>
  readonly #tables: Tables
  readonly #path: string
  readonly #runtime: Runtime
  readonly #leases: LeaseTable
  readonly #hub: WatchHub
  #queue: Job[] = []
  #pumping: Promise<void> | undefined
  #committing = false
  /** As of the last commit that has been acknowledged. */
  #revision: number
  /** Reads go back to here. Raised before a compaction is committed, so that no read meets what it takes away. */
  #oldest: number
  /** Up to here compaction has been committed. */
  #compacted: number
  #closed = false

  constructor(root: RootDatabase<Buffer, Buffer>, path: string, runtime: Runtime) {
    this.#root = root
    this.#tables = openTables(root)
    this.#path = path
    this.#runtime = runtime
    const { meta, leases, leased } = this.#tables
    this.#revision = readNumber(meta, metaRevision, 1)
    this.#compacted = readNumber(meta, metaCompacted, 1)
    this.#oldest = this.#compacted
    const log: EventLog = { oldest: () => this.#oldest, read: (from, upTo) => this.#readLog(from, upTo) }
    this.#hub = new WatchHub(runtime.clock, log, this.#revision)
    this.#leases = new LeaseTable(runtime.clock, (leaseId) => {
      this.#endLease(leaseId).catch((err: unknown) => {
        if (!this.#closed && !(err instanceof LeaseNotFoundError)) runtime.log.error('a lease that has run out could not be ended; it is tried again after its time', { leaseId, err })
        if (!this.#closed && this.#leases.has(leaseId)) this.#leases.renew(leaseId)
      })
    })
    const keysOf = new Map<number, string[]>()
    for (const key of leased.getKeys()) {
      const leaseId = decodeU48(key)
      keysOf.set(leaseId, [...(keysOf.get(leaseId) ?? []), key.toString('utf8', 6)])
    }
    for (const { key, value } of leases.getRange()) this.#leases.add(decodeU48(key), decodeU48(value), keysOf.get(decodeU48(key)))
  }

  async currentRevision(): Promise<number> {
    this.#checkOpen()
    return this.#visibleRevision()
  }

  async get(key: string, options: { revision?: number } = {}): Promise<GetResult> {
    this.#checkOpen()
    checkKey(key)
    const revision = this.#visibleRevision()
    const asked = options.revision ?? 0
    if (asked !== 0) checkRevision(asked, this.#oldest, revision)
    const keyBytes = Buffer.from(key)
    const entry = this.#indexEntry(keyBytes)
    if (asked === 0 || asked === revision || (entry !== undefined && entry.modRevision <= asked)) {
      return { kv: entry === undefined ? undefined : this.#materialise(key, entry), revision }
    }
    const replaced = this.#replacedSince(asked, revision, (changed) => changed === key, true).get(key)
    return { kv: replaced === undefined || replaced === 0 ? undefined : this.#fromLog(replaced), revision }
  }

  async range(start: string, end: string, options: RangeOptions = {}): Promise<RangeResult> {
    this.#checkOpen()
    const revision = this.#visibleRevision()
    const asked = options.revision ?? 0
    if (asked !== 0) checkRevision(asked, this.#oldest, revision)
    const from = Buffer.from(start)
    const to = Buffer.from(end)
    if (from.compare(to) >= 0) return { kvs: [], count: 0, more: false, revision }
    // What changed after the revision asked for, and what each of those keys was then.
    const replaced = asked === 0 || asked === revision
      ? new Map<string, number>()
      : this.#replacedSince(asked, revision, (key) => inRange(Buffer.from(key), from, to), false)
    if (options.countOnly === true) return { kvs: [], count: this.#count(from, to, replaced), more: false, revision }
    const limit = options.limit === undefined || options.limit === 0 ? Infinity : options.limit
    const kvs: KeyValue[] = []
    for (const found of this.#entries(from, to, replaced)) {
      if (kvs.length >= limit) break
      if (typeof found.entry === 'number') {
        const kv = this.#fromLog(found.entry)
        kvs.push(options.keysOnly === true ? { ...kv, value: nothing } : kv)
      } else kvs.push(options.keysOnly === true ? { key: found.key, value: nothing, ...found.entry } : this.#materialise(found.key, found.entry))
    }
    const count = kvs.length < limit ? kvs.length : this.#count(from, to, replaced)
    return { kvs, count, more: count > kvs.length, revision }
  }

  put(request: PutRequest): Promise<WriteResult> {
    return this.#enqueue(request.value.byteLength, false, (group) => {
      const { key, value, expected } = request
      const leaseId = request.leaseId ?? 0
      if (leaseId !== 0 && !this.#leases.has(leaseId)) throw new LeaseNotFoundError(leaseId)
      const previous = this.#newest(group, key)
      if (expected !== undefined && expected !== (previous?.modRevision ?? 0)) return { ok: false, revision: group.revision, kv: previous }
      const revision = ++group.revision
      const kv: KeyValue = { key, value, createRevision: previous?.createRevision ?? revision, modRevision: revision, version: (previous?.version ?? 0) + 1, leaseId }
      const keyBytes = Buffer.from(key)
      const { index, log } = this.#tables
      group.writes.push(() => {
        void log.put(encodeU48(revision), encodePut(keyBytes, kv, previous?.modRevision ?? 0, value, request.headroomBytes))
        void index.put(keyBytes, encodeIndexEntry(kv))
        this.#writeAttachment(keyBytes, previous?.leaseId ?? 0, leaseId)
      })
      group.newest.set(key, kv)
      group.events.push({ type: 'put', key, kv, previous, revision })
      return { ok: true, revision, previous }
    }, () => checkKey(request.key))
  }

  delete(key: string, options: { expected?: number } = {}): Promise<WriteResult> {
    return this.#enqueue(0, false, (group) => {
      const previous = this.#newest(group, key)
      if (options.expected !== undefined && options.expected !== (previous?.modRevision ?? 0)) return { ok: false, revision: group.revision, kv: previous }
      if (previous !== undefined) this.#deleteIn(group, [previous])
      return { ok: true, revision: group.revision, previous }
    }, () => checkKey(key))
  }

  watch(start: string, end: string, options: WatchOptions): AsyncIterable<StoreEventBatch> {
    return this.#hub.watch(start, end, options)
  }

  async compact(revision: number): Promise<void> {
    this.#checkOpen()
    if (revision > this.#revision) throw new FutureRevisionError(revision, this.#revision)
    while (this.#compacted < revision) await this.#compactPiece(Math.min(revision, this.#compacted + compactPieceRevisions))
  }

  grantLease(ttlSeconds: number): Promise<number> {
    let leaseId = 0
    return this.#enqueue(0, false, (group) => {
      while (leaseId === 0 || this.#leases.has(leaseId)) leaseId = this.#runtime.random.int(2 ** 47)
      group.writes.push(() => void this.#tables.leases.put(encodeU48(leaseId), encodeU48(ttlSeconds)))
      return leaseId
    }, () => checkTtl(ttlSeconds), () => this.#leases.add(leaseId, ttlSeconds))
  }

  async keepAlive(leaseId: number): Promise<void> {
    this.#checkOpen()
    this.#leases.renew(leaseId)
  }

  revokeLease(leaseId: number): Promise<void> {
    return this.#endLease(leaseId)
  }

  async healthy(): Promise<void> {
    const probe = Math.floor(this.#runtime.random.next() * 2 ** 40)
    await this.#enqueue(0, false, (group) => {
      group.writes.push(() => void this.#tables.meta.put(metaProbe, encodeU48(probe)))
    })
    readNumber(this.#tables.meta, metaProbe, 0)
  }

  async sizeBytes(): Promise<number> {
    return (await stat(join(this.#path, 'data.mdb'))).size
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#leases[Symbol.dispose]()
    await this.#pumping
    this.#hub.fail(new StoreClosedError())
    await this.#root.close()
    openPaths.delete(this.#path)
  }

  // Writing

  /** Queues a write; `decide` runs when its group is put together, `done` after the commit, before anybody is told. */
  #enqueue<T>(valueBytes: number, alone: boolean, decide: (group: Group) => T, check?: () => void, done?: () => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#checkOpen()
      check?.()
      this.#queue.push({
        alone, valueBytes, reject,
        decide: (group) => {
          const result = decide(group)
          return () => {
            done?.()
            resolve(result)
          }
        },
      })
      this.#pumping ??= this.#pump()
    })
  }

  async #pump(): Promise<void> {
    // What is called in the same breath goes into the same group.
    await Promise.resolve()
    while (this.#queue.length > 0) await this.#commitGroup(this.#takeGroup())
    this.#pumping = undefined
  }

  #takeGroup(): Job[] {
    let taken = 0
    let valueBytes = 0
    while (taken < this.#queue.length && taken < groupBounds.writes && valueBytes < groupBounds.valueBytes) {
      const job = this.#queue[taken]!
      if (job.alone && taken > 0) break
      taken++
      valueBytes += job.valueBytes
      if (job.alone) break
    }
    return this.#queue.splice(0, taken)
  }

  async #commitGroup(jobs: readonly Job[]): Promise<void> {
    const group = new Group(this.#revision)
    const accepted: { job: Job; settle: () => void }[] = []
    for (const job of jobs) {
      try {
        accepted.push({ job, settle: job.decide(group) })
      } catch (error) {
        job.reject(error)
      }
    }
    try {
      if (group.writes.length > 0) await this.#commit(group)
    } catch (error) {
      const told = commitFailure(error, this.#path, jobs.reduce((sum, job) => sum + job.valueBytes, 0))
      for (const { job } of accepted) job.reject(told)
      return
    }
    this.#revision = group.revision
    for (const event of group.events) this.#leases.move(event.key, event.previous?.leaseId ?? 0, event.kv.leaseId)
    for (const { settle } of accepted) settle()
    if (group.events.length > 0) this.#hub.publish(group.events, group.revision)
  }

  async #commit(group: Group): Promise<void> {
    this.#committing = true
    try {
      await this.#root.batch(() => {
        for (const write of group.writes) write()
        if (group.revision !== this.#revision) void this.#tables.meta.put(metaRevision, encodeU48(group.revision))
      })
    } catch (error) {
      throw await reasonOf(error)
    } finally {
      this.#committing = false
      this.#root.resetReadTxn()
    }
  }

  #newest(group: Group, key: string): KeyValue | undefined {
    if (group.newest.has(key)) return group.newest.get(key)
    const entry = this.#indexEntry(Buffer.from(key))
    return entry === undefined ? undefined : this.#materialise(key, entry)
  }

  #deleteIn(group: Group, kvs: readonly KeyValue[]): void {
    const revision = ++group.revision
    const { index, log } = this.#tables
    const gone = kvs.map((kv) => ({ keyBytes: Buffer.from(kv.key), previous: kv.modRevision, leaseId: kv.leaseId }))
    group.writes.push(() => {
      void log.put(encodeU48(revision), encodeDelete(gone))
      for (const { keyBytes, leaseId } of gone) {
        void index.remove(keyBytes)
        this.#writeAttachment(keyBytes, leaseId, 0)
      }
    })
    for (const kv of kvs) {
      group.newest.set(kv.key, undefined)
      group.events.push({ type: 'delete', key: kv.key, kv: tombstone(kv.key, revision), previous: kv, revision })
    }
  }

  #writeAttachment(keyBytes: Buffer, from: number, to: number): void {
    if (from === to) return
    const { leased } = this.#tables
    if (from !== 0) void leased.remove(Buffer.concat([encodeU48(from), keyBytes]))
    if (to !== 0) void leased.put(Buffer.concat([encodeU48(to), keyBytes]), Buffer.of(0))
  }

  #endLease(leaseId: number): Promise<void> {
    return this.#enqueue(0, true, (group) => {
      const kvs = this.#leases.keysOf(leaseId).flatMap((key) => this.#newest(group, key) ?? [])
      if (kvs.length > 0) this.#deleteIn(group, kvs)
      group.writes.push(() => void this.#tables.leases.remove(encodeU48(leaseId)))
    }, undefined, () => this.#leases.drop(leaseId))
  }

  /** Compacts to `revision` in one commit: drops what was replaced at or before it, and deletions before it. */
  #compactPiece(revision: number): Promise<void> {
    return this.#enqueue(0, true, (group) => {
      const { log, meta } = this.#tables
      const dropped: number[] = []
      this.#oldest = Math.max(this.#oldest, revision)
      for (let at = this.#compacted; at <= revision; at++) {
        const bytes = log.getBinaryFast(encodeU48(at))
        if (bytes === undefined) continue
        for (const { previous } of readChanges(bytes, bytes.length)) if (previous !== 0) dropped.push(previous)
        if (isDelete(bytes) && at < revision) dropped.push(at)
      }
      group.writes.push(() => {
        for (const at of dropped) void log.remove(encodeU48(at))
        void meta.put(metaCompacted, encodeU48(revision))
      })
    }, undefined, () => (this.#compacted = revision))
  }

  // Reading: each of these is synchronous, so that one call of the store sees one transaction

  #checkOpen(): void {
    if (this.#closed) throw new StoreClosedError()
  }

  #visibleRevision(): number {
    return this.#committing ? readNumber(this.#tables.meta, metaRevision, 1) : this.#revision
  }

  #indexEntry(keyBytes: Buffer): IndexEntry | undefined {
    const bytes = this.#tables.index.getBinaryFast(keyBytes)
    return bytes === undefined ? undefined : decodeIndexEntry(bytes)
  }

  #materialise(key: string, entry: IndexEntry): KeyValue {
    const bytes = this.#logBytes(entry.modRevision)
    return { key, value: copyPutValue(bytes, bytes.length), createRevision: entry.createRevision, modRevision: entry.modRevision, version: entry.version, leaseId: entry.leaseId }
  }

  /** The state that the put at `revision` made. */
  #fromLog(revision: number): KeyValue {
    const bytes = this.#logBytes(revision)
    const record = decodeLogRecord(bytes, bytes.length)
    if (record.type !== 'put') throw new Error(`the store in ${this.#path} is damaged: revision ${revision} should be a put`)
    return { key: record.key, value: record.value, modRevision: revision, ...record.entry }
  }

  /** Valid until the next read. */
  #logBytes(revision: number): Buffer {
    const bytes = this.#tables.log.getBinaryFast(encodeU48(revision))
    if (bytes === undefined) throw new Error(`the store in ${this.#path} is damaged: revision ${revision} is missing from its log`)
    return bytes
  }

  /** For each wanted key changed in (`asked`, `newest`], the revision of what it was at `asked`; 0: it was absent. */
  #replacedSince(asked: number, newest: number, wanted: (key: string) => boolean, firstOnly: boolean): Map<string, number> {
    const replaced = new Map<string, number>()
    for (let at = asked + 1; at <= newest; at++) {
      const bytes = this.#logBytes(at)
      for (const { key, previous } of readChanges(bytes, bytes.length)) {
        if (replaced.has(key) || !wanted(key)) continue
        replaced.set(key, previous)
        if (firstOnly) return replaced
      }
    }
    return replaced
  }

  #count(from: Buffer, to: Buffer, replaced: ReadonlyMap<string, number>): number {
    let count = this.#tables.index.getCount({ start: from, end: to })
    for (const [key, previous] of replaced) count += (previous === 0 ? 0 : 1) - (this.#tables.index.doesExist(Buffer.from(key)) ? 1 : 0)
    return count
  }

  /** What stands in [`from`, `to`) in order of key: from the index, or where `replaced` knows better, a revision of the log. */
  *#entries(from: Buffer, to: Buffer, replaced: ReadonlyMap<string, number>): Generator<{ key: string; entry: IndexEntry | number }> {
    const old = [...replaced].filter(([, previous]) => previous !== 0).map(([key, entry]) => ({ keyBytes: Buffer.from(key), key, entry }))
    old.sort((a, b) => a.keyBytes.compare(b.keyBytes))
    let next = 0
    for (const { key: keyBytes, value } of this.#tables.index.getRange({ start: from, end: to })) {
      while (next < old.length && old[next]!.keyBytes.compare(keyBytes) <= 0) yield old[next++]!
      const key = keyBytes.toString()
      if (!replaced.has(key)) yield { key, entry: decodeIndexEntry(value) }
    }
    yield* old.slice(next)
  }

  #readLog(from: number, upTo: number): { events: StoreEvent[]; next: number } {
    this.#checkOpen()
    if (from < this.#oldest) throw new CompactedError(this.#oldest)
    const events: StoreEvent[] = []
    let valueBytes = 0
    let at = from
    for (; at <= upTo && at - from < logPiece.revisions && valueBytes < logPiece.valueBytes; at++) {
      const bytes = this.#tables.log.getBinaryFast(encodeU48(at))
      // An untouched store stands at revision 1 with no change to show for it.
      if (bytes === undefined) continue
      const record = decodeLogRecord(bytes, bytes.length)
      if (record.type === 'put') {
        const kv: KeyValue = { key: record.key, value: record.value, modRevision: at, ...record.entry }
        events.push({ type: 'put', key: record.key, kv, previous: this.#kept(record.previous), revision: at })
        valueBytes += record.value.byteLength
      } else {
        for (const { key, previous } of record.keys) events.push({ type: 'delete', key, kv: tombstone(key, at), previous: this.#kept(previous), revision: at })
      }
    }
    return { events, next: at }
  }

  /** The state that the put at `revision` made, unless it is 0 or compacted away. */
  #kept(revision: number): KeyValue | undefined {
    return revision !== 0 && this.#tables.log.doesExist(encodeU48(revision)) ? this.#fromLog(revision) : undefined
  }
}

function readNumber(table: Database<Buffer, Buffer>, key: Buffer, otherwise: number): number {
  const bytes = table.getBinaryFast(key)
  return bytes === undefined ? otherwise : decodeU48(bytes)
}

function inRange(key: Buffer, from: Buffer, to: Buffer): boolean {
  return key.compare(from) >= 0 && key.compare(to) < 0
}

/** lmdb-js rejects with an error that holds the promise of the real one. */
async function reasonOf(error: unknown): Promise<unknown> {
  const { commitError } = error as { commitError?: PromiseLike<unknown> }
  if (commitError === undefined) return error
  try {
    await commitError
    return error
  } catch (reason) {
    return reason
  }
}

/** Less free space than this, and a write cut short is put down to a full disk: LMDB reports it as an I/O error. */
const fullBelowBytes = 1024 * 1024

function commitFailure(error: unknown, path: string, neededBytes: number): Error {
  const text = error instanceof Error ? error.message : String(error)
  if (/No space left|MDB_MAP_FULL|quota exceeded/i.test(text) || (/Input\/output error/.test(text) && freeBytes(path) < fullBelowBytes + 2 * neededBytes)) {
    return new StoreFullError(`the disk that holds the store in ${path} is full, so nothing was written; free some space and try again`, { cause: error })
  }
  return new Error(`the store in ${path} could not write: ${text}`, { cause: error })
}

function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize
}
