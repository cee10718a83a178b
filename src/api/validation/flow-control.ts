import { semanticEqual } from '../../machinery/equality.ts'
import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { dnsLabelErrors, dnsSubdomainErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type {
  FlowSchema, FlowSchemaSpec, LimitedPriorityLevelConfiguration, NonResourcePolicyRule, PriorityLevelConfiguration, PriorityLevelConfigurationSpec, ResourcePolicyRule, Subject,
} from '../types/flowcontrol.apiserver.k8s.io_v1.ts'
import { addInvalid, isEmpty } from './check.ts'
import { internalForm } from './internal-form.ts'
import type { Validation } from './validation.ts'

/** FlowSchemas and priority levels (upstream's `pkg/apis/flowcontrol/validation`). */

const everything = {
  resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] }],
  nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
}
const groups = (...names: string[]): Subject[] => names.map((name) => ({ kind: 'Group', group: { name } }))

/** Objects that are what they are: whoever changes them would lock people out (KEP-1040). */
const fixedSchemas: Record<string, FlowSchemaSpec> = {
  exempt: { priorityLevelConfiguration: { name: 'exempt' }, matchingPrecedence: 1, rules: [{ subjects: groups('system:masters'), ...everything }] },
  'catch-all': {
    priorityLevelConfiguration: { name: 'catch-all' }, matchingPrecedence: 10000, distinguisherMethod: { type: 'ByUser' },
    rules: [{ subjects: groups('system:unauthenticated', 'system:authenticated'), ...everything }],
  },
}
const fixedLevels: Record<string, PriorityLevelConfigurationSpec> = {
  exempt: { type: 'Exempt' },
  'catch-all': { type: 'Limited', limited: { nominalConcurrencyShares: 5, lendablePercent: 0, limitResponse: { type: 'Reject' } } },
}

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'proxy', 'update', 'watch']

function checkVerbs(out: FieldError[], path: string, given: readonly string[]): void {
  if (given.length === 0) out.push(fieldErrors.required(`${path}.verbs`, 'verbs must contain at least one value'))
  else if (given.includes('*')) {
    if (given.length > 1) out.push(fieldErrors.invalid(`${path}.verbs`, given, "if '*' is present, must not specify other verbs"))
  } else if (!given.every((verb) => verbs.includes(verb))) out.push(fieldErrors.notSupported(`${path}.verbs`, given, verbs))
}

function checkMembers(out: FieldError[], path: string, values: readonly string[], none: string, others: string): void {
  if (values.length === 0) out.push(fieldErrors.required(path, none))
  else if (values.length > 1 && values.includes('*')) out.push(fieldErrors.invalid(path, values, `if '*' is present, must not specify other ${others}`))
}

function checkResourceRule(out: FieldError[], path: string, rule: Readonly<ResourcePolicyRule>): void {
  const namespaces = rule.namespaces ?? []
  checkVerbs(out, path, rule.verbs ?? [])
  checkMembers(out, `${path}.apiGroups`, rule.apiGroups ?? [], 'resource rules must supply at least one api group', 'api groups')
  checkMembers(out, `${path}.resources`, rule.resources ?? [], 'resource rules must supply at least one resource', 'resources')
  if (namespaces.length === 0 && rule.clusterScope !== true) {
    out.push(fieldErrors.required(`${path}.namespaces`, 'resource rules that are not cluster scoped must supply at least one namespace'))
  } else if (namespaces.includes('*')) {
    if (namespaces.length > 1) out.push(fieldErrors.invalid(`${path}.namespaces`, namespaces, "if '*' is present, must not specify other namespaces"))
  } else {
    namespaces.forEach((namespace, i) => addInvalid(out, `${path}.namespaces[${i}]`, namespace, dnsLabelErrors(namespace).map((message) => `each member of this list must be '*' or a DNS-1123 label; ${message}`)))
  }
}

