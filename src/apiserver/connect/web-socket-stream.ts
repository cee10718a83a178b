import type { WebSocket } from 'ws'
import { errors } from '../../machinery/status.ts'
import type { ServerRequest, ServerResponse } from '../context.ts'
import { acceptWebSocket, offeredProtocols } from './web-socket.ts'

/** Subprotocols of plain streams, and whether their messages are base64 text. */
const protocols: ReadonlyMap<string, boolean> = new Map([['binary.k8s.io', false], ['base64.binary.k8s.io', true]])

/** Sends one message; resolves when it is on its way, rejects when the connection has gone. */
export function sendMessage(webSocket: WebSocket, message: Uint8Array | string): Promise<void> {
  return new Promise((resolve, reject) => {
    webSocket.send(message, { binary: typeof message !== 'string' }, (error) => (error === undefined || error === null ? resolve() : reject(error)))
  })
}

/** Answers a WebSocket client with a stream (a log) as messages, after an empty one; closes when it ends. What the client sends is ignored. */
export async function streamOverWebSocket(request: ServerRequest, source: AsyncIterable<Uint8Array>, failed: (error: unknown) => void): Promise<ServerResponse> {
  const offered = offeredProtocols(request)
  const protocol = offered.length === 0 ? '' : offered.find((each) => protocols.has(each))
  if (protocol === undefined) throw errors.badRequest(`unable to upgrade: unrecognized protocols ${JSON.stringify(offered)}`)
  const webSocket = await acceptWebSocket(request, protocol)
  pour(webSocket, source, protocols.get(protocol) === true).catch(failed)
  return { status: 101, headers: {}, hijacked: true }
}

async function pour(webSocket: WebSocket, source: AsyncIterable<Uint8Array>, isBase64: boolean): Promise<void> {
  const messageOf = (bytes: Uint8Array): Uint8Array | string => (isBase64 ? Buffer.from(bytes).toString('base64') : bytes)
  const iterator = source[Symbol.asyncIterator]()
  webSocket.on('error', () => webSocket.terminate())
  // A client that goes ends the stream, which may have nothing to say for long.
  webSocket.once('close', () => void iterator.return?.().catch(() => undefined))
  try {
    await sendMessage(webSocket, messageOf(new Uint8Array(0)))
    for (let next = await iterator.next(); next.done !== true && webSocket.readyState === webSocket.OPEN; next = await iterator.next()) {
      if (next.value.length > 0) await sendMessage(webSocket, messageOf(next.value))
    }
  } catch (error) {
    // Nobody is left to be told.
    if (webSocket.readyState === webSocket.OPEN) throw error
  } finally {
    webSocket.close(1000)
    await iterator.return?.()
  }
}
