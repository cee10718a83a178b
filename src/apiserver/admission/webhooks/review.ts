import type { ResourceDescription } from '../../../api/resource.ts'
import { typeById } from '../../../api/type-table.ts'
import { isJsonObject, type JsonObject } from '../../../machinery/json-value.ts'
import type { KubeObject } from '../../../machinery/object.ts'
import { decodeObject } from '../../../machinery/schema-decode.ts'
import { StatusError, errors, type Status, type StatusDetails } from '../../../machinery/status.ts'
import { jsonTypeOf, unreadableKind } from '../../body.ts'
import type { AdmissionAttributes } from '../../context.ts'
import { kindFor } from './equivalents.ts'

/** AdmissionReview: what is sent to a webhook, and what its answer may be (admission.k8s.io/v1 and v1beta1). */

export type ReviewVersion = 'v1' | 'v1beta1'

/** The first of a webhook's versions that this server speaks. */
export function reviewVersion(versions: readonly string[]): ReviewVersion | undefined {
  return versions.find((version): version is ReviewVersion => version === 'v1' || version === 'v1beta1')
}

export interface ReviewSubject {
  attributes: AdmissionAttributes
  target: ResourceDescription
  /** In the version of `target`. */
  object: Readonly<KubeObject> | undefined
  oldObject: Readonly<KubeObject> | undefined
}

/** The JSON of a review, fields in the order of the API. */
export function reviewText(version: ReviewVersion, uid: string, subject: ReviewSubject): string {
  const { attributes: { operation }, object, oldObject } = subject
  const { dryRun, options, ...request } = celRequest(subject)
  return JSON.stringify({
    kind: 'AdmissionReview', apiVersion: `admission.k8s.io/${version}`,
    request: { uid, ...request, object: (operation === 'CONNECT' ? connectBody(object) : object) ?? null, oldObject: oldObject ?? null, dryRun, options },
  })
}

/** A request without its objects: the variable `request` of expressions, and what webhooks are told beside the objects. */
export function celRequest({ attributes, target, object }: ReviewSubject): Record<string, unknown> {
  const { resource, subresource, name, namespace, operation, user, dryRun, options } = attributes
  const kindOf = (of: ResourceDescription): object => (operation === 'CONNECT' ? connectKind(of, subresource, object) : kindFor(of, subresource))
  const resourceOf = (of: ResourceDescription): object => ({ group: of.group, version: of.version, resource: of.resource })
  const isSame = target === resource
  const kind = kindOf(target)
  const named = resourceOf(target)
  return {
    kind, resource: named, subResource: subresource === '' ? undefined : subresource,
    requestKind: isSame ? kind : kindOf(resource), requestResource: isSame ? named : resourceOf(resource), requestSubResource: subresource === '' ? undefined : subresource,
    name: name === '' ? undefined : name, namespace: namespace === '' ? undefined : namespace, operation,
    userInfo: userInfo(user), dryRun, options: Object.keys(options).length === 0 ? null : optionsOf(operation, options),
  }
}

/** Patches, and updates that create, are told in the options of what they come to. */
function optionsOf(operation: AdmissionAttributes['operation'], options: AdmissionAttributes['options']): AdmissionAttributes['options'] {
  const kind = operation === 'CREATE' ? 'CreateOptions' : operation === 'UPDATE' ? 'UpdateOptions' : options.kind
  return kind === options.kind || options.kind === undefined ? options : { ...options, kind }
}

function userInfo({ username, uid = '', groups, extra = {} }: AdmissionAttributes['user']): object {
  return {
    username, uid: uid === '' ? undefined : uid, groups: groups.length === 0 ? undefined : groups, extra: Object.keys(extra).length === 0 ? undefined : extra,
  }
}

/** Options of a connection have no metadata, and leave out what is false. */
function connectBody(object: Readonly<KubeObject> | undefined): object | undefined {
  if (object === undefined) return undefined
  return Object.fromEntries(Object.entries(object as object).filter(([field, value]: [string, unknown]) => field !== 'metadata' && value !== false && value !== ''))
}

function connectKind(resource: ResourceDescription, subresource: string, object: Readonly<KubeObject> | undefined): object {
  if (object?.kind === undefined) return kindFor(resource, subresource)
  const [group, version] = object.apiVersion!.includes('/') ? object.apiVersion!.split('/') : ['', object.apiVersion]
  return { group, version, kind: object.kind }
}

/** What a webhook said. `patch` is the JSON of a JSON patch. */
export interface AdmissionResult {
  allowed: boolean
  status: JsonObject | undefined
  patch: Buffer | undefined
  patchType: string
  warnings: readonly string[]
  auditAnnotations: Readonly<Record<string, string>>
}

