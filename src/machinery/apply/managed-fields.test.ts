import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ManagedFieldsEntry } from '../object.ts'
import { applyConflict } from './conflict.ts'
import { FieldSet } from './field-set.ts'
import { fieldsText } from './fields-text.ts'
import { capUpdaters, isReset, managersText, readManagers, sameButTimes, writeManagers, type Manager } from './managed-fields.ts'
import { internedFields } from './owned-fields.ts'
import { FieldsError } from './path-element.ts'
import { ownersAfterScale, ownersOfScale } from './scale-fields.ts'

const entry = (manager: string, operation: string, more: Partial<ManagedFieldsEntry> = {}): ManagedFieldsEntry =>
  ({ manager, operation, apiVersion: 'v1', time: '2026-01-01T00:00:00Z', fieldsType: 'FieldsV1', fieldsV1: { 'f:data': { [`f:${manager}`]: {} } }, ...more })
const names = (entries: readonly ManagedFieldsEntry[] | undefined): string[] => (entries ?? []).map(({ manager, operation }) => `${manager} ${operation}`)

describe('managedFields', () => {
  test('come back as they were, appliers first, then by time and name', () => {
    const entries = [entry('b', 'Apply'), entry('c', 'Apply'), entry('z', 'Update', { time: '2025-01-01T00:00:00Z' }), entry('a', 'Update'), entry('a', 'Update', { subresource: 'status' })]
    assert.deepEqual(writeManagers(readManagers(entries.toReversed())), entries)
    assert.equal(managersText(writeManagers(readManagers(entries))!), JSON.stringify(entries))
  })

  test('no managers are no field', () => {
    assert.equal(writeManagers(readManagers([])), undefined)
  })

  test('an applier is the same in every version, an updater is not', () => {
    const of = (operation: string): string[] => names(writeManagers(readManagers([entry('a', operation), entry('a', operation, { apiVersion: 'v2' })])))
    assert.deepEqual([of('Apply'), of('Update')], [['a Apply'], ['a Update', 'a Update']])
  })

  test('what cannot be read is told', () => {
    for (const [more, message] of [
      [{ operation: 'Patch' }, /operation must be `Apply` or `Update`/], [{ apiVersion: '' }, /apiVersion must not be empty/], [{ fieldsType: '' }, /missing fieldsType in managed fields entry 0/],
      [{ fieldsType: 'V2' }, /invalid fieldsType "V2" in managed fields entry 0/], [{ fieldsV1: { bad: {} } }, /missing colon/],
    ] as const) assert.throws(() => readManagers([entry('a', 'Update', more)]), (error) => error instanceof FieldsError && message.test(error.message))
  })

  test('an empty list and a list of one empty entry mean to forget', () => {
    assert.deepEqual([isReset(undefined), isReset([]), isReset([{}]), isReset([{}, {}]), isReset([entry('a', 'Update')])], [false, true, true, false, false])
  })

  test('field sets are kept once, frozen', () => {
    const text = '{"f:data":{"f:once":{}}}'
    assert.equal(internedFields(text), internedFields(text))
    assert.throws(() => { (internedFields(text).object as Record<string, unknown>).x = 1 }, TypeError)
  })

  test('entries of managers that are as they were are kept, others are made anew', () => {
    const managers = readManagers([entry('a', 'Update'), entry('b', 'Update')])
    const written = writeManagers(managers)!
    const again = readManagers(written)
    const b = [...again].find(([, manager]) => manager.name === 'b')!
    again.set(b[0], { ...b[1], time: '2031-01-01T00:00:00Z' })
    const rewritten = writeManagers(again, written)!
    assert.deepEqual([rewritten[0] === written[0], rewritten[1] === written[1], rewritten[1]!.time], [true, false, '2031-01-01T00:00:00Z'])
  })

  test('what a client sends back as it was is not read anew', () => {
    const written = writeManagers(readManagers([entry('a', 'Update', { subresource: 'status' })]))!
    const sent = JSON.parse(JSON.stringify(written)) as ManagedFieldsEntry[]
    const setOf = (entries: ManagedFieldsEntry[], known?: ManagedFieldsEntry[]): FieldSet => [...readManagers(entries, known).values()][0]!.fields
    assert.equal(setOf(sent, written), setOf(written))
    assert.equal(fieldsText(setOf([{ ...sent[0]!, fieldsV1: { 'f:x': {} } }], written)), '{"f:x":{}}')
  })

  test('what is written shows, spreads and reads as any other entry, and is compared without its time', () => {
    const read = readManagers([entry('a', 'Update', { subresource: 'status' }), entry('b', 'Apply')])
    const written = writeManagers(read)!
    const plain = JSON.parse(JSON.stringify([...written])) as ManagedFieldsEntry[]
    assert.equal(managersText(written), JSON.stringify(plain))
    assert.deepEqual(written.map((each) => ({ ...each })), plain)
    assert.deepEqual(Object.keys(written[1]!), Object.keys(plain[1]!))
    assert.deepEqual([...readManagers(written).values()].map(({ fields }) => fieldsText(fields)), [...readManagers(plain).values()].map(({ fields }) => fieldsText(fields)))
    const later = writeManagers(new Map([...read].map(([id, manager]) => [id, { ...manager, time: '2031-01-01T00:00:00Z' }])))!
    assert.deepEqual([sameButTimes(written, later), sameButTimes(written, plain), sameButTimes(plain, later), sameButTimes(written, plain.slice(1))], [true, true, true, false])
    for (const change of [{ manager: 'c' }, { fieldsV1: { 'f:other': {} } }, { subresource: 'scale' }]) assert.equal(sameButTimes(written, [plain[0]!, { ...plain[1]!, ...change }]), false)
  })
})

