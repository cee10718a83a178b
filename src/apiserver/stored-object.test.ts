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
    const value = encodeForStore(object)
    const entry = entryOf({ key: '/registry/configmaps/default/a', value, createRevision: 1, modRevision: 7, version: 1, leaseId: 0 }, '/registry/configmaps/')
    assert.deepEqual(JSON.parse(entry.metadataBytes().toString()), { resourceVersion: '7', name: 'a', annotations: each, finalizers: ['x/y', ']'] })
  })
}
