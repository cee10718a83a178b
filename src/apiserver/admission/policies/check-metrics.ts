import type { ApiServerCore } from '../../core.ts'
import { metricSetOf } from '../../metrics/metric-set.ts'

/** How a policy's expression came off, as metrics name it. */
export type CheckOutcome = 'no_error' | 'compile_error' | 'out_of_budget' | 'invalid_error'

/** By the text that an expression's error has. */
export function checkOutcome(error: string | undefined): CheckOutcome {
  if (error === undefined) return 'no_error'
  if (error.startsWith('compilation')) return 'compile_error'
  return error.startsWith('validation failed due to running out of cost budget') ? 'out_of_budget' : 'invalid_error'
}

/** Counts one validation of a ValidatingAdmissionPolicy and what was done about it. */
export function countValidation(core: ApiServerCore, policy: string, binding: string, outcome: CheckOutcome, action: 'allow' | 'deny' | 'audit' | 'warn', elapsedMs: number): void {
  const set = metricSetOf(core)
  set.count('apiserver_validating_admission_policy_check_total', policy, binding, outcome, action)
  set.observe('apiserver_validating_admission_policy_check_duration_seconds', elapsedMs / 1000, policy, binding, outcome, action)
}

/** Counts one mutation of a MutatingAdmissionPolicy. */
export function countMutation(core: ApiServerCore, policy: string, binding: string, outcome: CheckOutcome, elapsedMs: number): void {
  const set = metricSetOf(core)
  set.count('apiserver_mutating_admission_policy_check_total', policy, binding, outcome)
  set.observe('apiserver_mutating_admission_policy_check_duration_seconds', elapsedMs / 1000, policy, binding, outcome)
}
