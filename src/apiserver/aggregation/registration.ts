import type { CustomResourceDefinition } from '../../api/types/apiextensions.k8s.io_v1.ts'
import type { APIService } from '../../api/types/apiregistration.k8s.io_v1.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { timeText, type OpenObject } from '../../machinery/object.ts'
import { isReason } from '../../machinery/status.ts'
import { apiServerUser } from '../bootstrap/ensure.ts'
import type { ApiServerCore } from '../core.ts'
import { apiServiceName, apiServicesResource, localAvailability, withAvailability } from './api-service.ts'
import { builtinPriority, customPriority } from './priorities.ts'
import { startWork, type Work } from './work.ts'

/** Says that an APIService is kept by the server itself: `onstart` once when it starts, `true` all the time. */
export const automanagedLabel = 'kube-aggregator.kubernetes.io/automanaged'
type Management = 'onstart' | 'true'

const definitionsResource = 'customresourcedefinitions.apiextensions.k8s.io'

function localService(group: string, version: string, priority: { group: number; version: number }, management: Management): APIService {
  return {
    apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService', metadata: { name: apiServiceName(group, version), labels: { [automanagedLabel]: management } },
    spec: { ...(group === '' ? {} : { group }), version, groupPriorityMinimum: priority.group, versionPriority: priority.version },
  }
}

/** The group versions that this server serves itself, as it registers them. The group of APIServices stands above all, and has none. */
export function builtinServices(core: ApiServerCore): APIService[] {
  return core.resources.groups().flatMap((group) => core.resources.versions(group).flatMap((version) => {
    const priority = builtinPriority(group, version)
    return priority === undefined ? [] : [localService(group, version, priority, 'onstart')]
  }))
}

/** The group versions that custom resources are served in. */
function customServices(core: ApiServerCore): Map<string, APIService> {
  const services = new Map<string, APIService>()
  for (const { spec: { group, versions } } of core.reader.list(definitionsResource) as unknown as readonly CustomResourceDefinition[]) {
    for (const { name, served } of versions) if (served) services.set(apiServiceName(group, name), localService(group, name, customPriority, 'true'))
  }
  return services
}

/**
 * Keeps an APIService for each group version that is served here: those built in are seen to when the server starts, those of
 * custom resources all the time (upstream's autoregister and crd-autoregister controllers). Resolves when what stands at the
 * start is registered.
 */
export async function startRegistration(core: ApiServerCore): Promise<void> {
  const { reader, runtime, signal } = core
  await reader.whenReady([apiServicesResource, definitionsResource])
  const registration = new Registration(core)
  const work: Work = startWork({ runtime, what: 'registering an APIService', backOff: { baseMs: 5, maxMs: 1_000_000 }, workers: 5, signal, sync: (name) => registration.sync(name) })
  const definitions = reader.onChange(definitionsResource, ({ object }) => {
    const before = registration.customNames()
    registration.refresh()
    const { spec } = object as unknown as CustomResourceDefinition
    for (const { name } of spec.versions) work.queue.add(apiServiceName(spec.group, name))
    // A version that is no longer in its definition.
    for (const name of before) if (!registration.wants(name)) work.queue.add(name)
  })
  const services = reader.onChange(apiServicesResource, ({ object }) => work.queue.add((object as unknown as APIService).metadata.name ?? ''))
  signal.addEventListener('abort', () => {
    definitions[Symbol.dispose]()
    services[Symbol.dispose]()
  }, { once: true })
  const names = registration.begin()
  const settled = work.settled(names)
  for (const name of names) work.queue.add(name)
  await settled
}

class Registration {
  readonly #core: ApiServerCore
  readonly #builtin: Map<string, APIService>
  #custom = new Map<string, APIService>()
  readonly #atStart = new Set<string>()
  readonly #synced = new Set<string>()

  constructor(core: ApiServerCore) {
    this.#core = core
    this.#builtin = new Map(builtinServices(core).map((service) => [service.metadata.name!, service]))
  }

  /** The names to look at first: what is wanted, and what stands. */
  begin(): string[] {
    this.refresh()
    for (const service of this.#core.reader.list(apiServicesResource)) this.#atStart.add(service.metadata.name ?? '')
    return [...new Set([...this.#builtin.keys(), ...this.#custom.keys(), ...this.#atStart])]
  }

  refresh(): void {
    this.#custom = customServices(this.#core)
  }

  customNames(): string[] {
    return [...this.#custom.keys()]
  }

  wants(name: string): boolean {
    return this.#builtin.has(name) || this.#custom.has(name)
  }

  async sync(name: string): Promise<void> {
    await this.#reconcile(name)
    this.#synced.add(name)
  }

  async #reconcile(name: string): Promise<void> {
    const wanted = this.#builtin.get(name) ?? this.#custom.get(name)
    const standing = this.#core.reader.get(apiServicesResource, '', name) as unknown as Readonly<APIService> | undefined
    const isOnce = wanted?.metadata.labels?.[automanagedLabel] === 'onstart'
    if (standing === undefined && wanted === undefined) return
    if (isOnce && this.#synced.has(name)) return
    if (standing === undefined) return await this.#create(wanted!)
    const management = standing.metadata.labels?.[automanagedLabel]
    if (management !== 'onstart' && management !== 'true') return
    if (management === 'onstart' && (!this.#atStart.has(name) || this.#synced.has(name))) return
    if (wanted === undefined) return await this.#remove(standing)
    if (!semanticEqual(standing.spec, wanted.spec)) await this.#replaceSpec(name, wanted)
  }

  async #create(wanted: APIService): Promise<void> {
    const { registry, runtime } = this.#core
    // Created with its condition, which it would get a moment later anyway.
    const conditions = withAvailability([], localAvailability, timeText(runtime.clock.now()))
    const object = { ...structuredClone(wanted), status: { conditions } } as unknown as OpenObject
    await ignoring(['AlreadyExists'], registry.create(this.#core.resource('apiservices', 'apiregistration.k8s.io'), '', object, { user: apiServerUser, strategy: {} }))
  }

  async #remove(standing: Readonly<APIService>): Promise<void> {
    const { name = '', uid } = standing.metadata
    await ignoring(['NotFound', 'Conflict'], this.#core.registry.delete(this.#core.resource('apiservices', 'apiregistration.k8s.io'), '', name, { user: apiServerUser, ...(uid === undefined ? {} : { preconditions: { uid } }) }))
  }

  async #replaceSpec(name: string, wanted: APIService): Promise<void> {
    const resource = this.#core.resource('apiservices', 'apiregistration.k8s.io')
    await ignoring(['NotFound', 'Conflict'], this.#core.registry.update(resource, '', name, (current) => ({ ...current, spec: structuredClone(wanted.spec) }) as unknown as OpenObject, { user: apiServerUser }))
  }
}

/** Somebody else was first; the change that they made brings the name back here. */
async function ignoring(reasons: Parameters<typeof isReason>[1][], act: Promise<unknown>): Promise<void> {
  try {
    await act
  } catch (error) {
    if (!isReason(error, ...reasons)) throw error
  }
}
