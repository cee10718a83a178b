import { access } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Client } from '../../client/client.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { ContainerRuntime } from '../container-runtime.ts'
import { readLog } from '../logs/read.ts'
import type { Machine } from '../node/machine.ts'
import { kubeletVersion } from '../node/node-status.ts'
import type { PodManager } from '../pod-manager.ts'
import { findContainer, type BoundPod } from '../pods.ts'
import { activeSandbox, newestContainer, type ObservedContainer, type RuntimePods } from '../runtime-pods.ts'
import { createAccessControl, type AccessControl } from './access.ts'
import { containerForLog, HttpError, logQuery } from './container-logs.ts'
import { createNodeStats, type NodeStats } from './stats.ts'
import { proxyUpgrade } from './upgrade-proxy.ts'

/** Where and with what the node's server listens. Certificates are PEM texts. */
export interface KubeletServerOptions {
  address: string
  /** 10250 for a kubelet; 0 takes a free one. */
  port: number
  certificate: string
  key: string
  /** Who signs the client certificates that are believed. */
  clientCA: string
  /** Replaces the API server's judgement of requests. */
  access?: AccessControl
}

export interface KubeletServer extends AsyncDisposable { readonly port: number }

export interface KubeletServerParts { nodeName: string; client: Client; runtime: Runtime; containers: ContainerRuntime; manager: PodManager; observed: RuntimePods; machine: Machine }

interface Call { request: IncomingMessage; path: string; query: URLSearchParams; signal: AbortSignal }
interface Answer { status?: number; type?: string; body: string | Buffer | AsyncIterable<Buffer> }

const json = (value: unknown): Answer => ({ type: 'application/json', body: JSON.stringify(value) })
const plain = (body: string): Answer => ({ type: 'text/plain; charset=utf-8', body })
const prometheus = 'text/plain; version=0.0.4; charset=utf-8'

function truth(query: URLSearchParams, name: string): boolean {
  return ['1', 'true'].includes(query.get(name) ?? '')
}

/** What the server knows how to answer. Paths are those of upstream's `pkg/kubelet/server/server.go`. */
class Routes {
  private readonly parts: KubeletServerParts
  private readonly stats: NodeStats
  constructor(parts: KubeletServerParts) {
    this.parts = parts
    this.stats = createNodeStats(parts.nodeName, parts.containers, () => parts.observed.all(), parts.runtime.clock)
  }

  async answer(call: Call): Promise<Answer> {
    const [first = '', ...rest] = call.path.split('/').slice(1).map(decodeURIComponent)
    switch (first) {
      case 'healthz': return plain('ok')
      case 'pods': return json({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items: this.parts.manager.pods() })
      case 'containerLogs': return this.logs(call, rest)
      case 'run': return this.run(call, rest)
      case 'stats': return json(await this.stats.summary())
      case 'metrics': return { type: prometheus, body: rest[0] === 'resource' ? await this.stats.resourceMetrics() : await this.metrics() }
      case 'configz': return json({ kubeletconfig: { kind: 'KubeletConfiguration', apiVersion: 'kubelet.config.k8s.io/v1beta1', cgroupDriver: 'cgroupfs', serializeImagePulls: true, maxPods: 110 } })
      case 'exec':
      case 'attach':
      case 'portForward': throw new HttpError(400, 'unable to upgrade: missing upgrade headers in request\n')
      default: throw new HttpError(404, '404 page not found\n')
    }
  }

