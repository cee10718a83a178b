import { errors } from '../machinery/status.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { CompactedError, prefixEnd, type Store, type StoreEvent } from '../store/store.ts'
import { entryOf } from './stored-object.ts'
import { WatchCache } from './watch-cache.ts'

const root = '/registry/'
/** How long a read waits for the cache to reach the revision it needs (upstream: `blockTimeout`). */
const freshnessTimeoutMs = 3_000
const restartDelayMs = 200
const bookmarkPeriodMs = 60_000
/** Watches are not ended slower than this when the server stops (upstream: 200). */
const minEndedPerSecond = 200
const endStepMs = 50

interface Slot { cache: WatchCache; ready: Promise<void>; isReady: boolean; /** Events that came while the cache loads. */ early: StoreEvent[] | undefined; /** Something came that can only be read: it is loaded once more. */ isOutdated: boolean }

/**
 * All watch caches, fed by one watch of the store. A cache is loaded when first asked for, and lives as long as the server.
 * When the store's watch is lost, every cache is loaded anew and its watchers are ended.
 */
export class WatchCaches {
  readonly #store: Store
  readonly #runtime: Runtime
  readonly #signal: AbortSignal
  readonly #slots = new Map<string, Slot>()
  /** Newest revision written here, by prefix: what a read that starts now must see. */
  readonly #written = new Map<string, number>()
  readonly #isShared: boolean
  /** How far the store's watch has come; 0 before it began. */
  #revision = 0
  /** The question for the store's revision that is under way, and the one to be sent after it. */
  #asking: Promise<number> | undefined
  #askNext: Promise<number> | undefined
  readonly #started = Promise.withResolvers<void>()
  #bookmarkTimer: Disposable
  readonly done: Promise<void>

  /** The store's watch runs from construction until `signal` aborts. */
  constructor(store: Store, runtime: Runtime, signal: AbortSignal) {
    this.#store = store
    this.#runtime = runtime
    this.#signal = signal
    this.#isShared = store.driver === 'etcd'
    this.#bookmarkTimer = runtime.clock.interval(bookmarkPeriodMs, () => this.#bookmark(), { background: true })
    this.done = this.#run()
  }

  /** Resolves with the loaded cache. */
  async cache(prefix: string): Promise<WatchCache> {
    const slot = this.#slots.get(prefix) ?? this.#open(prefix)
    if (!slot.isReady) await slot.ready
    return slot.cache
  }

  /** The cache if it is loaded. */
  peek(prefix: string): WatchCache | undefined {
    const slot = this.#slots.get(prefix)
    return slot?.isReady === true ? slot.cache : undefined
  }

  /** The cache, holding every write acknowledged before the call. */
  async fresh(prefix: string): Promise<WatchCache> {
    const cache = this.peek(prefix) ?? (await this.cache(prefix))
    const needed = this.#isShared ? await this.#sharedRevision() : (this.#written.get(prefix) ?? 0)
    if (cache.revision < needed) await this.waitFor(cache, needed)
    return cache
  }

