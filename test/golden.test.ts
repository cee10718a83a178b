import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { stringify } from 'yaml'
import { checkFile, difference } from '../scripts/golden.ts'
import { typeById } from '../src/api/type-table.ts'
import { encodeProtobuf } from '../src/machinery/protobuf-envelope.ts'
import { decodeObject } from '../src/machinery/schema-decode.ts'
import type { StructType } from '../src/machinery/schema-type.ts'

let dir: string
const type = typeById('v1.Service') as StructType
const service = () => ({
  kind: 'Service', apiVersion: 'v1', metadata: { name: 'a', labels: { yes: 'no', n: '1e3' } },
  spec: { type: 'ClusterIP', ports: [{ port: 80, targetPort: 'web' }] }, status: { loadBalancer: {} },
})

before(() => {
  dir = mkdtempSync(join(tmpdir(), 'golden-'))
  const object = decodeObject(type, service()).value
  writeFileSync(join(dir, 'good.json'), JSON.stringify(object))
  writeFileSync(join(dir, 'good.yaml'), stringify(object))
  writeFileSync(join(dir, 'good.pb'), encodeProtobuf(type, object))
  writeFileSync(join(dir, 'bad.json'), JSON.stringify(object))
  writeFileSync(join(dir, 'bad.pb'), encodeProtobuf(type, { ...object, metadata: { name: 'b' } } as never))
  writeFileSync(join(dir, 'unknown.json'), JSON.stringify({ ...object, more: 1 }))
  writeFileSync(join(dir, 'broken.pb'), 'k8s\0\x0a\xff')
})

after(() => rmSync(dir, { recursive: true }))

test('files of one object in three encodings pass', () => {
  for (const name of ['good.json', 'good.yaml', 'good.pb']) assert.deepEqual(checkFile(dir, name), [], name)
})

test('files that differ, or hold what no type has, fail and say how', () => {
  assert.match(checkFile(dir, 'bad.json').join(), /as \.pb: .* bytes differ/)
  assert.match(checkFile(dir, 'bad.pb').join(), /against \.json: \/metadata\/name: "b" is not "a"/)
  assert.match(checkFile(dir, 'unknown.json').join(), /unknown fields: more/)
  assert.match(checkFile(dir, 'broken.pb').join(), /unexpected EOF/)
})

test('a difference is named by where it is', () => {
  assert.equal(difference({ a: [1, { b: 2 }] }, { a: [1, { b: 3 }] }), '/a/1/b: 2 is not 3')
  assert.equal(difference({ a: null }, {}), undefined)
  assert.equal(difference([], {}), '/: [] is not {}')
})
