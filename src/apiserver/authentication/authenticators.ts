import { onFileChange } from '../configuration/reload.ts'
import type { Authenticator, ServerRequest } from '../context.ts'
import type { ApiServerCore, CorePart } from '../core.ts'
import { audienceAgnostic, bearerTokenAuthenticator, checkToken, type TokenAnswer, type TokenChecker } from './bearer-token.ts'
import { metricSetOf } from '../metrics/metric-set.ts'
import { bootstrapTokenUser } from './bootstrap-token.ts'
import { CertificatePool } from './certificate-pool.ts'
import { clientCertificateAuthenticator } from './client-certificate.ts'
import { refused } from './failure.ts'
import { legacyTokenUse } from './legacy-token-use.ts'
import { proxyCertificateCheck, requestHeaderAuthenticator, type RequestHeaderOptions } from './request-header.ts'
import type { ServiceAccountIssuer } from './service-account-issuer.ts'
import { serviceAccountTokenChecker } from './service-account-token.ts'
import { staticTokenChecker, type StaticToken } from './static-token.ts'
import { structuredAuthentication, type StructuredAuthentication, type StructuredAuthenticationOptions } from './structured.ts'
import { cachedChecker } from './token-cache.ts'
import { anonymousUser } from './user.ts'
import { tokenWebhook, type TokenWebhookOptions } from './token-webhook.ts'

/** Ways to say who one is; each is off where it is left out, but for anonymous access. */
export interface AuthenticationOptions {
  /** PEM of the authorities of client certificates. */
  clientCa?: string
  /** The file that holds `clientCa`: read again when it changes. */
  clientCaFile?: string
  /** Proxies that say who is calling. */
  requestHeader?: RequestHeaderOptions
  staticTokens?: readonly StaticToken[]
  /** Accept service-account tokens by these keys. */
  serviceAccounts?: ServiceAccountIssuer
  /** False: legacy tokens outlive their Secret (`--service-account-lookup=false`). */
  serviceAccountLookup?: boolean
  /** Accept tokens of Secrets `bootstrap-token-ID` in kube-system. */
  bootstrapTokens?: boolean
  /** JWT issuers and anonymous access, from flags or from a file that is read again when it changes. */
  structured?: StructuredAuthenticationOptions
  /** A webhook that reviews tokens. */
  tokenWebhook?: TokenWebhookOptions
  /** Who this server is to a token; those of `serviceAccounts` where left out. */
  apiAudiences?: readonly string[]
  /** Callers without credentials are `system:anonymous`: everywhere (true, and when left out), nowhere, or on these paths only. A file's setting wins. */
  anonymous?: boolean | readonly string[]
}

interface TokenParts { checkers: readonly TokenChecker[]; structured: StructuredAuthentication | undefined }

const partsByCore = new WeakMap<ApiServerCore, Map<AuthenticationOptions, TokenParts>>()

/** The audiences that tokens for this server are meant for. */
export function apiAudiencesOf(options: AuthenticationOptions): readonly string[] {
  return options.apiAudiences ?? options.serviceAccounts?.apiAudiences ?? []
}

/** The token checkers of a server, in upstream's order; the same ones for the authenticator and for TokenReview. */
function tokenParts(options: AuthenticationOptions, core: ApiServerCore): TokenParts {
  const byOptions = partsByCore.get(core) ?? new Map<AuthenticationOptions, TokenParts>()
  partsByCore.set(core, byOptions)
  let parts = byOptions.get(options)
  if (parts === undefined) {
    parts = makeTokenParts(options, core)
    byOptions.set(options, parts)
  }
  return parts
}

function makeTokenParts(options: AuthenticationOptions, core: ApiServerCore): TokenParts {
  const { runtime, reader } = core
  const { staticTokens, serviceAccounts } = options
  const own = apiAudiencesOf(options)
  const checkers: TokenChecker[] = []
  if (staticTokens !== undefined && staticTokens.length > 0) checkers.push(staticTokenChecker(staticTokens, own))
  if (serviceAccounts !== undefined) checkers.push(serviceAccountTokenChecker({ issuer: serviceAccounts, reader, runtime, lookup: options.serviceAccountLookup, onLegacyUse: legacyTokenUse(core), metrics: metricSetOf(core) }))
  if (options.bootstrapTokens === true) checkers.push(audienceAgnostic('bootstraptoken', own, bootstrapTokenUser(reader, runtime)))
  // After service accounts: an unknown key makes this one ask the provider.
  const structured = options.structured === undefined ? undefined : structuredAuthentication(options.structured, own, core)
  if (structured !== undefined) checkers.push(structured.checker)
  if (options.tokenWebhook !== undefined) {
    const { cacheTtlMs = 2 * 60_000 } = options.tokenWebhook
    checkers.push(cachedChecker(tokenWebhook(options.tokenWebhook, own, core), { successTtlMs: cacheTtlMs, failureTtlMs: cacheTtlMs }, runtime, metricSetOf(core)))
  }
  return { checkers, structured }
}

/** Whose token it is, as TokenReview asks. Rejects with Unauthorized for one that is nobody's. */
export async function reviewToken(options: AuthenticationOptions, core: ApiServerCore, token: string, audiences: readonly string[]): Promise<TokenAnswer | undefined> {
  return await checkToken(tokenParts(options, core).checkers, token, audiences)
}

/** Lets callers without credentials in, where anonymous access is allowed; refuses them elsewhere. */
function anonymousAuthenticator(allowed: (request: ServerRequest) => boolean): Authenticator {
  return {
    name: 'anonymous', isFallback: true,
    authenticate(request) {
      if (!allowed(request)) throw refused('no credentials were given')
      return anonymousUser
    },
  }
}

/** The authorities of a bundle, which is read again when its file changes. */
function poolOf(pem: string, path: string | undefined, { runtime, signal }: ApiServerCore): CertificatePool {
  const pool = new CertificatePool(pem)
  if (path !== undefined) onFileChange({ path, text: pem, runtime, signal, apply: (text) => pool.replace(text) })
  return pool
}

/** The authenticators in the order in which they are asked: front proxy, certificate, bearer token, anonymous. */
export function createAuthenticators(options: AuthenticationOptions): CorePart<Authenticator>[] {
  const { clientCa, requestHeader, anonymous = true } = options
  const isAnonymousAllowed = ({ path }: ServerRequest): boolean => anonymous === true || (anonymous !== false && anonymous.includes(path))
  return [
    ...(requestHeader === undefined ? [] : [(core: ApiServerCore) => requestHeaderAuthenticator(requestHeader, core.runtime, poolOf(requestHeader.ca, requestHeader.caFile, core))]),
    ...(clientCa === undefined ? [] : [(core: ApiServerCore) => clientCertificateAuthenticator(poolOf(clientCa, options.clientCaFile, core), core.runtime, metricSetOf(core))]),
    (core) => bearerTokenAuthenticator(tokenParts(options, core).checkers, apiAudiencesOf(options)),
    ...(requestHeader === undefined ? [] : [(core: ApiServerCore) => proxyCertificateCheck(requestHeader, core.runtime, poolOf(requestHeader.ca, requestHeader.caFile, core))]),
    (core) => {
      const { structured } = tokenParts(options, core)
      return anonymousAuthenticator((request) => structured?.allowsAnonymous(request.path) ?? isAnonymousAllowed(request))
    },
  ]
}
