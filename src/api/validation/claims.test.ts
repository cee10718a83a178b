import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OpenObject } from '../../machinery/object.ts'
import { strategyFor } from '../strategies/strategies.ts'
import { nowMs, testRules } from './testing/causes.ts'

const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }
const bound = { 'status.phase': 'Bound', 'status.capacity': { storage: '1Gi' } }
const annotation = 'metadata.annotations[volume.beta.kubernetes.io/storage-class]'

testRules('a PersistentVolumeClaim', { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: 'c' }, spec }, [
  [{ 'spec.accessModes': [] }, ['spec.accessModes: Required value: at least 1 access mode is required']],
  [{ 'spec.accessModes': ['ReadWriteOncePod', 'ReadWriteMany'] }, ['spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes']],
  [{ 'spec.resources': {} }, ['spec.resources[storage]: Required value']],
  [{ 'spec.volumeMode': 'Raw' }, ['spec.volumeMode: Unsupported value: "Raw": supported values: "Block", "Filesystem"']],
  [{ 'spec.dataSourceRef': { kind: 'Thing', name: 'n' } }, [
    'spec.dataSource: Invalid value: "Thing": must be \'PersistentVolumeClaim\' when referencing the default apiGroup',
    'spec.dataSourceRef: Invalid value: "Thing": must be \'PersistentVolumeClaim\' when referencing the default apiGroup',
  ]],
  [{ 'spec.dataSource': { kind: 'PersistentVolumeClaim', name: 'a' }, 'spec.dataSourceRef': { kind: 'PersistentVolumeClaim', name: 'b' } }, ['spec: Invalid value: {}: must match dataSourceRef']],
  [{ 'spec.volumeAttributesClassName': 'A_b' }, [`spec.volumeAttributesClassName: Invalid value: "A_b": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`]],
], [
  [{}, { 'spec.volumeName': 'v' }, []],
  [{}, { 'spec.storageClassName': 'fast' }, []],
  [bound, { 'spec.resources.requests.storage': '2Gi' }, []],
  [bound, { 'spec.resources.requests.storage': '500Mi' }, ['spec.resources.requests.storage: Forbidden: field can not be less than status.capacity']],
  [{ ...bound, 'spec.volumeAttributesClassName': 'gold' }, { 'spec.volumeAttributesClassName': 'silver' }, []],
  [{ ...bound, 'spec.volumeAttributesClassName': 'gold' }, { 'spec.volumeAttributesClassName': undefined }, []],
  [{ 'spec.volumeAttributesClassName': 'gold' }, { 'spec.volumeAttributesClassName': 'silver' }, [/^spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n/]],
  [{ ...bound, 'status.currentVolumeAttributesClassName': 'gold', 'spec.volumeAttributesClassName': 'gold' }, { 'spec.volumeAttributesClassName': undefined }, ['spec.volumeAttributesClassName: Forbidden: update to nil is forbidden when status.currentVolumeAttributesClassName is not nil']],
  [{ ...bound, 'status.currentVolumeAttributesClassName': 'gold', 'spec.volumeAttributesClassName': 'gold' }, { 'spec.volumeAttributesClassName': '' }, ['spec.volumeAttributesClassName: Forbidden: update to empty string is forbidden when status.currentVolumeAttributesClassName is not nil']],
  [{ [annotation]: 'a' }, { [annotation]: 'b' }, ['metadata.annotations.volume.beta.kubernetes.io/storage-class: Invalid value: "b": field is immutable']],
  [{ [annotation]: 'a' }, { 'spec.storageClassName': 'a' }, []],
  [{}, { 'status.capacity': { storage: '-1' } }, ['status.capacity[storage]: Invalid value: -1: must be a valid resource quantity'], 'status'],
  [{}, { 'status.allocatedResourceStatuses': { storage: 'Growing', cpu: 'NodeResizePending' } }, [
    'status.allocatedResourceStatuses: Unsupported value: "storage": supported values: "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", "NodeResizeInfeasible", "NodeResizePending"',
    'status.allocatedResourceStatuses: Unsupported value: "cpu": supported values: "storage"',
  ], 'status'],
])

test('the source of a claim\'s data is said in both fields, and a kind that dataSource never knew in neither', () => {
  const strategy = strategyFor('', 'persistentvolumeclaims')
  const context = { nowMs, user: { username: 'jane', groups: [] }, subresource: '', dryRun: false, warn: () => {} }
  const created = (source: object): unknown => {
    const object = { metadata: { name: 'c' }, spec: { ...spec, ...source } } as unknown as OpenObject
    strategy.prepareForCreate?.(object, context)
    const { dataSource, dataSourceRef } = object.spec as Record<string, unknown>
    return { dataSource, dataSourceRef }
  }
  const snapshot = { apiGroup: 'snapshot.storage.k8s.io', kind: 'VolumeSnapshot', name: 's' }
  const other = { apiGroup: 'example.com', kind: 'Thing', name: 't' }
  assert.deepEqual(created({ dataSource: snapshot }), { dataSource: snapshot, dataSourceRef: snapshot })
  assert.deepEqual(created({ dataSourceRef: other }), { dataSource: other, dataSourceRef: other })
  assert.deepEqual(created({ dataSource: other }), { dataSource: undefined, dataSourceRef: undefined })
  assert.deepEqual(created({ dataSourceRef: { ...snapshot, namespace: 'x' } }), { dataSource: undefined, dataSourceRef: undefined })
})
