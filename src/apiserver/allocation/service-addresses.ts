import type { IPAddress } from '../../api/types/networking.k8s.io_v1.ts'
import { timeText } from '../../machinery/object.ts'
import { isReason } from '../../machinery/status.ts'
import { ipAddressObject } from '../bootstrap/kubernetes-service.ts'
import { apiServerUser, asServer } from '../bootstrap/ensure.ts'
import type { ApiServerCore } from '../core.ts'
import { cidrHas, parseIp } from '../../machinery/cidr.ts'
import { metricSetOf, type MetricSet } from '../metrics/metric-set.ts'
import { placesOf } from './address-pool.ts'
import { familyOf, type IpFamily } from './ip-families.ts'
import { RepairEvents, type EventSubject } from './repair-events.ts'
import type { ServiceCidrs } from './service-cidrs.ts'

export class AllocationError extends Error {}

/** Somebody else has it. */
export class TakenError extends AllocationError {}

const allocated = 'provided IP is already allocated'
/** A claim without its service is somebody's create under way for so long; then it is a left-over. */
const claimGraceMs = 60_000
const manager = 'ipallocator.k8s.io'

export interface ServiceName { namespace: string; name: string }

/** A service as repairs see it. */
export interface HoldingService extends ServiceName { uid?: string; resourceVersion?: string }

/**
 * Cluster addresses of Services, each claimed by an IPAddress object of its name (KEP-1880): whoever creates the object has the
 * address, on however many servers.
 */
export class ServiceAddresses {
  readonly cidrs: ServiceCidrs
  readonly #core: ApiServerCore
  readonly #events: RepairEvents
  readonly #metrics: MetricSet

  constructor(core: ApiServerCore, cidrs: ServiceCidrs) {
    this.#core = core
    this.cidrs = cidrs
    this.#events = new RepairEvents(core, 'ipallocator-repair-controller')
    this.#metrics = metricSetOf(core)
    this.#metrics.beforeRead(() => this.#measure())
  }

