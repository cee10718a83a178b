import assert from 'node:assert/strict'
import 'reflect-metadata'
import { X509Certificate, webcrypto } from 'node:crypto'
import { test } from 'node:test'
import * as x509 from '@peculiar/x509'
import { subjectNames } from './subject-names.ts'

async function certificateOf(name: string | ConstructorParameters<typeof x509.Name>[0]): Promise<X509Certificate> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const made = await x509.X509CertificateGenerator.createSelfSigned({ name: new x509.Name(name as string).toString(), keys, signingAlgorithm: algorithm }, webcrypto as never)
  return new X509Certificate(Buffer.from(made.rawData))
}

const cases: ReadonlyArray<readonly [name: string, Record<string, string[]>]> = [
  ['CN=jane, O=one, O=two', { CN: ['jane'], O: ['one', 'two'] }],
  ['CN=system:node:a.b, O=system:nodes', { CN: ['system:node:a.b'], O: ['system:nodes'] }],
  ['CN=jane+O=one', { CN: ['jane'], O: ['one'] }],
  ['CN=a \\+ O\\=masters', { CN: ['a + O=masters'] }],
  ['CN=Jürgen 日本', { CN: ['Jürgen 日本'] }],
  ['CN=a\\,b\\\\c\\"d', { CN: ['a,b\\c"d'] }],
  ['1.3.6.1.4.1.57683.2=the-uid, CN=jane', { '1.3.6.1.4.1.57683.2': ['the-uid'], CN: ['jane'] }],
]

for (const [name, expected] of cases) test(`the subject ${name} is read`, async () => assert.deepEqual(Object.fromEntries(subjectNames(await certificateOf(name))), expected))

test('a line end inside of a value makes no attribute of its own', async () => {
  const certificate = await certificateOf([{ CN: ['a\nO=system:masters'] }])
  assert.deepEqual([...subjectNames(certificate).keys()], ['CN'])
})

test('a certificate whose key cannot be loaded is read all the same', async () => {
  const raw = Buffer.from((await certificateOf('CN=jane')).raw)
  const key = raw.indexOf(Buffer.from('03420004', 'hex'))
  raw[key + 3] = 0xff
  assert.deepEqual(subjectNames(new X509Certificate(raw)).get('CN'), ['jane'])
})
