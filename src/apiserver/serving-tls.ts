import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { createSecureContext, type SecureContext, type SecureContextOptions, type SecureVersion, type TlsOptions, type TLSSocket } from 'node:tls'
import { dnsSubdomainErrors } from '../machinery/names.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { onFileChange } from './configuration/reload.ts'

/** A certificate with its chain, and its key, both PEM; `files`: where they were read from, to be read again when they change. */
export interface ServingPair { certificate: string; key: string; files?: { certificate: string; key: string } }

/** A pair for some names; without names those of the certificate. */
export interface NamedServingPair extends ServingPair { names: readonly string[] }

/** How the server shows itself over TLS; what is left out is Node's choice. */
export interface ServingTls extends ServingPair {
  /** PEM of the authorities whose client certificates are asked for. */
  clientCa?: string
  /** What `clientCa` was put together from; files are read again when they change. */
  clientCaParts?: readonly { text: string; path?: string | undefined }[]
  sni?: readonly NamedServingPair[]
  minVersion?: SecureVersion
  /** In OpenSSL's form. */
  ciphers?: string
  /** Key exchanges, in OpenSSL's form. */
  curves?: string
  /** False: HTTP/1.1 only. */
  http2?: boolean
  /** Requests at a time on one HTTP/2 connection. */
  maxStreams?: number
  /** Shares the port with other processes (SO_REUSEPORT). */
  reusePort?: boolean
}

/** What TLS connections that come from now on are made with. */
export function contextOptions(tls: ServingTls): SecureContextOptions {
  const { certificate, key, clientCa, minVersion = 'TLSv1.2', ciphers, curves } = tls
  return {
    cert: certificate, key, minVersion, ...(clientCa === undefined ? {} : { ca: clientCa }), ...(ciphers === undefined ? {} : { ciphers }), ...(curves === undefined ? {} : { ecdhCurve: curves }),
  }
}

/** Finds the certificate for the name that a client asks for; undefined: the default one. */
export class NamedContexts {
  #exact = new Map<string, SecureContext>()
  #wildcard = new Map<string, SecureContext>()

  constructor(tls: ServingTls) {
    this.replace(tls)
  }

  /** Names that are given win over names read off certificates; of equals the first wins. Throws for a pair that is none. */
  replace(tls: ServingTls): void {
    const exact = new Map<string, SecureContext>()
    const wildcard = new Map<string, SecureContext>()
    const contexts = (tls.sni ?? []).map((pair) => ({ pair, context: createSecureContext(contextOptions({ ...tls, certificate: pair.certificate, key: pair.key })) }))
    const add = (name: string, context: SecureContext): void => {
      const key = name.toLowerCase()
      const [map, rest] = key.startsWith('*.') ? [wildcard, key.slice(2)] as const : [exact, key] as const
      if (!map.has(rest)) map.set(rest, context)
    }
    for (const { pair, context } of contexts) for (const name of pair.names) add(name, context)
    for (const { pair, context } of contexts) if (pair.names.length === 0) for (const name of namesOf(pair.certificate)) add(name, context)
    this.#exact = exact
    this.#wildcard = wildcard
  }

  /** `serverName` may be an address, which only names that were given can be. */
  find(serverName: string): SecureContext | undefined {
    const name = serverName.toLowerCase()
    return this.#exact.get(name) ?? this.#wildcard.get(name.slice(name.indexOf('.') + 1))
  }
}

/**
 * What a TLS server needs to show other certificates under other names: by the name that a client asks for, or, where it asks for
 * none because it calls an address, by the address that it called (upstream: `GetConfigForClient`). The latter takes a client that
 * offers protocols, as all that speak HTTP/2 do. `names` is asked at each handshake.
 */
export function nameOptions(tls: ServingTls, names: () => NamedContexts): Pick<TlsOptions, 'SNICallback' | 'ALPNCallback'> {
  const isNamed = tls.sni !== undefined && tls.sni.length > 0
  if (!isNamed && tls.http2 !== false) return {}
  const known = tls.http2 === false ? ['http/1.1'] : ['h2', 'http/1.1']
  return {
    ...(isNamed ? { SNICallback: (name: string, found: (error: Error | null, context?: SecureContext) => void) => found(null, names().find(name)) } : {}),
    ALPNCallback(this: TLSSocket, { servername, protocols }) {
      if (isNamed && !servername) {
        const context = names().find((this.localAddress ?? '').replace(/^::ffff:(?=\d+\.)/, ''))
        if (context !== undefined) this.setKeyCert(context)
      }
      return known.find((protocol) => protocols.includes(protocol))
    },
  }
}

/** The names that a certificate is for: its DNS names and, where it looks like one, its common name. Its addresses do not count: clients ask for names only. */
function namesOf(pem: string): string[] {
  const certificate = new X509Certificate(pem)
  const alternative = (certificate.subjectAltName ?? '').split(', ').filter((each) => each.startsWith('DNS:')).map((each) => each.slice(4))
  const commonName = /^CN=(.+)$/m.exec(certificate.subject)?.[1] ?? ''
  const isName = isIP(commonName) === 0 && (commonName === '*' || dnsSubdomainErrors(commonName.replace(/^\*\./, '')).length === 0)
  return [...new Set([...(isName ? [commonName] : []), ...alternative])]
}

/** Reads certificates, keys and authorities again when their files change, until `signal` aborts (upstream: `dynamiccertificates`). What cannot be used leaves all as it was. */
export function followServingFiles(tls: ServingTls, runtime: Runtime, signal: AbortSignal, apply: (tls: ServingTls) => void): void {
  let inForce = tls
  const change = (next: ServingTls): void => {
    // Throws when certificate and key do not belong together, as between the writing of the one and of the other.
    createSecureContext(contextOptions(next))
    apply(next)
    inForce = next
  }
  const follow = (path: string, text: string, read: () => Promise<ServingTls>): void => onFileChange({ path, text, runtime, signal, apply: async () => change(await read()) })
  const pairOf = async (files: { certificate: string; key: string }): Promise<{ certificate: string; key: string }> => {
    const [certificate, key] = await Promise.all([readFile(files.certificate, 'utf8'), readFile(files.key, 'utf8')])
    return { certificate, key }
  }
  const followPair = (pair: ServingPair, read: () => Promise<ServingTls>): void => {
    if (pair.files === undefined) return
    follow(pair.files.certificate, pair.certificate, read)
    follow(pair.files.key, pair.key, read)
  }
  followPair(tls, async () => ({ ...inForce, ...(await pairOf(tls.files!)) }))
  for (const [index, pair] of (tls.sni ?? []).entries()) {
    followPair(pair, async () => {
      const read = await pairOf(pair.files!)
      return { ...inForce, sni: inForce.sni!.map((each, at) => (at === index ? { ...each, ...read } : each)) }
    })
  }
  const parts = tls.clientCaParts ?? []
  const authorities = async (): Promise<string> => (await Promise.all(parts.map(({ text, path }) => (path === undefined ? text : readFile(path, 'utf8'))))).join('\n')
  for (const { text, path } of parts) if (path !== undefined) follow(path, text, async () => ({ ...inForce, clientCa: await authorities() }))
}
