import 'reflect-metadata'
import assert from 'node:assert/strict'
import { generateKeyPairSync, webcrypto, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import {
  AuthorityKeyIdentifierExtension, BasicConstraintsExtension, Name, Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension, SubjectKeyIdentifierExtension, X509Certificate as LibraryCertificate,
  X509CertificateGenerator,
} from '@peculiar/x509'
import type { CertificateSigningRequest } from '../../api/types/certificates.k8s.io_v1.ts'
import { certificateSigningRequests } from '../../client/resources.ts'
import { timeText } from '../../machinery/object.ts'
import { testRuntime } from '../../runtime/runtime.ts'
import { controllerTest } from '../testing/cluster.ts'
import { signRequest, type SigningAuthority } from './authority.ts'
import { isOver, startCertificateCleaning } from './cleaning.ts'
import { parseRequest, builtinSigners, clientSigner, kubeletClientSigner, kubeletServingSigner, legacySigner } from './request.ts'
import { certificateSigning, lifeOf } from './signing.ts'

const ec = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const rsa = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent: Uint8Array.from([1, 0, 1]) }
const dayMs = 86_400_000

async function authorityOf(algorithm: typeof ec | typeof rsa, nowMs: number): Promise<SigningAuthority> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']) as webcrypto.CryptoKeyPair
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: '01', name: 'CN=kubernetes', keys, signingAlgorithm: algorithm, notBefore: new Date(nowMs - dayMs), notAfter: new Date(nowMs + 3650 * dayMs), extensions: [new BasicConstraintsExtension(true, undefined, true)],
  })
  const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  return { certificate: certificate.toString('pem'), key: `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n` }
}

type Names = ConstructorParameters<typeof SubjectAlternativeNameExtension>[0]

async function pemOf(subject: ConstructorParameters<typeof Name>[0], names?: Names): Promise<string> {
  const keys = await webcrypto.subtle.generateKey(ec, true, ['sign', 'verify']) as webcrypto.CryptoKeyPair
  const request = await Pkcs10CertificateRequestGenerator.create({ name: new Name(subject).toString(), keys, signingAlgorithm: ec, extensions: names === undefined ? [] : [new SubjectAlternativeNameExtension(names)] })
  return Buffer.from(request.toString('pem')).toString('base64')
}

const approved = { type: 'Approved', status: 'True' }
const node = [{ O: ['system:nodes'] }, { CN: ['system:node:n1'] }]
const clientUsages = ['digital signature', 'client auth']

for (const [name, algorithm] of [['EC', ec], ['RSA', rsa]] as const) {
  test(`an approved request gets a certificate of an ${name} authority for what it names`, async (t) => {
    const { api, runtime, start, settle, stop } = controllerTest()
    t.after(stop)
    const authority = await authorityOf(algorithm, runtime.clock.now())
    start(certificateSigning({ authority }))
    const request = await pemOf([{ O: ['dev', 'ops'] }, { CN: ['ann'] }], [{ type: 'dns', value: 'ann.example.com' }])
    api.seed(certificateSigningRequests, { metadata: { name: 'ann' }, spec: { request, signerName: clientSigner, usages: clientUsages, expirationSeconds: 3600 }, status: { conditions: [approved] } })
    for (let i = 0; i < 100 && api.get(certificateSigningRequests, 'ann')?.status?.certificate === undefined; i++) {
      await settle()
    }
    const issued = new X509Certificate(Buffer.from(api.get(certificateSigningRequests, 'ann')!.status!.certificate!, 'base64'))
    const ca = new X509Certificate(authority.certificate)
    assert.ok(issued.checkIssued(ca) && issued.verify(ca.publicKey) && !issued.ca)
    const subject = issued.toLegacyObject().subject as unknown as Record<string, unknown>
    assert.deepEqual([subject.CN, subject.O, issued.subjectAltName, issued.keyUsage], ['ann', ['dev', 'ops'], 'DNS:ann.example.com', ['1.3.6.1.5.5.7.3.2']])
    const lifeMs = issued.validToDate.getTime() - issued.validFromDate.getTime()
    assert.equal(lifeMs, 3600_000 + 300_000, 'a short life is not shortened by the backdating')
  })
}

