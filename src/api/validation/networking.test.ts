import { testRules } from './testing/causes.ts'

const subdomain = (name: string): string =>
  `Invalid value: "${name}": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`

const from = 'spec.ingress[0].from[0]'
const port = 'spec.ingress[0].ports[0]'
testRules('a NetworkPolicy', {
  apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'n' },
  spec: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }], ports: [{ port: 80 }] }] },
}, [
  [{ [from]: {} }, [`${from}: Required value: must specify a peer`]],
  [{ [`${from}.podSelector`]: {}, [`${from}.ipBlock.cidr`]: 'x' }, [
    `${from}.ipBlock.cidr: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)`, `${from}: Forbidden: may not specify both ipBlock and another peer`,
  ]],
  [{ [`${from}.ipBlock`]: { cidr: '', except: ['x'] } }, [`${from}.ipBlock.cidr: Required value`]],
  [{ [`${from}.ipBlock.except`]: ['11.0.0.0/16', '10.0.0.0/8'] }, [
    `${from}.ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of \`cidr\``, `${from}.ipBlock.except[1]: Invalid value: "10.0.0.0/8": must be a strict subset of \`cidr\``,
  ]],
  [{ [`${port}.protocol`]: 'ICMP', [`${port}.port`]: 0, [`${port}.endPort`]: -1 }, [
    `${port}.protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"`, `${port}.port: Invalid value: 0: must be between 1 and 65535, inclusive`,
    `${port}.endPort: Invalid value: 0: must be greater than or equal to \`port\``, `${port}.endPort: Invalid value: -1: must be between 1 and 65535, inclusive`,
  ]],
  [{ [port]: { port: 'http', endPort: 80 } }, [`${port}.endPort: Invalid value: 80: may not be specified when \`port\` is non-numeric`]],
  [{ [port]: { endPort: 80 } }, [`${port}.endPort: Invalid value: 80: may not be specified when \`port\` is not specified`]],
  [{ 'spec.policyTypes': ['Both'] }, ['spec.policyTypes[0]: Unsupported value: "Both": supported values: "Ingress", "Egress"']],
], [
  [{ [`${from}.ipBlock`]: { cidr: '10.0.0.1/8', except: ['010.1.0.0/16'] } }, { 'spec.egress': [{ to: [{ ipBlock: { cidr: '10.0.0.1/8' } }] }] }, []],
  [{ 'spec.podSelector': { matchExpressions: [{ key: 'a', operator: 'In', values: ['-'] }] } }, { 'metadata.labels': { a: 'b' } }, []],
])

const path = 'spec.rules[0].http.paths[0]'
const service = { name: 's', port: { number: 80 } }
testRules('an Ingress', {
  apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name: 'i' }, spec: { rules: [{ host: 'a.b', http: { paths: [{ path: '/', pathType: 'Prefix', backend: { service } }] } }] },
}, [
  [{ spec: {} }, ['spec: Invalid value: null: either `defaultBackend` or `rules` must be specified']],
  [{ 'spec.rules[0].host': '1.2.3.4' }, ['spec.rules[0].host: Invalid value: "1.2.3.4": must be a DNS name, not an IP address']],
  [{ 'spec.rules[0].host': '::1' }, ['spec.rules[0].host: Invalid value: "::1": must be a DNS name, not an IP address', `spec.rules[0].host: ${subdomain('::1')}`]],
  [{ [path]: {} }, [`${path}.pathType: Required value: pathType must be specified`]],
  [{ [`${path}.pathType`]: '' }, [`${path}.pathType: Unsupported value: "": supported values: "Exact", "ImplementationSpecific", "Prefix"`]],
  [{ [`${path}.path`]: '/a//b/..' }, [`${path}.path: Invalid value: "/a//b/..": must not contain '//'`, `${path}.path: Invalid value: "/a//b/..": cannot end with '/..'`]],
  [{ [`${path}.backend`]: {} }, [`${path}.backend: Invalid value: "": resource or service backend is required`]],
  [{ [`${path}.backend`]: { resource: { apiGroup: 'A', kind: 'a/b', name: '' } } }, [
    `${path}.backend.resource.apiGroup: ${subdomain('A')}`, `${path}.backend.resource.kind: Invalid value: "a/b": may not contain '/'`, `${path}.backend.resource.name: Required value`,
  ]],
  [{ [`${path}.backend.service`]: { name: '1a' } }, [`${path}.backend: Required value: port name or number is required`]],
  [{ 'spec.tls': [{ hosts: ['-'], secretName: 'S' }] }, [`spec.tls[0].hosts[0]: ${subdomain('-')}`, `spec.tls[0].secretName: ${subdomain('S')}`]],
  [{ 'metadata.annotations': { 'kubernetes.io/ingress.class': 'a' }, 'spec.ingressClassName': 'b' }, [
    'annotations.kubernetes.io/ingress.class: Invalid value: "a": must match `ingressClassName` when both are specified',
  ]],
], [
  [{ 'spec.tls': [{ secretName: 'S' }] }, { 'spec.tls[0].secretName': 'T' }, []],
  [{ 'spec.rules': [{ host: '*.a.b', http: { paths: [{ path: 'x', pathType: 'Exact', backend: { service } }] } }] }, { 'spec.rules[0].http.paths[0].path': 'y' }, []],
  [{}, { 'status.loadBalancer.ingress': [{ ip: '1.2.3', hostname: '1.2.3.4' }] }, [
    'status.loadBalancer.ingress[0].ip: Invalid value: "1.2.3": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    'status.loadBalancer.ingress[0].hostname: Invalid value: "1.2.3.4": must be a DNS name, not an IP address',
  ], 'status'],
])

testRules('an IngressClass', { apiVersion: 'networking.k8s.io/v1', kind: 'IngressClass', metadata: { name: 'c' }, spec: { controller: 'a.b/c', parameters: { kind: 'K', name: 'n', scope: 'Cluster' } } }, [
  [{ 'spec.controller': 'c' }, ['spec.controller: Invalid value: "c": must be a domain-prefixed path (such as "acme.io/foo")']],
  [{ 'spec.parameters': { name: '..', scope: 'All' } }, [
    'spec.parameters.kind: Required value', 'spec.parameters.name: Invalid value: "..": may not be \'..\'', 'spec.parameters.scope: Unsupported value: "All": supported values: "Cluster", "Namespace"',
  ]],
  [{ 'spec.parameters.scope': 'Namespace' }, ["spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"]],
  [{ 'spec.parameters.namespace': 'x' }, ["spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'"]],
], [[{}, { 'spec.controller': 'd' }, ['spec.controller: Invalid value: "d": field is immutable', 'spec.controller: Invalid value: "d": must be a domain-prefixed path (such as "acme.io/foo")']]])
