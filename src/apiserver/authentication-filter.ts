import type { UserInfo } from '../api/resource.ts'
import { StatusError, errors } from '../machinery/status.ts'
import { refusalText, refused, refusedTogether } from './authentication/failure.ts'
import { anonymousUser, authenticated } from './authentication/user.ts'
import type { AuthorizationAttributes, Authenticator, Authorizer, RequestInfo, ServerRequest, ServerResponse } from './context.ts'
import type { Known } from './known.ts'

/**
 * Asks each authenticator in turn; the first that knows the caller decides. Where none does, credentials that were refused end the
 * request with 401; without any, the fallback (anonymous access) is asked.
 */
export function authenticateRequest(authenticators: readonly Authenticator[], request: ServerRequest): Known<UserInfo> {
  return request.directUser === undefined ? askFrom(authenticators, 0, request, undefined) : authenticated(request.directUser)
}

function askFrom(authenticators: readonly Authenticator[], from: number, request: ServerRequest, earlier: readonly string[] | undefined): Known<UserInfo> {
  let refusals = earlier
  for (let at = from; at < authenticators.length; at++) {
    const authenticator = authenticators[at]!
    if (authenticator.isFallback === true && refusals !== undefined) continue
    try {
      const answer = authenticator.authenticate(request)
      if (answer instanceof Promise) {
        const before = refusals
        return answer.then(
          (user) => (user === undefined ? askFrom(authenticators, at + 1, request, before) : authenticated(user)),
          (error: unknown) => askFrom(authenticators, at + 1, request, [...(before ?? []), refusalText(error)]),
        )
      }
      if (answer !== undefined) return authenticated(answer)
    } catch (error) {
      refusals = [...(refusals ?? []), refusalText(error)]
    }
  }
  if (refusals !== undefined) throw refusedTogether(refusals)
  if (request.headers.authorization !== undefined) throw refused('invalid bearer token')
  return anonymousUser
}

/** Who asks may not: browsers are told to take the answer for what it says it is, since users name things in it. */
export class Denial extends StatusError {}

/** Throws 403 unless one of the authorizers allows. */
export async function requireAllowed(authorize: Authorizer['authorize'], attributes: AuthorizationAttributes): Promise<void> {
  const answer = authorize(attributes)
  const { decision, reason } = answer instanceof Promise ? await answer : answer
  if (decision === 'allow') return
  throw forbiddenError(attributes, reason)
}

/** What is said when nobody could tell whether a request is allowed (upstream: `responsewriters.InternalError`). */
export function undecidedAnswer({ path, rawQuery = '' }: ServerRequest, problem: string): ServerResponse {
  const uri = rawQuery === '' ? path : `${path}?${rawQuery}`
  return { status: 500, headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' }, bytes: `${plain(`Internal Server Error: ${JSON.stringify(uri)}: ${problem}`)}\n` }
}

/** Nothing that a user names can look like markup to a browser. */
function plain(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/** The error upstream's `responsewriters.Forbidden` answers. */
export function forbiddenError(attributes: AuthorizationAttributes, reason: string): Error {
  const because = reason === '' ? '' : `: ${reason}`
  const who = `User ${JSON.stringify(attributes.user.username)} cannot ${attributes.verb}`
  if (!attributes.isResourceRequest) return new Denial(errors.forbiddenPath(`forbidden: ${plain(`${who} path ${JSON.stringify(attributes.path)}`)}${because}`).status)
  const resource = attributes.subresource === '' ? attributes.resource : `${attributes.resource}/${attributes.subresource}`
  const where = attributes.namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(attributes.namespace)}`
  const text = `${plain(`${who} resource ${JSON.stringify(resource)} in API group ${JSON.stringify(attributes.apiGroup)} ${where}`)}${because}`
  return new Denial(errors.forbidden({ group: attributes.apiGroup, resource: attributes.resource }, attributes.name, text).status)
}

/** Paths like `/api/v1/watch/pods`, some of which know no selectors: nobody is authorized by selectors there. */
function isWatchByPath({ verb, path, apiGroup }: RequestInfo): boolean {
  return verb === 'watch' && path.split('/')[apiGroup === '' ? 3 : 4] === 'watch'
}

/** What authorizers are asked about a request. */
export function attributesOf(user: UserInfo, info: RequestInfo, query: URLSearchParams): AuthorizationAttributes {
  const attributes: AuthorizationAttributes = {
    user, verb: info.verb, isResourceRequest: info.isResourceRequest, path: info.path, apiGroup: info.apiGroup, apiVersion: info.apiVersion,
    resource: info.resource, subresource: info.subresource, namespace: info.namespace, name: info.name,
  }
  if (info.verb !== 'list' && info.verb !== 'watch' && info.verb !== 'deletecollection') return attributes
  const fieldSelector = query.get('fieldSelector')
  const labelSelector = query.get('labelSelector')
  if ((fieldSelector !== null || labelSelector !== null) && isWatchByPath(info)) return attributes
  if (fieldSelector !== null && fieldSelector !== '') attributes.fieldSelector = fieldSelector
  if (labelSelector !== null && labelSelector !== '') attributes.labelSelector = labelSelector
  return attributes
}
