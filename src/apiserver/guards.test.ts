import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:http2'
import { connect as connectPlain } from 'node:net'
import { test, type TestContext } from 'node:test'
import { memoryLogger } from '../runtime/log.ts'
import { systemRuntime } from '../runtime/runtime.ts'
import { memoryStore } from '../store/memory.ts'
import type { GuardOptions } from './guards.ts'
import { testClient, type TestClient } from './testing/http-client.ts'
import { adminOnly, startTestServer } from './testing/server.ts'

const runtime = systemRuntime(memoryLogger())

/** A server whose authorizer lets everybody do everything, and keeps requests about `held-…` until `release` is called. */
async function guarded(t: TestContext, guards: GuardOptions): Promise<{ client: TestClient; url: string; certificate: string; waiting: () => number; release(): void; stop(): Promise<void> }> {
  const held: (() => void)[] = []
  const store = memoryStore(runtime)
  const allowed = { decision: 'allow', reason: '' } as const
  const server = await startTestServer(runtime, store, {
    guards,
    authorizers: [() => ({ name: 'slow', authorize: ({ name, namespace }) => (name.startsWith('held') || namespace.startsWith('held') ? new Promise((resolve) => held.push(() => resolve(allowed))) : allowed) }), adminOnly],
  })
  const client = testClient(server.url, server.certificate)
  const release = (): void => held.splice(0).forEach((each) => each())
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => (stopped ??= (async () => {
    await server[Symbol.asyncDispose]()
    client[Symbol.dispose]()
    await store[Symbol.asyncDispose]()
  })())
  t.after(() => {
    release()
    return stop()
  })
  return { client, url: server.url, certificate: server.certificate, waiting: () => held.length, release, stop }
}

const heldPath = '/api/v1/nodes/held'
const asJane = { headers: { authorization: 'Bearer jane' } }

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; !condition(); i++) {
    assert.ok(i < 500, 'nothing came')
    await runtime.clock.sleep(10)
  }
}

test('who is not answered in time hears 504, by the server\'s time or its own', async (t) => {
  const { client, release, waiting } = await guarded(t, { requestTimeoutMs: 300 })
  const startedMs = runtime.clock.monotonicMs()
  const [own, read, written] = await Promise.all([
    client.call('GET', `${heldPath}?timeout=100ms`), client.call('GET', heldPath), client.call('POST', '/api/v1/namespaces/held/configmaps', { body: { metadata: { name: 'late' } } }),
  ])
  assert.ok(runtime.clock.monotonicMs() - startedMs < 2000)
  const said = [own, read, written].map(({ status, text }) => ({ status, body: JSON.parse(text) as Record<string, unknown> }))
  assert.deepEqual(said.map(({ status, body }) => [status, body.reason, body.message]), [
    [504, 'Timeout', 'Timeout: request did not complete within the allotted timeout'], [504, 'Timeout', 'Timeout: request did not complete within the allotted timeout'],
    [504, 'Timeout', 'Timeout: request did not complete within requested timeout - context deadline exceeded'],
  ])
  // The filter's own answer does not say what it is.
  assert.deepEqual([read.headers['content-type'], said[1]!.body.kind, said[2]!.body.kind], ['text/plain; charset=utf-8', undefined, 'Status'])
  assert.equal(waiting(), 3)
  release()
  // What was begun goes on to its end.
  await until(() => waiting() === 0)
  for (let status = 0; status !== 200;) ({ status } = await client.call('GET', '/api/v1/namespaces/held-not/configmaps', asJane).then(async () => client.call('GET', '/api/v1/configmaps?fieldSelector=metadata.name%3Dlate')))
  const bad = await client.call('GET', '/version?timeout=soon')
  assert.deepEqual([bad.status, bad.json.message], [400, 'invalid timeout specified in the request URL - time: invalid duration "soon"'])
})

