import { CelScalar, celEnv, celMap, isCelError, parse, plan, type CelInput } from '@bufbuild/cel'
import { fieldErrors, type FieldError } from '../../machinery/field-error.ts'
import { isJsonObject, jsonEqual, type JsonObject } from '../../machinery/json-value.ts'
import type { JSONSchemaProps, ValidationRule } from '../types/apiextensions.k8s.io_v1.ts'
import { comprehensionDepth, freeVariables, usesVariable, type Expression } from './cel-expressions.ts'
import { kubernetesFunctions, opaque } from './cel-library.ts'
import { childPath, compileSchema, listMapKey, type SchemaNode } from './schema.ts'
import type { RuleCheck } from './strategy.ts'

/**
 * Validation rules of structural schemas (`x-kubernetes-validations`): compiled once a definition, evaluated on each write.
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules
 */

/** Steps that one rule may take, and all rules of an object together (upstream: `PerCallLimit`, `RuntimeCELCostBudget`). */
const perRuleSteps = 1_000_000
const perObjectSteps = 10_000_000

const env = celEnv({ funcs: kubernetesFunctions(), variables: { self: CelScalar.DYN, oldSelf: CelScalar.DYN } })
const convertTime = plan(celEnv({ variables: { text: CelScalar.STRING } }), parse('timestamp(text)'))
const convertDuration = plan(celEnv({ variables: { text: CelScalar.STRING } }), parse('duration(text)'))

type Evaluate = (bindings: { self: CelInput; oldSelf: CelInput }) => unknown

interface CompiledRule {
  rule: ValidationRule
  evaluate: Evaluate
  message: Evaluate | undefined
  isTransition: boolean
  depth: number
}

/** Parses and plans an expression; throws an `Error` that says what is wrong with it. */
export function compileExpression(text: string): { evaluate: Evaluate; expression: Expression } {
  const parsed = parse(text)
  return { evaluate: plan(env, parsed) as Evaluate, expression: parsed.expr as unknown as Expression }
}

const variables = ['self', 'oldSelf']

/** What is wrong with a rule or message expression; undefined when it compiles. Types are known at run time only. */
export function ruleProblem(text: string): string | undefined {
  try {
    const undeclared = freeVariables(compileExpression(text).expression).find((name) => !variables.includes(name) && !isNamespace(name))
    return undeclared === undefined ? undefined : `undeclared reference to '${undeclared}' (in container '')`
  } catch (cause) {
    return `Syntax error: ${cause instanceof Error ? cause.message : String(cause)}`
  }
}

function isNamespace(name: string): boolean {
  return ['format', 'ip', 'sets', 'lists', 'optional', 'math', 'strings', 'string', 'int', 'uint', 'double', 'bool', 'bytes', 'list', 'map', 'type', 'null_type', 'google', 'timestamp', 'duration', 'dyn'].includes(name)
}

function compileRule(rule: ValidationRule): CompiledRule {
  const { evaluate, expression } = compileExpression(rule.rule)
  return {
    rule, evaluate, depth: comprehensionDepth(expression),
    isTransition: usesVariable(expression, 'oldSelf'),
    message: rule.messageExpression === undefined || rule.messageExpression === '' ? undefined : compileExpression(rule.messageExpression).evaluate,
  }
}

/** The check of all rules in a schema. */
export function compileRuleCheck(raw: Readonly<JSONSchemaProps>): RuleCheck {
  const root = compileSchema(raw)
  const compiled = new Map<SchemaNode, CompiledRule[]>()
  const compileBelow = (node: SchemaNode): void => {
    if (!node.has.rules) return
    if (node.rules.length > 0) compiled.set(node, node.rules.map(compileRule))
    for (const child of node.properties.values()) compileBelow(child)
    if (node.items !== undefined) compileBelow(node.items)
    if (typeof node.additional === 'object') compileBelow(node.additional)
  }
  compileBelow(root)
  return (object, old) => {
    const walk: Walk = { compiled, out: [], steps: 0 }
    check(walk, root, object, old, '', true)
    return walk.out
  }
}

interface Walk { compiled: ReadonlyMap<SchemaNode, CompiledRule[]>; out: FieldError[]; steps: number }

function check(walk: Walk, node: SchemaNode, value: unknown, old: unknown, path: string, isRoot = false): void {
  if (!node.has.rules || value === undefined) return
  if (value === null) return
  const rules = walk.compiled.get(node)
  if (rules !== undefined) {
    const self = celValue(node, value, isRoot)
    const size = sizeOf(value)
    for (const rule of rules) checkRule(walk, rule, node, { self, value, old, path, isRoot, size })
  }
  if (Array.isArray(value)) {
    if (node.items === undefined) return
    const before = node.listType === 'map' && Array.isArray(old) ? new Map(old.map((item) => [listMapKey(node, item), item])) : undefined
    for (const [i, item] of value.entries()) check(walk, node.items, item, before?.get(listMapKey(node, item)), `${path}[${i}]`)
  } else if (isJsonObject(value)) {
    for (const [name, child] of Object.entries(value)) {
      const isProperty = node.properties.has(name)
      const schema = node.properties.get(name) ?? node.additional
      if (typeof schema === 'object') check(walk, schema, child, isJsonObject(old) && Object.hasOwn(old, name) ? old[name] : undefined, isProperty ? childPath(path, name) : `${path}[${name}]`)
    }
  }
}

interface Subject { self: CelInput; value: unknown; old: unknown; path: string; isRoot: boolean; size: number }

