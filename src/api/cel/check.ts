import type { Library, Overload } from './functions.ts'
import { literalProblems } from './literal-checks.ts'
import { compilePattern } from './patterns.ts'
import type { CelProblem } from './problem.ts'
import type { CallNode, FoldNode, Node } from './syntax.ts'
import {
  assignable, BOOL, BYTES, DOUBLE, DURATION, DYN, ERROR, fieldNamed, INT, isDyn, listOf, mapOf, moreGeneral, NULL, optionalOf, param, sameType, STRING, substitute, TIMESTAMP, typeOf, typeText, UINT, unwrapOptional, type Bindings, type CelType,
} from './types.ts'
import { parseDuration, parseTimestamp, Uint, type Value } from './values.ts'

/** What expressions may name. */
export interface Environment {
  /** Variables by name; names may hold dots (`authorizer.requestResource`). */
  variables: ReadonlyMap<string, CelType>
  library: Library
  /** Types that expressions may construct: `Object.spec{…}`. */
  structType?(name: string): CelType | undefined
}

/** What checking found out; keyed by the nodes of the tree that was checked. */
export interface CheckedTree {
  root: Node
  type: CelType
  typeOf(node: Node): CelType
  overloads: ReadonlyMap<Node, readonly Overload[]>
  /** Selections that turned out to be the name of a variable or type. */
  names: ReadonlyMap<Node, string>
  /** Calls of namespaced functions: their target is no value. */
  functions: ReadonlyMap<Node, string>
  /** Fields by the name that JSON has for them, where the expression's name differs. */
  structs: ReadonlyMap<Node, CelType>
  /** Whether the environment declares a variable of this name; what else a name stands for is a type. */
  isVariable(name: string): boolean
}

const typeNames: ReadonlyMap<string, CelType> = new Map<string, CelType>([
  ['bool', BOOL], ['int', INT], ['uint', UINT], ['double', DOUBLE], ['string', STRING], ['bytes', BYTES], ['list', listOf(DYN)], ['map', mapOf(DYN, DYN)], ['null_type', NULL], ['type', typeOf(DYN)], ['dyn', DYN],
  ['optional_type', optionalOf(DYN)], ['google.protobuf.Timestamp', TIMESTAMP], ['google.protobuf.Duration', DURATION],
  ...['net.IP', 'net.CIDR', 'kubernetes.Quantity', 'kubernetes.URL', 'kubernetes.Semver', 'kubernetes.NamedFormat', 'kubernetes.authorization.Authorizer', 'kubernetes.authorization.PathCheck', 'kubernetes.authorization.GroupCheck', 'kubernetes.authorization.ResourceCheck', 'kubernetes.authorization.Decision']
    .map((name): [string, CelType] => [name, { kind: 'object', name, params: [] }]),
])

/** Type-checks a tree, as cel-go's checker does: all problems, or the checked tree. */
export function checkTree(root: Node, environment: Environment): CheckedTree | readonly CelProblem[] {
  return new Checker(environment).run(root)
}

class Checker {
  readonly #environment: Environment
  readonly #problems: CelProblem[] = []
  /** What is wrong with literals, which is told where the types are right. */
  readonly #literals: CelProblem[] = []
  readonly #types = new Map<Node, CelType>()
  readonly #overloads = new Map<Node, readonly Overload[]>()
  readonly #names = new Map<Node, string>()
  readonly #functions = new Map<Node, string>()
  readonly #structs = new Map<Node, CelType>()
  readonly #scopes: Map<string, CelType>[] = []
  #bindings: Bindings = new Map()
  #variables = 0

  constructor(environment: Environment) {
    this.#environment = environment
  }

