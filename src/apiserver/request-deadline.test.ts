import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testRuntime } from '../runtime/runtime.ts'
import { requestTimeoutMs, withinTimeout } from './request-deadline.ts'

test('a timeout is a duration of at most a minute', () => {
  for (const [text, expected] of [['', undefined], ['0s', undefined], ['1.5s', 1500], ['32s', 32_000], ['1h', 60_000], ['-1s', 0]] as const) {
    assert.equal(requestTimeoutMs(new URLSearchParams({ timeout: text })), expected, text)
  }
  assert.throws(() => requestTimeoutMs(new URLSearchParams({ timeout: 'abc' })), { message: 'invalid timeout specified in the request URL - time: invalid duration "abc"' })
})

test('work that takes longer is answered as a timeout', async () => {
  const { clock } = testRuntime()
  assert.equal(await withinTimeout(clock, 1000, Promise.resolve(1)), 1)
  const late = withinTimeout(clock, 1000, new Promise(() => undefined))
  const refused = assert.rejects(late, (error: { code?: number; message?: string }) => error.code === 504 && error.message === 'Timeout: request did not complete within requested timeout - context deadline exceeded')
  await clock.advance(1000)
  await refused
})
