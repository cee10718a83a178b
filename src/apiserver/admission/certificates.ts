import type { CertificateSigningRequest } from '../../api/types/certificates.k8s.io_v1.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../context.ts'
import type { ApiServerCore } from '../core.ts'
import { refusal } from './refusal.ts'

const group = 'certificates.k8s.io'

function isRequest(attributes: AdmissionAttributes, subresource: string): boolean {
  return attributes.resource.group === group && attributes.resource.resource === 'certificatesigningrequests' && attributes.subresource === subresource
}

/** Whether the user may do `verb` to a signer: named in full, or all of its domain (`example.com/*`). */
async function mayUseSigner(core: ApiServerCore, attributes: AdmissionAttributes, verb: string, signerName: string): Promise<boolean> {
  for (const name of [signerName, `${signerName.slice(0, signerName.indexOf('/'))}/*`]) {
    const { decision } = await core.authorize({
      user: attributes.user, verb, isResourceRequest: true, path: '', apiGroup: group, apiVersion: '*', resource: 'signers', subresource: '', namespace: '', name,
    })
    if (decision === 'allow') return true
  }
  return false
}

/** Approving a request takes the verb `approve` on its signer. */
export function certificateApproval(core: ApiServerCore): AdmissionPlugin {
  return {
    name: 'CertificateApproval',
    handles: (operation) => operation === 'UPDATE',
    resources: ['certificatesigningrequests.certificates.k8s.io'],
    async validate(attributes) {
      if (!isRequest(attributes, 'approval')) return
      const { signerName } = (attributes.oldObject as CertificateSigningRequest).spec
      if (!await mayUseSigner(core, attributes, 'approve', signerName)) throw refusal(attributes, `user not permitted to approve requests with signerName ${JSON.stringify(signerName)}`)
    },
  }
}

/** Handing out a certificate takes the verb `sign` on its signer. */
export function certificateSigning(core: ApiServerCore): AdmissionPlugin {
  return {
    name: 'CertificateSigning',
    handles: (operation) => operation === 'UPDATE',
    resources: ['certificatesigningrequests.certificates.k8s.io'],
    async validate(attributes) {
      if (!isRequest(attributes, 'status')) return
      const [old, wanted] = [attributes.oldObject as CertificateSigningRequest, attributes.object as CertificateSigningRequest]
      const failed = (request: CertificateSigningRequest): string => JSON.stringify((request.status?.conditions ?? []).filter((condition) => condition.type === 'Failed').map(({ status, reason, message }) => [status, reason, message]))
      if (old.status?.certificate === wanted.status?.certificate && failed(old) === failed(wanted)) return
      const { signerName } = old.spec
      if (!await mayUseSigner(core, attributes, 'sign', signerName)) throw refusal(attributes, `user not permitted to sign requests with signerName ${JSON.stringify(signerName)}`)
    },
  }
}

/** Writing a trust bundle of a signer takes the verb `attest` on it; what only releases owners and finalizers changes nothing that counts. */
export function clusterTrustBundleAttest(core: ApiServerCore): AdmissionPlugin {
  const bare = (object: AdmissionAttributes['oldObject']): unknown => ({ ...object, metadata: { ...object?.metadata, ownerReferences: undefined, finalizers: undefined, managedFields: undefined } })
  return {
    name: 'ClusterTrustBundleAttest',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    resources: ['clustertrustbundles.certificates.k8s.io'],
    async validate(attributes) {
      const signerName = (attributes.object as { spec?: { signerName?: string } } | undefined)?.spec?.signerName ?? ''
      if (signerName === '' || (attributes.operation === 'UPDATE' && semanticEqual(bare(attributes.object), bare(attributes.oldObject)))) return
      if (!await mayUseSigner(core, attributes, 'attest', signerName)) throw refusal(attributes, `user not permitted to attest for signerName ${JSON.stringify(signerName)}`)
    },
  }
}

/** Nobody asks the API's own client signer for a certificate of system:masters. */
export const certificateSubjectRestriction: AdmissionPlugin = {
  name: 'CertificateSubjectRestriction',
  handles: (operation) => operation === 'CREATE',
  resources: ['certificatesigningrequests.certificates.k8s.io'],
  async validate(attributes) {
    if (!isRequest(attributes, '')) return
    const { spec } = attributes.object as CertificateSigningRequest
    if (spec?.signerName !== 'kubernetes.io/kube-apiserver-client') return
    const { organizationsOf } = await import('./certificate-subject.ts')
    let organizations: readonly string[]
    try {
      organizations = organizationsOf(spec.request)
    } catch (cause) {
      throw refusal(attributes, `failed to parse CSR: ${cause instanceof Error ? cause.message : String(cause)}`)
    }
    if (organizations.includes('system:masters')) {
      throw refusal(attributes, `use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed`)
    }
  },
}
