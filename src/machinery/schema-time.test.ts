import assert from 'node:assert/strict'
import { test } from 'node:test'
import { base64ErrorAt, formatGoDuration, normalizeMicroTime, normalizeTime, parseGoDuration, parseTime } from './schema-time.ts'

test('times are normalised to UTC and whole seconds', () => {
  const cases: Array<[string, string | undefined]> = [
    ['2024-01-31T10:00:00Z', '2024-01-31T10:00:00Z'],
    ['2024-01-31T10:00:00+02:00', '2024-01-31T08:00:00Z'],
    ['2024-01-31T23:30:00-01:00', '2024-02-01T00:30:00Z'],
    ['2024-01-31T10:00:00.999Z', '2024-01-31T10:00:00Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00Z'],
    ['2024-02-30T00:00:00Z', undefined],
    ['2023-02-29T00:00:00Z', undefined],
    ['2024-13-01T00:00:00Z', undefined],
    ['2024-01-31 10:00:00Z', undefined],
    ['2024-01-31', undefined],
    ['', undefined],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00Z'],
  ]
  for (const [given, expected] of cases) assert.equal(normalizeTime(given), expected, given)
})

test('micro times keep microseconds', () => {
  assert.equal(normalizeMicroTime('2024-01-31T10:00:00.000000Z'), '2024-01-31T10:00:00.000000Z')
  assert.equal(normalizeMicroTime('2024-01-31T10:00:00.123456+01:00'), '2024-01-31T09:00:00.123456Z')
  // Go's layout asks for six digits, no more and no fewer.
  for (const text of ['2024-01-31T10:00:00Z', '2024-01-31T10:00:00.123Z', '2024-01-31T10:00:00.123456789Z']) assert.equal(normalizeMicroTime(text), undefined)
})

test('seconds and nanoseconds of a time', () => {
  assert.deepEqual(parseTime('1970-01-01T00:00:01.5Z'), { seconds: 1, nanos: 500_000_000 })
  assert.deepEqual(parseTime('1969-12-31T23:59:59Z'), { seconds: -1, nanos: 0 })
})

test('durations are read and written as Go does', () => {
  const cases: Array<[string, bigint | undefined, string]> = [
    ['1h', 3_600_000_000_000n, '1h0m0s'], ['1.5s', 1_500_000_000n, '1.5s'], ['300ms', 300_000_000n, '300ms'], ['-1m', -60_000_000_000n, '-1m0s'],
    ['0', 0n, '0s'], ['1h2m3.004s', 3_723_004_000_000n, '1h2m3.004s'], ['15us', 15_000n, '15µs'], ['7ns', 7n, '7ns'], ['.5s', 500_000_000n, '500ms'],
    ['5', undefined, ''], ['', undefined, ''], ['1d', undefined, ''], ['s', undefined, ''],
  ]
  for (const [text, nanos, written] of cases) {
    assert.equal(parseGoDuration(text), nanos, text)
    if (nanos !== undefined) assert.equal(formatGoDuration(nanos), written)
  }
})

test('base64 faults are found where Go finds them', () => {
  assert.equal(base64ErrorAt('aGVsbG8='), -1)
  assert.equal(base64ErrorAt(''), -1)
  assert.equal(base64ErrorAt('aGVs\nbG8='), -1)
  assert.equal(base64ErrorAt('a-b='), 1)
  assert.equal(base64ErrorAt('aGVsb'), 4)
})
