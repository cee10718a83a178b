import type { Running, Runtime } from '../runtime/runtime.ts'

export interface SyncScheduleOptions {
  runtime: Runtime
  /** From the start of one sync to the start of the next. */
  minPeriodMs: number
  /** After failures the pause doubles up to this. */
  maxBackOffMs: number
  sync: () => Promise<void>
  failed: (error: unknown) => void
}

/**
 * When to sync.
 * 1. Syncs never overlap, and one follows every wake, however many came meanwhile.
 * 2. A wake after a quiet time is carried out at once; one soon after a sync waits for the period to pass.
 * 3. A sync that failed is tried again, by itself.
 */
export interface SyncSchedule extends Running {
  wake(): void
  /** Since when (monotonic) something waits to be carried out. */
  readonly waitingSinceMs: number | undefined
  /** Wall time of the last sync that succeeded. */
  readonly lastSyncMs: number | undefined
}

export function createSyncSchedule({ runtime, minPeriodMs, maxBackOffMs, sync, failed }: SyncScheduleOptions): SyncSchedule {
  const { clock } = runtime
  const { promise: done, resolve: finish } = Promise.withResolvers<void>()
  let waitingSinceMs: number | undefined
  let lastSyncMs: number | undefined
  let lastStartMs = -Infinity
  let backOffMs = 0
  let timer: Disposable | undefined
  let running: Promise<void> | undefined
  let isStopped = false

  const plan = (): void => {
    if (isStopped || running !== undefined || timer !== undefined || waitingSinceMs === undefined) return
    const waitMs = Math.max(0, lastStartMs + Math.max(minPeriodMs, backOffMs) - clock.monotonicMs())
    timer = clock.timer(waitMs, () => {
      timer = undefined
      running = carryOut()
    })
  }
  const carryOut = async (): Promise<void> => {
    const sinceMs = waitingSinceMs
    waitingSinceMs = undefined
    lastStartMs = clock.monotonicMs()
    try {
      await sync()
      backOffMs = 0
      lastSyncMs = clock.now()
    } catch (error) {
      if (!isStopped) failed(error)
      backOffMs = Math.min(Math.max(backOffMs * 2, minPeriodMs, 100), maxBackOffMs)
      waitingSinceMs = sinceMs
    }
    running = undefined
    plan()
  }
  return {
    done,
    wake() {
      waitingSinceMs ??= clock.monotonicMs()
      plan()
    },
    get waitingSinceMs() {
      return waitingSinceMs
    },
    get lastSyncMs() {
      return lastSyncMs
    },
    async [Symbol.asyncDispose]() {
      isStopped = true
      timer?.[Symbol.dispose]()
      await running
      finish()
    },
  }
}
