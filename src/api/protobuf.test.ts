import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeEnvelope, decodeProtobuf, encodeProtobuf, watchFrame } from '../machinery/protobuf-envelope.ts'
import { ProtobufError } from '../machinery/protobuf-wire.ts'
import { decodeMessage, encodeMessage } from '../machinery/protobuf.ts'
import { decodeObject } from '../machinery/schema-decode.ts'
import type { SchemaField, SchemaType, StructType } from '../machinery/schema-type.ts'
import { builtinResources } from './builtin.ts'
import { typeById, typeForKind } from './type-table.ts'

const type = (id: string): StructType => typeById(id) as StructType
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** A value for every field, three levels of self-reference deep. */
function sample(of: SchemaType, name: string, seen: readonly string[]): unknown {
  switch (of.kind) {
    case 'list': return [sample(of.item, name, seen)]
    case 'map': return { b: sample(of.value, name, seen), a: sample(of.value, name, seen) }
    case 'union': return of.other === 'bool' ? false : ['array', 'stringArray'].indexOf(of.other) === 0 ? sample(of.props, name, seen) : [name]
    case 'struct': return sampleStruct(of, seen)
    case 'scalar': return {
      string: `${name}Value`, bool: true, int32: -7, int64: 9007199254740991, float64: 1.5, bytes: 'aGk=', time: '2024-01-02T03:04:05Z', microTime: '2024-01-02T03:04:05.000006Z',
      duration: '1h0m0s', quantity: '250m', intOrString: 'http', raw: { apiVersion: 'v1', kind: 'X', n: 1 }, json: { x: [1] }, fieldsV1: { 'f:a': {} },
    }[of.scalar]
  }
}

function sampleStruct(of: StructType, seen: readonly string[]): Record<string, unknown> {
  if (seen.filter((id) => id === of.id).length > 1) return {}
  const entries = [...of.jsonFields].filter(([name]) => !of.isObject || (name !== 'kind' && name !== 'apiVersion'))
  return Object.fromEntries(entries.map(([name, field]: [string, SchemaField]) => [name, sample(field.type, name, [...seen, of.id])]))
}

test('a small object has exactly the bytes that upstream writes', () => {
  const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: { k: 'v' } }
  const typeMeta = `0a027631${'1209'}${Buffer.from('ConfigMap').toString('hex')}`
  // Texts and numbers of ObjectMeta are written even where empty; its time is an empty message.
  const metadata = ['0a0161', '1200', '1a00', '2200', '2a00', '3200', '3800', '4200'].join('')
  const entry = ['0a016b', '120176'].join('')
  assert.equal(hex(encodeProtobuf(type('v1.ConfigMap'), map)), `6b387300${'0a0f'}${typeMeta}${'121b'}${'0a11'}${metadata}${'1206'}${entry}${'1a00'}${'2200'}`)
})

test('every built-in kind comes back as it was, with every field set', () => {
  for (const { typeId = '' } of builtinResources().all()) {
    const [apiVersion, kind] = [typeId.slice(0, typeId.lastIndexOf('.')), typeId.slice(typeId.lastIndexOf('.') + 1)]
    const object = decodeObject(type(typeId), { kind, apiVersion, ...sampleStruct(type(typeId), []) }).value
    const bytes = encodeProtobuf(type(typeId), object)
    const back = decodeProtobuf(bytes, typeForKind)
    assert.deepEqual(back, object, typeId)
    assert.deepEqual(hex(encodeProtobuf(type(typeId), back)), hex(bytes), typeId)
  }
})

test('map entries are sorted by key, in bytes', () => {
  const encoded = (data: Record<string, string>): string => hex(encodeMessage(type('v1.ConfigMap'), { data }))
  assert.equal(encoded({ b: '1', a: '2', '😀': '3', '\uffff': '4' }), encoded({ '\uffff': '4', '😀': '3', a: '2', b: '1' }))
  const order = [...encoded({ '😀': '3', '\uffff': '4' }).matchAll(/f09f9880|efbfbf/g)].map(([key]) => key)
  assert.deepEqual(order, ['efbfbf', 'f09f9880'])
})

test('keys that mean something to JavaScript are data', () => {
  const map = JSON.parse('{"data":{"__proto__":"a","constructor":"b"}}')
  const back = decodeMessage(type('v1.ConfigMap'), encodeMessage(type('v1.ConfigMap'), map))
  assert.equal(JSON.stringify(back['data']), '{"__proto__":"a","constructor":"b"}')
})

