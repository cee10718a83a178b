import { readFile } from 'node:fs/promises'
import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2'
import type { Runtime } from '../runtime/runtime.ts'
import { causeHeader, encodeCauses } from './cause-header.ts'
import type { ApiRequest, ApiResponse, Transport } from './transport.ts'

export interface HttpTransportOptions {
  /** `https://10.0.0.1:6443`, with or without a path that everything is served under. */
  server: string
  /** PEM of the authorities that the server's certificate may chain to; the system's where left out. */
  caData?: string
  /** PEM of the client certificate and its key. */
  certData?: string
  keyData?: string
  /** A bearer token, or what answers the one to use now. */
  token?: string | (() => Promise<string> | string)
  /** A bearer token read from this file, anew every minute; wins over `token`. */
  tokenFile?: string
  /** Name that the server's certificate is checked against, where it isn't the host of `server`. */
  serverName?: string
  /** Takes any certificate. */
  insecureSkipTlsVerify?: boolean
  /** What comes before the first slash is the field manager: `kube-scheduler/v1.36.0`. */
  userAgent?: string
  /** The identity to act as (`Impersonate-User` and its kin). */
  impersonate?: { user: string; groups?: readonly string[]; uid?: string }
  runtime: Runtime
}

/** Streams that one session carries at most; Go's servers allow 100 to 250. */
const maxStreamsPerSession = 100
const maxSessions = 32
const maxWaiting = 20_000
const connectTimeoutMs = 30_000
/** A session that was silent for this long is asked for a sign of life (client-go: HTTP2_READ_IDLE_TIMEOUT_SECONDS, HTTP2_PING_TIMEOUT_SECONDS). */
const idlePingMs = 30_000
const pingTimeoutMs = 15_000
const tokenLifeMs = 60_000
/** As client-go: a 429 or 5xx answer that says when to come back is tried again this often. */
const maxRetryAfter = 10
/** A request that the server certainly did not begin to serve is sent again this often. */
const maxUnserved = 3

/** The request never reached a handler: sending it again does nothing twice. */
class UnservedError extends Error {}

interface Session { h2: ClientHttp2Session; streams: number; /** 1 until the server has told its own. */ limit: number; ready: boolean; open: boolean; heardAtMs: number; lastServedId: number }

/**
 * A transport over HTTP/2 (TLS only). Requests share few sessions; a new one is opened when all are full, and in place of one that
 * was lost or told to go away. Rejects with an Error that names the server when no answer came.
 */
