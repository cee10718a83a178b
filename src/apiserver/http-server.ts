import type { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse as NodeResponse } from 'node:http'
import { createSecureServer, constants, type Http2SecureServer, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { Duplex, Readable } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { errors, toStatusError } from '../machinery/status.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { ClientCertificates, ServerRequest, ServerResponse } from './context.ts'
import { RequestDeadlines } from './request-deadline.ts'
import { NamedContexts, contextOptions, nameOptions, type ServingTls } from './serving-tls.ts'

/** What etcd lets through upstream, and so the largest body that makes sense. */
export const maxBodyBytes = 3 << 20
/** A body that comes slower than this is not waited for. */
const bodyTimeoutMs = 60_000
const handshakeTimeoutMs = 10_000
/** Connections without requests are closed after this time. */
const idleTimeoutMs = 90_000
/** How long requests that last may take to end. */
const drainTimeoutMs = 10_000
/** How long readers may take for the last bytes. */
const flushTimeoutMs = 1_000
const maxJoinedBytes = 2 << 10

export interface ListenAddress { host: string; /** 0: any free port. */ port: number }

export interface HttpServerOptions {
  runtime: Runtime
  listen: readonly ListenAddress[]
  tls: ServingTls
  handle(request: ServerRequest): Promise<ServerResponse>
  /** Resolves when requests that do not last are done, or have had their time; only then those that do are ended. */
  drained?(): Promise<void>
  /** Told of each handshake that came to nothing. */
  handshakeFailed?(): void
}

export interface HttpServer extends AsyncDisposable {
  readonly addresses: readonly { host: string; port: number }[]
  /** Certificates, keys and authorities for connections that come from now on. */
  renew(tls: ServingTls): void
}

const noQuery = new URLSearchParams()

/** As Go's `url.ParseQuery` reads it for kube-apiserver: pairs with a bare semicolon or a broken escape are left out. */
function readQuery(text: string): URLSearchParams {
  if (!text.includes(';') && !/%(?![0-9A-Fa-f]{2})/.test(text)) return new URLSearchParams(text)
  return new URLSearchParams(text.split('&').filter((pair) => !pair.includes(';') && !/%(?![0-9A-Fa-f]{2})/.test(pair)).join('&'))
}

/** HTTPS on every address, HTTP/2 and HTTP/1.1 by ALPN. Disposing stops accepting, lets requests end, then closes what is left. */
export async function serveHttps(options: HttpServerOptions): Promise<HttpServer> {
  const names = new NamedContexts(options.tls)
  const { clock, log } = options.runtime
  const state: ServerState = {
    options, names, bodyDeadlines: new RequestDeadlines(clock, bodyTimeoutMs),
    onRequestError: (error) => log.debug('an HTTP/1.1 request failed', { err: error }), onAnswerError: (error) => log.debug('an HTTP/1.1 answer failed', { err: error }),
    closing: new AbortController(), isClosing: false, active: 0, sessions: new Set(), sockets: new Set(), idle: undefined,
  }
  const servers: Http2SecureServer[] = []
  const addresses: { host: string; port: number }[] = []
  try {
    for (const { host, port } of options.listen) {
      const server = buildServer(state)
      servers.push(server)
      server.listen({ port, host, ...(options.tls.reusePort === true ? { reusePort: true } : {}) })
      await once(server, 'listening')
      addresses.push({ host, port: (server.address() as AddressInfo).port })
    }
  } catch (cause) {
    await closeAll(state, servers)
    throw new Error(`cannot listen on ${options.listen.map(({ host, port }) => `${host}:${port}`).join(', ')}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
  return {
    addresses,
    renew(tls) {
      names.replace(tls)
      for (const server of servers) server.setSecureContext(contextOptions(tls))
    },
    [Symbol.asyncDispose]: () => closeAll(state, servers),
  }
}

interface ServerState {
  options: HttpServerOptions
  names: NamedContexts
  onRequestError(error: Error): void
  onAnswerError(error: Error): void
  /** Of bodies that are being read. */
  bodyDeadlines: RequestDeadlines
  /** Aborts long requests when the server closes. */
  closing: AbortController
  /** No more connections, and no more requests on those there are. */
  isClosing: boolean
  active: number
  sessions: Set<ServerHttp2Session>
  sockets: Set<TLSSocket>
  idle: (() => void) | undefined
}

function buildServer(state: ServerState): Http2SecureServer {
  const { tls, runtime } = state.options
  const server = createSecureServer({
    allowHTTP1: true, ...contextOptions(tls), requestCert: tls.clientCa !== undefined, rejectUnauthorized: false,
    ...nameOptions(tls, () => state.names),
    handshakeTimeout: handshakeTimeoutMs, maxSessionMemory: 200,
    settings: { maxConcurrentStreams: tls.maxStreams ?? 2000, initialWindowSize: 1 << 20, maxHeaderListSize: 256 << 10 },
    // For the HTTP/1.1 side: bounds on slow clients.
    ...({ headersTimeout: 20_000, requestTimeout: bodyTimeoutMs, keepAliveTimeout: idleTimeoutMs, maxHeaderSize: 256 << 10, noDelay: true } as object),
  })
  // HTTP/2 is served by `stream` events alone; without this Node would wrap each stream for the `request` event as well.
  server.removeAllListeners('newListener')
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, rawHeaders: string[]) => void serveStream(state, stream, headers, rawHeaders))
  server.on('request', (message: IncomingMessage, response: NodeResponse) => void serveMessage(state, message, response))
  server.on('upgrade', (message: IncomingMessage, socket: Duplex, head: Buffer) => void serveUpgrade(state, message, socket, head))
  server.on('clientError', (error: Error & { code?: string }, socket: Duplex) => {
    const status = error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? '408 Request Timeout' : '400 Bad Request'
    if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n${status}`)
    else socket.destroy()
  })
  server.on('tlsClientError', (error: Error) => {
    state.options.handshakeFailed?.()
    runtime.log.debug('TLS handshake failed', { err: error })
  })
  server.on('sessionError', (error: Error) => runtime.log.debug('HTTP/2 session failed', { err: error }))
  server.on('session', (session: ServerHttp2Session) => {
    state.sessions.add(session)
    session.setLocalWindowSize(4 << 20)
    session.once('close', () => state.sessions.delete(session))
    let streams = 0
    session.on('stream', (stream) => {
      streams++
      stream.once('close', () => streams--)
    })
    session.setTimeout(idleTimeoutMs, () => {
      if (streams === 0) session.close()
    })
    session.on('error', (error: Error) => runtime.log.debug('HTTP/2 session failed', { err: error }))
  })
  server.on('secureConnection', (socket: TLSSocket) => {
    state.sockets.add(socket)
    socket.setNoDelay(true)
    socket.once('close', () => state.sockets.delete(socket))
    socket.on('error', (error: Error) => runtime.log.debug('connection failed', { err: error }))
  })
  return server
}

