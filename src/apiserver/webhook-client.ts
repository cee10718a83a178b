import { parseJson } from '../machinery/json-numbers.ts'
import { Agent, request } from 'node:https'
import { isIP } from 'node:net'
import { posix } from 'node:path'
import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Service } from '../api/types/core_v1.ts'
import type { EndpointSlice } from '../api/types/discovery.k8s.io_v1.ts'
import type { Transport } from '../client/transport.ts'
import { jsonSyntaxProblem } from '../machinery/json-syntax.ts'
import { isJsonObject } from '../machinery/json-value.ts'
import type { OpenObject } from '../machinery/object.ts'
import { bytesOf } from './configuration/https.ts'
import { networkErrorText } from './connect/network-errors.ts'
import type { ApiServerCore } from './core.ts'
import { metricSetOf } from './metrics/metric-set.ts'
import type { WebhookCredentials } from './webhook-credentials.ts'

/** Where a webhook is: the part of webhook configurations and definitions that says so. */
export interface WebhookTarget {
  url?: string | undefined
  service?: { namespace: string; name: string; path?: string | undefined; port?: number | undefined } | undefined
  /** PEM in base64; the system's authorities where left out. */
  caBundle?: string | undefined
}

/** Calls webhooks by HTTPS, over connections that are kept for a while. */
export interface WebhookClient {
  /** POSTs JSON and resolves with the parsed answer. Rejects with `Error`s that read as client-go's, after `timeoutMs` at the latest. */
  post(target: WebhookTarget, body: string, timeoutMs: number): Promise<unknown>
}

/** Where a webhook is, and by which name its certificate must stand. `authority` is host and port as they were given. */
interface Place { authority: string; path: string; host: string; port: number; serverName: string }

const maxAnswerBytes = 64 << 20
/** As many clients as upstream keeps (`defaultCacheSize`). */
const maxClients = 200
/** Calls under way to one webhook at once; more wait for one to end, within their own timeout. */
const maxSockets = 256
const maxIdleSockets = 16
const idleMs = 90_000
const staleCodes = new Set<string | undefined>(['ECONNRESET', 'EPIPE'])

export function webhookClient(core: ApiServerCore, credentials?: WebhookCredentials): WebhookClient {
  const agents = new Map<string, Agent>()
  core.signal.addEventListener('abort', () => {
    for (const agent of agents.values()) agent.destroy()
    agents.clear()
  }, { once: true })

  async function agentFor(target: WebhookTarget, place: Place): Promise<Agent> {
    const key = JSON.stringify([target.url, target.service, target.caBundle])
    const known = agents.get(key)
    if (known !== undefined) {
      // Last used, last thrown away.
      agents.delete(key)
      agents.set(key, known)
      return known
    }
    const authorities = target.caBundle === undefined || target.caBundle === '' ? undefined : Buffer.from(target.caBundle, 'base64').toString('utf8')
    const identity = await credentials?.certificateFor(target)
    const agent = new Agent({
      keepAlive: true, maxSockets, maxFreeSockets: maxIdleSockets, timeout: idleMs,
      ...(isIP(place.serverName) === 0 ? { servername: place.serverName } : {}),
      // As in Go, what a bundle holds is trusted by itself: an intermediate's certificate, or the server's own.
      ...(authorities === undefined ? {} : { ca: authorities, allowPartialTrustChain: true }), ...identity,
    })
    agents.set(key, agent)
    if (agents.size > maxClients) {
      const [oldest] = agents.keys()
      // Connections in use go on; idle ones end by themselves.
      agents.delete(oldest!)
    }
    return agent
  }

  return {
    async post(target, body, timeoutMs) {
      if (core.loopback !== undefined && isSelf(target)) return parseAnswer(await sendToSelf(core, core.loopback, target, body, timeoutMs))
      const place = await placeOf(core, target, Math.ceil(timeoutMs / 1000))
      const headers = { ...(await credentials?.headersFor(target)) }
      const agent = await agentFor(target, place)
      const payload = Buffer.from(body)
      try {
        return parseAnswer(await noted(core, place, send(core, { place, agent, payload, headers, timeoutMs })))
      } catch (error) {
        // A connection that the webhook had closed meanwhile says nothing about the webhook.
        if (!(error instanceof StaleConnection)) throw error
        return parseAnswer(await noted(core, place, send(core, { place, agent, payload, headers, timeoutMs: error.remainingMs })))
      }
    },
  }
}