function urlProblem(url: string): string | undefined {
  if (url === '') return 'must not be empty'
  if (url === '/') return undefined
  if (!url.startsWith('/')) return 'must start with slash'
  if (url.includes(' ')) return 'must not contain white-space'
  if (url.includes('//')) return 'must not contain double slash'
  const wildcards = url.split('*').length - 1
  return wildcards > 1 || (wildcards === 1 && !url.endsWith('/*')) ? 'wildcard can only do suffix matching' : undefined
}

function checkNonResourceRule(out: FieldError[], path: string, rule: Readonly<NonResourcePolicyRule>): void {
  const urls = rule.nonResourceURLs ?? []
  checkVerbs(out, path, rule.verbs ?? [])
  if (urls.length === 0) out.push(fieldErrors.required(`${path}.nonResourceURLs`, 'nonResourceURLs must contain at least one value'))
  else if (urls.includes('*')) {
    if (urls.length > 1) out.push(fieldErrors.invalid(`${path}.nonResourceURLs`, urls, "if '*' is present, must not specify other non-resource URLs"))
  } else {
    for (const [i, url] of urls.entries()) {
      const problem = urlProblem(url)
      if (problem !== undefined) out.push(fieldErrors.invalid(`${path}.nonResourceURLs[${i}]`, url, problem))
    }
  }
}

const subjectFields = { ServiceAccount: 'serviceAccount', User: 'user', Group: 'group' } as const

function checkSubject(out: FieldError[], path: string, subject: Readonly<Subject>): void {
  if (!Object.hasOwn(subjectFields, subject.kind)) {
    out.push(fieldErrors.notSupported(`${path}.kind`, subject.kind, Object.keys(subjectFields).sort()))
    return
  }
  const own = subjectFields[subject.kind as keyof typeof subjectFields]
  const value = subject[own]
  if (value === undefined) out.push(fieldErrors.required(`${path}.${own}`, `${own} is required when subject kind is '${subject.kind}'`))
  else {
    if (isEmpty(value.name)) out.push(fieldErrors.required(`${path}.${own}.name`))
    if ('namespace' in value || own === 'serviceAccount') {
      const { name, namespace } = value as { name: string; namespace?: string }
      if (!isEmpty(name) && name !== '*') addInvalid(out, `${path}.${own}.name`, name, dnsSubdomainErrors(name))
      if (isEmpty(namespace)) out.push(fieldErrors.required(`${path}.${own}.namespace`, 'must specify namespace for service account'))
      else addInvalid(out, `${path}.${own}.namespace`, namespace, dnsLabelErrors(namespace))
    }
  }
  for (const [kind, field] of Object.entries(subjectFields)) {
    if (field !== own && subject[field] !== undefined) out.push(fieldErrors.forbidden(`${path}.${field}`, `${field} is forbidden when subject kind is not '${kind}'`))
  }
}

function checkConditions(out: FieldError[], conditions: ReadonlyArray<{ type?: string }> | undefined): void {
  const seen = new Set<string>()
  for (const [i, { type = '' }] of (conditions ?? []).entries()) {
    if (seen.has(type)) out.push(fieldErrors.duplicate(`status.conditions[${i}].type`, type))
    seen.add(type)
    if (type === '') out.push(fieldErrors.required(`status.conditions[${i}].type`))
  }
}

