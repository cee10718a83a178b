/**
 * Unified differences of lines, as Python's `difflib` finds them (and upstream's apimachinery, by a port of it): the longest
 * run in common first, then left and right of it.
 */

type Block = readonly [a: number, b: number, size: number]

const contextLines = 3

/** Where each line of `b` stands; lines that stand everywhere in a long text are no anchors. */
function positionsOf(b: readonly string[]): Map<string, number[]> {
  const positions = new Map<string, number[]>()
  for (const [j, line] of b.entries()) {
    const at = positions.get(line)
    if (at === undefined) positions.set(line, [j])
    else at.push(j)
  }
  if (b.length >= 200) for (const [line, at] of positions) if (at.length > Math.floor(b.length / 100) + 1) positions.delete(line)
  return positions
}

function longestMatch(a: readonly string[], b: readonly string[], positions: ReadonlyMap<string, readonly number[]>, [aLow, aHigh, bLow, bHigh]: readonly [number, number, number, number]): Block {
  let bestA = aLow
  let bestB = bLow
  let size = 0
  let runs = new Map<number, number>()
  for (let i = aLow; i < aHigh; i++) {
    const next = new Map<number, number>()
    for (const j of positions.get(a[i] as string) ?? []) {
      if (j < bLow) continue
      if (j >= bHigh) break
      const run = (runs.get(j - 1) ?? 0) + 1
      next.set(j, run)
      if (run > size) [bestA, bestB, size] = [i - run + 1, j - run + 1, run]
    }
    runs = next
  }
  // Lines that are no anchors still belong to a run beside them.
  while (bestA > aLow && bestB > bLow && a[bestA - 1] === b[bestB - 1]) [bestA, bestB, size] = [bestA - 1, bestB - 1, size + 1]
  while (bestA + size < aHigh && bestB + size < bHigh && a[bestA + size] === b[bestB + size]) size++
  return [bestA, bestB, size]
}

function matchingBlocks(a: readonly string[], b: readonly string[]): Block[] {
  const positions = positionsOf(b)
  const found: Block[] = []
  const queue: Array<readonly [number, number, number, number]> = [[0, a.length, 0, b.length]]
  for (let area = queue.pop(); area !== undefined; area = queue.pop()) {
    const [aLow, aHigh, bLow, bHigh] = area
    const [i, j, size] = longestMatch(a, b, positions, area)
    if (size === 0) continue
    found.push([i, j, size])
    if (aLow < i && bLow < j) queue.push([aLow, i, bLow, j])
    if (i + size < aHigh && j + size < bHigh) queue.push([i + size, aHigh, j + size, bHigh])
  }
  found.sort((x, y) => x[0] - y[0] || x[1] - y[1])
  return [...found, [a.length, b.length, 0]]
}

/** A stretch of both: the same on both sides, or not. */
interface Stretch { same: boolean; aFrom: number; aTo: number; bFrom: number; bTo: number }

function stretches(a: readonly string[], b: readonly string[]): Stretch[] {
  const out: Stretch[] = []
  let i = 0
  let j = 0
  for (const [aAt, bAt, size] of matchingBlocks(a, b)) {
    if (i < aAt || j < bAt) out.push({ same: false, aFrom: i, aTo: aAt, bFrom: j, bTo: bAt })
    if (size > 0) {
      const last = out.at(-1)
      if (last?.same === true) [last.aTo, last.bTo] = [aAt + size, bAt + size]
      else out.push({ same: true, aFrom: aAt, aTo: aAt + size, bFrom: bAt, bTo: bAt + size })
    }
    ;[i, j] = [aAt + size, bAt + size]
  }
  return out
}

/** Stretches with at most three common lines around what differs, those close to each other together. */
function hunks(all: readonly Stretch[]): Stretch[][] {
  const out: Stretch[][] = []
  let hunk: Stretch[] = []
  for (const [n, stretch] of all.entries()) {
    const s = { ...stretch }
    if (s.same && n === 0) [s.aFrom, s.bFrom] = [Math.max(s.aFrom, s.aTo - contextLines), Math.max(s.bFrom, s.bTo - contextLines)]
    if (s.same && n === all.length - 1) [s.aTo, s.bTo] = [Math.min(s.aTo, s.aFrom + contextLines), Math.min(s.bTo, s.bFrom + contextLines)]
    if (s.same && s.aTo - s.aFrom > 2 * contextLines) {
      hunk.push({ ...s, aTo: s.aFrom + contextLines, bTo: s.bFrom + contextLines })
      out.push(hunk)
      hunk = [{ ...s, aFrom: s.aTo - contextLines, bFrom: s.bTo - contextLines }]
    } else hunk.push(s)
  }
  if (hunk.length > 0) out.push(hunk)
  return out.filter((group) => group.some(({ same }) => !same))
}

function range(from: number, to: number): string {
  const length = to - from
  if (length === 1) return String(from + 1)
  return `${length === 0 ? from : from + 1},${length}`
}

/** The difference of two texts, three lines of context each way; '' where there is none. Every line ends with a line feed. */
export function unifiedDiff(before: string, after: string): string {
  const a = before.split('\n')
  const b = after.split('\n')
  const lines: string[] = []
  for (const hunk of hunks(stretches(a, b))) {
    const first = hunk[0] as Stretch
    const last = hunk.at(-1) as Stretch
    lines.push(`@@ -${range(first.aFrom, last.aTo)} +${range(first.bFrom, last.bTo)} @@`)
    for (const { same, aFrom, aTo, bFrom, bTo } of hunk) {
      if (same) lines.push(...a.slice(aFrom, aTo).map((line) => ` ${line}`))
      else lines.push(...a.slice(aFrom, aTo).map((line) => `-${line}`), ...b.slice(bFrom, bTo).map((line) => `+${line}`))
    }
  }
  return lines.map((line) => `${line}\n`).join('')
}
