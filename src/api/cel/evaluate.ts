import type { CheckedTree } from './check.ts'
import { callCost } from './cost.ts'
import { appendedItem, appendStep, bindItem, iterate, quantified, quantifier } from './folds.ts'
import { fits, type Overload } from './functions.ts'
import { elementAt, keyText } from './library/standard.ts'
import type { CallNode, FoldNode, Node } from './syntax.ts'
import { compilePattern } from './patterns.ts'
import { charge, type Run, type Step } from './run.ts'
import { CelError, CostExceeded, equal, isList, isMap, MapValue, none, Optional, typeNameOf, TypeValue, Uint, type CelMap, type Value } from './values.ts'

export interface Evaluation { value: Value; cost: number }

/**
 * Makes a checked tree into closures; each evaluation is counted against its limit. What is constant is worked out here, and costs
 * nothing later, as with cel-go's optimizer. Throws a CelError where a constant cannot be: `int('a')`, a pattern that is none.
 */
export function planTree(tree: CheckedTree): (values: Readonly<Record<string, Value | undefined>>, limit: number) => Evaluation | { error: CelError | CostExceeded; cost: number } {
  const step = new Planner(tree).plan(tree.root)
  return (values, limit) => {
    const run: Run = { values, locals: [], cost: 0, limit }
    try {
      return { value: step(run), cost: run.cost }
    } catch (cause) {
      if (cause instanceof CelError || cause instanceof CostExceeded) return { error: cause, cost: run.cost }
      if (cause instanceof RangeError) return { error: new CelError('expression is too deep or its values too large', { cause }), cost: run.cost }
      throw cause
    }
  }
}

/** Conversions of constants are constants. */
const conversions: ReadonlySet<string> = new Set(['bool', 'bytes', 'double', 'duration', 'dyn', 'int', 'string', 'timestamp', 'type', 'uint'])
const isPrimitive = (value: Value): boolean => value === null || (typeof value !== 'object' && typeof value !== 'undefined') || value instanceof Uint

/** The local in which stands what a value that a macro repeats has cost. */
const repeatedCost = (name: string): string => `${name}#`

class Planner {
  readonly #tree: CheckedTree
  readonly #scopes: { name: string; slot: number }[] = []
  readonly #repeated = new Set<string>()

  constructor(tree: CheckedTree) {
    this.#tree = tree
  }

  plan(node: Node): Step {
    if (node.kind !== 'literal' && this.#isConstant(node)) {
      const value = this.#planned(node)({ values: {}, locals: [], cost: 0, limit: Infinity })
      return () => value
    }
    return this.#planned(node)
  }

