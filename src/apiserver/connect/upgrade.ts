import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import { errors } from '../../machinery/status.ts'
import type { ServerRequest, ServerResponse } from '../context.ts'
import { plainServerError } from '../plain-error.ts'
import type { BackendAnswer } from './backend.ts'
import { returnedHeaders } from './forwarding.ts'
import { STATUS_CODES } from '../../runtime/node-http.ts'

/** Joins two connections until either ends. */
export function join(a: Duplex, b: Duplex): void {
  a.pipe(b)
  b.pipe(a)
  const end = (): void => {
    a.destroy()
    b.destroy()
  }
  for (const side of [a, b]) side.once('close', end).on('error', end)
}

/** The answer of a backend that would not switch protocols, for the client to see. Throws where it is no refusal. */
export function plainAnswer(answer: Extract<BackendAnswer, { upgraded: false }>): ServerResponse {
  const { response } = answer
  const status = response.statusCode ?? 500
  if (status < 400) {
    response.destroy()
    throw plainServerError(`invalid upgrade response: status code ${status}`)
  }
  return { status, headers: returnedHeaders(answer), stream: response }
}

/** Hands the client's upgraded connection through to the backend's, byte for byte. */
export function passThrough(request: ServerRequest, answer: BackendAnswer): ServerResponse {
  if (!answer.upgraded) return plainAnswer(answer)
  const { upgrade } = request
  if (upgrade === undefined) {
    answer.socket.destroy()
    throw errors.badRequest('Upgrade request required')
  }
  const lines = [`HTTP/1.1 101 ${STATUS_CODES[101]}`, ...headerLines(answer.headers)]
  upgrade.socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  if (answer.head.length > 0) upgrade.socket.write(answer.head)
  if (upgrade.head.length > 0) answer.socket.write(upgrade.head)
  join(upgrade.socket, answer.socket)
  return { status: 101, headers: {}, hijacked: true }
}

function* headerLines(headers: IncomingHttpHeaders): Generator<string> {
  for (const [name, value] of Object.entries(headers)) {
    for (const each of Array.isArray(value) ? value : [value]) if (each !== undefined) yield `${name}: ${each}`
  }
}

/** Whether the request asks to become a WebSocket. */
export function wantsWebSocket(request: ServerRequest): boolean {
  return request.headers.upgrade?.toLowerCase() === 'websocket'
}
