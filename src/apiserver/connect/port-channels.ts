import type { WebSocket } from 'ws'
import type { BackendAnswer } from './backend.ts'
import { SpdyConnection, type SpdyStream } from './spdy.ts'
import { ClientChannels, type ChannelProtocol } from './translator.ts'

/** Subprotocols of port-forward over channels: [name, base64?]. */
const protocols: ReadonlyMap<string, boolean> = new Map([['v4.channel.k8s.io', false], ['v4.base64.channel.k8s.io', true]])

/** The first of the offered protocols that is known; with none offered, plain channels. Undefined when none is known. */
export function choosePortProtocol(offered: readonly string[]): ChannelProtocol | undefined {
  if (offered.length === 0) return { name: '', version: 4, isBase64: false }
  const name = offered.find((each) => protocols.has(each))
  return name === undefined ? undefined : { name, version: 4, isBase64: protocols.get(name)! }
}

/**
 * Carries ports between the channels of a WebSocket and a kubelet's SPDY session: port number N of the list has channel 2N for data
 * and 2N+1 for what goes wrong; each channel begins with its port, two bytes with the low one first (kubelet's
 * `pkg/kubelet/portforward`). Ends when every port has ended, or either side goes.
 */
export function forwardPorts(webSocket: WebSocket, protocol: ChannelProtocol, ports: readonly number[], answer: Extract<BackendAnswer, { upgraded: true }>): void {
  const client = new ClientChannels(webSocket, protocol)
  const connection = new SpdyConnection(answer.socket, answer.head)
  const open = new Set<SpdyStream>()
  const data: SpdyStream[] = []
  const close = (): void => {
    webSocket.close(1000)
    connection.close()
  }
  for (const [index, port] of ports.entries()) {
    const headers = { port: String(port), requestid: String(index) }
    const failures = connection.open({ streamtype: 'error', ...headers })
    failures.end()
    const stream = connection.open({ streamtype: 'data', ...headers })
    data.push(stream)
    for (const [each, channel] of [[stream, 2 * index], [failures, 2 * index + 1]] as const) {
      open.add(each)
      client.send(channel, Buffer.from([port & 255, (port >> 8) & 255]))
      each.onData = (bytes) => client.send(channel, bytes)
      each.onEnd = () => {
        open.delete(each)
        if (open.size === 0) close()
      }
    }
  }
  client.onBehind = (isBehind) => (isBehind ? connection.pause() : connection.resume())
  connection.onDrain = () => webSocket.resume()
  connection.onClose = () => webSocket.close(1000)
  webSocket.on('message', (message: Buffer) => {
    const read = client.read(message)
    if (read === undefined || read.channel % 2 !== 0) return
    const stream = data[read.channel / 2]
    if (stream !== undefined && open.has(stream) && read.data.length > 0 && !stream.write(read.data)) webSocket.pause()
  })
  webSocket.once('close', () => connection.close())
  webSocket.on('error', () => connection.close())
  // The client may have gone during the handshake.
  if (webSocket.readyState !== webSocket.OPEN) connection.close()
}
