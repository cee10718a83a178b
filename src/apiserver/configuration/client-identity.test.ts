import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { testRuntime } from '../../runtime/runtime.ts'
import { loopbackCertificate } from '../testing/certificate.ts'
import { followClientIdentity, type ClientIdentity } from './client-identity.ts'

test('a certificate and its key are taken over when both have changed, and nothing that does not fit', async (t) => {
  const runtime = testRuntime()
  const directory = await mkdtemp(join(tmpdir(), 'k8ts-identity-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  const files = { certificate: join(directory, 'tls.crt'), key: join(directory, 'tls.key'), ca: join(directory, 'ca.crt') }
  const [first, second] = await Promise.all([loopbackCertificate(runtime.clock.now()), loopbackCertificate(runtime.clock.now())])
  const identity = { ...first, ca: first.certificate, files }
  for (const part of ['certificate', 'key', 'ca'] as const) await writeFile(files[part], identity[part])
  const ending = new AbortController()
  const seen: ClientIdentity[] = []
  followClientIdentity(identity, runtime, ending.signal, (changed) => seen.push(changed))
  const second1 = async (isDone: () => boolean): Promise<void> => {
    await runtime.clock.advance(1_000)
    for (let turn = 0; turn < 50_000 && !isDone(); turn++) await runtime.clock.settle()
    assert.ok(isDone())
  }
  await writeFile(files.certificate, second.certificate)
  await second1(() => runtime.log.lines.some(({ level, message }) => level === 'error' && message.includes('cannot be used')))
  assert.equal(seen.length, 0, 'the key is still that of the first')
  await writeFile(files.key, second.key)
  await second1(() => seen.length === 1)
  assert.deepEqual([seen[0]!.certificate, seen[0]!.key, seen[0]!.ca], [second.certificate, second.key, first.certificate])
  await writeFile(files.ca, second.certificate)
  await second1(() => seen.length === 2)
  assert.equal(seen[1]!.ca, second.certificate)
  await rm(files.ca)
  const errorsSaid = (): number => runtime.log.lines.filter(({ level }) => level === 'error').length
  const before = errorsSaid()
  await second1(() => errorsSaid() > before)
  for (let i = 0; i < 5; i++) await second1(() => true)
  assert.equal(errorsSaid(), before + 1, 'a file that stays away is told of once')
  ending.abort()
})
