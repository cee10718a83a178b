import type { Service, ServiceSpec } from '../../api/types/core_v1.ts'
import { fieldErrorCause, fieldErrors, type FieldError } from '../../machinery/field-error.ts'
import { keyOf, splitKey, type WatchEvent } from '../../machinery/object.ts'
import { errors } from '../../machinery/status.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../context.ts'
import type { ApiServerCore, CorePart, PostStartHook } from '../core.ts'
import { portRange } from './address-pool.ts'
import { fillFamilies, type IpFamily } from './ip-families.ts'
import { NodePorts } from './node-ports.ts'
import { RepairEvents } from './repair-events.ts'
import { AllocationError, ServiceAddresses, TakenError, type HoldingService, type ServiceName } from './service-addresses.ts'
import { ServiceCidrs } from './service-cidrs.ts'

export interface AllocationOptions {
  /** `10.96.0.0/16`; two of different families for dual stack, the default first. */
  serviceCidrs: readonly string[]
  nodePorts?: { first: number; last: number }
}

/** A claim whose service has not appeared by then belongs to a create that failed. */
const claimTimeoutMs = 60_000
const repairPeriodMs = 3 * 60_000
const soonMs = 1_000
const freeAttempts = 10
const freeDelayMs = 50
const leftAttempts = 3
const maxTouched = 100_000

interface Held { ips: readonly string[]; ports: readonly number[] }

function takesAddress({ type, clusterIP }: ServiceSpec): boolean {
  return type !== 'ExternalName' && clusterIP !== 'None'
}
function takesPorts(spec: ServiceSpec): boolean {
  return spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false)
}
function takesHealthPort({ type, externalTrafficPolicy }: ServiceSpec): boolean {
  return type === 'LoadBalancer' && externalTrafficPolicy === 'Local'
}

function heldBy(service: Readonly<Service> | undefined): Held {
  const { spec } = service ?? {}
  if (spec === undefined) return { ips: [], ports: [] }
  const ips = takesAddress(spec) ? (spec.clusterIPs ?? (spec.clusterIP === undefined || spec.clusterIP === '' ? [] : [spec.clusterIP])) : []
  const ports = [...(spec.ports ?? []).map((port) => port.nodePort ?? 0), spec.healthCheckNodePort ?? 0].filter((port) => port !== 0)
  return { ips, ports: [...new Set(ports)] }
}

function invalidService(name: string, problem: FieldError): Error {
  return errors.invalid({ group: '', kind: 'Service' }, name, [fieldErrorCause(problem)])
}

/** Hands out and takes back cluster addresses and node ports of one server's Services. */
export class ServiceAllocator {
  readonly #core: ApiServerCore
  readonly #addresses: ServiceAddresses
  readonly #ports: NodePorts
  readonly #portEvents: RepairEvents
  /** What the services in the cache hold. */
  readonly #held = new Map<string, Held>()
  /** Claims made here whose service has not been seen yet, with the time they lapse. */
  readonly #pending = new Map<string, { held: Held; untilMs: number }>()
  /** Services that are changed by way of this server. */
  readonly #touched = new Set<string>()
  /** The repair that a lost claim has called for. */
  #soon: Disposable | undefined
  /** Node ports that the last repair found unused. */
  #leaked = new Set<number>()

  constructor(core: ApiServerCore, options: AllocationOptions) {
    this.#core = core
    this.#addresses = new ServiceAddresses(core, new ServiceCidrs(core, options.serviceCidrs))
    this.#portEvents = new RepairEvents(core, 'portallocator-repair-controller')
    this.#ports = new NodePorts(core, portRange(options.nodePorts?.first, options.nodePorts?.last))
  }

