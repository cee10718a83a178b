import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyJsonPatch } from './json-patch.ts'
import { applyMergePatch, createMergePatch } from './merge-patch.ts'
import { deepFreeze } from './object.ts'
import { StatusError } from './status.ts'

const parse = (text: string): Record<string, unknown> => deepFreeze(JSON.parse(text) as Record<string, unknown>)

test('merge patches follow the examples of RFC 7386', () => {
  for (const [target, patch, expected] of [
    ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'], ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'], ['{"a":"b"}', '{"a":null}', '{}'], ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
    ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'], ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'], ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
    ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'], ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'], ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
    ['{}', '{"__proto__":{"x":1}}', '{"__proto__":{"x":1}}'],
  ] as const) assert.equal(JSON.stringify(applyMergePatch(parse(target), parse(patch))), expected)
  assert.equal(({} as Record<string, unknown>).x, undefined)
  assert.throws(() => applyMergePatch({}, []), (error) => error instanceof StatusError && error.code === 400)
})

test('a made merge patch turns one object into the other', () => {
  const from = parse('{"a":1,"b":{"c":1,"d":2},"e":[1]}')
  const to = parse('{"b":{"c":1,"d":3},"e":[1,2],"f":"x"}')
  const patch = createMergePatch(from, to)
  assert.deepEqual(patch, { b: { d: 3 }, e: [1, 2], f: 'x', a: null })
  assert.deepEqual(applyMergePatch(from, patch), to)
  assert.equal(createMergePatch(from, from), undefined)
})

test('JSON patches change a copy', () => {
  const document = parse('{"a":{"b":[1,2,3]},"x/y":1,"m~n":2}')
  for (const [patch, expected] of [
    [[{ op: 'add', path: '/a/c', value: 4 }], '{"a":{"b":[1,2,3],"c":4},"x/y":1,"m~n":2}'],
    [[{ op: 'add', path: '/a/b/1', value: 9 }], '{"a":{"b":[1,9,2,3]},"x/y":1,"m~n":2}'],
    [[{ op: 'add', path: '/a/b/-', value: 9 }], '{"a":{"b":[1,2,3,9]},"x/y":1,"m~n":2}'],
    [[{ op: 'remove', path: '/a/b/0' }], '{"a":{"b":[2,3]},"x/y":1,"m~n":2}'],
    [[{ op: 'replace', path: '/x~1y', value: 2 }], '{"a":{"b":[1,2,3]},"x/y":2,"m~n":2}'],
    [[{ op: 'move', from: '/m~0n', path: '/a/b' }], '{"a":{"b":2},"x/y":1}'],
    [[{ op: 'copy', from: '/a/b', path: '/c' }, { op: 'remove', path: '/c/0' }], '{"a":{"b":[1,2,3]},"x/y":1,"m~n":2,"c":[2,3]}'],
    [[{ op: 'test', path: '/a', value: { b: [1, 2, 3] } }], '{"a":{"b":[1,2,3]},"x/y":1,"m~n":2}'],
    [[{ op: 'test', path: '/none', value: null }], '{"a":{"b":[1,2,3]},"x/y":1,"m~n":2}'],
  ] as const) assert.equal(JSON.stringify(applyJsonPatch(document, patch)), expected)
})

test('JSON patches take what upstream takes: replacing what is not there, no value, positions from the end', () => {
  for (const [patch, expected] of [
    [[{ op: 'replace', path: '/none', value: 1 }], '{"a":1,"l":[1,2],"none":1}'],
    [[{ op: 'add', path: '/none' }], '{"a":1,"l":[1,2],"none":null}'],
    [[{ op: 'add', path: '/l/-1', value: 3 }], '{"a":1,"l":[1,2,3]}'],
    [[{ op: 'remove', path: '/l/-2' }], '{"a":1,"l":[2]}'],
    [[{ op: 'copy', from: '/none', path: '/b' }], '{"a":1,"l":[1,2],"b":null}'],
    [[{ op: 'replace', path: '', value: { b: 1 } }], '{"b":1}'],
    [null, '{"a":1,"l":[1,2]}'],
  ] as const) assert.equal(JSON.stringify(applyJsonPatch(parse('{"a":1,"l":[1,2]}'), patch)), expected)
})

