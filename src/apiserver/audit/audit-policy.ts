import type { UserInfo } from '../../api/resource.ts'
import { fieldErrorCause, fieldErrors, type FieldError } from '../../machinery/field-error.ts'
import type { RequestInfo } from '../context.ts'
import { parseYaml } from '../yaml.ts'

/** How much of a request is kept; each level holds what those before it do. */
export type AuditLevel = 'None' | 'Metadata' | 'Request' | 'RequestResponse'
export type AuditStage = 'RequestReceived' | 'ResponseStarted' | 'ResponseComplete' | 'Panic'

interface GroupResources { group?: string; resources?: string[]; resourceNames?: string[] }

export interface AuditRule {
  level: AuditLevel
  users?: string[]
  userGroups?: string[]
  verbs?: string[]
  resources?: GroupResources[]
  namespaces?: string[]
  nonResourceURLs?: string[]
  omitStages?: AuditStage[]
  omitManagedFields?: boolean
}

/** `audit.k8s.io/v1` Policy (https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/). */
export interface AuditPolicy { rules: AuditRule[]; omitStages: AuditStage[]; omitManagedFields: boolean }

/** What a policy says of one request. */
export interface AuditDecision { level: AuditLevel; omitStages: readonly AuditStage[]; omitManagedFields: boolean }

const levels: readonly string[] = ['None', 'Metadata', 'Request', 'RequestResponse']
const stages: readonly string[] = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic']
const dnsSubdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/
const subdomainProblem = 'a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \'-\' or \'.\', and must start and end with an alphanumeric character (e.g. \'example.com\', regex used for validation is \'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\')'

/** Fields by their kind: `s` text, `b` boolean, `S` list of text, `R` list of resources. */
const ruleFields: Readonly<Record<string, 's' | 'b' | 'S' | 'R'>> = {
  level: 's', users: 'S', userGroups: 'S', verbs: 'S', resources: 'R', namespaces: 'S', nonResourceURLs: 'S', omitStages: 'S', omitManagedFields: 'b',
}
const policyFields = new Set(['apiVersion', 'kind', 'metadata', 'rules', 'omitStages', 'omitManagedFields'])
const resourceFields: Readonly<Record<string, 's' | 'S'>> = { group: 's', resources: 'S', resourceNames: 'S' }

/**
 * Reads a policy file. Unknown fields are left aside and told to `warn`, as upstream does; what is wrong otherwise is an `Error`
 * with upstream's text.
 */
export function parseAuditPolicy(text: string, path: string, warn: (message: string) => void): AuditPolicy {
  try {
    return parsePolicy(text, warn)
  } catch (cause) {
    throw new Error(`loading audit policy file: ${cause instanceof Error ? cause.message : String(cause)}: from file ${path}`, { cause })
  }
}

function parsePolicy(text: string, warn: (message: string) => void): AuditPolicy {
  const data = parseYaml(text)
  if (!isRecord(data)) throw new Error('failed decoding: couldn\'t get version/kind; json parse error: json: cannot unmarshal into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }')
  const { apiVersion, kind } = data
  if (kind === undefined || kind === '') throw new Error(`failed decoding: Object 'Kind' is missing in '${text.slice(0, 200)}'`)
  if (apiVersion === undefined || apiVersion === '') throw new Error(`failed decoding: Object 'apiVersion' is missing in '${text.slice(0, 200)}'`)
  if (apiVersion !== 'audit.k8s.io/v1' || kind !== 'Policy') throw new Error(`failed decoding: no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)} in scheme "k8s.io/apiserver/pkg/audit/scheme.go:30"`)
  const unknown: string[] = []
  for (const field of Object.keys(data)) if (!policyFields.has(field)) unknown.push(field)
  const rules = list(data.rules, 'Policy.rules', '[]v1.PolicyRule').map((rule, at) => ruleOf(rule, at, unknown))
  if (unknown.length > 0) warn(`Audit policy contains errors, falling back to lenient decoding: strict decoding error: ${unknown.map((field) => `unknown field ${JSON.stringify(field)}`).join(', ')}`)
  const policy: AuditPolicy = { rules, omitStages: strings(data.omitStages, 'Policy.omitStages') as AuditStage[], omitManagedFields: boolean(data.omitManagedFields, 'Policy.omitManagedFields') ?? false }
  const problems = validate(policy)
  if (problems.length > 0) throw new Error(aggregate(problems))
  if (policy.rules.length === 0) throw new Error('loaded illegal policy with 0 rules')
  return { ...policy, rules: policy.rules.map((rule) => ({ ...rule, omitStages: [...new Set([...policy.omitStages, ...(rule.omitStages ?? [])])] })) }
}

