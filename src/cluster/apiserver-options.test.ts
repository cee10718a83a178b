import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, type NetworkInterfaceInfo } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { testRuntime } from '../runtime/runtime.ts'
import { apiServerFlags } from './apiserver-flags.ts'
import { advertiseAddress, bindAddresses, checkSettings, composeOptions, serviceRanges, type ApiServerSettings } from './apiserver-options.ts'
import { createAuthority, createSigningKey, issueCertificate } from './certificates.ts'
import { parseFlags } from './flags.ts'
import { operatingOptions } from './operating-options.ts'
import { storageOptions } from './storage-options.ts'

function settings(...args: string[]): ApiServerSettings {
  const { values: flags, given } = parseFlags(apiServerFlags, args)
  return { flags, given }
}

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'apiserver-options-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

test('without a data directory the flags must say where state and keys are', () => {
  assert.throws(() => checkSettings(settings()), /--etcd-servers or --data-dir must be given/)
  assert.throws(() => checkSettings(settings('--etcd-servers=http://127.0.0.1:1')), /--service-account-issuer and --service-account-signing-key-file are required/)
  assert.throws(() => checkSettings(settings('--data-dir=x', '--tls-cert-file=a')), /--tls-cert-file and --tls-private-key-file belong together/)
  checkSettings(settings('--data-dir=x'))
  checkSettings(settings('--etcd-servers=http://127.0.0.1:1', '--service-account-issuer=https://x', '--service-account-signing-key-file=k'))
})

test('a server that listens on loopback or everywhere advertises the machine\'s address', () => {
  const at = (address: string, internal = false): NetworkInterfaceInfo => ({ address, family: address.includes(':') ? 'IPv6' : 'IPv4', internal, netmask: '', mac: '', cidr: null } as NetworkInterfaceInfo)
  const interfaces = { lo: [at('127.0.0.1', true), at('::1', true)], eth0: [at('fe80::1'), at('192.0.2.7'), at('2001:db8::7')] }
  const advertised = (host: string, flag = ''): string => advertiseAddress({ 'advertise-address': flag }, [host], interfaces)
  assert.deepEqual(['0.0.0.0', '127.0.0.1', '127.0.0.5', '10.1.2.3'].map((host) => advertised(host)), ['192.0.2.7', '192.0.2.7', '192.0.2.7', '10.1.2.3'])
  assert.deepEqual(['::', '::1', '2001:db8::1'].map((host) => advertised(host)), ['2001:db8::7', '2001:db8::7', '2001:db8::1'])
  assert.equal(advertised('127.0.0.1', '127.0.0.1'), '127.0.0.1')
  assert.equal(advertiseAddress({ 'advertise-address': '' }, ['127.0.0.1'], { lo: interfaces.lo }), '127.0.0.1')
})

test('a server with its own data listens on loopback and has its own ranges; others as kube-apiserver does', () => {
  assert.deepEqual([bindAddresses(settings('--data-dir=x')), serviceRanges(settings('--data-dir=x'))], [['127.0.0.1'], ['10.96.0.0/16']])
  assert.deepEqual([bindAddresses(settings()), serviceRanges(settings())], [['0.0.0.0'], ['10.0.0.0/24']])
  assert.deepEqual(bindAddresses(settings('--data-dir=x', '--bind-address=0.0.0.0')), ['0.0.0.0'])
})

