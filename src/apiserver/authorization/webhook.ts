import type { SubjectAccessReviewSpec } from '../../api/types/authorization.k8s.io_v1.ts'
import { parseFieldSelector } from '../../machinery/fields.ts'
import { isJsonObject, type JsonObject } from '../../machinery/json-value.ts'
import { parseLabelSelector, type SelectorOperator } from '../../machinery/labels.ts'
import type { CompiledExpression } from '../configuration/expression.ts'
import { reviewWebhook, triedResult, type ReviewWebhookOptions } from '../configuration/review-webhook.ts'
import type { AuthorizationAttributes, AuthorizationDecision, Authorizer } from '../context.ts'
import type { ApiServerCore } from '../core.ts'
import { metricSetOf, type MetricSet } from '../metrics/metric-set.ts'

/** A webhook that answers SubjectAccessReviews (Kubernetes documentation, "Webhook Mode"; KEP-3221). */
export interface AuthorizationWebhookOptions {
  name: string
  /** Path of the kubeconfig that names the webhook. */
  kubeconfig: string
  version: 'v1' | 'v1beta1'
  timeoutMs: number
  /** How long answers hold; 0: they are not kept. */
  authorizedTtlMs: number
  unauthorizedTtlMs: number
  /** What a request gets when the webhook can't be asked. */
  onError: 'noOpinion' | 'deny'
  /** The webhook is asked only when all of them hold. */
  matchConditions?: readonly CompiledExpression[]
  retry?: ReviewWebhookOptions['retry']
}

const maxRemembered = 8192
/** Requests with names longer than this together are not remembered: whoever sends them may want to fill the memory. */
const maxRememberedNameBytes = 10_000

interface Status { allowed: boolean; denied: boolean; reason: string }

const labelOperators: Partial<Record<SelectorOperator, string>> = { '=': 'In', '==': 'In', 'in': 'In', '!=': 'NotIn', 'notin': 'NotIn', 'exists': 'Exists', '!': 'DoesNotExist' }

/** Requirements that can be said; the rest is left out, which asks for more than the request, never for less. */
function selectorsOf({ fieldSelector = '', labelSelector = '' }: AuthorizationAttributes): object {
  const parsed = <T>(text: string, parse: (text: string) => readonly T[]): readonly T[] => {
    try {
      return text === '' ? [] : parse(text)
    } catch {
      return [] // the list verb answers a selector that is wrong with 400
    }
  }
  const fields = parsed(fieldSelector, (text) => parseFieldSelector(text).terms).map((term) => ({ key: term.field, operator: term.operator === '=' ? 'In' : 'NotIn', values: [term.value] }))
  const labels = parsed(labelSelector, (text) => parseLabelSelector(text).requirements).flatMap(({ key, operator, values }) => {
    const said = labelOperators[operator]
    return said === undefined ? [] : [{ key, operator: said, ...(values.length === 0 ? {} : { values: [...values] }) }]
  })
  return { ...(fields.length === 0 ? {} : { fieldSelector: { requirements: fields } }), ...(labels.length === 0 ? {} : { labelSelector: { requirements: labels } }) }
}

/** A request as a SubjectAccessReview says it; empty fields are left out, as Go's encoder does. */
export function reviewSpecOf(request: AuthorizationAttributes): SubjectAccessReviewSpec {
  const { user, verb } = request
  const set = (fields: Record<string, string>): Record<string, string> => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''))
  const resource = { ...set({ namespace: request.namespace, verb, group: request.apiGroup, version: request.apiVersion, resource: request.resource, subresource: request.subresource, name: request.name }), ...selectorsOf(request) }
  return {
    ...(request.isResourceRequest ? { resourceAttributes: resource } : { nonResourceAttributes: set({ path: request.path, verb }) }),
    ...set({ user: user.username, uid: user.uid ?? '' }),
    ...(user.groups.length === 0 ? {} : { groups: [...user.groups] }),
    ...(user.extra === undefined ? {} : { extra: Object.fromEntries(Object.entries(user.extra).map(([key, values]) => [key, [...values]])) }),
  }
}

/** What match conditions see as `request`: every field that is no part of its own is there, '' where it isn't set. */
function expressionValue(spec: SubjectAccessReviewSpec): object {
  const { resourceAttributes: resource, nonResourceAttributes: path } = spec
  return {
    user: spec.user ?? '', uid: spec.uid ?? '', groups: spec.groups ?? [], extra: spec.extra ?? {},
    ...(resource === undefined ? {} : { resourceAttributes: { namespace: '', verb: '', group: '', version: '', resource: '', subresource: '', name: '', ...resource } }),
    ...(path === undefined ? {} : { nonResourceAttributes: { verb: '', path: '', ...path } }),
  }
}

