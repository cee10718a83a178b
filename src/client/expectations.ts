import type { Clock } from '../runtime/clock.ts'

/**
 * What a controller has asked for and not yet seen come back through its informers (client-go's ControllerExpectations): until then
 * its count of objects is too old to act on.
 * 1. `satisfied` answers true for a key without expectations, with all of them seen, or older than five minutes (an event was lost).
 * 2. Deletions are expected by name of the object, so that seeing one twice does not count twice.
 */
export interface Expectations {
  satisfied(key: string): boolean
  expectCreations(key: string, count: number): void
  expectDeletions(key: string, objectIds: readonly string[]): void
  /** Also when a creation failed: nothing will be seen of it. */
  creationObserved(key: string): void
  deletionObserved(key: string, objectId: string): void
  /** The owner is gone. */
  forget(key: string): void
}

const expiryMs = 5 * 60_000

export function createExpectations(clock: Clock): Expectations {
  const expected = new Map<string, { creations: number; deletions: Set<string>; sinceMs: number }>()
  const entry = (key: string): { creations: number; deletions: Set<string>; sinceMs: number } => {
    const known = expected.get(key)
    const made = known ?? { creations: 0, deletions: new Set<string>(), sinceMs: 0 }
    made.sinceMs = clock.monotonicMs()
    if (known === undefined) expected.set(key, made)
    return made
  }
  const settle = (key: string): void => {
    const known = expected.get(key)
    if (known !== undefined && known.creations <= 0 && known.deletions.size === 0) expected.delete(key)
  }
  return {
    satisfied(key) {
      const known = expected.get(key)
      if (known === undefined) return true
      if (clock.monotonicMs() - known.sinceMs < expiryMs) return false
      expected.delete(key)
      return true
    },
    expectCreations: (key, count) => {
      if (count > 0) entry(key).creations += count
    },
    expectDeletions: (key, objectIds) => {
      if (objectIds.length > 0) for (const id of objectIds) entry(key).deletions.add(id)
    },
    creationObserved(key) {
      const known = expected.get(key)
      if (known === undefined) return
      known.creations--
      settle(key)
    },
    deletionObserved(key, objectId) {
      expected.get(key)?.deletions.delete(objectId)
      settle(key)
    },
    forget: (key) => void expected.delete(key),
  }
}
