import type { FlagRow } from './flags.ts'

/** Go's names of TLS versions, and Node's. */
export const tlsVersions: Readonly<Record<string, 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'>> = {
  VersionTLS10: 'TLSv1', VersionTLS11: 'TLSv1.1', VersionTLS12: 'TLSv1.2', VersionTLS13: 'TLSv1.3',
}

/** The IANA names by which Go knows cipher suites, and OpenSSL's. Those of TLS 1.3 cannot be chosen. */
export const cipherSuites: Readonly<Record<string, string>> = {
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: 'ECDHE-ECDSA-AES128-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: 'ECDHE-ECDSA-AES256-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: 'ECDHE-RSA-AES128-SHA',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: 'ECDHE-RSA-AES256-SHA',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_RSA_WITH_AES_128_CBC_SHA: 'AES128-SHA',
  TLS_RSA_WITH_AES_128_GCM_SHA256: 'AES128-GCM-SHA256',
  TLS_RSA_WITH_AES_256_CBC_SHA: 'AES256-SHA',
  TLS_RSA_WITH_AES_256_GCM_SHA384: 'AES256-GCM-SHA384',
  TLS_AES_128_GCM_SHA256: 'TLS_AES_128_GCM_SHA256',
  TLS_AES_256_GCM_SHA384: 'TLS_AES_256_GCM_SHA384',
  TLS_CHACHA20_POLY1305_SHA256: 'TLS_CHACHA20_POLY1305_SHA256',
}

/** Go's `crypto/tls` numbers of key exchanges, and OpenSSL's names. */
export const curves: Readonly<Record<string, string>> = { '23': 'P-256', '24': 'P-384', '25': 'P-521', '29': 'X25519', '4588': 'X25519MLKEM768' }

/** A pair of files by which some host names are served. */
export interface SniFiles { certFile: string; keyFile: string; /** None: those of the certificate. */ names: readonly string[] }

/** `foo.crt,foo.key` or `foo.crt,foo.key:*.foo.com,foo.com`. */
export function parseSniFiles(text: string): SniFiles | undefined {
  const colon = text.indexOf(':')
  const [certFile = '', keyFile = '', ...more] = (colon < 0 ? text : text.slice(0, colon)).split(',').map((each) => each.trim())
  const names = colon < 0 ? '' : text.slice(colon + 1).trim()
  if (certFile === '' || keyFile === '' || more.length > 0 || (colon >= 0 && names === '')) return undefined
  // An IPv6 address is a name with colons in it.
  return { certFile, keyFile, names: names.split(',').map((each) => each.trim()).filter((each) => each !== '') }
}

function among(known: Readonly<Record<string, string>>): (values: readonly string[]) => string | undefined {
  return (values) => {
    const wrong = values.find((value) => !Object.hasOwn(known, value))
    return wrong === undefined ? undefined : `knows ${Object.keys(known).join(', ')}, not "${wrong}"`
  }
}

function sniFiles(values: readonly string[]): string | undefined {
  const wrong = values.find((value) => parseSniFiles(value) === undefined)
  return wrong === undefined ? undefined : `must be CERTIFICATE,KEY or CERTIFICATE,KEY:NAME,…, not "${wrong}"`
}

/** How a server shows who it is over TLS. */
export const certificateFlags = [
  { name: 'tls-cert-file', kind: 'string', default: '', group: 'Secure serving', description: 'Certificate to serve with, followed by those of its authorities; read again when it changes.' },
  { name: 'tls-cipher-suites', kind: 'stringSlice', default: [], check: among(cipherSuites), group: 'Secure serving', description: `Cipher suites to offer below TLS 1.3; Node's when left out. Known: ${Object.keys(cipherSuites).join(', ')}.` },
  { name: 'tls-curve-preferences', kind: 'stringSlice', valueName: 'int32Slice', default: [], check: among(curves), group: 'Secure serving', description: 'Key exchanges to offer, by number: 23 P-256, 24 P-384, 25 P-521, 29 X25519, 4588 X25519MLKEM768.' },
  { name: 'tls-min-version', kind: 'string', default: '', oneOf: ['', ...Object.keys(tlsVersions)], group: 'Secure serving', description: 'Oldest TLS version; VersionTLS12 when left out.' },
  { name: 'tls-private-key-file', kind: 'string', default: '', group: 'Secure serving', description: 'Key of --tls-cert-file.' },
  { name: 'tls-sni-cert-key', kind: 'stringArray', valueName: 'namedCertKey', default: [], check: sniFiles, group: 'Secure serving', description: 'Another certificate and key, for some names: foo.crt,foo.key:*.foo.com,foo.com, or without names for those of the certificate. May be given several times; read again when they change.' },
] as const satisfies readonly FlagRow[]
