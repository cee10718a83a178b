import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errors } from '../machinery/status.ts'
import { currentCauses, type CauseChain } from '../runtime/causes.ts'
import { testRuntime } from '../runtime/runtime.ts'
import { runController, watching, type ControllerOptions } from './controller.ts'
import { createInformerFactory } from './informer.ts'
import { TerminalError } from './reconciler.ts'
import { configMaps } from './resources.ts'
import { createFakeApi } from './testing/fake-api.ts'

function setUp(reconcile: ControllerOptions['reconcile'], concurrency = 1) {
  const runtime = testRuntime()
  const api = createFakeApi(runtime)
  const factory = createInformerFactory(api.client, runtime)
  const controller = runController({ name: 'test-controller', runtime, sources: [watching(factory.informer(configMaps))], reconcile, concurrency })
  const stop = async (): Promise<void> => {
    await controller[Symbol.asyncDispose]()
    await factory[Symbol.asyncDispose]()
    assert.equal(runtime.clock.pendingCount, 0)
  }
  const add = (name: string): void => void api.seed(configMaps, { metadata: { name, namespace: 'default' } })
  return { runtime, api, add, stop }
}

test('reconciles what exists and what comes, and names the causes', async () => {
  const chains: Array<CauseChain | undefined> = []
  const { runtime, add, api, stop } = setUp(async () => void chains.push(currentCauses()))
  add('a')
  await runtime.clock.settle()
  api.change(configMaps, 'default/a', (a) => void (a.data = {}))
  await runtime.clock.settle()
  assert.deepEqual(chains, [
    { actor: 'test-controller', causes: [{ kind: 'ConfigMap', namespace: 'default', name: 'a', resourceVersion: '2' }] },
    { actor: 'test-controller', causes: [{ kind: 'ConfigMap', namespace: 'default', name: 'a', resourceVersion: '3' }] },
  ])
  await stop()
})

test('throwing tries again with back-off, a terminal error does not, requeueAfterMs does', async () => {
  const calls: string[] = []
  const { runtime, add, stop } = setUp(async (key) => {
    calls.push(key)
    const count = calls.filter((call) => call === key).length
    if (key === 'default/fails' && count < 4) throw errors.conflict({ group: '', resource: 'configmaps' }, 'fails')
    if (key === 'default/terminal') throw new TerminalError('never')
    if (key === 'default/again' && count < 2) return { requeueAfterMs: 1000 }
  })
  for (const name of ['fails', 'terminal', 'again']) add(name)
  await runtime.clock.advance(100)
  assert.equal(calls.filter((call) => call === 'default/fails').length, 4)
  assert.equal(calls.filter((call) => call === 'default/again').length, 1)
  await runtime.clock.advance(100_000)
  assert.equal(calls.filter((call) => call === 'default/terminal').length, 1)
  assert.equal(calls.filter((call) => call === 'default/again').length, 2)
  await stop()
})

test('runs as many keys at once as allowed, each alone, and waits for them when stopped', async () => {
  let running = 0
  let most = 0
  const gate = Promise.withResolvers<void>()
  const { runtime, add, stop } = setUp(async () => {
    most = Math.max(most, ++running)
    await gate.promise
    running--
  }, 3)
  for (const name of ['a', 'b', 'c', 'd', 'e']) add(name)
  await runtime.clock.settle()
  assert.equal(most, 3)
  const stopping = stop()
  await runtime.clock.settle()
  assert.equal(running, 3)
  gate.resolve()
  await stopping
  assert.equal(running, 0)
})

test('can be stopped while its informers wait for the server', async () => {
  const { api, stop } = setUp(async () => assert.fail('must not run'))
  api.intercept = () => errors.serviceUnavailable('down')
  await stop()
})

test('a key whose reconcile is long rests before it runs again, and misses nothing', async () => {
  const runtime = testRuntime()
  const api = createFakeApi(runtime)
  const factory = createInformerFactory(api.client, runtime)
  const seen: string[] = []
  const informer = factory.informer(configMaps)
  const controller = runController({
    name: 'test-controller', runtime, sources: [watching(informer)], rest: { factor: 4, maxMs: 1000 },
    async reconcile(key, signal) {
      seen.push(informer.get(key)?.data?.['n'] ?? '')
      await runtime.clock.sleep(50, signal)
    },
  })
  api.seed(configMaps, { metadata: { name: 'a', namespace: 'default' }, data: { n: '0' } })
  for (let n = 1; n <= 20; n++) {
    await runtime.clock.advance(25)
    api.change(configMaps, 'default/a', (a) => void (a.data = { n: String(n) }))
  }
  await runtime.clock.advance(1000)
  assert.equal(seen.at(-1), '20')
  assert.ok(seen.length <= 4, seen.join())
  await controller[Symbol.asyncDispose]()
  await factory[Symbol.asyncDispose]()
  assert.equal(runtime.clock.pendingCount, 0)
})
