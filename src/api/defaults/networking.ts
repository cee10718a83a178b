import type { OpenObject } from '../../machinery/object.ts'
import type { EndpointSlice } from '../types/discovery.k8s.io_v1.ts'
import type { IngressClass, NetworkPolicy } from '../types/networking.k8s.io_v1.ts'
import type { Defaulter } from './defaults.ts'

function defaultNetworkPolicy(object: OpenObject): void {
  const { spec } = object as unknown as NetworkPolicy
  if (spec === undefined) return
  for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) for (const port of rule.ports ?? []) port.protocol ??= 'TCP'
  if ((spec.policyTypes ?? []).length === 0) spec.policyTypes = (spec.egress ?? []).length > 0 ? ['Ingress', 'Egress'] : ['Ingress']
}

function defaultIngressClass(object: OpenObject): void {
  const { spec } = object as unknown as IngressClass
  if (spec?.parameters !== undefined) spec.parameters.scope ??= 'Cluster'
}

function defaultEndpointSlice(object: OpenObject): void {
  for (const port of (object as unknown as EndpointSlice).ports ?? []) {
    port.name ??= ''
    port.protocol ??= 'TCP'
  }
}

export const networkingDefaults: Record<string, Defaulter> = {
  'networking.k8s.io/v1.NetworkPolicy': defaultNetworkPolicy,
  'networking.k8s.io/v1.IngressClass': defaultIngressClass,
  'discovery.k8s.io/v1.EndpointSlice': defaultEndpointSlice,
}