test('what a signer does not take fails, and what is not approved or for others stays', async (t) => {
  const { api, runtime, start, settle, stop } = controllerTest()
  t.after(stop)
  start(certificateSigning({ authority: await authorityOf(ec, runtime.clock.now()) }))
  const request = await pemOf([{ CN: ['ann'] }])
  const seed = (name: string, spec: Partial<CertificateSigningRequest['spec']>, conditions: { type: string; status: string }[] = [approved]): void => {
    api.seed(certificateSigningRequests, { metadata: { name }, spec: { request, signerName: clientSigner, usages: clientUsages, ...spec }, status: { conditions } })
  }
  seed('server', { usages: ['server auth'] })
  seed('pending', {}, [])
  seed('denied', {}, [approved, { type: 'Denied', status: 'True' }])
  seed('foreign', { signerName: 'example.com/signer' })
  for (let i = 0; i < 20; i++) await settle()
  const failed = api.get(certificateSigningRequests, 'server')!.status!.conditions!.find(({ type }) => type === 'Failed')
  assert.deepEqual([failed?.reason, failed?.message], ['SignerValidationFailure', 'invalid usage for client certificate: server auth'])
  for (const name of ['pending', 'denied', 'foreign']) assert.equal(api.get(certificateSigningRequests, name)!.status!.certificate, undefined, name)
})

test('each signer takes what Kubernetes documents', async () => {
  const serving = ['digital signature', 'key encipherment', 'server auth']
  const dns: Names = [{ type: 'dns', value: 'n1' }]
  const cases: [string, ConstructorParameters<typeof Name>[0], Names | undefined, string[], string | undefined][] = [
    [kubeletClientSigner, node, undefined, clientUsages, undefined],
    [kubeletClientSigner, node, undefined, [...clientUsages, 'key encipherment'], undefined],
    [kubeletClientSigner, node, undefined, serving, 'usages did not match [client auth digital signature key encipherment]'],
    [kubeletClientSigner, node, dns, clientUsages, 'DNS subjectAltNames are not allowed'],
    [kubeletClientSigner, [{ CN: ['system:node:n1'] }], undefined, clientUsages, 'subject organization is not system:nodes'],
    [kubeletClientSigner, [{ O: ['system:nodes'] }, { O: ['system:masters'] }, { CN: ['system:node:n1'] }], undefined, clientUsages, 'subject organization is not system:nodes'],
    [kubeletClientSigner, [{ O: ['system:nodes'] }, { CN: ['ann'] }], undefined, clientUsages, 'subject common name does not begin with system:node:'],
    [kubeletServingSigner, node, [...dns, { type: 'ip', value: '192.0.2.1' }], serving, undefined],
    [kubeletServingSigner, node, undefined, serving, 'DNS or IP subjectAltName is required'],
    [kubeletServingSigner, node, [{ type: 'email', value: 'a@b.c' }, ...dns], serving, 'Email subjectAltNames are not allowed'],
    [kubeletServingSigner, node, dns, clientUsages, 'usages did not match [digital signature key encipherment server auth]'],
    [clientSigner, [{ CN: ['ann'] }], undefined, ['digital signature'], 'missing required usage for client certificate: client auth'],
    [legacySigner, [{ CN: ['ann'] }], undefined, ['any'], undefined],
  ]
  for (const [signerName, subject, names, usages, expected] of cases) {
    const parsed = parseRequest({ metadata: {}, spec: { request: await pemOf(subject, names), signerName } })
    assert.equal(builtinSigners[signerName]!(parsed, usages), expected, `${signerName} ${JSON.stringify(subject)} ${usages.join()}`)
  }
})

test('a request may ask for a shorter life, not for a longer one', () => {
  assert.deepEqual([undefined, 60, 3600, 10 ** 9].map((seconds) => lifeOf(seconds, dayMs)), [dayMs, 600_000, 3600_000, dayMs])
})

