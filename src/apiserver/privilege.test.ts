import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { Agent, request as httpsRequest } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { after, before, test } from 'node:test'
import { builtinResources } from '../api/builtin.ts'
import type { ResourceDescription, Verb } from '../api/resource.ts'
import { memoryLogger } from '../runtime/log.ts'
import { systemRuntime } from '../runtime/runtime.ts'
import { memoryStore } from '../store/memory.ts'
import { prefixEnd, type Store } from '../store/store.ts'
import { composeApiServer } from './compose.ts'
import type { ApiServer } from './server.ts'
import { loopbackCertificate } from './testing/certificate.ts'

// A user with nothing gets nothing, whatever they ask for and however they write it.

interface Sent { status: number; text: string }

const runtime = systemRuntime(memoryLogger())
const resources = builtinResources()
let store: Store
let server: ApiServer
let agent: Agent

before(async () => {
  store = memoryStore(runtime)
  const serving = await loopbackCertificate(runtime.clock.now())
  const signingKeyPem = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  server = await composeApiServer({
    runtime, store, resources, listen: [{ host: '127.0.0.1', port: 0 }], serving, serviceAccounts: { signingKeyPem }, serviceCidr: '10.96.0.0/16',
    kubelets: { certificate: serving.certificate, key: serving.key },
    authentication: { staticTokens: [{ token: 'root', username: 'root', groups: ['system:masters'] }, { token: 'nobody', username: 'nobody' }, { token: 'getter', username: 'getter' }] },
  })
  agent = new Agent({ ca: serving.certificate, keepAlive: true })
  await server.ready()
})
after(async () => {
  agent.destroy()
  await server[Symbol.asyncDispose]()
  await store[Symbol.asyncDispose]()
})

/** The path goes out as it is written: nothing is normalised. */
async function send(token: string, method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Sent> {
  const { hostname, port } = new URL(server.url)
  const payload = body === undefined ? undefined : JSON.stringify(body)
  const outgoing = httpsRequest({
    hostname, port, method, path, agent,
    headers: { ...(token === '' ? {} : { authorization: `Bearer ${token}` }), ...(payload === undefined ? {} : { 'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json', 'content-length': Buffer.byteLength(payload) }), ...headers },
  })
  outgoing.setTimeout(5_000, () => outgoing.destroy(new Error(`no answer to ${method} ${path}`)))
  outgoing.end(payload)
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response) {
    text += String(chunk)
    if (text.length > 100_000) break
  }
  response.destroy()
  return { status: response.statusCode ?? 0, text }
}

const methods: Record<Verb, string> = { create: 'POST', get: 'GET', list: 'GET', watch: 'GET', update: 'PUT', patch: 'PATCH', delete: 'DELETE', deletecollection: 'DELETE' }
const allVerbs: readonly Verb[] = ['create', 'get', 'list', 'watch', 'update', 'patch', 'delete', 'deletecollection']

interface Asked { what: string; method: string; path: string; body?: unknown }

/** Every verb on every resource and subresource that is served, by its plain path. */
function* everything(): Generator<Asked> {
  for (const resource of resources.all()) {
    const { group, version, resource: name, namespaced, kind } = resource
    const prefix = `${group === '' ? '/api' : `/apis/${group}`}/${version}`
    const scope = namespaced ? `${prefix}/namespaces/default/${name}` : `${prefix}/${name}`
    const body = { apiVersion: group === '' ? version : `${group}/${version}`, kind, metadata: { name: 'x' } }
    for (const verb of allVerbs) {
      const isNamed = verb !== 'create' && verb !== 'list' && verb !== 'watch' && verb !== 'deletecollection'
      yield { what: `${verb} ${name}.${group}`, method: methods[verb], path: `${scope}${isNamed ? '/x' : ''}${verb === 'watch' ? '?watch=true' : ''}`, ...(['create', 'update', 'patch'].includes(verb) ? { body } : {}) }
    }
    yield { what: `watch/ ${name}.${group}`, method: 'GET', path: `${prefix}/watch/${namespaced ? 'namespaces/default/' : ''}${name}` }
    yield { what: `watch/ one ${name}.${group}`, method: 'GET', path: `${prefix}/watch/${namespaced ? 'namespaces/default/' : ''}${name}/x` }
    if (namespaced) yield { what: `list all ${name}.${group}`, method: 'GET', path: `${prefix}/${name}` }
    for (const subresource of resource.subresources) {
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
        yield { what: `${method} ${name}/${subresource.name}.${group}`, method, path: `${scope}/x/${subresource.name}`, ...(method === 'GET' || method === 'DELETE' ? {} : { body }) }
      }
    }
  }
}