  #planned(node: Node): Step {
    switch (node.kind) {
      case 'literal': {
        const { value } = node
        return () => value
      }
      case 'ident': return this.#variable(node.name.replace(/^\./, ''))
      case 'select': return this.#select(node)
      case 'call': return this.#call(node)
      case 'list': return this.#list(node)
      case 'map': return this.#map(node)
      case 'struct': return this.#struct(node)
      case 'fold': return this.#fold(node)
      case 'bind': return this.#bind(node)
    }
  }

  /** The name of a type, where an expression names one. */
  #typeNamed(node: Node): string | undefined {
    const name = node.kind === 'ident' ? node.name.replace(/^\./, '') : this.#tree.names.get(node)
    return name === undefined || this.#tree.isVariable(name) || this.#scopes.some((scope) => scope.name === name) ? undefined : name
  }

  #isConstant(node: Node): boolean {
    switch (node.kind) {
      case 'literal': return true
      case 'ident':
      case 'select': return this.#typeNamed(node) !== undefined
      case 'list': return node.optional.size === 0 && node.items.every((item) => this.#isConstant(item))
      case 'map': return node.entries.every(({ key, value, optional }) => !optional && this.#isConstant(key) && this.#isConstant(value))
      case 'call': return node.target === undefined && node.args.length === 1 && conversions.has(node.name) && this.#isConstant(node.args[0]!)
      default: return false
    }
  }

  /** Names, what is selected from them, and choices between such: cel-go's attributes, which cost one unit as a whole and one a part. */
  #isAttribute(node: Node): boolean {
    if (this.#isConstant(node)) return false
    return node.kind === 'ident' || node.kind === 'select' || (node.kind === 'call' && ['_[_]', '_[?_]', '_?_:_'].includes(node.name))
  }

  /** An attribute within another (a branch of a choice, a key): the unit for the whole is not counted. */
  #planPart(node: Node): Step {
    const step = this.plan(node)
    if (!this.#isAttribute(node) || (node.kind === 'select' && node.testOnly) || (node.kind === 'call' && node.name === '_?_:_')) return step
    return (run) => {
      run.cost -= 1
      return step(run)
    }
  }

  #variable(name: string): Step {
    const local = this.#scopes.findLast((each) => each.name === name)
    if (local !== undefined) {
      const { slot } = local
      const repeated = this.#scopes.findLast((each) => each.name === repeatedCost(name))
      if (repeated !== undefined) {
        // What the macro writes twice has been counted where it was bound, for its first place.
        const isFirst = !this.#repeated.has(name)
        this.#repeated.add(name)
        return (run) => {
          if (!isFirst) charge(run, Number(run.locals[repeated.slot]))
          return run.locals[slot]!
        }
      }
      return (run) => {
        charge(run, 1)
        return run.locals[slot]!
      }
    }
    if (!this.#tree.isVariable(name)) {
      const typeValue = new TypeValue(name)
      return () => typeValue
    }
    return (run) => {
      charge(run, 1)
      const found = run.values[name]
      if (found === undefined) throw new CelError(`no such attribute(s): ${name}`)
      return found
    }
  }

  #select(node: Extract<Node, { kind: 'select' }>): Step {
    const name = this.#tree.names.get(node)
    if (name !== undefined) return this.#variable(name)
    const { field, testOnly, optional } = node
    const operand = this.plan(node.operand)
    const whole = this.#isAttribute(node.operand) ? 0 : 1
    if (testOnly) {
      return (run) => {
        const value = operand(run)
        charge(run, whole)
        if (value instanceof Optional) return value.value !== undefined && hasField(value.value, field)
        return hasField(value, field)
      }
    }
    return (run) => {
      const value = operand(run)
      charge(run, whole)
      const isOptional = value instanceof Optional
      if (!isOptional && !optional) {
        charge(run, 1)
        return fieldOf(value, field)
      }
      const held = isOptional ? value.value : value
      const found = held === undefined ? none : optionalField(held, field)
      if (found !== none) charge(run, 1)
      return found
    }
  }

  #call(node: CallNode): Step {
    const { args, target } = node
    const name = this.#tree.functions.get(node) ?? node.name
    const isNamespaced = this.#tree.functions.has(node)
    if (name === '_?_:_') {
      const [condition, yes, no] = [this.plan(args[0]!), this.#planPart(args[1]!), this.#planPart(args[2]!)]
      return (run) => {
        const chosen = condition(run)
        if (typeof chosen !== 'boolean') throw new CelError('no such overload')
        return chosen ? yes(run) : no(run)
      }
    }
    if (name === '_[_]' || name === '_[?_]') return indexed([this.plan(args[0]!), this.#planPart(args[1]!)], name === '_[?_]', this.#isAttribute(args[0]!) ? 1 : 2)
    if (name === '@in' && this.#isConstant(args[1]!)) {
      const item = this.plan(args[0]!)
      const list = this.#planned(args[1]!)({ values: {}, locals: [], cost: 0, limit: Infinity })
      if (isList(list) && list.length === 0) return () => false
      if (isList(list) && list.every(isPrimitive)) return (run) => elementIn(item(run), list)
    }
    if ((name === 'find' || name === 'findAll') && args[0]?.kind === 'literal' && typeof args[0].value === 'string') checkPattern(args[0].value)
    const steps = (target === undefined || isNamespaced ? args : [target, ...args]).map((each) => this.plan(each))
    switch (name) {
      case '_&&_': return logical(steps, false)
      case '_||_': return logical(steps, true)
      case '@not_strictly_false': {
        const [only] = steps as [Step]
        return (run) => {
          try {
            return only(run) !== false
          } catch (cause) {
            if (cause instanceof CelError) return true
            throw cause
          }
        }
      }
      case 'orValue':
      case 'or': {
        if (steps.length !== 2) break
        const [held, other] = steps as [Step, Step]
        const isOr = name === 'or'
        return (run) => {
          const value = held(run)
          if (!(value instanceof Optional)) {
            if (isOr) throw new CelError('no such overload')
            return value
          }
          return value.value === undefined ? other(run) : isOr ? value : value.value
        }
      }
      default: break
    }
    return invoked(name, steps, this.#tree.overloads.get(node) ?? [])
  }

  #list({ items, optional }: Extract<Node, { kind: 'list' }>): Step {
    const steps = items.map((item) => this.plan(item))
    return (run) => {
      const out: Value[] = []
      for (let i = 0; i < steps.length; i += 1) {
        const value = steps[i]!(run)
        if (optional.has(i) && value instanceof Optional) {
          if (value.value !== undefined) out.push(value.value)
        } else out.push(value)
      }
      charge(run, 10)
      return out
    }
  }

  #map({ entries }: Extract<Node, { kind: 'map' }>): Step {
    const steps = entries.map(({ key, value, optional }) => ({ key: this.plan(key), value: this.plan(value), optional }))
    return (run) => {
      const out = new MapValue()
      for (const { key, value, optional } of steps) {
        const at = key(run)
        const given = value(run)
        const held = optional && given instanceof Optional ? given.value : given
        if (held === undefined) continue
        if (out.has(at)) throw new CelError(`Failed with repeated key: ${keyText(at)}`)
        out.set(at, held)
      }
      charge(run, 30)
      return out
    }
  }

  #struct(node: Extract<Node, { kind: 'struct' }>): Step {
    const steps = node.fields.map(({ name, value, optional }) => ({ name, value: this.plan(value), optional }))
    return (run) => {
      const out = new MapValue(node.name)
      for (const { name, value, optional } of steps) {
        const given = value(run)
        const held = optional && given instanceof Optional ? given.value : given
        if (held !== undefined) out.set(name, held)
      }
      charge(run, 40)
      return out
    }
  }

  #scope(name: string): number {
    const slot = this.#scopes.length
    this.#scopes.push({ name, slot })
    return slot
  }

  #fold(node: FoldNode): Step {
    const range = this.plan(node.range)
    const init = this.plan(node.init)
    const accu = this.#scope(node.accuVar)
    const first = this.#scope(node.iterVar)
    const second = node.iterVar2 === undefined ? -1 : this.#scope(node.iterVar2)
    const found = quantifier(node)
    if (found !== undefined) {
      const test = this.plan(found.test)
      this.#scopes.length = accu
      return quantified({ range, test, first, second, decisive: found.decisive })
    }
    const condition = this.plan(node.condition)
    // Adding one item to a list of its own would copy the list each time.
    const appended = appendedItem(node)
    const step = appended === undefined ? this.plan(node.step) : appendStep(accu, this.plan(appended.item), appended.test === undefined ? undefined : this.plan(appended.test))
    this.#scopes.length = first
    const result = this.plan(node.result)
    this.#scopes.length = accu
    return (run) => {
      const over = range(run)
      const start = init(run)
      run.locals[accu] = appended === undefined ? start : [...(start as readonly Value[])]
      iterate(over, (key, value) => {
        bindItem(run, { over, key, value, first, second })
        if (condition(run) === false) return false
        run.locals[accu] = step(run)
        return true
      })
      return result(run)
    }
  }

  #bind(node: Extract<Node, { kind: 'bind' }>): Step {
    const value = this.plan(node.value)
    const slot = this.#scope(node.name)
    const { repeats } = node
    const costSlot = repeats ? this.#scope(repeatedCost(node.name)) : -1
    const body = this.plan(node.body)
    this.#scopes.length = slot
    return (run) => {
      const before = run.cost
      const held = value(run)
      if (repeats) run.locals[costSlot] = BigInt(run.cost - before)
      run.locals[slot] = held
      return body(run)
    }
  }
}

