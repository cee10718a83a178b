import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeClock } from '../runtime/clock.ts'
import { createWorkQueue } from './queue.ts'

test('a key added many times is handed out once (1), in order of arrival (7)', async () => {
  const queue = createWorkQueue(fakeClock())
  for (const key of ['b', 'a', 'b', 'b']) queue.add(key)
  assert.equal(queue.length, 2)
  assert.equal(await queue.take(), 'b')
  assert.equal(await queue.take(), 'a')
})

test('a key added while worked on waits for done (2) and comes again (3)', async () => {
  const queue = createWorkQueue(fakeClock())
  queue.add('a')
  assert.equal(await queue.take(), 'a')
  queue.add('a')
  assert.equal(queue.length, 0)
  queue.done('a')
  assert.equal(queue.length, 1)
  assert.equal(await queue.take(), 'a')
  queue.done('a')
  assert.equal(queue.length, 0)
})

test('a waiting worker gets the key, and a second add during its work is not lost', async () => {
  const queue = createWorkQueue(fakeClock())
  const taken = queue.take()
  queue.add('a')
  queue.add('a')
  assert.equal(await taken, 'a')
  assert.equal(queue.length, 0)
  queue.done('a')
  assert.equal(queue.length, 1)
})

test('of several delayed adds the earliest counts (4)', async () => {
  const clock = fakeClock()
  const queue = createWorkQueue(clock)
  queue.addAfter('a', 1000)
  queue.addAfter('a', 100)
  queue.addAfter('a', 500)
  assert.equal(clock.pendingCount, 1)
  await clock.advance(99)
  assert.equal(queue.length, 0)
  await clock.advance(1)
  assert.equal(queue.length, 1)
})

test('failures double the delay from 5 ms to 1000 s, forget starts anew (5)', async () => {
  const clock = fakeClock()
  const queue = createWorkQueue(clock)
  for (const delayMs of [5, 10, 20]) {
    queue.addRateLimited('a')
    await clock.advance(delayMs - 1)
    assert.equal(queue.length, 0)
    await clock.advance(1)
    assert.equal(await queue.take(), 'a')
    queue.done('a')
  }
  assert.equal(queue.failures('a'), 3)
  queue.forget('a')
  queue.addRateLimited('a')
  await clock.advance(5)
  assert.equal(queue.length, 1)
  for (let i = 0; i < 60; i++) queue.addRateLimited('b')
  queue.forget('b')
  await clock.advance(1_000_000)
  assert.equal(queue.length, 2)
})

test('shutting down frees waiting workers and takes nothing in (6)', async () => {
  const clock = fakeClock()
  const queue = createWorkQueue(clock)
  const taken = queue.take()
  queue.addAfter('b', 10)
  queue.shutDown()
  assert.equal(await taken, undefined)
  queue.add('a')
  assert.equal(await queue.take(), undefined)
  assert.equal(clock.pendingCount, 0)
})
