import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { ReplicaSet } from '../../api/types/apps_v1.ts'
import type { Pod } from '../../api/types/core_v1.ts'
import { pods, replicaSets, replicationControllers } from '../../client/resources.ts'
import { ownedBy } from '../../client/testing/fake-api.ts'
import { controllerOf, timeText } from '../../machinery/object.ts'
import { errors } from '../../machinery/status.ts'
import { controllerTest } from '../testing/cluster.ts'
import { slowStart } from './batch.ts'
import { inDeletionOrder } from './ranking.ts'
import { startReplicaSetController } from './replicaset.ts'
import { startReplicationControllerController } from './replicationcontroller.ts'

function replicaSet(replicas: number, more: Partial<NonNullable<ReplicaSet['spec']>> = {}): ReplicaSet {
  const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'main', image: 'image' }] } }
  return { metadata: { name: 'web', namespace: 'default', generation: 1 }, spec: { replicas, selector: { matchLabels: { app: 'web' } }, template, ...more } }
}

function setUp(t: TestContext) {
  const cluster = controllerTest()
  t.after(cluster.stop)
  cluster.start(startReplicaSetController, startReplicationControllerController)
  return cluster
}

test('makes hundreds of pods without making one too many, and deletes down to fewer', async (t) => {
  const { api, settle, eventsOf } = setUp(t)
  api.seed(replicaSets, replicaSet(700))
  await settle()
  assert.equal(api.all(pods).length, 700)
  assert.equal(api.get(replicaSets, 'default/web')?.status?.replicas, 700)
  assert.ok(eventsOf('web').length <= 25)
  api.change(replicaSets, 'default/web', (set) => void (set.spec!.replicas = 3))
  await settle()
  assert.equal(api.all(pods).length, 3)
})

test('adopts matching orphans and releases what no longer matches', async (t) => {
  const { api, settle } = setUp(t)
  api.seed(pods, { metadata: { name: 'orphan', namespace: 'default', labels: { app: 'web' } }, spec: { containers: [] } } as Pod)
  const set = api.seed(replicaSets, replicaSet(2))
  await settle()
  assert.equal(api.all(pods).length, 2)
  assert.equal(controllerOf(api.get(pods, 'default/orphan')!)?.uid, set.metadata.uid)
  api.change(pods, 'default/orphan', (pod) => void (pod.metadata.labels = { app: 'debug' }))
  await settle()
  assert.equal(controllerOf(api.get(pods, 'default/orphan')!), undefined)
  assert.equal(api.all(pods).length, 3)
})

test('a pod that failed or is being deleted is replaced', async (t) => {
  const { api, settle, makeReady } = setUp(t)
  api.seed(replicaSets, replicaSet(2))
  await settle()
  makeReady()
  const [first, second] = api.all(pods)
  api.change(pods, `default/${first!.metadata.name}`, (pod) => void (pod.status = { phase: 'Failed' }))
  api.change(pods, `default/${second!.metadata.name}`, (pod) => void (pod.metadata.deletionTimestamp = '2026-01-01T00:00:30Z'))
  await settle()
  assert.equal(api.all(pods).length, 4)
  const { status } = api.get(replicaSets, 'default/web')!
  assert.equal(status?.replicas, 2)
  assert.equal(status?.terminatingReplicas, 1)
})

test('availability waits for minReadySeconds', async (t) => {
  const { api, settle, makeReady, runtime } = setUp(t)
  api.seed(replicaSets, replicaSet(1, { minReadySeconds: 30 }))
  await settle()
  makeReady()
  await settle()
  assert.deepEqual([api.get(replicaSets, 'default/web')?.status?.readyReplicas, api.get(replicaSets, 'default/web')?.status?.availableReplicas], [1, 0])
  await runtime.clock.advance(30_000)
  assert.equal(api.get(replicaSets, 'default/web')?.status?.availableReplicas, 1)
})

