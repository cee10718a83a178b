import { closeSync, openSync } from 'node:fs'
import { readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Runtime } from '../runtime/runtime.ts'

/** A process told from any other that later gets its number: the kernel's start time goes with the id. */
export interface ProcessRecord { pid: number; startTime: string }

/** Start time of a process as the kernel counts it, or undefined when there is none of that id (a zombie counts as none). */
export async function startTimeOf(runtime: Runtime, pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // The command name, in parentheses, may hold anything: fields are counted from behind it (proc(5): 3 is the state, 22 starttime).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code !== 'ENOENT' && code !== 'ESRCH') throw new Error(`cannot look up process ${pid}`, { cause: error })
    if (process.platform === 'linux') return undefined
    const { stdout } = await runtime.processes.run('ps', ['-o', 'lstart=', '-p', String(pid)], { allowFailure: true })
    return stdout.trim() === '' ? undefined : stdout.trim()
  }
}

export async function recordOf(runtime: Runtime, pid: number): Promise<ProcessRecord> {
  const startTime = await startTimeOf(runtime, pid)
  if (startTime === undefined) throw new Error(`process ${pid} ended at once`)
  return { pid, startTime }
}

/** Whether the recorded process, and no other of the same number, still runs. */
export async function isAlive(runtime: Runtime, record: ProcessRecord): Promise<boolean> {
  return (await startTimeOf(runtime, record.pid)) === record.startTime
}

/** Ends a recorded process: SIGTERM, then SIGKILL after `graceMs`. Returns when it is gone; a process already gone is no error. */
export async function endProcess(runtime: Runtime, record: ProcessRecord, graceMs = 10_000): Promise<void> {
  const send = (signal: NodeJS.Signals): void => {
    try {
      process.kill(record.pid, signal)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw new Error(`cannot end process ${record.pid}`, { cause: error })
    }
  }
  const goneWithin = async (limitMs: number): Promise<boolean> => {
    const untilMs = runtime.clock.monotonicMs() + limitMs
    for (let waitMs = 5; await isAlive(runtime, record); waitMs = Math.min(waitMs * 2, 100)) {
      if (runtime.clock.monotonicMs() > untilMs) return false
      await runtime.clock.sleep(waitMs)
    }
    return true
  }
  if (!(await isAlive(runtime, record))) return
  send('SIGTERM')
  if (await goneWithin(graceMs)) return
  send('SIGKILL')
  if (!(await goneWithin(5_000))) throw new Error(`process ${record.pid} does not end, even when killed`)
}

/** Process records of one cluster, a small file each, so that a crash of anything leaves the others readable. */
export interface ProcessRegister {
  write(name: string, record: ProcessRecord): Promise<void>
  read(name: string): Promise<ProcessRecord | undefined>
  names(): Promise<string[]>
  remove(name: string): Promise<void>
}

export function processRegister(directory: string): ProcessRegister {
  const file = (name: string): string => join(directory, `${name}.pid`)
  return {
    async write(name, record) {
      await writeFile(`${file(name)}.new`, JSON.stringify(record))
      await rename(`${file(name)}.new`, file(name))
    },
    async read(name) {
      const text = await readFile(file(name), 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined
        throw error
      })
      return text === undefined ? undefined : JSON.parse(text) as ProcessRecord
    },
    names: async () => (await readdir(directory)).filter((entry) => entry.endsWith('.pid')).map((entry) => entry.slice(0, -4)).sort(),
    remove: (name) => rm(file(name), { force: true }),
  }
}

/** A process that outlives the one that starts it. */
export interface DetachedCommand {
  command: string
  args: readonly string[]
  /** The file that its output is appended to. */
  log: string
  cwd?: string
  env?: NodeJS.ProcessEnv
  /** Files that it writes its id to before it begins: `cgroup.procs` of the cgroups it belongs in. */
  cgroups?: readonly string[]
}

/**
 * Starts a process detached from this one, entered in the register as `name` before it begins. A shell that waits for one line takes
 * its place until then, and ends where this process does: whenever that may be, no process is left running that nobody knows of.
 */
export async function startRecorded(runtime: Runtime, register: ProcessRegister, name: string, detached: DetachedCommand): Promise<ProcessRecord> {
  const script = `read -r go || exit 1; ${(detached.cgroups ?? []).map((file) => `echo $$ > '${file}' && `).join('')}exec "$@" < /dev/null`
  const output = openSync(detached.log, 'a')
  try {
    const child = runtime.processes.start('/bin/sh', ['-c', script, 'sh', detached.command, ...detached.args], {
      detached: true, stdio: ['pipe', output, output], env: detached.env, cwd: detached.cwd,
    })
    const failed = new Promise<never>((_, reject) => child.once('error', (cause) => reject(new Error(`cannot start ${detached.command}: ${cause.message}`, { cause }))))
    failed.catch(() => undefined)
    child.unref()
    if (child.pid === undefined) return await failed
    // Whether it ended before it read its line is seen by whoever waits for it, and its log says why.
    child.stdin?.on('error', () => undefined)
    try {
      const record = await recordOf(runtime, child.pid)
      await register.write(name, record)
      child.stdin?.write('\n')
      return record
    } finally {
      child.stdin?.end()
    }
  } finally {
    closeSync(output)
  }
}
