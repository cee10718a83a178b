import type { ServiceCIDR } from '../../api/types/networking.k8s.io_v1.ts'
import { formatCidr, parseCidr } from '../../machinery/cidr.ts'
import { timeText } from '../../machinery/object.ts'
import { isReason } from '../../machinery/status.ts'
import { apiServerUser, appliedBy, asServer } from '../bootstrap/ensure.ts'
import type { ApiServerCore, PostStartHook } from '../core.ts'
import { addressRange, type AddressRange } from './address-pool.ts'
import type { IpFamily } from './ip-families.ts'
import { RepairEvents } from './repair-events.ts'

const defaultName = 'kubernetes'
const controller = 'kubernetes-service-cidr-controller'
const syncPeriodMs = 10_000
const id = 'servicecidrs.networking.k8s.io'

/** The ranges of a cluster's Service addresses: those of the flags, and those of ServiceCIDR objects (KEP-1880). */
export class ServiceCidrs {
  readonly #core: ApiServerCore
  /** Canonical, as the flags give them. */
  readonly #configured: readonly string[]
  readonly #parsed = new Map<string, AddressRange>()

  constructor(core: ApiServerCore, configured: readonly string[]) {
    this.#core = core
    this.#configured = configured.map((text) => addressRange(text).text)
  }

  /** The cluster's IP families, the default one first. */
  get families(): readonly IpFamily[] {
    return this.#configured.map((cidr) => (cidr.includes(':') ? 'IPv6' : 'IPv4'))
  }

  #range(cidr: string): AddressRange {
    let range = this.#parsed.get(cidr)
    if (range === undefined) this.#parsed.set(cidr, (range = addressRange(cidr)))
    return range
  }

  /** Ranges from which addresses are handed out: of objects that are ready and not being deleted. Before there are any, those of the flags. */
  ready(): readonly AddressRange[] {
    const objects = this.#core.reader.list(id) as readonly Readonly<ServiceCIDR>[]
    if (objects.length === 0) return this.#configured.map((cidr) => this.#range(cidr))
    const cidrs = objects.filter(isReady).flatMap((object) => object.spec?.cidrs ?? [])
    return [...new Set(cidrs)].map((cidr) => this.#range(cidr))
  }

  /** Every range that there is, ready or not. */
  all(): readonly AddressRange[] {
    const objects = this.#core.reader.list(id) as readonly Readonly<ServiceCIDR>[]
    return [...new Set([...this.#configured, ...objects.flatMap((object) => object.spec?.cidrs ?? [])])].map((cidr) => this.#range(cidr))
  }
}

/** Without a condition it counts as ready: there may be no controller to say so. */
function isReady({ metadata, status }: Readonly<ServiceCIDR>): boolean {
  return metadata.deletionTimestamp === undefined && status?.conditions?.find(({ type }) => type === 'Ready')?.status !== 'False'
}

/** Keeps the object `kubernetes` for the ranges of the flags: makes it, adds a second range, says that it is ready; what somebody else has made of it stays. */
export function defaultServiceCidrHook(configured: readonly string[]): PostStartHook {
  const cidrs = configured.map((text) => formatCidr(parseCidr(text)!))
  return {
    name: 'start-kubernetes-service-cidr-controller',
    async run(core) {
      const events = new RepairEvents(core, controller)
      await sync(core, cidrs, events)
      const timer = core.runtime.clock.interval(syncPeriodMs, () => {
        sync(core, cidrs, events).catch((err: unknown) => core.signal.aborted ? undefined : core.runtime.log.warn('the default ServiceCIDR could not be kept', { err }))
      }, { background: true })
      core.signal.addEventListener('abort', () => timer[Symbol.dispose](), { once: true })
    },
  }
}

async function sync(core: ApiServerCore, cidrs: readonly string[], events: RepairEvents): Promise<void> {
  const resource = core.resource('servicecidrs', 'networking.k8s.io')
  const { registry } = core
  let standing = await registry.find(resource, '', defaultName) as unknown as Readonly<ServiceCIDR> | undefined
  if (standing === undefined) {
    try {
      const made = { apiVersion: 'networking.k8s.io/v1', kind: 'ServiceCIDR', metadata: { name: defaultName }, spec: { cidrs: [...cidrs] } }
      standing = await registry.create(resource, '', made as never, asServer(core, resource)) as unknown as Readonly<ServiceCIDR>
    } catch (error) {
      if (isReason(error, 'AlreadyExists')) return await sync(core, cidrs, events)
      throw error
    }
  }
  const own = standing.spec?.cidrs ?? []
  if (cidrs.length === 2 && own.length === 1 && own[0] === cidrs[0]) {
    standing = await registry.update(resource, '', defaultName, (current) => ({ ...current, spec: { cidrs: [...cidrs] } }), asServer(core, resource)) as unknown as Readonly<ServiceCIDR>
  }
  if (standing.metadata.deletionTimestamp !== undefined) return
  if (JSON.stringify(standing.spec?.cidrs) !== JSON.stringify(cidrs)) {
    const subject = { apiVersion: 'networking.k8s.io/v1', kind: 'ServiceCIDR', name: defaultName, ...(standing.metadata.uid === undefined ? {} : { uid: standing.metadata.uid }) }
    return await events.warn(subject, 'KubernetesDefaultServiceCIDRInconsistent', 'Reconcile', `The default ServiceCIDR [${own.join(' ')}] does not match the controller flag configurations [${cidrs.join(' ')}]`)
  }
  const ready = standing.status?.conditions?.find(({ type }) => type === 'Ready')
  if (ready !== undefined && ready.status !== 'Unknown') return
  const condition = { type: 'Ready', status: 'True', reason: '', message: 'Kubernetes default Service CIDR is ready', lastTransitionTime: timeText(core.runtime.clock.now()) }
  const { reason: _, ...applied } = condition
  await registry.update(resource, '', defaultName, (current) => {
    const conditions = (current as unknown as ServiceCIDR).status?.conditions ?? []
    return { ...current, status: { conditions: [...conditions.filter(({ type }) => type !== 'Ready'), condition] } }
  }, { user: apiServerUser, subresource: 'status', strategy: {}, manageFields: appliedBy(core, resource, controller, 'status', () => ({ status: { conditions: [applied] } })) })
}
