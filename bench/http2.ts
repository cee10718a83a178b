import { once } from 'node:events'
import { connect, type ClientHttp2Session, type OutgoingHttpHeaders } from 'node:http2'
import type { Endpoint } from './endpoint.ts'

/** A few HTTP/2 sessions that share requests, as a client program would have them. */
export class Http2Pool {
  readonly #sessions: readonly ClientHttp2Session[]
  readonly #headers: OutgoingHttpHeaders

  private constructor(sessions: readonly ClientHttp2Session[], headers: OutgoingHttpHeaders) {
    this.#sessions = sessions
    this.#headers = headers
  }

  static async open(endpoint: Endpoint, count: number): Promise<Http2Pool> {
    const { url, ca, certificate, key, token, insecure } = endpoint
    const sessions = await Promise.all(Array.from({ length: count }, async () => {
      const session = connect(url.origin, {
        rejectUnauthorized: !insecure, settings: { initialWindowSize: 4 << 20, enablePush: false },
        ...(ca === undefined ? {} : { ca }), ...(certificate === undefined ? {} : { cert: certificate }), ...(key === undefined ? {} : { key }),
      })
      await once(session, 'connect')
      // What a lost session means is told by its requests.
      session.on('error', () => undefined)
      return session
    }))
    return new Http2Pool(sessions, { 'user-agent': 'k8ts-bench', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) })
  }

  /** Answers the status. Worker `n` always uses the same session. */
  request(worker: number, method: string, path: string, body = '', contentType = 'application/json'): Promise<number> {
    const session = this.#sessions[worker % this.#sessions.length]!
    return new Promise((resolve, reject) => {
      const stream = session.request({ ...this.#headers, ':method': method, ':path': path, ...(body === '' ? {} : { 'content-type': contentType }) }, { endStream: body === '' })
      let status = 0
      stream.on('response', (headers) => (status = Number(headers[':status'])))
      stream.on('error', reject)
      stream.on('end', () => resolve(status))
      stream.resume()
      if (body !== '') stream.end(body)
    })
  }

  [Symbol.dispose](): void {
    for (const session of this.#sessions) session.destroy()
  }
}
