import { charge, type Run, type Step } from './run.ts'
import type { FoldNode, Node } from './syntax.ts'
import { CelError, isList, isMap, typeNameOf, type Value } from './values.ts'

/** How macros walk through lists and maps: `all`, `exists` and those that make lists have ways of their own. */

/** The text of a name within `all` and `exists`: one result decides, and outweighs errors of other items. */
export function quantifier({ step, accuVar }: FoldNode): { test: Node; decisive: boolean } | undefined {
  if (step.kind !== 'call' || (step.name !== '_&&_' && step.name !== '_||_')) return undefined
  const [accu, test] = step.args
  return accu?.kind === 'ident' && accu.name === accuVar && test !== undefined ? { test, decisive: step.name === '_||_' } : undefined
}

/** An item of what is walked through, and the slots of the variables that stand for it. */
export interface Item { over: Value; key: Value; value: Value; first: number; second: number }

/** Sets the variables for the turn of one item. */
export function bindItem(run: Run, { over, key, value, first, second }: Item): void {
  if (second < 0) run.locals[first] = isList(over) ? value : key
  else {
    run.locals[first] = key
    run.locals[second] = value
  }
}

/** `all` or `exists`: the first result that is `decisive` decides. */
export function quantified({ range, test, first, second, decisive }: { range: Step; test: Step; first: number; second: number; decisive: boolean }): Step {
  // Before each item stands whether it is decided: `@result`, for `exists` a `!`, and `@not_strictly_false`.
  const conditionCost = decisive ? 3 : 2
  return (run) => {
    const over = range(run)
    let failure: CelError | undefined
    let decided = false
    iterate(over, (key, value) => {
      charge(run, conditionCost)
      if (decided) return false
      bindItem(run, { over, key, value, first, second })
      charge(run, 1)
      try {
        const result = test(run)
        if (result === decisive) decided = true
        else if (typeof result !== 'boolean') failure ??= new CelError('no such overload')
      } catch (cause) {
        if (!(cause instanceof CelError)) throw cause
        failure ??= cause
      }
      return true
    })
    charge(run, 1)
    if (decided) return decisive
    if (failure !== undefined) throw failure
    return !decisive
  }
}

/** Calls `each` with index and item, or key and value, until it says false. */
export function iterate(over: Value, each: (key: Value, value: Value) => boolean): void {
  if (isList(over)) {
    for (let i = 0; i < over.length; i += 1) if (!each(BigInt(i), over[i]!)) return
  } else if (isMap(over)) {
    for (const key of over.keys()) if (!each(key, over.get(key)!)) return
  } else throw new CelError(`got '${goTypes[typeNameOf(over)] ?? typeNameOf(over)}', expected iterable type`)
}

const goTypes: Readonly<Record<string, string>> = {
  bool: 'types.Bool', int: 'types.Int', uint: 'types.Uint', double: 'types.Double', string: 'types.String', bytes: 'types.Bytes', null_type: 'types.Null', 'google.protobuf.Timestamp': 'types.Timestamp', 'google.protobuf.Duration': 'types.Duration',
}

/** The item of a step `accu + [item]`, with the test of `test ? accu + [item] : accu`. */
export function appendedItem({ step, accuVar, init }: FoldNode): { item: Node; test: Node | undefined } | undefined {
  if (init.kind !== 'list' || init.items.length > 0) return undefined
  const isConditional = step.kind === 'call' && step.name === '_?_:_'
  const sum = isConditional ? step.args[1] : step
  const isAccu = (node: Node | undefined): boolean => node?.kind === 'ident' && node.name === accuVar
  if (sum?.kind !== 'call' || sum.name !== '_+_' || !isAccu(sum.args[0]) || (isConditional && !isAccu(step.args[2]))) return undefined
  const list = sum.args[1]
  return list?.kind === 'list' && list.items.length === 1 && list.optional.size === 0 ? { item: list.items[0]!, test: isConditional ? step.args[0] : undefined } : undefined
}

/** Adds to the list in `slot`, which is the walk's own, where `test` says so. */
export function appendStep(slot: number, item: Step, test: Step | undefined): Step {
  return (run) => {
    const all = run.locals[slot] as Value[]
    const chosen = test === undefined ? true : test(run)
    if (typeof chosen !== 'boolean') throw new CelError('no such overload')
    if (chosen) {
      all.push(item(run))
      charge(run, 12)
    }
    return all
  }
}
