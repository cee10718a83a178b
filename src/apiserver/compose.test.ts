import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { memoryLogger } from '../runtime/log.ts'
import { systemRuntime } from '../runtime/runtime.ts'
import { memoryStore } from '../store/memory.ts'
import { composeApiServer, type ComposeOptions } from './compose.ts'
import { loopbackCertificate } from './testing/certificate.ts'
import { testClient } from './testing/http-client.ts'

async function start(advertise: string) {
  const runtime = systemRuntime(memoryLogger())
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256', privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' } })
  const serving = await loopbackCertificate(runtime.clock.now())
  const options: ComposeOptions = {
    runtime, store: memoryStore(runtime), listen: [{ host: '127.0.0.1', port: 0 }], serving, serviceAccounts: { signingKeyPem: privateKey }, serviceCidr: '10.96.0.0/16',
    advertise: { address: advertise, port: 6443 }, authentication: { staticTokens: [{ token: 'root', username: 'root', groups: ['system:masters'] }, { token: 'jane', username: 'jane' }] },
  }
  const server = await composeApiServer(options)
  const client = testClient(server.url, serving.certificate)
  return {
    server,
    call: (token: string, method: string, path: string, body?: unknown) => client.call(method, path, { headers: token === '' ? {} : { authorization: `Bearer ${token}` }, ...(body === undefined ? {} : { body }) }),
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]()
      await server[Symbol.asyncDispose]()
      await options.store[Symbol.asyncDispose]()
    },
  }
}

test('a composed server becomes ready with the system objects in place', async () => {
  await using cluster = await start('192.0.2.10')
  await cluster.server.ready()
  assert.equal((await cluster.call('', 'GET', '/readyz')).text, 'ok')
  const namespaces = await cluster.call('root', 'GET', '/api/v1/namespaces')
  assert.deepEqual(namespaces.json.items.map((item: { metadata: { name: string } }) => item.metadata.name), ['default', 'kube-node-lease', 'kube-public', 'kube-system'])
  const service = await cluster.call('root', 'GET', '/api/v1/namespaces/default/services/kubernetes')
  assert.equal(service.json.spec.clusterIP, '10.96.0.1')
  const endpoints = await cluster.call('root', 'GET', '/api/v1/namespaces/default/endpoints/kubernetes')
  assert.deepEqual(endpoints.json.subsets[0].addresses, [{ ip: '192.0.2.10' }])
  // The fields of what the server makes for itself have owners, as everybody's.
  const owners = (object: { metadata: { managedFields: Array<{ manager: string; operation: string }> } }): string[] => object.metadata.managedFields.map(({ manager, operation }) => `${manager} ${operation}`)
  assert.deepEqual(owners(namespaces.json.items[0]), ['kube-apiserver Update'])
  const role = await cluster.call('root', 'GET', '/apis/rbac.authorization.k8s.io/v1/clusterroles/admin')
  assert.deepEqual(owners(role.json).toSorted(), ['kube-apiserver Update'])
  const range = await cluster.call('root', 'GET', '/apis/networking.k8s.io/v1/servicecidrs/kubernetes')
  assert.deepEqual(owners(range.json), ['kubernetes-service-cidr-controller Apply', 'kube-apiserver Update'])
  assert.equal(range.json.status.conditions[0].reason, '')
  for (const path of ['networking.k8s.io/v1/ipaddresses/10.96.0.1', 'apiregistration.k8s.io/v1/apiservices/v1.apps']) {
    assert.deepEqual(owners((await cluster.call('root', 'GET', `/apis/${path}`)).json), ['kube-apiserver Update'], path)
  }
})

test('who may do what: administrators all, users what RBAC grants, strangers only health and version', async () => {
  await using cluster = await start('192.0.2.10')
  await cluster.server.ready()
  assert.equal((await cluster.call('root', 'GET', '/api/v1/secrets')).status, 200)
  const refused = await cluster.call('jane', 'GET', '/api/v1/secrets')
  assert.deepEqual([refused.status, refused.json.message], [403, 'secrets is forbidden: User "jane" cannot list resource "secrets" in API group "" at the cluster scope'])
  assert.equal((await cluster.call('jane', 'GET', '/apis')).status, 200)
  assert.equal((await cluster.call('', 'GET', '/version')).status, 200)
  assert.equal((await cluster.call('', 'GET', '/api/v1/pods')).json.code, 403)
  assert.equal((await cluster.call('stranger', 'GET', '/version')).status, 401)
  const review = await cluster.call('jane', 'POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', { spec: { resourceAttributes: { verb: 'list', resource: 'pods' } } })
  assert.deepEqual([review.status, review.json.status.allowed], [201, false])
})

test('a server advertised on loopback is ready, and has no endpoints to show', async () => {
  await using cluster = await start('127.0.0.1')
  await cluster.server.ready()
  assert.equal((await cluster.call('root', 'GET', '/api/v1/namespaces/default/services/kubernetes')).status, 200)
  assert.equal((await cluster.call('root', 'GET', '/api/v1/namespaces/default/endpoints/kubernetes')).status, 404)
})
