import type { Container } from '../api/types/core_v1.ts'
import { fnv32a } from '../machinery/hash.ts'
import { isSidecar, type BoundPod, type PodContainer } from './pods.ts'
import { activeSandbox, newestContainer, type ObservedContainer, type ObservedPod } from './runtime-pods.ts'

export type ProbeOutcome = 'success' | 'failure' | 'unknown'

/** What probes found, by container id; undefined when there is no such probe (or no result yet). */
export interface ProbeResults {
  liveness(containerId: string): ProbeOutcome | undefined
  readiness(containerId: string): ProbeOutcome | undefined
  startup(containerId: string): ProbeOutcome | undefined
}

export interface ContainerToKill {
  container: PodContainer
  observed: ObservedContainer
  /** Why, as the Killing event says it. */
  message: string
  reason: 'definition changed' | 'liveness' | 'startup' | 'unknown'
}

/** What has to be done to a pod's sandbox and containers, in this order. */
export interface PodActions {
  /** Stop the sandboxes and all that runs in them first. */
  killPod: boolean
  createSandbox: boolean
  /** Number of the sandbox to be made. */
  attempt: number
  kill: ContainerToKill[]
  /** To be started in this order, as far as their back-off allows. */
  start: PodContainer[]
}

/** A container whose hash changed has another definition and is made anew. */
export function containerHash(container: Container): string {
  return fnv32a(JSON.stringify([container.name, container.image])).toString(16)
}

export interface SandboxChange { changed: boolean; attempt: number; sandboxId?: string }

/** Whether the pod needs a (new) sandbox, and the number it would have. */
export function sandboxChange(pod: BoundPod, observed: ObservedPod): SandboxChange {
  const newest = observed.sandboxes[0]
  if (newest === undefined) return { changed: true, attempt: 0 }
  const next = { changed: true, attempt: newest.attempt + 1 }
  if (!newest.ready || observed.sandboxes.filter((sandbox) => sandbox.ready).length > 1) return next
  if (newest.hostNetwork !== (pod.spec.hostNetwork === true)) return next
  if (!newest.hostNetwork && newest.ips.length === 0) return { ...next, sandboxId: newest.id }
  return { changed: false, attempt: newest.attempt, sandboxId: newest.id }
}

/** Whether a container that does not run is to be started (again) by its pod's restart policy (or by its own rules, KEP-5307). */
export function shouldRestart(pod: BoundPod, container: Container, observed: ObservedContainer | undefined): boolean {
  if (pod.metadata.deletionTimestamp !== undefined) return false
  if (observed === undefined) return true
  if (observed.state === 'running') return false
  if (observed.state === 'unknown' || observed.state === 'created') return true
  for (const rule of container.restartPolicyRules ?? []) {
    const values = rule.exitCodes?.values ?? []
    const matches = rule.exitCodes?.operator === 'NotIn' ? !values.includes(observed.exitCode) : values.includes(observed.exitCode)
    if (rule.action === 'Restart' && matches) return true
  }
  const policy = container.restartPolicy ?? pod.spec.restartPolicy ?? 'Always'
  if (policy === 'Never') return false
  return policy === 'Always' || observed.exitCode !== 0
}

function whyKill(entry: PodContainer, observed: ObservedContainer, probes: ProbeResults): ContainerToKill | undefined {
  const { name } = entry.container
  const because = (reason: ContainerToKill['reason'], text: string): ContainerToKill => ({ container: entry, observed, reason, message: `Container ${name} ${text}, will be restarted` })
  if (observed.hash !== '' && observed.hash !== containerHash(entry.container)) return because('definition changed', 'definition changed')
  if (probes.liveness(observed.id) === 'failure') return because('liveness', 'failed liveness probe')
  if (probes.startup(observed.id) === 'failure') return because('startup', 'failed startup probe')
  return undefined
}

/**
 * Goes through the init containers in order and stops at the first that is not done: it is to be started, or waited for.
 * `done` tells that regular containers may run. Sidecars go on being looked after once the pod is initialised.
 */
