import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fieldErrorText } from '../../machinery/field-error.ts'
import { leaseValidation } from './leases.ts'
import { testRules } from './testing/causes.ts'

const subdomain = (name: string): string =>
  `Invalid value: "${name}": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`
const label = (name: string): string =>
  `Invalid value: "${name}": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')`

testRules('an IPAddress', { apiVersion: 'networking.k8s.io/v1', kind: 'IPAddress', metadata: { name: '10.0.0.1' }, spec: { parentRef: { resource: 'services', name: 's', namespace: 'n' } } }, [
  [{ 'metadata.name': '2001:DB8::1' }, ['metadata.name: Invalid value: "2001:DB8::1": must be in canonical form ("2001:db8::1")']],
  [{ 'metadata.name': 'a' }, ['metadata.name: Invalid value: "a": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)']],
  [{ 'spec.parentRef': undefined }, ['spec.parentRef: Required value']],
  [{ 'spec.parentRef': { group: 'A' } }, [`spec.parentRef.group: ${subdomain('A')}`, 'spec.parentRef.resource: Required value', 'spec.parentRef.name: Required value']],
], [
  [{}, { 'spec.parentRef.name': 't' }, ['spec.parentRef: Invalid value: {"Group":"","Resource":"services","Namespace":"n","Name":"t"}: field is immutable']],
])

testRules('a ConfigMap', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c', namespace: 'n' }, data: { a: 'b' } }, [
  [{ 'data.a': 'x'.repeat(1024 * 1024 + 1) }, ['[]: Too long: may not be more than 1048576 bytes']],
], [])

testRules('a ServiceCIDR', { apiVersion: 'networking.k8s.io/v1', kind: 'ServiceCIDR', metadata: { name: 'c' }, spec: { cidrs: ['10.0.0.0/24'] } }, [
  [{ 'spec.cidrs': [] }, ['spec.cidrs: Required value: at least one CIDR required']],
  [{ 'spec.cidrs': ['10.0.0.1/24'] }, ['spec.cidrs[0]: Invalid value: "10.0.0.1/24": must not have bits set beyond the prefix length']],
  [{ 'spec.cidrs': ['10.0.0.0/24', '10.1.0.0/24'] }, ['spec.cidrs: Invalid value: ["10.0.0.0/24","10.1.0.0/24"]: may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64']],
], [
  [{}, { 'spec.cidrs': ['10.0.0.0/24', 'fd00::/112'] }, []],
  [{}, { 'spec.cidrs': ['10.1.0.0/24'] }, ['spec.cidrs[0]: Invalid value: "10.1.0.0/24": field is immutable']],
  [{ 'spec.cidrs': ['10.0.0.0/24', 'fd00::/112'] }, { 'spec.cidrs': ['10.0.0.0/24'] }, ['spec.cidrs: Invalid value: ["10.0.0.0/24"]: field is immutable']],
])

testRules('a RuntimeClass', { apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', metadata: { name: 'r' }, handler: 'runc' }, [
  [{ handler: 'A' }, [`handler: ${label('A')}`]],
  [{ overhead: { podFixed: { cpu: '-1' } } }, ['overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0']],
  [{ scheduling: { tolerations: [{ key: 'a' }, { key: 'a' }] } }, ['scheduling.tolerations[1]: Duplicate value: {"Key":"a","Operator":"","Value":"","Effect":"","TolerationSeconds":null}']],
], [[{}, { handler: 'gvisor' }, ['handler: Invalid value: "gvisor": field is immutable']]])

testRules('a Lease', { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'l' }, spec: {} }, [
  [{ 'spec.leaseDurationSeconds': 0, 'spec.leaseTransitions': -1 }, ['spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0', 'spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0']],
])

test('leases that are handed over say how', () => {
  const problems = (spec: object): string[] => leaseValidation.validate!({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'l' }, spec }).map((error) => `${error.path}: ${fieldErrorText(error)}`)
  assert.deepEqual(problems({ strategy: 'X' }), ['spec.strategy.strategy: Unsupported value: "X": supported values: "OldestEmulationVersion"'])
  assert.deepEqual(problems({ preferredHolder: 'h' }), ['spec.preferredHolder: Forbidden: may only be specified if `strategy` is defined'])
})

