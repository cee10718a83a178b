import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OpenObject } from '../machinery/object.ts'
import { sameState } from './same-state.ts'

const object = (more: object, metadata: object = {}): OpenObject => ({ kind: 'Thing', apiVersion: 'v1', metadata: { name: 'a', resourceVersion: '1', ...metadata }, ...more })

test('objects are the same state whatever their revision and the order of fields', () => {
  const table: [OpenObject, OpenObject, boolean][] = [
    [object({ spec: { a: 1, b: 2 } }), object({ spec: { b: 2, a: 1 } }, { resourceVersion: '9' }), true],
    [object({ spec: { a: 1, b: undefined } }), object({ spec: { a: 1 } }), true],
    [object({ spec: { a: 1 } }), object({ spec: { a: 1 }, status: undefined }), true],
    [object({ spec: { a: 1 } }), object({ spec: { a: 1, b: 2 } }), false],
    [object({ spec: { a: 1, b: 2 } }), object({ spec: { a: 1 } }), false],
    [object({ spec: { list: [1, 2] } }), object({ spec: { list: [2, 1] } }), false],
    [object({ spec: { list: [] } }), object({ spec: { list: {} } }), false],
    [object({ spec: { a: null } }), object({ spec: {} }), false],
    [object({}, { labels: { x: 'y' } }), object({}), false],
    [object({}), object({ status: {} }), false],
  ]
  for (const [a, b, wanted] of table) {
    assert.equal(sameState(a, b), wanted, JSON.stringify([a, b]))
    assert.equal(sameState(b, a), wanted, JSON.stringify([b, a]))
  }
})
