import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { fieldErrorText, goJson } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { CustomResourceDefinition, JSONSchemaProps } from '../types/apiextensions.k8s.io_v1.ts'
import { applySchemaDefaults } from './default.ts'
import { customDescriptions } from './description.ts'
import { validateDefinition, validateDefinitionUpdate } from './definition-validation.ts'
import { unknownFormats } from './unknown-formats.ts'
import { prune } from './prune.ts'
import { fitEmbeddedMetadata } from './embedded-metadata.ts'
import { publishedSchema } from './published-schema.ts'
import { compileRuleCheck } from './rules.ts'
import { ruleProblems } from './rules-validation.ts'
import { compileSchema } from './schema.ts'
import { customStrategies } from './strategy.ts'
import { validateEmbedded, validateListTypes, validateUpdatedValue, validateValue } from './validate.ts'

interface Case { name: string; schema: JSONSchemaProps; value: Record<string, unknown>; old?: Record<string, unknown>; pruned?: string[]; becomes?: unknown; errors?: string[] }

const texts = (errors: readonly FieldError[]): string[] => errors.map((error) => `${error.path}: ${fieldErrorText(error)}`)

/** Each case goes the way of a write: pruned, defaulted, validated, its rules checked. */
describe('objects by their schema', () => {
  const cases = parse(readFileSync(new URL('testdata/objects.yaml', import.meta.url), 'utf8')) as Case[]
  for (const { name, schema, value, old, pruned = [], becomes, errors = [] } of cases) {
    test(name, () => {
      const node = compileSchema(schema)
      assert.deepEqual(prune(node, value), pruned)
      applySchemaDefaults(node, value)
      if (becomes !== undefined) assert.deepEqual(value, becomes)
      const found = [...(old === undefined ? validateValue(node, value) : validateUpdatedValue(node, value, old)), ...validateListTypes(node, value)]
      const rules = compileRuleCheck(schema)(value as unknown as OpenObject, old as unknown as OpenObject | undefined)
      assert.deepEqual(texts([...found, ...rules]), errors)
    })
  }
})

describe('definitions', () => {
  const cases = parse(readFileSync(new URL('testdata/definitions.yaml', import.meta.url), 'utf8')) as { name: string; change: Partial<CustomResourceDefinition['spec']>; version?: object; schema?: object; errors?: string[]; errorsStart?: string[] }[]
  for (const { name, change, version, schema, errors, errorsStart } of cases) {
    test(name, () => {
      const base = { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', ...schema } }, ...version }
      const definition = {
        metadata: { name: 'widgets.example.com' },
        status: { storedVersions: ['v1'] },
        spec: { group: 'example.com', scope: 'Namespaced', names: { plural: 'widgets', kind: 'Widget', singular: 'widget', listKind: 'WidgetList' }, versions: [base], ...change },
      } as unknown as CustomResourceDefinition
      const found = texts(validateDefinition(definition))
      assert.deepEqual(errorsStart === undefined ? found : found.map((text, i) => text.slice(0, errorsStart[i]?.length)), errors ?? errorsStart)
    })
  }
})

test('updated definitions keep what they had, and their names', () => {
  const made = (schema: object, more: object = {}, isEstablished = true): CustomResourceDefinition => ({
    metadata: { name: 'widgets.example.com' },
    spec: { group: 'example.com', scope: 'Namespaced', names: { plural: 'widgets', kind: 'Widget', singular: 'widget', listKind: 'WidgetList' }, versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', ...schema } } }], ...more },
    status: { storedVersions: ['v1'], conditions: isEstablished ? [{ type: 'Established', status: 'True' }] : [] },
  }) as unknown as CustomResourceDefinition
  const loose = { properties: { a: { type: 'object', default: { x: 1 } }, b: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'object', nullable: true } } } }
  assert.deepEqual(texts(validateDefinitionUpdate(made({ ...loose, description: 'x' }), made(loose))), [])
  assert.equal(validateDefinitionUpdate(made(loose), made({})).length, 3)
  const renamed = { scope: 'Cluster', names: { plural: 'widgets', kind: 'Gadget', singular: 'widget', listKind: 'WidgetList' } }
  assert.deepEqual(texts(validateDefinitionUpdate(made({}, renamed, false), made({}, {}, false))), [])
  assert.deepEqual(texts(validateDefinitionUpdate(made({}, renamed), made({}))), ['spec.scope: Invalid value: "Cluster": field is immutable', 'spec.names.kind: Invalid value: "Gadget": field is immutable'])
  assert.deepEqual(texts(validateDefinitionUpdate(made({}, { group: 'example.org' }, false), made({}, {}, false))), ['spec.group: Invalid value: "example.org": field is immutable'])
  const moved = made({})
  moved.spec.versions[0]!.name = 'v2'
  assert.deepEqual(texts(validateDefinitionUpdate(moved, made({}))).map((text) => text.slice(0, 78)), ['status.storedVersions: Invalid value: ["v1"]: must have the storage version v2', 'status.storedVersions[0]: Invalid value: "v1": missing from spec.versions; v1 '])
})

