import { fieldErrors } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { validateLabelSelector } from '../../machinery/labels.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { PodDisruptionBudget } from '../types/policy_v1.ts'
import { checkNonNegative, checkOptionalOneOf } from './check.ts'
import { checkConditions } from './conditions.ts'
import { internalForm } from './internal-form.ts'
import type { Validation } from './validation.ts'
import { checkAtMostWhole, checkIntOrPercent } from './workloads.ts'

/** PodDisruptionBudgets. */

function validateBudget(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { minAvailable, maxUnavailable, selector, unhealthyPodEvictionPolicy } = (object as unknown as PodDisruptionBudget).spec ?? {}
  if (minAvailable !== undefined && maxUnavailable !== undefined) {
    out.push(fieldErrors.invalid('spec', internalForm('PodDisruptionBudgetSpec', object.spec), 'minAvailable and maxUnavailable cannot be both set'))
  }
  for (const [field, value] of [['minAvailable', minAvailable], ['maxUnavailable', maxUnavailable]] as const) {
    checkIntOrPercent(out, `spec.${field}`, value)
    checkAtMostWhole(out, `spec.${field}`, value)
  }
  out.push(...validateLabelSelector(selector, 'spec.selector'))
  checkOptionalOneOf(out, 'spec.unhealthyPodEvictionPolicy', unhealthyPodEvictionPolicy, ['AlwaysAllow', 'IfHealthyBudget'])
  return out
}

export const disruptionBudgetValidation: Validation = {
  validate: validateBudget,
  validateUpdate: validateBudget,
  validateStatusUpdate(object) {
    const out: FieldError[] = []
    const { status } = object as unknown as PodDisruptionBudget
    checkConditions(out, 'status.conditions', status?.conditions)
    for (const field of ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'] as const) checkNonNegative(out, `status.${field}`, status?.[field])
    return out
  },
}
