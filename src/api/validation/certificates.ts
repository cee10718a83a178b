import { constants, createPublicKey, verify, X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { semanticEqual } from '../../machinery/equality.ts'
import { fieldErrors, omittedValue } from '../../machinery/field-error.ts'
import type { FieldError } from '../../machinery/field-error.ts'
import { dnsSubdomainErrors } from '../../machinery/names.ts'
import type { OpenObject } from '../../machinery/object.ts'
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '../types/certificates.k8s.io_v1.ts'
import type { ClusterTrustBundle, PodCertificateRequest } from '../types/certificates.k8s.io_v1beta1.ts'
import { addInvalid, isEmpty } from './check.ts'
import { checkConditions } from './conditions.ts'
import { internalChanges } from './internal-form.ts'
import { validateImmutable } from './object-meta.ts'
import { checkCertificateRequest, pemBlocks } from './pem.ts'
import { checkSignerName, trustBundleName } from './signer-names.ts'
import type { Validation } from './validation.ts'

/** Requests for certificates, and bundles of trust (upstream's `pkg/apis/certificates/validation`). */

const usages = [
  'any', 'cert sign', 'client auth', 'code signing', 'content commitment', 'crl sign', 'data encipherment', 'decipher only', 'digital signature', 'email protection', 'encipher only', 'ipsec end system',
  'ipsec tunnel', 'ipsec user', 'key agreement', 'key encipherment', 'microsoft sgc', 'netscape sgc', 'ocsp signing', 's/mime', 'server auth', 'signing', 'timestamping',
]
const decisions = ['Approved', 'Denied', 'Failed']
const legacySigner = 'kubernetes.io/legacy-unknown'

const hasDuplicates = (values: readonly string[]): boolean => new Set(values).size < values.length
const textOf = (base64: string | undefined): string => Buffer.from(base64 ?? '', 'base64').toString('latin1')

/** What is wrong with an issued certificate; undefined when nothing is, or none is there. */
function certificateProblem(certificate: string | undefined): string | undefined {
  if (isEmpty(certificate)) return undefined
  const blocks = pemBlocks(textOf(certificate))
  for (const block of blocks) {
    if (block.type !== 'CERTIFICATE') return `only CERTIFICATE PEM blocks are allowed, found ${JSON.stringify(block.type)}`
    if (block.hasHeaders) return 'no PEM block headers are permitted'
    if (certificateOf(block.bytes) === undefined) return 'x509: malformed certificate'
  }
  return blocks.length === 0 ? 'must contain at least one CERTIFICATE PEM block' : undefined
}

function certificateOf(der: Buffer): X509Certificate | undefined {
  try {
    return new X509Certificate(der)
  } catch {
    return undefined // not a certificate: what is asked
  }
}

function checkRequestConditions(out: FieldError[], conditions: readonly CertificateSigningRequestCondition[], before: readonly CertificateSigningRequestCondition[]): void {
  const path = 'status.conditions'
  const had = new Set(before.map(({ type }) => type))
  const maySayBoth = had.has('Approved') && had.has('Denied')
  const seen = new Set<string>()
  for (const [i, { type = '', status = '' }] of conditions.entries()) {
    if (type === '' && !had.has('')) out.push(fieldErrors.required(`${path}[${i}].type`))
    const allowed = decisions.includes(type) ? ['True'] : ['False', 'True', 'Unknown']
    if (status === '') out.push(fieldErrors.required(`${path}[${i}].status`))
    else if (!allowed.includes(status)) out.push(fieldErrors.notSupported(`${path}[${i}].status`, status, allowed))
    const other = type === 'Approved' ? 'Denied' : type === 'Denied' ? 'Approved' : undefined
    if (!maySayBoth && other !== undefined && seen.has(other)) out.push(fieldErrors.invalid(path, type, 'Approved and Denied conditions are mutually exclusive'))
    if (seen.has(type) && had.size === before.length) out.push(fieldErrors.duplicate(`${path}[${i}].type`, type))
    seen.add(type)
  }
}

function validateRequest(object: Readonly<OpenObject>, old?: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec, status } = object as unknown as CertificateSigningRequest
  const before = old as unknown as CertificateSigningRequest | undefined
  try {
    checkCertificateRequest(textOf(spec?.request))
  } catch (error) {
    out.push(fieldErrors.invalid('spec.request', spec?.request ?? null, (error as Error).message))
  }
  const wanted = spec?.usages ?? []
  const oldUsages = before?.spec.usages ?? []
  if (wanted.length === 0) out.push(fieldErrors.required('spec.usages'))
  if (oldUsages.every((usage) => usages.includes(usage))) wanted.forEach((usage, i) => { if (!usages.includes(usage)) out.push(fieldErrors.notSupported(`spec.usages[${i}]`, usage, usages)) })
  if (!hasDuplicates(oldUsages)) wanted.forEach((usage, i) => { if (wanted.indexOf(usage) < i) out.push(fieldErrors.duplicate(`spec.usages[${i}]`, usage)) })
  if (spec?.signerName === legacySigner && before?.spec.signerName !== legacySigner) out.push(fieldErrors.invalid('spec.signerName', legacySigner, 'the legacy signerName is not allowed via this API version'))
  else checkSignerName(out, 'spec.signerName', spec?.signerName)
  const seconds = spec?.expirationSeconds
  if (seconds !== undefined && seconds < 600) out.push(fieldErrors.invalid('spec.expirationSeconds', seconds, 'may not specify a duration less than 600 seconds (10 minutes)'))
  checkRequestConditions(out, status?.conditions ?? [], before?.status?.conditions ?? [])
  const isOldCertificate = before !== undefined && ((status?.certificate ?? '') === (before.status?.certificate ?? '') || certificateProblem(before.status?.certificate) !== undefined)
  const problem = isOldCertificate ? undefined : certificateProblem(status?.certificate)
  if (problem !== undefined) out.push(fieldErrors.invalid('status.certificate', '<certificate data>', problem))
  return out
}

