import { errors } from '../../machinery/status.ts'
import type { Authenticator } from '../context.ts'
import type { ApiServerCore, CorePart } from '../core.ts'
import { bearerTokenAuthenticator, type TokenChecker } from './bearer-token.ts'
import { clientCertificateAuthenticator } from './client-certificate.ts'
import type { ServiceAccountIssuer } from './service-account-issuer.ts'
import { serviceAccountTokenChecker } from './service-account-token.ts'
import { staticTokenChecker, type StaticToken } from './static-token.ts'
import { anonymousUser } from './user.ts'

export interface AuthenticationOptions {
  /** Accept client certificates (TLS verifies them against the client CA). On when left out. */
  clientCertificates?: boolean
  staticTokens?: readonly StaticToken[]
  /** Accept service-account tokens by these keys. */
  serviceAccounts?: ServiceAccountIssuer
  /** Callers without credentials are `system:anonymous`: everywhere (true, and when left out), nowhere, or on these paths only. */
  anonymous?: boolean | readonly string[]
}

const tokenCheckersByCore = new WeakMap<ApiServerCore, Map<AuthenticationOptions, readonly TokenChecker[]>>()

/** The token checkers of a server; the same ones for the authenticator and for TokenReview. */
export function tokenCheckers(options: AuthenticationOptions, core: ApiServerCore): readonly TokenChecker[] {
  const byOptions = tokenCheckersByCore.get(core) ?? new Map<AuthenticationOptions, readonly TokenChecker[]>()
  tokenCheckersByCore.set(core, byOptions)
  const checkers = byOptions.get(options) ?? [
    ...(options.staticTokens === undefined || options.staticTokens.length === 0 ? [] : [staticTokenChecker(options.staticTokens)]),
    ...(options.serviceAccounts === undefined ? [] : [serviceAccountTokenChecker(options.serviceAccounts, core.reader, core.runtime)]),
  ]
  byOptions.set(options, checkers)
  return checkers
}

/** Ends the chain: whoever is not let in as anonymous is refused. */
function anonymousAuthenticator(allowed: boolean | readonly string[]): Authenticator {
  return {
    name: 'anonymous',
    authenticate({ path }) {
      if (allowed === true || (allowed !== false && allowed.includes(path))) return anonymousUser
      throw errors.unauthorized()
    },
  }
}

/** The authenticators in the order in which they are asked: certificate, bearer token, anonymous. */
export function createAuthenticators(options: AuthenticationOptions): CorePart<Authenticator>[] {
  return [
    ...(options.clientCertificates === false ? [] : [(core: ApiServerCore) => clientCertificateAuthenticator(core.runtime)]),
    (core) => bearerTokenAuthenticator(tokenCheckers(options, core)),
    () => anonymousAuthenticator(options.anonymous ?? true),
  ]
}
