import { errors, type StatusError } from '../../../machinery/status.ts'
import type { OpenObject } from '../../../machinery/object.ts'
import type { ResourceDescription } from '../../../api/resource.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../../context.ts'
import type { ApiServerCore } from '../../core.ts'
import { metricSetOf } from '../../metrics/metric-set.ts'
import type { WebhookCredentials } from '../../webhook-credentials.ts'
import { callHook, callerOf, playPart } from './call.ts'
import { configuredHooks } from './configurations.ts'
import { inVersion } from './equivalents.ts'
import { RuleIndex, selectorsMatch, type Invocation } from './matching.ts'
import { isAdmissionConfiguration } from './rules.ts'

interface Shown { object: Readonly<OpenObject> | undefined; oldObject: Readonly<OpenObject> | undefined }

/** Objects of a request in the versions asked for, each converted once. */
function versionsOf(attributes: AdmissionAttributes): (target: ResourceDescription) => Promise<Shown> {
  const known = new Map<ResourceDescription, Promise<Shown>>()
  const convert = async (target: ResourceDescription): Promise<Shown> => ({
    object: await inVersion(attributes.resource, target, attributes.object as OpenObject | undefined),
    oldObject: await inVersion(attributes.resource, target, attributes.oldObject as Readonly<OpenObject> | undefined),
  })
  return (target) => {
    const shown = known.get(target) ?? convert(target)
    known.set(target, shown)
    return shown
  }
}

/** Whether the webhook's matchConditions want the request; those who have none don't load CEL. */
export async function conditionsMatch(core: ApiServerCore, { hook, target }: Invocation, attributes: AdmissionAttributes, shown: Shown, type: 'admit' | 'validate'): Promise<boolean> {
  const conditions = hook.webhook.matchConditions ?? []
  if (conditions.length === 0) return true
  const { compileMatchConditions } = await import('../match-conditions.ts')
  const matches = (hook.compiled.matchConditions ??= compileMatchConditions(conditions)) as ReturnType<typeof compileMatchConditions>
  const { name } = hook.webhook
  const { isMatch, problem } = await matches(core, { attributes, target, ...shown }, { name, kind: 'webhook', type: type === 'admit' ? 'admit' : 'validating' })
  if (!isMatch && (problem === undefined || hook.webhook.failurePolicy === 'Ignore')) metricSetOf(core).count('apiserver_admission_match_condition_exclusions_total', name, 'webhook', type, attributes.operation)
  if (problem === undefined) return isMatch
  if (hook.webhook.failurePolicy === 'Ignore') return false
  core.runtime.log.warn('Failed evaluating match conditions, failing closed', { webhook: hook.webhook.name, err: problem })
  throw errors.forbidden(attributes.resource, attributes.name, problem)
}

/** Asks every webhook of ValidatingWebhookConfigurations that a request concerns, all at once; any one may refuse it. */
export function validatingWebhooks(core: ApiServerCore, credentials?: WebhookCredentials): AdmissionPlugin {
  const hooks = configuredHooks(core, 'validating')
  const index = new RuleIndex(core)
  const caller = callerOf(core, 'validating', credentials)

  async function ask(candidates: readonly Invocation[], attributes: AdmissionAttributes): Promise<void> {
    const versions = versionsOf(attributes)
    const relevant: Invocation[] = []
    for (const invocation of candidates) {
      if (!await selectorsMatch(core, invocation.hook, attributes)) continue
      if (await conditionsMatch(core, invocation, attributes, await versions(invocation.target), 'validate')) relevant.push(invocation)
    }
    // The first refusal in time is the answer, as upstream gives it.
    const refusals: StatusError[] = []
    await Promise.all(relevant.map(async (invocation, i) => {
      const refusal = await playPart(caller, {
        invocation, attributes, failedOpenKey: `failed-open.validating.webhook.admission.k8s.io/round_0_index_${i}`,
        work: async () => void await callHook(caller, invocation, { attributes, target: invocation.target, ...(await versions(invocation.target)) }),
      })
      if (refusal !== undefined) refusals.push(refusal)
    }))
    if (refusals[0] !== undefined) throw refusals[0]
  }

  return {
    name: 'ValidatingAdmissionWebhook',
    handles: () => true,
    validate(attributes) {
      if (isAdmissionConfiguration(attributes)) return
      if (!hooks.readiness.isReady) return hooks.readiness.wait().then(() => ask(index.candidates(hooks.all(), attributes), attributes))
      const candidates = index.candidates(hooks.all(), attributes)
      return candidates.length === 0 ? undefined : ask(candidates, attributes)
    },
  }
}
