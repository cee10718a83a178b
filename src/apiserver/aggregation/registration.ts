import type { CustomResourceDefinition } from '../../api/types/apiextensions.k8s.io_v1.ts'
import type { APIService } from '../../api/types/apiregistration.k8s.io_v1.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { timeText, type OpenObject } from '../../machinery/object.ts'
import { isReason } from '../../machinery/status.ts'
import { apiServerUser, asServer } from '../bootstrap/ensure.ts'
import { metricSetOf } from '../metrics/metric-set.ts'
import type { ApiServerCore } from '../core.ts'
import { apiServiceName, apiServicesResource, groupVersionOf, localAvailability, withAvailability } from './api-service.ts'
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

/** The names of the APIServices that a definition's versions take. */
function namesOf({ spec: { group, versions } }: Readonly<CustomResourceDefinition>): string[] {
  return versions.filter(({ served }) => served).map(({ name }) => apiServiceName(group, name))
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
  const work: Work = startWork({ runtime, name: 'autoregister', metrics: metricSetOf(core), what: 'registering an APIService', backOff: { baseMs: 5, maxMs: 1_000_000 }, workers: 5, signal, sync: (name) => registration.sync(name) })
  const definitions = reader.onChange(definitionsResource, ({ type, object }) => {
    for (const name of registration.note(object as unknown as Readonly<CustomResourceDefinition>, type === 'DELETED')) work.queue.add(name)
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
  /** By definition the names that it takes, and by name how many definitions take it. */
  readonly #taken = new Map<string, readonly string[]>()
  readonly #takers = new Map<string, number>()
  readonly #atStart = new Set<string>()
  readonly #synced = new Set<string>()

  constructor(core: ApiServerCore) {
    this.#core = core
    this.#builtin = new Map(builtinServices(core).map((service) => [service.metadata.name!, service]))
  }

  /** The names to look at first: what is wanted, and what stands. */
  begin(): string[] {
    for (const definition of this.#core.reader.list(definitionsResource)) this.note(definition as unknown as Readonly<CustomResourceDefinition>, false)
    for (const service of this.#core.reader.list(apiServicesResource)) this.#atStart.add(service.metadata.name ?? '')
    return [...new Set([...this.#builtin.keys(), ...this.#takers.keys(), ...this.#atStart])]
  }

  /** Takes in a definition as it is now; the names that are taken or free because of it. */
  note(definition: Readonly<CustomResourceDefinition>, isGone: boolean): string[] {
    const { name = '' } = definition.metadata
    const before = this.#taken.get(name) ?? []
    const now = isGone ? [] : namesOf(definition)
    if (isGone) this.#taken.delete(name)
    else this.#taken.set(name, now)
    for (const each of now) if (!before.includes(each)) this.#takers.set(each, (this.#takers.get(each) ?? 0) + 1)
    for (const each of before) {
      if (now.includes(each)) continue
      const left = (this.#takers.get(each) ?? 1) - 1
      if (left > 0) this.#takers.set(each, left)
      else this.#takers.delete(each)
    }
    return [...now.filter((each) => !before.includes(each)), ...before.filter((each) => !now.includes(each))]
  }

  #wanted(name: string): APIService | undefined {
    const builtin = this.#builtin.get(name)
    if (builtin !== undefined || !this.#takers.has(name)) return builtin
    const { group, version } = groupVersionOf(name)
    return localService(group, version, customPriority, 'true')
  }

  async sync(name: string): Promise<void> {
    await this.#reconcile(name)
    this.#synced.add(name)
  }

  async #reconcile(name: string): Promise<void> {
    const wanted = this.#wanted(name)
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
    const resource = this.#core.resource('apiservices', 'apiregistration.k8s.io')
    await ignoring(['AlreadyExists'], registry.create(resource, '', object, { ...asServer(this.#core, resource), strategy: {} }))
  }

  async #remove(standing: Readonly<APIService>): Promise<void> {
    const { name = '', uid } = standing.metadata
    await ignoring(['NotFound', 'Conflict'], this.#core.registry.delete(this.#core.resource('apiservices', 'apiregistration.k8s.io'), '', name, { user: apiServerUser, ...(uid === undefined ? {} : { preconditions: { uid } }) }))
  }

  async #replaceSpec(name: string, wanted: APIService): Promise<void> {
    const resource = this.#core.resource('apiservices', 'apiregistration.k8s.io')
    await ignoring(['NotFound', 'Conflict'], this.#core.registry.update(resource, '', name, (current) => ({ ...current, spec: structuredClone(wanted.spec) }) as unknown as OpenObject, asServer(this.#core, resource)))
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