/** Who may change what: approvers the decision, signers the certificate, others neither. */
function validateRequestUpdate(object: Readonly<OpenObject>, old: Readonly<OpenObject>, may: { decide?: true; issue?: true }): FieldError[] {
  const out = validateRequest(object, old)
  const { status } = object as unknown as CertificateSigningRequest
  const before = (old as unknown as CertificateSigningRequest).status
  const path = 'status.conditions'
  const ofType = (type: string, conditions: readonly CertificateSigningRequestCondition[] | undefined): CertificateSigningRequestCondition[] => (conditions ?? []).filter((condition) => condition.type === type)
  for (const type of decisions) {
    if (ofType(type, status?.conditions).length < ofType(type, before?.conditions).length) out.push(fieldErrors.forbidden(path, `updates may not remove a condition of type ${JSON.stringify(type)}`))
  }
  for (const type of may.decide === true ? [] : ['Approved', 'Denied']) {
    const now = ofType(type, status?.conditions)
    const then = ofType(type, before?.conditions)
    if (now.length > then.length) out.push(fieldErrors.forbidden(path, `updates may not add a condition of type ${JSON.stringify(type)}`))
    else if (now.length === then.length && !semanticEqual(now, then)) out.push(fieldErrors.forbidden(path, `updates may not modify a condition of type ${JSON.stringify(type)}\n${internalChanges('CertificateSigningRequestCondition', then, now)}`))
  }
  if ((status?.certificate ?? '') !== (before?.certificate ?? '')) {
    if (may.issue !== true) out.push(fieldErrors.forbidden('status.certificate', 'updates may not set certificate content'))
    else if (!isEmpty(before?.certificate)) out.push(fieldErrors.forbidden('status.certificate', 'updates may not modify existing certificate content'))
  }
  return out
}

export const signingRequestValidation: Validation = {
  validate: (object) => validateRequest(object),
  validateUpdate: (object, old) => validateRequestUpdate(object, old, {}),
  validateStatusUpdate: (object, old) => validateRequestUpdate(object, old, { issue: true }),
}

export function validateApproval(object: Readonly<OpenObject>, old: Readonly<OpenObject>): FieldError[] {
  return validateRequestUpdate(object, old, { decide: true })
}

