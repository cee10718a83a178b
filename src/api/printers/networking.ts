import { labelSelectorText } from '../../machinery/labels.ts'
import type { Ingress, IngressClass, IPAddress, NetworkPolicy, ServiceCIDR } from '../types/networking.k8s.io_v1.ts'
import { age, ageColumn, column, fieldColumn, nameColumn, printer } from './columns.ts'
import type { KindPrinter } from './columns.ts'
import { loadBalancerText } from './core.ts'

/** Hosts of the first rules, `*` where no rule names one. */
function hostsText({ spec: { rules = [] } }: Ingress): string {
  const hosts: string[] = []
  for (const rule of rules) {
    if (hosts.length === 3) return `${hosts.join(',')} + ${rules.length - 3} more...`
    if (rule.host !== undefined && rule.host !== '') hosts.push(rule.host)
  }
  return hosts.length === 0 ? '*' : hosts.join(',')
}

function parametersText({ spec: { parameters } }: IngressClass): string {
  if (parameters === undefined) return '<none>'
  return `${parameters.kind}${parameters.apiGroup === undefined ? '' : `.${parameters.apiGroup}`}/${parameters.name}`
}

/** `services/default/web` */
function parentText({ spec }: IPAddress): string {
  const parent = spec.parentRef
  if (parent === undefined) return '<none>'
  const plural = parent.resource ?? ''
  const resource = parent.group === undefined || parent.group === '' ? plural : `${plural}.${parent.group}`
  return `${[resource.toLowerCase(), parent.namespace ?? ''].filter((part) => part !== '').join('/')}/${parent.name ?? ''}`
}

export const networkingPrinters: Record<string, KindPrinter> = {
  Ingress: printer<Ingress>([
    nameColumn,
    column('Class', 'string', 'The name of the IngressClass resource that should be used for additional configuration'),
    column('Hosts', 'string', 'Hosts that incoming requests are matched against before the ingress rule'),
    column('Address', 'string', 'Address is a list containing ingress points for the load-balancer'),
    column('Ports', 'string', 'Ports of TLS configurations that open'),
    ageColumn,
  ], (ingress, nowMs) => [
    ingress.metadata.name ?? '', ingress.spec.ingressClassName ?? '<none>', hostsText(ingress), loadBalancerText(ingress.status?.loadBalancer),
    (ingress.spec.tls ?? []).length > 0 ? '80, 443' : '80', age(ingress, nowMs),
  ]),
  IngressClass: printer<IngressClass>([
    nameColumn,
    column('Controller', 'string', 'Controller that is responsible for handling this class'),
    column('Parameters', 'string', 'A reference to a resource with additional parameters'),
    ageColumn,
  ], (ingressClass, nowMs) => [ingressClass.metadata.name ?? '', ingressClass.spec.controller ?? '', parametersText(ingressClass), age(ingressClass, nowMs)]),
  NetworkPolicy: printer<NetworkPolicy>([nameColumn, fieldColumn('Pod-Selector', 'string', 'networking.k8s.io/v1.NetworkPolicySpec', 'podSelector'), ageColumn],
    (policy, nowMs) => [policy.metadata.name ?? '', labelSelectorText(policy.spec.podSelector ?? {}), age(policy, nowMs)]),
  ServiceCIDR: printer<ServiceCIDR>([nameColumn, fieldColumn('CIDRs', 'string', 'networking.k8s.io/v1.ServiceCIDRSpec', 'cidrs'), ageColumn],
    (range, nowMs) => [range.metadata.name ?? '', (range.spec.cidrs ?? []).join(','), age(range, nowMs)]),
  IPAddress: printer<IPAddress>([nameColumn, fieldColumn('ParentRef', 'string', 'networking.k8s.io/v1.IPAddressSpec', 'parentRef')],
    // Upstream's rows tell the age, too, which no column shows.
    (address, nowMs) => [address.metadata.name ?? '', parentText(address), age(address, nowMs)]),
}
