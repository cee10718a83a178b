import { semanticEqual } from '../machinery/equality.ts'
import { timeText } from '../machinery/object.ts'
import type { PodContext, PodWork } from './pod-context.ts'
import { publishStatus, syncPod } from './pod-sync.ts'
import { podGraceSeconds, releasePod, removePod, terminatePod } from './pod-termination.ts'
import { isTerminalPhase, type BoundPod } from './pods.ts'
import { emptyObservation, type ObservedPod } from './runtime-pods.ts'

export type PodWorkerState = 'syncing' | 'terminating' | 'terminated' | 'finished'

/**
 * Works on one pod (one uid) from its start to its end.
 * 1. One step at a time; what happens meanwhile makes the next step, which sees the newest pod.
 * 2. States only go forward: syncing -> terminating -> terminated -> finished.
 * 3. `terminating` is left only when the runtime runs nothing of the pod.
 * 4. Volumes and cgroups go only in `terminated`, so never under a running container.
 * 5. A pod leaves the API only after 4, and after its last status was told.
 * 6. A pod that ended by itself stays in `terminated`, its logs to be read, until it is deleted.
 */
export interface PodWorker {
  readonly state: PodWorkerState
  readonly work: PodWork
  /** A newer version of the pod. */
  update(pod: BoundPod): void
  /** The pod is gone from the API. */
  remove(last: BoundPod): void
  /** Something about the pod changed: its containers, its probes, what its volumes show. */
  wake(reason?: { volumesStale?: boolean }): void
  /** Resolves when the worker has finished, or was stopped. */
  readonly done: Promise<void>
}

const errorBackOff = { initialMs: 500, maxMs: 10_000 }

export interface PodWorkerOptions {
  context: PodContext
  pod: BoundPod
  /** The pod may not run here: it fails with this. */
  rejection?: { reason: string; message: string }
  /** Stops the worker where it stands; containers run on. */
  stop: AbortSignal
}

class Worker implements PodWorker {
  state: PodWorkerState = 'syncing'
  readonly work: PodWork
  readonly done: Promise<void>
  private readonly context: PodContext
  private readonly rejected: boolean
  private readonly stop: AbortSignal
  private gone = false
  private dirty = true
  private wakeUp: (() => void) | undefined
  private step = new AbortController()
  private observed: ObservedPod | undefined

  constructor({ context, pod, rejection, stop }: PodWorkerOptions) {
    this.context = context
    this.stop = stop
    this.rejected = rejection !== undefined
    this.work = { pod, startFailures: new Map(), volumes: undefined, volumesStale: true, failure: rejection, graceSeconds: undefined, hurry: new AbortController() }
    stop.addEventListener('abort', () => this.interrupt(), { once: true })
    if (rejection !== undefined || isTerminalPhase(pod.status?.phase)) this.state = 'terminating'
    this.done = this.run()
  }

  update(pod: BoundPod): void {
    const old = this.work.pod
    if (!semanticEqual([old.metadata.labels, old.metadata.annotations], [pod.metadata.labels, pod.metadata.annotations])) this.work.volumesStale = true
    this.work.pod = pod
    this.hearOfDeletion()
    this.wake()
  }

  remove(last: BoundPod): void {
    this.gone = true
    this.work.pod = { ...last, metadata: { ...last.metadata, deletionTimestamp: last.metadata.deletionTimestamp ?? timeText(this.context.runtime.clock.now()) } }
    this.hearOfDeletion()
    this.wake()
  }

  wake(reason: { volumesStale?: boolean } = {}): void {
    if (reason.volumesStale === true) this.work.volumesStale = true
    this.dirty = true
    this.wakeUp?.()
  }

  private get endWanted(): boolean {
    return this.gone || this.work.pod.metadata.deletionTimestamp !== undefined
  }

