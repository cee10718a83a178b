import { compileExpression } from '../../api/cel/expression.ts'
import { partsOf, type Node } from '../../api/cel/syntax.ts'
import { BOOL, DYN, listOf, mapOf, objectOf, STRING, type CelType } from '../../api/cel/types.ts'
import { plainValue } from '../../api/cel/values.ts'

/** A CEL expression over one variable, as configuration files hold them. */
export interface CompiledExpression {
  text: string
  /** Value of the expression as plain JavaScript; throws an Error that says why there is none. */
  evaluate(value: unknown): unknown
  /** Whether `variable.field` stands in it. */
  selects(field: string): boolean
}

const texts = listOf(STRING)
const selector = (name: string): CelType => objectOf(`kubernetes.${name}SelectorAttributes`, {
  rawSelector: STRING, requirements: listOf(objectOf(`kubernetes.${name}SelectorRequirement`, { key: STRING, operator: STRING, values: texts })),
})

/** What the variables of configuration files are: a SubjectAccessReview's spec, a user, a token's claims. */
const types: Readonly<Record<string, CelType>> = {
  request: objectOf('kubernetes.SubjectAccessReviewSpec', {
    resourceAttributes: objectOf('kubernetes.ResourceAttributes', {
      namespace: STRING, verb: STRING, group: STRING, version: STRING, resource: STRING, subresource: STRING, name: STRING, fieldSelector: selector('Field'), labelSelector: selector('Label'),
    }),
    nonResourceAttributes: objectOf('kubernetes.NonResourceAttributes', { path: STRING, verb: STRING }),
    user: STRING, groups: texts, extra: mapOf(STRING, texts), uid: STRING,
  }),
  user: objectOf('kubernetes.UserInfo', { username: STRING, uid: STRING, groups: texts, extra: mapOf(STRING, texts) }),
  claims: mapOf(STRING, DYN),
}

/** Compiles an expression in which `variable` is known, and nothing else. Throws an Error with the text that stands in upstream's validation errors. */
export function compileConfigurationExpression(text: string, variable: string, returns: 'bool' | 'any'): CompiledExpression {
  const { compiled, problem } = compileExpression({ expression: text, variables: { [variable]: types[variable] ?? DYN } })
  if (compiled === undefined) throw new Error(problem)
  if (returns === 'bool' && compiled.type.kind !== BOOL.kind) throw new Error('must evaluate to bool')
  return {
    text,
    evaluate(value) {
      const outcome = compiled.evaluate({ [variable]: value })
      if (outcome.error !== undefined) throw new Error(outcome.error.message)
      return plainValue(outcome.value)
    },
    selects: (field) => selectsField(compiled.tree.root, variable, field),
  }
}

function selectsField(node: Node, variable: string, field: string): boolean {
  if (node.kind === 'select' && node.field === field && node.operand.kind === 'ident' && node.operand.name === variable) return true
  return partsOf(node).some((part) => selectsField(part, variable, field))
}
