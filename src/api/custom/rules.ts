import { fieldErrors, omittedValue, type FieldError } from '../../machinery/field-error.ts'
import { isJsonObject } from '../../machinery/json-value.ts'
import { runtimeBudget } from '../cel/cost.ts'
import { compileExpression, type CompiledExpression } from '../cel/expression.ts'
import { fromJson } from '../cel/json-values.ts'
import { schemaType } from '../cel/schema-type.ts'
import { BOOL, optionalOf, STRING, type CelType } from '../cel/types.ts'
import { CostExceeded, none, Optional, type Value } from '../cel/values.ts'
import type { JSONSchemaProps, ValidationRule } from '../types/apiextensions.k8s.io_v1.ts'
import { childPath, compileSchema, isUnchanged, listMapKey, type SchemaNode } from './schema.ts'
import type { RuleCheck } from './strategy.ts'

/**
 * Validation rules of structural schemas (`x-kubernetes-validations`): compiled once a definition, evaluated on each write.
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules
 */
export interface CompiledRule {
  rule: ValidationRule
  /** Undefined where it doesn't compile; definitions with such rules are refused. */
  compiled: CompiledExpression | undefined
  problem: string | undefined
  message: CompiledExpression | undefined
  messageProblem: string | undefined
  usesOldSelf: boolean
}

/** Compiles a rule of a schema node whose values are of `type`. */
export function compileRule(rule: ValidationRule, type: CelType): CompiledRule {
  const variables = { self: type, oldSelf: rule.optionalOldSelf === true ? optionalOf(type) : type }
  const { compiled, problem } = compileExpression({ expression: rule.rule, variables })
  const wrongType = compiled !== undefined && compiled.type.kind !== BOOL.kind ? 'cel expression must evaluate to a bool' : undefined
  const text = rule.messageExpression ?? ''
  const message = text === '' ? undefined : compileExpression({ expression: text, variables })
  return {
    rule, compiled: wrongType === undefined ? compiled : undefined, problem: problem ?? wrongType, message: message?.compiled?.type.kind === STRING.kind ? message.compiled : undefined,
    messageProblem: message === undefined ? undefined : message.problem !== undefined ? `messageExpression ${message.problem.replace(/^program /, '')}` : message.compiled!.type.kind === STRING.kind ? undefined : 'messageExpression must evaluate to a string',
    usesOldSelf: wrongType === undefined && compiled?.uses('oldSelf') === true,
  }
}

/** `type` undefined: of values below one of another type than the schema's, which rules know nothing of. */
interface CompiledNode { type: CelType | undefined; rules: readonly CompiledRule[] }

/** The check of all rules in a schema; they are compiled with the first object that is checked. */
export function compileRuleCheck(raw: Readonly<JSONSchemaProps>): RuleCheck {
  let made: ValueCheck | undefined
  return (object, old, tolerated) => (made ??= compiledCheck(compileSchema(raw), true))(object, old, '', tolerated)
}

type ValueCheck = (value: unknown, old: unknown, path: string, tolerated?: (error: FieldError) => void) => FieldError[]

function compiledCheck(root: SchemaNode, isResource: boolean): ValueCheck {
  const compiled = new Map<SchemaNode, CompiledNode>()
  const compileBelow = (node: SchemaNode, isRoot: boolean, isTyped: boolean): void => {
    if (!node.has.rules) return
    const type = node.rules.length > 0 && isTyped ? schemaType(node, isRoot || node.embedded) : undefined
    if (type !== undefined) compiled.set(node, { type, rules: node.rules.map((rule) => compileRule(rule, type)) })
    else if (node.rules.length > 0 && !isTyped) compiled.set(node, { type, rules: [] })
    for (const child of node.properties.values()) compileBelow(child, false, true)
    if (node.items !== undefined) compileBelow(node.items, false, node.type === 'array')
    if (typeof node.additional === 'object') compileBelow(node.additional, false, true)
  }
  compileBelow(root, isResource, true)
  return (value, old, path, tolerated) => {
    const walk: Walk = { compiled, out: [], tolerated, budget: runtimeBudget, isOver: false }
    check(walk, root, { value, old, path, isUnchanged: false })
    return walk.out
  }
}

/** What the rules of a schema have against its default, both as a new value and as one that stays. */
export function defaultRuleProblems(raw: Readonly<JSONSchemaProps>, path: string): FieldError[] {
  const checked = compiledCheck(compileSchema(raw), false)
  const found = checked(raw.default, raw.default, path)
  return found.length > 0 ? found : checked(raw.default, undefined, path)
}

interface Walk { compiled: ReadonlyMap<SchemaNode, CompiledNode>; out: FieldError[]; tolerated: ((error: FieldError) => void) | undefined; budget: number; isOver: boolean }

/** A value, what it was, and whether something above it that can be told apart stands unchanged. */
interface Subject { value: unknown; old: unknown; path: string; isUnchanged: boolean }

