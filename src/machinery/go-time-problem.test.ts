import { test } from 'node:test'
import assert from 'node:assert/strict'
import { durationProblem, timeProblem } from './go-time-problem.ts'
import { parseGoDuration, parseTime } from './schema-time.ts'

test('times that are none are refused in Go\'s words', () => {
  const as = (text: string): string => `parsing time "${text}" as "2006-01-02T15:04:05Z07:00": `
  for (const [text, problem] of [
    ['x', `${as('x')}cannot parse "x" as "2006"`],
    ['', `${as('')}cannot parse "" as "2006"`],
    ['2024', `${as('2024')}cannot parse "" as "-"`],
    ['2024-1-01', `${as('2024-1-01')}cannot parse "1-01" as "01"`],
    ['2024-13-01T00:00:00Z', 'parsing time "2024-13-01T00:00:00Z": month out of range'],
    ['2024-02-30T00:00:00Z', 'parsing time "2024-02-30T00:00:00Z": day out of range'],
    ['2024-02-01 00:00:00Z', `${as('2024-02-01 00:00:00Z')}cannot parse " 00:00:00Z" as "T"`],
    ['2024-02-01T25:00:00Z', 'parsing time "2024-02-01T25:00:00Z": hour out of range'],
    ['2024-02-01T00:00:00', `${as('2024-02-01T00:00:00')}cannot parse "" as "Z07:00"`],
    ['2024-02-01T00:00:00.5+0100', `${as('2024-02-01T00:00:00.5+0100')}cannot parse "+0100" as "Z07:00"`],
    ['2024-02-01T00:00:00Zx', 'parsing time "2024-02-01T00:00:00Zx": extra text: "x"'],
  ] as const) {
    assert.equal(parseTime(text), undefined)
    assert.equal(timeProblem(text, ''), problem)
  }
  assert.equal(timeProblem('2024-02-01T00:00:00.12', '.000000'), 'parsing time "2024-02-01T00:00:00.12" as "2006-01-02T15:04:05.000000Z07:00": cannot parse ".12" as ".000000"')
})

test('durations that are none are refused in Go\'s words', () => {
  for (const [text, problem] of [
    ['', 'time: invalid duration ""'], ['x', 'time: invalid duration "x"'], ['5', 'time: missing unit in duration "5"'], ['5x', 'time: unknown unit "x" in duration "5x"'],
    ['1h5', 'time: missing unit in duration "1h5"'], ['1 h', 'time: unknown unit " h" in duration "1 h"'], ['-', 'time: invalid duration "-"'],
  ] as const) {
    assert.equal(parseGoDuration(text), undefined)
    assert.equal(durationProblem(text), problem)
  }
})
