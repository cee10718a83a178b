import { createWorkQueue, type BackOff, type WorkQueue } from '../../client/queue.ts'
import type { MetricSet } from '../metrics/metric-set.ts'
import { QueueMetrics } from '../metrics/queue-metrics.ts'
import type { Runtime } from '../../runtime/runtime.ts'

export interface WorkOptions {
  runtime: Runtime
  /** The queue as metrics name it. */
  name: string
  metrics: MetricSet
  /** What is worked on, for the log. */
  what: string
  backOff: BackOff
  workers: number
  signal: AbortSignal
  /** Looks at one name; rejecting has it looked at again. */
  sync(name: string): Promise<void>
}

/** A queue of names and those who work on it until the signal aborts. `settled` resolves when every name added so far has been looked at. */
export interface Work { readonly queue: WorkQueue; settled(names: readonly string[]): Promise<void> }

/** Starts workers; the names are looked at one at a time each, several side by side. */
export function startWork({ runtime, name: queueName, metrics, what, backOff, workers, signal, sync }: WorkOptions): Work {
  const queue = createWorkQueue(runtime.clock, backOff, new QueueMetrics(metrics, queueName, runtime.clock))
  const waiting: Array<{ names: Set<string>; resolve: () => void }> = []
  const done = (name: string): void => {
    for (const [index, each] of [...waiting.entries()].reverse()) {
      each.names.delete(name)
      if (each.names.size > 0) continue
      waiting.splice(index, 1)
      each.resolve()
    }
  }
  const work = async (): Promise<void> => {
    for (let name = await queue.take(); name !== undefined; name = await queue.take()) {
      try {
        await sync(name)
        queue.forget(name)
      } catch (err) {
        if (signal.aborted) return
        runtime.log.debug(`${what}: trying again`, { name, err })
        queue.addRateLimited(name)
      } finally {
        queue.done(name)
        done(name)
      }
    }
  }
  for (let worker = 0; worker < workers; worker++) work().catch((err: unknown) => runtime.log.error(`${what}: a worker has ended`, { err }))
  const stop = (): void => {
    queue.shutDown()
    for (const each of waiting.splice(0)) each.resolve()
  }
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  return {
    queue,
    settled: (names) => (names.length === 0 || signal.aborted ? Promise.resolve() : new Promise((resolve) => waiting.push({ names: new Set(names), resolve }))),
  }
}
