import type { UserInfo } from '../api/resource.ts'
import type { ApiRequest, ApiResponse, Transport } from '../client/transport.ts'
import { errors } from '../machinery/status.ts'
import type { ServerRequest, ServerResponse } from './context.ts'
import { wholeBody } from './long-body.ts'

const noQuery = new URLSearchParams()

/**
 * A transport that calls the API server's handler as `user`: the same authorization, admission and storage as over HTTPS,
 * without a wire. Disposing it ends its requests. `userAgent` is what its requests are sent with: the manager of what they write.
 */
export function directTransport(handle: (request: ServerRequest) => Promise<ServerResponse>, user: UserInfo, serverSignal: AbortSignal, userAgent?: string): Transport {
  const fixedHeaders = userAgent === undefined ? {} : { 'user-agent': userAgent }
  const closing = new AbortController()
  const ended = AbortSignal.any([closing.signal, serverSignal])
  return {
    sharesObjects: true,
    async request(request) {
      const signal = request.signal ?? ended
      signal.throwIfAborted()
      ended.throwIfAborted()
      const isWatch = request.path.includes('watch=')
      // Combined signals cost more than a small request: only what lasts needs to hear both.
      const response = await handle(serverRequest(request, user, fixedHeaders, isWatch && request.signal !== undefined ? AbortSignal.any([signal, ended]) : signal))
      return apiResponse(response)
    },
    async [Symbol.asyncDispose]() {
      closing.abort(new Error('the transport has been closed'))
    },
  }
}

function serverRequest(request: ApiRequest, user: UserInfo, fixedHeaders: ServerRequest['headers'], signal: AbortSignal): ServerRequest {
  const question = request.path.indexOf('?')
  const rawPath = question < 0 ? request.path : request.path.slice(0, question)
  const body = (): Uint8Array => (request.body === undefined ? new Uint8Array(0) : typeof request.body === 'string' ? Buffer.from(request.body) : request.body)
  return {
    method: request.method,
    path: rawPath.includes('%') ? decodeURIComponent(rawPath) : rawPath,
    query: question < 0 ? noQuery : new URLSearchParams(request.path.slice(question + 1)),
    headers: request.headers === undefined ? fixedHeaders : { ...fixedHeaders, ...request.headers },
    async readBody(limitBytes = 3 << 20) {
      const bytes = body()
      if (bytes.length > limitBytes) throw errors.tooLarge(`Request entity too large: limit is ${limitBytes}`)
      return bytes
    },
    async *bodyStream() {
      yield body()
    },
    directUser: user,
    remoteAddress: '',
    signal,
    ...(request.causes === undefined ? {} : { causes: request.causes }),
  }
}

function apiResponse(response: ServerResponse): ApiResponse {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(response.headers)) headers[name] = Array.isArray(value) ? value.join(', ') : value
  const { stream } = response
  const events = response.events === undefined || response.onClose === undefined ? response.events : closing(response.events, response.onClose)
  return {
    status: response.status,
    headers,
    ...(response.value === undefined ? {} : { value: response.value }),
    ...(events === undefined ? {} : { events }),
    async bytes() {
      if (response.body !== undefined) return await wholeBody(response.body)
      if (stream === undefined) return bytesOf(response.bytes ?? (response.value === undefined ? '' : JSON.stringify(response.value)))
      const chunks: Uint8Array[] = []
      for await (const chunk of closing(stream, () => response.onClose?.())) chunks.push(bytesOf(chunk))
      return Buffer.concat(chunks)
    },
    async *stream() {
      if (stream !== undefined) for await (const chunk of closing(stream, () => response.onClose?.())) yield bytesOf(chunk)
      else if (events !== undefined) for await (const batch of events) for (const event of batch) yield Buffer.from(`${JSON.stringify(event)}\n`)
      else if (response.body !== undefined) yield await wholeBody(response.body)
      else yield bytesOf(response.bytes ?? (response.value === undefined ? '' : JSON.stringify(response.value)))
    },
  }
}

/** The same items; `done` is called when there are no more, or nobody wants them. */
async function* closing<T>(items: AsyncIterable<T>, done: () => void): AsyncGenerator<T> {
  try {
    for await (const item of items) yield item
  } finally {
    done()
  }
}

function bytesOf(body: Uint8Array | string): Uint8Array {
  return typeof body === 'string' ? Buffer.from(body) : body
}
