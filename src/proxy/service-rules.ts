import { isIP } from 'node:net'
import type { Node, Service, ServicePort } from '../api/types/core_v1.ts'
import type { Endpoint, EndpointSlice } from '../api/types/discovery.k8s.io_v1.ts'
import { cidrHas, parseCidr, parseIp } from '../machinery/cidr.ts'

export type IpFamily = 'IPv4' | 'IPv6'
export type ServiceProtocol = 'TCP' | 'UDP' | 'SCTP'

/** A pod's address and port as traffic is sent there. */
export interface EndpointAddress { ip: string; port: number }

/**
 * What one port of a Service asks of the network of one node. Backends carry it out; nothing here knows how.
 * Values are never changed: an unchanged port keeps its very object, so that a backend can tell by identity.
 */
export interface ServiceRules {
  /** `namespace/name:port`, or `namespace/name` when the port has no name. */
  readonly portName: string
  readonly namespace: string
  readonly serviceName: string
  readonly protocol: ServiceProtocol
  readonly clusterIP: string
  readonly port: number
  readonly nodePort: number | undefined
  readonly externalIPs: readonly string[]
  /** Addresses of load balancers that hand packets on unchanged (`ipMode` VIP). */
  readonly loadBalancerIPs: readonly string[]
  /** Who may use the load balancer addresses; empty: everybody. */
  readonly loadBalancerSourceRanges: readonly string[]
  /** How long a client stays with its endpoint; undefined: not at all. */
  readonly affinitySeconds: number | undefined
  /** Traffic to the cluster IP stays on its node. */
  readonly internalLocal: boolean
  /** Traffic from outside stays on its node, and keeps its source address. */
  readonly externalLocal: boolean
  /** Where traffic goes that may leave the node. */
  readonly clusterEndpoints: readonly EndpointAddress[]
  /** Where traffic goes that must stay on the node; empty when no policy asks for it. */
  readonly localEndpoints: readonly EndpointAddress[]
  /** Whether there is an endpoint anywhere: without one connections are refused, not dropped. */
  readonly hasEndpoints: boolean
  /** The port on which the node tells load balancers how many endpoints it has. */
  readonly healthCheckNodePort: number | undefined
  /** Ready endpoints on this node, as the health check counts them. */
  readonly localReadyCount: number
}

/** What the rules depend on besides Service and EndpointSlices. */
export interface NodeView { name: string; zone: string | undefined; family: IpFamily }

export function nodeViewOf(name: string, family: IpFamily, node: Node | undefined): NodeView {
  return { name, family, zone: node?.metadata.labels?.['topology.kubernetes.io/zone'] }
}

/** The Service that a slice belongs to, as `namespace/name`. */
export function serviceKeyOf(slice: EndpointSlice): string | undefined {
  const name = slice.metadata.labels?.['kubernetes.io/service-name']
  return name === undefined || name === '' ? undefined : `${slice.metadata.namespace ?? ''}/${name}`
}

/** Whether `text` is an address of the family. Nothing else may get into a rule. */
export function isFamily(text: string, family: IpFamily): boolean {
  return isIP(text) === (family === 'IPv6' ? 6 : 4)
}

/** Whether `text` is a range of the family. */
export function isFamilyRange(text: string, family: IpFamily): boolean {
  return parseCidr(text)?.family === (family === 'IPv6' ? 6 : 4)
}

/** Whether the proxy has anything to do with a Service: not with headless ones, mere names, and those that another proxy serves. */
export function isProxied(service: Service): boolean {
  const { clusterIP, type } = service.spec ?? {}
  return type !== 'ExternalName' && clusterIP !== undefined && clusterIP !== '' && clusterIP !== 'None' && service.metadata.labels?.['service.kubernetes.io/service-proxy-name'] === undefined
}

interface Candidate extends EndpointAddress { ready: boolean; serving: boolean; terminating: boolean; local: boolean; zones: readonly string[]; nodes: readonly string[] }

function candidateOf(endpoint: Endpoint, ip: string, port: number, node: NodeView): Candidate {
  const { ready = true, terminating = false } = endpoint.conditions ?? {}
  return {
    ip, port, ready, terminating, serving: endpoint.conditions?.serving ?? ready, local: endpoint.nodeName === node.name,
    zones: endpoint.hints?.forZones?.map((zone) => zone.name) ?? [], nodes: endpoint.hints?.forNodes?.map((each) => each.name) ?? [],
  }
}

/** The endpoints of one port in all slices of a Service, each once, in the order of their addresses. */
function candidatesOf(slices: readonly EndpointSlice[], port: ServicePort, node: NodeView): Candidate[] {
  const found = new Map<string, Candidate>()
  for (const slice of slices) {
    if (slice.addressType !== node.family) continue
    const matching = (slice.ports ?? []).find((each) => (each.name ?? '') === (port.name ?? '') && (each.protocol ?? 'TCP') === (port.protocol ?? 'TCP'))
    if (matching?.port === undefined) continue
    for (const endpoint of slice.endpoints ?? []) {
      const ip = endpoint.addresses?.[0]
      if (ip === undefined || !isFamily(ip, node.family)) continue
      const candidate = candidateOf(endpoint, ip, matching.port, node)
      const text = `${ip}:${matching.port}`
      // While a pod moves from one slice to another it may stand in both: the better one counts.
      const known = found.get(text)
      if (known === undefined || (candidate.ready && !known.ready)) found.set(text, candidate)
    }
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, candidate]) => candidate)
}

