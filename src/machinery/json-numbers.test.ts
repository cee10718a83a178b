import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseJson, parseJsonAsWritten } from './json-numbers.ts'

test('lone halves of surrogate pairs are replaced, pairs and everything else stay', () => {
  assert.deepEqual(parseJson('{"a\\ud800":["\\udfff","\\ud83d\\ude00"],"n":null}'), { 'a\ufffd': ['\ufffd', '\u{1f600}'], n: null })
  assert.deepEqual(parseJson('{"__proto__":"\\ud800"}'), JSON.parse('{"__proto__":"\ufffd"}'))
  assert.throws(() => parseJson('{"\\ud800"'), SyntaxError)
})

test('whole numbers of 64 bits keep their digits, there and back; larger ones are doubles', () => {
  const text = '{"a":9007199254740993,"b":[-9223372036854775808,9223372036854775807],"c":9007199254740991}'
  assert.deepEqual(parseJson(text), { a: 9007199254740993n, b: [-9223372036854775808n, 9223372036854775807n], c: 9007199254740991 })
  assert.equal(JSON.stringify(parseJson(text)), text)
  assert.deepEqual(parseJson('[9223372036854775808, 18446744073709551615,1e3,1.0]'), [2 ** 63, 2 ** 64, 1000, 1])
  assert.equal(parseJson('9007199254740993'), 9007199254740993n)
  // Digits in texts are text.
  assert.deepEqual(parseJson('{"a":"x\\":9007199254740993","b":"9007199254740993"}'), { a: 'x":9007199254740993', b: '9007199254740993' })
})

test('numbers with a fraction or an exponent tell how they were written', () => {
  const { a, b, c, d } = parseJsonAsWritten('{"a":1.0,"b":[1e3],"c":9007199254740993,"d":12}') as { a: symbol; b: symbol[]; c: bigint; d: number }
  assert.deepEqual([a.description, b[0]!.description, c, d], ['1.0', '1e3', 9007199254740993n, 12])
})
