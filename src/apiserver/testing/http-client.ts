import { once } from 'node:events'
import { Agent, request as httpsRequest } from 'node:https'
import type { IncomingMessage } from 'node:http'

// Tests look into answers of every shape.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Json = any

export interface Answer { status: number; headers: IncomingMessage['headers']; bytes: Buffer; text: string; json: Json }

export interface CallOptions { body?: unknown; headers?: Record<string, string> }

/** Requests to a test server over HTTPS (HTTP/1.1, keep-alive). */
export interface TestClient extends Disposable {
  call(method: string, path: string, options?: CallOptions): Promise<Answer>
  /** A watch: lines as they come. Ends with the response; `close` ends it from here. */
  watch(path: string, headers?: Record<string, string>): Promise<TestWatch>
}

export interface TestWatch extends Disposable {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  /** The next event; undefined at the end of the stream. */
  next(): Promise<{ type: string; object: Json } | undefined>
}

/** `credentials` is a client certificate with its key, PEM. */
export function testClient(url: string, certificate: string, credentials: { cert?: string; key?: string } = {}): TestClient {
  const agent = new Agent({ ca: certificate, keepAlive: true, ...credentials })
  const send = async (method: string, path: string, { body, headers = {} }: CallOptions): Promise<IncomingMessage> => {
    const payload = body === undefined ? undefined : typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
    const outgoing = httpsRequest(`${url}${path}`, {
      method, agent, headers: { ...(payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }), ...headers },
    })
    outgoing.end(payload)
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
    return response
  }
  return {
    async call(method, path, options = {}) {
      const response = await send(method, path, options)
      const chunks: Buffer[] = []
      for await (const chunk of response) chunks.push(chunk as Buffer)
      const bytes = Buffer.concat(chunks)
      const text = bytes.toString()
      // The index of OpenAPI 3 says that it is text, as kube-apiserver's does.
      const isJson = ((response.headers['content-type'] ?? '').startsWith('application/json') || text.startsWith('{"paths":')) && response.headers['content-encoding'] === undefined && text !== ''
      return { status: response.statusCode!, headers: response.headers, bytes, text, get json() { return isJson ? (JSON.parse(text) as Record<string, unknown>) : {} } }
    },
    async watch(path, headers) {
      const response = await send('GET', path, headers === undefined ? {} : { headers })
      const lines = linesOf(response)
      return {
        status: response.statusCode!,
        headers: response.headers,
        async next() {
          const { value, done } = await lines.next()
          return done === true ? undefined : (JSON.parse(value) as { type: string; object: Record<string, unknown> })
        },
        [Symbol.dispose]: () => void response.destroy(),
      }
    },
    [Symbol.dispose]: () => agent.destroy(),
  }
}

async function* linesOf(response: IncomingMessage): AsyncGenerator<string, undefined> {
  let rest = ''
  try {
    for await (const chunk of response) {
      rest += (chunk as Buffer).toString()
      for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
        yield rest.slice(0, end)
        rest = rest.slice(end + 1)
      }
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error
  }
  return undefined
}