/** Which ready endpoints hints leave (KEP-2433, KEP-3015): hints count only when every ready endpoint has them and one of them names this node or zone. */
function preferredByHints(ready: readonly Candidate[], node: NodeView): readonly Candidate[] {
  if (ready.length > 0 && ready.every((each) => each.nodes.length > 0)) {
    const onNode = ready.filter((each) => each.nodes.includes(node.name))
    if (onNode.length > 0) return onNode
  }
  const { zone } = node
  if (zone === undefined || !ready.every((each) => each.zones.length > 0)) return ready
  const inZone = ready.filter((each) => each.zones.includes(zone))
  return inZone.length > 0 ? inZone : ready
}

/** Ready ones, or else those that still serve while they end (KEP-1669). */
function usable(candidates: readonly Candidate[]): readonly Candidate[] {
  const ready = candidates.filter((each) => each.ready)
  return ready.length > 0 ? ready : candidates.filter((each) => each.serving && each.terminating)
}

const addressOf = ({ ip, port }: Candidate): EndpointAddress => ({ ip, port })

type EndpointChoice = Pick<ServiceRules, 'clusterEndpoints' | 'localEndpoints' | 'hasEndpoints' | 'localReadyCount'>

function chooseEndpoints(candidates: readonly Candidate[], node: NodeView, usesCluster: boolean, usesLocal: boolean): EndpointChoice {
  const ready = candidates.filter((each) => each.ready)
  const cluster = ready.length > 0 ? preferredByHints(ready, node) : usable(candidates)
  const local = usable(candidates.filter((each) => each.local))
  return {
    clusterEndpoints: usesCluster ? cluster.map(addressOf) : [], localEndpoints: usesLocal ? local.map(addressOf) : [],
    hasEndpoints: cluster.length > 0, localReadyCount: ready.filter((each) => each.local).length,
  }
}

function sourceRangesOf(service: Service, family: IpFamily): string[] {
  const annotation = service.metadata.annotations?.['service.beta.kubernetes.io/load-balancer-source-ranges']
  const ranges = service.spec?.loadBalancerSourceRanges ?? (annotation === undefined || annotation.trim() === '' ? [] : annotation.split(','))
  return ranges.map((range) => range.trim()).filter((range) => isFamilyRange(range, family))
}

/** The rules of every port of a Service on a node; none when the Service is not proxied or has no address of the node's family. */
export function rulesOf(service: Service, slices: readonly EndpointSlice[], node: NodeView): ServiceRules[] {
  const spec = service.spec
  if (spec === undefined || !isProxied(service)) return []
  const { namespace = '', name = '' } = service.metadata
  const clusterIP = (spec.clusterIPs ?? [spec.clusterIP ?? '']).find((ip) => ip !== '' && isFamily(ip, node.family))
  if (clusterIP === undefined) return []
  const externalIPs = (spec.externalIPs ?? []).filter((ip) => isFamily(ip, node.family))
  const ingress = spec.type === 'LoadBalancer' ? service.status?.loadBalancer?.ingress ?? [] : []
  const loadBalancerIPs = ingress.filter((each) => each.ip !== undefined && each.ip !== '' && (each.ipMode ?? 'VIP') === 'VIP').map((each) => each.ip!).filter((ip) => isFamily(ip, node.family))
  const internalLocal = spec.internalTrafficPolicy === 'Local'
  const externalLocal = spec.externalTrafficPolicy === 'Local' && (spec.type === 'NodePort' || spec.type === 'LoadBalancer' || externalIPs.length > 0)
  return (spec.ports ?? []).map((port) => {
    const nodePort = port.nodePort === undefined || port.nodePort === 0 ? undefined : port.nodePort
    const reachableFromOutside = nodePort !== undefined || externalIPs.length > 0 || loadBalancerIPs.length > 0
    const candidates = candidatesOf(slices, port, node)
    return {
      portName: `${namespace}/${name}${port.name === undefined || port.name === '' ? '' : `:${port.name}`}`, namespace, serviceName: name,
      protocol: (port.protocol ?? 'TCP') as ServiceProtocol, clusterIP, port: port.port, nodePort, externalIPs, loadBalancerIPs,
      loadBalancerSourceRanges: sourceRangesOf(service, node.family),
      affinitySeconds: spec.sessionAffinity === 'ClientIP' ? spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800 : undefined,
      internalLocal, externalLocal,
      // Traffic from this node's pods to an outside address takes the short way, to any endpoint, even when the policy is Local.
      ...chooseEndpoints(candidates, node, !internalLocal || reachableFromOutside, internalLocal || (externalLocal && reachableFromOutside)),
      healthCheckNodePort: externalLocal && spec.type === 'LoadBalancer' && (spec.healthCheckNodePort ?? 0) > 0 ? spec.healthCheckNodePort : undefined,
    }
  })
}

/** Whether the port can be reached under another address than its cluster IP. */
export function isExternallyAccessible(rules: ServiceRules): boolean {
  return rules.nodePort !== undefined || rules.externalIPs.length > 0 || rules.loadBalancerIPs.length > 0
}

/** Whether one of the ranges has the address. */
export function rangesHave(ranges: readonly string[], address: string): boolean {
  const ip = parseIp(address)
  return ip !== undefined && ranges.some((range) => {
    const cidr = parseCidr(range)
    return cidr !== undefined && cidrHas(cidr, ip)
  })
}
