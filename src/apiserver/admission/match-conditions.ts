import { CelScalar, celEnv, celMap, isCelError, parse, plan, type CelInput } from '@bufbuild/cel'
import { kubernetesFunctions } from '../../api/custom/cel-library.ts'
import type { ResourceDescription } from '../../api/resource.ts'
import type { MatchCondition } from '../../api/types/admissionregistration.k8s.io_v1.ts'
import type { KubeObject } from '../../machinery/object.ts'
import type { AdmissionAttributes } from '../context.ts'
import type { ApiServerCore } from '../core.ts'
import { celRequest } from './webhooks/review.ts'

/** A request as match conditions see it: objects in the version of `target`. */
export interface MatchInput {
  attributes: AdmissionAttributes
  target: ResourceDescription
  object: Readonly<KubeObject> | undefined
  oldObject: Readonly<KubeObject> | undefined
}

/** `problem` where a condition could not be evaluated and none was false: then the failure policy decides. */
export interface MatchOutcome { isMatch: boolean; problem: string | undefined }

export type MatchConditions = (core: ApiServerCore, input: MatchInput) => Promise<MatchOutcome>

const env = celEnv({ funcs: kubernetesFunctions(), variables: { object: CelScalar.DYN, oldObject: CelScalar.DYN, request: CelScalar.DYN } })

type Evaluate = (bindings: Record<string, CelInput>) => unknown

/** What a value is to CEL where no schema says more: whole numbers are ints, objects are maps with their fields' own names. */
function celPlain(value: unknown): CelInput {
  if (value === null || value === undefined) return null
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value
  if (typeof value !== 'object') return value as CelInput
  if (Array.isArray(value)) return value.map(celPlain)
  return celMap(new Map(Object.entries(value).filter(([, child]) => child !== undefined).map(([name, child]) => [name, celPlain(child)])))
}

function compiled(expression: string): Evaluate {
  try {
    return plan(env, parse(expression)) as Evaluate
  } catch (cause) {
    // Configurations with such an expression are refused; one that stands all the same fails each request by its policy.
    return () => {
      throw new Error(`compilation error: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    }
  }
}

/** The conditions of a webhook or policy, compiled once (KEP-3716). */
export function compileMatchConditions(conditions: readonly MatchCondition[]): MatchConditions {
  const evaluated = conditions.map(({ name, expression }) => ({ name, evaluate: compiled(expression) }))
  return async (_core, { attributes, target, object, oldObject }) => {
    const bindings = { object: celPlain(object), oldObject: celPlain(oldObject), request: celPlain(celRequest({ attributes, target, object, oldObject })) }
    const problems: string[] = []
    for (const { evaluate } of evaluated) {
      let result: unknown
      try {
        result = evaluate(bindings)
      } catch (cause) {
        problems.push(cause instanceof Error ? cause.message : String(cause))
        continue
      }
      if (result === false) return { isMatch: false, problem: undefined }
      if (isCelError(result)) problems.push(result.message)
      else if (result !== true) problems.push('cel expression does not evaluate to a bool')
    }
    if (problems.length === 0) return { isMatch: true, problem: undefined }
    return { isMatch: false, problem: problems.length === 1 ? problems[0] : `[${problems.join(', ')}]` }
  }
}
