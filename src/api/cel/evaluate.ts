import type { CheckedTree } from './check.ts'
import { callCost } from './cost.ts'
import { fits, type Overload } from './functions.ts'
import { elementAt, keyText } from './library/standard.ts'
import type { CallNode, FoldNode, Node } from './syntax.ts'
import { CelError, CostExceeded, isList, isMap, MapValue, none, Optional, TypeValue, type CelMap, type Value } from './values.ts'

/** One evaluation: what it has taken so far, and the variables that macros bind, by their slots. */
interface Run {
  values: Readonly<Record<string, Value | undefined>>
  locals: (Value | undefined)[]
  cost: number
  limit: number
}
type Step = (run: Run) => Value

export interface Evaluation { value: Value; cost: number }

/** Makes a checked tree into closures; each evaluation is counted against its limit. */
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

function charge(run: Run, cost: number): void {
  run.cost += cost
  if (run.cost > run.limit) throw new CostExceeded()
}

const typeValueNames: Readonly<Record<string, string>> = { dyn: 'dyn', type: 'type' }

class Planner {
  readonly #tree: CheckedTree
  readonly #scopes: { name: string; slot: number }[] = []

  constructor(tree: CheckedTree) {
    this.#tree = tree
  }

  plan(node: Node): Step {
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

  #variable(name: string): Step {
    const local = this.#scopes.findLast((each) => each.name === name)
    if (local !== undefined) {
      const { slot } = local
      return (run) => {
        charge(run, 1)
        return run.locals[slot]!
      }
    }
    const typeValue = new TypeValue(typeValueNames[name] ?? name)
    return (run) => {
      charge(run, 1)
      const found = run.values[name]
      if (found !== undefined) return found
      if (Object.hasOwn(run.values, name)) throw new CelError(`no such attribute(s): ${name}`)
      return typeValue
    }
  }

