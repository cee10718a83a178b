import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCron } from './cron.ts'

test('schedules parse into the times they name', () => {
  assert.deepEqual(parseCron('*/15 0-2 1,15 jan,MAR mon-fri'), {
    minutes: [0, 15, 30, 45], hours: [0, 1, 2], daysOfMonth: [1, 15], months: [1, 3], daysOfWeek: [1, 2, 3, 4, 5], anyDayOfMonth: false, anyDayOfWeek: false,
  })
  assert.deepEqual(parseCron('@hourly').minutes, [0])
  assert.equal(parseCron('@every 1h30m').everyMs, 5_400_000)
  assert.deepEqual(parseCron('5/20 * ? * 0').minutes, [5, 25, 45])
})

test('schedules that are none are named', () => {
  for (const [text, message] of [
    ['', /empty spec string/], ['* * * *', /expected exactly 5 fields, found 4/], ['60 * * * *', /end of range \(60\) above maximum \(59\): 60/], ['* * 0 * *', /beginning of range \(0\) below minimum \(1\): 0/],
    ['5-1 * * * *', /beginning of range \(5\) beyond end of range \(1\)/], ['*/0 * * * *', /step of range should be a positive number/], ['x * * * *', /failed to parse int from x/], ['@often', /unrecognized descriptor: @often/],
    ['1-2-3 * * * *', /too many hyphens/], ['1/2/3 * * * *', /too many slashes/],
  ] as const) assert.throws(() => parseCron(text), message, text)
})
