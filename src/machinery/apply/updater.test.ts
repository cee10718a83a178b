import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { deduced, noFields, type ApplyType } from './apply-type.ts'
import { FieldSet, union } from './field-set.ts'
import { fieldsText } from './fields-text.ts'
import type { Managers } from './managed-fields.ts'
import { pathText } from './path-element.ts'
import { ConflictError, applyConfiguration, changesOwnOnly, updateManagers, type ApplyVersion, type VersionConverter } from './updater.ts'

const text: ApplyType = { scalar: 'string' }
const number: ApplyType = { scalar: 'numeric' }
const struct = (fields: Record<string, ApplyType>, atomic = false): ApplyType => ({ map: { fields: new Map(Object.entries(fields).map(([name, type]) => [name, { type }])), other: undefined, atomic } })
const mapOf = (value: ApplyType, atomic = false): ApplyType => ({ map: { fields: noFields, other: value, atomic } })
const setOf = (item: ApplyType): ApplyType => ({ list: { item, atomic: false, keys: [] } })
const listOf = (item: ApplyType, ...keys: string[]): ApplyType => ({ list: { item, atomic: false, keys } })
const atomicList = (item: ApplyType): ApplyType => ({ list: { item, atomic: true, keys: [] } })

const recursive: ApplyType = { get map() { return { fields: noFields, other: recursive, atomic: false } } }
const type = struct({
  numeric: number, string: text, bool: { scalar: 'boolean' },
  set: setOf(text), numbers: setOf(number),
  list: listOf(struct({ name: text, value: number, value2: number }), 'name'),
  listOfSets: listOf(struct({ name: text, value: setOf(text) }), 'name'),
  listOfMaps: listOf(struct({ name: text, value: mapOf(text) }), 'name'),
  mapOfSets: mapOf(setOf(text)), mapOfMaps: mapOf(mapOf(text)), recursive,
  struct: struct({ name: text, value: number, inner: struct({ name: text }) }),
  atomicMap: mapOf(text, true), atomicList: atomicList(text), atomicStruct: struct({ a: text, b: text }, true),
  ports: { list: { item: { map: { fields: new Map([['port', { type: number }], ['protocol', { type: text, default: 'TCP' }], ['name', { type: text }]]), other: undefined, atomic: false } }, atomic: false, keys: ['port', 'protocol'] } },
  free: deduced,
})

const version: ApplyVersion = { apiVersion: 'v1', type, typed: false, reset: undefined }
const noOthers: VersionConverter = { version: () => undefined, convert: () => Promise.reject(new Error('there is one version')) }

/** Field by field who owns it: `.set[="a"]`, in the order of FieldsV1. */
function pathsOf(set: FieldSet): string[] {
  const paths: string[] = []
  set.forEach((path) => paths.push(pathText(path)))
  return paths.sort()
}

class Simulation {
  live: unknown = {}
  managers: Managers = new Map()
  readonly #version: ApplyVersion

  constructor(of: ApplyVersion = version) {
    this.#version = of
  }

  async apply(name: string, configuration: string, force = false): Promise<string[]> {
    try {
      const wanted = (parse(configuration) ?? {}) as object
      const { object, managers } = await applyConfiguration(this.live, wanted, this.managers, { name, operation: 'Apply', apiVersion: 'v1', subresource: '' }, name, this.#version, noOthers, force)
      if (object !== undefined) this.live = object
      this.managers = managers
      return []
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error
      return error.conflicts.map(({ manager, path }) => `${manager.name} ${pathText(path)}`)
    }
  }

  async update(name: string, object: string): Promise<void> {
    const next = (parse(object) ?? {}) as object
    const { managers, changed } = await updateManagers(this.live, next, this.managers, name, this.#version, noOthers)
    const fields = union(managers.get(name)?.fields ?? new FieldSet(), changed)
    if (fields.isEmpty) managers.delete(name)
    else managers.set(name, { name, operation: 'Update', apiVersion: 'v1', subresource: '', time: undefined, fields })
    this.managers = managers
    this.live = next
  }

  owners(): Record<string, string[]> {
    return Object.fromEntries([...this.managers].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, { fields }]) => [name, pathsOf(fields)]))
  }
}

type Step = readonly ['apply' | 'force' | 'update', manager: string, object: string, conflicts?: readonly string[]]
interface Case { steps: readonly Step[]; object?: string; owners?: Record<string, readonly string[]> }

