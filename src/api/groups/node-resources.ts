import { resourcePrinters } from '../printers/resource.ts'
import { nodePrinters } from '../printers/small-groups.ts'
import { storagePrinters } from '../printers/storage.ts'
import { selectable, status } from './description.ts'
import type { BuiltinGroup } from './description.ts'

/** What nodes have: runtimes, devices, storage. */
export const nodeGroup: BuiltinGroup = {
  group: 'node.k8s.io', versions: [{ version: 'v1', printers: nodePrinters, resources: [{ kind: 'RuntimeClass', resource: 'runtimeclasses', cluster: true }] }],
}

export const resourceGroup: BuiltinGroup = {
  group: 'resource.k8s.io',
  versions: [{
    version: 'v1',
    printers: resourcePrinters,
    resources: [
      { kind: 'DeviceClass', resource: 'deviceclasses', cluster: true },
      { kind: 'ResourceClaim', subresources: [status] },
      { kind: 'ResourceClaimTemplate' },
      { kind: 'ResourceSlice', cluster: true, selectableFields: selectable('spec.nodeName', 'spec.driver') },
    ],
  }],
}

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
      { kind: 'VolumeAttributesClass', resource: 'volumeattributesclasses', cluster: true, shortNames: ['vac'] },
    ],
  }],
}
