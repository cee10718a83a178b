import { CostExceeded, type Value } from './values.ts'

/** One evaluation: what it has taken so far, and the variables that macros bind, by their slots. */
export interface Run {
  values: Readonly<Record<string, Value | undefined>>
  locals: (Value | undefined)[]
  cost: number
  limit: number
}

/** One node of a tree as a closure. */
export type Step = (run: Run) => Value

/** Throws CostExceeded where it is too much. */
export function charge(run: Run, cost: number): void {
  run.cost += cost
  if (run.cost > run.limit) throw new CostExceeded()
}
