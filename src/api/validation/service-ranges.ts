import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { canonicalCidrErrors, canonicalIpErrors, parseSloppyCidr } from '../../machinery/ip-checks.ts'
import { dnsSubdomainErrors, pathSegmentErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { IPAddress, ServiceCIDR } from '../types/networking.k8s.io_v1.ts'
import { addInvalid, isEmpty } from './check.ts'
import { validateImmutableForm } from './internal-form.ts'
import { immutableText } from './object-meta.ts'
import type { NameRule } from './object-meta.ts'
import type { Validation } from './validation.ts'

/** Addresses and address ranges of services (KEP-1880). */

/** An IPAddress is named after itself. */
export const ipAddressName: NameRule = (name) => canonicalIpErrors(name)

function validateIpAddress(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const at = 'spec.parentRef'
  const parent = (object as unknown as IPAddress).spec?.parentRef
  if (parent === undefined) return [fieldErrors.required(at)]
  if (!isEmpty(parent.group)) addInvalid(out, `${at}.group`, parent.group, dnsSubdomainErrors(parent.group))
  for (const field of ['resource', 'name'] as const) {
    const value = parent[field]
    if (isEmpty(value)) out.push(fieldErrors.required(`${at}.${field}`))
    else addInvalid(out, `${at}.${field}`, value, pathSegmentErrors(value))
  }
  if (!isEmpty(parent.namespace)) addInvalid(out, `${at}.namespace`, parent.namespace, pathSegmentErrors(parent.namespace))
  return out
}

export const ipAddressValidation: Validation = {
  validate: validateIpAddress,
  validateUpdate: (object, old) => [
    ...validateIpAddress(object), ...validateImmutableForm('ParentReference', (object as unknown as IPAddress).spec?.parentRef, (old as unknown as IPAddress).spec?.parentRef, 'spec.parentRef'),
  ],
}

function validateServiceCidr(object: Readonly<OpenObject>): FieldError[] {
  const at = 'spec.cidrs'
  const { spec } = object as unknown as ServiceCIDR
  const cidrs = spec?.cidrs ?? []
  if (cidrs.length === 0) return [fieldErrors.required(at, 'at least one CIDR required')]
  if (cidrs.length > 2) return [fieldErrors.invalid(at, { CIDRs: cidrs }, 'may only hold up to 2 values')]
  const out: FieldError[] = []
  cidrs.forEach((cidr, i) => addInvalid(out, `${at}[${i}]`, cidr, canonicalCidrErrors(cidr)))
  const [first, second] = cidrs.map((cidr) => parseSloppyCidr(cidr)?.family)
  if (cidrs.length === 2 && first === second && first !== undefined) {
    out.push(fieldErrors.invalid(at, cidrs, 'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64'))
  }
  return out
}

export const serviceCidrValidation: Validation = {
  validate: validateServiceCidr,
  /** A cluster of one family may become one of two; nothing else changes. */
  validateUpdate(object, old) {
    const now = (object as unknown as ServiceCIDR).spec?.cidrs ?? []
    const before = (old as unknown as ServiceCIDR).spec?.cidrs ?? []
    const changed = now.flatMap((cidr, i) => (i < before.length && cidr !== before[i] ? [fieldErrors.invalid(`spec.cidrs[${i}]`, cidr, immutableText)] : []))
    if (before.length === now.length) return changed
    if (before.length === 1 && now.length === 2) return [...changed, ...validateServiceCidr(object)]
    return [fieldErrors.invalid('spec.cidrs', now.length === 0 ? null : now, immutableText)]
  },
}
