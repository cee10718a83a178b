/**
 * Measures the API server over HTTPS with the load generator in a process of its own:
 *
 *     node src/apiserver/apiserver.bench.ts [--store memory|lmdb] [--seconds N] [--full]
 *
 * Prints requests a second for GET, ConfigMap creation and merge patches, watch events a second to 100 watchers, and the
 * time to list 5,000 pods.
 */
import { once } from 'node:events'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { jsonLogger } from '../runtime/log.ts'
import { systemRuntime } from '../runtime/runtime.ts'
import type { Store } from '../store/store.ts'
import type { ApiServer } from './server.ts'

const runtime = systemRuntime(jsonLogger('warn'))
const { values: args } = parseArgs({ options: { store: { type: 'string', default: 'lmdb' }, seconds: { type: 'string', default: '3' }, serve: { type: 'boolean', default: false }, only: { type: 'string', default: '' }, full: { type: 'boolean', default: false } } })
const seconds = Number(args.seconds)
const token = 'bench-token'

async function serve(): Promise<void> {
  const { startTestServer } = await import('./testing/server.ts')
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-bench-'))
  const { openLmdbStore } = await import('../store/lmdb.ts')
  const { memoryStore } = await import('../store/memory.ts')
  const store = args.store === 'memory' ? memoryStore(runtime) : await openLmdbStore({ path: directory, runtime })
  const server = args.full ? await startFullServer(store) : await startTestServer(runtime, store)
  process.stdout.write(`${server.url}\n`)
  process.on('message', () => process.send!(process.memoryUsage.rss()))
  await once(process, 'SIGTERM')
  await server[Symbol.asyncDispose]()
  await store[Symbol.asyncDispose]()
  rmSync(directory, { recursive: true, force: true })
  process.exit(0)
}

/** With RBAC, admission and all else that a cluster's server has; the load comes as a member of system:masters. */
async function startFullServer(store: Store): Promise<ApiServer> {
  const { composeApiServer } = await import('./compose.ts')
  const { loopbackCertificate } = await import('./testing/certificate.ts')
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256', privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' } })
  const server = await composeApiServer({
    runtime, store, listen: [{ host: '127.0.0.1', port: 0 }], serving: await loopbackCertificate(runtime.clock.now()), serviceAccounts: { signingKeyPem: privateKey }, serviceCidr: '10.96.0.0/16',
    authentication: { staticTokens: [{ token, username: 'bench', groups: ['system:masters'] }] },
  })
  await server.ready()
  for (const namespace of ['default', 'watched', 'listed']) {
    await server.core.registry.create(server.core.resource('namespaces'), '', { metadata: { name: namespace } }, { user: { username: 'bench', groups: [] } }).catch(() => undefined)
    await server.core.registry.create(server.core.resource('serviceaccounts'), namespace, { metadata: { name: 'default' } }, { user: { username: 'bench', groups: [] } })
  }
  return server
}

/** One keep-alive HTTP/1.1 connection; requests one after the other. Answers must have a content length. */
class Connection {
  readonly #socket: TLSSocket
  #buffer: Buffer[] = []
  #sizeBytes = 0
  #wanted = -1
  #resolve: ((result: { status: number; sizeBytes: number }) => void) | undefined
  #status = 0

  constructor(socket: TLSSocket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
  }