/** What stands in the store: each key with the revision of its last write. */
async function contents(): Promise<Map<string, number>> {
  const { kvs } = await store.range('/registry/', prefixEnd('/registry/'), { keysOnly: true })
  // The server writes conditions of flow schemas by itself after it has started.
  return new Map(kvs.filter(({ key }) => !key.startsWith('/registry/flowschemas/')).map(({ key, modRevision }) => [key, modRevision]))
}

/** Keys that were written since. */
async function writtenSince(before: ReadonlyMap<string, number>): Promise<string[]> {
  const now = await contents()
  return [...new Set([...before.keys(), ...now.keys()])].filter((key) => before.get(key) !== now.get(key))
}

/** What every authenticated user may do (system:basic-user). */
function isForAll(resource: Pick<ResourceDescription, 'group' | 'resource'>, method: string): boolean {
  return method === 'POST' && ['selfsubjectaccessreviews', 'selfsubjectrulesreviews', 'selfsubjectreviews'].includes(resource.resource)
}

test('every verb on every resource and subresource is refused to a user without rights, and changes nothing', async () => {
  const before = await contents()
  let count = 0
  for (const token of ['nobody', '']) {
    const wrong: string[] = []
    const asked = [...everything()].filter(({ path, method }) => !isForAll({ group: '', resource: path.split('/').at(-1)! }, method))
    for (let at = 0; at < asked.length; at += 16) {
      await Promise.all(asked.slice(at, at + 16).map(async ({ what, method, path, body }) => {
        const { status, text } = await send(token, method, path, body)
        count++
        if (status !== 403 || !text.includes('"reason":"Forbidden"') && !text.includes('"reason": "Forbidden"')) wrong.push(`${what}: ${method} ${path}: ${status} ${text.slice(0, 120)}`)
      }))
    }
    assert.deepEqual(wrong, [], `as ${token === '' ? 'anonymous' : token}`)
  }
  assert.ok(count > 1500, `${count} requests`)
  assert.deepEqual(await writtenSince(before), [])
})

test('no way of writing a path leads around authorization', async () => {
  await send('root', 'POST', '/api/v1/namespaces/default/secrets', { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'topsecret' }, stringData: { word: 'xyzzy' } })
  const before = await contents()
  const targets = ['/api/v1/secrets', '/api/v1/namespaces/default/secrets', '/api/v1/namespaces/default/secrets/topsecret', '/apis/apps/v1/deployments', '/apis/metrics.k8s.io/v1beta1/pods', '/apis/example.com/v1/namespaces/default/secrets']
  const spellings = (path: string): string[] => [
    `${path}/`, `${path}//`, `/${path}`, path.replace('/v1', '//v1'), path.replace('/v1', '/v1/'), path.replace('/v1', '/./v1'), path.replace('/v1', '/x/../v1'), `/healthz/..${path}`, `/version/..${path}`, `/apis/..${path}`,
    `/api/..%2f${path.slice(1)}`, path.replaceAll('/', '%2F').replace('%2F', '/'), path.replace('/v1/', '/v1%2f'), path.replace('secrets', 'secret%73'), path.replace('secrets', '%73ecrets'), path.replace('secrets', 'Secrets'), path.toUpperCase(),
    path.replace('/api', '/API'), `${path};a=b`, `${path}%00`, `${path}%20`, `${path}?watch=1`, `${path}?watch=true&timeoutSeconds=1`, `${path}?fieldSelector=metadata.name%3Dtopsecret`, `${path}?as=Table`, `${path}/x/proxy/`, `${path}#/version`,
    path.replace('/v1/', '/v1/watch/'), path.replace('/v1/', '/v1/proxy/'), path.replace('/v1/', '/v1/watch/watch/'), path.replace('/v1/', '/v1/proxy/watch/'), path.replace('/v1/namespaces/default/', '/v1/namespaces//'),
    path.replace('default', 'default%2f..%2fdefault'), path.replace('/default/', '/default/status/'), path.replace('/default/', '/default/finalize/'), path.replace('/api/v1', '/apis//v1'), path.replace('/api/v1', '/apis/v1/v1'), path.replace('/api/v1', '/apis/core/v1'),
  ]
  const wrong: string[] = []
  for (const path of targets) {
    for (const spelling of spellings(path)) {
      for (const [method, headers] of [['GET', {}], ['HEAD', {}], ['OPTIONS', {}], ['POST', { 'x-http-method-override': 'GET' }], ['DELETE', {}], ['PUT', {}], ['PURGE', {}]] as const) {
        const { status, text } = await send('nobody', method, spelling, method === 'POST' || method === 'PUT' ? {} : undefined, headers)
        // Prefixes that everybody may ask for (discovery) answer that there is nothing.
        if ((status >= 200 && status < 300) || status >= 500 || text.includes('xyzzy')) wrong.push(`${method} ${spelling}: ${status} ${text.slice(0, 120)}`)
      }
    }
  }
  assert.deepEqual(wrong, [])
  assert.deepEqual(await writtenSince(before), [])
})

