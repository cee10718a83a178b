import type { ServerRequest } from '../context.ts'
import type { BackendAnswer } from './backend.ts'

/** Headers that concern one connection only (RFC 9110, section 7.6.1), as Go's reverse proxy drops them. */
const hopByHop = new Set(['connection', 'proxy-connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'http2-settings'])

/** What says who the caller is, or claims to: this server has used it up, and nobody behind it must believe it. */
function isCredential(name: string): boolean {
  return name === 'authorization' || name.startsWith('impersonate-') || name === 'x-remote-user' || name === 'x-remote-uid' || name === 'x-remote-group' || name.startsWith('x-remote-extra-')
}

/** The client's subprotocols without the one that carries its token. */
function withoutToken(offered: string): string {
  return offered.split(',').filter((protocol) => !protocol.trim().startsWith('base64url.bearer.authorization.k8s.io.')).join(',')
}

/**
 * The client's headers as they go on to a backend: without its credentials, pseudo headers and what concerns its own connection
 * (kept where the connection itself is handed on), with its address added to `x-forwarded-for`.
 */
export function proxiedHeaders(request: ServerRequest): Record<string, string | string[]> {
  const isUpgrade = request.upgrade !== undefined
  const named = new Set((request.headers.connection ?? '').toLowerCase().split(',').map((name) => name.trim()))
  const headers: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(request.headers)) {
    if (value === undefined || name.startsWith(':') || isCredential(name) || name === 'expect') continue
    if (!isUpgrade && (hopByHop.has(name) || named.has(name))) continue
    headers[name] = name === 'sec-websocket-protocol' ? withoutToken(value) : value
  }
  if (!isUpgrade && request.headers.te?.toLowerCase().includes('trailers') === true) headers.te = 'trailers'
  headers.host ??= request.headers[':authority'] ?? ''
  if (request.remoteAddress !== '') {
    const prior = request.headers['x-forwarded-for']
    headers['x-forwarded-for'] = prior === undefined || prior === '' ? request.remoteAddress : `${prior}, ${request.remoteAddress}`
  }
  return headers
}

/** The backend's headers as they go back to the client. */
export function returnedHeaders({ response }: Extract<BackendAnswer, { upgraded: false }>): Record<string, string | string[]> {
  const named = new Set((response.headers.connection ?? '').toLowerCase().split(',').map((name) => name.trim()))
  const headers: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(response.headers)) if (value !== undefined && !hopByHop.has(name) && !named.has(name)) headers[name] = value
  return headers
}

/** Whether a request has a body to hand on. */
export function hasBody(request: ServerRequest): boolean {
  const length = request.headers['content-length']
  if (length !== undefined) return length !== '0'
  return request.headers['transfer-encoding'] !== undefined || !['GET', 'HEAD', 'OPTIONS', 'DELETE'].includes(request.method)
}

/** The method that the client sent. */
export function methodOf(request: ServerRequest): string {
  return request.isHead === true ? 'HEAD' : request.method
}

/** A decoded path as Go writes it in a URL (`url.URL.EscapedPath`). */
export function escapedPath(path: string): string {
  return encodeURI(path).replaceAll(/[#?!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
}