/** What upstream's own tables of the merge package hold, in fewer words. */
const cases: Record<string, Case> = {
  'an applied list of type set grows': {
    steps: [['apply', 'a', 'set: [a, c]'], ['apply', 'a', 'set: [a, b, c, d]']], object: 'set: [a, b, c, d]', owners: { a: ['.set[="a"]', '.set[="b"]', '.set[="c"]', '.set[="d"]'] },
  },
  'items that others added stay among those applied': {
    steps: [['apply', 'a', 'set: [a, c]'], ['update', 'u', 'set: [a, b, c, d]'], ['apply', 'a', 'set: [a, aprime, c, cprime]']],
    object: 'set: [a, b, aprime, c, d, cprime]', owners: { a: ['.set[="a"]', '.set[="aprime"]', '.set[="c"]', '.set[="cprime"]'], u: ['.set[="b"]', '.set[="d"]'] },
  },
  'applying what somebody else has added is shared': {
    steps: [['apply', 'a', 'set: [a, c]'], ['update', 'u', 'set: [a, b, c, d]'], ['apply', 'a', 'set: [a, b, c]']],
    object: 'set: [a, b, c, d]', owners: { a: ['.set[="a"]', '.set[="b"]', '.set[="c"]'], u: ['.set[="b"]', '.set[="d"]'] },
  },
  'the applied order wins': {
    steps: [['apply', 'a', 'set: [a, b, c, d]'], ['update', 'u', 'set: [a, d, c, b]'], ['apply', 'a', 'set: [a, b, c, d]']], object: 'set: [a, b, c, d]', owners: { a: ['.set[="a"]', '.set[="b"]', '.set[="c"]', '.set[="d"]'] },
  },
  'items no longer applied go': {
    steps: [['apply', 'a', 'set: [a, b, c, d]'], ['apply', 'a', 'set: [a, c]']], object: 'set: [a, c]', owners: { a: ['.set[="a"]', '.set[="c"]'] },
  },
  'a leaf that an updater changed is a conflict': {
    steps: [['apply', 'a', '{numeric: 1, string: s, bool: false}'], ['update', 'u', '{numeric: 1, string: c, bool: true}'], ['apply', 'a', '{numeric: 2, string: t}', ['u .string']]],
    object: '{numeric: 1, string: c, bool: true}', owners: { a: ['.numeric'], u: ['.bool', '.string'] },
  },
  'leaves no longer applied go, unless another owns them': {
    steps: [['apply', 'a', '{numeric: 1, string: s, bool: false}'], ['apply', 'b', '{numeric: 1}'], ['apply', 'a', '{string: u}']], object: '{numeric: 1, string: u}', owners: { a: ['.string'], b: ['.numeric'] },
  },
  'what an updater set first is not taken away by an applier that gives it up': {
    steps: [['update', 'u', '{string: a, struct: {name: a}}'], ['apply', 'a', '{string: a, struct: {name: a}}'], ['apply', 'a', '{string: a}']],
    object: '{string: a, struct: {name: a}}', owners: { a: ['.string'], u: ['.string', '.struct', '.struct.name'] },
  },
  'two appliers of one value own it both': {
    steps: [['apply', 'a', 'list: [{name: x, value: 0}]'], ['apply', 'b', 'list: [{name: x, value: 0}]']],
    owners: { a: ['.list[name="x"]', '.list[name="x"].name', '.list[name="x"].value'], b: ['.list[name="x"]', '.list[name="x"].name', '.list[name="x"].value'] },
  },
  'two appliers of two values conflict, until one forces': {
    steps: [['apply', 'a', 'list: [{name: x, value: 0}]'], ['apply', 'b', 'list: [{name: x, value: 1}]', ['a .list[name="x"].value']], ['force', 'b', 'list: [{name: x, value: 1}]']],
    object: 'list: [{name: x, value: 1}]', owners: { a: ['.list[name="x"]', '.list[name="x"].name'], b: ['.list[name="x"]', '.list[name="x"].name', '.list[name="x"].value'] },
  },
  'an item that another applies as well stays': {
    steps: [['apply', 'a', 'list: [{name: a}, {name: b}, {name: c}]'], ['apply', 'b', 'list: [{name: c}, {name: d}]'], ['apply', 'a', 'list: [{name: a}]']],
    object: 'list: [{name: a}, {name: c}, {name: d}]',
    owners: { a: ['.list[name="a"]', '.list[name="a"].name'], b: ['.list[name="c"]', '.list[name="c"].name', '.list[name="d"]', '.list[name="d"].name'] },
  },
  'an item goes with what was in it, and what others own of it stays': {
    steps: [['apply', 'a', 'listOfSets: [{name: a}, {name: b, value: [c]}]'], ['apply', 'b', 'listOfSets: [{name: b, value: [d]}]'], ['apply', 'a', 'listOfSets: [{name: a}]']],
    object: 'listOfSets: [{name: a}, {name: b, value: [d]}]',
  },
  'what an updater added to an item that stays, stays': {
    steps: [['apply', 'a', 'listOfSets: [{name: a}, {name: b, value: [c]}]'], ['apply', 'b', 'listOfSets: [{name: b, value: [d]}]'], ['update', 'u', 'listOfSets: [{name: a}, {name: b, value: [c, d, e]}]'], ['apply', 'a', 'listOfSets: [{name: a}]']],
    object: 'listOfSets: [{name: a}, {name: b, value: [d, e]}]',
  },
  'an item with an updater\'s part in it goes with that part': {
    steps: [['apply', 'a', 'listOfSets: [{name: a}, {name: b, value: [c]}]'], ['update', 'u', 'listOfSets: [{name: a}, {name: b, value: [c, d]}]'], ['apply', 'a', 'listOfSets: [{name: a}]']],
    object: 'listOfSets: [{name: a}]',
  },
  'keys of maps in items change': {
    steps: [['apply', 'a', 'listOfMaps: [{name: a, value: {b: x, c: y}}]'], ['apply', 'a', 'listOfMaps: [{name: a, value: {a: x, c: z}}]']],
    object: 'listOfMaps: [{name: a, value: {a: x, c: z}}]', owners: { a: ['.listOfMaps[name="a"]', '.listOfMaps[name="a"].name', '.listOfMaps[name="a"].value.a', '.listOfMaps[name="a"].value.c'] },
  },
  'keys of maps are owned, and go with what they hold': {
    steps: [['apply', 'a', 'mapOfSets: {a: [b, c]}'], ['apply', 'a', 'mapOfSets: {b: [a, c]}']], object: 'mapOfSets: {b: [a, c]}', owners: { a: ['.mapOfSets.b', '.mapOfSets.b[="a"]', '.mapOfSets.b[="c"]'] },
  },
  'a key in the middle of nested maps changes': {
    steps: [['apply', 'a', 'recursive: {a: {b: {c: }}}'], ['apply', 'a', 'recursive: {a: {d: {c: }}}']], object: 'recursive: {a: {d: {c: }}}', owners: { a: ['.recursive.a', '.recursive.a.d', '.recursive.a.d.c'] },
  },
  'a struct no longer applied goes whole': { steps: [['apply', 'a', 'struct: {name: a, value: 1}'], ['apply', 'a', '']], owners: {} },
  'a struct applied as null keeps its place': { steps: [['apply', 'a', 'struct: {name: a}'], ['apply', 'a', 'struct: ']], object: 'struct: ', owners: { a: ['.struct'] } },
  'a struct applied as null leaves what others set in it': {
    steps: [['apply', 'a', 'struct: {name: a}'], ['update', 'u', 'struct: {name: a, value: 1}'], ['apply', 'a', 'struct: ']], object: 'struct: {value: 1}',
  },
  'what others set in a struct no longer applied stays': {
    steps: [['apply', 'a', 'struct: {name: a}'], ['update', 'u', 'struct: {name: a, value: 1}'], ['apply', 'a', '']], object: 'struct: {value: 1}', owners: { u: ['.struct.value'] },
  },
  'what others took over stays when its applier gives it up': {
    steps: [['apply', 'a', 'struct: {name: a}'], ['update', 'u', 'struct: {name: b, value: 1}'], ['apply', 'a', 'struct: ']], object: 'struct: {name: b, value: 1}',
  },
  'atomic values are owned and replaced whole': {
    steps: [['apply', 'a', '{atomicMap: {a: x}, atomicList: [x], atomicStruct: {a: x}}'], ['apply', 'b', '{atomicMap: {b: y}, atomicList: [y], atomicStruct: {b: y}}', ['a .atomicList', 'a .atomicMap', 'a .atomicStruct']], ['force', 'b', '{atomicMap: {b: y}, atomicStruct: {b: y}}']],
    object: '{atomicMap: {b: y}, atomicList: [x], atomicStruct: {b: y}}', owners: { a: ['.atomicList'], b: ['.atomicMap', '.atomicStruct'] },
  },
  'keys of items that have a default need not be given': {
    steps: [['apply', 'a', 'ports: [{port: 80, name: http}]'], ['apply', 'b', 'ports: [{port: 80, protocol: TCP, name: web}]', ['a .ports[port=80,protocol="TCP"].name']], ['apply', 'b', 'ports: [{port: 80, protocol: UDP}]']],
    object: 'ports: [{port: 80, name: http}, {port: 80, protocol: UDP}]',
    owners: { a: ['.ports[port=80,protocol="TCP"]', '.ports[port=80,protocol="TCP"].name', '.ports[port=80,protocol="TCP"].port'], b: ['.ports[port=80,protocol="UDP"]', '.ports[port=80,protocol="UDP"].port', '.ports[port=80,protocol="UDP"].protocol'] },
  },
  'items given twice are owned once': {
    steps: [['update', 'u', 'numbers: [1, 1, 3, 4]']], owners: { u: ['.numbers', '.numbers[=1]', '.numbers[=3]', '.numbers[=4]'] },
  },
  'who gives an item twice owns it': {
    steps: [['update', 'u', 'numbers: [1, 3, 4]'], ['update', 'v', 'numbers: [1, 1, 3, 4]']], owners: { u: ['.numbers', '.numbers[=3]', '.numbers[=4]'], v: ['.numbers[=1]'] },
  },
  'applying an item that stands twice is a conflict, and forcing leaves one': {
    steps: [['update', 'u', 'numbers: [1, 1, 3, 4]'], ['apply', 'a', 'numbers: [1]', ['u .numbers[=1]']], ['force', 'a', 'numbers: [1]']],
    object: 'numbers: [1, 3, 4]', owners: { a: ['.numbers[=1]'], u: ['.numbers', '.numbers[=3]', '.numbers[=4]'] },
  },
  'items that stand twice are left alone by who does not apply them': {
    steps: [['update', 'u', 'numbers: [1, 1, 3, 4]'], ['apply', 'a', 'numbers: [5]']], object: 'numbers: [1, 1, 3, 4, 5]', owners: { a: ['.numbers[=5]'], u: ['.numbers', '.numbers[=1]', '.numbers[=3]', '.numbers[=4]'] },
  },
  'items of one key are owned together, and nothing in them': {
    steps: [['update', 'u', 'list: [{name: a, value: 1}, {name: a, value: 2}, {name: b, value: 3}]'], ['update', 'v', 'list: [{name: a, value: 1}, {name: a, value: 3}, {name: b, value: 3}]']],
    owners: { u: ['.list', '.list[name="b"]', '.list[name="b"].name', '.list[name="b"].value'], v: ['.list[name="a"]'] },
  },
  'an updater owns what it came with, containers and all': {
    steps: [['update', 'u', '{struct: {name: a}, mapOfMaps: {x: {y: z}}, set: [a]}']],
    owners: { u: ['.mapOfMaps', '.mapOfMaps.x', '.mapOfMaps.x.y', '.set', '.set[="a"]', '.struct', '.struct.name'] },
  },
  'an updater that removes a field takes it from its owners': {
    steps: [['apply', 'a', '{string: s, numeric: 1}'], ['update', 'u', '{numeric: 1}']], owners: { a: ['.numeric'] },
  },
  'fields of unknown types are owned one by one, lists of them whole': {
    steps: [['apply', 'a', 'free: {x: {y: 1}, l: [1, 2]}'], ['apply', 'b', 'free: {x: {z: 1}, l: [2]}', ['a .free.l']], ['apply', 'b', 'free: {x: {z: 1}}'], ['apply', 'a', 'free: {x: {}}']],
    object: 'free: {x: {z: 1}}', owners: { a: ['.free.x'], b: ['.free.x', '.free.x.z'] },
  },
  'applying the same again changes nothing': {
    steps: [['apply', 'a', '{string: s, set: [a]}'], ['apply', 'a', '{string: s, set: [a]}']], object: '{string: s, set: [a]}', owners: { a: ['.set[="a"]', '.string'] },
  },
  'an empty set is owned, and goes': { steps: [['apply', 'a', 'set: []'], ['apply', 'a', '']], owners: {} },
}