  #select(node: Extract<Node, { kind: 'select' }>): Step {
    const name = this.#tree.names.get(node)
    if (name !== undefined) return this.#variable(name)
    const { field, testOnly, optional } = node
    const operand = this.plan(node.operand)
    if (testOnly) {
      return (run) => {
        const value = operand(run)
        // Free, and so is the last name before it.
        run.cost -= 1
        if (value instanceof Optional) return value.value !== undefined && hasField(value.value, field)
        return hasField(value, field)
      }
    }
    return (run) => {
      const value = operand(run)
      charge(run, 1)
      if (value instanceof Optional) return value.value === undefined ? none : optionalField(value.value, field)
      return optional ? optionalField(value, field) : fieldOf(value, field)
    }
  }

  #call(node: CallNode): Step {
    const { args, target } = node
    const name = this.#tree.functions.get(node) ?? node.name
    const isNamespaced = this.#tree.functions.has(node)
    const steps = (target === undefined || isNamespaced ? args : [target, ...args]).map((each) => this.plan(each))
    switch (name) {
      case '_&&_': return logical(steps, false)
      case '_||_': return logical(steps, true)
      case '_?_:_': {
        const [condition, yes, no] = steps as [Step, Step, Step]
        return (run) => {
          const chosen = condition(run)
          if (typeof chosen !== 'boolean') throw new CelError('no such overload')
          return chosen ? yes(run) : no(run)
        }
      }
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
      case '_[_]': return indexed(steps as [Step, Step], false)
      case '_[?_]': return indexed(steps as [Step, Step], true)
      case 'orValue':
      case 'or': {
        if (steps.length !== 2) break
        const [held, other] = steps as [Step, Step]
        const isOr = name === 'or'
        return (run) => {
          const value = held(run)
          if (!(value instanceof Optional)) throw new CelError('no such overload')
          charge(run, 1)
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
    const body = this.plan(node.body)
    this.#scopes.length = slot
    return (run) => {
      const held = value(run)
      charge(run, 10)
      run.locals[slot] = held
      return body(run)
    }
  }
}

/** The text of a name within `all` and `exists`: one result decides, and outweighs errors of other items. */
function quantifier({ step, accuVar }: FoldNode): { test: Node; decisive: boolean } | undefined {
  if (step.kind !== 'call' || (step.name !== '_&&_' && step.name !== '_||_')) return undefined
  const [accu, test] = step.args
  return accu?.kind === 'ident' && accu.name === accuVar && test !== undefined ? { test, decisive: step.name === '_||_' } : undefined
}

interface Item { over: Value; key: Value; value: Value; first: number; second: number }

function bindItem(run: Run, { over, key, value, first, second }: Item): void {
  if (second < 0) run.locals[first] = isList(over) ? value : key
  else {
    run.locals[first] = key
    run.locals[second] = value
  }
}

function quantified({ range, test, first, second, decisive }: { range: Step; test: Step; first: number; second: number; decisive: boolean }): Step {
  return (run) => {
    const over = range(run)
    let failure: CelError | undefined
    let decided = false
    iterate(over, (key, value) => {
      bindItem(run, { over, key, value, first, second })
      charge(run, 3)
      try {
        const result = test(run)
        if (result === decisive) decided = true
        else if (typeof result !== 'boolean') failure ??= new CelError('no such overload')
      } catch (cause) {
        if (!(cause instanceof CelError)) throw cause
        failure ??= cause
      }
      return !decided
    })
    if (decided) return decisive
    if (failure !== undefined) throw failure
    return !decisive
  }
}

/** Calls `each` with index and item, or key and value, until it says false. */
function iterate(over: Value, each: (key: Value, value: Value) => boolean): void {
  if (isList(over)) {
    for (let i = 0; i < over.length; i += 1) if (!each(BigInt(i), over[i]!)) return
  } else if (isMap(over)) {
    for (const key of over.keys()) if (!each(key, over.get(key)!)) return
  } else throw new CelError('no such overload')
}

/** The item of a step `accu + [item]`, with the test of `test ? accu + [item] : accu`. */
function appendedItem({ step, accuVar, init }: FoldNode): { item: Node; test: Node | undefined } | undefined {
  if (init.kind !== 'list' || init.items.length > 0) return undefined
  const isConditional = step.kind === 'call' && step.name === '_?_:_'
  const sum = isConditional ? step.args[1] : step
  const isAccu = (node: Node | undefined): boolean => node?.kind === 'ident' && node.name === accuVar
  if (sum?.kind !== 'call' || sum.name !== '_+_' || !isAccu(sum.args[0]) || (isConditional && !isAccu(step.args[2]))) return undefined
  const list = sum.args[1]
  return list?.kind === 'list' && list.items.length === 1 && list.optional.size === 0 ? { item: list.items[0]!, test: isConditional ? step.args[0] : undefined } : undefined
}

function appendStep(slot: number, item: Step, test: Step | undefined): Step {
  return (run) => {
    const all = run.locals[slot] as Value[]
    const chosen = test === undefined ? true : test(run)
    if (typeof chosen !== 'boolean') throw new CelError('no such overload')
    if (chosen) {
      all.push(item(run))
      charge(run, 12)
    } else charge(run, 1)
    return all
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

function indexed([collection, key]: readonly [Step, Step], optional: boolean): Step {
  return (run) => {
    const value = collection(run)
    const at = key(run)
    charge(run, 1)
    const held = value instanceof Optional ? value.value : value
    if (held === undefined) return none
    if (!optional && !(value instanceof Optional)) return elementAt(held, at)
    if (isList(held)) {
      const index = typeof at === 'bigint' ? Number(at) : Number.NaN
      if (Number.isNaN(index)) return new Optional(elementAt(held, at))
      return index >= 0 && index < held.length ? new Optional(held[index]!) : none
    }
    if (!isMap(held)) throw new CelError('no such overload')
    const found = held.get(at)
    return found === undefined ? none : new Optional(found)
  }
}

/** Runs the first overload that the values fit. */
function invoked(name: string, steps: readonly Step[], overloads: readonly Overload[]): Step {
  return (run) => {
    const values: Value[] = []
    for (const step of steps) values.push(step(run))
    const overload = overloads.find((each) => each.args.every((type, i) => fits(values[i]!, type)))
    if (overload === undefined) throw new CelError('no such overload')
    let result: Value
    try {
      result = overload.call(...values)
    } catch (cause) {
      charge(run, callCost(name, values, null))
      throw cause
    }
    charge(run, callCost(name, values, result))
    return result
  }
}

function hasField(value: Value, field: string): boolean {
  if (isMap(value)) return value.has(field)
  throw new CelError('no such overload')
}

function fieldOf(value: Value, field: string): Value {
  if (!isMap(value)) throw new CelError(value === null ? `no such key: ${field}` : 'no such overload')
  const found = (value as CelMap).get(field)
  if (found === undefined) throw new CelError(`no such key: ${field}`)
  return found
}

function optionalField(value: Value, field: string): Value {
  if (!isMap(value)) {
    if (value === null) return none
    throw new CelError('no such overload')
  }
  const found = value.get(field)
  return found === undefined ? none : new Optional(found)
}
