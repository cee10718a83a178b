import { StatusError, errors } from '../../../machinery/status.ts'
import type { AdmissionAttributes } from '../../context.ts'
import type { ApiServerCore } from '../../core.ts'
import { webhookClient, type WebhookClient } from '../../webhook-client.ts'
import type { WebhookCredentials } from '../../webhook-credentials.ts'
import { admissionMetricsOf, type AdmissionMetrics, type WebhookType } from '../metrics.ts'
import type { Invocation } from './matching.ts'
import { Denial, checkedResult, decodedReview, denial, reviewText, reviewVersion, type AdmissionResult, type ReviewSubject } from './review.ts'

const defaultTimeoutSeconds = 10
/** What metrics say of calls that failed: ServiceUnavailable. */
const callFailureCode = 503

/** A webhook could not be asked, or its answer made no sense; `failurePolicy` says what comes of it. */
export class CallFailure extends Error {
  constructor(webhook: string, because: string, cause?: unknown) {
    super(`failed calling webhook ${JSON.stringify(webhook)}: ${because}`, cause === undefined ? undefined : { cause })
    this.name = 'CallFailure'
  }
}

/** What calls need. */
export interface Caller { core: ApiServerCore; client: WebhookClient; metrics: AdmissionMetrics; type: WebhookType }

export function callerOf(core: ApiServerCore, type: WebhookType, credentials: WebhookCredentials | undefined): Caller {
  return { core, type, client: webhookClient(core, credentials), metrics: admissionMetricsOf(core) }
}

/**
 * Asks one webhook. Resolves when it allows the request, its warnings and audit annotations passed on. Throws the refusal as a
 * `StatusError`, and a `CallFailure` when the webhook gave no proper answer.
 */
export async function callHook(caller: Caller, { hook }: Invocation, subject: ReviewSubject): Promise<AdmissionResult> {
  const { core, client, type } = caller
  const { webhook } = hook
  const { attributes } = subject
  const failed = (because: string, cause: unknown): CallFailure => new CallFailure(webhook.name, `${because}: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
  if (attributes.dryRun && webhook.sideEffects !== 'None' && webhook.sideEffects !== 'NoneOnDryRun') throw errors.badRequest(`admission webhook ${JSON.stringify(webhook.name)} does not support dry run`)
  const version = reviewVersion(webhook.admissionReviewVersions)
  if (version === undefined) throw new CallFailure(webhook.name, 'could not create admission objects: webhook does not accept known AdmissionReview versions (v1, v1beta1)')
  const uid = core.runtime.random.uuid()
  let review: unknown
  try {
    review = decodedReview(version, await client.post(webhook.clientConfig, reviewText(version, uid, subject), (webhook.timeoutSeconds ?? defaultTimeoutSeconds) * 1000))
  } catch (cause) {
    throw failed('failed to call webhook', cause)
  }
  let result: AdmissionResult
  try {
    result = checkedResult(version, uid, type === 'admit', review)
  } catch (cause) {
    throw failed('received invalid webhook response', cause)
  }
  for (const [key, value] of Object.entries(result.auditAnnotations)) attributes.annotateAudit(`${webhook.name}/${key}`, value)
  for (const warning of result.warnings) attributes.warn(warning)
  if (!result.allowed) throw denial(webhook.name, result.status)
  return result
}

/** A webhook's part in one request: `work` calls it and uses its answer. */
export interface Part { invocation: Invocation; attributes: AdmissionAttributes; failedOpenKey: string; work(): Promise<void> }

/** Does a webhook's part, and notes how it went. Answers what the request ends with, by the failure policy; undefined when it goes on. */
export async function playPart({ core, metrics, type }: Caller, { invocation: { hook: { webhook } }, attributes, failedOpenKey, work }: Part): Promise<StatusError | undefined> {
  const { clock, log } = core.runtime
  const { name } = webhook
  const { operation } = attributes
  const startedMs = clock.monotonicMs()
  const note = (code: number, errorType?: string): void => {
    metrics.webhook({ name, type, operation, isRejected: errorType !== undefined, code, durationMs: clock.monotonicMs() - startedMs })
    if (errorType !== undefined) metrics.webhookRejection(name, type, operation, errorType, code)
  }
  try {
    await work()
    note(200)
    return undefined
  } catch (error) {
    if (!(error instanceof CallFailure)) {
      const isDenial = error instanceof Denial
      note(isDenial ? error.code : 0, isDenial ? 'no_error' : 'apiserver_internal_error')
      return error instanceof StatusError ? error : errors.internal(error)
    }
    if (webhook.failurePolicy !== 'Ignore') {
      log.warn('Failed calling webhook, failing closed', { webhook: name, err: error })
      note(callFailureCode, 'calling_webhook_error')
      return errors.internal(error)
    }
    log.warn('Failed calling webhook, failing open', { webhook: name, err: error })
    note(callFailureCode)
    metrics.webhookFailedOpen(name, type)
    attributes.annotateAudit(failedOpenKey, name)
    return undefined
  }
}
