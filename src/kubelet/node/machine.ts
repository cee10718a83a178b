import { readFile, readdir, statfs } from 'node:fs/promises'
import { arch, availableParallelism, freemem, hostname, release, totalmem } from 'node:os'

/** What does not change while the machine runs. */
export interface Machine {
  hostname: string
  architecture: string
  kernelVersion: string
  osImage: string
  machineID: string
  systemUUID: string
  bootID: string
  cpus: number
  memoryBytes: number
  /** Page size (`2Mi`) to the bytes set aside in pages of that size. */
  hugepages: Readonly<Record<string, number>>
  /** Of the filesystem that holds the kubelet's directory. */
  storageBytes: number
}

async function text(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    if (['ENOENT', 'EACCES', 'ENODATA'].includes((error as NodeJS.ErrnoException).code ?? '')) return ''
    throw error
  }
}

const architectures: Record<string, string> = { x64: 'amd64', arm64: 'arm64', arm: 'arm', ppc64: 'ppc64le', s390x: 's390x' }

async function hugepages(): Promise<Record<string, number>> {
  const found: Record<string, number> = {}
  let names: string[] = []
  try {
    names = await readdir('/sys/kernel/mm/hugepages')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  for (const name of names) {
    const kib = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1])
    if (Number.isNaN(kib)) continue
    const size = kib % (1024 * 1024) === 0 ? `${kib / 1024 / 1024}Gi` : `${kib / 1024}Mi`
    found[size] = Number(await text(`/sys/kernel/mm/hugepages/${name}/nr_hugepages`)) * kib * 1024
  }
  return found
}

export async function inspectMachine(rootDirectory: string): Promise<Machine> {
  const osRelease = await text('/etc/os-release')
  const storage = await statfs(rootDirectory)
  const machineID = await text('/etc/machine-id')
  return {
    hostname: hostname(), architecture: architectures[arch()] ?? arch(), kernelVersion: release(), osImage: /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(osRelease)?.[1] ?? 'Linux',
    machineID, systemUUID: (await text('/sys/class/dmi/id/product_uuid')) || machineID, bootID: await text('/proc/sys/kernel/random/boot_id'),
    cpus: availableParallelism(), memoryBytes: totalmem(), hugepages: await hugepages(), storageBytes: storage.blocks * storage.bsize,
  }
}

/** What is left now. */
export interface Pressure { memory: boolean; disk: boolean; pids: boolean }

/** Thresholds as the kubelet's default hard eviction: 100Mi of memory, a tenth of the disk, a twentieth of its inodes, and room for processes. */
const thresholds = { memoryBytes: 100 * 1024 * 1024, diskShare: 0.1, inodeShare: 0.05, pidShare: 0.05 }

export async function measurePressure(rootDirectory: string): Promise<Pressure> {
  const available = Number(/^MemAvailable:\s+(\d+) kB$/m.exec(await text('/proc/meminfo'))?.[1] ?? freemem() / 1024) * 1024
  const storage = await statfs(rootDirectory)
  const pidMax = Number((await text('/proc/sys/kernel/pid_max')) || 4_194_304)
  const running = Number((await text('/proc/loadavg')).split(' ')[3]?.split('/')[1] ?? 0)
  return {
    memory: available < thresholds.memoryBytes, pids: pidMax - running < pidMax * thresholds.pidShare,
    disk: storage.bavail < storage.blocks * thresholds.diskShare || (storage.files > 0 && storage.ffree < storage.files * thresholds.inodeShare),
  }
}
