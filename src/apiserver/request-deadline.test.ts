import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testRuntime } from '../runtime/runtime.ts'
import { RequestDeadlines, requestTimeoutMs } from './request-deadline.ts'

test('a timeout is a duration of less than a minute', () => {
  for (const [text, expected] of [['', undefined], ['0s', undefined], ['1.5s', 1500], ['32s', 32_000], ['1h', undefined], ['-1s', undefined]] as const) {
    assert.equal(requestTimeoutMs(new URLSearchParams({ timeout: text })), expected, text)
  }
  assert.throws(() => requestTimeoutMs(new URLSearchParams({ timeout: 'abc' })), { message: 'invalid timeout specified in the request URL - time: invalid duration "abc"' })
})

test('work that takes longer than its client wants to wait is answered for', async () => {
  const { clock } = testRuntime()
  using deadlines = new RequestDeadlines(clock, 60_000)
  assert.equal(await deadlines.guard(Promise.resolve(1), clock.monotonicMs(), 1000, () => 2), 1)
  const late = deadlines.guard(new Promise<number>(() => undefined), clock.monotonicMs(), 1000, () => 2)
  await clock.advance(1000)
  assert.equal(await late, 2)
  assert.equal(deadlines.inFlight, 1, 'the work itself goes on')
})

test('many requests share one timer, and each ends at its own time', async () => {
  const { clock } = testRuntime()
  using deadlines = new RequestDeadlines(clock, 1000)
  const never = (): Promise<string> => new Promise(() => undefined)
  const ended: string[] = []
  const guard = (name: string, work: Promise<string>): void => void deadlines.guard(work, clock.monotonicMs(), 1000, () => 'late').then((answer) => ended.push(`${name} ${answer}`))
  guard('a', never())
  await clock.advance(400)
  guard('b', Promise.resolve('done'))
  guard('c', never())
  assert.equal(clock.pendingCount, 1)
  await clock.advance(599)
  assert.deepEqual(ended, ['b done'])
  await clock.advance(1)
  assert.deepEqual(ended, ['b done', 'a late'])
  await clock.advance(400)
  assert.deepEqual(ended, ['b done', 'a late', 'c late'])
  assert.equal(clock.pendingCount, 0)
})