test('the right to get one object is no right to list, to watch, or to get another', async () => {
  const group = 'rbac.authorization.k8s.io'
  const root = (path: string, body: object): Promise<Sent> => send('root', 'POST', path, body)
  await root(`/apis/${group}/v1/namespaces/default/roles`, { apiVersion: `${group}/v1`, kind: 'Role', metadata: { name: 'one' }, rules: [{ apiGroups: [''], resources: ['configmaps'], resourceNames: ['mine'], verbs: ['get'] }] })
  await root(`/apis/${group}/v1/namespaces/default/rolebindings`, { apiVersion: `${group}/v1`, kind: 'RoleBinding', metadata: { name: 'one' }, roleRef: { apiGroup: group, kind: 'Role', name: 'one' }, subjects: [{ apiGroup: group, kind: 'User', name: 'getter' }] })
  for (const name of ['mine', 'yours']) await root('/api/v1/namespaces/default/configmaps', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { word: `xyzzy-${name}` } })
  const scope = '/api/v1/namespaces/default/configmaps'
  let own: Sent = { status: 0, text: '' }
  for (let i = 0; i < 200 && own.status !== 200; i++) {
    own = await send('getter', 'GET', `${scope}/mine`)
    await runtime.clock.sleep(5)
  }
  assert.ok(own.text.includes('xyzzy-mine'))
  // A name in the path makes it a get, whatever the query says.
  const watched = await send('getter', 'GET', `${scope}/mine?watch=true`)
  assert.ok(watched.status === 200 && watched.text.includes('"kind":"ConfigMap"') && !watched.text.includes('"type":"ADDED"'), watched.text)
  for (const [method, path] of [
    ['GET', scope], ['GET', `${scope}/yours`], ['GET', `${scope}?fieldSelector=metadata.name%3Dmine`], ['GET', `${scope}?watch=true&fieldSelector=metadata.name%3Dmine`], ['GET', `/api/v1/watch/namespaces/default/configmaps/mine`],
    ['GET', `${scope}/mine%2f..%2fyours`], ['GET', `${scope}/mine/../yours`], ['PUT', `${scope}/mine`], ['PATCH', `${scope}/mine`], ['DELETE', `${scope}/mine`], ['GET', '/api/v1/namespaces/kube-system/configmaps/mine'], ['POST', `${scope}/mine/status`],
  ] as const) {
    const { status, text } = await send('getter', method, path, method === 'PUT' || method === 'PATCH' || method === 'POST' ? { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'mine' }, data: {} } : undefined)
    assert.ok([403, 404, 405].includes(status) && !text.includes('xyzzy'), `${method} ${path}: ${status} ${text}`)
  }
})

test('writing an object by a roundabout way meets admission all the same', async () => {
  const base = '/api/v1/namespaces/default/pods'
  const bad = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: { serviceAccountName: 'missing', containers: [{ name: 'c', image: 'x' }] } }
  for (const path of [base, `${base}/`, `/${base}`, base.replace('/v1', '//v1'), base.replace('pods', 'pod%73')]) {
    const { status, text } = await send('root', 'POST', path, bad)
    assert.ok(status === 404 || status === 405 || (status === 403 && text.includes('error looking up service account default/missing')), `${path}: ${status} ${text}`)
  }
  const applied = await send('root', 'PATCH', `${base}/p?fieldManager=t&force=true`, bad, { 'content-type': 'application/apply-patch+yaml' })
  assert.ok(applied.status === 403 || applied.status === 415, applied.text)
})
