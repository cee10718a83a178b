import type { Runtime } from '../runtime/runtime.ts'
import type { ServiceRules } from './service-rules.ts'

type Rules = ReadonlyMap<string, ServiceRules>

/** Where UDP comes in, as `address:port`, and the addresses of the endpoints it may be with. */
export type UdpFrontends = ReadonlyMap<string, ReadonlySet<string>>

/**
 * The frontends of UDP ports that differ between the two sets of rules. One that is gone may be with no endpoint.
 * UDP has no end of a connection: without a look at them, flows would stay with an endpoint that is gone, or with the refusal
 * from the time before there was one.
 */
export function changedFrontends(old: Rules, now: Rules, nodeIPs: readonly string[]): UdpFrontends {
  const frontends = new Map<string, Set<string>>()
  const add = (service: ServiceRules, endpoints: readonly { ip: string }[]): void => {
    const inner = [service.clusterIP, ...service.externalIPs, ...service.loadBalancerIPs].map((ip) => `${ip}:${service.port}`)
    const outer = service.nodePort === undefined ? [] : nodeIPs.map((ip) => `${ip}:${service.nodePort}`)
    for (const frontend of [...inner, ...outer]) {
      const known = frontends.get(frontend) ?? new Set()
      for (const { ip } of endpoints) known.add(ip)
      frontends.set(frontend, known)
    }
  }
  for (const [key, before] of old) if (before.protocol === 'UDP' && now.get(key) !== before) add(before, [])
  for (const [key, after] of now) if (after.protocol === 'UDP' && old.get(key) !== after) add(after, [...after.clusterEndpoints, ...after.localEndpoints])
  return frontends
}

/** A flow as `conntrack -L` prints it: where it was sent, and who it was handed to. */
interface Flow { from: string; fromPort: string; to: string; toPort: string; endpoint: string }

/** `udp 17 29 src=… dst=… sport=… dport=… [UNREPLIED] src=… dst=… sport=… dport=… …`: the second half is the way back. */
const flowLine = /src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+).*? src=(\S+) dst=/

function parseFlow(line: string): Flow | undefined {
  const [, from, to, fromPort, toPort, endpoint] = flowLine.exec(line) ?? []
  return from === undefined || to === undefined || fromPort === undefined || toPort === undefined || endpoint === undefined ? undefined : { from, fromPort, to, toPort, endpoint }
}

/** The flows among those listed that are with an endpoint their frontend no longer has, as arguments of `conntrack -D`. */
export function staleFlows(listed: string, frontends: UdpFrontends): string[][] {
  return listed.split('\n').map(parseFlow).filter((flow) => flow !== undefined).filter((flow) => frontends.get(`${flow.to}:${flow.toPort}`)?.has(flow.endpoint) === false)
    .map(({ from, fromPort, to, toPort }) => ['-p', 'udp', '--orig-src', from, '--orig-dst', to, '--sport', fromPort, '--dport', toPort])
}

/** Makes the kernel forget the UDP flows that a change of rules has made stale. A failure is logged: the rules themselves stand. */
export async function forgetStaleFlows(runtime: Runtime, old: Rules, now: Rules, nodeIPs: readonly string[]): Promise<void> {
  const frontends = changedFrontends(old, now, nodeIPs)
  if (frontends.size === 0) return
  const { run } = runtime.processes
  try {
    const listed = await run('conntrack', ['-L', '-p', 'udp'])
    // A flow may have ended by itself in between: that there was none to delete is no failure.
    for (const args of staleFlows(listed.stdout, frontends)) await run('conntrack', ['-D', ...args], { allowFailure: true })
  } catch (error) {
    runtime.log.warn('cannot make the kernel forget UDP flows; clients of a removed pod may keep sending to it', { err: error })
  }
}
