import type { OpenObject } from '../machinery/object.ts'
import type { StoreEvent } from '../store/store.ts'
import type { Selection } from './selection.ts'
import { FieldIndex } from './field-index.ts'
import { selects } from './selection.ts'
import { SortedKeys } from './sorted-keys.ts'
import { entryOf, type StoredEntry } from './stored-object.ts'
import { Watcher } from './watcher.ts'

/**
 * Everything stored under one prefix, and what changed lately.
 *
 * 1. `entries` and `keys` hold the state at `revision`: every event up to it has been applied, in order.
 * 2. Each event later than `oldestRevision` is in `history`; a watch may start from any revision at or after it.
 * 3. A watcher is offered each event after its start once, in order, or it is ended.
 */

/** One change as watchers see it. For a deletion `entry` is the last state under the revision of the deletion. */
export interface CacheEvent { readonly type: 'put' | 'delete'; readonly revision: number; readonly entry: StoredEntry; readonly previous: StoredEntry | undefined }

/** One line of a watch: shared by all watchers that are shown the event the same way. */
export interface WatchItem { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly entry: StoredEntry; /** Part of the state a watch begins with. */ readonly initial?: true }

export interface HistoryLimits { events: number; sizeBytes: number }
/** Entries changed longer ago than this many events, or bytes of them, keep their bytes only: hardly anyone still reads the rest. */
const warmLimits: HistoryLimits = { events: 2048, sizeBytes: 6 << 20 }
const defaultLimits: HistoryLimits = { events: 8192, sizeBytes: 24 << 20 }

export class WatchCache {
  readonly prefix: string
  /** What has happened here, for the metrics. */
  readonly counts: { readonly capacity: number; received: number; dispatched: number; initializations: number; initEvents: number; terminatedWatchers: number; lists: number; listed: number; fetched: number }
  /** Rises with every event, and with progress of the store's watch. */
  revision = 0
  oldestRevision = 0
  readonly entries = new Map<string, StoredEntry>()
  /** Keys in byte order. */
  readonly #keys = new SortedKeys()
  #history: CacheEvent[] = []
  #historyStart = 0
  #historyBytes = 0
  /** Events from here on are warm: their entries keep what has been made of them. */
  #warmStart = 0
  #warmBytes = 0
  readonly #limits: HistoryLimits
  /** The revision of the range read it began with. */
  #loadRevision = 0
  readonly #watchers = new Set<Watcher>()
  /** Watchers without a single name or indexed field. */
  readonly #general = new Set<Watcher>()
  readonly #byName = new Map<string, Set<Watcher>>()
  readonly #byField = new Map<string, { read(object: Readonly<OpenObject>): string; byValue: Map<string, Set<Watcher>> }>()
  /** Of fields that lists have asked for. */
  readonly #indexes = new Map<string, FieldIndex>()
  readonly #waiting: { revision: number; resolve: () => void }[] = []
  readonly #listeners = new Set<(event: CacheEvent) => void>()

  constructor(prefix: string, limits: HistoryLimits = defaultLimits) {
    this.prefix = prefix
    this.#limits = limits
    this.counts = { capacity: limits.events, received: 0, dispatched: 0, initializations: 0, initEvents: 0, terminatedWatchers: 0, lists: 0, listed: 0, fetched: 0 }
  }

