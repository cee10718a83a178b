import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OpenObject } from '../machinery/object.ts'
import { testRuntime, type TestRuntime } from '../runtime/runtime.ts'
import { memoryStore } from '../store/memory.ts'
import { CompactedError, type Store } from '../store/store.ts'
import { everything, type Selection } from './selection.ts'
import { encodeForStore, entryOf, StoredEntry } from './stored-object.ts'
import { WatchCache, type CacheEvent } from './watch-cache.ts'
import { WatchCaches } from './watch-caches.ts'
import { watcherLimits, type WatchLine } from './watcher.ts'

const prefix = '/registry/things/'
const view = (entry: StoredEntry) => entry.object()
const value = (name: string, data = ''): Buffer => encodeForStore({ kind: 'Thing', apiVersion: 'v1', metadata: { name, namespace: 'ns' }, data }).value
const put = (store: Store, name: string, data = '') => store.put({ key: `${prefix}ns/${name}`, value: value(name, data) })
const shown = (lines: readonly WatchLine[] | undefined) => (lines ?? []).map((line) => (line.type === 'BOOKMARK' ? `BOOKMARK ${line.revision}` : `${line.type} ${line.entry.name}@${line.entry.revision}`))

interface Bench { runtime: TestRuntime; store: Store; caches: WatchCaches; stop(): Promise<void> }

function bench(wrap: (store: Store) => Store = (store) => store): Bench {
  const runtime = testRuntime()
  const store = wrap(memoryStore(runtime))
  const closing = new AbortController()
  const caches = new WatchCaches(store, runtime, closing.signal)
  return {
    runtime, store, caches,
    async stop() {
      closing.abort()
      caches[Symbol.dispose]()
      await caches.done
      await store[Symbol.asyncDispose]()
    },
  }
}

test('stored bytes are served with the revision spliced in, and under another revision for a deletion', () => {
  const bytes = Buffer.from('{"kind":"Thing","apiVersion":"v1","metadata":{"name":"a","namespace":"ns"},"data":"ü"}')
  const entry = entryOf({ key: `${prefix}ns/a`, value: bytes, createRevision: 5, modRevision: 5, version: 1, leaseId: 0 }, prefix)
  assert.equal(entry.bytes.toString(), '{"kind":"Thing","apiVersion":"v1","metadata":{"resourceVersion":"5","name":"a","namespace":"ns"},"data":"ü"}')
  assert.equal(entry.at(123).bytes.toString(), '{"kind":"Thing","apiVersion":"v1","metadata":{"resourceVersion":"123","name":"a","namespace":"ns"},"data":"ü"}')
  assert.deepEqual([entry.key, entry.namespace, entry.name], ['ns/a', 'ns', 'a'])
  assert.ok(Object.isFrozen(entry.object().metadata))
})

test('values that others wrote in another order are understood', () => {
  const foreign = Buffer.from('{"metadata":{},"data":"x","kind":"Thing","apiVersion":"v1"}\n')
  const entry = entryOf({ key: `${prefix}ns/a`, value: foreign, createRevision: 5, modRevision: 5, version: 1, leaseId: 0 }, prefix)
  assert.deepEqual(JSON.parse(entry.bytes.toString()), { kind: 'Thing', apiVersion: 'v1', metadata: { resourceVersion: '5', name: 'a' }, data: 'x' })
})

test('a cache loaded late holds what was written before and after', async () => {
  const { store, caches, stop } = bench()
  await put(store, 'a')
  const cache = await caches.cache(prefix)
  const written = await put(store, 'b')
  caches.noteWrite(prefix, written.revision)
  await caches.fresh(prefix)
  assert.deepEqual([...cache.select(everything, view)].map((entry) => entry.name), ['a', 'b'])
  await stop()
})

test('reads wait for acknowledged writes, and time out for revisions that do not come', async () => {
  const { runtime, caches, stop } = bench()
  const cache = await caches.cache(prefix)
  const waiting = caches.waitFor(cache, 1000)
  const failed = assert.rejects(waiting, /Too large resource version: 1000, current: \d+/)
  await runtime.clock.advance(3_000)
  await failed
  await stop()
})

