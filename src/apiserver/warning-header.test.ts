import assert from 'node:assert/strict'
import { test } from 'node:test'
import { warningHeaders } from './warning-header.ts'

test('a warning is quoted, once, as UTF-8; one with control characters is left out', () => {
  assert.deepEqual(warningHeaders(['a "b" \\', 'a "b" \\', 'x\ny', '', 'ü']), ['299 - "a \\"b\\" \\\\"', `299 - "${Buffer.from('ü').toString('latin1')}"`])
})

test('too many warnings are cut short, each, and end at the bound', () => {
  const long = Array.from({ length: 40 }, (_, i) => `${i} ${'x'.repeat(400)}`)
  const headers = warningHeaders(long)
  assert.equal(headers.length, 16)
  for (const header of headers) assert.equal(header.length, '299 - ""'.length + 256)
  assert.equal(warningHeaders(long.slice(0, 10)).every((header) => header.length > 400), true)
})