const certificates = new WeakMap<object, ClientCertificates | undefined>()
const maxChainLength = 10

/** The certificates that the client showed on a connection: its own first, then those that it sent along. One list for each connection. */
function clientCertificatesOf(socket: TLSSocket): ClientCertificates | undefined {
  if (certificates.has(socket)) return certificates.get(socket)
  const chain: X509Certificate[] = []
  let next = socket.getPeerX509Certificate()
  while (next !== undefined && chain.length < maxChainLength && !chain.some(({ fingerprint256 }) => fingerprint256 === next!.fingerprint256)) {
    chain.push(next)
    next = next.issuerCertificate
  }
  const shown = chain.length === 0 ? undefined : (chain as unknown as ClientCertificates)
  certificates.set(socket, shown)
  return shown
}

/** What HTTP/1.1 messages and HTTP/2 streams have in common, as a request; costly parts are made when asked for. */
class HttpRequest implements ServerRequest {
  readonly method: string
  readonly isHead: boolean
  readonly path: string
  readonly query: URLSearchParams
  readonly rawQuery: string
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly rawHeaders: readonly string[]
  readonly upgrade?: { socket: Duplex; head: Uint8Array }
  readonly #state: ServerState
  readonly #body: Readable
  readonly #socket: TLSSocket
  readonly #onClose: Duplex | NodeResponse
  #abort: AbortController | undefined

