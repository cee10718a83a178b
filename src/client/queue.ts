import type { Clock } from '../runtime/clock.ts'

/**
 * A queue of keys with the semantics of client-go's rate-limited work queue:
 * 1. A key waits in the queue at most once, however often it is added.
 * 2. A key is handed to one worker at a time: added while being worked on, it is only marked dirty.
 * 3. A key marked dirty while being worked on goes back into the queue when `done` is called: no change is missed.
 * 4. Of several delayed adds of one key the earliest counts; the later ones are forgotten when it fires.
 * 5. `addRateLimited` waits 5 ms * 2^(failures), at most 1000 s; `forget` sets the failures back to none.
 * 6. After `shutDown` nothing is taken in; workers that wait get undefined at once.
 * 7. Keys come out in the order they went in.
 */
export interface WorkQueue {
  add(key: string): void
  addAfter(key: string, delayMs: number): void
  addRateLimited(key: string): void
  forget(key: string): void
  failures(key: string): number
  /** The next key, which the caller must pass to `done`; undefined when the queue is shut down. */
  take(): Promise<string | undefined>
  done(key: string): void
  shutDown(): void
  /** Keys waiting to be taken (delayed ones not counted). */
  readonly length: number
}

export interface BackOff { baseMs: number; maxMs: number }

/** client-go's `DefaultTypedItemBasedRateLimiter`. */
const defaultBackOff: BackOff = { baseMs: 5, maxMs: 1_000_000 }

/** Told of what happens in a queue, for metrics: a key is put in, handed to a worker, done with, put off after a failure. */
export interface QueueObserver { added(key: string): void; taken(key: string): void; done(key: string): void; retried(key: string): void }

export function createWorkQueue(clock: Clock, backOff: BackOff = defaultBackOff, observer?: QueueObserver): WorkQueue {
  let order: string[] = []
  let head = 0
  const dirty = new Set<string>()
  const processing = new Set<string>()
  const delayed = new Map<string, { atMs: number; timer: Disposable }>()
  const failureCounts = new Map<string, number>()
  const waiters: Array<(key: string | undefined) => void> = []
  let closed = false

  const push = (key: string): void => {
    const waiter = waiters.shift()
    if (waiter === undefined) return void order.push(key)
    dirty.delete(key)
    processing.add(key)
    observer?.taken(key)
    waiter(key)
  }
  const next = (): string | undefined => {
    if (head === order.length) return undefined
    const key = order[head++]!
    if (head > 1024 && head * 2 > order.length) {
      order = order.slice(head)
      head = 0
    }
    return key
  }

  const queue: WorkQueue = {
    add(key) {
      if (closed || dirty.has(key)) return // 1, 6
      dirty.add(key)
      observer?.added(key)
      if (!processing.has(key)) push(key) // 2
    },
    addAfter(key, delayMs) {
      if (closed) return
      if (delayMs <= 0) return queue.add(key)
      const atMs = clock.monotonicMs() + delayMs
      const known = delayed.get(key)
      if (known !== undefined) {
        if (known.atMs <= atMs) return // 4
        known.timer[Symbol.dispose]()
      }
      const timer = clock.timer(delayMs, () => {
        delayed.delete(key)
        queue.add(key)
      }, { background: true })
      delayed.set(key, { atMs, timer })
    },
    addRateLimited(key) {
      const failures = failureCounts.get(key) ?? 0
      failureCounts.set(key, failures + 1)
      observer?.retried(key)
      queue.addAfter(key, Math.min(backOff.baseMs * 2 ** Math.min(failures, 40), backOff.maxMs)) // 5
    },
    forget: (key) => void failureCounts.delete(key),
    failures: (key) => failureCounts.get(key) ?? 0,
    take() {
      const key = closed ? undefined : next()
      if (key === undefined) return closed ? Promise.resolve(undefined) : new Promise((resolve) => void waiters.push(resolve))
      dirty.delete(key)
      processing.add(key)
      observer?.taken(key)
      return Promise.resolve(key)
    },
    done(key) {
      processing.delete(key)
      observer?.done(key)
      if (dirty.has(key) && !closed) push(key) // 3
    },
    shutDown() {
      closed = true
      for (const { timer } of delayed.values()) timer[Symbol.dispose]()
      delayed.clear()
      for (const waiter of waiters.splice(0)) waiter(undefined)
    },
    get length() {
      return order.length - head
    },
  }
  return queue
}
