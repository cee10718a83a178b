import assert from 'node:assert/strict'
import { parseYaml, yamlText } from '../../src/apiserver/yaml.ts'
import { builtinResources } from '../../src/api/builtin.ts'
import { typeForKind } from '../../src/api/type-table.ts'
import { decodeCbor, encodeCbor } from '../../src/machinery/cbor.ts'
import { applyJsonPatch } from '../../src/machinery/json-patch.ts'
import type { JsonObject } from '../../src/machinery/json-value.ts'
import { duplicateFields } from '../../src/machinery/json-duplicates.ts'
import { matchesSelector, parseLabelSelector, selectorText } from '../../src/machinery/labels.ts'
import { applyMergePatch, createMergePatch } from '../../src/machinery/merge-patch.ts'
import { decodeProtobuf, encodeProtobuf } from '../../src/machinery/protobuf-envelope.ts'
import { compareQuantities, parseQuantity, quantityText } from '../../src/machinery/quantity.ts'
import { decodeObject } from '../../src/machinery/schema-decode.ts'
import type { ScalarName, SchemaType } from '../../src/machinery/schema-type.ts'
import type { Property } from './fuzz.ts'
import type { Chance } from './mutations.ts'

const texts = ['a', 'b c', '', '__proto__', 'constructor', '日本', '\u{1F600}', 'x'.repeat(70), '0', 'true', 'null', '1e3', '- a', 'a: b', '"', "'", '\\', '\n', '#', '|', '~', '2026-01-01', '0o7', '1_000', '.inf', '<<']

// V8's JSON.parse (13.6, of Node 24) takes the key `"` for the key `\` where it has seen an object with the latter before.
const keyTexts = texts.filter((text) => text !== '\\')

/** JSON of any shape. */
function jsonValue(chance: Chance, depth = 0): unknown {
  switch (chance.below(depth > 4 ? 5 : 8)) {
    case 0: return chance.pick(texts)
    case 1: return chance.below(1000) - 500
    case 2: return chance.pick([0.5, 1e21, 2 ** 53 - 1, -(2 ** 40), 1.25e-7])
    case 3: return chance.below(2) === 0
    case 4: return null
    case 5: return Array.from({ length: chance.below(4) }, () => jsonValue(chance, depth + 1))
    default: return jsonObject(chance, depth)
  }
}

function jsonObject(chance: Chance, depth = 0): JsonObject {
  const entries = Array.from({ length: chance.below(5) }, () => [chance.pick(keyTexts), jsonValue(chance, depth + 1)] as const)
  return Object.fromEntries(entries) as JsonObject
}

const scalars: Readonly<Record<ScalarName, readonly unknown[]>> = {
  string: texts.filter((text) => text !== ''), bool: [true], int32: [1, -1, 2 ** 31 - 1, -(2 ** 31)], int64: [1, -1, 2 ** 53 - 1, -(2 ** 53) + 1], float64: [0.5, -1e300], bytes: ['eA==', 'AAECAw=='],
  time: ['2026-01-01T00:00:00Z', '1969-12-31T23:59:59Z'], microTime: ['2026-01-01T00:00:00.000001Z'], duration: ['1s', '1h0m0.5s'], quantity: ['0', '1', '-1', '100m', '1Gi', '1e3', '12345678901234567890'],
  intOrString: [1, -1, '25%', 'http'], raw: [{ a: 1 }, { __proto__x: [null] }], json: [{ a: 1 }, 'x', [1]], fieldsV1: [{ 'f:a': {} }],
}

/** A value of a type, every field of which may be there. */
function typed(type: SchemaType, chance: Chance, depth: number): unknown {
  switch (type.kind) {
    case 'scalar': return chance.pick(scalars[type.scalar])
    case 'list': return Array.from({ length: 1 + chance.below(2) }, () => typed(type.item, chance, depth + 1))
    case 'map': return Object.fromEntries(Array.from({ length: 1 + chance.below(2) }, () => [chance.pick(keyTexts.filter((text) => text !== '__proto__')), typed(type.value, chance, depth + 1)]))
    case 'union': return {}
    case 'struct': return Object.fromEntries([...type.jsonFields].filter(([, field]) => field.proto > 0 && chance.below(10) < (depth < 4 ? 4 : 1) && (depth < 8 || field.type.kind === 'scalar')).map(([name, field]) => [name, typed(field.type, chance, depth + 1)]))
  }
}

const kinds = builtinResources().all().map(({ group, version, kind }) => ({ apiVersion: group === '' ? version : `${group}/${version}`, kind }))

