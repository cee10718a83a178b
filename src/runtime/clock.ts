/** Time as components see it. Everything that waits or asks the hour goes through here, so that a test can turn the clock. */
export interface Clock {
  /** Wall time in milliseconds since the Unix epoch. */
  now(): number
  /** A time in milliseconds that never goes back; only differences mean anything. */
  monotonicMs(): number
  /** Calls `callback` once after `delayMs`. Disposing the handle before that cancels it. `background: true` does not keep the process alive. */
  timer(delayMs: number, callback: () => void, options?: { background?: boolean }): Disposable
  /** Calls `callback` every `periodMs` until disposed. */
  interval(periodMs: number, callback: () => void, options?: { background?: boolean }): Disposable
  /** Calls `callback` after pending I/O has had its turn. */
  immediate(callback: () => void): void
  /** Resolves after `delayMs`; rejects with the signal's reason when aborted first. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>
}

function sleepOn(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason)
    const onAbort = (): void => {
      timer[Symbol.dispose]()
      reject(signal?.reason)
    }
    const timer = clock.timer(delayMs, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** The machine's own clock. */
export function systemClock(): Clock {
  const clock: Clock = {
    now: () => Date.now(),
    monotonicMs: () => performance.now(),
    timer(delayMs, callback, options) {
      const handle = setTimeout(callback, Math.min(Math.max(delayMs, 0), 2 ** 31 - 1))
      if (options?.background === true) handle.unref()
      return { [Symbol.dispose]: () => clearTimeout(handle) }
    },
    interval(periodMs, callback, options) {
      const handle = setInterval(callback, periodMs)
      if (options?.background === true) handle.unref()
      return { [Symbol.dispose]: () => clearInterval(handle) }
    },
    immediate: (callback) => void setImmediate(callback),
    sleep: (delayMs, signal) => sleepOn(clock, delayMs, signal),
  }
  return clock
}

interface Pending { atMs: number; order: number; callback: () => void; periodMs?: number }

/** A clock that stands still until `advance` turns it; timers fire in order of their time, then of their making. */
export interface FakeClock extends Clock {
  /** Moves time on by `ms`, firing what falls due and letting promises settle after each firing. */
  advance(ms: number): Promise<void>
  /** Lets everything that is ready now run, without moving time. */
  settle(): Promise<void>
  /** Timers not yet fired. */
  readonly pendingCount: number
}

export function fakeClock(startMs = Date.UTC(2026, 0, 1)): FakeClock {
  let nowMs = startMs
  let order = 0
  const pending = new Set<Pending>()
  const add = (delayMs: number, callback: () => void, periodMs?: number): Disposable => {
    const entry: Pending = { atMs: nowMs + Math.max(delayMs, 0), order: order++, callback, ...(periodMs === undefined ? {} : { periodMs }) }
    pending.add(entry)
    return { [Symbol.dispose]: () => void pending.delete(entry) }
  }
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
  }
  const nextDue = (untilMs: number): Pending | undefined => {
    let first: Pending | undefined
    for (const entry of pending) {
      if (entry.atMs > untilMs) continue
      if (first === undefined || entry.atMs < first.atMs || (entry.atMs === first.atMs && entry.order < first.order)) first = entry
    }
    return first
  }
  const clock: FakeClock = {
    now: () => nowMs,
    monotonicMs: () => nowMs,
    timer: (delayMs, callback) => add(delayMs, callback),
    interval: (periodMs, callback) => add(periodMs, callback, periodMs),
    immediate: (callback) => void setImmediate(callback),
    sleep: (delayMs, signal) => sleepOn(clock, delayMs, signal),
    settle,
    async advance(ms) {
      const untilMs = nowMs + ms
      await settle()
      for (let due = nextDue(untilMs); due !== undefined; due = nextDue(untilMs)) {
        nowMs = Math.max(nowMs, due.atMs)
        if (due.periodMs === undefined) pending.delete(due)
        else due.atMs += Math.max(due.periodMs, 1)
        due.callback()
        await settle()
      }
      nowMs = untilMs
    },
    get pendingCount() {
      return pending.size
    },
  }
  return clock
}
