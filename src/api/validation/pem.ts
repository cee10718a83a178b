import { createPublicKey, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

/** Blocks of PEM text (RFC 7468), and as much of PKCS#10 as tells whether a request is signed with its own key (RFC 2986). */

export interface PemBlock { type: string; hasHeaders: boolean; bytes: Buffer }

const blockPattern = /-----BEGIN ([^\r\n]*?)-----[ \t]*\r?\n([\s\S]*?)-----END \1-----/g

export function pemBlocks(text: string): PemBlock[] {
  const blocks: PemBlock[] = []
  for (const [, type = '', body = ''] of text.matchAll(blockPattern)) {
    const lines = body.split(/\r?\n/)
    const headers = lines.filter((line) => line.includes(':'))
    const content = lines.filter((line) => !line.includes(':')).join('').replaceAll(/\s/g, '')
    if (/^[A-Za-z0-9+/]*={0,2}$/.test(content)) blocks.push({ type, hasHeaders: headers.length > 0, bytes: Buffer.from(content, 'base64') })
  }
  return blocks
}

interface Element { tag: number; content: Buffer; whole: Buffer; end: number }

const malformed = (): Error => new Error('asn1: structure error: malformed certificate request')

function elementAt(der: Buffer, offset: number): Element {
  const tag = der[offset]
  const first = der[offset + 1]
  if (tag === undefined || first === undefined) throw malformed()
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f
  if (lengthBytes > 4 || first === 0x80 || offset + 2 + lengthBytes > der.length) throw malformed()
  const length = lengthBytes === 0 ? first : der.readUIntBE(offset + 2, lengthBytes)
  const start = offset + 2 + lengthBytes
  if (start + length > der.length) throw malformed()
  return { tag, content: der.subarray(start, start + length), whole: der.subarray(offset, start + length), end: start + length }
}

function childrenOf(content: Buffer): Element[] {
  const children: Element[] = []
  for (let offset = 0; offset < content.length;) {
    const child = elementAt(content, offset)
    children.push(child)
    offset = child.end
  }
  return children
}

/** Hash of the signature algorithms that Go's x509 takes; `null`: the key's own (Ed25519). */
const hashes: Record<string, string | null> = {
  '2a864886f70d01010b': 'sha256', '2a864886f70d01010c': 'sha384', '2a864886f70d01010d': 'sha512', '2a864886f70d010105': 'sha1',
  '2a8648ce3d040302': 'sha256', '2a8648ce3d040303': 'sha384', '2a8648ce3d040304': 'sha512', '2a8648ce3d0401': 'sha1', '2b6570': null,
}

/** Throws, in Go's words where they are known, when the text holds no request for a certificate that is signed with its own key. */
export function checkCertificateRequest(pem: string): void {
  const [block] = pemBlocks(pem)
  if (block === undefined || block.type !== 'CERTIFICATE REQUEST') throw new Error('PEM block type must be CERTIFICATE REQUEST')
  const [info, algorithm, signature] = childrenOf(elementAt(block.bytes, 0).content)
  if (info === undefined || algorithm === undefined || signature === undefined) throw malformed()
  const key = childrenOf(info.content)[2]
  const oid = childrenOf(algorithm.content)[0]
  if (key === undefined || oid === undefined) throw malformed()
  let publicKey: KeyObject
  try {
    publicKey = createPublicKey({ key: key.whole, format: 'der', type: 'spki' })
  } catch (error) {
    throw new Error('x509: failed to parse public key of certificate request', { cause: error })
  }
  const hash = hashes[oid.content.toString('hex')]
  if (hash === undefined) throw new Error('x509: cannot verify signature: algorithm unimplemented')
  // The first byte of a bit string counts unused bits.
  if (!verify(hash, info.whole, publicKey, signature.content.subarray(1))) {
    throw new Error(publicKey.asymmetricKeyType === 'ec' ? 'x509: ECDSA verification failure' : publicKey.asymmetricKeyType === 'rsa' ? 'crypto/rsa: verification error' : 'x509: Ed25519 verification failure')
  }
}
