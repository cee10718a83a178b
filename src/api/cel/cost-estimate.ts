import type { CheckedTree } from './check.ts'
import { nominal, regexFactor, textFactor } from './cost.ts'
import type { Overload } from './functions.ts'
import type { CallNode, FoldNode, Node } from './syntax.ts'
import { sameType, type CelType } from './types.ts'
import { textLength, type Value } from './values.ts'

/**
 * What an expression can cost at most, reckoned from the limits that a schema sets (cel-go's `checker/cost.go` with Kubernetes'
 * functions): definitions whose rules could take too long are refused when they are written.
 */
export interface Range { min: number; max: number }

/** 2^64 − 1, as near as a double has it: sums stop there. */
export const unbounded = 2 ** 64
const cap = (value: number): number => (value >= unbounded ? unbounded : value)
const times = (a: number, b: number): number => (a === 0 || b === 0 ? 0 : cap(a * b))
const fixed = (value: number): Range => ({ min: value, max: value })
const unknown: Range = { min: 0, max: unbounded }
const add = (...all: readonly Range[]): Range => all.reduce((a, b) => ({ min: cap(a.min + b.min), max: cap(a.max + b.max) }), fixed(0))
const multiply = (a: Range, b: Range): Range => ({ min: times(a.min, b.min), max: times(a.max, b.max) })
const scale = ({ min, max }: Range, factor: number): Range => ({ min: cap(Math.ceil(min * factor)), max: cap(Math.ceil(max * factor)) })
const span = (a: Range, b: Range): Range => ({ min: Math.min(a.min, b.min), max: Math.max(a.max, b.max) })

/** `cost`: of the expression that stands wherever the name stands. */
interface Local { path: readonly string[] | undefined; size: Range | undefined; entry: Entry | undefined; cost?: Range }
interface Entry { kind: 'list' | 'map'; key: Range; value: Range }
interface CallEstimate { cost: Range; size?: Range | undefined }

/** The cost of a checked expression; `root` is the type that the first name of each path stands for. */
export function estimateCost(tree: CheckedTree, root: CelType): Range {
  return new Estimator(tree, root).cost(tree.root)
}

class Estimator {
  readonly #tree: CheckedTree
  readonly #root: CelType
  readonly #paths = new Map<Node, readonly string[]>()
  readonly #sizes = new Map<Node, Range>()
  readonly #entries = new Map<Node, Entry>()
  readonly #locals = new Map<string, Local[]>()

  constructor(tree: CheckedTree, root: CelType) {
    this.#tree = tree
    this.#root = root
  }

  cost(node: Node): Range {
    switch (node.kind) {
      case 'literal': return fixed(0)
      case 'ident': {
        const local = this.#local(node.name)
        const path = local === undefined ? [node.name] : local.path
        if (path !== undefined) this.#paths.set(node, path)
        return local?.cost ?? fixed(1)
      }
      case 'select': return this.#select(node)
      case 'call': return this.#call(node)
      case 'list': {
        const costs = node.items.map((item) => this.cost(item))
        const value = node.items.length === 0 ? fixed(0) : node.items.map((item) => this.#sizeOr(item)).reduce(span)
        this.#entries.set(node, { kind: 'list', key: fixed(1), value })
        return add(...costs, fixed(10))
      }
      case 'map': {
        const costs = node.entries.flatMap(({ key, value }) => [this.cost(key), this.cost(value)])
        const sizes = (of: 'key' | 'value'): Range => (node.entries.length === 0 ? fixed(0) : node.entries.map((entry) => this.#sizeOr(entry[of])).reduce(span))
        this.#entries.set(node, { kind: 'map', key: sizes('key'), value: sizes('value') })
        return add(...costs, fixed(30))
      }
      case 'struct': return add(...node.fields.map(({ value }) => this.cost(value)), fixed(40))
      case 'fold': return this.#fold(node)
      case 'bind': {
        const value = this.cost(node.value)
        this.#push(node.name, { path: this.#path(node.value), size: this.#size(node.value), entry: this.#entry(node.value), ...(node.repeats ? { cost: value } : {}) })
        const body = this.cost(node.body)
        this.#copy(node, node.body)
        this.#pop(node.name)
        return node.repeats ? body : add(fixed(10), value, body)
      }
    }
  }

  #push(name: string, local: Local): void {
    this.#locals.set(name, [...(this.#locals.get(name) ?? []), local])
  }

  #pop(name: string): void {
    this.#locals.get(name)?.pop()
  }

  #local(name: string): Local | undefined {
    return this.#locals.get(name)?.at(-1)
  }

