import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { seededRandom } from '../runtime/random.ts'
import { systemRuntime, testRuntime } from '../runtime/runtime.ts'
import { openLmdbStore } from './lmdb.ts'
import type { Store, StoreEvent } from './store.ts'

const writer = fileURLToPath(new URL('crash-writer.ts', import.meta.url))
const runtime = systemRuntime()
const kills = 200
/** Stores written and killed side by side. */
const lanes = 2

/** Runs a writer on `path` and kills it `delayMs` after its start, or after it is ready. Returns the whole lines it wrote. */
async function writeAndKill(path: string, seed: number, after: 'start' | 'ready', delayMs: number): Promise<string[]> {
  const child = runtime.processes.start(process.execPath, [writer, path, String(seed)], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let complaint = ''
  const kill = (): void => void runtime.clock.timer(delayMs, () => child.kill('SIGKILL'))
  child.stderr!.on('data', (chunk: Buffer) => (complaint += chunk.toString()))
  child.stdout!.on('data', (chunk: Buffer) => {
    if (output === '' && after === 'ready') kill()
    output += chunk.toString()
  })
  if (after === 'start') kill()
  const signal = await new Promise((resolve) => child.once('close', (_code, by) => resolve(by)))
  assert.equal(signal, 'SIGKILL', `the writer ended by itself: ${complaint}`)
  // A line cut off by the kill was not reported.
  return output.split('\n').slice(0, -1).filter((line) => line !== 'ready')
}

/** All changes from `from` on, by revision. */
async function historyFrom(store: Store, from: number, upTo: number): Promise<Map<number, StoreEvent>> {
  const abort = new AbortController()
  const events = new Map<number, StoreEvent>()
  for await (const batch of store.watch('/', '0', { fromRevision: from, signal: abort.signal })) {
    for (const event of batch.events) events.set(event.revision, event)
    if (batch.revision >= upTo) abort.abort()
  }
  return events
}

function describeEvent(event: StoreEvent | undefined): string {
  if (event === undefined) return 'nothing'
  return event.type === 'delete' ? `delete ${event.revision} ${event.key}` : `put ${event.revision} ${event.key} ${Buffer.from(event.kv.value).toString()}`
}

/** Reopens the store after a kill and holds it against what was acknowledged. Returns its revision. */
async function verify(path: string, lines: readonly string[], before: number): Promise<{ revision: number; acknowledged: number }> {
  await using store = await openLmdbStore({ path, runtime: testRuntime() })
  const revision = await store.currentRevision()
  const compacted = Math.max(1, ...lines.filter((line) => line.startsWith('compacting')).map((line) => Number(line.split(' ')[1])))
  const acknowledged = lines.filter((line) => !line.startsWith('compacting'))
  const newest = Math.max(before, ...acknowledged.map((line) => Number(line.split(' ')[1])))
  assert.ok(revision >= newest, `the store is at revision ${revision}, but ${newest} was acknowledged`)
  const from = Math.max(before + 1, compacted)
  const history = from <= revision ? await historyFrom(store, from, revision) : new Map<number, StoreEvent>()
  for (let at = from; at <= revision; at++) assert.ok(history.has(at), `revision ${at} is missing from the history`)
  for (const line of acknowledged) {
    const at = Number(line.split(' ')[1])
    if (at >= from) assert.equal(describeEvent(history.get(at)), line)
  }
  // The last acknowledged change of each key stands, unless a later one, not yet acknowledged, has replaced it.
  const last = new Map(acknowledged.toSorted((a, b) => Number(a.split(' ')[1]) - Number(b.split(' ')[1])).map((line) => [line.split(' ')[2]!, line]))
  for (const [key, line] of last) {
    const { kv } = await store.get(key)
    const [type, at, , value] = line.split(' ')
    const replaced = [...history.values()].some((event) => event.key === key && event.revision > Number(at))
    if (!replaced) assert.equal(kv === undefined ? undefined : Buffer.from(kv.value).toString(), type === 'put' ? value : undefined, line)
  }
  const all = await store.range('/', '0')
  assert.equal(all.count, all.kvs.length)
  await store.range('/', '0', { revision: from <= revision ? from : revision })
  return { revision, acknowledged: acknowledged.length }
}

test(`acknowledged writes survive ${kills} kills at random points`, { timeout: 300_000 }, async (t) => {
  const totals = await Promise.all(Array.from({ length: lanes }, async (_, lane) => {
    const random = seededRandom(7_000 + lane)
    const path = mkdtempSync(join(tmpdir(), 'k8ts-crash-'))
    try {
      let revision = 1
      let writes = 0
      for (let round = 0; round < kills / lanes; round++) {
        const lines = await (random.int(8) === 0 ? writeAndKill(path, random.int(1e9), 'start', 60 + random.int(80)) : writeAndKill(path, random.int(1e9), 'ready', random.int(25)))
        const outcome = await verify(path, lines, revision)
        revision = outcome.revision
        writes += outcome.acknowledged
      }
      return writes
    } finally {
      rmSync(path, { recursive: true, force: true })
    }
  }))
  const writes = totals.reduce((sum, count) => sum + count, 0)
  t.diagnostic(`${writes} acknowledged writes checked`)
  assert.ok(writes > kills, 'the writers must have had time to write')
})
