import { createPrivateKey, webcrypto, type KeyObject } from 'node:crypto'
import {
  AuthorityKeyIdentifierExtension, BasicConstraintsExtension, ExtendedKeyUsageExtension, KeyUsageFlags, KeyUsagesExtension, SubjectAlternativeNameExtension, SubjectKeyIdentifierExtension,
  X509Certificate, X509CertificateGenerator,
} from '@peculiar/x509'
import type { Runtime } from '../../runtime/runtime.ts'
import { issuedNames, issuedSubject } from './names.ts'
import type { ParsedRequest } from './request.ts'

/** A certificate authority's own certificate and key, both PEM. */
export interface SigningAuthority { certificate: string; key: string }

const keyUsages: Readonly<Record<string, number>> = {
  'signing': KeyUsageFlags.digitalSignature, 'digital signature': KeyUsageFlags.digitalSignature, 'content commitment': KeyUsageFlags.nonRepudiation, 'key encipherment': KeyUsageFlags.keyEncipherment,
  'key agreement': KeyUsageFlags.keyAgreement, 'data encipherment': KeyUsageFlags.dataEncipherment, 'cert sign': KeyUsageFlags.keyCertSign, 'crl sign': KeyUsageFlags.cRLSign,
  'encipher only': KeyUsageFlags.encipherOnly, 'decipher only': KeyUsageFlags.decipherOnly,
}
const extendedUsages: Readonly<Record<string, string>> = {
  'any': '2.5.29.37.0', 'server auth': '1.3.6.1.5.5.7.3.1', 'client auth': '1.3.6.1.5.5.7.3.2', 'code signing': '1.3.6.1.5.5.7.3.3', 'email protection': '1.3.6.1.5.5.7.3.4', 's/mime': '1.3.6.1.5.5.7.3.4',
  'ipsec end system': '1.3.6.1.5.5.7.3.5', 'ipsec tunnel': '1.3.6.1.5.5.7.3.6', 'ipsec user': '1.3.6.1.5.5.7.3.7', 'timestamping': '1.3.6.1.5.5.7.3.8', 'ocsp signing': '1.3.6.1.5.5.7.3.9',
  'microsoft sgc': '1.3.6.1.4.1.311.10.3.3', 'netscape sgc': '2.16.840.1.113730.4.1',
}

const curves: Readonly<Record<string, [string, string]>> = { prime256v1: ['P-256', 'SHA-256'], secp384r1: ['P-384', 'SHA-384'], secp521r1: ['P-521', 'SHA-512'] }

function algorithmOf(key: KeyObject): { name: string; hash: string; namedCurve?: string } {
  if (key.asymmetricKeyType === 'rsa') return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
  const [namedCurve, hash] = curves[key.asymmetricKeyDetails?.namedCurve ?? ''] ?? []
  if (key.asymmetricKeyType !== 'ec' || namedCurve === undefined || hash === undefined) throw new Error(`the authority's key is ${key.asymmetricKeyType ?? 'unknown'}; it must be RSA or EC P-256, P-384 or P-521`)
  return { name: 'ECDSA', namedCurve, hash }
}

/** Certificates begin a little in the past, for clocks that are behind. */
const backdateMs = 5 * 60_000
/** Shorter lives are not shortened further by the backdating. */
const shortMs = 8 * 3_600_000

export interface SignOptions { usages: readonly string[]; lifeMs: number }

/** A certificate for what `request` names, with its key (upstream's `PermissiveSigningPolicy`): PEM. Ends no later than the authority's own. */
export async function signRequest(runtime: Runtime, authority: SigningAuthority, parsed: ParsedRequest, { usages, lifeMs }: SignOptions): Promise<string> {
  const { request } = parsed
  if (!await request.verify()) throw new Error('unable to verify certificate request signature')
  const issuer = new X509Certificate(authority.certificate)
  const key = createPrivateKey(authority.key)
  const signingAlgorithm = algorithmOf(key)
  const signingKey = await webcrypto.subtle.importKey('pkcs8', Uint8Array.from(key.export({ format: 'der', type: 'pkcs8' })), signingAlgorithm, false, ['sign'])
  const nowMs = runtime.clock.now()
  const notBeforeMs = nowMs - backdateMs
  const notAfterMs = Math.min(lifeMs < shortMs ? nowMs + lifeMs : notBeforeMs + lifeMs, issuer.notAfter.getTime())
  const subject = issuedSubject(request.subjectName)
  const names = issuedNames(request.extensions.find((extension) => extension instanceof SubjectAlternativeNameExtension), subject.toString() === '')
  // The authority's key by the name that the authority gives it: verifiers compare the two.
  const issuerKeyId = issuer.extensions.find((extension) => extension instanceof SubjectKeyIdentifierExtension)?.keyId
  const flags = usages.reduce((sum, usage) => sum | (keyUsages[usage] ?? 0), 0)
  const extended = [...new Set(usages.map((usage) => extendedUsages[usage]).filter((oid) => oid !== undefined))]
  const certificate = await X509CertificateGenerator.create({
    serialNumber: `00${Buffer.from(runtime.random.bytes(16)).toString('hex')}`, subject, issuer: issuer.subjectName, publicKey: request.publicKey, signingKey, signingAlgorithm,
    notBefore: new Date(notBeforeMs), notAfter: new Date(notAfterMs),
    extensions: [
      ...(flags === 0 ? [] : [new KeyUsagesExtension(flags, true)]), ...(extended.length === 0 ? [] : [new ExtendedKeyUsageExtension(extended)]),
      new BasicConstraintsExtension(false, undefined, true), ...(issuerKeyId === undefined ? [] : [new AuthorityKeyIdentifierExtension(issuerKeyId)]), ...(names === undefined ? [] : [names]),
    ],
  })
  return `${certificate.toString('pem')}\n`
}
