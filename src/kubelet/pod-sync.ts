import { mkdir } from 'node:fs/promises'
import type { PodStatus } from '../api/types/core_v1.ts'
import { StartError } from './images.ts'
import { computePodActions } from './pod-actions.ts'
import type { PodContext, PodWork } from './pod-context.ts'
import { podSandboxConfig, removeDeadContainers, retryDelayMs, startContainer, startSandbox } from './pod-start.ts'
import { podStatus } from './pod-status.ts'
import { killContainer, killPod, podGraceSeconds } from './pod-termination.ts'
import { isTerminalPhase, podTarget } from './pods.ts'
import { activeSandbox, type ObservedPod } from './runtime-pods.ts'

/** What a step of a pod came to. `terminal`: the pod has run to its end and is to be cleaned up. */
export interface SyncResult { terminal: boolean; retryAfterMs?: number }

/** Works out the pod's status from what was observed and has it told to the API server. */
export function publishStatus(context: PodContext, work: PodWork, observed: ObservedPod, ended: boolean): PodStatus {
  const { pod } = work
  const status = podStatus({
    pod, observed, probes: context.prober, startFailures: work.startFailures, previous: context.statuses.get(pod.metadata.uid) ?? pod.status ?? {}, hostIPs: context.node().hostIPs,
    nowMs: context.runtime.clock.now(), ended, ...(work.failure === undefined ? {} : { failure: work.failure }),
  })
  context.statuses.set(pod, status)
  return status
}

async function mountVolumes(context: PodContext, work: PodWork, observed: ObservedPod): Promise<void> {
  if (work.volumes !== undefined && !work.volumesStale) return
  work.volumesStale = false
  const facts = context.node()
  const podIPs = work.pod.spec.hostNetwork === true ? facts.hostIPs : (activeSandbox(observed)?.ips ?? [])
  try {
    work.volumes = await context.volumes.mount({ pod: work.pod, place: { podIPs, hostIPs: facts.hostIPs, allocatable: facts.allocatable } })
  } catch (error) {
    work.volumesStale = true
    context.events.event(podTarget(work.pod), 'Warning', 'FailedMount', (error as Error).message)
    // Containers that run go on with the files that they have.
    if (work.volumes === undefined) throw error
    context.runtime.log.warn('cannot renew the volumes of a pod', { pod: work.pod.metadata.name, err: error })
  }
}

/** Milliseconds that the pod may still run; undefined when it has no deadline. */
function deadlineMs(context: PodContext, { pod }: PodWork): number | undefined {
  const { activeDeadlineSeconds } = pod.spec
  const startTime = context.statuses.get(pod.metadata.uid)?.startTime ?? pod.status?.startTime
  if (activeDeadlineSeconds === undefined || startTime === undefined) return undefined
  return Date.parse(startTime) + Number(activeDeadlineSeconds) * 1000 - context.runtime.clock.now()
}

function earliest(...times: (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined)
  return known.length === 0 ? undefined : Math.max(0, Math.min(...known))
}

/**
 * One step of a pod towards what it should be: its status told, its node prepared, its sandbox and containers started,
 * restarted or ended. Idempotent; what could not be done yet is tried again after `retryAfterMs` or at the next wake-up.
 * Aborting `signal` gives up waiting for images and hooks; calls that change the runtime are always awaited.
 */
