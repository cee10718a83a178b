import type { APIGroupDiscoveryList, APIResource, APIResourceDiscovery, APIVersionDiscovery } from '../../api/discovery.ts'
import { metricSetOf } from '../metrics/metric-set.ts'
import type { ApiServerCore } from '../core.ts'
import { aggregatorUser } from './availability.ts'
import type { RemoteService, RemoteServices } from './remote-services.ts'
import { startWork, type Work } from './work.ts'

/** How old what is known of an aggregated server may get. */
const refreshMs = 60_000
const fetchTimeoutMs = 5_000

const aggregatedAccept = ['v2', 'v2beta1'].map((version) => `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`).join(',')

/** What one server said of itself: group versions by `group/version`. */
interface ServerDocument { byGroupVersion: Map<string, APIVersionDiscovery>; etag: string; fetchedMs: number }

/**
 * Discovery of the aggregated servers, fetched ahead of anybody asking: a server that hangs delays no one, its group versions
 * are told as `Stale` with what was last known of them (KEP-3352).
 */
export class RemoteDiscovery {
  /** Rises with every change. */
  generation = 0
  readonly #core: ApiServerCore
  readonly #remotes: RemoteServices
  readonly #found = new Map<string, APIVersionDiscovery>()
  readonly #servers = new Map<string, ServerDocument>()
  readonly #dirtyMs = new Map<string, number>()
  #work: Work | undefined

  constructor(core: ApiServerCore, remotes: RemoteServices) {
    this.#core = core
    this.#remotes = remotes
  }

  /** What is known of a remote APIService; undefined for one that was never looked at. */
  get(name: string): APIVersionDiscovery | undefined {
    return this.#found.get(name)
  }

  /** Resolves when every aggregated server has been asked once, or has had its time to answer. */
  async start(): Promise<void> {
    const { runtime, signal } = this.#core
    this.#work = startWork({ runtime, name: 'discovery-manager', metrics: metricSetOf(this.#core), what: 'reading discovery of an APIService', backOff: { baseMs: 500, maxMs: refreshMs }, workers: 8, signal, sync: (name) => this.#sync(name) })
    const names = this.#remotes.all().map(({ name }) => name)
    const settled = this.#work.settled(names)
    for (const name of names) this.changed(name)
    await settled
  }

  /** Something about an APIService has changed. */
  changed(name: string): void {
    this.#dirtyMs.set(name, this.#core.runtime.clock.monotonicMs())
    this.#work?.queue.add(name)
  }

  async #sync(name: string): Promise<void> {
    const remote = this.#remotes.get(name)
    if (remote === undefined) {
      this.#dirtyMs.delete(name)
      if (this.#found.delete(name)) this.generation++
      this.#forgetServers()
      return
    }
    let failure: unknown
    let document = this.#servers.get(keyOf(remote))
    try {
      document = await this.#document(remote, document)
    } catch (error) {
      this.#core.signal.throwIfAborted()
      failure = error
    }
    // Removed while it was asked.
    if (this.#remotes.get(name) === undefined) return this.#sync(name)
    const known: Omit<APIVersionDiscovery, 'freshness'> = document?.byGroupVersion.get(`${remote.group}/${remote.version}`) ?? { version: remote.version }
    const { resources = [], ...version } = known
    this.#set(name, { ...version, ...(resources.length === 0 ? {} : { resources }), freshness: failure === undefined ? 'Current' : 'Stale' })
    if (failure !== undefined) throw failure
    this.#work?.queue.addAfter(name, refreshMs)
    this.#dirtyMs.set(name, this.#core.runtime.clock.monotonicMs() + refreshMs / 2)
  }

  #set(name: string, made: APIVersionDiscovery): void {
    const old = this.#found.get(name)
    if (old !== undefined && JSON.stringify(old) === JSON.stringify(made)) return
    this.#found.set(name, made)
    this.generation++
  }

