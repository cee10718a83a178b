import type { Clock } from '../runtime/clock.ts'
import { byteForm } from './keys.ts'
import { CompactedError, SlowWatcherError, watchBounds, type StoreEvent, type StoreEventBatch, type WatchOptions } from './store.ts'

/** Events in order; `next` is the first revision not read. */
export interface LogPiece { events: StoreEvent[]; next: number }

/** What the hub reads history from. Events of a revision are never parted. */
export interface EventLog {
  /** The oldest revision kept, as far as is known. */
  oldest(): number
  /** All events of revisions `from` to `upTo`, or the first of them. Throws or rejects with `CompactedError`. */
  read(from: number, upTo: number): LogPiece | Promise<LogPiece>
}

/** Watchers of one range: what they get is picked out once and shared. */
interface Group { start: string; end: string; live: Set<Watcher> }

/** After a change, progress waits for a turn of the event loop without one, but for no more turns than this. */
const maxQuietTurns = 16

/**
 * Delivers the changes of an embedded store to its watchers.
 *
 * A watcher is *behind* while what it wants next is older than the newest published revision: then every `next()` reads a
 * piece of the log, nothing is queued, and its only risk is compaction. Once it has read all that is published it is *live*:
 * each publication is picked once for every distinct range and queued with all live watchers of that range, within
 * `watchBounds`. Both steps run without an `await` between, so nothing is lost or doubled at the seam.
 *
 * Example: published up to 7; a watcher from 5 reads 5..7 from the log and goes live at 8. Revision 8 touches another range:
 * when the event loop has had a quiet turn it receives `{ events: [], revision: 8 }`.
 */
export class WatchHub {
  readonly #clock: Clock
  readonly #log: EventLog
  readonly #groups = new Map<string, Group>()
  readonly #watchers = new Set<Watcher>()
  #revision: number
  #failure: Error | undefined
  #progressDue = false
  #changedInTurn = false
  /** The piece of log read last: watchers that start together read it once. */
  #lastRead: { from: number; upTo: number; piece: LogPiece | Promise<LogPiece> } | undefined

  constructor(clock: Clock, log: EventLog, revision: number) {
    this.#clock = clock
    this.#log = log
    this.#revision = revision
  }

