import type { UserInfo } from '../../api/resource.ts'
import { errors } from '../../machinery/status.ts'
import type { Authenticator, ServerRequest } from '../context.ts'

/** Says whose token this is; undefined when it is none of this checker's. `audiences`: what the token must be meant for (the server's own when left out). */
export interface TokenChecker {
  readonly name: string
  check(token: string, audiences?: readonly string[]): Promise<UserInfo | undefined> | UserInfo | undefined
}

const webSocketProtocolPrefix = 'base64url.bearer.authorization.k8s.io.'

/** A browser's WebSocket can set no headers: the token comes as a subprotocol, beside at least one real one. */
function webSocketToken(request: ServerRequest): string | undefined {
  const offered = request.headers['sec-websocket-protocol']
  if (offered === undefined || !offered.includes(webSocketProtocolPrefix)) return undefined
  const protocols = offered.split(',').map((protocol) => protocol.trim())
  const encoded = protocols.filter((protocol) => protocol.startsWith(webSocketProtocolPrefix)).map((protocol) => protocol.slice(webSocketProtocolPrefix.length))
  if (encoded.length > 1) throw errors.unauthorized('multiple base64.bearer.authorization tokens specified')
  if (encoded[0] === undefined || encoded[0] === '' || protocols.length === 1) throw errors.unauthorized()
  return Buffer.from(encoded[0], 'base64url').toString('utf8')
}

/** The token of `Authorization: Bearer TOKEN`, or of a WebSocket subprotocol. */
export function bearerTokenOf(request: ServerRequest): string | undefined {
  const header = request.headers.authorization
  if (header === undefined) return request.headers['sec-websocket-protocol'] === undefined ? undefined : webSocketToken(request)
  const match = /^bearer +([^ ]+) *$/i.exec(header.trim())
  return match?.[1]
}

/** Asks the checkers in turn. A token that nobody knows is refused: it must not pass as anonymous. */
export function bearerTokenAuthenticator(checkers: readonly TokenChecker[]): Authenticator {
  return {
    name: 'bearer',
    async authenticate(request) {
      const token = bearerTokenOf(request)
      if (token === undefined) return undefined
      for (const checker of checkers) {
        const user = await checker.check(token)
        if (user !== undefined) return user
      }
      throw errors.unauthorized()
    },
  }
}
