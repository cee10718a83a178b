import type { CheckedTree } from './check.ts'
import type { CelProblem } from './problem.ts'
import { partsOf, type CallNode, type Node } from './syntax.ts'
import { formatClauses, FormatProblem, type FormatClause } from './library/format.ts'
import { sameType, typeName, typeText, unwrapOptional, type CelType } from './types.ts'

/**
 * What cel-go's validators check of an expression whose types are right: that items of a list that it writes are of one type, as are
 * keys and values of a map (except in the arguments of `format`), and that a text to be formatted fits the values that stand beside it.
 */
export function literalProblems(tree: CheckedTree): readonly CelProblem[] {
  const out: CelProblem[] = []
  const visit = (node: Node, isExempt: boolean): void => {
    if (!isExempt && node.kind === 'list') listProblem(tree, node, out)
    if (!isExempt && node.kind === 'map') mapProblems(tree, node, out)
    const isFormat = node.kind === 'call' && node.name === 'format'
    if (isFormat) formatProblem(tree, node, out)
    for (const part of partsOf(node)) visit(part, isExempt || isFormat)
  }
  visit(tree.root, false)
  return out
}

const mismatch = (at: number, wanted: CelType, given: CelType): CelProblem => ({ offset: at, message: `expected type '${typeText(wanted)}' but found '${typeText(given)}'` })

function held(type: CelType, optional: boolean): CelType {
  return optional ? (unwrapOptional(type) ?? type) : type
}

function listProblem(tree: CheckedTree, { items, optional }: Extract<Node, { kind: 'list' }>, out: CelProblem[]): void {
  const [first, ...others] = items.map((item, i) => held(tree.typeOf(item), optional.has(i)))
  const odd = others.findIndex((type) => !sameType(first!, type))
  if (odd >= 0) out.push(mismatch(items[odd + 1]!.at, first!, others[odd]!))
}

function mapProblems(tree: CheckedTree, { entries }: Extract<Node, { kind: 'map' }>, out: CelProblem[]): void {
  const types = entries.map(({ key, value, optional }) => ({ key: tree.typeOf(key), value: held(tree.typeOf(value), optional) }))
  const [first] = types
  for (const [i, { key, value }] of types.entries()) {
    if (!sameType(first!.key, key)) out.push(mismatch(entries[i]!.key.at, first!.key, key))
    if (!sameType(first!.value, value)) out.push(mismatch(entries[i]!.value.at, first!.value, value))
  }
}

/** What each clause of a format takes, by the kinds of types. */
const accepted: Readonly<Record<FormatClause['verb'], { kinds: readonly CelType['kind'][]; wanted: string }>> = {
  s: { kinds: ['list', 'map', 'int', 'uint', 'double', 'bool', 'string', 'timestamp', 'bytes', 'duration', 'type', 'null'], wanted: 'string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps' },
  d: { kinds: ['int', 'uint'], wanted: 'decimal clause can only be used on integers' },
  f: { kinds: ['double', 'string'], wanted: 'fixed-point clause can only be used on doubles' },
  e: { kinds: ['double', 'string'], wanted: 'scientific clause can only be used on doubles' },
  b: { kinds: ['int', 'uint', 'bool'], wanted: 'only integers and bools can be formatted as binary' },
  x: { kinds: ['int', 'uint', 'string', 'bytes'], wanted: 'only integers, byte buffers, and strings can be formatted as hex' },
  X: { kinds: ['int', 'uint', 'string', 'bytes'], wanted: 'only integers, byte buffers, and strings can be formatted as hex' },
  o: { kinds: ['int', 'uint'], wanted: 'octal clause can only be used on integers' },
}

function formatProblem(tree: CheckedTree, { target, args, at }: CallNode, out: CelProblem[]): void {
  const [list] = args
  if (target?.kind !== 'literal' || typeof target.value !== 'string' || list?.kind !== 'list') return
  try {
    const used = formatClauses(target.value, list.items.length, (clause, index) => {
      const bad = misfit(tree, clause.verb, list.items[index]!)
      if (bad !== undefined) throw new Misfit(bad.at, `error during formatting: ${accepted[clause.verb].wanted}, was given ${typeName(tree.typeOf(bad)).replace(/\(.*/, '')}`)
      return ''
    }).used
    if (list.items.length > used) out.push({ offset: at, message: `too many arguments supplied to string.format (expected ${used}, got ${list.items.length})` })
  } catch (cause) {
    if (!(cause instanceof FormatProblem)) throw cause
    out.push({ offset: cause instanceof Misfit ? cause.at : at, message: cause.message })
  }
}

class Misfit extends FormatProblem {
  readonly at: number
  constructor(at: number, message: string) {
    super(message)
    this.at = at
  }
}

/** The value that a clause cannot show: what stands for it, or, of lists and maps that are written out, a part. */
function misfit(tree: CheckedTree, verb: FormatClause['verb'], node: Node): Node | undefined {
  const { kind } = tree.typeOf(node)
  if (kind !== 'dyn' && !accepted[verb].kinds.includes(kind)) return node
  if (verb !== 's' || (node.kind !== 'list' && node.kind !== 'map')) return undefined
  for (const part of partsOf(node)) {
    const bad = misfit(tree, verb, part)
    if (bad !== undefined) return bad
  }
  return undefined
}