describe('who owns what', () => {
  for (const [name, { steps, object, owners }] of Object.entries(cases)) {
    test(name, async () => {
      const simulation = new Simulation()
      for (const [operation, manager, state, conflicts = []] of steps) {
        if (operation === 'update') await simulation.update(manager, state)
        else assert.deepEqual(await simulation.apply(manager, state, operation === 'force'), conflicts)
      }
      if (object !== undefined) assert.deepEqual(simulation.live, parse(object))
      if (owners !== undefined) assert.deepEqual(simulation.owners(), owners)
    })
  }
})

/** Versions of one kind whose fields are called differently: `string_v1`, `string_v2`. */
function renaming(apiVersions: readonly string[]): { versions: Map<string, ApplyVersion>; others: VersionConverter } {
  const versions = new Map(apiVersions.map((apiVersion) => [apiVersion, { apiVersion, type: struct({ [`string_${apiVersion}`]: text, struct: struct({ [`name_${apiVersion}`]: text }) }), typed: false, reset: undefined }]))
  return {
    versions,
    others: {
      version: (apiVersion) => versions.get(apiVersion),
      convert: (object, from, to) => Promise.resolve(JSON.parse(JSON.stringify(object ?? {}).replaceAll(`_${from.apiVersion}`, `_${to.apiVersion}`))),
    },
  }
}