test('watchers see each change once, in order, and start from the history', async () => {
  const { runtime, store, caches, stop } = bench()
  const cache = await caches.cache(prefix)
  const from = cache.revision
  await put(store, 'a')
  await put(store, 'b')
  await runtime.clock.settle()
  const late = cache.watch(everything, view, from)
  const latest = cache.watch(everything, view, cache.revision)
  await put(store, 'a', 'changed')
  await store.delete(`${prefix}ns/b`)
  await runtime.clock.settle()
  assert.deepEqual(shown(await late.next()), [`ADDED a@${from + 1}`, `ADDED b@${from + 2}`, `MODIFIED a@${from + 3}`, `DELETED b@${from + 4}`])
  assert.deepEqual(shown(await latest.next()), [`MODIFIED a@${from + 3}`, `DELETED b@${from + 4}`])
  await stop()
})

test('whoever waits for the revision of a change goes on with that change, though nothing comes after it', async () => {
  const cache = new WatchCache(prefix)
  cache.reset([], 5)
  let isThere = false
  const waiting = cache.whenAt(7).then(() => void (isThere = true))
  const change = (revision: number): void => cache.apply({ type: 'put', key: `${prefix}ns/a`, kv: { key: `${prefix}ns/a`, value: value('a'), createRevision: 6, modRevision: revision, version: 1, leaseId: 0 }, previous: undefined, revision })
  change(6)
  await Promise.resolve()
  assert.equal(isThere, false)
  change(7)
  await waiting
  assert.equal(isThere, true)
})

test('a slow watcher is ended, not buffered for ever; others go on', async () => {
  const cache = new WatchCache(prefix)
  cache.reset([], 1)
  const slow = cache.watch(everything, view, 1)
  const large = 'x'.repeat(1 << 20)
  for (let revision = 2; revision <= 2 + watcherLimits.sizeBytes / (1 << 20); revision++) {
    cache.apply({ type: 'put', key: `${prefix}ns/a`, kv: { key: `${prefix}ns/a`, value: value('a', large), createRevision: 2, modRevision: revision, version: 1, leaseId: 0 }, previous: undefined, revision })
  }
  assert.ok(slow.overflowed && slow.ended)
  assert.equal(await slow.next(), undefined)
  assert.equal(cache.watcherCount, 0)
})

test('history is bounded in number and in size, and says from where it is whole', () => {
  for (const limits of [{ events: 3, sizeBytes: 1 << 20 }, { events: 100, sizeBytes: 330 }]) {
    const cache = new WatchCache(prefix, limits)
    cache.reset([], 1)
    for (let revision = 2; revision <= 11; revision++) {
      cache.apply({ type: 'put', key: `${prefix}ns/a`, kv: { key: `${prefix}ns/a`, value: value('a'), createRevision: 2, modRevision: revision, version: 1, leaseId: 0 }, previous: undefined, revision })
      cache.advance(revision)
    }
    assert.equal(cache.oldestRevision, 8, JSON.stringify(limits))
    assert.ok(cache.isUnchangedSince(11) && !cache.isUnchangedSince(10))
  }
})

test('watchers of an indexed field are asked only for their own objects', () => {
  const cache = new WatchCache(prefix)
  cache.reset([], 1)
  let asked = 0
  const read = (object: Readonly<OpenObject>): string => String(object.data)
  const selection = (node: string): Selection => ({
    ...everything, isWhole: false, index: { field: 'data', value: node, read },
    test: (object) => {
      asked++
      return read(object) === node
    },
  })
  const watchers = Array.from({ length: 500 }, (_, i) => cache.watch(selection(`n${i}`), view, 1))
  const apply = (data: string, revision: number): void =>
    cache.apply({ type: 'put', key: `${prefix}ns/a`, kv: { key: `${prefix}ns/a`, value: value('a', data), createRevision: 2, modRevision: revision, version: 1, leaseId: 0 }, previous: undefined, revision })
  apply('n7', 2)
  apply('n8', 3)
  assert.ok(asked <= 8, `${asked} objects looked at`)
  for (const watcher of watchers) watcher.end()
  assert.equal(cache.watcherCount, 0)
})

