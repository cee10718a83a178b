import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../runtime/random.ts'
import { SortedMap } from './sorted-map.ts'

for (const leafSize of [2, 4, 512]) {
  test(`random work agrees with a sorted array, with leaves of ${leafSize}`, () => {
    const random = seededRandom(leafSize)
    const map = new SortedMap<number>(leafSize)
    const model = new Map<string, number>()
    for (let step = 0; step < 4000; step++) {
      const key = String(random.int(600))
      if (random.int(3) > 0) {
        map.set(key, step)
        model.set(key, step)
      } else assert.equal(map.delete(key), model.delete(key))
      assert.equal(map.size, model.size)
      const probe = String(random.int(600))
      assert.equal(map.get(probe), model.get(probe))
      if (step % 10 !== 0) continue
      const [start, end] = [String(random.int(600)), String(random.int(600))]
      const found: number[] = []
      map.forRange(start, end, (value) => found.push(value))
      assert.deepEqual(found, [...model.keys()].filter((k) => k >= start && k < end).sort().map((k) => model.get(k)))
    }
  })
}
