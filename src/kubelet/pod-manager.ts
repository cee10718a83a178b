import type { Node, Pod } from '../api/types/core_v1.ts'
import { semanticEqual } from '../machinery/equality.ts'
import { admitPod } from './admission.ts'
import type { PodContext } from './pod-context.ts'
import { removeOrphan } from './pod-termination.ts'
import { startPodWorker, type PodWorker } from './pod-worker.ts'
import { boundPod, isTerminalPhase, podTarget, type BoundPod } from './pods.ts'
import { ownedConditions } from './pod-status.ts'
import { emptyObservation } from './runtime-pods.ts'

/** The pods of this node: one worker each, from the API's word to the last trace on the node. */
export interface PodManager extends AsyncDisposable {
  /** A pod as the API has it now; undefined with its last version when it is gone. */
  take(pod: Pod | undefined, old: Pod | undefined): void
  /** From now on what the runtime has and the API does not speak of is left over, and removed. */
  known(): void
  wake(uid: string, reason?: { volumesStale?: boolean }): void
  find(namespace: string, name: string): BoundPod | undefined
  pods(): BoundPod[]
  /** Removes what is left of pods that are gone: containers, directories, cgroups. */
  cleanUp(): Promise<void>
}

/** What of a pod makes its worker act: everything but what this kubelet itself tells. */
function matters(old: BoundPod, pod: BoundPod): boolean {
  const facts = ({ metadata, spec, status }: BoundPod): unknown => [
    metadata.labels, metadata.annotations, metadata.deletionTimestamp, metadata.deletionGracePeriodSeconds, spec,
    status?.conditions?.filter(({ type }) => !(ownedConditions as readonly string[]).includes(type)),
  ]
  return !semanticEqual(facts(old), facts(pod))
}

export function createPodManager(context: PodContext, node: () => Node | undefined): PodManager {
  const { log } = context.runtime
  const workers = new Map<string, PodWorker>()
  const names = new Map<string, string>()
  const stopped = new AbortController()
  const removing = new Set<string>()
  const ending = new Set<Promise<void>>()
  let allKnown = false

  const active = (): BoundPod[] => [...workers.values()].filter(({ state, work }) => (state === 'syncing' || state === 'terminating') && !isTerminalPhase(work.pod.status?.phase)).map(({ work }) => work.pod)
  const start = (pod: BoundPod): void => {
    const { uid, namespace, name } = pod.metadata
    const here = context.pods.seen(uid)
    const adopted = (here !== undefined && here.sandboxes.length > 0) || pod.metadata.deletionTimestamp !== undefined || isTerminalPhase(pod.status?.phase)
    const self = node()
    const rejection = adopted || self === undefined ? undefined : admitPod(pod, self, active())
    if (rejection !== undefined) context.events.event(podTarget(pod), 'Warning', rejection.reason, rejection.message.replace(/^Pod was rejected: /, ''))
    const worker = startPodWorker({ context, pod, stop: stopped.signal, ...(rejection === undefined ? {} : { rejection }) })
    workers.set(uid, worker)
    names.set(`${namespace}/${name}`, uid)
    void worker.done.then(() => {
      if (worker.state !== 'finished') return
      workers.delete(uid)
      if (names.get(`${namespace}/${name}`) === uid) names.delete(`${namespace}/${name}`)
    })
  }
  const cleanUpOne = async (uid: string): Promise<void> => {
    if (workers.has(uid) || removing.has(uid)) return
    removing.add(uid)
    try {
      const orphan = context.pods.seen(uid) ?? emptyObservation(uid, '', '')
      log.info('removing what is left of a pod that is gone', { uid, pod: `${orphan.namespace}/${orphan.name}` })
      await removeOrphan(context, orphan)
    } catch (error) {
      log.warn('cannot remove what is left of a pod; trying again later', { uid, err: error })
    } finally {
      removing.delete(uid)
    }
  }
  const cleanUp = async (): Promise<void> => {
    if (!allKnown || stopped.signal.aborted) return
    const uids = new Set([...context.pods.all().filter(({ sandboxes, containers }) => sandboxes.length + containers.length > 0).map(({ uid }) => uid), ...await context.volumes.list(), ...await context.cgroups.list()])
    await Promise.all([...uids].map(cleanUpOne))
  }
  const inBackground = (work: Promise<void>): void => {
    const settled = work.catch((error: unknown) => log.warn('cannot clean up after pods', { err: error })).finally(() => ending.delete(settled))
    ending.add(settled)
  }

  return {
    take(pod, old) {
      if (stopped.signal.aborted) return
      if (pod === undefined) {
        const uid = old?.metadata.uid ?? ''
        workers.get(uid)?.remove(boundPod(old!))
        return
      }
      const bound = boundPod(pod)
      const worker = workers.get(bound.metadata.uid)
      if (worker === undefined) return start(bound)
      context.statuses.shown(bound)
      if (matters(worker.work.pod, bound)) worker.update(bound)
      else worker.work.pod = bound
    },
    known() {
      allKnown = true
      inBackground(cleanUp())
    },
    wake(uid, reason) {
      const worker = workers.get(uid)
      if (worker !== undefined) worker.wake(reason)
      else if (allKnown) inBackground(cleanUpOne(uid))
    },
    find(namespace, name) {
      const uid = names.get(`${namespace}/${name}`)
      return uid === undefined ? undefined : workers.get(uid)?.work.pod
    },
    pods: () => [...workers.values()].map(({ work }) => work.pod),
    cleanUp,
    async [Symbol.asyncDispose]() {
      stopped.abort(new Error('the kubelet stops'))
      await Promise.all([...workers.values()].map(({ done }) => done))
      await Promise.all(ending)
    },
  }
}
