import { readFile } from 'node:fs/promises'
import type { Runtime } from '../runtime/runtime.ts'
import { isNotFound, type ContainerRuntime, type RuntimeContainer, type Sandbox } from './container-runtime.ts'
import { readLogTail } from './logs/tail.ts'
import { containerAnnotations, podLabels } from './pods.ts'

export type ContainerState = 'created' | 'running' | 'exited' | 'unknown'

/** A container as the runtime has it. Times are milliseconds since the epoch, 0 when there is none. */
export interface ObservedContainer {
  id: string
  name: string
  sandboxId: string
  state: ContainerState
  createdMs: number
  startedMs: number
  finishedMs: number
  exitCode: number
  /** `Completed`, `Error`, `OOMKilled`, …; '' while it runs. */
  reason: string
  /** The termination message, or the runtime's. */
  message: string
  image: string
  imageId: string
  hash: string
  restartCount: number
  logPath: string
  gracePeriodSeconds: number | undefined
  user?: { uid: number; gid: number; supplementalGroups: number[] }
}

export interface ObservedSandbox { id: string; ready: boolean; attempt: number; createdMs: number; ips: string[]; hostNetwork: boolean }

/** What the runtime has of one pod: newest sandbox and newest container first. */
export interface ObservedPod { uid: string; name: string; namespace: string; sandboxes: ObservedSandbox[]; containers: ObservedContainer[] }

/** The newest container of that name. */
export function newestContainer(observed: ObservedPod, name: string): ObservedContainer | undefined {
  return observed.containers.find((container) => container.name === name)
}

/** The sandbox that runs, if the newest one does. */
export function activeSandbox(observed: ObservedPod): ObservedSandbox | undefined {
  const newest = observed.sandboxes[0]
  return newest?.ready === true ? newest : undefined
}

export function emptyObservation(uid: string, name: string, namespace: string): ObservedPod {
  return { uid, name, namespace, sandboxes: [], containers: [] }
}

/**
 * The runtime's pods, kept up to date by looking at them (upstream's generic PLEG).
 * 1. `observe` asks the runtime now; what it answers is at least as new as its call.
 * 2. A relist costs two calls when nothing changed; only what changed is asked for in detail.
 * 3. `onChange` names each pod whose sandboxes or containers changed since they were last looked at.
 */
export interface RuntimePods {
  /** What was seen last. */
  seen(uid: string): ObservedPod | undefined
  observe(uid: string, name: string, namespace: string): Promise<ObservedPod>
  /** Looks at all pods. */
  relist(): Promise<void>
  all(): ObservedPod[]
  forget(uid: string): void
}

const states: Record<RuntimeContainer['state'], ContainerState> = { CONTAINER_CREATED: 'created', CONTAINER_RUNNING: 'running', CONTAINER_EXITED: 'exited', CONTAINER_UNKNOWN: 'unknown' }
/** As upstream: 4096 bytes of the file, or 80 lines and 2048 bytes of the log. */
const maxMessageBytes = 4096
const maxLogMessage = { lines: 80, bytes: 2048 }

const toMs = (nanoseconds: number): number => (nanoseconds <= 0 ? 0 : Math.floor(nanoseconds / 1e6))

