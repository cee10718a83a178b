import { test } from 'node:test'
import assert from 'node:assert/strict'
import { StatusError } from '../machinery/status.ts'
import { readYaml, yamlText } from './yaml.ts'

const refusals: Array<[text: string, problem: string]> = [
  ['a: b: c', 'mapping values are not allowed in this context'],
  ['a: b\n c: d\n', 'line 2: mapping values are not allowed in this context'],
  ['kind: ConfigMap\n  x: y', 'line 2: mapping values are not allowed in this context'],
  ['a: b\nc\n', "line 2: could not find expected ':'"],
  ['\tx: y', 'found character that cannot start any token'],
  ['a: @x', 'found character that cannot start any token'],
  ['a: [1, 2', "line 1: did not find expected ',' or ']'"],
  ['a: {b', "line 1: did not find expected ',' or '}'"],
  ['a: {b: 1,\n c: 2\n', "line 2: did not find expected ',' or '}'"],
  ['{"a":', 'line 1: did not find expected node content'],
  ['[a, b}', "did not find expected ',' or ']'"],
  ['a: "\0"', 'control characters are not allowed'],
  ['a: "x', 'found unexpected end of stream'],
  ['a: "\\q"', 'found unknown escape character'],
  ['a: *x', "unknown anchor 'x' referenced"],
  ['spec:\n  a: 1\n b: 2\n', 'line 2: did not find expected key'],
]

for (const [text, problem] of refusals) {
  test(`YAML ${JSON.stringify(text)}: ${problem}`, () => {
    assert.throws(() => readYaml(text), (error) => {
      assert.ok(error instanceof StatusError)
      assert.deepEqual([error.code, error.message], [400, `error converting YAML to JSON: yaml: ${problem}`])
      return true
    })
  })
}

test('a document in brackets ends with them, whatever follows', () => {
  for (const text of ['{"a":1}', '{"a":1} {}', '{"a":1}}', '{"a":1}\nfoo: bar']) assert.deepEqual(readYaml(text).value, { a: 1 }, text)
})

test('lists and maps that are too deep are refused at once, brackets and dashes in texts are none', () => {
  for (const text of ['['.repeat(1_000_000), '{a: '.repeat(500_000), '- '.repeat(1_000_000), '? '.repeat(1_000_000), `a: ${'['.repeat(1200)}${']'.repeat(1200)}`]) {
    assert.throws(() => readYaml(text), /error converting YAML to JSON: yaml: exceeded max depth of 10000$/)
  }
  const log = '\u001b[31m'.repeat(2000).replaceAll('\u001b', '\\e')
  assert.deepEqual(readYaml(`a: |\n  ${'[31m '.repeat(2000)}\n  ${'- '.repeat(2000)}x\nb: "${log}"`).value, { a: `${'[31m '.repeat(2000)}\n${'- '.repeat(2000)}x\n`, b: '\u001b[31m'.repeat(2000) })
})

test('YAML is written as sigs.k8s.io/yaml writes it: keys in their order, items below the key of their list', () => {
  assert.equal(yamlText({ kind: 'A', apiVersion: 'v1', items: [{ z: 1, a: ['x'] }], labels: { b: 'true' } }), 'apiVersion: v1\nitems:\n- a:\n  - x\n  z: 1\nkind: A\nlabels:\n  b: "true"\n')
})