  /** Fills families, address and ports of a service about to be written. Throws Invalid, and leaves nothing claimed then. */
  async allocate(attributes: AdmissionAttributes): Promise<void> {
    const service = attributes.object as Service
    const { spec } = service
    if (spec === undefined) return
    const old = heldBy(attributes.oldObject as Service | undefined)
    const name = service.metadata.name ?? ''
    const claimed: { ips: string[]; ports: number[] } = { ips: [], ports: [] }
    try {
      const problems = fillFamilies(service, attributes.oldObject as Readonly<Service> | undefined, this.#addresses.cidrs.families)
      if (problems.length > 0) throw errors.invalid({ group: '', kind: 'Service' }, name, problems.map(fieldErrorCause))
      if (spec.clusterIP === 'None') spec.clusterIPs = ['None']
      if (takesAddress(spec)) await this.#allocateAddresses({ namespace: attributes.namespace, name }, spec, old, attributes.dryRun, claimed.ips)
      if (takesPorts(spec)) await this.#allocatePorts(name, spec, old, attributes.dryRun, claimed.ports)
      if (takesHealthPort(spec)) await this.#allocateHealthPort(name, spec, old, attributes.dryRun, claimed.ports)
    } catch (error) {
      if (!attributes.dryRun) await this.#release(splitKey(keyOf(service)), claimed)
      throw error
    }
    if (attributes.dryRun || (claimed.ips.length === 0 && claimed.ports.length === 0)) return
    this.#pending.set(`${attributes.namespace}/${name}`, { held: claimed, untilMs: this.#core.runtime.clock.now() + claimTimeoutMs })
  }

  /** An address for each family; those that the service has are kept. */
  async #allocateAddresses(service: ServiceName, spec: ServiceSpec, old: Held, dryRun: boolean, claimed: string[]): Promise<void> {
    const wanted = [...(spec.clusterIPs ?? [])]
    if (wanted.length === 0 && spec.clusterIP !== undefined && spec.clusterIP !== '') wanted.push(spec.clusterIP)
    const ips: string[] = []
    for (const [index, family] of (spec.ipFamilies ?? []).entries()) {
      const ip = wanted[index] ?? ''
      if (ip !== '' && old.ips.includes(ip)) {
        ips.push(ip)
        continue
      }
      try {
        const got = ip === '' ? await this.#onceOneIsLeft(() => this.#addresses.claim(service, family as IpFamily, undefined, dryRun))
          : await this.#onceFree(({ ips: held }) => held.includes(ip), () => this.#addresses.claim(service, family as IpFamily, ip, dryRun))
        claimed.push(got)
        ips.push(got)
      } catch (error) {
        if (!(error instanceof AllocationError)) throw error
        if (ip === '') throw errors.internal(new Error(`failed to allocate a serviceIP: ${error.message}`, { cause: error }))
        throw invalidService(service.name, fieldErrors.invalid('spec.clusterIPs', wanted, `failed to allocate IP ${ip}: ${error.message}`))
      }
    }
    spec.clusterIP = ips[0]!
    spec.clusterIPs = ips
  }

