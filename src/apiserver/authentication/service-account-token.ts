import type { UserInfo } from '../../api/resource.ts'
import type { Secret, ServiceAccount } from '../../api/types/core_v1.ts'
import type { KubeObject } from '../../machinery/object.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { ObjectReader } from '../context.ts'
import type { MetricSet } from '../metrics/metric-set.ts'
import type { AuthenticationNotes } from './authentication-notes.ts'
import type { TokenAnswer, TokenChecker } from './bearer-token.ts'
import { refused } from './failure.ts'
import type { PrivateClaims, ServiceAccountIssuer } from './service-account-issuer.ts'
import { authenticated } from './user.ts'

const legacyIssuer = 'kubernetes/serviceaccount'
const legacyClaim = 'kubernetes.io/serviceaccount/'
const userPrefix = 'system:serviceaccount:'

/** Clocks may differ by this much; an object that a token is bound to keeps the token alive this long after its deletion was asked for. */
const leewayMs = 60_000
/** A label on the Secret of a legacy token that has been found unused; the token is refused while it stands (KEP-2799). */
const generatedTokenWarning = 'Use tokens from the TokenRequest API or manually created secret-based tokens instead of auto-generated secret-based tokens.'
export const invalidSinceLabel = 'kubernetes.io/legacy-token-invalid-since'
/** Verified tokens remembered; the oldest goes first. */
const maxRemembered = 10_000
const maxTokenBytes = 64 * 1024

export function serviceAccountUsername(namespace: string, name: string): string {
  return `${userPrefix}${namespace}:${name}`
}

/** Namespace and name of a service account's username; undefined for other users. */
export function serviceAccountOf(username: string): { namespace: string; name: string } | undefined {
  if (!username.startsWith(userPrefix)) return undefined
  const parts = username.slice(userPrefix.length).split(':')
  return parts.length === 2 && parts[0] !== '' && parts[1] !== '' ? { namespace: parts[0]!, name: parts[1]! } : undefined
}

/** A token whose signature holds; what it says is checked against the clock and the objects on every use. */
interface Verified {
  /** What the token is meant for. */
  audiences: readonly string[]
  /** Milliseconds since the epoch; undefined: for ever (legacy tokens). */
  expiresAtMs: number | undefined
  notBeforeMs: number | undefined
  issuedAtMs: number | undefined
  subject: string
  kubernetes: PrivateClaims
  legacy: boolean
  user: UserInfo
  /** The answer to those who ask on behalf of this server. */
  own: TokenAnswer
}

