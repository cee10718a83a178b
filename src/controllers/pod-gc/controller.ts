import type { Pod } from '../../api/types/core_v1.ts'
import { every, reading, runController } from '../../client/controller.ts'
import { nodes, pods } from '../../client/resources.ts'
import { keyOf } from '../../machinery/object.ts'
import { isReason } from '../../machinery/status.ts'
import type { ControllerContext, StartController } from '../context.ts'
import { disruptionPatch, isPodTerminal, timeMs } from '../pods.ts'

export interface PodGarbageCollectorOptions { /** Finished pods kept, at most; 0 or less keeps all. */ terminatedPodThreshold?: number }

const periodMs = 20_000
/** A node must be gone for this long before its pods go: its object may only be made anew. */
const quarantineMs = 40_000
const outOfServiceTaint = 'node.kubernetes.io/out-of-service'

/** Deletes pods that nobody else will: too many finished ones, those of nodes that are gone or out of service, and unplaced ones that end. */
export function podGarbageCollector(options: PodGarbageCollectorOptions = {}): StartController {
  return (context) => {
    const podInformer = context.informers.informer(pods)
    const nodeInformer = context.informers.informer(nodes)
    const missingSince = new Map<string, number>()
    return runController({
      name: 'pod-garbage-collector-controller', runtime: context.runtime, concurrency: 1,
      sources: [every(context.runtime, periodMs), reading(podInformer), reading(nodeInformer)],
      async reconcile() {
        const all = podInformer.list()
        await collectFinished(context, all, options.terminatedPodThreshold ?? 12_500)
        await collectOutOfService(context, all)
        await collectOrphans(context, all, missingSince)
        for (const pod of all) if (pod.metadata.deletionTimestamp !== undefined && (pod.spec?.nodeName ?? '') === '') await collect(context, pod)
      },
    })
  }
}

async function collectFinished(context: ControllerContext, all: readonly Pod[], threshold: number): Promise<void> {
  const finished = all.filter((pod) => !['Pending', 'Running', 'Unknown', undefined].includes(pod.status?.phase))
  const surplus = threshold > 0 ? finished.length - threshold : 0
  if (surplus <= 0) return
  const evicted = (pod: Pod): number => Number(pod.status?.reason !== 'Evicted')
  finished.sort((a, b) => evicted(a) - evicted(b) || timeMs(a.metadata.creationTimestamp) - timeMs(b.metadata.creationTimestamp))
  for (const pod of finished.slice(0, surplus)) await collect(context, pod)
}

async function collectOutOfService(context: ControllerContext, all: readonly Pod[]): Promise<void> {
  const nodeInformer = context.informers.informer(nodes)
  const out = new Set(nodeInformer.list().filter((node) => (node.spec?.taints ?? []).some((taint) => taint.key === outOfServiceTaint)
    && node.status?.conditions?.find((condition) => condition.type === 'Ready')?.status !== 'True').map((node) => node.metadata.name))
  for (const pod of all) if (pod.metadata.deletionTimestamp !== undefined && out.has(pod.spec?.nodeName)) await collect(context, pod)
}

async function collectOrphans(context: ControllerContext, all: readonly Pod[], missingSince: Map<string, number>): Promise<void> {
  const { client, informers, runtime } = context
  const nodeInformer = informers.informer(nodes)
  const byNode = Map.groupBy(all.filter((pod) => (pod.spec?.nodeName ?? '') !== ''), (pod) => pod.spec!.nodeName!)
  const nowMs = runtime.clock.monotonicMs()
  for (const name of missingSince.keys()) if (!byNode.has(name) || nodeInformer.get(name) !== undefined) missingSince.delete(name)
  for (const [name, orphans] of byNode) {
    if (nodeInformer.get(name) !== undefined) continue
    const sinceMs = missingSince.get(name) ?? nowMs
    missingSince.set(name, sinceMs)
    // The cache may be behind: only the server knows that a node is gone.
    if (nowMs - sinceMs < quarantineMs || (await client.find(nodes, '', name)) !== undefined) continue
    for (const pod of orphans) await collect(context, pod, 'PodGC: node no longer exists')
  }
}

/** Deletes a pod at once; one that did not finish is marked as failed before, so that who counts its end sees one. */
async function collect({ client, runtime }: ControllerContext, pod: Pod, message?: string): Promise<void> {
  const { namespace = '', name = '', uid } = pod.metadata
  try {
    if (!isPodTerminal(pod)) {
      const patch = message === undefined ? { metadata: { uid }, status: { phase: 'Failed' } } : disruptionPatch(pod, 'DeletionByPodGC', message, runtime.clock.now(), 'Failed')
      await client.patch(pods, namespace, name, 'strategic', patch, { subresource: 'status' })
    }
    await client.delete(pods, namespace, name, { gracePeriodSeconds: 0, preconditions: { uid } })
  } catch (error) {
    if (isReason(error, 'NotFound')) return
    runtime.log.warn('cannot collect a pod; trying again', { pod: keyOf(pod), err: error })
  }
}
