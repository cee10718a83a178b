import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node, Pod } from '../api/types/core_v1.ts'
import { deepFreeze } from '../machinery/object.ts'
import { seededRandom } from '../runtime/random.ts'
import { SchedulerCache } from './cache.ts'
import { SchedulingCycle, feasibleNodesWanted } from './cycle.ts'
import { podInfoOf } from './node-info.ts'
import { interPodAffinity } from './plugins/inter-pod-affinity.ts'
import { nodeResourcesBalancedAllocation, nodeResourcesFit } from './plugins/node-resources.ts'
import { imageLocality, nodeAffinity, nodeName, nodePorts, nodeUnschedulable, taintToleration } from './plugins/node-selection.ts'
import { podTopologySpread } from './plugins/topology-spread.ts'
import { testNode, testPod } from './testing/objects.ts'

const plugins = [
  nodeUnschedulable, nodeName, taintToleration, nodeAffinity, nodePorts, nodeResourcesFit, podTopologySpread((pod) => (pod.metadata.labels === undefined ? undefined : { matchLabels: pod.metadata.labels })),
  interPodAffinity, nodeResourcesBalancedAllocation, imageLocality,
]

function place(nodes: Node[], existing: Pod[], pod: Pod): { node: string | undefined; message: string } {
  const cache = new SchedulerCache(() => ({}))
  for (const node of nodes) cache.setNode(deepFreeze(node))
  for (const each of existing) cache.setPod(deepFreeze(each))
  const result = new SchedulingCycle(plugins, seededRandom(7)).run(new Map(), podInfoOf(deepFreeze(pod)), cache)
  return { node: result.node, message: result.node === undefined ? result.message : '' }
}

function on(node: string, pod: Pod): Pod {
  return { ...pod, spec: { ...pod.spec, nodeName: node } }
}

const zoneA = { 'topology.kubernetes.io/zone': 'a' }
const zoneB = { 'topology.kubernetes.io/zone': 'b' }
const app = { app: 'web' }

interface Case { name: string; nodes: Node[]; existing?: Pod[]; pod: Pod; node?: string; message?: string }

const cases: Case[] = [
  { name: 'without nodes there is nowhere to go', nodes: [], pod: testPod('p'), message: 'no nodes available to schedule pods' },
  { name: 'the node with more left over is chosen', nodes: [testNode('a'), testNode('b')], existing: [on('a', testPod('x', { requests: { cpu: '3', memory: '6Gi' } }))], pod: testPod('p', { requests: { cpu: '100m', memory: '1Mi' } }), node: 'b' },
  { name: 'a pod that asks for too much says of what', nodes: [testNode('a'), testNode('b')], pod: testPod('p', { requests: { cpu: '5', memory: '9Gi' } }), message: '0/2 nodes are available: 2 Insufficient cpu, 2 Insufficient memory.' },
  { name: 'a full node takes no more pods', nodes: [testNode('a', { allocatable: { pods: '1' } })], existing: [on('a', testPod('x'))], pod: testPod('p'), message: '0/1 nodes are available: 1 Too many pods.' },
  { name: 'a cordoned node takes no pods', nodes: [testNode('a', { spec: { unschedulable: true } }), testNode('b')], pod: testPod('p'), node: 'b' },
  { name: 'node selectors are obeyed', nodes: [testNode('a'), testNode('b', { labels: { disk: 'ssd' } })], pod: testPod('p', { spec: { nodeSelector: { disk: 'ssd' } } }), node: 'b' },
  { name: 'a selector that no node meets is named', nodes: [testNode('a')], pod: testPod('p', { spec: { nodeSelector: { disk: 'ssd' } } }), message: "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector." },
  {
    name: 'affinity by node name looks at that node only', nodes: [testNode('a'), testNode('b')], node: 'b',
    pod: testPod('p', { spec: { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['b'] }] }] } } } } }),
  },
  {
    name: 'preferred node affinity draws', nodes: [testNode('a'), testNode('b', { labels: { disk: 'ssd' } })], node: 'b',
    pod: testPod('p', { spec: { affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference: { matchExpressions: [{ key: 'disk', operator: 'In', values: ['ssd'] }] } }] } } } }),
  },
  { name: 'an untolerated taint keeps a pod away', nodes: [testNode('a', { spec: { taints: [{ key: 'gpu', effect: 'NoSchedule' }] } })], pod: testPod('p'), message: '0/1 nodes are available: 1 node(s) had untolerated taint(s).' },
  { name: 'a tolerated taint does not', nodes: [testNode('a', { spec: { taints: [{ key: 'gpu', effect: 'NoSchedule' }] } })], pod: testPod('p', { spec: { tolerations: [{ key: 'gpu', operator: 'Exists' }] } }), node: 'a' },
  { name: 'a soft taint is avoided', nodes: [testNode('a', { spec: { taints: [{ key: 'old', effect: 'PreferNoSchedule' }] } }), testNode('b')], pod: testPod('p'), node: 'b' },
  {
    name: 'a host port is given once a node', nodes: [testNode('a')], message: "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
    existing: [on('a', testPod('x', { spec: { containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort: 80 }] }] } }))],
    pod: testPod('p', { spec: { containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort: 80, hostIP: '127.0.0.1' }] }] } }),
  },
  { name: 'pods of one selector spread over hosts by default', nodes: [testNode('a'), testNode('b')], existing: [on('a', testPod('x', { labels: app }))], pod: testPod('p', { labels: app }), node: 'b' },
  {
    name: 'a hard spread constraint holds', nodes: [testNode('a', { labels: zoneA }), testNode('b', { labels: zoneB, spec: { unschedulable: true } })],
    existing: [on('a', testPod('x', { labels: app }))],
    pod: testPod('p', { labels: app, spec: { topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'DoNotSchedule', labelSelector: { matchLabels: app } }] } }),
    message: "0/2 nodes are available: 1 node(s) didn't match pod topology spread constraints, 1 node(s) were unschedulable.",
  },
  {
    name: 'a spread constraint needs its label', nodes: [testNode('a')],
    pod: testPod('p', { spec: { topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'rack', whenUnsatisfiable: 'DoNotSchedule', labelSelector: {} }] } }),
    message: "0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints (missing required label).",
  },
  {
    name: 'anti-affinity keeps pods of one kind apart', nodes: [testNode('a'), testNode('b')], existing: [on('a', testPod('x', { labels: app }))], node: 'b',
    pod: testPod('p', { labels: app, spec: { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: app } }] } } } }),
  },
  {
    name: 'the anti-affinity of a pod already there counts too', nodes: [testNode('a')], message: "0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules.",
    existing: [on('a', testPod('x', { spec: { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: app } }] } } } }))],
    pod: testPod('p', { labels: app }),
  },
  {
    name: 'affinity goes where its like is', nodes: [testNode('a'), testNode('b')], existing: [on('b', testPod('x', { labels: app }))], node: 'b',
    pod: testPod('p', { spec: { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: app } }] } } } }),
  },
  {
    name: 'the first pod of a group that wants its own company may come', nodes: [testNode('a')], node: 'a',
    pod: testPod('p', { labels: app, spec: { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: app } }] } } } }),
  },
  {
    name: 'affinity without its like says so', nodes: [testNode('a')], message: "0/1 nodes are available: 1 node(s) didn't match pod affinity rules.",
    pod: testPod('p', { spec: { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: app } }] } } } }),
  },
]

