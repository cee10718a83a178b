import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RequestInfo, ServerRequest, ServerResponse } from './context.ts'
import { Endpoints } from './endpoints.ts'
import { addHealthEndpoints, Gate } from './health.ts'
import { addZpages } from './zpages.ts'

const info = { isResourceRequest: false } as RequestInfo

function get(endpoints: Endpoints, url: string, accept?: string): Promise<ServerResponse> {
  const { pathname, searchParams } = new URL(url, 'https://x')
  return endpoints.answer({ method: 'GET', path: pathname, query: searchParams, headers: accept === undefined ? {} : { accept } } as unknown as ServerRequest, info)
}

function healthy(): { endpoints: Endpoints; hook: Gate; fail: (message: string | undefined) => void; seen: string[]; endGrace: () => void } {
  const endpoints = new Endpoints()
  const hook = new Gate('poststarthook/rbac/bootstrap-roles')
  const seen: string[] = []
  let failure: string | undefined
  let isGraceOver = false
  addHealthEndpoints(endpoints, {
    live: [{ name: 'ping', check: () => undefined }, { name: 'etcd', check: () => { if (failure !== undefined) throw new Error(failure) } }],
    boot: [hook], ready: [{ name: 'informer-sync', check: () => undefined }], last: [{ name: 'shutdown', check: () => undefined }],
    isGraceOver: () => isGraceOver, observe: (name, type, isHealthy) => seen.push(`${type} ${name} ${isHealthy}`),
  })
  return { endpoints, hook, seen, fail: (message) => { failure = message }, endGrace: () => { isGraceOver = true } }
}

test('all well is "ok", with ?verbose every check', async () => {
  const { endpoints, hook, seen } = healthy()
  hook.open()
  assert.deepEqual([(await get(endpoints, '/readyz')).status, (await get(endpoints, '/readyz')).bytes], [200, 'ok'])
  assert.equal((await get(endpoints, '/readyz?verbose')).bytes, '[+]ping ok\n[+]etcd ok\n[+]informer-sync ok\n[+]poststarthook/rbac/bootstrap-roles ok\n[+]shutdown ok\nreadyz check passed\n')
  assert.equal((await get(endpoints, '/healthz?verbose')).bytes, '[+]ping ok\n[+]etcd ok\n[+]poststarthook/rbac/bootstrap-roles ok\nhealthz check passed\n')
  assert.ok(seen.includes('readyz etcd true'))
})

test('what fails is named, its reason only behind its own path', async () => {
  const { endpoints, hook, fail } = healthy()
  hook.open()
  fail('secret reason')
  const answer = await get(endpoints, '/livez')
  assert.equal(answer.status, 500)
  assert.equal(answer.bytes, '[+]ping ok\n[-]etcd failed: reason withheld\n[+]poststarthook/rbac/bootstrap-roles ok\nlivez check failed\n')
  assert.equal((await get(endpoints, '/livez/etcd')).bytes, 'internal server error: secret reason\n')
  assert.equal((await get(endpoints, '/livez/ping')).bytes, 'ok')
  assert.equal((await get(endpoints, '/livez/nothing')).status, 404)
})

test('excluded checks are said to be ok, and what cannot be excluded is named', async () => {
  const { endpoints, hook, fail } = healthy()
  hook.open()
  fail('x')
  assert.equal((await get(endpoints, '/healthz?exclude=etcd')).bytes, 'ok')
  const { bytes } = await get(endpoints, '/healthz?verbose&exclude=etcd&exclude=b&exclude=a')
  assert.equal(bytes, '[+]ping ok\n[+]etcd excluded: ok\n[+]poststarthook/rbac/bootstrap-roles ok\nwarn: some health checks cannot be excluded: no matches for "a","b"\nhealthz check passed\n')
})

test('unfinished start-up steps fail health and readiness, liveness when the grace period is over', async () => {
  const { endpoints, hook, endGrace } = healthy()
  const statuses = async (): Promise<number[]> => Promise.all(['/healthz', '/livez', '/readyz'].map(async (path) => (await get(endpoints, path)).status))
  assert.deepEqual(await statuses(), [500, 200, 500])
  endGrace()
  assert.deepEqual(await statuses(), [500, 500, 500])
  assert.equal((await get(endpoints, '/readyz/poststarthook/rbac/bootstrap-roles')).bytes, 'internal server error: not finished\n')
  hook.open()
  assert.deepEqual(await statuses(), [200, 200, 200])
})

test('paths that are nothing are 404 in text', async () => {
  const answer = await get(new Endpoints(), '/nothing/here')
  assert.deepEqual([answer.status, answer.bytes, answer.headers['content-type']], [404, '404 page not found\n', 'text/plain; charset=utf-8'])
})

function zpages(): Endpoints {
  const endpoints = new Endpoints()
  endpoints.add('/livez', () => undefined)
  endpoints.add('/livez/ping', () => undefined)
  endpoints.add('/apis', () => undefined)
  addZpages(endpoints, { component: 'apiserver', flags: { v: '2', 'secure-port': '6443' }, statusz: true, startedMs: Date.UTC(2026, 0, 2, 3, 4, 5), now: () => Date.UTC(2026, 0, 2, 5, 5, 8), paths: () => endpoints.paths(), cbor: false })
  return endpoints
}

test('/flagz is text for people, and an object for who asks for one', async () => {
  const endpoints = zpages()
  assert.match(String((await get(endpoints, '/flagz')).bytes), /^\napiserver flagz\nWarning: This endpoint is not meant [^\n]+\nsecure-port:6443\nv:2\n$/)
  assert.equal((await get(endpoints, '/flagz', '*/*')).headers['content-type'], 'text/plain; charset=utf-8')
  const structured = await get(endpoints, '/flagz', 'application/json;v=v1beta1;g=config.k8s.io;as=Flagz')
  assert.deepEqual(JSON.parse(String(structured.bytes)), { kind: 'Flagz', apiVersion: 'config.k8s.io/v1beta1', metadata: { name: 'apiserver' }, flags: { v: '2', 'secure-port': '6443' } })
  assert.match(String((await get(endpoints, '/flagz', 'application/json;v=v1alpha1;g=config.k8s.io;as=Flagz')).headers['warning']), /^299 - "This version of the flagz endpoint is deprecated/)
  for (const accept of ['application/json', 'application/xml', 'application/json;v=v2;g=config.k8s.io;as=Flagz', 'application/json;v=v1beta1;g=config.k8s.io;as=Statusz']) await assert.rejects(get(endpoints, '/flagz', accept), /can only accept|NotAcceptable|media types/i, accept)
})

test('/statusz tells since when, which version and where else to look', async () => {
  const endpoints = zpages()
  const text = String((await get(endpoints, '/statusz')).bytes)
  assert.match(text, /^\napiserver statusz\nWarning: [^\n]+\n\nStarted: Fri Jan  2 03:04:05 UTC 2026\nUp: 2 hr 01 min 03 sec\nGo version: node[\d.]+\nBinary version: 1\.36\.0\nEmulation version: 1\.36\nPaths: \/flagz \/livez \/statusz\n$/)
  const structured = JSON.parse(String((await get(endpoints, '/statusz', 'application/json;v=v1beta1;g=config.k8s.io;as=Statusz')).bytes)) as Record<string, unknown>
  assert.deepEqual([structured['kind'], structured['uptimeSeconds'], structured['startTime'], structured['paths']], ['Statusz', 7263, '2026-01-02T03:04:05Z', ['/flagz', '/livez', '/statusz']])
})
