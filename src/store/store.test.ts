import assert from 'node:assert/strict'
import { test } from 'node:test'
import { byteForm } from './keys.ts'
import { prefixEnd } from './store.ts'

test('the end of a prefix is above every key that starts with it and below every key after those', () => {
  for (const [prefix, end] of [['/a/', '/a0'], ['a', 'b'], ['\0', '\u0001'], ['a\ud7ff', 'a\ue000'], ['a\uffff', 'a\u{10000}'], ['a\u{10ffff}', 'b'], ['\u{1f600}', '\u{1f601}'], ['', '\u{10ffff}']] as const) {
    assert.equal(prefixEnd(prefix), end)
    for (const suffix of ['', '\0', 'z', '\u{1f600}']) assert.ok(byteForm(prefix + suffix) < byteForm(end), JSON.stringify(prefix + suffix))
  }
})

test('the byte form orders keys as their UTF-8 bytes are ordered', () => {
  const keys = ['a', 'a\0', 'aa', 'ä', 'z', '\uffee', '\ue000', '\u{1f600}', '\u{10ffff}', '日本', '\x7f', '\x80']
  const byBytes = keys.toSorted((a, b) => Buffer.from(a).compare(Buffer.from(b)))
  assert.deepEqual(keys.toSorted((a, b) => (byteForm(a) < byteForm(b) ? -1 : 1)), byBytes)
})
