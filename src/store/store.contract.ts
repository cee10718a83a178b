import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { seededRandom, type Random } from '../runtime/random.ts'
import { byteForm } from './keys.ts'
import {
  CompactedError, FutureRevisionError, LeaseNotFoundError, StoreClosedError, prefixEnd,
  type KeyValue, type Store, type StoreEvent, type StoreEventBatch, type WriteResult,
} from './store.ts'

/** A driver under test: an open store, which may hold keys of others, and a way to let time go by for it. */
export interface StoreUnderTest { store: Store; passTime: (ms: number) => Promise<void>; close: () => Promise<void> }

const bytes = (text: string): Uint8Array => Buffer.from(text)
const text = (kv: KeyValue | undefined): string | undefined => (kv === undefined ? undefined : Buffer.from(kv.value).toString())

function accepted(result: WriteResult): WriteResult & { ok: true } {
  assert.ok(result.ok, 'the write should have been accepted')
  return result
}

/** Events of a watch up to `revision`, with what each batch must hold to. */
async function readUntil(watch: AsyncIterator<StoreEventBatch>, revision: number): Promise<StoreEvent[]> {
  const events: StoreEvent[] = []
  let reached = 0
  while (reached < revision) {
    const { done, value } = await watch.next()
    assert.ok(done !== true, `the watch ended at revision ${reached}, before ${revision}`)
    assert.ok(value.revision > reached, `a batch goes to ${value.revision}, but the one before went to ${reached}`)
    for (const event of value.events) assert.ok(event.revision > reached && event.revision <= value.revision, `an event of revision ${event.revision} in a batch after ${reached} up to ${value.revision}`)
    reached = value.revision
    events.push(...value.events)
  }
  return events
}

const shape = (event: StoreEvent): string => `${event.revision} ${event.type} ${event.key} ${text(event.kv)} <- ${text(event.previous)}`

