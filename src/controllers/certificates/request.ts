import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { Pkcs10CertificateRequest, SubjectAlternativeNameExtension, cryptoProvider } from '@peculiar/x509'
import type { CertificateSigningRequest } from '../../api/types/certificates.k8s.io_v1.ts'

cryptoProvider.set(webcrypto as unknown as Parameters<typeof cryptoProvider.set>[0])

/** A certificate request, taken apart. */
export interface ParsedRequest {
  request: Pkcs10CertificateRequest
  commonName: string
  organizations: readonly string[]
  dnsNames: readonly string[]
  ips: readonly string[]
  emails: readonly string[]
  uris: readonly string[]
}

/** Throws when `request` (PEM in base64, as the API carries it) is none. */
export function parseRequest({ spec }: Readonly<CertificateSigningRequest>): ParsedRequest {
  const request = new Pkcs10CertificateRequest(Buffer.from(spec.request, 'base64').toString('utf8'))
  const names = request.extensions.filter((extension) => extension instanceof SubjectAlternativeNameExtension).flatMap((extension) => extension.names.toJSON())
  const ofType = (type: string): string[] => names.filter((name) => name.type === type).map((name) => name.value)
  const { subjectName } = request
  return { request, commonName: subjectName.getField('CN').at(-1) ?? '', organizations: subjectName.getField('O'), dnsNames: ofType('dns'), ips: ofType('ip'), emails: ofType('email'), uris: ofType('url') }
}

export const kubeletServingSigner = 'kubernetes.io/kubelet-serving'
export const kubeletClientSigner = 'kubernetes.io/kube-apiserver-client-kubelet'
export const clientSigner = 'kubernetes.io/kube-apiserver-client'
export const legacySigner = 'kubernetes.io/legacy-unknown'

/** Usages must be all of these; key encipherment, which only RSA keys can do, may be missing. */
function usagesProblem(usages: readonly string[], auth: string): string | undefined {
  const required = [auth, 'digital signature', 'key encipherment'].toSorted()
  const given = new Set(usages)
  const isAllowed = given.has(auth) && given.has('digital signature') && [...given].every((usage) => required.includes(usage))
  return isAllowed ? undefined : `usages did not match [${required.join(' ')}]`
}

const isOfNodes = ({ organizations }: ParsedRequest): boolean => organizations.length === 1 && organizations[0] === 'system:nodes'

function kubeletServingProblem(request: ParsedRequest, usages: readonly string[]): string | undefined {
  if (!isOfNodes(request)) return 'subject organization is not system:nodes'
  if (request.dnsNames.length === 0 && request.ips.length === 0) return 'DNS or IP subjectAltName is required'
  if (request.emails.length > 0) return 'Email subjectAltNames are not allowed'
  if (request.uris.length > 0) return 'URI subjectAltNames are not allowed'
  const problem = usagesProblem(usages, 'server auth')
  if (problem !== undefined) return problem
  return request.commonName.startsWith('system:node:') ? undefined : 'subject common name does not begin with system:node:'
}

/** What keeps a request from being one for a kubelet's client certificate; undefined when nothing does. */
export function kubeletClientProblem(request: ParsedRequest, usages: readonly string[]): string | undefined {
  if (!isOfNodes(request)) return 'subject organization is not system:nodes'
  if (request.dnsNames.length > 0) return 'DNS subjectAltNames are not allowed'
  if (request.emails.length > 0) return 'Email subjectAltNames are not allowed'
  if (request.ips.length > 0) return 'IP subjectAltNames are not allowed'
  if (request.uris.length > 0) return 'URI subjectAltNames are not allowed'
  if (!request.commonName.startsWith('system:node:')) return 'subject common name does not begin with system:node:'
  return usagesProblem(usages, 'client auth')
}

function clientProblem(_request: ParsedRequest, usages: readonly string[]): string | undefined {
  const wrong = usages.find((usage) => !['digital signature', 'key encipherment', 'client auth'].includes(usage))
  if (wrong !== undefined) return `invalid usage for client certificate: ${wrong}`
  return usages.includes('client auth') ? undefined : 'missing required usage for client certificate: client auth'
}

/** The signers that Kubernetes has built in, and what each refuses (Kubernetes documentation, "Kubernetes signers"). */
export const builtinSigners: Readonly<Record<string, (request: ParsedRequest, usages: readonly string[]) => string | undefined>> = {
  [clientSigner]: clientProblem, [kubeletClientSigner]: kubeletClientProblem, [kubeletServingSigner]: kubeletServingProblem, [legacySigner]: () => undefined,
}
