import type { OpenObject } from '../../machinery/object.ts'
import type { Strategy } from '../resource.ts'
import type { Service, ServiceSpec } from '../types/core_v1.ts'
import { ipWarnings } from './field-warnings.ts'

/** Addresses of load balancers in forms that they should not have. */
export const serviceStatusStrategy: Strategy = {
  warnings: (object) => ((object as unknown as Service).status?.loadBalancer?.ingress ?? []).flatMap(({ ip = '' }, i) => (ip === '' ? [] : ipWarnings(`status.loadBalancer.ingress[${i}]`, ip))),
}

/** Names of other hosts are the only services without cluster addresses. */
const needsClusterIp = ({ type }: Readonly<ServiceSpec>): boolean => type !== 'ExternalName'
const mayHaveNodePort = ({ type }: Readonly<ServiceSpec>): boolean => type === 'NodePort' || type === 'LoadBalancer'
/** Without allocation a client that leaves node ports out gives them back. */
const isGivenNodePorts = (spec: Readonly<ServiceSpec>): boolean => mayHaveNodePort(spec) && (spec.type === 'NodePort' || spec.allocateLoadBalancerNodePorts !== false)
const nodePortsOf = ({ ports = [] }: Readonly<ServiceSpec>): Set<number> => new Set(ports.flatMap(({ nodePort }) => (nodePort === undefined || nodePort === 0 ? [] : [nodePort])))
const needsHealthCheckPort = ({ type, externalTrafficPolicy }: Readonly<ServiceSpec>): boolean => type === 'LoadBalancer' && externalTrafficPolicy === 'Local'

/** `clusterIP` and the first of `clusterIPs` are the same thing, written twice; whichever the client changed wins. */
export function normalizeClusterIps(spec: ServiceSpec, old?: Readonly<ServiceSpec>): void {
  const { clusterIP = '', clusterIPs = [] } = spec
  if (old === undefined) {
    if (clusterIP !== '' && clusterIPs.length === 0) spec.clusterIPs = [clusterIP]
    return
  }
  const before = old.clusterIP ?? ''
  if (clusterIP === before) {
    // An old client that only knows clusterIPs' absence must not lose them; one that changed clusterIPs keeps its word.
    if (clusterIP !== '' && clusterIPs.length === 0 && (old.clusterIPs ?? []).length > 0) spec.clusterIPs = [...(old.clusterIPs ?? [])]
    return
  }
  const sameList = JSON.stringify(clusterIPs) === JSON.stringify(old.clusterIPs ?? [])
  if (clusterIP === '' && sameList) delete spec.clusterIPs
  else if (clusterIP !== '' && (sameList || clusterIPs.length === 0)) spec.clusterIPs = [clusterIP]
}

/** A client that leaves out what the server has allocated means to keep it. */
function keepAllocated(spec: ServiceSpec, old: Readonly<ServiceSpec>): void {
  if (needsClusterIp(old) && needsClusterIp(spec)) {
    if ((spec.clusterIP ?? '') === '' && old.clusterIP !== undefined) spec.clusterIP = old.clusterIP
    if ((spec.clusterIPs ?? []).length === 0 && spec.clusterIP === old.clusterIP && old.clusterIPs !== undefined) spec.clusterIPs = [...old.clusterIPs]
  }
  if (isGivenNodePorts(old) && isGivenNodePorts(spec)) {
    // A port is known by its name: all else of it may have changed.
    const known = new Map((old.ports ?? []).map(({ name = '', nodePort }) => [name, nodePort]))
    const taken = nodePortsOf(spec).intersection(nodePortsOf(old))
    for (const port of spec.ports ?? []) {
      const kept = known.get(port.name ?? '')
      if (!port.nodePort && kept !== undefined && kept !== 0 && !taken.has(kept)) port.nodePort = kept
    }
  }
  if (needsHealthCheckPort(old) && needsHealthCheckPort(spec) && !spec.healthCheckNodePort && old.healthCheckNodePort) spec.healthCheckNodePort = old.healthCheckNodePort
}

/** A change of type drops what only the old type had, unless the client changed it too. */
function dropTypeDependent(spec: ServiceSpec, old: Readonly<ServiceSpec>): void {
  const dropUnchanged = <K extends keyof ServiceSpec>(...fields: K[]): void => {
    if (fields.every((field) => JSON.stringify(spec[field]) === JSON.stringify(old[field]))) for (const field of fields) delete spec[field]
  }
  if (needsClusterIp(old) && !needsClusterIp(spec)) {
    dropUnchanged('clusterIP', 'clusterIPs')
    dropUnchanged('ipFamilies')
    dropUnchanged('ipFamilyPolicy')
  }
  if (mayHaveNodePort(old) && !mayHaveNodePort(spec) && nodePortsOf(spec).isSubsetOf(nodePortsOf(old))) for (const port of spec.ports ?? []) delete port.nodePort
  if (needsHealthCheckPort(old) && !needsHealthCheckPort(spec)) dropUnchanged('healthCheckNodePort')
  if (old.type === 'LoadBalancer' && spec.type !== 'LoadBalancer') {
    dropUnchanged('allocateLoadBalancerNodePorts')
    dropUnchanged('loadBalancerClass')
  }
  const external = (s: Readonly<ServiceSpec>): boolean => s.type === 'LoadBalancer' || s.type === 'NodePort' || (s.type === 'ClusterIP' && (s.externalIPs ?? []).length > 0)
  if (external(old) && !external(spec)) dropUnchanged('externalTrafficPolicy')
}

/** Names of other hosts have no traffic of ours; upstream, which once filled the field in, drops it when it is read; what is none is left for validation. */
function dropTrafficPolicy(spec: ServiceSpec): void {
  if (spec.type === 'ExternalName' && (spec.internalTrafficPolicy === 'Cluster' || spec.internalTrafficPolicy === 'Local')) delete spec.internalTrafficPolicy
}

export const serviceStrategy: Strategy = {
  allowCreateOnUpdate: true,
  prepareForCreate(object: OpenObject) {
    const service = object as unknown as Service
    service.status = { loadBalancer: {} }
    normalizeClusterIps(service.spec)
    dropTrafficPolicy(service.spec)
  },
  prepareForUpdate(object, old) {
    const service = object as unknown as Service
    const before = old as unknown as Service
    service.status = before.status ?? { loadBalancer: {} }
    keepAllocated(service.spec, before.spec)
    normalizeClusterIps(service.spec, before.spec)
    dropTypeDependent(service.spec, before.spec)
    dropTrafficPolicy(service.spec)
    if (service.spec.type !== 'LoadBalancer' && before.spec.type === 'LoadBalancer') service.status = { ...service.status, loadBalancer: {} }
  },
}
