import assert from 'node:assert/strict'
import { test } from 'node:test'
import { humanDuration } from './human-duration.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

test('ages read as kubectl shows them', () => {
  const cases: Array<[number, string]> = [
    [-2 * second, '<invalid>'], [-1 * second, '0s'], [0, '0s'], [999, '0s'], [second, '1s'], [119 * second, '119s'], [2 * minute, '2m'], [2 * minute + second, '2m1s'],
    [10 * minute - second, '9m59s'], [10 * minute, '10m'], [10 * minute + second, '10m'], [3 * hour - minute, '179m'], [3 * hour, '3h'], [3 * hour + minute, '3h1m'],
    [8 * hour - minute, '7h59m'], [8 * hour, '8h'], [8 * hour + 59 * minute, '8h'], [2 * day - hour, '47h'], [2 * day, '2d'], [2 * day + hour, '2d1h'],
    [8 * day - hour, '7d23h'], [8 * day, '8d'], [8 * day + hour, '8d'], [2 * 365 * day - hour, '729d'], [2 * 365 * day, '2y'], [2 * 365 * day + hour, '2y'],
    [2 * 365 * day + 2 * day, '2y2d'], [8 * 365 * day - hour, '7y364d'], [8 * 365 * day + 364 * day, '8y'],
  ]
  for (const [ms, expected] of cases) assert.equal(humanDuration(ms), expected, String(ms))
})
