import type { SubjectAccessReview } from '../../api/types/authorization.k8s.io_v1.ts'
import type { CertificateSigningRequest } from '../../api/types/certificates.k8s.io_v1.ts'
import type { Client, ResourceType } from '../../client/client.ts'
import { runController, watching } from '../../client/controller.ts'
import { certificateSigningRequests } from '../../client/resources.ts'
import type { StartController } from '../context.ts'
import { hasCondition } from './conditions.ts'

const subjectAccessReviews: ResourceType<SubjectAccessReview> = { group: 'authorization.k8s.io', version: 'v1', resource: 'subjectaccessreviews', kind: 'SubjectAccessReview', namespaced: false }

/** What a kubelet's request may be approved as, by the right that its maker must have. */
const kinds = [
  { subresource: 'selfnodeclient', isSelf: true, message: 'Auto approving self kubelet client certificate after SubjectAccessReview.' },
  { subresource: 'nodeclient', isSelf: false, message: 'Auto approving kubelet client certificate after SubjectAccessReview.' },
] as const

async function mayCreate(client: Client, { spec }: Readonly<CertificateSigningRequest>, subresource: string): Promise<boolean> {
  const review = await client.create(subjectAccessReviews, {
    metadata: {},
    spec: {
      user: spec.username ?? '', ...(spec.uid === undefined ? {} : { uid: spec.uid }), groups: spec.groups ?? [], ...(spec.extra === undefined ? {} : { extra: spec.extra }),
      resourceAttributes: { group: 'certificates.k8s.io', resource: 'certificatesigningrequests', verb: 'create', subresource },
    },
  })
  return review.status?.allowed === true
}

async function approve(client: Client, request: Readonly<CertificateSigningRequest>, message: string): Promise<void> {
  const condition = { type: 'Approved', status: 'True', reason: 'AutoApproved', message }
  const approved = { ...request, apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', status: { ...request.status, conditions: [...(request.status?.conditions ?? []), condition] } }
  await client.request({
    method: 'PUT', path: `/apis/certificates.k8s.io/v1/certificatesigningrequests/${encodeURIComponent(request.metadata.name!)}/approval`, body: JSON.stringify(approved),
    headers: { 'accept': 'application/json', 'content-type': 'application/json' },
  })
}

/** Approves kubelets' requests for client certificates where they may ask for them (Kubernetes documentation, "TLS bootstrapping"). */
export const startCertificateApproving: StartController = ({ informers, client, runtime }) => {
  const requests = informers.informer(certificateSigningRequests)
  return runController({
    name: 'certificatesigningrequest-approving-controller', runtime, concurrency: 5, sources: [watching(requests)],
    async reconcile(name) {
      const request = requests.get(name)
      if (request === undefined || (request.status?.certificate ?? '') !== '' || hasCondition(request, 'Approved') || hasCondition(request, 'Denied')) return
      const { kubeletClientProblem, kubeletClientSigner, parseRequest } = await import('./request.ts')
      if (request.spec.signerName !== kubeletClientSigner) return
      const parsed = parseRequest(request)
      if (kubeletClientProblem(parsed, request.spec.usages ?? []) !== undefined) return
      const fitting = kinds.filter(({ isSelf }) => !isSelf || request.spec.username === parsed.commonName)
      for (const { subresource, message } of fitting) {
        if (await mayCreate(client, request, subresource)) return await approve(client, request, message)
      }
      runtime.log.info('a certificate request was recognized, but its maker may not ask for it', { request: name, as: fitting.map(({ subresource }) => subresource) })
    },
  })
}
