import { fieldErrors, type FieldError } from '../../machinery/field-error.ts'
import { estimateCost, unbounded } from '../cel/cost-estimate.ts'
import { maxRequestBytes, schemaType } from '../cel/schema-type.ts'
import type { CelType } from '../cel/types.ts'
import type { JSONSchemaProps } from '../types/apiextensions.k8s.io_v1.ts'
import { internalRule } from './internal-definition.ts'
import { compileRule, type CompiledRule } from './rules.ts'
import { compileSchema, type SchemaNode } from './schema.ts'

/** What apiextensions checks of a definition's rules: that they compile against the schema, and that they cannot cost too much. */
const expressionLimit = 10_000_000
const definitionLimit = 100_000_000

interface Total { ignoresRuleCost: boolean; isSkipped(path: string): boolean; cost: number; expensive: { path: string; cost: number }[] }

/** Where a node stands: how often its values can occur (undefined: without limit), and the list or map in which they cannot be told apart. */
interface Place { path: string; isRoot: boolean; cardinality: number | undefined; uncorrelatable: string | undefined }

/**
 * Problems of all rules in a schema whose structure is sound. `ignoresRuleCost`: the cost of each was accepted before, and only that of all
 * counts. `isSkipped`: there is something else wrong with the schema at a path, so that its rules are not looked at.
 */
export function ruleProblems(raw: Readonly<JSONSchemaProps>, path: string, ignoresRuleCost = false, isSkipped: (path: string) => boolean = () => false): FieldError[] {
  const out: FieldError[] = []
  const total: Total = { ignoresRuleCost, isSkipped, cost: 0, expensive: [] }
  visit(compileSchema(raw), { path, isRoot: true, cardinality: 1, uncorrelatable: undefined }, out, total)
  if (total.cost > definitionLimit) {
    for (const { path: at } of total.expensive) out.push(fieldErrors.forbidden(at, 'contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema'))
    out.push(fieldErrors.forbidden(path, costProblem('x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema', total.cost, definitionLimit)))
  }
  return out
}

function visit(node: SchemaNode, place: Place, out: FieldError[], total: Total): void {
  if (!node.has.rules) return
  const { path, cardinality, uncorrelatable } = place
  const times = (factor: number | undefined): number | undefined => (cardinality === undefined || factor === undefined ? undefined : Math.min(unbounded, cardinality * Math.max(0, factor)))
  const isOddMap = !['', 'granular', 'atomic'].includes(node.mapType)
  if (typeof node.additional === 'object') {
    visit(node.additional, { path: `${path}.additionalProperties`, isRoot: false, cardinality: times(node.raw.maxProperties), uncorrelatable }, out, total)
  }
  for (const [name, child] of [...node.properties].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    visit(child, { path: `${path}.properties[${name}]`, isRoot: false, cardinality, uncorrelatable: isOddMap ? (uncorrelatable ?? path) : uncorrelatable }, out, total)
  }
  if (node.items !== undefined) {
    visit(node.items, { path: `${path}.items`, isRoot: false, cardinality: times(node.raw.maxItems), uncorrelatable: node.listType === 'map' ? uncorrelatable : (uncorrelatable ?? path) }, out, total)
  }
  if (node.rules.length === 0 || total.isSkipped(path)) return
  const type = schemaType(node, place.isRoot || node.embedded)
  if (type === undefined) {
    out.push(fieldErrors.internal(`${path}.x-kubernetes-validations`, 'internal error: failed to construct type information for x-kubernetes-validations rules: unable to convert structural schema to CEL declarations'))
    return
  }
  for (const [i, rule] of node.rules.entries()) checkRule(compileRule(rule, type), type, { ...place, path: `${path}.x-kubernetes-validations[${i}]` }, { out, total })
}

function checkRule(compiled: CompiledRule, type: CelType, { path, cardinality, uncorrelatable }: Place, { out, total }: { out: FieldError[]; total: Total }): void {
  const { rule } = compiled
  if (compiled.compiled !== undefined) {
    const cost = Math.min(unbounded, estimateCost(compiled.compiled.tree, type).max * (cardinality ?? Math.trunc(maxRequestBytes / ((type.minSerializedSize ?? 0) + 1))))
    observe(`${path}.rule`, cost, 'estimated rule cost', { out, total })
  } else out.push(fieldErrors.invalid(`${path}.rule`, internalRule(rule), compiled.problem!))
  if (compiled.messageProblem !== undefined) {
    if (compiled.compiled !== undefined) out.push(fieldErrors.invalid(`${path}.messageExpression`, internalRule(rule), compiled.messageProblem))
  } else if (compiled.message !== undefined) observe(`${path}.messageExpression`, estimateCost(compiled.message.tree, type).max, 'estimated messageExpression cost', { out, total })
  if (compiled.usesOldSelf) {
    if (uncorrelatable !== undefined) out.push(fieldErrors.invalid(`${path}.rule`, rule.rule, `oldSelf cannot be used on the uncorrelatable portion of the schema within ${uncorrelatable}`))
  } else if (rule.optionalOldSelf !== undefined) out.push(fieldErrors.invalid(`${path}.optionalOldSelf`, rule.optionalOldSelf, 'may not be set if oldSelf is not used in rule'))
}

function observe(path: string, cost: number, name: string, { out, total }: { out: FieldError[]; total: Total }): void {
  if (cost > expressionLimit && !total.ignoresRuleCost) out.push(fieldErrors.forbidden(path, costProblem(name, cost, expressionLimit)))
  total.cost = Math.min(unbounded, total.cost + cost)
  if (cost < definitionLimit / 100) return
  total.expensive = [...total.expensive, { path, cost }].toSorted((a, b) => b.cost - a.cost).slice(0, 4)
}

function costProblem(name: string, cost: number, limit: number): string {
  const factor = cost / limit
  const shown = factor > 100 ? 'more than 100x' : factor < 1.5 ? `${factor.toFixed(6)}x` : `${factor.toFixed(1)}x`
  return `${name} exceeds budget by factor of ${shown} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)`
}
