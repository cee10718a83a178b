import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import type { Lease } from '../../api/types/coordination.k8s.io_v1.ts'
import { microTimeText } from '../../machinery/object.ts'
import { isReason } from '../../machinery/status.ts'
import type { ApiServerCore, PostStartHook } from '../core.ts'
import { apiServerUser, asServer } from './ensure.ts'

const namespace = 'kube-system'
const componentLabel = 'apiserver.kubernetes.io/identity'
const component = 'kube-apiserver'
const durationSeconds = 3600
const renewPeriodMs = 10_000
const collectPeriodMs = 3600_000
const base32 = 'abcdefghijklmnopqrstuvwxyz234567'

/** `apiserver-` and a hash of the machine's name: the same after every start (upstream: `GenericAPIServer.APIServerID`). */
export function apiServerId(host: string = hostname()): string {
  const prefixed = (text: string): Buffer => Buffer.concat([Buffer.of(text.length >> 8, text.length & 255), Buffer.from(text)])
  const bits = [...createHash('sha256').update(Buffer.concat([prefixed(host), prefixed(component)])).digest().subarray(0, 16)].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  return `apiserver-${bits.match(/.{1,5}/g)!.map((five) => base32[Number.parseInt(five.padEnd(5, '0'), 2)]).join('')}`
}

/**
 * Leases by which API servers know of each other (KEP-1965): one of this server's, made at its start, kept up to date, and gone at its end;
 * those of servers that are gone are removed. `peerAddress` is where other servers reach this one, `192.0.2.1:6443` (KEP-4020).
 */
export function identityLeaseHooks(peerAddress?: string): PostStartHook[] {
  const stopped = new AbortController()
  return [
    {
      name: 'start-kube-apiserver-identity-lease-controller', run: (core) => keepLease(core, peerAddress, AbortSignal.any([core.signal, stopped.signal])),
      stop: async (core) => {
        stopped.abort()
        await removeLease(core)
      },
    },
    { name: 'start-kube-apiserver-identity-lease-garbage-collector', run: collectLeases },
  ]
}

async function keepLease(core: ApiServerCore, peerAddress: string | undefined, signal: AbortSignal): Promise<void> {
  const { runtime } = core
  const host = hostname()
  const name = apiServerId(host)
  const holder = `${name}_${runtime.random.uuid()}`
  const renew = (): Promise<void> => renewLease(core, { name, holder, host, peerAddress })
  // One that stands is of a server that is no more.
  await removeLease(core)
  await renew()
  const timer = runtime.clock.interval(renewPeriodMs, () => {
    renew().catch((err: unknown) => signal.aborted ? undefined : runtime.log.warn('the lease of this API server could not be renewed', { lease: name, err }))
  }, { background: true })
  signal.addEventListener('abort', () => timer[Symbol.dispose](), { once: true })
}

async function removeLease(core: ApiServerCore): Promise<void> {
  try {
    await core.registry.delete(core.resource('leases', 'coordination.k8s.io'), namespace, apiServerId(), { user: apiServerUser })
  } catch (error) {
    if (!isReason(error, 'NotFound')) throw error
  }
}

async function renewLease(core: ApiServerCore, { name, holder, host, peerAddress }: { name: string; holder: string; host: string; peerAddress: string | undefined }): Promise<void> {
  const resource = core.resource('leases', 'coordination.k8s.io')
  const now = microTimeText(core.runtime.clock.now())
  const labels = { [componentLabel]: component, 'kubernetes.io/hostname': host }
  const annotations = peerAddress === undefined ? {} : { 'kubernetes.io/peer-advertise-address': peerAddress }
  const spec = { leaseDurationSeconds: durationSeconds, renewTime: now }
  try {
    await core.registry.update(resource, namespace, name, (current) => {
      const { metadata, spec: standing } = current as unknown as Lease
      return { ...current, metadata: { ...metadata, labels: { ...metadata.labels, ...labels }, annotations: { ...metadata.annotations, ...annotations } }, spec: { ...standing, ...spec } } as never
    }, asServer(core, resource))
  } catch (error) {
    if (!isReason(error, 'NotFound')) throw error
    try {
      await core.registry.create(resource, namespace, { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name, namespace, labels, annotations }, spec: { holderIdentity: holder, ...spec } } as never, asServer(core, resource))
    } catch (failure) {
      if (!isReason(failure, 'AlreadyExists')) throw failure
    }
  }
}

async function collectLeases(core: ApiServerCore): Promise<void> {
  const { runtime, signal, registry } = core
  const collect = async (): Promise<void> => {
    const resource = core.resource('leases', 'coordination.k8s.io')
    for (const lease of (await registry.list(resource, namespace)) as unknown as readonly Readonly<Lease>[]) {
      if (lease.metadata.labels?.[componentLabel] !== component || !hasRunOut(lease, runtime.clock.now())) continue
      try {
        await registry.delete(resource, namespace, lease.metadata.name!, { user: apiServerUser, preconditions: { resourceVersion: lease.metadata.resourceVersion! } })
      } catch (error) {
        // Another server was first, or it has been renewed.
        if (!isReason(error, 'NotFound', 'Conflict')) throw error
      }
    }
  }
  await collect()
  const timer = runtime.clock.interval(collectPeriodMs, () => {
    collect().catch((err: unknown) => signal.aborted ? undefined : runtime.log.warn('leases of API servers that are gone could not be removed', { err }))
  }, { background: true })
  signal.addEventListener('abort', () => timer[Symbol.dispose](), { once: true })
}

function hasRunOut({ spec }: Readonly<Lease>, nowMs: number): boolean {
  const renewedMs = Date.parse(spec?.renewTime ?? '')
  return spec?.leaseDurationSeconds === undefined || Number.isNaN(renewedMs) || renewedMs + spec.leaseDurationSeconds * 1000 < nowMs
}
