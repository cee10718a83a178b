import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fakeCore } from '../admission/fake-core.ts'
import { testAuthority } from '../testing/authority.ts'
import { authenticationInfoData, combinedInfo, publishAuthenticationInfo, type AuthenticationInfo } from './authentication-info.ts'

const nowMs = Date.UTC(2026, 0, 1)
const header = (caPem: string, allowedNames: string[]): AuthenticationInfo => ({
  requestHeader: { caPem, allowedNames, usernameHeaders: ['X-Remote-User'], groupHeaders: ['X-Remote-Group'], extraHeaderPrefixes: ['X-Remote-Extra-'] },
})

test('the ConfigMap says how front proxies are known', async () => {
  const { certificate } = await testAuthority(nowMs)
  assert.deepEqual(authenticationInfoData({ clientCaPem: 'A', ...header(certificate, ['front-proxy-client']) }), {
    'client-ca-file': 'A', 'requestheader-client-ca-file': certificate, 'requestheader-allowed-names': '["front-proxy-client"]', 'requestheader-username-headers': '["X-Remote-User"]',
    'requestheader-group-headers': '["X-Remote-Group"]', 'requestheader-extra-headers-prefix': '["X-Remote-Extra-"]',
  })
})

test('servers with different authorities add to each other, and what has run out goes', async () => {
  const [first, second, old] = await Promise.all([testAuthority(nowMs), testAuthority(nowMs), testAuthority(nowMs - 10 * 86_400_000)])
  const standing = combinedInfo({}, authenticationInfoData(header(`${first.certificate}\n${old.certificate}`, ['a'])), nowMs)
  const combined = combinedInfo({ ...standing, other: 'kept' }, authenticationInfoData(header(second.certificate, ['b', 'a'])), nowMs)
  assert.equal(combined['requestheader-allowed-names'], '["a","b"]')
  assert.equal(combined['requestheader-client-ca-file'], `${first.certificate.trim()}\n${second.certificate.trim()}\n`)
  assert.equal(combined.other, 'kept')
  assert.deepEqual(combinedInfo(combined, authenticationInfoData(header(second.certificate, ['b', 'a'])), nowMs), combined)
})

test('a ConfigMap that somebody removes or breaks is put back within a minute', async () => {
  const core = fakeCore()
  const { certificate } = await testAuthority(core.runtime.clock.now())
  await publishAuthenticationInfo(core, header(certificate, ['a']))
  const resource = core.resource('configmaps')
  const read = async (): Promise<Record<string, string>> => (await core.registry.get(resource, 'kube-system', 'extension-apiserver-authentication')).data as Record<string, string>
  await core.registry.update(resource, 'kube-system', 'extension-apiserver-authentication', (current) => ({ ...current, data: { 'requestheader-allowed-names': '{' } }), { user: { username: 'x', groups: [] } })
  await core.runtime.clock.advance(60_000)
  assert.equal((await read())['requestheader-allowed-names'], '["a"]')
  assert.match((await read())['requestheader-client-ca-file']!, /BEGIN CERTIFICATE/)
})

test('an authority that is put into its file is published', async (t) => {
  const core = fakeCore()
  const nowMs = core.runtime.clock.now()
  const [first, second] = await Promise.all([testAuthority(nowMs, 'first'), testAuthority(nowMs, 'second')])
  const directory = await mkdtemp(join(tmpdir(), 'k8ts-authority-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  const clientCa = join(directory, 'ca.crt')
  await writeFile(clientCa, first.certificate)
  await publishAuthenticationInfo(core, { clientCaPem: first.certificate, files: { clientCa } })
  const read = async (): Promise<string> => ((await core.registry.get(core.resource('configmaps'), 'kube-system', 'extension-apiserver-authentication')).data as Record<string, string>)['client-ca-file']!
  assert.equal((await read()).match(/BEGIN/g)?.length, 1)
  await writeFile(clientCa, second.certificate)
  await core.runtime.clock.advance(1_000)
  for (let turn = 0; turn < 1000 && (await read()).match(/BEGIN/g)?.length === 1; turn++) await core.runtime.clock.settle()
  assert.ok((await read()).includes(second.certificate.trim()))
})
