import type { IPAddress } from '../../api/types/networking.k8s.io_v1.ts'
import { timeText } from '../../machinery/object.ts'
import { isReason } from '../../machinery/status.ts'
import { ipAddressObject } from '../bootstrap/kubernetes-service.ts'
import { apiServerUser } from '../bootstrap/ensure.ts'
import type { ApiServerCore } from '../core.ts'
import { placesOf, type AddressRange } from './address-pool.ts'

export class AllocationError extends Error {}

const allocated = 'provided IP is already allocated'
/** A claim without its service is somebody's create under way for so long; then it is a left-over. */
const claimGraceMs = 60_000
const manager = 'ipallocator.k8s.io'

export interface ServiceName { namespace: string; name: string }

/**
 * Cluster addresses of Services, each claimed by an IPAddress object of its name (KEP-1880): whoever creates the object has the
 * address, on however many servers.
 */
export class ServiceAddresses {
  readonly range: AddressRange
  readonly #core: ApiServerCore

  constructor(core: ApiServerCore, range: AddressRange) {
    this.#core = core
    this.range = range
  }

  get #resource(): ReturnType<ApiServerCore['resource']> {
    return this.#core.resource('ipaddresses', 'networking.k8s.io')
  }

  #isTaken(ip: string): boolean {
    return this.#core.reader.get('ipaddresses.networking.k8s.io', '', ip) !== undefined
  }

  /** Claims `ip`, or any free address when it is undefined. Throws AllocationError. */
  async claim(service: ServiceName, ip: string | undefined, dryRun: boolean): Promise<string> {
    if (ip !== undefined) {
      const problem = this.range.problem(ip)
      if (problem !== undefined) throw new AllocationError(problem)
      if (!(dryRun ? !this.#isTaken(ip) : await this.#create(service, ip, true))) throw new AllocationError(allocated)
      return ip
    }
    const { random } = this.#core.runtime
    for (const place of placesOf(this.range, (below) => random.int(below))) {
      const candidate = this.range.address(place)
      if (this.#isTaken(candidate)) continue
      if (dryRun || await this.#create(service, candidate, false)) return candidate
    }
    throw new AllocationError('range is full')
  }

  async #create(service: ServiceName, ip: string, evict: boolean): Promise<boolean> {
    const { registry } = this.#core
    try {
      await registry.create(this.#resource, '', ipAddressObject(ip, this.range.cidr.family, service) as never, { user: apiServerUser })
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

  /** Lets go of what `service` held. */
  async release(service: ServiceName, ip: string): Promise<void> {
    const claim = await this.#core.registry.find(this.#resource, '', ip) as unknown as IPAddress | undefined
    const parent = claim?.spec?.parentRef
    if (claim !== undefined && parent?.namespace === service.namespace && parent?.name === service.name) await this.#delete(claim)
  }

  /** Makes claims that are missing, and lets go of those that no service has taken up. */
  async repair(services: ReadonlyMap<string, ServiceName>): Promise<void> {
    for (const [ip, service] of services) if (!this.#isTaken(ip) && this.range.problem(ip) === undefined) await this.#create(service, ip, false)
    for (const claim of this.#core.reader.list('ipaddresses.networking.k8s.io') as readonly IPAddress[]) {
      if (claim.metadata.labels?.['ipaddress.kubernetes.io/managed-by'] !== manager || services.has(claim.metadata.name!)) continue
      if (this.#isOld(claim) && !await this.#isHeld(claim)) await this.#delete(claim)
    }
  }
}
