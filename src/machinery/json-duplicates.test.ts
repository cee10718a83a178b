import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countKeys, duplicateFields, fieldProblems } from './json-duplicates.ts'

function keysOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const inner = Object.values(value).reduce((sum: number, item) => sum + keysOf(item), 0)
  return Array.isArray(value) ? inner : inner + Object.keys(value).length
}

test('names the path of every key that stands twice', () => {
  const cases: Array<[string, string[]]> = [
    ['{"a":1,"b":{"c":1}}', []],
    ['{"a":1,"a":2}', ['a']],
    ['{"spec":{"replicas":1,"replicas":2,"replicas":3}}', ['spec.replicas']],
    ['{"spec":{"containers":[{"name":"a"},{"name":"b","name":"c"}]}}', ['spec.containers[1].name']],
    ['{"a":[[{"x":1,"x":2}]]}', ['a[0][0].x']],
    ['{"a":"x\\":","b":"{\\"a\\":1,\\"a\\":2}"}', []],
    ['{"\\u0061":1,"a":2}', ['a']],
    ['{ "a" : 1 ,\n "b" : { "a" : 1 , "a" : 2 } , "a" : 3 }', ['b.a', 'a']],
    ['{"a":"\\\\","a":1}', ['a']],
    ['{"__proto__":1,"__proto__":2}', ['__proto__']],
  ]
  for (const [text, expected] of cases) assert.deepEqual(duplicateFields(text, keysOf(JSON.parse(text))), expected, text)
})

test('unknown and duplicate fields are named as they are met; unknown ones are not looked into', () => {
  const text = '{"u":{"a":1,"a":2},"spec":{"x":1,"x":2,"list":[{"u":1,"k":1,"k":2}]},"u":3}'
  assert.deepEqual(fieldProblems(text, ['spec.list[0].u', 'u']), ['unknown field "u"', 'duplicate field "spec.x"', 'unknown field "spec.list[0].u"', 'duplicate field "spec.list[0].k"'])
  assert.deepEqual(fieldProblems('{"a":1}', []), [])
})

test('counts keys, not strings', () => {
  assert.equal(countKeys('{"a":"b","c":["d","e:"],"f":{"g":":"}}'), 4)
})

test('many duplicates are reported up to a bound', () => {
  const text = `{${Array.from({ length: 300 }, (_, i) => `"k${i}":1,"k${i}":2`).join(',')}}`
  assert.equal(duplicateFields(text, 300).length, 100)
})