  #path(node: Node): readonly string[] | undefined {
    if (node.kind === 'ident') {
      const local = this.#local(node.name)
      if (local !== undefined) return local.path
    }
    return this.#paths.get(node)
  }

  #copy(to: Node, from: Node): void {
    const size = this.#size(from)
    const entry = this.#entry(from)
    if (size !== undefined) this.#sizes.set(to, size)
    if (entry !== undefined) this.#entries.set(to, entry)
  }

  #entry(node: Node): Entry | undefined {
    return this.#entries.get(node) ?? (node.kind === 'ident' ? this.#local(node.name)?.entry : undefined)
  }

  #sizeOr(node: Node): Range {
    return this.#size(node) ?? unknown
  }

  #size(node: Node): Range | undefined {
    const known = this.#sizes.get(node) ?? literalSize(node)
    if (known !== undefined) return known
    const declared = this.#declaredSize(this.#path(node))
    if (declared !== undefined) {
      this.#sizes.set(node, declared)
      return declared
    }
    if (isScalar(this.#tree.typeOf(node))) return fixed(1)
    return node.kind === 'ident' ? this.#local(node.name)?.size : undefined
  }

  /**
   * By the schema's limits, where a path leads into it. The first name of a path counts as the root's, whatever it is: upstream
   * reckons so for what is taken out of a value that has no path (`(has(self.l) ? self.l : []).all(x, …)`), too.
   */
  #declaredSize(path: readonly string[] | undefined): Range | undefined {
    if (path === undefined || path.length === 0) return undefined
    let type: CelType | undefined = this.#root
    for (const name of path.slice(1)) {
      if (name === '@items') type = type.kind === 'list' ? type.params[0] : undefined
      else if (name === '@values') type = type.kind === 'map' ? type.params[1] : undefined
      else if (name === '@keys') type = type.kind === 'map' ? type.params[0] : undefined
      else type = type.fields?.().get(name)?.type ?? type.anyField?.(name)
      if (type === undefined) return undefined
    }
    return { min: 0, max: type.maxElements ?? 0 }
  }

  #select(node: Extract<Node, { kind: 'select' }>): Range {
    const name = this.#tree.names.get(node)
    if (name !== undefined) {
      this.#paths.set(node, [name])
      return fixed(1)
    }
    const operand = this.cost(node.operand)
    // `has` itself is free (PresenceTestHasCost is off).
    if (node.testOnly) return operand
    // Upstream knows `a.?b` as a call, of whose result it knows no size.
    if (node.optional) return add(operand, fixed(1))
    this.#paths.set(node, [...(this.#path(node.operand) ?? []), node.field])
    const { kind } = this.#tree.typeOf(node.operand)
    return kind === 'map' || kind === 'object' || kind === 'param' ? add(operand, fixed(1)) : operand
  }

  #fold(node: FoldNode): Range {
    const range = this.cost(node.range)
    const init = this.cost(node.init)
    this.#push(node.accuVar, { path: this.#path(node.init), size: this.#size(node.init), entry: this.#entry(node.init) })
    const over = this.#entry(node.range)
    const isList = (over?.kind ?? this.#tree.typeOf(node.range).kind) === 'list'
    const path = this.#path(node.range)
    const below = (name: string): readonly string[] => [...(path ?? []), name]
    const key: Local = { path: below(isList ? '@indices' : '@keys'), size: over?.key, entry: undefined }
    const value: Local = { path: below(isList ? '@items' : '@values'), size: over?.value, entry: undefined }
    this.#push(node.iterVar, node.iterVar2 === undefined ? (isList ? value : key) : key)
    if (node.iterVar2 !== undefined) this.#push(node.iterVar2, value)
    const loop = add(this.cost(node.condition), this.cost(node.step))
    this.#pop(node.iterVar)
    if (node.iterVar2 !== undefined) this.#pop(node.iterVar2)
    const result = this.cost(node.result)
    this.#pop(node.accuVar)
    const count = this.#sizeOr(node.range)
    if (node.init.kind === 'literal') this.#sizes.set(node, fixed(1))
    else if (node.init.kind === 'list' || node.init.kind === 'map') {
      this.#sizes.set(node, count)
      const entry = this.#entry(node.step)
      if (entry !== undefined) this.#entries.set(node, entry)
    }
    return add(range, init, multiply(count, loop), result)
  }

  #call(node: CallNode): Range {
    const name = this.#tree.functions.get(node) ?? node.name
    const target = this.#tree.functions.has(node) ? undefined : node.target
    if (name === 'dyn') {
      const cost = this.cost(node.args[0]!)
      this.#copy(node, node.args[0]!)
      return add(fixed(1), cost)
    }
    const argCosts = node.args.map((arg) => this.cost(arg))
    const targetCost = target === undefined ? fixed(0) : this.cost(target)
    if (name === '_&&_' || name === '_||_') return { min: argCosts[0]!.min, max: cap(argCosts[0]!.max + argCosts[1]!.max) }
    let cost: Range | undefined
    let size: Range | undefined
    for (const overload of this.#tree.overloads.get(node) ?? []) {
      const estimate = this.#overload(node, { name, target, args: node.args, overload })
      const whole = name === '_?_:_' ? add(argCosts[0]!, span(argCosts[1]!, argCosts[2]!)) : add(estimate.cost, ...argCosts)
      cost = cost === undefined ? whole : span(cost, whole)
      if (estimate.size !== undefined) size = size === undefined ? estimate.size : span(size, estimate.size)
      if (name === '_[_]') {
        size = this.#entry(node.args[0]!)?.value
        this.#paths.set(node, [...(this.#path(node.args[0]!) ?? []), overload.args[0]!.kind === 'list' ? '@items' : '@values'])
      }
      size ??= this.#size(node)
    }
    if (size !== undefined) this.#sizes.set(node, size)
    return add(targetCost, cost ?? fixed(0))
  }

  /** The size of a list's items, of which there is no expression. */
  #itemSize(list: Node, item: CelType): Range {
    const path = this.#path(list)
    return this.#declaredSize(path === undefined ? undefined : [...path, '@items']) ?? (isScalar(item) ? fixed(1) : unknown)
  }

  #overload(node: CallNode, call: { name: string; target: Node | undefined; args: readonly Node[]; overload: Overload }): CallEstimate {
    const { name, target, args, overload } = call
    if (nominal.has(name)) return { cost: fixed(1) }
    const [first, second] = args
    const size = (of: Node | undefined): Range => (of === undefined ? unknown : this.#sizeOr(of))
    const subject = target ?? first
    switch (name) {
      case 'check': return { cost: fixed(350_000) }
      case 'fieldSelector': case 'labelSelector': return { cost: add(fixed(10), scale(size(first), textFactor), scale(scale(size(first), 0.5), 50)) }
      case 'isSorted': case 'sum': case 'max': case 'min': case 'indexOf': case 'lastIndexOf': {
        if (target === undefined) break
        const type = this.#tree.typeOf(target)
        const item = type.kind === 'list' ? type.params[0]! : undefined
        if (item === undefined) return { cost: scale(size(target), textFactor) }
        const each = item.kind === 'string' || item.kind === 'bytes' ? add(fixed(1), scale(this.#itemSize(target, item), textFactor)) : fixed(1)
        return { cost: multiply(size(target), each) }
      }
      case 'url': case 'jsonpatch.escapeKey': case 'lowerAscii': case 'upperAscii': case 'substring': case 'trim': return { cost: scale(size(subject), textFactor), size: size(subject) }
      case 'replace': return this.#replace(size(target), size(first), size(second))
      case 'split': {
        const limit = second?.kind === 'literal' && typeof second.value === 'bigint' ? Number(second.value) : size(target).max
        return { cost: scale(size(target), 2 * textFactor), size: { min: 0, max: limit < 0 ? unbounded : limit } }
      }
      case 'join': return this.#join(target!, first)
      case 'find': case 'findAll': return { cost: multiply(scale(add(size(target), fixed(1)), textFactor), scale(size(first), regexFactor)), size: { min: 0, max: size(target).max } }
      case 'matches': return { cost: multiply(scale(add(size(target ?? first), fixed(1)), textFactor), scale(size(target === undefined ? second : first), regexFactor)) }
      case 'ip': return { cost: overload.isMethod ? fixed(1) : scale(size(first), textFactor) }
      case 'cidr': case 'isIP': case 'isCIDR': case 'quantity': case 'isQuantity': case 'semver': case 'isSemver': return { cost: scale(size(first), textFactor) }
      case 'ip.isCanonical': return { cost: scale(size(first), 2 * textFactor) }
      case 'containsIP': return { cost: add(scale({ min: 8, max: 32 }, textFactor), overload.args[1]!.kind === 'string' ? scale(size(first), textFactor) : fixed(0)) }
      case 'containsCIDR': return { cost: add(scale({ min: 8, max: 32 }, textFactor), scale({ min: 4, max: 16 }, textFactor), fixed(1), overload.args[1]!.kind === 'string' ? scale(size(first), textFactor) : fixed(0)) }
      case 'validate': return { cost: scale(scale(size(first), textFactor), 128 * regexFactor) }
      case 'format': return { cost: scale(size(target), textFactor) }
      case 'bytes': return overload.args[0]!.kind === 'string' ? { cost: scale(size(first), textFactor), size: { min: size(first).min, max: cap(size(first).max * 4) } } : { cost: fixed(1) }
      case 'string': return overload.args[0]!.kind === 'bytes' ? { cost: scale(size(first), textFactor), size: { min: Math.floor(size(first).min / 4), max: size(first).max } } : { cost: fixed(1) }
      case 'strings.quote': return { cost: scale(size(first), textFactor), size: { min: size(first).min + 2, max: cap(size(first).max * 2 + 2) } }
      case 'startsWith': case 'endsWith': return { cost: scale(size(first), textFactor) }
      case '@in': return { cost: overload.args[1]!.kind === 'list' ? size(second) : fixed(1) }
      case 'contains': return { cost: multiply(scale(size(target), textFactor), scale(size(first), textFactor)) }
      case '_?_:_': {
        const [, yes, no] = args as readonly [Node, Node, Node]
        const [left, right] = [this.#entry(yes), this.#entry(no)]
        if (left !== undefined && right !== undefined) this.#entries.set(node, { kind: left.kind, key: span(left.key, right.key), value: span(left.value, right.value) })
        return { cost: fixed(0), size: span(size(yes), size(no)) }
      }
      case '_+_': return this.#sum(node, first!, second!, overload)
      case '_==_': return { cost: this.#domainEquality(first!, second!) ?? compared(size(first), size(second)) }
      case '_!=_': return { cost: compared(size(first), size(second)) }
      case '_<_': case '_<=_': case '_>_': case '_>=_': {
        const { kind } = overload.args[0]!
        return { cost: kind === 'string' || kind === 'bytes' ? compared(size(first), size(second)) : fixed(1) }
      }
      case 'reverse': return allocating(1, size(target))
      case 'slice': {
        // Upstream reckons in unsigned numbers: what ends before it begins is as long as can be.
        const length = literalInt(second, size(target).max) - literalInt(first, 0)
        return allocating(1, fixed(length < 0 ? unbounded : length))
      }
      case 'lists.range': return allocating(1, fixed(Math.max(0, literalInt(first, unbounded))))
      case 'flatten': return allocating(first === undefined ? 1 : literalInt(first, unbounded), size(target))
      case 'distinct': return allocating(2, multiply(size(target), size(target)))
      case 'sort': case '@sortByAssociatedKeys': {
        const keys = name === 'sort' ? target : first
        const list = this.#tree.typeOf(keys!)
        const item = list.kind === 'list' ? list.params[0]!.kind : 'dyn'
        return allocating(item === 'string' || item === 'bytes' ? 2 + textFactor : 2, multiply(size(keys), size(keys)))
      }
      case 'sets.contains': case 'sets.intersects': return { cost: add(fixed(1), multiply(size(first), size(second))) }
      case 'sets.equivalent': return { cost: add(fixed(1), scale(multiply(size(first), size(second)), 2)) }
      default: break
    }
    return { cost: fixed(1) }
  }

  /** What it takes to compare two values of one of Kubernetes' own types. */
  #domainEquality(left: Node, right: Node): Range | undefined {
    const type = this.#tree.typeOf(left)
    if (!sameType(type, this.#tree.typeOf(right)) || type.kind !== 'object') return undefined
    if (type.name === 'kubernetes.NamedFormat') return scale({ min: 1, max: maxFormatSize }, textFactor)
    if (type.name === 'kubernetes.URL') return scale({ min: 1, max: (this.#sizes.get(right) ?? fixed(1)).max }, textFactor)
    return comparedAtOnce.has(type.name) ? fixed(1) : undefined
  }

  #sum(node: CallNode, left: Node, right: Node, { args }: Overload): CallEstimate {
    const { kind } = args[0]!
    if (kind !== 'string' && kind !== 'bytes' && kind !== 'list') return { cost: fixed(1) }
    const size = add(this.#sizeOr(left), this.#sizeOr(right))
    const [a, b] = [this.#entry(left), this.#entry(right)]
    if (a !== undefined && b !== undefined) this.#entries.set(node, { kind: a.kind, key: span(a.key, b.key), value: span(a.value, b.value) })
    return kind === 'list' ? { cost: fixed(1), size } : { cost: scale(size, textFactor), size }
  }

  #replace(text: Range, from: Range, to: Range): CallEstimate {
    const count = { min: 0, max: 0 }
    const kept = { min: 0, max: 0 }
    if (from.min === 0) [count.max, kept.max] = [cap(text.max + 1), text.max]
    else if (to.max <= from.min) kept.max = text.max
    else count.max = cap(Math.ceil(text.max / from.min))
    if (from.max === 0) [count.min, kept.min] = [cap(text.min + 1), text.min]
    else if (from.max <= to.min) kept.min = text.min
    else count.min = Math.ceil(text.min / from.max)
    return { cost: scale(text, 2 * textFactor), size: add(multiply(count, to), kept) }
  }

  #join(list: Node, separator: Node | undefined): CallEstimate {
    const type = this.#tree.typeOf(list)
    const count = this.#sizeOr(list)
    let size = type.kind === 'list' ? multiply(count, this.#itemSize(list, type.params[0]!)) : fixed(0)
    if (separator !== undefined) size = add(size, multiply(this.#sizeOr(separator), { min: Math.max(0, count.min - 1), max: Math.max(0, count.max - 1) }))
    return { cost: scale(size, textFactor), size }
  }
}

/** A call that makes a list (cel-go's `ext.Lists`, version 3). */
function allocating(factor: number, size: Range): CallEstimate {
  return { cost: add(scale(size, factor), fixed(11)), size }
}

function literalInt(node: Node | undefined, otherwise: number): number {
  return node?.kind === 'literal' && typeof node.value === 'bigint' ? Number(node.value) : otherwise
}

/** Two values are gone through as far as the smaller one goes. */
function compared(a: Range, b: Range): Range {
  const max = Math.min(a.max, b.max)
  return scale({ min: max > 0 ? 1 : 0, max }, textFactor)
}

const maxFormatSize = 64
const comparedAtOnce: ReadonlySet<string> = new Set(['net.IP', 'net.CIDR', 'kubernetes.Quantity', 'kubernetes.Semver', ...['Authorizer', 'PathCheck', 'GroupCheck', 'ResourceCheck', 'Decision'].map((name) => `kubernetes.authorization.${name}`)])

function isScalar({ kind, name, params }: CelType): boolean {
  if (kind === 'opaque') return name === 'optional_type' && isScalar(params[0]!)
  return kind === 'bool' || kind === 'double' || kind === 'duration' || kind === 'int' || kind === 'timestamp' || kind === 'uint'
}

function literalSize(node: Node): Range | undefined {
  if (node.kind === 'list') return fixed(node.items.length)
  if (node.kind === 'map') return fixed(node.entries.length)
  return node.kind === 'literal' ? fixed(valueSize(node.value)) : undefined
}

function valueSize(value: Value): number {
  return typeof value === 'string' ? textLength(value) : value instanceof Uint8Array ? value.length : 1
}