for (const each of cases) {
  test(each.name, () => {
    const result = place(each.nodes, each.existing ?? [], each.pod)
    assert.equal(result.node, each.node)
    assert.equal(result.message, each.message ?? '')
  })
}

test('a node holds its place for the pod nominated to it', () => {
  const cache = new SchedulerCache(() => ({}))
  cache.setNode(testNode('a', { allocatable: { pods: '1' } }))
  const important = podInfoOf(testPod('important', { spec: { priority: 10 } }))
  cache.nominate(important, 'a')
  const cycle = new SchedulingCycle(plugins, seededRandom(1))
  assert.equal(cycle.run(new Map(), podInfoOf(testPod('p')), cache).node, undefined)
  assert.equal(cycle.run(new Map(), important, cache).node, 'a')
})

test('small clusters are looked at whole, large ones in part', () => {
  assert.deepEqual([3, 99, 100, 500, 5000].map(feasibleNodesWanted), [3, 99, 100, 230, 500])
})

test('remembered answers are those that nodes would give: with and without, pods go the same way while nodes change', () => {
  const random = seededRandom(11)
  const pick = <T>(list: readonly T[]): T => list[random.int(list.length)]!
  const forgetful = plugins.map(({ sign: _sign, ...plugin }) => plugin)
  const sides = [plugins, forgetful].map((of) => ({ cache: new SchedulerCache(() => ({})), cycle: new SchedulingCycle(of, seededRandom(3)) }))
  const nodeOf = (name: string): Node => testNode(name, {
    labels: { disk: pick(['ssd', 'hdd']), ...pick([zoneA, zoneB]) }, allocatable: { pods: '6' },
    spec: { unschedulable: random.int(8) === 0, taints: pick([[], [], [{ key: 'gpu', effect: 'NoSchedule' }], [{ key: 'old', effect: 'PreferNoSchedule' }]]) },
  })
  const kinds: Array<Parameters<typeof testPod>[1]> = [
    { labels: app }, { requests: { cpu: '500m', memory: '1Gi' } }, { requests: { cpu: '500m', memory: '2Gi' }, labels: app }, { spec: { tolerations: [{ key: 'gpu', operator: 'Exists' }] } },
    { spec: { nodeSelector: { disk: 'ssd' } } }, { spec: { containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort: 80 }] }] } },
  ]
  const names = Array.from({ length: 20 }, (_, at) => `n${at}`)
  const change = (apply: (cache: SchedulerCache) => void): void => sides.forEach(({ cache }) => apply(cache))
  for (const name of names) {
    const node = nodeOf(name)
    change((cache) => cache.setNode(node))
  }
  const placed: Pod[] = []
  for (let round = 0; round < 400; round++) {
    const pod = testPod(`p${round}`, pick(kinds))
    const results = sides.map(({ cache, cycle }) => cycle.run(new Map(), podInfoOf(pod), cache))
    assert.deepEqual(results[0], results[1])
    const { node } = results[0]!
    if (node !== undefined) {
      placed.push(on(node, pod))
      change((cache) => cache.assume(podInfoOf(pod), node))
      if (random.int(2) === 0) change((cache) => cache.setPod(placed.at(-1)!))
    }
    const what = random.int(6)
    const name = pick(names)
    const node2 = nodeOf(name)
    const gone = what < 3 && placed.length > 0 ? placed.splice(random.int(placed.length), 1)[0] : undefined
    if (gone !== undefined) change((cache) => cache.removePod(`default/${gone.metadata.name}`))
    if (what === 3) change((cache) => cache.setNode(node2))
    if (what === 4) change((cache) => { cache.removeNode(name); cache.setNode(node2) })
  }
})
