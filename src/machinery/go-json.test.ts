import assert from 'node:assert/strict'
import { test } from 'node:test'
import { goJson } from './field-error.ts'
import { goQuoted } from './go-json.ts'
import { goJsonObjectProblem } from './json-syntax.ts'

// What Go 1.25 prints for each.
for (const [text, problem] of [
  ['', 'unexpected end of JSON input'], ['{}', undefined], [' null ', undefined], ['{"a":1', 'unexpected end of JSON input'], ['{"auths":{}}', undefined],
  ['"x"', 'json: cannot unmarshal string into Go value of type map[string]interface {}'], ['[1]', 'json: cannot unmarshal array into Go value of type map[string]interface {}'],
  ['true', 'json: cannot unmarshal bool into Go value of type map[string]interface {}'], ['12', 'json: cannot unmarshal number into Go value of type map[string]interface {}'],
  ['fmt', "invalid character 'm' in literal false (expecting 'a')"], ['nope', "invalid character 'o' in literal null (expecting 'u')"], ['xyz', "invalid character 'x' looking for beginning of value"],
  ['{a:1}', "invalid character 'a' looking for beginning of object key string"], ['{"a" 1}', "invalid character '1' after object key"], ['{"a":1 "b"}', "invalid character '\"' after object key:value pair"],
  ['[1 2]', "invalid character '2' after array element"], ['{} x', "invalid character 'x' after top-level value"], ['{"a":"\n"}', "invalid character '\\n' in string literal"],
  ['{"a":"\\q"}', "invalid character 'q' in string escape code"], ['{"a":01}', "invalid character '1' after object key:value pair"], ['-x', "invalid character 'x' in numeric literal"],
] as const) {
  test(`JSON ${JSON.stringify(text)}`, () => assert.equal(goJsonObjectProblem(text), problem))
}

test('text and values are written as Go writes them', () => {
  assert.deepEqual(['a"b\\', 'é\u00a0\u200b', '\u0007\u001b'].map(goQuoted), ['"a\\"b\\\\"', '"é\\u00a0\\u200b"', '"\\a\\x1b"'])
  assert.equal(goJson({ a: '<b&c>' }), '{"a":"\\u003cb\\u0026c\\u003e"}')
})