test('where state is kept', async (t) => {
  const folder = folderOf(t)
  const ca = join(folder, 'ca.crt')
  writeFileSync(ca, 'CA')
  assert.deepEqual(await storageOptions(settings('--data-dir=/d', '--etcd-compaction-interval=0')), { driver: 'lmdb', path: '/d/store', compactEveryMs: 0 })
  assert.deepEqual(await storageOptions(settings('--etcd-servers=127.0.0.1:2379,http://b:2379', '--etcd-prefix=a/b/')), { driver: 'etcd', endpoints: ['http://127.0.0.1:2379', 'http://b:2379'], prefix: '/a/b', compactEveryMs: 300_000 })
  assert.deepEqual(await storageOptions(settings('--etcd-servers=https://a:1', `--etcd-cafile=${ca}`, `--etcd-certfile=${ca}`, `--etcd-keyfile=${ca}`)), { driver: 'etcd', endpoints: ['https://a:1'], prefix: '/registry', compactEveryMs: 300_000, tls: { ca: 'CA', cert: 'CA', key: 'CA' } })
  await assert.rejects(storageOptions(settings('--etcd-servers=https://a:1')), /needs --etcd-cafile/)
  await assert.rejects(storageOptions(settings('--etcd-servers=https://a:1', '--etcd-cafile=/none')), /cannot read the file of --etcd-cafile: ENOENT/)
  await assert.rejects(storageOptions(settings('--etcd-servers=http://a:1', '--etcd-keyfile=x')), /belong together/)
  await assert.rejects(storageOptions(settings('--data-dir=/d', '--etcd-prefix=/x')), /--etcd-prefix needs --etcd-servers/)
})

test('envtest\'s flags come to a server that serves the files it has written', async (t) => {
  const folder = folderOf(t)
  const runtime = testRuntime()
  const authority = await createAuthority(runtime, 'ca')
  const serving = await issueCertificate(runtime, authority, { commonName: 'x', hosts: ['127.0.0.1'], usages: ['server'] })
  const { privateKey, publicKey } = await createSigningKey()
  const files = { 'apiserver.crt': serving.certificate, 'apiserver.key': serving.key, 'ca.crt': authority.certificate, 'sa.key': privateKey, 'sa.crt': publicKey }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  const options = await composeOptions(runtime, settings(
    '--allow-privileged=true', '--authorization-mode=RBAC', '--bind-address=127.0.0.1', '--secure-port=7777', `--cert-dir=${folder}`, `--client-ca-file=${folder}/ca.crt`, '--disable-admission-plugins=ServiceAccount',
    '--etcd-servers=http://127.0.0.1:1', '--service-cluster-ip-range=10.0.0.0/24,fd00::/112', '--service-account-issuer=https://127.0.0.1:7777/', `--service-account-key-file=${folder}/sa.crt`, `--service-account-signing-key-file=${folder}/sa.key`,
    '--kubernetes-service-node-port=30001', '--tls-min-version=VersionTLS13', '--tls-cipher-suites=TLS_RSA_WITH_AES_128_GCM_SHA256', '--tls-curve-preferences=29,23', `--tls-sni-cert-key=${folder}/apiserver.crt,${folder}/apiserver.key:a.example`,
  ), undefined)
  assert.deepEqual(options.listen, [{ host: '127.0.0.1', port: 7777 }])
  assert.deepEqual([options.clientCa, options.clientCaFile], [authority.certificate, `${folder}/ca.crt`])
  const { certificate, files: paths, sni, minVersion, ciphers, curves, http2 } = options.serving!
  assert.deepEqual([certificate, paths, http2], [serving.certificate, { certificate: `${folder}/apiserver.crt`, key: `${folder}/apiserver.key` }, true])
  assert.deepEqual([sni?.[0]?.names, minVersion, ciphers?.endsWith(':AES128-GCM-SHA256'), curves], [['a.example'], 'TLSv1.3', true, 'X25519:P-256'])
  assert.deepEqual([options.serviceCidr, options.secondaryServiceCidr, options.advertise?.port, options.advertise?.nodePort], ['10.0.0.0/24', 'fd00::/112', 7777, 30_001])
  assert.deepEqual([options.serviceAccounts.issuers, options.serviceAccounts.signingKeyPem, options.serviceAccounts.verificationKeysPem?.length], [['https://127.0.0.1:7777/'], privateKey, 1])
  assert.equal(options.allowPrivileged, true)
  assert.deepEqual(options.admission?.disable, ['ServiceAccount', 'NodeRestriction'], 'as kube-apiserver, which wants NodeRestriction named')
})

