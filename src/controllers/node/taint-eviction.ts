import type { Node, Pod, Taint } from '../../api/types/core_v1.ts'
import { tolerates } from '../../api/tolerations.ts'
import { runController, watching } from '../../client/controller.ts'
import { targetOf } from '../../client/events.ts'
import { nodes, pods } from '../../client/resources.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { keyOf } from '../../machinery/object.ts'
import { isReason } from '../../machinery/status.ts'
import type { ControllerContext, StartController } from '../context.ts'
import { disruptionPatch } from '../pods.ts'
import { podsByNode } from './lifecycle.ts'

function noExecute(node: Node | undefined): Taint[] {
  return (node?.spec?.taints ?? []).filter((taint) => taint.effect === 'NoExecute')
}

/** How long the pod may stay on a node with these taints, in seconds: 0 when it tolerates one of them not, Infinity for ever. */
export function toleratedSeconds(pod: Pod, taints: readonly Taint[]): number {
  let seconds = Infinity
  for (const taint of taints) {
    const matching = (pod.spec?.tolerations ?? []).filter((toleration) => tolerates(toleration, taint))
    if (matching.length === 0) return 0
    for (const { tolerationSeconds } of matching) if (tolerationSeconds !== undefined) seconds = Math.min(seconds, Math.max(0, Number(tolerationSeconds)))
  }
  return seconds
}

/** Deletes pods from nodes with NoExecute taints, when the time that they tolerate is over. */
export const startTaintEvictionController: StartController = (context) => {
  const { informers, runtime } = context
  const nodeInformer = informers.informer(nodes)
  const podInformer = informers.informer(pods)
  podInformer.addIndex(podsByNode, (pod) => (pod.spec?.nodeName === undefined ? [] : [pod.spec.nodeName]))
  /** Pods whose time runs, since when. */
  const waiting = new Map<string, number>()

  return runController({
    name: 'taint-eviction-controller', runtime, concurrency: 8,
    sources: [
      watching(nodeInformer, (node, old) => (semanticEqual(noExecute(node), noExecute(old)) ? [] : podInformer.byIndex(podsByNode, (node ?? old)!.metadata.name ?? '').map(keyOf))),
      watching(podInformer, (pod, old) => (pod !== undefined && old !== undefined && pod.spec?.nodeName === old.spec?.nodeName && semanticEqual(pod.spec?.tolerations, old.spec?.tolerations) ? [] : [keyOf((pod ?? old)!)])),
    ],
    async reconcile(key) {
      const pod = podInformer.get(key)
      const taints = noExecute(nodeInformer.get(pod?.spec?.nodeName ?? ''))
      if (pod === undefined || pod.metadata.deletionTimestamp !== undefined) return void waiting.delete(key)
      const seconds = taints.length === 0 ? Infinity : toleratedSeconds(pod, taints)
      if (seconds === Infinity) {
        if (waiting.delete(key)) context.recorder.event(targetOf(pods, pod), 'Normal', 'TaintManagerEviction', `Cancelling deletion of Pod ${key}`)
        return
      }
      const nowMs = runtime.clock.now()
      const sinceMs = waiting.get(key) ?? nowMs
      waiting.set(key, sinceMs)
      const leftMs = sinceMs + seconds * 1000 - nowMs
      if (leftMs > 0) return { requeueAfterMs: leftMs }
      await evict(context, pod, key)
      waiting.delete(key)
    },
  })
}

async function evict({ client, recorder, runtime }: ControllerContext, pod: Pod, key: string): Promise<void> {
  const { namespace = '', name = '', uid } = pod.metadata
  recorder.event(targetOf(pods, pod), 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${key}`)
  try {
    const patch = disruptionPatch(pod, 'DeletionByTaintManager', 'Taint manager: deleting due to NoExecute taint', runtime.clock.now())
    await client.patch(pods, namespace, name, 'strategic', patch, { subresource: 'status' })
    await client.delete(pods, namespace, name, { preconditions: { uid } })
  } catch (error) {
    if (!isReason(error, 'NotFound')) throw error
  }
}
