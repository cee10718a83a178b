import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OpenObject } from '../../machinery/object.ts'
import { cidrWarnings, ipWarnings } from './field-warnings.ts'
import { strategyFor } from './strategies.ts'

const metadata = { name: 'a' }
const template = { spec: { containers: [{ name: 'c', image: 'i' }] } }
const nameText = 'metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]'

const cases: ReadonlyArray<readonly [group: string, resource: string, object: object, expected: readonly string[]]> = [
  ['', 'services', { spec: { type: 'ClusterIP', clusterIPs: ['None'], sessionAffinity: 'ClientIP', loadBalancerIP: '1.2.3.4' } }, [
    'spec.loadBalancerIP is ignored for headless services', 'spec.SessionAffinity is ignored for headless services',
  ]],
  ['', 'services', { spec: { type: 'NodePort', externalIPs: ['1.2.3.4'] } }, ['spec.externalIPs is deprecated and may no longer be implemented in some clusters']],
  ['', 'secrets', { type: 'kubernetes.io/tls', data: { 'tls.crt': 'eA==', 'tls.key': 'eA==' } }, ['tls: failed to find any PEM data in certificate input']],
  ['', 'services', { spec: { type: 'ExternalName', externalName: 'a.b', externalIPs: ['FD00::1'] } }, [
    'spec.externalIPs[0]: IPv6 address "FD00::1" should be in RFC 5952 canonical format ("fd00::1")', 'spec.externalIPs is ignored when spec.type is "ExternalName"',
  ]],
  ['', 'services', { spec: { type: 'LoadBalancer', clusterIPs: ['10.0.0.1'], sessionAffinity: 'None', loadBalancerSourceRanges: ['10.0.0.1/8'] } }, [
    'spec.loadBalancerSourceRanges[0]: CIDR value "10.0.0.1/8" is ambiguous in this context (should be "10.0.0.0/8" or "10.0.0.1/32"?)',
  ]],
  ['', 'services', { spec: { type: 'ClusterIP', sessionAffinity: 'None', trafficDistribution: 'PreferClose' } }, ['spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"']],
  ['', 'endpoints', { subsets: [{ addresses: [{ ip: '10.0.0.1' }], notReadyAddresses: [{ ip: 'FD00::1' }] }] }, ['subsets[0].notReadyAddresses[0].ip: IPv6 address "FD00::1" should be in RFC 5952 canonical format ("fd00::1")']],
  ['', 'nodes', { spec: { configSource: {}, externalID: 'x' } }, ['spec.configSource: the feature is no longer supported', 'spec.externalID: this field is deprecated, and is unused by Kubernetes']],
  ['', 'persistentvolumes', { spec: { persistentVolumeReclaimPolicy: 'Recycle', rbd: {}, nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'beta.kubernetes.io/os' }] }] } } } }, [
    'spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.',
    'spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].key: beta.kubernetes.io/os is deprecated since v1.14; use "kubernetes.io/os" instead',
    'spec.rbd: deprecated in v1.28, non-functional in v1.31+',
  ]],
  ['', 'persistentvolumeclaims', { metadata: { annotations: { 'volume.beta.kubernetes.io/storage-class': 'c' } }, spec: { resources: { requests: { storage: '500m' } } } }, [
    'metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use "storageClassName" attribute instead',
    'spec.resources.requests[storage]: fractional byte value "500m" is invalid, must be an integer',
  ]],
  ['', 'serviceaccounts', { metadata: { annotations: { 'kubernetes.io/enforce-mountable-secrets': 'true' } } }, [
    'metadata.annotations[kubernetes.io/enforce-mountable-secrets]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets',
  ]],
  ['apps', 'deployments', { metadata: { name: 'a.b' }, spec: { template } }, [nameText]],
  ['apps', 'statefulsets', { spec: { template, revisionHistoryLimit: -1 } }, ['spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended']],
  ['batch', 'cronjobs', { spec: { schedule: 'TZ=UTC 0 * * * *', jobTemplate: { spec: { template } } } }, [
    'CRON_TZ or TZ used in spec.spec.schedule is not officially supported, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#time-zones for more details',
  ]],
  ['networking.k8s.io', 'ingresses', { metadata: { annotations: { 'kubernetes.io/ingress.class': 'n' } } }, ['annotation "kubernetes.io/ingress.class" is deprecated, please use \'spec.ingressClassName\' instead']],
  ['apiextensions.k8s.io', 'customresourcedefinitions', { spec: { versions: [{ schema: { openAPIV3Schema: { type: 'object', properties: { a: { type: 'string', format: 'odd' }, b: { type: 'string', format: 'date-time' } } } } }] } }, ['unrecognized format "odd"']],
  ['storage.k8s.io', 'storageclasses', { allowedTopologies: [{ matchLabelExpressions: [{ key: 'failure-domain.beta.kubernetes.io/zone' }] }] }, [
    'allowedTopologies[0].matchLabelExpressions[0].key: deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
  ]],
]

for (const [group, resource, object, expected] of cases) {
  test(`warnings of ${resource}: ${expected.join('; ').slice(0, 80)}`, () => {
    assert.deepEqual(strategyFor(group, resource).warnings?.({ metadata, ...object } as unknown as OpenObject, undefined), expected)
  })
}

test('addresses and ranges in forms other than the standard ones', () => {
  assert.deepEqual(ipWarnings('p', '010.0.0.1'), ['p: non-standard IP address "010.0.0.1" is invalid: use "10.0.0.1"'])
  assert.deepEqual(ipWarnings('p', '::ffff:10.0.0.1'), ['p: non-standard IP address "::ffff:10.0.0.1" is invalid: use "10.0.0.1"'])
  assert.deepEqual(ipWarnings('p', '10.0.0.1'), [])
  assert.deepEqual(cidrWarnings('p', 'fd00:0::/8'), ['p: IPv6 CIDR value "fd00:0::/8" should be in RFC 5952 canonical format ("fd00::/8")'])
  assert.deepEqual(cidrWarnings('p', '10.0.0.0/8'), [])
})
