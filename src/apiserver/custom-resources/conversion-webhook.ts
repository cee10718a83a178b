import type { CustomResourceDefinition } from '../../api/types/apiextensions.k8s.io_v1.ts'
import { validateAnnotations } from '../../api/validation/object-meta.ts'
import { fieldErrorText } from '../../machinery/field-error.ts'
import { isJsonObject, jsonEqual, type JsonObject } from '../../machinery/json-value.ts'
import { validateLabels } from '../../machinery/labels.ts'
import type { OpenObject } from '../../machinery/object.ts'
import { StatusError, errors } from '../../machinery/status.ts'
import type { ApiServerCore } from '../core.ts'
import { metricSetOf } from '../metrics/metric-set.ts'
import { cloneJson } from '../clone.ts'
import { callWebhook } from './webhook-call.ts'

const timeoutMs = 30_000
const knownVersions = ['v1', 'v1beta1']

export type Convert = (objects: readonly Readonly<OpenObject>[], apiVersion: string) => Promise<OpenObject[]>

/**
 * Conversion by the webhook of a definition, with the rules of apiextensions' `webhook_converter.go`: objects come back in
 * order, in the version asked for, and with nothing of their metadata changed but labels and annotations.
 */
export function conversionWebhook(core: ApiServerCore, definition: Readonly<CustomResourceDefinition>): Convert {
  const { webhook } = definition.spec.conversion!
  const version = webhook?.conversionReviewVersions.find((each) => knownVersions.includes(each)) ?? 'v1'
  const { clock } = core.runtime
  const set = metricSetOf(core)
  return async (objects, apiVersion) => {
    const foreign = objects.filter((object) => object.apiVersion !== apiVersion)
    if (foreign.length === 0) return objects.map((object) => cloneJson(object) as OpenObject)
    const from = kindText(foreign[0]!)
    const uid = core.runtime.random.uuid()
    const begunMs = clock.monotonicMs()
    const seconds = (): number => (clock.monotonicMs() - begunMs) / 1000
    const versions = [foreign[0]!.apiVersion ?? '', apiVersion].map((each) => each.slice(each.indexOf('/') + 1)) as [string, string]
    const note = (failure: string): void => {
      const labels = [failure === '' ? 'success' : 'failure', failure] as const
      set.count('apiserver_conversion_webhook_request_total', ...labels)
      set.observe('apiserver_conversion_webhook_duration_seconds', seconds(), ...labels)
      set.observe('apiserver_crd_conversion_webhook_duration_seconds', seconds(), definition.metadata.name ?? '', ...versions, String(failure === ''))
    }
    let review: unknown
    try {
      review = await callWebhook(core, webhook?.clientConfig ?? {}, {
        kind: 'ConversionReview', apiVersion: `apiextensions.k8s.io/${version}`, request: { uid, desiredAPIVersion: apiVersion, objects: foreign },
      }, timeoutMs)
    } catch (cause) {
      note('conversion_webhook_call_failure')
      throw failure(`conversion webhook for ${from} failed: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
    }
    let converted: OpenObject[]
    try {
      converted = checkedObjects(review, uid, from, foreign, apiVersion)
    } catch (error) {
      note(failureType(error))
      throw error
    }
    note('')
    let next = 0
    return objects.map((object) => (object.apiVersion === apiVersion ? (cloneJson(object) as OpenObject) : converted[next++]!))
  }
}

/** What kind of failure upstream counts an answer as that cannot be used. */
function failureType(error: unknown): string {
  const text = error instanceof Error ? error.message : ''
  if (text.startsWith('invalid response')) return 'conversion_webhook_malformed_response_failure'
  return / returned \d+ objects/.test(text) ? 'conversion_webhook_partial_response_failure' : 'conversion_webhook_invalid_converted_object_failure'
}

function kindText({ apiVersion, kind }: Readonly<OpenObject>): string {
  return `${apiVersion}, Kind=${kind}`
}

/** Upstream answers these as plain 500s with the bare message. */
function failure(message: string, cause?: unknown): StatusError {
  const { status } = errors.internal(cause ?? message)
  status.message = message
  delete status.reason
  delete status.details
  return new StatusError(status, cause === undefined ? undefined : { cause })
}

function checkedObjects(review: unknown, uid: string, from: string, sent: readonly Readonly<OpenObject>[], apiVersion: string): OpenObject[] {
  const response = isJsonObject(review) && isJsonObject(review.response) ? review.response : undefined
  if (response === undefined) throw failure(`invalid response from conversion webhook for ${from}: the response is missing`)
  if (response.uid !== uid) throw failure(`invalid response from conversion webhook for ${from}: expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response.uid ?? '')}`)
  const result = isJsonObject(response.result) ? response.result : {}
  if (result.status !== 'Success') {
    const said = typeof result.message === 'string' && result.message !== '' ? result.message : `unexpected result status ${JSON.stringify(result.status ?? '')}`
    throw failure(`conversion webhook for ${from} failed: ${said}`)
  }
  const objects = Array.isArray(response.convertedObjects) ? (response.convertedObjects as unknown[]) : []
  if (objects.length !== sent.length) throw failure(`conversion webhook for ${from} returned ${objects.length} objects, expected ${sent.length}`)
  return objects.map((object, i) => checkedObject(object, sent[i]!, `conversion webhook for ${from} returned invalid`, i, apiVersion))
}

function checkedObject(object: unknown, original: Readonly<OpenObject>, prefix: string, index: number, apiVersion: string): OpenObject {
  const at = `${prefix} object at index ${index}`
  if (!isJsonObject(object)) throw failure(`${at}: Object 'Kind' is missing in '${JSON.stringify(object)}'`)
  if (object.apiVersion !== apiVersion) throw failure(`${at}: invalid groupVersion (expected ${apiVersion}, received ${String(object.apiVersion)})`)
  if (object.kind !== original.kind) throw failure(`${at}: invalid kind (expected ${original.kind}, received ${String(object.kind)})`)
  const given = object.metadata
  if (given === undefined) throw failure(`${prefix} metadata: missing metadata in converted object`)
  if (!isJsonObject(given)) throw failure(`${prefix} metadata: invalid metadata of type ${goTypeOf(given)} in converted object`)
  const { metadata } = original
  for (const [field, what] of [['name', 'name'], ['namespace', 'namespace'], ['uid', 'UID']] as const) {
    const [was, is] = [metadata[field] ?? '', given[field] ?? '']
    if (was !== is) throw failure(`${prefix} object: must have the same ${what}: ${was} != ${String(is)}`)
  }
  const { labels: _labels, annotations: _annotations, ...kept } = cloneJson(metadata)
  return { ...object, metadata: { ...kept, ...givenTexts(given, metadata, 'labels', prefix), ...givenTexts(given, metadata, 'annotations', prefix) } } as unknown as OpenObject
}

/** Labels and annotations are the webhook's to change, within what is valid. */
function givenTexts(given: JsonObject, original: Readonly<OpenObject['metadata']>, field: 'labels' | 'annotations', prefix: string): object {
  const value = given[field]
  if (value === undefined || value === null) return {}
  if (!isJsonObject(value)) throw failure(`${prefix} metadata: invalid metadata.${field} of type ${goTypeOf(value)} in converted object`)
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') throw failure(`${prefix} metadata: metadata.${field}[${key}] must be a string, but is ${goTypeOf(text)} in converted object`)
  }
  const texts = value as Record<string, string>
  if (!jsonEqual(texts, original[field] ?? {})) {
    const problems = field === 'labels' ? validateLabels(texts, 'metadata.labels') : validateAnnotations(texts, 'metadata.annotation')
    const lines = problems.map((problem) => `${problem.path}: ${fieldErrorText(problem)}`)
    if (lines.length > 0) throw failure(`${prefix} metadata: ${lines.length === 1 ? lines[0]! : `[${lines.join(', ')}]`}`)
  }
  return { [field]: texts }
}

/** A value's type as Go prints it of decoded JSON (`%T`). */
function goTypeOf(value: unknown): string {
  if (value === null) return '<nil>'
  if (Array.isArray(value)) return '[]interface {}'
  if (typeof value === 'bigint') return 'int64'
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64'
  if (typeof value === 'boolean') return 'bool'
  return typeof value === 'string' ? 'string' : 'map[string]interface {}'
}
