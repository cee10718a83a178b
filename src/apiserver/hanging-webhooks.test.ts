import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { stringify } from 'yaml'
import { singleKubeconfig } from '../client/kubeconfig.ts'
import { memoryLogger } from '../runtime/log.ts'
import { systemRuntime } from '../runtime/runtime.ts'
import { memoryStore } from '../store/memory.ts'
import { authorizersOfFlags } from './authorization/modes.ts'
import { composeApiServer } from './compose.ts'
import { loopbackCertificate } from './testing/certificate.ts'
import { testClient } from './testing/http-client.ts'

test('webhooks that never answer hold up only those who need them', async () => {
  const runtime = systemRuntime(memoryLogger())
  const tls = await loopbackCertificate(runtime.clock.now())
  let waiting = 0
  const hanging = createServer({ cert: tls.certificate, key: tls.key }, () => void waiting++)
  hanging.listen(0, '127.0.0.1')
  await once(hanging, 'listening')
  const folder = await mkdtemp(join(tmpdir(), 'k8ts-hanging-'))
  const kubeconfig = join(folder, 'webhook')
  await writeFile(kubeconfig, stringify(singleKubeconfig('hook', { server: `https://127.0.0.1:${(hanging.address() as AddressInfo).port}/`, caData: tls.certificate })))
  const store = memoryStore(runtime)
  const server = await composeApiServer({
    runtime, store, listen: [{ host: '127.0.0.1', port: 0 }], serving: tls, serviceCidr: '10.96.0.0/16',
    serviceAccounts: { signingKeyPem: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string },
    authentication: { staticTokens: [{ token: 'root', username: 'root', groups: ['system:masters'] }, { token: 'ann', username: 'ann' }], tokenWebhook: { kubeconfig } },
    authorization: { authorizers: authorizersOfFlags(['Node', 'RBAC', 'Webhook'], { kubeconfig }) },
  })
  const client = testClient(server.url, tls.certificate)
  try {
    await server.ready()
    const as = (token: string, path: string): Promise<{ status: number }> => client.call('GET', path, { headers: { authorization: `Bearer ${token}` } })
    // Ten callers whose token only the webhook may know, and ten whom only the webhook may allow.
    const stuck = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? as(`unknown-${i}`, '/api') : as('ann', `/api/v1/namespaces/n${i}/secrets`)).catch(() => undefined))
    for (let i = 0; i < 500 && waiting < 20; i++) await runtime.clock.sleep(10)
    assert.equal(waiting, 20)
    const startedMs = runtime.clock.monotonicMs()
    for (let i = 0; i < 20; i++) {
      assert.equal((await as('root', '/api/v1/namespaces/default/secrets')).status, 200)
      assert.equal((await as('ann', '/version')).status, 200)
    }
    const tookMs = runtime.clock.monotonicMs() - startedMs
    assert.ok(tookMs < 2_000, `${tookMs} ms`)
    hanging.close()
    hanging.closeAllConnections()
    await Promise.all(stuck)
  } finally {
    await server[Symbol.asyncDispose]()
    await store[Symbol.asyncDispose]()
    client[Symbol.dispose]()
    hanging.closeAllConnections()
    await rm(folder, { recursive: true })
  }
})
