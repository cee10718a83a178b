import { X509Certificate } from 'node:crypto'
import type { ConfigMap } from '../../api/types/core_v1.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { onFileChange } from '../configuration/reload.ts'
import type { ApiServerCore } from '../core.ts'
import { ensure } from './ensure.ts'

/** What extension API servers need to know of this one's ways to authenticate (kube-system/extension-apiserver-authentication). */
export interface AuthenticationInfo {
  clientCaPem?: string
  /** The files that the authorities were read from: what changes in them is published. */
  files?: { clientCa?: string; requestHeaderCa?: string }
  requestHeader?: { caPem: string; allowedNames: readonly string[]; usernameHeaders: readonly string[]; groupHeaders: readonly string[]; extraHeaderPrefixes: readonly string[]; uidHeaders?: readonly string[] }
}

const recheckMs = 60_000
/** A certificate counts a little beyond its end. */
const slackMs = 300_000
const bundleKeys = ['client-ca-file', 'requestheader-client-ca-file']

/** The ConfigMap's data as upstream's cluster authentication trust controller writes it. */
export function authenticationInfoData(info: AuthenticationInfo): Record<string, string> {
  const { requestHeader } = info
  const list = (values: readonly string[]): string => JSON.stringify(values)
  return {
    ...(info.clientCaPem === undefined ? {} : { 'client-ca-file': info.clientCaPem }),
    ...(requestHeader === undefined ? {} : {
      'requestheader-client-ca-file': requestHeader.caPem, 'requestheader-allowed-names': list(requestHeader.allowedNames),
      'requestheader-username-headers': list(requestHeader.usernameHeaders), ...(requestHeader.uidHeaders === undefined || requestHeader.uidHeaders.length === 0 ? {} : { 'requestheader-uid-headers': list(requestHeader.uidHeaders) }),
      'requestheader-group-headers': list(requestHeader.groupHeaders), 'requestheader-extra-headers-prefix': list(requestHeader.extraHeaderPrefixes),
    }),
  }
}

/** What stands with what is wanted added: other servers of the cluster may have authorities of their own. Authorities that have run out go. */
export function combinedInfo(standing: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>, nowMs: number): Record<string, string> {
  const combined: Record<string, string> = {}
  for (const [key, value] of Object.entries(wanted)) {
    const old = standing[key] ?? ''
    const made = bundleKeys.includes(key) ? combinedBundle(old, value, nowMs) : JSON.stringify([...new Set([...namesIn(old), ...namesIn(value)])])
    if (made !== '') combined[key] = made
  }
  // What this server has no opinion on is another's to say.
  for (const [key, value] of Object.entries(standing)) if (!Object.hasOwn(wanted, key)) combined[key] = value
  return combined
}

/** Text that somebody else has broken is written anew. */
function namesIn(text: string): string[] {
  try {
    const parsed: unknown = JSON.parse(text)
    return Array.isArray(parsed) ? parsed.filter((each) => typeof each === 'string') : []
  } catch {
    return []
  }
}

function combinedBundle(standing: string, wanted: string, nowMs: number): string {
  const found = [...certificatesIn(standing), ...certificatesIn(wanted)].filter(({ validTo }) => Date.parse(validTo) > nowMs - slackMs)
  const texts = new Set(found.map((certificate) => certificate.toString().replace(/\n*$/, '\n')))
  return [...texts].join('')
}

function certificatesIn(pem: string): X509Certificate[] {
  return (pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).flatMap((block) => {
    try {
      return [new X509Certificate(block)]
    } catch {
      // No certificate after all: nobody could use it.
      return []
    }
  })
}

/** Keeps the ConfigMap as it should be until the server stops. */
export async function publishAuthenticationInfo(core: ApiServerCore, info: AuthenticationInfo): Promise<void> {
  const { runtime, signal } = core
  let current = info
  const publish = async (): Promise<void> => {
    const wanted = authenticationInfoData(current)
    const object: ConfigMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'extension-apiserver-authentication', namespace: 'kube-system' }, data: combinedInfo({}, wanted, runtime.clock.now()) }
    await ensure<ConfigMap>(core, core.resource('configmaps'), object, (standing) => {
      const data = combinedInfo(standing.data ?? {}, wanted, runtime.clock.now())
      return semanticEqual(standing.data, data) ? undefined : { ...standing, data }
    })
  }
  await publish()
  const { clientCa, requestHeaderCa } = info.files ?? {}
  const follow = (path: string | undefined, text: string | undefined, take: (text: string) => AuthenticationInfo): void => {
    if (path === undefined || text === undefined) return
    onFileChange({
      path, text, runtime, signal, apply: async (changed) => {
        current = take(changed)
        await publish()
      },
    })
  }
  follow(clientCa, info.clientCaPem, (clientCaPem) => ({ ...current, clientCaPem }))
  follow(requestHeaderCa, info.requestHeader?.caPem, (caPem) => ({ ...current, requestHeader: { ...current.requestHeader!, caPem } }))
  const timer = runtime.clock.interval(recheckMs, () => {
    publish().catch((err: unknown) => {
      if (!signal.aborted) runtime.log.warn('the authentication information for extension servers could not be written; trying again', { err })
    })
  }, { background: true })
  signal.addEventListener('abort', () => timer[Symbol.dispose](), { once: true })
}
