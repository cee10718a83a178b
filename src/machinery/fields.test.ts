import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exactFieldMatch, fieldSelectorText, matchesFields, parseFieldSelector } from './fields.ts'

test('field selectors parse, print and match', () => {
  const values: Record<string, string> = { 'status.phase': 'Running', 'metadata.name': 'a,b' }
  for (const [text, printed, matches] of [
    ['', '', true], ['status.phase=Running', 'status.phase=Running', true], ['status.phase==Failed', 'status.phase=Failed', false],
    ['status.phase!=Failed', 'status.phase!=Failed', true], ['metadata.name=a\\,b', 'metadata.name=a\\,b', true],
    ['status.phase=Running,metadata.name=x', 'metadata.name=x,status.phase=Running', false], ['spec.nodeName=', 'spec.nodeName=', true], [',', '', true],
  ] as const) {
    const selector = parseFieldSelector(text)
    assert.equal(fieldSelectorText(selector), printed, text)
    assert.equal(matchesFields(selector, (field) => values[field] ?? ''), matches, text)
  }
  assert.equal(exactFieldMatch(parseFieldSelector('a=1,b!=2'), 'a'), '1')
  assert.equal(exactFieldMatch(parseFieldSelector('a=1,b!=2'), 'b'), undefined)
})

test('broken field selectors are named', () => {
  for (const [text, message] of [
    ['a', "invalid selector: 'a'; can't understand 'a'"],
    ['a=b\\x', 'invalid field selector: invalid escape sequence: \\x'],
    ['a=b=c', 'invalid field selector: unescaped character in value: 61'],
    ['a=b\\', 'invalid field selector: invalid escape sequence: \\'],
  ] as const) assert.throws(() => parseFieldSelector(text), { message }, text)
})
