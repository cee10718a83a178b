import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { pemBlocks } from '../validation/pem.ts'

const isKey = (type: string): boolean => type === 'PRIVATE KEY' || type.endsWith(' PRIVATE KEY')

/** Why a certificate and a key, both PEM, are no pair, in the words of Go's `tls.X509KeyPair`; undefined where they are one. */
export function keyPairProblem(certificatePem: string, keyPem: string): string | undefined {
  const certificates = pemBlocks(certificatePem)
  const leaf = certificates.find(({ type }) => type === 'CERTIFICATE')
  if (leaf === undefined) {
    const types = certificates.map(({ type }) => type)
    if (types.length === 0) return 'tls: failed to find any PEM data in certificate input'
    if (types.length === 1 && types[0]?.endsWith('PRIVATE KEY') === true) return 'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched'
    return `tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: [${types.join(' ')}]`
  }
  const keys = pemBlocks(keyPem)
  const keyBlock = keys.find(({ type }) => isKey(type))
  if (keyBlock === undefined) {
    const types = keys.map(({ type }) => type)
    if (types.length === 0) return 'tls: failed to find any PEM data in key input'
    if (types.length === 1 && types[0] === 'CERTIFICATE') return 'tls: found a certificate rather than a key in the PEM for the private key'
    return `tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the following types: [${types.join(' ')}]`
  }
  const certified = publicKeyOf(leaf.bytes)
  if (certified === undefined) return 'x509: malformed certificate'
  const held = privateKeyOf(keyBlock.bytes)
  if (held === undefined) return 'tls: failed to parse private key'
  if (held.asymmetricKeyType !== certified.asymmetricKeyType) return 'tls: private key type does not match public key type'
  return createPublicKey(held).equals(certified) ? undefined : 'tls: private key does not match public key'
}

function publicKeyOf(der: Buffer): KeyObject | undefined {
  try {
    return new X509Certificate(der).publicKey
  } catch {
    // What is no certificate has no key.
    return undefined
  }
}

/** Whichever of its forms a key has, as Go tries them: PKCS #1, #8, SEC 1. */
function privateKeyOf(der: Buffer): KeyObject | undefined {
  for (const type of ['pkcs1', 'pkcs8', 'sec1'] as const) {
    try {
      return createPrivateKey({ key: der, format: 'der', type })
    } catch {
      // Of another form, or none.
    }
  }
  return undefined
}
