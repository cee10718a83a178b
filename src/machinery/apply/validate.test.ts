import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deduced, type ApplyType } from './apply-type.ts'
import { typeProblems } from './validate.ts'

const struct = (fields: Record<string, ApplyType>): ApplyType => ({ map: { fields: new Map(Object.entries(fields).map(([name, type]) => [name, { type }])), other: undefined, atomic: false } })
const type = struct({
  text: { scalar: 'string' }, count: { scalar: 'numeric' }, on: { scalar: 'boolean' }, any: { scalar: 'untyped' }, free: deduced,
  set: { list: { item: { scalar: 'string' }, atomic: false, keys: [] } }, items: { list: { item: struct({ name: { scalar: 'string' }, port: { scalar: 'numeric' } }), atomic: false, keys: ['name', 'port'] } },
  whole: { list: { item: { scalar: 'string' }, atomic: true, keys: [] } }, inner: struct({ a: { scalar: 'string' } }),
})

test('what fits its type is taken', () => {
  for (const value of [{}, { text: 'a', count: 1, on: true, any: 'x', free: { a: [1, { b: null }] }, set: ['a', 'b'], items: [{ name: 'a' }, { name: 'a', port: 1 }], whole: ['a', 'a'] }, { text: null, set: null, inner: null }]) {
    assert.equal(typeProblems(type, value), undefined)
  }
})

test('what does not is told as upstream tells it', () => {
  for (const [value, problem] of [
    [{ other: 1 }, '.other: field not declared in schema'],
    [{ inner: { b: 1 } }, '.inner.b: field not declared in schema'],
    [{ text: 1 }, '.text: expected string, got &value.valueUnstructured{Value:1}'],
    [{ text: { a: ['b'] } }, '.text: expected string, got &value.valueUnstructured{Value:map[string]interface {}{"a":[]interface {}{"b"}}}'],
    [{ count: 'x' }, '.count: expected numeric (int or float), got string'],
    [{ on: 'x' }, '.on: expected boolean, got &{x}'],
    [{ any: [] }, '.any: expected any scalar, got &{[]}'],
    [{ inner: 'x' }, '.inner: expected map, got &{x}'],
    [{ set: { b: 1, a: null } }, '.set: expected list, got &{map[a:<nil> b:1]}'],
    [{ set: ['a', 'a'] }, '.set: duplicate entries for key [="a"]'],
    [{ set: [{}] }, ".set: element 0: associative list without keys has an element that's a map type"],
    [{ set: [null] }, ".set: element 0: associative list without keys has an element that's an explicit null"],
    [{ items: [{ name: 'a', port: 1 }, { name: 'a', port: 1 }] }, '.items: duplicate entries for key [name="a",port=1]'],
    [{ items: [{}] }, `.items: element 0: associative list with keys has an element that omits all key fields ["name" "port"] (and doesn't have default values for any key fields)`],
    [{ items: ['a'] }, '.items: element 0: associative list with keys may not have non-map elements'],
    [{ items: [{ name: 'a', x: 1 }] }, '.items[name="a"].x: field not declared in schema'],
    [{ whole: [1] }, '.whole[0]: expected string, got &value.valueUnstructured{Value:1}'],
    [{ text: 1, count: 'x' }, 'errors:\n  .text: expected string, got &value.valueUnstructured{Value:1}\n  .count: expected numeric (int or float), got string'],
  ] as const) assert.equal(typeProblems(type, value), problem)
})
