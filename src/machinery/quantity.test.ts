import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addQuantities, canonicalQuantity, compareQuantities, isQuantity, milliValue, parseQuantity, quantityText, quantityValue, roundedUpToMilli, subtractQuantities } from './quantity.ts'

test('quantities have one canonical text', () => {
  for (const [text, expected] of [
    ['0', '0'], ['0m', '0'], ['00', '0'], ['1', '1'], ['1000m', '1'], ['1024Ki', '1Mi'], ['1024', '1024'], ['1Gi', '1Gi'], ['1.5Gi', '1536Mi'], ['0.5', '500m'],
    ['100m', '100m'], ['1500m', '1500m'], ['1000', '1k'], ['1k', '1k'], ['1000k', '1M'], ['1e3', '1e3'], ['12e6', '12e6'], ['1E3', '1e3'], ['1e-3', '1e-3'], ['120e5', '12e6'],
    ['.5', '500m'], ['5.', '5'], ['+5', '5'], ['-5', '-5'], ['-1.5Ki', '-1536'], ['0.5Ki', '512'], ['1.7Ki', '1740800m'], ['0.1n', '1n'], ['1.0000000001', '1000000001n'],
    ['100E', '100E'], ['9223372036854775807', '9223372036854775807'], ['16Ei', '9223372036854775807'], ['128974848', '128974848'], ['1025Ki', '1025Ki'], ['10E', '10E'], ['1000E', '1000E'], ['001', '1'],
    ['0.000001Ki', '1024u'], ['010Mi', '10Mi'],
  ] as const) {
    assert.equal(canonicalQuantity(text), expected, text)
    assert.equal(canonicalQuantity(expected), expected, `${expected} again`)
  }
  assert.equal(canonicalQuantity(2), '2')
  assert.equal(canonicalQuantity(0.1), '100m')
})

test('texts that are no quantity are refused', () => {
  const form = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
  for (const [text, message] of [['', form], ['abc', form], ['1.2.3', form], ['1 Gi', form], ['1Gib', form], ['1ki', "unable to parse quantity's suffix"], ['1mm', "unable to parse quantity's suffix"], ['1e999999999', "unable to parse quantity's suffix"]] as const) {
    assert.throws(() => parseQuantity(text), { message }, text)
    assert.equal(isQuantity(text), false)
  }
  assert.equal(isQuantity(5), false)
})

test('values round up', () => {
  for (const [text, value, milli] of [['100m', 1, 100], ['1', 1, 1000], ['1.5', 2, 1500], ['1Ki', 1024, 1024000], ['1n', 1, 1], ['2Gi', 2147483648, 2147483648000], ['-1500m', -2, -1500], ['1e3', 1000, 1000000], ['999999999Mi', 999999999 * 1048576, 999999999 * 1048576000]] as const) {
    assert.equal(quantityValue(text), value, text)
    assert.equal(milliValue(text), milli, text)
  }
  assert.equal(roundedUpToMilli('0.0001'), '1m')
  assert.equal(roundedUpToMilli('1.5Gi'), '1536Mi')
})

test('sums, differences and comparison are exact', () => {
  assert.equal(quantityText(addQuantities(parseQuantity('100m'), parseQuantity('1'))), '1100m')
  assert.equal(quantityText(addQuantities(parseQuantity('0'), parseQuantity('1Ki'))), '1Ki')
  assert.equal(quantityText(subtractQuantities(parseQuantity('1Gi'), parseQuantity('1Mi'))), '1023Mi')
  assert.equal(compareQuantities(parseQuantity('1024Ki'), parseQuantity('1Mi')), 0)
  assert.equal(compareQuantities(parseQuantity('1'), parseQuantity('999m')), 1)
  assert.equal(compareQuantities(parseQuantity('1e18'), parseQuantity('1000000000000000001')), -1)
})

test('whatever text comes, it is refused with a message or has a stable canonical text', () => {
  let seed = 3
  const next = (n: number): number => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % n
  const parts = ['1', '0', '9', '.', '-', '+', 'e', 'E', 'Ki', 'm', 'n', 'u', 'Ei', 'i', '55555', ' ']
  for (let i = 0; i < 20_000; i++) {
    const text = Array.from({ length: 1 + next(7) }, () => parts[next(parts.length)]).join('')
    if (!isQuantity(text)) continue
    const canonical = canonicalQuantity(text)
    assert.equal(canonicalQuantity(canonical), canonical, text)
  }
})