testRules('a LeaseCandidate', {
  apiVersion: 'coordination.k8s.io/v1beta1', kind: 'LeaseCandidate', metadata: { name: 'c' }, spec: { leaseName: 'l', binaryVersion: '1.36.0', emulationVersion: '1.36.0', strategy: 'OldestEmulationVersion' },
}, [
  [{ 'spec.leaseName': '' }, ['spec.leaseName: Required value']],
  [{ 'spec.binaryVersion': '1.35.9' }, ['spec.binaryVersion: Invalid value: "1.35.9": must be greater than or equal to `emulationVersion`']],
  [{ 'spec.binaryVersion': 'v1' }, ['spec.binaryVersion: Invalid value: "v1": must be a valid semantic version', 'spec.binaryVersion: Invalid value: "v1": must be greater than or equal to `emulationVersion`']],
  [{ 'spec.emulationVersion': undefined }, ["spec.emulationVersion: Required value: must be specified when `strategy` is 'OldestEmulationVersion'"]],
], [[{}, { 'spec.leaseName': 'm' }, ['spec.leaseName: Invalid value: "m": field is immutable']]])

testRules('a StorageVersionMigration', { apiVersion: 'storagemigration.k8s.io/v1beta1', kind: 'StorageVersionMigration', metadata: { name: 'm' }, spec: { resource: { group: 'apps', resource: 'deployments' } } }, [
  [{ 'spec.resource': { group: 'apps' } }, ['spec.resource.resource: Required value: resource is required to be set']],
], [[{}, { 'spec.resource.group': 'batch' }, ['group: Invalid value: "batch": field is immutable']]])

testRules('a core Event', { apiVersion: 'v1', kind: 'Event', metadata: { name: 'UPPER', namespace: 'default' }, involvedObject: {} }, [
  [{ 'metadata.name': undefined, 'involvedObject.namespace': 'other' }, ['involvedObject.namespace: Invalid value: "other": does not match event.namespace']],
  [{ 'metadata.name': undefined }, ['metadata.name: Required value: name or generateName is required']],
  [{ 'metadata.namespace': 'other' }, ['involvedObject.namespace: Invalid value: "": does not match event.namespace']],
  [{ 'involvedObject.namespace': 'other' }, ['involvedObject.namespace: Invalid value: "other": does not match event.namespace']],
  [{ eventTime: '2026-01-01T00:00:00.000000Z', reportingComponent: 'c', reportingInstance: 'i', action: 'a' }, ['reason: Required value']],
])

const event = {
  apiVersion: 'events.k8s.io/v1', kind: 'Event', metadata: { name: 'e', namespace: 'default' }, eventTime: '2026-01-01T00:00:00.000000Z', reportingController: 'c.k8s.io/x', reportingInstance: 'i', action: 'a', reason: 'r',
  type: 'Normal', regarding: { kind: 'Pod', name: 'p' },
}
testRules('an events.k8s.io Event', event, [
  [{ 'metadata.name': 'A' }, [`metadata.name: ${subdomain('A')}`]],
  [{ type: 'X' }, ['type: Invalid value: "": has invalid value: X']],
  [{ series: { count: 1 } }, ['series.count: Invalid value: "": should be at least 2', 'series.lastObservedTime: Required value']],
  [{ deprecatedCount: 1, deprecatedSource: { component: 'c' } }, ['count: Invalid value: "": needs to be unset', 'source: Invalid value: "": needs to be unset']],
  [{ note: 'x'.repeat(1025) }, ['message: Invalid value: "": can have at most 1024 characters']],
], [
  [{}, { series: { count: 2, lastObservedTime: '2026-01-01T00:00:01.000000Z' } }, []],
  [{}, { note: 'n' }, ['message: Invalid value: "n": field is immutable']],
  [{}, { reportingController: 'd' }, ['reportingController: Invalid value: "d": field is immutable']],
])