  /** Up to where changes have been published. */
  get revision(): number { return this.#revision }

  /** Hands on `events`, which are all changes after the last publication up to `revision`, in order. */
  publish(events: StoreEvent[], revision: number): void {
    this.#revision = revision
    this.#lastRead = undefined
    if (this.#groups.size === 0) return
    const keys = events.map((event) => byteForm(event.key))
    for (const group of this.#groups.values()) {
      if (group.live.size === 0) continue
      const picked = events.filter((_, i) => keys[i]! >= group.start && keys[i]! < group.end)
      if (picked.length === 0) continue
      let sizeBytes = 0
      for (const event of picked) sizeBytes += event.kv.value.byteLength
      const batch = { events: picked, revision }
      for (const watcher of group.live) watcher.push(batch, sizeBytes)
    }
    this.#changedInTurn = true
    if (this.#progressDue) return
    this.#progressDue = true
    this.#clock.immediate(() => this.#progress(maxQuietTurns))
  }

  /** `newest` is the newest revision known to exist, when that is more than what has been published. */
  watch(start: string, end: string, options: WatchOptions, newest = this.#revision): AsyncIterable<StoreEventBatch> {
    const from = options.fromRevision === undefined || options.fromRevision === 0 ? newest + 1 : options.fromRevision
    const watcher = new Watcher(this, byteForm(start), byteForm(end), from, options.signal)
    if (options.signal.aborted) return watcher
    this.#watchers.add(watcher)
    if (this.#failure !== undefined) watcher.fail(this.#failure)
    else if (from < this.#log.oldest()) watcher.fail(new CompactedError(this.#log.oldest()))
    else if (from > this.#revision) watcher.goLive()
    return watcher
  }

  /** Ends every watch with `error`, and goes on from `revision`: what came between is lost. */
  skipTo(revision: number, error: Error): void {
    this.#revision = revision
    this.#lastRead = undefined
    for (const watcher of this.#watchers) watcher.fail(error)
  }

  /** Ends every watch, and every later one, with `error`. */
  fail(error: Error): void {
    this.#failure = error
    for (const watcher of this.#watchers) watcher.fail(error)
  }

  /** For watchers: `watcher` has ended. */
  forget(watcher: Watcher): void { this.#watchers.delete(watcher) }

  /** For watchers: from now on `watcher` gets what is published. */
  goLive(watcher: Watcher): void {
    const id = groupId(watcher.start, watcher.end)
    let group = this.#groups.get(id)
    if (group === undefined) this.#groups.set(id, (group = { start: watcher.start, end: watcher.end, live: new Set() }))
    group.live.add(watcher)
  }

  /** For watchers: `watcher` gets nothing any more. */
  leave(watcher: Watcher): void {
    const id = groupId(watcher.start, watcher.end)
    const group = this.#groups.get(id)
    group?.live.delete(watcher)
    if (group?.live.size === 0) this.#groups.delete(id)
  }

  /** For watchers that are behind: the next piece of history. */
  readLog(from: number): LogPiece | Promise<LogPiece> {
    const last = this.#lastRead
    if (last !== undefined && last.from === from && last.upTo === this.#revision && from >= this.#log.oldest()) return last.piece
    const piece = this.#log.read(from, this.#revision)
    this.#lastRead = { from, upTo: this.#revision, piece }
    return piece
  }

  #progress(turnsLeft: number): void {
    if (this.#changedInTurn && turnsLeft > 0) {
      this.#changedInTurn = false
      this.#clock.immediate(() => this.#progress(turnsLeft - 1))
      return
    }
    this.#progressDue = false
    for (const group of this.#groups.values()) for (const watcher of group.live) watcher.progress(this.#revision)
  }
}

function groupId(start: string, end: string): string {
  return `${start.length}:${start}${end}`
}

type Waiting = { resolve: (result: IteratorResult<StoreEventBatch>) => void; reject: (error: Error) => void }

/** One watch: its own iterator, and a queue that is bounded by `watchBounds`. */
class Watcher implements AsyncIterableIterator<StoreEventBatch> {
  readonly start: string
  readonly end: string
  readonly #hub: WatchHub
  readonly #signal: AbortSignal
  readonly #onAbort = (): void => this.#finish(undefined)
  /** The next revision that the consumer has not been given. */
  #next: number
  #live = false
  #queue: StoreEventBatch[] = []
  #queuedEvents = 0
  #queuedBytes = 0
  #waiting: Waiting | undefined
  /** Set when nothing more is queued: the error to throw once, or undefined. */
  #ended: { error: Error | undefined } | undefined

  constructor(hub: WatchHub, start: string, end: string, next: number, signal: AbortSignal) {
    this.#hub = hub
    this.start = start
    this.end = end
    this.#next = next
    this.#signal = signal
    if (signal.aborted) this.#ended = { error: undefined }
    else signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  [Symbol.asyncIterator](): this { return this }

  /** The watch wants nothing older than what comes next. */
  goLive(): void {
    if (this.#ended !== undefined || this.#live) return
    this.#live = true
    this.#hub.goLive(this)
  }

  push(batch: StoreEventBatch, sizeBytes: number): void {
    if (batch.revision < this.#next) return
    const wanted = batch.events[0]!.revision < this.#next ? { events: batch.events.filter((event) => event.revision >= this.#next), revision: batch.revision } : batch
    if (wanted.events.length === 0) return
    if (this.#waiting !== undefined) return this.#give(wanted)
    this.#queuedEvents += wanted.events.length
    this.#queuedBytes += sizeBytes
    if (this.#queuedEvents > watchBounds.queuedEvents || this.#queuedBytes > watchBounds.queuedBytes) {
      this.#queue = []
      this.fail(new SlowWatcherError(this.#queuedEvents, this.#queuedBytes))
    } else this.#queue.push(wanted)
  }

  /** Everything up to `revision` has been published. */
  progress(revision: number): void {
    if (this.#waiting !== undefined && revision >= this.#next) this.#give({ events: [], revision })
  }

  /** What is queued is still delivered, then `error` is thrown. */
  fail(error: Error): void { this.#finish(error) }

  next(): Promise<IteratorResult<StoreEventBatch>> {
    if (this.#waiting !== undefined) return Promise.reject(new Error('a watch has one reader: await next() before calling it again'))
    if (this.#queue.length > 0) return Promise.resolve({ done: false, value: this.#takeQueued() })
    if (this.#ended === undefined && !this.#live) this.#catchUp()
    if (this.#queue.length > 0) return Promise.resolve({ done: false, value: this.#takeQueued() })
    if (this.#ended !== undefined) return this.#takeEnd()
    if (this.#live && this.#hub.revision >= this.#next) {
      return Promise.resolve({ done: false, value: this.#advance({ events: [], revision: this.#hub.revision }) })
    }
    return new Promise((resolve, reject) => (this.#waiting = { resolve, reject }))
  }

  return(): Promise<IteratorResult<StoreEventBatch>> {
    this.#queue = []
    this.#finish(undefined)
    return Promise.resolve({ done: true, value: undefined })
  }

  #give(batch: StoreEventBatch): void {
    const waiting = this.#waiting!
    this.#waiting = undefined
    waiting.resolve({ done: false, value: this.#advance(batch) })
  }

  #advance(batch: StoreEventBatch): StoreEventBatch {
    this.#next = batch.revision + 1
    return batch
  }

  /** All that is queued as one batch. */
  #takeQueued(): StoreEventBatch {
    const queue = this.#queue
    this.#queue = []
    this.#queuedEvents = 0
    this.#queuedBytes = 0
    if (queue.length === 1) return this.#advance(queue[0]!)
    return this.#advance({ events: queue.flatMap((batch) => batch.events), revision: queue.at(-1)!.revision })
  }

  #takeEnd(): Promise<IteratorResult<StoreEventBatch>> {
    const error = this.#ended?.error
    this.#ended = { error: undefined }
    return error === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(error)
  }

  /** Goes live, or fetches the next piece of history: into the queue if it is at hand, otherwise to whoever waits. */
  #catchUp(): void {
    if (this.#next > this.#hub.revision) return this.goLive()
    try {
      const piece = this.#hub.readLog(this.#next)
      if (!(piece instanceof Promise)) this.#queue.push(this.#pick(piece))
      else piece.then((read) => { if (this.#waiting !== undefined) this.#give(this.#pick(read)) }, (error: unknown) => this.fail(asError(error)))
    } catch (error) {
      this.fail(asError(error))
    }
  }

  #pick({ events, next }: LogPiece): StoreEventBatch {
    return { events: events.filter((event) => inRange(byteForm(event.key), this.start, this.end)), revision: next - 1 }
  }

  #finish(error: Error | undefined): void {
    if (this.#ended !== undefined) return
    this.#ended = { error }
    if (error === undefined) this.#queue = []
    this.#signal.removeEventListener('abort', this.#onAbort)
    if (this.#live) this.#hub.leave(this)
    this.#hub.forget(this)
    const waiting = this.#waiting
    this.#waiting = undefined
    if (waiting === undefined) return
    this.#ended = { error: undefined }
    if (error === undefined) waiting.resolve({ done: true, value: undefined })
    else waiting.reject(error)
  }
}

function inRange(key: string, start: string, end: string): boolean {
  return key >= start && key < end
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
