import assert from 'node:assert/strict'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import type { Service } from '../../api/types/core_v1.ts'
import type { EndpointSlice } from '../../api/types/discovery.k8s.io_v1.ts'
import { rulesOf, serviceKeyOf, type ServiceRules } from '../service-rules.ts'
import { endpointChain, serviceChains } from './chain-names.ts'
import { parseSaved } from './iptables-backend.ts'
import { jumps, restoreText, ruleSet, type RuleSet } from './rule-set.ts'
import { renderService } from './service-chains.ts'

const options = { family: 'IPv4', clusterCIDR: '10.244.0.0/16', nodeIPs: ['10.88.0.2'], masqueradeAll: false } as const
const node = { name: 'node-1', zone: 'zone-a', family: 'IPv4' } as const
const nothing: RuleSet = { filter: new Map(), nat: new Map() }

function rulesIn(file: string): ServiceRules[] {
  const { services, slices } = parse(readFileSync(file, 'utf8')) as { services: Service[]; slices: EndpointSlice[] }
  return services.flatMap((service) => rulesOf(service, slices.filter((slice) => serviceKeyOf(slice) === `${service.metadata.namespace}/${service.metadata.name}`), node))
}

const sets = (services: readonly ServiceRules[]): RuleSet => ruleSet(services.map((service) => renderService(service, options)), options)

// UPDATE_TESTDATA=1 writes the expectations anew; read the difference before committing it.
const folder = join(import.meta.dirname, 'testdata')
for (const name of readdirSync(folder).filter((file) => file.endsWith('.input.yaml'))) {
  test(`the rules of ${name.replace('.input.yaml', '')} are as expected`, () => {
    const text = restoreText(nothing, sets(rulesIn(join(folder, name))), jumps)!.text
    const expected = join(folder, name.replace('.input.yaml', '.expected.txt'))
    if (process.env['UPDATE_TESTDATA'] === '1') writeFileSync(expected, text)
    assert.equal(text, readFileSync(expected, 'utf8'))
  })
}

const plain = (portName: string, ips: string[]): ServiceRules => ({
  portName, namespace: 'ns1', serviceName: 'svc1', protocol: 'TCP', clusterIP: '10.96.0.10', port: 80, nodePort: undefined, externalIPs: [], loadBalancerIPs: [],
  loadBalancerSourceRanges: [], affinitySeconds: undefined, internalLocal: false, externalLocal: false, clusterEndpoints: ips.map((ip) => ({ ip, port: 80 })), localEndpoints: [],
  hasEndpoints: ips.length > 0, healthCheckNodePort: undefined, localReadyCount: 0,
})

test('chains have the names that kube-proxy gives them', () => {
  const service = plain('ns1/svc1:p80', ['10.180.0.1'])
  assert.deepEqual(serviceChains(service), { cluster: 'KUBE-SVC-XPGD46QRK7WJZT7O', local: 'KUBE-SVL-XPGD46QRK7WJZT7O', external: 'KUBE-EXT-XPGD46QRK7WJZT7O', firewall: 'KUBE-FW-XPGD46QRK7WJZT7O' })
  assert.equal(endpointChain(service, { ip: '10.180.0.1', port: 80 }), 'KUBE-SEP-SXIVWICOYRO3J4NJ')
})

test('a change writes only the chains that differ, and removes those that nothing needs', () => {
  const [one, other] = [plain('ns1/svc1', ['10.244.0.5', '10.244.1.5']), { ...plain('ns1/svc2', ['10.244.0.6']), clusterIP: '10.96.0.11' }]
  const before = sets([one, other])
  assert.equal(restoreText(before, sets([one, other]), []), undefined)
  const { text } = restoreText(before, sets([{ ...one, clusterEndpoints: [{ ip: '10.244.0.5', port: 80 }] }, other]), [])!
  const gone = endpointChain(one, { ip: '10.244.1.5', port: 80 })
  const chain = serviceChains(one).cluster
  assert.deepEqual(text.split('\n').filter((line) => !line.startsWith('-A')), ['*nat', `:${chain} - [0:0]`, `:${gone} - [0:0]`, `-X ${gone}`, 'COMMIT', ''])
  assert.equal(text.split('\n').filter((line) => line.startsWith('-A')).every((line) => line.startsWith(`-A ${chain} `)), true)
})

test('what stands in the kernel is recognised: own chains, jumps, and nothing else', () => {
  const saved = parseSaved(`# Warning: something
*nat
:PREROUTING ACCEPT [0:0]
:KUBE-SVC-XPGD46QRK7WJZT7O - [0:0]
:KUBE-SERVICES - [0:0]
:K8TS-MASQUERADE - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -m comment --comment "something else" -j ACCEPT
COMMIT
*mangle
:KUBE-IPTABLES-HINT - [0:0]
COMMIT
*filter
:KUBE-FORWARD - [0:0]
:KUBE-NETWORK-POLICY - [0:0]
COMMIT
`)
  assert.deepEqual([...saved.chains.nat], ['KUBE-SVC-XPGD46QRK7WJZT7O', 'KUBE-SERVICES'])
  assert.deepEqual([...saved.chains.filter], ['KUBE-FORWARD'])
  assert.equal(saved.missingJumps.length, jumps.length - 1)
})

test('ten thousand services are laid out in time to be written', () => {
  const services = Array.from({ length: 10_000 }, (_, index) => ({
    ...plain(`ns/svc-${index}`, [`10.244.${index % 250}.2`, `10.244.${index % 250}.3`]), clusterIP: `10.96.${Math.floor(index / 250)}.${index % 250}`,
  }))
  const before = process.cpuUsage()
  const wanted = sets(services)
  const text = restoreText(nothing, wanted, jumps)!
  assert.ok(text.rules > 60_000)
  // Processor time: the machine may have other work.
  const { user, system } = process.cpuUsage(before)
  assert.ok((user + system) / 1000 < 4_000, `took ${Math.round((user + system) / 1000)} ms of processor time`)
})
