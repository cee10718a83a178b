import { testRules } from './testing/causes.ts'

const port = { port: 80 }
const balancer = { 'spec.type': 'LoadBalancer', 'spec.externalTrafficPolicy': 'Cluster' }
const only = "may only be used when `type` is 'LoadBalancer'"

testRules('a Service', { apiVersion: 'v1', kind: 'Service', metadata: { name: '1st' }, spec: { ports: [port] } }, [
  [{ 'metadata.name': 'a.b' }, ['metadata.name: Invalid value: "a.b": must not contain dots']],
  [{ 'spec.ports': [] }, ['spec.ports: Required value']],
  [{ 'spec.ports': [], 'spec.clusterIP': 'None' }, []],
  [{ 'spec.clusterIP': 'None', 'spec.type': 'NodePort' }, ["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"]],
  [{ 'spec.ports': [port, port] }, [
    'spec.ports[0].name: Required value', 'spec.ports[1].name: Required value',
    'spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}',
  ]],
  [{ 'spec.ports': [{ port: 80, nodePort: 30000 }] }, ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"]],
  [{ 'spec.sessionAffinity': 'ClientIP', 'spec.sessionAffinityConfig': { clientIP: { timeoutSeconds: 86401 } } }, [
    'spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400',
  ]],
  [{ 'spec.clusterIP': '10.0.0.1', 'spec.clusterIPs': ['10.0.0.2'] }, ['spec.clusterIPs: Invalid value: ["10.0.0.2"]: first value must match `clusterIP`']],
  [{ 'spec.clusterIP': '10.0.0.1', 'spec.clusterIPs': ['10.0.0.1', '10.0.0.2'] }, ['spec.clusterIPs: Invalid value: ["10.0.0.1","10.0.0.2"]: may specify no more than one IP for each IP family']],
  [{ 'spec.clusterIP': '10.0.0.1', 'spec.clusterIPs': ['10.0.0.1'], 'spec.ipFamilies': ['IPv6'] }, ['spec.clusterIPs[0]: Invalid value: "10.0.0.1": expected an IPv6 value as indicated by `ipFamilies[0]`']],
  [{ 'spec.clusterIP': 'None', 'spec.clusterIPs': ['None', 'fd00::1'] }, ["spec.clusterIPs: Invalid value: [\"None\",\"fd00::1\"]: 'None' must be the first and only value"]],
  [{ 'spec.ipFamilies': ['IPv4', 'IPv4'] }, ['spec.ipFamilies[1]: Duplicate value: "IPv4"']],
  [{ 'spec.externalIPs': ['010.0.0.1', '127.0.0.1'] }, [
    'spec.externalIPs[0]: Invalid value: "010.0.0.1": must not have leading 0s', 'spec.externalIPs[1]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
  ]],
  [{ 'spec.loadBalancerSourceRanges': ['10.0.0.1/8'], ...balancer }, ['spec.LoadBalancerSourceRanges[0]: Invalid value: "10.0.0.1/8": must not have bits set beyond the prefix length']],
  [{ 'spec.loadBalancerSourceRanges': ['10.0.0.0/8'] }, [`spec.LoadBalancerSourceRanges: Forbidden: ${only}`]],
  [{ 'spec.loadBalancerClass': 'a/b', 'spec.allocateLoadBalancerNodePorts': false }, [`spec.allocateLoadBalancerNodePorts: Forbidden: ${only}`, `spec.loadBalancerClass: Forbidden: ${only}`]],
  [{ 'spec.externalTrafficPolicy': 'Local' }, ['spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services']],
  [{ 'spec.type': 'ExternalName', 'spec.externalName': 'Example' }, [`spec.externalName: Invalid value: "Example": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`]],
  [{ ...balancer, 'spec.loadBalancerSourceRanges': [''] }, ['spec.LoadBalancerSourceRanges[0]: Invalid value: "": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)']],
  [{ 'spec.trafficDistribution': 'PreferFar' }, ['spec.trafficDistribution: Unsupported value: "PreferFar": supported values: "PreferClose", "PreferSameZone", "PreferSameNode"']],
  [{ 'metadata.annotations': { 'service.kubernetes.io/topology-mode': 'Auto', 'service.kubernetes.io/topology-aware-hints': 'Disabled' } }, [
    'metadata.annotations[service.kubernetes.io/topology-mode]: Invalid value: "Auto": must match annotations[service.kubernetes.io/topology-aware-hints] when both are specified',
  ]],
], [
  [{ 'spec.clusterIP': '10.0.0.1' }, { 'spec.clusterIP': '10.0.0.2', 'spec.clusterIPs': ['10.0.0.2'] }, ['spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set']],
  [{ 'spec.clusterIP': '10.0.0.1', 'spec.clusterIPs': ['10.0.0.1', 'fd00::1'], 'spec.ipFamilyPolicy': 'PreferDualStack' }, { 'spec.clusterIPs': ['10.0.0.1'] }, [
    "spec.ipFamilyPolicy: Invalid value: \"PreferDualStack\": must be set to 'SingleStack' when releasing the secondary clusterIP",
  ]],
  [{ 'spec.clusterIP': '10.0.0.1', 'spec.ipFamilies': ['IPv4'] }, { 'spec.ipFamilies': ['IPv6'] }, ['spec.clusterIPs[0]: Invalid value: "10.0.0.1": expected an IPv6 value as indicated by `ipFamilies[0]`']],
  [{ ...balancer, 'spec.loadBalancerClass': 'example.com/a' }, { 'spec.loadBalancerClass': 'example.com/b' }, ['spec.loadBalancerClass: Invalid value: "example.com/b": may not change once set']],
  [{}, { 'status.loadBalancer.ingress': [{ ip: '1.2.3.4' }] }, ["status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"], 'status'],
  [balancer, { 'status.loadBalancer.ingress': [{ ip: '1.2.3.4' }, { ipMode: 'VIP', hostname: '1.2.3.4' }] }, [
    'status.loadBalancer.ingress[1].ipMode: Forbidden: may not be specified when `ip` is not set', 'status.loadBalancer.ingress[1].hostname: Invalid value: "1.2.3.4": must be a DNS name, not an IP address',
  ], 'status'],
])

testRules('an EndpointSlice', { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { name: 's' }, addressType: 'IPv4', endpoints: [{ addresses: ['10.0.0.1'] }] }, [
  [{ addressType: 'IPv5' }, ['addressType: Unsupported value: "IPv5": supported values: "FQDN", "IPv4", "IPv6"']],
  [{ 'endpoints': [{ addresses: [] }, { addresses: ['fd00::1'] }] }, ['endpoints[0].addresses: Required value: must contain at least 1 address', 'endpoints[1].addresses: Invalid value: "fd00::1": must be an IPv4 address']],
  [{ ports: [{ port: 1 }, { port: 2 }] }, ['ports[1].name: Duplicate value: ""']],
], [
  [{}, { addressType: 'IPv6', endpoints: [{ addresses: ['fd00::1'] }] }, ['addressType: Invalid value: "IPv6": field is immutable']],
])

testRules('Endpoints', { apiVersion: 'v1', kind: 'Endpoints', metadata: { name: 'e' }, subsets: [{ addresses: [{ ip: '10.0.0.1' }], ports: [port] }] }, [
  [{ subsets: [{ ports: [port] }] }, ['subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`']],
  [{ subsets: [{ addresses: [{ ip: '169.254.0.1' }], ports: [port, port] }] }, [
    'subsets[0].addresses[0].ip: Invalid value: "169.254.0.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)', 'subsets[0].ports[0].name: Required value', 'subsets[0].ports[1].name: Required value',
  ]],
])
