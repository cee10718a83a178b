import { lowerBound } from '../machinery/lower-bound.ts'

/**
 * A map ordered by key, for ranges. It is a B+ tree of two levels: a list of leaves, each a sorted array of at most
 * `leafSize` keys with their values; `firsts[i]` is the least key of leaf i. With leaves of 4:
 *
 *   firsts   a           e           k
 *   leaves   [a b c]     [e f g h]   [k m]
 *
 * To find `g`: the last of `firsts` that is <= g is `e` (binary search), then binary search in that leaf.
 * Setting `i`: its leaf is [e f g h], which is full, so it is split in halves first, then `i` goes into the right one:
 *
 *   firsts   a           e         g           k
 *   leaves   [a b c]     [e f]     [g h i]     [k m]
 *
 * A leaf that a deletion leaves empty is dropped. Reading [f, k) starts at `f` and walks on, leaf after leaf.
 * Finding is O(log n); setting moves at most a leaf, and at a split the list of leaves (200 for 100,000 keys).
 */
export class SortedMap<V> {
  readonly #leafSize: number
  readonly #firsts: string[] = []
  readonly #leaves: { keys: string[]; values: V[] }[] = []
  #size = 0

  constructor(leafSize = 512) {
    this.#leafSize = leafSize
  }

  get size(): number { return this.#size }

  get(key: string): V | undefined {
    const leaf = this.#leaves[this.#leafOf(key)]
    if (leaf === undefined) return undefined
    const at = lowerBound(leaf.keys, key)
    return leaf.keys[at] === key ? leaf.values[at] : undefined
  }

  set(key: string, value: V): void {
    let index = this.#leafOf(key)
    let leaf = this.#leaves[index]
    if (leaf === undefined) {
      leaf = { keys: [], values: [] }
      this.#leaves.push(leaf)
      this.#firsts.push(key)
    }
    const found = lowerBound(leaf.keys, key)
    if (leaf.keys[found] === key) {
      leaf.values[found] = value
      return
    }
    if (leaf.keys.length >= this.#leafSize) {
      this.#split(index)
      index = this.#leafOf(key)
      leaf = this.#leaves[index]!
    }
    const at = lowerBound(leaf.keys, key)
    leaf.keys.splice(at, 0, key)
    leaf.values.splice(at, 0, value)
    if (at === 0) this.#firsts[index] = key
    this.#size++
  }

  delete(key: string): boolean {
    const index = this.#leafOf(key)
    const leaf = this.#leaves[index]
    if (leaf === undefined) return false
    const at = lowerBound(leaf.keys, key)
    if (leaf.keys[at] !== key) return false
    leaf.keys.splice(at, 1)
    leaf.values.splice(at, 1)
    this.#size--
    if (leaf.keys.length === 0) {
      this.#leaves.splice(index, 1)
      this.#firsts.splice(index, 1)
    } else if (at === 0) this.#firsts[index] = leaf.keys[0]!
    return true
  }

  /** Calls `visit` with the values of [`start`, `end`) in order of key. The map must not be changed meanwhile. */
  forRange(start: string, end: string, visit: (value: V) => void): void {
    let index = this.#leafOf(start)
    let at = index < this.#leaves.length ? lowerBound(this.#leaves[index]!.keys, start) : 0
    for (; index < this.#leaves.length; index++, at = 0) {
      const { keys, values } = this.#leaves[index]!
      for (; at < keys.length; at++) {
        if (keys[at]! >= end) return
        visit(values[at]!)
      }
    }
  }

  /** The leaf that holds or would hold `key`. */
  #leafOf(key: string): number {
    const at = lowerBound(this.#firsts, key)
    return this.#firsts[at] === key ? at : Math.max(at - 1, 0)
  }

  #split(index: number): void {
    const leaf = this.#leaves[index]!
    const half = leaf.keys.length >> 1
    const right = { keys: leaf.keys.splice(half), values: leaf.values.splice(half) }
    this.#leaves.splice(index + 1, 0, right)
    this.#firsts.splice(index + 1, 0, right.keys[0]!)
  }
}
