import assert from 'node:assert/strict'
import { createDecipheriv } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { builtinResources } from '../../api/builtin.ts'
import { memoryLogger } from '../../runtime/log.ts'
import { systemRuntime, testRuntime, type Runtime } from '../../runtime/runtime.ts'
import { openLmdbStore } from '../../store/lmdb.ts'
import { memoryStore } from '../../store/memory.ts'
import type { Store } from '../../store/store.ts'
import { familyText } from '../metrics/families.ts'
import type { MetricSet } from '../metrics/metric-set.ts'
import { testClient, type TestClient } from '../testing/http-client.ts'
import { startTestServer } from '../testing/server.ts'
import { parseEncryptionConfiguration } from './encryption-configuration.ts'
import { encryptedStore } from './encrypted-store.ts'
import { openEncryption, type EncryptionOptions } from './encryption.ts'
import { decodeEncryptedObject, encodeEncryptedObject } from './kms-messages.ts'

const head = 'apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n'
const key = (fill: number, size = 32): string => Buffer.alloc(size, fill).toString('base64')
const keys = (...list: [string, string][]): string => `keys: [${list.map(([name, secret]) => `{name: ${name}, secret: "${secret}"}`).join(', ')}]`
const oneList = (providers: string, resources = 'secrets'): string => `${head}resources: [{resources: ["${resources}"], providers: [${providers}]}]\n`
const secretKey = '/registry/secrets/default/s'
const plainValue = Buffer.from('{"kind":"Secret","apiVersion":"v1","metadata":{"name":"s"},"data":{"k":"aGlkZGVu"}}')

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'k8ts-encryption-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

async function wrapped(t: TestContext, inner: Store, text: string, options: Partial<EncryptionOptions> = {}): Promise<{ store: Store; check(): Promise<void>; checkNames: string[]; metrics: MetricSet; file: string }> {
  const runtime = systemRuntime(memoryLogger())
  const file = join(await folder(t), 'encryption.yaml')
  await writeFile(file, text)
  const encryption = await openEncryption({ configFile: file, ...options }, runtime)
  t.after(() => encryption[Symbol.dispose]())
  return { store: encryptedStore(inner, encryption.chooser(builtinResources()), runtime.clock), check: async () => void await encryption.checks[0]!.check(), checkNames: encryption.checks.map(({ name }) => name), metrics: encryption.metrics, file }
}

test('what is wrong with a configuration is said in upstream\'s words', () => {
  for (const [text, expected] of [
    ['', /is empty$/],
    [`${head}resources: []\n`, /^error while parsing file: resources: Required value: at least one resources is required$/],
    ['apiVersion: v1\nkind: EncryptionConfig\n', /error decoding encryption provider configuration file "e.yaml": no kind "EncryptionConfig" is registered for version "v1"/],
    [oneList('{identity: {}, colour: red}'), /strict decoding error: unknown field "resources\[0\].providers\[0\].colour"/],
    [oneList('{}'), /resources\[0\].providers\[0\]: Invalid value: \{\}: provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity/],
    [oneList(`{identity: {}, aesgcm: {${keys(['a', key(1)])}}}`), /more than one provider specified in a single element, should split into different list elements/],
    [oneList('{aescbc: {keys: []}}'), /providers\[0\].aescbc.keys: Required value: at least one keys is required/],
    [oneList(`{aescbc: {${keys(['a', key(1, 5)])}}}`), /keys\[0\].secret: Invalid value: "REDACTED": secret is not of the expected length, got 5, expected one of \[16 24 32\]/],
    [oneList(`{secretbox: {${keys(['a', key(1, 16)])}}}`), /got 16, expected one of \[32\]/],
    [oneList('{aesgcm: {keys: [{name: a, secret: "%%"}]}}'), /secrets must be base64 encoded/],
    [oneList('{identity: {}}', 'Secrets'), /resource name should not contain capital letters/],
    [oneList('{identity: {}}', '*'), /use '\*\.' to encrypt all the resources from core API group or \*\.\* to encrypt all resources/],
    [oneList('{identity: {}}', 'secrets.*'), /encrypting the same resource across groups is not supported/],
    [oneList('{identity: {}}', 'events.events.k8s.io'), /are stored using the 'events' API group in etcd/],
    [`${head}resources: [{resources: [secrets, "*."], providers: [{identity: {}}]}]\n`, /using overlapping resources such as 'secrets' and '\*\.'/],
    [oneList('{kms: {apiVersion: v2, name: "a:b", endpoint: "http://x", timeout: 0s}}'), /invalid KMS provider name a:b, must not contain ':'.*timeout should be a positive value.*unsupported scheme "http" for KMS provider, only unix is supported/],
    [oneList('{kms: {name: a, endpoint: "unix:///x"}}'), /KMSv1 is deprecated/],
    [oneList('{kms: {name: a, endpoint: "unix:///x"}}', 'Secrets'), /^error while parsing file: resources\[0\].resources\[0\]: Invalid value: "Secrets": resource name should not contain capital letters$/],
  ] as const) assert.throws(() => parseEncryptionConfiguration(text, 'e.yaml'), { message: expected }, text)
})