test('formats that nobody knows are pointed out', () => {
  const schema = { type: 'object', properties: { a: { type: 'string', format: 'ip-v4' }, b: { type: 'string', format: 'odd' }, c: { type: 'integer', format: 'int64' }, d: { type: 'number', format: 'int32' }, e: { type: 'array', items: { 'x-kubernetes-int-or-string': true, format: 'k8s-short-name' } }, f: { type: 'boolean', format: 'uuid' } } }
  const definition = { spec: { versions: [{ schema: { openAPIV3Schema: schema } }, {}] } } as unknown as CustomResourceDefinition
  assert.deepEqual(unknownFormats(definition.spec), ['odd', 'int32', 'uuid'])
})

test('loops within loops over much data are stopped', () => {
  const schema: JSONSchemaProps = {
    type: 'object', 'x-kubernetes-validations': [{ rule: 'self.l.all(a, self.l.all(b, self.l.all(c, a + b + c >= 0)))' }],
    properties: { l: { type: 'array', items: { type: 'integer' } } },
  }
  const check = compileRuleCheck(schema)
  assert.deepEqual(check({ l: [1, 2, 3] } as unknown as OpenObject, undefined), [])
  const [error] = check({ l: Array.from({ length: 500 }, (_, i) => i) } as unknown as OpenObject, undefined)
  assert.match(error!.detail, /call cost exceeds limit/)
})

test('formats take what upstream takes', () => {
  const cases: [format: string, valid: string[], invalid: string[]][] = [
    ['email', ['a@b.c', '"Abc@def"@example.com', 'postmaster@☁.ws', 'Fred <fred@b.c>', '"F. B" <fred@b.c>'], ['a', 'a@b@c', '.a@b', 'a..b@c', '<a@b', `${'a '.repeat(5000)}`]],
    ['hostname', ['localhost', '1.2.3.4.com', 'ex$ample', 'www.詹姆斯.org', 'x'], ['1.1.1.1', 'a_b.org', 'a.b.c.d', 'x.', '-x', 'www.-x.org', 'a'.repeat(64)]],
    ['ipv4', ['1.2.3.4', '192.168.1.01'], ['1.2.3', '::1', '1.2.3.256']], ['cidr', ['192.0.02.1/24', '::/0'], ['1.2.3.4', '1.2.3.4/33']],
    ['date-time', ['2014-12-15T08:00:00.5Z', '2011-08-18T19:03:37+01:00'], ['2014-12-15T08:00:00', '2014-12-15T23:59:60Z', '2014-12-15 08:00:00Z']],
    ['duration', ['1h30m', '45 weekz', '3 days', '1  ns'], ['45 wekk', '12 y', '12 phours', '']], ['uri', ['/a b', 'http://a/b c', 'urn:x/y'], ['a/b', 'http://a b/', '']],
  ]
  for (const [format, valid, invalid] of cases) {
    const node = compileSchema({ type: 'string', format })
    assert.deepEqual([format, [...valid, ...invalid].filter((value) => validateValue(node, value).length === 0)], [format, valid])
  }
})

