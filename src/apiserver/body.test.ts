import { test } from 'node:test'
import assert from 'node:assert/strict'
import { typeById, typeForKind } from '../api/type-table.ts'
import { encodeProtobuf } from '../machinery/protobuf-envelope.ts'
import { StatusError } from '../machinery/status.ts'
import { decodeBody, type Body } from './body.ts'
import type { BodyKind } from './subresources.ts'

const configMap: BodyKind = { group: '', version: 'v1', kind: 'ConfigMap' }
const custom: BodyKind = { group: 'example.com', version: 'v1', kind: 'Foo' }

function refusalOf(body: Body, expected: BodyKind): [code: number, message: string] | undefined {
  const type = expected === custom ? undefined : typeById('v1.ConfigMap')
  try {
    decodeBody(body, { expected, type, validation: 'Strict', warn: () => undefined })
    return undefined
  } catch (error) {
    assert.ok(error instanceof StatusError)
    return [error.code, error.message]
  }
}

const unrecognized = (kind: string, problem: string): string => `the object provided is unrecognized (must be of type ${kind}): ${problem}`

test('protobuf that cannot be read is refused in the words of upstream', () => {
  const magic = [107, 56, 115, 0]
  const envelope = (apiVersion: string, kind: string, raw: number[]): number[] => {
    const text = (tag: number, value: string): number[] => [tag, value.length, ...Buffer.from(value)]
    const typeMeta = [...text(10, apiVersion), ...text(18, kind)]
    return [...magic, 10, typeMeta.length, ...typeMeta, 18, raw.length, ...raw]
  }
  for (const [bytes, message] of [
    [[], unrecognized('ConfigMap', 'empty data (<empty>)')],
    [magic, unrecognized('ConfigMap', 'empty body (6b387300)')],
    [[1, 2, 3, 4], unrecognized('ConfigMap', 'provided data does not appear to be a protobuf message, expected prefix [107 56 115 0] (01020304)')],
    [[...magic, 10, 5], unrecognized('ConfigMap', 'unexpected EOF (6b3873000a05)')],
    [envelope('v1', 'ConfigMap', [10, 9]), 'ConfigMap in version "v1" cannot be handled as a ConfigMap: unexpected EOF'],
    [envelope('v1', 'Foo', []), 'Foo in version "v1" cannot be handled as a ConfigMap: no kind "Foo" is registered for version "v1" in scheme "pkg/api/legacyscheme/scheme.go:30"'],
    [envelope('v1', 'Service', []), 'Service in version "v1" cannot be handled as a ConfigMap: converting (v1.Service) to (core.ConfigMap): unknown conversion'],
  ] as Array<[number[], string]>) assert.deepEqual(refusalOf({ encoding: 'protobuf', bytes: Uint8Array.from(bytes) }, configMap), [400, message])
})

test('a body that is null, or YAML that holds nothing, is an object without anything', () => {
  assert.equal(refusalOf({ encoding: 'json', bytes: Buffer.from('null') }, configMap), undefined)
  assert.equal(refusalOf({ encoding: 'yaml', bytes: Buffer.from('# nothing') }, configMap), undefined)
})

test('YAML that is none is refused with what it begins with', () => {
  assert.deepEqual(refusalOf({ encoding: 'yaml', bytes: Buffer.from('a: b: c') }, configMap), [400, unrecognized('ConfigMap', 'yaml: mapping values are not allowed in this context (613a20623a2063)')])
})

test('custom resources have to say what they are', () => {
  for (const [text, code, message] of [
    ['{"apiVersion":"example.com/v1"}', 400, unrecognized('Foo', `Object 'Kind' is missing in '{"apiVersion":"example.com/v1"}' ({"apiVersion":"example.com/v1" ...)`)],
    ['{"kind":"Foo"}', 400, 'the API version in the data () does not match the expected API version (example.com/v1)'],
    ['{"kind":"Foo","apiVersion":"v1"}', 400, 'the API version in the data (v1) does not match the expected API version (example.com/v1)'],
    ['{"kind":"Bar","apiVersion":"example.com/v1","metadata":{"name":"x"}}', 422, 'Bar.example.com "x" is invalid: kind: Invalid value: "Bar": must be Foo'],
  ] as Array<[string, number, string]>) assert.deepEqual(refusalOf({ encoding: 'json', bytes: Buffer.from(text) }, custom), [code, message])
})

test('an eviction may be one of v1beta1 too', () => {
  const eviction: BodyKind = { group: 'policy', version: 'v1', kind: 'Eviction', alsoTaken: 'policy/v1beta1' }
  const decode = (body: Body): unknown => decodeBody(body, { expected: eviction, type: typeForKind('policy/v1', 'Eviction'), validation: 'Strict', warn: () => undefined })
  for (const apiVersion of ['policy/v1', 'policy/v1beta1']) {
    const sent = { apiVersion, kind: 'Eviction', metadata: { name: 'a' }, deleteOptions: { dryRun: ['All'] } }
    const taken = { ...sent, apiVersion: 'policy/v1' }
    assert.deepEqual(decode({ encoding: 'json', bytes: Buffer.from(JSON.stringify(sent)) }), taken)
    assert.deepEqual(decode({ encoding: 'protobuf', bytes: encodeProtobuf(typeForKind(apiVersion, 'Eviction')!, sent as never) }), taken)
  }
  assert.throws(() => decode({ encoding: 'json', bytes: Buffer.from('{"apiVersion":"policy/v2","kind":"Eviction"}') }), /no kind "Eviction" is registered for version "policy\/v2"/)
})
