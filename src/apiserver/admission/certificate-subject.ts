import 'reflect-metadata'
import { Pkcs10CertificateRequest } from '@peculiar/x509'

/** The organisations that a certificate request (PEM in base64, as the API carries it) asks for. Throws when it is none. */
export function organizationsOf(request: string): readonly string[] {
  return new Pkcs10CertificateRequest(Buffer.from(request, 'base64').toString('utf8')).subjectName.getField('O')
}