const suffixes = ['', 'n', 'u', 'm', 'k', 'M', 'G', 'T', 'Ki', 'Mi', 'Gi', 'Ti', 'e3', 'e-2']

export const properties: readonly Property[] = [
  {
    name: 'an object of any kind is the same after protobuf',
    check(chance) {
      const { apiVersion, kind } = chance.pick(kinds)
      const type = typeForKind(apiVersion, kind)!
      const object = decodeObject(type, { ...(typed(type, chance, 0) as object), apiVersion, kind }).value
      const bytes = encodeProtobuf(type, object)
      const back = { ...decodeProtobuf(bytes, typeForKind), apiVersion, kind }
      assert.deepEqual(Buffer.from(encodeProtobuf(type, back)), Buffer.from(bytes))
      assert.deepEqual(JSON.parse(JSON.stringify(decodeObject(type, structuredClone(back)).value)), JSON.parse(JSON.stringify(object)))
    },
  },
  {
    name: 'any JSON is the same after CBOR',
    check(chance) {
      const value = jsonValue(chance)
      assert.deepEqual(decodeCbor(encodeCbor(value)), value)
    },
  },
  {
    name: 'any JSON is the same after YAML',
    check(chance) {
      const value = jsonObject(chance)
      assert.deepEqual(parseYaml(yamlText(value)), value)
    },
  },
  {
    name: 'a merge patch made of two objects turns one into the other',
    check(chance) {
      const withoutNull = (value: unknown): unknown => (Array.isArray(value) ? value : typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value).filter(([, item]) => item !== null).map(([key, item]) => [key, withoutNull(item)])) : value)
      const [from, to] = [withoutNull(jsonObject(chance)) as JsonObject, withoutNull(jsonObject(chance)) as JsonObject]
      assert.deepEqual(applyMergePatch(from, createMergePatch(from, to) ?? {}), to)
    },
  },
  {
    name: 'what a JSON patch adds is there, and gone once it is removed',
    check(chance) {
      const object = jsonObject(chance)
      const key = chance.pick(keyTexts.filter((text) => !Object.hasOwn(object, text)))
      const path = `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
      const value = jsonValue(chance)
      const added = applyJsonPatch(object, [{ op: 'add', path, value }, { op: 'test', path, value }])
      assert.deepEqual(Object.getOwnPropertyDescriptor(added, key)?.value, value)
      assert.deepEqual(applyJsonPatch(added, [{ op: 'remove', path }]), object)
    },
  },
  {
    name: 'a selector is the same after it is written',
    check(chance) {
      const key = (): string => chance.pick(['a', 'b.c/d', 'x-y', 'z_1'])
      const value = (): string => chance.pick(['', 'v', 'w.1', 'X_y-z'])
      const one = (): string => chance.pick([() => key(), () => `!${key()}`, () => `${key()}=${value()}`, () => `${key()}!=${value()}`, () => `${key()} in (${value()},${value()})`, () => `${key()} notin (${value()})`, () => `${key()}>5`])()
      const selector = parseLabelSelector(Array.from({ length: 1 + chance.below(3) }, one).join(','))
      const again = parseLabelSelector(selectorText(selector))
      assert.deepEqual(again, selector)
      const labels = Object.fromEntries([[key(), value()], [key(), '7']])
      assert.equal(matchesSelector(again, labels), matchesSelector(selector, labels))
    },
  },
  {
    name: 'a quantity is the same amount after it is written',
    check(chance) {
      const text = `${chance.pick(['', '-', '+'])}${chance.below(100000)}${chance.pick(['', `.${chance.below(1000)}`])}${chance.pick(suffixes)}`
      const quantity = parseQuantity(text)!
      const written = quantityText(quantity)
      assert.equal(compareQuantities(parseQuantity(written)!, quantity), 0, `${text} became ${written}`)
    },
  },
  {
    name: 'a key that is written twice is found',
    check(chance) {
      const parts = Object.entries(jsonObject(chance)).map(([key, value]) => [key, `${JSON.stringify(key)}:${JSON.stringify(value)}`] as const)
      const count = (value: unknown): number => (typeof value !== 'object' || value === null ? 0 : (Array.isArray(value) ? 0 : Object.keys(value).length) + Object.values(value).reduce((sum: number, item) => sum + count(item), 0))
      const twice = parts.length === 0 || chance.below(2) === 0 ? undefined : chance.pick(parts)
      const text = `{${[...parts, ...(twice === undefined ? [] : [twice])].map(([, part]) => part).join(chance.pick([',', ' ,\n']))}}`
      assert.equal(duplicateFields(text, count(JSON.parse(text))).includes(twice?.[0] ?? '\u0001'), twice !== undefined)
    },
  },
]