  /** The address of the runtime's streaming server for an upgrade request. */
  async streamUrl({ path, query }: Pick<Call, 'path' | 'query'>): Promise<URL> {
    const [first = '', ...rest] = path.split('/').slice(1).map(decodeURIComponent)
    const { containers } = this.parts
    const stream = { stdin: truth(query, 'input'), stdout: truth(query, 'output'), stderr: truth(query, 'error'), tty: truth(query, 'tty') }
    if (first === 'exec' || first === 'attach') {
      if (!stream.stdin && !stream.stdout && !stream.stderr) throw new HttpError(400, 'you must specify at least 1 of stdin, stdout, stderr\n')
      const { container } = this.container(rest)
      // With a terminal there is one output only.
      const options = stream.tty ? { ...stream, stderr: false } : stream
      return new URL(first === 'exec' ? await containers.exec(container.id, query.getAll('command'), options) : await containers.attach(container.id, options))
    }
    if (first === 'portForward') {
      const pod = this.pod(rest)
      const sandbox = activeSandbox(this.parts.observed.seen(pod.metadata.uid) ?? { uid: '', name: '', namespace: '', sandboxes: [], containers: [] })
      if (sandbox === undefined) throw new HttpError(400, `unable to do port forwarding: pod not found ("${pod.metadata.name}_${pod.metadata.namespace}")\n`)
      return new URL(await containers.portForward(sandbox.id, [...query.getAll('port'), ...query.getAll('ports')].map(Number)))
    }
    throw new HttpError(404, '404 page not found\n')
  }

  private pod([namespace = '', name = '', uid]: readonly string[], withUid = true): BoundPod {
    const pod = this.parts.manager.find(namespace, name)
    if (pod === undefined || (withUid && uid !== undefined && uid !== pod.metadata.uid)) throw new HttpError(404, 'pod does not exist')
    return pod
  }

  /** The running container at `namespace/pod[/uid]/container`. */
  private container(parts: readonly string[]): { pod: BoundPod; container: ObservedContainer } {
    const name = parts.at(-1) ?? ''
    const pod = this.pod(parts.length > 3 ? parts.slice(0, 3) : parts.slice(0, 2))
    const observed = this.parts.observed.seen(pod.metadata.uid)
    const container = observed === undefined ? undefined : newestContainer(observed, name)
    if (container === undefined) throw new HttpError(404, `container not found ("${name}")\n`)
    if (container.state !== 'running') throw new HttpError(findContainer(pod, name) === undefined ? 404 : 400, `container not found ("${name}")\n`)
    return { pod, container }
  }

  private async logs({ query, signal }: Call, parts: readonly string[]): Promise<Answer> {
    const [namespace = '', podName = '', name = ''] = parts
    if (podName === '' || name === '') throw new HttpError(400, '{"message": "Missing podID or container name."}')
    const { clock } = this.parts.runtime
    const options = logQuery(query, clock.now())
    const pod = this.parts.manager.find(namespace, podName)
    if (pod === undefined) throw new HttpError(404, `pod "${podName}" does not exist\n`)
    const { uid } = pod.metadata
    const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? []), ...(pod.status?.ephemeralContainerStatuses ?? [])]
    const { observed } = this.parts
    let { id, logPath } = containerForLog(pod, observed.seen(uid), statuses, name, options.previous)
    // A container that has ended twice since it was looked at is gone, and its log with it.
    if (!(await access(logPath).then(() => true, () => false))) ({ id, logPath } = containerForLog(pod, await observed.observe(uid, podName, namespace), statuses, name, options.previous))
    // Told as a failure, before the answer begins.
    await access(logPath)
    const running = (): boolean => observed.seen(uid)?.containers.some((container) => container.id === id && container.state === 'running') === true
    return { type: 'text/plain', body: readLog(logPath, options, clock, running, signal) }
  }

  private async run({ query }: Call, parts: readonly string[]): Promise<Answer> {
    const { container } = this.container(parts)
    const command = (query.get('cmd') ?? '').split(' ').filter((word) => word !== '')
    if (command.length === 0) throw new HttpError(400, 'cmd is required\n')
    const { stdout, stderr } = await this.parts.containers.execSync(container.id, command, 0)
    return { type: 'text/plain', body: Buffer.concat([stdout, stderr]) }
  }

  private async metrics(): Promise<string> {
    const { Registry, Gauge, collectDefaultMetrics } = await import('prom-client')
    const registry = new Registry()
    collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 1000 })
    const pods = this.parts.observed.all()
    const gauge = (name: string, help: string, labels: Record<string, string>, value: number): void => new Gauge({ name, help, labelNames: Object.keys(labels), registers: [registry] }).set(labels, value)
    gauge('kubelet_node_name', "The node's name. The count is always 1.", { node: this.parts.nodeName }, 1)
    gauge('kubernetes_build_info', 'A metric with a constant 1 value labeled by version', { git_version: kubeletVersion, platform: `linux/${this.parts.machine.architecture}` }, 1)
    gauge('kubelet_running_pods', 'Number of pods that have a running pod sandbox', {}, pods.filter((pod) => pod.sandboxes.some(({ ready }) => ready)).length)
    const states = new Gauge({ name: 'kubelet_running_containers', help: 'Number of containers currently running', labelNames: ['container_state'], registers: [registry] })
    for (const container of pods.flatMap((pod) => pod.containers)) states.inc({ container_state: container.state })
    return registry.metrics()
  }
}