describe('too many updaters', () => {
  const updater = (name: string, second: number, apiVersion = 'v1'): ManagedFieldsEntry => entry(name, 'Update', { apiVersion, time: `2026-01-01T00:00:${String(second).padStart(2, '0')}Z` })
  const capped = (entries: readonly ManagedFieldsEntry[]): ManagedFieldsEntry[] => {
    const managers = readManagers(entries)
    capUpdaters(managers)
    return writeManagers(managers)!
  }

  test('the oldest become one, with the time of the youngest of them', () => {
    const after = capped([entry('applier', 'Apply'), ...Array.from({ length: 12 }, (_, i) => updater(`u${String(i).padStart(2, '0')}`, i))])
    assert.deepEqual(names(after), ['applier Apply', 'ancient-changes Update', ...Array.from({ length: 9 }, (_, i) => `u${String(i + 3).padStart(2, '0')} Update`)])
    assert.deepEqual([after[1]!.time, after[1]!.fieldsV1], ['2026-01-01T00:00:02Z', { 'f:data': { 'f:u00': {}, 'f:u01': {}, 'f:u02': {} } }])
  })

  test('each version has its own', () => {
    const after = capped(Array.from({ length: 13 }, (_, i) => updater(`u${String(i).padStart(2, '0')}`, i, i % 2 === 0 ? 'v1' : 'v2')))
    assert.deepEqual(after.filter(({ manager }) => manager === 'ancient-changes').map(({ apiVersion, fieldsV1 }) => [apiVersion, Object.keys(fieldsV1!['f:data'] as object).join()]), [['v2', 'f:u01,f:u03'], ['v1', 'f:u00,f:u02,f:u04']])
    assert.equal(after.length, 10)
  })

  test('ten are not too many', () => {
    assert.equal(capped(Array.from({ length: 10 }, (_, i) => updater(`u${i}`, i))).length, 10)
  })
})

describe('conflicts', () => {
  const manager = (name: string, more: Partial<Manager> = {}): Manager => ({ name, operation: 'Update', apiVersion: 'apps/v1', subresource: '', time: undefined, fields: new FieldSet(), ...more })

  test('one is told in one line', () => {
    const { status } = applyConflict([{ manager: manager('kubectl-client-side-apply'), path: ['f:spec', 'f:replicas'] }])
    assert.deepEqual([status.code, status.reason, status.message], [409, 'Conflict', 'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using apps/v1: .spec.replicas'])
    assert.deepEqual(status.details, { causes: [{ reason: 'FieldManagerConflict', message: 'conflict with "kubectl-client-side-apply" using apps/v1', field: '.spec.replicas' }] })
  })

  test('several by their managers', () => {
    const scaler = manager('hpa', { subresource: 'scale' })
    const applier = manager('a', { operation: 'Apply' })
    const { status } = applyConflict([{ manager: applier, path: ['f:a'] }, { manager: scaler, path: ['f:b'] }, { manager: applier, path: ['f:c'] }])
    assert.equal(status.message, 'Apply failed with 3 conflicts: conflicts with "a":\n- .a\n- .c\nconflicts with "hpa" with subresource "scale" using apps/v1:\n- .b')
  })
})

describe('owners through scale', () => {
  const paths = (apiVersion: string): string[] | null | undefined => (apiVersion === 'apps/v1' ? ['f:spec', 'f:replicas'] : apiVersion === 'apps/v0' ? null : undefined)
  const own = (manager: string, operation: string, fields: string, more: Partial<ManagedFieldsEntry> = {}): ManagedFieldsEntry => entry(manager, operation, { apiVersion: 'apps/v1', fieldsV1: JSON.parse(fields) as Record<string, unknown>, ...more })
  const replicas = '{"f:spec":{"f:replicas":{}}}'
  const both = '{"f:spec":{"f:replicas":{},"f:selector":{}}}'
  const show = (entries: readonly ManagedFieldsEntry[] | undefined): string[] => (entries ?? []).map(({ manager, operation, apiVersion, subresource = '', fieldsV1 }) => `${manager} ${operation} ${apiVersion} ${subresource} ${JSON.stringify(fieldsV1)}`)

  test('those of replicas own the Scale\'s', () => {
    assert.deepEqual(show(ownersOfScale([own('a', 'Apply', both), own('b', 'Update', '{"f:spec":{"f:selector":{}}}'), own('c', 'Update', replicas), own('d', 'Update', replicas, { apiVersion: 'apps/v0' })], paths)),
      [`a Apply autoscaling/v1  ${replicas}`, `c Update autoscaling/v1  ${replicas}`])
  })

  test('whoever scales takes replicas, in the version of the object', () => {
    const before = [own('a', 'Apply', both), own('c', 'Update', replicas), own('gone', 'Update', replicas, { apiVersion: 'apps/v9' })]
    const after = ownersAfterScale(before, [own('hpa', 'Update', replicas, { apiVersion: 'autoscaling/v1', subresource: 'scale' })], 'apps/v1', paths)
    assert.deepEqual(show(after), ['a Apply apps/v1  {"f:spec":{"f:selector":{}}}', `hpa Update apps/v1 scale ${replicas}`])
    assert.equal(after![1]!.time, undefined)
  })

  test('who keeps replicas keeps all as it was', () => {
    const before = [own('a', 'Apply', both), own('c', 'Update', both)]
    assert.deepEqual(ownersAfterScale(before, ownersOfScale(before, paths), 'apps/v1', paths), before)
  })
})

test('sets survive the way to text and back', () => {
  assert.equal(fieldsText(readManagers([entry('a', 'Update')]).values().next().value!.fields), '{"f:data":{"f:a":{}}}')
})
