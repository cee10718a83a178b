import type { Runtime } from '../runtime/runtime.ts'
import type { Store } from './store.ts'

export interface AutoCompactOptions {
  /** How often; history is kept for at least this long, and for at most twice as long. 5 minutes, as kube-apiserver does it. */
  everyMs?: number
  /** This many of the newest revisions are kept however old they are. */
  keep?: number
}

/**
 * Compacts `store` regularly, each time to where it stood the time before. A failed compaction is logged and made up for by the
 * next. Disposing stops it, after a compaction under way.
 */
export function autoCompact(store: Store, runtime: Runtime, options: AutoCompactOptions = {}): AsyncDisposable {
  const { everyMs = 300_000, keep = 0 } = options
  let before = 0
  let running: Promise<void> | undefined
  const compact = async (): Promise<void> => {
    try {
      const revision = await store.currentRevision()
      const target = Math.min(before, revision - keep)
      before = revision
      if (target > 0) await store.compact(target)
    } catch (err) {
      runtime.log.warn('could not compact the store; trying again next time', { driver: store.driver, err })
    } finally {
      running = undefined
    }
  }
  const timer = runtime.clock.interval(everyMs, () => (running ??= compact()), { background: true })
  return {
    async [Symbol.asyncDispose]() {
      timer[Symbol.dispose]()
      await running
    },
  }
}
