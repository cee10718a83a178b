import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'

const prefix = 'SPDY/3.1+'
const suffix = '.k8s.io'
const maxPendingBytes = 1 << 20

/** The SPDY protocols that a client wants to speak inside its WebSocket: `SPDY/3.1+portforward.k8s.io` asks for `portforward.k8s.io`. */
export function tunnelledProtocols(offered: readonly string[]): string[] {
  return offered.filter((protocol) => protocol.startsWith(prefix) && protocol.endsWith(suffix)).map((protocol) => protocol.slice(prefix.length))
}

/** The subprotocol that answers the backend's choice. */
export function tunnelProtocol(chosen: string | string[] | undefined): string {
  const name = Array.isArray(chosen) ? chosen[0] : chosen
  return name === undefined || name.trim() === '' ? '' : `${prefix}${name.trim()}`
}

/** Carries a byte stream (SPDY to a kubelet) in the binary messages of a WebSocket until either ends (KEP-4006). */
export function tunnel(webSocket: WebSocket, socket: Duplex, head: Buffer): void {
  let pendingBytes = 0
  const send = (chunk: Buffer): void => {
    pendingBytes += chunk.length
    if (pendingBytes > maxPendingBytes) socket.pause()
    webSocket.send(chunk, { binary: true }, () => {
      pendingBytes -= chunk.length
      if (pendingBytes <= maxPendingBytes) socket.resume()
    })
  }
  if (head.length > 0) send(head)
  socket.on('data', send)
  socket.on('drain', () => webSocket.resume())
  webSocket.on('message', (data: Buffer, isBinary: boolean) => {
    // Text has no place in a stream of frames.
    if (!isBinary) return webSocket.close(1003)
    if (!socket.write(data)) webSocket.pause()
  })
  const end = (): void => {
    socket.destroy()
    webSocket.close()
  }
  socket.once('end', end).once('close', end).on('error', end)
  webSocket.once('close', end).on('error', end)
}
