import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '../api/types/core_v1.ts'
import { leases, nodes, pods } from '../client/resources.ts'
import { createFakeApi, type FakeApi } from '../client/testing/fake-api.ts'
import { testRuntime, type TestRuntime } from '../runtime/runtime.ts'
import { startHollowNodes, type HollowNodesOptions } from './hollow-nodes.ts'

async function withNodes(options: Partial<HollowNodesOptions>, work: (api: FakeApi, runtime: TestRuntime) => Promise<void>): Promise<void> {
  const runtime = testRuntime()
  const api = createFakeApi(runtime)
  const starting = startHollowNodes({ runtime, clientFor: () => api.client, count: 2, ...options })
  await runtime.clock.advance(100)
  await using _running = await starting
  await runtime.clock.advance(100)
  await work(api, runtime)
}

const bound = (name: string, more: Partial<Pod['spec']> = {}, owner?: string): Pod => ({
  metadata: { namespace: 'default', name, ...(owner === undefined ? {} : { ownerReferences: [{ apiVersion: 'batch/v1', kind: owner, name: 'x', uid: '1', controller: true }] }) },
  spec: { nodeName: 'hollow-1', restartPolicy: 'Always', containers: [{ name: 'main', image: 'any' }], ...more }, status: { phase: 'Pending' },
})

test('nodes register as Ready and keep their leases fresh', () => withNodes({}, async (api, runtime) => {
  assert.deepEqual(api.all(nodes).map((node) => node.metadata.name), ['hollow-0', 'hollow-1'])
  assert.equal(api.get(nodes, 'hollow-0')?.status?.conditions?.find((each) => each.type === 'Ready')?.status, 'True')
  const before = api.get(leases, 'kube-node-lease/hollow-0')?.spec.renewTime ?? ''
  assert.deepEqual(api.get(leases, 'kube-node-lease/hollow-0')?.metadata.ownerReferences, [{ apiVersion: 'v1', kind: 'Node', name: 'hollow-0', uid: api.get(nodes, 'hollow-0')?.metadata.uid }])
  await runtime.clock.advance(11_000)
  assert.ok((api.get(leases, 'kube-node-lease/hollow-0')?.spec.renewTime ?? '') > before)
}))

test('a pod bound to a node comes to run and to be ready, with an address of its own', () => withNodes({}, async (api, runtime) => {
  for (const name of ['a', 'b']) await api.client.create(pods, bound(name))
  await runtime.clock.advance(100)
  const [a, b] = ['a', 'b'].map((name) => api.get(pods, `default/${name}`))
  assert.equal(a?.status?.phase, 'Running')
  assert.equal(a?.status?.conditions?.find((each) => each.type === 'Ready')?.status, 'True')
  assert.equal(a?.status?.containerStatuses?.[0]?.ready, true)
  assert.notEqual(a?.status?.podIP, b?.status?.podIP)
}))

test('a container takes its time to start where that is asked for', () => withNodes({ startDelayMs: 5000 }, async (api, runtime) => {
  const pod = bound('slow')
  pod.status = { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'True', lastTransitionTime: new Date(runtime.clock.now()).toISOString() }] }
  api.seed(pods, pod)
  await runtime.clock.advance(4000)
  assert.equal(api.get(pods, 'default/slow')?.status?.phase, 'Pending')
  await runtime.clock.advance(2000)
  assert.equal(api.get(pods, 'default/slow')?.status?.phase, 'Running')
}))

test('the pod of a Job ends well after its run time', () => withNodes({}, async (api, runtime) => {
  api.seed(pods, bound('job', { restartPolicy: 'Never' }, 'Job'))
  await runtime.clock.advance(500)
  assert.equal(api.get(pods, 'default/job')?.status?.phase, 'Running')
  await runtime.clock.advance(2000)
  assert.equal(api.get(pods, 'default/job')?.status?.phase, 'Succeeded')
}))

test('a deleted pod goes', () => withNodes({}, async (api, runtime) => {
  await api.client.create(pods, bound('a'))
  await runtime.clock.advance(100)
  await api.client.delete(pods, 'default', 'a')
  await runtime.clock.advance(100)
  assert.equal(api.get(pods, 'default/a'), undefined)
}))
