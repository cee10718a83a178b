import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unifiedDiff } from './unified-diff.ts'

const lines = (...text: string[]): string => text.join('\n')
const numbered = (from: number, to: number): string[] => Array.from({ length: to - from + 1 }, (_, i) => `line ${from + i}`)

/** Expected texts are those of Python's `difflib.unified_diff`. */
const rows: ReadonlyArray<readonly [name: string, before: string, after: string, expected: readonly string[]]> = [
  ['nothing changed', 'a', 'a', []],
  ['a line is another', lines('a', 'b', 'c'), lines('a', 'x', 'c'), ['@@ -1,3 +1,3 @@', ' a', '-b', '+x', ' c']],
  ['a line comes', 'a', lines('a', 'b'), ['@@ -1 +1,2 @@', ' a', '+b']],
  ['far from each other', lines(...numbered(1, 20)), lines('first', ...numbered(2, 19), 'last'), [
    '@@ -1,4 +1,4 @@', '-line 1', '+first', ' line 2', ' line 3', ' line 4', '@@ -17,4 +17,4 @@', ' line 17', ' line 18', ' line 19', '-line 20', '+last',
  ]],
  ['close to each other', lines(...numbered(1, 9)), lines('line 1', 'x', ...numbered(3, 7), 'y', 'line 9'), [
    '@@ -1,9 +1,9 @@', ' line 1', '-line 2', '+x', ...numbered(3, 7).map((line) => ` ${line}`), '-line 8', '+y', ' line 9',
  ]],
]

for (const [name, before, after, expected] of rows) {
  test(`difference of texts: ${name}`, () => assert.equal(unifiedDiff(before, after), expected.map((line) => `${line}\n`).join('')))
}

test('lines that stand everywhere in a long text are no anchors', () => {
  const before = [...Array.from({ length: 300 }, () => 'same'), 'end']
  const after = ['start', ...before]
  assert.match(unifiedDiff(lines(...before), lines(...after)), /^@@ -1,3 \+1,4 @@\n\+start\n same\n/)
})
