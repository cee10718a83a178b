import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '../../api/types/certificates.k8s.io_v1.ts'

export type Decision = 'Approved' | 'Denied' | 'Failed'

/** A condition of that type that holds; one without a status is of a time before statuses. */
export function conditionOf(request: Readonly<CertificateSigningRequest>, type: Decision): CertificateSigningRequestCondition | undefined {
  return request.status?.conditions?.find((condition) => condition.type === type && (condition.status === 'True' || condition.status === undefined || condition.status === ''))
}

export function hasCondition(request: Readonly<CertificateSigningRequest>, type: Decision): boolean {
  return conditionOf(request, type) !== undefined
}
