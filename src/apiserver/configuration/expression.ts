import { compileExpression } from '../../api/cel/expression.ts'
import type { Node } from '../../api/cel/syntax.ts'
import { ANY, BOOL, STRING, listOf, mapOf, objectOf, type CelType } from '../../api/cel/types.ts'
import { plainValue } from '../../api/cel/values.ts'
import { escapedValue } from './escaped-value.ts'

/** A CEL expression over one variable, as configuration files hold them. */
export interface CompiledExpression {
  text: string
  /** Value of the expression as plain JavaScript; throws an Error that says why there is none. */
  evaluate(value: unknown): unknown
  /** Whether `variable.field` stands in it. */
  selects(field: string): boolean
}

const strings = listOf(STRING)
const extra = mapOf(STRING, strings)
const selector = (name: string): CelType => objectOf(name, { rawSelector: STRING, requirements: listOf(objectOf('kubernetes.SelectorRequirement', { key: STRING, operator: STRING, values: strings })) })

/** What the variables of configuration files hold, with the names that stand in upstream's errors. */
const variableTypes = {
  claims: mapOf(STRING, ANY),
  user: objectOf('kubernetes.UserInfo', { username: STRING, uid: STRING, groups: strings, extra }),
  request: objectOf('kubernetes.SubjectAccessReviewSpec', {
    user: STRING, uid: STRING, groups: strings, extra,
    resourceAttributes: objectOf('kubernetes.ResourceAttributes', {
      namespace: STRING, verb: STRING, group: STRING, version: STRING, resource: STRING, subresource: STRING, name: STRING,
      fieldSelector: selector('kubernetes.FieldSelectorAttributes'), labelSelector: selector('kubernetes.LabelSelectorAttributes'),
    }),
    nonResourceAttributes: objectOf('kubernetes.NonResourceAttributes', { path: STRING, verb: STRING }),
  }),
} as const

/** Compiles an expression in which `variable` is known, and nothing else. Throws an Error with the text that stands in upstream's validation errors. */
export function compileConfigurationExpression(text: string, variable: keyof typeof variableTypes, returns: 'bool' | 'any'): CompiledExpression {
  const { compiled, problem } = compileExpression({ expression: text, variables: { [variable]: variableTypes[variable] }, ...(returns === 'bool' ? { resultTypes: [BOOL] } : {}) })
  // Upstream's authenticators say less of types than its authorizers.
  if (compiled === undefined) throw new Error(variable === 'request' ? problem : problem.replace(/^(must evaluate to \w+) but got .*$/s, '$1'))
  return {
    text,
    evaluate(value) {
      const { value: result, error } = compiled.evaluate({ [variable]: variable === 'request' ? value : escapedValue(value) })
      if (error !== undefined) throw new Error(error.message)
      return plainValue(result)
    },
    selects: (field) => selectsField(compiled.tree.root, variable, field),
  }
}

function isVariable(node: Node, variable: string): boolean {
  return node.kind === 'ident' && node.name.replace(/^\./, '') === variable
}

function selectsField(node: Node, variable: string, field: string): boolean {
  const below = (...nodes: (Node | undefined)[]): boolean => nodes.some((each) => each !== undefined && selectsField(each, variable, field))
  switch (node.kind) {
    case 'select': return (node.field === field && isVariable(node.operand, variable)) || below(node.operand)
    case 'call': return below(node.target, ...node.args)
    case 'list': return below(...node.items)
    case 'map': return node.entries.some(({ key, value }) => below(key, value))
    case 'struct': return node.fields.some(({ value }) => below(value))
    case 'fold': return below(node.range, node.init, node.condition, node.step, node.result)
    case 'bind': return below(node.value, node.body)
    default: return false
  }
}
