import type { PersistentVolume, PersistentVolumeClaim, Pod, Volume } from '../../api/types/core_v1.ts'
import type { CSIDriver } from '../../api/types/storage.k8s.io_v1.ts'
import type { ApiServerCore } from '../core.ts'

/** Whether a pod mounts a token for an audience ('': this server's own): by a projected volume, or through a CSI driver that asks for one. */
export async function mountsAudience(core: ApiServerCore, pod: Pod, audience: string): Promise<boolean> {
  for (const volume of pod.spec.volumes ?? []) {
    if (volume.projected?.sources?.some((source) => source.serviceAccountToken !== undefined && (source.serviceAccountToken.audience ?? '') === audience) === true) return true
    const driver = await driverOf(core, pod, volume)
    if (driver !== undefined && await asksFor(core, driver, audience)) return true
  }
  return false
}

async function driverOf(core: ApiServerCore, pod: Pod, volume: Volume): Promise<string | undefined> {
  if (volume.csi !== undefined) return volume.csi.driver
  const claimName = volume.ephemeral === undefined ? volume.persistentVolumeClaim?.claimName : `${pod.metadata.name}-${volume.name}`
  if (claimName === undefined) return undefined
  const claim = await core.registry.find(core.resource('persistentvolumeclaims'), pod.metadata.namespace ?? '', claimName) as unknown as PersistentVolumeClaim | undefined
  const volumeName = claim?.spec?.volumeName ?? ''
  if (volumeName === '') return undefined
  const found = await core.registry.find(core.resource('persistentvolumes'), '', volumeName) as unknown as PersistentVolume | undefined
  return found?.spec?.csi?.driver
}

async function asksFor(core: ApiServerCore, driverName: string, audience: string): Promise<boolean> {
  const driver = await core.registry.find(core.resource('csidrivers', 'storage.k8s.io'), '', driverName) as unknown as CSIDriver | undefined
  return driver?.spec.tokenRequests?.some((request) => request.audience === audience) === true
}
