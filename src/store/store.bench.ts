/**
 * `node src/store/store.bench.ts [memory|lmdb|etcd=URL ...]` prints what each driver does (memory and lmdb by default): puts and
 * compare-and-set updates a second at 1, 32 and 256 at a time, gets, a range of 5,000, watch events delivered to 1 and 100 watchers.
 * The values are 1,000 bytes, about a small object. An etcd is left with the bench's keys deleted.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemRuntime } from '../runtime/runtime.ts'
import { prefixEnd, type Store } from './store.ts'

const runtime = systemRuntime()
const value = Buffer.alloc(1000, 'k8ts')
const prefix = '/registry/bench/'
const keys = Array.from({ length: 5000 }, (_, i) => `${prefix}namespace-${i % 50}/object-${String(i).padStart(5, '0')}`)

async function openDriver(spec: string): Promise<{ store: Store; close: () => Promise<void> }> {
  if (spec === 'memory') {
    const store = (await import('./memory.ts')).memoryStore(runtime)
    return { store, close: async () => store[Symbol.asyncDispose]() }
  }
  if (spec.startsWith('etcd=')) {
    const store = await (await import('./etcd.ts')).connectEtcd({ endpoints: [spec.slice('etcd='.length)], runtime })
    return {
      store, close: async () => {
        for (const key of keys) await store.delete(key)
        await store[Symbol.asyncDispose]()
      },
    }
  }
  if (spec !== 'lmdb') throw new Error(`unknown driver ${spec}: choose memory, lmdb or etcd=URL`)
  const path = mkdtempSync(join(tmpdir(), 'k8ts-bench-'))
  const store = await (await import('./lmdb.ts')).openLmdbStore({ path, runtime })
  return {
    store, close: async () => {
      await store[Symbol.asyncDispose]()
      rmSync(path, { recursive: true })
    },
  }
}

/** Calls of `work` a second, with `concurrency` at a time, over about `durationMs`. */
async function rate(concurrency: number, durationMs: number, work: (index: number) => Promise<unknown>): Promise<number> {
  const start = runtime.clock.monotonicMs()
  let calls = 0
  await Promise.all(Array.from({ length: concurrency }, async () => {
    while (runtime.clock.monotonicMs() - start < durationMs) await work(calls++)
  }))
  return calls / (runtime.clock.monotonicMs() - start) * 1000
}

function print(driver: string, what: string, figure: number, unit: string): void {
  process.stdout.write(`${driver.padEnd(8)}${what.padEnd(44)}${Math.round(figure).toLocaleString('en').padStart(12)} ${unit}\n`)
}

async function fanOut(store: Store, watchers: number): Promise<number> {
  const abort = new AbortController()
  const events = 4000
  const target = await store.currentRevision() + events
  let delivered = 0
  const start = runtime.clock.monotonicMs()
  const reading = Promise.all(Array.from({ length: watchers }, async () => {
    for await (const batch of store.watch(prefix, prefixEnd(prefix), { signal: abort.signal })) {
      delivered += batch.events.length
      if (batch.revision >= target) return
    }
  }))
  for (let i = 0; i < events; i += 100) await Promise.all(keys.slice(i, i + 100).map((key) => store.put({ key, value })))
  await reading
  abort.abort()
  return delivered / (runtime.clock.monotonicMs() - start) * 1000
}

async function bench(spec: string): Promise<void> {
  const { store, close } = await openDriver(spec)
  const { driver } = store
  try {
    for (let i = 0; i < keys.length; i += 250) await Promise.all(keys.slice(i, i + 250).map((key) => store.put({ key, value })))
    for (const concurrency of [1, 32, 256]) {
      print(driver, `put, ${concurrency} at a time`, await rate(concurrency, 1500, (i) => store.put({ key: keys[i % keys.length]!, value })), '/s')
    }
    print(driver, 'get and compare-and-set update, 32 at a time', await rate(32, 1500, async (i) => {
      const key = keys[i % keys.length]!
      const { kv } = await store.get(key)
      await store.put({ key, value, expected: kv?.modRevision ?? 0 })
    }), '/s')
    print(driver, 'get', await rate(8, 700, (i) => store.get(keys[i % keys.length]!)), '/s')
    const lists = await rate(1, 1000, () => store.range(prefix, prefixEnd(prefix)))
    print(driver, `range of ${keys.length}`, 1000 / lists * 1000, 'µs')
    print(driver, 'range of 500 of them (limit)', 1000 / await rate(1, 700, () => store.range(prefix, prefixEnd(prefix), { limit: 500 })) * 1000, 'µs')
    const past = await store.currentRevision() - 1000
    print(driver, 'range of 500, 1,000 revisions ago', 1000 / await rate(1, 700, () => store.range(prefix, prefixEnd(prefix), { limit: 500, revision: past })) * 1000, 'µs')
    for (const watchers of [1, 100]) print(driver, `events to ${watchers} watchers while writing`, await fanOut(store, watchers), '/s')
    const before = await store.currentRevision()
    const start = runtime.clock.monotonicMs()
    await store.compact(before)
    print(driver, 'compaction of all of it', runtime.clock.monotonicMs() - start, 'ms')
  } finally {
    await close()
  }
}

const specs = process.argv.slice(2)
for (const spec of specs.length === 0 ? ['memory', 'lmdb'] : specs) await bench(spec)
