import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { request } from 'node:https'
import { loadKubeconfig } from '../src/client/kubeconfig.ts'
import type { Runtime } from '../src/runtime/runtime.ts'

/** An API server and the right to use it. */
export interface Endpoint {
  /** What it is called in the table. */
  name: string
  url: URL
  /** PEM. */
  ca?: string
  certificate?: string
  key?: string
  token?: string
  insecure: boolean
  /** The file that the rest came from, for processes that need their own connections. */
  kubeconfig: string
  /** Of the server, where we started it. */
  pid?: number
}

async function pem(data: string | undefined, file: string | undefined): Promise<string | undefined> {
  if (data !== undefined) return Buffer.from(data, 'base64').toString()
  return file === undefined ? undefined : readFile(file, 'utf8')
}

/** The endpoint of a kubeconfig's current context; `url` replaces its server. */
export async function endpointFromKubeconfig(name: string, path: string, url?: string): Promise<Endpoint> {
  const config = await loadKubeconfig(path)
  const context = config.contexts.find((each) => each.name === config['current-context'])?.context
  if (context === undefined) throw new Error(`the kubeconfig ${path} has no current context`)
  const cluster = config.clusters.find((each) => each.name === context.cluster)?.cluster
  const user = config.users.find((each) => each.name === context.user)?.user ?? {}
  if (cluster === undefined) throw new Error(`the kubeconfig ${path} has no cluster ${context.cluster}`)
  const [ca, certificate, key] = await Promise.all([
    pem(cluster['certificate-authority-data'], cluster['certificate-authority']),
    pem(user['client-certificate-data'], user['client-certificate']),
    pem(user['client-key-data'], user['client-key']),
  ])
  const token = user.token ?? (user.tokenFile === undefined ? undefined : (await readFile(user.tokenFile, 'utf8')).trim())
  return { name, url: new URL(url ?? cluster.server), ca, certificate, key, token, insecure: cluster['insecure-skip-tls-verify'] === true, kubeconfig: path }
}

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** True once `/readyz` answers 200. Asks as nobody, trusting any certificate: the server may just be making its own. */
function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request({ host: '127.0.0.1', port, path: '/readyz', rejectUnauthorized: false, agent: false, timeout: 2000 }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    asked.on('error', () => resolve(false))
    asked.on('timeout', () => asked.destroy())
    asked.end()
  })
}

/** A control plane that we started, in a temporary folder unless one is given. */
export interface OwnControlPlane extends AsyncDisposable { readonly endpoint: Endpoint; /** From starting the launcher until `/readyz` answered 200. */ readonly startMs: number }

export interface StartOptions { runtime: Runtime; name: string; launcher: string; dataDirectory?: string; flags?: readonly string[]; nodeOptions?: string }

const readyWithinMs = 60_000
/** A /24 a node: wide enough for the hollow nodes. */
const podRange = '10.128.0.0/13'
const stopWithinMs = 15_000

/** Runs `k8ts server` as a process of its own and waits until it is ready. Disposing ends it and removes its folder. */
export async function startControlPlane(options: StartOptions): Promise<OwnControlPlane> {
  const { runtime, name, launcher, flags = [] } = options
  const { clock } = runtime
  const directory = options.dataDirectory ?? await mkdtemp(join(tmpdir(), 'k8ts-bench-'))
  const port = await freePort()
  const kubeconfig = join(directory, 'bench.kubeconfig')
  const env = options.nodeOptions === undefined ? process.env : { ...process.env, NODE_OPTIONS: options.nodeOptions }
  const beganMs = clock.monotonicMs()
  const child = runtime.processes.start(launcher, ['server', '--data-dir', directory, '--secure-port', String(port), '--kubeconfig', kubeconfig, '--cluster-cidr', podRange, ...flags], { stdio: ['ignore', 'ignore', 'pipe'], env })
  let output = ''
  child.stderr!.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4000)))
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', (error) => {
      output += error.message
      resolve()
    })
  })
  let over = false
  void exited.then(() => (over = true))
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    const timer = clock.timer(stopWithinMs, () => child.kill('SIGKILL'))
    await exited
    timer[Symbol.dispose]()
    if (options.dataDirectory === undefined) await rm(directory, { recursive: true, force: true })
  }
  try {
    while (!(await isReady(port))) {
      if (over) throw new Error(`${launcher} server ended before it was ready; it said:\n${output}`)
      if (clock.monotonicMs() - beganMs > readyWithinMs) throw new Error(`${launcher} server was not ready after ${readyWithinMs / 1000} s; it said:\n${output}`)
      await clock.sleep(5)
    }
    const startMs = clock.monotonicMs() - beganMs
    const endpoint = { ...await endpointFromKubeconfig(name, kubeconfig), pid: child.pid }
    return { endpoint, startMs, [Symbol.asyncDispose]: stop }
  } catch (error) {
    await stop()
    throw error
  }
}
