import { existsSync } from 'node:fs'
import { mkdir, readFile, readdir, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../runtime/clock.ts'
import type { BoundPod } from './pods.ts'
import { cpuPeriodUs, cpuQuota, cpuShares, podLimits, podRequests, qosClassOf } from './resources.ts'

/** Makes, limits and removes the cgroups of pods (cgroupfs driver): `ROOT/kubepods[/burstable|/besteffort]/podUID`. */
export interface PodCgroups {
  /** The cgroup that the pod's sandbox and containers are made in. */
  parentOf(pod: BoundPod): string
  /** Makes the pod's cgroup with its limits. */
  ensure(pod: BoundPod): Promise<void>
  /** Removes the pod's cgroup, whatever its class; what is gone is forgiven. */
  remove(uid: string): Promise<void>
  /** Uids of the pods that have a cgroup. */
  list(): Promise<string[]>
}

const qosFolders = ['', 'burstable', 'besteffort'] as const

interface Hierarchy { path: string; write(pod: BoundPod, directory: string): Promise<void> }

async function set(directory: string, file: string, value: number | string): Promise<void> {
  const path = join(directory, file)
  if (existsSync(path)) await writeFile(path, String(value))
}

async function writeCpu(pod: BoundPod, directory: string): Promise<void> {
  const quota = cpuQuota(podLimits(pod).cpuMilli)
  await set(directory, 'cpu.shares', cpuShares(podRequests(pod).cpuMilli))
  if (quota === 0) return
  await set(directory, 'cpu.cfs_period_us', cpuPeriodUs)
  await set(directory, 'cpu.cfs_quota_us', quota)
}

async function writeMemory(pod: BoundPod, directory: string): Promise<void> {
  const { memoryBytes } = podLimits(pod)
  if (memoryBytes !== undefined) await set(directory, 'memory.limit_in_bytes', memoryBytes)
}

/** cgroup v2: shares become a weight from 1 to 10000. */
async function writeUnified(pod: BoundPod, directory: string): Promise<void> {
  const limits = podLimits(pod)
  const shares = cpuShares(podRequests(pod).cpuMilli)
  await set(directory, 'cpu.weight', Math.floor(1 + ((shares - 2) * 9999) / 262_142))
  const quota = cpuQuota(limits.cpuMilli)
  if (quota !== 0) await set(directory, 'cpu.max', `${quota} ${cpuPeriodUs}`)
  if (limits.memoryBytes !== undefined) await set(directory, 'memory.max', limits.memoryBytes)
}

/** `hierarchies` are those that limits are written to; `all` are those in which the runtime makes cgroups. */
async function hierarchiesOf(mountsPath: string): Promise<{ hierarchies: Hierarchy[]; all: string[]; unified?: string }> {
  const hierarchies: Hierarchy[] = []
  const all: string[] = []
  let unified: string | undefined
  for (const line of (await readFile(mountsPath, 'utf8')).split('\n')) {
    const [, path = '', type, options = ''] = line.split(' ')
    if (!path.startsWith('/sys/fs/cgroup') || (type !== 'cgroup' && type !== 'cgroup2')) continue
    all.push(path)
    if (type === 'cgroup2') unified = path
    if (type !== 'cgroup') continue
    const names = options.split(',')
    const write = names.includes('cpu') ? writeCpu : names.includes('memory') ? writeMemory : async () => undefined
    // cpuset cgroups must be filled before use and are left to the runtime's own.
    if (!names.includes('cpuset')) hierarchies.push({ path, write })
  }
  if (hierarchies.length > 0) return { hierarchies, all, unified }
  return { hierarchies: unified === undefined ? [] : [{ path: unified, write: writeUnified }], all, unified }
}

async function children(path: string): Promise<string[]> {
  try {
    return (await readdir(path, { withFileTypes: true })).filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** `root` is a cgroup path, `/` for none of the kubelet's own. Where the machine has no cgroups nothing is limited. */
export async function podCgroups(root: string, clock: Clock, mountsPath = '/proc/self/mounts'): Promise<PodCgroups> {
  const { hierarchies, all, unified } = await hierarchiesOf(mountsPath)
  const kubepods = join(root, 'kubepods')
  const folderOf = (pod: BoundPod): string => {
    const qos = qosClassOf(pod)
    return join(kubepods, qos === 'Guaranteed' ? '' : qos.toLowerCase(), `pod${pod.metadata.uid}`)
  }
  const enableControllers = async (base: string, path: string): Promise<void> => {
    let directory = base
    for (const part of ['', ...path.split('/').filter((name) => name !== '')]) {
      directory = join(directory, part)
      await mkdir(directory, { recursive: true })
      await writeFile(join(directory, 'cgroup.subtree_control'), '+cpu +memory +pids').catch((error: NodeJS.ErrnoException) => {
        // A controller that this machine hasn't, or a domain that holds processes: limits of it don't apply.
        if (!['EINVAL', 'ENOENT', 'EBUSY', 'ENOTSUP'].includes(error.code ?? '')) throw error
      })
    }
  }
  const removeTree = async (path: string): Promise<void> => {
    for (const name of await children(path)) await removeTree(join(path, name))
    for (let attempt = 0; ; attempt++) {
      try {
        return await rmdir(path)
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code
        if (code === 'ENOENT') return
        // The last process may still be on its way out.
        if (code !== 'EBUSY' || attempt === 50) throw error
        await clock.sleep(20)
      }
    }
  }
  return {
    parentOf: folderOf,
    async ensure(pod) {
      await Promise.all(hierarchies.map(async ({ path, write }) => {
        if (path === unified) await enableControllers(path, join(folderOf(pod), '..'))
        const directory = join(path, folderOf(pod))
        if (existsSync(directory)) return
        await mkdir(directory, { recursive: true })
        await write(pod, directory)
      }))
    },
    async remove(uid) {
      for (const path of all) {
        for (const qos of qosFolders) {
          const directory = join(path, kubepods, qos, `pod${uid}`)
          if (existsSync(directory)) await removeTree(directory)
        }
      }
    },
    async list() {
      const uids = new Set<string>()
      for (const path of all) {
        for (const qos of qosFolders) {
          for (const name of await children(join(path, kubepods, qos))) if (name.startsWith('pod')) uids.add(name.slice(3))
        }
      }
      return [...uids]
    },
  }
}
