import { groupResourceOf } from '../../api/resource.ts'
import type { PersistentVolumeClaim } from '../../api/types/core_v1.ts'
import type { StorageClass } from '../../api/types/storage.k8s.io_v1.ts'
import { compareQuantities, parseQuantity } from '../../machinery/quantity.ts'
import type { AdmissionPlugin } from '../context.ts'
import type { ApiServerCore } from '../core.ts'
import { isCore, refusal } from './refusal.ts'

const protections: Readonly<Record<string, string>> = {
  persistentvolumes: 'kubernetes.io/pv-protection', persistentvolumeclaims: 'kubernetes.io/pvc-protection', 'volumeattributesclasses.storage.k8s.io': 'kubernetes.io/vac-protection',
}

/** Volumes, claims and classes of their attributes hold until nobody uses them: the protection controllers take these finalizers off. */
export const storageObjectInUseProtection: AdmissionPlugin = {
  name: 'StorageObjectInUseProtection',
  handles: (operation) => operation === 'CREATE',
  resources: Object.keys(protections),
  mutate({ resource, subresource, object }) {
    const finalizer = protections[groupResourceOf(resource)]
    if (subresource !== '' || object === undefined || finalizer === undefined) return
    const { finalizers = [] } = object.metadata
    if (!finalizers.includes(finalizer)) object.metadata.finalizers = [...finalizers, finalizer]
  },
}

function classOf(claim: Readonly<PersistentVolumeClaim>): string {
  return claim.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? claim.spec?.storageClassName ?? ''
}

/** A claim grows only where its class says that its volumes can. */
export function persistentVolumeClaimResize(core: ApiServerCore): AdmissionPlugin {
  const classes = core.resource('storageclasses', 'storage.k8s.io')
  return {
    name: 'PersistentVolumeClaimResize',
    handles: (operation) => operation === 'UPDATE',
    resources: ['persistentvolumeclaims'],
    async validate(attributes) {
      if (!isCore(attributes, 'persistentvolumeclaims')) return
      const [claim, old] = [attributes.object as PersistentVolumeClaim, attributes.oldObject as Readonly<PersistentVolumeClaim>]
      const [wanted, standing] = [claim, old].map(({ spec }) => parseQuantity(spec?.resources?.requests?.storage ?? '0'))
      if (compareQuantities(wanted!, standing!) <= 0) return
      if (old.status?.phase !== 'Bound') throw refusal(attributes, 'Only bound persistent volume claims can be expanded')
      const name = classOf(claim)
      const found = name === '' || name !== classOf(old) ? undefined : await core.registry.find(classes, '', name) as unknown as StorageClass | undefined
      if (found?.allowVolumeExpansion !== true) {
        throw refusal(attributes, 'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize')
      }
    },
  }
}
