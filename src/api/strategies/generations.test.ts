import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OpenObject } from '../../machinery/object.ts'
import type { StrategyContext } from '../resource.ts'
import { statusStrategyFor, strategyFor } from './strategies.ts'

const context: StrategyContext = { nowMs: 0, user: { username: 'jane', groups: [] }, subresource: '', dryRun: false, warn: (message) => assert.fail(message) }
const key = 'deprecated.daemonset.template.generation'

const object = (spec: object, annotations?: Record<string, string>): OpenObject => ({ metadata: { name: 'a', generation: 4, ...(annotations === undefined ? {} : { annotations }) }, spec, status: {} }) as unknown as OpenObject
const updated = (resource: string, next: OpenObject, old: OpenObject): OpenObject => {
  strategyFor('apps', resource).prepareForUpdate?.(next, old, context)
  return next
}

test('new annotations are a new generation of a Deployment, and of nothing else', () => {
  const update = (resource: string): number | undefined => updated(resource, object({}, { a: 'b' }), object({})).metadata.generation
  assert.deepEqual(['deployments', 'replicasets', 'statefulsets'].map(update), [5, 4, 4])
})

test('a DaemonSet counts the changes of its template, whatever its users say', () => {
  const created = object({}, { [key]: '-3' })
  strategyFor('apps', 'daemonsets').prepareForCreate?.(created, context)
  assert.equal(created.metadata.annotations?.[key], '1')
  const same = updated('daemonsets', object({ template: {}, minReadySeconds: 1 }, { [key]: '9' }), object({ template: {} }, { [key]: '2' }))
  assert.deepEqual([same.metadata.generation, same.metadata.annotations?.[key]], [5, '2'])
  const other = updated('daemonsets', object({ template: { spec: { hostname: 'a' } } }), object({ template: {} }, { [key]: '2' }))
  assert.deepEqual([other.metadata.generation, other.metadata.annotations?.[key]], [5, '3'])
  const status = object({}, {})
  statusStrategyFor('apps', 'daemonsets').prepareForUpdate?.(status, object({}, { [key]: '2' }), context)
  assert.equal(status.metadata.annotations?.[key], '2')
})