test('a masked resource is refused', async (t) => {
  const file = join(await folder(t), 'e.yaml')
  await writeFile(file, `${head}resources: [{resources: ["*."], providers: [{identity: {}}]}, {resources: [secrets], providers: [{identity: {}}]}]\n`)
  await assert.rejects(openEncryption({ configFile: file }, systemRuntime(memoryLogger())), /resource "secrets" is masked by earlier rule "\*\."/)
})

for (const [provider, size] of [['aesgcm', 16], ['aesgcm', 32], ['aescbc', 24], ['aescbc', 32], ['secretbox', 32]] as const) {
  test(`${provider} with ${size * 8} bits: ciphertext inside, values outside, bound to its key where the cipher binds`, async (t) => {
    const inner = memoryStore(systemRuntime(memoryLogger()))
    const text = oneList(`{${provider}: {${keys(['first', key(1, size)])}}}, {identity: {}}`)
    const { store } = await wrapped(t, inner, text)
    await store.put({ key: secretKey, value: plainValue })
    const raw = (await inner.get(secretKey)).kv!.value
    assert.ok(Buffer.from(raw).toString('latin1').startsWith(`k8s:enc:${provider}:v1:first:`))
    assert.equal(Buffer.from(raw).includes('aGlkZGVu'), false)
    // Another server, that has not written it.
    const { store: other } = await wrapped(t, inner, text)
    assert.deepEqual(Buffer.from((await other.get(secretKey)).kv!.value), plainValue)
    await inner.put({ key: '/registry/secrets/default/copy', value: raw.slice() })
    if (provider === 'aesgcm') await assert.rejects(other.get('/registry/secrets/default/copy'), { message: /^Internal error occurred: unable to transform key "\/registry\/secrets\/default\/copy": .*authentication failed/ })
    const broken = Buffer.from(raw)
    broken[broken.length - 1]! ^= 1
    await inner.put({ key: secretKey, value: broken })
    if (provider !== 'aescbc') await assert.rejects(other.get(secretKey), { message: /unable to transform key/ })
    await store.put({ key: '/registry/configmaps/default/c', value: plainValue })
    assert.deepEqual(Buffer.from((await inner.get('/registry/configmaps/default/c')).kv!.value), plainValue)
  })
}

test('a secretbox of NaCl is opened', async (t) => {
  // The example of https://nacl.cr.yp.to/secretbox.html and its test tests/secretbox.c.
  const boxKey = Buffer.from('1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389', 'hex')
  const nonce = Buffer.from('69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37', 'hex')
  const message = 'be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705'
  const box = 'f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5'
  const inner = memoryStore(systemRuntime(memoryLogger()))
  await inner.put({ key: secretKey, value: Buffer.concat([Buffer.from('k8s:enc:secretbox:v1:k:'), nonce, Buffer.from(box, 'hex')]) })
  const { store } = await wrapped(t, inner, oneList(`{secretbox: {${keys(['k', boxKey.toString('base64')])}}}`))
  assert.equal(Buffer.from((await store.get(secretKey)).kv!.value).toString('hex'), message)
})

