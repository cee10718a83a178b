import { CelScalar, celEnv, isCelError, parse, plan, type CelInput } from '@bufbuild/cel'
import { freeVariables, partsOf, type Expression } from '../../api/custom/cel-expressions.ts'
import { kubernetesFunctions } from '../../api/custom/cel-library.ts'

/** A CEL expression over one variable, as configuration files hold them. */
export interface CompiledExpression {
  text: string
  /** Value of the expression as plain JavaScript; throws an Error that says why there is none. */
  evaluate(value: unknown): unknown
  /** Whether `variable.field` stands in it. */
  selects(field: string): boolean
}

const namespaces = ['math', 'strings', 'sets', 'lists', 'optional', 'google']
const typeNames = ['string', 'int', 'uint', 'double', 'bool', 'bytes', 'list', 'map', 'type', 'null_type', 'timestamp', 'duration', 'dyn', 'ip', 'cidr', 'quantity', 'url', 'semver', 'format']

/** Compiles an expression in which `variable` is known, and nothing else. Throws an Error with the text that stands in upstream's validation errors. */
export function compileConfigurationExpression(text: string, variable: string, returns: 'bool' | 'any'): CompiledExpression {
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse(text)
  } catch (cause) {
    throw new Error(`compilation failed: ERROR: <input>:1:1: Syntax error: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
  const expression = parsed.expr as unknown as Expression
  const undeclared = freeVariables(expression).find((name) => name !== variable && !namespaces.includes(name) && !typeNames.includes(name))
  if (undeclared !== undefined) throw new Error(`compilation failed: ERROR: <input>:1:1: undeclared reference to '${undeclared}' (in container '')`)
  const type = plainType(expression)
  if (returns === 'bool' && type !== undefined && type !== 'bool') throw new Error('must evaluate to bool')
  const run = plan(celEnv({ funcs: kubernetesFunctions(), variables: { [variable]: CelScalar.DYN } }), parsed) as (bindings: Record<string, CelInput>) => unknown
  return {
    text,
    evaluate(value) {
      const result = run({ [variable]: value as CelInput })
      if (isCelError(result)) throw new Error(result.message)
      return plainValue(result)
    },
    selects: (field) => selectsField(expression, variable, field),
  }
}

/** The type of an expression where it can be told without knowing the variable. */
function plainType({ exprKind }: Expression): string | undefined {
  if (exprKind.case === 'listExpr') return 'list'
  if (exprKind.case === 'structExpr') return 'map'
  if (exprKind.case === 'identExpr' || exprKind.case === 'selectExpr') return exprKind.case === 'selectExpr' && exprKind.value.testOnly ? 'bool' : 'dyn'
  if (exprKind.case !== 'constExpr') return undefined
  const constant = exprKind.value as { constantKind?: { case?: string } }
  return constant.constantKind?.case?.replace(/Value$/, '')
}

function selectsField(expression: Expression, variable: string, field: string): boolean {
  const { exprKind } = expression
  if (exprKind.case === 'selectExpr' && exprKind.value.field === field) {
    const operand = exprKind.value.operand?.exprKind
    if (operand?.case === 'identExpr' && operand.value.name === variable) return true
  }
  return partsOf(expression).some((part) => selectsField(part, variable, field))
}

function plainValue(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value
  if (Symbol.iterator in value) {
    const items = [...value as Iterable<unknown>]
    const isMap = 'get' in value && 'keys' in value
    return isMap ? Object.fromEntries((items as [unknown, unknown][]).map(([key, item]) => [String(key), plainValue(item)])) : items.map(plainValue)
  }
  return value
}