const maxTrustBundleBytes = 1024 * 1024

function checkTrustBundle(out: FieldError[], path: string, text: string): void {
  if (Buffer.byteLength(text) > maxTrustBundleBytes) {
    out.push(fieldErrors.tooLong(path, maxTrustBundleBytes))
    return
  }
  const wrong = (detail: string): void => void out.push(fieldErrors.invalid(path, '<value omitted>', detail))
  const before = out.length
  const places = new Map<string, number[]>()
  for (const [i, block] of pemBlocks(text).entries()) {
    const certificate = block.type === 'CERTIFICATE' && !block.hasHeaders ? certificateOf(block.bytes) : undefined
    if (block.type !== 'CERTIFICATE') wrong(`entry ${i} has bad block type: ${block.type}`)
    else if (block.hasHeaders) wrong(`entry ${i} has PEM block headers`)
    else if (certificate === undefined) wrong(`entry ${i} does not parse as X.509`)
    else if (!certificate.ca) wrong(`entry ${i} does not have the CA bit set`)
    const key = block.bytes.toString('latin1')
    places.set(key, [...(places.get(key) ?? []), i])
  }
  if (out.length > before) return
  if (places.size === 0) wrong('at least one trust anchor must be provided')
  for (const indices of places.values()) if (indices.length > 1) wrong(`duplicate trust anchor (indices [${indices.join(' ')}])`)
}

function validateTrustBundle(object: Readonly<OpenObject>, parse: boolean): FieldError[] {
  const out: FieldError[] = []
  const { metadata, spec } = object as unknown as ClusterTrustBundle
  const { name = '' } = metadata
  const signerName = spec?.signerName ?? ''
  if (name !== '') addInvalid(out, 'metadata.name', name, trustBundleName(signerName)(name, false))
  if (signerName !== '') checkSignerName(out, 'spec.signerName', signerName)
  if (parse) checkTrustBundle(out, 'spec.trustBundle', spec?.trustBundle ?? '')
  return out
}

export const trustBundleValidation: Validation = {
  validate: (object) => validateTrustBundle(object, true),
  validateUpdate(object, old) {
    const now = (object as unknown as ClusterTrustBundle).spec
    const before = (old as unknown as ClusterTrustBundle).spec
    return [...validateTrustBundle(object, now?.trustBundle !== before?.trustBundle), ...validateImmutable(now?.signerName ?? '', before?.signerName ?? '', 'spec.signerName')]
  },
}

const dayMs = 86_400_000
const maxKeyBytes = 10 * 1024
const maxChainBytes = 100 * 1024

function publicKeyOf(base64: string | undefined): KeyObject | undefined {
  try {
    return createPublicKey({ key: Buffer.from(base64 ?? '', 'base64'), format: 'der', type: 'spki' })
  } catch {
    return undefined // not a key: what is asked
  }
}

/** Whoever asks for a certificate shows to have the key, by signing the pod's uid. */
function checkPossession(out: FieldError[], keyText: string | undefined, uid: string, proofText: string | undefined): void {
  const keyPath = 'spec.pkixPublicKey'
  const key = publicKeyOf(keyText)
  if (key === undefined) {
    out.push(fieldErrors.invalid(keyPath, keyText ?? '', 'must be a valid PKIX-serialized public key'))
    return
  }
  const proof = Buffer.from(proofText ?? '', 'base64')
  const message = Buffer.from(uid)
  const { namedCurve = '', modulusLength = 0 } = key.asymmetricKeyDetails ?? {}
  let proven: boolean
  switch (key.asymmetricKeyType) {
    case 'ed25519': proven = verify(null, message, key, proof); break
    case 'ec':
      if (!['prime256v1', 'secp384r1', 'secp521r1'].includes(namedCurve)) {
        out.push(fieldErrors.invalid(keyPath, `curve ${namedCurve}`, 'elliptic public keys must use curve P256 or P384'))
        return
      }
      proven = verify('sha256', message, key, proof)
      break
    case 'rsa':
      if (modulusLength !== 3072 && modulusLength !== 4096) {
        out.push(fieldErrors.invalid(keyPath, `${modulusLength}-bit modulus`, 'RSA keys must have modulus size 3072 or 4096'))
        return
      }
      proven = verify('sha256', message, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO }, proof)
      break
    default:
      out.push(fieldErrors.invalid(keyPath, keyText ?? '', 'unknown public key type; supported types are Ed25519, ECDSA, and RSA'))
      return
  }
  if (!proven) out.push(fieldErrors.invalid('spec.proofOfPossession', omittedValue, 'could not verify proof-of-possession signature'))
}

