import type { WebSocket } from 'ws'
import type { Status } from '../../machinery/status.ts'
import { errors, StatusError, toStatusError } from '../../machinery/status.ts'
import { textOf, type BackendAnswer } from './backend.ts'
import { SpdyConnection, type SpdyStream } from './spdy.ts'

/** Streams that the client wants. */
export interface StreamOptions { stdin: boolean; stdout: boolean; stderr: boolean; tty: boolean }

const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const
/** v5 only: the second byte names the channel that the client has closed. */
const closeSignal = 255
/** Bytes on their way to the client beyond which the kubelet has to wait. */
const maxPendingBytes = 1 << 20
/** A frame may be as long as this before its base64 grows beyond what clients read at once. */
const maxChunkBytes = 32 << 10

/** Subprotocols in order of preference: [name, version of the error channel's content, base64?]. */
const protocols: ReadonlyArray<readonly [string, number, boolean]> = [
  ['v5.channel.k8s.io', 5, false], ['v4.channel.k8s.io', 4, false], ['v4.base64.channel.k8s.io', 4, true], ['base64.v4.channel.k8s.io', 4, true],
  ['channel.k8s.io', 1, false], ['base64.channel.k8s.io', 1, true],
]

/** How a WebSocket client and this server talk. */
export interface ChannelProtocol { name: string; version: number; isBase64: boolean }

/** The best protocol that both know; with none offered, the oldest; undefined when none of the offered is known. */
export function chooseProtocol(offered: readonly string[]): ChannelProtocol | undefined {
  if (offered.length === 0) return { name: '', version: 1, isBase64: false }
  const found = protocols.find(([name]) => offered.includes(name))
  return found === undefined ? undefined : { name: found[0], version: found[1], isBase64: found[2] }
}

/** The headers that ask a kubelet for SPDY, with the versions of the error stream that it may choose from. */
export const spdyHeaders: Record<string, string | string[]> = {
  connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': ['v5.channel.k8s.io', 'v4.channel.k8s.io', 'v3.channel.k8s.io', 'v2.channel.k8s.io', 'channel.k8s.io'],
}

const successText = JSON.stringify({ metadata: {}, status: 'Success' })

/** The channels of one client's WebSocket: each message begins with the number of its channel. */
export class ClientChannels {
  readonly #webSocket: WebSocket
  readonly #protocol: ChannelProtocol
  #pendingBytes = 0
  onBehind: (isBehind: boolean) => void = () => undefined

  constructor(webSocket: WebSocket, protocol: ChannelProtocol) {
    this.#webSocket = webSocket
    this.#protocol = protocol
  }

  send(channel: number, data: Uint8Array): void {
    for (let at = 0; at < Math.max(data.length, 1); at += maxChunkBytes) this.#sendChunk(channel, data.subarray(at, at + maxChunkBytes))
  }

  #sendChunk(channel: number, data: Uint8Array): void {
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return
    const message = this.#protocol.isBase64 ? `${channel}${Buffer.from(data).toString('base64')}` : Buffer.concat([Buffer.from([channel]), data])
    const wasBehind = this.#pendingBytes > maxPendingBytes
    this.#pendingBytes += message.length
    if (!wasBehind && this.#pendingBytes > maxPendingBytes) this.onBehind(true)
    this.#webSocket.send(message, () => {
      const isBehind = this.#pendingBytes > maxPendingBytes
      this.#pendingBytes -= message.length
      if (isBehind && this.#pendingBytes <= maxPendingBytes) this.onBehind(false)
    })
  }

  /** Says how it ended, on the error channel, and closes. */
  finish(statusText: string): void {
    const status = JSON.parse(statusText) as Partial<Status>
    if (this.#protocol.version >= 4) this.send(channels.error, Buffer.from(statusText))
    else if (status.status !== 'Success') this.send(channels.error, Buffer.from(status.message ?? ''))
    this.#webSocket.close(1000)
  }

  /** Channel and data of a message; undefined for one without a channel. The subprotocol says how it is written, text messages or not. */
  read(message: Buffer): { channel: number; data: Buffer } | undefined {
    if (message.length === 0) return undefined
    if (this.#protocol.isBase64) {
      const channel = message[0]! - 0x30
      return { channel, data: Buffer.from(message.subarray(1).toString('latin1'), 'base64') }
    }
    return { channel: message[0]!, data: message.subarray(1) }
  }
}

