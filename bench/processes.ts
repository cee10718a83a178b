import { readFile } from 'node:fs/promises'
import type { Runtime } from '../src/runtime/runtime.ts'

/** Resident memory as the kernel counts it, shared pages and the mapped store included; in millions of bytes. */
export async function residentMegabytes(runtime: Runtime, pid: number): Promise<number> {
  const { stdout } = await runtime.processes.run('ps', ['-o', 'rss=', '-p', String(pid)])
  return (Number(stdout.trim()) * 1024) / 1e6
}

/** Processor time that a process has used, all its threads together; undefined where the kernel does not tell. */
export async function processorMs(pid: number | undefined): Promise<number | undefined> {
  if (pid === undefined || process.platform !== 'linux') return undefined
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // The name, in parentheses, may hold spaces; user and system time are fields 14 and 15, in hundredths of a second.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** Processor time a server uses for `count` of something: `, server 0.9 ms CPU each`; '' where it is not ours to know. */
export async function processorNote(pid: number | undefined, sinceMs: number | undefined, count: number): Promise<string> {
  const nowMs = await processorMs(pid)
  return nowMs === undefined || sinceMs === undefined ? '' : `, server ${((nowMs - sinceMs) / count).toFixed(2)} ms CPU each`
}
