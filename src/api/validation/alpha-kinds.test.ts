import { testRules } from './testing/causes.ts'

const caseless = "an RFC 1123 subdomain must consist of alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'Example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"

testRules('a ResourcePoolStatusRequest', { apiVersion: 'resource.k8s.io/v1alpha3', kind: 'ResourcePoolStatusRequest', metadata: { name: 'r' }, spec: { driver: 'D.example.com', poolName: 'a/b' } }, [
  [{ 'spec.driver': '' }, ['spec.driver: Required value']],
  [{ 'spec.driver': 'd_' }, [`spec.driver: Invalid value: "d_": ${caseless}`]],
  [{ 'spec.poolName': 'a//b' }, ['spec.poolName: Invalid value: "a//b": segment 1: must not be empty']],
  [{ 'spec.limit': 0 }, ['spec.limit: Invalid value: 0: must be greater than or equal to 1']],
  [{ 'spec.limit': 1001 }, ['spec.limit: Invalid value: 1001: must be less than or equal to 1000']],
], [
  [{}, { 'spec.limit': 2 }, ['spec: Invalid value: {"Driver":"D.example.com","PoolName":"a/b","Limit":2}: field is immutable']],
  [{}, { 'status.pools': [{ generation: 1 }] }, ['status.poolCount: Required value', 'status.pools[0].driver: Required value', 'status.pools[0].poolName: Required value'], 'status'],
  [{}, { status: { poolCount: 1, pools: [{ driver: 'd', poolName: 'p', generation: 1, resourceSliceCount: 0, totalDevices: -1 }] } }, [
    'status.pools[0].resourceSliceCount: Invalid value: 0: must be greater than or equal to 1', 'status.pools[0].totalDevices: Invalid value: -1: must be greater than or equal to 0',
  ], 'status'],
  [{ 'status.poolCount': 1 }, { 'status.poolCount': 2 }, ['status: Invalid value: {"PoolCount":2,"Pools":null,"Conditions":null}: field is immutable'], 'status'],
])

const server = { apiServerID: 'a', encodingVersion: 'apps/v1', decodableVersions: ['apps/v1', 'apps/v1beta1'], servedVersions: ['apps/v1'] }

testRules('a StorageVersion', { apiVersion: 'internal.apiserver.k8s.io/v1alpha1', kind: 'StorageVersion', metadata: { name: 'apps.deployments' }, spec: {}, status: {} }, [
  [{ 'metadata.name': 'deployments' }, ['metadata.name: Invalid value: "deployments": name must be in the form of <group>.<resource>']],
], [
  [{}, { status: { storageVersions: [server], commonEncodingVersion: 'apps/v1' } }, [], 'status'],
  [{}, { status: { storageVersions: [server, server], commonEncodingVersion: 'apps/v1' } }, ['status.storageVersions[1].apiServerID: Duplicate value: "a"'], 'status'],
  [{}, { status: { storageVersions: [server] } }, ['status.commonEncodingVersion: Invalid value: null: the common encoding version is apps/v1'], 'status'],
  [{}, { status: { storageVersions: [{ ...server, encodingVersion: '/v1', servedVersions: ['v2'] }], commonEncodingVersion: '/v1' } }, [
    'status.storageVersions[0].encodingVersion: Invalid value: "/v1": group part: must be non-empty',
    'status.storageVersions[0].decodableVersions: Invalid value: ["apps/v1","apps/v1beta1"]: decodableVersions must include encodingVersion /v1',
    'status.storageVersions[0].servedVersions[0]: Invalid value: "v2": individual served version : v2 must be included in decodableVersions : [apps/v1 apps/v1beta1]',
  ], 'status'],
  [{}, { status: { commonEncodingVersion: 'v1', conditions: [{ type: 'A', status: 'True', reason: 'r' }, { type: 'A', status: 'False', reason: '', message: 'm' }] } }, [
    'status.commonEncodingVersion: Invalid value: "v1": should be nil if servers do not agree on the same encoding version, or if there is no server reporting the supported versions yet',
    'status[0].message: Required value', 'status[1].type: Invalid value: "A": the type of the condition is not unique, it also appears in conditions[0]', 'status[1].reason: Required value',
  ], 'status'],
])
