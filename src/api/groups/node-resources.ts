import { claimConversion, claimTemplateConversion, sliceConversion } from '../conversions/resource-v1beta1.ts'
import { resourcePrinters } from '../printers/resource.ts'
import { nodePrinters } from '../printers/small-groups.ts'
import { storagePrinters } from '../printers/storage.ts'
import { selectable, status } from './description.ts'
import type { BuiltinGroup, BuiltinResource } from './description.ts'

/** What nodes have: runtimes, devices, storage. */
export const nodeGroup: BuiltinGroup = {
  group: 'node.k8s.io', versions: [{ version: 'v1', printers: nodePrinters, resources: [{ kind: 'RuntimeClass', resource: 'runtimeclasses', cluster: true }] }],
}

const deviceClass: BuiltinResource = { kind: 'DeviceClass', resource: 'deviceclasses', cluster: true }
const claim: BuiltinResource = { kind: 'ResourceClaim', subresources: [status] }
const claimTemplate: BuiltinResource = { kind: 'ResourceClaimTemplate' }
const slice: BuiltinResource = { kind: 'ResourceSlice', cluster: true, selectableFields: selectable('spec.nodeName', 'spec.driver') }
const taintRule: BuiltinResource = { kind: 'DeviceTaintRule', cluster: true, subresources: [status] }
const asV1 = { storageVersion: 'resource.k8s.io/v1' }

export const resourceGroup: BuiltinGroup = {
  group: 'resource.k8s.io',
  versions: [{
    version: 'v1',
    printers: resourcePrinters,
    resources: [deviceClass, claim, claimTemplate, slice],
  }, {
    version: 'v1beta2',
    printers: resourcePrinters,
    resources: [
      ...[deviceClass, claim, claimTemplate, slice].map((resource) => ({ ...resource, storage: asV1, deprecated: { since: 'v1.36', removed: 'v1.39' } })),
      taintRule,
    ],
  }, {
    version: 'v1beta1',
    printers: resourcePrinters,
    resources: [
      { ...deviceClass, storage: asV1 }, { ...claim, storage: claimConversion }, { ...claimTemplate, storage: claimTemplateConversion }, { ...slice, storage: sliceConversion },
    ].map((resource) => ({ ...resource, deprecated: { since: 'v1.35', removed: 'v1.38' } })),
  }, {
    version: 'v1alpha3',
    printers: resourcePrinters,
    resources: [
      { ...taintRule, storage: { storageVersion: 'resource.k8s.io/v1beta2' }, deprecated: { since: 'v1.36', removed: 'v1.39' } },
      { kind: 'ResourcePoolStatusRequest', cluster: true, subresources: [status] },
    ],
  }],
}

const attributesClass: BuiltinResource = { kind: 'VolumeAttributesClass', resource: 'volumeattributesclasses', cluster: true, shortNames: ['vac'] }

export const storageGroup: BuiltinGroup = {
  group: 'storage.k8s.io',
  versions: [{
    version: 'v1',
    printers: storagePrinters,
    resources: [
      { kind: 'CSIDriver', cluster: true },
      { kind: 'CSINode', cluster: true },
      { kind: 'CSIStorageCapacity', resource: 'csistoragecapacities' },
      { kind: 'StorageClass', resource: 'storageclasses', cluster: true, shortNames: ['sc'] },
      { kind: 'VolumeAttachment', cluster: true, subresources: [status] },
      attributesClass,
    ],
  }, {
    version: 'v1beta1', printers: storagePrinters,
    resources: [{ ...attributesClass, storage: { storageVersion: 'storage.k8s.io/v1' }, deprecated: { since: 'v1.34', removed: 'v1.37', use: 'storage.k8s.io/v1 VolumeAttributesClass' } }],
  }],
}
