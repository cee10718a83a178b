import type { UserInfo } from '../../api/resource.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { RequestInfo, ServerRequest, ServerResponse } from '../context.ts'
import type { BackendAnswer } from '../connect/backend.ts'
import { hostPort } from '../connect/network-errors.ts'
import { escapedPath, hasBody, methodOf, proxiedHeaders, returnedHeaders } from '../connect/forwarding.ts'
import { rewrittenLocation } from '../connect/proxy-rewriting.ts'
import { passThrough } from '../connect/upgrade.ts'
import type { RemoteService, RemoteServices } from './remote-services.ts'
import { STATUS_CODES } from '../../runtime/node-http.ts'

/** Discovery is asked for by every client, and must not keep them waiting. */
const discoveryTimeoutMs = 5_000

/** An error as Go's `http.Error` writes it. */
export function plainError(status: number, text: string): ServerResponse {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' }, bytes: `${text}\n` }
}

/** `/apis/GROUP/VERSION`, which lists the resources of a group version. */
function isDiscovery(info: RequestInfo): boolean {
  return !info.isResourceRequest && info.path.split('/').filter((part) => part !== '').length === 3
}

export interface ProxyParts { clock: Clock; remotes: RemoteServices; /** Redirects reach the client; else they are an error. */ forwardRedirects: boolean }

/** Hands an authorized request on to the aggregated server, in the user's name. */
export async function proxyToRemote({ clock, remotes, forwardRedirects }: ProxyParts, remote: RemoteService, request: ServerRequest, info: RequestInfo, user: UserInfo, auditId = ''): Promise<ServerResponse> {
  if (!remote.isAvailable) return plainError(503, 'service unavailable')
  let backend
  try {
    backend = remotes.locate(remote)
  } catch {
    // Why is in the APIService's condition.
    return plainError(503, 'service unavailable')
  }
  const host = hostPort(backend)
  const path = escapedPath(request.path)
  // In the order of its names, as Go writes queries.
  const sorted = new URLSearchParams(request.query)
  sorted.sort()
  const query = sorted.toString()
  const headers = proxiedHeaders(request)
  Object.assign(headers, { host, 'x-forwarded-uri': path, 'x-forwarded-host': host, 'x-forwarded-proto': 'https' })
  if (auditId !== '') headers['audit-id'] = auditId
  if (request.upgrade !== undefined) {
    for (const name of ['x-forwarded-uri', 'x-forwarded-host', 'x-forwarded-proto']) delete headers[name]
  }
  const limit = new AbortController()
  using _timer = isDiscovery(info) ? clock.timer(discoveryTimeoutMs, () => limit.abort(new Error('context deadline exceeded')), { background: true }) : undefined
  let answer: BackendAnswer
  try {
    answer = await remotes.call(request.upgrade === undefined ? backend : { ...backend, tls: upgradeOptions(remote) }, {
      method: methodOf(request), path: query === '' ? path : `${path}?${query}`, headers, signal: AbortSignal.any([request.signal, limit.signal]),
      ...(request.upgrade === undefined && hasBody(request) ? { body: request.bodyStream() } : {}),
    }, user)
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    return plainError(503, request.upgrade === undefined ? `error trying to reach service: ${text}` : `error dialing backend: ${text}`)
  }
  if (request.upgrade !== undefined) return passThrough(request, answer)
  if (answer.upgraded) {
    answer.socket.destroy()
    return plainError(503, `the server switched protocols unasked (${STATUS_CODES[101]})`)
  }
  const returned = returnedHeaders(answer)
  const { location } = returned
  const status = answer.response.statusCode ?? 502
  if (!forwardRedirects && status >= 300 && status <= 399 && location !== undefined) {
    answer.response.destroy()
    return { status: 502, headers: { 'content-type': 'text/plain; charset=utf-8' }, bytes: 'the backend attempted to redirect this request, which is not permitted' }
  }
  if (typeof location === 'string' && location !== '') {
    const rewritten = rewrittenLocation(location, { scheme: 'https', host, prefix: '', sourceHost: host, requestHost: host })
    if (rewritten === undefined) return plainError(500, 'Internal error occurred: error trying to parse Location header')
    returned.location = rewritten
  }
  return { status, headers: returned, stream: answer.response }
}

/** An upgraded connection is nobody else's afterwards: it does not come from the pool. */
function upgradeOptions({ agent: { options }, target }: RemoteService): object {
  const { ca, allowPartialTrustChain, cert, key, rejectUnauthorized } = options
  return { ca, allowPartialTrustChain, cert, key, rejectUnauthorized, servername: `${target.name}.${target.namespace}.svc` }
}
