import type { Clock } from '../runtime/clock.ts'
import type { ClusterEvent, QueuedPod, Refusal } from './framework.ts'
import type { PodInfo } from './node-info.ts'

export interface SchedulingQueueOptions {
  clock: Clock
  /** Queue order (the QueueSort plugin). */
  less(a: QueuedPod, b: QueuedPod): boolean
  /** Asked before a pod may become active. */
  preEnqueue(info: PodInfo): Refusal | undefined
  /** Whether `event` may help a pod that these plugins refused. */
  mayHelp(pod: QueuedPod, event: ClusterEvent, object: unknown, old: unknown): boolean
  initialBackOffMs?: number
  maxBackOffMs?: number
}

interface Entry extends QueuedPod { place: 'active' | 'backOff' | 'putAside' | 'gated' | 'inFlight'; readyMs: number; order: number; /** An event came while it was being scheduled. */ moved: boolean }

/** A pod put aside longer than this is tried again whatever happened (upstream's podMaxInUnschedulablePodsDuration). */
const maxPutAsideMs = 5 * 60_000

/**
 * Pods that wait for a node.
 * 1. A pod is in one place: active (to be scheduled next), backing off, put aside until something changes, gated, or in flight.
 * 2. Active pods come out by priority, then by age.
 * 3. An event that may help a pod moves it out of `putAside`; one that comes while it is in flight is remembered, so that it backs off instead of being put aside.
 * 4. Back-off starts at 1 s and doubles with each attempt, up to 10 s.
 */
export class SchedulingQueue {
  readonly #options: SchedulingQueueOptions
  readonly #entries = new Map<string, Entry>()
  #active: Entry[] = []
  #order = 0
  #timer: Disposable | undefined
  #wake: (() => void) | undefined

  constructor(options: SchedulingQueueOptions) {
    this.#options = options
  }

