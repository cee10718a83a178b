import { readFile } from 'node:fs/promises'
import type { Processes } from '../../runtime/process.ts'

const unescape = (path: string): string => path.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))

/** Mount points of this process's namespace, in the order they were mounted. */
export async function mountPoints(): Promise<string[]> {
  return (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').map((line) => unescape(line.split(' ')[4] ?? '')).filter((path) => path !== '')
}

/** Mounts a tmpfs unless something is mounted there already. */
export async function mountTmpfs(processes: Processes, path: string, sizeBytes: number | undefined): Promise<void> {
  if ((await mountPoints()).includes(path)) return
  await processes.run('mount', ['-t', 'tmpfs', ...(sizeBytes === undefined ? [] : ['-o', `size=${sizeBytes}`]), 'tmpfs', path])
}

/** Unmounts everything mounted at or below `directory`, the latest first. */
export async function unmountBelow(processes: Processes, directory: string): Promise<void> {
  const below = (await mountPoints()).filter((path) => path === directory || path.startsWith(`${directory}/`))
  for (const path of below.reverse()) await processes.run('umount', [path])
}
