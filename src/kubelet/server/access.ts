import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { TokenReview } from '../../api/types/authentication.k8s.io_v1.ts'
import type { SubjectAccessReview } from '../../api/types/authorization.k8s.io_v1.ts'
import type { Client, ResourceType } from '../../client/client.ts'
import type { Clock } from '../../runtime/clock.ts'

const tokenReviews: ResourceType<TokenReview> = { group: 'authentication.k8s.io', version: 'v1', resource: 'tokenreviews', kind: 'TokenReview', namespaced: false }
const subjectAccessReviews: ResourceType<SubjectAccessReview> = { group: 'authorization.k8s.io', version: 'v1', resource: 'subjectaccessreviews', kind: 'SubjectAccessReview', namespaced: false }

export interface RequestUser { name: string; uid?: string; groups: string[]; extra?: Record<string, string[]> }
export type Access = { allowed: true } | { allowed: false; status: 401 | 403; message: string }

/** Decides on requests to the node's server as upstream does: client certificates and tokens, then SubjectAccessReview on the node's subresources. */
export interface AccessControl { check(request: IncomingMessage, path: string): Promise<Access> }

const ttl = { tokenMs: 2 * 60_000, allowedMs: 5 * 60_000, deniedMs: 30_000 }
const maxEntries = 2000

class ExpiringMap<V> {
  private readonly entries = new Map<string, { value: V; untilMs: number }>()
  private readonly clock: Clock
  constructor(clock: Clock) {
    this.clock = clock
  }
  get(key: string): V | undefined {
    const entry = this.entries.get(key)
    return entry !== undefined && entry.untilMs > this.clock.monotonicMs() ? entry.value : undefined
  }
  set(key: string, value: V, forMs: number): void {
    this.entries.delete(key)
    this.entries.set(key, { value, untilMs: this.clock.monotonicMs() + forMs })
    if (this.entries.size > maxEntries) this.entries.delete(this.entries.keys().next().value!)
  }
}

const verbs: Record<string, string> = { POST: 'create', GET: 'get', HEAD: 'get', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }

/** The node subresources that grant a path, the narrowest first (upstream `pkg/kubelet/server/auth.go`, KEP-2862). */
export function subresourcesOf(path: string): string[] {
  const below = (prefix: string): boolean => path === prefix || path.startsWith(`${prefix}/`)
  if (below('/stats')) return ['stats']
  if (below('/metrics')) return ['metrics']
  if (below('/logs')) return ['log']
  if (below('/checkpoint')) return ['checkpoint']
  if (below('/pods') || below('/runningPods')) return ['pods', 'proxy']
  if (below('/healthz')) return ['healthz', 'proxy']
  if (below('/configz')) return ['configz', 'proxy']
  return ['proxy']
}

/** The names in a certificate's subject; an attribute that stands once is a text. */
const names = (value: string | string[] | undefined): string[] => (value === undefined ? [] : Array.isArray(value) ? value : [value])

export function createAccessControl(client: Client, clock: Clock, nodeName: string): AccessControl {
  const users = new ExpiringMap<RequestUser | null>(clock)
  const decisions = new ExpiringMap<boolean>(clock)

  const byToken = async (token: string): Promise<RequestUser | undefined> => {
    const known = users.get(token)
    if (known !== undefined) return known ?? undefined
    const review = await client.create(tokenReviews, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', metadata: {}, spec: { token } })
    const { authenticated, user } = review.status ?? {}
    const found: RequestUser | undefined = authenticated === true && user?.username !== undefined
      ? { name: user.username, groups: user.groups ?? [], ...(user.uid === undefined ? {} : { uid: user.uid }), ...(user.extra === undefined ? {} : { extra: user.extra }) } : undefined
    users.set(token, found ?? null, ttl.tokenMs)
    return found
  }
  const userOf = async (request: IncomingMessage): Promise<RequestUser | undefined> => {
    const socket = request.socket as TLSSocket
    if (socket.authorized) {
      const { subject } = socket.getPeerCertificate()
      const [name] = names(subject?.CN)
      if (name !== undefined) return { name, groups: [...names(subject.O), 'system:authenticated'] }
    }
    const match = /^Bearer\s+(\S+)$/i.exec(request.headers.authorization ?? '')
    return match === null ? undefined : byToken(match[1]!)
  }
  const allowed = async (user: RequestUser, verb: string, subresource: string): Promise<boolean> => {
    const key = JSON.stringify([user, verb, subresource])
    const known = decisions.get(key)
    if (known !== undefined) return known
    const review = await client.create(subjectAccessReviews, {
      apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', metadata: {},
      spec: { user: user.name, groups: user.groups, ...(user.uid === undefined ? {} : { uid: user.uid }), ...(user.extra === undefined ? {} : { extra: user.extra }), resourceAttributes: { verb, group: '', version: 'v1', resource: 'nodes', subresource, name: nodeName } },
    })
    const answer = review.status?.allowed === true
    decisions.set(key, answer, answer ? ttl.allowedMs : ttl.deniedMs)
    return answer
  }
  return {
    async check(request, path) {
      const user = await userOf(request)
      if (user === undefined) return { allowed: false, status: 401, message: 'Unauthorized' }
      const verb = verbs[request.method ?? 'GET'] ?? 'get'
      const subresources = subresourcesOf(path)
      for (const subresource of subresources) if (await allowed(user, verb, subresource)) return { allowed: true }
      return { allowed: false, status: 403, message: `Forbidden (user=${user.name}, verb=${verb}, resource=nodes, subresource(s)=[${subresources.join(' ')}])` }
    },
  }
}
