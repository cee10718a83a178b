import { Agent } from 'node:https'
import type { UserInfo } from '../../api/resource.ts'
import type { APIService } from '../../api/types/apiregistration.k8s.io_v1.ts'
import type { Clock } from '../../runtime/clock.ts'
import { retireAgent } from '../configuration/https.ts'
import { bytesOf, callBackend, type Backend, type BackendAnswer, type BackendRequest } from '../connect/backend.ts'
import { isAvailable } from './api-service.ts'
import { setIdentity } from './identity-headers.ts'
import type { ServicePort, ServiceResolver } from './service-location.ts'

/** The certificate by which this server shows itself to aggregated ones; PEM. `files`: read again when they change. */
export interface ProxyClient { certificate: string; key: string; files?: { certificate: string; key: string } }

/** An APIService that another server answers for. */
export interface RemoteService {
  readonly name: string
  readonly group: string
  readonly version: string
  readonly target: ServicePort
  readonly isAvailable: boolean
  /** Changes with all that decides how the server is reached. */
  readonly fingerprint: string
  readonly service: Readonly<APIService>
  readonly agent: Agent
}

export interface FetchedDocument { status: number; headers: Record<string, string | string[] | undefined>; bytes: Buffer }

const maxIdleConnections = 25
const maxDocumentBytes = 64 << 20

/** The aggregated servers: which there are, and how to call them. */
export class RemoteServices {
  readonly #clock: Clock
  readonly #resolve: ServiceResolver
  #proxyClient: ProxyClient | undefined
  readonly #byName = new Map<string, RemoteService>()

  constructor(clock: Clock, resolve: ServiceResolver, proxyClient: ProxyClient | undefined) {
    this.#clock = clock
    this.#resolve = resolve
    this.#proxyClient = proxyClient
  }

  get size(): number {
    return this.#byName.size
  }

  get(name: string): RemoteService | undefined {
    return this.#byName.get(name)
  }

  all(): RemoteService[] {
    return [...this.#byName.values()]
  }

  /** Takes in an APIService as it is now; undefined when this server answers for it itself. */
  set(service: Readonly<APIService>): RemoteService | undefined {
    const { metadata: { name = '' }, spec } = service
    if (spec.service === undefined) {
      this.delete(name)
      return undefined
    }
    const target = { namespace: spec.service.namespace ?? '', name: spec.service.name ?? '', port: spec.service.port ?? 443 }
    const fingerprint = JSON.stringify([target, spec.caBundle, spec.insecureSkipTLSVerify])
    const old = this.#byName.get(name)
    if (old !== undefined && old.fingerprint !== fingerprint) old.agent.destroy()
    const agent = old?.fingerprint === fingerprint ? old.agent : this.#agentFor(target, spec)
    const made: RemoteService = { name, group: spec.group ?? '', version: spec.version ?? '', target, isAvailable: isAvailable(service), fingerprint, service, agent }
    this.#byName.set(name, made)
    return made
  }

  delete(name: string): void {
    this.#byName.get(name)?.agent.destroy()
    this.#byName.delete(name)
  }

  /** From now on this server shows itself so; requests under way end as they began. */
  showAs(proxyClient: ProxyClient): void {
    this.#proxyClient = proxyClient
    for (const [name, remote] of this.#byName) {
      retireAgent(remote.agent)
      this.#byName.set(name, { ...remote, agent: this.#agentFor(remote.target, remote.service.spec) })
    }
  }

  #agentFor(target: ServicePort, spec: APIService['spec']): Agent {
    const { caBundle = '', insecureSkipTLSVerify = false } = spec
    return new Agent({
      keepAlive: true, maxFreeSockets: maxIdleConnections, servername: `${target.name}.${target.namespace}.svc`, rejectUnauthorized: !insecureSkipTLSVerify,
      ...(caBundle === '' ? {} : { ca: Buffer.from(caBundle, 'base64').toString('utf8'), allowPartialTrustChain: true }),
      ...(this.#proxyClient === undefined ? {} : { cert: this.#proxyClient.certificate, key: this.#proxyClient.key }),
    })
  }

  /** Where the server is now. Throws when its service has no place to go to. */
  locate(remote: RemoteService): Backend {
    return { scheme: 'https', ...this.#resolve(remote.target), tls: { agent: remote.agent, servername: `${remote.target.name}.${remote.target.namespace}.svc` } }
  }

  /** Sends a request in `user`'s name. Rejects when no answer comes. */
  async call(backend: Backend, request: BackendRequest, user: UserInfo): Promise<BackendAnswer> {
    const headers = { ...request.headers }
    setIdentity(headers, user)
    return await callBackend(this.#clock, backend, { ...request, headers })
  }

  /** A document of the server, whole. Rejects when it does not come within `timeoutMs`. */
  async fetch(remote: RemoteService, path: string, headers: Record<string, string>, user: UserInfo, timeoutMs: number, signal: AbortSignal, backend = this.locate(remote)): Promise<FetchedDocument> {
    const limit = new AbortController()
    using _timer = this.#clock.timer(timeoutMs, () => limit.abort(new Error('context deadline exceeded (Client.Timeout exceeded while awaiting headers)')), { background: true })
    const answer = await this.call(backend, { method: 'GET', path, headers, signal: AbortSignal.any([signal, limit.signal]) }, user)
    if (answer.upgraded) {
      answer.socket.destroy()
      throw new Error('the server switched protocols unasked')
    }
    const { response } = answer
    return { status: response.statusCode ?? 0, headers: response.headers, bytes: await bytesOf(response, maxDocumentBytes) }
  }

  [Symbol.dispose](): void {
    for (const name of this.#byName.keys()) this.delete(name)
  }
}