export function httpTransport(options: HttpTransportOptions): Transport {
  const { runtime } = options
  const url = new URL(options.server)
  if (url.protocol !== 'https:') throw new Error(`cannot use server ${options.server}: only https is supported`)
  const prefix = url.pathname.replace(/\/+$/, '')
  const sessions = new Set<Session>()
  const waiting: Array<{ resolve: (session: Session) => void; reject: (error: Error) => void }> = []
  let closed = false
  const readToken = tokenReader(options)
  const fixedHeaders: OutgoingHttpHeaders = { 'user-agent': options.userAgent ?? 'k8ts/v1.36.0', ...impersonationHeaders(options) }

  const drop = (session: Session): void => {
    session.open = false
    if (!sessions.delete(session)) return
    serveWaiting()
  }

  const openSession = (): Session => {
    const h2 = connect(url.origin, {
      ...(options.caData === undefined ? {} : { ca: options.caData, allowPartialTrustChain: true }),
      ...(options.certData === undefined ? {} : { cert: options.certData }),
      ...(options.keyData === undefined ? {} : { key: options.keyData }),
      ...(options.serverName === undefined ? {} : { servername: options.serverName }),
      rejectUnauthorized: options.insecureSkipTlsVerify !== true,
      settings: { initialWindowSize: 4 << 20, enablePush: false },
    })
    const session: Session = { h2, streams: 0, limit: 1, ready: false, open: true, heardAtMs: runtime.clock.monotonicMs(), lastServedId: Number.MAX_SAFE_INTEGER }
    sessions.add(session)
    h2.setMaxListeners(0)
    h2.unref()
    const connecting = runtime.clock.timer(connectTimeoutMs, () => h2.destroy(new Error(`no connection after ${connectTimeoutMs / 1000} s`)), { background: true })
    const health = watchHealth(runtime, session)
    h2.on('connect', () => {
      connecting[Symbol.dispose]()
      h2.setLocalWindowSize(32 << 20)
    })
    h2.on('remoteSettings', (settings) => {
      session.ready = true
      session.limit = Math.max(1, Math.min(maxStreamsPerSession, settings.maxConcurrentStreams ?? maxStreamsPerSession))
      serveWaiting()
    })
    h2.on('goaway', (_code, lastStreamId) => {
      session.lastServedId = lastStreamId
      drop(session)
      h2.close()
    })
    // Each stream of the session reports the error to its own request.
    let failure: Error | undefined
    h2.on('error', (error: Error) => {
      failure = error
      runtime.log.debug('connection to the API server lost', { server: url.origin, err: error })
    })
    h2.on('close', () => {
      connecting[Symbol.dispose]()
      health[Symbol.dispose]()
      if (!session.ready) refuseWaiting(new Error(`cannot connect to ${url.origin}: ${failure?.message ?? 'the connection was closed'}`, { cause: failure }))
      drop(session)
    })
    return session
  }

  const freeSession = (): Session | undefined => {
    let connecting = false
    for (const session of sessions) {
      if (!session.open || session.h2.destroyed || session.h2.closed) continue
      if (session.streams < session.limit) return session
      connecting ||= !session.ready
    }
    if (connecting) return undefined
    return sessions.size < maxSessions ? openSession() : undefined
  }

  const refuseWaiting = (error: Error): void => {
    for (const { reject } of waiting.splice(0)) reject(error)
  }

  const serveWaiting = (): void => {
    while (waiting.length > 0 && !closed) {
      const session = freeSession()
      if (session === undefined) return
      session.streams++
      waiting.shift()!.resolve(session)
    }
  }

  /** A session with a stream reserved on it. */
  const reserve = (): Session | Promise<Session> => {
    if (closed) throw new Error(`the transport to ${url.origin} is closed`)
    const session = waiting.length === 0 ? freeSession() : undefined
    if (session !== undefined) {
      session.streams++
      return session
    }
    if (waiting.length >= maxWaiting) throw new Error(`more than ${maxWaiting} requests wait for a connection to ${url.origin}`)
    return new Promise((resolve, reject) => void waiting.push({ resolve, reject }))
  }

  const release = (session: Session): void => {
    session.streams--
    if (session.streams === 0 && !session.h2.destroyed) session.h2.unref()
    if (waiting.length > 0) serveWaiting()
  }

  const send = async (request: ApiRequest, headers: OutgoingHttpHeaders): Promise<ApiResponse> => {
    const reserved = reserve()
    const session = reserved instanceof Promise ? await reserved : reserved
    if (request.signal?.aborted === true) {
      release(session)
      throw request.signal.reason
    }
    if (session.streams === 1) session.h2.ref()
    return exchange(runtime, session, request, headers, url.origin, () => release(session))
  }

  const sendAgainWhenUnserved = async (request: ApiRequest, headers: OutgoingHttpHeaders): Promise<ApiResponse> => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await send(request, headers)
      } catch (error) {
        if (!(error instanceof UnservedError) || attempt >= maxUnserved || closed) throw error
      }
    }
  }

  return {
    async request(request) {
      const token = await readToken()
      const { causes } = request
      const headers: OutgoingHttpHeaders = {
        ...fixedHeaders,
        ':method': request.method,
        ':path': prefix + request.path,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(causes === undefined ? {} : { [causeHeader]: encodeCauses(causes) }),
        ...request.headers,
      }
      for (let attempt = 1; ; attempt++) {
        const response = await sendAgainWhenUnserved(request, headers)
        const retryAfter = response.status === 429 || response.status >= 500 ? Number(response.headers['retry-after'] ?? NaN) : NaN
        if (Number.isNaN(retryAfter) || attempt > maxRetryAfter) return response
        await response.bytes()
        await runtime.clock.sleep(retryAfter * 1000, request.signal)
      }
    },
    async [Symbol.asyncDispose]() {
      closed = true
      refuseWaiting(new Error(`the transport to ${url.origin} was closed`))
      await Promise.all([...sessions].map((session) => new Promise<void>((resolve) => {
        if (session.h2.destroyed) return resolve()
        session.h2.once('close', () => resolve())
        session.h2.destroy()
      })))
    },
  }
}

function impersonationHeaders({ impersonate }: HttpTransportOptions): OutgoingHttpHeaders {
  if (impersonate === undefined) return {}
  return {
    'impersonate-user': impersonate.user,
    ...(impersonate.groups === undefined ? {} : { 'impersonate-group': [...impersonate.groups] }),
    ...(impersonate.uid === undefined ? {} : { 'impersonate-uid': impersonate.uid }),
  }
}

