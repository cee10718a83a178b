import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { testRuntime } from '../../runtime/runtime.ts'
import { chooseRanges, nodeAddress, reserveNetwork, reserveNodeAddress } from './cluster-network.ts'
import { bridgeRules } from './host-network.ts'

const first = { nodeCIDR: '10.88.0.0/24', podCIDR: '10.244.0.0/16', serviceCIDR: '10.96.0.0/16' }
const second = { nodeCIDR: '10.88.1.0/24', podCIDR: '10.243.0.0/16', serviceCIDR: '10.97.0.0/16' }

const choices: [string, Parameters<typeof chooseRanges>[0], typeof first][] = [
  ['on a host with nothing in the way', { routes: ['192.168.1.0/24'], addresses: ['192.168.1.5'], reserved: [] }, first],
  ['beside another cluster, up or not', { routes: [], addresses: [], reserved: Object.values(first) }, second],
  ['where a route takes one of the ranges', { routes: ['10.244.3.0/24'], addresses: [], reserved: [] }, second],
  ['where the host has an address in one of them', { routes: [], addresses: ['10.96.0.7'], reserved: [] }, second],
  ['behind a VPN that takes all of 10.0.0.0/8', { routes: ['10.0.0.0/8'], addresses: ['10.88.0.20'], reserved: [] }, second],
]
for (const [where, host, expected] of choices) test(`ranges are chosen ${where}`, () => assert.deepEqual(chooseRanges(host), expected))

test('when nothing is free, the error says what to do', () => {
  assert.throws(() => chooseRanges({ routes: ['10.88.0.0/16', '10.0.0.0/8'], addresses: [], reserved: ['10.88.0.0/16'] }), /remove a cluster or a route/)
})

test('a cluster keeps its ranges, its neighbour gets others, and nodes that start together get an address each', async () => {
  const home = await mkdtemp(join(tmpdir(), 'k8ts-network-'))
  const runtime = testRuntime({ processes: { run: async () => ({ code: 0, stdout: '[]', stderr: '' }), start: () => assert.fail() } })
  try {
    const [one, two] = [join(home, 'one'), join(home, 'two')]
    const network = await reserveNetwork(runtime, one)
    assert.deepEqual([network.nodeCIDR, network.podCIDR, network.serviceCIDR, network.bridgeAddress], [...Object.values(first), '10.88.0.1'])
    assert.ok(network.bridge.length <= 15 && network.sink.length <= 15)
    const neighbour = await reserveNetwork(runtime, two)
    assert.equal(neighbour.podCIDR, second.podCIDR)
    assert.notEqual(neighbour.id, network.id)
    await Promise.all(['a', 'b', 'c', 'a'].map((name) => reserveNodeAddress(one, name)))
    const known = await reserveNetwork(runtime, one)
    assert.deepEqual(['a', 'b', 'c'].map((name) => nodeAddress(known, name)).sort(), ['10.88.0.2', '10.88.0.3', '10.88.0.4'])
    assert.throws(() => nodeAddress(known, 'd'), /has no address/)
  } finally {
    await rm(home, { recursive: true })
  }
})

test('only a host whose firewall drops what it does not know gets rules for the bridge', async () => {
  const network = { directory: '/x', id: 'abcdef', bridge: 'k8ts-abcdef', sink: 'k8ts-abcdefs', ...first, bridgeAddress: '10.88.0.1', nodes: {} }
  assert.deepEqual(bridgeRules('', network), [])
  assert.deepEqual(bridgeRules('*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\nCOMMIT\n*nat\n:INPUT DROP [0:0]\nCOMMIT\n', network), [])
  assert.deepEqual(bridgeRules('*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\nCOMMIT\n', network), [
    '-I FORWARD -i k8ts-abcdef -o k8ts-abcdef -m comment --comment "k8ts abcdef" -j ACCEPT',
    '-I INPUT -i k8ts-abcdef -m comment --comment "k8ts abcdef" -j ACCEPT',
  ])
})
