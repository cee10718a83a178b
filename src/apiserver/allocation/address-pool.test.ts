import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressRange, placesOf, portRange } from './address-pool.ts'

test('every place is tried once, the lower band last', () => {
  const range = addressRange('10.96.0.0/24')
  const places = [...placesOf(range, () => 3)]
  assert.deepEqual([places.length, new Set(places).size, places[0], range.lowerBand], [254, 254, 19, 16])
  assert.deepEqual(places.slice(-16), Array.from({ length: 16 }, (_, place) => place))
})

test('neither the network nor the broadcast address is handed out', () => {
  const range = addressRange('10.96.0.0/29')
  assert.deepEqual([...placesOf(range, () => 0)].map((place) => range.address(place)).toSorted(), ['10.96.0.1', '10.96.0.2', '10.96.0.3', '10.96.0.4', '10.96.0.5', '10.96.0.6'])
  for (const ip of ['10.96.0.0', '10.96.0.7', '10.96.0.8', 'x']) assert.match(range.problem(ip) ?? '', /is not in the valid range/)
  assert.equal(range.problem('10.96.0.6'), undefined)
})

test('wide ranges are walked without being laid out', () => {
  const [first] = placesOf(addressRange('fd00::/64'), () => 0)
  assert.equal(addressRange('fd00::/64').address(first!), 'fd00::101')
  assert.equal(portRange().text, '30000-32767')
})
