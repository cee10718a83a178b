import type { Probe } from '../../api/types/core_v1.ts'
import type { EventRecorder } from '../../client/events.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { ContainerRuntime } from '../container-runtime.ts'
import type { ProbeOutcome, ProbeResults } from '../pod-actions.ts'
import { containerTarget, containersOf, type BoundPod, type PodContainer } from '../pods.ts'
import { newestContainer, type ObservedContainer, type ObservedPod } from '../runtime-pods.ts'
import { runProbe, type ProbeResult, type ProbeTarget } from './handlers.ts'

export type ProbeType = 'liveness' | 'readiness' | 'startup'
const probeTypes: readonly ProbeType[] = ['startup', 'liveness', 'readiness']
const titles: Record<ProbeType, string> = { liveness: 'Liveness', readiness: 'Readiness', startup: 'Startup' }
const initialOutcomes: Record<ProbeType, ProbeOutcome> = { liveness: 'success', readiness: 'failure', startup: 'unknown' }
const maxAttempts = 3
/** Within this time after a start nothing is held against a container that doesn't listen yet; it is asked often instead. */
const early = { withinMs: 1000, everyMs: 100 }

/**
 * Runs the probes of pods' containers and keeps what they found.
 * 1. A probe speaks of one container id; another container begins with its initial outcome.
 * 2. Nothing but a startup probe runs before the container has started by it.
 * 3. After a failed liveness or startup probe the container isn't probed again: it is going to be killed.
 * 4. A readiness or startup probe over the network, without initial delay, that fails within the first second is neither
 *    counted nor told: it is tried again soon, so that a quick start isn't punished with a whole period.
 * 5. `onResult` is called after each change of an outcome, when the results already tell it.
 */
export interface Prober extends ProbeResults, Disposable {
  /** Tells which containers the pod has now; begins and ends probing accordingly. Cheap when nothing changed. */
  follow(pod: BoundPod, observed: ObservedPod): void
  /** Only readiness goes on while a pod is being ended. */
  stopHealthChecks(uid: string): void
  remove(uid: string): void
}

export interface ProberOptions {
  containers: ContainerRuntime
  runtime: Runtime
  events: EventRecorder
  nodeIP: string
  onResult: (uid: string) => void
  /** How a probe is run; replaced in tests. */
  run?: (probe: Probe, target: ProbeTarget) => Promise<ProbeResult>
}

interface Worker {
  pod: BoundPod
  entry: PodContainer
  type: ProbeType
  podIP: string
  current: ObservedContainer | undefined
  outcome: ProbeOutcome
  last: ProbeOutcome | undefined
  inARow: number
  onHold: boolean
  busy: boolean
  timer: Disposable | undefined
}

export function probeOf({ container }: PodContainer, type: ProbeType): Probe | undefined {
  return type === 'liveness' ? container.livenessProbe : type === 'readiness' ? container.readinessProbe : container.startupProbe
}

