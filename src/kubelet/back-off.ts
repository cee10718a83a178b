import type { Clock } from '../runtime/clock.ts'

/** Delays that double with each failure of a key, as client-go's `flowcontrol.Backoff`. Bounded: forgets what was quiet longest. */
export interface BackOffs {
  /** Milliseconds until the key may be tried again after an event (a failure, an exit) at `eventMs`; 0 when it may at once. */
  remainingMs(key: string, eventMs: number): number
  /** Milliseconds until the key may be tried again after its last failure. */
  remainingSinceUpdateMs(key: string): number
  /** The delay that stands for the key. */
  delayMs(key: string): number
  /** One more failure: the first sets the initial delay, each further one doubles it; a quiet time of twice the maximum begins anew. */
  next(key: string, eventMs: number): void
  forget(prefix: string): void
}

interface Entry { delayMs: number; updatedMs: number }
const maxEntries = 20_000

export function createBackOffs(clock: Clock, initialMs: number, maxMs: number): BackOffs {
  const entries = new Map<string, Entry>()
  const expired = (entry: Entry, eventMs: number): boolean => eventMs - entry.updatedMs > 2 * maxMs
  return {
    remainingMs(key, eventMs) {
      const entry = entries.get(key)
      if (entry === undefined || expired(entry, eventMs)) return 0
      return Math.max(0, entry.delayMs - (clock.now() - eventMs))
    },
    remainingSinceUpdateMs(key) {
      const entry = entries.get(key)
      if (entry === undefined || expired(entry, clock.now())) return 0
      return Math.max(0, entry.delayMs - (clock.now() - entry.updatedMs))
    },
    delayMs: (key) => entries.get(key)?.delayMs ?? 0,
    next(key, eventMs) {
      const entry = entries.get(key)
      const delayMs = entry === undefined || expired(entry, eventMs) ? initialMs : Math.min(entry.delayMs * 2, maxMs)
      entries.delete(key)
      entries.set(key, { delayMs, updatedMs: clock.now() })
      if (entries.size > maxEntries) entries.delete(entries.keys().next().value!)
    },
    forget(prefix) {
      for (const key of entries.keys()) if (key.startsWith(prefix)) entries.delete(key)
    },
  }
}
