import type { QueueObserver } from '../../client/queue.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { MetricSet } from './metric-set.ts'

/** The `workqueue_*` series of one queue (component-base `workqueue/metrics.go`). */
export class QueueMetrics implements QueueObserver {
  readonly #clock: Clock
  readonly #added = new Map<string, number>()
  readonly #working = new Map<string, number>()
  readonly #cells: { depth: { value: number }; adds: { value: number }; retries: { value: number }; unfinished: { value: number }; longest: { value: number } }
  readonly #waited: { observe(seconds: number): void }
  readonly #worked: { observe(seconds: number): void }

  constructor(set: MetricSet, name: string, clock: Clock) {
    this.#clock = clock
    this.#cells = {
      depth: set.number('workqueue_depth', name), adds: set.number('workqueue_adds_total', name), retries: set.number('workqueue_retries_total', name),
      unfinished: set.number('workqueue_unfinished_work_seconds', name), longest: set.number('workqueue_longest_running_processor_seconds', name),
    }
    this.#waited = set.spread('workqueue_queue_duration_seconds', name)
    this.#worked = set.spread('workqueue_work_duration_seconds', name)
    set.beforeRead(() => this.#measure())
  }

  added(key: string): void {
    this.#cells.adds.value++
    this.#cells.depth.value++
    this.#added.set(key, this.#clock.monotonicMs())
  }

  taken(key: string): void {
    const nowMs = this.#clock.monotonicMs()
    this.#cells.depth.value--
    this.#waited.observe((nowMs - (this.#added.get(key) ?? nowMs)) / 1000)
    this.#added.delete(key)
    this.#working.set(key, nowMs)
  }

  done(key: string): void {
    const nowMs = this.#clock.monotonicMs()
    this.#worked.observe((nowMs - (this.#working.get(key) ?? nowMs)) / 1000)
    this.#working.delete(key)
  }

  retried(): void {
    this.#cells.retries.value++
  }

  /** What is under way has no end that could be noted: it is looked at when somebody asks. */
  #measure(): void {
    const nowMs = this.#clock.monotonicMs()
    const seconds = [...this.#working.values()].map((sinceMs) => (nowMs - sinceMs) / 1000)
    this.#cells.unfinished.value = seconds.reduce((sum, each) => sum + each, 0)
    this.#cells.longest.value = Math.max(0, ...seconds)
  }
}
