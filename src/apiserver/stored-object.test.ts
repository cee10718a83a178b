import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OpenObject } from '../machinery/object.ts'
import { encodeForStore, entryOf } from './stored-object.ts'

const annotations: readonly Record<string, string>[] = [
  {}, { a: 'b' }, { a: '}' }, { a: '"}' }, { a: '\\' }, { a: '\\"' }, { a: '\\\\"}{' }, { a: '"' }, { '"': '\\\\' }, { a: 'é}"日本' }, { spec: ',"spec":{' },
]

for (const each of annotations) {
  test(`metadata with ${JSON.stringify(each)} is cut out of an object`, () => {
    const object: OpenObject = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', annotations: each, finalizers: ['x/y', ']'] }, data: { metadata: '}' } }
    const { value } = encodeForStore(object)
    const entry = entryOf({ key: '/registry/configmaps/default/a', value, createRevision: 1, modRevision: 7, version: 1, leaseId: 0 }, '/registry/configmaps/')
    assert.deepEqual(JSON.parse(entry.metadataBytes().toString()), { resourceVersion: '7', name: 'a', annotations: each, finalizers: ['x/y', ']'] })
  })
}

test('what was written is served out of the same memory, and the same for every event of it', () => {
  const key = '/registry/configmaps/default/a'
  const managedFields = [{ manager: 'm', operation: 'Update' as const, apiVersion: 'v1', fieldsType: 'FieldsV1' as const, fieldsV1: { 'f:data': {} } }]
  for (const text of ['short', 'é日本', 'x'.repeat(5000), 'x'.repeat(200_000)]) {
    const object: OpenObject = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', managedFields }, data: { text } }
    const { value, headroomBytes } = encodeForStore(object, key)
    assert.deepEqual(JSON.parse(value.toString()), object)
    // A store writes its own record around the value meanwhile.
    Buffer.from(value.buffer, value.byteOffset - headroomBytes, headroomBytes).fill('#')
    const entry = entryOf({ key, value, createRevision: 1, modRevision: 1234, version: 1, leaseId: 0 }, '/registry/configmaps/')
    assert.deepEqual(JSON.parse(entry.bytes.toString()), { ...object, metadata: { resourceVersion: '1234', ...object.metadata } })
    assert.deepEqual(entry.object(), { ...object, metadata: { ...object.metadata, resourceVersion: '1234' } })
    assert.equal(entry.bytes.buffer, value.buffer)
    assert.equal(entryOf({ key, value, createRevision: 1, modRevision: 1234, version: 1, leaseId: 0 }, '/registry/configmaps/'), entry)
    assert.equal(JSON.parse(entry.at(1300).bytes.toString()).metadata.resourceVersion, '1300')
  }
})
