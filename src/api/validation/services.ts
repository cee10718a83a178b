import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { parseIp } from '../../machinery/cidr.ts'
import { canonicalCidrErrors, canonicalIpErrors, ipErrors } from '../../machinery/ip-checks.ts'
import { validateLabels } from '../../machinery/labels.ts'
import { dnsLabelErrors, dnsSubdomainErrors, portNumberErrors, qualifiedNameErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { EndpointAddress, EndpointPort, Endpoints, Service, ServicePort, ServiceSpec } from '../types/core_v1.ts'
import type { EndpointSlice } from '../types/discovery.k8s.io_v1.ts'
import { addInvalid, checkOneOf, checkOptionalOneOf, checkPortOrName, isEmpty } from './check.ts'
import { protocols } from './containers.ts'
import { validateImmutable } from './object-meta.ts'
import type { Validation } from './validation.ts'

/** Services, Endpoints and EndpointSlices. */

const isHeadless = (spec: Readonly<ServiceSpec>): boolean => spec.clusterIPs?.[0] === 'None' || spec.clusterIP === 'None'
const isExternal = (spec: Readonly<ServiceSpec>): boolean => spec.type === 'LoadBalancer' || spec.type === 'NodePort' || (spec.type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0)
const needsHealthCheck = (spec: Readonly<ServiceSpec>): boolean => spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local'

function checkServicePort(out: FieldError[], path: string, port: Readonly<ServicePort>, needsName: boolean, names: Set<string>): void {
  if (isEmpty(port.name)) {
    if (needsName) out.push(fieldErrors.required(`${path}.name`))
  } else {
    addInvalid(out, `${path}.name`, port.name, dnsLabelErrors(port.name))
    if (names.has(port.name)) out.push(fieldErrors.duplicate(`${path}.name`, port.name))
    names.add(port.name)
  }
  addInvalid(out, `${path}.port`, port.port ?? 0, portNumberErrors(port.port))
  checkOneOf(out, `${path}.protocol`, port.protocol, protocols)
  checkPortOrName(out, `${path}.targetPort`, port.targetPort)
  if (port.appProtocol !== undefined) addInvalid(out, `${path}.appProtocol`, port.appProtocol, qualifiedNameErrors(port.appProtocol))
}

function checkPorts(out: FieldError[], spec: Readonly<ServiceSpec>): void {
  const ports = spec.ports ?? []
  if (ports.length === 0 && !isHeadless(spec) && spec.type !== 'ExternalName') out.push(fieldErrors.required('spec.ports'))
  const names = new Set<string>()
  const numbers = new Set<string>()
  const nodePorts = new Set<string>()
  for (const [i, port] of ports.entries()) checkServicePort(out, `spec.ports[${i}]`, port, ports.length > 1, names)
  for (const [i, { protocol, port, nodePort }] of ports.entries()) {
    if (nodePort) {
      if (spec.type === 'ClusterIP') out.push(fieldErrors.forbidden(`spec.ports[${i}].nodePort`, "may not be used when `type` is 'ClusterIP'"))
      if (nodePorts.has(`${protocol}/${nodePort}`)) out.push(fieldErrors.duplicate(`spec.ports[${i}].nodePort`, nodePort))
      nodePorts.add(`${protocol}/${nodePort}`)
    }
    if (numbers.has(`${protocol}/${port}`)) out.push(fieldErrors.duplicate(`spec.ports[${i}]`, { protocol, port }))
    numbers.add(`${protocol}/${port}`)
  }
}

function checkAffinity(out: FieldError[], spec: Readonly<ServiceSpec>): void {
  checkOneOf(out, 'spec.sessionAffinity', spec.sessionAffinity, ['ClientIP', 'None'])
  const path = 'spec.sessionAffinityConfig'
  const config = spec.sessionAffinityConfig
  if (spec.sessionAffinity === 'None' && config !== undefined) out.push(fieldErrors.forbidden(path, 'must not be set when session affinity is None'))
  if (spec.sessionAffinity !== 'ClientIP') return
  const when = 'when session affinity type is ClientIP'
  const timeout = config?.clientIP?.timeoutSeconds
  if (config === undefined) out.push(fieldErrors.required(path, when))
  else if (config.clientIP === undefined) out.push(fieldErrors.required(`${path}.clientIP`, when))
  else if (timeout === undefined) out.push(fieldErrors.required(`${path}.clientIP.timeoutSeconds`, when))
  else if (timeout <= 0 || timeout > 86400) out.push(fieldErrors.invalid(`${path}.clientIP.timeoutSeconds`, timeout, 'must be greater than 0 and less than 86400'))
}

/** Cluster addresses, their families, and what type demands of them. */
function checkClusterIps(out: FieldError[], spec: Readonly<ServiceSpec>): void {
  if (spec.type === 'ExternalName') return
  const { clusterIP = '', clusterIPs = [], ipFamilies = [], ipFamilyPolicy } = spec
  if (clusterIPs.length === 0) {
    if (clusterIP !== '') out.push(fieldErrors.required('spec.clusterIPs'))
  } else if (clusterIP !== clusterIPs[0]) {
    out.push(fieldErrors.invalid('spec.clusterIPs', clusterIPs, "first value must match `clusterIP`"))
  }
  checkOptionalOneOf(out, 'spec.ipFamilyPolicy', ipFamilyPolicy, ['PreferDualStack', 'RequireDualStack', 'SingleStack'])
  const seenFamilies = new Set<string>()
  for (const [i, family] of ipFamilies.entries()) {
    checkOptionalOneOf(out, `spec.ipFamilies[${i}]`, family, ['IPv4', 'IPv6'])
    if (seenFamilies.has(family)) out.push(fieldErrors.duplicate(`spec.ipFamilies[${i}]`, family))
    seenFamilies.add(family)
  }
  for (const [i, ip] of clusterIPs.entries()) {
    const at = `spec.clusterIPs[${i}]`
    if (i > 0 && ip === 'None') out.push(fieldErrors.invalid('spec.clusterIPs', clusterIPs, "may not specify more than one 'None'"))
    if (ip === 'None') continue
    addInvalid(out, at, ip, ipErrors(ip))
    const family = parseIp(ip)?.family
    const wanted = ipFamilies[i]
    if (family !== undefined && wanted !== undefined && wanted !== `IPv${family}`) out.push(fieldErrors.invalid(at, ip, `expected an ${wanted} value as indicated by \`ipFamilies[${i}]\``))
  }
  if (clusterIPs.length > 2) out.push(fieldErrors.invalid('spec.clusterIPs', clusterIPs, 'may only hold up to 2 values'))
  if (clusterIPs.length === 2 && parseIp(clusterIPs[0] ?? '')?.family === parseIp(clusterIPs[1] ?? '')?.family) out.push(fieldErrors.invalid('spec.clusterIPs', clusterIPs, 'may specify no more than one IP for each IP family'))
}

function checkExternalName(out: FieldError[], spec: Readonly<ServiceSpec>): void {
  const forbidden = 'may not be set for ExternalName services'
  if ((spec.clusterIPs ?? []).length > 0) out.push(fieldErrors.forbidden('spec.clusterIPs', forbidden))
  if ((spec.ipFamilies ?? []).length > 0) out.push(fieldErrors.forbidden('spec.ipFamilies', forbidden))
  if (spec.ipFamilyPolicy !== undefined) out.push(fieldErrors.forbidden('spec.ipFamilyPolicy', forbidden))
  const name = (spec.externalName ?? '').replace(/\.$/, '')
  if (name === '') out.push(fieldErrors.required('spec.externalName'))
  else addInvalid(out, 'spec.externalName', name, dnsSubdomainErrors(name))
}

/** Addresses that mean something to the host that reads them, never to others. */
export function checkNonSpecialIp(out: FieldError[], path: string, text: string): void {
  const ip = parseIp(text)
  if (ip === undefined) {
    addInvalid(out, path, text, ipErrors(text))
    return
  }
  const top = (bits: number): bigint => ip.value >> BigInt((ip.family === 4 ? 32 : 128) - bits)
  if (ip.value === 0n) out.push(fieldErrors.invalid(path, text, `may not be unspecified (${text})`))
  if (ip.family === 4 ? top(8) === 127n : ip.value === 1n) out.push(fieldErrors.invalid(path, text, 'may not be in the loopback range (127.0.0.0/8, ::1/128)'))
  if (ip.family === 4 ? top(16) === 0xa9fen : top(10) === 0x3fan) out.push(fieldErrors.invalid(path, text, 'may not be in the link-local range (169.254.0.0/16, fe80::/10)'))
  if (ip.family === 4 ? top(24) === 0xe00000n : top(16) === 0xff02n) out.push(fieldErrors.invalid(path, text, 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)'))
}

function checkExternal(out: FieldError[], spec: Readonly<ServiceSpec>): void {
  for (const [i, ip] of (spec.externalIPs ?? []).entries()) {
    const messages = canonicalIpErrors(ip)
    addInvalid(out, `spec.externalIPs[${i}]`, ip, messages)
    if (messages.length === 0) checkNonSpecialIp(out, `spec.externalIPs[${i}]`, ip)
  }
  const balancer = spec.type === 'LoadBalancer'
  const only = "may only be used when `type` is 'LoadBalancer'"
  if ((spec.loadBalancerSourceRanges ?? []).length > 0) {
    if (!balancer) out.push(fieldErrors.forbidden('spec.LoadBalancerSourceRanges', only))
    spec.loadBalancerSourceRanges?.forEach((range, i) => addInvalid(out, `spec.LoadBalancerSourceRanges[${i}]`, range.trim(), canonicalCidrErrors(range.trim())))
  }
  if (spec.allocateLoadBalancerNodePorts !== undefined && !balancer) out.push(fieldErrors.forbidden('spec.allocateLoadBalancerNodePorts', only))
  if (balancer && spec.allocateLoadBalancerNodePorts === undefined) out.push(fieldErrors.required('allocateLoadBalancerNodePorts'))
  if (spec.loadBalancerClass !== undefined) {
    if (!balancer) out.push(fieldErrors.forbidden('spec.loadBalancerClass', only))
    addInvalid(out, 'spec.loadBalancerClass', spec.loadBalancerClass, qualifiedNameErrors(spec.loadBalancerClass))
  }
  if (!isExternal(spec)) {
    if (!isEmpty(spec.externalTrafficPolicy)) out.push(fieldErrors.invalid('spec.externalTrafficPolicy', spec.externalTrafficPolicy, 'may only be set for externally-accessible services'))
  } else {
    checkOneOf(out, 'spec.externalTrafficPolicy', spec.externalTrafficPolicy, ['Cluster', 'Local'])
  }
  if (!needsHealthCheck(spec)) {
    if (spec.healthCheckNodePort) out.push(fieldErrors.invalid('spec.healthCheckNodePort', spec.healthCheckNodePort, "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"))
  } else if (!spec.healthCheckNodePort) {
    out.push(fieldErrors.required('spec.healthCheckNodePort'))
  } else {
    addInvalid(out, 'spec.healthCheckNodePort', spec.healthCheckNodePort, portNumberErrors(spec.healthCheckNodePort))
  }
}

function validateService(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec } = object as unknown as Service
  if ((spec.type === 'LoadBalancer' || spec.type === 'NodePort') && isHeadless(spec)) out.push(fieldErrors.invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${spec.type} services`))
  if (spec.type === 'ExternalName') checkExternalName(out, spec)
  checkPorts(out, spec)
  if (spec.selector !== undefined) out.push(...validateLabels(spec.selector, 'spec.selector'))
  checkAffinity(out, spec)
  checkClusterIps(out, spec)
  checkOneOf(out, 'spec.type', spec.type, ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'])
  checkExternal(out, spec)
  if (spec.internalTrafficPolicy === undefined && spec.type !== 'ExternalName') out.push(fieldErrors.required('spec.internalTrafficPolicy'))
  checkOptionalOneOf(out, 'spec.internalTrafficPolicy', spec.internalTrafficPolicy, ['Cluster', 'Local'])
  checkOptionalOneOf(out, 'spec.trafficDistribution', spec.trafficDistribution, ['PreferClose', 'PreferSameNode', 'PreferSameZone'])
  return out
}

export const serviceValidation: Validation = {
  validate: validateService,
  validateUpdate(object, old) {
    const { spec } = object as unknown as Service
    const before = (old as unknown as Service).spec
    const out: FieldError[] = []
    const hasAddress = spec.type !== 'ExternalName' && before.type !== 'ExternalName'
    if (hasAddress && (before.clusterIPs ?? []).length > 0) {
      if (isEmpty(spec.clusterIPs?.[0])) out.push(fieldErrors.invalid('spec.clusterIPs[0]', spec.clusterIPs, 'primary clusterIP can not be unset'))
      else if (spec.clusterIPs?.[0] !== before.clusterIPs?.[0]) out.push(fieldErrors.invalid('spec.clusterIPs[0]', spec.clusterIPs, 'may not change once set'))
    }
    if (hasAddress && (before.ipFamilies ?? []).length > 0 && (spec.ipFamilies ?? []).length > 0 && spec.ipFamilies?.[0] !== before.ipFamilies?.[0]) {
      out.push(fieldErrors.invalid('spec.ipFamilies[0]', spec.ipFamilies, 'may not change once set'))
    }
    if (before.type === 'LoadBalancer' && spec.type === 'LoadBalancer' && before.loadBalancerClass !== spec.loadBalancerClass) {
      out.push(fieldErrors.invalid('spec.loadBalancerClass', spec.loadBalancerClass, 'may not change once set'))
    }
    if (needsHealthCheck(before) && needsHealthCheck(spec) && spec.healthCheckNodePort !== before.healthCheckNodePort) out.push(fieldErrors.forbidden('spec.healthCheckNodePort', 'field is immutable'))
    return [...out, ...validateService(object)]
  },
  validateStatusUpdate(object) {
    const out: FieldError[] = []
    const service = object as unknown as Service
    const ingress = service.status?.loadBalancer?.ingress ?? []
    if (service.spec.type !== 'LoadBalancer' && ingress.length > 0) out.push(fieldErrors.forbidden('status.loadBalancer.ingress', "may only be used when `spec.type` is \"LoadBalancer\""))
    for (const [i, { ip, hostname }] of ingress.entries()) {
      if (!isEmpty(ip)) addInvalid(out, `status.loadBalancer.ingress[${i}].ip`, ip, ipErrors(ip))
      if (!isEmpty(hostname)) addInvalid(out, `status.loadBalancer.ingress[${i}].hostname`, hostname, parseIp(hostname) === undefined ? dnsSubdomainErrors(hostname) : ['must be a DNS name, not an IP address'])
    }
    return out
  },
}

function checkEndpointAddress(out: FieldError[], path: string, address: Readonly<EndpointAddress>): void {
  const messages = canonicalIpErrors(address.ip ?? '')
  addInvalid(out, `${path}.ip`, address.ip ?? '', messages)
  if (!isEmpty(address.hostname)) addInvalid(out, `${path}.hostname`, address.hostname, dnsLabelErrors(address.hostname))
  if (!isEmpty(address.nodeName)) addInvalid(out, `${path}.nodeName`, address.nodeName, dnsSubdomainErrors(address.nodeName))
  if (messages.length === 0) checkNonSpecialIp(out, `${path}.ip`, address.ip)
}

function checkEndpointPort(out: FieldError[], path: string, port: Readonly<EndpointPort>, needsName: boolean): void {
  if (isEmpty(port.name)) {
    if (needsName) out.push(fieldErrors.required(`${path}.name`))
  } else addInvalid(out, `${path}.name`, port.name, dnsLabelErrors(port.name))
  addInvalid(out, `${path}.port`, port.port ?? 0, portNumberErrors(port.port))
  checkOneOf(out, `${path}.protocol`, port.protocol, protocols)
  if (port.appProtocol !== undefined) addInvalid(out, `${path}.appProtocol`, port.appProtocol, qualifiedNameErrors(port.appProtocol))
}

function validateEndpoints(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  for (const [i, subset] of ((object as unknown as Endpoints).subsets ?? []).entries()) {
    const at = `subsets[${i}]`
    if ((subset.addresses ?? []).length === 0 && (subset.notReadyAddresses ?? []).length === 0) out.push(fieldErrors.required(at, 'must specify `addresses` or `notReadyAddresses`'))
    for (const kind of ['addresses', 'notReadyAddresses'] as const) for (const [a, address] of (subset[kind] ?? []).entries()) checkEndpointAddress(out, `${at}.${kind}[${a}]`, address)
    for (const [p, port] of (subset.ports ?? []).entries()) checkEndpointPort(out, `${at}.ports[${p}]`, port, (subset.ports ?? []).length > 1)
  }
  return out
}

export const endpointsValidation: Validation = { validate: validateEndpoints, validateUpdate: validateEndpoints }

const addressTypes = ['FQDN', 'IPv4', 'IPv6']

function checkSliceAddress(out: FieldError[], path: string, type: string, address: string): void {
  if (type === 'FQDN') {
    addInvalid(out, path, address, dnsSubdomainErrors(address))
    return
  }
  const messages = canonicalIpErrors(address)
  if (messages.length === 0 && parseIp(address)?.family !== Number(type.slice(3))) messages.push(`must be an ${type} address`)
  addInvalid(out, path, address, messages)
  if (messages.length === 0) checkNonSpecialIp(out, path, address)
}

function validateEndpointSlice(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { addressType, endpoints = [], ports = [] } = object as unknown as EndpointSlice
  checkOneOf(out, 'addressType', addressType, addressTypes)
  if (endpoints.length > 1000) out.push(fieldErrors.tooMany('endpoints', endpoints.length, 1000))
  for (const [i, endpoint] of endpoints.entries()) {
    const at = `endpoints[${i}]`
    const addresses = endpoint.addresses ?? []
    if (addresses.length === 0) out.push(fieldErrors.required(`${at}.addresses`, 'must contain at least 1 address'))
    else if (addresses.length > 100) out.push(fieldErrors.tooMany(`${at}.addresses`, addresses.length, 100))
    if (addressTypes.includes(addressType)) addresses.forEach((address, a) => checkSliceAddress(out, `${at}.addresses[${a}]`, addressType, address))
    if (endpoint.nodeName !== undefined) addInvalid(out, `${at}.nodeName`, endpoint.nodeName, dnsSubdomainErrors(endpoint.nodeName))
    if (endpoint.hostname !== undefined) addInvalid(out, `${at}.hostname`, endpoint.hostname, dnsLabelErrors(endpoint.hostname))
    if (endpoint.deprecatedTopology !== undefined) out.push(...validateLabels(endpoint.deprecatedTopology, `${at}.deprecatedTopology`))
  }
  if (ports.length > 20000) out.push(fieldErrors.tooMany('ports', ports.length, 20000))
  const names = new Set<string>()
  for (const [i, port] of ports.entries()) {
    const at = `ports[${i}]`
    const name = port.name ?? ''
    if (name !== '') addInvalid(out, `${at}.name`, name, dnsLabelErrors(name))
    if (names.has(name)) out.push(fieldErrors.duplicate(`${at}.name`, name))
    names.add(name)
    if (port.port !== undefined) addInvalid(out, `${at}.port`, port.port, portNumberErrors(port.port))
    checkOneOf(out, `${at}.protocol`, port.protocol, protocols)
    if (port.appProtocol !== undefined) addInvalid(out, `${at}.appProtocol`, port.appProtocol, qualifiedNameErrors(port.appProtocol))
  }
  return out
}

export const endpointSliceValidation: Validation = {
  validate: validateEndpointSlice,
  validateUpdate: (object, old) => [...validateEndpointSlice(object), ...validateImmutable(object.addressType, old.addressType, 'addressType')],
}
