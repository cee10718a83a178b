import { createPrivateKey, createPublicKey, webcrypto, X509Certificate as NodeCertificate } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { join } from 'node:path'
import type { Runtime } from '../runtime/runtime.ts'

/** A certificate and its private key, both PEM. */
export interface KeyPair { certificate: string; key: string }

/** What a certificate is for; `hosts` are DNS names and IP addresses. */
export interface CertificateRequest {
  commonName: string
  organizations?: readonly string[]
  hosts?: readonly string[]
  usages: ReadonlyArray<'server' | 'client'>
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const serverAuth = '1.3.6.1.5.5.7.3.1'
const clientAuth = '1.3.6.1.5.5.7.3.2'
const yearMs = 365 * 24 * 3600 * 1000

async function privatePem(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key))
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ format: 'pem', type: 'pkcs8' }).toString()
}

/** The key in the form the signer wants. */
async function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(pem).export({ format: 'der', type: 'pkcs8' })
  return webcrypto.subtle.importKey('pkcs8', Uint8Array.from(der), algorithm, true, ['sign'])
}

async function x509(): Promise<typeof import('@peculiar/x509')> {
  // tsyringe, inside the library, refuses to load without it.
  await import('reflect-metadata')
  const library = await import('@peculiar/x509')
  library.cryptoProvider.set(webcrypto)
  return library
}

function serialNumber(runtime: Runtime): string {
  const bytes = runtime.random.bytes(15)
  return `01${Buffer.from(bytes).toString('hex')}`
}

/** A certificate authority of its own key, valid for ten years. */
export async function createAuthority(runtime: Runtime, commonName: string): Promise<KeyPair> {
  const library = await x509()
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const now = runtime.clock.now()
  const certificate = await library.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(runtime), name: [{ CN: [commonName] }], notBefore: new Date(now - 3600_000), notAfter: new Date(now + 10 * yearMs),
    signingAlgorithm: algorithm, keys,
    extensions: [
      new library.BasicConstraintsExtension(true, undefined, true),
      new library.KeyUsagesExtension(library.KeyUsageFlags.keyCertSign | library.KeyUsageFlags.cRLSign | library.KeyUsageFlags.digitalSignature, true),
      await library.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { certificate: `${certificate.toString('pem')}\n`, key: await privatePem(keys.privateKey) }
}

/** A certificate signed by `authority`, valid for one year, with a new key. */
export async function issueCertificate(runtime: Runtime, authority: KeyPair, request: CertificateRequest): Promise<KeyPair> {
  const library = await x509()
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const issuer = new library.X509Certificate(authority.certificate)
  const now = runtime.clock.now()
  const names = (request.hosts ?? []).map((host) => ({ type: isIP(host) === 0 ? 'dns' as const : 'ip' as const, value: host }))
  const certificate = await library.X509CertificateGenerator.create({
    serialNumber: serialNumber(runtime),
    subject: [...(request.organizations ?? []).map((organization) => ({ O: [organization] })), { CN: [request.commonName] }],
    issuer: issuer.subject, notBefore: new Date(now - 3600_000), notAfter: new Date(now + yearMs),
    signingAlgorithm: algorithm, publicKey: keys.publicKey, signingKey: await importKey(authority.key),
    extensions: [
      new library.BasicConstraintsExtension(false, undefined, true),
      new library.KeyUsagesExtension(library.KeyUsageFlags.digitalSignature | library.KeyUsageFlags.keyEncipherment, true),
      new library.ExtendedKeyUsageExtension(request.usages.map((usage) => (usage === 'server' ? serverAuth : clientAuth))),
      await library.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      ...(names.length > 0 ? [new library.SubjectAlternativeNameExtension(names)] : []),
    ],
  })
  return { certificate: `${certificate.toString('pem')}\n`, key: await privatePem(keys.privateKey) }
}

/** A key pair that signs service-account tokens: PEM private key, PEM public key. */
export async function createSigningKey(): Promise<{ privateKey: string; publicKey: string }> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const privateKey = await privatePem(keys.privateKey)
  return { privateKey, publicKey: createPublicKey(privateKey).export({ format: 'pem', type: 'spki' }).toString() }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new Error(`cannot read ${path}: ${(error as Error).message}`, { cause: error })
  }
}