const isKubernetesSigner = (name: string): boolean => {
  const host = name.split('/')[0] ?? ''
  return host === 'kubernetes.io' || host.endsWith('.kubernetes.io')
}

function validatePodRequest(object: Readonly<OpenObject>): FieldError[] {
  const out: FieldError[] = []
  const { spec } = object as unknown as PodCertificateRequest
  const signerName = spec?.signerName ?? ''
  checkSignerName(out, 'spec.signerName', signerName)
  for (const [name, uid] of [['podName', 'podUID'], ['serviceAccountName', 'serviceAccountUID'], ['nodeName', 'nodeUID']] as const) {
    addInvalid(out, `spec.${name}`, spec?.[name] ?? '', dnsSubdomainErrors(spec?.[name] ?? ''))
    if (isEmpty(spec?.[uid])) out.push(fieldErrors.invalid(`spec.${uid}`, '', 'must not be empty'))
    else if (spec[uid].length > 128) out.push(fieldErrors.tooLong(`spec.${uid}`, 128))
  }
  const seconds = spec?.maxExpirationSeconds
  if (seconds === undefined) {
    out.push(fieldErrors.required('spec.maxExpirationSeconds', 'must be set'))
    return out
  }
  const maxSeconds = (isKubernetesSigner(signerName) ? dayMs : 91 * dayMs) / 1000
  if (seconds < 3600 || seconds > maxSeconds) out.push(fieldErrors.invalid('spec.maxExpirationSeconds', seconds, `must be in the range [3600, ${maxSeconds}]`))
  for (const field of ['pkixPublicKey', 'proofOfPossession'] as const) {
    if (Buffer.byteLength(spec?.[field] ?? '', 'base64') <= maxKeyBytes) continue
    out.push(fieldErrors.tooLong(`spec.${field}`, maxKeyBytes))
    return out
  }
  checkPossession(out, spec?.pkixPublicKey, spec?.podUID ?? '', spec?.proofOfPossession)
  return out
}

/** Which of the three ends a request has come to. */
function endOf({ status }: Readonly<PodCertificateRequest>): string | undefined {
  return status?.conditions?.find(({ type, status: value }) => podEnds.includes(type) && value === 'True')?.type
}

const podEnds = ['Issued', 'Denied', 'Failed']

function checkPodConditions(out: FieldError[], request: Readonly<PodCertificateRequest>): void {
  let known = 0
  for (const [i, { type, status }] of (request.status?.conditions ?? []).entries()) {
    const at = `status.conditions.[${i}]`
    if (!podEnds.includes(type)) {
      out.push(fieldErrors.notSupported(`${at}.type`, type, podEnds))
      continue
    }
    known++
    if (known > 1) out.push(fieldErrors.invalid(`${at}.type`, type, 'There may be at most one condition with type "Issued", "Denied", or "Failed"'))
    if (status !== 'True') out.push(fieldErrors.notSupported(`${at}.status`, status, ['True']))
  }
  checkConditions(out, 'status.conditions', request.status?.conditions)
}