describe('owners in several versions', () => {
  const applied = async (live: unknown, managers: Managers, name: string, apiVersion: string, configuration: object, apiVersions = ['v1', 'v2', 'v3'], force = false) => {
    const { versions, others } = renaming(apiVersions)
    const result = await applyConfiguration(live, configuration, managers, { name, operation: 'Apply', apiVersion, subresource: '' }, name, versions.get(apiVersion)!, others, force)
    return { live: result.object ?? live, managers: result.managers }
  }
  const seen = (live: unknown, from: string, to: string): unknown => JSON.parse(JSON.stringify(live).replaceAll(`_${from}`, `_${to}`))

  test('what was applied in another version goes as if it were this one', async () => {
    const first = await applied({}, new Map(), 'a', 'v1', { string_v1: 's', struct: { name_v1: 'n' } })
    const second = await applied(seen(first.live, 'v1', 'v2'), first.managers, 'a', 'v2', { struct: { name_v2: 'n' } })
    assert.deepEqual(second.live, { struct: { name_v2: 'n' } })
    assert.equal(fieldsText(second.managers.get('a')!.fields), '{"f:struct":{"f:name_v2":{}}}')
  })

  test('what somebody else owns in a third version stays', async () => {
    const first = await applied({}, new Map(), 'a', 'v1', { string_v1: 's', struct: { name_v1: 'n' } })
    const second = await applied(seen(first.live, 'v1', 'v2'), first.managers, 'b', 'v2', { string_v2: 's' })
    const third = await applied(seen(second.live, 'v2', 'v3'), second.managers, 'a', 'v3', { struct: { name_v3: 'n' } })
    assert.deepEqual(third.live, { string_v3: 's', struct: { name_v3: 'n' } })
    assert.equal(fieldsText(third.managers.get('b')!.fields), '{"f:string_v2":{}}')
  })

  test('conflicts are told in the version of the owner', async () => {
    const first = await applied({}, new Map(), 'a', 'v1', { string_v1: 's' })
    await assert.rejects(applied(seen(first.live, 'v1', 'v2'), first.managers, 'b', 'v2', { string_v2: 't' }), (error) => error instanceof ConflictError && pathText(error.conflicts[0]!.path) === '.string_v1')
  })

  test('an update takes fields from owners in other versions', async () => {
    const first = await applied({}, new Map(), 'a', 'v1', { string_v1: 's', struct: { name_v1: 'n' } })
    const { versions, others } = renaming(['v1', 'v2'])
    const { managers, changed } = await updateManagers(seen(first.live, 'v1', 'v2'), { string_v2: 't', struct: { name_v2: 'n' } }, first.managers, 'u', versions.get('v2')!, others)
    assert.deepEqual([fieldsText(managers.get('a')!.fields), fieldsText(changed)], ['{"f:struct":{"f:name_v1":{}}}', '{"f:string_v2":{}}'])
  })

  test('owners in a version that is served no more are forgotten', async () => {
    const first = await applied({}, new Map(), 'a', 'v1', { string_v1: 's' })
    const second = await applied(seen(first.live, 'v1', 'v2'), first.managers, 'b', 'v2', { string_v2: 't' }, ['v2'])
    assert.deepEqual([...second.managers.keys()], ['b'])
  })
})

