import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testRuntime } from '../runtime/runtime.ts'
import { createSyncSchedule } from './sync-schedule.ts'

function setUp(fails: () => boolean = () => false) {
  const runtime = testRuntime()
  const startMs = runtime.clock.monotonicMs()
  const atMs: number[] = []
  const failures: unknown[] = []
  const schedule = createSyncSchedule({
    runtime, minPeriodMs: 1_000, maxBackOffMs: 4_000, failed: (error) => failures.push(error),
    sync: async () => {
      atMs.push(runtime.clock.monotonicMs() - startMs)
      if (fails()) throw new Error('no')
    },
  })
  return { runtime, schedule, atMs, failures }
}

test('the first change is carried out at once, later ones together after the period', async () => {
  const { runtime, schedule, atMs } = setUp()
  schedule.wake()
  await runtime.clock.advance(0)
  assert.deepEqual(atMs, [0])
  for (let count = 0; count < 5; count++) {
    schedule.wake()
    await runtime.clock.advance(100)
  }
  assert.deepEqual(atMs, [0])
  await runtime.clock.advance(500)
  assert.deepEqual(atMs, [0, 1_000])
  await runtime.clock.advance(5_000)
  schedule.wake()
  await runtime.clock.advance(0)
  assert.deepEqual(atMs, [0, 1_000, 6_000])
  await schedule[Symbol.asyncDispose]()
})

test('what failed is tried again by itself, with growing pauses', async () => {
  let broken = true
  const { runtime, schedule, atMs, failures } = setUp(() => broken)
  schedule.wake()
  await runtime.clock.advance(8_000)
  assert.deepEqual(atMs, [0, 1_000, 3_000, 7_000])
  assert.equal(failures.length, 4)
  assert.notEqual(schedule.waitingSinceMs, undefined)
  broken = false
  await runtime.clock.advance(4_000)
  assert.deepEqual(atMs.length, 5)
  assert.equal(schedule.waitingSinceMs, undefined)
  await runtime.clock.advance(20_000)
  assert.deepEqual(atMs.length, 5)
  await schedule[Symbol.asyncDispose]()
})

test('a stopped schedule does nothing more', async () => {
  const { runtime, schedule, atMs } = setUp()
  schedule.wake()
  await schedule[Symbol.asyncDispose]()
  await schedule.done
  schedule.wake()
  await runtime.clock.advance(10_000)
  assert.deepEqual(atMs, [])
})
