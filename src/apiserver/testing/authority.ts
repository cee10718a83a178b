import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import * as x509 from '@peculiar/x509'
import type { TestCertificate } from './certificate.ts'

/** A certificate authority for tests. */
export interface TestAuthority {
  /** PEM. */
  readonly certificate: string
  /** A certificate for servers (with `hosts`) and clients alike, good for a day. */
  issue(commonName: string, hosts?: readonly string[]): Promise<TestCertificate>
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const dayMs = 86_400_000

type Generated = Parameters<typeof x509.X509CertificateGenerator.create>[1]

async function keysOf(): Promise<{ keys: webcrypto.CryptoKeyPair; key: string }> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  return { keys, key: x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY') }
}

export async function testAuthority(nowMs: number, name = 'front-proxy-ca'): Promise<TestAuthority> {
  const own = await keysOf()
  const notBefore = new Date(nowMs - 3_600_000)
  const notAfter = new Date(nowMs + dayMs)
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`, keys: own.keys, signingAlgorithm: algorithm, notBefore, notAfter, extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  }, webcrypto as unknown as Generated)
  return {
    certificate: root.toString('pem'),
    async issue(commonName, hosts = []) {
      const { keys, key } = await keysOf()
      const names = hosts.map((value) => ({ type: isIP(value) === 0 ? 'dns' as const : 'ip' as const, value }))
      const certificate = await x509.X509CertificateGenerator.create({
        subject: `CN=${commonName}`, issuer: root.subject, publicKey: keys.publicKey, signingKey: own.keys.privateKey, signingAlgorithm: algorithm, notBefore, notAfter,
        extensions: names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)],
      }, webcrypto as unknown as Generated)
      return { certificate: certificate.toString('pem'), key }
    },
  }
}
