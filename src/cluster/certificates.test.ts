import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { testRuntime } from '../runtime/runtime.ts'
import { openCertificates } from './certificates.ts'
import { identities } from './identities.ts'

async function folder(t: { after(fn: () => Promise<void>): void }): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'k8ts-certificates-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

test('a certificate carries its name, groups, hosts and usages and is signed by the authority', async (t) => {
  const store = await openCertificates(testRuntime(), await folder(t))
  const pair = await store.ensure('apiserver', { commonName: 'kube-apiserver', organizations: ['system:masters'], hosts: ['127.0.0.1', 'kubernetes.default.svc'], usages: ['server', 'client'] })
  const parsed = new X509Certificate(pair.certificate)
  assert.equal(parsed.verify(new X509Certificate(store.authority.certificate).publicKey), true)
  assert.match(parsed.subject, /O=system:masters\nCN=kube-apiserver/)
  assert.equal(parsed.subjectAltName, 'IP Address:127.0.0.1, DNS:kubernetes.default.svc')
  assert.deepEqual(parsed.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
})

test('a second opening finds the same authority and certificates', async (t) => {
  const path = await folder(t)
  const runtime = testRuntime()
  const request = { commonName: 'admin', usages: ['client'] as const }
  const first = await openCertificates(runtime, path)
  const admin = await first.ensure('admin', request)
  const second = await openCertificates(runtime, path)
  assert.deepEqual(second.authority, first.authority)
  assert.deepEqual(second.serviceAccount, first.serviceAccount)
  assert.deepEqual(await second.ensure('admin', request), admin)
})

test('a certificate is made anew when it lacks a host or is about to run out', async (t) => {
  const runtime = testRuntime()
  const store = await openCertificates(runtime, await folder(t))
  const first = await store.ensure('apiserver', { commonName: 'a', hosts: ['127.0.0.1'], usages: ['server'] })
  const wider = await store.ensure('apiserver', { commonName: 'a', hosts: ['127.0.0.1', '10.0.0.1'], usages: ['server'] })
  assert.notEqual(wider.certificate, first.certificate)
  await runtime.clock.advance(350 * 24 * 3600 * 1000)
  const later = await store.ensure('apiserver', { commonName: 'a', hosts: ['10.0.0.1'], usages: ['server'] })
  assert.notEqual(later.certificate, wider.certificate)
})

test('those who want the same certificate at the same time get the same one', async (t) => {
  const store = await openCertificates(testRuntime(), await folder(t))
  const request = { commonName: 'system:kube-proxy', usages: ['client'] as const }
  const [one, two] = await Promise.all([store.ensure('kube-proxy', request), store.ensure('kube-proxy', request)])
  assert.deepEqual(one, two)
})

test('the front proxy has an authority of its own', async (t) => {
  const path = await folder(t)
  const store = await openCertificates(testRuntime(), path)
  const pair = await store.ensure('front-proxy-client', identities.frontProxyClient, store.frontProxyAuthority)
  const parsed = new X509Certificate(pair.certificate)
  assert.deepEqual([parsed.subject, parsed.issuer], ['CN=front-proxy-client', 'CN=front-proxy-ca'])
  assert.equal(parsed.verify(new X509Certificate(store.authority.certificate).publicKey), false)
  assert.deepEqual((await openCertificates(testRuntime(), path)).frontProxyAuthority, store.frontProxyAuthority)
})