async function send(response: ServerResponse, { status = 200, type, body }: Answer): Promise<void> {
  if (typeof body === 'string' || Buffer.isBuffer(body)) {
    response.writeHead(status, { 'content-length': Buffer.byteLength(body), ...(type === undefined ? {} : { 'content-type': type }) })
    response.end(body)
    return
  }
  response.writeHead(status, type === undefined ? {} : { 'content-type': type })
  // A log that is quiet for now has begun all the same.
  response.flushHeaders()
  for await (const chunk of body) {
    if (response.write(chunk)) continue
    await new Promise<void>((resolve) => {
      response.once('drain', resolve)
      response.once('close', resolve)
    })
  }
  response.end()
}

function refuseUpgrade(socket: Duplex, status: number, message: string): void {
  socket.end(`HTTP/1.1 ${status} ${status === 404 ? 'Not Found' : status === 401 ? 'Unauthorized' : status === 403 ? 'Forbidden' : status === 400 ? 'Bad Request' : 'Internal Server Error'}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(message)}\r\nConnection: close\r\n\r\n${message}`)
}

/** Starts the node's HTTPS server. */
export async function startKubeletServer(options: KubeletServerOptions & KubeletServerParts): Promise<KubeletServer> {
  const { log } = options.runtime
  const control = options.access ?? createAccessControl(options.client, options.runtime.clock, options.nodeName)
  const routes = new Routes(options)
  const sockets = new Set<Duplex>()
  const failureOf = (error: unknown): { status: number; message: string } => {
    if (error instanceof HttpError) return { status: error.status, message: error.message }
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { status: 500, message: `failed to open log file: ${(error as Error).message}\n` }
    log.warn('a request to the kubelet failed', { err: error })
    return { status: 500, message: `${(error as Error).message}\n` }
  }
  const server = createServer({ cert: options.certificate, key: options.key, ca: options.clientCA, requestCert: true, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] }, (request, response) => {
    const ended = new AbortController()
    response.once('close', () => ended.abort(new Error('the client has gone')))
    const handle = async (): Promise<void> => {
      const url = new URL(request.url ?? '/', 'https://kubelet')
      const verdict = await control.check(request, url.pathname)
      if (!verdict.allowed) return send(response, { status: verdict.status, type: 'text/plain; charset=utf-8', body: verdict.message })
      await send(response, await routes.answer({ request, path: url.pathname, query: url.searchParams, signal: ended.signal }))
    }
    handle().catch((error: unknown) => {
      const { status, message } = failureOf(error)
      if (response.headersSent) response.destroy()
      else response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'content-length': Buffer.byteLength(message) }).end(message)
    })
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    const handle = async (): Promise<void> => {
      const url = new URL(request.url ?? '/', 'https://kubelet')
      const verdict = await control.check(request, url.pathname)
      if (!verdict.allowed) return refuseUpgrade(socket, verdict.status, verdict.message)
      await proxyUpgrade(request, socket, head, await routes.streamUrl({ path: url.pathname, query: url.searchParams }))
    }
    socket.on('error', (error) => log.debug('a stream of the kubelet broke', { err: error }))
    handle().catch((error: unknown) => {
      const { status, message } = failureOf(error)
      refuseUpgrade(socket, status, message)
    })
  })
  server.on('tlsClientError', (error) => log.debug('a TLS handshake with the kubelet failed', { err: error }))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.address, () => {
      server.removeListener('error', reject)
      resolve()
    })
  })
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
    },
  }
}
