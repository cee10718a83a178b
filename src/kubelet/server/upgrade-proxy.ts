import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'

const hopHeaders = new Set(['host', 'authorization'])

/**
 * Hands an upgrade request (SPDY or WebSocket) as it came to the streaming server at `url` and joins the two connections:
 * everything from the answer on passes unseen, both ways. Resolves when it has ended.
 */
export function proxyUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, url: URL): Promise<void> {
  return new Promise((resolve, reject) => {
    const backend = connect({ host: url.hostname, port: Number(url.port) })
    const lines = [`${request.method ?? 'POST'} ${url.pathname}${url.search} HTTP/1.1`, `Host: ${url.host}`]
    for (let at = 0; at < request.rawHeaders.length; at += 2) {
      if (!hopHeaders.has(request.rawHeaders[at]!.toLowerCase())) lines.push(`${request.rawHeaders[at]}: ${request.rawHeaders[at + 1]}`)
    }
    let joined = false
    backend.once('connect', () => {
      joined = true
      backend.setNoDelay(true)
      backend.write(`${lines.join('\r\n')}\r\n\r\n`)
      if (head.length > 0) backend.write(head)
      backend.pipe(socket)
      socket.pipe(backend)
    })
    const end = (): void => {
      backend.destroy()
      socket.destroy()
      resolve()
    }
    backend.once('error', (error) => {
      if (joined) end()
      else reject(error)
    })
    // A broken connection on either side ends the session; who broke it knows why.
    socket.once('error', end)
    socket.once('close', end)
    backend.once('close', () => {
      // What the runtime has sent last may still be on its way to the client.
      if (socket.writableFinished || socket.destroyed) end()
      else socket.end(end)
    })
  })
}
