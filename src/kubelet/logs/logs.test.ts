import assert from 'node:assert/strict'
import { appendFile, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { systemClock } from '../../runtime/clock.ts'
import { testRuntime } from '../../runtime/runtime.ts'
import type { ContainerRuntime } from '../container-runtime.ts'
import type { ObservedPod } from '../runtime-pods.ts'
import { parseLogLine } from './format.ts'
import { readLog, type LogQuery } from './read.ts'
import { createLogRotation } from './rotation.ts'
import { readLogTail } from './tail.ts'

const line = (text: string, tag = 'F'): string => `2026-01-01T00:00:00.000000000Z stdout ${tag} ${text}\n`
const all: LogQuery = { follow: false, timestamps: false, stream: 'All' }

describe('container logs', () => {
  let directory: string
  let path: string
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'k8ts-logs-'))
    path = join(directory, '0.log')
  })
  after(() => rm(directory, { recursive: true, force: true }))
  const read = async (query: Partial<LogQuery>): Promise<string> => {
    const chunks: Buffer[] = []
    for await (const chunk of readLog(path, { ...all, ...query }, systemClock(), () => false, new AbortController().signal)) chunks.push(chunk)
    return Buffer.concat(chunks).toString()
  }

  it('lines are parsed, empty and odd ones too', () => {
    assert.deepEqual(parseLogLine('t stdout F a b'), { timestamp: 't', stream: 'stdout', partial: false, text: 'a b' })
    assert.deepEqual(parseLogLine('t stderr P '), { timestamp: 't', stream: 'stderr', partial: true, text: '' })
    assert.deepEqual(parseLogLine('t stdout F'), { timestamp: 't', stream: 'stdout', partial: false, text: '' })
    for (const text of ['', 'x', 'a b', 't stdin F x']) assert.equal(parseLogLine(text), undefined, text)
  })

  it('the last lines of a long log are found', async () => {
    await writeFile(path, Array.from({ length: 20_000 }, (_, at) => line(`line ${at}`)).join(''))
    assert.equal(await read({ tailLines: 2 }), 'line 19998\nline 19999\n')
    assert.equal((await read({ tailLines: 15_000 })).split('\n').length, 15_001)
    assert.equal((await read({})).split('\n').length, 20_001)
    assert.equal((await read({ tailLines: 30_000 })).split('\n').length, 20_001)
    assert.equal(await readLogTail(path, { lines: 2, bytes: 14 }), '98\nline 19999\n')
    assert.equal(await readLogTail(join(directory, 'none'), { lines: 1, bytes: 1 }), '')
  })

  it('characters that lie across reads stay whole', async () => {
    await writeFile(path, Array.from({ length: 9000 }, () => line('żółw')).join(''))
    assert.equal(await read({}), 'żółw\n'.repeat(9000))
  })

  it('following goes on over new lines and rotations until the container has ended', async () => {
    await writeFile(path, line('one'))
    let running = true
    const log = readLog(path, { ...all, follow: true }, systemClock(), () => running, new AbortController().signal)
    const next = async (): Promise<string | undefined> => (await log.next()).value?.toString()
    assert.equal(await next(), 'one\n')
    const second = next()
    await appendFile(path, line('two'))
    assert.equal(await second, 'two\n')
    const third = next()
    await rename(path, `${path}.cut`)
    await writeFile(path, line('three'))
    assert.equal(await third, 'three\n')
    const last = next()
    await appendFile(path, line('four'))
    running = false
    assert.equal(await last, 'four\n')
    assert.equal(await next(), undefined)
  })

  it('a reader that goes away ends the following', async () => {
    await writeFile(path, line('one'))
    const gone = new AbortController()
    const log = readLog(path, { ...all, follow: true }, systemClock(), () => true, gone.signal)
    await log.next()
    const pending = log.next()
    gone.abort(new Error('gone'))
    assert.equal((await pending).done, true)
  })

  it('large logs are cut, compressed and thrown away', async () => {
    await rm(directory, { recursive: true })
    directory = await mkdtemp(join(tmpdir(), 'k8ts-logs-'))
    path = join(directory, '0.log')
    const runtime = testRuntime()
    const reopened: string[] = []
    const containers = { reopenContainerLog: async (id: string) => {
      reopened.push(id)
      await writeFile(path, '')
    } } as unknown as ContainerRuntime
    const rotation = createLogRotation({ containers, runtime, maxBytes: 100, maxFiles: 3 })
    const pod = { containers: [{ id: 'x', state: 'running', logPath: path }] } as unknown as ObservedPod
    await writeFile(path, 'small')
    await rotation.rotate([pod])
    assert.deepEqual(reopened, [])
    for (let round = 0; round < 4; round++) {
      await writeFile(path, `${round}`.repeat(200))
      await rotation.rotate([pod])
      await runtime.clock.advance(1000)
    }
    const names = (await readdir(directory)).sort()
    assert.deepEqual(names, ['0.log', '0.log.20260101-000002.gz', '0.log.20260101-000003'])
    assert.equal(gunzipSync(await readFile(join(directory, names[1]!))).toString(), '2'.repeat(200))
    assert.equal(reopened.length, 4)
  })
})