/** An answer that is no success. */
export class AnswerError extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** Webhooks that an aggregated API server serves stand behind this server's own Service. */
function isSelf({ service }: WebhookTarget): boolean {
  return service?.namespace === 'default' && service.name === 'kubernetes' && (service.port ?? 443) === 443
}

async function sendToSelf(core: ApiServerCore, self: Transport, { service }: WebhookTarget, body: string, timeoutMs: number): Promise<Answer> {
  const path = `${cleanPath(service?.path ?? '')}?timeout=${Math.ceil(timeoutMs / 1000)}s`
  const ending = new AbortController()
  const { promise: late, reject } = Promise.withResolvers<never>()
  using _timer = core.runtime.clock.timer(timeoutMs, () => {
    const error = failedPost({ authority: 'kubernetes.default.svc:443', path }, 'context deadline exceeded')
    ending.abort(error)
    reject(error)
  })
  const answered = self.request({ method: 'POST', path, body, headers: { 'content-type': 'application/json', 'accept': 'application/json' }, signal: ending.signal })
    .then(async (response) => ({ status: response.status, contentType: response.headers['content-type'] ?? '', bytes: Buffer.from(await response.bytes()) }))
  return await Promise.race([answered, late])
}

/** Counts a call as one of the server's client. */
async function noted(core: ApiServerCore, { authority }: Place, answered: Promise<Answer>): Promise<Answer> {
  const { clock } = core.runtime
  const set = metricSetOf(core)
  const begunMs = clock.monotonicMs()
  const note = (code: string): void => {
    set.count('rest_client_requests_total', code, 'POST', authority)
    set.observe('rest_client_request_duration_seconds', (clock.monotonicMs() - begunMs) / 1000, 'POST', authority)
  }
  try {
    const answer = await answered
    note(String(answer.status))
    return answer
  } catch (error) {
    if (!(error instanceof StaleConnection)) note('<error>')
    throw error
  }
}

class StaleConnection extends Error {
  readonly remainingMs: number
  constructor(remainingMs: number, cause: Error) {
    super(cause.message, { cause })
    this.remainingMs = remainingMs
  }
}

interface Sending { place: Place; agent: Agent; payload: Buffer; headers: Readonly<Record<string, string>>; timeoutMs: number }
interface Answer { status: number; contentType: string; bytes: Buffer }

async function send(core: ApiServerCore, { place, agent, payload, headers, timeoutMs }: Sending): Promise<Answer> {
  const { clock } = core.runtime
  const startedMs = clock.monotonicMs()
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const fail = (text: string, cause?: unknown): void => reject(failedPost(place, text, cause))
  const called: ClientRequest = request({
    host: place.host, port: place.port, method: 'POST', path: place.path, agent, signal: core.signal,
    headers: { ...headers, 'host': place.authority, 'content-type': 'application/json', 'accept': 'application/json, */*', 'user-agent': 'kube-apiserver-admission', 'content-length': payload.length },
  }, (response: IncomingMessage) => {
    bytesOf(response, maxAnswerBytes).then(
      (bytes) => resolve({ status: response.statusCode ?? 0, contentType: response.headers['content-type'] ?? '', bytes }),
      (cause: NodeJS.ErrnoException) => fail(networkErrorText(cause, place), cause),
    )
  })
  using _timer = clock.timer(timeoutMs, () => {
    fail('context deadline exceeded')
    called.destroy()
  })
  called.on('error', (cause) => {
    if (called.reusedSocket && staleCodes.has((cause as NodeJS.ErrnoException).code)) reject(new StaleConnection(Math.max(1, timeoutMs - (clock.monotonicMs() - startedMs)), cause))
    else fail(networkErrorText(cause, place), cause)
  })
  called.end(payload)
  return await promise
}

