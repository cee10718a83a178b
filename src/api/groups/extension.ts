import { admissionregistrationPrinters } from '../printers/admissionregistration.ts'
import { apiextensionsPrinters, apiregistrationPrinters } from '../printers/extension-apis.ts'
import { flowcontrolPrinters } from '../printers/flowcontrol.ts'
import { status } from './description.ts'
import type { BuiltinGroup } from './description.ts'

/** What extends or shields the API itself. */
const categories = ['api-extensions']

export const admissionregistrationGroup: BuiltinGroup = {
  group: 'admissionregistration.k8s.io',
  versions: [{
    version: 'v1',
    printers: admissionregistrationPrinters,
    resources: [
      { kind: 'MutatingAdmissionPolicy', resource: 'mutatingadmissionpolicies', cluster: true, categories },
      { kind: 'MutatingAdmissionPolicyBinding', cluster: true, categories },
      { kind: 'MutatingWebhookConfiguration', cluster: true, categories },
      { kind: 'ValidatingAdmissionPolicy', resource: 'validatingadmissionpolicies', cluster: true, categories, subresources: [status] },
      { kind: 'ValidatingAdmissionPolicyBinding', cluster: true, categories },
      { kind: 'ValidatingWebhookConfiguration', cluster: true, categories },
    ],
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
