import { test } from 'node:test'
import assert from 'node:assert/strict'
import { goKindOf, goPrint } from './go-print.ts'

test('JSON data is printed as Go does', () => {
  for (const [value, text] of [
    [{ b: [1, 'x y', null, true], a: { c: 1.5 } }, 'map[a:map[c:1.5] b:[1 x y <nil> true]]'], [{}, 'map[]'], [[], '[]'], ['', ''], [null, '<nil>'],
    [1e20, '1e+20'], [1000000, '1000000'], [1.5e-7, '1.5e-07'], [0.5, '0.5'], [1234567.5, '1.2345675e+06'],
  ] as const) assert.equal(goPrint(value), text)
})

test('kinds of JSON data have Go\'s names', () => {
  assert.deepEqual([null, [], {}, 'x', 1, 1.5, true].map(goKindOf), ['invalid', 'slice', 'map', 'string', 'int64', 'float64', 'bool'])
})
