import type { OpenObject } from '../machinery/object.ts'
import type { Selection } from './selection.ts'
import type { StoredEntry } from './stored-object.ts'
import type { WatchItem } from './watch-cache.ts'

/** What one watcher may leave unread before it is ended; initial state does not count, it is shared with the cache. */
export const watcherLimits = { items: 10_000, sizeBytes: 32 << 20 }

/** What a watcher reads: changes, and bookmarks between them. */
export type WatchLine = WatchItem | { readonly type: 'BOOKMARK'; readonly revision: number; readonly initialEventsEnd: boolean }

/** One reader of changes. Lines are taken in batches with `next`; the reader that falls too far behind is ended. */
export class Watcher {
  readonly selection: Selection
  readonly view: (entry: StoredEntry) => Readonly<OpenObject>
  /** Events up to here are not shown. */
  fromRevision = 0
  /** The reader asked for bookmarks. */
  bookmarks = false
  /** Told of what is read, for the metrics. */
  onRead: ((lines: readonly WatchLine[]) => void) | undefined
  /** Told once, when the reader has read what the watch began with and comes for more, or when the watch has ended. */
  onBegun: (() => void) | undefined
  /** True once the reader was dropped for slowness. */
  overflowed = false
  #lines: WatchLine[] = []
  #sizeBytes = 0
  #ended = false
  #isRead = false
  #wake: (() => void) | undefined
  readonly #endHandlers: (() => void)[]

  constructor(selection: Selection, view: (entry: StoredEntry) => Readonly<OpenObject>, onEnd: () => void) {
    this.selection = selection
    this.view = view
    this.#endHandlers = [onEnd]
  }

  /** Adds a line that was there before the watch began; does not count as falling behind. */
  backlog(line: WatchLine | undefined): void {
    if (line !== undefined) this.#lines.push(line)
  }

  /** Adds a live change. */
  offer(item: WatchItem | undefined): void {
    if (item === undefined || this.#ended || item.entry.revision <= this.fromRevision) return
    this.#sizeBytes += item.entry.bytes.length
    if (this.#lines.length >= watcherLimits.items || this.#sizeBytes > watcherLimits.sizeBytes) {
      this.overflowed = true
      return this.end()
    }
    this.#lines.push(item)
    this.#wakeReader()
  }

  bookmark(revision: number, initialEventsEnd = false): void {
    if (this.#ended) return
    // A reader that is behind learns the revision from the events it has still to read.
    if (!initialEventsEnd && this.#lines.at(-1)?.type === 'BOOKMARK') this.#lines.pop()
    this.#lines.push({ type: 'BOOKMARK', revision, initialEventsEnd })
    this.#wakeReader()
  }

  /** How many lines wait to be read. */
  get waiting(): number {
    return this.#lines.length
  }

  /** Everything waiting, at least one line; undefined when the watch has ended and all has been read. */
  async next(): Promise<readonly WatchLine[] | undefined> {
    if (this.#isRead && this.onBegun !== undefined) this.#tellBegun()
    while (this.#lines.length === 0) {
      if (this.#ended) return undefined
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
    const lines = this.#lines
    this.#lines = []
    this.#sizeBytes = 0
    this.#isRead = true
    this.onRead?.(lines)
    return lines
  }

  /** No more lines; what is waiting can still be read, unless the reader was too slow. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    if (this.overflowed) this.#lines = []
    this.#tellBegun()
    for (const handler of this.#endHandlers) handler()
    this.#wakeReader()
  }

  /** Calls `handler` once the watch ends, at once if it has ended. */
  onEnd(handler: () => void): void {
    if (this.#ended) handler()
    else this.#endHandlers.push(handler)
  }

  get ended(): boolean {
    return this.#ended
  }

  #tellBegun(): void {
    const tell = this.onBegun
    this.onBegun = undefined
    tell?.()
  }

  #wakeReader(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}