/** Written whole or not at all: a crash leaves no half a key behind. Keys are readable by their owner only. */
async function writeWhole(path: string, text: string, mode: number): Promise<void> {
  await writeFile(`${path}.new`, text, { mode })
  await rename(`${path}.new`, path)
}

function stillGood(certificate: string, request: CertificateRequest, nowMs: number): boolean {
  const parsed = new NodeCertificate(certificate)
  if (new Date(parsed.validTo).getTime() - nowMs < yearMs / 12) return false
  return (request.hosts ?? []).every((host) => (isIP(host) === 0 ? parsed.checkHost(host, { subject: 'never' }) : parsed.checkIP(host)) !== undefined)
}

/** The certificates of a cluster in one folder, `NAME.crt` and `NAME.key`, laid out and named as kubeadm does. */
export interface CertificateStore {
  readonly directory: string
  readonly authority: KeyPair
  /** Signs the certificate by which the API server shows itself to aggregated ones, and nothing else: whoever has one may speak in anybody's name. */
  readonly frontProxyAuthority: KeyPair
  readonly serviceAccount: { privateKey: string; publicKey: string }
  /** The certificate kept under `name`, made when missing, about to run out, or lacking one of the hosts; signed by `authority` unless another is named. */
  ensure(name: string, request: CertificateRequest, authority?: KeyPair): Promise<KeyPair>
}

/** Opens the folder, making the authorities (`ca`, `front-proxy-ca`) and the service-account key (`sa`) the first time. */
export async function openCertificates(runtime: Runtime, directory: string): Promise<CertificateStore> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const readPair = async (name: string): Promise<KeyPair | undefined> => {
    const [certificate, key] = await Promise.all([readIfThere(join(directory, `${name}.crt`)), readIfThere(join(directory, `${name}.key`))])
    return certificate === undefined || key === undefined ? undefined : { certificate, key }
  }
  const writePair = async (name: string, pair: KeyPair): Promise<KeyPair> => {
    await writeWhole(join(directory, `${name}.key`), pair.key, 0o600)
    await writeWhole(join(directory, `${name}.crt`), pair.certificate, 0o644)
    return pair
  }
  const authority = await readPair('ca') ?? await writePair('ca', await createAuthority(runtime, 'kubernetes'))
  const frontProxyAuthority = await readPair('front-proxy-ca') ?? await writePair('front-proxy-ca', await createAuthority(runtime, 'front-proxy-ca'))
  let privateKey = await readIfThere(join(directory, 'sa.key'))
  if (privateKey === undefined) {
    const made = await createSigningKey()
    await writeWhole(join(directory, 'sa.pub'), made.publicKey, 0o644)
    await writeWhole(join(directory, 'sa.key'), made.privateKey, 0o600)
    privateKey = made.privateKey
  }
  const publicKey = createPublicKey(privateKey).export({ format: 'pem', type: 'spki' }).toString()
  const ensure = async (name: string, request: CertificateRequest, signer: KeyPair): Promise<KeyPair> => {
    const found = await readPair(name)
    if (found !== undefined && stillGood(found.certificate, request, runtime.clock.now())) return found
    return writePair(name, await issueCertificate(runtime, signer, request))
  }
  // One certificate after the other: two that want the same one must not write it at the same time.
  let last: Promise<unknown> = Promise.resolve()
  return {
    directory, authority, frontProxyAuthority, serviceAccount: { privateKey, publicKey },
    ensure(name, request, signer = authority) {
      const made = last.then(() => ensure(name, request, signer))
      last = made.catch(() => undefined)
      return made
    },
  }
}
