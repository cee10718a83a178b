import { humanDuration } from '../../machinery/human-duration.ts'
import type { CertificateSigningRequest } from '../types/certificates.k8s.io_v1.ts'
import type { ClusterTrustBundle } from '../types/certificates.k8s.io_v1beta1.ts'
import { age, ageColumn, fieldColumn, nameColumn, orNone, printer } from './columns.ts'
import type { KindPrinter } from './columns.ts'

/** `Pending`, `Approved,Issued`, `Denied`, `Approved,Failed`. */
function conditionText({ status }: CertificateSigningRequest): string {
  const has = (type: string) => status?.conditions?.some((condition) => condition.type === type) === true
  const parts = [has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending']
  if (has('Failed')) parts.push('Failed')
  if (status?.certificate !== undefined && status.certificate !== '') parts.push('Issued')
  return parts.join(',')
}

const spec = 'certificates.k8s.io/v1.CertificateSigningRequestSpec'

export const certificatesPrinters: Record<string, KindPrinter> = {
  CertificateSigningRequest: printer<CertificateSigningRequest>([
    nameColumn, ageColumn,
    fieldColumn('SignerName', 'string', spec, 'signerName'),
    fieldColumn('Requestor', 'string', spec, 'request'),
    fieldColumn('RequestedDuration', 'string', spec, 'expirationSeconds'),
    fieldColumn('Condition', 'string', 'certificates.k8s.io/v1.CertificateSigningRequestStatus', 'conditions'),
  ], (request, nowMs) => [
    request.metadata.name ?? '', age(request, nowMs), orNone(request.spec.signerName), request.spec.username ?? '',
    request.spec.expirationSeconds === undefined ? '<none>' : humanDuration(request.spec.expirationSeconds * 1000), conditionText(request),
  ]),
  ClusterTrustBundle: printer<ClusterTrustBundle>([nameColumn, fieldColumn('SignerName', 'string', 'certificates.k8s.io/v1beta1.ClusterTrustBundleSpec', 'signerName'), ageColumn],
    (bundle, nowMs) => [bundle.metadata.name ?? '', orNone(bundle.spec.signerName), age(bundle, nowMs)]),
}
