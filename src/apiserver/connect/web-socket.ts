import type { IncomingMessage } from 'node:http'
import type { WebSocket } from 'ws'
import { errors } from '../../machinery/status.ts'
import type { ServerRequest } from '../context.ts'

/** Larger messages end the connection; clients send terminal input and SPDY frames in pieces of 32 KiB. */
const maxMessageBytes = 16 << 20

/** The subprotocols that the client offers, without the one that carries its token. */
export function offeredProtocols(request: ServerRequest): string[] {
  return (request.headers['sec-websocket-protocol'] ?? '').split(',').map((protocol) => protocol.trim()).filter((protocol) => protocol !== '' && !protocol.startsWith('base64url.bearer.authorization.k8s.io.'))
}

/** Completes the handshake with `protocol` (''; none) chosen. Rejects with 400 when the client's request is no proper one. */
export async function acceptWebSocket(request: ServerRequest, protocol: string): Promise<WebSocket> {
  const { upgrade } = request
  if (upgrade === undefined) throw errors.badRequest('Upgrade request required')
  if (!/^[+/0-9A-Za-z]{22}==$/.test(request.headers['sec-websocket-key'] ?? '') || !['8', '13'].includes(request.headers['sec-websocket-version'] ?? '')) {
    throw errors.badRequest('the WebSocket handshake is incomplete: sec-websocket-key and sec-websocket-version 13 are needed')
  }
  const { WebSocketServer } = await import('ws')
  const server = new WebSocketServer({ noServer: true, clientTracking: false, perMessageDeflate: false, maxPayload: maxMessageBytes })
  // `ws` refuses names with a slash, as in `SPDY/3.1+portforward.k8s.io`: it is not shown the offer, and the choice is added to its answer.
  if (protocol !== '') server.on('headers', (headers) => headers.push(`Sec-WebSocket-Protocol: ${protocol}`))
  // What `ws` reads of a request; it wants Node's own class, which a request of this server may not be.
  const { 'sec-websocket-protocol': _offer, ...headers } = request.headers
  const message = { method: 'GET', headers, url: request.path } as unknown as IncomingMessage
  return new Promise((resolve) => server.handleUpgrade(message, upgrade.socket, Buffer.from(upgrade.head), resolve))
}
