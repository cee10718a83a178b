import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PodSpec } from '../api/types/core_v1.ts'
import { hostsFile, parseResolvConf, podDns, podHostname } from './dns.ts'
import { boundPod, type BoundPod } from './pods.ts'

const pod = (spec: Partial<PodSpec>): BoundPod => boundPod({ metadata: { name: 'web-1', namespace: 'team', uid: 'u' }, spec: { containers: [], ...spec } })
const host = parseResolvConf('# comment\nnameserver 192.0.2.53\nsearch example.com lab.\noptions timeout:1 rotate\n')
const cluster = { servers: ['10.96.0.10'], domain: 'cluster.local' }
const dns = (spec: Partial<PodSpec>, servers = cluster.servers): { result: ReturnType<typeof podDns>; warnings: string[] } => {
  const warnings: string[] = []
  return { result: podDns(pod(spec), host, { ...cluster, servers }, (reason) => warnings.push(reason)), warnings }
}

test('a resolv.conf is read', () => assert.deepEqual(host, { servers: ['192.0.2.53'], searches: ['example.com', 'lab'], options: ['timeout:1', 'rotate'] }))

test('the DNS policy decides', () => {
  const inCluster = { servers: ['10.96.0.10'], searches: ['team.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'example.com', 'lab'], options: ['ndots:5'] }
  assert.deepEqual(dns({}).result, inCluster)
  assert.deepEqual(dns({ hostNetwork: true }).result, host)
  assert.deepEqual(dns({ hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' }).result, inCluster)
  assert.deepEqual(dns({ dnsPolicy: 'Default' }).result, host)
  assert.deepEqual(dns({ dnsPolicy: 'None', dnsConfig: { nameservers: ['1.1.1.1'], searches: ['x'], options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }] } }).result, { servers: ['1.1.1.1'], searches: ['x'], options: ['ndots:2', 'edns0'] })
  assert.deepEqual(dns({ dnsConfig: { options: [{ name: 'ndots', value: '1' }] } }).result.options, ['ndots:1'])
})

test('what resolvers do not take is left out and told', () => {
  const { result, warnings } = dns({ dnsConfig: { nameservers: ['1.1.1.1', '2.2.2.2', '3.3.3.3'] } })
  assert.deepEqual(result.servers, ['10.96.0.10', '1.1.1.1', '2.2.2.2'])
  assert.deepEqual(warnings, ['DNSConfigForming'])
  assert.deepEqual(dns({}, []), { result: host, warnings: ['MissingClusterDNS'] })
})

test('host names and hosts files', () => {
  assert.deepEqual(podHostname(pod({}), 'cluster.local'), { hostname: 'web-1', domain: '' })
  assert.deepEqual(podHostname(pod({ hostname: 'db', subdomain: 'sub' }), 'cluster.local'), { hostname: 'db', domain: 'sub.team.svc.cluster.local' })
  const text = hostsFile(pod({ hostname: 'db', subdomain: 'sub', hostAliases: [{ ip: '10.1.1.1', hostnames: ['a', 'b'] }] }), ['10.0.0.5'], 'cluster.local', '')
  assert.match(text, /^# Kubernetes-managed hosts file\.\n127\.0\.0\.1\tlocalhost\n/)
  assert.match(text, /\n10\.0\.0\.5\tdb\.sub\.team\.svc\.cluster\.local\tdb\n\n# Entries added by HostAliases\.\n10\.1\.1\.1\ta\tb\n$/)
  assert.equal(hostsFile(pod({ hostNetwork: true }), [], 'cluster.local', '127.0.0.1 node\n'), '# Kubernetes-managed hosts file (host network).\n127.0.0.1 node\n')
})