test('behind the prefix lie the vector and the ciphertext', async (t) => {
  const inner = memoryStore(systemRuntime(memoryLogger()))
  const { store } = await wrapped(t, inner, oneList(`{aescbc: {${keys(['k', key(1)])}}}`))
  await store.put({ key: secretKey, value: Buffer.from('hello') })
  const raw = Buffer.from((await inner.get(secretKey)).kv!.value)
  const body = raw.subarray('k8s:enc:aescbc:v1:k:'.length)
  const decipher = createDecipheriv('aes-256-cbc', Buffer.alloc(32, 1), body.subarray(0, 16))
  assert.equal(Buffer.concat([decipher.update(body.subarray(16)), decipher.final()]).toString(), 'hello')
})

test('turning on, rotating and turning off: all are read, and what is stale is told', async (t) => {
  const inner = memoryStore(systemRuntime(memoryLogger()))
  await inner.put({ key: secretKey, value: plainValue })
  const on = (await wrapped(t, inner, oneList(`{aescbc: {${keys(['a', key(1)])}}}, {identity: {}}`))).store
  assert.deepEqual(Buffer.from((await on.get(secretKey)).kv!.value), plainValue)
  assert.equal(on.isStale!(secretKey, ''), true)
  assert.equal(on.isStale!('/registry/pods/default/p', ''), false)
  await on.put({ key: secretKey, value: plainValue })
  const rotated = (await wrapped(t, inner, oneList(`{aescbc: {${keys(['b', key(2)], ['a', key(1)])}}}, {identity: {}}`))).store
  assert.deepEqual(Buffer.from((await rotated.get(secretKey)).kv!.value), plainValue)
  // The same name for a new key in front of the old one.
  const renamed = (await wrapped(t, inner, oneList(`{aesgcm: {${keys(['a', key(3)])}}}, {aescbc: {${keys(['a', key(2)])}}}, {aescbc: {${keys(['a', key(1)])}}}`))).store
  assert.deepEqual(Buffer.from((await renamed.get(secretKey)).kv!.value), plainValue)
  const off = (await wrapped(t, inner, oneList(`{identity: {}}, {aescbc: {${keys(['a', key(1)])}}}`))).store
  assert.deepEqual(Buffer.from((await off.get(secretKey)).kv!.value), plainValue)
  const lost = (await wrapped(t, inner, oneList('{identity: {}}'))).store
  await assert.rejects(lost.get(secretKey), { message: 'Internal error occurred: unable to transform key "/registry/secrets/default/s": identity transformer tried to read encrypted data' })
  const unknown = (await wrapped(t, inner, oneList(`{aesgcm: {${keys(['a', key(1)])}}}`))).store
  await assert.rejects(unknown.get(secretKey), { message: /no matching prefix found/ })
})

