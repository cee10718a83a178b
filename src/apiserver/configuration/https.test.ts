import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { stringify } from 'yaml'
import { memoryLogger } from '../../runtime/log.ts'
import { systemRuntime } from '../../runtime/runtime.ts'
import { testAuthority } from '../testing/authority.ts'
import { httpsClient, kubeconfigTarget } from './https.ts'

test('a client certificate that a kubeconfig names by file is read again when it changes', async (t) => {
  const runtime = systemRuntime(memoryLogger())
  const authority = await testAuthority(runtime.clock.now())
  const [serving, first, second] = await Promise.all([authority.issue('hook', ['127.0.0.1']), authority.issue('first'), authority.issue('second')])
  const server = createServer({ cert: serving.certificate, key: serving.key, ca: authority.certificate, requestCert: true }, (request, response) => {
    response.end(String((request.socket as TLSSocket).getPeerCertificate().subject?.CN))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const directory = await mkdtemp(join(tmpdir(), 'k8ts-https-'))
  t.after(async () => {
    server.closeAllConnections()
    server.close()
    await rm(directory, { recursive: true, force: true })
  })
  const at = (name: string): string => join(directory, name)
  await Promise.all([writeFile(at('tls.crt'), first.certificate), writeFile(at('tls.key'), first.key), writeFile(at('ca.crt'), authority.certificate)])
  await writeFile(at('kubeconfig'), stringify({
    'apiVersion': 'v1', 'kind': 'Config', 'current-context': 'c', 'contexts': [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
    'clusters': [{ name: 'c', cluster: { 'server': `https://127.0.0.1:${(server.address() as AddressInfo).port}`, 'certificate-authority': at('ca.crt') } }],
    'users': [{ name: 'u', user: { 'client-certificate': at('tls.crt'), 'client-key': at('tls.key') } }],
  }))
  const target = await kubeconfigTarget(at('kubeconfig'))
  using client = httpsClient(target, runtime)
  const seen = async (): Promise<string> => (await client.call({ method: 'GET', url: target.url, timeoutMs: 5_000 })).bytes.toString()
  assert.equal(await seen(), 'first')
  await Promise.all([writeFile(at('tls.crt'), second.certificate), writeFile(at('tls.key'), second.key)])
  for (let attempt = 0; attempt < 100 && await seen() === 'first'; attempt++) await runtime.clock.sleep(50)
  assert.equal(await seen(), 'second')
})
