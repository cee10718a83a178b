import type { Endpoints, Service } from '../../api/types/core_v1.ts'
import type { EndpointSlice } from '../../api/types/discovery.k8s.io_v1.ts'
import type { IPAddress } from '../../api/types/networking.k8s.io_v1.ts'
import { addressAt, cidrHas, formatIp, parseCidr, parseIp } from '../../machinery/cidr.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { prefixEnd } from '../../store/store.ts'
import type { ApiServerCore } from '../core.ts'
import { ensure } from './ensure.ts'

export interface KubernetesServiceOptions {
  /** `10.96.0.0/16`. */
  serviceCidr: string
  /** Where other nodes and pods reach this server. */
  advertiseAddress: string
  advertisePort: number
  /** `--kubernetes-service-node-port`. */
  nodePort?: number
  /** `--endpoint-reconciler-type=none`: where the Service leads is not this server's to say. */
  withoutEndpoints?: boolean
}

const leasePrefix = '/registry/masterleases/'
const leaseTtlSeconds = 15
const reconcilePeriodMs = 10_000

/** The first address of the range: the API server's own inside the cluster. */
export function kubernetesServiceIp(serviceCidr: string): string {
  const cidr = parseCidr(serviceCidr)
  if (cidr === undefined) throw new Error(`the service range ${JSON.stringify(serviceCidr)} is no CIDR; give one like 10.96.0.0/16`)
  return formatIp(addressAt(cidr, 1))
}

/** `10.96.0.1` names its own IPAddress object; IPv6 addresses do so in their canonical form. */
export function ipAddressObject(ip: string, family: 4 | 6, service: { namespace: string; name: string }): IPAddress {
  return {
    apiVersion: 'networking.k8s.io/v1', kind: 'IPAddress',
    metadata: { name: ip, labels: { 'ipaddress.kubernetes.io/ip-family': `IPv${family}`, 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' } },
    spec: { parentRef: { resource: 'services', namespace: service.namespace, name: service.name } },
  }
}

async function ensureService(core: ApiServerCore, options: KubernetesServiceOptions): Promise<void> {
  const clusterIP = kubernetesServiceIp(options.serviceCidr)
  const family = parseIp(clusterIP)!.family
  const ports = [{ name: 'https', protocol: 'TCP', port: 443, targetPort: options.advertisePort, ...(options.nodePort === undefined ? {} : { nodePort: options.nodePort }) }]
  const type = options.nodePort === undefined ? 'ClusterIP' : 'NodePort'
  const wanted: Service = {
    apiVersion: 'v1', kind: 'Service', metadata: { name: 'kubernetes', namespace: 'default', labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: { type, clusterIP, clusterIPs: [clusterIP], ipFamilies: [`IPv${family}`], ipFamilyPolicy: 'SingleStack', internalTrafficPolicy: 'Cluster', sessionAffinity: 'None', ports },
  }
  await ensure(core, core.resource('ipaddresses', 'networking.k8s.io'), ipAddressObject(clusterIP, family, { namespace: 'default', name: 'kubernetes' }))
  await ensure(core, core.resource('services'), wanted, (current) => (
    semanticEqual(current.spec?.ports, ports) && current.spec?.type === type ? undefined : { ...current, spec: { ...current.spec, type, ports } }
  ))
}

const loopbacks = ['127.0.0.0/8', '::1/128'].map((text) => parseCidr(text)!)

/** A server that only its own machine can reach: a loopback address means another machine to each who reads it, and endpoints may not have one. */
function isLoopback(address: string): boolean {
  const ip = parseIp(address)
  return ip !== undefined && loopbacks.some((cidr) => cidr.family === ip.family && cidrHas(cidr, ip))
}

/**
 * Publishes where the API servers are: Endpoints and EndpointSlice `kubernetes` of namespace default. Loopback addresses are left out;
 * without any other the Service has no endpoints.
 */
export async function publishEndpoints(core: ApiServerCore, addresses: readonly string[], port: number): Promise<void> {
  const sorted = addresses.filter((address) => !isLoopback(address)).toSorted()
  if (sorted.length === 0) return
  const family = parseIp(sorted[0]!)?.family ?? 4
  const subsets = [{ addresses: sorted.map((ip) => ({ ip })), ports: [{ name: 'https', port, protocol: 'TCP' }] }]
  const endpoints: Endpoints = { apiVersion: 'v1', kind: 'Endpoints', metadata: { name: 'kubernetes', namespace: 'default', labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } }, subsets }
  const slice: EndpointSlice = {
    apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { name: 'kubernetes', namespace: 'default', labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: `IPv${family}`, endpoints: sorted.map((ip) => ({ addresses: [ip], conditions: { ready: true } })), ports: [{ name: 'https', port, protocol: 'TCP' }],
  }
  await ensure(core, core.resource('endpoints'), endpoints, (current) => (semanticEqual(current.subsets, subsets) ? undefined : { ...current, subsets }))
  await ensure(core, core.resource('endpointslices', 'discovery.k8s.io'), slice, (current) => (
    current.addressType === slice.addressType && semanticEqual(current.endpoints, slice.endpoints) && semanticEqual(current.ports, slice.ports)
      ? undefined : { ...current, endpoints: slice.endpoints, ports: slice.ports }
  ))
}

/** Addresses of the live servers: each holds a key with a lease, so that one that dies leaves within `leaseTtlSeconds`. */
async function announce(core: ApiServerCore, options: KubernetesServiceOptions, leaseId: number): Promise<void> {
  const key = `${leasePrefix}${options.advertiseAddress}`
  const standing = await core.store.get(key)
  if (standing.kv === undefined || standing.kv.leaseId !== leaseId) await core.store.put({ key, value: new TextEncoder().encode(options.advertiseAddress), leaseId })
  // Also where another server of the same address has taken the key over meanwhile: the lease is to be there when it is this one's turn.
  await core.store.keepAlive(leaseId)
  const { kvs } = await core.store.range(leasePrefix, prefixEnd(leasePrefix), { keysOnly: true })
  await publishEndpoints(core, kvs.map((kv) => kv.key.slice(leasePrefix.length)), options.advertisePort)
}

/**
 * The Service `kubernetes` in namespace default, its address, and where it leads. A server that shares its store (etcd) keeps
 * announcing itself until it stops; one alone publishes itself once.
 */
export async function bootstrapKubernetesService(core: ApiServerCore, options: KubernetesServiceOptions): Promise<void> {
  await ensureService(core, options)
  if (options.withoutEndpoints === true) return
  if (core.store.driver !== 'etcd') return await publishEndpoints(core, [options.advertiseAddress], options.advertisePort)
  let leaseId = await core.store.grantLease(leaseTtlSeconds)
  await announce(core, options, leaseId)
  const timer = core.runtime.clock.interval(reconcilePeriodMs, () => {
    announce(core, options, leaseId).catch(async (err: unknown) => {
      if (core.signal.aborted) return
      core.runtime.log.warn('announcing this API server failed; trying again', { err })
      leaseId = await core.store.grantLease(leaseTtlSeconds)
    }).catch((err: unknown) => core.runtime.log.warn('no new lease for announcing this API server', { err }))
  }, { background: true })
  core.signal.addEventListener('abort', () => timer[Symbol.dispose](), { once: true })
}