describe('changes of the type', () => {
  test('who owned fields of what has become atomic owns the whole', async () => {
    const simulation = new Simulation()
    await simulation.apply('a', 'struct: {name: a}')
    await simulation.update('u', 'struct: {name: a, value: 1}')
    const atomic: ApplyVersion = { ...version, type: struct({ struct: struct({ name: text, value: number }, true) }) }
    const { managers } = await updateManagers(simulation.live, simulation.live, simulation.managers, 'u', atomic, noOthers)
    assert.deepEqual([...managers].map(([name, { fields }]) => [name, fieldsText(fields)]), [['a', '{"f:struct":{}}'], ['u', '{"f:struct":{}}']])
  })
})

describe('fields that a strategy puts back', () => {
  test('are neither owned nor in conflict', async () => {
    const excluded = FieldSet.of(['f:struct'])
    const simulation = new Simulation({ ...version, reset: excluded })
    await simulation.apply('a', '{string: s, struct: {name: a}}')
    assert.deepEqual(simulation.owners(), { a: ['.string'] })
    assert.deepEqual(await simulation.apply('b', '{struct: {name: b}}'), [])
    await simulation.update('u', '{string: s, struct: {name: c}}')
    assert.deepEqual(simulation.owners(), { a: ['.string'] })
  })
})

