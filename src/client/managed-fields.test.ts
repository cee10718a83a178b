import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../runtime/random.ts'
import { withoutManagedFields } from './managed-fields.ts'

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

const random = seededRandom(5)
const pick = <T>(list: readonly T[]): T => list[random.int(list.length)]!
/** No key ends with a backslash: V8 takes such keys for others that have an escape there. */
const keys = ['', 'a', '"', '\\"', '{', '}', '[', ']', ',', ':', '"managedFields":[', '\n', 'ä', '😀', 'k:{"ip":"10.0.0.1"}', 'managedFields', '}]}', '\\\\"']
const texts = [...keys, '\\', 'a\\\\']

function grow(depth: number): Json {
  switch (random.int(depth > 3 ? 2 : 5)) {
    case 0: return pick<Json>([null, true, 7, -1.5])
    case 1: return pick(texts)
    case 2: return Array.from({ length: random.int(4) }, () => grow(depth + 1))
    default: return Object.fromEntries(Array.from({ length: random.int(4) }, () => [pick(keys), grow(depth + 1)]))
  }
}

function grown(): { kind: string; apiVersion: string; metadata: Record<string, Json>; spec: Json } {
  const metadata = [['name', 'x'], ['annotations', grow(1)], ['labels', grow(1)], ...(random.int(4) > 0 ? [['managedFields', Array.from({ length: random.int(3) }, () => ({ fieldsV1: grow(1) }))]] : []), ['uid', pick(texts)]] as const
  return { kind: 'Pod', apiVersion: 'apps/v1', metadata: Object.fromEntries(random.int(2) === 0 ? metadata : metadata.toReversed()), spec: { managedFields: [grow(2)], template: { metadata: { managedFields: [1] } } } }
}

test('of objects and events grown at random exactly the owners go', () => {
  const without = (object: ReturnType<typeof grown>): object => {
    const { managedFields: _owners, ...metadata } = object.metadata
    return { ...object, metadata }
  }
  for (let round = 0; round < 2000; round++) {
    const object = grown()
    assert.deepEqual(JSON.parse(withoutManagedFields(JSON.stringify(object))), without(object))
    const objects = [grown(), grown(), grown()]
    const lines = withoutManagedFields(objects.map((each) => JSON.stringify({ type: 'ADDED', object: each })).join('\n')).split('\n')
    assert.deepEqual(lines.map((line) => JSON.parse(line) as object), objects.map((each) => ({ type: 'ADDED', object: without(each) })))
  }
})

test('what has another form is left as it is', () => {
  for (const text of [
    '', '{}', '{"metadata":{"managedFields":[]}}', '{"kind":"A","apiVersion":"v1","metadata":{"managedFields":{}}}', '{"kind":"A","apiVersion":"v1","metadata":{"managedFields":[',
    '{"kind":"A","apiVersion":"v1","metadata":{},"spec":{"managedFields":[1]}}', '{"kind":"A","apiVersion":"v1","metadata":{"a":{"managedFields":[1]}}}', '{"kind":"A","apiVersion":"v1","metadata":{"a":"\\"managedFields\\":[1]"}}',
  ]) assert.equal(withoutManagedFields(text), text)
})

test('a list that stands alone, first or last takes its comma along', () => {
  const of = (metadata: string): string => withoutManagedFields(`{"kind":"A","apiVersion":"v1","metadata":{${metadata}}}`)
  for (const metadata of ['"managedFields":[{}]', '"managedFields":[],"a":1', '"a":1,"managedFields":[[]]', '"a":1,"managedFields":[],"b":2']) {
    const { managedFields: _owners, ...left } = (JSON.parse(`{${metadata}}`)) as Record<string, unknown>
    assert.deepEqual(JSON.parse(of(metadata)), { kind: 'A', apiVersion: 'v1', metadata: left })
  }
})
