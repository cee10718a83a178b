import { humanDuration } from '../../machinery/human-duration.ts'
import type { CertificateSigningRequest } from '../types/certificates.k8s.io_v1.ts'
import type { ClusterTrustBundle } from '../types/certificates.k8s.io_v1beta1.ts'
import { age, ageColumn, column, fieldColumn, nameColumn, orNone, printer } from './columns.ts'
import type { KindPrinter } from './columns.ts'

/** `Pending`, `Approved,Issued`, `Denied`, `Approved,Failed`. */
function conditionText({ status }: CertificateSigningRequest): string {
  const has = (type: string) => status?.conditions?.some((condition) => condition.type === type) === true
  const parts = [has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending']
  if (has('Failed')) parts.push('Failed')
  if (status?.certificate !== undefined && status.certificate !== '') parts.push('Issued')
  return parts.join(',')
}

/** What the beta of the kind said of it, which the columns still show. */
const signerDescription = 'Requested signer for the request. It is a qualified name in the form: `scope-hostname.io/name`. If empty, it will be defaulted:\n'
  + " 1. If it's a kubelet client certificate, it is assigned\n    \"kubernetes.io/kube-apiserver-client-kubelet\".\n"
  + " 2. If it's a kubelet serving certificate, it is assigned\n    \"kubernetes.io/kubelet-serving\".\n"
  + ' 3. Otherwise, it is assigned "kubernetes.io/legacy-unknown".\n'
  + 'Distribution of trust for signers happens out of band. You can select on this field using `spec.signerName`.'

const spec = 'certificates.k8s.io/v1.CertificateSigningRequestSpec'

export const certificatesPrinters: Record<string, KindPrinter> = {
  CertificateSigningRequest: printer<CertificateSigningRequest>([
    nameColumn, ageColumn,
    column('SignerName', 'string', signerDescription),
    column('Requestor', 'string', 'Base64-encoded PKCS#10 CSR data'),
    fieldColumn('RequestedDuration', 'string', spec, 'expirationSeconds'),
    column('Condition', 'string', 'Conditions applied to the request, such as approval or denial.'),
  ], (request, nowMs) => [
    request.metadata.name ?? '', age(request, nowMs), orNone(request.spec.signerName), request.spec.username ?? '',
    request.spec.expirationSeconds === undefined ? '<none>' : humanDuration(request.spec.expirationSeconds * 1000), conditionText(request),
  ]),
  ClusterTrustBundle: printer<ClusterTrustBundle>([nameColumn, fieldColumn('SignerName', 'string', 'certificates.k8s.io/v1beta1.ClusterTrustBundleSpec', 'signerName'), ageColumn],
    (bundle, nowMs) => [bundle.metadata.name ?? '', orNone(bundle.spec.signerName), age(bundle, nowMs)]),
}
