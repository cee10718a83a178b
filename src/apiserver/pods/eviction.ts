import type { Pod } from '../../api/types/core_v1.ts'
import type { Eviction, PodDisruptionBudget } from '../../api/types/policy_v1.ts'
import { labelSelectorMatcher } from '../../machinery/labels.ts'
import { errors, success } from '../../machinery/status.ts'
import { timeText } from '../../machinery/object.ts'
import { asServer } from '../bootstrap/ensure.ts'
import type { ServerResponse } from '../context.ts'
import type { ApiServerCore, DeleteRequest } from '../core.ts'
import { checkDeleteOptions } from '../deletion.ts'
import type { SubresourceContext, SubresourceHandler } from '../subresources.ts'
import { withCondition } from './condition.ts'

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
  if (allowed === 0) throw tooMany(budget, refusalOf(budget), 0)
  const disruptedPods = { ...status?.disruptedPods, [podName]: timeText(nowMs) }
  return { ...budget, status: { ...status!, disruptionsAllowed: allowed - 1, disruptedPods, ...(allowed === 1 ? { conditions: spentConditions(budget, nowMs) } : {}) } }
}

/** Why a budget allows nothing. Where its controller failed, the numbers are of no worth. */
function refusalOf({ status }: PodDisruptionBudget): string {
  const { desiredHealthy = 0, currentHealthy = 0, conditions = [] } = status ?? {}
  const condition = conditions.find(({ type, status: is, message = '' }) => type === 'DisruptionAllowed' && is === 'False' && message !== '')
  if (condition?.reason === 'SyncFailed') return `does not allow evicting pods currently because it failed sync: ${condition.message}`
  if (currentHealthy <= desiredHealthy) return `needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`
  return `does not allow evicting pods currently${condition === undefined ? '' : ` (${condition.reason ?? ''}): ${condition.message}`}`
}

function spentConditions({ status }: PodDisruptionBudget, nowMs: number): NonNullable<PodDisruptionBudget['status']>['conditions'] {
  const conditions = status?.conditions ?? []
  const before = conditions.find(({ type }) => type === 'DisruptionAllowed')
  const { observedGeneration } = status ?? {}
  const now = {
    type: 'DisruptionAllowed', status: 'False', ...(observedGeneration === undefined ? {} : { observedGeneration }),
    lastTransitionTime: before?.status === 'False' ? before.lastTransitionTime : timeText(nowMs), reason: 'InsufficientPods', message: '',
  }
  return before === undefined ? [...conditions, now] : conditions.map((condition) => (condition === before ? now : condition))
}

async function handle(context: SubresourceContext): Promise<ServerResponse> {
  const { core, info: { namespace, name }, user, dryRun } = context
  const eviction = await context.readObject({ group: 'policy', version: 'v1', kind: 'Eviction', alsoTaken: 'policy/v1beta1' }) as unknown as Eviction
  await context.prepare(eviction as never, { keepsSystemFields: true })
  await context.admit('CREATE', eviction, undefined, () => {
    if (eviction.metadata!.name !== name) throw errors.badRequest('name in URL does not match name in Eviction object')
  })
  const { deleteOptions = {} } = eviction
  const asked = deleteOptions.dryRun ?? []
  if (dryRun && asked.length > 0 && asked.join(' ') !== 'All') throw errors.plain(`Non-matching dry-run options in request and content: [All] and [${asked.join(' ')}]`)
  const pods = core.resource('pods')
  const pod = await core.registry.get(pods, namespace, name) as unknown as Pod
  checkDeleteOptions(deleteOptions as DeleteRequest)
  const preconditions: Preconditions = { uid: pod.metadata.uid!, ...deleteOptions.preconditions }
  const isDry = dryRun || (deleteOptions.dryRun ?? []).length > 0
  const budgets = ignoresBudget(pod) ? [] : await budgetsOf(core, pod)
  if (budgets.length > 1) throw errors.plain('This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.')
  const [budget] = budgets
  if (budget !== undefined && !mayGoUnready(budget, pod)) {
    const nowMs = core.runtime.clock.now()
    const budgetResource = core.resource('poddisruptionbudgets', 'policy')
    await core.registry.update(budgetResource, namespace, budget.metadata.name!,
      (current) => chargeBudget(current as unknown as PodDisruptionBudget, name, nowMs) as never, { ...asServer(core, budgetResource, 'status'), user, dryRun: isDry, strategy: {} })
  }
  if (!isDry) {
    const marked = await markDisrupted(context, deleteOptions.preconditions)
    // That was our own doing.
    if ((preconditions.resourceVersion ?? '') !== '') preconditions.resourceVersion = marked
  }
  await core.registry.delete(pods, namespace, name, {
    user, dryRun: isDry, preconditions,
    ...(deleteOptions.gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds: deleteOptions.gracePeriodSeconds }),
    ...(deleteOptions.orphanDependents === undefined ? {} : { orphanDependents: deleteOptions.orphanDependents }),
    ...(deleteOptions.propagationPolicy === undefined ? {} : { propagationPolicy: deleteOptions.propagationPolicy as 'Background' }),
  })
  return context.answer(success(undefined, 201) as never, 201)
}

interface Preconditions { uid?: string; resourceVersion?: string }

function checkPreconditions({ metadata }: Pod, { uid = '', resourceVersion = '' }: Preconditions): void {
  const refuse = (because: string): Error => errors.conflict({ group: '', resource: 'Pod' }, metadata.name!, because)
  if (uid !== '' && uid !== metadata.uid) throw refuse(`the UID in the precondition (${uid}) does not match the UID in record (${metadata.uid}). The object might have been deleted and then recreated`)
  if (resourceVersion !== '' && resourceVersion !== metadata.resourceVersion) {
    throw refuse(`the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${metadata.resourceVersion}). The object might have been modified`)
  }
}

/** Says in the pod's status that the eviction API ends it (KEP-3329), so that Jobs can tell it from a failure; returns its new resource version. */
async function markDisrupted({ core, info: { namespace, name }, user }: SubresourceContext, preconditions: Preconditions = {}): Promise<string> {
  const nowMs = core.runtime.clock.now()
  const { metadata } = await core.registry.update(core.resource('pods'), namespace, name, (current) => {
    const pod = current as unknown as Pod
    checkPreconditions(pod, preconditions)
    return withCondition(pod, { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', message: 'Eviction API: evicting' }, nowMs) as never
  }, { user, subresource: 'status', strategy: {} })
  return metadata.resourceVersion ?? ''
}

/** `pods/NAME/eviction` (policy/v1 Eviction): a deletion that asks the pod's disruption budget first. */
export const evictionHandler: SubresourceHandler = { group: '', resource: 'pods', subresource: 'eviction', handle }
