import type { Runtime } from '../../runtime/runtime.ts'
import { refused } from './failure.ts'
import type { JwtProvider, ProviderKey } from './jwt-provider.ts'

const notBeforeLeewaySeconds = 300
const maxTokenBytes = 64 * 1024

export type Claims = Record<string, unknown>

/** The claims of a token, unverified; undefined for what is no JWT. */
export function untrustedClaims(token: string): Claims | undefined {
  if (token.length > maxTokenBytes) return undefined
  const parts = token.split('.')
  if (parts.length !== 3) return undefined
  let claims: unknown
  try {
    claims = JSON.parse(Buffer.from(parts[1]!, 'base64url').toString('utf8'))
  } catch {
    return undefined // no JWT, and so nothing of this authenticator's
  }
  return typeof claims !== 'object' || claims === null || Array.isArray(claims) ? undefined : claims as Claims
}

/** Who says to have made a token. */
export function untrustedIssuer(claims: Claims): unknown {
  return claims.iss === 'accounts.google.com' ? 'https://accounts.google.com' : claims.iss
}

/** The claims of a token whose issuer is `issuer`, unverified; undefined for other tokens. */
export function claimsFrom(issuer: string, token: string): Claims | undefined {
  const claims = untrustedClaims(token)
  return claims !== undefined && untrustedIssuer(claims) === issuer ? claims : undefined
}

function quoted(list: readonly string[]): string {
  return `[${list.map((word) => JSON.stringify(word)).join(' ')}]`
}

export interface JwtToVerify {
  token: string
  /** What it says of itself. */
  claims: Claims
  /** It must be meant for one of them. */
  audiences: readonly string[]
  provider: JwtProvider
  algorithms: readonly string[]
  runtime: Runtime
  /** How refusals begin. */
  what: string
}

/** Rejects with Unauthorized unless the provider has signed the token, and it is meant for us, now. */
export async function verifyJwt(verified: JwtToVerify): Promise<void> {
  await requireSigned(verified)
  requireCurrent(verified)
}

async function signedBy({ token, algorithms, what }: JwtToVerify, keys: readonly ProviderKey[]): Promise<boolean> {
  const { compactVerify, decodeProtectedHeader, errors: joseErrors } = await import('jose')
  let kid: string | undefined
  let alg: string | undefined
  try {
    ({ kid, alg } = decodeProtectedHeader(token))
  } catch (cause) {
    throw refused(`${what}: oidc: malformed jwt: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
  }
  if (alg === undefined || !algorithms.includes(alg)) throw refused(`${what}: oidc: malformed jwt: unexpected signature algorithm ${JSON.stringify(alg ?? '')}; expected ${quoted(algorithms)}`)
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

async function requireSigned(verified: JwtToVerify): Promise<void> {
  const { provider, what } = verified
  if (await signedBy(verified, provider.known())) return
  let keys: readonly ProviderKey[]
  try {
    keys = await provider.fetch()
  } catch (cause) {
    throw refused(`${what}: failed to verify signature: fetching keys oidc: get keys failed: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
  }
  if (!await signedBy(verified, keys)) throw refused(`${what}: failed to verify signature: failed to verify id token signature`)
}

function requireCurrent({ claims, audiences, runtime, what }: JwtToVerify): void {
  const meant = [claims.aud ?? []].flat().filter((audience) => typeof audience === 'string')
  if (!meant.some((audience) => audiences.includes(audience))) throw refused(`${what}: oidc: expected audience in ${quoted(audiences.toSorted())} got ${quoted(meant)}`)
  const nowSeconds = runtime.clock.now() / 1000
  const text = (seconds: number): string => new Date(seconds * 1000).toISOString()
  const expiry = typeof claims.exp === 'number' ? claims.exp : 0
  if (expiry < nowSeconds) throw refused(`${what}: oidc: token is expired (Token Expiry: ${Math.abs(expiry) < 8e12 ? text(expiry) : expiry})`)
  if (typeof claims.nbf === 'number' && nowSeconds + notBeforeLeewaySeconds < claims.nbf) throw refused(`${what}: oidc: current time ${text(nowSeconds)} before the nbf (not before) time: ${claims.nbf}`)
}