function planInitContainers(pod: BoundPod, observed: ObservedPod, probes: ProbeResults, initialised: boolean, actions: PodActions): { done: boolean; failed: boolean } {
  for (const container of pod.spec.initContainers ?? []) {
    const entry: PodContainer = { container, kind: 'init', sidecar: isSidecar(container) }
    const current = newestContainer(observed, container.name)
    if (!entry.sidecar && initialised) continue
    if (current?.state === 'running') {
      if (!entry.sidecar) return { done: false, failed: false }
      const kill = whyKill(entry, current, probes)
      if (kill !== undefined) {
        actions.kill.push(kill)
        actions.start.push(entry)
        if (!initialised) return { done: false, failed: false }
      } else if (!initialised && container.startupProbe !== undefined && probes.startup(current.id) !== 'success') {
        return { done: false, failed: false }
      }
      continue
    }
    if (!entry.sidecar && current?.state === 'exited') {
      if (current.exitCode === 0) continue
      if ((container.restartPolicy ?? pod.spec.restartPolicy) === 'Never' && !shouldRestart(pod, container, current)) return { done: false, failed: true }
    }
    if (current?.state === 'unknown') actions.kill.push({ container: entry, observed: current, reason: 'unknown', message: `Init container ${container.name} is in unknown state, try killing it before restart` })
    actions.start.push(entry)
    if (!initialised) return { done: false, failed: false }
  }
  return { done: true, failed: false }
}

/**
 * Compares what the pod should be with what the runtime has. Pure. Containers of earlier sandboxes count for restart
 * counts and for what has completed for good, not for the init sequence, which every sandbox runs anew.
 */
export function computePodActions(pod: BoundPod, observed: ObservedPod, probes: ProbeResults): PodActions {
  const change = sandboxChange(pod, observed)
  const actions: PodActions = { killPod: change.changed, createSandbox: change.changed, attempt: change.attempt, kill: [], start: [] }
  const regular = pod.spec.containers.map((container): PodContainer => ({ container, kind: 'regular', sidecar: false }))

  if (change.changed) {
    // A pod that never restarts has had its one chance; one whose containers have all completed has nothing to run.
    if (pod.spec.restartPolicy === 'Never' && change.attempt !== 0 && observed.containers.length > 0) return { ...actions, createSandbox: false }
    const toStart = regular.filter(({ container }) => {
      const newest = newestContainer(observed, container.name)
      return newest === undefined || newest.state === 'running' || shouldRestart(pod, container, newest)
    })
    if (toStart.length === 0) return { ...actions, createSandbox: false }
    const firstInit = pod.spec.initContainers?.[0]
    if (firstInit !== undefined) actions.start.push({ container: firstInit, kind: 'init', sidecar: isSidecar(firstInit) })
    else actions.start.push(...toStart)
    return actions
  }

  const sandbox = activeSandbox(observed)
  const active: ObservedPod = { ...observed, containers: observed.containers.filter((container) => container.sandboxId === sandbox?.id) }
  for (const container of pod.spec.ephemeralContainers ?? []) {
    if (newestContainer(observed, container.name) === undefined) actions.start.push({ container: container as Container, kind: 'ephemeral', sidecar: false })
  }
  const initialised = regular.some(({ container }) => newestContainer(active, container.name) !== undefined)
  const init = planInitContainers(pod, active, probes, initialised, actions)
  if (init.failed) return { ...actions, killPod: true, start: [], kill: [] }
  if (!init.done) return actions

  let kept = 0
  for (const entry of regular) {
    const newest = newestContainer(observed, entry.container.name)
    const current = newest?.sandboxId === sandbox?.id ? newest : undefined
    if (current?.state === 'running') {
      const kill = whyKill(entry, current, probes)
      if (kill === undefined) {
        kept++
        continue
      }
      actions.kill.push(kill)
      if (kill.reason === 'definition changed' || pod.spec.restartPolicy !== 'Never') actions.start.push(entry)
      continue
    }
    if (!shouldRestart(pod, entry.container, newest)) continue
    if (newest?.state === 'unknown') actions.kill.push({ container: entry, observed: newest, reason: 'unknown', message: `Container ${entry.container.name} is in unknown state, try killing it before restart` })
    actions.start.push(entry)
  }
  if (kept === 0 && actions.start.length === 0 && actions.kill.length === 0) actions.killPod = true
  return actions
}