export function createProber(options: ProberOptions): Prober {
  const { runtime: { clock, log }, events, containers } = options
  const run = options.run ?? ((probe: Probe, target: ProbeTarget) => runProbe(probe, target, containers, clock))
  const pods = new Map<string, Map<string, Worker>>()
  const byContainer = new Map<string, Worker>()
  const keyOf = (type: ProbeType, id: string): string => `${type}/${id}`

  const stop = (worker: Worker): void => {
    worker.timer?.[Symbol.dispose]()
    worker.timer = undefined
    if (worker.current !== undefined) byContainer.delete(keyOf(worker.type, worker.current.id))
  }
  const outcomeOf = (type: ProbeType, id: string): ProbeOutcome | undefined => byContainer.get(keyOf(type, id))?.outcome
  const alive = (worker: Worker): boolean => pods.get(worker.pod.metadata.uid)?.get(`${worker.entry.container.name}/${worker.type}`) === worker

  const schedule = (worker: Worker, delayMs: number): void => {
    worker.timer?.[Symbol.dispose]()
    worker.timer = clock.timer(delayMs, () => {
      worker.timer = undefined
      void tick(worker)
    }, { background: true })
  }
  const begin = (worker: Worker): void => {
    const probe = probeOf(worker.entry, worker.type)!
    const waitMs = Math.max(0, (worker.current?.startedMs ?? 0) + (probe.initialDelaySeconds ?? 0) * 1000 - clock.now())
    schedule(worker, waitMs)
  }
  const attempt = async (worker: Worker, probe: Probe, target: ProbeTarget): Promise<ProbeResult | undefined> => {
    for (let count = 1; ; count++) {
      try {
        return await run(probe, target)
      } catch (error) {
        if (count < maxAttempts) continue
        events.event(containerTarget(worker.pod, worker.entry), 'Warning', 'Unhealthy', `${titles[worker.type]} probe errored and resulted in unknown state: ${(error as Error).message}`)
        return undefined
      }
    }
  }
  const tick = async (worker: Worker): Promise<void> => {
    const { current, entry, type, pod } = worker
    if (current?.state !== 'running' || worker.onHold || worker.busy || !alive(worker)) return
    const probe = probeOf(entry, type)!
    const periodMs = (probe.periodSeconds ?? 10) * 1000
    const started = entry.container.startupProbe === undefined || outcomeOf('startup', current.id) === 'success'
    // The startup probe's success begins the others (2); it ends itself.
    if (type === 'startup' ? started : !started) return
    worker.busy = true
    try {
      const result = await attempt(worker, probe, { container: entry.container, containerId: current.id, podIP: worker.podIP, nodeIP: options.nodeIP })
      // Another container, or none, by now: what was found is of no use.
      if (worker.current?.id !== current.id || worker.current.state !== 'running' || !alive(worker)) return
      if (result === undefined) return
      if (result.outcome === 'failure' && isEarly(worker, probe)) return schedule(worker, early.everyMs)
      if (result.outcome === 'warning') events.event(containerTarget(pod, entry), 'Warning', 'ProbeWarning', `${titles[type]} probe warning: ${result.output}`)
      if (result.outcome === 'failure') {
        log.debug('a probe failed', { pod: pod.metadata.name, container: entry.container.name, type, output: result.output })
        events.event(containerTarget(pod, entry), 'Warning', 'Unhealthy', `${titles[type]} probe failed: ${result.output}`)
      }
      take(worker, probe, result.outcome === 'failure' ? 'failure' : 'success')
    } catch (error) {
      log.error('a probe worker failed', { pod: pod.metadata.name, container: entry.container.name, type, err: error })
    } finally {
      worker.busy = false
      if (alive(worker) && worker.current !== undefined && worker.timer === undefined && !worker.onHold) schedule(worker, worker.current.id === current.id ? periodMs : 0)
    }
  }
  const isEarly = ({ type, current, outcome }: Worker, probe: Probe): boolean =>
    type !== 'liveness' && probe.exec === undefined && (probe.initialDelaySeconds ?? 0) === 0 && outcome !== 'success' && clock.now() - (current?.startedMs ?? 0) < early.withinMs
  const take = (worker: Worker, probe: Probe, outcome: ProbeOutcome): void => {
    worker.inARow = worker.last === outcome ? worker.inARow + 1 : 1
    worker.last = outcome
    const needed = outcome === 'failure' ? (probe.failureThreshold ?? 3) : (probe.successThreshold ?? 1)
    if (worker.inARow < needed) return
    const changed = worker.outcome !== outcome
    worker.outcome = outcome
    if (outcome === 'failure' && worker.type !== 'readiness') {
      worker.onHold = true
      worker.inARow = 0
    }
    if (!changed) return
    if (worker.type === 'startup' && outcome === 'success') {
      for (const other of pods.get(worker.pod.metadata.uid)?.values() ?? []) if (other.entry.container.name === worker.entry.container.name && other !== worker) begin(other)
    }
    options.onResult(worker.pod.metadata.uid)
  }

  return {
    liveness: (id) => outcomeOf('liveness', id),
    readiness: (id) => outcomeOf('readiness', id),
    startup: (id) => outcomeOf('startup', id),
    follow(pod, observed) {
      const { uid } = pod.metadata
      const workers = pods.get(uid) ?? new Map<string, Worker>()
      for (const entry of containersOf(pod)) {
        if (entry.kind === 'ephemeral' || (entry.kind === 'init' && !entry.sidecar)) continue
        for (const type of probeTypes) {
          if (probeOf(entry, type) === undefined) continue
          const key = `${entry.container.name}/${type}`
          const worker: Worker = workers.get(key) ?? { pod, entry, type, podIP: '', current: undefined, outcome: initialOutcomes[type], last: undefined, inARow: 0, onHold: false, busy: false, timer: undefined }
          workers.set(key, worker)
          pods.set(uid, workers)
          Object.assign(worker, { pod, entry, podIP: pod.spec.hostNetwork === true ? options.nodeIP : (observed.sandboxes[0]?.ips[0] ?? worker.podIP) })
          const newest = newestContainer(observed, entry.container.name)
          const before = worker.current
          if (before?.id === newest?.id) {
            worker.current = newest
            continue
          }
          stop(worker)
          Object.assign(worker, { current: newest, outcome: initialOutcomes[type], last: undefined, inARow: 0, onHold: false })
          if (newest === undefined) continue
          byContainer.set(keyOf(type, newest.id), worker)
        }
      }
      for (const worker of workers.values()) if (worker.current?.state === 'running' && worker.timer === undefined && !worker.busy && !worker.onHold) begin(worker)
    },
    stopHealthChecks(uid) {
      for (const [key, worker] of pods.get(uid) ?? []) {
        if (worker.type === 'readiness') continue
        worker.timer?.[Symbol.dispose]()
        worker.timer = undefined
        worker.onHold = true
        if (worker.type === 'liveness') pods.get(uid)?.delete(key)
      }
    },
    remove(uid) {
      for (const worker of pods.get(uid)?.values() ?? []) stop(worker)
      pods.delete(uid)
    },
    [Symbol.dispose]() {
      for (const workers of pods.values()) for (const worker of workers.values()) stop(worker)
      pods.clear()
    },
  }
}
