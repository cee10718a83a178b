import type { Pod } from '../../api/types/core_v1.ts'
import { podContainers } from '../../api/pod-references.ts'
import { isJsonObject } from '../../machinery/json-value.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../context.ts'
import type { ApiServerCore } from '../core.ts'
import { AnswerError, webhookClient, type WebhookTarget } from '../webhook-client.ts'
import type { WebhookCredentials } from '../webhook-credentials.ts'
import { admittedPod, refusal } from './refusal.ts'

/** `imagePolicy` of the plugin's configuration, with its kubeconfig read. */
export interface ImagePolicyOptions {
  target: WebhookTarget
  credentials: WebhookCredentials
  allowTtlMs: number
  denyTtlMs: number
  retryBackoffMs: number
  /** What happens to pods while the backend cannot be asked. */
  defaultAllow: boolean
}

interface ReviewStatus { allowed: boolean; reason: string; auditAnnotations: Readonly<Record<string, string>> }

const auditPrefix = 'imagepolicywebhook.image-policy.k8s.io/'
const maxCached = 1024
const attempts = 5
const backoffFactor = 1.5
const timeoutMs = 30_000

function imagesOf({ spec }: Pod): string[] {
  return [...podContainers(spec)].map(({ image }) => image ?? '')
}

function statusOf(review: unknown): ReviewStatus {
  const status = isJsonObject(review) && isJsonObject(review.status) ? review.status : {}
  const { allowed, reason, auditAnnotations } = status
  return {
    allowed: allowed === true, reason: typeof reason === 'string' ? reason : '',
    auditAnnotations: isJsonObject(auditAnnotations) ? Object.fromEntries(Object.entries(auditAnnotations).map(([key, value]) => [key, String(value)])) : {},
  }
}

/** Asks a backend about the images of pods (imagepolicy.k8s.io/v1alpha1). Off by default; needs a configuration. */
export function imagePolicyWebhook(core: ApiServerCore, options: ImagePolicyOptions): AdmissionPlugin {
  const { clock, log } = core.runtime
  const client = webhookClient(core, options.credentials)
  const cache = new Map<string, { status: ReviewStatus; untilMs: number }>()

  async function ask(spec: object): Promise<ReviewStatus> {
    const body = JSON.stringify({ kind: 'ImageReview', apiVersion: 'imagepolicy.k8s.io/v1alpha1', metadata: {}, spec, status: { allowed: false } })
    let delayMs = options.retryBackoffMs
    for (let attempt = 1; ; attempt++) {
      try {
        return statusOf(await client.post(options.target, body, timeoutMs))
      } catch (error) {
        const mayPass = error instanceof AnswerError ? error.status === 429 || error.status === 500 : /connection reset/.test(String(error))
        if (!mayPass || attempt === attempts) throw error
        await clock.sleep(delayMs, core.signal)
        delayMs *= backoffFactor
      }
    }
  }

  async function statusFor(spec: object): Promise<ReviewStatus> {
    const key = JSON.stringify(spec)
    const known = cache.get(key)
    if (known !== undefined && known.untilMs > clock.monotonicMs()) return known.status
    const status = await ask(spec)
    const ttlMs = status.allowed ? options.allowTtlMs : options.denyTtlMs
    cache.delete(key)
    if (ttlMs > 0) cache.set(key, { status, untilMs: clock.monotonicMs() + ttlMs })
    if (cache.size > maxCached) cache.delete(cache.keys().next().value!)
    return status
  }

  function isUnchanged({ operation, oldObject }: AdmissionAttributes, pod: Pod): boolean {
    return operation === 'UPDATE' && oldObject !== undefined && JSON.stringify(imagesOf(pod)) === JSON.stringify(imagesOf(oldObject as unknown as Pod))
  }

  return {
    name: 'ImagePolicyWebhook',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    resources: ['pods'],
    async validate(attributes) {
      const pod = admittedPod(attributes) ?? admittedPod(attributes, 'ephemeralcontainers')
      if (pod === undefined || isUnchanged(attributes, pod)) return
      const annotations = Object.fromEntries(Object.entries(pod.metadata.annotations ?? {}).filter(([key]) => key.includes('.image-policy.k8s.io/')))
      const spec = {
        containers: imagesOf(pod).map((image) => ({ image })), ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
        ...(attributes.namespace === '' ? {} : { namespace: attributes.namespace }),
      }
      let status: ReviewStatus
      try {
        status = await statusFor(spec)
      } catch (error) {
        log.warn('error contacting webhook backend', { plugin: 'ImagePolicyWebhook', err: error })
        if (!options.defaultAllow) throw refusal(attributes, error instanceof Error ? error : String(error))
        attributes.annotateAudit(`${auditPrefix}failed-open`, 'true')
        // Pods that came in unasked are to be found again.
        pod.metadata.annotations = { ...pod.metadata.annotations, 'alpha.image-policy.k8s.io/failed-open': 'true' }
        return
      }
      for (const [key, value] of Object.entries(status.auditAnnotations)) attributes.annotateAudit(`${auditPrefix}${key}`, value)
      if (!status.allowed) throw refusal(attributes, status.reason === '' ? 'one or more images rejected by webhook backend' : `image policy webhook backend denied one or more images: ${status.reason}`)
    },
  }
}