function ruleOf(data: unknown, at: number, unknown: string[]): AuditRule {
  if (!isRecord(data)) throw new Error(`failed decoding: json: cannot unmarshal ${typeName(data)} into Go struct field Policy.rules of type v1.PolicyRule`)
  const rule: Record<string, unknown> = { level: '' }
  for (const [field, value] of Object.entries(data)) {
    const type = Object.hasOwn(ruleFields, field) ? ruleFields[field] : undefined
    const path = `Policy.rules.${field}`
    if (type === undefined) unknown.push(`rules[${at}].${field}`)
    else if (value === null || value === undefined) continue
    else if (type === 's') rule[field] = text(value, path)
    else if (type === 'b') rule[field] = boolean(value, path)
    else if (type === 'S') rule[field] = strings(value, path)
    else rule[field] = list(value, path, '[]v1.GroupResources').map((each, index) => groupResourcesOf(each, `rules[${at}].resources[${index}]`, unknown))
  }
  return rule as unknown as AuditRule
}

function groupResourcesOf(data: unknown, at: string, unknown: string[]): GroupResources {
  if (!isRecord(data)) throw new Error(`failed decoding: json: cannot unmarshal ${typeName(data)} into Go struct field Policy.rules.resources of type v1.GroupResources`)
  const resources: Record<string, unknown> = {}
  for (const [field, value] of Object.entries(data)) {
    const type = Object.hasOwn(resourceFields, field) ? resourceFields[field] : undefined
    if (type === undefined) unknown.push(`${at}.${field}`)
    else if (value !== null) resources[field] = type === 's' ? text(value, `Policy.rules.resources.${field}`) : strings(value, `Policy.rules.resources.${field}`)
  }
  return resources as GroupResources
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function typeName(value: unknown): string {
  return Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value
}

function mistyped(value: unknown, path: string, type: string): Error {
  return new Error(`failed decoding: json: cannot unmarshal ${typeName(value)} into Go struct field ${path} of type ${type}`)
}

function list(value: unknown, path: string, type: string): unknown[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw mistyped(value, path, type)
  return value
}

function text(value: unknown, path: string): string {
  if (typeof value !== 'string') throw mistyped(value, path, 'string')
  return value
}

function strings(value: unknown, path: string): string[] {
  return list(value, path, '[]string').map((each) => text(each, path))
}

function boolean(value: unknown, path: string): boolean | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'boolean') throw mistyped(value, path, 'bool')
  return value
}

function validate({ rules, omitStages }: AuditPolicy): FieldError[] {
  return [...validateStages(omitStages, 'omitStages'), ...rules.flatMap((rule, at) => validateRule(rule, `rules[${at}]`))]
}

