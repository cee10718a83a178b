import type { Pod } from '../../api/types/core_v1.ts'
import type { Eviction, PodDisruptionBudget } from '../../api/types/policy_v1.ts'
import { labelSelectorMatcher } from '../../machinery/labels.ts'
import { errors, success } from '../../machinery/status.ts'
import { timeText } from '../../machinery/object.ts'
import type { ServerResponse } from '../context.ts'
import type { ApiServerCore } from '../core.ts'
import type { SubresourceContext, SubresourceHandler } from '../subresources.ts'

/** Beyond this the disruption controller is behind, and more evictions would be guesswork. */
const maxDisruptedPods = 2000

function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true
}

/** A pod that has ended, is ending or never started may go without asking the budget. */
function ignoresBudget(pod: Pod): boolean {
  return ['Succeeded', 'Failed', 'Pending'].includes(pod.status?.phase ?? '') || pod.metadata.deletionTimestamp !== undefined
}

async function budgetsOf(core: ApiServerCore, pod: Pod): Promise<PodDisruptionBudget[]> {
  const labels = pod.metadata.labels ?? {}
  if (Object.keys(labels).length === 0) return []
  const all = await core.registry.list(core.resource('poddisruptionbudgets', 'policy'), pod.metadata.namespace) as unknown as readonly PodDisruptionBudget[]
  return all.filter((budget) => budget.spec?.selector !== undefined && labelSelectorMatcher(budget.spec.selector)(labels))
}

/** Whether an unready pod may go although its budget is spent (KEP-3017): always, or while the budget's pods are otherwise healthy. */
function mayGoUnready(budget: PodDisruptionBudget, pod: Pod): boolean {
  if (isReady(pod)) return false
  if (budget.spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true
  const { currentHealthy = 0, desiredHealthy = 0 } = budget.status ?? {}
  return currentHealthy >= desiredHealthy && desiredHealthy > 0
}

function tooMany(budget: PodDisruptionBudget, message: string, retryAfterSeconds: number): Error {
  return errors.tooManyRequests('Cannot evict pod as it would violate the pod\'s disruption budget.', retryAfterSeconds, [
    { reason: 'DisruptionBudget', message: `The disruption budget ${budget.metadata.name} ${message}` },
  ])
}

/** Takes one disruption off the budget, noting the pod until the controller has seen it go. Throws 429 when none is left. */
export function chargeBudget(budget: PodDisruptionBudget, podName: string, nowMs: number): PodDisruptionBudget {
  const { status } = budget
  if ((status?.observedGeneration ?? 0) < (budget.metadata.generation ?? 0)) throw tooMany(budget, 'is still being processed by the server.', 10)
  const allowed = status?.disruptionsAllowed ?? 0
  if (allowed < 0) throw errors.forbidden({ group: 'policy', resource: 'poddisruptionbudget' }, budget.metadata.name!, 'pdb disruptions allowed is negative')
  if (Object.keys(status?.disruptedPods ?? {}).length > maxDisruptedPods) throw errors.forbidden({ group: 'policy', resource: 'poddisruptionbudget' }, budget.metadata.name!, 'DisruptedPods map too big - too many evictions not confirmed by PDB controller')
  if (allowed === 0) {
    throw tooMany(budget, `needs ${status?.desiredHealthy ?? 0} healthy pods and has ${status?.currentHealthy ?? 0} currently`, 0)
  }
  const conditions = status?.conditions ?? []
  const sufficient = allowed - 1 > 0
  return {
    ...budget,
    status: {
      ...status!, disruptionsAllowed: allowed - 1, disruptedPods: { ...status?.disruptedPods, [podName]: timeText(nowMs) },
      conditions: conditions.map((condition) => (condition.type !== 'DisruptionAllowed' ? condition : {
        ...condition, status: sufficient ? 'True' : 'False', reason: sufficient ? 'SufficientPods' : 'InsufficientPods',
        lastTransitionTime: (condition.status === 'True') === sufficient ? condition.lastTransitionTime : timeText(nowMs),
      })),
    },
  }
}

async function handle(context: SubresourceContext): Promise<ServerResponse> {
  const { core, info: { namespace, name }, user, dryRun } = context
  const eviction = await context.readObject({ group: 'policy', version: 'v1', kind: 'Eviction' }) as unknown as Eviction
  eviction.metadata ??= {}
  if ((eviction.metadata.name ?? '') !== '' && eviction.metadata.name !== name) throw errors.badRequest('name in URL does not match name in Eviction object')
  eviction.metadata.name = name
  eviction.metadata.namespace = namespace
  await context.admit('CREATE', eviction)
  const pods = core.resource('pods')
  const pod = await core.registry.get(pods, namespace, name) as unknown as Pod
  const { deleteOptions = {} } = eviction
  const preconditions = { uid: pod.metadata.uid!, ...deleteOptions.preconditions }
  const isDry = dryRun || (deleteOptions.dryRun ?? []).length > 0
  const budgets = ignoresBudget(pod) ? [] : await budgetsOf(core, pod)
  if (budgets.length > 1) throw errors.internal('This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.')
  const [budget] = budgets
  if (budget !== undefined && !mayGoUnready(budget, pod)) {
    const nowMs = core.runtime.clock.now()
    await core.registry.update(core.resource('poddisruptionbudgets', 'policy'), namespace, budget.metadata.name!,
      (current) => chargeBudget(current as unknown as PodDisruptionBudget, name, nowMs) as never, { user, dryRun: isDry, subresource: 'status', strategy: {} })
  }
  if (!isDry) await markDisrupted(context)
  await core.registry.delete(pods, namespace, name, {
    user, dryRun: isDry, preconditions,
    ...(deleteOptions.gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds: deleteOptions.gracePeriodSeconds }),
    ...(deleteOptions.propagationPolicy === undefined ? {} : { propagationPolicy: deleteOptions.propagationPolicy as 'Background' }),
  })
  return context.answer(success(undefined, 201) as never, 201)
}

/** Says in the pod's status that the eviction API ends it (KEP-3329), so that Jobs can tell it from a failure. */
async function markDisrupted({ core, info: { namespace, name }, user }: SubresourceContext): Promise<void> {
  const lastTransitionTime = timeText(core.runtime.clock.now())
  await core.registry.update(core.resource('pods'), namespace, name, (current) => {
    const pod = current as unknown as Pod
    const others = (pod.status?.conditions ?? []).filter((condition) => condition.type !== 'DisruptionTarget')
    const condition = { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', message: 'Eviction API: evicting', lastProbeTime: null as unknown as string, lastTransitionTime }
    return { ...pod, status: { ...pod.status, conditions: [...others, condition] } } as never
  }, { user, subresource: 'status', strategy: {} })
}

/** `pods/NAME/eviction` (policy/v1 Eviction): a deletion that asks the pod's disruption budget first. */
export const evictionHandler: SubresourceHandler = { group: '', resource: 'pods', subresource: 'eviction', handle }
