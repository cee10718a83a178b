import 'reflect-metadata'
import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { test } from 'node:test'
import { Name, X509CertificateGenerator } from '@peculiar/x509'
import { StatusError } from '../../machinery/status.ts'
import { testRuntime } from '../../runtime/runtime.ts'
import type { ServerRequest } from '../context.ts'
import { clientCertificateAuthenticator } from './client-certificate.ts'

async function certificateOf(subject: ConstructorParameters<typeof Name>[0]): Promise<Uint8Array> {
  const keys = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: '01', name: new Name(subject).toString(), keys, notBefore: new Date('2026-01-01T00:00:00Z'), notAfter: new Date('2026-02-01T00:00:00Z'),
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
  })
  return new Uint8Array(certificate.rawData)
}

const authenticate = (der: Uint8Array | undefined, runtime = testRuntime({ startMs: Date.UTC(2026, 0, 2) })): ReturnType<ReturnType<typeof clientCertificateAuthenticator>['authenticate']> =>
  clientCertificateAuthenticator(runtime).authenticate({ clientCertificate: der } as ServerRequest)

test('the common name is the user, organisations are groups', async () => {
  const user = await authenticate(await certificateOf([{ CN: ['ann'] }, { O: ['dev'] }, { O: ['ops'] }]))
  assert.equal(user?.username, 'ann')
  assert.deepEqual(user?.groups, ['dev', 'ops', 'system:authenticated'])
  assert.match(user?.extra?.['authentication.kubernetes.io/credential-id']?.[0] ?? '', /^X509SHA256=[0-9a-f]{64}$/)
})

test('a name that looks like more attributes stays one name', async () => {
  const user = await authenticate(await certificateOf([{ CN: ['ann\nO=system:masters'] }]))
  assert.equal(user?.username, 'ann\nO=system:masters')
  assert.deepEqual(user?.groups, ['system:authenticated'])
})

test('no certificate or one without a name is nobody', async () => {
  assert.equal(await authenticate(undefined), undefined)
  assert.equal(await authenticate(await certificateOf([{ O: ['system:masters'] }])), undefined)
})

test('a certificate that has run out on an open connection is refused', async () => {
  const runtime = testRuntime({ startMs: Date.UTC(2026, 0, 31) })
  const authenticator = clientCertificateAuthenticator(runtime)
  const request = { clientCertificate: await certificateOf([{ CN: ['ann'] }]) } as ServerRequest
  assert.ok(authenticator.authenticate(request))
  await runtime.clock.advance(2 * 86_400_000)
  assert.throws(() => authenticator.authenticate(request), (error) => error instanceof StatusError && error.code === 401)
})

test('one credential has one user object, for answers to be remembered with', async () => {
  const authenticator = clientCertificateAuthenticator(testRuntime({ startMs: Date.UTC(2026, 0, 2) }))
  const request = { clientCertificate: await certificateOf([{ CN: ['ann'] }]) } as ServerRequest
  assert.equal(authenticator.authenticate(request), authenticator.authenticate(request))
})