/** Holds a driver to the rules of `store.ts`. Each test works below a prefix of its own. */
export function storeContract(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`store contract: ${name}`, { timeout: 60_000 }, () => {
    let under: StoreUnderTest
    let store: Store
    let prefixes = 0
    const prefix = (): string => `/registry/contract${++prefixes}/`
    const put = async (key: string, value: string, expected?: number): Promise<number> =>
      accepted(await store.put({ key, value: bytes(value), ...(expected === undefined ? {} : { expected }) })).revision
    const watch = (p: string, signal: AbortSignal, fromRevision?: number): AsyncIterator<StoreEventBatch> =>
      store.watch(p, prefixEnd(p), { signal, ...(fromRevision === undefined ? {} : { fromRevision }) })[Symbol.asyncIterator]()

    before(async () => {
      under = await open()
      store = under.store
    })
    after(() => under.close())

    test('a key is created, updated and deleted only at the revision expected', async () => {
      const key = `${prefix()}a`
      const created = await put(key, 'one', 0)
      const again = await store.put({ key, value: bytes('two'), expected: 0 })
      assert.ok(!again.ok)
      assert.equal(text(again.kv), 'one')
      assert.ok(again.revision >= created)
      const updated = await store.put({ key, value: bytes('two'), expected: created })
      assert.equal(text(accepted(updated).previous), 'one')
      const stale = await store.put({ key, value: bytes('three'), expected: created })
      assert.ok(!stale.ok && stale.kv?.modRevision === updated.revision)
      assert.ok(!(await store.delete(key, { expected: created })).ok)
      const deleted = accepted(await store.delete(key, { expected: updated.revision }))
      assert.equal(text(deleted.previous), 'two')
      assert.ok(deleted.revision > updated.revision)
      const gone = await store.put({ key, value: bytes('four'), expected: updated.revision })
      assert.ok(!gone.ok && gone.kv === undefined)
      assert.equal((await store.get(key)).kv, undefined)
    })

    test('a key carries its create and mod revision and counts its changes', async () => {
      const key = `${prefix()}a`
      const first = await put(key, 'one')
      const second = await put(key, 'two')
      assert.deepEqual({ ...(await store.get(key)).kv, value: 0 }, { key, value: 0, createRevision: first, modRevision: second, version: 2, leaseId: 0 })
      await store.delete(key)
      const third = await put(key, 'three')
      assert.deepEqual({ ...(await store.get(key)).kv, value: 0 }, { key, value: 0, createRevision: third, modRevision: third, version: 1, leaseId: 0 })
    })

    test('revisions rise by one with each write and by none with what changes nothing', async () => {
      const p = prefix()
      const start = await store.currentRevision()
      assert.equal(await put(`${p}a`, 'x'), start + 1)
      assert.equal(await put(`${p}b`, 'x'), start + 2)
      assert.ok(!(await store.put({ key: `${p}a`, value: bytes('y'), expected: 0 })).ok)
      const absent = accepted(await store.delete(`${p}absent`))
      assert.equal(absent.previous, undefined)
      assert.equal(absent.revision, start + 2)
      assert.ok((await store.delete(`${p}absent`, { expected: 0 })).ok)
      assert.ok(!(await store.delete(`${p}absent`, { expected: 5 })).ok)
      assert.equal(await store.currentRevision(), start + 2)
      assert.equal((await store.get(`${p}absent`)).revision, start + 2)
    })

    test('a range is in byte order, and limit, count, more and revision say the same as the whole', async () => {
      const p = prefix()
      for (const name of ['c', 'a', 'b', 'a/x', 'a-']) await put(p + name, name)
      await put(`${p.slice(0, -1)}0`, 'the key after the prefix')
      const all = await store.range(p, prefixEnd(p))
      assert.deepEqual(all.kvs.map(text), ['a', 'a-', 'a/x', 'b', 'c'])
      assert.deepEqual([all.count, all.more, all.revision], [5, false, await store.currentRevision()])
      const two = await store.range(p, prefixEnd(p), { limit: 2 })
      assert.deepEqual([two.kvs.map(text), two.count, two.more], [['a', 'a-'], 5, true])
      const rest = await store.range(`${two.kvs[1]!.key}\0`, prefixEnd(p), { limit: 3 })
      assert.deepEqual([rest.kvs.map(text), rest.count, rest.more], [['a/x', 'b', 'c'], 3, false])
      const counted = await store.range(p, prefixEnd(p), { countOnly: true })
      assert.deepEqual([counted.kvs, counted.count, counted.more], [[], 5, false])
      const keys = await store.range(p, prefixEnd(p), { keysOnly: true })
      assert.deepEqual(keys.kvs.map((kv) => [kv.value.byteLength, kv.modRevision]), all.kvs.map((kv) => [0, kv.modRevision]))
      assert.deepEqual((await store.range(prefixEnd(p), p)).kvs, [])
    })

    test('the past can be read until it is compacted, the future never', async () => {
      const p = prefix()
      const r1 = await put(`${p}a`, 'a1')
      const r2 = await put(`${p}b`, 'b1')
      const r3 = await put(`${p}a`, 'a2')
      const r4 = (await store.delete(`${p}b`)).revision
      const r5 = await put(`${p}b`, 'b2')
      await put(`${p}c`, 'c1')
      const at = async (revision: number): Promise<(string | undefined)[]> => (await store.range(p, prefixEnd(p), { revision })).kvs.map(text)
      const each = async (revision: number): Promise<(string | undefined)[]> => Promise.all(['a', 'b', 'c'].map(async (k) => text((await store.get(p + k, { revision })).kv)))
      assert.deepEqual([await at(r1), await at(r2), await at(r3), await at(r4), await at(r5)], [['a1'], ['a1', 'b1'], ['a2', 'b1'], ['a2'], ['a2', 'b2']])
      assert.deepEqual([await each(r2), await each(r4)], [['a1', 'b1', undefined], ['a2', undefined, undefined]])
      const page = await store.range(p, prefixEnd(p), { revision: r3, limit: 1 })
      assert.deepEqual([page.kvs.map(text), page.count, page.more], [['a2'], 2, true])
      await store.compact(r3)
      await store.compact(r2)
      assert.deepEqual([await at(r3), await at(r4)], [['a2', 'b1'], ['a2']])
      for (const read of [() => at(r2), () => store.get(`${p}a`, { revision: r2 })]) {
        await assert.rejects(read, (error) => error instanceof CompactedError && error.compactRevision >= r3)
      }
      const now = await store.currentRevision()
      await assert.rejects(() => at(now + 10), FutureRevisionError)
      await assert.rejects(() => store.compact(now + 10), FutureRevisionError)
      await store.compact(now)
      assert.deepEqual(await at(now), ['a2', 'b2', 'c1'])
    })

    test('a watch delivers every change of its range once, in order, with what it replaced', async () => {
      const p = prefix()
      const abort = new AbortController()
      const events = watch(p, abort.signal)
      const r1 = await put(`${p}a`, 'one')
      await put(`${p.slice(0, -1)}x`, 'beside the prefix')
      const r2 = await put(`${p}a`, 'two')
      const r3 = (await store.delete(`${p}a`)).revision
      const r4 = await put(`${p}a`, 'three')
      assert.deepEqual((await readUntil(events, r4)).map(shape), [
        `${r1} put ${p}a one <- undefined`, `${r2} put ${p}a two <- one`, `${r3} delete ${p}a  <- two`, `${r4} put ${p}a three <- undefined`,
      ])
      abort.abort()
      assert.equal((await events.next()).done, true)
    })

    test('a watch from a past revision continues without a gap into what comes next', async () => {
      const p = prefix()
      const first = await put(`${p}0`, 'x')
      for (let i = 1; i < 40; i++) await put(`${p}${i % 7}`, String(i))
      const abort = new AbortController()
      const events = watch(p, abort.signal, first + 5)
      const writing = (async () => {
        let last = 0
        for (let i = 40; i < 80; i++) last = await put(`${p}${i % 7}`, String(i))
        return last
      })()
      const seen = await readUntil(events, await writing)
      assert.deepEqual(seen.map((event) => text(event.kv)), Array.from({ length: 75 }, (_, i) => String(i + 5)))
      abort.abort()
    })

    test('watches that stop and resume anywhere, amid concurrent writers, see every change exactly once', async () => {
      const p = prefix()
      const random = seededRandom(42)
      const first = await store.currentRevision() + 1
      const writing = Promise.all(Array.from({ length: 6 }, async (_, lane) => {
        for (let i = 0; i < 30; i++) {
          if (random.int(4) === 0) await store.delete(`${p}${random.int(8)}`)
          else await put(`${p}${random.int(8)}`, `${lane}.${i}`)
        }
        return put(`${p}last${lane}`, 'x')
      }))
      let target = Infinity
      const watchers = Array.from({ length: 8 }, async () => {
        const seen: string[] = []
        for (let next = first; next <= target;) {
          const abort = new AbortController()
          const events = watch(p, abort.signal, next)
          for (let batches = 1 + random.int(4); batches > 0 && next <= target; batches--) {
            const { value } = await events.next() as IteratorYieldResult<StoreEventBatch>
            assert.ok(value.revision >= next, 'a resumed watch goes on')
            for (const event of value.events) assert.ok(event.revision >= next && event.revision <= value.revision, 'in order, and nothing twice')
            seen.push(...value.events.map(shape))
            next = value.revision + 1
          }
          abort.abort()
        }
        return seen
      })
      target = Math.max(...await writing)
      // Whoever already waits for more learns that the end is reached.
      await put(`${p}end`, 'x')
      const read = await readUntil(watch(p, AbortSignal.timeout(20_000), first), target)
      const whole = read.filter((event) => event.revision <= target).map(shape)
      assert.ok(whole.length > 100)
      for (const seen of watchers) assert.deepEqual((await seen).slice(0, whole.length), whole)
    })

    test('a watch from a future revision is silent until then', async () => {
      const p = prefix()
      const now = await store.currentRevision()
      const abort = new AbortController()
      const events = watch(p, abort.signal, now + 3)
      for (const name of ['a', 'b', 'c', 'd']) await put(p + name, name)
      assert.deepEqual((await readUntil(events, now + 4)).map((event) => event.key), [`${p}c`, `${p}d`])
      abort.abort()
    })

    test('a watch of a quiet range learns how far the store has come', async () => {
      const abort = new AbortController()
      const events = watch(prefix(), abort.signal)
      const revision = await put(`${prefix()}elsewhere`, 'x')
      assert.deepEqual(await readUntil(events, revision), [])
      abort.abort()
    })

    test('a watch from a compacted revision ends with CompactedError', async () => {
      const p = prefix()
      const first = await put(`${p}a`, 'one')
      await put(`${p}a`, 'two')
      const third = await put(`${p}a`, 'three')
      await store.compact(third)
      const abort = new AbortController()
      await assert.rejects(() => watch(p, abort.signal, first).next(), (error) => error instanceof CompactedError && error.compactRevision >= third)
      const kept = await readUntil(watch(p, abort.signal, third), third)
      assert.deepEqual(kept.map((event) => text(event.kv)), ['three'])
      abort.abort()
    })

    test('an aborted watch ends at once, before, between and during reads', async () => {
      const p = prefix()
      assert.equal((await watch(p, AbortSignal.abort()).next()).done, true)
      const abort = new AbortController()
      const waiting = watch(p, abort.signal)
      const next = waiting.next()
      abort.abort()
      assert.equal((await next).done, true)
      assert.equal((await waiting.next()).done, true)
    })

    test('120 watchers of one prefix and one of everything see the same', async () => {
      const p = prefix()
      const abort = new AbortController()
      const watchers = Array.from({ length: 120 }, () => watch(p, abort.signal))
      const all = store.watch('\0', '\u{10ffff}', { signal: abort.signal })[Symbol.asyncIterator]()
      let last = 0
      for (let i = 0; i < 20; i++) last = await put(`${p}${i}`, String(i))
      const seen = await Promise.all([...watchers, all].map(async (w) => (await readUntil(w, last)).map((event) => event.revision)))
      const whole = seen.pop()!
      assert.equal(seen[0]!.length, 20)
      for (const one of seen) assert.deepEqual(one, seen[0])
      assert.deepEqual(whole.filter((revision) => seen[0]!.includes(revision)), seen[0])
      abort.abort()
    })

    test('keys of a lease go, in one revision, when it is revoked, and when it runs out', async () => {
      const p = prefix()
      const abort = new AbortController()
      const events = watch(p, abort.signal)
      const lease = await store.grantLease(100)
      for (const key of [`${p}a`, `${p}b`, `${p}c`]) await store.put({ key, value: bytes('x'), leaseId: lease })
      assert.equal((await store.get(`${p}a`)).kv?.leaseId, lease)
      await put(`${p}c`, 'no longer attached')
      await store.revokeLease(lease)
      const left = await store.range(p, prefixEnd(p))
      assert.deepEqual(left.kvs.map((kv) => kv.key), [`${p}c`])
      const deletions = (await readUntil(events, left.revision)).filter((event) => event.type === 'delete')
      assert.deepEqual(deletions.map((event) => event.key).sort(), [`${p}a`, `${p}b`])
      assert.equal(deletions[0]!.revision, deletions[1]!.revision)
      await assert.rejects(() => store.put({ key: `${p}d`, value: bytes('x'), leaseId: lease }), LeaseNotFoundError)
      await assert.rejects(() => store.keepAlive(lease), LeaseNotFoundError)
      await assert.rejects(() => store.revokeLease(lease), LeaseNotFoundError)

      const short = await store.grantLease(2)
      await store.put({ key: `${p}e`, value: bytes('x'), leaseId: short })
      await under.passTime(1200)
      await store.keepAlive(short)
      await under.passTime(1200)
      assert.notEqual((await store.get(`${p}e`)).kv, undefined, 'a lease kept alive has its whole time again')
      await under.passTime(2500)
      for (let expired = false; !expired;) {
        const { value } = await events.next() as IteratorYieldResult<StoreEventBatch>
        expired = value.events.some((event) => event.type === 'delete' && event.key === `${p}e`)
      }
      assert.equal((await store.get(`${p}e`)).kv, undefined)
      abort.abort()
    })

    test('values are bytes: empty, 1 MiB and every byte come back the same', async () => {
      const p = prefix()
      const values = [new Uint8Array(0), Uint8Array.from({ length: 256 }, (_, i) => i), Buffer.alloc(1024 * 1024, 'k8ts')]
      for (const [i, value] of values.entries()) await store.put({ key: `${p}${i}`, value })
      const read = await store.range(p, prefixEnd(p))
      for (const [i, value] of values.entries()) {
        assert.ok(Buffer.from(value).equals(Buffer.from((await store.get(`${p}${i}`)).kv!.value)), `value ${i} by get`)
        assert.ok(Buffer.from(value).equals(Buffer.from(read.kvs[i]!.value)), `value ${i} by range`)
      }
    })

    test('odd keys are kept apart, in order of their UTF-8 bytes', async () => {
      const p = prefix()
      const names = ['a', 'a\0', 'a\0\0', 'a\u0001', 'a b', 'a%2F', 'ä', 'Ä', '日本', '\u{1f600}', '\uffee', 'z'.repeat(1500), '..', 'a\n']
      for (const name of names) await put(p + name, name)
      const sorted = [...names].sort((a, b) => Buffer.from(a).compare(Buffer.from(b)))
      assert.deepEqual((await store.range(p, prefixEnd(p))).kvs.map(text), sorted)
      for (const name of names) assert.equal(text((await store.get(p + name)).kv), name)
      await assert.rejects(() => put('', 'x'), TypeError)
      await assert.rejects(() => put(`${p}\ud800`, 'x'), TypeError)
      await assert.rejects(() => put(p + 'z'.repeat(1900), 'x'), TypeError)
    })

    test('of concurrent writers with the same expectation exactly one wins', async () => {
      const key = `${prefix()}a`
      const created = await Promise.all(Array.from({ length: 20 }, (_, i) => store.put({ key, value: bytes(String(i)), expected: 0 })))
      assert.equal(created.filter((result) => result.ok).length, 1)
      const increment = async (): Promise<void> => {
        for (;;) {
          const { kv } = await store.get(key)
          const result = await store.put({ key, value: bytes(String(Number(text(kv)) + 1)), expected: kv!.modRevision })
          if (result.ok) return
        }
      }
      await put(key, '0')
      await Promise.all(Array.from({ length: 12 }, increment))
      assert.equal(text((await store.get(key)).kv), '12')
    })

    test('a read sees every write acknowledged before it', async () => {
      const p = prefix()
      await Promise.all(Array.from({ length: 50 }, async (_, i) => {
        const revision = await put(`${p}${i}`, String(i))
        const read = await store.get(`${p}${i}`)
        assert.equal(text(read.kv), String(i))
        assert.ok(read.revision >= revision)
        const range = await store.range(p, prefixEnd(p), { keysOnly: true })
        assert.ok(range.kvs.every((kv) => kv.modRevision <= range.revision))
      }))
      assert.equal((await store.range(p, prefixEnd(p), { countOnly: true })).count, 50)
    })

    test('random work agrees with a plain map, now and at every revision', async () => {
      await modelCheck(store, prefix(), seededRandom(20_260_101), name === 'etcd' ? 400 : 1500)
    })

    test('healthy resolves while the store can write', () => store.healthy())

    test('a store on disk tells how much room it takes', async () => {
      await store.put({ key: '/size/a', value: bytes('x') })
      assert.ok(store.sizeBytes === undefined ? store.driver === 'memory' : await store.sizeBytes() > 0)
    })
  })

  test(`${name}: closing ends watches, and nothing can be asked afterwards`, { timeout: 20_000 }, async () => {
    const { store, close } = await open()
    const abort = new AbortController()
    const idle = store.watch('/a', '/b', { signal: abort.signal })[Symbol.asyncIterator]()
    const reading = store.watch('/a', '/b', { signal: abort.signal })[Symbol.asyncIterator]().next()
    const outcome = reading.then(() => assert.fail('the watch should have failed'), (error: unknown) => error)
    const writing = store.put({ key: '/registry/closing', value: bytes('x') })
    const closing = store[Symbol.asyncDispose]()
    assert.ok((await writing).ok)
    await closing
    assert.ok((await outcome) instanceof StoreClosedError)
    await assert.rejects(() => idle.next(), StoreClosedError)
    for (const call of [() => store.get('/a'), () => store.range('/a', '/b'), () => store.put({ key: '/a', value: bytes('x') }), () => store.delete('/a'), () => store.currentRevision(), () => store.healthy(), () => store.compact(1)]) {
      await assert.rejects(call, StoreClosedError)
    }
    await close()
  })
}