  run(root: Node): CheckedTree | readonly CelProblem[] {
    this.#check(root)
    if (this.#problems.length > 0) return this.#problems
    const typeAt = (node: Node): CelType => substitute(this.#bindings, this.#types.get(node) ?? DYN, true)
    const tree: CheckedTree = { root, type: typeAt(root), typeOf: typeAt, overloads: this.#overloads, names: this.#names, functions: this.#functions, structs: this.#structs, isVariable: (name) => this.#environment.variables.has(name) }
    const problems = [...this.#literals, ...literalProblems(tree)]
    return problems.length > 0 ? problems : tree
  }

  #refuse(at: number, message: string): void {
    this.#problems.push({ offset: at, message })
  }

  #fresh(): CelType {
    this.#variables += 1
    return param(`_var${this.#variables}`)
  }

  #resolved(type: CelType): CelType {
    return substitute(this.#bindings, type, false)
  }

  #assigns(from: readonly CelType[], to: readonly CelType[]): boolean {
    const bound = assignable(this.#bindings, from, to)
    if (bound === undefined) return false
    this.#bindings = bound
    return true
  }

  #check(node: Node): CelType {
    const type = this.#typed(node)
    this.#types.set(node, type)
    return type
  }

  #typed(node: Node): CelType {
    switch (node.kind) {
      case 'literal': return literalType(node.value)
      case 'ident': return this.#ident(node)
      case 'select': return this.#select(node)
      case 'call': return this.#call(node)
      case 'list': return this.#list(node)
      case 'map': return this.#map(node)
      case 'struct': return this.#struct(node)
      case 'fold': return this.#fold(node)
      case 'bind': {
        const before = this.#problems.length
        const value = this.#check(node.value)
        // A macro that writes the value twice says twice what is wrong with it.
        if (node.repeats) this.#problems.push(...this.#problems.slice(before))
        return this.#scoped([[node.name, value]], () => this.#check(node.body))
      }
    }
  }

