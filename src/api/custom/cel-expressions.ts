/** The parts of a parsed CEL expression that are looked at here (cel.expr.Expr). */
export interface Expression {
  exprKind:
    | { case: 'identExpr'; value: { name: string } }
    | { case: 'selectExpr'; value: { operand?: Expression; field: string; testOnly: boolean } }
    | { case: 'callExpr'; value: { target?: Expression; function: string; args: Expression[] } }
    | { case: 'listExpr'; value: { elements: Expression[] } }
    | { case: 'structExpr'; value: { entries: { keyKind: { case?: string; value?: unknown }; value?: Expression }[] } }
    | { case: 'comprehensionExpr'; value: Comprehension }
    | { case: 'constExpr'; value: unknown }
    | { case: undefined; value?: undefined }
}
interface Comprehension { iterVar: string; iterRange?: Expression; accuVar: string; accuInit?: Expression; loopCondition?: Expression; loopStep?: Expression; result?: Expression }

/** What an expression is made of, one level down. */
export function partsOf({ exprKind }: Expression): Expression[] {
  const given = (...parts: (Expression | undefined)[]): Expression[] => parts.filter((part) => part !== undefined)
  switch (exprKind.case) {
    case 'selectExpr': return given(exprKind.value.operand)
    case 'callExpr': return given(exprKind.value.target, ...exprKind.value.args)
    case 'listExpr': return exprKind.value.elements
    case 'structExpr': return exprKind.value.entries.flatMap((entry) => given(entry.keyKind.case === 'mapKey' ? (entry.keyKind.value as Expression) : undefined, entry.value))
    case 'comprehensionExpr': {
      const { iterRange, accuInit, loopCondition, loopStep, result } = exprKind.value
      return given(iterRange, accuInit, loopCondition, loopStep, result)
    }
    default: return []
  }
}

export function usesVariable(expression: Expression, name: string): boolean {
  const { exprKind } = expression
  return (exprKind.case === 'identExpr' && exprKind.value.name === name) || partsOf(expression).some((part) => usesVariable(part, name))
}

/** How deep loops (`all`, `exists`, `map`, …) stand in one another: work grows with the size of the data to this power. */
export function comprehensionDepth(expression: Expression): number {
  const below = Math.max(0, ...partsOf(expression).map(comprehensionDepth))
  return expression.exprKind.case === 'comprehensionExpr' ? below + 1 : below
}

/** Names that an expression uses and its loops don't bind. */
export function freeVariables(expression: Expression, bound: ReadonlySet<string> = new Set()): string[] {
  const { exprKind } = expression
  if (exprKind.case === 'identExpr') return bound.has(exprKind.value.name) ? [] : [exprKind.value.name]
  if (exprKind.case !== 'comprehensionExpr') return partsOf(expression).flatMap((part) => freeVariables(part, bound))
  const { iterVar, accuVar, iterRange, accuInit, loopCondition, loopStep, result } = exprKind.value
  const inside = new Set([...bound, iterVar, accuVar])
  const free = (part: Expression | undefined, names: ReadonlySet<string>): string[] => (part === undefined ? [] : freeVariables(part, names))
  return [...free(iterRange, bound), ...free(accuInit, bound), ...free(loopCondition, inside), ...free(loopStep, inside), ...free(result, inside)]
}