/** `decisive` on either side decides, whatever becomes of the other; else an error stands. */
function logical([left, right]: readonly Step[], decisive: boolean): Step {
  return (run) => {
    let failure: CelError | undefined
    try {
      const first = left!(run)
      if (first === decisive) return decisive
      if (typeof first !== 'boolean') failure = new CelError('no such overload')
    } catch (cause) {
      if (!(cause instanceof CelError)) throw cause
      failure = cause
    }
    const second = right!(run)
    if (second === decisive) return decisive
    if (failure !== undefined) throw failure
    if (typeof second !== 'boolean') throw new CelError('no such overload')
    return second
  }
}

function indexed([collection, key]: readonly [Step, Step], optional: boolean, cost: number): Step {
  return (run) => {
    const value = collection(run)
    const at = key(run)
    const held = value instanceof Optional ? value.value : value
    if (!optional && !(value instanceof Optional)) {
      charge(run, cost)
      return elementAt(held!, at)
    }
    const found = held === undefined ? none : optionalElement(held, at)
    charge(run, found === none ? cost - 1 : cost)
    return found
  }
}

function optionalElement(held: Value, at: Value): Optional {
  if (isList(held)) {
    const index = typeof at === 'bigint' ? Number(at) : Number.NaN
    if (Number.isNaN(index)) return new Optional(elementAt(held, at))
    return index >= 0 && index < held.length ? new Optional(held[index]!) : none
  }
  const found = isMap(held) ? held.get(at) : undefined
  return found === undefined ? none : new Optional(found)
}