test('bookmarks come each minute to whoever asked', async () => {
  const { runtime, caches, stop } = bench()
  const cache = await caches.cache(prefix)
  const asking = cache.watch(everything, view, cache.revision)
  asking.bookmarks = true
  const other = cache.watch(everything, view, cache.revision)
  await runtime.clock.advance(60_000)
  assert.deepEqual(shown(await asking.next()), [`BOOKMARK ${cache.revision}`])
  other.end()
  assert.equal(await other.next(), undefined)
  await stop()
})

test('a lost watch of the store is resumed without a gap', async () => {
  let cut: (() => void) | undefined
  const { runtime, store, caches, stop } = bench((inner) => new Proxy(inner, {
    get(target, name) {
      if (name !== 'watch') return typeof target[name as keyof Store] === 'function' ? (target[name as 'get']).bind(target) : target[name as keyof Store]
      return async function* (start: string, end: string, options: { fromRevision?: number; signal: AbortSignal }) {
        const broken = new AbortController()
        cut = () => broken.abort()
        yield* target.watch(start, end, { ...options, signal: AbortSignal.any([options.signal, broken.signal]) })
        if (broken.signal.aborted) throw new Error('connection lost')
      }
    },
  }))
  const cache = await caches.cache(prefix)
  const watcher = cache.watch(everything, view, cache.revision)
  cut!()
  await put(store, 'a')
  await runtime.clock.advance(1_000)
  assert.deepEqual(shown(await watcher.next()), [`ADDED a@${cache.revision}`])
  assert.ok(runtime.log.lines.some((line) => line.message.includes('the watch of the store failed')))
  await stop()
})

test('history compacted away while the watch was lost means loading anew; listeners learn the difference, watchers are ended', async () => {
  let failNext = false
  const { runtime, store, caches, stop } = bench((inner) => new Proxy(inner, {
    get(target, name) {
      if (name !== 'watch') return typeof target[name as keyof Store] === 'function' ? (target[name as 'get']).bind(target) : target[name as keyof Store]
      return async function* (start: string, end: string, options: { fromRevision?: number; signal: AbortSignal }) {
        for await (const batch of target.watch(start, end, options)) {
          if (failNext) {
            failNext = false
            throw new CompactedError(99)
          }
          yield batch
        }
      }
    },
  }))
  await put(store, 'a')
  await put(store, 'b')
  const cache = await caches.cache(prefix)
  const events: CacheEvent[] = []
  cache.onEvent((event) => events.push(event))
  const watcher = cache.watch(everything, view, cache.revision)
  failNext = true
  await store.delete(`${prefix}ns/a`)
  await put(store, 'c')
  await runtime.clock.advance(1_000)
  assert.equal(await watcher.next(), undefined)
  assert.deepEqual(events.map((event) => `${event.type} ${event.entry.name}`), ['delete a', 'put c'])
  assert.deepEqual([...(await caches.fresh(prefix)).select(everything, view)].map((entry) => entry.name), ['b', 'c'])
  await stop()
})

test('entries that changed long ago keep their bytes only, and are parsed anew for whoever asks', () => {
  const cache = new WatchCache(prefix, { events: 3, sizeBytes: 1 << 30 })
  cache.reset([], 0)
  const entries = Array.from({ length: 2100 }, (_, at) => {
    const key = `${prefix}ns/n${at % 1500}`
    cache.apply({ type: 'put', key, revision: at + 1, kv: { key, value: value(`n${at % 1500}`), createRevision: 1, modRevision: at + 1, version: 1, leaseId: 0 }, previous: undefined })
    return cache.entries.get(`ns/n${at % 1500}`)!
  })
  assert.deepEqual([cache.oldestRevision, entries.at(-1)!.isParsed], [2097, true])
  const wide = new WatchCache(prefix)
  wide.reset([], 0)
  const old = Array.from({ length: 2100 }, (_, at) => {
    const key = `${prefix}ns/n${at}`
    wide.apply({ type: 'put', key, revision: at + 1, kv: { key, value: value(`n${at}`), createRevision: 1, modRevision: at + 1, version: 1, leaseId: 0 }, previous: undefined })
    return wide.entries.get(`ns/n${at}`)!
  })
  assert.deepEqual([old[0]!.isParsed, old[51]!.isParsed, old[52]!.isParsed, old.at(-1)!.isParsed], [false, false, true, true])
  assert.equal(old[0]!.object().metadata.name, 'n0')
})
