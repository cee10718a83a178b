import type { OpenObject } from '../machinery/object.ts'

/** Which keys have which value of one field: made for the first list that asks by it, and kept up from then on. */
export class FieldIndex {
  readonly #read: (object: Readonly<OpenObject>) => string
  readonly #keysOf = new Map<string, Set<string>>()
  readonly #valueOf = new Map<string, string>()

  constructor(read: (object: Readonly<OpenObject>) => string) {
    this.#read = read
  }

  /** Notes what stands under a key now; undefined: nothing. */
  note(key: string, object: Readonly<OpenObject> | undefined): void {
    const before = this.#valueOf.get(key)
    const now = object === undefined ? undefined : this.#read(object)
    if (before === now) return
    if (before !== undefined) {
      const keys = this.#keysOf.get(before)!
      keys.delete(key)
      if (keys.size === 0) this.#keysOf.delete(before)
    }
    if (now === undefined) {
      this.#valueOf.delete(key)
      return
    }
    this.#valueOf.set(key, now)
    const keys = this.#keysOf.get(now)
    if (keys === undefined) this.#keysOf.set(now, new Set([key]))
    else keys.add(key)
  }

  /** In order, from `startKey` on. */
  keys(value: string, startKey: string): string[] {
    const keys: string[] = []
    for (const key of this.#keysOf.get(value) ?? []) if (key >= startKey) keys.push(key)
    return keys.sort()
  }
}