  constructor(state: ServerState, method: string, url: string, headers: Readonly<Record<string, string | undefined>>, rawHeaders: readonly string[], body: Readable, socket: TLSSocket, onClose: Duplex | NodeResponse, upgrade?: { socket: Duplex; head: Uint8Array }) {
    this.#state = state
    this.isHead = method === 'HEAD'
    this.method = this.isHead ? 'GET' : method
    const question = url.indexOf('?')
    const rawPath = question < 0 ? url : url.slice(0, question)
    this.path = rawPath.includes('%') ? decodePath(rawPath) : rawPath
    this.rawQuery = question < 0 ? '' : url.slice(question + 1)
    this.query = question < 0 ? noQuery : readQuery(this.rawQuery)
    this.headers = headers
    this.rawHeaders = rawHeaders
    this.#body = body
    this.#socket = socket
    this.#onClose = onClose
    if (upgrade !== undefined) this.upgrade = upgrade
  }

  get remoteAddress(): string {
    return this.#socket.remoteAddress ?? ''
  }

  get clientCertificates(): ClientCertificates | undefined {
    return clientCertificatesOf(this.#socket)
  }

  get signal(): AbortSignal {
    if (this.#abort !== undefined) return this.#abort.signal
    const abort = new AbortController()
    this.#abort = abort
    const { closing } = this.#state
    const onClosing = (): void => abort.abort(new Error('the server is shutting down'))
    closing.signal.addEventListener('abort', onClosing, { once: true })
    this.#onClose.once('close', () => {
      closing.signal.removeEventListener('abort', onClosing)
      abort.abort(new Error('the client has gone away'))
    })
    if (closing.signal.aborted) onClosing()
    if (this.#onClose.destroyed) abort.abort(new Error('the client has gone away'))
    return abort.signal
  }

  get isAbandoned(): boolean {
    return this.#onClose.destroyed
  }

  bodyStream(): AsyncIterable<Uint8Array> {
    return this.#body
  }

  readBody(limitBytes = maxBodyBytes): Promise<Uint8Array> {
    const announced = Number(this.headers['content-length'] ?? 0)
    if (announced > limitBytes) return Promise.reject(errors.tooLarge(`Request entity too large: limit is ${limitBytes}`))
    return readAll(this.#body, limitBytes, this.#state)
  }
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch (cause) {
    throw errors.badRequest(`the path ${JSON.stringify(path.slice(0, 200))} is not well-formed: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
  }
}

function readAll(body: Readable, limitBytes: number, { options, bodyDeadlines }: ServerState): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let sizeBytes = 0
    const finish = (settle: () => void): void => {
      bodyDeadlines.end(deadline)
      body.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose)
      settle()
    }
    const onData = (chunk: Buffer): void => {
      sizeBytes += chunk.length
      if (sizeBytes > limitBytes) {
        // What is still to come is dropped, so that the answer can be read.
        finish(() => reject(errors.tooLarge(`Request entity too large: limit is ${limitBytes}`)))
        body.resume()
        return
      }
      chunks.push(chunk)
    }
    const onEnd = (): void => finish(() => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, sizeBytes)))
    const onError = (cause: Error): void => finish(() => reject(errors.badRequest(`the body could not be read: ${cause.message}`, cause)))
    const onClose = (): void => finish(() => reject(errors.badRequest('the body ended before it was complete')))
    const deadline = bodyDeadlines.begin(options.runtime.clock.monotonicMs(), bodyTimeoutMs, () => finish(() => reject(errors.timeout('the body did not arrive in time'))))
    if (body.readableEnded) return onEnd()
    if (body.destroyed) return onClose()
    body.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose)
  })
}

/** The answer to a request that could not even be taken apart; such as are bad are answered like all others. */
function failure(error: unknown): ServerResponse {
  const { status } = toStatusError(error)
  return { status: status.code, headers: { 'content-type': 'application/json' }, bytes: `${JSON.stringify(status)}\n` }
}

function done(state: ServerState): void {
  state.active--
  if (state.active === 0) state.idle?.()
}

function baseHeaders(response: ServerResponse): Record<string, string | string[]> {
  const { headers } = response
  headers['cache-control'] ??= 'no-cache, private'
  return headers
}

async function serveStream(state: ServerState, stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: readonly string[]): Promise<void> {
  const { log } = state.options.runtime
  // A stream that the client resets is no news; without a listener it would end the process.
  stream.on('error', (error: Error) => log.debug('HTTP/2 stream failed', { err: error }))
  state.active++
  let response: ServerResponse
  try {
    const socket = stream.session?.socket as unknown as TLSSocket
    response = await state.options.handle(new HttpRequest(state, headers[':method'] ?? 'GET', headers[':path'] ?? '/', joinedHeaders(headers), rawHeaders, stream, socket, stream))
  } catch (error) {
    response = failure(error)
  }
  try {
    if (stream.destroyed || stream.closed) return await dropBody(response)
    // HTTP/2 has no such header: what it asks for is that the client takes its next requests elsewhere.
    const isLast = response.headers.connection !== undefined
    if (isLast) {
      delete response.headers.connection
      stream.session?.close()
    }
    const head = { ':status': response.status, ...baseHeaders(response) }
    const noBody = headers[':method'] === 'HEAD'
    const { body } = response
    if (response.stream !== undefined && !noBody) {
      stream.respond(head)
      await pour(response.stream, stream, response.abandon)
    } else if (body !== undefined) {
      stream.respond(body.isCompressed ? head : { ...head, 'content-length': body.sizeBytes }, { endStream: noBody })
      if (!noBody) await pour(body.parts(), stream, undefined)
    } else if (response.hijacked !== true) {
      const bytes = typeof response.bytes === 'string' ? Buffer.from(response.bytes) : (response.bytes ?? new Uint8Array(0))
      // Of a proxied answer to HEAD the length is known to the backend only.
      stream.respond(response.stream === undefined ? { ...head, 'content-length': bytes.length } : head, { endStream: noBody || bytes.length === 0 })
      if (!noBody && bytes.length > 0) stream.end(bytes)
      else await dropBody(response)
    }
    // A body that nobody read keeps the stream open; saying NO_ERROR lets the client take the answer and stop sending.
    if (!stream.readableEnded && !stream.closed) stream.resume()
  } catch (error) {
    log.debug('an answer could not be sent', { err: error })
    stream.close(constants.NGHTTP2_INTERNAL_ERROR)
  } finally {
    response.onClose?.()
    done(state)
  }
}

function joinedHeaders(headers: IncomingHttpHeaders): Readonly<Record<string, string | undefined>> {
  let copy: Record<string, string | undefined> | undefined
  for (const name in headers) {
    const value = headers[name]
    if (Array.isArray(value)) (copy ??= { ...(headers as Record<string, string>) })[name] = value.join(', ')
  }
  return copy ?? (headers as Record<string, string | undefined>)
}

async function serveMessage(state: ServerState, message: IncomingMessage, answer: NodeResponse): Promise<void> {
  const { log } = state.options.runtime
  message.on('error', state.onRequestError)
  answer.on('error', state.onAnswerError)
  state.active++
  let response: ServerResponse
  try {
    response = await state.options.handle(new HttpRequest(state, message.method ?? 'GET', message.url ?? '/', joinedHeaders(message.headers as IncomingHttpHeaders), message.rawHeaders, message, message.socket as TLSSocket, answer))
  } catch (error) {
    response = failure(error)
  }
  try {
    if (answer.destroyed) return await dropBody(response)
    const headers: OutgoingHttpHeaders = baseHeaders(response)
    if (state.isClosing) headers.connection = 'close'
    // HTTP/1.1 connections are kept anyway; as upstream, answers do not say so.
    else if (message.httpVersionMinor > 0 && headers.connection === undefined) answer.removeHeader('connection')
    const { body } = response
    const noBody = message.method === 'HEAD'
    if (response.stream !== undefined && !noBody) {
      answer.writeHead(response.status, headers)
      answer.flushHeaders()
      await pour(response.stream, answer, response.abandon)
    } else if (body !== undefined) {
      if (body.isCompressed !== true) headers['content-length'] = body.sizeBytes
      answer.writeHead(response.status, headers)
      if (noBody) answer.end()
      else await pour(body.parts(), answer, undefined)
    } else if (response.hijacked !== true) {
      const bytes = response.bytes ?? ''
      if (response.stream === undefined) headers['content-length'] = typeof bytes === 'string' ? Buffer.byteLength(bytes) : bytes.length
      answer.writeHead(response.status, headers)
      // A small body goes out in one piece with the head where both are text; Latin-1 has a character for every byte.
      if (noBody || typeof bytes === 'string') answer.end(noBody ? '' : bytes)
      else if (bytes.length <= maxJoinedBytes) answer.end(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1'), 'latin1')
      else answer.end(bytes)
      if (response.stream !== undefined) await dropBody(response)
    }
    if (!message.complete) message.resume()
  } catch (error) {
    log.debug('an answer could not be sent', { err: error })
    answer.destroy()
  } finally {
    response.onClose?.()
    done(state)
  }
}

/** An HTTP/1.1 upgrade: the handler takes the socket over, or the answer goes out on it and it is closed. */
async function serveUpgrade(state: ServerState, message: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
  const { log } = state.options.runtime
  socket.on('error', (error: Error) => log.debug('an upgraded connection failed', { err: error }))
  state.active++
  let response: ServerResponse
  try {
    response = await state.options.handle(new HttpRequest(state, message.method ?? 'GET', message.url ?? '/', joinedHeaders(message.headers as IncomingHttpHeaders), message.rawHeaders, message, socket as TLSSocket, socket, { socket, head }))
  } catch (error) {
    response = failure(error)
  }
  try {
    if (response.onClose !== undefined) {
      if (response.hijacked === true && !socket.destroyed) socket.once('close', response.onClose)
      else response.onClose()
    }
    if (response.hijacked === true || socket.destroyed) return
    const lines = [`HTTP/1.1 ${response.status} ${response.status < 400 ? 'OK' : 'Error'}`, 'connection: close']
    for (const [name, value] of Object.entries(baseHeaders(response))) for (const each of Array.isArray(value) ? value : [value]) lines.push(`${name}: ${each}`)
    socket.write(`${lines.join('\r\n')}\r\n\r\n`)
    if (response.stream !== undefined) for await (const chunk of response.stream) socket.write(chunk)
    else socket.write(response.bytes ?? '')
    socket.end()
  } catch (error) {
    log.debug('an answer could not be sent', { err: error })
    socket.destroy()
  } finally {
    done(state)
  }
}

/** Writes a stream out at the reader's pace. Ends when the source ends or the reader goes away. */
async function pour(source: AsyncIterable<Uint8Array | string> | Iterable<Uint8Array>, target: NodeResponse | ServerHttp2Stream, abandon: AbortSignal | undefined): Promise<void> {
  for await (const chunk of source) {
    if (target.destroyed || target.writableEnded) return
    if (!target.write(chunk)) await drained(target, abandon)
  }
  if (!target.destroyed) target.end()
}

/** Resolves when the reader has caught up, or is gone, which it is made to be once the answer is abandoned. */
function drained(target: NodeResponse | ServerHttp2Stream, abandon: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const drop = (): void => {
      target.destroy()
      settle()
    }
    const settle = (): void => {
      target.off('drain', settle).off('close', settle)
      abandon?.removeEventListener('abort', drop)
      resolve()
    }
    target.on('drain', settle).on('close', settle)
    abandon?.addEventListener('abort', drop)
    if (abandon?.aborted === true) drop()
    else if (target.destroyed) settle()
  })
}

/** Lets go of a streamed answer that nobody will read. */
async function dropBody(response: ServerResponse): Promise<void> {
  await response.stream?.[Symbol.asyncIterator]().return?.()
}

async function closeAll(state: ServerState, servers: readonly Http2SecureServer[]): Promise<void> {
  const { clock } = state.options.runtime
  const closed = servers.map((server) => new Promise<void>((resolve) => (server.listening ? server.close(() => resolve()) : resolve())))
  for (const session of state.sessions) session.close()
  state.isClosing = true
  await state.options.drained?.()
  state.closing.abort(new Error('the server is shutting down'))
  if (state.active > 0) {
    const idle = new Promise<void>((resolve) => (state.idle = resolve))
    const stop = new AbortController()
    await Promise.race([idle, clock.sleep(drainTimeoutMs, stop.signal).catch(() => undefined)])
    stop.abort()
  }
  // Answers that have been written may still be on their way; HTTP/2 sessions end by themselves once these are through.
  for (const socket of state.sockets) if (socket.alpnProtocol !== 'h2') socket.destroySoon()
  const flushed = new AbortController()
  await Promise.race([Promise.all(closed), clock.sleep(flushTimeoutMs, flushed.signal).catch(() => undefined)])
  flushed.abort()
  state.bodyDeadlines[Symbol.dispose]()
  for (const session of state.sessions) session.destroy()
  for (const socket of state.sockets) socket.destroy()
  await Promise.all(closed)
}
