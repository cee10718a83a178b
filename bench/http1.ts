import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import type { Endpoint } from './endpoint.ts'

export interface Answer { status: number; bodyBytes: number; /** Kept only where asked for. */ body: Buffer }

const nothing = Buffer.alloc(0)

/** Opens a TLS connection to the endpoint that speaks HTTP/1.1. */
export async function openSocket(endpoint: Endpoint): Promise<TLSSocket> {
  const { url, ca, certificate, key, insecure } = endpoint
  const socket = connect({
    host: url.hostname, port: Number(url.port || 443), ALPNProtocols: ['http/1.1'], rejectUnauthorized: !insecure,
    ...(ca === undefined ? {} : { ca }), ...(certificate === undefined ? {} : { cert: certificate }), ...(key === undefined ? {} : { key }),
  })
  socket.setNoDelay(true)
  await once(socket, 'secureConnect')
  return socket
}

/** The head of a request, ready to be sent. */
export function requestHead(endpoint: Endpoint, method: string, path: string, headers = ''): string {
  const authorization = endpoint.token === undefined ? '' : `authorization: Bearer ${endpoint.token}\r\n`
  return `${method} ${path} HTTP/1.1\r\nhost: ${endpoint.url.host}\r\nuser-agent: k8ts-bench\r\n${authorization}${headers}`
}

/**
 * One keep-alive HTTP/1.1 connection, requests one after the other. It knows just enough of the protocol (lengths and chunks) to cost
 * far less than what it measures.
 */
export class Http1Connection {
  readonly #endpoint: Endpoint
  readonly #socket: TLSSocket
  #pending: { resolve: (answer: Answer) => void; reject: (error: Error) => void; keep: boolean } | undefined
  #head: Buffer = nothing
  #status = 0
  #bodyBytes = 0
  #body: Buffer[] = []
  /** Bytes of the body, or of the chunk and the line end after it, that are still to come; -1: the head is. */
  #left = -1
  #chunked = false
  #line = ''
  #lastChunk = false

  constructor(endpoint: Endpoint, socket: TLSSocket) {
    this.#endpoint = endpoint
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('error', (error: Error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the connection was closed')))
  }

  static async open(endpoint: Endpoint): Promise<Http1Connection> {
    return new Http1Connection(endpoint, await openSocket(endpoint))
  }

  request(method: string, path: string, options: { body?: string | Uint8Array; contentType?: string; headers?: string; keepBody?: boolean } = {}): Promise<Answer> {
    const { body = '', contentType = 'application/json', headers = '', keepBody = false } = options
    const content = body.length === 0 ? '' : `content-type: ${contentType}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`
    if (this.#socket.destroyed) return Promise.reject(new Error('the connection is closed'))
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject, keep: keepBody }
      const head = `${requestHead(this.#endpoint, method, path, headers)}${content}\r\n`
      this.#socket.write(typeof body === 'string' ? head + body : Buffer.concat([Buffer.from(head), body]))
    })
  }

  close(): void {
    this.#pending = undefined
    this.#socket.destroy()
  }

  #fail(error: Error): void {
    this.#pending?.reject(error)
    this.#pending = undefined
  }

  #read(chunk: Buffer): void {
    let rest = chunk
    if (this.#left < 0) {
      const all = this.#head.length === 0 ? chunk : Buffer.concat([this.#head, chunk])
      const end = all.indexOf('\r\n\r\n')
      if (end < 0) {
        this.#head = all
        return
      }
      const head = all.toString('latin1', 0, end)
      this.#head = nothing
      this.#status = Number(head.slice(9, 12))
      const length = /\r\ncontent-length: *(\d+)/i.exec(head)
      this.#chunked = length === null && /\r\ntransfer-encoding: *chunked/i.test(head)
      this.#left = length === null ? 0 : Number(length[1])
      this.#lastChunk = false
      this.#line = ''
      rest = all.subarray(end + 4)
    }
    if (this.#chunked) return this.#readChunks(rest)
    this.#take(rest)
    this.#left -= rest.length
    if (this.#left <= 0) this.#finish()
  }

  #readChunks(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#left > 0) {
        const count = Math.min(this.#left, bytes.length - at)
        // The last two bytes are the line end after the chunk.
        this.#take(bytes.subarray(at, at + Math.max(0, Math.min(count, this.#left - 2))))
        this.#left -= count
        at += count
        if (this.#left === 0 && this.#lastChunk) return this.#finish()
        continue
      }
      const end = bytes.indexOf('\n', at)
      this.#line += bytes.toString('latin1', at, end < 0 ? bytes.length : end)
      if (end < 0) return
      at = end + 1
      const size = Number.parseInt(this.#line, 16)
      this.#line = ''
      this.#lastChunk = size === 0
      this.#left = size + 2
    }
  }

  #take(bytes: Buffer): void {
    this.#bodyBytes += bytes.length
    if (this.#pending?.keep === true && bytes.length > 0) this.#body.push(bytes)
  }

  #finish(): void {
    const answer = { status: this.#status, bodyBytes: this.#bodyBytes, body: Buffer.concat(this.#body) }
    this.#left = -1
    this.#bodyBytes = 0
    this.#body = []
    const pending = this.#pending
    this.#pending = undefined
    pending?.resolve(answer)
  }
}

/** Several connections at once; closed together. */
export class Http1Pool {
  readonly connections: readonly Http1Connection[]
  private constructor(connections: readonly Http1Connection[]) {
    this.connections = connections
  }
  static async open(endpoint: Endpoint, count: number): Promise<Http1Pool> {
    return new Http1Pool(await Promise.all(Array.from({ length: count }, () => Http1Connection.open(endpoint))))
  }
  [Symbol.dispose](): void {
    for (const connection of this.connections) connection.close()
  }
}
