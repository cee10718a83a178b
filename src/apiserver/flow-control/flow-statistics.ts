/** A histogram in plain numbers; `counts` has one more place than `bounds`, for what is above all of them. */
export class Histogram {
  readonly bounds: readonly number[]
  readonly counts: Float64Array
  sum = 0
  count = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    const { bounds } = this
    let at = 0
    while (at < bounds.length && value > bounds[at]!) at++
    this.counts[at]!++
    this.sum += value
    this.count++
  }
}

/** How long a ratio stood in which range, in nanoseconds. */
export class TimingHistogram {
  readonly histogram: Histogram
  #value = 0
  #denominator = 1
  #ratio = 0
  /** The range that the ratio is in. */
  #at = 0
  #lastMs: number

  constructor(bounds: readonly number[], nowMs: number) {
    this.histogram = new Histogram(bounds)
    this.#lastMs = nowMs
  }

  set(value: number, nowMs: number): void {
    this.advance(nowMs)
    this.#value = value
    this.#place()
  }

  setDenominator(denominator: number, nowMs: number): void {
    this.advance(nowMs)
    this.#denominator = Math.max(denominator, 1)
    this.#place()
  }

  advance(nowMs: number): void {
    const elapsedNs = (nowMs - this.#lastMs) * 1e6
    if (elapsedNs <= 0) return
    const { histogram } = this
    this.#lastMs = nowMs
    histogram.counts[this.#at]! += elapsedNs
    histogram.sum += this.#ratio * elapsedNs
    histogram.count += elapsedNs
  }

  #place(): void {
    const { bounds } = this.histogram
    const ratio = (this.#ratio = this.#value / this.#denominator)
    let at = 0
    while (at < bounds.length && ratio > bounds[at]!) at++
    this.#at = at
  }
}

const durationBounds = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30]
const queueLengthBounds = [0, 10, 25, 50, 100, 250, 500, 1000]
const seatBounds = [1, 2, 4, 8, 16, 32, 64, 100]
const watchBounds = [0, 1, 10, 100, 1000, 10_000]

export type Refusal = 'concurrency-limit' | 'queue-full' | 'time-out'

/** What happened to the requests that one schema sent to one level. */
export class FlowStatistics {
  readonly level: string
  readonly schema: string
  dispatched = 0
  readonly refused = new Map<Refusal, number>()
  waitingRequests = 0
  waitingSeats = 0
  executingRequests = 0
  executingSeats = 0
  noAccommodation = 0
  readonly queueLength = new Histogram(queueLengthBounds)
  readonly waitExecuted = new Histogram(durationBounds)
  readonly waitRefused = new Histogram(durationBounds)
  readonly executionRegular = new Histogram(durationBounds)
  readonly executionWatch = new Histogram(durationBounds)
  readonly seats = new Histogram(seatBounds)
  readonly watchCount = new Histogram(watchBounds)

  constructor(level: string, schema: string) {
    this.level = level
    this.schema = schema
  }

  refuse(reason: Refusal): void {
    this.refused.set(reason, (this.refused.get(reason) ?? 0) + 1)
  }
}

const utilizationBounds = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1]
const requestBounds = [0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 1]
const demandBounds = [0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.7, 2, 2.8, 4, 6]

/** How full one level was over time. */
export interface LevelGauges { seats: TimingHistogram; executing: TimingHistogram; waiting: TimingHistogram; demand: TimingHistogram }

export function levelGauges(nowMs: number): LevelGauges {
  return {
    seats: new TimingHistogram(utilizationBounds, nowMs), executing: new TimingHistogram(requestBounds, nowMs),
    waiting: new TimingHistogram(requestBounds, nowMs), demand: new TimingHistogram(demandBounds, nowMs),
  }
}