/** The error that a kubelet's refusal to switch protocols means. */
export async function upgradeRefused(answer: Extract<BackendAnswer, { upgraded: false }>): Promise<StatusError> {
  const text = await textOf(answer.response)
  try {
    const status = JSON.parse(text) as Status
    if (status.kind === 'Status') return new StatusError(status)
  } catch {
    // No Status: plain text, as kubelets mostly answer.
  }
  return errors.internal(new Error(`unable to upgrade connection: ${text.trim()}`))
}

/**
 * Carries a WebSocket client's exec or attach over SPDY to a kubelet (KEP-4006). The handshake with the client is done;
 * whatever goes wrong from here on is told on its error channel. Resolves when both connections are closed.
 */
export async function translate(webSocket: WebSocket, protocol: ChannelProtocol, options: StreamOptions, dial: () => Promise<BackendAnswer>): Promise<void> {
  const client = new ClientChannels(webSocket, protocol)
  const early: Buffer[] = []
  let onMessage = (data: Buffer): void => void early.push(data)
  webSocket.on('message', (data: Buffer) => onMessage(data))
  webSocket.on('error', () => webSocket.terminate())
  try {
    const answer = await dial()
    if (!answer.upgraded) throw await upgradeRefused(answer)
    if (webSocket.readyState !== webSocket.OPEN) return void answer.socket.destroy()
    const connection = new SpdyConnection(answer.socket, answer.head)
    const finished = relay(webSocket, client, connection, options, protocol)
    onMessage = finished.onMessage
    for (const data of early.splice(0)) onMessage(data)
    await finished.done
  } catch (error) {
    client.finish(JSON.stringify(toStatusError(error).status))
  }
}

function relay(webSocket: WebSocket, client: ClientChannels, connection: SpdyConnection, options: StreamOptions, protocol: ChannelProtocol): { onMessage: (data: Buffer) => void; done: Promise<void> } {
  const done = Promise.withResolvers<void>()
  const errorStream = connection.open({ streamtype: 'error' })
  const stdin = options.stdin ? connection.open({ streamtype: 'stdin' }) : undefined
  const stdout = options.stdout ? connection.open({ streamtype: 'stdout' }) : undefined
  const stderr = options.stderr && !options.tty ? connection.open({ streamtype: 'stderr' }) : undefined
  const resize = options.tty ? connection.open({ streamtype: 'resize' }) : undefined
  const statusChunks: Buffer[] = []
  const open = new Set<SpdyStream>([errorStream, stdout, stderr].filter((stream) => stream !== undefined))
  let isDone = false
  const finish = (): void => {
    if (isDone) return
    isDone = true
    client.finish(statusTextOf(Buffer.concat(statusChunks).toString('utf8')))
    connection.close()
    done.resolve()
  }
  const ended = (stream: SpdyStream) => (): void => {
    open.delete(stream)
    // Output comes whole before the status is told.
    if (open.size === 0) finish()
  }
  errorStream.onData = (data) => void statusChunks.push(Buffer.from(data))
  errorStream.onEnd = ended(errorStream)
  for (const [stream, channel] of [[stdout, channels.stdout], [stderr, channels.stderr]] as const) {
    if (stream === undefined) continue
    stream.onData = (data) => client.send(channel, data)
    stream.onEnd = ended(stream)
  }
  client.onBehind = (isBehind) => (isBehind ? connection.pause() : connection.resume())
  connection.onDrain = () => webSocket.resume()
  connection.onClose = finish
  // Tells the client that its streams stand, before there is any output.
  client.send(options.stdout ? channels.stdout : options.stderr && !options.tty ? channels.stderr : channels.error, new Uint8Array(0))
  const close = (): void => {
    isDone = true
    connection.close()
    done.resolve()
  }
  webSocket.once('close', close)
  // The client may have gone while the kubelet was being called.
  if (webSocket.readyState !== webSocket.OPEN) close()
  const onMessage = (message: Buffer): void => {
    const read = client.read(message)
    if (read === undefined) return
    if (protocol.version >= 5 && read.channel === closeSignal) {
      if (read.data[0] === channels.stdin) stdin?.end()
      return
    }
    const target = read.channel === channels.stdin ? stdin : read.channel === channels.resize ? resize : undefined
    if (target !== undefined && read.data.length > 0 && !target.write(read.data)) webSocket.pause()
  }
  return { onMessage, done: done.promise }
}

/** A runtime's last words as a Status: v4 and v5 send one, older ones plain text, none means success. */
function statusTextOf(text: string): string {
  if (text === '') return successText
  try {
    const status = JSON.parse(text) as Partial<Status>
    if (status.status !== undefined) return status.status === 'Success' ? successText : text
  } catch {
    // Plain text of an older protocol.
  }
  return JSON.stringify(errors.internal(new Error(text)).status)
}