  /**
   * The revision of a store that others write to as well. Calls made while a question is under way share the next one: an
   * answer counts only for whoever asked before the question was sent.
   */
  #sharedRevision(): Promise<number> {
    if (this.#asking === undefined) return (this.#asking = this.#ask())
    return (this.#askNext ??= this.#asking.then(() => undefined, () => undefined).then(() => {
      this.#askNext = undefined
      return (this.#asking = this.#ask())
    }))
  }

  async #ask(): Promise<number> {
    try {
      return await this.#store.currentRevision()
    } finally {
      this.#asking = undefined
    }
  }

  /** `fresh` without waiting: undefined when it cannot be answered at once. */
  freshNow(prefix: string): WatchCache | undefined {
    if (this.#isShared) return undefined
    const cache = this.peek(prefix)
    return cache !== undefined && cache.revision >= (this.#written.get(prefix) ?? 0) ? cache : undefined
  }

  /** Waits for a revision; rejects with Timeout (`Too large resource version`) when it does not come. */
  async waitFor(cache: WatchCache, revision: number): Promise<void> {
    if (cache.revision >= revision) return
    const late = Promise.withResolvers<void>()
    using _timer = this.#runtime.clock.timer(freshnessTimeoutMs, () => late.reject(tooLarge(revision, cache.revision)))
    await Promise.race([cache.whenAt(revision), late.promise])
  }

  /** Says that a write of this revision has been acknowledged. */
  noteWrite(prefix: string, revision: number): void {
    if (revision > (this.#written.get(prefix) ?? 0)) this.#written.set(prefix, revision)
  }

  /** Ends all watches, at most so many in a second: their clients come back, here or elsewhere. */
  async endWatches(graceMs: number): Promise<void> {
    const watchers = [...this.#slots.values()].flatMap(({ cache }) => [...cache.watchers()])
    const perStep = Math.ceil((Math.max(minEndedPerSecond, watchers.length / (graceMs / 1000)) * endStepMs) / 1000)
    for (let at = 0; at < watchers.length; at += perStep) {
      if (at > 0) await this.#runtime.clock.sleep(endStepMs)
      for (const watcher of watchers.slice(at, at + perStep)) watcher.end()
    }
  }

  [Symbol.dispose](): void {
    this.#bookmarkTimer[Symbol.dispose]()
    for (const { cache } of this.#slots.values()) for (const watcher of cache.watchers()) watcher.end()
  }

  /** Forgets a cache whose resource is gone; its watchers are ended. */
  drop(prefix: string): void {
    this.endWatchesOf(prefix)
    this.#slots.delete(prefix)
  }

  /** Ends the watches below a prefix, as when their time is up. */
  endWatchesOf(prefix: string): void {
    for (const watcher of this.#slots.get(prefix)?.cache.watchers() ?? []) watcher.end()
  }

  #open(prefix: string): Slot {
    const slot: Slot = { cache: new WatchCache(prefix), ready: Promise.resolve(), isReady: false, early: [], isOutdated: false }
    this.#slots.set(prefix, slot)
    slot.ready = this.#load(slot)
    // A failed load is reported to whoever waits, and tried again by the next who asks.
    slot.ready.catch(() => {
      if (this.#slots.get(prefix) === slot) this.#slots.delete(prefix)
    })
    return slot
  }

  async #load(slot: Slot): Promise<void> {
    const { prefix } = slot.cache
    slot.isReady = false
    await this.#started.promise
    do {
      slot.early = []
      slot.isOutdated = false
      const { kvs, revision } = await this.#store.range(prefix, prefixEnd(prefix))
      slot.cache.reset(kvs.map((kv) => entryOf(kv, prefix)), revision)
      for (const event of slot.early) slot.cache.apply(event)
    } while (slot.isOutdated)
    slot.early = undefined
    slot.cache.advance(this.#revision)
    slot.isReady = true
  }

  async #run(): Promise<void> {
    const { log, clock } = this.#runtime
    while (!this.#signal.aborted) {
      try {
        if (this.#revision === 0) await this.#begin()
        for await (const batch of this.#store.watch(root, prefixEnd(root), { fromRevision: this.#revision + 1, signal: this.#signal })) this.#apply(batch.events, batch.revision)
        if (this.#signal.aborted) return
        log.warn('the watch of the store ended; resuming it', { revision: this.#revision })
      } catch (err) {
        if (this.#signal.aborted) return
        log.error('the watch of the store failed; resuming it', { revision: this.#revision, err })
        if (err instanceof CompactedError) this.#revision = 0
      }
      await clock.sleep(restartDelayMs, this.#signal).catch(() => undefined)
    }
  }

  /** Finds where the watch starts; what is cached is read again, for it may have missed changes. */
  async #begin(): Promise<void> {
    this.#revision = await this.#store.currentRevision()
    this.#started.resolve()
    if (this.#slots.size > 0) this.#reload()
  }

  #reload(): void {
    for (const slot of this.#slots.values()) if (slot.isReady) this.#reloadSlot(slot)
  }

  /** Reads a cache anew; one that is being read is read once more. */
  #reloadSlot(slot: Slot): void {
    if (slot.early !== undefined) {
      slot.isOutdated = true
      return
    }
    const { prefix } = slot.cache
    slot.ready = this.#load(slot)
    slot.ready.catch((err: unknown) => {
      this.#runtime.log.error('a watch cache could not be loaded', { prefix, err })
      for (const watcher of slot.cache.watchers()) watcher.end()
      if (this.#slots.get(prefix) === slot) this.#slots.delete(prefix)
    })
  }

  #apply(events: readonly StoreEvent[], revision: number): void {
    for (const event of events) {
      const slot = this.#slotOf(event.key)
      if (slot === undefined) continue
      // What cannot be read at once is read with all of its resource, beside the others.
      if (event.isUnread === true) this.#reloadSlot(slot)
      else if (slot.early !== undefined) slot.early.push(event)
      else slot.cache.apply(event)
    }
    if (revision > this.#revision) this.#revision = revision
    for (const slot of this.#slots.values()) if (slot.isReady) slot.cache.advance(revision)
  }

  /** Prefixes have two parts (`/registry/pods/`) or three (`/registry/services/specs/`). */
  #slotOf(key: string): Slot | undefined {
    const second = key.indexOf('/', root.length) + 1
    return this.#slots.get(key.slice(0, second)) ?? this.#slots.get(key.slice(0, key.indexOf('/', second) + 1))
  }

  #bookmark(): void {
    for (const { cache } of this.#slots.values()) {
      for (const watcher of cache.watchers()) if (watcher.bookmarks) watcher.bookmark(cache.revision)
    }
  }
}

export function tooLarge(revision: number, current: number): Error {
  const error = errors.timeout(`Timeout: Too large resource version: ${revision}, current: ${current}`, 1)
  error.status.details = { retryAfterSeconds: 1, causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }] }
  return error
}
