import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../../api/types/core_v1.ts'
import { podClaimNames } from '../../api/pod-references.ts'
import type { Client, ResourceType } from '../../client/client.ts'
import { runController, watching } from '../../client/controller.ts'
import { persistentVolumeClaims, persistentVolumes, pods, volumeAttributesClasses } from '../../client/resources.ts'
import { controllerOf, splitKey, type KubeObject } from '../../machinery/object.ts'
import type { StartController } from '../context.ts'

/**
 * Volumes, claims and classes of their attributes are not lost while somebody uses them ("Storage Object in Use Protection"): admission puts a finalizer on each,
 * these controllers take it off what is being deleted and no longer used.
 */

const claimFinalizer = 'kubernetes.io/pvc-protection'
const volumeFinalizer = 'kubernetes.io/pv-protection'
const classFinalizer = 'kubernetes.io/vac-protection'

async function setFinalizer<T extends KubeObject>(client: Client, type: ResourceType<T>, object: Readonly<T>, finalizer: string, isWanted: boolean): Promise<void> {
  const kept = (object.metadata.finalizers ?? []).filter((name) => name !== finalizer)
  await client.update(type, { ...object, metadata: { ...object.metadata, finalizers: isWanted ? [...kept, finalizer] : kept } })
}

/** A pod that is over, or was taken away by force: it waits only to be collected, and must not wait for its own claims. */
function isShutDown({ metadata }: Pod): boolean {
  return metadata.deletionTimestamp !== undefined && metadata.deletionGracePeriodSeconds === 0
}

/** Pods that run nowhere yet don't count: a kubelet starts none whose claim is being deleted. */
function usesClaim(pod: Readonly<Pod>, claim: Readonly<PersistentVolumeClaim>): boolean {
  if ((pod.spec.nodeName ?? '') === '') return false
  const { name } = claim.metadata
  return (pod.spec.volumes ?? []).some((volume) => {
    if (volume.persistentVolumeClaim?.claimName === name) return true
    return volume.ephemeral !== undefined && `${pod.metadata.name}-${volume.name}` === name && controllerOf(claim)?.uid === pod.metadata.uid && !isShutDown(pod)
  })
}

/** Claims are held until no pod on a node mounts them. */
export const startClaimProtectionController: StartController = ({ informers, runtime, client }) => {
  const claims = informers.informer(persistentVolumeClaims)
  const podInformer = informers.informer(pods)
  const claimsOf = (pod: Pod | undefined, old: Pod | undefined): string[] => [pod, old].flatMap((each) => (each === undefined ? [] : [...podClaimNames(each.metadata.name!, each.spec)].map((name) => `${each.metadata.namespace}/${name}`)))
  return runController({
    name: 'persistentvolumeclaim-protection-controller', runtime,
    sources: [watching(claims), watching(podInformer, claimsOf)],
    async reconcile(key) {
      const claim = claims.get(key)
      if (claim === undefined) return
      const isHeld = claim.metadata.finalizers?.includes(claimFinalizer) === true
      if (claim.metadata.deletionTimestamp === undefined) return isHeld ? undefined : await setFinalizer(client, persistentVolumeClaims, claim, claimFinalizer, true)
      if (!isHeld) return
      const { namespace } = splitKey(key)
      if (podInformer.list(namespace).some((pod) => usesClaim(pod, claim))) return
      // The cache may be behind: only the server knows that no pod has come meanwhile.
      const { items } = await client.list(pods, { namespace })
      if (!items.some((pod) => usesClaim(pod, claim))) await setFinalizer(client, persistentVolumeClaims, claim, claimFinalizer, false)
    },
  })
}

/** Volumes are held while they are bound. */
export const startVolumeProtectionController: StartController = ({ informers, runtime, client }) => {
  const volumes = informers.informer(persistentVolumes)
  return runController({
    name: 'persistentvolume-protection-controller', runtime,
    sources: [watching(volumes)],
    async reconcile(name) {
      const volume = volumes.get(name)
      if (volume === undefined) return
      const isHeld = volume.metadata.finalizers?.includes(volumeFinalizer) === true
      if (volume.metadata.deletionTimestamp === undefined) return isHeld ? undefined : await setFinalizer(client, persistentVolumes, volume, volumeFinalizer, true)
      if (isHeld && volume.status?.phase !== 'Bound') await setFinalizer(client, persistentVolumes, volume, volumeFinalizer, false)
    },
  })
}

/** Classes that a claim asks for, or has. */
function classesOfClaim({ spec, status }: Readonly<PersistentVolumeClaim>): string[] {
  const named = [spec?.volumeAttributesClassName, status?.currentVolumeAttributesClassName, status?.modifyVolumeStatus?.targetVolumeAttributesClassName]
  return [...new Set(named.filter((name): name is string => name !== undefined && name !== ''))]
}

function classesOfVolume({ spec }: Readonly<PersistentVolume>): string[] {
  return (spec?.volumeAttributesClassName ?? '') === '' ? [] : [spec!.volumeAttributesClassName!]
}

/** Classes are held while a volume or a claim names them. */
export const startAttributesClassProtectionController: StartController = ({ informers, runtime, client }) => {
  const classes = informers.informer(volumeAttributesClasses)
  const claims = informers.informer(persistentVolumeClaims)
  const volumes = informers.informer(persistentVolumes)
  const namedBy = <T>(namesOf: (object: Readonly<T>) => string[]) => (now: T | undefined, old: T | undefined): string[] => [now, old].flatMap((each) => (each === undefined ? [] : namesOf(each)))
  return runController({
    name: 'volumeattributesclass-protection-controller', runtime,
    sources: [watching(classes), watching(claims, namedBy(classesOfClaim)), watching(volumes, namedBy(classesOfVolume))],
    async reconcile(name) {
      const found = classes.get(name)
      if (found === undefined) return
      const isHeld = found.metadata.finalizers?.includes(classFinalizer) === true
      if (found.metadata.deletionTimestamp === undefined) return isHeld ? undefined : await setFinalizer(client, volumeAttributesClasses, found, classFinalizer, true)
      if (!isHeld || volumes.list().some((volume) => classesOfVolume(volume).includes(name)) || claims.list().some((claim) => classesOfClaim(claim).includes(name))) return
      await setFinalizer(client, volumeAttributesClasses, found, classFinalizer, false)
    },
  })
}
