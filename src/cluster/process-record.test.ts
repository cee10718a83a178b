import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { test, type TestContext } from 'node:test'
import { systemRuntime } from '../runtime/runtime.ts'
import { memoryLogger } from '../runtime/log.ts'
import { endProcess, isAlive, processRegister, recordOf, startRecorded, type ProcessRecord, type ProcessRegister } from './process-record.ts'

const runtime = systemRuntime(memoryLogger())

test('a recorded process is alive until it ends, and ending it twice is no error', async () => {
  const child = runtime.processes.start('sleep', ['60'], { stdio: 'ignore' })
  const record = await recordOf(runtime, child.pid ?? -1)
  assert.equal(await isAlive(runtime, record), true)
  await endProcess(runtime, record)
  assert.equal(await isAlive(runtime, record), false)
  await endProcess(runtime, record)
})

test('a process that ignores SIGTERM is killed after its grace', async () => {
  const child = runtime.processes.start('sh', ['-c', 'trap "" TERM; echo ready; while :; do sleep 1; done'], { stdio: ['ignore', 'pipe', 'ignore'] })
  await new Promise((resolve) => child.stdout?.once('data', resolve))
  const record = await recordOf(runtime, child.pid ?? -1)
  await endProcess(runtime, record, 50)
  assert.equal(await isAlive(runtime, record), false)
})

test('another process of the same number is not taken for the recorded one', async () => {
  assert.equal(await isAlive(runtime, { pid: process.pid, startTime: '1' }), false)
})

test('records are written, listed and removed by name', async (t) => {
  const directory = await mkdtemp(`${tmpdir()}/k8ts-register-`)
  t.after(() => rm(directory, { recursive: true }))
  const register = processRegister(directory)
  assert.equal(await register.read('server'), undefined)
  await register.write('server', { pid: 1, startTime: '2' })
  assert.deepEqual(await register.read('server'), { pid: 1, startTime: '2' })
  assert.deepEqual(await register.names(), ['server'])
  await register.remove('server')
  assert.deepEqual(await register.names(), [])
})

async function registerFor(t: TestContext): Promise<{ register: ProcessRegister; log: string }> {
  const directory = await mkdtemp(`${tmpdir()}/k8ts-register-`)
  t.after(() => rm(directory, { recursive: true }))
  return { register: processRegister(directory), log: `${directory}/log` }
}

test('a detached process is in the register before it begins, and writes to its log', async (t) => {
  const { register, log } = await registerFor(t)
  let atWriting = ''
  const looking: ProcessRegister = { ...register, write: async (name, record) => {
    atWriting = await readFile(`/proc/${record.pid}/cmdline`, 'utf8').catch(() => '')
    await register.write(name, record)
  } }
  const record = await startRecorded(runtime, looking, 'server', { command: 'sh', args: ['-c', 'echo "$1 begun"; exec sleep 60', 'sh', 'it has'], log })
  assert.deepEqual(await register.read('server'), record)
  if (process.platform === 'linux') assert.match(atWriting, /^\/bin\/sh/)
  while (await readFile(log, 'utf8') === '') await runtime.clock.sleep(5)
  assert.equal(await readFile(log, 'utf8'), 'it has begun\n')
  await endProcess(runtime, record)
})

test('a detached process that could not be entered in the register never begins', async (t) => {
  const { register, log } = await registerFor(t)
  let begun: ProcessRecord | undefined
  const full: ProcessRegister = { ...register, write: async (_, record) => {
    begun = record
    throw new Error('no space left on device')
  } }
  await assert.rejects(startRecorded(runtime, full, 'server', { command: 'sh', args: ['-c', 'echo begun'], log }), /no space left/)
  while (begun !== undefined && await isAlive(runtime, begun)) await runtime.clock.sleep(5)
  assert.equal(await readFile(log, 'utf8'), '')
})
