import { matchConditionsBudget } from '../../../api/cel/cost.ts'
import type { ApiServerCore } from '../../core.ts'
import { Activation, OutOfBudget, type ExpressionInput, type NamedExpression } from './evaluation.ts'

/** `problem` where a condition could not be evaluated and none was false: then the failure policy decides. */
export interface ConditionsOutcome { isMatch: boolean; problem: string | undefined }

/** Whether all conditions hold (KEP-3716): one that is false decides, before any error. */
export async function conditionsHold(core: ApiServerCore, conditions: readonly NamedExpression[], input: ExpressionInput, variables: readonly NamedExpression[] = []): Promise<ConditionsOutcome> {
  const { namespace: _, ...rest } = input
  const activation = new Activation(core, rest, matchConditionsBudget, variables)
  const problems: string[] = []
  try {
    for (const { expression, compilation } of conditions) {
      const { value, error } = await activation.evaluate(expression, compilation)
      if (error !== undefined) problems.push(error)
      else if (value === false) return { isMatch: false, problem: undefined }
    }
  } catch (cause) {
    if (!(cause instanceof OutOfBudget)) throw cause
    return { isMatch: false, problem: cause.message }
  }
  if (problems.length === 0) return { isMatch: true, problem: undefined }
  const distinct = [...new Set(problems)]
  return { isMatch: false, problem: distinct.length === 1 ? distinct[0] : `[${distinct.join(', ')}]` }
}
