import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CborError, decodeCbor, encodeCbor } from './cbor.ts'

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(' ', ''), 'hex')

test('objects begin with the self-described tag, have byte strings for text and keys in bytewise order', () => {
  assert.equal(Buffer.from(encodeCbor({ kind: 'A', b: [1, -1, 1.5, true, null, 'é'], gone: undefined })).toString('hex'), 'd9d9f7 a2 4162 86 01 20 f93e00 f5 f6 42c3a9 446b696e64 4141'.replaceAll(' ', ''))
})

test('what was written is read back the same', () => {
  const value = { apiVersion: 'v1', metadata: { name: 'x', labels: {}, finalizers: [] }, big: 2 ** 53 - 1, low: -(2 ** 40), share: 0.1, __proto__x: 'y', text: '日本\u{1F600}' }
  assert.deepEqual(decodeCbor(encodeCbor(value)), value)
})

test('text strings, indefinite lengths and tags of others are read', () => {
  assert.deepEqual(decodeCbor(hex('bf 61 61 9f 01 02 ff 61 62 bf ff ff')), { a: [1, 2], b: {} })
  assert.equal(decodeCbor(hex('d6 43 010203')), 'AQID', 'bytes that expect base64 become it')
  assert.equal(decodeCbor(hex('d7 43 010203')), '010203')
  assert.equal(decodeCbor(hex('c1 1a 514b67b0')), '2013-03-21T20:04:00Z')
  assert.equal(decodeCbor(hex('c0 54 323031332d30332d32315432303a30343a30305a')), '2013-03-21T20:04:00Z')
})

test('a key named __proto__ is a key like any other', () => {
  const value = decodeCbor(hex('a1 69 5f5f70726f746f5f5f a1 61 61 01')) as Record<string, unknown>
  assert.deepEqual(Object.keys(value), ['__proto__'])
  assert.equal(Object.getPrototypeOf(value), Object.prototype)
})

const refused: ReadonlyArray<readonly [string, string]> = [
  ['nothing', ''],
  ['half an array', '82 01'],
  ['something behind the item', '01 02'],
  ['a key twice', 'a2 61 61 01 61 61 02'],
  ['the same key as text and as bytes', 'a2 61 61 01 41 61 02'],
  ['a key that is no text', 'a1 01 02'],
  ['undefined', 'f7'],
  ['NaN', 'f9 7e00'],
  ['infinity', 'f9 7c00'],
  ['an integer of any length', 'c2 42 0100'],
  ['bytes that are no text', '42 ff ff'],
  ['an array of two thousand million items', '9a 80000000'],
]

for (const [name, bytes] of refused) test(`${name} is refused`, () => assert.throws(() => decodeCbor(hex(bytes)), CborError))

test('nesting and tags without end are refused, however long', () => {
  assert.throws(() => decodeCbor(Buffer.alloc(3_000_000, 0x81)), /exceeded max depth/)
  assert.throws(() => decodeCbor(Buffer.alloc(3_000_000, 0xd5)), /too many tags/)
  assert.throws(() => decodeCbor(Buffer.alloc(3_000_000, 0x9f)), /exceeded max depth/)
})
