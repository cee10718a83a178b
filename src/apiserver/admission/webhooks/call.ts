import { StatusError, errors } from '../../../machinery/status.ts'
import type { AdmissionAttributes } from '../../context.ts'
import type { ApiServerCore } from '../../core.ts'
import type { WebhookClient } from '../../webhook-client.ts'
import type { Invocation } from './matching.ts'
import { checkedResult, denial, reviewText, reviewVersion, type AdmissionResult, type ReviewSubject } from './review.ts'

const defaultTimeoutSeconds = 10

/** A webhook could not be asked, or its answer made no sense; `failurePolicy` says what comes of it. */
export class CallFailure extends Error {
  constructor(webhook: string, because: string, cause?: unknown) {
    super(`failed calling webhook ${JSON.stringify(webhook)}: ${because}`, cause === undefined ? undefined : { cause })
    this.name = 'CallFailure'
  }
}

/** What calls need. */
export interface Caller { core: ApiServerCore; client: WebhookClient }

/**
 * Asks one webhook. Resolves when it allows the request, its warnings and audit annotations passed on. Throws the refusal as a
 * `StatusError`, and a `CallFailure` when the webhook gave no proper answer.
 */
export async function callHook({ core, client }: Caller, { hook }: Invocation, isMutating: boolean, subject: ReviewSubject): Promise<AdmissionResult> {
  const { webhook } = hook
  const { attributes } = subject
  const failed = (because: string, cause: unknown): CallFailure => new CallFailure(webhook.name, `${because}: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
  if (attributes.dryRun && webhook.sideEffects !== 'None' && webhook.sideEffects !== 'NoneOnDryRun') throw errors.badRequest(`admission webhook ${JSON.stringify(webhook.name)} does not support dry run`)
  const version = reviewVersion(webhook.admissionReviewVersions)
  if (version === undefined) throw new CallFailure(webhook.name, 'could not create admission objects: webhook does not accept known AdmissionReview versions (v1, v1beta1)')
  const uid = core.runtime.random.uuid()
  let review: unknown
  try {
    review = await client.post(webhook.clientConfig, reviewText(version, uid, subject), (webhook.timeoutSeconds ?? defaultTimeoutSeconds) * 1000)
  } catch (cause) {
    throw failed('failed to call webhook', cause)
  }
  let result: AdmissionResult
  try {
    result = checkedResult(version, uid, isMutating, review)
  } catch (cause) {
    throw failed('received invalid webhook response', cause)
  }
  for (const [key, value] of Object.entries(result.auditAnnotations)) attributes.annotateAudit(`${webhook.name}/${key}`, value)
  for (const warning of result.warnings) attributes.warn(warning)
  if (!result.allowed) throw denial(webhook.name, result.status)
  return result
}

/** What becomes of an error by the webhook's failure policy: undefined when the request goes on. */
export function outcomeOf(core: ApiServerCore, { hook }: Invocation, attributes: AdmissionAttributes, error: unknown, failedOpenKey: string): StatusError | undefined {
  if (!(error instanceof CallFailure)) return error instanceof StatusError ? error : errors.internal(error)
  const { log } = core.runtime
  if (hook.webhook.failurePolicy !== 'Ignore') {
    log.warn('Failed calling webhook, failing closed', { webhook: hook.webhook.name, err: error })
    return errors.internal(error)
  }
  log.warn('Failed calling webhook, failing open', { webhook: hook.webhook.name, err: error })
  attributes.annotateAudit(failedOpenKey, hook.webhook.name)
  return undefined
}
