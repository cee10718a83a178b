import { chmod, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Volume } from '../../api/types/core_v1.ts'
import { quantityValue } from '../../machinery/quantity.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { podLimits } from '../resources.ts'
import type { BoundPod } from '../pods.ts'
import { writeAtomically } from './atomic-writer.ts'
import type { ClaimSource } from './claims.ts'
import { prepareHostPath } from './host-path.ts'
import { mountTmpfs, unmountBelow } from './mounts.ts'
import { giveToGroup, rootBelongsToGroup } from './ownership.ts'
import { projectedVolumeFiles, type ProjectionInput } from './projection.ts'

/** Volume name to the path on the node that holds it. */
export type MountedVolumes = ReadonlyMap<string, string>

/** A volume could not be made ready: `MountVolume.SetUp failed for volume "x" : why`. */
export class VolumeError extends Error {
  constructor(volume: string, cause: unknown) {
    super(`MountVolume.SetUp failed for volume "${volume}" : ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    this.name = 'VolumeError'
  }
}

/**
 * The volumes of pods, below `rootDirectory/pods/UID/volumes`.
 * 1. `mount` may be called again at any time: it makes what is missing and renews the files of what is there.
 * 2. `remove` unmounts all first and removes files only when nothing is mounted below the pod's directory any more.
 */
export interface PodVolumes {
  mount(input: Omit<ProjectionInput, 'tokens' | 'objects'>): Promise<MountedVolumes>
  podDirectory(uid: string): string
  /** Unmounts the pod's volumes and removes them; what else is in its directory stays. */
  removeVolumes(uid: string): Promise<void>
  /** Unmounts the pod's volumes and removes its directory. */
  remove(uid: string): Promise<void>
  /** Uids of the pods that have a directory. */
  list(): Promise<string[]>
}

const folders = { emptyDir: 'kubernetes.io~empty-dir', configMap: 'kubernetes.io~configmap', secret: 'kubernetes.io~secret', downwardAPI: 'kubernetes.io~downward-api', projected: 'kubernetes.io~projected' } as const
/** Sources whose contents stay in memory, for what they tell. */
const inMemory = new Set<keyof typeof folders>(['secret', 'downwardAPI', 'projected'])

function sourceOf(volume: Volume): keyof typeof folders | undefined {
  return (Object.keys(folders) as (keyof typeof folders)[]).find((name) => volume[name] !== undefined)
}

function stampOf(nowMs: number): string {
  return new Date(nowMs).toISOString().slice(0, 19).replaceAll(/[-T:]/g, '_')
}

export function createPodVolumes(rootDirectory: string, runtime: Runtime, sources: Pick<ProjectionInput, 'tokens' | 'objects'> & { claims: ClaimSource }): PodVolumes {
  const podsDirectory = join(rootDirectory, 'pods')
  const podDirectory = (uid: string): string => join(podsDirectory, uid)

  const mountEmptyDir = async (pod: BoundPod, volume: Volume, path: string): Promise<void> => {
    const source = volume.emptyDir!
    const made = await mkdir(path, { recursive: true })
    if (source.medium === 'Memory') {
      const limits = [source.sizeLimit === undefined ? undefined : quantityValue(source.sizeLimit), podLimits(pod).memoryBytes].filter((size) => size !== undefined && size > 0) as number[]
      await mountTmpfs(runtime.processes, path, limits.length === 0 ? undefined : Math.min(...limits))
    } else if (source.medium !== undefined && source.medium !== '') {
      throw new Error(`unknown storage medium "${source.medium}"`)
    }
    if (made !== undefined) await chmod(path, 0o777)
  }

  /** A claim's volume where it lies on this node; fsGroup applies to local volumes, as upstream. */
  const setUpClaim = async (pod: BoundPod, claimName: string): Promise<string> => {
    const { spec, metadata } = await sources.claims.volumeOf(pod.metadata.namespace, claimName)
    if (spec?.hostPath !== undefined) return prepareHostPath(spec.hostPath)
    if (spec?.local === undefined) throw new Error(`persistent volume "${metadata.name}" is neither hostPath nor local; other kinds are not supported by this kubelet`)
    const path = await prepareHostPath({ path: spec.local.path, type: 'Directory' })
    const { fsGroup, fsGroupChangePolicy } = pod.spec.securityContext ?? {}
    if (fsGroup !== undefined && !(fsGroupChangePolicy === 'OnRootMismatch' && await rootBelongsToGroup(path, fsGroup))) await giveToGroup(path, fsGroup, false)
    return path
  }

  const setUp = async (input: ProjectionInput, volume: Volume): Promise<string> => {
    const { pod } = input
    const fsGroup = pod.spec.securityContext?.fsGroup
    if (volume.hostPath !== undefined) return prepareHostPath(volume.hostPath)
    if (volume.persistentVolumeClaim !== undefined) return setUpClaim(pod, volume.persistentVolumeClaim.claimName)
    const source = sourceOf(volume)
    if (source === undefined) throw new Error(`volumes of type ${Object.keys(volume).filter((key) => key !== 'name').join(', ') || 'none'} are not supported by this kubelet`)
    const path = join(podDirectory(pod.metadata.uid), 'volumes', folders[source], volume.name)
    if (source === 'emptyDir') {
      await mountEmptyDir(pod, volume, path)
      if (fsGroup !== undefined && !(await rootBelongsToGroup(path, fsGroup))) await giveToGroup(path, fsGroup, false)
      return path
    }
    // What is refused should leave no mount behind: read first.
    const files = await projectedVolumeFiles(input, volume)
    if (files === undefined) throw new Error('the volume has no source')
    await mkdir(path, { recursive: true, mode: 0o755 })
    if (inMemory.has(source)) await mountTmpfs(runtime.processes, path, undefined)
    await writeAtomically(path, files, stampOf(runtime.clock.now()), fsGroup === undefined ? undefined : (fresh) => giveToGroup(fresh, fsGroup, true))
    if (fsGroup !== undefined && !(await rootBelongsToGroup(path, fsGroup))) await giveToGroup(path, fsGroup, true)
    return path
  }

  return {
    podDirectory,
    async mount(input) {
      const results = await Promise.all((input.pod.spec.volumes ?? []).map(async (volume): Promise<[string, string]> => {
        try {
          return [volume.name, await setUp({ ...input, ...sources }, volume)]
        } catch (cause) {
          throw new VolumeError(volume.name, cause)
        }
      }))
      return new Map(results)
    },
    async removeVolumes(uid) {
      const directory = join(podDirectory(uid), 'volumes')
      await unmountBelow(runtime.processes, directory)
      await rm(directory, { recursive: true, force: true })
    },
    async remove(uid) {
      const directory = podDirectory(uid)
      await unmountBelow(runtime.processes, directory)
      await rm(directory, { recursive: true, force: true })
    },
    async list() {
      try {
        return await readdir(podsDirectory)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
        throw error
      }
    },
  }
}
