import type { ResourceDescription } from '../api/resource.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Store } from '../store/store.ts'

export interface EventLeaseOptions {
  /** How long an Event is kept (`--event-ttl`); 1 hour where left out. */
  eventTtlMs?: number
  /** Events made within this time share a lease, and so disappear together (`--lease-reuse-duration-seconds`); 1 minute where left out. */
  leaseReuseMs?: number
}

/** Leases for Events, so that the store forgets them. */
export class EventLeases {
  readonly #store: Store
  readonly #runtime: Runtime
  readonly #ttlMs: number
  readonly #reuseMs: number
  #current: { leaseId: Promise<number>; grantedMs: number } | undefined

  constructor(store: Store, runtime: Runtime, { eventTtlMs = 3_600_000, leaseReuseMs = 60_000 }: EventLeaseOptions = {}) {
    this.#ttlMs = eventTtlMs
    this.#reuseMs = leaseReuseMs
    this.#store = store
    this.#runtime = runtime
  }

  /** The lease to attach to a write of this resource; undefined for all that is kept. */
  leaseFor(resource: ResourceDescription): Promise<number> | undefined {
    if (resource.resource !== 'events' || (resource.group !== '' && resource.group !== 'events.k8s.io')) return undefined
    const nowMs = this.#runtime.clock.monotonicMs()
    if (this.#current !== undefined && nowMs - this.#current.grantedMs <= this.#reuseMs) return this.#current.leaseId
    const granted = { leaseId: this.#store.grantLease(Math.max(1, Math.ceil((this.#ttlMs + this.#reuseMs) / 1000))), grantedMs: nowMs }
    this.#current = granted
    granted.leaseId.catch(() => {
      if (this.#current === granted) this.#current = undefined
    })
    return granted.leaseId
  }
}
