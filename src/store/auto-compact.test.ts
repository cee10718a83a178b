import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testRuntime } from '../runtime/runtime.ts'
import { autoCompact } from './auto-compact.ts'
import { memoryStore } from './memory.ts'
import { CompactedError } from './store.ts'

test('history is kept for one period and forgotten after two', async () => {
  const runtime = testRuntime()
  await using store = memoryStore(runtime)
  await using _compaction = autoCompact(store, runtime, { everyMs: 1000 })
  const old = (await store.put({ key: '/a', value: Buffer.from('1') })).revision
  await store.put({ key: '/a', value: Buffer.from('2') })
  await runtime.clock.advance(1900)
  assert.equal(Buffer.from((await store.get('/a', { revision: old })).kv!.value).toString(), '1')
  await runtime.clock.advance(200)
  await assert.rejects(store.get('/a', { revision: old }), CompactedError)
})

test('the newest revisions are kept however old they are', async () => {
  const runtime = testRuntime()
  await using store = memoryStore(runtime)
  await using _compaction = autoCompact(store, runtime, { everyMs: 1000, keep: 3 })
  for (let i = 0; i < 10; i++) await store.put({ key: '/a', value: Buffer.from(String(i)) })
  await runtime.clock.advance(5000)
  const now = await store.currentRevision()
  assert.equal(Buffer.from((await store.get('/a', { revision: now - 3 })).kv!.value).toString(), '6')
  await assert.rejects(store.get('/a', { revision: now - 4 }), CompactedError)
})

test('a failure is logged and the next period tries again', async () => {
  const runtime = testRuntime()
  await using store = memoryStore(runtime)
  let failures = 0
  const failing = Object.assign(Object.create(store) as typeof store, { currentRevision: async () => { failures++; throw new Error('no answer') } })
  await using _compaction = autoCompact(failing, runtime, { everyMs: 1000 })
  await runtime.clock.advance(2500)
  assert.equal(failures, 2)
  assert.deepEqual(runtime.log.lines.map((line) => line.level), ['warn', 'warn'])
})
