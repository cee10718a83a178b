import type { PodDisruptionBudget } from '../../api/types/policy_v1.ts'
import { runController, watching } from '../../client/controller.ts'
import { targetOf } from '../../client/events.ts'
import { deployments, podDisruptionBudgets, pods, replicaSets, replicationControllers, statefulSets } from '../../client/resources.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { labelSelectorMatcher, labelSelectorText } from '../../machinery/labels.ts'
import { keyOf, type KubeObject } from '../../machinery/object.ts'
import type { Informer } from '../../client/informer.ts'
import { together, type ControllerContext, type StartController } from '../context.ts'
import { failedStatus, needsScale, pendingEvictions, statusOf } from './budget.ts'
import { scaleFinder } from './scale.ts'
import { startStaleDisruptions } from './stale.ts'

/** Counts what each PodDisruptionBudget selects and says in its status how many pods may be evicted; the eviction subresource charges against that. */
export const startDisruptionController: StartController = (context) => {
  const { informers, runtime, recorder } = context
  const budgets = informers.informer(podDisruptionBudgets)
  const podInformer = informers.informer(pods)
  const expected = expectedReplicas(context)
  const workloads = [deployments, replicaSets, replicationControllers, statefulSets].map((type) => informers.informer(type as never) as unknown as Informer<KubeObject>)
  const controller = runController({
    name: 'disruption-controller', runtime, concurrency: 5,
    sources: [
      watching(budgets),
      watching(podInformer, (pod, old) => budgets.list((pod ?? old)!.metadata.namespace).filter((budget) => selects(budget, pod) || selects(budget, old)).map(keyOf)),
      ...workloads.map((informer) => watching(informer, (object, old) => (replicasOf(object) === replicasOf(old) ? [] : budgets.list((object ?? old)!.metadata.namespace).map(keyOf)))),
    ],
    async reconcile(key, signal) {
      const budget = budgets.get(key)
      if (budget === undefined) return
      const nowMs = runtime.clock.now()
      const selected = podInformer.list(budget.metadata.namespace).filter((pod) => selects(budget, pod))
      if (selected.length === 0) recorder.event(targetOf(podDisruptionBudgets, budget), 'Normal', 'NoPods', 'No matching pods found')
      const { disruptedPods, recheckMs } = pendingEvictions(budget, selected, nowMs)
      try {
        const scale = needsScale(budget) ? await expected(budget, selected, signal) : 0
        await writeStatus(context, budget, statusOf(budget, selected, scale, disruptedPods, nowMs))
      } catch (error) {
        if (!(error instanceof NoScaleError)) throw error
        recorder.event(targetOf(podDisruptionBudgets, budget), 'Warning', 'CalculateExpectedPodCountFailed', `Failed to calculate the number of expected pods: ${error.message}`)
        await writeStatus(context, budget, failedStatus(budget, error.message, nowMs))
        throw error
      }
      return recheckMs === undefined ? undefined : { requeueAfterMs: recheckMs }
    },
  })
  return together(controller, startStaleDisruptions(context))
}

/** Nobody can tell how many pods there should be. */
class NoScaleError extends Error {}

/** How many pods the controllers of those that a budget selects want. */
function expectedReplicas(context: ControllerContext): (budget: PodDisruptionBudget, selected: Parameters<ReturnType<typeof scaleFinder>>[0], signal: AbortSignal) => Promise<number> {
  const findScale = scaleFinder(context)
  return async (budget, selected, signal) => {
    try {
      const { replicas, unmanaged } = await findScale(selected, signal)
      if (unmanaged.length > 0) {
        context.recorder.event(targetOf(podDisruptionBudgets, budget), 'Warning', 'UnmanagedPods', `Pods selected by this PodDisruptionBudget (selector: &LabelSelector{${labelSelectorText(budget.spec?.selector)}}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.`)
      }
      return replicas
    } catch (cause) {
      throw new NoScaleError(cause instanceof Error ? cause.message : String(cause), { cause })
    }
  }
}

function replicasOf(object: KubeObject | undefined): number | undefined {
  return (object as { spec?: { replicas?: number } } | undefined)?.spec?.replicas
}

function selects({ metadata, spec }: PodDisruptionBudget, pod: KubeObject | undefined): boolean {
  return pod !== undefined && spec?.selector !== undefined && pod.metadata.namespace === metadata.namespace && labelSelectorMatcher(spec.selector)(pod.metadata.labels)
}

async function writeStatus({ client }: ControllerContext, budget: PodDisruptionBudget, status: PodDisruptionBudget['status']): Promise<void> {
  if (!semanticEqual(budget.status, status)) await client.updateStatus(podDisruptionBudgets, { ...budget, status })
}
