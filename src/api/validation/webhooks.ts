import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { validateLabelSelector } from '../../machinery/labels.ts'
import { dns1035LabelErrors, dnsSubdomainErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { MutatingWebhook, RuleWithOperations, ValidatingWebhook, WebhookClientConfig } from '../types/admissionregistration.k8s.io_v1.ts'
import { checkMatchConditions } from './admission-expressions.ts'
import { addInvalid, checkOptionalOneOf, isEmpty } from './check.ts'
import type { Validation } from './validation.ts'
import { checkUrl, checkWebhookService } from './webhook-client.ts'

/** Webhook configurations (upstream's `pkg/apis/admissionregistration/validation`). */

/** What older objects may keep that new ones may not have. */
interface Tolerance { anySideEffects: boolean; anyReviewVersion: boolean; sameNames: boolean; matchConditions: boolean; selectorValues: boolean }

const strict: Tolerance = { anySideEffects: false, anyReviewVersion: false, sameNames: false, matchConditions: false, selectorValues: false }

/** A name of three parts at least: `policy.example.com`. */
export function checkFullyQualifiedName(out: FieldError[], path: string, name: string | undefined): void {
  if (isEmpty(name)) {
    out.push(fieldErrors.required(path))
    return
  }
  const messages = dnsSubdomainErrors(name)
  if (messages.length > 0) out.push(fieldErrors.invalid(path, name, messages.join(',')))
  else if (name.split('.').length < 3) out.push(fieldErrors.invalid(path, name, 'should be a domain with at least three segments separated by dots'))
}

function checkResources(out: FieldError[], path: string, resources: readonly string[]): void {
  if (resources.length === 0) out.push(fieldErrors.required(path))
  const withAnySubresource = new Set<string>()
  const ofAnyResource = new Set<string>()
  let lastIsPlain = false
  for (const [i, resource] of resources.entries()) {
    if (resource === '') {
      out.push(fieldErrors.required(`${path}[${i}]`))
      continue
    }
    const slash = resource.indexOf('/')
    if (slash < 0) {
      lastIsPlain = resource !== '*'
      continue
    }
    const parent = resource.slice(0, slash)
    const sub = resource.slice(slash + 1)
    if (withAnySubresource.has(parent)) out.push(fieldErrors.invalid(`${path}[${i}]`, resource, `if '${parent}/*' is present, must not specify ${resource}`))
    if (ofAnyResource.has(sub)) out.push(fieldErrors.invalid(`${path}[${i}]`, resource, `if '*/${sub}' is present, must not specify ${resource}`))
    if (sub === '*') withAnySubresource.add(parent)
    if (parent === '*') ofAnyResource.add(sub)
  }
  if (resources.length > 1 && resources.includes('*/*')) out.push(fieldErrors.invalid(path, resources, "if '*/*' is present, must not specify other resources"))
  if (resources.includes('*') && lastIsPlain) out.push(fieldErrors.invalid(path, resources, "if '*' is present, must not specify other resources without subresources"))
}

function checkNoOthers(out: FieldError[], path: string, values: readonly string[], what: string): void {
  if (values.length > 1 && values.includes('*')) out.push(fieldErrors.invalid(path, values, `if '*' is present, must not specify other ${what}`))
}

const operations = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE']

export function checkRuleWithOperations(out: FieldError[], path: string, rule: Readonly<RuleWithOperations>): void {
  const { operations: wanted = [], apiGroups = [], apiVersions = [], resources = [], scope } = rule
  if (wanted.length === 0) out.push(fieldErrors.required(`${path}.operations`))
  checkNoOthers(out, `${path}.operations`, wanted, 'operations')
  for (const [i, operation] of wanted.entries()) if (!operations.includes(operation)) out.push(fieldErrors.notSupported(`${path}.operations[${i}]`, operation, operations))
  if (apiGroups.length === 0) out.push(fieldErrors.required(`${path}.apiGroups`))
  checkNoOthers(out, `${path}.apiGroups`, apiGroups, 'API groups')
  if (apiVersions.length === 0) out.push(fieldErrors.required(`${path}.apiVersions`))
  checkNoOthers(out, `${path}.apiVersions`, apiVersions, 'API versions')
  for (const [i, version] of apiVersions.entries()) if (version === '') out.push(fieldErrors.required(`${path}.apiVersions[${i}]`))
  checkResources(out, `${path}.resources`, resources)
  checkOptionalOneOf(out, `${path}.scope`, scope, ['*', 'Cluster', 'Namespaced'])
}

const reviewVersions = ['v1', 'v1beta1']

function checkReviewVersions(out: FieldError[], path: string, versions: readonly string[], anyVersion: boolean): void {
  if (versions.length === 0) {
    out.push(fieldErrors.required(path, `must specify one of ${reviewVersions.join(', ')}`))
    return
  }
  const seen = new Set<string>()
  for (const [i, version] of versions.entries()) {
    if (seen.has(version)) out.push(fieldErrors.invalid(`${path}[${i}]`, version, 'duplicate version'))
    else addInvalid(out, `${path}[${i}]`, version, dns1035LabelErrors(version))
    seen.add(version)
  }
  if (!anyVersion && !reviewVersions.some((version) => seen.has(version))) out.push(fieldErrors.invalid(path, versions, `must include at least one of ${reviewVersions.join(', ')}`))
}

/** Where a webhook is: a URL, or a service of the cluster. */
export function checkClientConfig(out: FieldError[], path: string, config: Readonly<WebhookClientConfig> | undefined): void {
  const { url, service } = config ?? {}
  if ((url === undefined) === (service === undefined)) out.push(fieldErrors.required(path, 'exactly one of url or service is required'))
  else if (url !== undefined) checkUrl(out, `${path}.url`, url)
  else if (service !== undefined) checkWebhookService(out, `${path}.service`, service)
}

/** Names and presence of conditions; what the expressions mean is for those who compile them. */

const harmless = ['None', 'NoneOnDryRun']
const sideEffectClasses = ['None', 'NoneOnDryRun', 'Some', 'Unknown']

type Webhook = ValidatingWebhook | MutatingWebhook

function checkWebhook(out: FieldError[], path: string, hook: Readonly<Webhook>, tolerance: Tolerance): void {
  checkFullyQualifiedName(out, `${path}.name`, hook.name)
  for (const [i, rule] of (hook.rules ?? []).entries()) checkRuleWithOperations(out, `${path}.rules[${i}]`, rule)
  checkOptionalOneOf(out, `${path}.failurePolicy`, hook.failurePolicy, ['Fail', 'Ignore'])
  checkOptionalOneOf(out, `${path}.matchPolicy`, hook.matchPolicy, ['Equivalent', 'Exact'])
  const allowed = tolerance.anySideEffects ? sideEffectClasses : harmless
  if (hook.sideEffects === undefined) out.push(fieldErrors.required(`${path}.sideEffects`, `must specify one of ${allowed.join(', ')}`))
  else checkOptionalOneOf(out, `${path}.sideEffects`, hook.sideEffects, allowed)
  const seconds = hook.timeoutSeconds
  if (seconds !== undefined && (seconds > 30 || seconds < 1)) out.push(fieldErrors.invalid(`${path}.timeoutSeconds`, seconds, 'the timeout value must be between 1 and 30 seconds'))
  out.push(...validateLabelSelector(hook.namespaceSelector, `${path}.namespaceSelector`, tolerance.selectorValues), ...validateLabelSelector(hook.objectSelector, `${path}.objectSelector`, tolerance.selectorValues))
  if ('reinvocationPolicy' in hook) checkOptionalOneOf(out, `${path}.reinvocationPolicy`, hook.reinvocationPolicy, ['IfNeeded', 'Never'])
  checkClientConfig(out, `${path}.clientConfig`, hook.clientConfig)
  if (!tolerance.matchConditions) checkMatchConditions(out, `${path}.matchConditions`, hook.matchConditions ?? [])
  checkReviewVersions(out, `${path}.admissionReviewVersions`, hook.admissionReviewVersions ?? [], tolerance.anyReviewVersion)
}

const hooksOf = (object: Readonly<OpenObject>): readonly Webhook[] => (object as { webhooks?: Webhook[] }).webhooks ?? []

function validateWebhooks(object: Readonly<OpenObject>, tolerance: Tolerance): FieldError[] {
  const out: FieldError[] = []
  const names = new Set<string>()
  for (const [i, hook] of hooksOf(object).entries()) {
    checkWebhook(out, `webhooks[${i}]`, hook, tolerance)
    if (!tolerance.sameNames && !isEmpty(hook.name) && names.has(hook.name)) out.push(fieldErrors.duplicate(`webhooks[${i}].name`, hook.name))
    names.add(hook.name)
  }
  return out
}

/** Shortcomings that the stored object has already do not keep it from being changed. */
function toleranceOf(old: Readonly<OpenObject>, object: Readonly<OpenObject>): Tolerance {
  const before = hooksOf(old)
  const now = hooksOf(object)
  return {
    anySideEffects: before.some(({ sideEffects }) => sideEffects === undefined || !harmless.includes(sideEffects)),
    anyReviewVersion: before.some(({ admissionReviewVersions: versions = [] }) => versions.length > 0 && !versions.some((version) => reviewVersions.includes(version))),
    sameNames: new Set(before.map(({ name }) => name)).size < before.length,
    selectorValues: before.some(({ namespaceSelector, objectSelector }) => validateLabelSelector(namespaceSelector, '').length + validateLabelSelector(objectSelector, '').length > 0),
    matchConditions: now.length === before.length && before.every(({ matchConditions }, i) => semanticEqual(matchConditions, now[i]?.matchConditions)),
  }
}

export const webhookConfigurationValidation: Validation = {
  validate: (object) => validateWebhooks(object, strict),
  validateUpdate: (object, old) => validateWebhooks(object, toleranceOf(old, object)),
}
