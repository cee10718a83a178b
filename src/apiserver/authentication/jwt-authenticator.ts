import type { UserInfo } from '../../api/resource.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { CompiledExpression } from '../configuration/expression.ts'
import type { CompiledJwt } from './configuration.ts'
import { refused } from './failure.ts'
import type { JwtProvider, ProviderKey } from './jwt-provider.ts'
import { authenticated } from './user.ts'

/** Signatures that a provider's tokens may have (RFC 7518, section 3.1); secrets shared with the provider are none. */
export const allSigningAlgorithms: readonly string[] = ['ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512', 'RS256', 'RS384', 'RS512']

const notBeforeLeewaySeconds = 300
const maxTokenBytes = 64 * 1024

type Claims = Record<string, unknown>

/** The claims of a token whose issuer is `issuer`, unverified; undefined for other tokens. */
export function claimsFrom(issuer: string, token: string): Claims | undefined {
  if (token.length > maxTokenBytes) return undefined
  const parts = token.split('.')
  if (parts.length !== 3) return undefined
  let claims: unknown
  try {
    claims = JSON.parse(Buffer.from(parts[1]!, 'base64url').toString('utf8'))
  } catch {
    return undefined // no JWT, and so nothing of this authenticator's
  }
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) return undefined
  const said = (claims as Claims).iss === 'accounts.google.com' ? 'https://accounts.google.com' : (claims as Claims).iss
  return said === issuer ? (claims as Claims) : undefined
}

function quoted(list: readonly string[]): string {
  return `[${list.map((word) => JSON.stringify(word)).join(' ')}]`
}

export interface JwtOptions { jwt: CompiledJwt; provider: JwtProvider; algorithms: readonly string[]; runtime: Runtime }

