const maxRetryAfterSeconds = 32

/**
 * How long refused clients are told to stay away: doubled while many are refused, less by a second when few are, looked at once
 * a second (upstream: `DroppedRequestsTracker`).
 */
export class RetryAfter {
  #seconds = 1
  #raisedAt = 0
  #current = { at: 0, count: 0 }
  #history: { at: number; count: number }[] = []

  get seconds(): number {
    return this.#seconds
  }

  refused(nowMs: number): void {
    const at = Math.floor(nowMs / 1000)
    if (this.#current.at === at) {
      this.#current.count++
      return
    }
    const oldest = at - Math.min(2 * this.#seconds, maxRetryAfterSeconds)
    this.#history = [...this.#history, this.#current].filter((entry) => entry.at >= oldest)
    this.#current = { at, count: 1 }
    this.#adapt(at)
  }

  #adapt(at: number): void {
    let refusals = 0
    for (const entry of this.#history) if (entry.at >= at - this.#seconds && entry.at < at) refusals += entry.count
    if (at - this.#raisedAt >= this.#seconds && refusals >= 3 * this.#seconds) {
      this.#seconds = Math.min(this.#seconds * 2, maxRetryAfterSeconds)
      this.#raisedAt = at
    } else if (refusals < this.#seconds && this.#seconds > 1) {
      this.#seconds--
    }
  }
}
