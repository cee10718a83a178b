import type { Clock } from '../runtime/clock.ts'
import { LeaseNotFoundError } from './store.ts'

interface Lease { ttlMs: number; keys: Set<string>; timer: Disposable }

/** The leases of an embedded store: which there are, what is attached to each, and when each runs out. */
export class LeaseTable implements Disposable {
  readonly #clock: Clock
  readonly #expire: (leaseId: number) => void
  readonly #leases = new Map<number, Lease>()

  /** `expire` is called once for each lease that runs out; it deletes the keys, then calls `drop`. */
  constructor(clock: Clock, expire: (leaseId: number) => void) {
    this.#clock = clock
    this.#expire = expire
  }

  has(leaseId: number): boolean { return this.#leases.has(leaseId) }

  add(leaseId: number, ttlSeconds: number, keys: Iterable<string> = []): void {
    const ttlMs = ttlSeconds * 1000
    this.#leases.set(leaseId, { ttlMs, keys: new Set(keys), timer: this.#arm(leaseId, ttlMs) })
  }

  /** The lease has its whole time again. */
  renew(leaseId: number): void {
    const lease = this.#get(leaseId)
    lease.timer[Symbol.dispose]()
    lease.timer = this.#arm(leaseId, lease.ttlMs)
  }

  /** Moves `key` from one lease to another; 0 is none. */
  move(key: string, from: number, to: number): void {
    if (from === to) return
    if (from !== 0) this.#leases.get(from)?.keys.delete(key)
    if (to !== 0) this.#leases.get(to)?.keys.add(key)
  }

  keysOf(leaseId: number): string[] { return [...this.#get(leaseId).keys] }

  drop(leaseId: number): void {
    this.#leases.get(leaseId)?.timer[Symbol.dispose]()
    this.#leases.delete(leaseId)
  }

  [Symbol.dispose](): void {
    for (const leaseId of this.#leases.keys()) this.drop(leaseId)
  }

  #get(leaseId: number): Lease {
    const lease = this.#leases.get(leaseId)
    if (lease === undefined) throw new LeaseNotFoundError(leaseId)
    return lease
  }

  #arm(leaseId: number, ttlMs: number): Disposable {
    return this.#clock.timer(ttlMs, () => this.#expire(leaseId), { background: true })
  }
}

/** Throws unless a lease can last `ttlSeconds`. */
export function checkTtl(ttlSeconds: number): void {
  if (!Number.isInteger(ttlSeconds) || ttlSeconds < 1 || ttlSeconds > 9_000_000_000) throw new RangeError(`a lease lasts a whole number of seconds from 1 to 9000000000, not ${ttlSeconds}`)
}