test('a changed file is read again within a minute, and one that is wrong leaves things as they are', async (t) => {
  const runtime = testRuntime()
  const file = join(await folder(t), 'encryption.yaml')
  await writeFile(file, oneList('{identity: {}}'))
  using encryption = await openEncryption({ configFile: file, automaticReload: true }, runtime)
  const { isStale } = encryptedStore(memoryStore(runtime), encryption.chooser(builtinResources()), runtime.clock)
  assert.deepEqual([encryption.checks.map(({ name }) => name), isStale!(secretKey, '')], [['kms-providers'], false])
  const minute = async (isDone: () => boolean): Promise<void> => {
    await runtime.clock.advance(60_000)
    for (let turn = 0; turn < 1000 && !isDone(); turn++) await runtime.clock.settle()
    assert.ok(isDone())
  }
  await writeFile(file, oneList(`{aesgcm: {${keys(['a', key(1)])}}}, {identity: {}}`))
  await minute(() => isStale!(secretKey, ''))
  await writeFile(file, 'apiVersion: none\n')
  await minute(() => runtime.log.lines.some(({ level, message }) => level === 'error' && message.includes('could not be loaded anew')))
  assert.equal(isStale!(secretKey, ''), true)
  const counted = encryption.metrics.families().map(familyText).join('')
  assert.match(counted, /^apiserver_encryption_config_controller_automatic_reloads_total\{apiserver_id_hash="sha256:[0-9a-f]{64}",status="success"\} 1$/m)
  assert.match(counted, /^apiserver_encryption_config_controller_automatic_reloads_total\{.*,status="failure"\} 1$/m)
  assert.equal(counted.match(/^apiserver_encryption_config_controller_last_config_info\{/gm)?.length, 1)
})

test('wildcards', async (t) => {
  const inner = memoryStore(systemRuntime(memoryLogger()))
  const { store } = await wrapped(t, inner, `${head}resources: [{resources: ["*.apps"], providers: [{aesgcm: {${keys(['apps', key(1)])}}}]}, {resources: ["*.*"], providers: [{aesgcm: {${keys(['rest', key(2)])}}}]}]\n`)
  for (const [at, name] of [['/registry/deployments/a/b', 'apps'], ['/registry/pods/a/b', 'rest'], ['/registry/services/specs/a/b', 'rest'], ['/registry/example.com/widgets/a/b', 'rest'], ['/registry/namespaces/a', 'rest']] as const) {
    await store.put({ key: at, value: plainValue })
    assert.ok(Buffer.from((await inner.get(at)).kv!.value).toString('latin1').startsWith(`k8s:enc:aesgcm:v1:${name}:`), at)
  }
})

async function servedWith(t: TestContext, inner: Store, text: string, runtime: Runtime = systemRuntime(memoryLogger())): Promise<TestClient & { stop(): Promise<void> }> {
  const file = join(await folder(t), 'encryption.yaml')
  await writeFile(file, text)
  const encryption = await openEncryption({ configFile: file }, runtime)
  const resources = builtinResources()
  const server = await startTestServer(runtime, encryptedStore(inner, encryption.chooser(resources), runtime.clock), { resources })
  const client = testClient(server.url, server.certificate)
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => (stopped ??= (async () => {
    client[Symbol.dispose]()
    await server[Symbol.asyncDispose]()
    encryption[Symbol.dispose]()
  })())
  t.after(stop)
  return Object.assign(client, { stop })
}

test('a server turns encryption on later, and a replace without a change writes anew', async (t) => {
  const runtime = systemRuntime(memoryLogger())
  const inner = await openLmdbStore({ path: await folder(t), runtime })
  t.after(() => inner[Symbol.asyncDispose]())
  const raw = async (): Promise<string> => Buffer.from((await inner.get(secretKey)).kv!.value).toString('latin1')
  const before = await servedWith(t, inner, oneList('{identity: {}}'))
  await before.call('POST', '/api/v1/namespaces', { body: { metadata: { name: 'default' } } })
  const { json: created } = await before.call('POST', '/api/v1/namespaces/default/secrets', { body: { metadata: { name: 's' }, stringData: { k: 'hidden' } } })
  assert.match(await raw(), /aGlkZGVu/)
  await before.stop()
  const after = await servedWith(t, inner, oneList(`{secretbox: {${keys(['k', key(7)])}}}, {identity: {}}`))
  const { json: read } = await after.call('GET', '/api/v1/namespaces/default/secrets/s')
  assert.deepEqual(read, created)
  const watch = await after.watch('/api/v1/secrets?watch=1&resourceVersion=0')
  assert.equal((await watch.next())!.object.data.k, 'aGlkZGVu')
  const replaced = await after.call('PUT', '/api/v1/namespaces/default/secrets/s', { body: read })
  assert.notEqual(replaced.json.metadata.resourceVersion, read.metadata.resourceVersion)
  assert.match(await raw(), /^k8s:enc:secretbox:v1:k:/)
  assert.equal((await watch.next())!.object.metadata.resourceVersion, replaced.json.metadata.resourceVersion)
  const again = await after.call('PUT', '/api/v1/namespaces/default/secrets/s', { body: replaced.json })
  assert.equal(again.json.metadata.resourceVersion, replaced.json.metadata.resourceVersion, 'nothing is left to write')
  const patched = await after.call('PATCH', '/api/v1/namespaces/default/secrets/s', { body: { data: { l: 'bQ==' } }, headers: { 'content-type': 'application/merge-patch+json' } })
  assert.deepEqual(patched.json.data, { k: 'aGlkZGVu', l: 'bQ==' })
  assert.deepEqual((await after.call('GET', '/api/v1/secrets?limit=1&resourceVersionMatch=Exact&resourceVersion=' + replaced.json.metadata.resourceVersion)).json.items[0].data, { k: 'aGlkZGVu' })
  watch[Symbol.dispose]()
})

/** A plugin that "encrypts" by turning all bits, under a key that can be changed. */
async function startPlugin(t: TestContext, path?: string): Promise<{ endpoint: string; calls: string[]; state: { keyId: string; healthz: string; hang: boolean } }> {
  path ??= join(await folder(t), 'kms.sock')
  const state = { keyId: 'key-1', healthz: 'ok', hang: false }
  const calls: string[] = []
  const server = new Server()
  const turned = (bytes: Uint8Array): Buffer => Buffer.from(bytes.map((byte) => byte ^ 0xff))
  const field = (number: number, value: Uint8Array | string): Buffer => Buffer.concat([Buffer.from([number * 8 + 2, Buffer.from(value).length]), Buffer.from(value)])
  const first = (message: Buffer): Buffer => message.subarray(2, 2 + message[1]!)
  const method = (name: string, answer: (message: Buffer) => Buffer): object => ({
    path: `/v2.KeyManagementService/${name}`, requestStream: false, responseStream: false, requestSerialize: (b: Buffer) => b, requestDeserialize: (b: Buffer) => b, responseSerialize: (b: Buffer) => b, responseDeserialize: (b: Buffer) => b, answer,
  })
  const definition = {
    Status: method('Status', () => Buffer.concat([field(1, 'v2'), field(2, state.healthz), field(3, state.keyId)])),
    Encrypt: method('Encrypt', (message) => Buffer.concat([field(1, turned(first(message))), field(2, state.keyId), field(3, Buffer.concat([field(1, 'a.example.com'), field(2, 'x')]))])),
    Decrypt: method('Decrypt', (message) => field(1, turned(first(message)))),
  }
  const handler = (name: keyof typeof definition) => (call: { request: Buffer }, callback: (error: null, answer: Buffer) => void): void => {
    calls.push(name)
    if (!state.hang) callback(null, (definition[name] as { answer(message: Buffer): Buffer }).answer(call.request))
  }
  server.addService(definition as never, { Status: handler('Status'), Encrypt: handler('Encrypt'), Decrypt: handler('Decrypt') } as never)
  await new Promise<void>((resolve, reject) => server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) => (error === null ? resolve() : reject(error))))
  t.after(() => server.forceShutdown())
  return { endpoint: `unix://${path}`, calls, state }
}