export async function syncPod(context: PodContext, work: PodWork, signal: AbortSignal): Promise<SyncResult> {
  const { pod } = work
  const { uid, name, namespace } = pod.metadata
  let observed = await context.pods.observe(uid, name, namespace)
  context.prober.follow(pod, observed)
  const leftMs = deadlineMs(context, work)
  if (leftMs !== undefined && leftMs <= 0) work.failure = { reason: 'DeadlineExceeded', message: 'Pod was active on the node longer than the specified deadline' }
  const status = publishStatus(context, work, observed, false)
  if (work.failure !== undefined || isTerminalPhase(status.phase) || isTerminalPhase(podPhaseBehind(status))) return { terminal: true }

  const problem = pod.spec.hostNetwork === true ? undefined : context.networkProblem()
  if (problem !== undefined && activeSandbox(observed) === undefined) {
    context.events.event(podTarget(pod), 'Warning', 'NetworkNotReady', `network is not ready: ${problem}`)
    return { terminal: false, retryAfterMs: 1000 }
  }
  await context.cgroups.ensure(pod)
  await mkdir(context.volumes.podDirectory(uid), { recursive: true, mode: 0o750 })
  await mountVolumes(context, work, observed)
  signal.throwIfAborted()

  const actions = computePodActions(pod, observed, context.prober)
  if (actions.killPod) {
    if (observed.sandboxes.length > 0 && actions.createSandbox) context.events.event(podTarget(pod), 'Normal', 'SandboxChanged', 'Pod sandbox changed, it will be killed and re-created.')
    await killPod(context, work, observed, podGraceSeconds(work))
  } else {
    for (const { container: entry, observed: target, message, reason } of actions.kill) {
      const probe = reason === 'liveness' ? entry.container.livenessProbe : reason === 'startup' ? entry.container.startupProbe : undefined
      await killContainer(context, work, entry, target, message, probe?.terminationGracePeriodSeconds ?? podGraceSeconds(work))
    }
  }
  if (actions.createSandbox) {
    await startSandbox(context, work, await podSandboxConfig(context, work, actions.attempt, true))
  }
  if (actions.killPod || actions.kill.length > 0 || actions.createSandbox) {
    observed = await context.pods.observe(uid, name, namespace)
    publishStatus(context, work, observed, false)
    // The address is only known now; files that tell it are written again.
    if (actions.createSandbox && (pod.spec.volumes ?? []).some((volume) => volume.downwardAPI !== undefined || volume.projected !== undefined)) {
      work.volumesStale = true
      await mountVolumes(context, work, observed)
    }
  }
  const retries: (number | undefined)[] = []
  const sandbox = activeSandbox(observed)
  if (actions.start.length > 0 && sandbox !== undefined) {
    const config = await podSandboxConfig(context, work, actions.attempt, false)
    for (const entry of actions.start) {
      signal.throwIfAborted()
      try {
        await startContainer(context, work, entry, sandbox.id, config, observed, signal)
        work.startFailures.delete(entry.container.name)
      } catch (error) {
        if (!(error instanceof StartError)) throw error
        work.startFailures.set(entry.container.name, { reason: error.reason, message: error.message })
        retries.push(retryDelayMs(context, work, entry, error, observed))
      }
    }
    observed = await context.pods.observe(uid, name, namespace)
    context.prober.follow(pod, observed)
    const now = publishStatus(context, work, observed, false)
    await removeDeadContainers(context, observed)
    // What ended before it was looked at is in no later change: it is acted on at once. So is what an init step was waited for.
    const next = computePodActions(pod, observed, context.prober)
    const more = next.kill.length > 0 || next.start.some(({ container }) => !work.startFailures.has(container.name))
    if (more || isTerminalPhase(now.phase) || isTerminalPhase(podPhaseBehind(now))) retries.push(0)
  }
  const tokensMs = context.tokens.refreshAtMs(uid)
  const renewMs = tokensMs === undefined ? undefined : tokensMs - context.runtime.clock.now()
  if (renewMs !== undefined && renewMs <= 0) work.volumesStale = true
  return { terminal: false, retryAfterMs: earliest(...retries, deadlineMs(context, work), renewMs, work.volumesStale ? 1000 : undefined) }
}

/** The phase that a status would have if its containers had ended: a pod whose work is done still runs its sidecars. */
function podPhaseBehind(status: PodStatus): string | undefined {
  const ready = status.conditions?.find(({ type }) => type === 'ContainersReady')
  return ready?.reason === 'PodCompleted' ? 'Succeeded' : ready?.reason === 'PodFailed' ? 'Failed' : undefined
}
