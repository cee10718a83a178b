import { parse as parseCel } from '@bufbuild/cel'
import type { CelProblem } from './problem.ts'
import { closers, syntaxProblems, tokensOf, type Token } from './syntax-problems.ts'
import { Uint, type Value } from './values.ts'

/** An expression's tree, after macros. `at` is where cel-go would point: the operator, the dot, the parenthesis of a call. */
export type Node = (
  | { kind: 'literal'; value: Value }
  | { kind: 'ident'; name: string }
  | { kind: 'select'; operand: Node; field: string; testOnly: boolean; optional: boolean }
  | { kind: 'call'; name: string; target: Node | undefined; args: Node[] }
  | { kind: 'list'; items: Node[]; optional: ReadonlySet<number> }
  | { kind: 'map'; entries: { key: Node; value: Node; optional: boolean; at: number }[] }
  | { kind: 'struct'; name: string; fields: { name: string; value: Node; optional: boolean; at: number }[] }
  | { kind: 'fold'; iterVar: string; iterVar2: string | undefined; accuVar: string; range: Node; init: Node; condition: Node; step: Node; result: Node }
  /** `repeats`: a macro writes the value wherever the name stands, and so often it costs. */
  | { kind: 'bind'; name: string; value: Node; body: Node; repeats: boolean }
) & { at: number }

export type FoldNode = Extract<Node, { kind: 'fold' }>
export type CallNode = Extract<Node, { kind: 'call' }>

/** Expressions are user input: deeper or longer ones are refused, as cel-go's parser does by its recursion and size limits. */
const maxDepth = 250
const maxLength = 100_000
/** What is wrong with all of an expression stands at no place of it. */
const nowhere = -1

export class SyntaxProblem extends Error {
  readonly problems: readonly CelProblem[]
  constructor(problems: readonly CelProblem[]) {
    super(problems[0]?.message ?? 'invalid expression')
    this.problems = problems
  }
}

/** What the library's parser gives (cel.expr.Expr). */
interface Expr {
  id: bigint
  exprKind:
    | { case: 'identExpr'; value: { name: string } }
    | { case: 'selectExpr'; value: { operand: Expr; field: string; testOnly: boolean } }
    | { case: 'callExpr'; value: { target?: Expr; function: string; args: Expr[] } }
    | { case: 'listExpr'; value: { elements: Expr[] } }
    | { case: 'structExpr'; value: { messageName: string; entries: { id: bigint; keyKind: { case: 'mapKey'; value: Expr } | { case: 'fieldKey'; value: string }; value: Expr }[] } }
    | { case: 'comprehensionExpr'; value: { iterVar: string; accuVar: string; iterRange: Expr; accuInit: Expr; loopCondition: Expr; loopStep: Expr; result: Expr } }
    | { case: 'constExpr'; value: { constantKind: { case: string; value: unknown } } }
}

/**
 * Parses an expression. The library's parser knows no optional syntax (`a.?b`, `a[?k]`, `[?e]`, `{?k: v}`): its question marks are
 * blanked out first, which keeps every offset, and found again by where they stood. `hasBindings`: knows `cel.bind`, which only
 * some environments do. Throws a SyntaxProblem.
 */
export function parseExpression(source: string, hasBindings = false): Node {
  if (source.length > maxLength) throw new SyntaxProblem([{ offset: 0, message: `expression code point size exceeds limit: size: ${source.length}, limit ${maxLength}` }])
  const tokens = tokensOf(source)
  checkDepth(tokens)
  const marks = new Set<number>()
  const chars = source.split('')
  for (const [i, token] of tokens.entries()) {
    const before = tokens[i - 1]
    if (token.text !== '?' || before === undefined || before.kind !== 'mark') continue
    if (!['.', '[', '{', ','].includes(before.text)) continue
    marks.add(before.text === '.' ? before.offset : token.offset)
    chars[token.offset] = ' '
  }
  let parsed: ReturnType<typeof parseCel>
  try {
    parsed = parseCel(chars.join(''))
  } catch (cause) {
    throw new SyntaxProblem(syntaxProblems(source, tokens, cause))
  }
  if (parsed.expr === undefined) throw new SyntaxProblem(syntaxProblems(source, tokens, 'no expression'))
  return new Lowering(source, tokens, parsed.sourceInfo?.positions ?? {}, marks, hasBindings).lower(parsed.expr as unknown as Expr)
}

