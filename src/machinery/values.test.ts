import assert from 'node:assert/strict'
import { test } from 'node:test'
import { durationText, parseDuration } from './duration.ts'
import { semanticEqual } from './equality.ts'
import { canonicalJson, fnv32a, objectHash, safeEncode } from './hash.ts'
import { isPercent, scaledIntOrPercent } from './intstr.ts'
import { findByPath, parseJsonPath } from './jsonpath.ts'

test('percentages scale, rounding as asked', () => {
  assert.equal(scaledIntOrPercent('25%', 3, 'up'), 1)
  assert.equal(scaledIntOrPercent('25%', 3, 'down'), 0)
  assert.equal(scaledIntOrPercent(2, 3, 'down'), 2)
  assert.throws(() => scaledIntOrPercent('2', 3, 'up'), { message: 'invalid value for IntOrString: invalid type: string is not a percentage' })
  assert.equal(isPercent('5%'), true)
  assert.equal(isPercent('5'), false)
})

test('durations are milliseconds', () => {
  assert.equal(parseDuration('1h0m1.5s'), 3601500)
  assert.equal(parseDuration('x'), undefined)
  assert.equal(durationText(90_000), '1m30s')
})

test('hashes and their encoding are the well-known ones', () => {
  assert.equal(fnv32a(''), 2166136261)
  assert.equal(fnv32a('a'), 3826002220)
  assert.equal(safeEncode('1'), 'bcdfghjklmnpqrstvwxz2456789'[49 % 27])
  assert.equal(canonicalJson({ b: 1, a: [undefined, { d: 1, c: undefined }] }), '{"a":[null,{"d":1}],"b":1}')
  assert.equal(objectHash({ a: 1, b: 2 }), objectHash({ b: 2, a: 1 }))
  assert.notEqual(objectHash({ a: 1 }), objectHash({ a: 1 }, 1))
})

test('equality takes absent and empty lists for the same', () => {
  for (const [a, b, equal] of [
    [{ a: [] }, {}, true], [{ a: null }, {}, true], [{ a: {} }, {}, false], [{ a: 1, b: 2 }, { b: 2, a: 1 }, true], [[1, 2], [2, 1], false], [{ a: 0 }, {}, false],
    [{ a: [{}] }, { a: [] }, false], ['a', 'a', true], [{ __proto__x: 1 }, { toString: undefined }, false],
  ] as const) assert.equal(semanticEqual(a, b), equal, JSON.stringify([a, b]))
})

test('JSONPath finds what kubectl finds', () => {
  const pod = {
    metadata: { name: 'p', labels: { 'app.kubernetes.io/name': 'x' } },
    spec: { containers: [{ name: 'a', image: 'i1', ports: [1, 2, 3] }, { name: 'b', image: 'i2' }] },
    status: { conditions: [{ type: 'Ready', status: 'True' }, { type: 'Other', status: 'False', n: 5 }] },
  }
  for (const [path, expected] of [
    ['.metadata.name', ['p']], ['{.metadata.name}', ['p']], ['$.metadata.name', ['p']], ['metadata.name', ['p']], ['.spec.containers[*].name', ['a', 'b']], ['.spec.containers[-1].name', ['b']],
    ['.spec.containers[0:1].image', ['i1']], ['.status.conditions[?(@.type=="Ready")].status', ['True']], ["{.status.conditions[?(@.type=='Other')].n}", [5]], ['.status.conditions[?(@.n>4)].type', ['Other']],
    ['.status.conditions[?(@.n)].type', ['Other']], ['.metadata.labels.app\\.kubernetes\\.io/name', ['x']], ["{.metadata.labels['app.kubernetes.io/name']}", ['x']], ['..image', ['i1', 'i2']], ['.none.at.all', []],
    ['.spec.containers[0].ports[0,2]', [1, 3]], ['.constructor', []],
  ] as const) assert.deepEqual(findByPath(parseJsonPath(path), pod), expected, path)
  for (const path of ['.a[', '.a[?(x)]', '.a[b]']) assert.throws(() => parseJsonPath(path), /invalid JSONPath/)
})
