import assert from 'node:assert/strict'
import { test } from 'node:test'
import { typeById } from '../../api/type-table.ts'
import type { JsonObject } from '../../machinery/json-value.ts'
import { applyMergePatch } from '../../machinery/merge-patch.ts'
import { deepFreeze, type OpenObject } from '../../machinery/object.ts'
import { decodeObject } from '../../machinery/schema-decode.ts'
import { errors } from '../../machinery/status.ts'
import { applyStrategicMergePatch, patchTypeOf } from '../../machinery/strategic-merge.ts'
import { cloneJson } from '../clone.ts'
import { patchNamed } from './patch.ts'

const type = typeById('v1.Pod')!
const fit = (object: JsonObject): OpenObject => decodeObject(type, cloneJson(object)).value as unknown as OpenObject
const pod = (more: JsonObject = {}): JsonObject => deepFreeze(fit({
  kind: 'Pod', apiVersion: 'v1', metadata: { name: 'p', labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80 }] }], nodeName: 'n' }, ...more,
}) as unknown as JsonObject)
const standing = [pod(), pod({ status: {} }), pod({ status: { phase: 'Pending', conditions: [{ type: 'Ready', status: 'False' }] } })]
const patches: JsonObject[] = [
  {}, { status: { phase: 'Running' } }, { status: null }, { metadata: { labels: { a: null } }, status: { conditions: [{ type: 'Ready', status: 'True' }, { type: 'Other', status: 'True' }] } },
  { metadata: { annotations: { x: 'y' } } }, { spec: { nodeName: 'other' } }, { spec: null }, { kind: 'Pod', apiVersion: 'v1', status: { podIPs: [{ ip: '10.0.0.1' }] } },
]

test('a patch of the fields that it names gives what a patch of the whole object gives', () => {
  for (const current of standing) for (const patch of patches) for (const share of [false, true]) {
    for (const apply of [(object: JsonObject) => applyMergePatch(object, patch), (object: JsonObject) => applyStrategicMergePatch(object, patch, patchTypeOf(type))]) {
      const whole = fit(apply(current))
      const byName = patchNamed(current, Object.keys(patch), share, (part) => fit(apply(part)))
      assert.deepEqual(byName, whole, JSON.stringify([current, patch]))
    }
  }
})

test('what a patch does not name is shared only where that is wanted', () => {
  const current = pod()
  const same = (share: boolean): boolean => patchNamed(current, ['status'], share, fit).spec === current.spec
  assert.deepEqual([same(true), same(false)], [true, false])
})

test('an error is that of the whole object', () => {
  const refuse = (object: JsonObject): OpenObject => { throw errors.badRequest(Object.keys(object).join()) }
  assert.throws(() => patchNamed(pod(), ['status'], true, refuse), /kind,apiVersion,metadata,spec/)
})
