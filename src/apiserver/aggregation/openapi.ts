import type { ForeignV2 } from '../../api/openapi/foreign.ts'
import type { UserInfo } from '../../api/resource.ts'
import { metricSetOf } from '../metrics/metric-set.ts'
import type { ApiServerCore } from '../core.ts'
import type { RemoteService, RemoteServices } from './remote-services.ts'
import { startWork, type Work } from './work.ts'

const refreshMs = 60_000
const fetchTimeoutMs = 60_000
const user: UserInfo = { username: 'system:aggregator', groups: [] }

/** What an aggregated server says of its API. */
interface RemoteDocuments {
  v2: ForeignV2 | undefined
  v2Etag: string
  /** Its own index of v3 documents, or undefined for a server that knows v2 only. */
  v3: Record<string, { serverRelativeURL: string }> | undefined
}

/** OpenAPI of the aggregated servers, fetched ahead of anybody asking and merged into this server's. */
export class RemoteOpenapi {
  /** Rises with every change. */
  generation = 0
  readonly #core: ApiServerCore
  readonly #remotes: RemoteServices
  readonly #documents = new Map<string, RemoteDocuments>()
  #work: Work | undefined

  constructor(core: ApiServerCore, remotes: RemoteServices) {
    this.#core = core
    this.#remotes = remotes
  }

  start(): void {
    const { runtime, signal } = this.#core
    this.#work = startWork({ runtime, name: 'open_api_aggregation_controller', metrics: metricSetOf(this.#core), what: 'reading OpenAPI of an APIService', backOff: { baseMs: 1_000, maxMs: refreshMs }, workers: 4, signal, sync: (name) => this.#sync(name) })
    for (const { name } of this.#remotes.all()) this.changed(name)
  }

  changed(name: string): void {
    this.#work?.queue.add(name)
  }

  /** Parts to be merged into `/openapi/v2`, in the order of their APIServices' names. */
  v2(): ForeignV2[] {
    return [...this.#documents].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, { v2 }]) => (v2 === undefined ? [] : [v2]))
  }

  /** Entries of `/openapi/v3` that other servers have, or that are made of their v2. */
  v3Paths(): Record<string, { serverRelativeURL: string }> {
    const paths: Record<string, { serverRelativeURL: string }> = {}
    for (const [name, { v3, v2, v2Etag }] of this.#documents) {
      const remote = this.#remotes.get(name)
      if (remote === undefined) continue
      if (v3 !== undefined) Object.assign(paths, v3)
      else if (v2 !== undefined) paths[`apis/${remote.group}/${remote.version}`] = { serverRelativeURL: `/openapi/v3/apis/${remote.group}/${remote.version}?hash=${encodeURIComponent(v2Etag.replaceAll('"', ''))}` }
    }
    return paths
  }

  /** Who has the v3 document of a path (`apis/GROUP/VERSION`) that is not served here. */
  v3Server(path: string): RemoteService | undefined {
    for (const [name, { v3 }] of this.#documents) if (v3 !== undefined && Object.hasOwn(v3, path) && !this.#isOwn(path)) return this.#remotes.get(name)
    return undefined
  }

  /** Of a server that knows v2 only, the document to make the v3 one of. */
  v2For(path: string): ForeignV2 | undefined {
    for (const [name, { v3, v2 }] of this.#documents) {
      const remote = this.#remotes.get(name)
      if (remote !== undefined && v3 === undefined && v2 !== undefined && path === `apis/${remote.group}/${remote.version}`) return v2
    }
    return undefined
  }

  /** Other servers list documents such as `api` or `apis/apps` too. */
  #isOwn(path: string): boolean {
    const [root, group = '', version = ''] = path.split('/')
    const { resources } = this.#core
    return root === 'api' ? resources.versions('').includes(group) : resources.versions(group).includes(version)
  }

  async #sync(name: string): Promise<void> {
    const remote = this.#remotes.get(name)
    if (remote === undefined) {
      if (this.#documents.delete(name)) this.generation++
      return
    }
    const old = this.#documents.get(name)
    const { v2, v2Etag } = await this.#v2(remote, old)
    const v3 = await this.#v3(remote)
    if (this.#remotes.get(name) === undefined) return this.#sync(name)
    this.#documents.set(name, { v2, v2Etag, v3 })
    if (old === undefined || old.v2 !== v2 || JSON.stringify(old.v3) !== JSON.stringify(v3)) this.generation++
    this.#work?.queue.addAfter(name, refreshMs)
  }

  async #v2(remote: RemoteService, old: RemoteDocuments | undefined): Promise<{ v2: ForeignV2 | undefined; v2Etag: string }> {
    const headers = { accept: 'application/json', ...(old === undefined || old.v2Etag === '' ? {} : { 'if-none-match': old.v2Etag }) }
    const answer = await this.#remotes.fetch(remote, '/openapi/v2', headers, user, fetchTimeoutMs, this.#core.signal)
    if (answer.status === 304 && old !== undefined) return old
    if (answer.status === 404) return { v2: undefined, v2Etag: '' }
    if (answer.status !== 200) throw new Error(`failed to retrieve openAPI spec, http error: ${answer.status} ${answer.bytes.subarray(0, 500).toString()}`)
    const [{ selectV2 }, { encodeOpenapiV2 }] = await Promise.all([import('../../api/openapi/foreign.ts'), import('../../api/openapi/gnostic.ts')])
    const v2 = selectV2(JSON.parse(answer.bytes.toString()), `/apis/${remote.group}/${remote.version}/`)
    // What cannot be written must not spoil the document of all the others.
    encodeOpenapiV2({ swagger: '2.0', ...v2 })
    const { etag } = answer.headers
    const isSame = old?.v2 !== undefined && JSON.stringify(old.v2) === JSON.stringify(v2)
    return { v2: isSame ? old.v2 : v2, v2Etag: typeof etag === 'string' ? etag : '' }
  }

  async #v3(remote: RemoteService): Promise<RemoteDocuments['v3']> {
    const answer = await this.#remotes.fetch(remote, '/openapi/v3', { accept: 'application/json' }, user, fetchTimeoutMs, this.#core.signal)
    if (answer.status === 404) return undefined
    if (answer.status !== 200) throw new Error(`could not get the list of group versions: ${answer.status}`)
    const { paths = {} } = JSON.parse(answer.bytes.toString()) as { paths?: Record<string, { serverRelativeURL?: string }> }
    return Object.fromEntries(Object.entries(paths).map(([path, { serverRelativeURL = '' }]) => [path, { serverRelativeURL }]))
  }
}
