import type { Pod } from '../../api/types/core_v1.ts'
import type { PodDisruptionBudget } from '../../api/types/policy_v1.ts'
import { reading, runController, watching } from '../../client/controller.ts'
import { deployments, podDisruptionBudgets, pods, replicaSets, replicationControllers, statefulSets } from '../../client/resources.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { labelSelectorMatcher } from '../../machinery/labels.ts'
import { keyOf, type KubeObject } from '../../machinery/object.ts'
import type { ControllerContext, StartController } from '../context.ts'
import { together } from '../context.ts'
import { countedPods, failedStatus, needsScale, pendingEvictions, statusOf } from './budget.ts'
import { scaleFinder } from './scale.ts'
import { startStaleDisruptions } from './stale.ts'

/** Counts what each PodDisruptionBudget selects and says in its status how many pods may be evicted; the eviction subresource charges against that. */
export const startDisruptionController: StartController = (context) => {
  const { informers, runtime, client, recorder } = context
  const budgets = informers.informer(podDisruptionBudgets)
  const podInformer = informers.informer(pods)
  const findScale = scaleFinder(context)
  const budgetsOf = function* (object: KubeObject | undefined, old: KubeObject | undefined): Generator<string> {
    const namespace = (object ?? old)!.metadata.namespace
    for (const budget of budgets.list(namespace)) if ([object, old].some((pod) => pod !== undefined && selects(budget, pod))) yield keyOf(budget)
  }
  const everyBudget = function* (object: KubeObject | undefined, old: KubeObject | undefined): Generator<string> {
    const [now, before] = [object, old].map((each) => (each as { spec?: { replicas?: number } } | undefined)?.spec?.replicas)
    if (now !== before) for (const budget of budgets.list((object ?? old)!.metadata.namespace)) yield keyOf(budget)
  }
  const rechecks = new Map<string, Disposable>()
  let wakeLater: ((key: string, delayMs: number) => void) | undefined
  const controller = runController({
    name: 'disruption-controller', runtime, concurrency: 5,
    sources: [
      watching(budgets), watching(podInformer, budgetsOf),
      ...[deployments, replicaSets, replicationControllers, statefulSets].map((type) => watching(informers.informer<KubeObject>(type as never), everyBudget)),
      reading(podInformer as never),
      { synced: Promise.resolve(), start: (wake) => {
        wakeLater = (key, delayMs) => wake(key, undefined, delayMs)
        return { [Symbol.dispose]: () => (wakeLater = undefined) }
      } },
    ],
    async reconcile(key, signal) {
      rechecks.delete(key)
      const budget = budgets.get(key)
      if (budget === undefined) return
      const nowMs = runtime.clock.now()
      const selected = countedPods(podInformer.list(budget.metadata.namespace).filter((pod) => selects(budget, pod)))
      if (selected.length === 0) recorder.event(budget, 'Normal', 'NoPods', 'No matching pods found')
      const { disruptedPods, recheckMs } = pendingEvictions(budget, selected, nowMs)
      if (recheckMs !== undefined) wakeLater?.(key, recheckMs)
      let replicas = 0
      if (needsScale(budget)) {
        try {
          const scale = await findScale(selected, signal)
          replicas = scale.replicas
          if (scale.unmanaged.length > 0) recorder.event(budget, 'Warning', 'UnmanagedPods', `Pods selected by this PodDisruptionBudget (selector: ${JSON.stringify(budget.spec?.selector ?? {})}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.`)
        } catch (error) {
          const message = error instanceof Error ? error.message : String(error)
          recorder.event(budget, 'Warning', 'CalculateExpectedPodCountFailed', `Failed to calculate the number of expected pods: ${message}`)
          await writeStatus(context, budget, failedStatus(budget, message, nowMs))
          throw error
        }
      }
      await writeStatus(context, budget, statusOf(budget, selected, replicas, disruptedPods, nowMs))
    },
  })
  void client
  return together(controller, startStaleDisruptions(context))
}

function selects({ metadata, spec }: PodDisruptionBudget, pod: KubeObject): boolean {
  return spec?.selector !== undefined && pod.metadata.namespace === metadata.namespace && labelSelectorMatcher(spec.selector)(pod.metadata.labels)
}

async function writeStatus({ client }: ControllerContext, budget: PodDisruptionBudget, status: PodDisruptionBudget['status']): Promise<void> {
  if (!semanticEqual(budget.status, status)) await client.updateStatus(podDisruptionBudgets, { ...budget, status })
}

export type { Pod }
