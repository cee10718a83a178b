import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Service } from '../api/types/core_v1.ts'
import type { Endpoint, EndpointSlice } from '../api/types/discovery.k8s.io_v1.ts'
import { changedFrontends, staleFlows } from './conntrack.ts'
import { serviceHealth } from './health-check.ts'
import { rulesOf, type NodeView } from './service-rules.ts'
import { createServiceTable } from './service-table.ts'

const node: NodeView = { name: 'node-1', zone: 'zone-a', family: 'IPv4' }
const service = (spec: Partial<Service['spec']> = {}, more: Partial<Service> = {}): Service => ({
  metadata: { namespace: 'default', name: 'web' }, spec: { type: 'ClusterIP', clusterIP: '10.96.0.10', ports: [{ port: 80, protocol: 'TCP' }], ...spec }, ...more,
})
const slice = (endpoints: Endpoint[], more: Partial<EndpointSlice> = {}): EndpointSlice => ({
  metadata: { namespace: 'default', name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } }, addressType: 'IPv4', ports: [{ port: 8080, protocol: 'TCP' }], endpoints, ...more,
})
const at = (ip: string, nodeName: string, conditions: Endpoint['conditions'] = { ready: true }, more: Partial<Endpoint> = {}): Endpoint => ({ addresses: [ip], nodeName, conditions, ...more })
const clusterIPs = (slices: EndpointSlice[], spec: Partial<Service['spec']> = {}, view = node): string[] => rulesOf(service(spec), slices, view)[0]!.clusterEndpoints.map((endpoint) => endpoint.ip)

const notProxied: [string, Service][] = [
  ['headless', service({ clusterIP: 'None' })], ['a mere name', service({ type: 'ExternalName', clusterIP: '' })], ['without an address yet', service({ clusterIP: '' })],
  ['served by another proxy', service({}, { metadata: { namespace: 'default', name: 'web', labels: { 'service.kubernetes.io/service-proxy-name': 'other' } } })],
  ['of the other family', service({ clusterIP: 'fd00::1', clusterIPs: ['fd00::1'] })],
]
for (const [what, object] of notProxied) test(`a service that is ${what} has no rules`, () => assert.deepEqual(rulesOf(object, [slice([at('10.244.0.5', 'node-1')])], node), []))

test('a port finds its endpoints by name, whatever number they listen on', () => {
  const slices = [slice([at('10.244.0.5', 'node-1')], { ports: [{ name: 'metrics', port: 9090, protocol: 'TCP' }, { name: 'http', port: 8080, protocol: 'TCP' }] })]
  const rules = rulesOf(service({ ports: [{ name: 'http', port: 80, protocol: 'TCP' }, { name: 'none', port: 81, protocol: 'TCP' }] }), slices, node)
  assert.deepEqual(rules.map((each) => [each.portName, each.clusterEndpoints]), [['default/web:http', [{ ip: '10.244.0.5', port: 8080 }]], ['default/web:none', []]])
})

test('an endpoint that stands in two slices counts once, and as ready when one of them says so', () => {
  const slices = [slice([at('10.244.0.5', 'node-1', { ready: false })]), slice([at('10.244.0.5', 'node-1')])]
  assert.deepEqual(clusterIPs(slices), ['10.244.0.5'])
})

test('endpoints that end but still serve are used only when none is ready', () => {
  const ending = at('10.244.0.5', 'node-1', { ready: false, serving: true, terminating: true })
  assert.deepEqual(clusterIPs([slice([ending, at('10.244.0.6', 'node-1')])]), ['10.244.0.6'])
  assert.deepEqual(clusterIPs([slice([ending, at('10.244.0.6', 'node-1', { ready: false, serving: false })])]), ['10.244.0.5'])
})

test('hints keep traffic in the zone or on the node, unless one endpoint lacks them', () => {
  const inZone = (ip: string, zone: string): Endpoint => at(ip, 'node-9', { ready: true }, { hints: { forZones: [{ name: zone }] } })
  assert.deepEqual(clusterIPs([slice([inZone('10.244.0.5', 'zone-a'), inZone('10.244.0.6', 'zone-b')])]), ['10.244.0.5'])
  assert.deepEqual(clusterIPs([slice([inZone('10.244.0.5', 'zone-b'), inZone('10.244.0.6', 'zone-b')])]), ['10.244.0.5', '10.244.0.6'])
  assert.deepEqual(clusterIPs([slice([inZone('10.244.0.5', 'zone-a'), at('10.244.0.6', 'node-9')])]), ['10.244.0.5', '10.244.0.6'])
  assert.deepEqual(clusterIPs([slice([inZone('10.244.0.5', 'zone-a'), inZone('10.244.0.6', 'zone-b')])], {}, { ...node, zone: undefined }).length, 2)
  const onNode = (ip: string, name: string): Endpoint => at(ip, name, { ready: true }, { hints: { forNodes: [{ name }] } })
  assert.deepEqual(clusterIPs([slice([onNode('10.244.0.5', 'node-1'), onNode('10.244.0.6', 'node-2')])]), ['10.244.0.5'])
})

test('local policies ask for endpoints of the node; without any the connection is dropped, not refused', () => {
  const [rules] = rulesOf(service({ type: 'NodePort', externalTrafficPolicy: 'Local', ports: [{ port: 80, protocol: 'TCP', nodePort: 30080 }] }), [slice([at('10.244.1.5', 'node-2')])], node)
  assert.deepEqual([rules!.externalLocal, rules!.localEndpoints, rules!.clusterEndpoints.length, rules!.hasEndpoints], [true, [], 1, true])
})

