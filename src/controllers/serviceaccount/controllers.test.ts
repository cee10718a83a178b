import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configMaps, namespaces, serviceAccounts } from '../../client/resources.ts'
import { tokenSource } from '../service-account-clients.ts'
import { controllerTest } from '../testing/cluster.ts'
import { rootCaPublisher } from './root-ca.ts'
import { startServiceAccountController } from './service-account.ts'

test('every namespace has its default account and the root certificate, also after somebody took them away', async (t) => {
  const { api, start, settle, stop } = controllerTest()
  t.after(stop)
  start(startServiceAccountController, rootCaPublisher('PEM'))
  api.seed(namespaces, { metadata: { name: 'a' }, spec: {}, status: { phase: 'Active' } })
  api.seed(namespaces, { metadata: { name: 'ending' }, spec: {}, status: { phase: 'Terminating' } })
  await settle()
  const present = (): unknown[] => [api.all(serviceAccounts).map((s) => `${s.metadata.namespace}/${s.metadata.name}`), api.all(configMaps).map((c) => [c.metadata.namespace, c.data?.['ca.crt']])]
  assert.deepEqual(present(), [['a/default'], [['a', 'PEM']]])
  api.remove(serviceAccounts, 'a/default')
  api.remove(configMaps, 'a/kube-root-ca.crt')
  await settle()
  assert.deepEqual(present(), [['a/default'], [['a', 'PEM']]])
  api.change(configMaps, 'a/kube-root-ca.crt', (map) => void (map.data = { 'ca.crt': 'another' }))
  await settle()
  assert.deepEqual(present(), [['a/default'], [['a', 'PEM']]])
})

test('a token is asked for once, kept, and renewed before it ends', async () => {
  const { api, runtime } = controllerTest()
  const token = tokenSource(api.client, runtime, 'deployment-controller')
  const asked = (): number => api.requests.filter((r) => r.subresource === 'token').length
  assert.deepEqual(await Promise.all([token(), token()]), ['token-of-deployment-controller', 'token-of-deployment-controller'])
  assert.equal(asked(), 1)
  await runtime.clock.advance(2_000_000)
  await token()
  assert.equal(asked(), 1)
  await runtime.clock.advance(1_000_000)
  await token()
  assert.equal(asked(), 2)
})
