import { authorizerLibrary } from './authorizer.ts'
import { checkTree, type CheckedTree } from './check.ts'
import { perCallLimit } from './cost.ts'
import { planTree } from './evaluate.ts'
import { libraryOf, type Library } from './functions.ts'
import { fromJson } from './json-values.ts'
import { listLibrary, optionalLibrary } from './library/collections.ts'
import { domainLibrary } from './library/domain.ts'
import { standardLibrary } from './library/standard.ts'
import { jsonPatchLibrary, textLibrary } from './library/texts.ts'
import { problemText, type CelProblem } from './problem.ts'
import { parseExpression, SyntaxProblem, type Node } from './syntax.ts'
import { DYN, sameType, typeName, type CelType } from './types.ts'
import { CelError, type CostExceeded, type Value } from './values.ts'

/**
 * Compiled CEL expressions: the entry for everybody who evaluates users' expressions. Heavy to load (parser, RE2): import it with
 * `await import()` where no expression may ever be used.
 */
export interface ExpressionSource {
  expression: string
  /** Declared types of variables, by name: `{ object: DYN, request: admissionRequestType }` (see `types.ts`). */
  variables: Readonly<Record<string, CelType>>
  /** What it must come to; any of these. Anything where left out. */
  resultTypes?: readonly CelType[]
  /** Cost units of one evaluation; upstream's `PerCallLimit`, a million, where left out. */
  costLimit?: number
  /** Types that the expression may construct (`Object.spec{…}`), and the functions of JSON Patch. */
  structType?(name: string): CelType | undefined
  /** Whether it may name intermediate values: `cel.bind(name, value, body)`. */
  hasBindings?: boolean
}

export interface CompiledExpression {
  readonly expression: string
  /** The type that it comes to. */
  readonly type: CelType
  readonly tree: CheckedTree
  /** Whether the expression names this variable. */
  uses(variable: string): boolean
  /**
   * Evaluates. Values of variables are JSON (converted by their declared type, as far as they are looked at) or CEL values; those
   * that the expression doesn't use are not touched, so getters may make them. Never throws for what the expression does.
   */
  evaluate(values: Readonly<Record<string, unknown>>, costLimit?: number): Outcome
}

/** What an evaluation came to, and what it took. `error.message` is upstream's text: `no such key: x`. */
export type Outcome = { value: Value; error?: undefined; cost: number } | { value?: undefined; error: CelError | CostExceeded; cost: number }

export type Compilation = { compiled: CompiledExpression; problem?: undefined } | { compiled?: undefined; problem: string; /** Where and why, when it is the text that is wrong. */ problems: readonly CelProblem[] }

let library: Library | undefined
let patchLibrary: Library | undefined

/** The functions of Kubernetes 1.36's base environment. */
export function kubernetesLibrary(): Library {
  library ??= libraryOf(standardLibrary, optionalLibrary, listLibrary, textLibrary, domainLibrary, authorizerLibrary)
  return library
}

function libraryFor(source: ExpressionSource): Library {
  if (source.structType === undefined) return kubernetesLibrary()
  patchLibrary ??= new Map([...kubernetesLibrary(), ...libraryOf(jsonPatchLibrary)])
  return patchLibrary
}

/**
 * Compiles an expression: parses it, checks its types, plans it. `problem` is the text of upstream's validation errors, beginning
 * `compilation failed: ERROR: <input>:1:6: …` for what is wrong with the text, `must evaluate to bool but got string` for its type.
 */
export function compileExpression(source: ExpressionSource): Compilation {
  const { expression } = source
  let root: Node
  try {
    root = parseExpression(expression, source.hasBindings)
  } catch (cause) {
    if (!(cause instanceof SyntaxProblem)) throw cause
    return { problem: `compilation failed: ${problemText(expression, cause.problems)}`, problems: cause.problems }
  }
  const variables = new Map(Object.entries(source.variables))
  const tree = checkTree(root, { variables, library: libraryFor(source), structType: source.structType })
  if (!('root' in tree)) return { problem: `compilation failed: ${problemText(expression, tree)}`, problems: tree }
  const { resultTypes } = source
  if (resultTypes !== undefined && !resultTypes.some((wanted) => wanted.kind === 'any' || sameType(wanted, tree.type))) {
    const [only] = resultTypes
    return { problem: resultTypes.length === 1 ? `must evaluate to ${typeName(only!)} but got ${typeName(tree.type)}` : `must evaluate to one of [${resultTypes.map(typeName).join(' ')}] but got ${typeName(tree.type)}`, problems: [] }
  }
  try {
    return { compiled: planned(source, tree) }
  } catch (cause) {
    if (!(cause instanceof CelError)) throw cause
    return { problem: `program instantiation failed: ${cause.message}`, problems: [] }
  }
}

function planned(source: ExpressionSource, tree: CheckedTree): CompiledExpression {
  const { expression, costLimit = perCallLimit } = source
  const used = variablesOf(tree, source.variables)
  const run = planTree(tree)
  return {
    expression, tree, type: tree.type,
    uses: (variable) => used.has(variable),
    evaluate(values, limit = costLimit) {
      const bound: Record<string, Value | undefined> = {}
      for (const [name, type] of used) {
        const value = values[name]
        bound[name] = value === undefined ? undefined : fromJson(value, type === DYN ? undefined : type)
      }
      return run(bound, limit)
    },
  }
}

/** The declared variables that a tree names. */
function variablesOf({ root, names }: CheckedTree, declared: Readonly<Record<string, CelType>>): ReadonlyMap<string, CelType> {
  const out = new Map<string, CelType>()
  const visit = (node: Node): void => {
    const name = node.kind === 'ident' ? node.name.replace(/^\./, '') : names.get(node)
    if (name !== undefined && Object.hasOwn(declared, name)) out.set(name, declared[name]!)
    if (names.has(node)) return
    switch (node.kind) {
      case 'select': visit(node.operand); break
      case 'call':
        if (node.target !== undefined) visit(node.target)
        node.args.forEach(visit)
        break
      case 'list': node.items.forEach(visit); break
      case 'map': for (const { key, value } of node.entries) { visit(key); visit(value) } break
      case 'struct': for (const { value } of node.fields) visit(value); break
      case 'fold': [node.range, node.init, node.condition, node.step, node.result].forEach(visit); break
      case 'bind': visit(node.value); visit(node.body); break
      default: break
    }
  }
  visit(root)
  return out
}