  static async open(url: URL): Promise<Connection> {
    const socket = connect({ host: url.hostname, port: Number(url.port), rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
    socket.setNoDelay(true)
    await once(socket, 'secureConnect')
    return new Connection(socket)
  }

  request(method: string, path: string, body = '', contentType = 'application/json'): Promise<{ status: number; sizeBytes: number }> {
    const head = `${method} ${path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer ${token}\r\n${body === '' ? '' : `content-type: ${contentType}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`}\r\n${body}`
    this.#socket.write(head)
    return new Promise((resolve) => (this.#resolve = resolve))
  }

  close(): void {
    this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    this.#buffer.push(chunk)
    this.#sizeBytes += chunk.length
    if (this.#wanted < 0) {
      const all = this.#buffer.length === 1 ? chunk : Buffer.concat(this.#buffer)
      this.#buffer = [all]
      const end = all.indexOf('\r\n\r\n')
      if (end < 0) return
      const head = all.toString('latin1', 0, end)
      this.#status = Number(head.slice(9, 12))
      this.#wanted = end + 4 + Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
    }
    if (this.#sizeBytes < this.#wanted) return
    const resolve = this.#resolve!
    const sizeBytes = this.#sizeBytes
    this.#buffer = []
    this.#sizeBytes = 0
    this.#wanted = -1
    resolve({ status: this.#status, sizeBytes })
  }
}

/** Runs `work` with `parallel` workers for the measured time; answers how often a second it came round. */
async function perSecond(parallel: number, work: (worker: number, round: number) => Promise<void>): Promise<number> {
  const startMs = runtime.clock.monotonicMs()
  const endMs = startMs + seconds * 1000
  let count = 0
  await Promise.all(Array.from({ length: parallel }, async (_, worker) => {
    for (let round = 0; runtime.clock.monotonicMs() < endMs; round++) {
      await work(worker, round)
      count++
    }
  }))
  return count / ((runtime.clock.monotonicMs() - startMs) / 1000)
}

function expectStatus(status: number, wanted: number): void {
  if (status !== wanted) throw new Error(`expected status ${wanted}, got ${status}`)
}

function http2Request(session: ClientHttp2Session, method: string, path: string, body = ''): Promise<number> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':method': method, ':path': path, authorization: `Bearer ${token}`, ...(body === '' ? {} : { 'content-type': 'application/json' }) }, { endStream: body === '' })
    let status = 0
    stream.on('response', (headers) => (status = Number(headers[':status'])))
    stream.on('error', reject)
    stream.on('end', () => resolve(status))
    stream.resume()
    if (body !== '') stream.end(body)
  })
}

const configMaps = '/api/v1/namespaces/default/configmaps'
const configMap = (name: string): string => JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { key: 'value', more: 'x'.repeat(200) } })
const parallel = 64

function report(name: string, value: number, unit: string, original: number): void {
  const ratio = unit === 'ms' ? original / value : value / original
  process.stdout.write(`${name.padEnd(36)} ${value.toFixed(unit === 'ms' ? 1 : 0).padStart(9)} ${unit.padEnd(4)}  original ${original}  x${ratio.toFixed(1)}\n`)
}

async function measureHttp1(url: URL): Promise<void> {
  const connections = await Promise.all(Array.from({ length: parallel }, () => Connection.open(url)))
  await connections[0]!.request('POST', '/api/v1/namespaces', JSON.stringify({ metadata: { name: 'default' } }))
  await connections[0]!.request('POST', configMaps, configMap('one'))
  report('GET (HTTP/1.1)', await perSecond(parallel, async (worker) => expectStatus((await connections[worker]!.request('GET', `${configMaps}/one`)).status, 200)), '/s', 4300)
  report('create ConfigMap (HTTP/1.1)', await perSecond(parallel, async (worker, round) => expectStatus((await connections[worker]!.request('POST', configMaps, configMap(`a-${worker}-${round}`))).status, 201)), '/s', 2200)
  for (let worker = 0; worker < parallel; worker++) await connections[0]!.request('POST', configMaps, configMap(`patched-${worker}`))
  report('merge patch (HTTP/1.1)', await perSecond(parallel, async (worker, round) =>
    expectStatus((await connections[worker]!.request('PATCH', `${configMaps}/patched-${worker}`, JSON.stringify({ data: { key: String(round) } }), 'application/merge-patch+json')).status, 200)), '/s', 1800)
  for (const connection of connections) connection.close()
}

async function measureHttp2(url: URL): Promise<void> {
  const sessions = await Promise.all(Array.from({ length: 4 }, async () => {
    const session = connectHttp2(url, { rejectUnauthorized: false })
    await once(session, 'connect')
    return session
  }))
  const sessionOf = (worker: number): ClientHttp2Session => sessions[worker % sessions.length]!
  await http2Request(sessions[0]!, 'POST', configMaps, configMap('two'))
  report('GET (HTTP/2)', await perSecond(parallel, async (worker) => expectStatus(await http2Request(sessionOf(worker), 'GET', `${configMaps}/two`), 200)), '/s', 4300)
  report('create ConfigMap (HTTP/2)', await perSecond(parallel, async (worker, round) => expectStatus(await http2Request(sessionOf(worker), 'POST', configMaps, configMap(`b-${worker}-${round}`)), 201)), '/s', 2200)
  for (const session of sessions) session.close()
}