  /** Begins anew with what the store held at `revision`; entries in order of their keys. Watchers are ended: they list again. */
  reset(entries: readonly StoredEntry[], revision: number): void {
    for (const watcher of this.#watchers) watcher.end()
    const before = this.#listeners.size === 0 ? undefined : new Map(this.entries)
    this.entries.clear()
    this.#keys.reset(entries.map((entry) => entry.key))
    for (const entry of entries) this.entries.set(entry.key, entry)
    this.#indexes.clear()
    this.counts.initializations++
    this.counts.initEvents += entries.length
    this.#history = []
    this.#historyStart = 0
    this.#historyBytes = 0
    this.#warmStart = 0
    this.#warmBytes = 0
    this.oldestRevision = revision
    this.#loadRevision = revision
    this.revision = 0
    this.advance(revision)
    if (before !== undefined) this.#tellDifferences(before, revision)
  }

  /** Listeners outlive a reset: they are told what is different now. */
  #tellDifferences(before: ReadonlyMap<string, StoredEntry>, revision: number): void {
    const tell = (event: CacheEvent): void => {
      for (const listener of this.#listeners) listener(event)
    }
    for (const [key, previous] of before) {
      if (!this.entries.has(key)) tell({ type: 'delete', revision, entry: previous.at(revision), previous })
    }
    for (const [key, entry] of this.entries) {
      const previous = before.get(key)
      if (previous?.revision !== entry.revision) tell({ type: 'put', revision: entry.revision, entry, previous })
    }
  }

  /** Applies one change of the store. */
  apply(event: StoreEvent): void {
    if (event.revision <= this.#loadRevision) return
    this.counts.received++
    const key = event.key.slice(this.prefix.length)
    const previous = this.entries.get(key)
    if (event.type === 'put' && event.kv !== undefined) {
      if (previous !== undefined && previous.revision >= event.revision) return
      const entry = entryOf(event.kv, this.prefix)
      this.entries.set(key, entry)
      if (previous === undefined) this.#keys.add(key)
      if (this.#indexes.size > 0) for (const index of this.#indexes.values()) index.note(key, entry.object())
      this.#record({ type: 'put', revision: event.revision, entry, previous })
    } else {
      if (previous === undefined) return
      this.entries.delete(key)
      this.#keys.delete(key)
      for (const index of this.#indexes.values()) index.note(key, undefined)
      this.#record({ type: 'delete', revision: event.revision, entry: previous.at(event.revision), previous })
    }
  }

  /** Everything up to `revision` has been applied. */
  advance(revision: number): void {
    if (revision <= this.revision) return
    this.revision = revision
    if (this.#waiting.length === 0) return
    for (let at = this.#waiting.length - 1; at >= 0; at--) {
      if (this.#waiting[at]!.revision <= revision) this.#waiting.splice(at, 1)[0]!.resolve()
    }
  }

  /** Resolves when `revision` has been reached. */
  whenAt(revision: number): Promise<void> {
    if (this.revision >= revision) return Promise.resolve()
    return new Promise((resolve) => void this.#waiting.push({ revision, resolve }))
  }

  onEvent(listener: (event: CacheEvent) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  #record(event: CacheEvent): void {
    this.#history.push(event)
    this.#historyBytes += event.entry.bytes.length
    this.#warmBytes += event.entry.bytes.length
    while (this.#history.length - this.#warmStart > warmLimits.events || this.#warmBytes > warmLimits.sizeBytes) {
      const { entry } = this.#history[this.#warmStart++]!
      this.#warmBytes -= entry.bytes.length
      entry.release()
    }
    while (this.#history.length - this.#historyStart > this.#limits.events || this.#historyBytes > this.#limits.sizeBytes) {
      const dropped = this.#history[this.#historyStart]!
      this.oldestRevision = dropped.revision
      this.#historyBytes -= dropped.entry.bytes.length
      if (this.#warmStart === this.#historyStart) {
        this.#warmStart++
        this.#warmBytes -= dropped.entry.bytes.length
      }
      this.#historyStart++
      if (this.#historyStart === this.#history.length) break
    }
    if (this.#historyStart > 1024 && this.#historyStart * 2 > this.#history.length) {
      this.#history = this.#history.slice(this.#historyStart)
      this.#warmStart -= this.#historyStart
      this.#historyStart = 0
    }
    // Whoever waits for this revision has waited long enough: nothing else may come for a while.
    this.advance(event.revision)
    this.#dispatch(event)
    for (const listener of this.#listeners) listener(event)
  }

  #dispatch(event: CacheEvent): void {
    this.counts.dispatched++
    const shared: SharedItems = { added: undefined, modified: undefined, deleted: undefined }
    for (const watcher of this.#general) watcher.offer(itemFor(watcher, event, shared))
    const named = this.#byName.get(event.entry.name)
    if (named !== undefined) for (const watcher of named) watcher.offer(itemFor(watcher, event, shared))
    for (const index of this.#byField.values()) {
      const now = index.read(event.entry.object())
      const before = event.previous === undefined ? now : index.read(event.previous.object())
      for (const watcher of index.byValue.get(now) ?? []) watcher.offer(itemFor(watcher, event, shared))
      if (before !== now) for (const watcher of index.byValue.get(before) ?? []) watcher.offer(itemFor(watcher, event, shared))
    }
  }

  /** A watcher of all changes after `fromRevision`, which must not be older than `oldestRevision`. */
  watch(selection: Selection, view: (entry: StoredEntry) => Readonly<OpenObject>, fromRevision: number): Watcher {
    const watcher = new Watcher(selection, view, () => {
      if (watcher.overflowed) this.counts.terminatedWatchers++
      this.#remove(watcher)
    })
    const shared = (): SharedItems => ({ added: undefined, modified: undefined, deleted: undefined })
    for (let at = this.#firstAfter(fromRevision); at < this.#history.length; at++) watcher.backlog(itemFor(watcher, this.#history[at]!, shared()))
    watcher.fromRevision = fromRevision
    this.#watchers.add(watcher)
    this.#bucketOf(selection, true)!.add(watcher)
    return watcher
  }

  /** Entries selected, in key order, from `startKey` on. */
  *select(selection: Selection, view: (entry: StoredEntry) => Readonly<OpenObject>, startKey = ''): Generator<StoredEntry> {
    if (selection.name !== undefined && selection.namespace !== '') {
      const entry = this.entries.get(`${selection.namespace}/${selection.name}`)
      if (entry !== undefined && entry.key >= startKey && selects(selection, entry, view)) yield entry
      return
    }
    const first = selection.namespace === '' ? '' : `${selection.namespace}/`
    const from = first > startKey ? first : startKey
    const keys = selection.index === undefined ? this.#keys.from(from) : this.#indexFor(selection.index).keys(selection.index.value, from)
    for (const key of keys) {
      const entry = this.entries.get(key)!
      this.counts.fetched++
      if (selection.namespace !== '' && entry.namespace !== selection.namespace) return
      if (selects(selection, entry, view)) yield entry
    }
  }

  #indexFor({ field, read }: NonNullable<Selection['index']>): FieldIndex {
    let index = this.#indexes.get(field)
    if (index === undefined) {
      this.#indexes.set(field, (index = new FieldIndex(read)))
      for (const entry of this.entries.values()) index.note(entry.key, entry.object())
    }
    return index
  }

  /** How many entries of a namespace ('' for all) have keys from `startKey` on. */
  count(namespace: string, startKey = ''): number {
    const first = namespace === '' ? '' : `${namespace}/`
    const end = namespace === '' ? this.#keys.size : this.#keys.rank(`${namespace}0`)
    return Math.max(end - this.#keys.rank(first > startKey ? first : startKey), 0)
  }

  /** Whether the state at `revision` is the state now. */
  isUnchangedSince(revision: number): boolean {
    return revision <= this.revision && revision >= this.oldestRevision && this.#firstAfter(revision) === this.#history.length
  }

  get watcherCount(): number {
    return this.#watchers.size
  }

  watchers(): Iterable<Watcher> {
    return this.#watchers
  }

  #firstAfter(revision: number): number {
    let low = this.#historyStart
    let high = this.#history.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#history[middle]!.revision <= revision) low = middle + 1
      else high = middle
    }
    return low
  }

  #bucketOf(selection: Selection, make: boolean): Set<Watcher> | undefined {
    if (selection.name !== undefined) return bucket(this.#byName, selection.name, make)
    if (selection.index === undefined) return this.#general
    let index = this.#byField.get(selection.index.field)
    if (index === undefined) this.#byField.set(selection.index.field, (index = { read: selection.index.read, byValue: new Map() }))
    return bucket(index.byValue, selection.index.value, make)
  }

  #remove(watcher: Watcher): void {
    this.#watchers.delete(watcher)
    const { selection } = watcher
    const set = this.#bucketOf(selection, false)
    set?.delete(watcher)
    if (set?.size !== 0 || set === this.#general) return
    if (selection.name !== undefined) {
      this.#byName.delete(selection.name)
    } else if (selection.index !== undefined) {
      const index = this.#byField.get(selection.index.field)
      index?.byValue.delete(selection.index.value)
      if (index?.byValue.size === 0) this.#byField.delete(selection.index.field)
    }
  }
}

function bucket(map: Map<string, Set<Watcher>>, key: string, make: boolean): Set<Watcher> | undefined {
  let set = map.get(key)
  if (set === undefined && make) map.set(key, (set = new Set()))
  return set
}

/** Items of one event, made when first needed. */
interface SharedItems { added: WatchItem | undefined; modified: WatchItem | undefined; deleted: WatchItem | undefined }

/** How the watcher's set changes with this event: entering it is ADDED, leaving it is DELETED with the state before, under the event's revision. */
function itemFor(watcher: Watcher, event: CacheEvent, shared: SharedItems): WatchItem | undefined {
  const { selection } = watcher
  if (selection.namespace !== '' && event.entry.namespace !== selection.namespace) return undefined
  const before = event.previous !== undefined && selects(selection, event.previous, watcher.view)
  const now = event.type === 'put' && selects(selection, event.entry, watcher.view)
  if (now) return before ? (shared.modified ??= { type: 'MODIFIED', entry: event.entry }) : (shared.added ??= { type: 'ADDED', entry: event.entry })
  if (!before) return undefined
  return (shared.deleted ??= { type: 'DELETED', entry: event.type === 'delete' ? event.entry : event.previous!.at(event.revision) })
}
