/**
 * The child of `crash.test.ts`: `node crash-writer.ts DIRECTORY SEED` writes to the LMDB store as fast as it can until it is
 * killed. Standard output, one line each, written synchronously:
 *   `ready`                      the store is open
 *   `compacting REVISION`        before it compacts
 *   `put REVISION KEY VALUE`     after the acknowledgement
 *   `delete REVISION KEY`        after the acknowledgement
 */
import { writeSync } from 'node:fs'
import { systemClock } from '../runtime/clock.ts'
import { seededRandom } from '../runtime/random.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { openLmdbStore } from './lmdb.ts'

const [path, seed] = process.argv.slice(2)
if (path === undefined || seed === undefined) throw new Error('usage: crash-writer.ts DIRECTORY SEED')
const say = (line: string): void => void writeSync(1, `${line}\n`)
const report = (message: string): void => void writeSync(2, `${message}\n`)
const refuse = (): never => {
  throw new Error('the crash writer starts no processes')
}
const random = seededRandom(Number(seed))
// Not systemRuntime(): its logger would take most of the start-up time.
const log: Runtime['log'] = { debug: report, info: report, warn: report, error: report, child: () => log }
const store = await openLmdbStore({ path, runtime: { clock: systemClock(), random, log, processes: { run: refuse, start: refuse } } })
say('ready')

async function write(lane: number): Promise<never> {
  for (let count = 0; ; count++) {
    const key = `/registry/crash/${random.int(40)}`
    const act = random.int(20)
    if (act === 0) {
      const revision = Math.max(1, (await store.currentRevision()) - 100)
      say(`compacting ${revision}`)
      await store.compact(revision)
    } else if (act < 4) {
      const result = await store.delete(key)
      if (result.ok && result.previous !== undefined) say(`delete ${result.revision} ${key}`)
    } else {
      const value = `${seed}.${lane}.${count}.${'x'.repeat(random.int(3000))}`
      const expected = act < 8 ? (await store.get(key)).kv?.modRevision ?? 0 : undefined
      const result = await store.put({ key, value: Buffer.from(value), ...(expected === undefined ? {} : { expected }) })
      if (result.ok) say(`put ${result.revision} ${key} ${value}`)
    }
  }
}

await Promise.all(Array.from({ length: 6 }, (_, lane) => write(lane)))