  #forgetServers(): void {
    const used = new Set(this.#remotes.all().map(keyOf))
    for (const key of this.#servers.keys()) if (!used.has(key)) this.#servers.delete(key)
  }

  async #document(remote: RemoteService, known: ServerDocument | undefined): Promise<ServerDocument> {
    if (known !== undefined && known.fetchedMs > (this.#dirtyMs.get(remote.name) ?? 0)) return known
    const { runtime: { clock }, signal } = this.#core
    const fetchedMs = clock.monotonicMs()
    const headers = { accept: aggregatedAccept, ...(known === undefined || known.etag === '' ? {} : { 'if-none-match': known.etag }) }
    const answer = await this.#remotes.fetch(remote, '/apis', headers, aggregatorUser, fetchTimeoutMs, signal)
    if (answer.status === 304 && known !== undefined) return this.#keep(remote, { ...known, fetchedMs })
    if (answer.status === 503) throw new Error(`service ${keyOf(remote)} returned non-success response code: 503`)
    if (answer.status === 200 && isAggregated(answer.headers['content-type'])) {
      const { etag } = answer.headers
      return this.#keep(remote, { byGroupVersion: aggregatedVersions(JSON.parse(answer.bytes.toString()) as APIGroupDiscoveryList), etag: typeof etag === 'string' ? etag : '', fetchedMs })
    }
    // A server that only knows the older form is asked for this group version alone; others behind the same service ask for theirs.
    return { byGroupVersion: new Map([[`${remote.group}/${remote.version}`, await this.#legacy(remote)]]), etag: '', fetchedMs }
  }

  #keep(remote: RemoteService, document: ServerDocument): ServerDocument {
    this.#servers.set(keyOf(remote), document)
    return document
  }

  async #legacy(remote: RemoteService): Promise<APIVersionDiscovery> {
    const path = remote.group === '' ? `/api/${remote.version}` : `/apis/${remote.group}/${remote.version}`
    const answer = await this.#remotes.fetch(remote, path, { accept: 'application/json' }, { username: aggregatorUser.username, groups: [] }, fetchTimeoutMs, this.#core.signal)
    if (answer.status !== 200) throw new Error(`failed to download legacy discovery for ${path}: ${answer.status} ${answer.bytes.subarray(0, 500).toString()}`)
    const { resources = [] } = JSON.parse(answer.bytes.toString()) as { resources?: APIResource[] }
    return { version: remote.version, freshness: 'Current', resources: fromLegacy(resources) }
  }
}

function keyOf({ target: { namespace, name, port } }: RemoteService): string {
  return `${namespace}/${name}:${port}`
}

function isAggregated(contentType: string | string[] | undefined): boolean {
  return typeof contentType === 'string' && /;\s*as=APIGroupDiscoveryList/.test(contentType) && contentType.includes('g=apidiscovery.k8s.io')
}

function aggregatedVersions({ items }: APIGroupDiscoveryList): Map<string, APIVersionDiscovery> {
  const found = new Map<string, APIVersionDiscovery>()
  for (const { metadata, versions } of items ?? []) for (const version of versions ?? []) found.set(`${metadata?.name ?? ''}/${version.version}`, withKinds(version))
  return found
}

/** Clients rely on kinds being there, and not every server tells them (upstream: kubernetes/kubernetes#118361). */
function withKinds(version: APIVersionDiscovery): APIVersionDiscovery {
  const kinds = <T extends { responseKind?: unknown }>(each: T): T => ({ ...each, responseKind: each.responseKind ?? { group: '', version: '', kind: '' } })
  return version.resources === undefined ? version : {
    ...version, resources: version.resources.map((resource) => ({ ...kinds(resource), ...(resource.subresources === undefined ? {} : { subresources: resource.subresources.map(kinds) }) })),
  }
}

/** The newer form of an `APIResourceList`: subresources stand below their resource. */
export function fromLegacy(list: readonly APIResource[]): APIResourceDiscovery[] {
  const found = new Map<string, APIResourceDiscovery>()
  for (const resource of list) {
    if (resource.name.includes('/')) continue
    const { name, singularName, namespaced, group = '', version = '', kind, verbs, shortNames, categories } = resource
    found.set(name, {
      resource: name, responseKind: { group, version, kind }, scope: namespaced ? 'Namespaced' : 'Cluster', singularResource: singularName ?? '', verbs,
      ...(shortNames === undefined ? {} : { shortNames }), ...(categories === undefined ? {} : { categories }),
    })
  }
  for (const { name, namespaced, group = '', version = '', kind, verbs } of list) {
    const slash = name.indexOf('/')
    if (slash < 0) continue
    const parentName = name.slice(0, slash)
    const parent = found.get(parentName) ?? { resource: parentName, responseKind: { group: '', version: '', kind: '' }, scope: namespaced ? 'Namespaced' : 'Cluster', singularResource: '', verbs: [] }
    found.set(parentName, parent)
    ;(parent.subresources ??= []).push({ subresource: name.slice(slash + 1), responseKind: { group, version, kind }, verbs })
  }
  return [...found.values()]
}