test('KMS v2: one call for a seed, values from it, and another seed when the plugin\'s key changes', async (t) => {
  const { endpoint, calls, state } = await startPlugin(t)
  const inner = memoryStore(systemRuntime(memoryLogger()))
  const text = oneList(`{kms: {apiVersion: v2, name: plug, endpoint: "${endpoint}", timeout: 300ms}}, {identity: {}}`)
  const one = await wrapped(t, inner, text)
  assert.deepEqual(one.checkNames, ['kms-provider-0'])
  await one.check()
  for (let i = 0; i < 10; i++) await one.store.put({ key: `/registry/secrets/default/s${i}`, value: plainValue })
  const raw = Buffer.from((await inner.get('/registry/secrets/default/s0')).kv!.value)
  assert.ok(raw.toString('latin1').startsWith('k8s:enc:kms:v2:plug:'))
  const object = decodeEncryptedObject(raw.subarray('k8s:enc:kms:v2:plug:'.length))
  assert.deepEqual([object.keyId, object.sourceType, [...object.annotations.keys()]], ['key-1', 'hkdf-seed', ['a.example.com']])
  assert.deepEqual(encodeEncryptedObject(object), raw.subarray('k8s:enc:kms:v2:plug:'.length))
  assert.deepEqual(calls, ['Status', 'Encrypt'])
  const two = await wrapped(t, inner, text)
  const { kvs } = await two.store.range('/registry/secrets/', '/registry/secrets0')
  assert.ok(kvs.length === 10 && kvs.every(({ value }) => plainValue.equals(value)))
  const lines = two.metrics.families().map(familyText).join('').split('\n').filter((line) => !line.startsWith('#') && !line.includes('_bucket') && !line.includes('_sum'))
  const value = (start: string): string | undefined => lines.find((line) => line.startsWith(start))?.split(' ').at(-1)
  assert.equal(value('apiserver_storage_transformation_operations_total{resource="secrets",status="OK",transformation_type="from_storage",transformer_prefix="k8s:enc:kms:v2:plug:"}'), '10')
  assert.equal(value('apiserver_storage_envelope_transformation_cache_misses_total'), '1')
  assert.equal(lines.find((line) => /^apiserver_envelope_encryption_key_id_hash_total\{.*provider_name="plug",transformation_type="from_storage"\}/.test(line))?.split(' ').at(-1), '10')
  assert.equal(value('apiserver_envelope_encryption_kms_operations_latency_seconds_count{grpc_status_code="OK",method_name="/v2.KeyManagementService/Decrypt",provider_name="plug"}'), '1')
  assert.deepEqual(calls, ['Status', 'Encrypt', 'Status', 'Encrypt', 'Decrypt'], 'ten values of one seed')
  state.keyId = 'key-2'
  const three = await wrapped(t, inner, text)
  await three.store.range('/registry/secrets/', '/registry/secrets0')
  const { sealedBy } = await import('./sealed-values.ts')
  const kv = (await three.store.get('/registry/secrets/default/s0')).kv!
  assert.equal(three.store.isStale!(kv.key, sealedBy(kv.value)), true)
  await three.store.put({ key: kv.key, value: kv.value })
  const rewritten = (await three.store.get(kv.key)).kv!
  assert.equal(three.store.isStale!(kv.key, sealedBy(rewritten.value)), false)
})

