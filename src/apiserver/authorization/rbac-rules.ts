import type { PolicyRule } from '../../api/types/rbac.authorization.k8s.io_v1.ts'
import type { AuthorizationAttributes } from '../context.ts'

/** Whether a rule speaks of a request, and whether rules cover other rules (API reference, rbac.authorization.k8s.io PolicyRule). */

function holds(list: readonly string[] | undefined, value: string): boolean {
  return list !== undefined && (list.includes('*') || list.includes(value))
}

function resourceMatches(rule: PolicyRule, resource: string, subresource: string): boolean {
  const list = rule.resources
  if (list === undefined) return false
  if (list.includes('*')) return true
  if (subresource === '') return list.includes(resource)
  return list.includes(`${resource}/${subresource}`) || list.includes(`*/${subresource}`)
}

/** A path against a nonResourceURL: `*`, an exact path, or a prefix that ends in `*`. */
export function urlMatches(pattern: string, path: string): boolean {
  return pattern === '*' || pattern === path || (pattern.endsWith('*') && path.startsWith(pattern.slice(0, pattern.lastIndexOf('*'))))
}

/** Whether the rule allows the request, leaving resource names aside. */
export function ruleMatchesWithoutName(rule: PolicyRule, request: AuthorizationAttributes): boolean {
  if (!holds(rule.verbs, request.verb)) return false
  if (!request.isResourceRequest) return rule.nonResourceURLs?.some((pattern) => urlMatches(pattern, request.path)) === true
  return holds(rule.apiGroups, request.apiGroup) && resourceMatches(rule, request.resource, request.subresource)
}

export function nameMatches(rule: PolicyRule, name: string): boolean {
  return rule.resourceNames === undefined || rule.resourceNames.length === 0 || rule.resourceNames.includes(name)
}

export function ruleAllows(rule: PolicyRule, request: AuthorizationAttributes): boolean {
  return ruleMatchesWithoutName(rule, request) && (!request.isResourceRequest || nameMatches(rule, request.name))
}

/** One verb on one resource, name or path: the atoms that covering is decided on, in upstream's order. */
function* atoms(rule: PolicyRule): Generator<PolicyRule> {
  const names = rule.resourceNames ?? []
  // Rules that are asked about may not have been validated.
  const verbs = rule.verbs ?? []
  for (const group of rule.apiGroups ?? []) {
    for (const resource of rule.resources ?? []) {
      for (const verb of verbs) {
        if (names.length === 0) yield { verbs: [verb], apiGroups: [group], resources: [resource] }
        for (const name of names) yield { verbs: [verb], apiGroups: [group], resources: [resource], resourceNames: [name] }
      }
    }
  }
  for (const url of rule.nonResourceURLs ?? []) for (const verb of verbs) yield { verbs: [verb], nonResourceURLs: [url] }
}

function covers(owner: PolicyRule, atom: PolicyRule): boolean {
  if (!holds(owner.verbs, atom.verbs[0]!)) return false
  const url = atom.nonResourceURLs?.[0]
  if (url !== undefined) return owner.nonResourceURLs?.some((pattern) => urlMatches(pattern, url)) === true
  const resource = atom.resources![0]!
  const slash = resource.indexOf('/')
  if (!holds(owner.apiGroups, atom.apiGroups![0]!)) return false
  if (!resourceMatches(owner, slash < 0 ? resource : resource.slice(0, slash), slash < 0 ? '' : resource.slice(slash + 1))) return false
  const names = owner.resourceNames ?? []
  return names.length === 0 || (atom.resourceNames !== undefined && names.includes(atom.resourceNames[0]!))
}

/** The single permissions in `wanted` that no rule in `owned` gives; a list of one-verb, one-resource rules. */
export function uncovered(owned: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  return wanted.flatMap((rule) => [...atoms(rule)].filter((atom) => !owned.some((owner) => covers(owner, atom))))
}

/** Joins rules for resources that differ in their verbs only, as error texts show them; rules for paths stay as they are. */
export function compactRules(rules: readonly PolicyRule[]): PolicyRule[] {
  const byRest = new Map<string, PolicyRule>()
  const paths: PolicyRule[] = []
  for (const rule of rules) {
    if (rule.nonResourceURLs !== undefined) {
      paths.push(rule)
      continue
    }
    const rest = JSON.stringify([rule.apiGroups, rule.resources, rule.resourceNames])
    const known = byRest.get(rest)
    if (known === undefined) byRest.set(rest, { ...rule, verbs: [...rule.verbs] })
    else known.verbs.push(...rule.verbs)
  }
  return [...paths, ...byRest.values()]
}

export const quotedList = (list: readonly string[]): string => `[${list.map((word) => JSON.stringify(word)).join(' ')}]`

/** `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}`. */
export function ruleText(rule: PolicyRule): string {
  const parts: Array<[string, readonly string[] | undefined]> = [
    ['APIGroups', rule.apiGroups], ['Resources', rule.resources], ['NonResourceURLs', rule.nonResourceURLs], ['ResourceNames', rule.resourceNames], ['Verbs', rule.verbs],
  ]
  return `{${parts.filter(([, list]) => list !== undefined && list.length > 0).map(([name, list]) => `${name}:${quotedList(list!)}`).join(', ')}}`
}

