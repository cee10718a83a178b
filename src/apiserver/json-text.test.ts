import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseJsonText } from './json-text.ts'

test('lone halves of surrogate pairs are replaced, pairs and everything else stay', () => {
  assert.deepEqual(parseJsonText('{"a\\ud800":["\\udfff","\\ud83d\\ude00"],"n":null}'), { 'a\ufffd': ['\ufffd', '\u{1f600}'], n: null })
  assert.deepEqual(parseJsonText('{"__proto__":"\\ud800"}'), JSON.parse('{"__proto__":"\ufffd"}'))
  assert.throws(() => parseJsonText('{"\\ud800"'), SyntaxError)
})
