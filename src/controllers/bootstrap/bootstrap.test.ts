import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configMaps, secrets } from '../../client/resources.ts'
import { timeText } from '../../machinery/object.ts'
import { controllerTest } from '../testing/cluster.ts'
import { startTokenCleaner } from './cleaner.ts'
import { detachedSignature, startBootstrapSigner } from './signer.ts'

function token(id: string, more: Record<string, string> = {}): { metadata: { name: string; namespace: string }; type: string; data: Record<string, string> } {
  const data = { 'token-id': id, 'token-secret': 'abcdefghijklmnop', 'usage-bootstrap-signing': 'true', ...more }
  return {
    metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system' }, type: 'bootstrap.kubernetes.io/token',
    data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')])),
  }
}

test('a signature is the one that kubeadm checks', () => {
  const content = 'Hello from the other side. I must have called a thousand times.'
  assert.equal(detachedSignature(content, 'joshua', 'my voice is my passcode'), 'eyJhbGciOiJIUzI1NiIsImtpZCI6Impvc2h1YSJ9..VShe2taLd-YTrmWuRkcL_8QTNDHYxQIEBsAYYiIj1_8')
})

test('cluster-info carries a signature of every token that may sign, and of no other', async (t) => {
  const { api, runtime, start, settle, stop } = controllerTest()
  t.after(stop)
  start(startBootstrapSigner)
  api.seed(configMaps, { metadata: { name: 'cluster-info', namespace: 'kube-public' }, data: { 'kubeconfig': 'K', 'jws-kubeconfig-zzzzzz': 'old' } })
  api.seed(secrets, token('aaaaaa'))
  api.seed(secrets, token('bbbbbb', { 'usage-bootstrap-signing': 'false' }))
  api.seed(secrets, token('cccccc', { expiration: timeText(runtime.clock.now() - 1000) }))
  await settle()
  const data = (): string[] => Object.keys(api.get(configMaps, 'kube-public/cluster-info')!.data!).sort()
  assert.deepEqual(data(), ['jws-kubeconfig-aaaaaa', 'kubeconfig'])
  api.remove(secrets, 'kube-system/bootstrap-token-aaaaaa')
  await settle()
  assert.deepEqual(data(), ['kubeconfig'])
})

test('a token goes when it ends', async (t) => {
  const { api, runtime, start, settle, stop } = controllerTest()
  t.after(stop)
  start(startTokenCleaner)
  api.seed(secrets, token('aaaaaa', { expiration: timeText(runtime.clock.now() + 60_000) }))
  api.seed(secrets, token('bbbbbb'))
  await settle()
  assert.equal(api.all(secrets).length, 2)
  await runtime.clock.advance(61_000)
  await settle()
  assert.deepEqual(api.all(secrets).map(({ metadata }) => metadata.name), ['bootstrap-token-bbbbbb'])
})
