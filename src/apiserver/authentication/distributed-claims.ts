import { isJsonObject } from '../../machinery/json-value.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { refused } from './failure.ts'
import type { JwtProvider } from './jwt-provider.ts'
import { untrustedClaims, untrustedIssuer, verifyJwt, type Claims } from './jwt-verification.ts'

export interface DistributedClaimsOptions {
  /** The claim that may lie elsewhere: the one of the groups. */
  claim: string
  audiences: readonly string[]
  /** The provider of the tokens themselves: sources are called as it is. */
  provider: JwtProvider
  algorithms: readonly string[]
  runtime: Runtime
}

const prefix = 'oidc: could not expand distributed claims'
const timeoutMs = 30_000

/** Where a claim lies (OpenID Connect Core 1.0, section 5.6.2); undefined where the token does not say that it lies elsewhere. */
function sourceOf(claims: Claims, claim: string): { url: string; accessToken: string } | undefined {
  if (Object.hasOwn(claims, claim) || !Object.hasOwn(claims, '_claim_names')) return undefined
  const { _claim_names: names, _claim_sources: sources } = claims
  if (!isJsonObject(names) || Object.values(names).some((name) => typeof name !== 'string')) throw refused(`${prefix}: oidc: error parsing distributed claim names: they are no map of strings`)
  if (!Object.hasOwn(claims, '_claim_sources')) throw refused(`${prefix}: oidc: no claim sources`)
  if (!isJsonObject(sources) || !Object.values(sources).every((source) => isJsonObject(source))) throw refused(`${prefix}: oidc: could not parse claim sources: they are no map of objects`)
  if (!Object.hasOwn(names, claim)) return undefined
  const name = names[claim] as string
  if (!Object.hasOwn(sources, name)) throw refused(`${prefix}: id token _claim_names contained a source ${name} missing in _claims_sources`)
  const { endpoint = '', access_token: accessToken = '' } = sources[name] as { endpoint?: unknown; access_token?: unknown }
  if (typeof endpoint !== 'string' || typeof accessToken !== 'string') throw refused(`${prefix}: oidc: could not parse claim sources: endpoint and access_token must be strings`)
  // Without an endpoint it may be an aggregated claim, which counts for nothing.
  return endpoint === '' ? undefined : { url: endpoint, accessToken }
}

/** Fetches the claim from where the token says that it lies: a token of its own, which is held against its own issuer. Rejects with Unauthorized. */
export function distributedClaims({ claim, audiences, provider, algorithms, runtime }: DistributedClaimsOptions): (claims: Claims) => Promise<Claims> {
  return async (claims) => {
    const source = sourceOf(claims, claim)
    if (source === undefined) return claims
    const { url, accessToken } = source
    let token: string
    try {
      const answer = await provider.get(url, accessToken === '' ? {} : { authorization: `Bearer ${accessToken}` }, timeoutMs)
      if (answer.status < 200 || answer.status > 226) throw new Error(`error while getting distributed claim JWT: ${answer.status}`)
      token = answer.bytes.toString('utf8')
    } catch (cause) {
      throw refused(`${prefix}: while getting distributed claim ${JSON.stringify(claim)}: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
    }
    const found = untrustedClaims(token)
    if (found === undefined) throw refused(`${prefix}: getting untrusted issuer from endpoint ${url} failed for claim ${JSON.stringify(claim)}: malformed token`)
    const issuer = untrustedIssuer(found)
    const itsProvider = typeof issuer === 'string' ? await provider.other(issuer) : undefined
    if (itsProvider === undefined || itsProvider.problem !== undefined) throw refused(`${prefix}: verifying untrusted issuer ${String(issuer)} failed: verifier not initialized for issuer: ${JSON.stringify(issuer ?? '')}`)
    await verifyJwt({ token, claims: found, audiences, provider: itsProvider, algorithms, runtime, what: `${prefix}: verify distributed claim token` })
    if (!Object.hasOwn(found, claim)) throw refused(`${prefix}: jwt returned by distributed claim endpoint ${JSON.stringify(url)} did not contain claim: ${claim}`)
    return { ...claims, [claim]: found[claim] }
  }
}
