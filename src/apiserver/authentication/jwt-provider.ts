import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import { isJsonObject } from '../../machinery/json-value.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { apiServerId } from '../bootstrap/identity-lease.ts'
import { httpsClient, type HttpsAnswer } from '../configuration/https.ts'
import { labelHash, type MetricSet } from '../metrics/metric-set.ts'
import type { JwtAuthenticator } from './configuration.ts'

const wellKnown = '/.well-known/openid-configuration'
const retryMs = 10_000
const timeoutMs = 30_000
/** Issuers of claims that lie elsewhere, by one provider; tokens name them. */
const maxOthers = 16

/** A public key of a provider; `algorithm` where the key says which one it is for. */
export interface ProviderKey { id: string; algorithm?: string; key: KeyObject }

/** Keys of an OpenID Connect provider, by discovery (OpenID Connect Discovery 1.0). */
export interface JwtProvider extends Disposable {
  /** Resolves once the provider has been found; never rejects, tries until disposed. */
  readonly ready: Promise<void>
  /** Resolves when it has been looked for once, found or not. */
  readonly firstTry: Promise<void>
  /** Why there are no keys yet; undefined when there are. */
  readonly problem: string | undefined
  /** The keys in memory. */
  known(): readonly ProviderKey[]
  /** Asks the provider for its keys; callers at the same time share one request. */
  fetch(): Promise<readonly ProviderKey[]>
  /** Calls somebody else with the authorities that this provider is known by. */
  get(url: string, headers: Record<string, string>, timeoutMs: number): Promise<HttpsAnswer>
  /** Another issuer, known by the same authorities; found, or tried once, when it resolves. Undefined for one too many. */
  other(issuerUrl: string): Promise<JwtProvider | undefined>
}

/** Starts looking for the provider at once, and every ten seconds until it answers. */
export function jwtProvider(issuer: JwtAuthenticator['issuer'], runtime: Runtime, set: MetricSet): JwtProvider {
  const url = issuer.url ?? ''
  const client = httpsClient((issuer.certificateAuthority ?? '') === '' ? {} : { ca: issuer.certificateAuthority }, runtime)
  const closing = new AbortController()
  const { signal } = closing
  let jwksUri: string | undefined
  let keys: readonly ProviderKey[] = []
  let problem: string | undefined = `oidc: authenticator for issuer ${JSON.stringify(url)} is not initialized`
  let fetching: Promise<readonly ProviderKey[]> | undefined

  async function getJson(from: string): Promise<unknown> {
    const answer = await client.call({ method: 'GET', url: from, headers: { accept: 'application/json' }, timeoutMs, signal })
    const text = answer.bytes.toString('utf8')
    if (answer.status !== 200) throw new Error(`${answer.status}: ${text.slice(0, 300)}`)
    return JSON.parse(text)
  }

  async function discover(): Promise<void> {
    const discoveryUrl = (issuer.discoveryURL ?? '') === '' ? url.replace(/\/$/, '') + wellKnown : issuer.discoveryURL!
    const found = await getJson(discoveryUrl)
    if (!isJsonObject(found)) throw new Error('oidc: failed to decode provider discovery object')
    if (found.issuer !== url) throw new Error(`oidc: issuer did not match the issuer returned by provider, expected ${JSON.stringify(url)} got ${JSON.stringify(found.issuer)}`)
    if (typeof found.jwks_uri !== 'string' || found.jwks_uri === '') throw new Error('provider did not return JWKS URL')
    if (!found.jwks_uri.startsWith('https:')) throw new Error(`the JWKS URL ${JSON.stringify(found.jwks_uri)} is no https URL`)
    jwksUri = found.jwks_uri
  }

  const labels = [labelHash(url), labelHash(apiServerId())] as const
  function fetched(result: 'success' | 'failure', document?: string): void {
    set.set('apiserver_authentication_jwt_authenticator_jwks_fetch_last_timestamp_seconds', runtime.clock.now() / 1000, result, ...labels)
    if (document === undefined) return
    set.clear('apiserver_authentication_jwt_authenticator_jwks_fetch_last_key_set_info', ...labels)
    set.set('apiserver_authentication_jwt_authenticator_jwks_fetch_last_key_set_info', 1, ...labels, labelHash(document))
  }

  const firstTry = Promise.withResolvers<void>()
  const others = new Map<string, JwtProvider>()
  const look = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        await discover()
        problem = undefined
        return firstTry.resolve()
      } catch (error) {
        if (signal.aborted) return
        problem = error instanceof Error ? error.message : String(error)
        firstTry.resolve()
        runtime.log.error('an OpenID Connect provider could not be found; trying again', { issuer: url, delayMs: retryMs, err: error })
        await runtime.clock.sleep(retryMs, signal).catch(() => undefined)
      }
    }
  }

  return {
    ready: look(),
    get problem() { return problem },
    known: () => keys,
    fetch() {
      if (jwksUri === undefined) return Promise.resolve(keys)
      fetching ??= getJson(jwksUri).then((document) => {
        keys = keysOf(document)
        fetched('success', JSON.stringify(document))
        return keys
      }, (error: unknown) => {
        fetched('failure')
        throw error
      }).finally(() => {
        fetching = undefined
      })
      return fetching
    },
    get: (from, headers, limitMs) => client.call({ method: 'GET', url: from, headers, timeoutMs: limitMs, signal }),
    async other(issuerUrl) {
      let known = others.get(issuerUrl)
      if (known === undefined) {
        if (others.size >= maxOthers || !issuerUrl.startsWith('https:')) return undefined
        known = jwtProvider({ ...issuer, url: issuerUrl, discoveryURL: '' }, runtime, set)
        others.set(issuerUrl, known)
      }
      await known.firstTry
      return known
    },
    firstTry: firstTry.promise,
    [Symbol.dispose]() {
      for (const each of others.values()) each[Symbol.dispose]()
      firstTry.resolve()
      closing.abort(new Error('the provider is used no more'))
      client[Symbol.dispose]()
    },
  }
}

/** The signing keys of a JWK set (RFC 7517); entries that are no public keys are left out, as unknown key types must be. */
export function keysOf(document: unknown): ProviderKey[] {
  const list = isJsonObject(document) && Array.isArray(document.keys) ? document.keys as unknown[] : []
  return list.flatMap((jwk) => {
    if (!isJsonObject(jwk) || (jwk.use !== undefined && jwk.use !== 'sig') || (jwk.kty !== 'RSA' && jwk.kty !== 'EC')) return []
    try {
      const key = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' })
      return [{ id: typeof jwk.kid === 'string' ? jwk.kid : '', key, ...(typeof jwk.alg === 'string' ? { algorithm: jwk.alg } : {}) }]
    } catch {
      return [] // RFC 7517, section 5: keys with missing or bad parameters are ignored
    }
  })
}
