import { testRules } from './testing/causes.ts'

const at = 'endpoints[0]'
testRules('an EndpointSlice', {
  apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { name: 'e' }, addressType: 'IPv4', endpoints: [{ addresses: ['10.0.0.1'] }], ports: [{ name: 'http', port: 80 }],
}, [
  [{ [`${at}.addresses`]: ['2001:db8::1', 'x', '127.0.0.1'] }, [
    `${at}.addresses: Invalid value: "2001:db8::1": must be an IPv4 address`, `${at}.addresses[1]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)`,
    `${at}.addresses[2]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)`,
  ]],
  [{ addressType: 'FQDN' }, []],
  [{ addressType: 'FQDN', [`${at}.addresses`]: ['a', '', 'a.b.'] }, [
    `${at}.addresses[0]: Invalid value: "a": should be a domain with at least two segments separated by dots`, `${at}.addresses[1]: Required value`,
  ]],
  [{ [`${at}.hints`]: { forZones: [{ name: 'a' }, { name: 'a' }], forNodes: [{ name: 'n' }, { name: 'n' }] } }, [
    `${at}.hints.forZones[1].name: Duplicate value: "a"`, `${at}.hints.forNodes[1].name: Duplicate value: "n"`,
  ]],
  [{ [`${at}.hints`]: { forZones: Array.from({ length: 9 }, (_, i) => ({ name: `z${i}` })) } }, [`${at}.hints.forZones: Too many: 9: must have at most 8 items`]],
  [{ ports: [{ protocol: 'ICMP' }, { port: 70000 }] }, ['ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"', 'ports[1].name: Duplicate value: ""']],
], [[{}, { addressType: 'FQDN' }, ['addressType: Invalid value: "FQDN": field is immutable']]])

testRules('an Endpoints', { apiVersion: 'v1', kind: 'Endpoints', metadata: { name: 'e' }, subsets: [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] }] }, [
  [{ 'subsets[0].addresses[0].ip': 'x' }, [
    'subsets[0].addresses[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)', 'subsets[0].addresses[0].ip: Invalid value: "x": must be a valid IP address',
  ]],
  [{ 'subsets[0].ports': [{ port: 1 }, { port: 2, name: 'a' }] }, ['subsets[0].ports[0].name: Required value']],
  [{ 'metadata.finalizers': ['mine', 'a.b/c'] }, ['metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified']],
], [[{}, { 'metadata.finalizers': ['mine'] }, ['metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified', 'metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified']]])