test('everything that is wrong with a value is said, not only its type', () => {
  const problems = (schema: JSONSchemaProps, value: unknown): string[] => texts(validateValue(compileSchema({ type: 'object', properties: { f: schema } }), { f: value })).toSorted()
  assert.deepEqual(problems({ type: 'integer', enum: [1, 2] }, 'x'), ['f: Invalid value: "string": f in body must be of type integer: "string"', 'f: Unsupported value: "x": supported values: "1", "2"'])
  assert.deepEqual(problems({ type: 'string', nullable: true, enum: ['a'] }, null), ['f: Unsupported value: null: supported values: "a"'])
  assert.deepEqual(problems({ 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] }, 1.2), [
    ': Invalid value: "": "f" must validate at least one schema (anyOf)', ': Invalid value: "": Checked value must be of type integer (default format) in f',
    'f: Invalid value: "number": f in body must be of type integer,string: "number"', 'f: Invalid value: "number": f in body must be of type integer: "number"',
  ])
  assert.deepEqual(problems({ type: 'integer', format: 'int32' }, 2 ** 31), [': Invalid value: "": Checked value must be of type integer with format int32 in f'])
  assert.deepEqual(problems({ type: 'integer', format: 'int64' }, 1e19), [': Invalid value: "": Checked value must be of type integer with format int64 in f', 'f: Invalid value: "float64": f in body must be of type int64: "float64"'])
  assert.deepEqual(problems({ type: 'number', format: 'float' }, 4e38), [': Invalid value: "": Checked value must be of type number with format float in f'])
  assert.deepEqual(problems({ type: 'integer', maximum: 1.5 }, 1), [': Invalid value: "": Maximum boundary value must be of type integer (default format) in f'])
  assert.deepEqual(problems({ type: 'string', maxLength: 2, pattern: '^x' }, 'abc'), ['f: Too long: may not be more than 2 bytes'])
  assert.deepEqual(problems({ type: 'string', pattern: '+' }, 'abc'), ["f: Invalid value: \"abc\": f in body should match '+, but pattern is invalid: error parsing regexp: missing argument to repetition operator: `+`'"])
})

test('items of a list map that change places leave what is wrong with it as it was', () => {
  const node = compileSchema({ type: 'object', properties: { l: { type: 'array', maxItems: 1, 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['k'], items: { type: 'object', required: ['k'], properties: { k: { type: 'string' }, v: { type: 'integer' } } } } } })
  const [a, b] = [{ k: 'a', v: 1 }, { k: 'b', v: 2 }]
  assert.deepEqual(texts(validateUpdatedValue(node, { l: [b, a] }, { l: [a, b] })), [])
  assert.deepEqual(texts(validateUpdatedValue(node, { l: [b, { k: 'a', v: 3 }] }, { l: [a, b] })), ['l: Too many: 2: must have at most 1 item'])
})

test('a repeated item of a set or list map is told once; a key that is null is another than one that is missing', () => {
  const list = (type: string, more: object = {}): JSONSchemaProps => ({ type: 'array', 'x-kubernetes-list-type': type, items: { type: 'object', properties: { a: { type: 'string', nullable: true }, b: { type: 'string' } } }, ...more })
  const problems = (schema: JSONSchemaProps, value: unknown): string[] => texts(validateListTypes(compileSchema({ type: 'object', properties: { l: schema } }), { l: value }))
  assert.deepEqual(problems({ type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } }, ['x', 'y', 'x', 'x', 'y']), ['l[2]: Duplicate value: "x"', 'l[4]: Duplicate value: "y"'])
  const keyed = list('map', { 'x-kubernetes-list-map-keys': ['a'] })
  assert.deepEqual(problems(keyed, [{ a: null }, {}, { a: null }, { b: 'x' }]), ['l[2]: Duplicate value: {"a":null}', 'l[3]: Duplicate value: {}'])
  assert.deepEqual(problems(keyed, ['x', { a: 'y' }, { a: 'y' }]), ['l[0]: Invalid value: "x": must be an object for an array of list-type map'])
  assert.deepEqual(problems({ type: 'object', additionalProperties: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'integer' } } }, { k: [1, 1] }), ['l[k][1]: Duplicate value: 1'])
})

test('what is not held against an unchanged value is told, for a warning; a null is no value', () => {
  const check = compileRuleCheck({ type: 'object', properties: { foo: { type: 'string', nullable: true, 'x-kubernetes-validations': [{ rule: 'self == "bar"', message: 'gotta be bar' }] }, n: { type: 'integer' } }, 'x-kubernetes-validations': [{ rule: '!has(self.foo) || self.foo != ""', message: 'empty' }] })
  const write = (value: object, old: object): { errors: string[]; tolerated: string[] } => {
    const tolerated: FieldError[] = []
    const errors = check(value as OpenObject, old as OpenObject, (error) => tolerated.push(error))
    return { errors: texts(errors), tolerated: texts(tolerated) }
  }
  assert.deepEqual(write({ foo: 'baz', n: 2 }, { foo: 'baz', n: 1 }), { errors: [], tolerated: ['foo: Invalid value: "baz": gotta be bar'] })
  assert.deepEqual(write({ foo: 'qux' }, { foo: 'baz' }), { errors: ['foo: Invalid value: "qux": gotta be bar'], tolerated: [] })
  assert.deepEqual(write({ foo: null }, { foo: 'bar' }), { errors: [], tolerated: [] })
})