async function parseAnswer({ status, contentType, bytes }: Answer): Promise<unknown> {
  const text = bytes.toString('utf8')
  if (status < 200 || status > 299) throw new AnswerError(status, failureText(status, contentType, text))
  if (text === '') throw new Error(`0-length response with status code: ${status} and content type: ${contentType}`)
  // What doesn't begin like a JSON object is read as YAML.
  if (!/^\s*\{/.test(text)) return (await import('./yaml.ts')).readYaml(text).value ?? null
  try {
    return parseJson(text)
  } catch (cause) {
    throw new Error(`couldn't get version/kind; json parse error: ${jsonSyntaxProblem(text) ?? String(cause)}`, { cause })
  }
}

/** What client-go says of an answer that is no success (`NewGenericServerResponse` for a POST). */
const statusTexts: Readonly<Record<number, string>> = {
  400: 'the server rejected our request for an unknown reason', 401: 'the server has asked for the client to provide credentials',
  404: 'the server could not find the requested resource', 405: 'the server does not allow this method on the requested resource', 409: 'the server reported a conflict',
  422: 'the server rejected our request due to an error in our request', 429: 'the server has received too many requests and has asked us to try again later',
  503: 'the server is currently unable to handle the request', 504: 'the server was unable to return a response in the time allotted, but may still be processing the request',
}

function failureText(status: number, contentType: string, text: string): string {
  const said = statusMessage(text)
  if (said !== undefined) return said
  const body = contentType === '' || contentType.startsWith('text/') ? text.trim().slice(0, 2048) : 'unknown'
  if (status === 403) return body === '' ? 'forbidden' : body
  return statusTexts[status] ?? (status >= 500 ? `an error on the server (${JSON.stringify(body)}) has prevented the request from succeeding` : 'unknown')
}

/** The message of a body that is a Status. */
function statusMessage(text: string): string | undefined {
  if (!text.startsWith('{')) return undefined
  try {
    const body: unknown = JSON.parse(text)
    return isJsonObject(body) && body.kind === 'Status' && typeof body.message === 'string' && body.message !== '' ? body.message : undefined
  } catch {
    // Not JSON after all: then it is no Status.
    return undefined
  }
}

function failedPost({ authority, path }: Pick<Place, 'authority' | 'path'>, text: string, cause?: unknown): Error {
  return new Error(`Post ${JSON.stringify(`https://${authority}${path}`)}: ${text}`, cause === undefined ? undefined : { cause })
}

/** As Go's `path.Join`, by which upstream's client makes its URLs: no slash twice, none at the end. */
function cleanPath(path: string): string {
  const joined = posix.join('/', path)
  return joined.length > 1 && joined.endsWith('/') ? joined.slice(0, -1) : joined
}

async function placeOf(core: ApiServerCore, target: WebhookTarget, timeoutSeconds: number): Promise<Place> {
  const query = `?timeout=${timeoutSeconds}s`
  if (target.url !== undefined && target.url !== '') {
    const url = new URL(target.url)
    const host = url.hostname.replace(/^\[|\]$/g, '')
    const [, authority = url.host] = /^https:\/\/(?:[^/?#@]*@)?([^/?#]*)/i.exec(target.url) ?? []
    return { authority, path: `${cleanPath(url.pathname)}${query}`, host, port: url.port === '' ? 443 : Number(url.port), serverName: host }
  }
  const { service } = target
  if (service === undefined) throw new Error('webhook configuration must have either service or URL')
  const port = service.port ?? 443
  const serverName = `${service.name}.${service.namespace}.svc`
  const at = { authority: `${serverName}:${port}`, path: `${cleanPath(service.path ?? '')}${query}` }
  try {
    return { ...at, serverName, ...(await endpointOf(core, service.namespace, service.name, port)) }
  } catch (cause) {
    throw failedPost(at, cause instanceof Error ? cause.message : String(cause), cause)
  }
}

/** A ready endpoint behind a service's port: the server may stand where cluster addresses lead nowhere. */
async function endpointOf(core: ApiServerCore, namespace: string, name: string, port: number): Promise<{ host: string; port: number }> {
  const found = await core.registry.find(core.resource('services'), namespace, name) as (Readonly<OpenObject> & Pick<Service, 'spec'>) | undefined
  if (found === undefined) throw new Error(`service ${JSON.stringify(name)} not found`)
  if (found.spec?.type === 'ExternalName') return { host: found.spec.externalName ?? '', port }
  const wanted = found.spec?.ports?.find((each) => each.port === port)
  if (wanted === undefined) throw new Error(`no service port ${port} found for service ${JSON.stringify(name)}`)
  const slices = await core.registry.list(core.resource('endpointslices', 'discovery.k8s.io'), namespace) as unknown as readonly EndpointSlice[]
  const candidates = slices.filter((slice) => slice.metadata.labels?.['kubernetes.io/service-name'] === name).flatMap((slice) => {
    const slicePort = (slice.ports ?? []).find((each) => (each.name ?? '') === (wanted.name ?? ''))?.port
    if (slicePort === undefined) return []
    return (slice.endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false).map(({ addresses }) => ({ host: addresses[0]!, port: slicePort }))
  })
  if (candidates.length === 0) throw new Error(`no endpoints available for service ${JSON.stringify(name)}`)
  return candidates[core.runtime.random.int(candidates.length)]!
}
