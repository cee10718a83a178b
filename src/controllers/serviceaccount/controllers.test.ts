import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { configMaps, namespaces, pods, secrets, serviceAccounts } from '../../client/resources.ts'
import { tokenSource } from '../service-account-clients.ts'
import { controllerTest } from '../testing/cluster.ts'
import { legacyTokenCleaner } from './legacy-token-cleaner.ts'
import { rootCaPublisher } from './root-ca.ts'
import { startServiceAccountController } from './service-account.ts'
import { serviceAccountTokens } from './token.ts'

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

test('a Secret for an account\'s token is filled, and goes with its account', async (t) => {
  const { api, start, settle, stop } = controllerTest()
  t.after(stop)
  const signingKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  start(serviceAccountTokens({ signingKey, rootCa: 'PEM' }))
  api.seed(serviceAccounts, { metadata: { name: 'bot', namespace: 'a', uid: 'sa-1' } })
  const annotations = { 'kubernetes.io/service-account.name': 'bot' }
  api.seed(secrets, { metadata: { name: 'bot-token', namespace: 'a', annotations }, type: 'kubernetes.io/service-account-token' })
  api.seed(secrets, { metadata: { name: 'stray', namespace: 'b', annotations }, type: 'kubernetes.io/service-account-token' })
  for (let i = 0; i < 5; i++) await settle()
  const filled = api.get(secrets, 'a/bot-token')!
  const text = (field: string): string => Buffer.from(filled.data![field]!, 'base64').toString()
  const accountUid = api.get(serviceAccounts, 'a/bot')!.metadata.uid
  assert.deepEqual([text('ca.crt'), text('namespace'), filled.metadata.annotations!['kubernetes.io/service-account.uid']], ['PEM', 'a', accountUid])
  assert.deepEqual(JSON.parse(Buffer.from(text('token').split('.')[1]!, 'base64url').toString()), {
    'kubernetes.io/serviceaccount/namespace': 'a', 'kubernetes.io/serviceaccount/secret.name': 'bot-token', 'kubernetes.io/serviceaccount/service-account.name': 'bot',
    'kubernetes.io/serviceaccount/service-account.uid': accountUid, 'iss': 'kubernetes/serviceaccount', 'sub': 'system:serviceaccount:a:bot',
  })
  assert.equal(api.get(secrets, 'b/stray'), undefined)
  api.remove(serviceAccounts, 'a/bot')
  for (let i = 0; i < 5; i++) await settle()
  assert.equal(api.get(secrets, 'a/bot-token'), undefined)
})

test('generated tokens that nobody uses are marked invalid, and go after another period', async (t) => {
  const { api, runtime, start, settle, stop } = controllerTest()
  t.after(stop)
  const dayMs = 86_400_000
  const day = (ago: number): string => new Date(runtime.clock.now() - ago * dayMs).toISOString()
  api.seed(configMaps, { metadata: { namespace: 'kube-system', name: 'kube-apiserver-legacy-service-account-token-tracking' }, data: { since: day(40).slice(0, 10) } })
  api.seed(serviceAccounts, { metadata: { namespace: 'a', name: 'bot' }, secrets: ['unused', 'used', 'mounted', 'old', 'young'].map((name) => ({ name })) })
  const token = (name: string, labels: Record<string, string> = {}, age = 100): unknown => api.seed(secrets, {
    metadata: { namespace: 'a', name, labels, creationTimestamp: day(age), annotations: { 'kubernetes.io/service-account.name': 'bot' } }, type: 'kubernetes.io/service-account-token',
  })
  token('unused')
  token('used', { 'kubernetes.io/legacy-token-last-used': day(3).slice(0, 10) })
  token('mounted')
  token('by-hand')
  token('young', {}, 5)
  token('old', { 'kubernetes.io/legacy-token-invalid-since': day(31).slice(0, 10) })
  api.seed(pods, { metadata: { namespace: 'a', name: 'p' }, spec: { containers: [], volumes: [{ name: 'v', secret: { secretName: 'mounted' } }] } })
  start(legacyTokenCleaner({ periodMs: 30 * dayMs }))
  await settle()
  const left = api.all(secrets).map(({ metadata }) => [metadata.name, metadata.labels?.['kubernetes.io/legacy-token-invalid-since'] ?? ''])
  assert.deepEqual(left.sort(), [['by-hand', ''], ['mounted', ''], ['unused', day(0).slice(0, 10)], ['used', ''], ['young', '']])
})