  async #allocatePorts(name: string, spec: ServiceSpec, old: Held, dryRun: boolean, claimed: number[]): Promise<void> {
    // Ports that the service names itself come first, so that none of them is handed out to another.
    const ports = [...(spec.ports ?? []).entries()]
    const own = new Set<number>(old.ports)
    const named = ports.filter(([, port]) => (port.nodePort ?? 0) !== 0)
    for (const [index, port] of named) {
      const wanted = port.nodePort!
      if (own.has(wanted)) continue
      try {
        await this.#onceFree(({ ports: held }) => held.includes(wanted), () => this.#ports.claim(wanted, dryRun))
      } catch (error) {
        if (!(error instanceof AllocationError)) throw error
        throw invalidService(name, fieldErrors.invalid(`spec.ports[${index}].nodePort`, wanted, error.message))
      }
      own.add(wanted)
      claimed.push(wanted)
    }
    for (const [, port] of ports) {
      if ((port.nodePort ?? 0) !== 0) continue
      // One number serves one service port in both protocols, as upstream shares it for DNS.
      const twin = ports.find(([, other]) => other !== port && other.port === port.port && other.protocol !== port.protocol && (other.nodePort ?? 0) !== 0 && !ports.some(([, third]) => third !== other && third.nodePort === other.nodePort && third.protocol === port.protocol))
      if (twin !== undefined) {
        port.nodePort = twin[1].nodePort!
        continue
      }
      port.nodePort = await this.#anyPort(dryRun, own)
      own.add(port.nodePort)
      claimed.push(port.nodePort)
    }
  }

  /** Claims what somebody asks for by name. The service that had it may have gone a moment ago, on another server: then it is about to be free. */
  async #onceFree<T>(holds: (held: Held) => boolean, claim: () => Promise<T>): Promise<T> {
    const { registry, runtime, signal } = this.#core
    for (let attempt = 1; ; attempt++) {
      try {
        return await claim()
      } catch (error) {
        if (!(error instanceof TakenError) || attempt === freeAttempts) throw error
        const services = await registry.list(this.#core.resource('services')) as unknown as readonly Service[]
        if (services.some((service) => holds(heldBy(service)))) throw error
        await runtime.clock.sleep(freeDelayMs, signal)
      }
    }
  }

  /** Claims any that is free. Where none is, a service that has just been deleted may be about to give back what it had. */
  async #onceOneIsLeft<T>(claim: () => Promise<T>): Promise<T> {
    const { runtime, signal } = this.#core
    for (let attempt = 1; ; attempt++) {
      try {
        return await claim()
      } catch (error) {
        if (!(error instanceof AllocationError) || attempt === leftAttempts) throw error
        await runtime.clock.sleep(freeDelayMs, signal)
      }
    }
  }

  async #anyPort(dryRun: boolean, except: ReadonlySet<number>): Promise<number> {
    try {
      return await this.#onceOneIsLeft(() => this.#ports.claim(undefined, dryRun, except))
    } catch (error) {
      if (!(error instanceof AllocationError)) throw error
      throw errors.internal(new Error(`failed to allocate a nodePort: ${error.message}`, { cause: error }))
    }
  }

  async #allocateHealthPort(name: string, spec: ServiceSpec, old: Held, dryRun: boolean, claimed: number[]): Promise<void> {
    const wanted = spec.healthCheckNodePort ?? 0
    if (wanted !== 0 && old.ports.includes(wanted)) return
    if (wanted === 0) {
      spec.healthCheckNodePort = await this.#anyPort(dryRun, new Set([...old.ports, ...claimed]))
    } else {
      try {
        await this.#onceFree(({ ports: held }) => held.includes(wanted), () => this.#ports.claim(wanted, dryRun))
      } catch (error) {
        if (!(error instanceof AllocationError)) throw error
        throw errors.internal(new Error(`failed to allocate requested HealthCheck NodePort ${wanted}: ${error.message}`, { cause: error }))
      }
    }
    claimed.push(spec.healthCheckNodePort!)
  }

  async #release(service: ServiceName, { ips, ports }: Held, revision?: number): Promise<void> {
    for (const ip of ips) await this.#addresses.release(service, ip, revision)
    await this.#ports.release(ports)
  }

  /** Somebody changes or deletes this service by way of this server: then it is for this one to free what the service lets go of. */
  touch(key: string): void {
    if (this.#touched.size >= maxTouched) this.#touched.delete(this.#touched.keys().next().value!)
    this.#touched.delete(key)
    this.#touched.add(key)
  }

  /**
   * Follows the services: what one no longer holds is free. On a store shared with other servers ports are freed by the server that
   * made the change, lest a late event free what another has handed out anew; what is left over is found by `repair`.
   */
  note({ type, object }: WatchEvent): void {
    const key = keyOf(object)
    const before = this.#held.get(key)
    const after = type === 'DELETED' ? { ips: [], ports: [] } : heldBy(object as Service)
    if (type === 'DELETED') this.#held.delete(key)
    else this.#held.set(key, after)
    const pending = this.#pending.get(key)
    if (pending !== undefined && [...pending.held.ips].every((ip) => after.ips.includes(ip)) && pending.held.ports.every((port) => after.ports.includes(port))) this.#pending.delete(key)
    if (before === undefined) return
    const isOurs = this.#core.store.driver !== 'etcd' || this.#touched.has(key)
    if (type === 'DELETED') this.#touched.delete(key)
    const reserved = this.#pending.get(key)?.held
    const gone = {
      ips: before.ips.filter((ip) => !after.ips.includes(ip) && reserved?.ips.includes(ip) !== true),
      ports: isOurs ? before.ports.filter((port) => !after.ports.includes(port) && reserved?.ports.includes(port) !== true) : [],
    }
    if (gone.ips.length === 0 && gone.ports.length === 0) return
    const revision = Number(object.metadata.resourceVersion)
    this.#release(splitKey(key), gone, revision).catch((err: unknown) => this.#core.runtime.log.warn('freeing what a service held failed; the next repair does it', { service: key, err }))
  }

  /** A claim was removed that a service still needs: it is made again. */
  #noteClaim({ type, object }: WatchEvent): void {
    if (type !== 'DELETED' || this.#soon !== undefined) return
    const ip = object.metadata.name ?? ''
    if (![...this.#held.values()].some((held) => held.ips.includes(ip))) return
    this.#soon = this.#core.runtime.clock.timer(soonMs, () => {
      this.#soon = undefined
      this.#repairInBackground()
    }, { background: true })
  }

  /** Brings claims in line with the services: at start, and now and then. */
  async repair(): Promise<void> {
    const services = await this.#core.registry.list(this.#core.resource('services')) as unknown as readonly Service[]
    const byIp = new Map<string, HoldingService[]>()
    const ports = new Set<number>()
    for (const service of services) {
      const held = heldBy(service)
      const { namespace = '', name = '', uid, resourceVersion } = service.metadata
      for (const ip of held.ips) byIp.set(ip, [...(byIp.get(ip) ?? []), { namespace, name, ...(uid === undefined ? {} : { uid }), ...(resourceVersion === undefined ? {} : { resourceVersion }) }])
      for (const port of held.ports) {
        const problem = this.#ports.problem(port)
        if (problem !== undefined) await this.#portEvents.warn({ apiVersion: 'v1', kind: 'Service', namespace, name, ...(uid === undefined ? {} : { uid }) }, 'PortOutOfRange', 'PortAllocation', `Port ${port} is not within the port range ${this.#ports.range.text}; please recreate service`)
        else if (ports.has(port)) await this.#portEvents.warn({ apiVersion: 'v1', kind: 'Service', namespace, name, ...(uid === undefined ? {} : { uid }) }, 'PortAlreadyAllocated', 'PortAllocation', `Port ${port} was assigned to multiple services; please recreate service`)
        ports.add(port)
      }
    }
    const nowMs = this.#core.runtime.clock.now()
    for (const [key, { held, untilMs }] of this.#pending) {
      if (untilMs < nowMs) this.#pending.delete(key)
      else for (const port of held.ports) ports.add(port)
    }
    await this.#addresses.repair(byIp)
    const leaked = await this.#ports.repair(ports)
    // A port may be claimed on another server for a service that is still being written: only what is unused twice is free.
    await this.#ports.release(leaked.filter((port) => this.#leaked.has(port)))
    this.#leaked = new Set(leaked)
  }

  #repairInBackground(): void {
    const { runtime, signal } = this.#core
    this.repair().catch((err: unknown) => signal.aborted ? undefined : runtime.log.warn('repairing service addresses and node ports failed', { err }))
  }

  /** Loads, repairs, and keeps at it until the server stops. */
  async run(): Promise<void> {
    const { reader, runtime, signal } = this.#core
    await reader.whenReady(['services', 'ipaddresses.networking.k8s.io', 'servicecidrs.networking.k8s.io'])
    const subscriptions = [reader.onChange('services', (event) => this.note(event)), reader.onChange('ipaddresses.networking.k8s.io', (event) => this.#noteClaim(event))]
    for (const service of reader.list('services') as readonly Service[]) this.#held.set(keyOf(service), heldBy(service))
    await this.repair()
    const timer = runtime.clock.interval(repairPeriodMs, () => this.#repairInBackground(), { background: true })
    signal.addEventListener('abort', () => {
      for (const subscription of subscriptions) subscription[Symbol.dispose]()
      this.#soon?.[Symbol.dispose]()
      timer[Symbol.dispose]()
    }, { once: true })
  }
}

/**
 * Allocation of cluster addresses and node ports: a plugin for the end of the admission chain (it runs when a service has been
 * validated, as upstream allocates in the registry) and the hook that keeps the claims in order.
 */
export function serviceAllocation(options: AllocationOptions): { plugin: CorePart<AdmissionPlugin>; hook: PostStartHook } {
  const byCore = new WeakMap<ApiServerCore, ServiceAllocator>()
  const allocatorOf = (core: ApiServerCore): ServiceAllocator => {
    const allocator = byCore.get(core) ?? new ServiceAllocator(core, options)
    byCore.set(core, allocator)
    return allocator
  }
  return {
    plugin: (core) => ({
      name: 'ServiceAllocation',
      handles: (operation) => operation === 'CREATE' || operation === 'UPDATE' || operation === 'DELETE',
      resources: ['services'],
      async validate(attributes) {
        const { resource, subresource, operation, dryRun, namespace, name } = attributes
        if (resource.group !== '' || resource.resource !== 'services' || subresource !== '') return
        const allocator = allocatorOf(core)
        if (operation !== 'CREATE' && !dryRun) allocator.touch(`${namespace}/${name}`)
        if (operation !== 'DELETE') await allocator.allocate(attributes)
      },
    }),
    hook: { name: 'start-service-ip-repair-controllers', run: (core) => allocatorOf(core).run() },
  }
}
