import type { UserInfo } from '../../api/resource.ts'
import type { Authenticator, ServerRequest } from '../context.ts'
import { noteAuthentication, type AuthenticationNotes } from './authentication-notes.ts'
import { refusalText, refused, refusedTogether } from './failure.ts'

/** Whose token it is, and which of the audiences asked for it is meant for. */
export interface TokenAnswer { user: UserInfo; audiences: readonly string[]; notes?: AuthenticationNotes }

/**
 * Says whose token this is, if it is meant for one of `audiences`; undefined when it is none of this checker's. Rejects with
 * Unauthorized (`refused`) for a token that is its own and wrong.
 */
export interface TokenChecker {
  readonly name: string
  check(token: string, audiences: readonly string[]): Promise<TokenAnswer | undefined> | TokenAnswer | undefined
}

const webSocketProtocolPrefix = 'base64url.bearer.authorization.k8s.io.'

/** A browser's WebSocket can set no headers: the token comes as a subprotocol, beside at least one real one. */
function webSocketToken(request: ServerRequest): string | undefined {
  const offered = request.headers['sec-websocket-protocol']
  if (offered === undefined || !offered.includes(webSocketProtocolPrefix)) return undefined
  const protocols = offered.split(',').map((protocol) => protocol.trim())
  const encoded = protocols.filter((protocol) => protocol.startsWith(webSocketProtocolPrefix)).map((protocol) => protocol.slice(webSocketProtocolPrefix.length))
  if (encoded.length > 1) throw refused('multiple base64.bearer.authorization tokens specified')
  if (encoded[0] === undefined || encoded[0] === '') return undefined
  if (protocols.length === 1) throw refused('missing additional subprotocol')
  if (!/^[A-Za-z0-9_-]+$/.test(encoded[0])) throw refused('invalid bearer token')
  return Buffer.from(encoded[0], 'base64url').toString('utf8')
}

/** The token of `Authorization: Bearer TOKEN`, or of a WebSocket subprotocol. */
export function bearerTokenOf(request: ServerRequest): string | undefined {
  const header = request.headers.authorization
  if (header !== undefined) {
    // Split as upstream does: what stands after a second space is no part of the token, and two spaces leave none.
    const [scheme = '', token = ''] = header.trim().split(' ', 3)
    if (scheme.toLowerCase() === 'bearer' && token !== '') return token
  }
  return request.headers['sec-websocket-protocol'] === undefined ? undefined : webSocketToken(request)
}

/** Of a caller that is not known: a token with a space too many before it is none. */
export function warnOfSpace(request: ServerRequest, warnings: string[]): void {
  const header = request.headers.authorization
  if (header !== undefined && /^\s*bearer  +\S/i.test(header)) warnings.push('the provided Authorization header contains extra space before the bearer token, and is ignored')
}

/** Asks the checkers in turn. Undefined when none knows the token and none refuses it. */
export async function checkToken(checkers: readonly TokenChecker[], token: string, audiences: readonly string[]): Promise<TokenAnswer | undefined> {
  let refusals: string[] | undefined
  for (const checker of checkers) {
    try {
      const answer = checker.check(token, audiences)
      const found = answer instanceof Promise ? await answer : answer
      if (found !== undefined) return found
    } catch (error) {
      (refusals ??= []).push(refusalText(error))
    }
  }
  if (refusals !== undefined) throw refusedTogether(refusals)
  return undefined
}

/** A token that nobody knows is refused: it must not pass as anonymous. `audiences`: this server's own. */
export function bearerTokenAuthenticator(checkers: readonly TokenChecker[], audiences: readonly string[]): Authenticator {
  return {
    name: 'bearer',
    async authenticate(request) {
      const token = bearerTokenOf(request)
      if (token === undefined) return undefined
      const answer = await checkToken(checkers, token, audiences)
      if (answer === undefined) throw refused('invalid bearer token')
      if (answer.notes !== undefined) noteAuthentication(request, answer.notes)
      return answer.user
    },
  }
}

/** A checker that knows nothing of audiences: its tokens are meant for this server. */
export function audienceAgnostic(name: string, own: readonly string[], check: (token: string) => Promise<UserInfo | undefined> | UserInfo | undefined): TokenChecker {
  return {
    name,
    check(token, audiences) {
      const common = audiences === own ? own : own.filter((audience) => audiences.includes(audience))
      if (common.length === 0 && audiences.length > 0) return undefined
      const answerOf = (user: UserInfo | undefined): TokenAnswer | undefined => (user === undefined ? undefined : { user, audiences: common })
      const user = check(token)
      return user instanceof Promise ? user.then(answerOf) : answerOf(user)
    },
  }
}
