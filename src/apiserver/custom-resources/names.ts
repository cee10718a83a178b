import { approvalOf } from '../../api/custom/definition-validation.ts'
import { checkCaBundle } from '../../api/validation/webhook-client.ts'
import { jsonEqual } from '../../machinery/json-value.ts'
import type { CustomResourceDefinition, CustomResourceDefinitionCondition, CustomResourceDefinitionNames } from '../../api/types/apiextensions.k8s.io_v1.ts'

type Definition = Readonly<CustomResourceDefinition>
export type ConditionType = 'NamesAccepted' | 'Established' | 'Terminating' | 'NonStructuralSchema' | 'KubernetesAPIApprovalPolicyConformant'

export function conditionOf(definition: Definition, type: ConditionType): CustomResourceDefinitionCondition | undefined {
  return definition.status?.conditions?.find((condition) => condition.type === type)
}

export function isTrue(definition: Definition, type: ConditionType): boolean {
  return conditionOf(definition, type)?.status === 'True'
}

/** Puts a condition in; its time of transition moves only when its status does. Returns whether anything changed. */
export function setCondition(definition: CustomResourceDefinition, type: ConditionType, status: 'True' | 'False', reason: string, message: string, now: string): boolean {
  const conditions = (definition.status!.conditions ??= [])
  const old = conditions.find((condition) => condition.type === type)
  if (old?.status === status && old.reason === reason && old.message === message) return false
  const next = { type, status, lastTransitionTime: old?.status === status ? old.lastTransitionTime : now, reason, message } as CustomResourceDefinitionCondition
  if (old === undefined) conditions.push(next)
  else conditions[conditions.indexOf(old)] = next
  return true
}

/** What came of the names that a definition asks for (upstream: `calculateNamesAndConditions`). */
export interface NameDecision { accepted: CustomResourceDefinitionNames; conflict: { reason: string; message: string } | undefined }

/** Names taken by others of the group: resource names share one space, kinds another. */
export interface TakenNames { resources: ReadonlySet<string>; kinds: ReadonlySet<string> }

export function takenNames(others: readonly Definition[]): TakenNames {
  const resources = new Set<string>()
  const kinds = new Set<string>()
  for (const { status } of others) {
    const names = status?.acceptedNames
    if (names === undefined || names.plural === '') continue
    for (const name of [names.plural, names.singular ?? '', ...(names.shortNames ?? [])]) resources.add(name)
    for (const kind of [names.kind, names.listKind ?? '']) kinds.add(kind)
  }
  resources.delete('')
  kinds.delete('')
  return { resources, kinds }
}

export function decideNames(definition: Definition, taken: TakenNames): NameDecision {
  const wanted = definition.spec.names
  const old = definition.status?.acceptedNames
  const accepted: CustomResourceDefinitionNames = { ...old, plural: old?.plural ?? '', kind: old?.kind ?? '' }
  let conflict: NameDecision['conflict']
  const problem = (name: string, has: string | undefined, used: ReadonlySet<string>): string | undefined => (name !== has && used.has(name) ? `${JSON.stringify(name)} is already in use` : undefined)
  const take = (reason: string, messages: readonly (string | undefined)[], accept: () => void): void => {
    const found = messages.filter((message) => message !== undefined)
    if (found.length === 0) accept()
    else conflict = { reason, message: found.length === 1 ? found[0]! : `[${found.join(', ')}]` }
  }
  const singular = wanted.singular ?? ''
  const listKind = wanted.listKind ?? ''
  take('PluralConflict', [problem(wanted.plural, old?.plural, taken.resources)], () => void (accepted.plural = wanted.plural))
  take('SingularConflict', [problem(singular, old?.singular, taken.resources)], () => void (accepted.singular = singular))
  take('ShortNamesConflict', (wanted.shortNames ?? []).map((name) => (old?.shortNames?.includes(name) === true ? undefined : problem(name, undefined, taken.resources))), () => {
    if (wanted.shortNames === undefined) delete accepted.shortNames
    else accepted.shortNames = [...wanted.shortNames]
  })
  take('KindConflict', [problem(wanted.kind, old?.kind, taken.kinds)], () => void (accepted.kind = wanted.kind))
  take('ListKindConflict', [problem(listKind, old?.listKind, taken.kinds)], () => void (accepted.listKind = listKind))
  if (wanted.categories === undefined) delete accepted.categories
  else accepted.categories = [...wanted.categories]
  return { accepted, conflict }
}

/** Writes the decision into a definition's status. Returns whether anything changed. */
export function applyNameDecision(definition: CustomResourceDefinition, { accepted, conflict }: NameDecision, now: string): boolean {
  definition.status ??= { conditions: [], acceptedNames: { plural: '', kind: '' }, storedVersions: [] }
  let changed = !jsonEqual(definition.status.acceptedNames, accepted)
  definition.status.acceptedNames = accepted
  changed = (conflict === undefined
    ? setCondition(definition, 'NamesAccepted', 'True', 'NoConflicts', 'no conflicts found', now)
    : setCondition(definition, 'NamesAccepted', 'False', conflict.reason, conflict.message, now)) || changed
  const approval = approvalOf(definition)
  if (approval !== undefined) {
    const { state, message } = approval
    changed = setCondition(definition, 'KubernetesAPIApprovalPolicyConformant', state === 'approved' ? 'True' : 'False', approvalReasons[state], message, now) || changed
  }
  if (isTrue(definition, 'Established')) return changed
  const caBundle = definition.spec.conversion?.webhook?.clientConfig?.caBundle ?? ''
  const [status, reason, text] = conflict !== undefined ? ['False', 'NotAccepted', 'not all names are accepted'] as const
    : caBundle !== '' && checkCaBundle(caBundle, '').length > 0 ? ['False', 'InvalidCABundle', 'The conversion webhook CABundle is invalid'] as const
      : ['True', 'InitialNamesAccepted', 'the initial names have been accepted'] as const
  return setCondition(definition, 'Established', status, reason, text, now) || changed
}

const approvalReasons = { missing: 'MissingAnnotation', invalid: 'InvalidAnnotation', bypassed: 'UnapprovedAnnotation', approved: 'ApprovedAnnotation' } as const
