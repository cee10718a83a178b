import { join } from 'node:path'
import type { ComposeOptions } from '../apiserver/compose.ts'
import type { ServingPair } from '../apiserver/serving-tls.ts'
import { addressAt, formatIp, parseCidr } from '../machinery/cidr.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { readFlagFile, serviceRanges, type ApiServerSettings } from './apiserver-options.ts'
import { cipherSuites, curves, parseSniFiles, tlsVersions } from './certificate-flags.ts'
import type { CertificateStore } from './certificates.ts'
import { apiServerServing } from './identities.ts'
import { selfSignedPair } from './serving-certificate.ts'

/** How the server shows itself: `--tls-*`, `--cert-dir`, `--disable-http2-serving` and their kin. */
export async function servingOptions(runtime: Runtime, settings: ApiServerSettings, own: CertificateStore | undefined, listening: { hosts: readonly string[]; advertised: string }): Promise<NonNullable<ComposeOptions['serving']>> {
  const { flags } = settings
  const [pair, sni] = await Promise.all([servingPair(runtime, settings, own, listening), Promise.all(flags['tls-sni-cert-key'].map(namedPair))])
  const oldest = tlsVersions[flags['tls-min-version']]
  const chosen = flags['tls-cipher-suites'].map((name) => cipherSuites[name]!)
  const maxStreams = flags['http2-max-streams-per-connection']
  return {
    ...pair, sni, http2: !flags['disable-http2-serving'], reusePort: flags['permit-port-sharing'],
    ...(oldest === undefined ? {} : { minVersion: oldest }), ...(maxStreams === 0 ? {} : { maxStreams }),
    // Those of TLS 1.3 cannot be chosen: as in Go all of them are offered.
    ...(chosen.length === 0 ? {} : { ciphers: [...new Set(['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256', ...chosen])].join(':') }),
    ...(flags['tls-curve-preferences'].length === 0 ? {} : { curves: flags['tls-curve-preferences'].map((number) => curves[number]!).join(':') }),
  }
}

async function servingPair(runtime: Runtime, settings: ApiServerSettings, own: CertificateStore | undefined, { hosts, advertised }: { hosts: readonly string[]; advertised: string }): Promise<ServingPair> {
  const { flags } = settings
  if (flags['tls-cert-file'] !== '') return await pairOf('tls-cert-file', flags['tls-cert-file'], 'tls-private-key-file', flags['tls-private-key-file'])
  const reachable = hosts.filter((address) => address !== '0.0.0.0' && address !== '::')
  const serviceAddresses = serviceRanges(settings).map((range) => formatIp(addressAt(parseCidr(range)!, 1)))
  const request = apiServerServing([...new Set(['127.0.0.1', ...reachable, advertised, ...serviceAddresses.slice(1)])], serviceAddresses[0]!)
  if (own !== undefined) return await own.ensure('apiserver', request)
  const base = join(flags['cert-dir'], 'apiserver')
  return { ...await selfSignedPair(runtime, base, request), files: { certificate: `${base}.crt`, key: `${base}.key` } }
}

async function pairOf(certificateFlag: 'tls-cert-file' | 'tls-sni-cert-key', certFile: string, keyFlag: 'tls-private-key-file' | 'tls-sni-cert-key', keyFile: string): Promise<ServingPair> {
  const [certificate, key] = await Promise.all([readFlagFile(certificateFlag, certFile), readFlagFile(keyFlag, keyFile)])
  return { certificate, key, files: { certificate: certFile, key: keyFile } }
}

async function namedPair(text: string): Promise<ServingPair & { names: readonly string[] }> {
  const { certFile, keyFile, names } = parseSniFiles(text)!
  return { ...await pairOf('tls-sni-cert-key', certFile, 'tls-sni-cert-key', keyFile), names }
}