function checkDepth(tokens: readonly Token[]): void {
  let depth = 0
  let unary = 0
  for (const { text } of tokens) {
    if (text in closers) depth += 1
    else if (')]}'.includes(text)) depth -= 1
    unary = text === '!' || text === '-' || text === '?' ? unary + 1 : unary
    if (depth >= maxDepth || unary > 4 * maxDepth) throw new SyntaxProblem([{ offset: nowhere, message: `expression recursion limit exceeded: ${maxDepth}` }])
  }
}

/** Words that no variable may be called, beside literals and `in`. */
const reserved = new Set(['as', 'break', 'const', 'continue', 'else', 'for', 'function', 'if', 'import', 'let', 'loop', 'package', 'namespace', 'return', 'var', 'void', 'while'])
const accumulator = '@result'
const sortInput = '@__sortBy_input__'
const twoVariableMacros = new Set(['all', 'exists', 'existsOne', 'exists_one', 'transformList', 'transformMap', 'transformMapEntry'])

/** Operators, selections, indexes and method calls within one another are what cel-go counts. */
function isStep({ exprKind }: Expr): boolean {
  if (exprKind.case === 'selectExpr') return true
  return exprKind.case === 'callExpr' && (exprKind.value.target !== undefined || steps.has(exprKind.value.function))
}
const steps: ReadonlySet<string> = new Set([...['==', '!=', '<', '<=', '>', '>=', '+', '-', '*', '/', '%'].map((operator) => `_${operator}_`), '@in', '_[_]'])

/** From the library's tree to ours: positions as cel-go has them, optional syntax, and the macros that the library lacks. */
class Lowering {
  readonly #source: string
  readonly #tokens: readonly Token[]
  readonly #positions: Readonly<Record<string, number>>
  readonly #marks: ReadonlySet<number>
  readonly #hasBindings: boolean
  readonly #problems: CelProblem[] = []
  /** Where macros stand for the library, and for cel-go: at their parenthesis, with all that they write. */
  readonly #macros = new Map<number, number>()
  #depth = 0
  #steps = 0

  constructor(source: string, tokens: readonly Token[], positions: Readonly<Record<string, number>>, marks: ReadonlySet<number>, hasBindings: boolean) {
    this.#source = source
    this.#tokens = tokens
    this.#positions = positions
    this.#marks = marks
    this.#hasBindings = hasBindings
  }