  get #resource(): ReturnType<ApiServerCore['resource']> {
    return this.#core.resource('ipaddresses', 'networking.k8s.io')
  }

  #isTaken(ip: string): boolean {
    return this.#core.reader.get('ipaddresses.networking.k8s.io', '', ip) !== undefined
  }

  /** How full each range is, for whoever looks. */
  #measure(): void {
    const ranges = this.cidrs.all().map((range) => ({ range, count: 0 }))
    for (const { metadata } of this.#core.reader.list('ipaddresses.networking.k8s.io')) {
      const address = parseIp(metadata.name ?? '')
      for (const each of ranges) if (address !== undefined && cidrHas(each.range.cidr, address)) each.count++
    }
    this.#metrics.clear('kube_apiserver_clusterip_allocator_allocated_ips')
    this.#metrics.clear('kube_apiserver_clusterip_allocator_available_ips')
    for (const { range: { text, size }, count } of ranges) {
      this.#metrics.set('kube_apiserver_clusterip_allocator_allocated_ips', count, text)
      this.#metrics.set('kube_apiserver_clusterip_allocator_available_ips', size - count, text)
    }
  }

  /** Claims `ip`, or any free address of the family when it is undefined. Throws AllocationError. */
  async claim(service: ServiceName, family: IpFamily, ip: string | undefined, dryRun: boolean): Promise<string> {
    if (dryRun) return await this.#claim(service, family, ip, true)
    const scope = ip === undefined ? 'dynamic' : 'static'
    const ranges = this.cidrs.ready().filter(({ cidr }) => cidr.family === (family === 'IPv6' ? 6 : 4))
    const holding = (address: string): string => (ranges.find((range) => range.problem(address) === undefined) ?? ranges[0])?.text ?? ''
    try {
      const claimed = await this.#claim(service, family, ip, false)
      this.#metrics.count('kube_apiserver_clusterip_allocator_allocation_total', holding(claimed), scope)
      return claimed
    } catch (error) {
      this.#metrics.count('kube_apiserver_clusterip_allocator_allocation_errors_total', holding(ip ?? ''), scope)
      throw error
    }
  }

  async #claim(service: ServiceName, family: IpFamily, ip: string | undefined, dryRun: boolean): Promise<string> {
    const ranges = this.cidrs.ready()
    if (ip !== undefined) {
      const address = parseIp(ip)
      if (dryRun) {
        // As upstream, which asks one range only then, and not whether the address is taken.
        const own = ranges.filter(({ cidr }) => cidr.family === (family === 'IPv6' ? 6 : 4))
        const problems = own.map((range) => range.problem(ip))
        if (problems[0] !== undefined && !problems.includes(undefined)) throw new AllocationError(problems[0])
        return ip
      }
      if (!ranges.some((range) => address !== undefined && range.problem(ip) === undefined)) throw new AllocationError('the provided network does not match the current range')
      if (!(await this.#create(service, ip, true))) throw new TakenError(allocated)
      return ip
    }
    const { random } = this.#core.runtime
    for (const range of ranges) {
      if (range.cidr.family !== (family === 'IPv6' ? 6 : 4)) continue
      for (const place of placesOf(range, (below) => random.int(below))) {
        const candidate = range.address(place)
        if (this.#isTaken(candidate)) continue
        if (dryRun || await this.#create(service, candidate, false)) return candidate
      }
    }
    throw new AllocationError('range is full')
  }

  async #create(service: ServiceName, ip: string, evict: boolean): Promise<boolean> {
    const { registry } = this.#core
    try {
      await registry.create(this.#resource, '', ipAddressObject(ip, ip.includes(':') ? 6 : 4, service) as never, asServer(this.#core, this.#resource))
      return true
    } catch (error) {
      if (!isReason(error, 'AlreadyExists')) throw error
      // An address asked for by name may be held by a service that has just gone.
      return evict && await this.#releaseStale(ip) && await this.#create(service, ip, false)
    }
  }

  async #releaseStale(ip: string): Promise<boolean> {
    const claim = await this.#core.registry.find(this.#resource, '', ip) as unknown as IPAddress | undefined
    if (claim === undefined) return true
    if (claim.spec?.parentRef === undefined || !this.#isOld(claim) || await this.#isHeld(claim)) return false
    return await this.#delete(claim)
  }

  #isOld(claim: IPAddress): boolean {
    return (claim.metadata.creationTimestamp ?? '') <= timeText(this.#core.runtime.clock.now() - claimGraceMs)
  }

  async #isHeld(claim: IPAddress): Promise<boolean> {
    const { resource, namespace = '', name = '' } = claim.spec!.parentRef!
    if (resource !== 'services') return true
    const service = await this.#core.registry.find(this.#core.resource('services'), namespace, name) as { spec?: { clusterIPs?: string[] } } | undefined
    return service?.spec?.clusterIPs?.includes(claim.metadata.name!) === true
  }

  async #delete(claim: IPAddress): Promise<boolean> {
    try {
      await this.#core.registry.delete(this.#resource, '', claim.metadata.name!, { user: apiServerUser, preconditions: { uid: claim.metadata.uid! } })
      return true
    } catch (error) {
      if (isReason(error, 'NotFound', 'Conflict')) return false
      throw error
    }
  }

  /** Lets go of what `service` held before `revision`; what it has claimed anew since then stays. */
  async release(service: ServiceName, ip: string, revision = Number.MAX_SAFE_INTEGER): Promise<void> {
    const claim = await this.#core.registry.find(this.#resource, '', ip) as unknown as IPAddress | undefined
    const parent = claim?.spec?.parentRef
    if (claim === undefined || parent?.namespace !== service.namespace || parent?.name !== service.name) return
    if (Number(claim.metadata.resourceVersion) < revision) await this.#delete(claim)
  }

  /** Makes claims that are missing or wrong, and lets go of those that no service has taken up; events tell of each (upstream: `RepairIPAddress`). */
  async repair(services: ReadonlyMap<string, readonly HoldingService[]>): Promise<void> {
    for (const [ip, holders] of services) for (const service of holders) await this.#repairClaim(ip, service, holders)
    for (const claim of this.#core.reader.list('ipaddresses.networking.k8s.io') as readonly IPAddress[]) {
      if (claim.metadata.labels?.['ipaddress.kubernetes.io/managed-by'] === manager && !services.has(claim.metadata.name!)) await this.#collect(claim)
    }
  }

  async #repairClaim(ip: string, service: HoldingService, holders: readonly HoldingService[]): Promise<void> {
    const family = familyOf(ip)
    const { namespace, name } = service
    const subject: EventSubject = { apiVersion: 'v1', kind: 'Service', ...service }
    const warn = (reason: string, note: string): Promise<void> => this.#events.warn(subject, reason, 'ClusterIPAllocation', note)
    const address = parseIp(ip)
    if (address === undefined) return await this.#events.warn(subject, 'ClusterIPNotValid', 'ClusterIPValidation', `Cluster IP ${ip} is not a valid IP; please recreate Service`)
    if (!this.cidrs.all().some(({ cidr }) => cidrHas(cidr, address))) return await warn('ClusterIPOutOfRange', `Cluster IP [${family}]: ${ip} is not within any configured Service CIDR; please recreate service`)
    const claim = await this.#core.registry.find(this.#resource, '', ip) as unknown as IPAddress | undefined
    if (claim === undefined) {
      await warn('ClusterIPNotAllocated', `Cluster IP [${family}]: ${ip} is not allocated; repairing`)
      return void await this.#create(service, ip, false)
    }
    const parent = claim.spec?.parentRef
    const isService = (parent?.group ?? '') === '' && parent?.resource === 'services'
    const isOwn = isService && parent.namespace === namespace && parent.name === name
    if (isService && !isOwn && holders.some((each) => each.namespace === parent.namespace && each.name === parent.name)) {
      return await warn('ClusterIPAlreadyAllocated', `Cluster IP [${family}]:${ip} was assigned to multiple services; please recreate service`)
    }
    const { labels = {} } = claim.metadata
    if (isOwn && labels['ipaddress.kubernetes.io/managed-by'] === manager && labels['ipaddress.kubernetes.io/ip-family'] === family) return
    if (!isOwn) await warn('ClusterIPNotAllocated', `the ClusterIP [${family}]: ${ip} for Service ${namespace}/${name} has a wrong reference; repairing`)
    await this.#delete(claim)
    await this.#create(service, ip, false)
  }

  /** A claim of this allocator's that no service has. */
  async #collect(claim: IPAddress): Promise<void> {
    const { name = '', uid } = claim.metadata
    const { group = '', resource, namespace = '', name: service = '' } = claim.spec?.parentRef ?? {}
    const subject: EventSubject = { apiVersion: 'networking.k8s.io/v1', kind: 'IPAddress', name, ...(uid === undefined ? {} : { uid }) }
    const warn = (reason: string, note: string): Promise<void> => this.#events.warn(subject, reason, 'IPAddressAllocation', note)
    if (group !== '' || resource !== 'services') {
      await warn('IPAddressNotAllocated', `IPAddress ${name} appears to have been modified, not referencing a Service: cleaning up`)
      return void await this.#delete(claim)
    }
    if (!this.#isOld(claim) || await this.#isHeld(claim)) return
    const standing = await this.#core.registry.find(this.#core.resource('services'), namespace, service)
    if (standing === undefined) await warn('IPAddressNotAllocated', `IPAddress: ${name} for Service ${namespace}/${service} appears to have leaked: cleaning up`)
    else await warn('IPAddressWrongReference', `IPAddress: ${name} for Service ${namespace}/${service} has a wrong reference; cleaning up`)
    await this.#delete(claim)
  }
}