function tokenReader({ token, tokenFile, runtime }: HttpTransportOptions): () => Promise<string | undefined> | string | undefined {
  if (tokenFile === undefined) return typeof token === 'function' ? token : () => token
  let known: string | undefined
  let readAtMs = -Infinity
  const read = async (): Promise<string | undefined> => {
    try {
      known = (await readFile(tokenFile, 'utf8')).trim()
      readAtMs = runtime.clock.monotonicMs()
    } catch (cause) {
      if (known === undefined) throw new Error(`cannot read the token file ${tokenFile}`, { cause })
      runtime.log.warn('cannot read the token file; the last token read is used', { tokenFile, err: cause })
    }
    return known
  }
  return () => (known !== undefined && runtime.clock.monotonicMs() - readAtMs < tokenLifeMs ? known : read())
}

/** Destroys the session when the other end stays silent although asked. */
function watchHealth(runtime: Runtime, session: Session): Disposable {
  const { clock } = runtime
  let deadline: Disposable | undefined
  const period = clock.interval(idlePingMs / 2, () => {
    if (deadline !== undefined || session.h2.connecting || session.h2.destroyed || clock.monotonicMs() - session.heardAtMs < idlePingMs) return
    deadline = clock.timer(pingTimeoutMs, () => session.h2.destroy(new Error('the server does not answer pings')), { background: true })
    session.h2.ping((error) => {
      deadline?.[Symbol.dispose]()
      deadline = undefined
      if (error === null) session.heardAtMs = clock.monotonicMs()
    })
  }, { background: true })
  return {
    [Symbol.dispose]() {
      period[Symbol.dispose]()
      deadline?.[Symbol.dispose]()
    },
  }
}

function answerHeaders(received: IncomingHttpHeaders): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(received)) {
    if (value !== undefined && !name.startsWith(':')) headers[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return headers
}

/** One request on one stream; resolves with the head of the answer. `ended` is called once the stream is over. */
function exchange(runtime: Runtime, session: Session, request: ApiRequest, headers: OutgoingHttpHeaders, server: string, ended: () => void): Promise<ApiResponse> {
  return new Promise((resolve, reject) => {
    let stream: ClientHttp2Stream
    try {
      stream = session.h2.request(headers, { endStream: request.body === undefined })
    } catch (cause) {
      ended()
      return reject(new UnservedError(`cannot send a request to ${server}: ${messageOf(cause)}`, { cause }))
    }
    const { signal } = request
    let failure: unknown
    let answered = false
    const onAbort = (): void => {
      failure = signal?.reason
      stream.close(constants.NGHTTP2_CANCEL)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    stream.on('error', (cause: NodeJS.ErrnoException) => {
      const unserved = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM || (stream.id !== undefined && stream.id > session.lastServedId)
      const message = `no answer from ${server} to ${request.method} ${request.path}: ${cause.message}`
      failure ??= unserved ? new UnservedError(message, { cause }) : new Error(message, { cause })
    })
    stream.on('close', () => {
      signal?.removeEventListener('abort', onAbort)
      ended()
      if (!answered) reject(failure ?? new Error(`no answer from ${server} to ${request.method} ${request.path}: the connection was closed`))
    })
    stream.on('response', (received) => {
      answered = true
      session.heardAtMs = runtime.clock.monotonicMs()
      const body = responseBody(runtime, session, stream, () => failure)
      resolve({ status: received[':status'] ?? 0, headers: answerHeaders(received), ...body })
    })
    if (request.body !== undefined) stream.end(request.body)
  })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The two readers of an answer's body. Both fail when the stream broke off before its end. */
function responseBody(runtime: Runtime, session: Session, stream: ClientHttp2Stream, failureOf: () => unknown): Pick<ApiResponse, 'bytes' | 'stream'> {
  const broken = (): unknown => failureOf() ?? new Error('the connection was closed before the answer was complete')
  return {
    bytes: () => new Promise((resolve, reject) => {
      const chunks: Buffer[] = []
      let complete = false
      if (stream.destroyed && stream.readableLength === 0 && !stream.readableEnded) return reject(broken())
      stream.on('data', (chunk: Buffer) => void chunks.push(chunk))
      stream.on('end', () => {
        complete = stream.rstCode === constants.NGHTTP2_NO_ERROR && failureOf() === undefined
        if (!complete) return
        session.heardAtMs = runtime.clock.monotonicMs()
        resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))
      })
      stream.on('close', () => complete || reject(broken()))
    }),
    async *stream() {
      try {
        for await (const chunk of stream as AsyncIterable<Buffer>) {
          session.heardAtMs = runtime.clock.monotonicMs()
          yield chunk
        }
      } catch (error) {
        throw failureOf() ?? error
      } finally {
        if (!stream.closed) stream.close(constants.NGHTTP2_CANCEL)
      }
      const failure = failureOf()
      if (failure !== undefined) throw failure
    },
  }
}
