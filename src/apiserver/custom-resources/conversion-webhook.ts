import type { CustomResourceDefinition } from '../../api/types/apiextensions.k8s.io_v1.ts'
import { isJsonObject } from '../../machinery/json-value.ts'
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
  return objects.map((object, i) => checkedObject(object, sent[i]!, `conversion webhook for ${from} returned invalid converted object at index ${i}`, apiVersion))
}

function checkedObject(object: unknown, original: Readonly<OpenObject>, prefix: string, apiVersion: string): OpenObject {
  if (!isJsonObject(object) || !isJsonObject(object.metadata)) throw failure(`${prefix}: no metadata`)
  if (object.kind !== original.kind) throw failure(`${prefix}: invalid kind (expected ${original.kind}, received ${String(object.kind)})`)
  if (object.apiVersion !== apiVersion) throw failure(`${prefix}: invalid groupVersion (expected ${apiVersion}, received ${String(object.apiVersion)})`)
  const { metadata } = original
  for (const field of ['name', 'namespace', 'uid'] as const) {
    if ((object.metadata[field] ?? '') !== (metadata[field] ?? '')) throw failure(`${prefix}: invalid metadata: ${field} changed`)
  }
  const { labels, annotations } = object.metadata
  const { labels: _labels, annotations: _annotations, ...kept } = cloneJson(metadata)
  return { ...object, metadata: { ...kept, ...(isJsonObject(labels) ? { labels } : {}), ...(isJsonObject(annotations) ? { annotations } : {}) } } as unknown as OpenObject
}
