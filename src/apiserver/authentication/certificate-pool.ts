import { X509Certificate } from 'node:crypto'
import type { ClientCertificates } from '../context.ts'

const clientAuthOid = '1.3.6.1.5.5.7.3.2'
const anyUsageOid = '2.5.29.37.0'
const maxChainLength = 10
/** Chains remembered; the oldest goes first. */
const maxRemembered = 10_000

/** A certificate that chains to the pool; what is remembered of it holds between these times. */
export interface VerifiedCertificate { certificate: X509Certificate; validFromMs: number; validToMs: number }

/** The certificates of a PEM bundle. Throws when it holds none. */
export function certificatesOfPem(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0) throw new Error('data does not contain any valid RSA or ECDSA certificates')
  return blocks.map((block) => new X509Certificate(block))
}

/** `SN=12, SKID=…`: how upstream names a certificate in errors. */
export function certificateText(certificate: X509Certificate): string {
  const { serialNumber, subject } = certificate
  return `SN=${/^[0-9A-F]+$/i.test(serialNumber) ? BigInt(`0x${serialNumber}`) : serialNumber}, CN=${JSON.stringify(subject)}`
}

/**
 * Authorities that client certificates are held against (RFC 5280 path building, as Go's `x509.Verify` with the client-auth usage).
 * A chain is walked once for a certificate, not once a connection: sessions that are resumed come without the intermediates.
 */
export class CertificatePool {
  #authorities: readonly X509Certificate[]
  readonly #verified = new Map<string, VerifiedCertificate>()
  #byConnection = new WeakMap<ClientCertificates, VerifiedCertificate | Error>()

  /** `pem` holds one or more certificates. */
  constructor(pem: string) {
    this.#authorities = certificatesOfPem(pem)
  }

  /** Trusts other authorities from now on, also on connections that stand. Throws, and changes nothing, when `pem` holds none. */
  replace(pem: string): void {
    this.#authorities = certificatesOfPem(pem)
    this.#verified.clear()
    this.#byConnection = new WeakMap()
  }

  /** The client's own certificate, if it chains to the pool and holds now; else the reason why not. */
  verify(shown: ClientCertificates, nowMs: number): VerifiedCertificate | Error {
    let found = this.#byConnection.get(shown)
    if (found === undefined) {
      found = this.#tried(shown)
      this.#byConnection.set(shown, found)
    }
    if (found instanceof Error) return found
    if (nowMs > found.validToMs) return new Error(`x509: certificate has expired or is not yet valid: current time ${timeText(nowMs)} is after ${timeText(found.validToMs)}`)
    if (nowMs < found.validFromMs) return new Error(`x509: certificate has expired or is not yet valid: current time ${timeText(nowMs)} is before ${timeText(found.validFromMs)}`)
    return found
  }

  /** A certificate may hold keys and names that can't be read; then it is a wrong one, and no fault of this server. */
  #tried(shown: ClientCertificates): VerifiedCertificate | Error {
    try {
      return this.#chain(shown)
    } catch (cause) {
      return new Error(`x509: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    }
  }

  #chain(shown: ClientCertificates): VerifiedCertificate | Error {
    const [leaf] = shown
    const known = this.#verified.get(leaf.fingerprint256)
    if (known !== undefined) return known
    const path = this.#pathFrom(leaf, shown.slice(1), [])
    if (path === undefined) return new Error('x509: certificate signed by unknown authority')
    // An authority of the pool is trusted as it stands, but its own usages bind what it signs, as everybody's above the leaf do.
    if (path.some(({ keyUsage }) => keyUsage !== undefined && keyUsage.length > 0 && !keyUsage.includes(clientAuthOid) && !keyUsage.includes(anyUsageOid))) {
      return new Error('x509: certificate specifies an incompatible key usage')
    }
    const verified: VerifiedCertificate = {
      certificate: leaf,
      validFromMs: Math.max(...path.map(({ validFromDate }) => validFromDate.getTime())), validToMs: Math.min(...path.map(({ validToDate }) => validToDate.getTime())),
    }
    if (this.#verified.size >= maxRemembered) this.#verified.delete(this.#verified.keys().next().value!)
    this.#verified.set(leaf.fingerprint256, verified)
    return verified
  }

  #pathFrom(certificate: X509Certificate, intermediates: readonly X509Certificate[], below: readonly X509Certificate[]): X509Certificate[] | undefined {
    const path = [...below, certificate]
    if (this.#authorities.some(({ fingerprint256 }) => fingerprint256 === certificate.fingerprint256)) return path
    if (path.length >= maxChainLength) return undefined
    const signs = (authority: X509Certificate): boolean => authority.ca && certificate.checkIssued(authority) && certificate.verify(authority.publicKey)
    const authority = this.#authorities.find(signs)
    if (authority !== undefined) return [...path, authority]
    for (const intermediate of intermediates) {
      if (path.some(({ fingerprint256 }) => fingerprint256 === intermediate.fingerprint256) || !signs(intermediate)) continue
      const whole = this.#pathFrom(intermediate, intermediates, path)
      if (whole !== undefined) return whole
    }
    return undefined
  }
}

function timeText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
}