test('a KMS plugin that starts after the server is waited for, as long as a call may take', async (t) => {
  const path = join(await folder(t), 'kms.sock')
  const inner = memoryStore(systemRuntime(memoryLogger()))
  const absent = await wrapped(t, inner, oneList(`{kms: {apiVersion: v2, name: plug, endpoint: "unix://${path}", timeout: 300ms}}, {identity: {}}`))
  await assert.rejects(absent.check(), { message: /failed to perform status section of the healthz check for KMS Provider plug, error: rpc error: code = DeadlineExceeded desc = context deadline exceeded$/ })
  const starting = wrapped(t, inner, oneList(`{kms: {apiVersion: v2, name: plug, endpoint: "unix://${path}", timeout: 10s}}, {identity: {}}`))
  await startPlugin(t, path)
  const { check, store } = await starting
  await check()
  await store.put({ key: secretKey, value: plainValue })
})

test('a KMS plugin that hangs holds up nobody who has nothing to do with it', async (t) => {
  const { endpoint, state } = await startPlugin(t)
  const runtime = systemRuntime(memoryLogger())
  const inner = memoryStore(runtime)
  const text = oneList(`{kms: {apiVersion: v2, name: plug, endpoint: "${endpoint}", timeout: 1s}}`)
  const writer = await wrapped(t, inner, text)
  const client = await servedWith(t, inner, text, runtime)
  await client.call('POST', '/api/v1/namespaces', { body: { metadata: { name: 'default' } } })
  assert.equal((await client.call('GET', '/api/v1/secrets')).json.items.length, 0)
  state.hang = true
  // Written by another server, under a seed that this one has never seen.
  await writer.store.put({ key: secretKey, value: plainValue })
  const startedMs = runtime.clock.monotonicMs()
  for (let i = 0; i < 20; i++) assert.equal((await client.call('POST', '/api/v1/namespaces/default/configmaps', { body: { metadata: { name: `c${i}` } } })).status, 201)
  assert.equal((await client.call('GET', '/api/v1/configmaps')).json.items.length, 20)
  assert.ok(runtime.clock.monotonicMs() - startedMs < 900, 'nobody waited for the plugin')
  const failed = await client.call('GET', '/api/v1/secrets')
  assert.equal(failed.status, 500)
  assert.match(failed.json.message, /unable to transform key "\/registry\/secrets\/default\/s": failed to decrypt DEK/)
  state.hang = false
  const { json } = await client.call('GET', '/api/v1/secrets')
  assert.equal(json.items[0].data.k, 'aGlkZGVu')
})