test('rules that cannot be compiled say why, and where', () => {
  const problems = (rule: string, more: object = {}): string[] => texts(ruleProblems({ type: 'object', properties: { a: { type: 'integer' }, s: { type: 'string' } }, 'x-kubernetes-validations': [{ rule, ...more }] }, 'schema'))
  const shown = (rule: string): string => goJson({ Rule: rule, Message: '', MessageExpression: '', Reason: null, FieldPath: '', OptionalOldSelf: null })
  assert.deepEqual(problems('self.a > 1 && oldSelf.a == self.a'), [])
  assert.deepEqual(problems('self.b > 1'), [`schema.x-kubernetes-validations[0].rule: Invalid value: ${shown('self.b > 1')}: compilation failed: ERROR: <input>:1:5: undefined field 'b'\n | self.b > 1\n | ....^`])
  assert.deepEqual(problems('self.a + self.s == 1'), [`schema.x-kubernetes-validations[0].rule: Invalid value: ${shown('self.a + self.s == 1')}: compilation failed: ERROR: <input>:1:8: found no matching overload for '_+_' applied to '(int, string)'\n | self.a + self.s == 1\n | .......^`])
  assert.deepEqual(problems('self.a'), [`schema.x-kubernetes-validations[0].rule: Invalid value: ${shown('self.a')}: cel expression must evaluate to a bool`])
  assert.deepEqual(problems('self.metadata.name.startsWith("x") && has(self.kind)'), [])
  assert.deepEqual(problems('true', { optionalOldSelf: true }), ['schema.x-kubernetes-validations[0].optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule'])
})

test('rules that may cost too much are refused unless the schema sets limits', () => {
  const schema = (limits: object, text: object): JSONSchemaProps => ({
    type: 'object', properties: { list: { type: 'array', ...limits, items: { type: 'string', ...text } } },
    'x-kubernetes-validations': [{ rule: 'self.list.all(a, self.list.all(b, a == b))' }],
  })
  const help = '(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)'
  assert.deepEqual(texts(ruleProblems(schema({}, {}), 's')), [
    `s.x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x ${help}`,
    's.x-kubernetes-validations[0].rule: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema',
    `s: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of more than 100x ${help}`,
  ])
  assert.deepEqual(texts(ruleProblems(schema({ maxItems: 100 }, { maxLength: 50 }), 's')), [])
})

test('keys of maps count as nothing, however long they may be', () => {
  const schema = { type: 'object', maxProperties: 16, additionalProperties: { type: 'string', maxLength: 4096 }, 'x-kubernetes-validations': [{ rule: 'self.all(key, key.matches("^([a-z0-9]([-a-z0-9]*[a-z0-9])?/)?[A-Za-z0-9]$") && key.split("/")[0].size() < 253)' }] }
  assert.deepEqual(ruleProblems({ type: 'object', properties: { annotations: schema } }, 's'), [])
})

test('what is taken out of a value without a path counts as the root does', () => {
  const schema = { type: 'object', properties: { addresses: { type: 'array', maxItems: 256, items: { type: 'string' } } }, 'x-kubernetes-validations': [{ rule: '!(has(self.addresses) ? self.addresses : []).exists(k, k.contains("/"))' }] }
  assert.deepEqual(ruleProblems({ type: 'object', properties: { spec: schema } }, 's'), [])
})

test('objects of different schemas are of different types, called by where they are', () => {
  const part: JSONSchemaProps = { type: 'object', properties: { x: { type: 'string' } } }
  const schema = (rule: string): JSONSchemaProps => ({ type: 'object', properties: { a: part, b: { type: 'array', maxItems: 2, items: part } }, 'x-kubernetes-validations': [{ rule }] })
  const [found] = texts(ruleProblems(schema('self.a == self.b[0]'), 's'))
  assert.match(found!, /found no matching overload for '_==_' applied to '\((selfType\d+)\.a, \1\.b\.@idx\)'/)
  assert.deepEqual(ruleProblems(schema('self.a == self.a'), 's'), [])
})