  #scoped<T>(names: readonly (readonly [string, CelType])[], run: () => T): T {
    this.#scopes.push(new Map(names))
    const result = run()
    this.#scopes.pop()
    return result
  }

  #lookup(name: string): CelType | undefined {
    for (let i = this.#scopes.length - 1; i >= 0; i -= 1) {
      const found = this.#scopes[i]!.get(name)
      if (found !== undefined) return found
    }
    const variable = this.#environment.variables.get(name)
    if (variable !== undefined) return variable
    const type = typeNames.get(name)
    return type === undefined ? undefined : typeOf(type)
  }

  #ident(node: Extract<Node, { kind: 'ident' }>): CelType {
    const name = node.name.replace(/^\./, '')
    const found = this.#lookup(name)
    if (found !== undefined) return found
    this.#refuse(node.at, `undeclared reference to '${node.name}' (in container '')`)
    return ERROR
  }

  #select(node: Extract<Node, { kind: 'select' }>): CelType {
    const name = node.testOnly || node.optional ? undefined : qualifiedName(node)
    if (name !== undefined && !this.#scopes.some((scope) => scope.has(name.slice(0, name.indexOf('.'))))) {
      const found = this.#environment.variables.get(name) ?? (typeNames.has(name) ? typeOf(typeNames.get(name)!) : undefined)
      if (found !== undefined) {
        this.#names.set(node, name)
        return found
      }
    }
    const result = this.#field(node, node.optional)
    return node.testOnly ? BOOL : this.#resolved(result)
  }

  #field({ operand, field, at }: Extract<Node, { kind: 'select' }>, optional: boolean): CelType {
    const operandType = this.#resolved(this.#check(operand))
    const held = unwrapOptional(operandType)
    const target = held ?? operandType
    let result: CelType = ERROR
    switch (target.kind) {
      case 'map':
        result = target.params[1]!
        break
      case 'object': {
        const found = fieldNamed(target.fields?.(), field)?.type ?? target.anyField?.(field)
        if (found === undefined) this.#refuse(at, `undefined field '${field}'`)
        else result = found
        break
      }
      case 'param':
        this.#assigns([DYN], [target])
        result = DYN
        break
      default:
        if (!isDyn(target) && target.kind !== 'error') this.#refuse(at, `type '${typeText(target)}' does not support field selection`)
        result = DYN
    }
    return held !== undefined || optional ? optionalOf(result) : result
  }

  #call(node: CallNode): CelType {
    const { target, args, name, at } = node
    for (const arg of args) this.#check(arg)
    if (target !== undefined) {
      const prefix = qualifiedName(target)
      const full = prefix === undefined ? undefined : `${prefix}.${name}`
      if (full !== undefined && this.#environment.library.has(full)) {
        this.#functions.set(node, full)
        return this.#resolve(node, full, args, false)
      }
      this.#check(target)
    }
    const known = this.#environment.library.get(name)
    if (known === undefined) {
      this.#refuse(at, `undeclared reference to '${name}' (in container '')`)
      return ERROR
    }
    return this.#resolve(node, name, target === undefined ? args : [target, ...args], target !== undefined)
  }

  #resolve(node: CallNode, name: string, args: readonly Node[], isMethod: boolean): CelType {
    const types = args.map((arg) => this.#types.get(arg)!)
    if (name === '_&&_' || name === '_||_') return this.#logical(args, types)
    let result: CelType | undefined
    const chosen: Overload[] = []
    for (const overload of this.#environment.library.get(name) ?? []) {
      if (overload.isMethod !== isMethod || overload.args.length !== types.length) continue
      const [returns, ...wanted] = this.#instantiated(overload)
      if (!this.#assigns(types, wanted)) continue
      chosen.push(overload)
      const made = this.#resolved(returns!)
      if (result === undefined) result = made
      else if (!isDyn(result) && !sameType(made, result)) result = DYN
    }
    if (result === undefined) {
      const shown = types.map((type) => typeText(substitute(this.#bindings, type, true)))
      this.#refuse(node.at, `found no matching overload for '${name}' applied to '${isMethod ? `${shown[0]}.(${shown.slice(1).join(', ')})` : `(${shown.join(', ')})`}'`)
      return ERROR
    }
    this.#overloads.set(node, chosen)
    this.#checkLiterals(name, isMethod ? args.slice(1) : args)
    return result
  }

  /** Durations, timestamps and patterns that stand in the expression must be such. */
  #checkLiterals(name: string, args: readonly Node[]): void {
    if (name !== 'duration' && name !== 'timestamp' && name !== 'matches') return
    const literal = args.at(-1)
    if (literal?.kind !== 'literal') return
    if (name === 'timestamp' && typeof literal.value === 'bigint' && !isTimestamp(literal.value)) this.#literals.push({ offset: literal.at, message: 'invalid timestamp argument' })
    if (typeof literal.value === 'string' && !isValidLiteral(name, literal.value)) this.#literals.push({ offset: literal.at, message: `invalid ${name} argument` })
  }

  #logical(args: readonly Node[], types: readonly CelType[]): CelType {
    let failed = false
    for (const [i, type] of types.entries()) {
      if (this.#assigns([type], [BOOL])) continue
      this.#refuse(args[i]!.at, `expected type 'bool' but found '${typeText(substitute(this.#bindings, type, true))}'`)
      failed = true
    }
    return failed ? ERROR : BOOL
  }

  /** Result and arguments, with type parameters of this call's own. */
  #instantiated({ result, args }: Overload): CelType[] {
    const own: Bindings = new Map()
    const name = (type: CelType): void => {
      if (type.kind === 'param' && !own.has(type.name)) own.set(type.name, this.#fresh())
      type.params.forEach(name)
    }
    const all = [result, ...args]
    all.forEach(name)
    return own.size === 0 ? all : all.map((type) => substitute(own, type, false))
  }

  #joined(before: CelType | undefined, type: CelType): CelType {
    if (before === undefined) return type
    return this.#assigns([before], [type]) ? moreGeneral(before, type) : DYN
  }

  /** The type of an element: of what it holds, where it is optional. */
  #element(node: Node, optional: boolean): CelType {
    const type = this.#resolved(this.#check(node))
    if (!optional) return type
    const held = unwrapOptional(type)
    if (held === undefined && !isDyn(type)) this.#refuse(node.at, `expected type 'optional_type(${typeText(type)})' but found '${typeText(type)}'`)
    return held ?? type
  }

  #list({ items, optional }: Extract<Node, { kind: 'list' }>): CelType {
    let item: CelType | undefined
    for (const [i, each] of items.entries()) item = this.#joined(item, this.#element(each, optional.has(i)))
    return listOf(item ?? this.#fresh())
  }

  #map({ entries }: Extract<Node, { kind: 'map' }>): CelType {
    let key: CelType | undefined
    let value: CelType | undefined
    for (const entry of entries) {
      key = this.#joined(key, this.#check(entry.key))
      value = this.#joined(value, this.#element(entry.value, entry.optional))
    }
    return mapOf(key ?? this.#fresh(), value ?? this.#fresh())
  }

  #struct(node: Extract<Node, { kind: 'struct' }>): CelType {
    const type = this.#environment.structType?.(node.name)
    if (type === undefined) {
      this.#refuse(node.at, `undeclared reference to '${node.name}' (in container '')`)
      return ERROR
    }
    this.#structs.set(node, type)
    for (const { name, value, optional, at } of node.fields) {
      const given = this.#element(value, optional)
      const wanted = type.fields?.().get(name)?.type ?? type.anyField?.(name)
      if (wanted === undefined) this.#refuse(at, `undefined field '${name}'`)
      else if (!this.#assigns([wanted], [given])) this.#refuse(at, `expected type of field '${name}' is '${typeText(wanted)}' but provided type is '${typeText(this.#resolved(given))}'`)
    }
    return type
  }

  #fold(node: FoldNode): CelType {
    const range = this.#resolved(this.#check(node.range))
    const init = this.#check(node.init)
    let first: CelType
    let second: CelType | undefined
    if (range.kind === 'list') [first, second] = node.iterVar2 === undefined ? [range.params[0]!, undefined] : [INT, range.params[0]!]
    else if (range.kind === 'map') [first, second] = [range.params[0]!, range.params[1]!]
    else if (isDyn(range) || range.kind === 'error' || range.kind === 'param') {
      this.#assigns([DYN], [range])
      ;[first, second] = [DYN, DYN]
    } else {
      this.#refuse(node.range.at, `expression of type '${typeText(range)}' cannot be range of a comprehension (must be list, map, or dynamic)`)
      ;[first, second] = [ERROR, ERROR]
    }
    return this.#scoped([[node.accuVar, init]], () => {
      this.#scoped([[node.iterVar, first], ...(node.iterVar2 === undefined ? [] : [[node.iterVar2, second ?? DYN] as const])], () => {
        this.#expect(node.condition, BOOL)
        this.#expect(node.step, init)
      })
      return this.#resolved(this.#check(node.result))
    })
  }

  #expect(node: Node, wanted: CelType): void {
    const type = this.#check(node)
    if (!this.#assigns([wanted], [type])) this.#refuse(node.at, `expected type '${typeText(this.#resolved(wanted))}' but found '${typeText(this.#resolved(type))}'`)
  }
}

function isTimestamp(seconds: bigint): boolean {
  return seconds >= -62_135_596_800n && seconds <= 253_402_300_799n
}

function isValidLiteral(name: 'duration' | 'timestamp' | 'matches', text: string): boolean {
  if (name === 'duration') return parseDuration(text) !== undefined
  if (name === 'timestamp') return parseTimestamp(text) !== undefined
  try {
    compilePattern(text)
    return true
  } catch {
    return false
  }
}

function literalType(value: Value): CelType {
  switch (typeof value) {
    case 'boolean': return BOOL
    case 'bigint': return INT
    case 'number': return DOUBLE
    case 'string': return STRING
    default: return value === null ? NULL : value instanceof Uint ? UINT : BYTES
  }
}

/** `a.b.c`, where an expression is nothing but names. */
function qualifiedName(node: Node): string | undefined {
  if (node.kind === 'ident') return node.name.replace(/^\./, '')
  if (node.kind !== 'select' || node.testOnly || node.optional) return undefined
  const operand = qualifiedName(node.operand)
  return operand === undefined ? undefined : `${operand}.${node.field}`
}
