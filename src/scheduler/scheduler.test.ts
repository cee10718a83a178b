import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '../api/types/core_v1.ts'
import { events, nodes, pods } from '../client/resources.ts'
import { createFakeApi, type FakeApi } from '../client/testing/fake-api.ts'
import { errors } from '../machinery/status.ts'
import { testRuntime, type TestRuntime } from '../runtime/runtime.ts'
import { startScheduler } from './scheduler.ts'
import { testNode, testPod } from './testing/objects.ts'

async function withScheduler(work: (api: FakeApi, runtime: TestRuntime) => Promise<void>, prepare: (api: FakeApi) => void = () => undefined): Promise<void> {
  const runtime = testRuntime()
  const api = createFakeApi(runtime)
  prepare(api)
  const starting = startScheduler({ runtime, client: api.client })
  await runtime.clock.advance(100)
  await using _scheduler = await starting
  await runtime.clock.advance(100)
  await work(api, runtime)
  await runtime.clock.advance(10)
}

const nodeOf = (api: FakeApi, name: string): string => api.get(pods, `default/${name}`)?.spec.nodeName ?? ''
const eventsOf = (api: FakeApi, name: string): string[] => api.all(events).filter((each) => each.involvedObject.name === name).map((each) => `${each.type} ${each.reason} ${each.message}`)

test('a pod is bound and told where', () => withScheduler(async (api, runtime) => {
  await api.client.create(pods, testPod('web'))
  await runtime.clock.advance(1000)
  assert.equal(nodeOf(api, 'web'), 'a')
  assert.deepEqual(eventsOf(api, 'web'), ['Normal Scheduled Successfully assigned default/web to a'])
}, (api) => void api.seed(nodes, testNode('a'))))

test('a pod that fits nowhere says why, and is bound when a node comes', () => withScheduler(async (api, runtime) => {
  await api.client.create(pods, testPod('web'))
  await runtime.clock.advance(1000)
  const condition = api.get(pods, 'default/web')?.status?.conditions?.find((each) => each.type === 'PodScheduled')
  assert.equal(`${condition?.status} ${condition?.reason} ${condition?.message}`, 'False Unschedulable no nodes available to schedule pods')
  assert.deepEqual(eventsOf(api, 'web'), ['Warning FailedScheduling no nodes available to schedule pods'])
  await api.client.create(nodes, testNode('a'))
  await runtime.clock.advance(2000)
  assert.equal(nodeOf(api, 'web'), 'a')
}))

test('pods of other schedulers are left alone', () => withScheduler(async (api, runtime) => {
  await api.client.create(pods, testPod('web', { spec: { schedulerName: 'mine' } }))
  await runtime.clock.advance(1000)
  assert.equal(nodeOf(api, 'web'), '')
}, (api) => void api.seed(nodes, testNode('a'))))

test('a binding that fails is tried again', () => withScheduler(async (api, runtime) => {
  let failures = 2
  api.intercept = (request) => (request.subresource === 'binding' && failures-- > 0 ? errors.internal(new Error('lost')) : undefined)
  await api.client.create(pods, testPod('web'))
  await runtime.clock.advance(500)
  assert.equal(nodeOf(api, 'web'), '')
  await runtime.clock.advance(10_000)
  assert.equal(nodeOf(api, 'web'), 'a')
}, (api) => void api.seed(nodes, testNode('a'))))

test('pods waiting for room are bound as pods go', () => withScheduler(async (api, runtime) => {
  for (const name of ['one', 'two']) await api.client.create(pods, testPod(name, { requests: { cpu: '3' } }))
  await runtime.clock.advance(1000)
  const bound = ['one', 'two'].filter((name) => nodeOf(api, name) === 'a')
  assert.equal(bound.length, 1)
  api.remove(pods, `default/${bound[0]}`)
  await runtime.clock.advance(3000)
  assert.equal(nodeOf(api, bound[0] === 'one' ? 'two' : 'one'), 'a')
}, (api) => void api.seed(nodes, testNode('a'))))

test('a more important pod takes the place of a less important one', () => withScheduler(async (api, runtime) => {
  await api.client.create(pods, testPod('modest', { requests: { cpu: '3' }, spec: { priority: 1 } }))
  await runtime.clock.advance(1000)
  await api.client.create(pods, testPod('urgent', { requests: { cpu: '3' }, spec: { priority: 1000 } }))
  await runtime.clock.advance(500)
  const victim = api.get(pods, 'default/modest')
  assert.notEqual(victim?.metadata.deletionTimestamp, undefined)
  assert.equal(victim?.status?.conditions?.find((each) => each.type === 'DisruptionTarget')?.reason, 'PreemptionByScheduler')
  assert.equal(api.get(pods, 'default/urgent')?.status?.nominatedNodeName, 'a')
  api.remove(pods, 'default/modest')
  await runtime.clock.advance(3000)
  assert.equal(nodeOf(api, 'urgent'), 'a')
}, (api) => void api.seed(nodes, testNode('a'))))

test('a thousand pods go evenly over ten nodes', () => withScheduler(async (api, runtime) => {
  const labels = { app: 'web' }
  const made: Pod[] = await Promise.all(Array.from({ length: 1000 }, (_, i) => api.client.create(pods, testPod(`web-${i}`, { labels, requests: { cpu: '10m', memory: '1Mi' } }))))
  await runtime.clock.advance(2000)
  const counts = new Map<string, number>()
  for (const pod of made) counts.set(nodeOf(api, pod.metadata.name ?? ''), (counts.get(nodeOf(api, pod.metadata.name ?? '')) ?? 0) + 1)
  assert.deepEqual([...counts.keys()].sort(), Array.from({ length: 10 }, (_, i) => `n${i}`))
  for (const count of counts.values()) assert.ok(count >= 95 && count <= 105, `a node has ${count} of 1000 pods`)
}, (api) => {
  for (let i = 0; i < 10; i++) api.seed(nodes, testNode(`n${i}`))
}))