  private hearOfDeletion(): void {
    if (!this.endWanted) return
    if (this.state === 'syncing') return this.interrupt()
    // A shorter grace period while the pod is being ended already: what still runs is stopped by the new one.
    const seconds = podGraceSeconds({ ...this.work, graceSeconds: undefined })
    if (this.state !== 'terminating' || (this.work.graceSeconds !== undefined && this.work.graceSeconds <= seconds)) return
    const shorter = this.graceOfStep !== undefined && seconds < this.graceOfStep
    this.work.graceSeconds = seconds
    if (!shorter) return
    this.graceOfStep = seconds
    this.work.hurry.abort(new Error('the pod is to end sooner'))
    for (const container of this.observed?.containers ?? []) {
      if (container.state !== 'running') continue
      this.context.containers.stopContainer(container.id, seconds).catch((error: unknown) => this.context.runtime.log.warn('cannot stop a container sooner', { container: container.name, err: error }))
    }
  }
  private graceOfStep: number | undefined

  private interrupt(): void {
    this.step.abort(new Error('the pod ends'))
    this.wakeUp?.()
  }

  private async run(): Promise<void> {
    const { clock, log } = this.context.runtime
    let failures = 0
    while (this.state !== 'finished' && !this.stop.aborted) {
      this.dirty = false
      let retryAfterMs: number | undefined
      try {
        retryAfterMs = await this.takeStep()
        failures = 0
      } catch (error) {
        const { namespace, name } = this.work.pod.metadata
        if (!this.stop.aborted && !this.step.signal.aborted) log.warn('a step of a pod failed; trying again', { pod: `${namespace}/${name}`, state: this.state, err: error })
        retryAfterMs = this.step.signal.aborted ? 0 : Math.min(errorBackOff.initialMs * 2 ** failures, errorBackOff.maxMs)
        failures = Math.min(failures + 1, 10)
      }
      if ((this.state as PodWorkerState) === 'finished' || this.stop.aborted || this.dirty || retryAfterMs === 0) continue
      await new Promise<void>((resolve) => {
        const timer = retryAfterMs === undefined ? undefined : clock.timer(retryAfterMs, resolve, { background: true })
        this.wakeUp = () => {
          timer?.[Symbol.dispose]()
          resolve()
        }
      })
      this.wakeUp = undefined
    }
  }

  /** Milliseconds until the next step is due by itself; undefined when only a wake-up makes one. */
  private async takeStep(): Promise<number | undefined> {
    const { context, work } = this
    this.step = new AbortController()
    if (this.stop.aborted) return undefined
    if (this.state === 'syncing' && this.endWanted) this.state = 'terminating'
    switch (this.state) {
      case 'syncing': {
        const { terminal, retryAfterMs } = await syncPod(context, work, this.step.signal)
        if (!terminal) return retryAfterMs
        this.state = 'terminating'
        return 0
      }
      case 'terminating': {
        const { uid, name, namespace } = work.pod.metadata
        this.observed = context.pods.seen(uid) ?? emptyObservation(uid, name, namespace)
        this.graceOfStep = podGraceSeconds(work)
        if (!this.rejected) publishStatus(context, work, await context.pods.observe(uid, name, namespace), false)
        this.observed = await terminatePod(context, work)
        this.tellEnd(this.observed)
        this.state = 'terminated'
        return 0
      }
      case 'terminated':
        await releasePod(context, work)
        if (!this.endWanted) return undefined
        await removePod(context, work.pod.metadata)
        if (!this.gone) await context.statuses.finish(work.pod)
        if (this.stop.aborted) return undefined
        context.statuses.forget(work.pod.metadata.uid)
        this.state = 'finished'
        return undefined
      case 'finished': return undefined
    }
  }

  private tellEnd(observed: ObservedPod): void {
    const { context, work } = this
    if (!this.rejected) {
      publishStatus(context, work, observed, true)
      return
    }
    const { generation } = work.pod.metadata
    context.statuses.set(work.pod, {
      ...work.pod.status, phase: 'Failed', reason: work.failure!.reason, message: work.failure!.message, startTime: work.pod.status?.startTime ?? timeText(context.runtime.clock.now()),
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    })
  }
}

export function startPodWorker(options: PodWorkerOptions): PodWorker {
  return new Worker(options)
}