export function createRuntimePods(containers: ContainerRuntime, runtime: Runtime, onChange: (uid: string) => void): RuntimePods {
  const pods = new Map<string, ObservedPod>()

  const terminationMessage = async (status: Awaited<ReturnType<ContainerRuntime['containerStatus']>>): Promise<string> => {
    const path = status.annotations[containerAnnotations.terminationMessagePath]
    const mount = status.mounts.find((candidate) => candidate.containerPath === path)
    let message = ''
    if (path !== undefined && path !== '' && mount !== undefined) {
      try {
        const bytes = await readFile(mount.hostPath)
        message = bytes.subarray(Math.max(0, bytes.length - maxMessageBytes)).toString('utf8')
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') message = `Error on reading termination log ${mount.hostPath}: ${(error as Error).message}`
      }
    }
    const fallsBack = status.annotations[containerAnnotations.terminationMessagePolicy] === 'FallbackToLogsOnError'
    if (message === '' && fallsBack && status.exitCode !== 0 && status.logPath !== '') message = await readLogTail(status.logPath, maxLogMessage)
    return message === '' ? status.message : message
  }

  const inspect = async (listed: RuntimeContainer): Promise<ObservedContainer | undefined> => {
    try {
      const status = await containers.containerStatus(listed.id)
      const state = states[status.state]
      const user = status.user?.linux
      return {
        id: listed.id, name: listed.labels[podLabels.container] ?? listed.metadata?.name ?? '', sandboxId: listed.podSandboxId, state,
        createdMs: toMs(status.createdAt), startedMs: toMs(status.startedAt), finishedMs: toMs(status.finishedAt), exitCode: status.exitCode,
        reason: status.reason, message: state === 'exited' ? await terminationMessage(status) : status.message, image: status.image?.image ?? '',
        imageId: status.imageRef === '' ? status.imageId : status.imageRef, hash: status.annotations[containerAnnotations.hash] ?? '',
        restartCount: Number(status.annotations[containerAnnotations.restartCount] ?? 0), logPath: status.logPath,
        gracePeriodSeconds: status.annotations[containerAnnotations.podGracePeriod] === undefined ? undefined : Number(status.annotations[containerAnnotations.podGracePeriod]),
        ...(user === undefined ? {} : { user: { uid: user.uid, gid: user.gid, supplementalGroups: user.supplementalGroups } }),
      }
    } catch (error) {
      // Removed between the list and the look.
      if (isNotFound(error)) return undefined
      throw error
    }
  }
  const inspectSandbox = async (listed: Sandbox): Promise<ObservedSandbox | undefined> => {
    try {
      const status = await containers.podSandboxStatus(listed.id)
      const ips = [status.network?.ip ?? '', ...(status.network?.additionalIps ?? []).map(({ ip }) => ip)].filter((ip) => ip !== '')
      return {
        id: listed.id, ready: status.state === 'SANDBOX_READY', attempt: listed.metadata?.attempt ?? 0, createdMs: toMs(listed.createdAt), ips,
        hostNetwork: status.linux?.namespaces?.options?.network === 'NODE',
      }
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }

  /** Takes in what was listed of one pod; true when it differs from what was seen. */
  const take = async (uid: string, name: string, namespace: string, sandboxes: readonly Sandbox[], listed: readonly RuntimeContainer[]): Promise<boolean> => {
    const old = pods.get(uid)
    const unchanged = old !== undefined && old.sandboxes.length === sandboxes.length && old.containers.length === listed.length
      && sandboxes.every((sandbox) => old.sandboxes.some((known) => known.id === sandbox.id && known.ready === (sandbox.state === 'SANDBOX_READY')))
      && listed.every((container) => old.containers.some((known) => known.id === container.id && known.state === states[container.state]))
    if (unchanged) return false
    const seenSandboxes = await Promise.all(sandboxes.map((sandbox) => {
      const known = old?.sandboxes.find((candidate) => candidate.id === sandbox.id && candidate.ready === (sandbox.state === 'SANDBOX_READY'))
      return known ?? inspectSandbox(sandbox)
    }))
    const seenContainers = await Promise.all(listed.map((container) => {
      const known = old?.containers.find((candidate) => candidate.id === container.id && candidate.state === states[container.state])
      return known ?? inspect(container)
    }))
    pods.set(uid, {
      uid, name, namespace,
      sandboxes: seenSandboxes.filter((sandbox) => sandbox !== undefined).sort((a, b) => b.createdMs - a.createdMs || b.attempt - a.attempt),
      containers: seenContainers.filter((container) => container !== undefined).sort((a, b) => b.createdMs - a.createdMs || b.restartCount - a.restartCount),
    })
    return true
  }

  /** Looks at a pod follow one another, so that an older look never overwrites a newer one. */
  const turns = new Map<string, Promise<unknown>>()
  /** Counts looks; tells a relist which pods were looked at after it began. */
  let looks = 0
  const lookedAt = new Map<string, number>()
  const inTurn = <T>(uid: string, work: () => Promise<T>): Promise<T> => {
    const turn = (turns.get(uid) ?? Promise.resolve()).then(work, work)
    turns.set(uid, turn)
    const leave = (): void => {
      if (turns.get(uid) === turn) turns.delete(uid)
    }
    turn.then(leave, leave)
    return turn
  }

  return {
    seen: (uid) => pods.get(uid),
    all: () => [...pods.values()],
    forget(uid) {
      pods.delete(uid)
      lookedAt.delete(uid)
    },
    observe: (uid, name, namespace) => inTurn(uid, async () => {
      const labelSelector = { [podLabels.uid]: uid }
      const [sandboxes, listed] = await Promise.all([containers.listPodSandboxes({ labelSelector }), containers.listContainers({ labelSelector })])
      lookedAt.set(uid, ++looks)
      await take(uid, name, namespace, sandboxes, listed)
      return pods.get(uid) ?? emptyObservation(uid, name, namespace)
    }),
    async relist() {
      const began = ++looks
      const [sandboxes, listed] = await Promise.all([containers.listPodSandboxes(), containers.listContainers()])
      const groups = new Map<string, { name: string; namespace: string; sandboxes: Sandbox[]; containers: RuntimeContainer[] }>()
      const groupOf = (labels: Record<string, string>) => {
        const uid = labels[podLabels.uid]
        if (uid === undefined) return undefined
        const known = groups.get(uid) ?? { name: labels[podLabels.name] ?? '', namespace: labels[podLabels.namespace] ?? '', sandboxes: [], containers: [] }
        groups.set(uid, known)
        return known
      }
      for (const sandbox of sandboxes) groupOf(sandbox.labels)?.sandboxes.push(sandbox)
      for (const container of listed) groupOf(container.labels)?.containers.push(container)
      for (const uid of pods.keys()) if (!groups.has(uid)) groups.set(uid, { name: pods.get(uid)!.name, namespace: pods.get(uid)!.namespace, sandboxes: [], containers: [] })
      await Promise.all([...groups].map(async ([uid, group]) => {
        // A pod that is being looked at already tells its worker itself.
        if (turns.has(uid) || (lookedAt.get(uid) ?? 0) > began) return
        try {
          if (await inTurn(uid, () => take(uid, group.name, group.namespace, group.sandboxes, group.containers))) onChange(uid)
        } catch (error) {
          runtime.log.warn('cannot look at a pod in the runtime; looking again at the next relist', { pod: `${group.namespace}/${group.name}`, err: error })
        }
      }))
    },
  }
}
