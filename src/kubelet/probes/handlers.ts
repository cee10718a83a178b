import { Client, credentials, Metadata, status as grpcStatus } from '@grpc/grpc-js'
import { connect } from 'node:net'
import type { Container, ExecAction, GRPCAction, HTTPGetAction, Probe, TCPSocketAction } from '../../api/types/core_v1.ts'
import type { Clock } from '../../runtime/clock.ts'
import { RuntimeError, type ContainerRuntime } from '../container-runtime.ts'
import { codecFor } from '../cri/codec.ts'
import { dialErrorText } from '../go-text.ts'
import { httpGet } from './http.ts'

export type ProbeResult = { outcome: 'success' | 'failure' | 'warning'; output: string }
export interface ProbeTarget { container: Container; containerId: string; podIP: string; nodeIP: string }

/** A port by number or by the container's name for it. */
export function portNumber(port: string | number, container: Container): number {
  const number = typeof port === 'number' ? port : /^\d+$/.test(port) ? Number(port) : container.ports?.find(({ name }) => name === port)?.containerPort
  if (number === undefined || number < 1 || number > 65_535) throw new Error(typeof port === 'number' ? `invalid port number: ${port}` : `port with name ${port} not found`)
  return number
}

const bracketed = (host: string): string => (host.includes(':') && !host.startsWith('[') ? `[${host}]` : host)

/** The URL and headers of an httpGet action. */
export function httpTarget(action: HTTPGetAction, target: ProbeTarget): { url: URL; headers: Record<string, string> } {
  const scheme = (action.scheme ?? 'HTTP').toLowerCase()
  const host = bracketed(action.host !== undefined && action.host !== '' ? action.host : target.podIP)
  const path = action.path ?? '/'
  const url = new URL(`${scheme}://${host}:${portNumber(action.port, target.container)}${path.startsWith('/') ? path : `/${path}`}`)
  const headers: Record<string, string> = { 'user-agent': 'kube-probe/1.36', accept: '*/*' }
  for (const { name, value } of action.httpHeaders ?? []) {
    if (value === '' && ['user-agent', 'accept'].includes(name.toLowerCase())) delete headers[name.toLowerCase()]
    else headers[name.toLowerCase()] = value
  }
  return { url, headers }
}

const maxRedirects = 10

async function probeHttp(action: HTTPGetAction, target: ProbeTarget, timeoutMs: number, clock: Clock): Promise<ProbeResult> {
  const { url, headers } = httpTarget(action, target)
  let current = url
  for (let redirects = 0; ; redirects++) {
    let answer
    try {
      answer = await httpGet(current, headers, timeoutMs, clock)
    } catch (error) {
      return { outcome: 'failure', output: (error as Error).message }
    }
    if (answer.status >= 300 && answer.status < 400 && answer.location !== undefined) {
      const next = new URL(answer.location, current)
      if (next.hostname !== url.hostname) return { outcome: 'warning', output: `Probe terminated redirects, Response body: ${answer.body}` }
      if (redirects === maxRedirects) return { outcome: 'failure', output: `Get "${next.href}": stopped after 10 redirects` }
      current = next
      continue
    }
    if (answer.status >= 200 && answer.status < 400) return { outcome: 'success', output: answer.body }
    return { outcome: 'failure', output: `HTTP probe failed with statuscode: ${answer.status}` }
  }
}

function probeTcp(action: TCPSocketAction, target: ProbeTarget, timeoutMs: number, clock: Clock): Promise<ProbeResult> {
  const host = action.host !== undefined && action.host !== '' ? action.host : target.podIP
  const port = portNumber(action.port, target.container)
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    const finish = (result: ProbeResult): void => {
      limit[Symbol.dispose]()
      socket.destroy()
      resolve(result)
    }
    const failure = (why: string): ProbeResult => ({ outcome: 'failure', output: `dial tcp ${bracketed(host)}:${port}: ${why}` })
    const limit = clock.timer(timeoutMs, () => finish(failure('i/o timeout')))
    socket.once('connect', () => finish({ outcome: 'success', output: '' }))
    socket.once('error', (error: NodeJS.ErrnoException) => finish(failure(dialErrorText(error))))
  })
}

async function probeExec(action: ExecAction, target: ProbeTarget, timeoutSeconds: number, containers: ContainerRuntime): Promise<ProbeResult> {
  const command = action.command ?? []
  try {
    const { stdout, stderr, exitCode } = await containers.execSync(target.containerId, command, timeoutSeconds)
    const output = Buffer.concat([stdout, stderr]).subarray(0, 10 * 1024).toString('utf8')
    return { outcome: exitCode === 0 ? 'success' : 'failure', output }
  } catch (error) {
    if (error instanceof RuntimeError && error.code === 'DeadlineExceeded') return { outcome: 'failure', output: `command timed out: ${error.message}` }
    if (error instanceof RuntimeError && /command .* timed out/.test(error.description)) return { outcome: 'failure', output: `command "${command.join(' ')}" timed out` }
    throw error
  }
}

/** The gRPC health protocol v1. */
const health = codecFor({ HealthCheckRequest: { service: '1 string' }, HealthCheckResponse: { status: '1 ServingStatus' } } as const, { ServingStatus: ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] } as const)

function probeGrpc(action: GRPCAction, target: ProbeTarget, timeoutMs: number, clock: Clock): Promise<ProbeResult> {
  const address = `${bracketed(target.podIP)}:${action.port}`
  const client = new Client(address, credentials.createInsecure(), { 'grpc.primary_user_agent': 'kube-probe/1.36' })
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      '/grpc.health.v1.Health/Check', (value: { service: string }) => health.encode('HealthCheckRequest', value), (bytes: Buffer) => health.decode('HealthCheckResponse', bytes),
      { service: action.service ?? '' }, new Metadata(), { deadline: clock.now() + timeoutMs },
      (error, answer) => {
        client.close()
        if (error?.code === grpcStatus.UNIMPLEMENTED) resolve({ outcome: 'failure', output: `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${error.details}` })
        else if (error?.code === grpcStatus.DEADLINE_EXCEEDED) resolve({ outcome: 'failure', output: `timeout: health rpc did not complete within ${timeoutMs / 1000}s` })
        else if (error?.code === grpcStatus.UNAVAILABLE) resolve({ outcome: 'failure', output: `timeout: failed to connect service "${address}" within ${timeoutMs / 1000}s: ${error.details}` })
        else if (error !== null) resolve({ outcome: 'failure', output: `error: health rpc probe failed: ${error.details}` })
        else if (answer?.status === 'SERVING') resolve({ outcome: 'success', output: 'service healthy' })
        else resolve({ outcome: 'failure', output: `service unhealthy (responded with "${answer?.status ?? 'UNKNOWN'}")` })
      },
    )
  })
}

/** Runs a probe once. Rejects when it could not be run, which says nothing about the container. */
export async function runProbe(probe: Probe, target: ProbeTarget, containers: ContainerRuntime, clock: Clock): Promise<ProbeResult> {
  const timeoutSeconds = probe.timeoutSeconds ?? 1
  if (probe.exec !== undefined) return probeExec(probe.exec, target, timeoutSeconds, containers)
  if (probe.httpGet !== undefined) return probeHttp(probe.httpGet, target, timeoutSeconds * 1000, clock)
  if (probe.tcpSocket !== undefined) return probeTcp(probe.tcpSocket, target, timeoutSeconds * 1000, clock)
  if (probe.grpc !== undefined) return probeGrpc(probe.grpc, target, timeoutSeconds * 1000, clock)
  throw new Error(`missing probe handler for container ${target.container.name}`)
}