test('JSON patches that are none, or do not fit, are refused in the words of upstream', () => {
  for (const [patch, code, text] of [
    [{}, 400, 'error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp'],
    [[1], 400, 'error decoding patch: json: cannot unmarshal number into Go value of type handlers.jsonPatchOp'],
    [[{ op: 1 }], 400, 'error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.op of type string'],
    [[{ op: 'test', path: '/a', value: 2 }], 422, 'testing value /a failed: test failed'],
    [[{ op: 'test', path: '/a/b/c', value: 2 }], 422, 'test operation does not apply: is missing path: /a/b/c: missing value'],
    [[{ op: 'test', path: '/l/7', value: 2 }], 422, "error in test for path: '/l/7': Unable to access invalid index: 7: invalid index referenced"],
    [[{ op: 'remove', path: '/zz' }], 422, "error in remove for path: '/zz': Unable to remove nonexistent key: zz: missing value"],
    [[{ op: 'remove', path: '/zz/y' }], 422, 'remove operation does not apply: doc is missing path: "/zz/y": missing value'],
    [[{ op: 'replace', path: '/l/3', value: 1 }], 422, 'replace operation does not apply: doc is missing key: /l/3: missing value'],
    [[{ op: 'replace', path: '/zz/y', value: 1 }], 422, 'replace operation does not apply: doc is missing path: /zz/y: missing value'],
    [[{ op: 'add', path: '/zz/y', value: 1 }], 422, 'add operation does not apply: doc is missing path: "/zz/y": missing value'],
    [[{ op: 'add', path: '', value: 1 }], 422, 'add operation does not apply: doc is missing path: "": missing value'],
    [[{ op: 'add', value: 1 }], 422, 'add operation failed to decode path: missing value'],
    [[{ op: 'add', path: '/l/5', value: 1 }], 422, "error in add for path: '/l/5': Unable to access invalid index: 5: invalid index referenced"],
    [[{ op: 'add', path: '/l/x', value: 1 }], 422, `error in add for path: '/l/x': value was not a proper array index: 'x': strconv.Atoi: parsing "x": invalid syntax`],
    [[{ op: 'jump', path: '/a' }], 422, 'Unexpected kind: jump'], [[{}], 422, 'Unexpected kind: unknown'],
    [[{ op: 'move', path: '/a' }], 422, 'move operation failed to decode from: operation, missing from field: missing value'],
    [[{ op: 'move', from: '/zz', path: '/a' }], 422, "error in move for path: 'zz': Unable to remove nonexistent key: zz: missing value"],
    [[{ op: 'move', from: '/o', path: '/o/x' }], 422, 'move operation does not apply: doc is missing destination path: /o/x: missing value'],
    [[{ op: 'copy', from: '/zz/y', path: '/a' }], 422, 'copy operation does not apply: doc is missing from path: /zz/y: missing value'],
    [Array.from({ length: 10_001 }, () => ({ op: 'test', path: '', value: 1 })), 413, 'Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001'],
  ] as Array<[unknown, number, string]>) {
    assert.throws(() => applyJsonPatch({ a: 1, l: [1], o: {} }, patch), (error) => {
      assert.ok(error instanceof StatusError)
      assert.deepEqual([error.code, (error.cause as Error | undefined)?.message ?? error.message], [code, text], JSON.stringify(patch).slice(0, 80))
      return true
    })
  }
})

test('a patch that doubles a value again and again is stopped', () => {
  const patch = Array.from({ length: 40 }, (_, i) => ({ op: 'copy', from: '/a', path: `/a/k${i}` }))
  assert.throws(() => applyJsonPatch({ a: { x: 'x'.repeat(1000) } }, patch), (error) => error instanceof StatusError && error.code === 422)
})

test('keys that name the prototype are data', () => {
  const result = applyJsonPatch({}, [{ op: 'add', path: '/__proto__', value: { polluted: true } }])
  assert.equal(JSON.stringify(result), '{"__proto__":{"polluted":true}}')
  assert.equal(({} as Record<string, unknown>).polluted, undefined)
})