/** What the store should hold after each revision of the model's making. */
type Snapshot = Map<string, { value: string; modRevision: number; createRevision: number; version: number }>

async function modelCheck(store: Store, prefix: string, random: Random, steps: number): Promise<void> {
  const abort = new AbortController()
  const start = await store.currentRevision()
  const events = store.watch(prefix, prefixEnd(prefix), { signal: abort.signal })[Symbol.asyncIterator]()
  const names = ['a', 'aa', 'a/b', 'b', 'ä', '\u{1f600}', '\uffee', 'c', 'd\0', 'd']
  let model: Snapshot = new Map()
  const history: Snapshot[] = [model]
  let oldest = start
  const expectedEvents: string[] = []
  for (let step = 0; step < steps; step++) {
    const key = prefix + names[random.int(names.length)]!
    const current = model.get(key)
    const expected = [undefined, 0, current?.modRevision ?? 0, start + random.int(step + 1)][random.int(4)]
    const holds = expected === undefined || expected === (current?.modRevision ?? 0)
    const revision = start + history.length
    const act = random.int(10)
    if (act < 5) {
      const value = `${step}`
      const result = await store.put({ key, value: bytes(value), ...(expected === undefined ? {} : { expected }) })
      assert.equal(result.ok, holds, `step ${step}: put ${key} expecting ${expected}`)
      if (!holds) continue
      assert.equal(result.revision, revision)
      model = new Map(model).set(key, { value, modRevision: revision, createRevision: current?.createRevision ?? revision, version: (current?.version ?? 0) + 1 })
      history.push(model)
      expectedEvents.push(`${revision} put ${key} ${value} <- ${current?.value}`)
    } else if (act < 7) {
      const result = await store.delete(key, expected === undefined ? {} : { expected })
      assert.equal(result.ok, holds, `step ${step}: delete ${key} expecting ${expected}`)
      if (!holds || current === undefined) continue
      assert.equal(result.revision, revision)
      model = new Map(model)
      model.delete(key)
      history.push(model)
      expectedEvents.push(`${revision} delete ${key}  <- ${current.value}`)
    } else if (act < 9) {
      const at = oldest + random.int(revision - oldest)
      await compareRange(store, prefix, history[at - start]!, at, random)
      const { kv } = await store.get(key, { revision: at })
      assert.equal(text(kv), history[at - start]!.get(key)?.value, `step ${step}: get ${key} at ${at}`)
    } else if (random.int(10) === 0) {
      oldest += random.int(revision - oldest)
      await store.compact(oldest)
    }
  }
  await compareRange(store, prefix, model, 0, random)
  const seen = await readUntil(events, start + history.length - 1)
  assert.deepEqual(seen.map(shape), expectedEvents)
  const replayed = await readUntil(store.watch(prefix, prefixEnd(prefix), { signal: abort.signal, fromRevision: oldest })[Symbol.asyncIterator](), start + history.length - 1)
  assert.deepEqual(replayed.map((event) => `${event.revision} ${event.key}`), expectedEvents.map((line) => line.split(' ')).filter((line) => Number(line[0]) >= oldest).map((line) => `${line[0]} ${line[2]}`))
  abort.abort()
}

async function compareRange(store: Store, prefix: string, model: Snapshot, revision: number, random: Random): Promise<void> {
  const limit = random.int(4)
  const result = await store.range(prefix, prefixEnd(prefix), { revision, limit })
  const keys = [...model.keys()].sort((a, b) => (byteForm(a) < byteForm(b) ? -1 : 1))
  const shown = limit === 0 ? keys : keys.slice(0, limit)
  const found = result.kvs.map((kv) => ({ key: kv.key, value: text(kv), modRevision: kv.modRevision, createRevision: kv.createRevision, version: kv.version }))
  assert.deepEqual(found, shown.map((key) => ({ key, ...model.get(key)! })), `range at ${revision} with limit ${limit}`)
  assert.deepEqual([result.count, result.more], [keys.length, shown.length < keys.length])
}
