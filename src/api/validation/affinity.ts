import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { validateLabelSelector } from '../../machinery/labels.ts'
import { dnsLabelErrors, dnsSubdomainErrors, labelValueErrors, qualifiedNameErrors } from '../../machinery/names.ts'
import type { Affinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodAffinityTerm, Toleration, TopologySpreadConstraint, WeightedPodAffinityTerm } from '../types/core_v1.ts'
import { addInvalid, checkOneOf, checkOptionalOneOf, isEmpty } from './check.ts'

/** Where pods may run: node and pod affinity, tolerations, spreading. */

function checkNodeRequirement(out: FieldError[], path: string, { key, operator, values = [] }: Readonly<NodeSelectorRequirement>, checkValues: boolean): void {
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0) out.push(fieldErrors.required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'"))
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length > 0) out.push(fieldErrors.forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
  } else if (operator === 'Gt' || operator === 'Lt') {
    if (values.length !== 1) out.push(fieldErrors.required(`${path}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'"))
  } else {
    out.push(fieldErrors.invalid(`${path}.operator`, operator ?? '', 'not a valid selector operator'))
  }
  addInvalid(out, `${path}.key`, key, qualifiedNameErrors(key ?? ''))
  if (checkValues) values.forEach((value, i) => addInvalid(out, `${path}.values[${i}]`, value, labelValueErrors(value)))
}

function checkNodeFieldRequirement(out: FieldError[], path: string, { key, operator, values = [] }: Readonly<NodeSelectorRequirement>): void {
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length !== 1) out.push(fieldErrors.required(`${path}.values`, "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"))
  } else {
    out.push(fieldErrors.invalid(`${path}.operator`, operator ?? '', 'not a valid selector operator'))
  }
  if (key !== 'metadata.name') out.push(fieldErrors.invalid(`${path}.key`, key, 'not a valid field selector key'))
  else values.forEach((value, i) => addInvalid(out, `${path}.values[${i}]`, value, dnsSubdomainErrors(value)))
}

function checkNodeTerm(out: FieldError[], path: string, term: Readonly<NodeSelectorTerm>, checkValues: boolean): void {
  for (const [i, requirement] of (term.matchExpressions ?? []).entries()) checkNodeRequirement(out, `${path}.matchExpressions[${i}]`, requirement, checkValues)
  for (const [i, requirement] of (term.matchFields ?? []).entries()) checkNodeFieldRequirement(out, `${path}.matchFields[${i}]`, requirement)
}

export function checkNodeSelector(out: FieldError[], path: string, selector: Readonly<NodeSelector>): void {
  if ((selector.nodeSelectorTerms ?? []).length === 0) out.push(fieldErrors.required(`${path}.nodeSelectorTerms`, 'must have at least one node selector term'))
  for (const [i, term] of (selector.nodeSelectorTerms ?? []).entries()) checkNodeTerm(out, `${path}.nodeSelectorTerms[${i}]`, term, true)
}

function checkPodTerm(out: FieldError[], path: string, term: Readonly<PodAffinityTerm>): void {
  out.push(...validateLabelSelector(term.labelSelector, `${path}.labelSelector`), ...validateLabelSelector(term.namespaceSelector, `${path}.namespaceSelector`))
  for (const name of term.namespaces ?? []) addInvalid(out, `${path}.namespace`, name, dnsLabelErrors(name))
  for (const field of ['matchLabelKeys', 'mismatchLabelKeys'] as const) {
    const keys = term[field]
    if (keys === undefined || keys.length === 0) continue
    if (term.labelSelector === undefined) out.push(fieldErrors.forbidden(`${path}.${field}`, 'must not be specified when labelSelector is not set'))
    keys.forEach((key, i) => addInvalid(out, `${path}.${field}[${i}]`, key, qualifiedNameErrors(key)))
  }
  if (isEmpty(term.topologyKey)) out.push(fieldErrors.required(`${path}.topologyKey`, 'can not be empty'))
  addInvalid(out, `${path}.topologyKey`, term.topologyKey ?? '', qualifiedNameErrors(term.topologyKey ?? ''))
}

function checkWeight(out: FieldError[], path: string, weight: number): void {
  if (weight === undefined || weight <= 0 || weight > 100) out.push(fieldErrors.invalid(`${path}.weight`, weight ?? 0, 'must be in the range 1-100'))
}

interface PodAffinityKind { requiredDuringSchedulingIgnoredDuringExecution?: PodAffinityTerm[]; preferredDuringSchedulingIgnoredDuringExecution?: WeightedPodAffinityTerm[] }

function checkPodAffinity(out: FieldError[], path: string, affinity: Readonly<PodAffinityKind> | undefined): void {
  for (const [i, term] of (affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).entries()) checkPodTerm(out, `${path}.requiredDuringSchedulingIgnoredDuringExecution[${i}]`, term)
  for (const [i, weighted] of (affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
    const at = `${path}.preferredDuringSchedulingIgnoredDuringExecution[${i}]`
    checkWeight(out, at, weighted.weight)
    checkPodTerm(out, `${at}.podAffinityTerm`, weighted.podAffinityTerm)
  }
}

export function checkAffinity(out: FieldError[], path: string, affinity: Readonly<Affinity> | undefined): void {
  if (affinity === undefined) return
  const node = affinity.nodeAffinity
  if (node?.requiredDuringSchedulingIgnoredDuringExecution !== undefined) {
    checkNodeSelector(out, `${path}.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution`, node.requiredDuringSchedulingIgnoredDuringExecution)
  }
  for (const [i, { weight, preference }] of (node?.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
    const at = `${path}.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[${i}]`
    checkWeight(out, at, weight)
    // A label value that cannot be is let through here: a preference that never holds does no harm.
    checkNodeTerm(out, `${at}.preference`, preference, false)
  }
  checkPodAffinity(out, `${path}.podAffinity`, affinity.podAffinity)
  checkPodAffinity(out, `${path}.podAntiAffinity`, affinity.podAntiAffinity)
}

export const taintEffects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']

export function checkTolerations(out: FieldError[], path: string, tolerations: readonly Toleration[] | undefined): void {
  for (const [i, { key, operator = '', value = '', effect = '', tolerationSeconds }] of (tolerations ?? []).entries()) {
    const at = `${path}[${i}]`
    if (!isEmpty(key)) addInvalid(out, `${at}.key`, key, qualifiedNameErrors(key))
    else if (operator !== 'Exists') out.push(fieldErrors.invalid(`${at}.operator`, operator, 'operator must be Exists when `key` is empty, which means "match all values and all keys"'))
    if (tolerationSeconds !== undefined && effect !== 'NoExecute') out.push(fieldErrors.invalid(`${at}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"))
    if (operator === 'Equal' || operator === '') {
      const messages = labelValueErrors(value)
      if (messages.length > 0) out.push(fieldErrors.invalid(`${at}.operator`, value, messages.join(';')))
    } else if (operator === 'Exists') {
      if (value !== '') out.push(fieldErrors.invalid(`${at}.operator`, value, "value must be empty when `operator` is 'Exists'"))
    } else {
      out.push(fieldErrors.notSupported(`${at}.operator`, operator, ['Equal', 'Exists']))
    }
    if (effect !== '') checkOptionalOneOf(out, `${at}.effect`, effect, taintEffects)
  }
}

export function checkSpreadConstraints(out: FieldError[], path: string, constraints: readonly TopologySpreadConstraint[] | undefined): void {
  const seen = new Set<string>()
  for (const [i, constraint] of (constraints ?? []).entries()) {
    const at = `${path}[${i}]`
    const { maxSkew, topologyKey, whenUnsatisfiable, minDomains } = constraint
    if (maxSkew === undefined || maxSkew <= 0) out.push(fieldErrors.invalid(`${at}.maxSkew`, maxSkew ?? 0, 'must be greater than zero'))
    if (isEmpty(topologyKey)) out.push(fieldErrors.required(`${at}.topologyKey`, 'can not be empty'))
    else addInvalid(out, `${at}.topologyKey`, topologyKey, qualifiedNameErrors(topologyKey))
    checkOneOf(out, `${at}.whenUnsatisfiable`, whenUnsatisfiable, ['DoNotSchedule', 'ScheduleAnyway'])
    const pair = `{${topologyKey}, ${whenUnsatisfiable}}`
    if (seen.has(pair)) out.push(fieldErrors.duplicate(`${at}.{topologyKey, whenUnsatisfiable}`, pair))
    seen.add(pair)
    if (minDomains !== undefined) {
      if (minDomains <= 0) out.push(fieldErrors.invalid(`${at}.minDomains`, minDomains, 'must be greater than zero'))
      if (whenUnsatisfiable !== 'DoNotSchedule') out.push(fieldErrors.invalid(`${at}.minDomains`, minDomains, `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable}`))
    }
    checkOptionalOneOf(out, `${at}.nodeAffinityPolicy`, constraint.nodeAffinityPolicy, ['Honor', 'Ignore'])
    checkOptionalOneOf(out, `${at}.nodeTaintsPolicy`, constraint.nodeTaintsPolicy, ['Honor', 'Ignore'])
    if ((constraint.matchLabelKeys ?? []).length > 0 && constraint.labelSelector === undefined) out.push(fieldErrors.forbidden(`${at}.matchLabelKeys`, 'must not be specified when labelSelector is not set'))
    ;(constraint.matchLabelKeys ?? []).forEach((key, k) => addInvalid(out, `${at}.matchLabelKeys[${k}]`, key, qualifiedNameErrors(key)))
    out.push(...validateLabelSelector(constraint.labelSelector, `${at}.labelSelector`))
  }
}
