// Generated from src/api/schema by `npm run generate`.
import type { Condition, ListMeta, ObjectMeta } from './meta_v1.ts'
import type { TypedLocalObjectReference } from './core_v1.ts'

export interface Ingress {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: IngressSpec
  status?: IngressStatus
}

export interface IngressList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: Ingress[]
}

export interface IngressSpec {
  ingressClassName?: string
  backend?: IngressBackend
  tls?: IngressTLS[]
  rules?: IngressRule[]
}

export interface IngressTLS {
  hosts?: string[]
  secretName?: string
}

export interface IngressStatus {
  loadBalancer?: IngressLoadBalancerStatus
}

export interface IngressLoadBalancerStatus {
  ingress?: IngressLoadBalancerIngress[]
}

export interface IngressLoadBalancerIngress {
  ip?: string
  hostname?: string
  ports?: IngressPortStatus[]
}

export interface IngressPortStatus {
  port: number
  protocol: string
  error?: string
}

export interface IngressRule extends IngressRuleValue {
  host?: string
}

export interface IngressRuleValue {
  http?: HTTPIngressRuleValue
}

export interface HTTPIngressRuleValue {
  paths: HTTPIngressPath[]
}

export interface HTTPIngressPath {
  path?: string
  pathType?: string
  backend: IngressBackend
}

export interface IngressBackend {
  serviceName?: string
  servicePort?: number | string
  resource?: TypedLocalObjectReference
}

export interface IngressClass {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: IngressClassSpec
}

export interface IngressClassSpec {
  controller?: string
  parameters?: IngressClassParametersReference
}

export interface IngressClassParametersReference {
  apiGroup?: string
  kind: string
  name: string
  scope?: string
  namespace?: string
}

export interface IngressClassList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: IngressClass[]
}

export interface IPAddress {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: IPAddressSpec
}

export interface IPAddressSpec {
  parentRef?: ParentReference
}

export interface ParentReference {
  group?: string
  resource?: string
  namespace?: string
  name?: string
}

export interface IPAddressList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: IPAddress[]
}

export interface ServiceCIDR {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: ServiceCIDRSpec
  status?: ServiceCIDRStatus
}

export interface ServiceCIDRSpec {
  cidrs?: string[]
}

export interface ServiceCIDRStatus {
  conditions?: Condition[]
}

export interface ServiceCIDRList {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: ServiceCIDR[]
}
