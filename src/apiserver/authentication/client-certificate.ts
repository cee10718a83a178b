import { X509Certificate } from 'node:crypto'
import type { UserInfo } from '../../api/resource.ts'
import { errors } from '../../machinery/status.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { Authenticator } from '../context.ts'
import { authenticated } from './user.ts'

/** The subject attribute that carries a user's UID (Kubernetes authentication documentation, X.509 client certificates). */
const uidOid = '1.3.6.1.4.1.57683.2'

interface Known { user: UserInfo; validFromMs: number; validToMs: number }

type Names = Record<string, string | string[] | undefined>

function listOf(value: string | string[] | undefined): string[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value]
}

/** The user a certificate's subject names: CN is the user, each O a group. Undefined without a CN. */
export function userOfCertificate(certificate: X509Certificate): UserInfo | undefined {
  // The legacy form holds attribute values unescaped and apart, so no value can pass for two attributes.
  const subject = certificate.toLegacyObject().subject as unknown as Names | undefined
  const commonName = listOf(subject?.CN).at(-1)
  if (subject === undefined || commonName === undefined || commonName === '') return undefined
  const uid = listOf(subject[uidOid]).at(-1)
  const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase()
  return authenticated({
    username: commonName, ...(uid === undefined ? {} : { uid }), groups: listOf(subject.O),
    extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${fingerprint}`] },
  })
}

/**
 * Knows callers by the client certificate that TLS has verified against the client CA. Reading a certificate is done once for
 * each connection; its validity is looked at on every request, since connections outlive certificates.
 */
export function clientCertificateAuthenticator(runtime: Runtime): Authenticator {
  const known = new WeakMap<Uint8Array, Known | 'nobody'>()

  function read(der: Uint8Array): Known | 'nobody' {
    const certificate = new X509Certificate(der)
    const user = userOfCertificate(certificate)
    return user === undefined ? 'nobody' : { user, validFromMs: certificate.validFromDate.getTime(), validToMs: certificate.validToDate.getTime() }
  }

  return {
    name: 'x509',
    authenticate({ clientCertificate: der }) {
      if (der === undefined) return undefined
      let entry = known.get(der)
      if (entry === undefined) {
        entry = read(der)
        known.set(der, entry)
      }
      if (entry === 'nobody') return undefined
      const nowMs = runtime.clock.now()
      if (nowMs > entry.validToMs || nowMs < entry.validFromMs) throw errors.unauthorized()
      return entry.user
    },
  }
}