function checkRule(walk: Walk, { rule, evaluate, message, isTransition, depth }: CompiledRule, node: SchemaNode, subject: Subject): void {
  const { self, value, old, path, isRoot, size } = subject
  const isOptional = rule.optionalOldSelf === true
  if (isTransition && old === undefined && !isOptional) return
  const type = node.type === '' ? 'string' : node.type
  const refuse = (detail: string): void => void walk.out.push(errorFor(rule, ruleField(path, rule.fieldPath), type, detail))
  const steps = Math.max(1, size) ** Math.max(0, depth)
  walk.steps += steps
  if (steps > perRuleSteps) {
    walk.out.push(fieldErrors.invalid(path, type, `no further validation rules will be run due to call cost exceeds limit for rule: ${rule.rule}`))
    return
  }
  if (walk.steps > perObjectSteps) {
    walk.out.push(fieldErrors.invalid(path, type, 'validation failed due to running out of cost budget, no further validation rules will be run'))
    return
  }
  const oldValue = old === undefined || old === null ? null : celValue(node, old, isRoot)
  const bindings = { self, oldSelf: isOptional ? opaque('optional', old === undefined ? [] : [oldValue]) : oldValue }
  const result = evaluate(bindings)
  if (result === true) return
  // What stands unchanged is not held against an update (KEP-4008), except where the rule is about the change.
  if (old !== undefined && !isTransition && jsonEqual(value, old)) return
  if (result !== false) {
    const problem = isCelError(result) ? result.message : 'rule did not evaluate to a bool'
    walk.out.push(fieldErrors.invalid(path, type, `${problem} evaluating rule: ${fixedMessage(rule)}`))
    return
  }
  const said = message?.(bindings)
  refuse(typeof said === 'string' && said.trim() !== '' && !/[\r\n]/.test(said) ? said : fixedMessage(rule))
}

function fixedMessage({ message, rule }: ValidationRule): string {
  return message !== undefined && message !== '' ? message.trim() : `failed rule: ${rule.trim()}`
}

/** A rule may point below the value that it is about: `.spec.foo`, `['foo.bar']`. */
function ruleField(path: string, fieldPath: string | undefined): string {
  if (fieldPath === undefined || fieldPath === '') return path
  let at = path
  for (const [, name, quoted] of fieldPath.matchAll(/\.([A-Za-z_$][\w$-]*)|\[['"]((?:[^'"\\]|\\.)*)['"]\]/g)) at = name === undefined ? `${at}[${quoted}]` : childPath(at, name)
  return at
}

function errorFor({ reason }: ValidationRule, path: string, type: string, detail: string): FieldError {
  switch (reason) {
    case 'FieldValueForbidden': return fieldErrors.forbidden(path, detail)
    case 'FieldValueRequired': return fieldErrors.required(path, detail)
    case 'FieldValueDuplicate': return fieldErrors.duplicate(path, type)
    default: return fieldErrors.invalid(path, type, detail)
  }
}

function sizeOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1
  let size = 0
  for (const child of Object.values(value)) size += sizeOf(child)
  return Math.max(1, size)
}

/** What a value is to CEL: whole numbers are ints by their schema, times and durations are such, objects are maps. */
export function celValue(node: SchemaNode | undefined, value: unknown, isRoot = false): CelInput {
  if (value === null || value === undefined) return null
  switch (typeof value) {
    case 'boolean': return value
    case 'number': return Number.isInteger(value) && node?.type !== 'number' ? BigInt(value) : value
    case 'string': return textValue(node, value)
    default: return Array.isArray(value) ? value.map((item) => celValue(node?.items, item)) : objectValue(node, value as JsonObject, isRoot)
  }
}

function objectValue(node: SchemaNode | undefined, value: JsonObject, isRoot: boolean): CelInput {
  const fields = new Map<string, CelInput>()
  const isMap = node !== undefined && node.additional !== undefined
  for (const [name, child] of Object.entries(value)) {
    if ((isRoot || node?.embedded === true) && name === 'metadata') {
      fields.set(name, celValue(undefined, Object.fromEntries(Object.entries(child as JsonObject).filter(([field]) => field === 'name' || field === 'generateName'))))
      continue
    }
    const schema = node?.properties.get(name) ?? (typeof node?.additional === 'object' ? node.additional : undefined)
    fields.set(isMap ? name : escapedName(name), celValue(schema, child))
  }
  return celMap(fields)
}

function textValue(node: SchemaNode | undefined, value: string): CelInput {
  switch (node?.raw.format) {
    case 'date-time': return timeOr(convertTime({ text: value }), value)
    case 'date': return timeOr(convertTime({ text: `${value}T00:00:00Z` }), value)
    case 'duration': return timeOr(convertDuration({ text: value }), value)
    case 'byte': return new Uint8Array(Buffer.from(value, 'base64'))
    default: return value
  }
}

/** Values that don't keep to their format have been refused by then; rules see them as texts. */
function timeOr(result: ReturnType<typeof convertTime>, text: string): CelInput {
  return isCelError(result) ? text : result
}

const reserved = new Set([
  'true', 'false', 'null', 'in', 'as', 'break', 'const', 'continue', 'else', 'for', 'function', 'if', 'import', 'let', 'loop', 'package', 'namespace', 'return', 'var', 'void', 'while',
])

/** How a field is named in rules (`namespace` is `__namespace__`, `a.b` is `a__dot__b`). */
export function escapedName(name: string): string {
  if (reserved.has(name)) return `__${name}__`
  return name.replaceAll('__', '__underscores__').replaceAll('.', '__dot__').replaceAll('-', '__dash__').replaceAll('/', '__slash__')
}