test('an address that is none never gets into a rule', () => {
  const [rules] = rulesOf(service({ externalIPs: ['1.2.3.4', 'evil -j ACCEPT', '::1'] }), [slice([at('10.244.0.5/8', 'node-1')])], node)
  assert.deepEqual([rules!.externalIPs, rules!.clusterEndpoints], [['1.2.3.4'], []])
})

test('the health check port tells how many endpoints the node has', () => {
  const spec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 32000, ports: [{ port: 80, protocol: 'TCP', nodePort: 30080 }] }
  const rules = rulesOf(service(spec), [slice([at('10.244.0.5', 'node-1'), at('10.244.1.5', 'node-2')])], node)
  assert.deepEqual([...serviceHealth(rules)], [[32000, { namespace: 'default', name: 'web', localEndpoints: 1 }]])
})

test('the table keeps the object of a port whose rules come out the same', () => {
  const services = new Map([['default/web', service()], ['default/other', service({ clusterIP: '10.96.0.11' }, { metadata: { namespace: 'default', name: 'other' } })]])
  let slices = [slice([at('10.244.0.5', 'node-1')])]
  const table = createServiceTable({ keys: () => services.keys(), service: (key) => services.get(key), slices: (key) => (key === 'default/web' ? slices : []) })
  const first = table.compute(node)
  assert.deepEqual([...first.keys()], ['default/other/TCP', 'default/web/TCP'])
  table.touch('default/web')
  assert.equal(table.compute(node), first)
  slices = [slice([at('10.244.0.6', 'node-1')])]
  assert.equal(table.compute(node), first, 'nobody touched it')
  table.touch('default/web')
  const second = table.compute(node)
  assert.notEqual(second.get('default/web/TCP'), first.get('default/web/TCP'))
  assert.equal(second.get('default/other/TCP'), first.get('default/other/TCP'))
  services.delete('default/other')
  table.touch('default/other')
  assert.deepEqual([...table.compute(node).keys()], ['default/web/TCP'])
})

test('ten thousand services are computed in time, and one change of them at once', () => {
  const count = 10_000
  const services = new Map(Array.from({ length: count }, (_, index) => [`default/s${index}`, service({ clusterIP: `10.96.${index >> 8}.${index & 255}` }, { metadata: { namespace: 'default', name: `s${index}` } })]))
  const slices = [slice([at('10.244.0.5', 'node-1'), at('10.244.1.5', 'node-2')])]
  const table = createServiceTable({ keys: () => services.keys(), service: (key) => services.get(key), slices: () => slices })
  const startMs = performance.now()
  assert.equal(table.compute(node).size, count)
  const allMs = performance.now() - startMs
  services.set('default/s7', service({ clusterIP: '10.97.0.1' }, { metadata: { namespace: 'default', name: 's7' } }))
  table.touch('default/s7')
  const againMs = performance.now()
  assert.equal(table.compute(node).get('default/s7/TCP')?.clusterIP, '10.97.0.1')
  assert.ok(allMs < 1_500, `all took ${Math.round(allMs)} ms`)
  assert.ok(performance.now() - againMs < 300, `one took ${Math.round(performance.now() - againMs)} ms`)
})

test('flows with an endpoint that their service no longer has are found, others are left alone', () => {
  const dns = { protocol: 'UDP', name: 'dns', port: 53 }
  const rules = (ip: string) => new Map([['dns', rulesOf(service({ type: 'NodePort', ports: [{ ...dns, nodePort: 30053 }] }), [slice([at(ip, 'node-1')], { ports: [dns] })], node)[0]!]])
  const frontends = changedFrontends(rules('10.244.0.5'), rules('10.244.0.6'), ['10.88.0.2'])
  assert.deepEqual([...frontends.keys()], ['10.96.0.10:53', '10.88.0.2:30053'])
  const listed = [
    'udp      17 29 src=10.244.0.9 dst=10.96.0.10 sport=5000 dport=53 src=10.244.0.5 dst=10.244.0.9 sport=53 dport=5000 [ASSURED] mark=0 use=1',
    'udp      17 29 src=10.244.0.8 dst=10.96.0.10 sport=5001 dport=53 [UNREPLIED] src=10.244.0.6 dst=10.244.0.8 sport=53 dport=5001 mark=0 use=1',
    'udp      17 29 src=10.88.0.1 dst=10.88.0.2 sport=5002 dport=30053 [UNREPLIED] src=10.244.0.5 dst=10.244.0.1 sport=53 dport=5002 mark=0 use=1',
    'udp      17 29 src=10.244.0.8 dst=8.8.8.8 sport=5003 dport=53 src=8.8.8.8 dst=10.88.0.2 sport=53 dport=5003 mark=0 use=1',
  ].join('\n')
  assert.deepEqual(staleFlows(listed, frontends), [
    ['-p', 'udp', '--orig-src', '10.244.0.9', '--orig-dst', '10.96.0.10', '--sport', '5000', '--dport', '53'],
    ['-p', 'udp', '--orig-src', '10.88.0.1', '--orig-dst', '10.88.0.2', '--sport', '5002', '--dport', '30053'],
  ])
  assert.deepEqual(changedFrontends(rules('10.244.0.6'), new Map(), []).get('10.96.0.10:53'), new Set())
})