/** Numbers from 0 to 1, the same in every run (a linear congruential generator). */
function sequence(seed: number): () => number {
  let state = seed
  return () => (state = (state * 1664525 + 1013904223) % 2 ** 32) / 2 ** 32
}

test('who changes nothing but what is his leaves the owners as they are, and that is told without working them out', async () => {
  const random = sequence(7)
  const one = <T>(...choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!
  const some = <T>(make: () => T): T | undefined => (random() < 0.7 ? make() : undefined)
  const named = <T extends object>(make: () => T): Array<T & { name: string }> => ['a', 'b', 'c'].filter(() => random() < 0.6).map((name) => ({ name, ...make() }))
  const objectAtRandom = (): object => JSON.parse(JSON.stringify({
    numeric: some(() => one(1, 2)), string: some(() => one('s', 't', '')), bool: some(() => one(true, false)), set: some(() => ['x', 'y', 'z'].filter(() => random() < 0.5)),
    list: some(() => named(() => ({ value: one(1, 2) }))), listOfMaps: some(() => named(() => ({ value: { [one('k', 'l')]: one('1', '2') } }))),
    mapOfMaps: some(() => ({ [one('m', 'n')]: { [one('k', 'l')]: one('1', '2') } })), struct: some(() => ({ name: one('a', 'b'), value: some(() => one(1, 2)), inner: some(() => ({ name: 'i' })) })),
    atomicMap: some(() => ({ [one('k', 'l')]: '1' })), atomicList: some(() => [one('p', 'q')]), free: some(() => ({ [one('f', 'g')]: one<unknown>(1, [1], { h: 1 }) })),
  })) as object
  const counts = { own: 0, other: 0 }
  for (let round = 0; round < 4000; round++) {
    const simulation = new Simulation()
    const first = objectAtRandom()
    await simulation.update('u', JSON.stringify(first))
    // What is known to fit is found out by the first change.
    await updateManagers(first, first, simulation.managers, 'u', version, noOthers)
    const own = simulation.managers.get('u')
    if (own === undefined) continue
    const next: object = random() < 0.5 ? objectAtRandom() : { ...first, ...(random() < 0.5 ? { numeric: one(1, 2) } : { struct: { ...(first as { struct?: object }).struct, name: one('a', 'b') } }) }
    const isOwn = changesOwnOnly(first, next, own, new FieldSet(), version)
    const { managers, changed } = await updateManagers(first, next, simulation.managers, 'u', version, noOthers)
    const after = union(managers.get('u')?.fields ?? new FieldSet(), changed)
    assert.equal(isOwn, fieldsText(after) === fieldsText(own.fields), JSON.stringify([first, next]))
    counts[isOwn ? 'own' : 'other']++
  }
  assert.ok(counts.own > 400 && counts.other > 400, JSON.stringify(counts))
})
