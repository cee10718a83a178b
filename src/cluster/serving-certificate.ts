import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Runtime } from '../runtime/runtime.ts'
import { createAuthority, issueCertificate, type CertificateRequest, type KeyPair } from './certificates.ts'

/**
 * The pair `BASE.crt` and `BASE.key` where both stand, as envtest writes them beforehand; else a new one, signed by an authority made
 * for it alone and saved there, as kube-apiserver does with `--cert-dir`.
 */
export async function selfSignedPair(runtime: Runtime, base: string, request: CertificateRequest): Promise<KeyPair> {
  const [certificateFile, keyFile] = [`${base}.crt`, `${base}.key`]
  try {
    const [certificate, key] = await Promise.all([readFile(certificateFile, 'utf8'), readFile(keyFile, 'utf8')])
    return { certificate, key }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw new Error(`cannot read the serving certificate: ${(error as Error).message}`, { cause: error })
  }
  const authority = await createAuthority(runtime, `${request.commonName}-ca`)
  const pair = await issueCertificate(runtime, authority, request)
  const whole = { certificate: `${pair.certificate}${authority.certificate}`, key: pair.key }
  await mkdir(dirname(base), { recursive: true })
  await writeFile(keyFile, whole.key, { mode: 0o600 })
  await writeFile(certificateFile, whole.certificate)
  return whole
}