function validateFlowSchema(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { metadata, spec, status } = object as unknown as FlowSchema
  const name = metadata.name ?? ''
  const precedence = spec?.matchingPrecedence ?? 0
  const at = 'spec.matchingPrecedence'
  if (precedence <= 0) out.push(fieldErrors.invalid(at, precedence, 'must be a positive value'))
  if (precedence > 10000) out.push(fieldErrors.invalid(at, precedence, 'must not be greater than 10000'))
  if (precedence === 1 && name !== 'exempt') out.push(fieldErrors.invalid(at, precedence, "only the schema named 'exempt' may have matchingPrecedence 1"))
  const method = spec?.distinguisherMethod
  if (method !== undefined && !['ByNamespace', 'ByUser'].includes(method.type)) out.push(fieldErrors.notSupported('spec.distinguisherMethod.type', internalForm('FlowDistinguisherMethod', method), ['ByNamespace', 'ByUser']))
  const level = spec?.priorityLevelConfiguration?.name
  if (isEmpty(level)) out.push(fieldErrors.required('spec.priorityLevelConfiguration.name', 'must reference a priority level'))
  else addInvalid(out, 'spec.priorityLevelConfiguration.name', level, dnsSubdomainErrors(level))
  for (const [i, rule] of (spec?.rules ?? []).entries()) {
    const path = `spec.rules[${i}]`
    if ((rule.subjects ?? []).length === 0) out.push(fieldErrors.required(`${path}.subjects`, 'subjects must contain at least one value'))
    for (const [s, subject] of (rule.subjects ?? []).entries()) checkSubject(out, `${path}.subjects[${s}]`, subject)
    if ((rule.resourceRules ?? []).length === 0 && (rule.nonResourceRules ?? []).length === 0) out.push(fieldErrors.required(path, 'at least one of resourceRules and nonResourceRules has to be non-empty'))
    for (const [r, resourceRule] of (rule.resourceRules ?? []).entries()) checkResourceRule(out, `${path}.resourceRules[${r}]`, resourceRule)
    for (const [r, other] of (rule.nonResourceRules ?? []).entries()) checkNonResourceRule(out, `${path}.nonResourceRules[${r}]`, other)
  }
  if (Object.hasOwn(fixedSchemas, name) && !semanticEqual(spec, fixedSchemas[name])) out.push(fieldErrors.invalid('spec', internalForm('FlowSchemaSpec', spec), `spec of '${name}' must equal the fixed value`))
  checkConditions(out, status?.conditions)
  return out
}

export const flowSchemaValidation: Validation = {
  validate: validateFlowSchema,
  validateUpdate: validateFlowSchema,
  validateStatusUpdate(object) {
    const out: FieldError[] = []
    checkConditions(out, (object as unknown as FlowSchema).status?.conditions)
    return out
  },
}

const maxQueues = 10_000_000
const maxHashBits = 60

function checkShares(out: FieldError[], path: string, level: { nominalConcurrencyShares?: number; lendablePercent?: number }): void {
  const { nominalConcurrencyShares: shares, lendablePercent: lendable } = level
  if (shares !== undefined && shares < 0) out.push(fieldErrors.invalid(`${path}.nominalConcurrencyShares`, shares, 'must be a non-negative integer'))
  if (lendable !== undefined && (lendable < 0 || lendable > 100)) out.push(fieldErrors.invalid(`${path}.lendablePercent`, lendable, 'must be between 0 and 100, inclusive'))
}

function checkQueuing(out: FieldError[], path: string, { queueLengthLimit = 0, queues = 0, handSize = 0 }: { queueLengthLimit?: number; queues?: number; handSize?: number }): void {
  if (queueLengthLimit <= 0) out.push(fieldErrors.invalid(`${path}.queueLengthLimit`, queueLengthLimit, 'must be positive'))
  if (queues <= 0) out.push(fieldErrors.invalid(`${path}.queues`, queues, 'must be positive'))
  else if (queues > maxQueues) out.push(fieldErrors.invalid(`${path}.queues`, queues, `must not be greater than ${maxQueues}`))
  if (handSize <= 0) out.push(fieldErrors.invalid(`${path}.handSize`, handSize, 'must be positive'))
  else if (handSize > queues) out.push(fieldErrors.invalid(`${path}.handSize`, handSize, `should not be greater than queues (${queues})`))
  else if (Math.ceil(Math.log2(queues) * handSize) > maxHashBits) {
    out.push(fieldErrors.invalid(`${path}.handSize`, handSize, `required entropy bits of deckSize ${queues} and handSize ${handSize} should not be greater than ${maxHashBits}`))
  }
}

