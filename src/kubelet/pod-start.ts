import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Secret } from '../api/types/core_v1.ts'
import { containerConfig, podLogDirectory, sandboxConfig } from './container-config.ts'
import type { SandboxConfig } from './container-runtime.ts'
import { podDns } from './dns.ts'
import { ObjectNotFound } from './env.ts'
import { durationText } from './go-text.ts'
import { runHook } from './hooks.ts'
import { StartError } from './images.ts'
import { interruptible } from './interruption.ts'
import { containerHash } from './pod-actions.ts'
import type { PodContext, PodWork } from './pod-context.ts'
import { killContainer, podGraceSeconds } from './pod-termination.ts'
import { containerTarget, podTarget, podText, type PodContainer } from './pods.ts'
import { nonRootViolation } from './security.ts'
import { activeSandbox, newestContainer, type ObservedPod } from './runtime-pods.ts'

/** The runtime's description of the pod's sandbox with that number; `tell` has events tell of what its resolver had to leave out. */
export async function podSandboxConfig(context: PodContext, { pod }: PodWork, attempt: number, tell: boolean): Promise<SandboxConfig> {
  const warn = (reason: string, message: string): void => {
    if (tell) context.events.event(podTarget(pod), 'Warning', reason, message)
  }
  return sandboxConfig({
    pod, attempt, logsDirectory: context.logsDirectory, cgroupParent: context.cgroups.parentOf(pod), clusterDomain: context.cluster.domain,
    dns: podDns(pod, await context.hostDns(), context.cluster, warn),
  })
}

/** Makes the pod's sandbox. The id. */
export async function startSandbox(context: PodContext, work: PodWork, config: SandboxConfig): Promise<string> {
  const { pod } = work
  await mkdir(config.logDirectory!, { recursive: true, mode: 0o755 })
  try {
    return await context.containers.runPodSandbox(config, pod.spec.runtimeClassName === undefined ? '' : await context.runtimeHandler(pod.spec.runtimeClassName))
  } catch (error) {
    context.events.event(podTarget(pod), 'Warning', 'FailedCreatePodSandBox', `Failed to create pod sandbox: ${(error as Error).message}`)
    throw error
  }
}

async function pullSecrets(context: PodContext, { pod }: PodWork): Promise<Secret[]> {
  const found: Secret[] = []
  const missing: string[] = []
  for (const { name = '' } of pod.spec.imagePullSecrets ?? []) {
    try {
      found.push(await context.objects.secret(pod, name))
    } catch (error) {
      if (!(error instanceof ObjectNotFound)) throw error
      missing.push(name)
    }
  }
  if (missing.length > 0) {
    context.events.event(podTarget(pod), 'Warning', 'FailedToRetrieveImagePullSecret', `Unable to retrieve some image pull secrets (${missing.join(', ')}); attempting to pull the image may not succeed.`)
  }
  return found
}

/** Refuses while the container is in its restart back-off; otherwise counts this start. */
function checkBackOff(context: PodContext, { pod }: PodWork, entry: PodContainer, observed: ObservedPod): void {
  const newest = newestContainer(observed, entry.container.name)
  if (newest === undefined || newest.state === 'running' || entry.kind === 'ephemeral') return
  const key = restartKey(pod.metadata.uid, entry)
  const endedMs = newest.finishedMs > 0 ? newest.finishedMs : newest.createdMs
  if (context.restarts.remainingMs(key, endedMs) > 0) {
    context.events.event(containerTarget(pod, entry), 'Warning', 'BackOff', `Back-off restarting failed container ${entry.container.name} in pod ${podText(pod)}`)
    throw new StartError('CrashLoopBackOff', `back-off ${durationText(context.restarts.delayMs(key))} restarting failed container=${entry.container.name} pod=${podText(pod)}`)
  }
  context.restarts.next(key, endedMs)
}

function restartKey(uid: string, { container }: PodContainer): string {
  return `${uid}_${container.name}_${containerHash(container)}`
}

/** When a container that could not be started is worth another try, in milliseconds from now. */
export function retryDelayMs(context: PodContext, { pod }: PodWork, entry: PodContainer, error: StartError, observed: ObservedPod): number {
  const newest = newestContainer(observed, entry.container.name)
  switch (error.reason) {
    case 'CrashLoopBackOff': return context.restarts.remainingMs(restartKey(pod.metadata.uid, entry), newest === undefined || newest.finishedMs === 0 ? (newest?.createdMs ?? 0) : newest.finishedMs)
    case 'ImagePullBackOff': return context.images.backOffMs(pod, entry)
    // Soon, so that the back-off shows; the next pull waits for its end.
    case 'ErrImagePull': return 1500
    case 'RunContainerError':
    case 'PostStartHookError': return 1000
    default: return 10_000
  }
}

