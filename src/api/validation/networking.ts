import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { domainPrefixedPathErrors } from '../../machinery/domain-prefixed-path.ts'
import { cidrHas } from '../../machinery/cidr.ts'
import { parseSloppyCidr, parseSloppyIp } from '../../machinery/ip-checks.ts'
import { validateLabelSelector } from '../../machinery/labels.ts'
import { dnsLabelErrors, dnsSubdomainErrors, pathSegmentErrors, portNameErrors, portNumberErrors, wildcardSubdomainErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { HTTPIngressPath, Ingress, IngressBackend, IngressClass, IngressRule, IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '../types/networking.k8s.io_v1.ts'
import { addInvalid, checkOptionalOneOf, isEmpty } from './check.ts'
import { checkCidr, checkIp } from './ip-fields.ts'
import { validateImmutable } from './object-meta.ts'
import type { Validation } from './validation.ts'

/** NetworkPolicies, Ingresses and their classes (upstream's `pkg/apis/networking/validation`). */

function checkPolicyPort(out: FieldError[], path: string, { protocol, port, endPort }: Readonly<NetworkPolicyPort>): void {
  checkOptionalOneOf(out, `${path}.protocol`, protocol, ['TCP', 'UDP', 'SCTP'])
  const atEnd = `${path}.endPort`
  if (typeof port === 'number') {
    addInvalid(out, `${path}.port`, port, portNumberErrors(port))
    if (endPort === undefined) return
    if (endPort < port) out.push(fieldErrors.invalid(atEnd, port, 'must be greater than or equal to `port`'))
    addInvalid(out, atEnd, endPort, portNumberErrors(endPort))
    return
  }
  if (endPort !== undefined) out.push(fieldErrors.invalid(atEnd, endPort, `may not be specified when \`port\` is ${port === undefined ? 'not specified' : 'non-numeric'}`))
  if (port !== undefined) addInvalid(out, `${path}.port`, port, portNameErrors(port))
}

/** What an object had before may stay: ranges that were well-formed once, values of selectors. */
interface Kept { cidrs: readonly string[]; selectorValues: boolean }

function checkIpBlock(out: FieldError[], path: string, { cidr, except = [] }: Readonly<IPBlock>, { cidrs }: Kept): void {
  if (isEmpty(cidr)) return void out.push(fieldErrors.required(`${path}.cidr`))
  checkCidr(out, `${path}.cidr`, cidr, cidrs)
  const whole = parseSloppyCidr(cidr)
  if (whole === undefined) return
  for (const [i, text] of except.entries()) {
    const at = `${path}.except[${i}]`
    const part = parseSloppyCidr(text)
    checkCidr(out, at, text, cidrs)
    if (part !== undefined && !(cidrHas(whole, { family: part.family, value: part.base }) && part.prefix > whole.prefix)) out.push(fieldErrors.invalid(at, text, 'must be a strict subset of `cidr`'))
  }
}

function checkPeer(out: FieldError[], path: string, { podSelector, namespaceSelector, ipBlock }: Readonly<NetworkPolicyPeer>, kept: Kept): void {
  out.push(...validateLabelSelector(podSelector, `${path}.podSelector`, kept.selectorValues), ...validateLabelSelector(namespaceSelector, `${path}.namespaceSelector`, kept.selectorValues))
  if (ipBlock !== undefined) checkIpBlock(out, `${path}.ipBlock`, ipBlock, kept)
  if (podSelector === undefined && namespaceSelector === undefined) {
    if (ipBlock === undefined) out.push(fieldErrors.required(path, 'must specify a peer'))
  } else if (ipBlock !== undefined) out.push(fieldErrors.forbidden(path, 'may not specify both ipBlock and another peer'))
}

type Direction = readonly ['ingress', 'from'] | readonly ['egress', 'to']
const directions: readonly Direction[] = [['ingress', 'from'], ['egress', 'to']]
const peersOf = (rule: object, field: string): readonly NetworkPolicyPeer[] => (rule as Record<string, NetworkPolicyPeer[] | undefined>)[field] ?? []

const cidrsOf = ({ spec }: Readonly<NetworkPolicy>): string[] =>
  directions.flatMap(([direction, peers]) => (spec[direction] ?? []).flatMap((rule) => peersOf(rule, peers).flatMap(({ ipBlock }) => (ipBlock === undefined ? [] : [ipBlock.cidr, ...(ipBlock.except ?? [])]))))

function validateNetworkPolicy(object: Readonly<OpenObject>, old?: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec } = object as unknown as NetworkPolicy
  const before = old as unknown as NetworkPolicy | undefined
  const kept: Kept = { cidrs: before === undefined ? [] : cidrsOf(before), selectorValues: validateLabelSelector(before?.spec.podSelector, '').length > 0 }
  out.push(...validateLabelSelector(spec.podSelector, 'spec.podSelector', kept.selectorValues))
  for (const [direction, peers] of directions) {
    for (const [i, rule] of (spec[direction] ?? []).entries()) {
      const at = `spec.${direction}[${i}]`
      for (const [p, port] of (rule.ports ?? []).entries()) checkPolicyPort(out, `${at}.ports[${p}]`, port)
      for (const [p, peer] of peersOf(rule, peers).entries()) checkPeer(out, `${at}.${peers}[${p}]`, peer, kept)
    }
  }
  if ((spec.policyTypes ?? []).length > 2) out.push(fieldErrors.invalid('spec.policyTypes', spec.policyTypes, 'may not specify more than two policyTypes'))
  else spec.policyTypes?.forEach((type, i) => checkOptionalOneOf(out, `spec.policyTypes[${i}]`, type, ['Ingress', 'Egress']))
  return out
}

export const networkPolicyValidation: Validation = { validate: (object) => validateNetworkPolicy(object), validateUpdate: validateNetworkPolicy }

/** A reference by group, kind and name, whatever it is to. */
function checkReference(out: FieldError[], path: string, { apiGroup, kind, name }: { apiGroup?: string | null; kind?: string; name?: string }): void {
  if (typeof apiGroup === 'string') addInvalid(out, `${path}.apiGroup`, apiGroup, dnsSubdomainErrors(apiGroup))
  for (const [field, value] of [['kind', kind], ['name', name]] as const) {
    if (isEmpty(value)) out.push(fieldErrors.required(`${path}.${field}`))
    else addInvalid(out, `${path}.${field}`, value, pathSegmentErrors(value))
  }
}

function checkBackend(out: FieldError[], path: string, { service, resource }: Readonly<IngressBackend>): void {
  if (service !== undefined && resource !== undefined) return void out.push(fieldErrors.invalid(path, '', 'cannot set both resource and service backends'))
  if (resource !== undefined) return checkReference(out, `${path}.resource`, resource)
  if (service === undefined) return void out.push(fieldErrors.invalid(path, '', 'resource or service backend is required'))
  if (isEmpty(service.name)) out.push(fieldErrors.required(`${path}.service.name`))
  else addInvalid(out, `${path}.service.name`, service.name, dnsLabelErrors(service.name))
  const { name, number } = service.port ?? {}
  if (!isEmpty(name) && number) out.push(fieldErrors.invalid(path, '', 'cannot set both port name & port number'))
  else if (!isEmpty(name)) addInvalid(out, `${path}.service.port.name`, name, portNameErrors(name))
  else if (number) addInvalid(out, `${path}.service.port.number`, number, portNumberErrors(number))
  else out.push(fieldErrors.required(path, 'port name or number is required'))
}

const invalidSequences = ['//', '/./', '/../', '%2f', '%2F']
const invalidSuffixes = ['/..', '/.']

function checkIngressPath(out: FieldError[], path: string, { path: text = '', pathType, backend }: Readonly<HTTPIngressPath>): void {
  if (pathType === undefined) return void out.push(fieldErrors.required(`${path}.pathType`, 'pathType must be specified'))
  if (pathType === 'Exact' || pathType === 'Prefix') {
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

const hostErrors = (host: string): string[] => (host.includes('*') ? wildcardSubdomainErrors(host) : dnsSubdomainErrors(host))
const noAddressText = 'must be a DNS name, not an IP address'

function checkHttpRule(out: FieldError[], path: string, { http }: Readonly<IngressRule>): void {
  if (http === undefined) return
  if ((http.paths ?? []).length === 0) out.push(fieldErrors.required(`${path}.http.paths`))
  for (const [p, rule] of (http.paths ?? []).entries()) checkIngressPath(out, `${path}.http.paths[${p}]`, rule)
}

const secretNameErrors = (name: string | undefined): string[] => (isEmpty(name) ? [] : dnsSubdomainErrors(name))

/** Mistakes that older servers let through, and that `before` makes already, may stay. */
function keptMistakes(before: Readonly<Ingress> | undefined): { secretNames: boolean; wildcardRules: boolean } {
  const rules: FieldError[] = []
  for (const rule of before?.spec.rules ?? []) if ((rule.host ?? '').includes('*')) checkHttpRule(rules, '', rule)
  return { secretNames: (before?.spec.tls ?? []).some(({ secretName }) => secretNameErrors(secretName).length > 0), wildcardRules: rules.length > 0 }
}

function validateIngress(object: Readonly<OpenObject>, old?: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec } = object as unknown as Ingress
  const kept = keptMistakes(old as unknown as Ingress | undefined)
  if ((spec.rules ?? []).length === 0 && spec.defaultBackend === undefined) out.push(fieldErrors.invalid('spec', spec.rules ?? null, 'either `defaultBackend` or `rules` must be specified'))
  if (spec.defaultBackend !== undefined) checkBackend(out, 'spec.defaultBackend', spec.defaultBackend)
  for (const [i, rule] of (spec.rules ?? []).entries()) {
    const at = `spec.rules[${i}]`
    const { host = '' } = rule
    if (parseSloppyIp(host) !== undefined) out.push(fieldErrors.invalid(`${at}.host`, host, noAddressText))
    if (host !== '') addInvalid(out, `${at}.host`, host, hostErrors(host))
    if (!host.includes('*') || !kept.wildcardRules) checkHttpRule(out, at, rule)
  }
  for (const [i, { hosts = [], secretName }] of (spec.tls ?? []).entries()) {
    for (const [h, host] of hosts.entries()) addInvalid(out, `spec.tls[${i}].hosts[${h}]`, host, hostErrors(host))
    if (!kept.secretNames) addInvalid(out, `spec.tls[${i}].secretName`, secretName, secretNameErrors(secretName))
  }
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
  validateStatusUpdate(object, old) {
    const out: FieldError[] = []
    const before = ((old as unknown as Ingress).status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => (isEmpty(ip) ? [] : [ip]))
    for (const [i, { ip, hostname }] of ((object as unknown as Ingress).status?.loadBalancer?.ingress ?? []).entries()) {
      const at = `status.loadBalancer.ingress[${i}]`
      if (!isEmpty(ip)) checkIp(out, `${at}.ip`, ip, before)
      if (isEmpty(hostname)) continue
      addInvalid(out, `${at}.hostname`, hostname, dnsSubdomainErrors(hostname))
      if (parseSloppyIp(hostname) !== undefined) out.push(fieldErrors.invalid(`${at}.hostname`, hostname, noAddressText))
    }
    return out
  },
}

function validateIngressClass(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec } = object as unknown as IngressClass
  const controller = spec?.controller ?? ''
  if (Buffer.byteLength(controller) > 250) out.push(fieldErrors.tooLong('spec.controller', 250))
  out.push(...domainPrefixedPathErrors('spec.controller', controller))
  const reference = spec?.parameters
  if (reference === undefined) return out
  const at = 'spec.parameters'
  checkReference(out, at, reference)
  const { scope, namespace } = reference
  if (scope === undefined) out.push(fieldErrors.required(`${at}.scope`))
  else if (scope !== 'Cluster' && scope !== 'Namespace') out.push(fieldErrors.notSupported(`${at}.scope`, scope, ['Cluster', 'Namespace']))
  else if (scope === 'Cluster') {
    if (namespace !== undefined) out.push(fieldErrors.forbidden(`${at}.namespace`, "`parameters.scope` is set to 'Cluster'"))
  } else if (namespace === undefined) out.push(fieldErrors.required(`${at}.namespace`, "`parameters.scope` is set to 'Namespace'"))
  else addInvalid(out, `${at}.namespace`, namespace, dnsLabelErrors(namespace))
  return out
}

export const ingressClassValidation: Validation = {
  validate: validateIngressClass,
  validateUpdate: (object, old) => [...validateImmutable((object as unknown as IngressClass).spec?.controller ?? '', (old as unknown as IngressClass).spec?.controller, 'spec.controller'), ...validateIngressClass(object)],
}
