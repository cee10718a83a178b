import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testRuntime } from '../runtime/runtime.ts'
import { memoryStore } from './memory.ts'
import { SlowWatcherError, watchBounds } from './store.ts'

test('a consumer that takes nothing is cut off past the number of events that a watch holds', async () => {
  await using store = memoryStore(testRuntime())
  const signal = new AbortController().signal
  const slow = store.watch('/a', '/b', { signal })[Symbol.asyncIterator]()
  for (let i = 0; i < watchBounds.queuedEvents; i++) await store.put({ key: '/a', value: Buffer.of(1) })
  const full = store.watch('/a', '/b', { signal, fromRevision: await store.currentRevision() + 1 })[Symbol.asyncIterator]()
  await store.put({ key: '/a', value: Buffer.of(2) })
  await assert.rejects(() => slow.next(), SlowWatcherError)
  assert.equal((await slow.next()).done, true)
  assert.equal((await full.next() as IteratorYieldResult<{ events: unknown[] }>).value.events.length, 1, 'others go on')
})

test('a consumer that takes nothing is cut off past the bytes that a watch holds', async () => {
  await using store = memoryStore(testRuntime())
  const slow = store.watch('/a', '/b', { signal: new AbortController().signal })[Symbol.asyncIterator]()
  const value = Buffer.alloc(watchBounds.queuedBytes / 8)
  for (let i = 0; i < 8; i++) await store.put({ key: '/a', value })
  assert.equal((await slow.next() as IteratorYieldResult<{ events: unknown[] }>).value.events.length, 8, 'what fits is delivered, as one batch')
  for (let i = 0; i < 9; i++) await store.put({ key: '/a', value })
  await assert.rejects(() => slow.next(), SlowWatcherError)
})

test('a batch is made once and shared by all watchers of the same range', async () => {
  await using store = memoryStore(testRuntime())
  const { signal } = new AbortController()
  const [one, two] = [store.watch('/a', '/b', { signal }), store.watch('/a', '/b', { signal })].map((watch) => watch[Symbol.asyncIterator]().next())
  await store.put({ key: '/a', value: Buffer.of(1) })
  assert.equal((await one)!.value, (await two)!.value)
})

test('a watch has one reader, and leaving its loop ends it', async () => {
  await using store = memoryStore(testRuntime())
  const watch = store.watch('/a', '/b', { signal: new AbortController().signal })[Symbol.asyncIterator]()
  const next = watch.next()
  await assert.rejects(watch.next(), /one reader/)
  await watch.return!()
  assert.equal((await next).done, true)
  assert.equal((await watch.next()).done, true)
})
