import { parseIp } from '../../machinery/cidr.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { validateLabels } from '../../machinery/labels.ts'
import { dnsLabelErrors, dnsSubdomainErrors, portNumberErrors, qualifiedNameErrors } from '../../machinery/names.ts'
import type { Service, ServicePort, ServiceSpec } from '../types/core_v1.ts'
import { addInvalid, checkOneOf, checkOptionalOneOf, checkPortOrName, isEmpty } from './check.ts'
import { protocols } from './containers.ts'
import { checkCidr, checkIp, checkNonSpecialIp } from './ip-fields.ts'
import type { Validation } from './validation.ts'

/** Services (upstream's `ValidateService`). */

const isHeadless = ({ clusterIPs = [] }: Readonly<ServiceSpec>): boolean => clusterIPs.length === 1 && clusterIPs[0] === 'None'
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

const portKey = ({ protocol, port }: Readonly<ServicePort>): string => `${protocol}/${port}`

/** Of the whole list, after what is checked port by port. */
function checkPortConflicts(out: FieldError[], spec: Readonly<ServiceSpec>): void {
  const ports = spec.ports ?? []
  if (spec.type === 'ClusterIP') {
    for (const [i, { nodePort }] of ports.entries()) if (nodePort) out.push(fieldErrors.forbidden(`spec.ports[${i}].nodePort`, "may not be used when `type` is 'ClusterIP'"))
  }
  const nodePorts = new Set<string>()
  for (const [i, { protocol, nodePort }] of ports.entries()) {
    if (!nodePort) continue
    if (nodePorts.has(`${protocol}/${nodePort}`)) out.push(fieldErrors.duplicate(`spec.ports[${i}].nodePort`, nodePort))
    nodePorts.add(`${protocol}/${nodePort}`)
  }
  const keys = new Set<string>()
  for (const [i, port] of ports.entries()) {
    // What upstream compares by has the other fields at their zero values, and says so.
    if (keys.has(portKey(port))) out.push(fieldErrors.duplicate(`spec.ports[${i}]`, { Name: '', Protocol: port.protocol, AppProtocol: null, Port: port.port, TargetPort: 0, NodePort: 0 }))
    keys.add(portKey(port))
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

/** Cluster addresses, their families, and what the one says of the other. */
function checkClusterIps(out: FieldError[], spec: Readonly<ServiceSpec>, before: readonly string[]): void {
  if (spec.type === 'ExternalName') return
  const { clusterIP = '', clusterIPs = [], ipFamilies = [], ipFamilyPolicy } = spec
  const wrong = (detail: string): void => void out.push(fieldErrors.invalid('spec.clusterIPs', clusterIPs, detail))
  if (clusterIP === '') {
    if (clusterIPs.length > 0) wrong('must be empty when `clusterIP` is not specified')
  } else if (clusterIPs.length === 0) out.push(fieldErrors.required('spec.clusterIPs'))
  else if (clusterIP !== clusterIPs[0]) wrong('first value must match `clusterIP`')
  for (const [i, family] of ipFamilies.entries()) {
    checkOptionalOneOf(out, `spec.ipFamilies[${i}]`, family, ['IPv4', 'IPv6'])
    if (ipFamilies.indexOf(family) < i) out.push(fieldErrors.duplicate(`spec.ipFamilies[${i}]`, family))
  }
  checkOptionalOneOf(out, 'spec.ipFamilyPolicy', ipFamilyPolicy, ['PreferDualStack', 'RequireDualStack', 'SingleStack'])
  let isSound = true
  for (const [i, ip] of clusterIPs.entries()) {
    if (i === 0 && ip === 'None') {
      if (clusterIPs.length === 1) continue
      isSound = false
      wrong("'None' must be the first and only value")
    } else if (!checkIp(out, `spec.clusterIPs[${i}]`, ip, before)) isSound = false
  }
  if (clusterIPs.length > 2) wrong('may only hold up to 2 values')
  if (!isSound) return
  const families = clusterIPs.map((ip) => parseIp(ip)?.family)
  if (clusterIPs.length > 1 && !(families.includes(4) && families.includes(6))) wrong('may specify no more than one IP for each IP family')
  if (isHeadless(spec)) return
  for (const [i, wanted] of ipFamilies.entries()) {
    const family = families[i]
    if (family !== undefined && (wanted === 'IPv4' || wanted === 'IPv6') && wanted !== `IPv${family}`) out.push(fieldErrors.invalid(`spec.clusterIPs[${i}]`, clusterIPs[i], `expected an ${wanted} value as indicated by \`ipFamilies[${i}]\``))
  }
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

function checkSourceRanges(out: FieldError[], { metadata, spec }: Readonly<Service>, old: Readonly<Service> | undefined): void {
  const only = "may only be used when `type` is 'LoadBalancer'"
  const key = 'service.beta.kubernetes.io/load-balancer-source-ranges'
  const ranges = spec.loadBalancerSourceRanges ?? []
  const annotation = metadata.annotations?.[key]
  const before = (old?.spec.loadBalancerSourceRanges ?? []).map((range) => range.trim())
  if (ranges.length > 0) {
    if (spec.type !== 'LoadBalancer') out.push(fieldErrors.forbidden('spec.LoadBalancerSourceRanges', only))
    for (const [i, range] of ranges.entries()) checkCidr(out, `spec.LoadBalancerSourceRanges[${i}]`, range.trim(), before)
  } else if (annotation !== undefined) {
    const at = `metadata.annotations[${key}]`
    if (spec.type !== 'LoadBalancer') out.push(fieldErrors.forbidden(at, only))
    if (annotation.trim() !== '' && annotation !== old?.metadata.annotations?.[key]) for (const range of annotation.split(',')) checkCidr(out, at, range.trim())
  }
}

function checkLoadBalancerClass(out: FieldError[], spec: Readonly<ServiceSpec>, before?: Readonly<ServiceSpec>): void {
  const path = 'spec.loadBalancerClass'
  const isBalancer = spec.type === 'LoadBalancer'
  if (before?.type === 'LoadBalancer' && isBalancer && before.loadBalancerClass !== spec.loadBalancerClass) out.push(fieldErrors.invalid(path, spec.loadBalancerClass, 'may not change once set'))
  if (spec.loadBalancerClass === undefined) return
  if (isBalancer) addInvalid(out, path, spec.loadBalancerClass, qualifiedNameErrors(spec.loadBalancerClass))
  else out.push(fieldErrors.forbidden(path, "may only be used when `type` is 'LoadBalancer'"))
}

function checkTrafficPolicies(out: FieldError[], spec: Readonly<ServiceSpec>): void {
  if (isExternal(spec)) checkOneOf(out, 'spec.externalTrafficPolicy', spec.externalTrafficPolicy, ['Cluster', 'Local'])
  else if (!isEmpty(spec.externalTrafficPolicy)) out.push(fieldErrors.invalid('spec.externalTrafficPolicy', spec.externalTrafficPolicy, 'may only be set for externally-accessible services'))
  const port = spec.healthCheckNodePort
  if (needsHealthCheck(spec)) {
    // One that is missing is handed out once the rest is in order.
    if (port) addInvalid(out, 'spec.healthCheckNodePort', port, portNumberErrors(port))
  } else if (port) {
    out.push(fieldErrors.invalid('spec.healthCheckNodePort', port, "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"))
  }
  if (spec.internalTrafficPolicy === undefined && ['NodePort', 'LoadBalancer', 'ClusterIP'].includes(spec.type ?? '')) out.push(fieldErrors.required('spec.internalTrafficPolicy'))
  checkOptionalOneOf(out, 'spec.internalTrafficPolicy', spec.internalTrafficPolicy, ['Cluster', 'Local'])
  checkOptionalOneOf(out, 'spec.trafficDistribution', spec.trafficDistribution, ['PreferClose', 'PreferSameZone', 'PreferSameNode'])
}

const hintsKey = 'service.kubernetes.io/topology-aware-hints'
const modeKey = 'service.kubernetes.io/topology-mode'

function checkService(out: FieldError[], service: Readonly<Service>, old?: Readonly<Service>): void {
  const { metadata, spec } = service
  const hints = metadata.annotations?.[hintsKey]
  const mode = metadata.annotations?.[modeKey]
  if (hints !== undefined && mode !== undefined && hints !== mode) out.push(fieldErrors.invalid(`metadata.annotations[${modeKey}]`, mode, `must match annotations[${hintsKey}] when both are specified`))
  const ports = spec.ports ?? []
  if (ports.length === 0 && !isHeadless(spec) && spec.type !== 'ExternalName') out.push(fieldErrors.required('spec.ports'))
  if ((spec.type === 'LoadBalancer' || spec.type === 'NodePort') && isHeadless(spec)) out.push(fieldErrors.invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${spec.type} services`))
  if (spec.type === 'ExternalName') checkExternalName(out, spec)
  const names = new Set<string>()
  for (const [i, port] of ports.entries()) checkServicePort(out, `spec.ports[${i}]`, port, ports.length > 1, names)
  if (spec.selector !== undefined) out.push(...validateLabels(spec.selector, 'spec.selector'))
  checkAffinity(out, spec)
  checkClusterIps(out, spec, old?.spec.clusterIPs ?? [])
  for (const [i, ip] of (spec.externalIPs ?? []).entries()) {
    if (checkIp(out, `spec.externalIPs[${i}]`, ip, old?.spec.externalIPs)) checkNonSpecialIp(out, `spec.externalIPs[${i}]`, ip)
  }
  checkOneOf(out, 'spec.type', spec.type, ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'])
  checkPortConflicts(out, spec)
  checkSourceRanges(out, service, old)
  const isBalancer = spec.type === 'LoadBalancer'
  if (spec.allocateLoadBalancerNodePorts !== undefined && !isBalancer) out.push(fieldErrors.forbidden('spec.allocateLoadBalancerNodePorts', "may only be used when `type` is 'LoadBalancer'"))
  if (isBalancer && spec.allocateLoadBalancerNodePorts === undefined) out.push(fieldErrors.required('allocateLoadBalancerNodePorts'))
  checkLoadBalancerClass(out, spec)
  checkTrafficPolicies(out, spec)
}

const singleStackText = (what: string): string => `must be set to 'SingleStack' when releasing the secondary ${what}`

/** Second addresses come and go; the first stays, unless the service turns into or out of ExternalName. */
function checkClusterIpChange(out: FieldError[], spec: Readonly<ServiceSpec>, old: Readonly<ServiceSpec>): void {
  if (isHeadless(spec) && isHeadless(old)) return
  const now = spec.clusterIPs ?? []
  const before = old.clusterIPs ?? []
  const changed = (i: number): void => void out.push(fieldErrors.invalid(`spec.clusterIPs[${i}]`, now, 'may not change once set'))
  if (before.length === now.length) {
    for (const [i, ip] of before.entries()) if (ip !== now[i]) changed(i)
    return
  }
  if (before.length > 0 && now.length === 0) out.push(fieldErrors.invalid('spec.clusterIPs[0]', null, 'primary clusterIP can not be unset'))
  if (before.length > 0 && now.length > 0 && before[0] !== now[0]) changed(0)
  if (before.length > now.length && now.length === 1 && spec.ipFamilyPolicy !== 'SingleStack') out.push(fieldErrors.invalid('spec.ipFamilyPolicy', spec.ipFamilyPolicy, singleStackText('clusterIP')))
}

function checkFamilyChange(out: FieldError[], spec: Readonly<ServiceSpec>, old: Readonly<ServiceSpec>): void {
  if (isHeadless(spec) || isHeadless(old)) return
  const now = spec.ipFamilies ?? []
  const before = old.ipFamilies ?? []
  const at = 'spec.ipFamilies[0]'
  if (before.length === now.length) {
    for (const [i, family] of before.entries()) if (family !== now[i]) out.push(fieldErrors.invalid(at, now, 'may not change once set'))
    return
  }
  if (before.length > now.length && (spec.clusterIPs ?? []).length === 0) out.push(fieldErrors.invalid(at, spec.ipFamilies, 'primary ipFamily can not be unset'))
  // Upstream shows the addresses here, not the families.
  if (before.length > 0 && now.length > 0 && before[0] !== now[0]) out.push(fieldErrors.invalid(at, spec.clusterIPs, 'may not change once set'))
  if (before.length > now.length && now.length === 1 && spec.ipFamilyPolicy !== 'SingleStack') out.push(fieldErrors.invalid('spec.ipFamilyPolicy', spec.ipFamilyPolicy, singleStackText('ipFamily')))
}

/** A PreferDualStack service that keeps what it has is not looked at before addresses are handed out. */
function keepsFamilies(spec: Readonly<ServiceSpec>, old: Readonly<ServiceSpec> | undefined): boolean {
  if (old === undefined || spec.ipFamilyPolicy !== 'PreferDualStack' || spec.type !== old.type) return false
  if (old.ipFamilyPolicy !== undefined && old.ipFamilyPolicy !== 'PreferDualStack') return false
  return semanticEqual(spec.clusterIPs, old.clusterIPs) && semanticEqual(spec.ipFamilies, old.ipFamilies)
}

/** What upstream refuses when it is about to hand out addresses, before it looks at anything else. */
function addressProblems({ spec }: Readonly<Service>, old?: Readonly<Service>): FieldError[] {
  const out: FieldError[] = []
  if (spec.type !== 'ExternalName' && !keepsFamilies(spec, old?.spec)) checkClusterIps(out, spec, old?.spec.clusterIPs ?? [])
  return out
}

export const serviceValidation: Validation = {
  validate(object) {
    const out = addressProblems(object as unknown as Service)
    if (out.length > 0) return out
    checkService(out, object as unknown as Service)
    return out
  },
  validateUpdate(object, oldObject) {
    const service = object as unknown as Service
    const old = oldObject as unknown as Service
    const out = addressProblems(service, old)
    if (out.length > 0) return out
    if (service.spec.type !== 'ExternalName' && old.spec.type !== 'ExternalName') {
      checkClusterIpChange(out, service.spec, old.spec)
      checkFamilyChange(out, service.spec, old.spec)
    }
    checkLoadBalancerClass(out, service.spec, old.spec)
    if (needsHealthCheck(old.spec) && needsHealthCheck(service.spec) && service.spec.healthCheckNodePort !== old.spec.healthCheckNodePort) out.push(fieldErrors.forbidden('spec.healthCheckNodePort', 'field is immutable'))
    checkService(out, service, old)
    return out
  },
  validateStatusUpdate(object, oldObject) {
    const out: FieldError[] = []
    const service = object as unknown as Service
    const ingress = service.status?.loadBalancer?.ingress ?? []
    if (service.spec.type !== 'LoadBalancer' && ingress.length > 0) return [fieldErrors.forbidden('status.loadBalancer.ingress', "may only be used when `spec.type` is 'LoadBalancer'")]
    const before = ((oldObject as unknown as Service).status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip ?? '')
    for (const [i, { ip, ipMode, hostname }] of ingress.entries()) {
      const at = `status.loadBalancer.ingress[${i}]`
      if (!isEmpty(ip)) checkIp(out, `${at}.ip`, ip, before)
      if (ipMode === undefined) {
        if (!isEmpty(ip)) out.push(fieldErrors.required(`${at}.ipMode`, 'must be specified when `ip` is set'))
      } else if (isEmpty(ip)) out.push(fieldErrors.forbidden(`${at}.ipMode`, 'may not be specified when `ip` is not set'))
      else checkOptionalOneOf(out, `${at}.ipMode`, ipMode, ['Proxy', 'VIP'])
      if (isEmpty(hostname)) continue
      addInvalid(out, `${at}.hostname`, hostname, dnsSubdomainErrors(hostname))
      if (parseIp(hostname) !== undefined) out.push(fieldErrors.invalid(`${at}.hostname`, hostname, 'must be a DNS name, not an IP address'))
    }
    return out
  },
}
