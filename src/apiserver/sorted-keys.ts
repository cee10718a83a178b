import { lowerBound } from '../machinery/lower-bound.ts'

/**
 * Keys in order: arrays of at most `leafSize` keys, one after the other. Adding or removing one moves a leaf at most, not the whole list:
 *
 *   leaves   [a b c]  [e f g h]  [k m]      adding `i` with leafSize 4 splits:  [a b c]  [e f]  [g h i]  [k m]
 */
export class SortedKeys {
  readonly #leafSize: number
  #leaves: string[][] = []
  #size = 0

  constructor(leafSize = 512) {
    this.#leafSize = leafSize
  }

  get size(): number { return this.#size }

  /** Replaces everything; `keys` are in order and without repeats. */
  reset(keys: readonly string[]): void {
    this.#leaves = []
    for (let at = 0; at < keys.length; at += this.#leafSize) this.#leaves.push(keys.slice(at, at + this.#leafSize))
    this.#size = keys.length
  }

  /** A key that is there already is not added again. */
  add(key: string): void {
    let index = Math.max(this.#leafOf(key), 0)
    let leaf = this.#leaves[index]
    if (leaf === undefined) this.#leaves.push((leaf = []))
    if (leaf.length >= this.#leafSize) {
      const upper = leaf.splice(leaf.length >> 1)
      this.#leaves.splice(index + 1, 0, upper)
      if (key >= upper[0]!) leaf = this.#leaves[++index]!
    }
    const at = lowerBound(leaf, key)
    if (leaf[at] === key) return
    leaf.splice(at, 0, key)
    this.#size += 1
  }

  delete(key: string): void {
    const index = this.#leafOf(key)
    const leaf = this.#leaves[index]
    if (leaf === undefined) return
    const at = lowerBound(leaf, key)
    if (leaf[at] !== key) return
    leaf.splice(at, 1)
    if (leaf.length === 0) this.#leaves.splice(index, 1)
    this.#size -= 1
  }

  /** How many keys come before `key`. */
  rank(key: string): number {
    const index = this.#leafOf(key)
    if (index < 0) return 0
    let before = 0
    for (let i = 0; i < index; i++) before += this.#leaves[i]!.length
    return before + lowerBound(this.#leaves[index]!, key)
  }

  /** Keys from `key` on, in order; the list must not change meanwhile. */
  *from(key: string): Generator<string> {
    const first = Math.max(this.#leafOf(key), 0)
    for (let index = first; index < this.#leaves.length; index++) {
      const leaf = this.#leaves[index]!
      for (let at = index === first ? lowerBound(leaf, key) : 0; at < leaf.length; at++) yield leaf[at]!
    }
  }

  /** The last leaf whose first key is not greater than `key`; -1 when there is none. */
  #leafOf(key: string): number {
    let low = 0
    let high = this.#leaves.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#leaves[middle]![0]! <= key) low = middle + 1
      else high = middle
    }
    return low - 1
  }
}