test('a rule about a change cannot stand where items are not told apart', () => {
  const schema = (listType: object): JSONSchemaProps => ({
    type: 'object', properties: { list: { type: 'array', maxItems: 5, ...listType, items: { type: 'object', required: ['k'], properties: { k: { type: 'string', maxLength: 5 }, v: { type: 'integer' } }, 'x-kubernetes-validations': [{ rule: 'self.v >= oldSelf.v' }] } } },
  })
  assert.deepEqual(texts(ruleProblems(schema({}), 's')), ['s.properties[list].items.x-kubernetes-validations[0].rule: Invalid value: "self.v >= oldSelf.v": oldSelf cannot be used on the uncorrelatable portion of the schema within s.properties[list]'])
  const atomic = { type: 'object', 'x-kubernetes-map-type': 'atomic', properties: { v: { type: 'integer', 'x-kubernetes-validations': [{ rule: 'self >= oldSelf' }] } } }
  assert.deepEqual(texts(ruleProblems(atomic, 's')), [])
  assert.deepEqual(ruleProblems(schema({}), 's', false, (path) => path.startsWith('s.properties[list]')), [])
  assert.deepEqual(texts(ruleProblems(schema({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['k'] }), 's')), [])
})

test('what OpenAPI 2 cannot say is left out there', () => {
  const schema = { type: 'object', properties: { a: { type: 'string', nullable: true }, b: { oneOf: [{}], type: 'string' } } }
  const two = publishedSchema(schema, 'v2', { $ref: 'meta' }) as { properties: Record<string, object> }
  assert.deepEqual(two.properties.a, {})
  assert.deepEqual(two.properties.b, { type: 'string' })
  const description = (two.properties.metadata as { description: string }).description
  assert.match(description, /^Standard object's metadata\./)
  assert.deepEqual(two.properties.metadata, { $ref: 'meta', description })
  const three = publishedSchema(schema, 'v3', { $ref: 'meta' }) as { properties: Record<string, object> }
  assert.deepEqual(three.properties.a, { type: 'string', nullable: true })
  assert.deepEqual(three.properties.metadata, { description, allOf: [{ $ref: 'meta' }] })
  assert.match((three.properties.apiVersion as { description: string }).description, /^APIVersion defines the versioned schema/)
})

test('OpenAPI 2 gives no shape to what may hold anything or null', () => {
  const two = (schema: object): object => publishedSchema({ type: 'object', ...schema }, 'v2', { $ref: 'meta' })
  const field = (schema: object): object => (two({ properties: { a: schema } }) as { properties: { a: object } }).properties.a
  const open = { 'x-kubernetes-preserve-unknown-fields': true }
  assert.deepEqual(two({ ...open, description: 'd', properties: { a: { type: 'string' } } }), { type: 'object' })
  assert.deepEqual(field({ type: 'object', ...open, properties: { b: {} } }), open)
  assert.deepEqual(field({ type: 'string', ...open }), { type: 'string', ...open })
  assert.deepEqual(field({ type: 'array', ...open, items: {} }), open)
  assert.deepEqual(field({ type: 'object', nullable: true, additionalProperties: { type: 'string' } }), { additionalProperties: { type: 'string' } })
  const rules = { 'x-kubernetes-validations': [{ rule: 'true' }] }
  assert.deepEqual(field({ type: 'object', ...rules, required: ['b', 'c'], properties: { b: { type: 'string', nullable: true }, c: { type: 'string' } } }),
    { type: 'object', ...rules, required: ['c'], properties: { b: {}, c: { type: 'string' } } })
  assert.deepEqual(field({ type: 'object', required: ['b'], properties: { b: { type: 'string', nullable: true } } }), { type: 'object', properties: { b: {} } })
})

test('embedded resources are published with what every object has', () => {
  const embedded = { type: 'object', 'x-kubernetes-embedded-resource': true, required: ['kind'], properties: { spec: { type: 'object' } } }
  const published = (format: 'v2' | 'v3', more: object): { properties?: object; required?: string[] } =>
    (publishedSchema({ type: 'object', properties: { list: { type: 'array', items: { ...embedded, ...more } } } }, format, { $ref: 'meta' }) as { properties: { list: { items: object } } }).properties.list.items
  assert.deepEqual(Object.keys(published('v3', {}).properties!), ['spec', 'apiVersion', 'kind', 'metadata'])
  assert.deepEqual(published('v3', {}).required, ['kind', 'apiVersion'])
  assert.match((published('v3', {}).properties as unknown as { kind: { description: string } }).kind.description, /^kind is a string value representing the type/)
  assert.equal(published('v2', { 'x-kubernetes-preserve-unknown-fields': true }).properties, undefined)
})

test('the metadata of embedded resources is fitted to its type', () => {
  const node = compileSchema({ type: 'object', properties: { list: { type: 'array', items: { type: 'object', 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true } } } })
  const object = { list: [{ kind: 'A', metadata: { name: 'a', unknown: 1, labels: { b: 'c' } } }] }
  assert.deepEqual(fitEmbeddedMetadata(node, object), ['list[0].metadata.unknown'])
  assert.deepEqual(object.list[0], { kind: 'A', metadata: { name: 'a', labels: { b: 'c' } } })
  assert.throws(() => fitEmbeddedMetadata(node, { list: [{ metadata: { labels: 5 } }] }), /^SchemaDecodeError: list\[0\]\.metadata: Invalid value: \{"labels":5\}: /)
  assert.throws(() => fitEmbeddedMetadata(node, { list: [{ kind: 5 }] }), /list\[0\]\.kind: Invalid value: 5: must be a string/)
})

test('embedded resources say what they are, and are named as any resource may be', () => {
  const node = compileSchema({ type: 'object', properties: { embedded: { type: 'object', 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true } } })
  assert.deepEqual(texts(validateEmbedded(node, { embedded: { apiVersion: 'a/b/c', kind: '%', metadata: { name: '..' } } })), [
    'embedded.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
    'embedded.kind: Invalid value: "%": may have mixed case, but should otherwise match: a DNS-1035 label must consist of lower case alphanumeric characters or \'-\', start with an alphabetic character, and end with an alphanumeric character (e.g. \'my-name\',  or \'abc-123\', regex used for validation is \'[a-z]([-a-z0-9]*[a-z0-9])?\')',
    'embedded.metadata.name: Invalid value: "..": may not be \'..\'',
  ])
  assert.deepEqual(texts(validateEmbedded(node, { embedded: { apiVersion: '' } })), ['embedded.apiVersion: Invalid value: "": must not be empty', 'embedded.kind: Required value'])
  assert.deepEqual(validateEmbedded(node, { embedded: { apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'a' } } }), [])
})