/** 100 watchers of one namespace while ConfigMaps are created: events delivered a second. */
async function measureWatch(url: URL): Promise<void> {
  const watchers = 100
  const path = '/api/v1/namespaces/watched/configmaps'
  let delivered = 0
  const sockets = await Promise.all(Array.from({ length: watchers }, async () => {
    const socket = connect({ host: url.hostname, port: Number(url.port), rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
    await once(socket, 'secureConnect')
    socket.write(`GET ${path}?watch=true&resourceVersion=0 HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer ${token}\r\n\r\n`)
    await once(socket, 'data')
    // Each event is one line of JSON; a record may hold many.
    socket.on('data', (chunk: Buffer) => {
      for (let at = chunk.indexOf('{"type"'); at >= 0; at = chunk.indexOf('{"type"', at + 7)) delivered++
    })
    return socket
  }))
  const connections = await Promise.all(Array.from({ length: 32 }, () => Connection.open(url)))
  const startMs = runtime.clock.monotonicMs()
  let created = 0
  await perSecond(connections.length, async (worker, round) => {
    expectStatus((await connections[worker]!.request('POST', path, configMap(`w-${worker}-${round}`))).status, 201)
    created++
  })
  while (delivered < created * watchers * 0.99 && runtime.clock.monotonicMs() - startMs < 60_000) await runtime.clock.sleep(10)
  report(`watch events to ${watchers} watchers`, delivered / ((runtime.clock.monotonicMs() - startMs) / 1000), '/s', 89_000)
  for (const socket of sockets) socket.destroy()
  for (const connection of connections) connection.close()
}

/** A pod of about 2.4 kB, as one of a Deployment is once it runs. */
function pod(at: number): string {
  const env = Array.from({ length: 12 }, (_, i) => ({ name: `VARIABLE_${i}`, value: `some-longer-value-of-a-variable-${i}-${at}` }))
  return JSON.stringify({
    apiVersion: 'v1', kind: 'Pod', metadata: { name: `web-${at}`, labels: { app: 'web', 'pod-template-hash': '5d9c6f' }, annotations: { note: 'x'.repeat(120) } },
    spec: {
      nodeName: `node-${at % 500}`,
      containers: [{ name: 'web', image: 'registry.example.com/web:1.2.3', env, ports: [{ containerPort: 8080 }], resources: { requests: { cpu: '100m', memory: '64Mi' } } }],
    },
  })
}

async function measureList(url: URL): Promise<void> {
  const path = '/api/v1/namespaces/listed/pods'
  const connections = await Promise.all(Array.from({ length: 32 }, () => Connection.open(url)))
  const startMs = runtime.clock.monotonicMs()
  let next = 0
  await Promise.all(connections.map(async (connection) => {
    for (let at = next++; at < 5000; at = next++) expectStatus((await connection.request('POST', path, pod(at))).status, 201)
  }))
  report('create Pod (HTTP/1.1)', 5000 / ((runtime.clock.monotonicMs() - startMs) / 1000), '/s', 1200)
  const times: number[] = []
  let sizeBytes = 0
  for (let round = 0; round < 15; round++) {
    const fromMs = runtime.clock.monotonicMs()
    const answer = await connections[0]!.request('GET', path)
    expectStatus(answer.status, 200)
    sizeBytes = answer.sizeBytes
    times.push(runtime.clock.monotonicMs() - fromMs)
  }
  times.sort((a, b) => a - b)
  report(`list 5,000 pods (${(sizeBytes / 1e6).toFixed(1)} MB), median`, times[7]!, 'ms', 165)
  const fields = '?fieldSelector=spec.nodeName%3Dnode-7'
  const fromMs = runtime.clock.monotonicMs()
  await connections[0]!.request('GET', path + fields)
  process.stdout.write(`list of one node's pods                ${(runtime.clock.monotonicMs() - fromMs).toFixed(1)} ms\n`)
  for (const connection of connections) connection.close()
}

async function main(): Promise<void> {
  const child = runtime.processes.start(process.execPath, [fileURLToPath(import.meta.url), '--serve', '--store', args.store, ...(args.full ? ['--full'] : [])], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  try {
    const [line] = (await once(child.stdout!, 'data')) as [Buffer]
    const url = new URL(line.toString().trim())
    const rss = async (): Promise<string> => {
      child.send('rss')
      const [bytes] = (await once(child, 'message')) as [number]
      return `${(bytes / (1 << 20)).toFixed(0)} MB`
    }
    process.stdout.write(`store ${args.store}; server resident ${await rss()} at start\n`)
    const parts = { http1: measureHttp1, http2: measureHttp2, watch: measureWatch, list: measureList }
    for (const [name, measure] of Object.entries(parts)) if (args.only === '' || args.only === name) await measure(url)
    process.stdout.write(`server resident ${await rss()} at the end\n`)
  } finally {
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
}

await (args.serve ? serve() : main())