function check(walk: Walk, node: SchemaNode, subject: Subject): void {
  const { value, old, path } = subject
  if (!node.has.rules || value === undefined || value === null || walk.isOver) return
  const compiled = walk.compiled.get(node)
  if (compiled !== undefined) checkRules(walk, node, compiled, subject)
  const isSame = subject.isUnchanged || (old !== undefined && isUnchanged(node, value, old))
  if (Array.isArray(value)) {
    if (node.items === undefined) return
    const before = node.listType === 'map' && Array.isArray(old) ? new Map(old.map((item) => [listMapKey(node, item), item])) : undefined
    for (const [i, item] of value.entries()) check(walk, node.items, { value: item, old: before?.get(listMapKey(node, item)), path: `${path}[${i}]`, isUnchanged: isSame })
  } else if (isJsonObject(value)) {
    for (const [name, child] of Object.entries(value)) {
      const isProperty = node.properties.has(name)
      const schema = node.properties.get(name) ?? node.additional
      if (typeof schema === 'object') check(walk, schema, { value: child, old: isJsonObject(old) && Object.hasOwn(old, name) ? old[name] : undefined, path: isProperty ? childPath(path, name) : `${path}[${name}]`, isUnchanged: isSame })
    }
  }
}

const overBudget = 'validation failed due to running out of cost budget, no further validation rules will be run'

function checkRules(walk: Walk, node: SchemaNode, { type, rules }: CompiledNode, subject: Subject): void {
  const { value, old, path } = subject
  if (type === undefined) return void walk.out.push(fieldErrors.invalid(path, node.type, 'rule compiler initialization error: failed to convert to declType for CEL validation rules'))
  if (walk.budget <= 0) return stop(walk, path, node, overBudget)
  const self = fromJson(value, type)
  const oldSelf = old === undefined || old === null ? undefined : fromJson(old, type)
  for (const rule of rules) {
    if (walk.isOver) return
    checkRule(walk, rule, node, { ...subject, self, oldSelf })
  }
}

function stop(walk: Walk, path: string, node: SchemaNode, detail: string): void {
  walk.out.push(fieldErrors.invalid(path, node.type, detail))
  walk.isOver = true
}

function checkRule(walk: Walk, compiled: CompiledRule, node: SchemaNode, subject: Subject & { self: Value; oldSelf: Value | undefined }): void {
  const { rule, usesOldSelf } = compiled
  const { self, oldSelf, value, old, path } = subject
  if (compiled.compiled === undefined) return void walk.out.push(fieldErrors.invalid(path, node.type, `rule compile error: ${compiled.problem}`))
  const isOptional = rule.optionalOldSelf === true
  if (usesOldSelf && oldSelf === undefined && !isOptional) return
  const values = { self, oldSelf: isOptional ? (oldSelf === undefined ? none : new Optional(oldSelf)) : oldSelf }
  const outcome = compiled.compiled.evaluate(values)
  if (outcome.cost > walk.budget) return stop(walk, path, node, overBudget)
  walk.budget -= outcome.cost
  const named = rule.message !== undefined && rule.message !== '' ? rule.message.trim() : rule.rule.trim()
  if (outcome.error !== undefined) {
    const { message } = outcome.error
    if (outcome.error instanceof CostExceeded) return stop(walk, path, node, `'${message}': no further validation rules will be run due to call cost exceeds limit for rule: ${named}`)
    walk.out.push(fieldErrors.invalid(path, node.type, message.startsWith('no such overload') ? `'${message}': call arguments did not match a supported operator, function or macro signature for rule: ${named}` : `${message} evaluating rule: ${named}`))
    return
  }
  if (outcome.value === true) return
  // What stands unchanged is not held against an update (KEP-4008), except where the rule is about the change.
  const isTolerated = !usesOldSelf && (subject.isUnchanged || (old !== undefined && isUnchanged(node, value, old)))
  const said = messageOf(walk, compiled, values)
  if (said === undefined) return stop(walk, ruleField(path, rule.fieldPath), node, 'messageExpression evaluation failed due to running out of cost budget')
  const error = errorFor(rule, ruleField(path, rule.fieldPath), node.type === 'object' || node.type === 'array' ? omittedValue : value, said)
  if (isTolerated) walk.tolerated?.(error)
  else walk.out.push(error)
}

/** What the rule says of a value that breaks it; undefined where the budget is spent. */
function messageOf(walk: Walk, { rule, message }: CompiledRule, values: Readonly<Record<string, unknown>>): string | undefined {
  const fallback = rule.message !== undefined && rule.message !== '' ? rule.message.trim() : `failed rule: ${rule.rule.trim()}`
  if (message === undefined) return fallback
  const { value, cost } = message.evaluate(values)
  if (cost > walk.budget) return undefined
  walk.budget -= cost
  if (typeof value !== 'string') return fallback
  const text = value.trim()
  return text === '' || /[\r\n]/.test(text) || Buffer.byteLength(text) > 5 * 1024 ? fallback : text
}

/** A rule may point below the value that it is about: `.spec.foo`, `['foo.bar']`. */
function ruleField(path: string, fieldPath: string | undefined): string {
  if (fieldPath === undefined || fieldPath === '') return path
  let at = path
  for (const [, name, quoted] of fieldPath.matchAll(/\.([A-Za-z_$][\w$-]*)|\[['"]((?:[^'"\\]|\\.)*)['"]\]/g)) at = name === undefined ? `${at}[${quoted}]` : childPath(at, name)
  return at
}

function errorFor({ reason }: ValidationRule, path: string, value: unknown, detail: string): FieldError {
  switch (reason) {
    case 'FieldValueForbidden': return fieldErrors.forbidden(path, detail)
    case 'FieldValueRequired': return fieldErrors.required(path, detail)
    case 'FieldValueDuplicate': return fieldErrors.duplicate(path, value)
    default: return fieldErrors.invalid(path, value, detail)
  }
}
