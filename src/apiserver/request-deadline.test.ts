import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testRuntime } from '../runtime/runtime.ts'
import { RequestDeadlines, requestTimeoutMs } from './request-deadline.ts'

test('a timeout is a duration of less than a minute', () => {
  for (const [text, expected] of [['', undefined], ['0s', undefined], ['1.5s', 1500], ['32s', 32_000], ['1h', undefined], ['-1s', undefined]] as const) {
    assert.equal(requestTimeoutMs(new URLSearchParams({ timeout: text })), expected, text)
  }
  assert.throws(() => requestTimeoutMs(new URLSearchParams({ timeout: 'abc' })), { message: 'invalid timeout specified in the request URL - time: invalid duration "abc"' })
  assert.throws(() => requestTimeoutMs(new URLSearchParams({ timeout: '5' })), { message: 'invalid timeout specified in the request URL - time: missing unit in duration "5"' })
})

test('work that takes longer than its client wants to wait is told of, and counted until it ends', async () => {
  const { clock } = testRuntime()
  using deadlines = new RequestDeadlines(clock, 60_000)
  const ended: string[] = []
  deadlines.end(deadlines.begin(clock.monotonicMs(), 1000, () => ended.push('in time')))
  const late = deadlines.begin(clock.monotonicMs(), 1000, () => ended.push('late'))
  await clock.advance(1000)
  assert.deepEqual([ended, deadlines.inFlight], [['late'], 1])
  const idle = deadlines.idle(5000).then(() => ended.push('idle'))
  await clock.advance(100)
  assert.deepEqual(ended, ['late'])
  deadlines.end(late)
  await idle
  assert.deepEqual([ended, deadlines.inFlight, clock.pendingCount], [['late', 'idle'], 0, 0])
})

test('many requests share one timer, and each ends at its own time', async () => {
  const { clock } = testRuntime()
  using deadlines = new RequestDeadlines(clock, 1000)
  const ended: string[] = []
  const begin = (name: string): ReturnType<RequestDeadlines['begin']> => deadlines.begin(clock.monotonicMs(), 1000, () => ended.push(name))
  begin('a')
  await clock.advance(400)
  const b = begin('b')
  begin('c')
  deadlines.end(b)
  assert.equal(clock.pendingCount, 1)
  await clock.advance(599)
  assert.deepEqual(ended, [])
  await clock.advance(1)
  assert.deepEqual(ended, ['a'])
  await clock.advance(400)
  assert.deepEqual(ended, ['a', 'c'])
  assert.equal(clock.pendingCount, 0)
})
