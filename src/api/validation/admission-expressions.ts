import { fieldErrors, type FieldError } from '../../machinery/field-error.ts'
import { qualifiedNameErrors } from '../../machinery/names.ts'
import type { AdmissionExpression } from '../cel/admission.ts'
import type { Compilation } from '../cel/expression.ts'
import { BOOL, type CelType } from '../cel/types.ts'
import type { MatchCondition } from '../types/admissionregistration.k8s.io_v1.ts'
import { addInvalid } from './check.ts'

/** Expressions of admission policies and webhooks. */

type Compile = (expression: AdmissionExpression) => Compilation
let compile: Compile | undefined

/** Gives expressions somebody who compiles them; whoever admits one loads the engine first, since most servers have none. Until then their text goes unread. */
export function usePolicyCompiler(compiler: Compile): void {
  compile = compiler
}

/** The type that the expression comes to, where it is sound. `shown`: how it stands in the object, where that is not quite what is compiled. */
export function checkExpression(out: FieldError[], path: string, expression: string, options: Omit<AdmissionExpression, 'expression'>, shown = expression): CelType | undefined {
  const compilation = compile?.({ expression, ...options })
  if (compilation?.problem !== undefined) out.push(expressionError(path, shown, compilation.problem))
  return compilation?.compiled?.type
}

/** What an expression that doesn't compile is to its object: wrong, or, where it cannot be made ready to run, upstream's internal error. */
export function expressionError(path: string, expression: string, problem: string): FieldError {
  return problem.startsWith('program instantiation failed: ') ? fieldErrors.internal(path, problem) : fieldErrors.invalid(path, expression, problem)
}

export function checkMatchConditions(out: FieldError[], path: string, conditions: readonly MatchCondition[], hasParams = false): void {
  if (conditions.length > 64) out.push(fieldErrors.tooMany(path, conditions.length, 64))
  const names = new Set<string>()
  for (const [i, { name = '', expression = '' }] of conditions.entries()) {
    if (expression.trim() === '') out.push(fieldErrors.required(`${path}[${i}].expression`))
    else checkExpression(out, `${path}[${i}].expression`, expression.trim(), { resultTypes: [BOOL], hasParams, hasAuthorizer: true })
    if (name === '') {
      out.push(fieldErrors.required(`${path}[${i}].name`))
      continue
    }
    addInvalid(out, `${path}[${i}].name`, name, qualifiedNameErrors(name))
    if (names.has(name)) out.push(fieldErrors.duplicate(`${path}[${i}].name`, name))
    names.add(name)
  }
}
