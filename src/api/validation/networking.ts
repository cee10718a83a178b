import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { domainPrefixedPathErrors } from '../../machinery/domain-prefixed-path.ts'
import { cidrHas, parseCidr, parseIp } from '../../machinery/cidr.ts'
import { validateLabelSelector } from '../../machinery/labels.ts'
import { dnsLabelErrors, dnsSubdomainErrors, pathSegmentErrors, portNameErrors, portNumberErrors, wildcardSubdomainErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { HTTPIngressPath, Ingress, IngressBackend, IngressClass, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '../types/networking.k8s.io_v1.ts'
import { addInvalid, checkOneOf, checkOptionalOneOf, checkPortOrName, isEmpty } from './check.ts'
import { protocols } from './containers.ts'
import { checkCidr } from './ip-fields.ts'
import { validateImmutable } from './object-meta.ts'
import type { Validation } from './validation.ts'

/** NetworkPolicies, Ingresses and their classes (upstream's `pkg/apis/networking/validation`). */

function checkPolicyPort(out: FieldError[], path: string, { protocol, port, endPort }: Readonly<NetworkPolicyPort>): void {
  checkOptionalOneOf(out, `${path}.protocol`, protocol, protocols)
  if (port !== undefined) {
    checkPortOrName(out, `${path}.port`, port)
    if (endPort === undefined) return
    if (typeof port === 'number' && endPort < port) out.push(fieldErrors.invalid(`${path}.endPort`, endPort, 'must be greater than or equal to `port`'))
    if (typeof port === 'string') out.push(fieldErrors.invalid(`${path}.endPort`, endPort, 'may not be specified when `port` is non-numeric'))
    addInvalid(out, `${path}.endPort`, endPort, portNumberErrors(endPort))
  } else if (endPort !== undefined) {
    out.push(fieldErrors.required(`${path}.port`, 'must be specified when `endPort` is specified'))
  }
}

function checkPeer(out: FieldError[], path: string, { podSelector, namespaceSelector, ipBlock }: Readonly<NetworkPolicyPeer>, before: readonly string[]): void {
  out.push(...validateLabelSelector(podSelector, `${path}.podSelector`), ...validateLabelSelector(namespaceSelector, `${path}.namespaceSelector`))
  if (podSelector === undefined && namespaceSelector === undefined && ipBlock === undefined) out.push(fieldErrors.required(path, 'must specify a peer'))
  if (ipBlock === undefined) return
  if (podSelector !== undefined || namespaceSelector !== undefined) out.push(fieldErrors.forbidden(path, 'may not specify both ipBlock and another peer'))
  if (isEmpty(ipBlock.cidr)) out.push(fieldErrors.required(`${path}.ipBlock.cidr`))
  else checkCidr(out, `${path}.ipBlock.cidr`, ipBlock.cidr, before)
  const whole = parseCidr(ipBlock.cidr ?? '')
  for (const [i, except] of (ipBlock.except ?? []).entries()) {
    const at = `${path}.ipBlock.except[${i}]`
    const part = parseCidr(except)
    checkCidr(out, at, except, before)
    if (part !== undefined && whole !== undefined && !(cidrHas(whole, { family: part.family, value: part.base }) && part.prefix > whole.prefix)) out.push(fieldErrors.invalid(at, except, 'must be a strict subset of `cidr`'))
  }
}

type Direction = readonly ['ingress', 'from'] | readonly ['egress', 'to']
const directions: readonly Direction[] = [['ingress', 'from'], ['egress', 'to']]
const peersOf = (rule: object, field: string): readonly NetworkPolicyPeer[] => (rule as Record<string, NetworkPolicyPeer[] | undefined>)[field] ?? []

const cidrsOf = ({ spec }: Readonly<NetworkPolicy>): string[] =>
  directions.flatMap(([direction, peers]) => (spec[direction] ?? []).flatMap((rule) => peersOf(rule, peers).flatMap(({ ipBlock }) => (ipBlock === undefined ? [] : [ipBlock.cidr, ...(ipBlock.except ?? [])]))))

function validateNetworkPolicy(object: Readonly<OpenObject>, old?: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec } = object as unknown as NetworkPolicy
  const before = old === undefined ? [] : cidrsOf(old as unknown as NetworkPolicy)
  out.push(...validateLabelSelector(spec.podSelector, 'spec.podSelector'))
  for (const [direction, peers] of directions) {
    for (const [i, rule] of (spec[direction] ?? []).entries()) {
      const at = `spec.${direction}[${i}]`
      for (const [p, port] of (rule.ports ?? []).entries()) checkPolicyPort(out, `${at}.ports[${p}]`, port)
      for (const [p, peer] of peersOf(rule, peers).entries()) checkPeer(out, `${at}.${peers}[${p}]`, peer, before)
    }
  }
  if ((spec.policyTypes ?? []).length > 2) out.push(fieldErrors.invalid('spec.policyTypes', spec.policyTypes, 'may not specify more than two policyTypes'))
  else spec.policyTypes?.forEach((type, i) => checkOptionalOneOf(out, `spec.policyTypes[${i}]`, type, ['Egress', 'Ingress']))
  return out
}

export const networkPolicyValidation: Validation = { validate: (object) => validateNetworkPolicy(object), validateUpdate: validateNetworkPolicy }

function checkBackend(out: FieldError[], path: string, backend: Readonly<IngressBackend>): void {
  const { service, resource } = backend
  if (service !== undefined && resource !== undefined) out.push(fieldErrors.invalid(path, '', 'cannot set both resource and service backends'))
  else if (resource !== undefined) {
    if (isEmpty(resource.kind)) out.push(fieldErrors.required(`${path}.resource.kind`))
    if (isEmpty(resource.name)) out.push(fieldErrors.required(`${path}.resource.name`))
  } else if (service === undefined) {
    out.push(fieldErrors.required(path, 'must specify a service or resource backend'))
  } else {
    if (isEmpty(service.name)) out.push(fieldErrors.required(`${path}.service.name`))
    else addInvalid(out, `${path}.service.name`, service.name, dnsLabelErrors(service.name))
    const { name, number } = service.port ?? {}
    if (!isEmpty(name) && number) out.push(fieldErrors.invalid(path, '', 'cannot set both port name & port number'))
    else if (!isEmpty(name)) addInvalid(out, `${path}.service.port.name`, name, portNameErrors(name))
    else if (number) addInvalid(out, `${path}.service.port.number`, number, portNumberErrors(number))
    else out.push(fieldErrors.required(path, 'port name or number is required'))
  }
}

const invalidSequences = ['//', '/./', '/../', '%2f', '%2F']
const invalidSuffixes = ['/..', '/.']

function checkIngressPath(out: FieldError[], path: string, { path: text = '', pathType, backend }: Readonly<HTTPIngressPath>): void {
  if (isEmpty(pathType)) out.push(fieldErrors.required(`${path}.pathType`, 'pathType must be specified'))
  else if (pathType === 'Exact' || pathType === 'Prefix') {
    if (!text.startsWith('/')) out.push(fieldErrors.invalid(`${path}.path`, text, 'must be an absolute path'))
    for (const sequence of invalidSequences) if (text.includes(sequence)) out.push(fieldErrors.invalid(`${path}.path`, text, `must not contain '${sequence}'`))
    for (const suffix of invalidSuffixes) if (text.endsWith(suffix)) out.push(fieldErrors.invalid(`${path}.path`, text, `cannot end with '${suffix}'`))
  } else if (pathType === 'ImplementationSpecific') {
    if (text !== '' && !text.startsWith('/')) out.push(fieldErrors.invalid(`${path}.path`, text, 'must be an absolute path'))
  } else {
    out.push(fieldErrors.notSupported(`${path}.pathType`, pathType, ['Exact', 'ImplementationSpecific', 'Prefix']))
  }
  checkBackend(out, `${path}.backend`, backend ?? {})
}

function checkHost(out: FieldError[], path: string, host: string): void {
  if (parseIp(host) !== undefined) out.push(fieldErrors.invalid(path, host, 'must be a DNS name, not an IP address'))
  else addInvalid(out, path, host, host.includes('*') ? wildcardSubdomainErrors(host) : dnsSubdomainErrors(host))
}

function validateIngress(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec } = object as unknown as Ingress
  if ((spec.rules ?? []).length === 0 && spec.defaultBackend === undefined) out.push(fieldErrors.invalid('spec', spec.rules ?? null, 'either `defaultBackend` or `rules` must be specified'))
  if (spec.defaultBackend !== undefined) checkBackend(out, 'spec.defaultBackend', spec.defaultBackend)
  for (const [i, rule] of (spec.rules ?? []).entries()) {
    const at = `spec.rules[${i}]`
    if (!isEmpty(rule.host)) checkHost(out, `${at}.host`, rule.host)
    if (rule.http === undefined) continue
    if ((rule.http.paths ?? []).length === 0) out.push(fieldErrors.required(`${at}.http.paths`))
    for (const [p, path] of (rule.http.paths ?? []).entries()) checkIngressPath(out, `${at}.http.paths[${p}]`, path)
  }
  for (const [i, tls] of (spec.tls ?? []).entries()) for (const [h, host] of (tls.hosts ?? []).entries()) addInvalid(out, `spec.tls[${i}].hosts[${h}]`, host, host.includes('*') ? wildcardSubdomainErrors(host) : dnsSubdomainErrors(host))
  if (spec.ingressClassName !== undefined) addInvalid(out, 'spec.ingressClassName', spec.ingressClassName, dnsSubdomainErrors(spec.ingressClassName))
  return out
}

