import { readFile, readdir, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Runtime } from '../../runtime/runtime.ts'
import { isAlive, recordOf, type ProcessRecord } from '../process-record.ts'

/** The cgroup hierarchies of this machine: the unified one, and under cgroup v1 one a controller. */
export async function cgroupMounts(): Promise<{ path: string; unified: boolean }[]> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n')
  return lines.map((line) => ({ fields: line.split(' '), type: line.split(' - ')[1]?.split(' ')[0] }))
    .filter(({ type }) => type === 'cgroup' || type === 'cgroup2')
    .map(({ fields, type }) => ({ path: fields[4]!, unified: type === 'cgroup2' }))
}

async function entriesOf(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENODEV') return []
    throw error
  })
  return entries.filter((entry) => entry.isDirectory()).map((entry) => join(directory, entry.name))
}

/** The folder and all below it, the deepest first. */
async function treeOf(directory: string): Promise<string[]> {
  const inner = await Promise.all((await entriesOf(directory)).map(treeOf))
  return [...inner.flat(), directory]
}

/** Processes in the cgroup `root` (`/k8ts-…/node`) and below it, in any hierarchy. */
export async function processesInCgroup(root: string): Promise<Set<number>> {
  const found = new Set<number>()
  for (const mount of await cgroupMounts()) {
    for (const directory of await treeOf(join(mount.path, root))) {
      const text = await readFile(join(directory, 'cgroup.procs'), 'utf8').catch(() => '')
      for (const line of text.split('\n')) if (line !== '') found.add(Number(line))
    }
  }
  return found
}

/** Removes the cgroup `root` and all below it, in every hierarchy. Its processes must be gone. */
export async function removeCgroups(runtime: Runtime, root: string): Promise<void> {
  for (const mount of await cgroupMounts()) {
    for (const directory of await treeOf(join(mount.path, root))) await removeCgroup(runtime, directory)
  }
}

/** The kernel frees a cgroup a moment after its last process: until then it is busy. */
async function removeCgroup(runtime: Runtime, directory: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await rmdir(directory)
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code
      if (code === 'ENOENT') return
      if (code !== 'EBUSY' || attempt === 100) throw new Error(`cannot remove the cgroup ${directory}`, { cause: error })
      await runtime.clock.sleep(10)
    }
  }
}

/** Removes the cgroup itself where it has no children left. */
export async function removeEmptyCgroup(root: string): Promise<void> {
  for (const mount of await cgroupMounts()) await rmdir(join(mount.path, root)).catch(() => undefined)
}

interface ProcessEntry { pid: number; parent: number; command: string[] }

async function readProcesses(): Promise<ProcessEntry[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const entries = await Promise.all(pids.map(async (pid) => {
    try {
      const [stat, command] = await Promise.all([readFile(`/proc/${pid}/stat`, 'utf8'), readFile(`/proc/${pid}/cmdline`, 'utf8')])
      return { pid, parent: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]), command: command.split('\0') }
    } catch {
      // It ended between the listing and the reading.
      return undefined
    }
  }))
  return entries.filter((entry) => entry !== undefined)
}

/**
 * Every process that belongs to a node's containerd: what is in the node's cgroup, the shims that answer to its socket,
 * and all their children. containerd leaves shims and containers running when it ends, so its own pid tells too little.
 */
export async function nodeProcesses(runtime: Runtime, cgroupRoot: string, socket: string): Promise<ProcessRecord[]> {
  const found = await processesInCgroup(cgroupRoot)
  const processes = await readProcesses()
  for (const { pid, command } of processes) {
    if (command[0]?.includes('containerd-shim') === true && command[command.indexOf('-address') + 1] === socket) found.add(pid)
  }
  for (let grown = true; grown;) {
    grown = false
    for (const { pid, parent } of processes) {
      if (found.has(parent) && !found.has(pid)) {
        found.add(pid)
        grown = true
      }
    }
  }
  // Never ourselves, should this run inside the node's cgroup.
  found.delete(process.pid)
  const records = await Promise.all([...found].map((pid) => recordOf(runtime, pid).catch(() => undefined)))
  return records.filter((record) => record !== undefined)
}

/** Kills them all and returns when they are gone. */
export async function killProcesses(runtime: Runtime, records: readonly ProcessRecord[]): Promise<void> {
  for (const record of records) {
    if (!(await isAlive(runtime, record))) continue
    try {
      process.kill(record.pid, 'SIGKILL')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw new Error(`cannot end process ${record.pid}`, { cause: error })
    }
  }
  const untilMs = runtime.clock.monotonicMs() + 10_000
  for (const record of records) {
    for (let waitMs = 2; await isAlive(runtime, record); waitMs = Math.min(waitMs * 2, 50)) {
      if (runtime.clock.monotonicMs() > untilMs) throw new Error(`process ${record.pid} does not end, even when killed`)
      await runtime.clock.sleep(waitMs)
    }
  }
}

/** Undoes `\040` and the like, as mountinfo writes spaces. */
const unescapeMount = (path: string): string => path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))

/** Mount points at or below `directory`, the last mounted first. */
export async function mountsUnder(directory: string): Promise<string[]> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').filter((line) => line !== '')
  return lines.map((line) => unescapeMount(line.split(' ')[4]!)).filter((path) => path === directory || path.startsWith(`${directory}/`)).reverse()
}

/** Unmounts everything at or below `directory`. A mount that is still busy is detached, and goes with its last user. */
export async function unmountUnder(runtime: Runtime, directory: string): Promise<void> {
  const paths = await mountsUnder(directory)
  if (paths.length === 0) return
  const first = await runtime.processes.run('umount', paths, { allowFailure: true })
  if (first.code === 0) return
  const left = await mountsUnder(directory)
  if (left.length > 0) await runtime.processes.run('umount', ['-l', ...left], { allowFailure: true })
  const stuck = await mountsUnder(directory)
  if (stuck.length > 0) throw new Error(`cannot unmount ${stuck[0]}: ${first.stderr.trim()}`)
}

/** Removes the sockets that the node's shims listen on: they lie in a folder all containerds of the machine share. */
export async function removeShimSockets(stateDirectory: string): Promise<void> {
  const tasks = join(stateDirectory, 'io.containerd.runtime.v2.task')
  for (const namespace of await entriesOf(tasks)) {
    for (const bundle of await entriesOf(namespace)) {
      const address = await readFile(join(bundle, 'address'), 'utf8').catch(() => '')
      if (address.startsWith('unix:///')) await rm(address.trim().slice('unix://'.length), { force: true })
    }
  }
}

/** What CNI keeps of the pods in `sandboxes`, in a folder all containerds of the machine share; a pod that was killed leaves it. */
export async function removeCniResults(sandboxIds: readonly string[]): Promise<void> {
  const ids = new Set(sandboxIds)
  for (const directory of ['/var/lib/cni/results', '/var/lib/cni/cache']) {
    const names = await readdir(directory).catch(() => [])
    for (const name of names) if (name.split('-').some((part) => ids.has(part))) await rm(join(directory, name), { force: true })
    await rmdir(directory).catch(() => undefined)
  }
  await rmdir('/var/lib/cni').catch(() => undefined)
}