/**
 * Runs the first overload that the values fit. Both sides of an operator are evaluated though one of them fails, and the call counts;
 * of three and more arguments none is behind one that failed.
 */
function invoked(name: string, steps: readonly Step[], overloads: readonly Overload[]): Step {
  const refuse = (run: Run, values: readonly Value[], cause: unknown): never => {
    charge(run, callCost(name, values, null))
    throw cause
  }
  return (run) => {
    const values: Value[] = []
    try {
      for (const step of steps) values.push(step(run))
    } catch (cause) {
      if (!(cause instanceof CelError) || steps.length > 2) throw cause
      values.push(null)
      if (values.length < steps.length) values.push(evaluatedAnyway(steps[1]!, run))
      return refuse(run, values, cause)
    }
    const overload = overloads.find((each) => each.args.every((type, i) => fits(values[i]!, type)))
    if (overload === undefined) return refuse(run, values, new CelError(noOverload(name, values)))
    let result: Value
    try {
      result = overload.call(...values)
    } catch (cause) {
      return refuse(run, values, cause)
    }
    charge(run, callCost(name, values, result))
    return result
  }
}

/** The value of what stands beside something that failed: it counts, and tells nothing. */
function evaluatedAnyway(step: Step, run: Run): Value {
  try {
    return step(run)
  } catch (cause) {
    if (cause instanceof CelError) return null
    throw cause
  }
}

/** Functions that values carry out themselves say no more than that. */
const ownFunctions: ReadonlySet<string> = new Set(['startsWith', 'endsWith', 'contains', 'matches', 'bool', 'bytes', 'double', 'duration', 'int', 'string', 'timestamp', 'uint'])

function noOverload(name: string, values: readonly Value[]): string {
  if (name === 'size') return 'no such overload: size'
  return !/^[a-z]/.test(name) || ownFunctions.has(name) ? 'no such overload' : `no such overload: ${name}(${values.map(typeNameOf).join(', ')})`
}

function elementIn(item: Value, list: readonly Value[]): boolean {
  return list.some((each) => equal(each, item))
}

function checkPattern(pattern: string): void {
  try {
    compilePattern(pattern)
  } catch (cause) {
    throw new CelError((cause as Error).message, { cause })
  }
}

function hasField(value: Value, field: string): boolean {
  if (isMap(value)) return value.has(field)
  if (isList(value)) throw new CelError("unsupported index type 'string' in list")
  return false
}

function fieldOf(value: Value, field: string): Value {
  if (!isMap(value)) throw new CelError(isList(value) ? "unsupported index type 'string' in list" : `no such key: ${field}`)
  const found = (value as CelMap).get(field)
  if (found === undefined) throw new CelError(`no such key: ${field}`)
  return found
}

function optionalField(value: Value, field: string): Optional {
  if (!isMap(value)) {
    if (isList(value)) throw new CelError("unsupported index type 'string' in list")
    return none
  }
  const found = value.get(field)
  return found === undefined ? none : new Optional(found)
}
