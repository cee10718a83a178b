import 'reflect-metadata'
import { Pkcs10CertificateRequest } from '@peculiar/x509'

/** The organisations that a certificate request (PEM in base64, as the API carries it) asks for. Throws when it is none. */
export function organizationsOf(request: string): readonly string[] {
  try {
    return new Pkcs10CertificateRequest(Buffer.from(request, 'base64').toString('utf8')).subjectName.getField('O')
  } catch (cause) {
    throw new Error(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

/** The common name that a certificate request asks for; '' where it has none. Throws when it is no request. */
export function commonNameOf(request: string): string {
  return new Pkcs10CertificateRequest(Buffer.from(request, 'base64').toString('utf8')).subjectName.getField('CN').at(-1) ?? ''
}