function checkLimited(out: FieldError[], path: string, limited: Readonly<LimitedPriorityLevelConfiguration>): void {
  const { borrowingLimitPercent: borrowing, limitResponse } = limited
  if (limited.nominalConcurrencyShares !== undefined && limited.nominalConcurrencyShares < 0) checkShares(out, path, { nominalConcurrencyShares: limited.nominalConcurrencyShares })
  if (limitResponse?.type === 'Reject') {
    if (limitResponse.queuing !== undefined) out.push(fieldErrors.forbidden(`${path}.limitResponse.queuing`, 'must be nil if limited.limitResponse.type is not Limited'))
  } else if (limitResponse?.type === 'Queue') {
    if (limitResponse.queuing === undefined) out.push(fieldErrors.required(`${path}.limitResponse.queuing`, 'must not be empty if limited.limitResponse.type is Limited'))
    else checkQueuing(out, `${path}.limitResponse.queuing`, limitResponse.queuing)
  } else {
    out.push(fieldErrors.notSupported(`${path}.limitResponse.type`, limitResponse?.type ?? '', ['Queue', 'Reject']))
  }
  checkShares(out, path, limited.lendablePercent === undefined ? {} : { lendablePercent: limited.lendablePercent })
  if (borrowing !== undefined && borrowing < 0) out.push(fieldErrors.invalid(`${path}.borrowingLimitPercent`, borrowing, 'if specified, must be a non-negative integer'))
}

/** Kept what v1beta3 could not say. */
const roundTripKey = 'flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares'

function validatePriorityLevel(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { metadata, spec, status } = object as unknown as PriorityLevelConfiguration
  const name = metadata.name ?? ''
  const type = spec?.type ?? ''
  if (metadata.annotations?.[roundTripKey] !== undefined) out.push(fieldErrors.forbidden('metadata.annotations', `annotation '${roundTripKey}' is forbidden`))
  if ((name === 'exempt') !== (type === 'Exempt')) out.push(fieldErrors.invalid('spec.type', type, "must be 'Exempt' if and only if `name` is 'exempt'"))
  if (type === 'Exempt') {
    if (spec.limited !== undefined) out.push(fieldErrors.forbidden('spec.limited', 'must be nil if the type is not Limited'))
    if (spec.exempt !== undefined) checkShares(out, 'spec.exempt', spec.exempt)
  } else if (type === 'Limited') {
    if (spec.exempt !== undefined) out.push(fieldErrors.forbidden('spec.exempt', 'must be nil if the type is Limited'))
    if (spec.limited === undefined) out.push(fieldErrors.required('spec.limited', 'must not be empty when type is Limited'))
    else checkLimited(out, 'spec.limited', spec.limited)
  } else {
    out.push(fieldErrors.notSupported('spec.type', type, ['Exempt', 'Limited']))
  }
  if (name === 'exempt') {
    const { exempt: _shares, ...rest } = spec ?? {}
    if (!semanticEqual(rest, fixedLevels.exempt)) out.push(fieldErrors.invalid('spec', internalForm('PriorityLevelConfigurationSpec', spec), "spec of 'exempt' except the 'spec.exempt' field must equal the fixed value"))
  } else if (Object.hasOwn(fixedLevels, name) && !semanticEqual(spec, fixedLevels[name])) {
    out.push(fieldErrors.invalid('spec', internalForm('PriorityLevelConfigurationSpec', spec), `spec of '${name}' must equal the fixed value`))
  }
  checkConditions(out, status?.conditions)
  return out
}

export const priorityLevelValidation: Validation = {
  validate: validatePriorityLevel,
  validateUpdate: validatePriorityLevel,
  validateStatusUpdate(object) {
    const out: FieldError[] = []
    checkConditions(out, (object as unknown as PriorityLevelConfiguration).status?.conditions)
    return out
  },
}
