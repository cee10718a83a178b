import type { ResourceDescription } from '../api/resource.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Store } from '../store/store.ts'

/** How long an Event is kept (upstream: `--event-ttl`). */
const eventTtlSeconds = 3600
/** Events made within this time share a lease, and so disappear together. */
const leaseReuseMs = 60_000

/** Leases for Events, so that the store forgets them. */
export class EventLeases {
  readonly #store: Store
  readonly #runtime: Runtime
  #current: { leaseId: Promise<number>; grantedMs: number } | undefined

  constructor(store: Store, runtime: Runtime) {
    this.#store = store
    this.#runtime = runtime
  }

  /** The lease to attach to a write of this resource; undefined for all that is kept. */
  async leaseFor(resource: ResourceDescription): Promise<number | undefined> {
    if (resource.resource !== 'events' || (resource.group !== '' && resource.group !== 'events.k8s.io')) return undefined
    const nowMs = this.#runtime.clock.monotonicMs()
    if (this.#current === undefined || nowMs - this.#current.grantedMs > leaseReuseMs) {
      const granted = { leaseId: this.#store.grantLease(eventTtlSeconds + leaseReuseMs / 1000), grantedMs: nowMs }
      this.#current = granted
      granted.leaseId.catch(() => {
        if (this.#current === granted) this.#current = undefined
      })
    }
    return await this.#current.leaseId
  }
}