/** An issued chain: the leaf is for the key asked for, and lives as long as was asked and said. */
function checkIssued(out: FieldError[], now: Readonly<PodCertificateRequest>): void {
  const chainPath = 'status.certificateChain'
  const { certificateChain: chain = '', notBefore, notAfter, beginRefreshAt } = now.status ?? {}
  const wrong = (path: string, value: unknown, detail: string): void => void out.push(fieldErrors.invalid(path, value, detail))
  if (Buffer.byteLength(chain) > maxChainBytes) {
    out.push(fieldErrors.tooLong(chainPath, maxChainBytes))
    return
  }
  const [leafBlock, ...others] = pemBlocks(chain)
  if (leafBlock === undefined) return wrong(chainPath, chain, 'issued certificate chain must contain at least one certificate')
  if (leafBlock.type !== 'CERTIFICATE') return wrong(chainPath, chain, 'issued certificate chain must consist entirely of CERTIFICATE PEM blocks')
  const leaf = certificateOf(leafBlock.bytes)
  if (leaf === undefined) return wrong(chainPath, chain, 'leaf certificate does not parse as valid X.509')
  const wanted = publicKeyOf(now.spec.pkixPublicKey)
  if (wanted === undefined) return wrong('spec.pkixPublicKey', now.spec.pkixPublicKey, 'must be a valid PKIX-serialized public key')
  if (!wanted.equals(leaf.publicKey)) return wrong(chainPath, chain, 'leaf certificate was not issued to the requested public key')
  for (const [field, value] of [['notBefore', notBefore], ['notAfter', notAfter]] as const) if (isEmpty(value)) out.push(fieldErrors.required(`status.${field}`, 'must be present and consistent with the issued certificate'))
  if (isEmpty(beginRefreshAt)) out.push(fieldErrors.required('status.beginRefreshAt', 'must be present and in the range [notbefore+10min, notafter-10min]'))
  if (isEmpty(notBefore) || isEmpty(notAfter) || isEmpty(beginRefreshAt)) return
  const [fromMs, toMs, refreshMs] = [Date.parse(notBefore), Date.parse(notAfter), Date.parse(beginRefreshAt)]
  if (fromMs !== leaf.validFromDate.getTime()) return wrong('status.notBefore', notBefore, 'must be set to the NotBefore time encoded in the leaf certificate')
  if (toMs !== leaf.validToDate.getTime()) return wrong('status.notAfter', notAfter, 'must be set to the NotAfter time encoded in the leaf certificate')
  const lifetimeMs = toMs - fromMs
  const maxSeconds = now.spec.maxExpirationSeconds ?? 0
  if (lifetimeMs < 3_600_000) return wrong(chainPath, lifetimeMs * 1e6, 'leaf certificate lifetime must be >= 1 hour')
  if (lifetimeMs > maxSeconds * 1000) return wrong(chainPath, lifetimeMs * 1e6, `leaf certificate lifetime must be <= spec.maxExpirationSeconds (${maxSeconds})`)
  if (refreshMs < fromMs + 600_000) return wrong('status.beginRefreshAt', beginRefreshAt, 'must be at least 10 minutes after status.notBefore')
  if (refreshMs > toMs - 600_000) return wrong('status.beginRefreshAt', beginRefreshAt, 'must be at least 10 minutes before status.notAfter')
  for (const block of others) {
    if (block.type !== 'CERTIFICATE') return wrong(chainPath, chain, 'issued certificate chain must consist entirely of CERTFICATE PEM blocks')
    if (certificateOf(block.bytes) === undefined) return wrong(chainPath, chain, 'intermediate certificate does not parse as valid X.509')
  }
}

export const podCertificateRequestValidation: Validation = {
  validate: validatePodRequest,
  validateUpdate: (object, old) => validateImmutable(object.spec, old.spec, 'spec'),
  validateStatusUpdate(object, old) {
    const out: FieldError[] = []
    const now = object as unknown as PodCertificateRequest
    const before = old as unknown as PodCertificateRequest
    checkPodConditions(out, now)
    if (out.length > 0) return out
    const fixed = (wanted: unknown, detail: string): void => {
      if (!semanticEqual(now.status, wanted)) out.push(fieldErrors.invalid('status', omittedValue, detail))
    }
    const end = endOf(now)
    if (endOf(before) !== undefined) fixed(before.status, 'immutable after PodCertificateRequest is issued, denied, or failed')
    else if (end === 'Denied' || end === 'Failed') fixed({ conditions: now.status?.conditions }, 'non-condition status fields must be empty when denying or failing the PodCertificateRequest')
    else if (end === 'Issued') checkIssued(out, now)
    else fixed(before.status, 'status is immutable unless transitioning to "Issued", "Denied", or "Failed"')
    return out
  },
}
