import { certificatesPrinters } from '../printers/certificates.ts'
import { rbacPrinters } from '../printers/rbac.ts'
import { part, selectable, status } from './description.ts'
import type { BuiltinGroup, BuiltinResource } from './description.ts'

/** Who may do what: authentication, authorization, certificates, RBAC. */
function review(kind: string, cluster?: true): BuiltinResource {
  return { kind, verbs: ['create'], virtual: true, ...(cluster === undefined ? {} : { cluster }) }
}

export const authenticationGroup: BuiltinGroup = {
  group: 'authentication.k8s.io', versions: [{ version: 'v1', printers: {}, resources: [review('SelfSubjectReview', true), review('TokenReview', true)] }],
}

export const authorizationGroup: BuiltinGroup = {
  group: 'authorization.k8s.io',
  versions: [{
    version: 'v1',
    printers: {},
    resources: [review('LocalSubjectAccessReview'), review('SelfSubjectAccessReview', true), review('SelfSubjectRulesReview', true), review('SubjectAccessReview', true)],
  }],
}

const trustBundle: BuiltinResource = { kind: 'ClusterTrustBundle', cluster: true, selectableFields: selectable('spec.signerName') }

export const certificatesGroup: BuiltinGroup = {
  group: 'certificates.k8s.io',
  versions: [{
    version: 'v1',
    printers: certificatesPrinters,
    resources: [{ kind: 'CertificateSigningRequest', cluster: true, shortNames: ['csr'], subresources: [part('approval'), status], selectableFields: selectable('spec.signerName') }],
  }, {
    version: 'v1beta1',
    printers: certificatesPrinters,
    resources: [
      trustBundle,
      {
        kind: 'PodCertificateRequest', subresources: [status], storagePrefix: '/registry/podcertificaterequests/',
        selectableFields: selectable('spec.signerName', 'spec.podName', 'spec.nodeName'),
      },
    ],
  }, {
    version: 'v1alpha1',
    printers: certificatesPrinters,
    resources: [{ ...trustBundle, storage: { storageVersion: 'certificates.k8s.io/v1beta1' }, deprecated: { since: 'v1.34', removed: 'v1.37' } }],
  }],
}

export const rbacGroup: BuiltinGroup = {
  group: 'rbac.authorization.k8s.io',
  versions: [{
    version: 'v1',
    printers: rbacPrinters,
    resources: [{ kind: 'ClusterRoleBinding', cluster: true }, { kind: 'ClusterRole', cluster: true }, { kind: 'RoleBinding' }, { kind: 'Role' }],
  }],
}
