import type { UserInfo } from '../../api/resource.ts'
import type { Secret } from '../../api/types/core_v1.ts'
import type { KubeObject } from '../../machinery/object.ts'
import { errors } from '../../machinery/status.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { ObjectReader } from '../context.ts'
import type { TokenChecker } from './bearer-token.ts'
import type { PrivateClaims, ServiceAccountIssuer } from './service-account-issuer.ts'
import { authenticated } from './user.ts'

const legacyIssuer = 'kubernetes/serviceaccount'
const legacyClaim = 'kubernetes.io/serviceaccount/'
const userPrefix = 'system:serviceaccount:'

/** An object that a token is bound to keeps the token alive this long after its deletion was asked for. */
const deletionLeewayMs = 60_000
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
  audiences: readonly string[]
  /** Seconds since the epoch; undefined: for ever (legacy tokens). */
  expiresAt: number | undefined
  notBefore: number | undefined
  kubernetes: PrivateClaims
  legacy: boolean
  user: UserInfo
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

/** The private claims of a legacy token, in the new form. */
function legacyClaims(payload: Record<string, unknown>): PrivateClaims {
  const text = (name: string): string => textOf(payload[`${legacyClaim}${name}`])
  return {
    namespace: text('namespace'), serviceaccount: { name: text('service-account.name'), uid: text('service-account.uid') },
    secret: { name: text('secret.name'), uid: '' },
  }
}

/**
 * Knows callers by service-account tokens: signature, issuer, audience and times, then that the account (same UID) and the pod,
 * secret or node the token is bound to still exist. A signature is checked once for a token, all else every time.
 */
export function serviceAccountTokenChecker(issuer: ServiceAccountIssuer, reader: ObjectReader, runtime: Runtime): TokenChecker {
  const remembered = new Map<string, Verified>()

  async function verify(token: string): Promise<Verified | undefined> {
    const { compactVerify, decodeJwt, decodeProtectedHeader, errors: joseErrors } = await import('jose')
    let payload: Record<string, unknown>
    let kid: string | undefined
    try {
      payload = decodeJwt(token)
      kid = decodeProtectedHeader(token).kid
    } catch (cause) {
      if (cause instanceof joseErrors.JOSEError || cause instanceof TypeError) return undefined
      throw cause
    }
    const legacy = payload.iss === legacyIssuer
    if (!legacy && !issuer.issuers.includes(textOf(payload.iss))) return undefined
    const named = issuer.verification.filter((key) => key.id === kid)
    for (const { key, algorithm } of named.length > 0 ? named : issuer.verification) {
      try {
        await compactVerify(token, key, { algorithms: [algorithm] })
        return read(payload, legacy)
      } catch (cause) {
        // Another key may have signed it; a token that no key has signed is refused below.
        if (!(cause instanceof joseErrors.JOSEError)) throw cause
      }
    }
    throw errors.unauthorized()
  }

  function read(payload: Record<string, unknown>, legacy: boolean): Verified {
    const kubernetes = legacy ? legacyClaims(payload) : payload['kubernetes.io'] as PrivateClaims | undefined
    if (typeof kubernetes?.namespace !== 'string' || typeof kubernetes.serviceaccount?.name !== 'string') throw errors.unauthorized()
    if (payload.sub !== serviceAccountUsername(kubernetes.namespace, kubernetes.serviceaccount.name)) throw errors.unauthorized()
    const seconds = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)
    if (!legacy && seconds(payload.exp) === undefined) throw errors.unauthorized()
    const audiences = legacy ? issuer.apiAudiences : [payload.aud ?? []].flat() as string[]
    const id = typeof payload.jti === 'string' && payload.jti !== '' ? payload.jti : undefined
    return { audiences, expiresAt: seconds(payload.exp), notBefore: seconds(payload.nbf), kubernetes, legacy, user: userOf(kubernetes, id) }
  }

  function stands(object: Readonly<KubeObject> | undefined, uid: string | undefined): boolean {
    if (object === undefined || (uid !== undefined && uid !== '' && object.metadata.uid !== uid)) return false
    const deletion = object.metadata.deletionTimestamp
    return deletion === undefined || Date.parse(deletion) > runtime.clock.now() - deletionLeewayMs
  }

  function holds(verified: Verified, token: string): boolean {
    const nowSeconds = runtime.clock.now() / 1000
    if (verified.expiresAt !== undefined && nowSeconds >= verified.expiresAt) return false
    // A clock that is behind the issuer's by up to a minute is forgiven.
    if (verified.notBefore !== undefined && nowSeconds + 60 < verified.notBefore) return false
    const { namespace, serviceaccount, pod, secret, node } = verified.kubernetes
    if (!stands(reader.get('serviceaccounts', namespace, serviceaccount.name), serviceaccount.uid)) return false
    if (pod !== undefined && !stands(reader.get('pods', namespace, pod.name), pod.uid)) return false
    if (pod === undefined && node !== undefined && !stands(reader.get('nodes', '', node.name), node.uid)) return false
    if (secret !== undefined) {
      const object = reader.get('secrets', namespace, secret.name)
      if (!stands(object, secret.uid)) return false
      if (verified.legacy && Buffer.from((object as Secret).data?.token ?? '', 'base64').toString('utf8') !== token) return false
    }
    return true
  }

  return {
    name: 'serviceaccount',
    async check(token, audiences = issuer.apiAudiences) {
      if (token.length > maxTokenBytes) return undefined
      let verified = remembered.get(token)
      if (verified === undefined) {
        await reader.whenReady(['serviceaccounts', 'pods', 'nodes', 'secrets'])
        verified = await verify(token)
        if (verified === undefined) return undefined
        if (remembered.size >= maxRemembered) remembered.delete(remembered.keys().next().value!)
        remembered.set(token, verified)
      }
      if (!verified.audiences.some((audience) => audiences.includes(audience))) throw errors.unauthorized()
      if (!holds(verified, token)) {
        remembered.delete(token)
        throw errors.unauthorized()
      }
      return verified.user
    },
  }
}
