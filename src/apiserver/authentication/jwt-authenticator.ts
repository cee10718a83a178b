import type { UserInfo } from '../../api/resource.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { CompiledExpression } from '../configuration/expression.ts'
import type { CompiledJwt } from './configuration.ts'
import { refused } from './failure.ts'
import { distributedClaims } from './distributed-claims.ts'
import type { JwtProvider } from './jwt-provider.ts'
import { claimsFrom, verifyJwt, type Claims } from './jwt-verification.ts'
import { authenticated } from './user.ts'

/** Signatures that a provider's tokens may have (RFC 7518, section 3.1); secrets shared with the provider are none. */
export const allSigningAlgorithms: readonly string[] = ['ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512', 'RS256', 'RS384', 'RS512']

export interface JwtOptions { jwt: CompiledJwt; provider: JwtProvider; algorithms: readonly string[]; runtime: Runtime }

/** Whose token it is, for one issuer: signature, times and audience, then the mappings and rules of the configuration. */
export function jwtUser({ jwt, provider, algorithms, runtime }: JwtOptions): (token: string) => Promise<UserInfo | undefined> {
  const { issuer } = jwt.config
  const audiences = issuer.audiences ?? []
  const groupsClaim = jwt.config.claimMappings.groups?.claim ?? ''
  const withDistributed = distributedClaims({ claim: groupsClaim, audiences, provider, algorithms, runtime })

  return async (token) => {
    const claims = claimsFrom(issuer.url ?? '', token)
    if (claims === undefined) return undefined
    if (provider.problem !== undefined) throw refused('oidc: authenticator not initialized')
    await verifyJwt({ token, claims, audiences, provider, algorithms, runtime, what: 'oidc: verify token' })
    const whole = groupsClaim === '' ? claims : await withDistributed(claims)
    const user = userOfClaims(jwt, whole)
    requireClaims(jwt, whole)
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
