// Generated from src/api/schema by `npm run generate`.
import type { LabelSelector, ListMeta, ObjectMeta } from './meta_v1.ts'
import type { PersistentVolumeSpec } from './core_v1.ts'

export interface VolumeAttachment {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: VolumeAttachmentSpec
  status?: VolumeAttachmentStatus
}

export interface VolumeAttachmentList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: VolumeAttachment[]
}

export interface VolumeAttachmentSpec {
  attacher: string
  source: VolumeAttachmentSource
  nodeName: string
}

export interface VolumeAttachmentSource {
  persistentVolumeName?: string
  inlineVolumeSpec?: PersistentVolumeSpec
}

export interface VolumeAttachmentStatus {
  attached: boolean
  attachmentMetadata?: Record<string, string>
  attachError?: VolumeError
  detachError?: VolumeError
}

export interface VolumeError {
  time?: string
  message?: string
  errorCode?: number
}

export interface CSIStorageCapacity {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  nodeTopology?: LabelSelector
  storageClassName: string
  capacity?: string
  maximumVolumeSize?: string
}

export interface CSIStorageCapacityList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: CSIStorageCapacity[]
}

export interface VolumeAttributesClass {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  driverName: string
  parameters?: Record<string, string>
}

export interface VolumeAttributesClassList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: VolumeAttributesClass[]
}
