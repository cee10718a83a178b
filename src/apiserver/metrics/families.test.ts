import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exponentialBounds, familyBlocks, familyText, Histograms, Numbers, openMetrics } from './families.ts'

test('counters and gauges print their series with labels escaped', () => {
  const total = new Numbers('counter', 'things_total', 'Things.', ['kind'])
  assert.equal(familyText(total), '')
  total.at('a').value += 2
  total.at('q"\\\n').value++
  assert.equal(familyText(total), '# HELP things_total Things.\n# TYPE things_total counter\nthings_total{kind="a"} 2\nthings_total{kind="q\\"\\\\\\n"} 1\n')
})

test('histograms print cumulative buckets, sum and count', () => {
  const seconds = new Histograms('wait_seconds', 'Waits.', ['who'], [0.1, 1])
  const cell = seconds.at('x')
  for (const value of [0.05, 0.1, 0.5, 7]) cell.observe(value)
  assert.deepEqual(familyText(seconds).split('\n').slice(2, -1), [
    'wait_seconds_bucket{who="x",le="0.1"} 2', 'wait_seconds_bucket{who="x",le="1"} 3', 'wait_seconds_bucket{who="x",le="+Inf"} 4', 'wait_seconds_sum{who="x"} 7.65', 'wait_seconds_count{who="x"} 4',
  ])
  assert.deepEqual(exponentialBounds(1000, 10, 3), [1000, 10_000, 100_000])
})

test('label values are bounded', () => {
  const many = new Numbers('counter', 'many_total', 'Many.', ['name'])
  for (let index = 0; index < 12_000; index++) many.at(String(index)).value++
  assert.equal(many.cells.size, 10_000)
})

test('OpenMetrics names counters without _total, their series with it', () => {
  const total = new Numbers('counter', 'things_total', 'Things.')
  total.at().value = 3
  const plain = new Numbers('counter', 'tries', 'Tries.')
  plain.at().value = 1
  const now = new Numbers('gauge', 'now', 'Now.')
  now.at().value = 1
  const text = [total, plain, now].map(familyText).join('')
  assert.deepEqual(familyBlocks(text).map(({ name }) => name), ['things_total', 'tries', 'now'])
  assert.equal(openMetrics(text), '# HELP things Things.\n# TYPE things counter\nthings_total 3\n# HELP tries Tries.\n# TYPE tries counter\ntries_total 1\n# HELP now Now.\n# TYPE now gauge\nnow 1\n# EOF\n')
})
