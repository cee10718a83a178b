import { admissionregistrationPrinters } from '../printers/admissionregistration.ts'
import { apiextensionsPrinters, apiregistrationPrinters, internalPrinters, storagemigrationPrinters } from '../printers/extension-apis.ts'
import { flowcontrolPrinters } from '../printers/flowcontrol.ts'
import { status } from './description.ts'
import type { BuiltinGroup, BuiltinResource } from './description.ts'

/** What extends or shields the API itself. */
const categories = ['api-extensions']

const mutatingPolicy: BuiltinResource = { kind: 'MutatingAdmissionPolicy', resource: 'mutatingadmissionpolicies', cluster: true, categories }
const mutatingPolicyBinding: BuiltinResource = { kind: 'MutatingAdmissionPolicyBinding', cluster: true, categories }

export const admissionregistrationGroup: BuiltinGroup = {
  group: 'admissionregistration.k8s.io',
  versions: [{
    version: 'v1',
    printers: admissionregistrationPrinters,
    resources: [
      mutatingPolicy, mutatingPolicyBinding,
      { kind: 'MutatingWebhookConfiguration', cluster: true, categories },
      { kind: 'ValidatingAdmissionPolicy', resource: 'validatingadmissionpolicies', cluster: true, categories, subresources: [status] },
      { kind: 'ValidatingAdmissionPolicyBinding', cluster: true, categories },
      { kind: 'ValidatingWebhookConfiguration', cluster: true, categories },
    ],
  }, {
    version: 'v1beta1', printers: admissionregistrationPrinters, resources: [mutatingPolicy, mutatingPolicyBinding].map((resource) => ({ ...resource, storage: { storageVersion: 'admissionregistration.k8s.io/v1' } })),
  }, {
    version: 'v1alpha1', printers: admissionregistrationPrinters,
    resources: [mutatingPolicy, mutatingPolicyBinding].map((resource) => ({ ...resource, storage: { storageVersion: 'admissionregistration.k8s.io/v1' }, deprecated: { since: 'v1.35', removed: 'v1.38' } })),
  }],
}

export const apiextensionsGroup: BuiltinGroup = {
  group: 'apiextensions.k8s.io',
  versions: [{
    version: 'v1',
    printers: apiextensionsPrinters,
    resources: [{
      kind: 'CustomResourceDefinition', cluster: true, shortNames: ['crd', 'crds'], categories, subresources: [status],
      storagePrefix: '/registry/apiextensions.k8s.io/customresourcedefinitions/',
    }],
  }],
}

export const apiregistrationGroup: BuiltinGroup = {
  group: 'apiregistration.k8s.io',
  versions: [{
    version: 'v1',
    printers: apiregistrationPrinters,
    resources: [{ kind: 'APIService', cluster: true, categories, subresources: [status], storagePrefix: '/registry/apiregistration.k8s.io/apiservices/' }],
  }],
}

export const flowcontrolGroup: BuiltinGroup = {
  group: 'flowcontrol.apiserver.k8s.io',
  versions: [{
    version: 'v1',
    printers: flowcontrolPrinters,
    resources: [{ kind: 'FlowSchema', cluster: true, subresources: [status] }, { kind: 'PriorityLevelConfiguration', cluster: true, subresources: [status] }],
  }],
}

/** Which API server writes which kind in which version; a server tells the others of its group through it. */
export const internalGroup: BuiltinGroup = {
  group: 'internal.apiserver.k8s.io',
  versions: [{ version: 'v1alpha1', printers: internalPrinters, resources: [{ kind: 'StorageVersion', cluster: true, subresources: [status] }] }],
}

export const storagemigrationGroup: BuiltinGroup = {
  group: 'storagemigration.k8s.io',
  versions: [{ version: 'v1beta1', printers: storagemigrationPrinters, resources: [{ kind: 'StorageVersionMigration', cluster: true, subresources: [status] }] }],
}
