import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressAt, cidrHas, cidrsOverlap, formatCidr, formatIp, parseCidr, parseIp } from './cidr.ts'

const canonical: [string, string | undefined][] = [
  ['10.0.0.1', '10.0.0.1'], ['255.255.255.255', '255.255.255.255'], ['010.0.0.1', undefined], ['10.0.0', undefined], ['10.0.0.256', undefined],
  ['::', '::'], ['::1', '::1'], ['2001:DB8::0:1', '2001:db8::1'], ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'], ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
  ['::ffff:10.1.2.3', '::ffff:a01:203'], ['fe80::1%eth0', undefined], ['1::2::3', undefined], ['12345::', undefined], ['', undefined], ['1:2:3:4:5:6:7:8:9', undefined],
]

for (const [text, expected] of canonical) {
  test(`the address ${JSON.stringify(text)} reads as ${expected ?? 'none'}`, () => {
    const address = parseIp(text)
    assert.equal(address === undefined ? undefined : formatIp(address), expected)
  })
}

test('a range clears its host bits and refuses what is no range', () => {
  assert.equal(formatCidr(parseCidr('10.244.3.7/16')!), '10.244.0.0/16')
  assert.equal(formatCidr(parseCidr('fd00:1::5/64')!), 'fd00:1::/64')
  for (const text of ['10.0.0.0', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/', 'x/8', '::/129']) assert.equal(parseCidr(text), undefined, text)
})

test('membership and overlap', () => {
  const pods = parseCidr('10.244.0.0/16')!
  assert.equal(cidrHas(pods, parseIp('10.244.255.255')!), true)
  assert.equal(cidrHas(pods, parseIp('10.245.0.0')!), false)
  assert.equal(cidrHas(pods, parseIp('::1')!), false)
  assert.equal(cidrsOverlap(pods, parseCidr('10.0.0.0/8')!), true)
  assert.equal(cidrsOverlap(parseCidr('10.0.0.0/8')!, pods), true)
  assert.equal(cidrsOverlap(pods, parseCidr('10.245.0.0/16')!), false)
  assert.equal(cidrsOverlap(pods, parseCidr('0.0.0.0/0')!), true)
  assert.equal(formatIp(addressAt(pods, 257)), '10.244.1.1')
})
