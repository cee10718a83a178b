import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exponentialBounds, familyBlocks, familyText, goNumber, Histograms, Numbers } from './families.ts'
import { MetricSet } from './metric-set.ts'
import { registered, withStability } from './stability.ts'

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

test('a text falls into its families', () => {
  const texts = [new Numbers('counter', 'things_total', 'Things.'), new Numbers('gauge', 'now', 'Now.')].map((numbers) => {
    numbers.at().value = 3
    return familyText(numbers)
  })
  assert.deepEqual(familyBlocks(texts.join('')), [{ name: 'things_total', block: texts[0] }, { name: 'now', block: texts[1] }])
})

test('numbers are written as Go writes them', () => {
  const texts = [0, 5, 0.005, 0.0001, 0.00001, 5e-7, 999_999, 1_000_000, 1_048_576, 123_456_789, 12.5, -1, Infinity, NaN].map(goNumber)
  assert.deepEqual(texts, ['0', '5', '0.005', '0.0001', '1e-05', '5e-07', '999999', '1e+06', '1.048576e+06', '1.23456789e+08', '12.5', '-1', '+Inf', 'NaN'])
  // Upstream's well-known label of work queues.
  assert.equal(goNumber(exponentialBounds(10e-9, 10, 10)[3]!), '9.999999999999999e-06')
})

test('help texts say how stable a series is, and series are counted by it', () => {
  const text = withStability('# HELP apiserver_request_total R.\n# TYPE apiserver_request_total counter\napiserver_request_total 1\n# HELP apiserver_storage_objects [DEPRECATED] S.\n# HELP x [BETA] X.\n# HELP y Y.\n# HELP nodejs_z Z.\n')
  assert.deepEqual(text.split('\n').filter((line) => line.startsWith('# HELP')), [
    '# HELP apiserver_request_total [STABLE] R.', '# HELP apiserver_storage_objects [STABLE] (Deprecated since 1.34.0) [DEPRECATED] S.', '# HELP x [BETA] X.', '# HELP y [ALPHA] Y.', '# HELP nodejs_z Z.',
  ])
  assert.deepEqual(registered(text), [{ level: 'STABLE', since: '', count: 1 }, { level: 'STABLE', since: '1.34.0', count: 1 }, { level: 'BETA', since: '', count: 1 }, { level: 'ALPHA', since: '', count: 1 }])
})

test('a set holds what was counted, and from the start what has no labels', () => {
  const set = new MetricSet()
  set.count('apiserver_authorization_decisions_total', 'RBAC', 'rbac', 'allowed')
  set.observe('apiserver_cel_evaluation_duration_seconds', 0.3)
  const text = set.families().map(familyText).join('')
  assert.match(text, /^apiserver_authorization_decisions_total\{decision="allowed",name="rbac",type="RBAC"\} 1$/m)
  assert.match(text, /^apiserver_cel_evaluation_duration_seconds_bucket\{le="0.5"\} 1$/m)
  assert.match(text, /^serviceaccount_legacy_tokens_total 0$/m)
  assert.doesNotMatch(text, /webhook_evaluations/)
  set.clear('apiserver_authorization_decisions_total', 'Node')
  set.clear('apiserver_authorization_decisions_total', 'RBAC', 'rbac')
  assert.doesNotMatch(set.families().map(familyText).join(''), /decisions_total\{/)
})
