import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fieldErrorCause, fieldErrorText } from '../../../machinery/field-error.ts'
import { deepFreeze } from '../../../machinery/object.ts'
import type { OpenObject } from '../../../machinery/object.ts'
import { decodeObject } from '../../../machinery/schema-decode.ts'
import { builtinResources } from '../../builtin.ts'
import type { ResourceDescription, StrategyContext } from '../../resource.ts'
import { typeForKind } from '../../type-table.ts'

/** Tables of rules: an object that is valid, what is changed in it, and what the API server has to say of that. */

const table = builtinResources(() => true, () => true)

export const nowMs = Date.UTC(2026, 0, 2)

const context: StrategyContext = {
  nowMs, user: { username: 'jane', groups: ['dev'] }, subresource: '', dryRun: false, warn: () => undefined,
}

/** Paths as `spec.ports[0].port`, keys with dots in brackets: `metadata.labels[a.b/c]`. `undefined` takes a field away. */
export type Changes = Record<string, unknown>

function changed(object: OpenObject, changes: Changes): OpenObject {
  const copy = structuredClone(object) as unknown as Record<string, unknown>
  for (const [path, value] of Object.entries(changes)) {
    const keys = [...path.matchAll(/([^.[\]]+)|\[([^\]]*)\]/g)].map((match) => match[1] ?? match[2] ?? '')
    const last = keys.pop() as string
    let at: Record<string, unknown> = copy
    for (const key of keys) at = (at[key] ??= {}) as Record<string, unknown>
    if (value === undefined) delete at[last]
    else at[last] = structuredClone(value)
  }
  return copy as unknown as OpenObject
}

function resourceOf(object: OpenObject): ResourceDescription {
  const [group, version] = object.apiVersion?.includes('/') === true ? object.apiVersion.split('/') : ['', object.apiVersion]
  const resource = table.findKind(group ?? '', version ?? '', object.kind ?? '')
  assert.ok(resource !== undefined, `no resource for ${object.apiVersion} ${object.kind}`)
  return resource
}

function decoded(resource: ResourceDescription, given: OpenObject): OpenObject {
  const type = typeForKind(given.apiVersion ?? '', given.kind ?? '')
  assert.ok(type !== undefined)
  const object = decodeObject(type, structuredClone(given)).value as OpenObject
  resource.applyDefaults?.(object)
  if (resource.namespaced) object.metadata.namespace ??= 'default'
  return object
}

function created(resource: ResourceDescription, given: OpenObject): OpenObject {
  const object = decoded(resource, given)
  object.metadata.uid ??= 'uid-1'
  resource.strategy.prepareForCreate?.(object, context)
  return object
}

/** What a creation of `base` with `changes` is refused with, a line a cause; none: it is taken. */
export function creationCauses(base: OpenObject, changes: Changes): string[] {
  const resource = resourceOf(base)
  const object = created(resource, changed(base, changes))
  return (resource.strategy.validate?.(deepFreeze(object) as OpenObject, context) ?? []).map((problem) => `${fieldErrorCause(problem).field}: ${fieldErrorText(problem)}`)
}

/** The same of an update of `base` (with `before`, status included), through a subresource if one is named. */
export function updateCauses(base: OpenObject, before: Changes, changes: Changes, subresource = ''): string[] {
  const resource = resourceOf(base)
  const given = changed(base, before)
  const old = created(resource, given)
  if (given.status !== undefined) old.status = decoded(resource, given).status
  if (given.metadata.deletionTimestamp !== undefined) old.metadata.deletionTimestamp = given.metadata.deletionTimestamp
  const next = decoded(resource, changed(old, changes))
  const strategy = subresource === '' ? resource.strategy : resource.subresources.find(({ name }) => name === subresource)?.strategy
  assert.ok(strategy !== undefined, subresource)
  deepFreeze(old)
  strategy.prepareForUpdate?.(next, old, context)
  return (strategy.validateUpdate?.(deepFreeze(next) as OpenObject, old, context) ?? []).map((problem) => `${fieldErrorCause(problem).field}: ${fieldErrorText(problem)}`)
}

/** A row: what changes, and the causes. */
export type Row = readonly [changes: Changes, causes: readonly string[]]
export type UpdateRow = readonly [before: Changes, changes: Changes, causes: ReadonlyArray<RegExp | string>, subresource?: string]

function assertCauses(actual: readonly string[], expected: ReadonlyArray<RegExp | string>): void {
  assert.deepEqual(actual.map((cause, i) => {
    const pattern = expected[i]
    return pattern instanceof RegExp && pattern.test(cause) ? pattern : cause
  }), expected)
}

/** One test a row, and one that the object itself is taken. */
export function testRules(name: string, base: OpenObject, rows: readonly Row[], updates: readonly UpdateRow[] = []): void {
  test(`${name} as it should be is taken`, () => assert.deepEqual(creationCauses(base, {}), []))
  for (const [changes, causes] of rows) {
    test(`${name} with ${JSON.stringify(changes).slice(0, 150)}`, () => assert.deepEqual(creationCauses(base, changes), causes))
  }
  for (const [before, changes, causes, subresource] of updates) {
    test(`${name} ${JSON.stringify(before).slice(0, 60)} updated with ${JSON.stringify(changes).slice(0, 150)}`, () => assertCauses(updateCauses(base, before, changes, subresource), causes))
  }
}
