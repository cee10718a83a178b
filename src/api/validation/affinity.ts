import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { validateLabelSelector } from '../../machinery/labels.ts'
import type { LabelSelector } from '../../machinery/labels.ts'
import { dnsLabelErrors, dnsSubdomainErrors, labelValueErrors, qualifiedNameErrors } from '../../machinery/names.ts'
import type { Affinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodAffinityTerm, Toleration, TopologySpreadConstraint, WeightedPodAffinityTerm } from '../types/core_v1.ts'
import { addInvalid, checkOptionalOneOf, isEmpty } from './check.ts'

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

interface KeyedSelector { labelSelector?: LabelSelector; matchLabelKeys?: readonly string[]; mismatchLabelKeys?: readonly string[] }

/** Keys whose values a pod brings itself (KEP-3633, KEP-3243). By now the selector holds a requirement of its own for each. */
function checkLabelKeys(out: FieldError[], path: string, { labelSelector, matchLabelKeys = [], mismatchLabelKeys = [] }: Readonly<KeyedSelector>): void {
  for (const [field, keys] of [['matchLabelKeys', matchLabelKeys], ['mismatchLabelKeys', mismatchLabelKeys]] as const) {
    if (keys.length > 0 && labelSelector === undefined) out.push(fieldErrors.forbidden(`${path}.${field}`, 'must not be specified when labelSelector is not set'))
    else keys.forEach((key, i) => addInvalid(out, `${path}.${field}[${i}]`, key, qualifiedNameErrors(key)))
  }
  const selected = new Set(Object.keys(labelSelector?.matchLabels ?? {}))
  for (const { key } of labelSelector?.matchExpressions ?? []) {
    const at = matchLabelKeys.lastIndexOf(key)
    // Upstream leaves the field out of this path.
    if (at >= 0 && selected.has(key)) out.push(fieldErrors.invalid(`${path}[${at}]`, key, 'exists in both matchLabelKeys and labelSelector'))
    selected.add(key)
  }
  for (const [i, key] of matchLabelKeys.entries()) {
    if (mismatchLabelKeys.includes(key)) out.push(fieldErrors.invalid(`${path}.matchLabelKeys[${i}]`, key, 'exists in both matchLabelKeys and mismatchLabelKeys'))
  }
}

function checkPodTerm(out: FieldError[], path: string, term: Readonly<PodAffinityTerm>): void {
  out.push(...validateLabelSelector(term.labelSelector, `${path}.labelSelector`), ...validateLabelSelector(term.namespaceSelector, `${path}.namespaceSelector`))
  for (const name of term.namespaces ?? []) addInvalid(out, `${path}.namespace`, name, dnsLabelErrors(name))
  checkLabelKeys(out, path, term)
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

const actions = ['DoNotSchedule', 'ScheduleAnyway']

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
      // Comparing numbers is a feature that is off (KEP-5471), but the words for it are known.
      out.push(fieldErrors.notSupported(`${at}.operator`, operator, operator === 'Lt' || operator === 'Gt' ? ['Equal', 'Exists', 'Lt', 'Gt'] : ['Equal', 'Exists']))
    }
    if (effect !== '') checkOptionalOneOf(out, `${at}.effect`, effect, taintEffects)
  }
}

export function checkSpreadConstraints(out: FieldError[], path: string, constraints: readonly TopologySpreadConstraint[] = []): void {
  for (const [i, constraint] of constraints.entries()) {
    const at = `${path}[${i}]`
    const { maxSkew = 0, topologyKey, whenUnsatisfiable = '', minDomains } = constraint
    if (maxSkew <= 0) out.push(fieldErrors.invalid(`${at}.maxSkew`, maxSkew, 'must be greater than zero'))
    if (isEmpty(topologyKey)) out.push(fieldErrors.required(`${at}.topologyKey`, 'can not be empty'))
    if (!actions.includes(whenUnsatisfiable)) out.push(fieldErrors.notSupported(`${at}.whenUnsatisfiable`, whenUnsatisfiable, actions))
    if (constraints.slice(i + 1).some((other) => other.topologyKey === topologyKey && other.whenUnsatisfiable === constraint.whenUnsatisfiable)) {
      out.push(fieldErrors.duplicate(`${at}.{topologyKey, whenUnsatisfiable}`, `{${topologyKey ?? ''}, ${whenUnsatisfiable}}`))
    }
    if (minDomains !== undefined) {
      if (minDomains <= 0) out.push(fieldErrors.invalid(`${at}.minDomains`, minDomains, 'must be greater than zero'))
      if (whenUnsatisfiable !== 'DoNotSchedule') out.push(fieldErrors.invalid(`${at}.minDomains`, minDomains, `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable}`))
    }
    checkOptionalOneOf(out, `${at}.nodeAffinityPolicy`, constraint.nodeAffinityPolicy, ['Honor', 'Ignore'])
    checkOptionalOneOf(out, `${at}.nodeTaintsPolicy`, constraint.nodeTaintsPolicy, ['Honor', 'Ignore'])
    checkLabelKeys(out, at, constraint)
    out.push(...validateLabelSelector(constraint.labelSelector, `${at}.labelSelector`))
  }
}