test('a serving certificate is made where there is none, and served again after a restart', async (t) => {
  const folder = folderOf(t)
  const runtime = testRuntime()
  writeFileSync(join(folder, 'sa.key'), (await createSigningKey()).privateKey)
  const start = async () => (await composeOptions(runtime, settings('--etcd-servers=http://127.0.0.1:1', '--bind-address=127.0.0.1', `--cert-dir=${folder}/certs`, '--service-account-issuer=https://x', `--service-account-signing-key-file=${folder}/sa.key`), undefined)).serving!
  const first = await start()
  assert.equal(readFileSync(join(folder, 'certs/apiserver.crt'), 'utf8'), first.certificate)
  assert.equal((await start()).certificate, first.certificate)
})

test('--runtime-config chooses what is served; nonsense is refused', async (t) => {
  const folder = folderOf(t)
  const runtime = testRuntime()
  writeFileSync(join(folder, 'sa.key'), (await createSigningKey()).privateKey)
  const served = async (...config: string[]) => (await composeOptions(runtime, settings('--etcd-servers=http://127.0.0.1:1', `--cert-dir=${folder}`, '--service-account-issuer=https://x', `--service-account-signing-key-file=${folder}/sa.key`, ...config.map((each) => `--runtime-config=${each}`)), undefined)).resources
  assert.equal(await served(), undefined)
  const chosen = (await served('batch/v1=false,resource.k8s.io/v1beta2', 'apps/v1/deployments=false'))!
  assert.deepEqual([chosen.find('batch', 'v1', 'jobs'), chosen.find('apps', 'v1', 'deployments')], [undefined, undefined])
  assert.ok(chosen.find('resource.k8s.io', 'v1beta2', 'resourceclaims') !== undefined && chosen.find('apps', 'v1', 'daemonsets') !== undefined)
  await assert.rejects(served('api/all=false'), /invalid runtime-config with only api\/all=false/)
  await assert.rejects(served('made.up/v1=true'), /unknown api groups made\.up\/v1/)
})

test('a resource of a feature that is off is not served, whatever --runtime-config says', async (t) => {
  const folder = folderOf(t)
  writeFileSync(join(folder, 'sa.key'), (await createSigningKey()).privateKey)
  const bundles = async (...flags: string[]) => (await composeOptions(testRuntime(), settings('--etcd-servers=http://127.0.0.1:1', `--cert-dir=${folder}`, '--service-account-issuer=https://x', `--service-account-signing-key-file=${folder}/sa.key`, ...flags), undefined))
    .resources?.find('certificates.k8s.io', 'v1beta1', 'clustertrustbundles') !== undefined
  assert.equal(await bundles('--runtime-config=certificates.k8s.io/v1beta1=true'), false)
  assert.equal(await bundles('--feature-gates=ClusterTrustBundle=true'), false)
  assert.equal(await bundles('--runtime-config=certificates.k8s.io/v1beta1=true', '--feature-gates=ClusterTrustBundle=true'), true)
})

test('what is shown of flags and features', () => {
  const { flags, statusz, features, eventTtlMs, identity } = operatingOptions(settings('--data-dir=x', '--event-ttl=10m', '--feature-gates=ComponentStatusz=false,APIServerIdentity=false', '--etcd-servers=http://a:1,http://b:1'))
  assert.deepEqual([flags?.['event-ttl'], flags?.['etcd-servers'], flags?.['feature-gates'], flags?.['secure-port']], ['10m0s', '[http://a:1,http://b:1]', 'ComponentStatusz=false,APIServerIdentity=false', '6443'])
  assert.deepEqual([statusz, eventTtlMs, identity, features?.find(({ name }) => name === 'ComponentStatusz')], [false, 600_000, false, { name: 'ComponentStatusz', stage: 'BETA', isEnabled: false }])
  assert.equal(operatingOptions(settings('--feature-gates=ComponentFlagz=false')).flags, undefined)
})
