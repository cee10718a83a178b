import assert from 'node:assert/strict'
import { test } from 'node:test'
import { repackSubsets } from './endpoint-subsets.ts'

const ports = (...numbers: number[]): Array<{ name: string; port: number; protocol: string }> => numbers.map((port) => ({ name: `p${port}`, port, protocol: 'TCP' }))
const numbersOf = (subsets: ReturnType<typeof repackSubsets>): unknown[] => subsets.map(({ addresses = [], notReadyAddresses = [], ports: all = [] }) => [addresses.map(({ ip }) => ip), notReadyAddresses.map(({ ip }) => ip), all.map(({ port }) => port).sort((a, b) => a - b)])

test('a set of addresses stands once, with all its ports', () => {
  assert.deepEqual(numbersOf(repackSubsets([{ addresses: [{ ip: 'b' }, { ip: 'a' }], ports: ports(80) }, { addresses: [{ ip: 'a' }, { ip: 'b' }], ports: ports(443) }])), [[['a', 'b'], [], [80, 443]]])
})

test('who is not ready somewhere is not ready, and who offers other ports stands apart', () => {
  const packed = repackSubsets([{ addresses: [{ ip: 'a' }], notReadyAddresses: [{ ip: 'a' }], ports: ports(80) }, { addresses: [{ ip: 'b' }], ports: ports(80, 81) }])
  assert.deepEqual(numbersOf(packed).sort(), [[['b'], ['a'], [80]], [['b'], [], [81]]].sort())
})

test('addresses without ports are kept, and packing again changes nothing', () => {
  const packed = repackSubsets([{ addresses: [{ ip: 'a' }] }, { addresses: [{ ip: 'c' }], ports: ports(1, 2, 3, 4) }, { addresses: [{ ip: 'a' }] }])
  assert.equal(packed.length, 2)
  assert.deepEqual(repackSubsets(packed), packed)
})
