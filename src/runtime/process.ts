import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'

export interface RunOptions {
  /** Written to standard input, which is then closed. */
  input?: string | Uint8Array
  cwd?: string
  env?: NodeJS.ProcessEnv
  signal?: AbortSignal
  /** Kills the process (SIGKILL) after this time. */
  timeoutMs?: number
  /** Resolve whatever the exit code is; by default a code other than 0 rejects. */
  allowFailure?: boolean
}

export interface RunResult { code: number; stdout: string; stderr: string }

/** A command that ran and did not exit with 0. `stderr` is what it said. */
export class CommandError extends Error {
  readonly command: string
  readonly result: RunResult
  constructor(command: string, result: RunResult) {
    super(`${command} failed with code ${result.code}: ${(result.stderr || result.stdout).trim().slice(0, 2000)}`)
    this.name = 'CommandError'
    this.command = command
    this.result = result
  }
}

/** The only way to another process. */
export interface Processes {
  /** Runs a command to its end and collects what it prints. */
  run(command: string, args: readonly string[], options?: RunOptions): Promise<RunResult>
  /** Starts a long-lived child; the caller owns it and must end it. */
  start(command: string, args: readonly string[], options?: { cwd?: string; env?: NodeJS.ProcessEnv; stdio?: StdioOptions; detached?: boolean }): ChildProcess
}

export function systemProcesses(): Processes {
  return {
    run(command, args, options = {}) {
      return new Promise((resolve, reject) => {
        const child = spawn(command, [...args], {
          cwd: options.cwd, env: options.env, signal: options.signal, timeout: options.timeoutMs, killSignal: 'SIGKILL', stdio: ['pipe', 'pipe', 'pipe'],
        })
        const stdout: Buffer[] = []
        const stderr: Buffer[] = []
        child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
        child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
        child.on('error', (cause) => reject(new Error(`cannot run ${command}: ${cause.message}`, { cause })))
        child.on('close', (code, signal) => {
          const result = { code: code ?? (signal === null ? 1 : 128), stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }
          if (result.code === 0 || options.allowFailure === true) resolve(result)
          else reject(new CommandError([command, ...args].join(' ').slice(0, 300), result))
        })
        // A command may exit without reading its input: its exit code tells, not the broken pipe.
        child.stdin.on('error', () => undefined)
        child.stdin.end(options.input ?? '')
      })
    },
    start: (command, args, options = {}) => spawn(command, [...args], options),
  }
}
