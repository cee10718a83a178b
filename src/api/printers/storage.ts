import type { CSIDriver, CSINode, StorageClass, VolumeAttachment, VolumeAttributesClass } from '../types/storage.k8s.io_v1.ts'
import { age, ageColumn, column, fieldColumn, nameColumn, orNone, plainPrinter, printer } from './columns.ts'
import type { KindPrinter } from './columns.ts'

function nameWithDefault(object: { metadata: { name?: string; annotations?: Record<string, string> } }, ...annotations: string[]): string {
  const isDefault = annotations.some((key) => object.metadata.annotations?.[key] === 'true')
  return `${object.metadata.name ?? ''}${isDefault ? ' (default)' : ''}`
}

export const storagePrinters: Record<string, KindPrinter> = {
  StorageClass: printer<StorageClass>([
    nameColumn,
    fieldColumn('Provisioner', 'string', 'storage.k8s.io/v1.StorageClass', 'provisioner'),
    fieldColumn('ReclaimPolicy', 'string', 'storage.k8s.io/v1.StorageClass', 'reclaimPolicy'),
    fieldColumn('VolumeBindingMode', 'string', 'storage.k8s.io/v1.StorageClass', 'volumeBindingMode'),
    fieldColumn('AllowVolumeExpansion', 'string', 'storage.k8s.io/v1.StorageClass', 'allowVolumeExpansion'),
    ageColumn,
  ], (storageClass, nowMs) => [
    nameWithDefault(storageClass, 'storageclass.kubernetes.io/is-default-class', 'storageclass.beta.kubernetes.io/is-default-class'), storageClass.provisioner,
    storageClass.reclaimPolicy ?? 'Delete', storageClass.volumeBindingMode ?? 'Immediate', storageClass.allowVolumeExpansion ?? false, age(storageClass, nowMs),
  ]),
  VolumeAttributesClass: printer<VolumeAttributesClass>([nameColumn, fieldColumn('DriverName', 'string', 'storage.k8s.io/v1.VolumeAttributesClass', 'driverName'), ageColumn],
    (attributes, nowMs) => [nameWithDefault(attributes, 'volumeattributesclass.alpha.kubernetes.io/is-default-class'), attributes.driverName, age(attributes, nowMs)]),
  VolumeAttachment: printer<VolumeAttachment>([
    nameColumn,
    { ...fieldColumn('Attacher', 'string', 'storage.k8s.io/v1.VolumeAttachmentSpec', 'attacher'), format: 'name' },
    fieldColumn('PV', 'string', 'storage.k8s.io/v1.VolumeAttachmentSource', 'persistentVolumeName'),
    fieldColumn('Node', 'string', 'storage.k8s.io/v1.VolumeAttachmentSpec', 'nodeName'),
    fieldColumn('Attached', 'boolean', 'storage.k8s.io/v1.VolumeAttachmentStatus', 'attached'),
    ageColumn,
  ], ({ metadata, spec, status }, nowMs) => [
    metadata.name ?? '', spec.attacher, spec.source?.persistentVolumeName ?? '', spec.nodeName, status?.attached ?? false, age({ metadata }, nowMs),
  ]),
  CSINode: printer<CSINode>([nameColumn, column('Drivers', 'integer', 'Drivers indicates the number of CSI drivers registered on the node'), ageColumn],
    (node, nowMs) => [node.metadata.name ?? '', node.spec.drivers?.length ?? 0, age(node, nowMs)]),
  CSIDriver: printer<CSIDriver>([
    nameColumn,
    fieldColumn('AttachRequired', 'boolean', 'storage.k8s.io/v1.CSIDriverSpec', 'attachRequired'),
    fieldColumn('PodInfoOnMount', 'boolean', 'storage.k8s.io/v1.CSIDriverSpec', 'podInfoOnMount'),
    fieldColumn('StorageCapacity', 'boolean', 'storage.k8s.io/v1.CSIDriverSpec', 'storageCapacity'),
    fieldColumn('TokenRequests', 'string', 'storage.k8s.io/v1.CSIDriverSpec', 'tokenRequests'),
    fieldColumn('RequiresRepublish', 'boolean', 'storage.k8s.io/v1.CSIDriverSpec', 'requiresRepublish'),
    fieldColumn('Modes', 'string', 'storage.k8s.io/v1.CSIDriverSpec', 'volumeLifecycleModes'),
    ageColumn,
  ], (driver, nowMs) => {
    const { attachRequired, podInfoOnMount, storageCapacity, tokenRequests, requiresRepublish, volumeLifecycleModes } = driver.spec
    return [
      driver.metadata.name ?? '', attachRequired ?? true, podInfoOnMount ?? false, storageCapacity ?? false, tokenRequests?.map((request) => request.audience).join(',') ?? '<unset>',
      requiresRepublish ?? false, orNone(volumeLifecycleModes?.join(',')), age(driver, nowMs),
    ]
  }),
  CSIStorageCapacity: plainPrinter,
}
