import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../runtime/random.ts'
import { SortedKeys } from './sorted-keys.ts'

test('keys stay in order, once each, whatever is added and removed', () => {
  const random = seededRandom(3)
  const keys = new SortedKeys(4)
  const model = new Set<string>()
  for (let step = 0; step < 3000; step++) {
    const key = `ns-${random.int(5)}/${random.int(60)}`
    if (random.int(3) === 0) {
      keys.delete(key)
      model.delete(key)
    } else {
      keys.add(key)
      model.add(key)
    }
    if (step % 50 !== 0) continue
    const sorted = [...model].sort()
    const from = `ns-${random.int(5)}/`
    assert.deepEqual([...keys.from('')], sorted)
    assert.deepEqual([...keys.from(from)], sorted.filter((each) => each >= from))
    assert.equal(keys.rank(from), sorted.filter((each) => each < from).length)
    assert.equal(keys.size, sorted.length)
  }
})

test('a whole list can be put in at once', () => {
  const keys = new SortedKeys(2)
  keys.add('z')
  keys.reset(['a', 'b', 'c'])
  assert.deepEqual([...keys.from('b')], ['b', 'c'])
  assert.equal(keys.size, 3)
})
