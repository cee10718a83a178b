import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deepFreeze } from '../../machinery/object.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { decodeObject, SchemaDecodeError } from '../../machinery/schema-decode.ts'
import type { ScalarName, SchemaType } from '../../machinery/schema-type.ts'
import { applyStrategicMergePatch, patchTypeOf } from '../../machinery/strategic-merge.ts'
import { builtinResources } from '../builtin.ts'
import type { StrategyContext } from '../resource.ts'
import { typeById, typeForKind } from '../type-table.ts'

/** Objects grown at random from the type tables: whatever a client sends must be taken or refused, never break the server. */

const context: StrategyContext = { nowMs: 0, user: { username: 'u', groups: [] }, subresource: '', dryRun: false, warn: () => undefined }

let seed = 20260101
const below = (n: number): number => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % n
const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T

const scalars: Record<ScalarName, readonly unknown[]> = {
  string: ['', 'a', 'A_b', '../x', '/abs', 'a.b/c', '10.0.0.1', '10.0.0.0/8', 'None', 'Always', '50%', 'x'.repeat(300)], bool: [true, false], int32: [0, 1, -1, 80, 70000], int64: [0, 1, -1], float64: [0.5],
  bytes: ['', 'eA=='], time: ['2026-01-01T00:00:00Z'], microTime: ['2026-01-01T00:00:00.000000Z'], duration: ['1s'], quantity: ['0', '1', '-1', '100m', '1Gi', 2], intOrString: [0, -1, 80, '25%', 'http', ''],
  raw: [{}, { a: 1 }], json: [{}, 'x', null], fieldsV1: [{}],
}

function grow(type: SchemaType, depth: number): unknown {
  switch (type.kind) {
    case 'scalar': return pick(scalars[type.scalar])
    case 'list': return Array.from({ length: below(3) }, () => grow(type.item, depth + 1))
    case 'map': return Object.fromEntries(Array.from({ length: below(3) }, () => [pick(['a', 'cpu', 'memory', 'bad key', '__proto__x', 'hugepages-2Mi', 'storage']), grow(type.value, depth + 1)]))
    case 'union': return {}
    case 'struct': {
      const object: Record<string, unknown> = {}
      for (const [name, field] of type.jsonFields) {
        // Deep down only what must be there, and at times null for anything.
        if (below(depth < 3 ? 10 : 4) < (depth < 3 ? 5 : 1)) continue
        if (depth > 7 && field.type.kind !== 'scalar') continue
        object[name] = below(40) === 0 ? null : field.enum !== undefined && below(3) > 0 ? pick(field.enum) : grow(field.type, depth + 1)
      }
      return object
    }
  }
}

test('objects of every kind, grown at random, are created and updated or refused', () => {
  const resources = builtinResources().all().filter((resource) => resource.virtual !== true)
  for (const resource of resources) {
    const type = typeForKind(resource.group === '' ? resource.version : `${resource.group}/${resource.version}`, resource.kind)
    assert.ok(type !== undefined)
    let before: OpenObject | undefined
    for (let round = 0; round < 25; round++) {
      const grown = { ...(grow(type, 0) as object), kind: resource.kind, metadata: { name: 'x', labels: grow({ kind: 'map', value: { kind: 'scalar', scalar: 'string' } }, 5) } }
      let object: OpenObject
      try {
        object = decodeObject(type, structuredClone(grown)).value as OpenObject
        resource.applyDefaults?.(object)
      } catch (error) {
        if (error instanceof SchemaDecodeError) continue
        throw new Error(`decoding or defaulting ${resource.kind} broke on ${JSON.stringify(grown)}`, { cause: error })
      }
      // A patch of a status shares the rest with the object that stands.
      const { kind, metadata, status } = structuredClone(object)
      resource.applyDefaults?.({ ...deepFreeze(structuredClone(object)), kind, metadata, ...(status === undefined ? {} : { status }) } as OpenObject)
      try {
        const next = structuredClone(object)
        resource.strategy.prepareForCreate?.(object, context)
        deepFreeze(object)
        resource.strategy.validate?.(object, context)
        resource.strategy.warnings?.(object, undefined)
        if (before !== undefined) {
          for (const strategy of [resource.strategy, ...resource.subresources.map((sub) => sub.strategy)]) {
            if (strategy === undefined) continue
            const update = structuredClone(next)
            strategy.prepareForUpdate?.(update, before, context)
            strategy.validateUpdate?.(update, before, context)
            strategy.warnings?.(update, before)
          }
        }
        before = object
      } catch (error) {
        throw new Error(`the strategy of ${resource.kind} broke on ${JSON.stringify(grown).slice(0, 4000)}`, { cause: error })
      }
    }
  }
})

test('strategic merge patches follow the type tables', () => {
  const type = typeById('apps/v1.Deployment')
  assert.ok(type !== undefined)
  const deployment = deepFreeze({ spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } }, template: { spec: {
    containers: [{ name: 'a', image: 'x:1', env: [{ name: 'A', value: '1' }], ports: [{ containerPort: 80 }] }, { name: 'b', image: 'y' }], tolerations: [{ key: 'k' }] } } } })
  assert.deepEqual(applyStrategicMergePatch(deployment, { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' }, template: { spec: {
    containers: [{ name: 'a', image: 'x:2', env: [{ name: 'B', value: '2' }] }, { name: 'b', $patch: 'delete' }], tolerations: [{ key: 'other' }] } } } }, patchTypeOf(type)), {
    spec: { strategy: { type: 'Recreate' }, template: { spec: {
      containers: [{ name: 'a', image: 'x:2', env: [{ name: 'B', value: '2' }, { name: 'A', value: '1' }], ports: [{ containerPort: 80 }] }], tolerations: [{ key: 'other' }] } } },
  })
})