function validateRule(rule: AuditRule, path: string): FieldError[] {
  const problems: FieldError[] = []
  if ((rule.level as string) === '') problems.push(fieldErrors.required(`${path}.level`))
  else if (!levels.includes(rule.level)) problems.push(fieldErrors.notSupported(`${path}.level`, rule.level, levels))
  rule.nonResourceURLs?.forEach((url, at) => {
    if (url === '*') return
    const place = `${path}.nonResourceURLs[${at}]`
    if (!url.startsWith('/')) problems.push(fieldErrors.invalid(place, url, 'non-resource URL rules must begin with a \'/\' character'))
    if (url.slice(0, -1).includes('*')) problems.push(fieldErrors.invalid(place, url, 'non-resource URL wildcards \'*\' must be the final character of the rule'))
  })
  for (const { group = '', resources = [], resourceNames = [] } of rule.resources ?? []) {
    if (group !== '' && group !== '*' && !(group.length <= 253 && dnsSubdomain.test(group))) problems.push(fieldErrors.invalid(`${path}.resources.group`, group, subdomainProblem))
    if (resourceNames.length > 0 && resources.length === 0) problems.push(fieldErrors.invalid(`${path}.resources.resourceNames`, resourceNames, 'using resourceNames requires at least one resource'))
  }
  problems.push(...validateStages(rule.omitStages ?? [], `${path}.omitStages`))
  if ((rule.nonResourceURLs?.length ?? 0) > 0 && ((rule.resources?.length ?? 0) > 0 || (rule.namespaces?.length ?? 0) > 0)) {
    problems.push(fieldErrors.invalid(`${path}.nonResourceURLs`, rule.nonResourceURLs, 'rules cannot apply to both regular resources and non-resource URLs'))
  }
  return problems
}

function validateStages(omitStages: readonly string[], path: string): FieldError[] {
  return omitStages.flatMap((stage, at) => (stages.includes(stage) ? [] : [fieldErrors.invalid(`${path}[${at}]`, stage, `allowed stages are ${stages.join(',')}`)]))
}

function aggregate(problems: readonly FieldError[]): string {
  const lines = [...new Set(problems.map(fieldErrorCause).map(({ field, message }) => `${field}: ${message}`))]
  return lines.length === 1 ? lines[0]! : `[${lines.join(', ')}]`
}

/** The first rule that is about the request decides; without one nothing is kept. */
export function decideAudit(policy: AuditPolicy, user: UserInfo | undefined, info: RequestInfo): AuditDecision {
  for (const rule of policy.rules) {
    if (ruleMatches(rule, user, info)) return { level: rule.level, omitStages: rule.omitStages ?? [], omitManagedFields: rule.omitManagedFields ?? policy.omitManagedFields }
  }
  return { level: 'None', omitStages: policy.omitStages, omitManagedFields: policy.omitManagedFields }
}

function ruleMatches(rule: AuditRule, user: UserInfo | undefined, info: RequestInfo): boolean {
  const { users = [], userGroups = [], verbs = [], namespaces = [], resources = [], nonResourceURLs = [] } = rule
  if (users.length > 0 && (user === undefined || !users.includes(user.username))) return false
  if (userGroups.length > 0 && (user === undefined || !user.groups.some((group) => userGroups.includes(group)))) return false
  if (verbs.length > 0 && !verbs.includes(info.verb)) return false
  if (namespaces.length > 0 || resources.length > 0) return resourceMatches(namespaces, resources, info)
  if (nonResourceURLs.length > 0) return !info.isResourceRequest && nonResourceURLs.some((url) => urlMatches(url, info.path))
  return true
}

function urlMatches(url: string, path: string): boolean {
  return url === '*' || url === path || (url.endsWith('*') && path.startsWith(url.replace(/\*+$/, '')))
}

function resourceMatches(namespaces: readonly string[], resources: readonly GroupResources[], info: RequestInfo): boolean {
  if (!info.isResourceRequest) return false
  if (namespaces.length > 0 && !namespaces.includes(info.namespace)) return false
  if (resources.length === 0) return true
  const combined = info.subresource === '' ? info.resource : `${info.resource}/${info.subresource}`
  return resources.some(({ group = '', resources: names = [], resourceNames = [] }) => {
    if (group !== info.apiGroup && group !== '*') return false
    if (names.length === 0) return true
    if (resourceNames.length > 0 && !resourceNames.includes(info.name)) return false
    return names.some((name) => name === combined || name === '*' || (info.subresource !== '' && name === `*/${info.subresource}`) || name === `${info.resource}/*`)
  })
}
