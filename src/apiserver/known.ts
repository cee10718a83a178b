/** What is known at once, or a promise of it: where most requests need not wait, a promise for each would cost more than what it is for. */
export type Known<T> = T | Promise<T>

/** What `next` makes of the answer: at once where it is known. */
export function whenKnown<T, R>(answer: Known<T>, next: (value: T) => Known<R>): Known<R> {
  return answer instanceof Promise ? answer.then(next) : next(answer)
}