test('negative and large integers survive', () => {
  for (const generation of [0, -1, 127, 128, 2147483648, -2147483649, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER]) {
    const back = decodeMessage(type('meta/v1.ObjectMeta'), encodeMessage(type('meta/v1.ObjectMeta'), { generation, deletionGracePeriodSeconds: generation }))
    assert.deepEqual(back, generation === 0 ? { deletionGracePeriodSeconds: 0 } : { generation, deletionGracePeriodSeconds: generation })
  }
})

test('repeated numbers are read packed, too', () => {
  const packed = Buffer.from([0x22, 3, 1, 2, 3])
  const unpacked = encodeMessage(type('v1.PodSecurityContext'), { supplementalGroups: [1, 2, 3] })
  assert.deepEqual(decodeMessage(type('v1.PodSecurityContext'), unpacked), decodeMessage(type('v1.PodSecurityContext'), packed))
})

test('unknown fields are skipped', () => {
  const extra = Buffer.concat([Buffer.from([0xfa, 0x7f, 2, 1, 2]), Buffer.from([0xf8, 0x7f, 5]), encodeMessage(type('v1.ConfigMap'), { data: { a: 'b' } })])
  assert.deepEqual(decodeMessage(type('v1.ConfigMap'), extra)['data'], { a: 'b' })
})

test('a watch frame is its length, then the event around the envelope', () => {
  const object = encodeProtobuf(type('v1.Pod'), { apiVersion: 'v1', kind: 'Pod' })
  const frame = Buffer.from(watchFrame('ADDED', object))
  assert.equal(frame.readUInt32BE(0), frame.length - 4)
  assert.equal(frame.subarray(4, 11).toString('latin1'), '\n\x05ADDED')
  assert.ok(frame.includes(Buffer.from(object)))
})

test('lists hold their metadata and items', () => {
  const list = { apiVersion: 'v1', kind: 'PodList', metadata: { resourceVersion: '5' }, items: [{ metadata: { name: 'a' }, spec: { containers: [] } }] }
  const back = decodeProtobuf(encodeProtobuf(type('v1.PodList'), list), typeForKind)
  assert.deepEqual(back['metadata'], { resourceVersion: '5' })
  assert.equal((back['items'] as Array<{ metadata: { name: string } }>)[0]?.metadata.name, 'a')
})

describe('malformed bytes', () => {
  const bytes = encodeProtobuf(type('v1.Pod'), decodeObject(type('v1.Pod'), { kind: 'Pod', apiVersion: 'v1', ...sampleStruct(type('v1.Pod'), []) }).value)
  const read = (given: Uint8Array): void => {
    try {
      decodeProtobuf(given, typeForKind)
    } catch (error) {
      assert.ok(error instanceof ProtobufError, `${String(error)} ${error instanceof Error ? error.stack : ''}`)
    }
  }

  test('without the magic are refused', () => {
    assert.throws(() => decodeEnvelope(Buffer.from('{}')), ProtobufError)
    assert.throws(() => decodeEnvelope(new Uint8Array()), ProtobufError)
  })

  test('of an unknown kind are refused', () => {
    assert.throws(() => decodeProtobuf(encodeProtobuf(type('v1.Pod'), { apiVersion: 'v1', kind: 'Nope' }), typeForKind), /no kind "Nope" is registered for version "v1"/)
  })

  test('cut off anywhere end in a plain error, or read', () => {
    for (let end = 0; end < bytes.length; end += 7) read(bytes.subarray(0, end))
  })

  test('with any byte changed end in a plain error, or read', () => {
    for (let at = 4; at < bytes.length; at += 13) {
      for (const value of [0, 0x7f, 0x80, 0xff]) {
        const changed = Uint8Array.from(bytes)
        changed[at] = value
        read(changed)
      }
    }
  })

  test('nested without end are refused', () => {
    let inner: Uint8Array = new Uint8Array()
    const lengthOf = (size: number): number[] => (size < 128 ? [size] : [(size & 127) | 128, ...lengthOf(size >> 7)])
    // JSONSchemaProps.not is field 28.
    for (let i = 0; i < 3000; i++) inner = Buffer.concat([Buffer.from([0xe2, 0x01, ...lengthOf(inner.length)]), inner])
    assert.throws(() => decodeMessage(type('apiextensions.k8s.io/v1.JSONSchemaProps'), inner), ProtobufError)
  })

  test('with endless groups or lengths are refused', () => {
    for (const given of [[0x0b, 0x0b, 0x0b], [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], [0x00, 0x00], [0x0c]]) {
      assert.throws(() => decodeMessage(type('v1.Pod'), Uint8Array.from(given)), ProtobufError)
    }
  })
})
