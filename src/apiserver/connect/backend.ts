import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import type { Duplex } from 'node:stream'
import type { Clock } from '../../runtime/clock.ts'
import { networkErrorText } from './network-errors.ts'
import { request as httpRequest } from '../../runtime/node-http.ts'

/** A server behind this one: a kubelet, a pod, an aggregated API server. */
export interface Backend {
  scheme: 'http' | 'https'
  host: string
  port: number
  /** Certificates, how the server is verified, and the agent that keeps connections; without an agent each request has its own. */
  tls?: RequestOptions
}

export interface BackendRequest {
  method: string
  /** With query. */
  path: string
  headers?: Record<string, string | string[]>
  body?: AsyncIterable<Uint8Array>
  signal: AbortSignal
}

/** What a backend answered: a response, or the connection after `101 Switching Protocols`. */
export type BackendAnswer = { upgraded: false; response: IncomingMessage } | { upgraded: true; headers: IncomingHttpHeaders; socket: Duplex; head: Buffer }

/** How long a connection may take to come about (Go's default dialer). */
const connectTimeoutMs = 30_000

type Outgoing = ReturnType<typeof httpsRequest>

/**
 * Sends a request. Rejects with an `Error` that reads as Go's (`dial tcp 10.0.0.1:443: connect: connection refused`) when no answer
 * comes. A kept connection that turns out to be dead is replaced once, where the request can be sent again.
 */
export async function callBackend(clock: Clock, backend: Backend, request: BackendRequest): Promise<BackendAnswer> {
  const first = send(clock, backend, request)
  try {
    return await first.answer
  } catch (error) {
    if (!first.outgoing.reusedSocket || request.body !== undefined || request.signal.aborted || !isReset(error)) throw error
    return await send(clock, backend, request).answer
  }
}

function isReset(error: unknown): boolean {
  const { cause } = error as Error
  return cause instanceof Error && ((cause as NodeJS.ErrnoException).code === 'ECONNRESET' || cause.message === 'socket hang up')
}

function send(clock: Clock, backend: Backend, request: BackendRequest): { outgoing: Outgoing; answer: Promise<BackendAnswer> } {
  const { promise, resolve, reject } = Promise.withResolvers<BackendAnswer>()
  const { host, port, scheme, tls = {} } = backend
  const requester = scheme === 'https' ? httpsRequest : httpRequest
  const outgoing = requester({ agent: false, ...tls, host, port, method: request.method, path: request.path, headers: request.headers ?? {}, signal: request.signal })
  const fail = (cause: unknown): void => reject(new Error(networkErrorText(cause, backend), { cause }))
  let timer: Disposable | undefined
  const connected = (): void => timer?.[Symbol.dispose]()
  outgoing.once('socket', (socket) => {
    if (!socket.connecting) return
    timer = clock.timer(connectTimeoutMs, () => {
      fail(new Error(`dial tcp ${host}:${port}: i/o timeout`))
      outgoing.destroy()
    }, { background: true })
    socket.once(scheme === 'https' ? 'secureConnect' : 'connect', connected)
  })
  outgoing.once('close', connected)
  outgoing.on('response', (response) => resolve({ upgraded: false, response }))
  outgoing.on('upgrade', (response, socket, head) => resolve({ upgraded: true, headers: response.headers, socket, head }))
  outgoing.on('error', (cause) => fail(request.signal.aborted && request.signal.reason instanceof Error ? request.signal.reason : cause))
  writeBody(outgoing, request.body).catch((error: unknown) => outgoing.destroy(error instanceof Error ? error : new Error(String(error))))
  return { outgoing, answer: promise }
}

/** The client's body as it comes; when it breaks off, so does the request. */
async function writeBody(outgoing: Outgoing, body: AsyncIterable<Uint8Array> | undefined): Promise<void> {
  for await (const chunk of body ?? []) {
    if (!outgoing.write(chunk)) await new Promise<void>((resolve) => outgoing.once('drain', resolve).once('close', resolve))
    if (outgoing.destroyed) return
  }
  outgoing.end()
}

/** The start of a body as text. */
export async function textOf(response: IncomingMessage, limitBytes = 50_000): Promise<string> {
  return (await bytesOf(response, limitBytes, 'cut')).toString('utf8')
}

/** A whole body. Rejects when it is longer than `limitBytes`; with `cut`, what is beyond is left out. */
export async function bytesOf(response: AsyncIterable<Uint8Array>, limitBytes: number, beyond: 'cut' | 'reject' = 'reject'): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of response) {
    chunks.push(chunk)
    sizeBytes += chunk.length
    if (sizeBytes <= limitBytes) continue
    if (beyond === 'reject') throw new Error(`the answer is larger than ${limitBytes} bytes`)
    break
  }
  return Buffer.concat(chunks).subarray(0, limitBytes)
}
