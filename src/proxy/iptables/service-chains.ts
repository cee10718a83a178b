import type { ProxyBackendOptions } from '../proxy-backend.ts'
import { isExternallyAccessible, isFamily, rangesHave, type EndpointAddress, type ServiceRules } from '../service-rules.ts'
import { endpointChain, endpointText, serviceChains } from './chain-names.ts'

/** The rules of one service port: its own chains of the nat table, and its lines in the chains that all services share. */
export interface RenderedService {
  /** Chain -> its lines. */
  readonly chains: ReadonlyMap<string, string>
  readonly natServices: readonly string[]
  readonly natNodePorts: readonly string[]
  readonly filterServices: readonly string[]
  readonly filterExternalServices: readonly string[]
  readonly filterNodePorts: readonly string[]
  readonly filterFirewall: readonly string[]
}

export const markMasquerade = 'KUBE-MARK-MASQ'

/** The parts of rules that recur, for one service port. */
function wordsOf(service: ServiceRules) {
  const protocol = service.protocol.toLowerCase()
  const comment = (text: string): string => `-m comment --comment "${text}"`
  const to = (address: string): string => `-m ${protocol} -p ${protocol} -d ${address}/${address.includes(':') ? 128 : 32} --dport ${service.port}`
  const toNode = service.nodePort === undefined ? '' : `-m ${protocol} -p ${protocol} --dport ${service.nodePort}`
  return { protocol, comment, to, toNode, name: service.portName }
}

/** Lines that spread traffic over endpoints: first whoever came lately goes where he went, then chance decides. */
function balance(service: ServiceRules, chain: string, endpoints: readonly EndpointAddress[]): string[] {
  const { comment, name } = wordsOf(service)
  const targets = endpoints.map((endpoint) => ({ chain: endpointChain(service, endpoint), remark: comment(`${name} -> ${endpointText(endpoint)}`) }))
  const sticky = service.affinitySeconds === undefined ? [] : targets.map((target) =>
    `-A ${chain} ${target.remark} -m recent --name ${target.chain} --rcheck --seconds ${service.affinitySeconds} --reap -j ${target.chain}`)
  const spread = targets.map((target, index) => {
    const left = targets.length - index
    const chance = left === 1 ? '' : ` -m statistic --mode random --probability ${(1 / left).toFixed(10)}`
    return `-A ${chain} ${target.remark}${chance} -j ${target.chain}`
  })
  return [...sticky, ...spread]
}

function endpointLines(service: ServiceRules, endpoint: EndpointAddress): string[] {
  const { comment, protocol, name } = wordsOf(service)
  const chain = endpointChain(service, endpoint)
  const remember = service.affinitySeconds === undefined ? '' : ` -m recent --name ${chain} --set`
  return [
    // A pod that reaches itself through the service would answer itself past the rules: its address is hidden.
    `-A ${chain} ${comment(name)} -s ${endpoint.ip}/${endpoint.ip.includes(':') ? 128 : 32} -j ${markMasquerade}`,
    `-A ${chain} ${comment(name)}${remember} -m ${protocol} -p ${protocol} -j DNAT --to-destination ${endpointText(endpoint)}`,
  ]
}

/** The chain for traffic to outside addresses: it decides who keeps his source address and which endpoints are open to him. */
function externalLines(service: ServiceRules, options: ProxyBackendOptions): string[] {
  const { comment, name } = wordsOf(service)
  const { cluster, local, external } = serviceChains(service)
  if (!service.externalLocal) return [`-A ${external} ${comment(`masquerade traffic for ${name} external destinations`)} -j ${markMasquerade}`, `-A ${external} -j ${cluster}`]
  return [
    ...(options.clusterCIDR === undefined ? [] : [`-A ${external} ${comment(`pod traffic for ${name} external destinations`)} -s ${options.clusterCIDR} -j ${cluster}`]),
    `-A ${external} ${comment(`masquerade LOCAL traffic for ${name} external destinations`)} -m addrtype --src-type LOCAL -j ${markMasquerade}`,
    `-A ${external} ${comment(`route LOCAL traffic for ${name} external destinations`)} -m addrtype --src-type LOCAL -j ${cluster}`,
    ...(service.localEndpoints.length > 0 ? [`-A ${external} -j ${local}`] : []),
  ]
}

function firewallLines(service: ServiceRules, options: ProxyBackendOptions): string[] {
  const { comment, name } = wordsOf(service)
  const { external, firewall } = serviceChains(service)
  const remark = comment(`${name} loadbalancer IP`)
  const ranges = service.loadBalancerSourceRanges
  // A node that is let in reaches the address as a local one, and then bears it itself.
  const nodeIsLetIn = options.nodeIPs.some((ip) => isFamily(ip, options.family) && rangesHave(ranges, ip))
  return [
    ...ranges.map((range) => `-A ${firewall} ${remark} -s ${range} -j ${external}`),
    ...(nodeIsLetIn ? service.loadBalancerIPs.map((ip) => `-A ${firewall} ${remark} -s ${ip} -j ${external}`) : []),
    `-A ${firewall} ${comment(`other traffic to ${name} will be dropped by KUBE-PROXY-FIREWALL`)}`,
  ]
}

