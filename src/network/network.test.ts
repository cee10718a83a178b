import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node } from '../api/types/core_v1.ts'
import { cniConfigList } from './cni-config.ts'
import { masqueradeRules } from './masquerade.ts'
import { routeChanges, routesToNodes } from './node-routes.ts'

const node = (name: string, podCIDR: string | undefined, address: string | undefined): Node => ({
  metadata: { name }, spec: podCIDR === undefined ? {} : { podCIDR, podCIDRs: [podCIDR] },
  status: { addresses: [{ type: 'Hostname', address: name }, ...(address === undefined ? [] : [{ type: 'InternalIP', address }])] },
})

test('routes lead to every other node that has a range and an address', () => {
  const nodes = [node('a', '10.244.0.0/24', '10.88.0.2'), node('b', '10.244.1.0/24', '10.88.0.3'), node('c', undefined, '10.88.0.4'), node('d', '10.244.3.0/24', undefined), node('hollow', '10.244.4.0/24', '127.0.0.9')]
  assert.deepEqual([...routesToNodes(nodes, 'a')], [['10.244.1.0/24', '10.88.0.3']])
  assert.deepEqual([...routesToNodes(nodes)].length, 2)
})

test('of two address families the routes take IPv4', () => {
  const dual: Node = { metadata: { name: 'b' }, spec: { podCIDR: 'fd00::/64', podCIDRs: ['fd00::/64', '10.244.1.0/24'] },
    status: { addresses: [{ type: 'InternalIP', address: 'fd01::1' }, { type: 'InternalIP', address: '10.88.0.3' }] } }
  assert.deepEqual([...routesToNodes([dual])], [['10.244.1.0/24', '10.88.0.3']])
})

test('only what differs is changed, and gone nodes lose their route first', () => {
  const standing = new Map([['10.244.1.0/24', '10.88.0.3'], ['10.244.2.0/24', '10.88.0.4'], ['10.244.3.0/24', '10.88.0.5']])
  const wanted = new Map([['10.244.1.0/24', '10.88.0.3'], ['10.244.3.0/24', '10.88.0.4']])
  assert.deepEqual(routeChanges(standing, wanted), ['route del 10.244.2.0/24 proto 138', 'route replace 10.244.3.0/24 via 10.88.0.4 proto 138'])
  assert.deepEqual(routeChanges(wanted, wanted), [])
})

test('the CNI configuration gives pods addresses of the node\'s range, host ports and a way to themselves', () => {
  const list = JSON.parse(cniConfigList({ name: 'k8ts', podCIDR: '10.244.1.0/24', mtu: 1450, dataDirectory: '/data' })) as { plugins: Record<string, unknown>[] }
  assert.deepEqual(list.plugins.map((plugin) => plugin['type']), ['bridge', 'portmap'])
  assert.equal(list.plugins[0]!['mtu'], 1450)
  assert.equal(list.plugins[0]!['hairpinMode'], true)
  assert.deepEqual(list.plugins[0]!['ipam'], { type: 'host-local', ranges: [[{ subnet: '10.244.1.0/24' }]], dataDir: '/data' })
})

test('traffic within the cluster keeps its addresses', () => {
  const lines = masqueradeRules('10.244.0.0/16').split('\n').filter((line) => line.startsWith('-A'))
  assert.match(lines[0]!, /-d 10\.244\.0\.0\/16 .*-j RETURN$/)
  assert.match(lines.at(-1)!, /-j MASQUERADE --random-fully$/)
})
