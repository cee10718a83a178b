import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemRuntime, testRuntime, type TestRuntime } from '../runtime/runtime.ts'
import { openLmdbStore } from './lmdb.ts'
import { storeContract } from './store.contract.ts'
import { CompactedError, StoreFullError, type Store, type StoreEvent } from './store.ts'

storeContract('lmdb', async () => {
  const runtime = testRuntime()
  const path = mkdtempSync(join(tmpdir(), 'k8ts-store-'))
  const store = await openLmdbStore({ path, runtime })
  return {
    store,
    passTime: (ms) => runtime.clock.advance(ms),
    close: async () => {
      await store[Symbol.asyncDispose]()
      rmSync(path, { recursive: true, force: true })
    },
  }
})

/** A directory that goes with the test, and a way to open the store in it. */
function directory(t: TestContext): { path: string; open: (runtime?: TestRuntime) => Promise<Store> } {
  const path = mkdtempSync(join(tmpdir(), 'k8ts-store-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return { path, open: (runtime = testRuntime()) => openLmdbStore({ path, runtime }) }
}

const valueOf = async (store: Store, key: string, revision = 0): Promise<string | undefined> => {
  const { kv } = await store.get(key, { revision })
  return kv === undefined ? undefined : Buffer.from(kv.value).toString()
}

test('lmdb: revisions, values, history and compaction are there again after closing', async (t) => {
  const { open } = directory(t)
  const revisions: number[] = []
  {
    await using store = await open()
    for (const value of ['one', 'two', 'three', 'four']) revisions.push((await store.put({ key: '/a', value: Buffer.from(value) })).revision)
    await store.compact(revisions[1]!)
  }
  await using store = await open()
  assert.equal(await store.currentRevision(), revisions[3])
  assert.equal(await valueOf(store, '/a'), 'four')
  assert.equal(await valueOf(store, '/a', revisions[1]), 'two')
  await assert.rejects(valueOf(store, '/a', revisions[0]), CompactedError)
  const abort = new AbortController()
  const watch = store.watch('/a', '/b', { fromRevision: revisions[1]!, signal: abort.signal })[Symbol.asyncIterator]()
  const { events } = (await watch.next() as IteratorYieldResult<{ events: StoreEvent[] }>).value
  assert.deepEqual(events.map((event) => Buffer.from(event.kv.value).toString()), ['two', 'three', 'four'])
  assert.equal((await store.put({ key: '/a', value: Buffer.from('five') })).revision, revisions[3]! + 1)
  abort.abort()
})

test('lmdb: a lease and what is attached to it outlive the process, and it has its whole time again', async (t) => {
  const { open } = directory(t)
  {
    await using store = await open()
    const leaseId = await store.grantLease(10)
    await store.put({ key: '/event', value: Buffer.from('x'), leaseId })
  }
  const runtime = testRuntime()
  await using store = await open(runtime)
  const abort = new AbortController()
  const gone = store.watch('/event', '/f', { signal: abort.signal })[Symbol.asyncIterator]().next()
  await runtime.clock.advance(9_000)
  assert.equal(await valueOf(store, '/event'), 'x')
  await runtime.clock.advance(2_000)
  await gone
  assert.equal(await valueOf(store, '/event'), undefined)
  abort.abort()
})

test('lmdb: compaction gives room back', async (t) => {
  const { path, open } = directory(t)
  await using store = await open()
  const value = Buffer.alloc(100_000, 1)
  const fileSize = async (): Promise<number> => Number((await systemRuntime().processes.run('stat', ['-c', '%s', join(path, 'data.mdb')])).stdout)
  for (let i = 0; i < 50; i++) await store.put({ key: '/a', value })
  await store.compact(await store.currentRevision())
  const before = await fileSize()
  for (let i = 0; i < 40; i++) await store.put({ key: '/a', value })
  assert.ok(await fileSize() < before * 1.3, 'the pages that compaction freed are used again')
})

test('lmdb: the same directory cannot be opened twice in a process', async (t) => {
  const { open } = directory(t)
  await using _first = await open()
  await assert.rejects(open(), /already open by this process; only one process may use it at a time/)
})

test('lmdb: a directory that another process has open is refused, naming that process, until it ends', { timeout: 30_000 }, async (t) => {
  const { path, open } = directory(t)
  const writer = fileURLToPath(new URL('crash-writer.ts', import.meta.url))
  const child = systemRuntime().processes.start(process.execPath, [writer, path, '1'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  await new Promise((resolve) => child.stdout!.once('data', resolve))
  child.stdout!.resume()
  try {
    await assert.rejects(open(), new RegExp(`already open by process ${child.pid};`))
  } finally {
    child.kill('SIGKILL')
    await ended
  }
  await using store = await open()
  await store.healthy()
})

test('lmdb: on a full disk a write is refused, nothing acknowledged is lost, and room makes it work again', { timeout: 30_000, skip: process.getuid?.() === 0 && process.platform === 'linux' ? false : 'mounting a small disk needs root on Linux' }, async (t) => {
  const { processes } = systemRuntime()
  const disk = mkdtempSync(join(tmpdir(), 'k8ts-disk-'))
  await processes.run('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', disk])
  t.after(async () => {
    await processes.run('umount', [disk])
    rmSync(disk, { recursive: true })
  })
  await using store = await openLmdbStore({ path: join(disk, 'store'), runtime: testRuntime() })
  const acknowledged: string[] = []
  const value = Buffer.alloc(50_000, 7)
  await assert.rejects(async () => {
    for (let i = 0; i < 1000; i++) {
      await store.put({ key: `/a/${i}`, value })
      acknowledged.push(`/a/${i}`)
    }
  }, (error) => error instanceof StoreFullError && /the disk that holds the store in .* is full/.test(error.message))
  const concurrent = await Promise.allSettled(Array.from({ length: 5 }, (_, i) => store.put({ key: `/b/${i}`, value })))
  assert.ok(concurrent.every((result) => result.status === 'rejected'))
  assert.ok(acknowledged.length > 5)
  const revision = await store.currentRevision()
  assert.deepEqual((await store.range('/', '0')).kvs.map((kv) => kv.key).sort(), acknowledged.toSorted())
  await processes.run('mount', ['-o', 'remount,size=20m', disk])
  assert.equal((await store.put({ key: '/c', value })).revision, revision + 1)
  for (const key of acknowledged) assert.ok(value.equals((await store.get(key)).kv!.value as Buffer), key)
})