  /** Pods in each place, for metrics and tests. */
  counts(): Record<Entry['place'], number> {
    const counts = { active: 0, backOff: 0, putAside: 0, gated: 0, inFlight: 0 }
    for (const entry of this.#entries.values()) counts[entry.place] += 1
    return counts
  }

  /** Called whenever there may be something to pop. */
  onReady(wake: () => void): void {
    this.#wake = wake
  }

  add(info: PodInfo): void {
    const nowMs = this.#options.clock.now()
    const entry: Entry = { info, addedMs: nowMs, attempts: 0, refusedBy: new Set(), putAsideMs: 0, place: 'gated', readyMs: 0, order: this.#order++, moved: false }
    this.#entries.set(info.key, entry)
    this.#activate(entry)
  }

  /** The pod as it is now; a change that may matter brings it back from where it was put aside. */
  update(info: PodInfo): void {
    const entry = this.#entries.get(info.key)
    if (entry === undefined) return this.add(info)
    const changed = entry.info.pod.metadata.generation !== info.pod.metadata.generation || entry.info.pod.spec !== info.pod.spec
    entry.info = info
    if (entry.place === 'gated') this.#activate(entry)
    else if (changed && entry.place === 'putAside') this.#move(entry)
    else if (changed && entry.place === 'inFlight') entry.moved = true
  }

  remove(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    if (entry.place !== 'active') return
    const rest = this.#active.filter((each) => each !== entry)
    this.#active = []
    for (const each of rest) heapPush(this.#active, each, this.#before)
  }

  has(key: string): boolean {
    return this.#entries.has(key)
  }

  /** The next pod; it is in flight until `done`, `putAside` or `backOff` is called for it. */
  pop(): QueuedPod | undefined {
    const entry = heapPop(this.#active, this.#before)
    if (entry === undefined) return undefined
    entry.place = 'inFlight'
    entry.moved = false
    entry.attempts += 1
    return entry
  }

  /** Scheduled, or no longer ours. */
  done(key: string): void {
    if (this.#entries.get(key)?.place === 'inFlight') this.#entries.delete(key)
  }

  /** Could not be placed: waits for an event that may help one of the plugins that refused it. */
  putAside(key: string, refusedBy: ReadonlySet<string>): void {
    const entry = this.#entries.get(key)
    if (entry === undefined || entry.place !== 'inFlight') return
    entry.refusedBy = refusedBy
    entry.putAsideMs = this.#options.clock.now()
    entry.place = 'putAside'
    if (entry.moved) this.#move(entry)
    this.#arm()
  }

  /** Something went wrong that time may mend. */
  backOff(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined || entry.place !== 'inFlight') return
    this.#move(entry)
  }

  /** Something happened: pods put aside that it may help get another try. */
  notify(event: ClusterEvent, object?: unknown, old?: unknown): void {
    for (const entry of this.#entries.values()) {
      if (entry.place === 'inFlight') entry.moved = true
      else if (entry.place === 'putAside' && this.#options.mayHelp(entry, event, object, old)) this.#move(entry)
    }
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]()
    this.#timer = undefined
    this.#entries.clear()
    this.#active = []
  }

  readonly #before = (a: Entry, b: Entry): boolean => {
    if (this.#options.less(a, b)) return true
    return !this.#options.less(b, a) && a.order < b.order
  }

  #activate(entry: Entry): void {
    if (this.#options.preEnqueue(entry.info) !== undefined) {
      entry.place = 'gated'
      return
    }
    entry.place = 'active'
    heapPush(this.#active, entry, this.#before)
    this.#wake?.()
  }

  #move(entry: Entry): void {
    const { clock, initialBackOffMs = 1000, maxBackOffMs = 10_000 } = this.#options
    const delayMs = Math.min(initialBackOffMs * 2 ** Math.max(entry.attempts - 1, 0), maxBackOffMs)
    const since = entry.putAsideMs === 0 ? clock.now() : entry.putAsideMs
    entry.readyMs = since + delayMs
    if (entry.readyMs <= clock.now()) return this.#activate(entry)
    entry.place = 'backOff'
    this.#arm()
  }

  /** One timer, for whichever waiting pod is due first. */
  #arm(): void {
    this.#timer?.[Symbol.dispose]()
    this.#timer = undefined
    let dueMs = Infinity
    for (const entry of this.#entries.values()) {
      if (entry.place === 'backOff') dueMs = Math.min(dueMs, entry.readyMs)
      else if (entry.place === 'putAside') dueMs = Math.min(dueMs, entry.putAsideMs + maxPutAsideMs)
    }
    if (dueMs === Infinity) return
    this.#timer = this.#options.clock.timer(Math.max(dueMs - this.#options.clock.now(), 0), () => this.#due(), { background: true })
  }

  #due(): void {
    const nowMs = this.#options.clock.now()
    for (const entry of this.#entries.values()) {
      if (entry.place === 'backOff' && entry.readyMs <= nowMs) this.#activate(entry)
      else if (entry.place === 'putAside' && entry.putAsideMs + maxPutAsideMs <= nowMs) this.#activate(entry)
    }
    this.#arm()
  }
}

function heapPush<T>(heap: T[], item: T, before: (a: T, b: T) => boolean): void {
  let index = heap.push(item) - 1
  while (index > 0) {
    const parent = (index - 1) >> 1
    if (!before(heap[index]!, heap[parent]!)) return
    ;[heap[index], heap[parent]] = [heap[parent]!, heap[index]!]
    index = parent
  }
}

function heapPop<T>(heap: T[], before: (a: T, b: T) => boolean): T | undefined {
  const top = heap[0]
  const last = heap.pop()
  if (top === undefined || heap.length === 0) return top
  heap[0] = last!
  for (let index = 0; ;) {
    let first = index
    for (const child of [2 * index + 1, 2 * index + 2]) if (child < heap.length && before(heap[child]!, heap[first]!)) first = child
    if (first === index) return top
    ;[heap[index], heap[first]] = [heap[first]!, heap[index]!]
    index = first
  }
}