test('creations that fail are told in an event and a condition, tried again, and few at a time', async (t) => {
  const { api, settle, runtime, eventsOf } = setUp(t)
  api.intercept = (r) => (r.verb === 'create' && r.resource === 'pods' ? errors.forbidden({ group: '', resource: 'pods' }, 'web-1', 'exceeded quota: q') : undefined)
  api.seed(replicaSets, replicaSet(100))
  await settle()
  assert.ok(api.requests.filter((r) => r.verb === 'create' && r.resource === 'pods').length < 15)
  const condition = api.get(replicaSets, 'default/web')?.status?.conditions?.[0]
  assert.deepEqual([condition?.type, condition?.status, condition?.reason, condition?.message], ['ReplicaFailure', 'True', 'FailedCreate', 'pods "web-1" is forbidden: exceeded quota: q'])
  assert.ok(eventsOf('web').includes('FailedCreate Error creating: pods "web-1" is forbidden: exceeded quota: q'))
  api.intercept = () => undefined
  await runtime.clock.advance(60_000)
  assert.equal(api.all(pods).length, 100)
  assert.equal(api.get(replicaSets, 'default/web')?.status?.conditions, undefined)
})

test('a ReplicationController does the same', async (t) => {
  const { api, settle } = setUp(t)
  api.seed(replicationControllers, { metadata: { name: 'rc', namespace: 'default' }, spec: { replicas: 2, selector: { app: 'rc' }, template: { metadata: { labels: { app: 'rc' } }, spec: { containers: [] } } } })
  await settle()
  assert.deepEqual(api.all(pods).map((pod) => controllerOf(pod)?.kind), ['ReplicationController', 'ReplicationController'])
  assert.equal(api.get(replicationControllers, 'default/rc')?.status?.replicas, 2)
})

test('slow start doubles its batches and stops at the first that fails', async () => {
  let calls = 0
  let running = 0
  const sizes: number[] = []
  const result = await slowStart(20, async () => {
    calls++
    running++
    await Promise.resolve()
    sizes.push(running)
    running = 0
    if (calls > 7) throw new Error('full')
  })
  assert.equal(result.successes, 7)
  assert.equal(calls, 15)
  assert.deepEqual(sizes.filter((size) => size > 0), [1, 2, 4, 8])
})

test('pods are deleted in upstream\'s order', () => {
  const now = Date.UTC(2026, 0, 2)
  const pod = (name: string, more: { node?: string; phase?: string; ready?: boolean; cost?: string; readyForS?: number; restarts?: number; ageS?: number }): Pod => ({
    metadata: { name, uid: name, creationTimestamp: timeText(now - (more.ageS ?? 5000) * 1000), annotations: more.cost === undefined ? {} : { 'controller.kubernetes.io/pod-deletion-cost': more.cost } },
    spec: { containers: [], nodeName: more.node },
    status: {
      phase: more.phase ?? 'Running', containerStatuses: [{ name: 'c', restartCount: more.restarts ?? 0, ready: true, image: '', imageID: '' }],
      conditions: [{ type: 'Ready', status: more.ready === false ? 'False' : 'True', lastTransitionTime: timeText(now - (more.readyForS ?? 5000) * 1000) }],
    },
  })
  const all = [
    pod('old', { node: 'b', ageS: 90_000 }), pod('restarted', { node: 'b', restarts: 3 }), pod('young', { node: 'b', ageS: 10 }), pod('just-ready', { node: 'b', readyForS: 3 }),
    pod('crowded-1', { node: 'a' }), pod('crowded-2', { node: 'a' }), pod('cheap', { node: 'b', cost: '-5' }), pod('unready', { node: 'b', ready: false }),
    pod('pending', { node: 'b', phase: 'Pending', ready: false }), pod('unassigned', { phase: 'Pending', ready: false }),
  ]
  const related = [...all, ...Array.from({ length: 9 }, (_, i) => pod(`other-${i}`, { node: 'a' }))]
  assert.deepEqual(inDeletionOrder(all, related, now).map((p) => p.metadata.name),
    ['unassigned', 'pending', 'unready', 'cheap', 'crowded-1', 'crowded-2', 'just-ready', 'restarted', 'young', 'old'])
})

test('pods of another controller are left alone', async (t) => {
  const { api, settle } = setUp(t)
  const other = { metadata: { name: 'other', uid: 'other-uid' } }
  api.seed(pods, { metadata: { name: 'p', namespace: 'default', labels: { app: 'web' }, ownerReferences: ownedBy(replicaSets, other) }, spec: { containers: [] } } as Pod)
  api.seed(replicaSets, replicaSet(1))
  await settle()
  assert.equal(controllerOf(api.get(pods, 'default/p')!)?.uid, 'other-uid')
  assert.equal(api.all(pods).length, 2)
})