async function runPostStart(context: PodContext, work: PodWork, entry: PodContainer, id: string, observed: ObservedPod, signal: AbortSignal): Promise<void> {
  const handler = entry.container.lifecycle?.postStart
  if (handler === undefined) return
  const facts = context.node()
  const podIP = work.pod.spec.hostNetwork === true ? (facts.hostIPs[0] ?? '') : (activeSandbox(observed)?.ips[0] ?? '')
  try {
    await interruptible(runHook(handler, { container: entry.container, containerId: id, podIP, nodeIP: facts.hostIPs[0] ?? '' }, context.containers, context.runtime.clock, signal), signal)
  } catch (error) {
    if (signal.aborted) throw error
    context.events.event(containerTarget(work.pod, entry), 'Warning', 'FailedPostStartHook', 'PostStartHook failed')
    const now = await context.pods.observe(work.pod.metadata.uid, work.pod.metadata.name, work.pod.metadata.namespace)
    const started = now.containers.find((candidate) => candidate.id === id)
    if (started !== undefined) await killContainer(context, work, entry, started, 'FailedPostStartHook', podGraceSeconds(work))
    throw new StartError('PostStartHookError', (error as Error).message, { cause: error })
  }
}

/**
 * Starts a container in the pod's sandbox: image, configuration, create, start, postStart hook, each with its events.
 * Rejects with `StartError` where its waiting state has something to tell.
 */
export async function startContainer(context: PodContext, work: PodWork, entry: PodContainer, sandboxId: string, sandbox: SandboxConfig, observed: ObservedPod, signal: AbortSignal): Promise<void> {
  const { pod } = work
  const { container } = entry
  const target = containerTarget(pod, entry)
  const refuse = (reason: string, error: unknown): never => {
    const message = (error as Error).message
    context.events.event(target, 'Warning', 'Failed', `Error: ${message}`)
    throw new StartError(reason, message, { cause: error })
  }
  checkBackOff(context, work, entry, observed)
  const image = await context.images.ensure(pod, entry, await pullSecrets(context, work), sandbox, signal).catch((error: unknown) => {
    if (error instanceof StartError) context.events.event(target, 'Warning', 'Failed', `Error: ${error.reason}`)
    throw error
  })
  const violation = nonRootViolation(pod, container, image)
  if (violation !== undefined) return refuse('CreateContainerConfigError', new Error(violation))
  const newest = newestContainer(observed, container.name)
  const restartCount = newest === undefined ? restartsTold(context, work, container.name) : newest.restartCount + 1
  const facts = context.node()
  const targetName = 'targetContainerName' in container ? (container as { targetContainerName?: string }).targetContainerName : undefined
  const targetId = targetName === undefined || targetName === '' ? undefined : newestContainer(observed, targetName)?.id
  const services = await context.services()
  const nodeHosts = pod.spec.hostNetwork === true ? await context.nodeHosts() : ''
  const podIPs = pod.spec.hostNetwork === true ? facts.hostIPs : (activeSandbox(observed)?.ips ?? [])
  const config = await containerConfig({
    pod, entry, restartCount, image, volumes: work.volumes ?? new Map(), podDirectory: context.volumes.podDirectory(pod.metadata.uid), profileRoot: context.profileRoot, services,
    objects: context.objects, place: { podIPs, hostIPs: facts.hostIPs, allocatable: facts.allocatable }, clusterDomain: context.cluster.domain, nodeHosts,
    memoryCapacityBytes: facts.memoryCapacityBytes, ...(targetId === undefined ? {} : { targetId }), runtime: context.runtime,
  }).catch((error: unknown) => refuse('CreateContainerConfigError', error))
  signal.throwIfAborted()
  await mkdir(join(podLogDirectory(context.logsDirectory, pod.metadata), container.name), { recursive: true })
  const id = await context.containers.createContainer(sandboxId, config, sandbox).catch((error: unknown) => refuse('CreateContainerError', error))
  context.events.event(target, 'Normal', 'Created', `Created container: ${container.name}`)
  await context.containers.startContainer(id).catch((error: unknown) => refuse('RunContainerError', error))
  context.events.event(target, 'Normal', 'Started', `Started container ${container.name}`)
  await runPostStart(context, work, entry, id, observed, signal)
}

/** The number of a container's next run when the runtime has forgotten the last one. */
function restartsTold(context: PodContext, { pod }: PodWork, name: string): number {
  const status = context.statuses.get(pod.metadata.uid) ?? pod.status
  const told = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])].find((candidate) => candidate.name === name)
  return told === undefined ? 0 : told.restartCount + (told.containerID === undefined || told.containerID === '' ? 0 : 1)
}

/** Removes dead containers of which a newer dead one tells, with their logs, and sandboxes that hold nothing any more. */
export async function removeDeadContainers(context: PodContext, observed: ObservedPod): Promise<void> {
  const seen = new Set<string>()
  const kept = new Set<string>()
  for (const container of observed.containers) {
    if (container.state !== 'exited' || !seen.has(container.name)) {
      if (container.state === 'exited') seen.add(container.name)
      kept.add(container.sandboxId)
      continue
    }
    await context.containers.removeContainer(container.id)
    if (container.logPath !== '') await rm(container.logPath, { force: true })
  }
  for (const sandbox of observed.sandboxes.slice(1)) if (!sandbox.ready && !kept.has(sandbox.id)) await context.containers.removePodSandbox(sandbox.id)
}