test('a level that is full makes its own requests wait, and refuses what waits too long; others do not notice', async (t) => {
  const { client, waiting, release } = await guarded(t, { maxRequestsInFlight: 1, maxMutatingRequestsInFlight: 1, requestTimeoutMs: 2000 })
  // The level catch-all refuses where global-default would queue: both know no bootstrap objects here.
  const held = [1, 2].map(() => client.call('GET', heldPath, asJane))
  await until(() => waiting() === 2)
  const refused = await client.call('GET', '/version', asJane)
  assert.deepEqual([refused.status, refused.text, refused.headers['retry-after'], refused.headers['content-type']], [429, 'Too many requests, please try again later.\n', '1', 'text/plain; charset=utf-8'])
  assert.equal(refused.headers['x-kubernetes-pf-flowschema-uid'], '')
  assert.equal((await client.call('GET', '/version')).status, 200, 'administrators are exempt')
  assert.match((await client.call('GET', '/metrics')).text, /apiserver_flowcontrol_rejected_requests_total\{flow_schema="catch-all",priority_level="catch-all",reason="concurrency-limit"\} 1/)
  release()
  assert.deepEqual((await Promise.all(held)).map(({ status }) => status), [404, 404])
  assert.equal((await client.call('GET', '/version', asJane)).status, 200)
})

test('handshakes that come to nothing are counted', async (t) => {
  const { client, url } = await guarded(t, {})
  const { hostname, port } = new URL(url)
  const socket = connectPlain(Number(port), hostname, () => socket.end('this is no TLS at all\r\n\r\n'))
  await once(socket.on('error', () => undefined).resume(), 'close')
  assert.match((await client.call('GET', '/metrics')).text, /^apiserver_tls_handshake_errors_total 1$/m)
})

test('without fairness the two limits hold each for itself', async (t) => {
  const { client, waiting, release } = await guarded(t, { priorityAndFairness: false, maxRequestsInFlight: 1, maxMutatingRequestsInFlight: 1 })
  const held = client.call('GET', heldPath, asJane)
  await until(() => waiting() === 1)
  assert.equal((await client.call('GET', '/version', asJane)).status, 429)
  assert.equal((await client.call('POST', '/api/v1/namespaces', { ...asJane, body: { metadata: { name: 'n' } } })).status, 201)
  release()
  await held
  assert.equal((await client.call('GET', '/version', asJane)).status, 200)
})

test('GOAWAY makes a client connect anew, and what is under way goes on', async (t) => {
  const { url, certificate } = await guarded(t, { goawayChance: 0.02, strictTransportSecurity: ['max-age=60', 'preload'] })
  const session = connect(url, { ca: certificate })
  t.after(() => session.destroy())
  const gone = once(session, 'goaway')
  let isGone = false
  session.on('goaway', () => (isGone = true))
  let count = 0
  for (; !isGone && count < 5000; count++) {
    const stream = session.request({ ':path': '/version' })
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
    assert.deepEqual([headers[':status'], headers['strict-transport-security'], headers['connection']], [200, 'max-age=60; preload', undefined])
    stream.resume()
    await once(stream, 'end')
  }
  await gone
  assert.ok(count < 5000)
})

for (const sendRetryAfter of [false, true]) {
  test(`a server that stops finishes what it has begun${sendRetryAfter ? ', and tells the rest to come again' : ''}`, async (t) => {
    const { client, waiting, release, stop, url, certificate } = await guarded(t, { shutdown: { delayMs: 200, sendRetryAfter } })
    const second = testClient(url, certificate)
    t.after(() => second[Symbol.dispose]())
    assert.equal((await second.call('GET', '/readyz')).status, 200)
    const watch = await client.watch('/api/v1/configmaps?watch=1')
    const held = client.call('POST', '/api/v1/namespaces/held/configmaps', { body: { metadata: { name: 'a' } } })
    await until(() => waiting() === 1)
    const stopped = stop()
    const unready = await second.call('GET', '/readyz/shutdown')
    assert.deepEqual([unready.status, unready.text], [500, 'internal server error: process is shutting down\n'])
    assert.equal((await second.call('GET', '/version')).status, 200, 'the delay is not over')
    await runtime.clock.sleep(300)
    const late = await second.call('GET', '/version').catch((error: unknown) => error as Error)
    if (sendRetryAfter) assert.deepEqual(late instanceof Error ? late : [late.status, late.headers['retry-after'], late.headers.connection, late.text], [429, '5', 'close', 'The apiserver is shutting down, please try again later.\n'])
    else assert.ok(late instanceof Error || (late.status === 503 && late.headers['retry-after'] === '1'))
    let isStopped = false
    void stopped.then(() => (isStopped = true))
    await runtime.clock.sleep(50)
    assert.equal(isStopped, false)
    release()
    assert.equal((await held).status, 201)
    for (let event = await watch.next(); event !== undefined; event = await watch.next()) assert.ok(['ADDED', 'BOOKMARK'].includes(event.type))
    await stopped
  })
}