test('fields of the scale subresource are whole numbers that fit, named by their paths', () => {
  const schema = { type: 'object', properties: { spec: { 'x-kubernetes-preserve-unknown-fields': true } } }
  const { main } = customStrategies({ namespaced: false, schema: () => compileSchema(schema), rules: undefined, hasStatus: true, scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas', labelSelectorPath: '.spec.selector' } })
  const context = { nowMs: 0, user: { username: 'u', groups: [] }, subresource: '', dryRun: false, warn: () => undefined }
  const problems = (spec: unknown): string[] => texts(main.validate!({ apiVersion: 'a/v1', kind: 'A', metadata: { name: 'a' }, spec } as unknown as OpenObject, context))
  assert.deepEqual(problems({ replicas: 1.5, selector: 5 }), ['.spec.replicas: Invalid value: 0: .spec.replicas accessor error: 1.5 is of the type float64, expected int64', '.spec.selector: Invalid value: "": .spec.selector accessor error: 5 is of the type int64, expected string'])
  assert.deepEqual(problems({ replicas: -1 }), ['.spec.replicas: Invalid value: -1: should be a non-negative integer'])
  assert.deepEqual(problems('x')[0], '.spec.replicas: Invalid value: 0: .spec.replicas accessor error: x is of the type string, expected map[string]interface{}')
  assert.deepEqual(problems(null), [])
})

test('through /status only the status is checked, and named from there; lists that broke their rules before may go on so', () => {
  const schema = compileSchema({ type: 'object', properties: {
    spec: { type: 'object', properties: { num: { type: 'integer', maximum: 10 }, set: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } } } },
    status: { type: 'object', properties: { num: { type: 'integer', maximum: 10 } } },
  } })
  const { main, status } = customStrategies({ namespaced: false, schema: () => schema, rules: undefined, hasStatus: true, scale: undefined })
  const object = (spec: object, state: object): OpenObject => ({ apiVersion: 'example.com/v1', kind: 'Foo', metadata: { name: 'a', resourceVersion: '1' }, spec, status: state })
  const old = object({ num: 15, set: ['a', 'a'] }, {})
  const context = {} as Parameters<NonNullable<typeof status.validateUpdate>>[2]
  assert.deepEqual(texts(status.validateUpdate!(object({ num: 16 }, { num: 15 }), old, context)), ['status.num: Invalid value: 15: num in body should be less than or equal to 10'])
  assert.deepEqual(texts(main.validateUpdate!(object({ num: 15, set: ['a', 'a', 'b'] }, {}), old, context)), [])
  assert.deepEqual(texts(main.validateUpdate!(object({ num: 15, set: ['a', 'a'] }, {}), object({ num: 15 }, {}), context)), ['spec.set[1]: Duplicate value: "a"'])
})