export const ingressValidation: Validation = {
  validate(object) {
    const out = validateIngress(object)
    const { metadata, spec } = object as unknown as Ingress
    const annotation = metadata.annotations?.['kubernetes.io/ingress.class']
    if (annotation !== undefined && spec.ingressClassName !== undefined && annotation !== spec.ingressClassName) {
      out.push(fieldErrors.invalid('annotations.kubernetes.io/ingress.class', annotation, 'must match `ingressClassName` when both are specified'))
    }
    return out
  },
  validateUpdate: validateIngress,
}

function validateIngressClass(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec } = object as unknown as IngressClass
  const controller = spec?.controller ?? ''
  if (controller.length > 250) out.push(fieldErrors.tooLong('spec.controller', 250))
  out.push(...domainPrefixedPathErrors('spec.controller', controller))
  const reference = spec?.parameters
  if (reference === undefined) return out
  if (isEmpty(reference.kind)) out.push(fieldErrors.required('spec.parameters.kind', 'kind is required'))
  if (isEmpty(reference.name)) out.push(fieldErrors.required('spec.parameters.name', 'name is required'))
  else addInvalid(out, 'spec.parameters.name', reference.name, pathSegmentErrors(reference.name))
  checkOneOf(out, 'spec.parameters.scope', reference.scope, ['Cluster', 'Namespace'])
  if (reference.scope === 'Namespace' && isEmpty(reference.namespace)) out.push(fieldErrors.required('spec.parameters.namespace', '`parameters.scope` is set to \'Namespace\''))
  if (reference.scope === 'Cluster' && reference.namespace !== undefined) out.push(fieldErrors.forbidden('spec.parameters.namespace', "`parameters.scope` is set to 'Cluster'"))
  return out
}

export const ingressClassValidation: Validation = {
  validate: validateIngressClass,
  validateUpdate: (object, old) => [...validateIngressClass(object), ...validateImmutable((object as unknown as IngressClass).spec?.controller, (old as unknown as IngressClass).spec?.controller, 'spec.controller')],
}
