import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { typeForKind } from '../api/type-table.ts'
import { decodeCbor, encodeCbor } from '../machinery/cbor.ts'
import { decodeProtobuf } from '../machinery/protobuf-envelope.ts'
import { memoryLogger } from '../runtime/log.ts'
import { systemRuntime } from '../runtime/runtime.ts'
import { memoryStore } from '../store/memory.ts'
import type { ApiServer } from './server.ts'
import { testClient, type TestClient } from './testing/http-client.ts'
import { startTestServer } from './testing/server.ts'

const maps = '/api/v1/namespaces/default/configmaps'
const cbor = { accept: 'application/cbor' }
const cborBody = { ...cbor, 'content-type': 'application/cbor' }
const runtime = systemRuntime(memoryLogger())
let plain: { server: ApiServer; client: TestClient }
let gated: { server: ApiServer; client: TestClient }
const closing = new AsyncDisposableStack()

async function start(options: { cbor?: boolean }): Promise<{ server: ApiServer; client: TestClient }> {
  const store = closing.use(memoryStore(runtime))
  const server = await startTestServer(runtime, store, options)
  closing.use(server)
  const client = closing.use(testClient(server.url, server.certificate))
  await client.call('POST', '/api/v1/namespaces', { body: { metadata: { name: 'default' } } })
  for (const name of ['a', 'b']) await client.call('POST', maps, { body: { metadata: { name, labels: { which: name } }, data: { key: name } } })
  return { server, client }
}

before(async () => {
  plain = await start({})
  gated = await start({ cbor: true })
})
after(() => closing.disposeAsync())

test('a list in protobuf holds what the list in JSON holds, first read or read again', async () => {
  const { client } = plain
  const json = (await client.call('GET', maps)).json
  for (let round = 0; round < 2; round++) {
    const { bytes, headers } = await client.call('GET', maps, { headers: { accept: 'application/vnd.kubernetes.protobuf' } })
    assert.equal(headers['content-type'], 'application/vnd.kubernetes.protobuf')
    assert.deepEqual(JSON.parse(JSON.stringify(decodeProtobuf(bytes, (apiVersion, kind) => typeForKind(apiVersion, kind)))), json)
  }
})

test('without the feature gate CBOR is neither read nor written', async () => {
  assert.equal((await plain.client.call('GET', `${maps}/a`, { headers: cbor })).status, 406)
  assert.equal((await plain.client.call('POST', maps, { body: Buffer.from(encodeCbor({ metadata: { name: 'c' } })), headers: { 'content-type': 'application/cbor' } })).status, 415)
})

test('with the feature gate objects, lists and errors are CBOR where that is accepted', async () => {
  const { client } = gated
  for (const path of [`${maps}/a`, maps, `${maps}/none`]) {
    const answer = await client.call('GET', path, { headers: cbor })
    assert.equal(answer.headers['content-type'], 'application/cbor')
    assert.equal(answer.bytes.subarray(0, 3).toString('hex'), 'd9d9f7')
    assert.deepEqual(decodeCbor(answer.bytes), (await client.call('GET', path)).json)
  }
})

test('with the feature gate bodies may be CBOR, checked as JSON ones are', async () => {
  const { client } = gated
  const created = await client.call('POST', maps, { body: Buffer.from(encodeCbor({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c' }, data: { x: 'y' }, binaryData: { z: 'AQID' } })), headers: cborBody })
  assert.equal(created.status, 201)
  assert.deepEqual((decodeCbor(created.bytes) as { data: unknown }).data, { x: 'y' })
  const broken = await client.call('POST', maps, { body: Buffer.from('a16161', 'hex'), headers: { 'content-type': 'application/cbor' } })
  assert.equal(broken.status, 400)
  assert.match(broken.json.message, /^the object provided is unrecognized \(must be of type ConfigMap\): cbor: /)
  const removed = await client.call('DELETE', `${maps}/c`, { body: Buffer.from(encodeCbor({ propagationPolicy: 'Background' })), headers: cborBody })
  assert.equal(removed.status, 200)
})

test('a watch in CBOR is a sequence of events', async () => {
  const { client } = gated
  const { headers, bytes } = await client.call('GET', `${maps}?watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3Da`, { headers: cbor })
  assert.equal(headers['content-type'], 'application/cbor-seq')
  const event = decodeCbor(bytes) as { type: string; object: { kind: string; metadata: { name: string } } }
  assert.deepEqual([event.type, event.object.kind, event.object.metadata.name], ['ADDED', 'ConfigMap', 'a'])
})

test('plain JSON ends with its line, as Go writes it; pretty JSON does not', async () => {
  const { client } = plain
  const table = 'application/json;as=Table;v=v1;g=meta.k8s.io'
  const answers: Array<[path: string, accept?: string]> = [[`${maps}/a`], [maps], [`${maps}?limit=1`], [`${maps}/missing`], [`${maps}/a`, table], [maps, table], ['/api/v1'], ['/apis']]
  for (const [path, accept = 'application/json'] of answers) {
    const { bytes } = await client.call('GET', path, { headers: { accept } })
    assert.deepEqual([path, bytes.subarray(-2).toString()], [path, '}\n'])
    assert.equal(bytes.indexOf('\n'), bytes.length - 1)
    const pretty = (await client.call('GET', `${path}${path.includes('?') ? '&' : '?'}pretty=true`, { headers: { accept } })).bytes
    assert.equal(pretty.subarray(-2).toString(), '\n}')
    assert.equal((await client.call('GET', path, { headers: { accept: `${accept};pretty=1` } })).bytes.subarray(-2).toString(), '\n}')
  }
  const made = await client.call('POST', `${maps}?dryRun=All`, { body: { metadata: { name: 'x' }, data: { key: 'é'.repeat(200_000) } } })
  assert.equal(made.bytes.subarray(-2).toString(), '}\n')
})

test('with the feature gate configurations to apply may be CBOR', async () => {
  const applied = encodeCbor({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'applied' }, data: { a: 'b' } })
  const apply = async ({ client }: typeof gated, body: Uint8Array) => await client.call('PATCH', `${maps}/applied?fieldManager=m`, { body: Buffer.from(body), headers: { 'content-type': 'application/apply-patch+cbor' } })
  const answer = await apply(gated, applied)
  assert.deepEqual([answer.status, answer.json.data, answer.json.metadata.managedFields[0].operation], [201, { a: 'b' }, 'Apply'], answer.text)
  assert.equal((await apply(gated, Buffer.from([0xff]))).status, 400)
  assert.equal((await apply(plain, applied)).status, 415)
})
