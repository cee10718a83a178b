import type { UserInfo } from '../../api/resource.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { Authenticator, ClientCertificates } from '../context.ts'
import { CertificatePool } from './certificate-pool.ts'
import { commonNameOf } from './client-certificate.ts'
import { refused } from './failure.ts'
import { extraOfHeaders, headerValues } from './header-values.ts'
import { authenticated } from './user.ts'

/** Whom to believe when it says who is calling: the `--requestheader-*` flags. */
export interface RequestHeaderOptions {
  /** PEM of the authorities of the proxies' client certificates. */
  ca: string
  /** The file that holds `ca`: read again when it changes. */
  caFile?: string
  /** Common names that a proxy's certificate may have; empty: any. */
  allowedNames?: readonly string[]
  /** Headers of the user's name; the first with a value wins. `X-Remote-User` where left out. */
  usernameHeaders?: readonly string[]
  uidHeaders?: readonly string[]
  /** Headers of the user's groups; all values count. `X-Remote-Group` where left out. */
  groupHeaders?: readonly string[]
  /** Prefixes of headers with further facts of the user. `X-Remote-Extra-` where left out. */
  extraHeaderPrefixes?: readonly string[]
}

export interface RequestHeaderNames { username: readonly string[]; uid: readonly string[]; groups: readonly string[]; extraPrefixes: readonly string[] }

/** The header names in lower case, defaults filled. Throws for an empty one. */
export function requestHeaderNames(options: RequestHeaderOptions): RequestHeaderNames {
  const names = (given: readonly string[] | undefined, fallback: readonly string[]): string[] => (given ?? fallback).map((name) => {
    const trimmed = name.trim().toLowerCase()
    if (trimmed === '') throw new Error(`empty header ${JSON.stringify(name)}`)
    return trimmed
  })
  return {
    username: names(options.usernameHeaders, ['x-remote-user']), uid: names(options.uidHeaders, []),
    groups: names(options.groupHeaders, ['x-remote-group']), extraPrefixes: names(options.extraHeaderPrefixes, ['x-remote-extra-']),
  }
}

/** Remembered by what the headers say, so that decisions on a user stay remembered as well. */
const maxUsers = 2_000

/** Throws for a certificate that is no proxy's. */
function proxyCertificate(pool: CertificatePool, allowed: ReadonlySet<string>, shown: ClientCertificates, nowMs: number): void {
  const verified = pool.verify(shown, nowMs)
  if (verified instanceof Error) throw refused(verified.message, verified)
  const proxy = commonNameOf(verified.certificate)
  if (allowed.size > 0 && !allowed.has(proxy)) throw refused(`x509: subject with cn=${proxy} is not in the allowed list`)
}

/**
 * Refuses certificates that are no proxy's, of callers whom nobody else knows: upstream looks at every certificate before it asks
 * whether a user is named, which would cost every request of those who have one.
 */
export function proxyCertificateCheck(options: RequestHeaderOptions, runtime: Runtime, pool: CertificatePool): Authenticator {
  const allowed = new Set(options.allowedNames ?? [])
  return {
    name: 'requestheader-certificate',
    authenticate({ clientCertificates: shown }) {
      if (shown !== undefined) proxyCertificate(pool, allowed, shown, runtime.clock.now())
      return undefined
    },
  }
}

/** Knows callers by what a proxy with a certificate of the front-proxy authority says in its headers (Kubernetes documentation, "Authenticating Proxy"). */
export function requestHeaderAuthenticator(options: RequestHeaderOptions, runtime: Runtime, pool: CertificatePool = new CertificatePool(options.ca)): Authenticator {
  const names = requestHeaderNames(options)
  const allowed = new Set(options.allowedNames ?? [])
  const users = new Map<string, UserInfo>()
  return {
    name: 'requestheader',
    authenticate(request) {
      const { clientCertificates: shown, headers } = request
      if (shown === undefined) return undefined
      const first = (from: readonly string[]): string => from.map((name) => (headers[name] === undefined ? '' : (headerValues(request, name)[0] ?? ''))).find((value) => value !== '') ?? ''
      // Nearly nobody is a proxy: whoever names no user need not be looked at any further.
      const username = first(names.username)
      if (username === '') return undefined
      proxyCertificate(pool, allowed, shown, runtime.clock.now())
      const uid = first(names.uid)
      const groups = names.groups.flatMap((name) => (headers[name] === undefined ? [] : headerValues(request, name))).filter((group) => group !== '')
      const extra: Record<string, string[]> = {}
      for (const prefix of names.extraPrefixes) extraOfHeaders(request, prefix, extra)
      const key = JSON.stringify([username, uid, groups, extra])
      const known = users.get(key)
      if (known !== undefined) return known
      const user = authenticated({ username, ...(uid === '' ? {} : { uid }), groups, ...(Object.keys(extra).length === 0 ? {} : { extra }) })
      if (users.size >= maxUsers) users.delete(users.keys().next().value!)
      users.set(key, user)
      return user
    },
  }
}
