import { rm } from 'node:fs/promises'
import { podLogDirectory } from './container-config.ts'
import { runHook } from './hooks.ts'
import { interruptible } from './interruption.ts'
import type { PodContext, PodWork } from './pod-context.ts'
import { containerTarget, findContainer, isSidecar, type PodContainer } from './pods.ts'
import type { ObservedContainer, ObservedPod } from './runtime-pods.ts'

/** As upstream: a container that used up its time in its preStop hook still gets this long. */
const minGraceSeconds = 2
const defaultGraceSeconds = 30

/** The grace period that the pod is owed, in seconds. */
export function podGraceSeconds({ pod, graceSeconds }: PodWork): number {
  return Number(graceSeconds ?? pod.metadata.deletionGracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? defaultGraceSeconds)
}

async function runPreStop(context: PodContext, work: PodWork, entry: PodContainer, observed: ObservedContainer, graceSeconds: number): Promise<void> {
  const handler = entry.container.lifecycle?.preStop
  if (handler === undefined || graceSeconds <= 0) return
  const { clock, log } = context.runtime
  const facts = context.node()
  const sandbox = context.pods.seen(work.pod.metadata.uid)?.sandboxes[0]
  const target = { container: entry.container, containerId: observed.id, podIP: sandbox?.ips[0] ?? facts.hostIPs[0] ?? '', nodeIP: facts.hostIPs[0] ?? '' }
  const limit = new AbortController()
  using _timer = clock.timer(graceSeconds * 1000, () => limit.abort(new Error(`preStop hook did not end within ${graceSeconds}s`)))
  const signal = AbortSignal.any([limit.signal, work.hurry.signal])
  try {
    await interruptible(runHook(handler, target, context.containers, clock, signal), signal)
  } catch (error) {
    log.info('a preStop hook failed', { pod: work.pod.metadata.name, container: entry.container.name, err: error })
    if (!signal.aborted) context.events.event(containerTarget(work.pod, entry), 'Warning', 'FailedPreStopHook', 'PreStopHook failed')
  }
}

/** Ends one container: Killing event, preStop hook, stop signal, and SIGKILL when the grace period is over. */
export async function killContainer(context: PodContext, work: PodWork, entry: PodContainer | undefined, observed: ObservedContainer, message: string, graceSeconds: number): Promise<void> {
  const startMs = context.runtime.clock.monotonicMs()
  if (entry !== undefined) {
    context.events.event(containerTarget(work.pod, entry), 'Normal', 'Killing', message)
    await runPreStop(context, work, entry, observed, graceSeconds)
  }
  const usedSeconds = Math.floor((context.runtime.clock.monotonicMs() - startMs) / 1000)
  const wantedSeconds = work.graceSeconds === undefined ? graceSeconds : Math.min(graceSeconds, work.graceSeconds)
  const leftSeconds = wantedSeconds === 0 ? 0 : Math.max(wantedSeconds - usedSeconds, Math.min(minGraceSeconds, wantedSeconds))
  await context.containers.stopContainer(observed.id, leftSeconds)
}

/** Ends a pod's containers: first those that do its work, then its sidecars, last started first; then its sandboxes. */
export async function killPod(context: PodContext, work: PodWork, observed: ObservedPod, graceSeconds: number): Promise<void> {
  const startMs = context.runtime.clock.monotonicMs()
  const running = observed.containers.filter(({ state }) => state === 'running' || state === 'unknown').map((container) => ({ container, entry: findContainer(work.pod, container.name) }))
  const stop = ({ container, entry }: (typeof running)[number], seconds: number): Promise<void> => killContainer(context, work, entry, container, `Stopping container ${container.name}`, seconds)
  const sidecars = running.filter(({ entry }) => entry?.sidecar === true)
  const settled = await Promise.allSettled(running.filter(({ entry }) => entry?.sidecar !== true).map((target) => stop(target, graceSeconds)))
  const order = (work.pod.spec.initContainers ?? []).filter(isSidecar).map(({ name }) => name)
  sidecars.sort((a, b) => order.indexOf(b.container.name) - order.indexOf(a.container.name))
  for (const target of sidecars) {
    const left = Math.max(0, graceSeconds - Math.floor((context.runtime.clock.monotonicMs() - startMs) / 1000))
    settled.push(...await Promise.allSettled([stop(target, left === 0 ? Math.min(minGraceSeconds, graceSeconds) : left)]))
  }
  const failed = settled.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
  for (const sandbox of observed.sandboxes) if (sandbox.ready) await context.containers.stopPodSandbox(sandbox.id)
}

/** Ends everything of a pod in the runtime. Resolves when nothing of it runs any more; rejects when that could not be made sure. */
export async function terminatePod(context: PodContext, work: PodWork): Promise<ObservedPod> {
  const { uid, name, namespace } = work.pod.metadata
  context.prober.stopHealthChecks(uid)
  const observed = await context.pods.observe(uid, name, namespace)
  await killPod(context, work, observed, podGraceSeconds(work))
  const after = await context.pods.observe(uid, name, namespace)
  const left = after.containers.filter(({ state }) => state === 'running').map((container) => container.name)
  if (left.length > 0) throw new Error(`containers still run after they were stopped: ${left.join(', ')}`)
  context.prober.remove(uid)
  return after
}

/** Removes what an ended pod held on the node, but not its containers and logs, which may still be asked for. */
export async function releasePod(context: PodContext, work: PodWork): Promise<void> {
  const { uid } = work.pod.metadata
  await context.volumes.removeVolumes(uid)
  await context.cgroups.remove(uid)
  context.objects.release(uid)
  context.tokens.release(uid)
  context.restarts.forget(`${uid}_`)
}

/** Removes the last of a pod that is going from the API: sandboxes, containers, directories. */
export async function removePod(context: PodContext, { uid, name, namespace }: { uid: string; name: string; namespace: string }): Promise<void> {
  const observed = await context.pods.observe(uid, name, namespace)
  for (const container of observed.containers) if (!observed.sandboxes.some(({ id }) => id === container.sandboxId)) await context.containers.removeContainer(container.id)
  for (const sandbox of observed.sandboxes) await context.containers.removePodSandbox(sandbox.id)
  context.pods.forget(uid)
  await context.volumes.remove(uid)
  await rm(podLogDirectory(context.logsDirectory, { namespace, name, uid }), { recursive: true, force: true })
}

/** Ends and removes a pod that nothing speaks of any more: left over by a kubelet that was not there when it was deleted. */
export async function removeOrphan(context: PodContext, orphan: ObservedPod): Promise<void> {
  const running = orphan.containers.filter(({ state }) => state === 'running')
  await Promise.all(running.map((container) => context.containers.stopContainer(container.id, container.gracePeriodSeconds ?? defaultGraceSeconds)))
  for (const sandbox of orphan.sandboxes) await context.containers.stopPodSandbox(sandbox.id)
  await context.volumes.removeVolumes(orphan.uid)
  await context.cgroups.remove(orphan.uid)
  await removePod(context, orphan)
}
