import type { Running } from '../runtime/runtime.ts'

/** Several components as one: `done` when the first of them ends, closed in the reverse order of the list. */
export function together(parts: readonly Running[]): Running {
  return {
    done: Promise.race(parts.map((part) => part.done)),
    async [Symbol.asyncDispose]() {
      for (const part of parts.toReversed()) await part[Symbol.asyncDispose]()
    },
  }
}
