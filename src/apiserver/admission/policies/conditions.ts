import { matchConditionsBudget } from '../../../api/cel/cost.ts'
import type { ApiServerCore } from '../../core.ts'
import { metricSetOf } from '../../metrics/metric-set.ts'
import { Activation, OutOfBudget, type ExpressionInput, type NamedExpression } from './evaluation.ts'

/** `problem` where a condition could not be evaluated and none was false: then the failure policy decides. */
export interface ConditionsOutcome { isMatch: boolean; problem: string | undefined }

/** Whose conditions they are, as metrics name it. */
export interface ConditionsOwner { name: string; kind: 'webhook' | 'policy'; type: 'admit' | 'validate' | 'validating' }

/** Whether all conditions hold (KEP-3716): one that is false decides, before any error. */
export async function conditionsHold(core: ApiServerCore, conditions: readonly NamedExpression[], input: ExpressionInput, owner: ConditionsOwner, variables: readonly NamedExpression[] = []): Promise<ConditionsOutcome> {
  const set = metricSetOf(core)
  const { clock } = core.runtime
  const labels = [owner.name, owner.kind, owner.type, input.attributes.operation] as const
  const begunMs = clock.monotonicMs()
  try {
    return await outcomeOf(core, conditions, input, variables, () => set.count('apiserver_admission_match_condition_evaluation_errors_total', ...labels))
  } finally {
    set.observe('apiserver_admission_match_condition_evaluation_seconds', (clock.monotonicMs() - begunMs) / 1000, ...labels)
  }
}

async function outcomeOf(core: ApiServerCore, conditions: readonly NamedExpression[], input: ExpressionInput, variables: readonly NamedExpression[], failed: () => void): Promise<ConditionsOutcome> {
  const { namespace: _, ...rest } = input
  const activation = new Activation(core, rest, matchConditionsBudget, variables)
  const problems: string[] = []
  try {
    for (const { expression, compilation } of conditions) {
      const { value, error } = await activation.evaluate(expression, compilation)
      if (error !== undefined) {
        problems.push(error)
        failed()
      } else if (value === false) return { isMatch: false, problem: undefined }
    }
  } catch (cause) {
    if (!(cause instanceof OutOfBudget)) throw cause
    return { isMatch: false, problem: cause.message }
  }
  if (problems.length === 0) return { isMatch: true, problem: undefined }
  const distinct = [...new Set(problems)]
  return { isMatch: false, problem: distinct.length === 1 ? distinct[0] : `[${distinct.join(', ')}]` }
}
