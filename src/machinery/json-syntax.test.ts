import { test } from 'node:test'
import assert from 'node:assert/strict'
import { jsonSyntaxProblem, withNumbersAsWritten } from './json-syntax.ts'

const cases: Array<[text: string, problem: string | undefined]> = [
  ['xyz', "invalid character 'x' looking for beginning of value"],
  ['', 'unexpected end of JSON input'],
  ['  ', 'unexpected end of JSON input'],
  ['{', 'unexpected end of JSON input'],
  ['{"a"', 'unexpected end of JSON input'],
  ['{"a":"b', 'unexpected end of JSON input'],
  ['-', 'unexpected end of JSON input'],
  ['tru', 'unexpected end of JSON input'],
  ['{"a":}', "invalid character '}' looking for beginning of value"],
  ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
  ["{'a':1}", "invalid character '\\'' looking for beginning of object key string"],
  ['{a:1}', "invalid character 'a' looking for beginning of object key string"],
  ['{"a" 1}', "invalid character '1' after object key"],
  ['{"a":1 "b":2}', "invalid character '\"' after object key:value pair"],
  ['[1 2]', "invalid character '2' after array element"],
  ['[1,]', "invalid character ']' looking for beginning of value"],
  ['{} x', "invalid character 'x' after top-level value"],
  ['01', "invalid character '1' after top-level value"],
  ['{"a":"\\q"}', "invalid character 'q' in string escape code"],
  ['"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"],
  ['"a\nb"', "invalid character '\\n' in string literal"],
  ['"\x01"', "invalid character '\\x01' in string literal"],
  ['{"a":tru}', "invalid character '}' in literal true (expecting 'e')"],
  ['nil', "invalid character 'i' in literal null (expecting 'u')"],
  ['fallse', "invalid character 'l' in literal false (expecting 's')"],
  ['[-]', "invalid character ']' in numeric literal"],
  ['[1.]', "invalid character ']' after decimal point in numeric literal"],
  ['[1e]', "invalid character ']' in exponent of numeric literal"],
  ['é', "invalid character 'Ã' looking for beginning of value"],
  ['{"a":[1,{"b":null,"c":"x\\u00e9\\n"},-0.5e+10,true,false,[],{}]}', undefined],
]

for (const [text, problem] of cases) {
  test(`JSON ${JSON.stringify(text)}: ${problem ?? 'is fine'}`, () => {
    assert.equal(jsonSyntaxProblem(text), problem)
    if (problem === undefined) assert.doesNotThrow(() => JSON.parse(text))
    else assert.throws(() => JSON.parse(text))
  })
}

test('nesting beyond what Go reads is refused, without running out of stack', () => {
  assert.equal(jsonSyntaxProblem('['.repeat(10_001)), "invalid character '[' exceeded max depth")
})

test('a number that does not fit is named as it was written', () => {
  const text = '{"a":"99","b":99999999999999999999}'
  assert.equal(withNumbersAsWritten('json: cannot unmarshal number 100000000000000000000 into Go struct field X.b of type int64', text), 'json: cannot unmarshal number 99999999999999999999 into Go struct field X.b of type int64')
  assert.equal(withNumbersAsWritten('json: cannot unmarshal number 1.5 into Go struct field X.b of type int64', '{"b":1.5}'), 'json: cannot unmarshal number 1.5 into Go struct field X.b of type int64')
})
