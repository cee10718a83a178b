import type { Service, ServiceSpec } from '../../api/types/core_v1.ts'
import { fieldErrors, type FieldError } from '../../machinery/field-error.ts'

/** `IPv4` or `IPv6`. */
export type IpFamily = 'IPv4' | 'IPv6'

export function familyOf(ip: string): IpFamily {
  return ip.includes(':') ? 'IPv6' : 'IPv4'
}

const other = (family: string): IpFamily => (family === 'IPv4' ? 'IPv6' : 'IPv4')
const sameList = (a: readonly string[] = [], b: readonly string[] = []): boolean => a.length === b.length && a.every((each, index) => each === b[index])

/** A PreferDualStack service keeps what it has when the cluster gains or loses a family. */
function keepsWhatItHas(spec: ServiceSpec, old: Readonly<ServiceSpec> | undefined): boolean {
  if (old === undefined || spec.ipFamilyPolicy !== 'PreferDualStack' || spec.type !== old.type || spec.type === 'ExternalName') return false
  if (old.ipFamilyPolicy !== undefined && old.ipFamilyPolicy !== 'PreferDualStack') return false
  return sameList(spec.clusterIPs, old.clusterIPs) && sameList(spec.ipFamilies, old.ipFamilies)
}

/**
 * Fills policy and families of a service that gets addresses, or is headless, from what it says and what the cluster has (upstream:
 * `initIPFamilyFields`). `families` are those of the cluster, the default first. Returns what is wrong.
 */
export function fillFamilies(service: Service, old: Readonly<Service> | undefined, families: readonly IpFamily[]): FieldError[] {
  const spec = service.spec!
  const before = old?.spec
  if (spec.type === 'ExternalName' || keepsWhatItHas(spec, before)) return []
  const isSelectorless = spec.clusterIP === 'None' && Object.keys(spec.selector ?? {}).length === 0
  spec.ipFamilyPolicy ??= before?.ipFamilyPolicy ?? (isSelectorless ? 'RequireDualStack' : 'SingleStack')
  const problems = [...shrink(spec, before), ...infer(spec, families)]
  if (problems.length > 0) return problems
  const isSingle = spec.ipFamilyPolicy === 'SingleStack'
  if (isSelectorless) {
    // Its endpoints are somebody else's, of families that the cluster need not have.
    const own = spec.ipFamilies === undefined || spec.ipFamilies.length === 0 ? [families[0]!] : spec.ipFamilies
    spec.ipFamilies = own.length < 2 && !isSingle ? [own[0]!, other(own[0]!)] : own
    return []
  }
  if (spec.ipFamilyPolicy === 'RequireDualStack' && families.length < 2) problems.push(fieldErrors.invalid('spec.ipFamilyPolicy', spec.ipFamilyPolicy, 'this cluster is not configured for dual-stack services'))
  for (const [index, family] of (spec.ipFamilies ?? []).entries()) {
    if (!families.includes(family as IpFamily)) problems.push(fieldErrors.invalid(`spec.ipFamilies[${index}]`, family, 'not configured on this cluster'))
  }
  if (problems.length > 0) return problems
  const own = spec.ipFamilies === undefined || spec.ipFamilies.length === 0 ? [families[0]!] : spec.ipFamilies
  spec.ipFamilies = !isSingle && own.length === 1 && families.length === 2 ? [own[0]!, other(own[0]!)] : own
  return []
}

/** On the way from two families to one, the policy says so; what else says it is dropped or must say it too. */
function shrink(spec: ServiceSpec, before: Readonly<ServiceSpec> | undefined): FieldError[] {
  const problems: FieldError[] = []
  const policy = spec.ipFamilyPolicy
  if (before !== undefined && policy === 'SingleStack') {
    if (sameList(spec.clusterIPs, before.clusterIPs) && (spec.clusterIPs?.length ?? 0) > 1) spec.clusterIPs = spec.clusterIPs!.slice(0, 1)
    if (sameList(spec.ipFamilies, before.ipFamilies) && (spec.ipFamilies?.length ?? 0) > 1) spec.ipFamilies = spec.ipFamilies!.slice(0, 1)
  } else if (before !== undefined) {
    const reduced = (now: readonly string[] = [], then: readonly string[] = []): boolean => now.length > 0 && then.length > now.length
    if (reduced(spec.clusterIPs, before.clusterIPs)) problems.push(fieldErrors.invalid('spec.ipFamilyPolicy', policy, 'must be \'SingleStack\' to release the secondary cluster IP'))
    if (reduced(spec.ipFamilies, before.ipFamilies)) problems.push(fieldErrors.invalid('spec.ipFamilyPolicy', policy, 'must be \'SingleStack\' to release the secondary IP family'))
  }
  if (policy === 'SingleStack') {
    const needs = 'must be \'RequireDualStack\' or \'PreferDualStack\' when multiple'
    if (spec.clusterIPs?.length === 2) problems.push(fieldErrors.invalid('spec.ipFamilyPolicy', policy, `${needs} cluster IPs are specified`))
    if (spec.ipFamilies?.length === 2) problems.push(fieldErrors.invalid('spec.ipFamilyPolicy', policy, `${needs} IP families are specified`))
  }
  return problems
}

/** Families that addresses have but the list of families lacks. */
function infer(spec: ServiceSpec, families: readonly IpFamily[]): FieldError[] {
  const problems: FieldError[] = []
  const ips = spec.clusterIPs ?? (spec.clusterIP === undefined || spec.clusterIP === '' ? [] : [spec.clusterIP])
  for (const [index, ip] of ips.entries()) {
    if (ip === 'None' || ip === '') break
    if (index < (spec.ipFamilies?.length ?? 0)) continue
    const family = familyOf(ip)
    if (families.includes(family)) spec.ipFamilies = [...(spec.ipFamilies ?? []), family]
    else problems.push(fieldErrors.invalid(`spec.clusterIPs[${index}]`, spec.clusterIPs ?? ips, `${family} is not configured on this cluster`))
  }
  return problems
}
