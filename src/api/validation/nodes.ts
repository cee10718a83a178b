import { parseCidr } from '../../machinery/cidr.ts'
import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { goQuoted } from '../../machinery/go-json.ts'
import { configMapKeyErrors, dnsLabelErrors, dnsSubdomainErrors, labelValueErrors, qualifiedNameErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { ConfigMapNodeConfigSource, Node, NodeConfigSource, NodeSpec, Taint } from '../types/core_v1.ts'
import { taintEffects } from './affinity.ts'
import { checkAmount } from './amounts.ts'
import { addInvalid, checkOneOf, isEmpty } from './check.ts'
import { checkCidr } from './ip-fields.ts'
import type { Validation } from './validation.ts'

/** Nodes. Objects that are shown whole are shown in upstream's internal form. */

/** Upstream's path is `metadata.taints`, an accident of old. */
function checkTaints(out: FieldError[], taints: readonly Taint[]): void {
  const seen = new Set<string>()
  for (const [i, taint] of taints.entries()) {
    const at = `metadata.taints[${i}]`
    const { key = '', value = '', effect = '' } = taint
    addInvalid(out, `${at}.key`, key, qualifiedNameErrors(key))
    const valueErrors = labelValueErrors(value)
    if (valueErrors.length > 0) out.push(fieldErrors.invalid(`${at}.value`, value, valueErrors.join(';')))
    checkOneOf(out, `${at}.effect`, effect, taintEffects)
    if (seen.has(`${key}:${effect}`)) out.push({ ...fieldErrors.duplicate(at, { Key: key, Value: value, Effect: effect, TimeAdded: taint.timeAdded ?? null }), detail: 'taints must be unique by key and effect pair' })
    seen.add(`${key}:${effect}`)
  }
}

function checkResources(out: FieldError[], { status }: Readonly<Node>): void {
  for (const kind of ['capacity', 'allocatable'] as const) {
    for (const [name, amount] of Object.entries(status?.[kind] ?? {})) checkAmount(out, `status.${kind}.${name}`, name, amount)
  }
}

function checkPodCidrs(out: FieldError[], cidrs: readonly string[]): void {
  for (const [i, cidr] of cidrs.entries()) checkCidr(out, `spec.podCIDRs[${i}]`, cidr)
  if (cidrs.length < 2) return
  const families = cidrs.map((cidr) => parseCidr(cidr)?.family)
  const wrong = families.indexOf(undefined)
  if (wrong >= 0) out.push(fieldErrors.internal('spec.podCIDRs', `invalid PodCIDRs. failed to check with dual stack with error:invalid CIDR[${wrong}]: <nil> (invalid CIDR address: ${cidrs[wrong]})`))
  if (wrong >= 0 || new Set(families).size < 2 || cidrs.length > 2) out.push(fieldErrors.invalid('spec.podCIDRs', cidrs, 'may specify no more than one CIDR for each IP family'))
}

/** Features that a kubelet says it has (KEP-5328): sorted, each once. */
function checkDeclaredFeatures(out: FieldError[], features: readonly string[]): void {
  for (const [i, feature] of features.entries()) {
    const at = `status.declaredFeatures[${i}]`
    if (feature.length > 253) out.push(fieldErrors.invalid(at, feature, `invalid feature name ${goQuoted(feature)}: must be no more than 253 characters`))
    else if (!/^[A-Z][a-zA-Z0-9]*(\/[a-zA-Z][a-zA-Z0-9]*)*$/.test(feature)) {
      out.push(fieldErrors.invalid(at, feature, `invalid feature name ${goQuoted(feature)}: must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes`))
    }
    const next = features[i + 1]
    if (next === feature) out.push(fieldErrors.duplicate(`status.declaredFeatures[${i + 1}]`, next))
    else if (next !== undefined && feature > next) out.push(fieldErrors.invalid(`status.declaredFeatures[${i + 1}]`, next, 'list must be sorted alphabetically'))
  }
}

/** Of a kubelet's configuration in the cluster, which nothing reads any more. */
function checkConfigMapSource(out: FieldError[], path: string, source: Readonly<ConfigMapNodeConfigSource>, inStatus: boolean): void {
  for (const field of ['uid', 'resourceVersion'] as const) {
    if (inStatus && isEmpty(source[field])) out.push(fieldErrors.required(`${path}.${field}`, `${field} must be set in status`))
    if (!inStatus && !isEmpty(source[field])) out.push(fieldErrors.forbidden(`${path}.${field}`, `${field} must not be set in spec`))
  }
  for (const [field, rule] of [['namespace', dnsLabelErrors], ['name', dnsSubdomainErrors], ['kubeletConfigKey', configMapKeyErrors]] as const) {
    const value = source[field] ?? ''
    if (value === '') out.push(fieldErrors.required(`${path}.${field}`, `${field} must be set`))
    else addInvalid(out, `${path}.${field}`, value, rule(value))
  }
}

function checkConfigSource(out: FieldError[], path: string, source: Readonly<NodeConfigSource> | undefined, inStatus: boolean): void {
  if (source === undefined) return
  if (source.configMap === undefined) out.push(fieldErrors.invalid(path, source, 'exactly one reference subfield must be non-nil'))
  else checkConfigMapSource(out, `${path}.configMap`, source.configMap, inStatus)
}

function validateNode(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const node = object as unknown as Node
  checkTaints(out, node.spec?.taints ?? [])
  checkResources(out, node)
  const swap = node.status?.nodeInfo?.swap?.capacity
  if (swap !== undefined && swap <= 0) out.push(fieldErrors.invalid('metadata.nodeSwapStatus.capacity', swap, 'must be greater than zero'))
  checkDeclaredFeatures(out, node.status?.declaredFeatures ?? [])
  checkPodCidrs(out, node.spec?.podCIDRs ?? [])
  return out
}

/** What is set once: ranges, the provider's name for the machine. */
function checkFixed(out: FieldError[], spec: Readonly<NodeSpec>, before: Readonly<NodeSpec>): void {
  const cidrs = spec.podCIDRs ?? []
  const cidrsBefore = before.podCIDRs ?? []
  const fixed = 'node updates may not change podCIDR except from "" to valid'
  if (cidrsBefore.length > 0 && cidrs.length !== cidrsBefore.length) out.push(fieldErrors.forbidden('spec.podCIDRs', fixed))
  else for (const [i, cidr] of cidrsBefore.entries()) if (cidr !== cidrs[i]) out.push(fieldErrors.forbidden('spec.podCIDRs', fixed))
  if (!isEmpty(before.providerID) && spec.providerID !== before.providerID) out.push(fieldErrors.forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid'))
}

function validateNodeUpdate(object: Readonly<OpenObject>, old: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const node = object as unknown as Node
  const spec = node.spec ?? {}
  const before = (old as unknown as Node).spec ?? {}
  checkResources(out, node)
  checkDeclaredFeatures(out, node.status?.declaredFeatures ?? [])
  const addresses = new Set<string>()
  for (const [i, address] of (node.status?.addresses ?? []).entries()) {
    const key = `${address.type}/${address.address}`
    if (addresses.has(key)) out.push(fieldErrors.duplicate(`status.addresses[${i}]`, { Type: address.type, Address: address.address }))
    addresses.add(key)
  }
  checkFixed(out, spec, before)
  checkConfigSource(out, 'spec.configSource', spec.configSource, false)
  for (const field of ['assigned', 'active', 'lastKnownGood'] as const) checkConfigSource(out, `status.config.${field}`, node.status?.config?.[field], true)
  checkTaints(out, spec.taints ?? [])
  if ((spec.externalID ?? '') !== (before.externalID ?? '')) out.push(fieldErrors.forbidden('spec.externalID', 'may not be updated'))
  return out
}

export const nodeValidation: Validation = { validate: validateNode, validateUpdate: (object, old) => [...validateNode(object), ...validateNodeUpdate(object, old)], validateStatusUpdate: validateNodeUpdate }
