import type { Pod } from '../../api/types/core_v1.ts'
import { runController, watching } from '../../client/controller.ts'
import { pods } from '../../client/resources.ts'
import { keyOf, timeText } from '../../machinery/object.ts'
import type { StartController } from '../context.ts'
import { isPodTerminal, podCondition, timeMs } from '../pods.ts'

const staleAfterMs = 2 * 60_000

/** Takes back the announcement of a disruption that never came (KEP-3329): the condition DisruptionTarget becomes False after two minutes. */
export const startStaleDisruptions: StartController = ({ informers, runtime, client }) => {
  const informer = informers.informer(pods)
  return runController({
    name: 'disruption-controller-stale-pods', runtime, concurrency: 1,
    sources: [watching(informer, (pod) => (pod !== undefined && isAnnounced(pod) ? [keyOf(pod)] : []))],
    async reconcile(key) {
      const pod = informer.get(key)
      if (pod === undefined || !isAnnounced(pod)) return
      const nowMs = runtime.clock.now()
      const condition = podCondition(pod, 'DisruptionTarget')!
      const leftMs = timeMs(condition.lastTransitionTime) + staleAfterMs - nowMs
      if (leftMs > 0) return { requeueAfterMs: leftMs }
      const { namespace = '', name = '', uid } = pod.metadata
      await client.patch(pods, namespace, name, 'strategic', { metadata: { uid }, status: { conditions: [{ type: 'DisruptionTarget', status: 'False', lastTransitionTime: timeText(nowMs) }] } }, { subresource: 'status' })
      return undefined
    },
  })
}

function isAnnounced(pod: Pod): boolean {
  return podCondition(pod, 'DisruptionTarget')?.status === 'True' && pod.metadata.deletionTimestamp === undefined && !isPodTerminal(pod)
}