const groups: Readonly<Record<ReviewVersion, string>> = { v1: 'admission.k8s.io/v1', v1beta1: 'admission.k8s.io/v1beta1' }

/** What a webhook has sent as a review of the version that it was sent, as client-go decodes it. Throws an `Error` where it is none. */
export function decodedReview(version: ReviewVersion, answer: unknown): JsonObject {
  if (answer === null) return {}
  if (!isJsonObject(answer)) throw new Error(unreadableKind(jsonTypeOf(answer)))
  const [apiVersion, kind] = [answer.apiVersion, answer.kind].map((value, i) => (typeof value === 'string' && value !== '' ? value : i === 0 ? groups[version] : 'AdmissionReview')) as [string, string]
  const type = kind === 'AdmissionReview' && Object.values(groups).includes(apiVersion) ? typeById(`${apiVersion}.${kind}`) : undefined
  if (type === undefined) throw new Error(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)} in scheme "k8s.io/apiserver/pkg/util/webhook/client.go:71"`)
  const { value } = decodeObject(type, answer)
  if (apiVersion !== groups[version]) throw new Error(`converting (${apiVersion.slice(apiVersion.indexOf('/') + 1)}.${kind}) to (${version}.AdmissionReview): unknown conversion`)
  return value
}

/** Checks an answer by upstream's rules (`VerifyAdmissionResponse`). Throws an `Error` that says what is wrong with it. */
export function checkedResult(version: ReviewVersion, uid: string, isMutating: boolean, review: unknown): AdmissionResult {
  const response = isJsonObject(review) && isJsonObject(review.response) ? review.response : undefined
  if (!isJsonObject(review) || response === undefined) throw new Error('webhook response was absent')
  const patch = typeof response.patch === 'string' && response.patch !== '' ? Buffer.from(response.patch, 'base64') : undefined
  const patchType = typeof response.patchType === 'string' ? response.patchType : undefined
  if (version === 'v1') {
    checkIdentity(uid, review, response)
    checkPatch(isMutating, patch, patchType)
  }
  return {
    allowed: response.allowed === true, status: isJsonObject(response.status) ? response.status : undefined,
    patch: isMutating ? patch : undefined, patchType: version === 'v1' ? (patchType ?? '') : 'JSONPatch',
    warnings: Array.isArray(response.warnings) ? response.warnings.filter((text) => typeof text === 'string') : [],
    auditAnnotations: isJsonObject(response.auditAnnotations) ? Object.fromEntries(Object.entries(response.auditAnnotations).filter((entry): entry is [string, string] => typeof entry[1] === 'string')) : {},
  }
}

function checkIdentity(uid: string, review: JsonObject, response: JsonObject): void {
  if (response.uid !== uid) throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(typeof response.uid === 'string' ? response.uid : '')}`)
  const { apiVersion = '', kind = '' } = review
  if (apiVersion !== 'admission.k8s.io/v1' || kind !== 'AdmissionReview') {
    throw new Error(`expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got ${String(apiVersion) === '' ? '/' : String(apiVersion)}, Kind=${String(kind)}`)
  }
}

function checkPatch(isMutating: boolean, patch: Buffer | undefined, patchType: string | undefined): void {
  if (!isMutating) {
    if (patch !== undefined) throw new Error('validating webhook may not return response.patch')
    if (patchType !== undefined) throw new Error('validating webhook may not return response.patchType')
    return
  }
  if (patch !== undefined && patchType === undefined) throw new Error('webhook returned response.patch but not response.patchType')
  if (patch === undefined && patchType !== undefined) throw new Error('webhook returned response.patchType but not response.patch')
  if (patchType === '') throw new Error('webhook returned invalid response.patchType of ""')
}

/** The error that a request ends with when a webhook has refused it. */
export class Denial extends StatusError {}

export function denial(webhook: string, result: JsonObject | undefined): Denial {
  const text = (field: string): string => (typeof result?.[field] === 'string' ? result[field] : '')
  const [message, reason] = [text('message'), text('reason')]
  const explanation = message !== '' ? `: ${message}` : reason !== '' ? `: ${reason}` : ' without explanation'
  const { status } = errors.badRequest(`admission webhook ${JSON.stringify(webhook)} denied the request${explanation}`)
  const { code } = result ?? {}
  const denied: Status = { ...status, metadata: isJsonObject(result?.metadata) ? result.metadata as Status['metadata'] : {}, code: typeof code === 'number' && code >= 400 ? code : 400 }
  delete denied.reason
  if (reason !== '') denied.reason = reason
  if (isJsonObject(result?.details)) denied.details = result.details as StatusDetails
  return new Denial(denied)
}
