import { spawn, type ChildProcess } from 'node:child_process'
import { accessSync, constants, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'

const root = join(import.meta.dirname, '../..')

export function onPath(program: string): string | undefined {
  for (const folder of [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']) {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return join(folder, program)
    } catch {
      continue
    }
  }
  return undefined
}

/** Every kubectl that lies beside the one on PATH, else that one. */
export function kubectls(): string[] {
  const found = onPath('kubectl')
  if (found === undefined) return []
  const folder = dirname(realpathSync(found))
  const versioned = readdirSync(folder).filter((name) => /^kubectl\.1\.\d+$/.test(name)).sort().map((name) => join(folder, name))
  return versioned.length > 0 ? versioned : [found]
}

/** Why the suites that make real clusters can't run here; false when they can. */
export function noRealNodes(...programs: string[]): string | false {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'real nodes need root on Linux'
  const missing = programs.filter((program) => onPath(program) === undefined)
  return missing.length === 0 ? false : `not on PATH: ${missing.join(', ')}`
}

export interface Result { code: number; stdout: string; stderr: string }

/** A home of its own for clusters and kubeconfig, so that a test touches nothing of the user's. */
export class Sandbox {
  readonly home = mkdtempSync(join(tmpdir(), 'k8ts-e2e-'))
  readonly env: NodeJS.ProcessEnv
  readonly #children = new Set<ChildProcess>()

  constructor(settings = 'outbound: false\n') {
    writeFileSync(join(this.home, 'config.yaml'), settings)
    this.env = { ...process.env, K8TS_HOME: this.home, KUBECONFIG: join(this.home, 'kubeconfig'), NO_COLOR: '1' }
  }

  run(command: string, args: readonly string[], options: { input?: string; env?: NodeJS.ProcessEnv; timeoutMs?: number } = {}): Promise<Result> {
    return new Promise((resolve, reject) => {
      const child = spawn(command, [...args], { env: { ...this.env, ...options.env }, timeout: options.timeoutMs ?? 120_000, stdio: ['pipe', 'pipe', 'pipe'] })
      const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []]
      child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
      child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
      child.on('error', reject)
      child.on('close', (code) => resolve({ code: code ?? 128, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }))
      child.stdin.on('error', () => undefined)
      child.stdin.end(options.input ?? '')
    })
  }

  /** `./k8ts ARGS`; rejects with what it said when it fails. */
  async k8ts(...args: string[]): Promise<string> {
    const result = await this.run(join(root, 'k8ts'), args, { timeoutMs: 240_000 })
    if (result.code !== 0) throw new Error(`k8ts ${args.join(' ')} failed: ${result.stderr}`)
    return result.stdout + result.stderr
  }

  /** kubectl's standard output; rejects with its error when it fails. */
  async kubectl(...args: string[]): Promise<string> {
    const result = await this.run('kubectl', args)
    if (result.code !== 0) throw new Error(`kubectl ${args.join(' ')} failed: ${result.stderr}${result.stdout}`)
    return result.stdout.trim()
  }

  async apply(...objects: object[]): Promise<string> {
    const list = { apiVersion: 'v1', kind: 'List', items: objects }
    const result = await this.run('kubectl', ['apply', '-f', '-'], { input: JSON.stringify(list) })
    if (result.code !== 0) throw new Error(`kubectl apply failed: ${result.stderr}`)
    return result.stdout.trim()
  }

  async json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.kubectl(...args, '-o', 'json')) as T
  }

  /** A child that runs on; ended with the sandbox. `seen` resolves when its output holds `text`. */
  start(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): { child: ChildProcess; output(): string; seen(text: string | RegExp, timeoutMs?: number): Promise<string> } {
    const child = spawn(command, [...args], { env: { ...this.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] })
    this.#children.add(child)
    child.once('close', () => this.#children.delete(child))
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => void (text += chunk.toString()))
    return {
      child, output: () => text,
      seen: (wanted, timeoutMs = 30_000) => eventually(`output with ${String(wanted)}`, () => {
        if (!(typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text))) throw new Error(`the output is ${JSON.stringify(text.slice(-2000))}`)
        return text
      }, timeoutMs),
    }
  }

  async end(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL')
    await this.run(join(root, 'k8ts'), ['down', '--all'], { timeoutMs: 120_000 })
    rmSync(this.home, { recursive: true, force: true })
  }
}

/** Tries until `attempt` answers without throwing; rejects with its last error after `timeoutMs`. */
export async function eventually<T>(what: string, attempt: () => T | Promise<T>, timeoutMs = 30_000): Promise<T> {
  const untilMs = performance.now() + timeoutMs
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (performance.now() > untilMs) throw new Error(`no ${what} within ${timeoutMs / 1000} s`, { cause: error })
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}
