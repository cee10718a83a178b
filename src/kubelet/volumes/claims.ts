import type { PersistentVolume } from '../../api/types/core_v1.ts'
import type { Client } from '../../client/client.ts'
import { persistentVolumeClaims, persistentVolumes } from '../../client/resources.ts'

/** Finds the volume behind a claim. Rejects while there is none. */
export interface ClaimSource { volumeOf(namespace: string, claimName: string): Promise<PersistentVolume> }

/** Asks the API server each time a pod is made ready: claims are bound once and not looked at again. */
export function claimSource(client: Client): ClaimSource {
  return {
    async volumeOf(namespace, claimName) {
      const fail = (why: string): never => {
        throw new Error(`error processing PVC ${namespace}/${claimName}: ${why}`)
      }
      const claim = await client.find(persistentVolumeClaims, namespace, claimName)
      if (claim === undefined) return fail(`failed to fetch PVC from API server: persistentvolumeclaims "${claimName}" not found`)
      if (claim.metadata.deletionTimestamp !== undefined) return fail('PVC is being deleted')
      if (claim.spec?.volumeName === undefined || claim.spec.volumeName === '' || claim.status?.phase !== 'Bound') return fail('PVC is not bound')
      const volume = await client.find(persistentVolumes, '', claim.spec.volumeName)
      if (volume === undefined) return fail(`failed to fetch PV ${claim.spec.volumeName} from API server: persistentvolumes "${claim.spec.volumeName}" not found`)
      if (volume.spec?.claimRef?.uid !== claim.metadata.uid) return fail(`PV ${claim.spec.volumeName} is bound to another claim`)
      return volume
    },
  }
}
