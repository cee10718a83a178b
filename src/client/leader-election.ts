import type { Lease } from '../api/types/coordination.k8s.io_v1.ts'
import { microTimeText } from '../machinery/object.ts'
import { isReason } from '../machinery/status.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Client } from './client.ts'
import type { EventRecorder } from './events.ts'
import { leases } from './resources.ts'

export interface LeaderElectionOptions {
  client: Client
  runtime: Runtime
  /** The lease: `kube-system`, `kube-controller-manager`. */
  namespace: string
  name: string
  /** Unique among the candidates: host name and a UUID. */
  identity: string
  /** client-go's and the components' defaults: 15 s, 10 s, 2 s. */
  leaseDurationMs?: number
  renewDeadlineMs?: number
  retryPeriodMs?: number
  recorder?: EventRecorder
  signal: AbortSignal
}

/** `leader` aborts when leadership is lost. */
export type Lead = (leader: AbortSignal) => Promise<void>

/** Lost the lease while leading: the component must stop, for another may lead now. */
export class LeadershipLostError extends Error {
  constructor(name: string) {
    super(`lost the lease ${name}: another candidate may lead now`)
    this.name = 'LeadershipLostError'
  }
}

/** What was seen of the lease, and when by our own clock: clocks of other machines are not trusted (client-go's rule). */
interface Observed { resourceVersion: string; lease: Lease; atMs: number }

/**
 * Waits for the lease, then runs `lead` while renewing it. Resolves when `lead` does or when the signal aborts (the lease is given back);
 * rejects with `LeadershipLostError` when it could not be renewed for `renewDeadlineMs`.
 */
export async function runWithLeaderElection(options: LeaderElectionOptions, lead: Lead): Promise<void> {
  const { runtime, signal, retryPeriodMs = 2000, renewDeadlineMs = 10_000 } = options
  const election = new Election(options)
  const leading = new AbortController()
  const stop = AbortSignal.any([signal, leading.signal])
  try {
    while (!(await election.tryAcquireOrRenew(signal))) await runtime.clock.sleep(retryPeriodMs * (1 + 1.2 * runtime.random.next()), signal)
  } catch (error) {
    if (signal.aborted) return
    throw error
  }
  options.recorder?.event(leaseTarget(options), 'Normal', 'LeaderElection', `${options.identity} became leader`)
  const renew = async (): Promise<void> => {
    while (!stop.aborted) {
      const expired = new AbortController()
      const deadline = runtime.clock.timer(renewDeadlineMs, () => expired.abort(new LeadershipLostError(options.name)))
      try {
        const trying = AbortSignal.any([stop, expired.signal])
        do await runtime.clock.sleep(retryPeriodMs, trying)
        while (!(await election.tryAcquireOrRenew(trying)))
      } finally {
        deadline[Symbol.dispose]()
      }
    }
  }
  const work = lead(leading.signal)
  const renewing = renew().catch((error: unknown) => {
    if (!stop.aborted) throw error
  })
  try {
    await Promise.race([work, renewing])
  } catch (error) {
    leading.abort(error)
    await Promise.allSettled([work, renewing])
    throw error
  }
  leading.abort(new Error('leadership ends'))
  await Promise.allSettled([work, renewing])
  await election.release()
}

function leaseTarget({ namespace, name }: LeaderElectionOptions): { apiVersion: string; kind: string; namespace: string; name: string } {
  return { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', namespace, name }
}

class Election {
  private readonly options: LeaderElectionOptions
  private observed: Observed | undefined
  constructor(options: LeaderElectionOptions) {
    this.options = options
  }

  /** True when the lease is ours now. A failed request is a failed try, not an error. */
  async tryAcquireOrRenew(signal: AbortSignal): Promise<boolean> {
    const { client, runtime, namespace, name, identity } = this.options
    try {
      const found = await client.find(leases, namespace, name, { signal })
      if (found === undefined) {
        this.observe(await client.create(leases, { metadata: { namespace, name }, spec: this.spec(undefined) }, { signal }))
        return true
      }
      if (this.observed?.resourceVersion !== found.metadata.resourceVersion) this.observe(found)
      const holder = found.spec?.holderIdentity ?? ''
      const lifeMs = (found.spec?.leaseDurationSeconds ?? 0) * 1000
      if (holder !== '' && holder !== identity && this.observed!.atMs + lifeMs > runtime.clock.monotonicMs()) return false
      this.observe(await client.update(leases, { ...found, spec: { ...found.spec, ...this.spec(found) } }, { signal }))
      return true
    } catch (error) {
      if (signal.aborted) throw error
      const level = isReason(error, 'Conflict', 'AlreadyExists') ? 'debug' : 'warn'
      runtime.log[level](`cannot write the lease ${name}; trying again`, { lease: name, err: error })
      return false
    }
  }

  /** Gives the lease back, so that the next candidate need not wait for its end. */
  async release(): Promise<void> {
    const { client, runtime, name, identity } = this.options
    const lease = this.observed?.lease
    if (lease?.spec?.holderIdentity !== identity) return
    const now = microTimeText(runtime.clock.now())
    try {
      await client.update(leases, { ...lease, spec: { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: now, acquireTime: now } })
    } catch (error) {
      runtime.log.debug('cannot give the lease back; it runs out by itself', { lease: name, err: error })
    }
  }

  private observe(lease: Lease): void {
    this.observed = { resourceVersion: lease.metadata.resourceVersion ?? '', lease, atMs: this.options.runtime.clock.monotonicMs() }
  }

  private spec(old: Lease | undefined): Lease['spec'] & object {
    const { runtime, identity, leaseDurationMs = 15_000 } = this.options
    const now = microTimeText(runtime.clock.now())
    const held = old?.spec?.holderIdentity === identity
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.floor(leaseDurationMs / 1000),
      acquireTime: held ? (old.spec?.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: (old?.spec?.leaseTransitions ?? 0) + (old === undefined || held ? 0 : 1),
    }
  }
}
