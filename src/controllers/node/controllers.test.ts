import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { Node, Pod, Toleration } from '../../api/types/core_v1.ts'
import { leases, nodes, pods } from '../../client/resources.ts'
import { microTimeText, timeText } from '../../machinery/object.ts'
import { podGarbageCollector } from '../pod-gc/controller.ts'
import { controllerTest } from '../testing/cluster.ts'
import { nodeIpamController } from './ipam.ts'
import { nodeLifecycleController } from './lifecycle.ts'
import { startTaintEvictionController, toleratedSeconds } from './taint-eviction.ts'

function setUp(t: TestContext) {
  const cluster = controllerTest()
  t.after(cluster.stop)
  const { api, runtime } = cluster
  const node = (name: string, more: Partial<Node['spec']> = {}): Node => api.seed(nodes, {
    metadata: { name, creationTimestamp: timeText(runtime.clock.now()) }, spec: { ...more },
    status: { conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady', lastHeartbeatTime: timeText(runtime.clock.now()), lastTransitionTime: timeText(runtime.clock.now()) }] },
  })
  const beat = (name: string): void => {
    const spec = { renewTime: microTimeText(runtime.clock.now()) }
    if (api.get(leases, `kube-node-lease/${name}`) === undefined) api.seed(leases, { metadata: { name, namespace: 'kube-node-lease' }, spec })
    else api.change(leases, `kube-node-lease/${name}`, (lease) => void (lease.spec = spec))
  }
  const live = async (ms: number, ...names: string[]): Promise<void> => {
    for (let at = 0; at < ms; at += 10_000) {
      names.forEach(beat)
      await runtime.clock.advance(10_000)
    }
  }
  const pod = (name: string, nodeName: string, tolerations: Toleration[] = []): Pod => api.seed(pods, {
    metadata: { name, namespace: 'default' }, spec: { containers: [], nodeName, tolerations },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
  })
  const taints = (name: string): string[] => (api.get(nodes, name)?.spec?.taints ?? []).map((taint) => `${taint.key}:${taint.effect}`).sort()
  const ready = (name: string): string | undefined => api.get(nodes, name)?.status?.conditions?.find((c) => c.type === 'Ready')?.status
  return { ...cluster, node, beat, live, pod, taints, ready }
}

const tolerateFor = (seconds?: number): Toleration => ({ key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute', ...(seconds === undefined ? {} : { tolerationSeconds: seconds }) })

test('a node that falls silent becomes Unknown after its grace, is tainted, and its pods go when their time is over', async (t) => {
  const { api, start, node, live, pod, taints, ready, eventsOf, context } = setUp(t)
  for (const name of ['a', 'b', 'c']) node(name)
  pod('short', 'a', [tolerateFor(60)])
  pod('forever', 'a', [tolerateFor()])
  start(nodeLifecycleController(), startTaintEvictionController)
  await live(120_000, 'a', 'b', 'c')
  assert.deepEqual([ready('a'), taints('a')], ['True', []])
  await live(40_000, 'b', 'c')
  assert.equal(ready('a'), 'True')
  await live(30_000, 'b', 'c')
  assert.equal(ready('a'), 'Unknown')
  const condition = api.get(nodes, 'a')?.status?.conditions?.find((c) => c.type === 'Ready')
  assert.deepEqual([condition?.reason, condition?.message], ['NodeStatusUnknown', 'Kubelet stopped posting node status.'])
  assert.deepEqual(taints('a'), ['node.kubernetes.io/unreachable:NoExecute', 'node.kubernetes.io/unreachable:NoSchedule'])
  assert.equal(api.get(pods, 'default/short')?.status?.conditions?.find((c) => c.type === 'Ready')?.status, 'False')
  await live(70_000, 'b', 'c')
  assert.notEqual(api.get(pods, 'default/short')?.metadata.deletionTimestamp, undefined)
  assert.equal(api.get(pods, 'default/forever')?.metadata.deletionTimestamp, undefined)
  assert.deepEqual([ready('b'), taints('b')], ['True', []])
  await (context.recorder as unknown as { flush(): Promise<void> }).flush()
  assert.ok(eventsOf('a').includes('NodeNotReady Node a status is now: NodeNotReady'))
  assert.ok(eventsOf('a').includes('RegisteredNode Node a event: Registered Node a in Controller'))
  assert.ok(eventsOf('short').includes('TaintManagerEviction Marking for deletion Pod default/short'))
  assert.ok(eventsOf('short').includes('NodeNotReady Node is not ready'))
})

test('a node that comes back loses its taints, and the eviction is called off', async (t) => {
  const { api, start, node, live, pod, taints, runtime, eventsOf, settle } = setUp(t)
  for (const name of ['a', 'b']) node(name)
  pod('p', 'a', [tolerateFor(300)])
  start(nodeLifecycleController(), startTaintEvictionController)
  await live(80_000, 'b')
  assert.equal(taints('a').length, 2)
  api.change(nodes, 'a', (a) => void (a.status!.conditions = [{ type: 'Ready', status: 'True', lastHeartbeatTime: timeText(runtime.clock.now()) }]))
  await live(400_000, 'a', 'b')
  await settle()
  assert.deepEqual(taints('a'), [])
  assert.equal(api.get(pods, 'default/p')?.metadata.deletionTimestamp, undefined)
  assert.ok(eventsOf('p').includes('TaintManagerEviction Cancelling deletion of Pod default/p'))
})

test('when every node falls silent nothing is evicted: the fault is elsewhere', async (t) => {
  const { start, node, live, taints, ready } = setUp(t)
  for (const name of ['a', 'b']) node(name)
  start(nodeLifecycleController(), startTaintEvictionController)
  await live(200_000)
  assert.deepEqual([ready('a'), ready('b')], ['Unknown', 'Unknown'])
  assert.deepEqual(taints('a'), ['node.kubernetes.io/unreachable:NoSchedule'])
})

test('a zone is evicted from one node at a time, every 10 seconds', async (t) => {
  const { start, node, live, taints } = setUp(t)
  const names = Array.from({ length: 10 }, (_, i) => `n${i}`)
  names.forEach((name) => node(name))
  start(nodeLifecycleController())
  const evicted = (): number => names.filter((name) => taints(name).includes('node.kubernetes.io/unreachable:NoExecute')).length
  await live(60_000, ...names.slice(5))
  const first = evicted()
  await live(10_000, ...names.slice(5))
  assert.ok(first >= 1 && evicted() === first + 1, `${first}, then ${evicted()}`)
  await live(60_000, ...names.slice(5))
  assert.equal(evicted(), 5)
})

test('cordoning and pressure are taints too', async (t) => {
  const { api, start, node, settle, taints } = setUp(t)
  node('a', { unschedulable: true })
  start(nodeLifecycleController())
  await settle()
  assert.deepEqual(taints('a'), ['node.kubernetes.io/unschedulable:NoSchedule'])
  api.change(nodes, 'a', (a) => {
    a.spec!.unschedulable = false
    a.status!.conditions!.push({ type: 'MemoryPressure', status: 'True' })
  })
  await settle()
  assert.deepEqual(taints('a'), ['node.kubernetes.io/memory-pressure:NoSchedule'])
})

test('tolerated time is the shortest, nothing tolerated is none', () => {
  const taint = (key: string) => ({ key, effect: 'NoExecute' })
  const pod = (...tolerations: Toleration[]): Pod => ({ metadata: { name: 'p' }, spec: { containers: [], tolerations } })
  const tolerate = (key: string, tolerationSeconds?: number): Toleration => ({ key, operator: 'Exists', tolerationSeconds })
  const cases: Array<[Pod, string[], number]> = [
    [pod(), ['x'], 0], [pod(tolerate('x')), ['x'], Infinity], [pod(tolerate('x', 30)), ['x'], 30], [pod(tolerate('x', 30), tolerate('y', 5)), ['x', 'y'], 5],
    [pod(tolerate('x', 30)), ['x', 'y'], 0], [pod(tolerate('x', -5)), ['x'], 0], [pod(), [], Infinity],
  ]
  for (const [subject, keys, seconds] of cases) assert.equal(toleratedSeconds(subject, keys.map(taint)), seconds)
})

test('nodes get ranges of their own, keep them over a restart, and give them back', async (t) => {
  const { api, start, node, settle, eventsOf } = setUp(t)
  node('old', { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24'] })
  start(nodeIpamController({ clusterCidrs: ['10.244.0.0/22'] }))
  for (const name of ['a', 'b', 'c']) node(name)
  await settle()
  const ranges = (): string[] => api.all(nodes).map((n) => n.spec?.podCIDR ?? 'none')
  assert.deepEqual(ranges(), ['10.244.1.0/24', '10.244.0.0/24', '10.244.2.0/24', '10.244.3.0/24'])
  node('late')
  await settle()
  assert.deepEqual(ranges().at(-1), 'none')
  assert.ok(eventsOf('late').includes('CIDRNotAvailable Node late status is now: CIDRNotAvailable'))
  api.remove(nodes, 'b')
  await settle()
  await settle()
  assert.deepEqual([ranges().at(-1), api.get(nodes, 'late')?.spec?.podCIDRs], ['10.244.2.0/24', ['10.244.2.0/24']])
})

test('pods of a node that is gone are failed and deleted; finished ones beyond the threshold too', async (t) => {
  const { api, start, node, pod, runtime } = setUp(t)
  node('a')
  pod('lost', 'gone')
  pod('fine', 'a')
  for (let i = 0; i < 5; i++) {
    api.seed(pods, { metadata: { name: `done-${i}`, namespace: 'default', creationTimestamp: timeText(runtime.clock.now() + i * 1000) }, spec: { containers: [] }, status: { phase: 'Succeeded' } })
  }
  api.seed(pods, { metadata: { name: 'unplaced', namespace: 'default', deletionTimestamp: timeText(runtime.clock.now()) }, spec: { containers: [] }, status: { phase: 'Pending' } })
  start(podGarbageCollector({ terminatedPodThreshold: 2 }))
  await runtime.clock.advance(30_000)
  assert.deepEqual(api.all(pods).map((p) => p.metadata.name).sort(), ['done-3', 'done-4', 'fine', 'lost'])
  await runtime.clock.advance(40_000)
  assert.deepEqual(api.all(pods).map((p) => p.metadata.name).sort(), ['done-3', 'done-4', 'fine'])
  const patch = api.requests.find((r) => r.verb === 'patch' && r.name === 'lost')?.body as { status: { phase: string; conditions: Array<{ reason: string }> } }
  assert.deepEqual([patch.status.phase, patch.status.conditions[0]?.reason], ['Failed', 'DeletionByPodGC'])
})