/** Which of a service's chains exist on this node. */
function chainsInUse(service: ServiceRules) {
  const outside = isExternallyAccessible(service)
  const guarded = service.loadBalancerIPs.length > 0 && service.loadBalancerSourceRanges.length > 0
  return {
    cluster: service.clusterEndpoints.length > 0, local: service.localEndpoints.length > 0,
    external: service.hasEndpoints && outside, firewall: service.hasEndpoints && guarded,
  }
}

function ownChains(service: ServiceRules, options: ProxyBackendOptions): Map<string, string> {
  const { comment, to, name } = wordsOf(service)
  const names = serviceChains(service)
  const inUse = chainsInUse(service)
  const chains = new Map<string, string>()
  const add = (chain: string, lines: readonly string[]): void => void chains.set(chain, lines.join('\n'))
  const source = options.masqueradeAll ? '' : ` ! -s ${options.clusterCIDR}`
  const masquerade = options.clusterCIDR === undefined && !options.masqueradeAll ? undefined : `${comment(`${name} cluster IP`)} ${to(service.clusterIP)}${source} -j ${markMasquerade}`
  const internal = service.internalLocal ? names.local : names.cluster
  const head = (chain: string): string[] => (chain === internal && masquerade !== undefined ? [`-A ${chain} ${masquerade}`] : [])
  if (inUse.cluster) add(names.cluster, [...head(names.cluster), ...balance(service, names.cluster, service.clusterEndpoints)])
  if (inUse.local) add(names.local, [...head(names.local), ...balance(service, names.local, service.localEndpoints)])
  if (inUse.external) add(names.external, externalLines(service, options))
  if (inUse.firewall) add(names.firewall, firewallLines(service, options))
  for (const endpoint of [...service.clusterEndpoints, ...service.localEndpoints]) add(endpointChain(service, endpoint), endpointLines(service, endpoint))
  return chains
}

/** What becomes of traffic that finds no endpoint: refused when there is none anywhere, dropped when only this node has none. */
function refusal(service: ServiceRules, hasAllowed: boolean): { target: string; why: string } | undefined {
  if (!service.hasEndpoints) return { target: 'REJECT', why: `${service.portName} has no endpoints` }
  return hasAllowed ? undefined : { target: 'DROP', why: `${service.portName} has no local endpoints` }
}

/** The rules of a service port, as kube-proxy's iptables mode lays them out. A pure function: the same service gives the same text. */
export function renderService(service: ServiceRules, options: ProxyBackendOptions): RenderedService {
  const { comment, to, toNode, name } = wordsOf(service)
  const names = serviceChains(service)
  const inUse = chainsInUse(service)
  const natServices: string[] = []
  const filterServices: string[] = []
  const filterExternalServices: string[] = []
  const inside = refusal(service, (service.internalLocal ? service.localEndpoints : service.clusterEndpoints).length > 0)
  const outside = refusal(service, (service.externalLocal ? service.localEndpoints : service.clusterEndpoints).length > 0)

  if (inside === undefined) natServices.push(`-A KUBE-SERVICES ${comment(`${name} cluster IP`)} ${to(service.clusterIP)} -j ${service.internalLocal ? names.local : names.cluster}`)
  else filterServices.push(`-A KUBE-SERVICES ${comment(inside.why)} ${to(service.clusterIP)} -j ${inside.target}`)

  const addresses = [
    ...service.externalIPs.map((ip) => ({ ip, what: 'external IP', chain: names.external })),
    ...service.loadBalancerIPs.map((ip) => ({ ip, what: 'loadbalancer IP', chain: inUse.firewall ? names.firewall : names.external })),
  ]
  for (const { ip, what, chain } of addresses) {
    if (inUse.external) natServices.push(`-A KUBE-SERVICES ${comment(`${name} ${what}`)} ${to(ip)} -j ${chain}`)
    if (outside !== undefined) filterExternalServices.push(`-A KUBE-EXTERNAL-SERVICES ${comment(outside.why)} ${to(ip)} -j ${outside.target}`)
  }
  const natNodePorts = service.nodePort !== undefined && inUse.external ? [`-A KUBE-NODEPORTS ${comment(name)} ${toNode} -j ${names.external}`] : []
  if (service.nodePort !== undefined && outside !== undefined) {
    filterExternalServices.push(`-A KUBE-EXTERNAL-SERVICES ${comment(outside.why)} -m addrtype --dst-type LOCAL ${toNode} -j ${outside.target}`)
  }
  const filterNodePorts = service.healthCheckNodePort === undefined ? [] :
    [`-A KUBE-NODEPORTS ${comment(`${name} health check node port`)} -m tcp -p tcp --dport ${service.healthCheckNodePort} -j ACCEPT`]
  const filterFirewall = inUse.firewall ? service.loadBalancerIPs.map((ip) => `-A KUBE-PROXY-FIREWALL ${comment(`${name} traffic not accepted by ${names.firewall}`)} ${to(ip)} -j DROP`) : []
  return { chains: ownChains(service, options), natServices, natNodePorts, filterServices, filterExternalServices, filterNodePorts, filterFirewall }
}