test('rules see objects that may hold anything as objects without fields, and say so where a value is of another type than theirs', () => {
  const open: JSONSchemaProps = { type: 'object', 'x-kubernetes-validations': [{ rule: 'has(self.status)' }], properties: { status: { type: 'object', additionalProperties: true as unknown as JSONSchemaProps } } }
  assert.deepEqual(compileRuleCheck(open)({ metadata: {}, status: {} } as unknown as OpenObject, undefined), [])
  const items: JSONSchemaProps = { type: 'object', properties: { list: { type: 'object', items: { type: 'object', 'x-kubernetes-validations': [{ rule: 'true' }] } } } }
  assert.deepEqual(texts(compileRuleCheck(items)({ list: [{}] } as unknown as OpenObject, undefined)), ['list[0]: Invalid value: "object": rule compiler initialization error: failed to convert to declType for CEL validation rules'])
})

test('what is pruned is told in order, before what embedded resources lose', () => {
  const schema: JSONSchemaProps = { type: 'object', properties: { a: { type: 'object', 'x-kubernetes-embedded-resource': true, properties: {} } } }
  const object = { z: 1, a: { kind: 'A', metadata: { zz: 1, aa: 1 }, b: 1 }, c: 1 }
  const node = compileSchema(schema)
  assert.deepEqual([...prune(node, object), ...fitEmbeddedMetadata(node, object)], ['a.b', 'c', 'z', 'a.metadata.aa', 'a.metadata.zz'])
})

test('finalizers without a domain are warned of when they are new', () => {
  const { main } = customStrategies({ namespaced: false, schema: () => compileSchema({ type: 'object' }), rules: undefined, hasStatus: false, scale: undefined })
  const object = (...finalizers: string[]): OpenObject => ({ apiVersion: 'example.com/v1', kind: 'Foo', metadata: { name: 'a', finalizers } })
  const general = 'to avoid accidental conflicts with other finalizer writers'
  assert.deepEqual(main.warnings!(object('some.name', 'mine', 'orphan', 'example.com/mine'), undefined), [`metadata.finalizers: "mine": prefer a domain-qualified finalizer name ${general}`, `metadata.finalizers: "some.name": prefer a domain-qualified finalizer name including a path (/) ${general}`])
  assert.deepEqual(main.warnings!(object('mine'), object('mine')), [])
})

test('a definition from before v1 may keep what its schema does not name, and is published as open', () => {
  const definition = (preserveUnknownFields: boolean): CustomResourceDefinition => ({
    metadata: { name: 'foos.example.com' },
    spec: { group: 'example.com', scope: 'Cluster', names: { plural: 'foos', kind: 'Foo' }, preserveUnknownFields, versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', properties: { a: { type: 'string' } } } } }] },
    status: { storedVersions: ['v1'] },
  }) as unknown as CustomResourceDefinition
  for (const keeps of [true, false]) {
    const [foos] = customDescriptions(definition(keeps), { rules: () => undefined, convert: undefined })
    const object = { apiVersion: 'example.com/v1', kind: 'Foo', metadata: { name: 'x' }, b: 1 }
    assert.deepEqual(foos!.custom!.prune(object), keeps ? [] : ['b'])
    assert.equal(foos!.schema!['x-kubernetes-preserve-unknown-fields'], keeps ? true : undefined)
  }
})
