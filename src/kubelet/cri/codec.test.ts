import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codecFor } from './codec.ts'
import { criCodec } from './messages.ts'

const codec = codecFor(
  { Inner: { n: '1 int64' }, Outer: { text: '1 string', flag: '2 bool', inner: '3 Inner', list: '4 Inner[]', names: '5 string[]', labels: '6 map', big: '7 uint64', kind: '8 Kind', numbers: '9 int64[]', raw: '10 bytes' } } as const,
  { Kind: ['A', 'B'] } as const,
)
const roundTrip = (value: Parameters<typeof codec.encode<'Outer'>>[1]): unknown => codec.decode('Outer', codec.encode('Outer', value))
const zero = { text: '', flag: false, list: [], names: [], labels: {}, big: 0, kind: 'A', numbers: [], raw: new Uint8Array(0) }

test('what was left out comes back as zero, messages as absent', () => {
  assert.deepEqual(codec.encode('Outer', {}), Buffer.alloc(0))
  assert.deepEqual(roundTrip({}), zero)
})

test('every type of field comes back as it was', () => {
  const value = { text: 'añb', flag: true, inner: { n: -3 }, list: [{ n: 1 }, { n: 0 }], names: ['', 'x'], labels: { a: '1', b: '' }, big: 2 ** 53 - 1, kind: 'B' as const, numbers: [0, -1, 1.8e18], raw: Buffer.from([0, 255]) }
  const back = roundTrip(value) as typeof value
  assert.deepEqual({ ...back, raw: Buffer.from(back.raw) }, value)
})

test('bytes are those of protobuf', () => {
  assert.equal(codec.encode('Outer', { text: 'hi', flag: true, inner: { n: 300 }, labels: { k: 'v' } }).toString('hex'), '0a02686910011a0308ac0232060a016b120176')
  assert.equal(codec.encode('Outer', { inner: { n: -1 } }).toString('hex'), '1a0b08ffffffffffffffffff01')
  assert.deepEqual(codec.decode('Outer', Buffer.from('4a03010203', 'hex')).numbers, [1, 2, 3], 'packed numbers are read')
})

test('unknown fields are skipped and cut messages refused', () => {
  assert.equal(codec.decode('Outer', Buffer.from('a20601610a0178a8060b', 'hex')).text, 'x')
  assert.throws(() => codec.decode('Outer', Buffer.from('0a05', 'hex')), RangeError)
  assert.throws(() => codec.decode('Inner', Buffer.from('0880', 'hex')), RangeError)
})

test('a name that an enum does not have is refused', () => {
  assert.throws(() => codec.encode('Outer', { kind: 'C' as never }), /Kind has no value C/)
})

test('CRI messages carry their numbers', () => {
  const bytes = criCodec.encode('RunPodSandboxRequest', { config: { metadata: { name: 'p', attempt: 2 }, linux: { cgroupParent: '/x' } } })
  assert.equal(bytes.toString('hex'), '0a0d0a050a0170200242040a022f78')
})