testRules('a CSINode', { apiVersion: 'storage.k8s.io/v1', kind: 'CSINode', metadata: { name: 'n' }, spec: { drivers: [{ name: 'd.io', nodeID: 'i', topologyKeys: null }] } }, [
  [{ 'spec.drivers[0].nodeID': '' }, ['spec.drivers[0].nodeID: Required value']],
  [{ 'spec.drivers[0].allocatable': { count: -1 } }, ['spec.drivers[0].allocatable.count: Invalid value: -1: must be greater than or equal to 0']],
  [{ 'spec.drivers[0].topologyKeys': ['a', 'a'] }, ['spec.drivers[0]: Duplicate value: "a"']],
], [
  [{}, { 'spec.drivers[0].allocatable': { count: 2 } }, []],
  [{}, { 'spec.drivers[0].nodeID': 'j' }, ['spec.drivers: Invalid value: {"Name":"d.io","NodeID":"j","TopologyKeys":null,"Allocatable":null}: field is immutable']],
])

testRules('a CSIDriver', { apiVersion: 'storage.k8s.io/v1', kind: 'CSIDriver', metadata: { name: 'd' }, spec: {} }, [
  [{ 'spec.serviceAccountTokenInSecrets': false }, ['spec.serviceAccountTokenInSecrets: Invalid value: false: serviceAccountTokenInSecrets is set but no tokenRequests are specified']],
  [{ 'spec.fsGroupPolicy': 'X' }, ['spec.fsGroupPolicy: Unsupported value: "X": supported values: "File", "None", "ReadWriteOnceWithFSType"']],
  [{ 'spec.tokenRequests': [{ audience: 'a', expirationSeconds: 1 }, { audience: 'a' }] }, [
    'spec.tokenRequests[0].expirationSeconds: Invalid value: 1: may not specify a duration less than 10 minutes', 'spec.tokenRequests[1].audience: Duplicate value: "a"',
  ]],
  [{ 'spec.nodeAllocatableUpdatePeriodSeconds': 9 }, ['spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 9: must be greater than or equal to 10 seconds']],
], [[{}, { 'spec.attachRequired': false }, ['spec.attachedRequired: Invalid value: false: field is immutable']]])

testRules('a CSIStorageCapacity', { apiVersion: 'storage.k8s.io/v1', kind: 'CSIStorageCapacity', metadata: { name: 'c' }, storageClassName: 's' }, [
  [{ capacity: '-1' }, ['capacity: Invalid value: "-1": must be greater than or equal to 0']],
], [[{}, { storageClassName: 't', capacity: '1Gi' }, ['storageClassName: Invalid value: "t": field is immutable']]])

testRules('a VolumeAttributesClass', { apiVersion: 'storage.k8s.io/v1', kind: 'VolumeAttributesClass', metadata: { name: 'c' }, driverName: 'd', parameters: { a: 'b' } }, [
  [{ driverName: '', parameters: {} }, ['driverName: Required value', 'parameters: Required value: must contain at least one key/value pair']],
], [[{}, { 'parameters.a': 'c' }, ['parameters: Forbidden: updates to parameters are forbidden.']]])

testRules('a VolumeAttachment', { apiVersion: 'storage.k8s.io/v1', kind: 'VolumeAttachment', metadata: { name: 'a' }, spec: { attacher: 'd', nodeName: 'n', source: { persistentVolumeName: 'v' } } }, [
  [{ 'spec.source': {} }, ['spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName']],
  [{ 'spec.source': { inlineVolumeSpec: { accessModes: ['ReadWriteOnce'], nfs: { server: 's', path: '/' } } } }, ['spec.source.inlineVolumeSpec.csi: Required value: has to be specified in the context of inline volumes']],
], [[{}, { 'spec.nodeName': 'm' }, ['spec: Invalid value: {"Attacher":"d","Source":{"PersistentVolumeName":"v","InlineVolumeSpec":null},"NodeName":"m"}: field is immutable']]])

testRules('a StorageClass', { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata: { name: 's' }, provisioner: 'p' }, [
  [{ provisioner: '' }, ['provisioner: Required value']],
  [{ reclaimPolicy: 'Recycle' }, ['reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"']],
  [{ allowedTopologies: [{ matchLabelExpressions: [{ key: 'zone', values: ['a', 'a'] }] }] }, ['allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: "a"']],
], [[{}, { parameters: { a: 'b' }, reclaimPolicy: 'Retain' }, ['parameters: Invalid value: {"a":"b"}: field is immutable', 'reclaimPolicy: Invalid value: "Retain": field is immutable']]])

