import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errors } from '../machinery/status.ts'
import { testRuntime } from '../runtime/runtime.ts'
import { createEventRecorder, type EventTarget } from './events.ts'
import { events } from './resources.ts'
import { createFakeApi } from './testing/fake-api.ts'

const pod: EventTarget = { apiVersion: 'v1', kind: 'Pod', namespace: 'web', name: 'web-1', uid: 'u1', resourceVersion: '7', fieldPath: 'spec.containers{web}' }

function setUp() {
  const runtime = testRuntime({ startMs: Date.UTC(2026, 0, 1) })
  const api = createFakeApi(runtime)
  const recorder = createEventRecorder({ client: api.client, runtime, component: 'kubelet', host: 'node-1' })
  return { runtime, api, recorder }
}

test('writes an event as kubectl shows it', async () => {
  const { api, recorder } = setUp()
  recorder.event(pod, 'Normal', 'Started', 'Started container web')
  await recorder.flush()
  const [event] = api.all(events)
  const { metadata, ...rest } = event!
  assert.match(metadata.name!, /^web-1\.[0-9a-f]{16}$/)
  assert.equal(metadata.namespace, 'web')
  assert.deepEqual(rest, {
    apiVersion: 'v1', kind: 'Event', involvedObject: pod, reason: 'Started', message: 'Started container web', type: 'Normal', source: { component: 'kubelet', host: 'node-1' },
    firstTimestamp: '2026-01-01T00:00:00Z', lastTimestamp: '2026-01-01T00:00:00Z', count: 1, reportingComponent: 'kubelet', reportingInstance: 'node-1',
  })
})

test('an event of a cluster-scoped object is in namespace default', async () => {
  const { api, recorder } = setUp()
  recorder.event({ apiVersion: 'v1', kind: 'Node', name: 'n1' }, 'Normal', 'NodeReady', 'ready')
  await recorder.flush()
  assert.equal(api.all(events)[0]?.metadata.namespace, 'default')
})

test('the same event again raises the count', async () => {
  const { runtime, api, recorder } = setUp()
  for (let i = 0; i < 3; i++) {
    recorder.event(pod, 'Warning', 'BackOff', 'Back-off restarting failed container')
    await runtime.clock.advance(10_000)
  }
  const all = api.all(events)
  assert.equal(all.length, 1)
  assert.equal(all[0]?.count, 3)
  assert.equal(all[0]?.firstTimestamp, '2026-01-01T00:00:00Z')
  assert.equal(all[0]?.lastTimestamp, '2026-01-01T00:00:20Z')
})

test('a series that the server has forgotten begins anew with its count', async () => {
  const { api, recorder } = setUp()
  recorder.event(pod, 'Normal', 'Pulled', 'pulled')
  await recorder.flush()
  api.remove(events, `web/${api.all(events)[0]!.metadata.name}`)
  recorder.event(pod, 'Normal', 'Pulled', 'pulled')
  await recorder.flush()
  assert.equal(api.all(events)[0]?.count, 2)
})

test('many that differ in message only are combined, and an object has a budget', async () => {
  const { api, recorder } = setUp()
  for (let i = 0; i < 60; i++) recorder.event(pod, 'Warning', 'Failed', `attempt ${i}`)
  await recorder.flush()
  const all = api.all(events)
  assert.equal(all.length, 10)
  const combined = all.filter((event) => event.message?.startsWith('(combined from similar events): '))
  assert.equal(combined.length, 1)
  assert.equal(combined[0]?.count, 16)
})

test('tries again while the server is away and gives up what it refuses', async () => {
  const { runtime, api, recorder } = setUp()
  api.intercept = () => errors.serviceUnavailable('down')
  recorder.event(pod, 'Normal', 'Started', 'one')
  await runtime.clock.advance(5000)
  api.intercept = () => undefined
  await runtime.clock.advance(20_000)
  assert.equal(api.all(events).length, 1)
  api.intercept = () => errors.forbidden({ group: '', resource: 'events' }, '', 'the namespace is being terminated')
  recorder.event(pod, 'Normal', 'Started', 'two')
  await recorder.flush()
  assert.equal(api.all(events).length, 1)
  await recorder[Symbol.asyncDispose]()
})