function userOf(claims: PrivateClaims, tokenId: string | undefined): UserInfo {
  const { namespace, serviceaccount } = claims
  const prefix = 'authentication.kubernetes.io/'
  const extra: Record<string, string[]> = {
    ...(tokenId === undefined ? {} : { [`${prefix}credential-id`]: [`JTI=${tokenId}`] }),
    ...(claims.node === undefined ? {} : { [`${prefix}node-name`]: [claims.node.name] }),
    ...(claims.node?.uid === undefined ? {} : { [`${prefix}node-uid`]: [claims.node.uid] }),
    ...(claims.pod === undefined ? {} : { [`${prefix}pod-name`]: [claims.pod.name], [`${prefix}pod-uid`]: [claims.pod.uid] }),
  }
  return authenticated({
    username: serviceAccountUsername(namespace, serviceaccount.name), uid: serviceaccount.uid,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`], ...(Object.keys(extra).length === 0 ? {} : { extra }),
  })
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function quoted(list: readonly string[]): string {
  return `[${list.map((word) => JSON.stringify(word)).join(' ')}]`
}

/** The claims of tokens made before TokenRequest: flat names, an account's secret, no times. */
function legacyClaims(payload: Record<string, unknown>): PrivateClaims {
  const text = (name: string): string => textOf(payload[`${legacyClaim}${name}`])
  return { namespace: text('namespace'), secret: { name: text('secret.name'), uid: '' }, serviceaccount: { name: text('service-account.name'), uid: text('service-account.uid') } }
}

/** Throws for a token of old that does not say all it should. */
function requireLegacyClaims(subject: string, { namespace, secret, serviceaccount }: PrivateClaims): void {
  const claims: [string, string][] = [['sub', subject], ['namespace', namespace], ['secretName', secret!.name], ['serviceAccountName', serviceaccount.name], ['serviceAccountUID', serviceaccount.uid]]
  const missing = claims.find(([, value]) => value === '')
  if (missing !== undefined) throw refused(`${missing[0]} claim is missing`)
  if (subject !== serviceAccountUsername(namespace, serviceaccount.name)) throw refused('sub claim is invalid')
}

const isReference = (value: unknown): value is { name: string; uid?: string } => typeof value === 'object' && value !== null && typeof (value as { name?: unknown }).name === 'string'

function boundClaims(payload: Record<string, unknown>): PrivateClaims {
  const claims = (payload['kubernetes.io'] ?? { namespace: '', serviceaccount: { name: '', uid: '' } }) as PrivateClaims
  const unexpected = (): Error => refused('service account token claims could not be validated due to unexpected private claim')
  if (typeof claims !== 'object' || typeof claims.namespace !== 'string' || !isReference(claims.serviceaccount)) throw unexpected()
  for (const reference of [claims.pod, claims.secret, claims.node]) if (reference !== undefined && !isReference(reference)) throw unexpected()
  return claims
}

export interface LegacyTokenUse { namespace: string; secretName: string; secret: Readonly<Secret> }

export interface ServiceAccountTokenOptions {
  issuer: ServiceAccountIssuer
  reader: ObjectReader
  runtime: Runtime
  /** False: legacy tokens are good for ever, whatever became of their Secret and account (`--service-account-lookup`). */
  lookup?: boolean
  /** Told of every use of a token that lives in a Secret. */
  onLegacyUse?(use: LegacyTokenUse): void
  metrics?: MetricSet
}

/**
 * Knows callers by service-account tokens: signature, issuer, audience and times, then that the account (same UID) and the pod,
 * secret or node the token is bound to still exist. A signature is checked once for a token, all else every time.
 */
export function serviceAccountTokenChecker(options: ServiceAccountTokenOptions): TokenChecker {
  const { issuer, reader, runtime, lookup = true, onLegacyUse, metrics } = options
  const remembered = new Map<string, Verified>()

  async function verify(token: string): Promise<Verified | undefined> {
    const { compactVerify, decodeJwt, decodeProtectedHeader, errors: joseErrors } = await import('jose')
    let payload: Record<string, unknown>
    let kid: unknown
    try {
      payload = decodeJwt(token)
      kid = decodeProtectedHeader(token).kid
    } catch (cause) {
      if (cause instanceof joseErrors.JOSEError || cause instanceof TypeError) return undefined
      throw cause
    }
    const legacy = payload.iss === legacyIssuer
    if (!legacy && !issuer.issuers.includes(textOf(payload.iss))) return undefined
    if (kid !== undefined && typeof kid !== 'string') return undefined
    const keys = kid === undefined || kid === '' ? issuer.verification : issuer.verification.filter((key) => key.id === kid)
    if (keys.length === 0) throw refused('invalid signature, no keys found')
    for (const { key, algorithm } of keys) {
      try {
        await compactVerify(token, key, { algorithms: [algorithm] })
        return read(payload, legacy)
      } catch (cause) {
        // Another key may have signed it; a token that no key has signed is refused below.
        if (!(cause instanceof joseErrors.JOSEError)) throw cause
      }
    }
    throw refused('go-jose/go-jose: error in cryptographic primitive')
  }

  function read(payload: Record<string, unknown>, legacy: boolean): Verified {
    const kubernetes = legacy ? legacyClaims(payload) : boundClaims(payload)
    const ms = (value: unknown): number | undefined => {
      if (value === undefined || value === null) return undefined
      if (typeof value !== 'number') throw refused('go-jose/go-jose/jwt: expected number value to unmarshal NumericDate')
      return value * 1000
    }
    const meant = [payload.aud ?? []].flat().filter((audience) => typeof audience === 'string')
    const audiences = meant.length === 0 ? issuer.apiAudiences : meant
    const id = typeof payload.jti === 'string' && payload.jti !== '' ? payload.jti : undefined
    const user = userOf(kubernetes, id)
    const own = { user, audiences: audiences.filter((audience) => issuer.apiAudiences.includes(audience)) }
    return { audiences, expiresAtMs: ms(payload.exp), notBeforeMs: ms(payload.nbf), issuedAtMs: ms(payload.iat), subject: textOf(payload.sub), kubernetes, legacy, user, own }
  }

  /** Gone for good: it is being deleted, and has been for longer than clocks may differ. */
  function isGone(object: Readonly<KubeObject>): boolean {
    const deletion = object.metadata.deletionTimestamp
    return deletion !== undefined && Date.parse(deletion) < runtime.clock.now() - leewayMs
  }

  function account(namespace: string, name: string): Readonly<ServiceAccount> {
    // In the words of the client that upstream looks it up with.
    if (name === '') throw refused('resource name may not be empty')
    if (namespace === '') throw refused('the server could not find the requested resource')
    const found = reader.get('serviceaccounts', namespace, name) as ServiceAccount | undefined
    if (found === undefined) throw refused(`serviceaccounts ${JSON.stringify(name)} not found`)
    return found
  }

  function requireBound(resource: string, what: string, namespace: string, { name, uid }: { name: string; uid?: string }): void {
    const object = reader.get(resource, namespace, name)
    if (object === undefined || isGone(object)) throw refused('service account token has been invalidated')
    if (object.metadata.uid !== (uid ?? '')) throw refused(`${what} UID (${object.metadata.uid ?? ''}) does not match service account ${what} ref claim (${uid ?? ''})`)
  }

  function requireBoundToken({ subject, expiresAtMs, notBeforeMs, issuedAtMs, kubernetes }: Verified): AuthenticationNotes | undefined {
    const nowMs = runtime.clock.now()
    if (expiresAtMs !== undefined && nowMs - leewayMs > expiresAtMs) throw refused('service account token has expired')
    if (notBeforeMs !== undefined && nowMs + leewayMs < notBeforeMs) throw refused('service account token is not valid yet')
    if (issuedAtMs !== undefined && nowMs + leewayMs < issuedAtMs) throw refused('service account token is issued in the future')
    const { namespace, serviceaccount, pod, secret, node } = kubernetes
    const found = account(namespace, serviceaccount.name)
    if (isGone(found)) throw refused(`service account ${namespace}/${serviceaccount.name} has been deleted`)
    if (found.metadata.uid !== serviceaccount.uid) throw refused(`service account UID (${found.metadata.uid ?? ''}) does not match claim (${serviceaccount.uid})`)
    if (secret !== undefined) requireBound('secrets', 'secret', namespace, secret)
    if (pod !== undefined) requireBound('pods', 'pod', namespace, pod)
    // A pod's token dies with the pod; its node is told for information only.
    if (pod === undefined && node !== undefined) requireBound('nodes', 'node', '', node)
    const { warnafter } = kubernetes
    if (warnafter === undefined) return undefined
    const staleMs = nowMs - warnafter * 1000
    metrics?.count(staleMs > 0 ? 'serviceaccount_stale_tokens_total' : 'serviceaccount_valid_tokens_total')
    if (staleMs <= 0) return undefined
    return { warnings: [], annotations: { 'authentication.k8s.io/stale-token': `subject: ${subject}, seconds after warning threshold: ${Math.floor(nowMs / 1000) - warnafter}` } }
  }

  function requireLegacyToken({ subject, kubernetes }: Verified, token: string): AuthenticationNotes | undefined {
    requireLegacyClaims(subject, kubernetes)
    if (!lookup) return undefined
    const { namespace, serviceaccount } = kubernetes
    const secretName = kubernetes.secret!.name
    const secret = reader.get('secrets', namespace, secretName) as Secret | undefined
    if (secret === undefined || secret.metadata.deletionTimestamp !== undefined) throw refused('Token has been invalidated')
    if (Buffer.from(secret.data?.token ?? '', 'base64').toString('utf8') !== token) throw refused("Token does not match server's copy")
    const found = account(namespace, serviceaccount.name)
    if (found.metadata.deletionTimestamp !== undefined) throw refused(`ServiceAccount ${namespace}/${serviceaccount.name} has been deleted`)
    if (found.metadata.uid !== serviceaccount.uid) throw refused(`ServiceAccount UID (${found.metadata.uid ?? ''}) does not match claim (${serviceaccount.uid})`)
    onLegacyUse?.({ namespace, secretName, secret })
    metrics?.count('serviceaccount_legacy_tokens_total')
    const isGenerated = found.secrets?.some(({ name }) => name === secretName) === true
    metrics?.count(isGenerated ? 'serviceaccount_legacy_auto_token_uses_total' : 'serviceaccount_legacy_manual_token_uses_total')
    if ((secret.metadata.labels?.[invalidSinceLabel] ?? '') !== '') {
      throw refused(`the token in secret ${namespace}/${secretName} for service account ${namespace}/${serviceaccount.name} has been marked invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, or remove the '${invalidSinceLabel}' label from the secret to temporarily allow use of this token`)
    }
    return isGenerated ? { warnings: [generatedTokenWarning], annotations: { 'authentication.k8s.io/legacy-token-autogenerated-secret': secretName } } : { warnings: [], annotations: { 'authentication.k8s.io/legacy-token-manual-secret': secretName } }
  }

  return {
    name: 'serviceaccount',
    async check(token, audiences) {
      if (token.length > maxTokenBytes) return undefined
      let verified = remembered.get(token)
      if (verified === undefined) {
        await reader.whenReady(['serviceaccounts', 'pods', 'nodes', 'secrets'])
        verified = await verify(token)
        if (verified === undefined) return undefined
        if (remembered.size >= maxRemembered) remembered.delete(remembered.keys().next().value!)
        remembered.set(token, verified)
      }
      let answer = verified.own
      if (audiences !== issuer.apiAudiences) answer = { user: verified.user, audiences: verified.audiences.filter((audience) => audiences.includes(audience)) }
      if (answer.audiences.length === 0) throw refused(`token audiences ${quoted(verified.audiences)} is invalid for the target audiences ${quoted(audiences)}`)
      const notes = verified.legacy ? requireLegacyToken(verified, token) : requireBoundToken(verified)
      return notes === undefined ? answer : { ...answer, notes }
    },
  }
}