testRules('an APIService', {
  apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService', metadata: { name: 'v1.example.com' },
  spec: { group: 'example.com', version: 'v1', groupPriorityMinimum: 100, versionPriority: 10, service: { namespace: 'a', name: 'b' } },
}, [
  [{ 'metadata.name': 'v2.example.com' }, ['metadata.name: Invalid value: "v2.example.com": must be `spec.version+"."+spec.group`: "v1.example.com"']],
  [{ 'metadata.name': 'V1', 'metadata.generateName': 'a/' }, [
    'metadata.generateName: Invalid value: "a/": may not contain \'/\'', 'metadata.name: Invalid value: "V1": must be `spec.version+"."+spec.group`: "v1.example.com"',
  ]],
  [{ 'metadata.name': undefined }, ['metadata.name: Required value: name or generateName is required']],
  [{ 'spec.service': undefined, 'spec.caBundle': 'eA==', 'spec.insecureSkipTLSVerify': true }, [
    'spec.caBundle: Invalid value: "1 bytes": local APIServices may not have a caBundle', 'spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify',
  ]],
  [{ 'spec.service': { port: 70000 } }, [
    'spec.service.namespace: Required value', 'spec.service.name: Required value', 'spec.service.port: Invalid value: 70000: port is not valid: must be between 1 and 65535, inclusive',
  ]],
  [{ 'spec.groupPriorityMinimum': 20001 }, ['spec.groupPriorityMinimum: Invalid value: 20001: must be positive and less than 20000']],
], [
  [{}, { 'status.conditions': [{ type: 'Available', status: 'Perhaps' }] }, ['status.conditions[0].status: Unsupported value: "Perhaps": supported values: "True", "False", "Unknown"'], 'status'],
])

testRules('a RoleBinding', {
  apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'RoleBinding', metadata: { name: 'a:b' }, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'r' },
  subjects: [{ kind: 'User', name: 'jane' }],
}, [
  [{ 'roleRef.kind': 'Rule' }, ['roleRef.kind: Unsupported value: "Rule": supported values: "Role", "ClusterRole"']],
  [{ subjects: [{ kind: 'Robot', name: 'r2' }] }, ['subjects[0].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"']],
], [
  [{}, { 'roleRef.name': 's' }, ['roleRef: Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"Role","Name":"s"}: cannot change roleRef']],
])

const aggregation = (value: string): object => ({ clusterRoleSelectors: [{ matchExpressions: [{ key: 'a', operator: 'In', values: [value] }] }] })
testRules('a ClusterRole', { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name: 'r' }, rules: [{ verbs: ['get'], nonResourceURLs: ['/a'] }] }, [
  [{ aggregationRule: { clusterRoleSelectors: [] } }, ['aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil']],
  [{ 'rules[0].resources': ['pods'] }, ['rules[0].nonResourceURLs: Invalid value: ["/a"]: rules cannot apply to both regular resources and non-resource URLs']],
], [
  [{ aggregationRule: aggregation('-') }, { aggregationRule: aggregation('.') }, ['aggregationRule.clusterRoleSelectors[0]: Invalid value: null: invalid label selector.']],
  [{ aggregationRule: aggregation('b') }, { aggregationRule: aggregation('.') }, [/^aggregationRule\.clusterRoleSelectors\[0\]\.matchExpressions\[0\]\.values\[0\]: Invalid value: "\.": a valid label/, 'aggregationRule.clusterRoleSelectors[0]: Invalid value: null: invalid label selector.']],
])

testRules('a PodDisruptionBudget', { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata: { name: 'p' }, spec: { minAvailable: 1 } }, [
  [{ 'spec.maxUnavailable': 1 }, ['spec: Invalid value: {"MinAvailable":1,"Selector":null,"MaxUnavailable":1,"UnhealthyPodEvictionPolicy":null}: minAvailable and maxUnavailable cannot be both set']],
  [{ 'spec.minAvailable': '101%' }, ['spec.minAvailable: Invalid value: "101%": must not be greater than 100%']],
  [{ 'spec.unhealthyPodEvictionPolicy': 'Never' }, ['spec.unhealthyPodEvictionPolicy: Unsupported value: "Never": supported values: "AlwaysAllow", "IfHealthyBudget"']],
])
