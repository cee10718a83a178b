/** What became of a demand over a period, weighed by time. */
export interface DemandSummary { durationSeconds: number; average: number; deviation: number; max: number }

/** Follows a number of seats over time. */
export class SeatDemand {
  #value = 0
  #lastMs: number
  #seconds = 0
  #sum = 0
  #sumOfSquares = 0
  #max = 0

  constructor(nowMs: number) {
    this.#lastMs = nowMs
  }

  set(value: number, nowMs: number): void {
    this.#advance(nowMs)
    this.#value = value
    if (value > this.#max) this.#max = value
  }

  /** The period since the last reset; a new one begins. */
  reset(nowMs: number): DemandSummary {
    this.#advance(nowMs)
    const seconds = this.#seconds
    const average = seconds > 0 ? this.#sum / seconds : 0
    const variance = seconds > 0 ? this.#sumOfSquares / seconds - average * average : 0
    const summary = { durationSeconds: seconds, average, deviation: variance > 0 ? Math.sqrt(variance) : 0, max: this.#max }
    this.#seconds = this.#sum = this.#sumOfSquares = 0
    this.#max = this.#value
    return summary
  }

  #advance(nowMs: number): void {
    const seconds = (nowMs - this.#lastMs) / 1000
    this.#lastMs = nowMs
    this.#seconds += seconds
    this.#sum += this.#value * seconds
    this.#sumOfSquares += this.#value * this.#value * seconds
  }
}

/** A claim on seats: at least the lower bound, at most the upper, about the target. */
export interface SeatClaim { target: number; lowerBound: number; upperBound: number }

const minTarget = 0.001
const bisections = 200

/**
 * Shares `total` seats out: each claim gets the same fraction of its target, moved into its bounds (KEP-1040, "Dispatching").
 * Undefined when the bounds do not allow that sum.
 */
export function shareSeats(total: number, claims: readonly SeatClaim[]): { seats: number[]; fraction: number } | undefined {
  const targets = claims.map((claim) => Math.max(claim.target, minTarget))
  const at = (fraction: number): number[] => claims.map((claim, i) => Math.max(claim.lowerBound, Math.min(claim.upperBound, fraction * targets[i]!)))
  const sum = (seats: readonly number[]): number => seats.reduce((all, each) => all + each, 0)
  const lowest = sum(claims.map((claim) => claim.lowerBound))
  const highest = sum(claims.map((claim) => claim.upperBound))
  if (lowest > total + 1e-7 || highest < total - 1e-7) return undefined
  let low = 0
  let high = Math.max(1, ...claims.map((claim, i) => claim.upperBound / targets[i]!))
  for (let i = 0; i < bisections && high - low > 1e-12; i++) {
    const middle = (low + high) / 2
    if (sum(at(middle)) < total) low = middle
    else high = middle
  }
  return { seats: at(high), fraction: high }
}
