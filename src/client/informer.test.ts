import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ConfigMap } from '../api/types/core_v1.ts'
import { errors } from '../machinery/status.ts'
import { testRuntime } from '../runtime/runtime.ts'
import { createInformerFactory } from './informer.ts'
import { configMaps } from './resources.ts'
import { createFakeApi } from './testing/fake-api.ts'

const map = (name: string, labels: Record<string, string> = {}, namespace = 'default'): ConfigMap => ({ metadata: { name, namespace, labels } })

function setUp() {
  const runtime = testRuntime()
  const api = createFakeApi(runtime)
  const factory = createInformerFactory(api.client, runtime)
  const informer = factory.informer(configMaps)
  const seen: string[] = []
  informer.onChange((object, old) => seen.push(object === undefined ? `-${old?.metadata.name}` : old === undefined ? `+${object.metadata.name}` : `~${object.metadata.name}`))
  return { runtime, api, factory, informer, seen }
}

test('lists, then follows changes', async () => {
  const { runtime, api, factory, informer, seen } = setUp()
  api.seed(configMaps, map('a'))
  await informer.synced
  api.seed(configMaps, map('b'))
  api.change(configMaps, 'default/a', (a) => void (a.data = { k: 'v' }))
  api.remove(configMaps, 'default/b')
  await runtime.clock.settle()
  assert.deepEqual(seen, ['+a', '+b', '~a', '-b'])
  assert.deepEqual(informer.get('default/a')?.data, { k: 'v' })
  assert.equal(informer.size, 1)
  await factory[Symbol.asyncDispose]()
  assert.equal(api.watchCount, 0)
  assert.equal(runtime.clock.pendingCount, 0)
})

test('resumes from the last revision when a watch ends', async () => {
  const { runtime, api, factory, informer, seen } = setUp()
  await informer.synced
  api.seed(configMaps, map('a'))
  await runtime.clock.advance(1500)
  api.breakWatches()
  api.seed(configMaps, map('b'))
  await runtime.clock.settle()
  assert.deepEqual(seen, ['+a', '+b'])
  const watches = api.requests.filter((request) => request.verb === 'watch')
  assert.equal(watches.length, 2)
  assert.equal(watches[1]?.query.get('sendInitialEvents'), null)
  await factory[Symbol.asyncDispose]()
})

test('lists anew when its revision has expired, and tells of what went meanwhile', async () => {
  const { runtime, api, factory, informer, seen } = setUp()
  api.seed(configMaps, map('a'))
  api.seed(configMaps, map('b'))
  await informer.synced
  api.intercept = () => errors.serviceUnavailable('down')
  api.breakWatches()
  await runtime.clock.settle()
  api.remove(configMaps, 'default/a')
  api.seed(configMaps, map('c'))
  api.breakWatches({ forget: true })
  api.intercept = () => undefined
  await runtime.clock.advance(60_000)
  assert.deepEqual(seen, ['+a', '+b', '+c', '-a'])
  await factory[Symbol.asyncDispose]()
})

test('falls back to paged lists where the server knows no streaming list', async () => {
  const { runtime, api, factory, informer } = setUp()
  api.intercept = (request) => (request.query.has('sendInitialEvents') ? errors.invalid({ group: '', kind: 'ListOptions' }, '', [{ field: 'sendInitialEvents', message: 'Forbidden' }]) : undefined)
  api.seed(configMaps, map('a'))
  await informer.synced
  api.seed(configMaps, map('b'))
  await runtime.clock.settle()
  assert.deepEqual(informer.list().map((object) => object.metadata.name), ['a', 'b'])
  await factory[Symbol.asyncDispose]()
})

test('waits longer and longer while the server fails, and recovers', async () => {
  const { runtime, api, factory, informer } = setUp()
  let failures = 0
  api.intercept = () => (failures++ < 5 ? errors.internal(new Error('broken')) : undefined)
  await runtime.clock.advance(800)
  assert.ok(failures <= 2)
  await runtime.clock.advance(120_000)
  assert.ok(informer.hasSynced)
  assert.ok(failures < 12)
  await factory[Symbol.asyncDispose]()
})

test('finds by index and by namespace, also after labels moved', async () => {
  const { runtime, api, factory, informer } = setUp()
  api.seed(configMaps, map('a', { app: 'x' }))
  api.seed(configMaps, map('b', { app: 'x' }, 'other'))
  await informer.synced
  informer.addIndex('app', (object) => [object.metadata.labels?.['app'] ?? ''])
  assert.equal(informer.byIndex('app', 'x').length, 2)
  assert.deepEqual(informer.list('other').map((object) => object.metadata.name), ['b'])
  api.change(configMaps, 'default/a', (a) => void (a.metadata.labels = { app: 'y' }))
  await runtime.clock.settle()
  assert.deepEqual(informer.byIndex('app', 'x').map((object) => object.metadata.name), ['b'])
  assert.deepEqual(informer.byIndex('app', 'y').map((object) => object.metadata.name), ['a'])
  await factory[Symbol.asyncDispose]()
})

test('one informer is shared by all who ask for the same selection', async () => {
  const { factory, informer } = setUp()
  assert.equal(factory.informer(configMaps), informer)
  assert.notEqual(factory.informer(configMaps, { namespace: 'default' }), informer)
  await factory[Symbol.asyncDispose]()
})

test('an object made anew under its old name is seen as deleted and added', async () => {
  const { runtime, api, factory, informer, seen } = setUp()
  api.seed(configMaps, map('a'))
  await informer.synced
  api.change(configMaps, 'default/a', (a) => void (a.metadata.uid = 'another'))
  await runtime.clock.settle()
  assert.deepEqual(seen, ['+a', '-a', '+a'])
  await factory[Symbol.asyncDispose]()
})