  lower(expr: Expr): Node {
    const node = this.#node(expr)
    if (this.#problems.length > 0) throw new SyntaxProblem(this.#problems)
    return node
  }

  #start(expr: Expr): number {
    const offset = this.#positions[expr.id.toString()] ?? 0
    const skipped = /^\s*/.exec(this.#source.slice(offset, offset + 1000))![0].length
    return this.#macros.get(offset + skipped) ?? offset + skipped
  }

  /** The first offset that belongs to an expression or to anything within it. */
  #leftmost(expr: Expr): number {
    const { exprKind } = expr
    const own = this.#start(expr)
    switch (exprKind.case) {
      case 'selectExpr': return Math.min(own, this.#leftmost(exprKind.value.operand))
      case 'callExpr': return Math.min(own, ...[...(exprKind.value.target === undefined ? [] : [exprKind.value.target]), ...exprKind.value.args.slice(0, 2)].map((part) => this.#leftmost(part)))
      case 'comprehensionExpr': return Math.min(own, this.#leftmost(exprKind.value.iterRange))
      default: return own
    }
  }

  /** The last token of this text before an offset. */
  #tokenBefore(text: string, offset: number): number {
    for (let i = this.#tokens.length - 1; i >= 0; i -= 1) if (this.#tokens[i]!.offset < offset && this.#tokens[i]!.text === text) return this.#tokens[i]!.offset
    return offset
  }

  #tokenFrom(text: string, offset: number): number {
    return this.#tokens.find((token) => token.offset >= offset && token.text === text)?.offset ?? offset
  }

  /** Whether an optional mark stands right before an element, blanks and parentheses aside. */
  #isMarked(expr: Expr): boolean {
    for (let at = this.#leftmost(expr) - 1; at >= 0; at -= 1) {
      if (this.#marks.has(at)) return this.#source[at] === '?'
      if (!/[\s(]/.test(this.#source[at]!)) return false
    }
    return false
  }

  #node(expr: Expr): Node {
    if (this.#depth > 4 * maxDepth) throw new SyntaxProblem([{ offset: nowhere, message: `expression recursion limit exceeded: ${maxDepth}` }])
    const step = isStep(expr) ? 1 : 0
    this.#depth += 1
    this.#steps += step
    if (this.#steps > maxDepth) throw new SyntaxProblem([{ offset: nowhere, message: 'max recursion depth exceeded' }])
    const node = this.#lowered(expr)
    this.#depth -= 1
    this.#steps -= step
    return node
  }

  #lowered(expr: Expr): Node {
    const { exprKind } = expr
    const at = this.#start(expr)
    switch (exprKind.case) {
      case 'constExpr': return { kind: 'literal', value: this.#constant(exprKind.value.constantKind, at), at }
      case 'identExpr': {
        const { name } = exprKind.value
        if (reserved.has(name)) this.#problems.push({ offset: at, message: `reserved identifier: ${name}` })
        return { kind: 'ident', name, at }
      }
      case 'selectExpr': {
        const { operand, field, testOnly } = exprKind.value
        const dot = testOnly && this.#marks.size > 0 ? this.#optionalSelect(at) : undefined
        if (dot !== undefined) this.#problems.push({ offset: dot, message: 'invalid argument to has() macro' })
        return { kind: 'select', operand: this.#node(operand), field: unquoted(field), testOnly, optional: !testOnly && this.#marks.has(at) && this.#source[at] === '.', at: testOnly ? this.#tokenFrom('(', at) : at }
      }
      case 'listExpr': {
        const { elements } = exprKind.value
        return { kind: 'list', items: elements.map((each) => this.#node(each)), optional: new Set(elements.flatMap((each, i) => (this.#marks.size > 0 && this.#isMarked(each) ? [i] : []))), at }
      }
      case 'structExpr': return this.#struct(exprKind.value, at)
      case 'comprehensionExpr': {
        const { iterVar, accuVar, iterRange, accuInit, loopCondition, loopStep, result } = exprKind.value
        const call = this.#tokenFrom('(', at)
        this.#macros.set(at, call)
        return {
          kind: 'fold', iterVar, iterVar2: undefined, accuVar, at: call,
          range: this.#node(iterRange), init: this.#node(accuInit), condition: this.#node(loopCondition), step: this.#node(loopStep), result: this.#node(result),
        }
      }
      case 'callExpr': return this.#call(exprKind.value, at)
    }
  }

  #struct({ messageName, entries }: Extract<Expr['exprKind'], { case: 'structExpr' }>['value'], at: number): Node {
    const brace = this.#tokenFrom('{', at)
    if (messageName !== '') {
      return {
        kind: 'struct', name: messageName, at: brace, fields: entries.map(({ keyKind, value }) => ({
          name: unquoted(String(keyKind.value)), value: this.#node(value), optional: this.#marks.size > 0 && this.#fieldIsMarked(value), at: this.#tokenBefore(':', this.#leftmost(value)),
        })),
      }
    }
    return {
      kind: 'map', at: brace, entries: entries.map(({ keyKind, value }) => {
        const key = keyKind.value as Expr
        return { key: this.#node(key), value: this.#node(value), optional: this.#marks.size > 0 && this.#isMarked(key), at: this.#tokenBefore(':', this.#leftmost(value)) }
      }),
    }
  }

  /** Where the selection that `has` at this offset looks at stands, the last before its closing parenthesis, if it is an optional one. */
  #optionalSelect(at: number): number | undefined {
    let depth = 0
    let dot = -1
    for (const { text, offset } of this.#tokens) {
      if (offset < at) continue
      if (text in closers) depth += 1
      else if (')]}'.includes(text)) {
        depth -= 1
        if (depth === 0) break
      } else if (text === '.' && depth === 1) dot = offset
    }
    return this.#marks.has(dot) ? dot : undefined
  }

  /** `Object{?field: value}`: the name's token is the one before the colon. */
  #fieldIsMarked(value: Expr): boolean {
    const colon = this.#tokenBefore(':', this.#leftmost(value))
    const index = this.#tokens.findIndex((token) => token.offset === colon)
    const mark = this.#tokens[index - 2]
    return mark !== undefined && this.#marks.has(mark.offset) && mark.text === '?'
  }

  #constant({ case: kind, value }: { case: string; value: unknown }, offset: number): Value {
    if (kind === 'nullValue') return null
    if (kind === 'int64Value') {
      const number = value as bigint
      if (number > 9223372036854775807n || number < -9223372036854775808n) this.#problems.push({ offset, message: 'invalid int literal' })
      return number
    }
    if (kind === 'uint64Value') {
      if ((value as bigint) > 18446744073709551615n) this.#problems.push({ offset, message: 'invalid uint literal' })
      return new Uint(value as bigint)
    }
    return value as Value
  }

  #call({ target, function: name, args }: { target?: Expr; function: string; args: Expr[] }, start: number): Node {
    if (target !== undefined) return this.#member(target, name, args, start)
    if (/^\w/.test(name) && !name.startsWith('_')) {
      const at = this.#tokenFrom('(', start)
      if (name === 'has' && args.length === 1) this.#problems.push({ offset: this.#start(args[0]!), message: 'invalid argument to has() macro' })
      return this.#made(name, args, at)
    }
    let at = start
    if (name === '_&&_' || name === '_||_') at = this.#tokenBefore(name.slice(1, 3), this.#leftmost(args[1]!))
    else if (name === '_?_:_') at = this.#tokenBefore('?', this.#leftmost(args[1]!))
    else if (name === '_[_]') {
      if (this.#marks.size > 0 && this.#isMarked(args[1]!)) return { kind: 'call', name: '_[?_]', target: undefined, args: args.map((arg) => this.#node(arg)), at }
    } else if (name === '-_' && args[0]?.exprKind.case === 'constExpr') {
      const constant = args[0].exprKind.value.constantKind
      if (constant.case === 'int64Value' || constant.case === 'doubleValue') return { kind: 'literal', value: typeof constant.value === 'bigint' ? -constant.value : -(constant.value as number), at }
    }
    return this.#made(name, args, at)
  }

  #made(name: string, args: readonly Expr[], at: number): CallNode {
    return { kind: 'call', name, target: undefined, args: args.map((arg) => this.#node(arg)), at }
  }

  #member(target: Expr, name: string, args: Expr[], start: number): Node {
    const dot = this.#tokenFrom(name, start)
    const at = this.#tokenFrom('(', dot)
    if (this.#hasBindings && name === 'bind' && args.length === 3 && target.exprKind.case === 'identExpr' && target.exprKind.value.name === 'cel') {
      return { kind: 'bind', name: this.#variable(args[0]!), value: this.#node(args[1]!), body: this.#node(args[2]!), repeats: false, at }
    }
    if (name === 'sortBy' && args.length === 2) return this.#sortBy(target, args, at)
    if ((name === 'optMap' || name === 'optFlatMap') && args.length === 2) return this.#optMap(target, name, args, at)
    if (twoVariableMacros.has(name) && (args.length === 3 || (args.length === 4 && (name === 'transformList' || name === 'transformMap' || name === 'transformMapEntry')))) return this.#twoVariables(target, name, args, at)
    if (['all', 'exists', 'exists_one', 'existsOne', 'map', 'filter'].includes(name) && (args.length === 2 || (name === 'map' && args.length === 3))) this.#variable(args[0]!, name === 'map' || name === 'filter' ? 'argument is not an identifier' : undefined)
    return { kind: 'call', name, target: this.#node(target), args: args.map((arg) => this.#node(arg)), at }
  }

  /** The name that a macro binds. */
  #variable(expr: Expr, problem = 'argument must be a simple name'): string {
    if (expr.exprKind.case === 'identExpr' && expr.exprKind.value.name !== accumulator) return expr.exprKind.value.name
    this.#problems.push({ offset: this.#start(expr), message: problem })
    return '@invalid'
  }

  #optMap(target: Expr, name: string, args: readonly Expr[], at: number): Node {
    const held = `@optional${at}`
    const ident: Node = { kind: 'ident', name: held, at }
    const bound: Node = { kind: 'bind', name: this.#variable(args[0]!), value: call('value', at, ident), body: this.#node(args[1]!), repeats: false, at }
    const some: Node = name === 'optMap' ? { kind: 'call', name: 'optional.of', target: undefined, args: [bound], at } : bound
    const none: Node = { kind: 'call', name: 'optional.none', target: undefined, args: [], at }
    return { kind: 'bind', name: held, value: this.#node(target), repeats: true, at, body: { kind: 'call', name: '_?_:_', target: undefined, args: [call('hasValue', at, ident), some, none], at } }
  }

  /** Sorts by the keys that the second argument gives for each item. */
  #sortBy(target: Expr, args: readonly Expr[], at: number): Node {
    const input: Node = { kind: 'ident', name: sortInput, at }
    if (target.exprKind.case === 'constExpr' || (target.exprKind.case === 'structExpr')) {
      this.#problems.push({ offset: this.#start(target), message: 'sortBy can only be applied to a list, identifier, comprehension, call or select expression' })
    }
    const iterVar = this.#variable(args[0]!, 'argument is not an identifier')
    const accu: Node = { kind: 'ident', name: accumulator, at }
    const item: Node = { kind: 'list', items: [this.#node(args[1]!)], optional: new Set(), at }
    const keys: Node = {
      kind: 'fold', iterVar, iterVar2: undefined, accuVar: accumulator, at, range: { kind: 'ident', name: sortInput, at }, init: { kind: 'list', items: [], optional: new Set(), at },
      condition: { kind: 'literal', value: true, at }, step: { kind: 'call', name: '_+_', target: undefined, args: [accu, item], at }, result: { kind: 'ident', name: accumulator, at },
    }
    return { kind: 'bind', name: sortInput, value: this.#node(target), repeats: false, at, body: { kind: 'call', name: '@sortByAssociatedKeys', target: input, args: [keys], at } }
  }

  #twoVariables(target: Expr, name: string, args: readonly Expr[], at: number): Node {
    const iterVar = this.#variable(args[0]!)
    const iterVar2 = this.#variable(args[1]!)
    if (iterVar === iterVar2) this.#problems.push({ offset: this.#start(args[1]!), message: `duplicate variable name: ${iterVar}` })
    const filter = args.length === 4 ? this.#node(args[2]!) : undefined
    const last = this.#node(args.at(-1)!)
    const accu: Node = { kind: 'ident', name: accumulator, at }
    const literal = (value: Value): Node => ({ kind: 'literal', value, at })
    const op = (operator: string, ...operands: Node[]): Node => ({ kind: 'call', name: operator, target: undefined, args: operands, at })
    const chosen = (step: Node): Node => (filter === undefined ? step : op('_?_:_', filter, step, accu))
    const fold = (init: Node, condition: Node, step: Node, result: Node = accu): Node => ({ kind: 'fold', iterVar, iterVar2, accuVar: accumulator, range: this.#node(target), init, condition, step, result, at })
    switch (name) {
      case 'all': return fold(literal(true), op('@not_strictly_false', accu), op('_&&_', accu, last))
      case 'exists': return fold(literal(false), op('@not_strictly_false', op('!_', accu)), op('_||_', accu, last))
      case 'existsOne':
      case 'exists_one': return fold(literal(0n), literal(true), op('_?_:_', last, op('_+_', accu, literal(1n)), accu), op('_==_', accu, literal(1n)))
      case 'transformList': return fold({ kind: 'list', items: [], optional: new Set(), at }, literal(true), chosen(op('_+_', accu, { kind: 'list', items: [last], optional: new Set(), at })))
      case 'transformMap': return fold({ kind: 'map', entries: [], at }, literal(true), chosen(op('cel.@mapInsert', accu, { kind: 'ident', name: iterVar, at }, last)))
      default: return fold({ kind: 'map', entries: [], at }, literal(true), chosen(op('cel.@mapInsert', accu, last)))
    }
  }
}

function call(name: string, at: number, target: Node): Node {
  return { kind: 'call', name, target, args: [], at }
}

/** A field name quoted by backticks. */
function unquoted(field: string): string {
  return field.startsWith('`') && field.endsWith('`') ? field.slice(1, -1) : field
}

/** What a node is made of, one level down. */
export function partsOf(node: Node): readonly Node[] {
  switch (node.kind) {
    case 'select': return [node.operand]
    case 'call': return node.target === undefined ? node.args : [node.target, ...node.args]
    case 'list': return node.items
    case 'map': return node.entries.flatMap(({ key, value }) => [key, value])
    case 'struct': return node.fields.map(({ value }) => value)
    case 'fold': return [node.range, node.init, node.condition, node.step, node.result]
    case 'bind': return [node.value, node.body]
    default: return []
  }
}

/** Whether an expression names a variable (names that macros bind count too: they shadow nothing that matters to callers). */
export function usesVariable(node: Node, name: string): boolean {
  return (node.kind === 'ident' && node.name === name) || partsOf(node).some((part) => usesVariable(part, name))
}
