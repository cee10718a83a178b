import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import type { JWK } from 'jose'

/** The audience and issuer that a cluster has when nothing else is configured. */
export const defaultIssuer = 'https://kubernetes.default.svc.cluster.local'

export interface ServiceAccountIssuerOptions {
  /** First: what new tokens say. All are accepted. `defaultIssuer` when left out. */
  issuers?: readonly string[]
  /** PEM of the private key (RSA or EC) that signs new tokens. Left out: this server issues none. */
  signingKeyPem?: string
  /** PEM of public or private keys whose tokens are accepted, beside the signing key's. */
  verificationKeysPem?: readonly string[]
  /** Who this server is to a token; the issuers when left out. */
  apiAudiences?: readonly string[]
  /** The longest life a token may get, in seconds. */
  maxExpirationSeconds?: number
  /** Lets tokens that kubelets mount (3607 s) live a year, with a note when they should have been renewed. On when left out, as upstream. */
  extendExpiration?: boolean
  /** Where the public keys are published; `/openid/v1/jwks` of the issuer when left out. */
  jwksUri?: string
}

export interface VerificationKey { id: string; key: KeyObject; algorithm: string }

/** Keys and names of service-account tokens, shared by the verifier, the TokenRequest handler and the discovery documents. */
export interface ServiceAccountIssuer {
  readonly issuers: readonly string[]
  readonly signing: VerificationKey | undefined
  readonly verification: readonly VerificationKey[]
  readonly apiAudiences: readonly string[]
  readonly maxExpirationSeconds: number | undefined
  readonly extendExpiration: boolean
  /** '' where the issuer is no https URL: nobody can discover its keys then. */
  readonly jwksUri: string
}

/** The algorithm that goes with a key; refuses what JOSE has no signature for. */
function algorithmOf(key: KeyObject): string {
  if (key.asymmetricKeyType === 'rsa') return 'RS256'
  const curve = key.asymmetricKeyDetails?.namedCurve
  const byCurve: Record<string, string> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' }
  const algorithm = key.asymmetricKeyType === 'ec' && curve !== undefined ? byCurve[curve] : undefined
  if (algorithm === undefined) throw new Error(`service-account keys must be RSA or EC P-256, P-384 or P-521, not ${key.asymmetricKeyType ?? 'secret'} ${curve ?? ''}`)
  return algorithm
}

/** Names a key as upstream does: SHA-256 of its public part's SubjectPublicKeyInfo. */
function keyId(publicKey: KeyObject): string {
  return createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' })).digest('base64url')
}

function verificationKey(pem: string): VerificationKey {
  const key = createPublicKey(pem)
  return { id: keyId(key), key, algorithm: algorithmOf(key) }
}

/** OpenID Connect Discovery 1.0, section 3: an issuer is an https URL without query and fragment. */
function isDiscoverable(issuer: string): boolean {
  if (!URL.canParse(issuer)) return false
  const { protocol, search, hash } = new URL(issuer)
  return protocol === 'https:' && search === '' && hash === ''
}

export function createServiceAccountIssuer(options: ServiceAccountIssuerOptions): ServiceAccountIssuer {
  const issuers = options.issuers ?? [defaultIssuer]
  const signingKey = options.signingKeyPem === undefined ? undefined : createPrivateKey(options.signingKeyPem)
  const pems = [...(options.signingKeyPem === undefined ? [] : [options.signingKeyPem]), ...(options.verificationKeysPem ?? [])]
  const byId = new Map(pems.map(verificationKey).map((key) => [key.id, key]))
  return {
    issuers,
    signing: signingKey === undefined ? undefined : { id: keyId(createPublicKey(signingKey)), key: signingKey, algorithm: algorithmOf(signingKey) },
    verification: [...byId.values()],
    apiAudiences: options.apiAudiences ?? issuers,
    maxExpirationSeconds: options.maxExpirationSeconds,
    extendExpiration: options.extendExpiration ?? true,
    jwksUri: isDiscoverable(issuers[0] ?? '') ? (options.jwksUri ?? new URL('/openid/v1/jwks', issuers[0]).href) : '',
  }
}

/** What a token says beside the registered claims; `kubernetes.io` in the payload. */
export interface PrivateClaims {
  namespace: string
  serviceaccount: Ref
  pod?: Ref
  secret?: Ref
  node?: { name: string; uid?: string }
  warnafter?: number
}
export interface Ref { name: string; uid: string }

export interface TokenClaims { audiences: readonly string[]; subject: string; id: string; issuedAt: number; expiresAt: number; kubernetes: PrivateClaims }

/** A signed token. Times are seconds since the epoch. Rejects when the server has no signing key. */
export async function signToken(issuer: ServiceAccountIssuer, claims: TokenClaims): Promise<string> {
  if (issuer.signing === undefined) throw new Error('this server has no service-account signing key; start it with one to issue tokens')
  const { SignJWT } = await import('jose')
  // In the order of their names, as upstream's are.
  const payload = {
    aud: [...claims.audiences], exp: claims.expiresAt, iat: claims.issuedAt, iss: issuer.issuers[0]!, jti: claims.id,
    'kubernetes.io': sortedClaims(claims.kubernetes), nbf: claims.issuedAt, sub: claims.subject,
  }
  return await new SignJWT(payload).setProtectedHeader({ alg: issuer.signing.algorithm, kid: issuer.signing.id }).sign(issuer.signing.key)
}

function sortedClaims({ namespace, node, pod, secret, serviceaccount, warnafter }: PrivateClaims): PrivateClaims {
  const given = { namespace, node, pod, secret, serviceaccount, warnafter }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as unknown as PrivateClaims
}

/** `/.well-known/openid-configuration` (OpenID Connect Discovery 1.0, the part that token verifiers need). */
export function openIdConfiguration(issuer: ServiceAccountIssuer): Record<string, unknown> {
  return {
    issuer: issuer.issuers[0], jwks_uri: issuer.jwksUri, response_types_supported: ['id_token'], subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [...new Set(issuer.verification.map((key) => key.algorithm))].toSorted(),
  }
}

/** Members in upstream's order. */
function publicJwk({ kty, crv, x, y, n, e }: JWK, kid: string, alg: string): JWK {
  const members = { use: 'sig', kty, kid, crv, alg, x, y, n, e }
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as unknown as JWK
}

/** `/openid/v1/jwks`: the public keys (RFC 7517). */
export function jsonWebKeySet(issuer: ServiceAccountIssuer): { keys: JWK[] } {
  return { keys: issuer.verification.map(({ id, key, algorithm }) => publicJwk(key.export({ format: 'jwk' }) as JWK, id, algorithm)) }
}
