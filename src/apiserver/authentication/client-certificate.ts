import type { X509Certificate } from 'node:crypto'
import type { UserInfo } from '../../api/resource.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { Authenticator } from '../context.ts'
import { MetricSet } from '../metrics/metric-set.ts'
import { certificateText, type CertificatePool } from './certificate-pool.ts'
import { refused } from './failure.ts'
import { subjectNames } from './subject-names.ts'
import { authenticated } from './user.ts'

/** The subject attribute that carries a user's UID (Kubernetes authentication documentation, X.509 client certificates). */
const uidOid = '1.3.6.1.4.1.57683.2'

/** The last CN of a subject, as Go reads it; '' where there is none. */
export function commonNameOf(certificate: X509Certificate): string {
  return subjectNames(certificate).get('CN')?.at(-1) ?? ''
}

/** The user a certificate's subject names: CN is the user, each O a group. Undefined without a CN; throws when the UID is not one. */
export function userOfCertificate(certificate: X509Certificate): UserInfo | undefined {
  const subject = subjectNames(certificate)
  const username = subject.get('CN')?.at(-1) ?? ''
  if (username === '') return undefined
  const uids = subject.get(uidOid) ?? []
  if (uids.length > 1) throw refused(`expected 1 UID, but found multiple: [${uids.join(' ')}]`)
  if (uids[0] === '') throw refused('UID cannot be an empty string')
  const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase()
  return authenticated({
    username, ...(uids[0] === undefined ? {} : { uid: uids[0] }), groups: subject.get('O') ?? [],
    extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${fingerprint}`] },
  })
}

/**
 * Knows callers by client certificates that chain to `pool`. A certificate is read once; its validity is looked at on every
 * request, since connections outlive certificates. One that doesn't chain to the pool is refused, not ignored.
 */
export function clientCertificateAuthenticator(pool: CertificatePool, runtime: Runtime, set: MetricSet = new MetricSet([])): Authenticator {
  const lives = set.spread('apiserver_client_certificate_expiration_seconds')
  const ends = new WeakMap<X509Certificate, number>()
  const users = new WeakMap<X509Certificate, UserInfo | 'nobody'>()
  return {
    name: 'x509',
    authenticate({ clientCertificates: shown }) {
      if (shown === undefined) return undefined
      const nowMs = runtime.clock.now()
      let endMs = ends.get(shown[0])
      if (endMs === undefined) ends.set(shown[0], endMs = shown[0].validToDate.getTime())
      lives.observe((endMs - nowMs) / 1000)
      const verified = pool.verify(shown, nowMs)
      if (verified instanceof Error) throw refused(`verifying certificate ${certificateText(shown[0])} failed: ${verified.message}`, verified)
      let user = users.get(verified.certificate)
      if (user === undefined) {
        user = userOfCertificate(verified.certificate) ?? 'nobody'
        users.set(verified.certificate, user)
      }
      return user === 'nobody' ? undefined : user
    },
  }
}
