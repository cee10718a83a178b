import type { UserInfo } from '../api/resource.ts'
import { errors } from '../machinery/status.ts'
import type { AuthorizationAttributes, Authenticator, Authorizer, RequestInfo, ServerRequest } from './context.ts'

export const anonymous: UserInfo = { username: 'system:anonymous', groups: ['system:unauthenticated'] }
const authenticatedGroup = 'system:authenticated'

/** Asks each authenticator in turn; whoever shows no credentials is anonymous, whoever shows ones that nobody knows is refused. */
export async function authenticateRequest(authenticators: readonly Authenticator[], request: ServerRequest): Promise<UserInfo> {
  if (request.directUser !== undefined) return withAuthenticatedGroup(request.directUser)
  for (const authenticator of authenticators) {
    const answer = authenticator.authenticate(request)
    const user = answer instanceof Promise ? await answer : answer
    if (user !== undefined) return withAuthenticatedGroup(user)
  }
  if (request.headers.authorization !== undefined) throw errors.unauthorized()
  return anonymous
}

function withAuthenticatedGroup(user: UserInfo): UserInfo {
  const { groups } = user
  if (groups.includes(authenticatedGroup) || groups.includes('system:unauthenticated') || user.username === anonymous.username) return user
  return { ...user, groups: [...groups, authenticatedGroup] }
}

/** Throws 403 unless one of the authorizers allows. */
export async function requireAllowed(authorize: Authorizer['authorize'], attributes: AuthorizationAttributes): Promise<void> {
  const answer = authorize(attributes)
  const { decision, reason } = answer instanceof Promise ? await answer : answer
  if (decision === 'allow') return
  throw forbiddenError(attributes, reason)
}

/** The error upstream's `responsewriters.Forbidden` answers. */
export function forbiddenError(attributes: AuthorizationAttributes, reason: string): Error {
  const because = reason === '' ? '' : `: ${reason}`
  const who = `User ${JSON.stringify(attributes.user.username)} cannot ${attributes.verb}`
  if (!attributes.isResourceRequest) return errors.forbiddenPath(`forbidden: ${who} path ${JSON.stringify(attributes.path)}${because}`)
  const resource = attributes.subresource === '' ? attributes.resource : `${attributes.resource}/${attributes.subresource}`
  const where = attributes.namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(attributes.namespace)}`
  const text = `${who} resource ${JSON.stringify(resource)} in API group ${JSON.stringify(attributes.apiGroup)} ${where}${because}`
  return errors.forbidden({ group: attributes.apiGroup, resource: attributes.resource }, attributes.name, text)
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
  if (fieldSelector !== null && fieldSelector !== '') attributes.fieldSelector = fieldSelector
  if (labelSelector !== null && labelSelector !== '') attributes.labelSelector = labelSelector
  return attributes
}

const extraPrefix = 'impersonate-extra-'

/** Nearly no request does, and every request is asked. */
function namesAnother(headers: ServerRequest['headers']): boolean {
  for (const name in headers) if (name.startsWith('impersonate-')) return true
  return false
}

/**
 * The user that `Impersonate-*` headers name, once the caller has been allowed to be each part of it
 * (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation); undefined without such headers.
 */
export async function impersonatedUser(request: ServerRequest, user: UserInfo, authorize: Authorizer['authorize']): Promise<UserInfo | undefined> {
  const { headers } = request
  if (!namesAnother(headers)) return undefined
  const username = headers['impersonate-user'] ?? ''
  const groups = (headers['impersonate-group'] ?? '').split(',').map((group) => group.trim()).filter((group) => group !== '')
  const uid = headers['impersonate-uid'] ?? ''
  const extraNames = Object.keys(headers).filter((name) => name.startsWith(extraPrefix))
  if (username === '') {
    if (groups.length > 0 || uid !== '' || extraNames.length > 0) throw errors.internal(new Error('requested impersonation without impersonating a user'))
    return undefined
  }
  const ask = (apiGroup: string, resource: string, name: string, more: Partial<AuthorizationAttributes> = {}): Promise<void> =>
    requireAllowed(authorize, { user, verb: 'impersonate', isResourceRequest: true, path: '', apiGroup, apiVersion: 'v1', resource, subresource: '', namespace: '', name, ...more })
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(username)
  if (account === null) await ask('', 'users', username)
  else await ask('', 'serviceaccounts', account[2]!, { namespace: account[1]! })
  for (const group of groups) await ask('', 'groups', group)
  if (uid !== '') await ask('authentication.k8s.io', 'uids', uid)
  const extra: Record<string, string[]> = {}
  for (const name of extraNames) {
    const key = decodeURIComponent(name.slice(extraPrefix.length)).toLowerCase()
    const value = headers[name] ?? ''
    await ask('authentication.k8s.io', 'userextras', value, { subresource: key })
    extra[key] = [value]
  }
  const implied = account === null ? [] : groups.length === 0 ? ['system:serviceaccounts', `system:serviceaccounts:${account[1]!}`] : []
  return withAuthenticatedGroup({ username, groups: [...groups, ...implied], ...(uid === '' ? {} : { uid }), ...(extraNames.length === 0 ? {} : { extra }) })
}