test('a certificate names what its request names as Go writes it, and its authority by the authority\'s own bytes', async () => {
  const runtime = testRuntime()
  // The authority's name in another sort of string than the library would choose, and a key identifier that is no hash of its key.
  const keys = await webcrypto.subtle.generateKey(ec, true, ['sign', 'verify']) as webcrypto.CryptoKeyPair
  const ca = await X509CertificateGenerator.createSelfSigned({
    name: new Name([{ CN: [{ utf8String: 'plain ca' }] }]), keys, signingAlgorithm: ec, notBefore: new Date(runtime.clock.now()), notAfter: new Date(runtime.clock.now() + 86_400_000),
    extensions: [new BasicConstraintsExtension(true, undefined, true), new SubjectKeyIdentifierExtension('0102030405')],
  })
  const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  const authority = { certificate: ca.toString('pem'), key: `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n` }
  const asked = await pemOf([{ O: ['zeta'] }, { CN: ['ann'] }, { OU: ['u'] }, { O: ['alpha'] }, { C: ['DE'] }], [{ type: 'url', value: 'spiffe://x' }, { type: 'ip', value: '1.2.3.4' }, { type: 'email', value: 'a@b.c' }, { type: 'dns', value: 'a.b' }])
  const parsed = parseRequest({ metadata: { name: 'x' }, spec: { request: asked, signerName: clientSigner, usages: clientUsages } })
  const issued = new LibraryCertificate(await signRequest(runtime, authority, parsed, { usages: clientUsages, lifeMs: 3_600_000 }))
  assert.deepEqual(issued.subjectName.toJSON(), [{ C: ['DE'] }, { O: ['zeta', 'alpha'] }, { OU: ['u'] }, { CN: ['ann'] }])
  assert.deepEqual(Buffer.from(issued.issuerName.toArrayBuffer()), Buffer.from(ca.subjectName.toArrayBuffer()))
  assert.equal(issued.getExtension(AuthorityKeyIdentifierExtension)?.keyId, '0102030405')
  assert.equal(issued.getExtension(SubjectKeyIdentifierExtension), null)
  assert.deepEqual(issued.getExtension(SubjectAlternativeNameExtension)?.names.toJSON().map(({ type }) => type), ['dns', 'email', 'ip', 'url'])
})

test('requests go when they are over', async (t) => {
  const { api, runtime, start, settle, stop } = controllerTest()
  t.after(stop)
  const ago = (ms: number): string => timeText(runtime.clock.now() - ms)
  const hourMs = 3_600_000
  const request = (conditions: { type: string; ageMs: number }[], certificate?: string, ageMs = 0): CertificateSigningRequest => ({
    metadata: { creationTimestamp: ago(ageMs) }, spec: { request: '', signerName: clientSigner },
    status: { conditions: conditions.map(({ type, ageMs: age }) => ({ type, status: 'True', lastUpdateTime: ago(age) })), ...(certificate === undefined ? {} : { certificate }) },
  })
  const over: [string, CertificateSigningRequest, boolean][] = [
    ['issued', request([{ type: 'Approved', ageMs: 2 * hourMs }], 'eA=='), true], ['fresh', request([{ type: 'Approved', ageMs: hourMs / 2 }], 'eA=='), false],
    ['unissued', request([{ type: 'Approved', ageMs: 2 * hourMs }]), false], ['denied', request([{ type: 'Denied', ageMs: 2 * hourMs }]), true],
    ['failed', request([{ type: 'Failed', ageMs: 2 * hourMs }]), true], ['waiting', request([], undefined, 23 * hourMs), false], ['forgotten', request([], undefined, 25 * hourMs), true],
  ]
  for (const [name, object, expected] of over) {
    assert.equal(isOver(object, runtime.clock.now()), expected, name)
    api.seed(certificateSigningRequests, { ...object, metadata: { ...object.metadata, name } })
  }
  start(startCertificateCleaning)
  await settle()
  assert.deepEqual(api.all(certificateSigningRequests).map(({ metadata }) => metadata.name).sort(), ['fresh', 'unissued', 'waiting'])
})

test('keys that no authority has are refused', async () => {
  const { signRequest } = await import('./authority.ts')
  const { runtime } = controllerTest()
  const { certificate } = await authorityOf(ec, runtime.clock.now())
  const key = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  const parsed = parseRequest({ metadata: {}, spec: { request: await pemOf([{ CN: ['ann'] }]), signerName: clientSigner } })
  await assert.rejects(signRequest(runtime, { certificate, key }, parsed, { usages: [], lifeMs: dayMs }), /ed25519; it must be RSA or EC/)
})
