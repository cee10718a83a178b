import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OpenObject } from '../machinery/object.ts'
import { FieldIndex } from './field-index.ts'

const onNode = (nodeName?: string): OpenObject => ({ kind: 'Pod', apiVersion: 'v1', metadata: {}, spec: { nodeName } }) as unknown as OpenObject

test('an index finds keys by value, in order, as objects come, move and go', () => {
  const index = new FieldIndex((object) => (object as unknown as { spec: { nodeName?: string } }).spec.nodeName ?? '')
  for (const name of ['b/2', 'a/1', 'c/3']) index.note(name, onNode('n1'))
  index.note('d/4', onNode())
  assert.deepEqual(index.keys('n1', ''), ['a/1', 'b/2', 'c/3'])
  assert.deepEqual(index.keys('n1', 'b/'), ['b/2', 'c/3'])
  assert.deepEqual(index.keys('', ''), ['d/4'])
  index.note('b/2', onNode('n2'))
  index.note('a/1', undefined)
  index.note('d/4', onNode('n1'))
  assert.deepEqual([index.keys('n1', ''), index.keys('n2', ''), index.keys('', '')], [['c/3', 'd/4'], ['b/2'], []])
  index.note('unknown', undefined)
  assert.deepEqual(index.keys('none', ''), [])
})
