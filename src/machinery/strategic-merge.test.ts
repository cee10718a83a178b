import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deepFreeze } from './object.ts'
import { StatusError } from './status.ts'
import { applyStrategicMergePatch } from './strategic-merge.ts'
import type { PatchField, PatchType } from './strategic-merge.ts'

const typeOf = (fields: Record<string, PatchField>): PatchType => ({ field: (name) => (Object.hasOwn(fields, name) ? fields[name] : undefined) })
const item = typeOf({ ports: { strategies: ['merge'], mergeKey: 'port' } })
const type = typeOf({
  containers: { strategies: ['merge'], mergeKey: 'name', type: item },
  finalizers: { strategies: ['merge'] },
  args: { strategies: [] },
  strategy: { strategies: ['retainKeys'] },
  source: { strategies: ['replace'] },
})

const cases: Array<[name: string, original: unknown, patch: unknown, expected: unknown]> = [
  ['maps merge, null deletes', { a: { b: 1, c: 2 } }, { a: { b: null, d: 3 } }, { a: { c: 2, d: 3 } }],
  ['lists without a strategy are replaced', { args: ['a'] }, { args: ['b'] }, { args: ['b'] }],
  ['lists with a merge key merge item by item; new items come first', { containers: [{ name: 'a', image: '1' }, { name: 'b' }] }, { containers: [{ name: 'a', image: '2' }, { name: 'c' }] },
    { containers: [{ name: 'a', image: '2' }, { name: 'c' }, { name: 'b' }] }],
  ['lists of scalars become sets', { finalizers: ['a', 'b'] }, { finalizers: ['b', 'c'] }, { finalizers: ['a', 'b', 'c'] }],
  ['$patch: delete removes an item', { containers: [{ name: 'a' }, { name: 'b' }] }, { containers: [{ name: 'a', $patch: 'delete' }] }, { containers: [{ name: 'b' }] }],
  ['$patch: replace in a list replaces it', { containers: [{ name: 'a' }, { name: 'b' }] }, { containers: [{ $patch: 'replace' }, { name: 'c' }] }, { containers: [{ name: 'c' }] }],
  ['$patch: replace in a map replaces it', { a: { b: 1 } }, { a: { $patch: 'replace', c: 1 } }, { a: { c: 1 } }],
  ['$patch: delete in a map empties it', { a: { b: 1 } }, { a: { $patch: 'delete' } }, { a: {} }],
  ['$retainKeys keeps only what it names', { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } }, { strategy: { $retainKeys: ['type'], type: 'Recreate' } }, { strategy: { type: 'Recreate' } }],
  ['strategy replace replaces a map', { source: { a: 1 } }, { source: { b: 1 } }, { source: { b: 1 } }],
  ['$setElementOrder sorts', { containers: [{ name: 'a' }, { name: 'b' }, { name: 'c' }] }, { '$setElementOrder/containers': [{ name: 'c' }, { name: 'a' }], containers: [{ name: 'a', x: 1 }] },
    { containers: [{ name: 'b' }, { name: 'c' }, { name: 'a', x: 1 }] }],
  ['$setElementOrder without the list sorts what is there', { finalizers: ['a', 'b', 'c'] }, { '$setElementOrder/finalizers': ['c', 'b', 'a'] }, { finalizers: ['c', 'b', 'a'] }],
  ['$deleteFromPrimitiveList removes scalars', { finalizers: ['a', 'b', 'c'] }, { '$deleteFromPrimitiveList/finalizers': ['b'], '$setElementOrder/finalizers': ['c', 'a'] }, { finalizers: ['c', 'a'] }],
  ['nulls and directives in new parts leave no trace', {}, { a: { b: null, c: { d: null, e: 1 } }, containers: [{ name: 'x', $patch: 'delete' }, { name: 'y', z: null, '$setElementOrder/ports': [] }] },
    { a: { c: { e: 1 } }, containers: [{ name: 'y' }] }],
  ['a change of shape replaces', { a: [1] }, { a: { b: 1 } }, { a: { b: 1 } }],
  ['nested lists merge', { containers: [{ name: 'a', ports: [{ port: 80, name: 'h' }] }] }, { containers: [{ name: 'a', ports: [{ port: 80, protocol: 'UDP' }, { port: 81 }] }] },
    { containers: [{ name: 'a', ports: [{ port: 80, name: 'h', protocol: 'UDP' }, { port: 81 }] }] }],
  ['null for an ordered list deletes it', { containers: [{ name: 'a' }] }, { '$setElementOrder/containers': [], containers: null }, {}],
]

for (const [name, original, patch, expected] of cases) {
  test(name, () => {
    const frozen = deepFreeze(original) as Record<string, unknown>
    assert.deepEqual(applyStrategicMergePatch(frozen, deepFreeze(patch), type), expected)
  })
}

test('patches that cannot be understood are refused', () => {
  for (const [original, patch, message] of [
    [{ containers: [{ name: 'a' }] }, { containers: [{ image: 'x' }] }, 'map: map[image:x] does not contain declared merge key: name'],
    [{ a: {} }, { a: { $patch: 'bend' } }, 'unknown patch type: bend in map: map[$patch:bend]'],
    [{ a: {} }, { a: { $retainKeys: ['x'], y: 1 } }, 'invalid patch format of retainKeys'],
    [{}, { '$setElementOrder/containers': 1 }, 'invalid patch format of setElementOrder list'],
    [{}, [], 'invalid JSON document'],
  ] as Array<[Record<string, unknown>, unknown, string]>) {
    assert.throws(() => applyStrategicMergePatch(original, patch, type), (error) => error instanceof StatusError && error.message === message, JSON.stringify(patch))
  }
})

test('keys that name the prototype are data', () => {
  const result = applyStrategicMergePatch({}, JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'), type)
  assert.equal(JSON.stringify(result), '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}')
  assert.equal(({} as Record<string, unknown>).polluted, undefined)
})