/** Whose token it is, for one issuer: signature, times and audience, then the mappings and rules of the configuration. */
export function jwtUser({ jwt, provider, algorithms, runtime }: JwtOptions): (token: string) => Promise<UserInfo | undefined> {
  const { issuer } = jwt.config
  const audiences = issuer.audiences ?? []

  async function signedBy(token: string, keys: readonly ProviderKey[]): Promise<boolean> {
    const { compactVerify, decodeProtectedHeader, errors: joseErrors } = await import('jose')
    let kid: string | undefined
    let alg: string | undefined
    try {
      ({ kid, alg } = decodeProtectedHeader(token))
    } catch (cause) {
      throw refused(`oidc: verify token: oidc: malformed jwt: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
    }
    if (alg === undefined || !algorithms.includes(alg)) throw refused(`oidc: verify token: oidc: malformed jwt: unexpected signature algorithm ${JSON.stringify(alg ?? '')}; expected ${quoted(algorithms)}`)
    for (const { id, key, algorithm } of keys) {
      if ((kid !== undefined && kid !== '' && id !== kid) || (algorithm !== undefined && algorithm !== alg)) continue
      try {
        await compactVerify(token, key, { algorithms: [alg] })
        return true
      } catch (cause) {
        // A key of another type or size may stand under the same name: only the right one verifies.
        if (!(cause instanceof joseErrors.JOSEError) && !(cause instanceof TypeError)) throw cause
      }
    }
    return false
  }

  async function requireSigned(token: string): Promise<void> {
    if (await signedBy(token, provider.known())) return
    let keys: readonly ProviderKey[]
    try {
      keys = await provider.fetch()
    } catch (cause) {
      throw refused(`oidc: verify token: failed to verify signature: fetching keys oidc: get keys failed: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
    }
    if (!await signedBy(token, keys)) throw refused('oidc: verify token: failed to verify signature: failed to verify id token signature')
  }

  function requireCurrent(claims: Claims): void {
    const meant = [claims.aud ?? []].flat().filter((audience) => typeof audience === 'string')
    if (!meant.some((audience) => audiences.includes(audience))) throw refused(`oidc: verify token: oidc: expected audience in ${quoted(audiences.toSorted())} got ${quoted(meant)}`)
    const nowSeconds = runtime.clock.now() / 1000
    const text = (seconds: number): string => new Date(seconds * 1000).toISOString()
    const expiry = typeof claims.exp === 'number' ? claims.exp : 0
    if (expiry < nowSeconds) throw refused(`oidc: verify token: oidc: token is expired (Token Expiry: ${Math.abs(expiry) < 8e12 ? text(expiry) : expiry})`)
    if (typeof claims.nbf === 'number' && nowSeconds + notBeforeLeewaySeconds < claims.nbf) throw refused(`oidc: verify token: oidc: current time ${text(nowSeconds)} before the nbf (not before) time: ${claims.nbf}`)
  }

  return async (token) => {
    const claims = claimsFrom(issuer.url ?? '', token)
    if (claims === undefined) return undefined
    if (provider.problem !== undefined) throw refused('oidc: authenticator not initialized')
    await requireSigned(token)
    requireCurrent(claims)
    const user = userOfClaims(jwt, claims)
    requireClaims(jwt, claims)
    requireUser(jwt, user)
    return authenticated(user)
  }
}

function evaluate(expression: CompiledExpression, value: unknown, what: string): unknown {
  try {
    return expression.evaluate(value)
  } catch (cause) {
    throw refused(`oidc: error evaluating ${what}: expression '${expression.text}' resulted in error: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
  }
}

function textClaim(claims: Claims, name: string, what: string): string {
  const value = Object.hasOwn(claims, name) ? claims[name] : undefined
  if (value === undefined) throw refused(`oidc: parse ${what} ${JSON.stringify(name)}: claim not present`)
  if (typeof value !== 'string') throw refused(`oidc: parse ${what} ${JSON.stringify(name)}: json: cannot unmarshal ${Array.isArray(value) ? 'array' : typeof value} into Go value of type string`)
  return value
}

function usernameOf({ config, username }: CompiledJwt, claims: Claims): string {
  if (username !== undefined) {
    const name = evaluate(username, claims, 'username claim expression')
    if (typeof name !== 'string') throw refused('oidc: error evaluating username claim expression: username claim expression must return a string')
    if (name === '') throw refused('oidc: empty username via CEL expression is not allowed')
    return name
  }
  const { claim = '', prefix = '' } = config.claimMappings.username ?? {}
  const name = textClaim(claims, claim, 'username claims')
  if (claim === 'email' && Object.hasOwn(claims, 'email_verified') && claims.email_verified !== true) {
    throw refused(claims.email_verified === false ? 'oidc: email not verified' : "oidc: parse 'email_verified' claim: it is no boolean")
  }
  return prefix + name
}

/** A string, a list of strings or null; empty strings count for nothing. */
function stringList(value: unknown, what: string): string[] {
  if (value === null) return []
  const list = Array.isArray(value) ? value as unknown[] : [value]
  if (!list.every((item) => typeof item === 'string')) throw refused(`oidc: error evaluating ${what}: expression must return a string or a list of strings`)
  return list.filter((item) => item !== '')
}

function groupsOf({ config, groups }: CompiledJwt, claims: Claims): string[] {
  const { claim = '', prefix = '' } = config.claimMappings.groups ?? {}
  if (claim !== '' && Object.hasOwn(claims, claim)) {
    const value = claims[claim]
    const list = Array.isArray(value) ? value as unknown[] : [value]
    if (!list.every((item) => typeof item === 'string')) throw refused(`oidc: parse groups claim ${JSON.stringify(claim)}: json: cannot unmarshal into Go value of type string`)
    return list.map((group) => prefix + group)
  }
  return groups === undefined ? [] : stringList(evaluate(groups, claims, 'group claim expression'), 'group claim expression')
}

function userOfClaims(jwt: CompiledJwt, claims: Claims): UserInfo {
  const username = usernameOf(jwt, claims)
  const groups = groupsOf(jwt, claims)
  let uid = ''
  const uidClaim = jwt.config.claimMappings.uid?.claim ?? ''
  if (uidClaim !== '') uid = textClaim(claims, uidClaim, 'uid claim')
  else if (jwt.uid !== undefined) {
    const value = evaluate(jwt.uid, claims, 'uid claim expression')
    if (typeof value !== 'string') throw refused('oidc: error evaluating uid claim expression: uid claim expression must return a string')
    uid = value
  }
  const extra: Record<string, string[]> = {}
  if (typeof claims.jti === 'string' && claims.jti !== '') extra['authentication.kubernetes.io/credential-id'] = [`JTI=${claims.jti}`]
  for (const { key, expression } of jwt.extra) {
    const values = stringList(evaluate(expression, claims, 'extra claim expression'), `extra claim expression: ${expression.text}`)
    if (values.length > 0) extra[key] = values
  }
  return { username, groups, ...(uid === '' ? {} : { uid }), ...(Object.keys(extra).length === 0 ? {} : { extra }) }
}

function requireClaims({ config, claimRules }: CompiledJwt, claims: Claims): void {
  for (const { claim = '', requiredValue = '' } of config.claimValidationRules ?? []) {
    if (claim === '') continue
    if (!Object.hasOwn(claims, claim)) throw refused(`oidc: required claim ${claim} not present in ID token`)
    const value = claims[claim]
    if (typeof value !== 'string') throw refused(`oidc: parse claim ${claim}: json: cannot unmarshal into Go value of type string`)
    if (value !== requiredValue) throw refused(`oidc: required claim ${claim} value does not match. Got = ${value}, want = ${requiredValue}`)
  }
  requireRules(claimRules, claims, 'claim validation expression')
}

function requireUser({ userRules }: CompiledJwt, user: UserInfo): void {
  if (userRules.length === 0) return
  requireRules(userRules, { username: user.username, uid: user.uid ?? '', groups: [...user.groups], extra: user.extra ?? {} }, 'user info validation rule')
}

function requireRules(rules: CompiledJwt['claimRules'], value: unknown, what: string): void {
  for (const { expression, message } of rules) {
    const result = evaluate(expression, value, what)
    if (typeof result !== 'boolean') throw refused(`oidc: error evaluating ${what}: validation expression must return a boolean`)
    if (!result) throw refused(`oidc: error evaluating ${what}: validation expression '${expression.text}' failed: ${message}`)
  }
}