function statusOf(review: JsonObject): Status {
  const status = isJsonObject(review.status) ? review.status : {}
  return { allowed: status.allowed === true, denied: status.denied === true, reason: typeof status.reason === 'string' ? status.reason : '' }
}

function decisionOf({ allowed, denied, reason }: Status): AuthorizationDecision {
  if (denied && allowed) return { decision: 'deny', reason, error: 'webhook subject access review returned both allow and deny response' }
  return { decision: denied ? 'deny' : allowed ? 'allow' : 'noOpinion', reason }
}

export function webhookAuthorizer(options: AuthorizationWebhookOptions, core: Pick<ApiServerCore, 'runtime' | 'signal'>, set: MetricSet = metricSetOf(core)): Authorizer {
  const { clock, log } = core.runtime
  const remembered = new Map<string, { status: Status; untilMs: number }>()
  const call = reviewWebhook({ kubeconfig: options.kubeconfig, timeoutMs: options.timeoutMs, retry: options.retry, runtime: core.runtime, signal: core.signal, metrics: set, tried: (result, seconds) => {
    set.count('apiserver_authorization_webhook_evaluations_total', options.name, result)
    set.observe('apiserver_authorization_webhook_duration_seconds', seconds, options.name, result)
  } })

  /** False when a condition says no; throws when none does and one fails. */
  function isConcerned(spec: SubjectAccessReviewSpec): boolean {
    const { matchConditions = [] } = options
    if (matchConditions.length === 0) return true
    const begunMs = clock.monotonicMs()
    try {
      return holds(matchConditions, spec)
    } finally {
      set.observe('apiserver_authorization_match_condition_evaluation_seconds', (clock.monotonicMs() - begunMs) / 1000, 'Webhook', options.name)
    }
  }

  function holds(conditions: readonly CompiledExpression[], spec: SubjectAccessReviewSpec): boolean {
    const problems: string[] = []
    for (const condition of conditions) {
      try {
        const result = condition.evaluate(expressionValue(spec))
        if (result === false) return false
        if (result !== true) problems.push(`cel evaluation error: expression '${condition.text}' eval result type should be bool but got ${typeof result}`)
      } catch (cause) {
        problems.push(`cel evaluation error: expression '${condition.text}' resulted in error: ${cause instanceof Error ? cause.message : String(cause)}`)
      }
    }
    if (problems.length > 0) throw new Error(problems.length === 1 ? problems[0] : `[${problems.join(', ')}]`)
    return true
  }

  function remember(key: string, request: AuthorizationAttributes, status: Status): void {
    const ttlMs = status.allowed ? options.authorizedTtlMs : options.unauthorizedTtlMs
    const { namespace, verb, apiGroup, apiVersion, resource, subresource, name, path } = request
    if (ttlMs <= 0 || [namespace, verb, apiGroup, apiVersion, resource, subresource, name, path].join('').length >= maxRememberedNameBytes) return
    if (remembered.size >= maxRemembered) remembered.delete(remembered.keys().next().value!)
    remembered.set(key, { status, untilMs: clock.monotonicMs() + ttlMs })
  }

  return {
    name: options.name,
    async authorize(request) {
      const spec = reviewSpecOf(request)
      try {
        if (!isConcerned(spec)) {
          set.count('apiserver_authorization_match_condition_exclusions_total', 'Webhook', options.name)
          return { decision: 'noOpinion', reason: '' }
        }
      } catch (cause) {
        set.count('apiserver_authorization_match_condition_evaluation_errors_total', 'Webhook', options.name)
        return { decision: options.onError, reason: '', error: cause instanceof Error ? cause.message : String(cause) }
      }
      const key = JSON.stringify(spec)
      const known = remembered.get(key)
      if (known !== undefined && known.untilMs > clock.monotonicMs()) return decisionOf(known.status)
      try {
        const body = options.version === 'v1' ? spec : { ...spec, groups: undefined, ...(spec.groups === undefined ? {} : { group: spec.groups }) }
        const status = statusOf(await call({ apiVersion: `authorization.k8s.io/${options.version}`, kind: 'SubjectAccessReview', metadata: { creationTimestamp: null }, spec: body, status: { allowed: false } }))
        remember(key, request, status)
        return decisionOf(status)
      } catch (cause) {
        if (options.onError === 'noOpinion') set.count('apiserver_authorization_webhook_evaluations_fail_open_total', options.name, triedResult(cause))
        log.error('the webhook that authorizes could not be asked', { authorizer: options.name, err: cause })
        return { decision: options.onError, reason: '', error: cause instanceof Error ? cause.message : String(cause) }
      }
    },
    rulesFor: () => ({ resourceRules: [], nonResourceRules: [], incomplete: true, errors: ['webhook authorizer does not support user rule resolution'] }),
  }
}
