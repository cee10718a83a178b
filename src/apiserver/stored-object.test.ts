import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OpenObject } from '../machinery/object.ts'
import { typeForKind } from '../api/type-table.ts'
import { encodeProtobuf } from '../machinery/protobuf-envelope.ts'
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

const stored = (key: string, value: Uint8Array) => ({ key, value, createRevision: 1, modRevision: 9, version: 1, leaseId: 0 })

test('what an original API server has stored in protobuf is read', () => {
  const object: OpenObject = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'a', namespace: 'default', uid: 'u', annotations: { json: '{"metadata":{"name":"b"}}' } }, data: { b: 'c' } }
  const entry = entryOf(stored('/registry/configmaps/default/a', encodeProtobuf(typeForKind('v1', 'ConfigMap')!, object as never)), '/registry/configmaps/')
  assert.deepEqual(entry.object(), { ...object, metadata: { resourceVersion: '9', ...object.metadata } })
  assert.deepEqual(JSON.parse(entry.bytes.toString()), entry.object())
})

test('definitions, which upstream keeps in v1beta1, are read in v1', () => {
  const prefix = '/registry/apiextensions.k8s.io/customresourcedefinitions/'
  const read = (spec: object): unknown => {
    const value = Buffer.from(JSON.stringify({ kind: 'CustomResourceDefinition', apiVersion: 'apiextensions.k8s.io/v1beta1', metadata: { name: 'foos.example.com' }, spec }))
    const { apiVersion, spec: now } = entryOf(stored(`${prefix}foos.example.com`, value), prefix).object()
    assert.equal(apiVersion, 'apiextensions.k8s.io/v1')
    return now
  }
  const names = { plural: 'foos', kind: 'Foo' }
  const schema = { openAPIV3Schema: { type: 'object' } }
  const webhookClientConfig = { url: 'https://example.com/convert' }
  assert.deepEqual(
    read({ group: 'example.com', version: 'v1', scope: 'Namespaced', names, validation: schema, subresources: { status: {} }, additionalPrinterColumns: [{ name: 'A', type: 'string', JSONPath: '.a' }] }),
    { group: 'example.com', scope: 'Namespaced', names, versions: [{ name: 'v1', served: true, storage: true, schema, subresources: { status: {} }, additionalPrinterColumns: [{ name: 'A', type: 'string', jsonPath: '.a' }] }], conversion: { strategy: 'None' }, preserveUnknownFields: true },
  )
  assert.deepEqual(
    read({ group: 'example.com', names, versions: [{ name: 'v1', served: true, storage: true, schema }, { name: 'v2', served: true, storage: false }], preserveUnknownFields: false, conversion: { strategy: 'Webhook', webhookClientConfig, conversionReviewVersions: ['v1'] } }),
    { group: 'example.com', names, versions: [{ name: 'v1', served: true, storage: true, schema }, { name: 'v2', served: true, storage: false }], conversion: { strategy: 'Webhook', webhook: { clientConfig: webhookClientConfig, conversionReviewVersions: ['v1'] } } },
  )
})

test('a value holds every character, wherever in it those of several bytes stand', () => {
  const letters = ['a', 'é', '€', '😀', '\ud800', '"', '\n']
  for (let round = 0; round < 3000; round++) {
    // Counts through the letters in base 7, so that every ending comes up at every place.
    const text = Array.from({ length: 1 + (round % 5) }, (_, at) => letters[Math.floor(round / 7 ** at) % 7]).join('')
    const object = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'a', annotations: { [text]: text } }, data: { key: text } }
    const { value } = encodeForStore(structuredClone(object), '/registry/configmaps/a')
    assert.equal(value.toString(), Buffer.from(JSON.stringify(object)).toString())
    assert.equal(value.buffer.byteLength > value.byteOffset + value.length && Buffer.from(value.buffer)[value.byteOffset + value.length], 0x0a)
  }
})
