import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createSecureServer, type Http2SecureServer, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { before, test, type TestContext } from 'node:test'
import { StatusError, errors } from '../machinery/status.ts'
import { withCauses } from '../runtime/causes.ts'
import { memoryLogger } from '../runtime/log.ts'
import { systemRuntime } from '../runtime/runtime.ts'
import { createClient } from './api.ts'
import { decodeCauses } from './cause-header.ts'
import { httpTransport, type HttpTransportOptions } from './http.ts'
import { configMaps } from './resources.ts'

type Handler = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void

let keys: { key: string; cert: string }

before(async () => {
  await import('reflect-metadata')
  const x509 = await import('@peculiar/x509')
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const pair = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=test', keys: pair, signingAlgorithm: algorithm, extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }])],
  })
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', pair.privateKey)).toString('base64')
  keys = { key: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`, cert: cert.toString('pem') }
})

async function serve(context: TestContext, handler: Handler, options: Partial<HttpTransportOptions> & { maxStreams?: number } = {}) {
  const server: Http2SecureServer = createSecureServer({ ...keys, ...(options.maxStreams === undefined ? {} : { settings: { maxConcurrentStreams: options.maxStreams } }) })
  const sessions = new Set<ServerHttp2Session>()
  let sessionCount = 0
  server.on('session', (session) => {
    sessionCount++
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
    session.on('error', () => undefined)
  })
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined)
    handler(stream, headers)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const transport = httpTransport({ server: `https://127.0.0.1:${port}`, caData: keys.cert, runtime: systemRuntime(memoryLogger()), ...options })
  const stop = async (): Promise<void> => {
    await transport[Symbol.asyncDispose]()
    for (const session of sessions) session.destroy()
    server.close()
    await once(server, 'close')
  }
  context.after(stop)
  return { transport, client: createClient(transport), sessions, sessionCount: () => sessionCount }
}

const json = (stream: ServerHttp2Stream, status: number, value: unknown, headers: Record<string, string> = {}): void => {
  stream.respond({ ':status': status, 'content-type': 'application/json', ...headers })
  stream.end(JSON.stringify(value))
}
const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'default' } }

test('sends identity, agent and causes; reads the answer', async (t) => {
  let seen: IncomingHttpHeaders = {}
  const { client } = await serve(t, (stream, headers) => {
    seen = headers
    json(stream, 200, configMap)
  }, { token: 'secret', userAgent: 'tester/v1' })
  const chain = { actor: 'x', causes: [{ kind: 'Pod', namespace: 'default', name: 'web-1', resourceVersion: '5' }, { kind: 'Node', name: 'n,1', resourceVersion: '6' }] }
  assert.deepEqual(await withCauses(chain, () => client.get(configMaps, 'default', 'a')), configMap)
  assert.equal(seen[':path'], '/api/v1/namespaces/default/configmaps/a')
  assert.equal(seen['authorization'], 'Bearer secret')
  assert.equal(seen['user-agent'], 'tester/v1')
  assert.deepEqual(decodeCauses(String(seen['k8ts-cause'])), chain)
})

test('a failure is a StatusError, also when a proxy answers with a page', async (t) => {
  const { client } = await serve(t, (stream, headers) => {
    if (headers[':path']?.endsWith('/a') === true) return json(stream, 404, errors.notFound({ group: '', resource: 'configmaps' }, 'a').status)
    stream.respond({ ':status': 502 })
    stream.end('<html>bad gateway</html>')
  })
  assert.equal(await client.find(configMaps, 'default', 'a'), undefined)
  await assert.rejects(client.get(configMaps, 'default', 'b'), (error: StatusError) => error.code === 502 && error.message.includes('bad gateway'))
})

test('many requests share few sessions and respect the limit of streams', async (t) => {
  let open = 0
  let most = 0
  const { client, sessionCount } = await serve(t, (stream) => {
    most = Math.max(most, ++open)
    setImmediate(() => {
      open--
      json(stream, 200, configMap)
    })
  }, { maxStreams: 10 })
  await client.get(configMaps, 'default', 'a')
  await Promise.all(Array.from({ length: 1000 }, () => client.get(configMaps, 'default', 'a')))
  assert.ok(sessionCount() <= 32, `${sessionCount()} sessions`)
  assert.ok(most <= 320, `${most} streams`)
})

test('reconnects when the session is lost, and fails the request that was under way', async (t) => {
  let hang = true
  const { client, sessions } = await serve(t, (stream) => {
    if (!hang) json(stream, 200, configMap)
  })
  const pending = client.get(configMaps, 'default', 'a')
  while (sessions.size === 0) await new Promise((resolve) => setImmediate(resolve))
  hang = false
  for (const session of sessions) session.destroy()
  await assert.rejects(pending, /no answer from https:/)
  assert.deepEqual(await client.get(configMaps, 'default', 'a'), configMap)
})

test('a server that says goodbye (GOAWAY) gets no new requests on that session', async (t) => {
  const { client, sessions, sessionCount } = await serve(t, (stream) => json(stream, 200, configMap))
  await client.get(configMaps, 'default', 'a')
  for (const session of sessions) session.goaway()
  await Promise.all(Array.from({ length: 50 }, () => client.get(configMaps, 'default', 'a')))
  await new Promise((resolve) => setImmediate(resolve))
  await client.get(configMaps, 'default', 'a')
  assert.equal(sessionCount(), 2)
})

test('a request can be aborted, before and while it runs; a watch ends quietly', async (t) => {
  const { client } = await serve(t, (stream, headers) => {
    if (headers[':path']?.includes('watch=') !== true) return
    stream.respond({ ':status': 200 })
    stream.write('{"type":"ADDED","object":{"kind":"ConfigMap","metadata":{"name":"é1"}}}\n{"type":"ADDED","object":{"metadata":{"name":"b"}}}\n{"type":"MOD')
    setImmediate(() => stream.write('IFIED","object":{"metadata":{"name":"c"}}}\n'))
  })
  const abort = new AbortController()
  const running = client.get(configMaps, 'default', 'a', { signal: abort.signal })
  abort.abort(new Error('enough'))
  await assert.rejects(running, /enough/)
  await assert.rejects(client.get(configMaps, 'default', 'a', { signal: abort.signal }), /enough/)
  const watching = new AbortController()
  const names: string[] = []
  for await (const batch of client.watch(configMaps, { signal: watching.signal })) {
    for (const event of batch) names.push(`${event.type} ${event.object.metadata.name}`)
    if (names.length === 3) watching.abort()
  }
  assert.deepEqual(names, ['ADDED é1', 'ADDED b', 'MODIFIED c'])
})

test('tries again after 429 with Retry-After', async (t) => {
  let count = 0
  const { client } = await serve(t, (stream) => (count++ < 2 ? json(stream, 429, errors.tooManyRequests('busy', 0).status, { 'retry-after': '0' }) : json(stream, 200, configMap)))
  await client.get(configMaps, 'default', 'a')
  assert.equal(count, 3)
})

test('an untrusted certificate and an unreachable server are errors that name the server', async (t) => {
  const { transport } = await serve(t, (stream) => json(stream, 200, configMap), { caData: undefined })
  await assert.rejects(transport.request({ method: 'GET', path: '/' }), /https:\/\/127\.0\.0\.1:\d+/)
  const nowhere = httpTransport({ server: 'https://127.0.0.1:1', runtime: systemRuntime(memoryLogger()) })
  await assert.rejects(nowhere.request({ method: 'GET', path: '/' }), /ECONNREFUSED/)
  await nowhere[Symbol.asyncDispose]()
})
