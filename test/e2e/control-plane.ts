import { readFileSync, readdirSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { parse } from 'yaml'
import { testClient, type TestClient } from '../../src/apiserver/testing/http-client.ts'
import { Sandbox, eventually } from './support.ts'

const main = join(import.meta.dirname, '../../src/cli/main.ts')

/** `k8ts server` as a process of its own, with hollow nodes; state outlives `restart`. */
export class ControlPlane implements AsyncDisposable {
  readonly sandbox = new Sandbox()
  readonly url: string
  readonly #port: number
  readonly #hollow: number
  readonly #flags: readonly string[]
  #process: ReturnType<Sandbox['start']> | undefined
  #log = ''
  #client: TestClient | undefined

  private constructor(port: number, hollow: number, flags: readonly string[]) {
    this.#port = port
    this.#hollow = hollow
    this.#flags = flags
    this.url = `https://127.0.0.1:${port}`
  }

  /** `flags` go to the server as they are. */
  static async start({ hollow = 0, flags = [] }: { hollow?: number; flags?: readonly string[] } = {}): Promise<ControlPlane> {
    const plane = new ControlPlane(await freePort(), hollow, flags)
    await plane.#run()
    return plane
  }

  async #run(): Promise<void> {
    const { home } = this.sandbox
    const args = [main, 'server', '--data-dir', join(home, 'data'), '--secure-port', String(this.#port), '--kubeconfig', join(home, 'kubeconfig'), ...(this.#hollow > 0 ? ['--hollow', String(this.#hollow)] : []), ...this.#flags]
    this.#process = this.sandbox.start(process.execPath, args)
    await eventually('ready control plane', async () => {
      if (this.#process!.child.exitCode !== null) throw new Error(`the control plane ended: ${this.log()}`)
      const { ca, cert, key } = this.credentials()
      this.#client?.[Symbol.dispose]()
      this.#client = testClient(this.url, ca, { cert, key })
      if ((await this.#client.call('GET', '/readyz')).status !== 200) throw new Error('not ready')
      if ((await this.#client.call('GET', '/api/v1/namespaces/default/serviceaccounts/default')).status !== 200) throw new Error('no service account')
    })
  }

  /** As the cluster's administrator. */
  get client(): TestClient {
    return this.#client!
  }

  /** PEM of the server's authority and of the administrator's certificate. */
  credentials(): { ca: string; cert: string; key: string } {
    const config = parse(readFileSync(join(this.sandbox.home, 'kubeconfig'), 'utf8')) as { clusters: { cluster: Record<string, string> }[]; users: { user: Record<string, string> }[] }
    const pem = (text: string | undefined): string => Buffer.from(text ?? '', 'base64').toString()
    const { user } = config.users[0]!
    return { ca: pem(config.clusters[0]!.cluster['certificate-authority-data']), cert: pem(user['client-certificate-data']), key: pem(user['client-key-data']) }
  }

  /** Everything it has said since the start. */
  log(): string {
    return this.#log + (this.#process?.output() ?? '')
  }

  isAlive(): boolean {
    return this.#process !== undefined && this.#process.child.exitCode === null && this.#process.child.signalCode === null
  }

  /** Memory of its own; pages of the store's file are not counted. */
  residentMegabytes(): number {
    return Number(/^RssAnon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.#process!.child.pid}/status`, 'utf8'))![1]) / 1024
  }

  /** Open files, sockets and timers among them. */
  handleCount(): number {
    return readdirSync(`/proc/${this.#process!.child.pid}/fd`).length
  }

  async kill(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const running = this.#process!.child
    if (running.exitCode !== null || running.signalCode !== null) return
    const ended = new Promise((resolve) => running.once('close', resolve))
    running.kill(signal)
    await ended
  }

  async restart(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.kill(signal)
    this.#log += this.#process!.output()
    await this.#run()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client?.[Symbol.dispose]()
    await this.kill()
    await this.sandbox.end()
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