test('a watch keeps its seat until what it begins with has been read', async (t) => {
  const store = memoryStore(runtime)
  const server = await startTestServer(runtime, store)
  const client = testClient(server.url, server.certificate)
  const transport = server.transport({ username: 'reader', groups: ['system:masters'] })
  t.after(async () => {
    await transport[Symbol.asyncDispose]()
    client[Symbol.dispose]()
    await server[Symbol.asyncDispose]()
    await store[Symbol.asyncDispose]()
  })
  await client.call('POST', '/api/v1/namespaces', { body: { metadata: { name: 'default' } } })
  const running = async (): Promise<string[]> => (await client.call('GET', '/debug/api_priority_and_fairness/dump_requests?includeRequestDetails=1')).text.split('\n').filter((line) => line.includes('reader'))
  const events = (await transport.request({ method: 'GET', path: '/api/v1/namespaces?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true' })).events![Symbol.asyncIterator]()
  assert.equal((await running()).length, 1)
  const first = await events.next()
  assert.deepEqual((first.value as { type: string }[]).map(({ type }) => type), ['ADDED', 'BOOKMARK'])
  assert.equal((await running()).length, 1, 'read, but not dealt with yet')
  const second = events.next()
  assert.deepEqual(await running(), [])
  assert.match((await client.call('GET', '/metrics')).text, /^apiserver_watch_list_duration_seconds_count\{group="",resource="namespaces",scope="cluster",version="v1"\} 1$/m)
  await client.call('POST', '/api/v1/namespaces', { body: { metadata: { name: 'other' } } })
  assert.equal(((await second).value as { type: string }[])[0]!.type, 'ADDED')
  await events.return?.()
  // One that ends unread gives its seat back as well; one that begins with nothing has none.
  const ending = new AbortController()
  await transport.request({ method: 'GET', path: '/api/v1/namespaces?watch=1', signal: ending.signal })
  await transport.request({ method: 'GET', path: '/api/v1/pods?watch=1', signal: ending.signal })
  assert.equal((await running()).length, 1)
  ending.abort()
  assert.deepEqual(await running(), [])
})

test('pages of allowed origins may ask, before anybody knows who they are', async (t) => {
  const { client } = await guarded(t, { crossOrigins: ['//example\\.com(:|$)', '^https://other\\.org$'] })
  const ask = (method: string, origin: string, more: Record<string, string> = {}) => client.call(method, '/api/v1/namespaces', { headers: { origin, ...more } })
  const before = await ask('OPTIONS', 'https://example.com:8443', { authorization: 'Bearer nobody', 'access-control-request-method': 'POST' })
  assert.deepEqual([before.status, before.text, before.headers['access-control-allow-origin'], before.headers['access-control-allow-credentials']], [204, '', 'https://example.com:8443', 'true'])
  assert.match(before.headers['access-control-allow-methods'] as string, /\bPATCH\b/)
  const read = await ask('GET', 'https://other.org')
  assert.deepEqual([read.status, read.headers['access-control-allow-origin'], read.headers['access-control-expose-headers']], [200, 'https://other.org', 'Date'])
  const refused = await ask('GET', 'https://example.com', { authorization: 'Bearer nobody' })
  assert.deepEqual([refused.status, refused.headers['access-control-allow-origin']], [401, 'https://example.com'])
  for (const origin of ['https://example.com.evil.io', 'https://badexample.com', 'https://other.org.io']) assert.equal((await ask('GET', origin)).headers['access-control-allow-origin'], undefined, origin)
  assert.equal((await ask('OPTIONS', 'https://evil.io', { authorization: 'Bearer nobody' })).status, 401)
})
