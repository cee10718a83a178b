import type { Secret } from '../api/types/core_v1.ts'
import type { EventRecorder } from '../client/events.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { createBackOffs } from './back-off.ts'
import type { ContainerRuntime, RegistryAuth, RuntimeImage, SandboxConfig } from './container-runtime.ts'
import { durationText } from './go-text.ts'
import { normalisedImageName } from './image-names.ts'
import { interruptible } from './interruption.ts'
import { containerTarget, type BoundPod, type PodContainer } from './pods.ts'
import { registryCredentials } from './registry-credentials.ts'

/** A container can't be started now: what its waiting state says. */
export class StartError extends Error {
  readonly reason: string
  constructor(reason: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StartError'
    this.reason = reason
  }
}

export interface ImageManager {
  /** Makes sure that the container's image is here, by its pull policy, with the events that tell of it. Rejects with `StartError`. */
  ensure(pod: BoundPod, entry: PodContainer, secrets: readonly Secret[], sandboxConfig: SandboxConfig, signal: AbortSignal): Promise<RuntimeImage>
  /** When a container's image may be pulled again, in milliseconds from now; 0 when it may at once. */
  backOffMs(pod: BoundPod, entry: PodContainer): number
}

export interface ImageManagerOptions { containers: ContainerRuntime; runtime: Runtime; events: EventRecorder; maxParallelPulls: number }

const pullBackOff = { initialMs: 10_000, maxMs: 300_000 }

interface Pulled { image: RuntimeImage; pullMs: number }

export function createImageManager({ containers, runtime, events, maxParallelPulls }: ImageManagerOptions): ImageManager {
  const { clock } = runtime
  const backOffs = createBackOffs(clock, pullBackOff.initialMs, pullBackOff.maxMs)
  const lastErrors = new Map<string, string>()
  const waiting: (() => void)[] = []
  let free = maxParallelPulls

  const withTurn = async <T>(work: () => Promise<T>): Promise<T> => {
    if (free > 0) free--
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) free++
      else next()
    }
  }
  const pull = async (name: string, auths: readonly RegistryAuth[], sandboxConfig: SandboxConfig): Promise<Pulled> => {
    const startMs = clock.monotonicMs()
    let failure: unknown
    for (const auth of auths.length === 0 ? [undefined] : auths) {
      try {
        const reference = await containers.pullImage(name, auth, sandboxConfig)
        const image = (await containers.imageStatus(name)) ?? (await containers.imageStatus(reference))
        if (image === undefined) throw new Error(`image ${name} was pulled and is not there`)
        return { image, pullMs: clock.monotonicMs() - startMs }
      } catch (error) {
        failure = error
      }
    }
    throw failure
  }
  const backOffKey = (pod: BoundPod, image: string): string => `${pod.metadata.uid}_${image}`

  return {
    backOffMs: (pod, { container }) => backOffs.remainingSinceUpdateMs(backOffKey(pod, container.image ?? '')),
    async ensure(pod, entry, secrets, sandboxConfig, signal) {
      const { container } = entry
      const text = container.image ?? ''
      const target = containerTarget(pod, entry)
      const say = (type: 'Normal' | 'Warning', reason: string, message: string): void => events.event(target, type, reason, message)
      let name: string
      try {
        name = normalisedImageName(text)
      } catch (error) {
        const message = `Failed to apply default image tag "${text}": ${(error as Error).message}`
        say('Warning', 'InspectFailed', message)
        throw new StartError('InvalidImageName', message, { cause: error })
      }
      let present: RuntimeImage | undefined
      try {
        present = await containers.imageStatus(name)
      } catch (error) {
        const message = `Failed to inspect image "${text}": ${(error as Error).message}`
        say('Warning', 'InspectFailed', message)
        throw new StartError('ImageInspectError', message, { cause: error })
      }
      const policy = container.imagePullPolicy ?? (/[:@]/.test(name.slice(name.lastIndexOf('/'))) && !name.endsWith(':latest') ? 'IfNotPresent' : 'Always')
      if (present !== undefined && policy !== 'Always') {
        say('Normal', 'Pulled', `Container image "${text}" already present on machine`)
        return present
      }
      if (policy === 'Never') {
        const message = `Container image "${text}" is not present with pull policy of Never`
        say('Warning', 'ErrImageNeverPull', message)
        throw new StartError('ErrImageNeverPull', message)
      }
      const key = backOffKey(pod, text)
      if (backOffs.remainingSinceUpdateMs(key) > 0) {
        const message = `Back-off pulling image "${text}"`
        say('Normal', 'BackOff', message)
        const last = lastErrors.get(key)
        throw new StartError('ImagePullBackOff', last === undefined ? message : `${message}: ${last}`)
      }
      say('Normal', 'Pulling', `Pulling image "${text}"`)
      const askedMs = clock.monotonicMs()
      try {
        const { image, pullMs } = await interruptible(withTurn(() => pull(name, registryCredentials(secrets, name), sandboxConfig)), signal)
        const totalMs = clock.monotonicMs() - askedMs
        say('Normal', 'Pulled', `Successfully pulled image "${text}" in ${durationText(pullMs)} (${durationText(totalMs)} including waiting). Image size: ${image.size} bytes.`)
        lastErrors.delete(key)
        backOffs.forget(key)
        return image
      } catch (error) {
        if (signal.aborted) throw error
        const message = (error as Error).message
        say('Warning', 'Failed', `Failed to pull image "${text}": ${message}`)
        backOffs.next(key, clock.now())
        lastErrors.set(key, `ErrImagePull: ${message}`)
        if (lastErrors.size > 5000) lastErrors.delete(lastErrors.keys().next().value!)
        throw new StartError('ErrImagePull', message, { cause: error })
      }
    },
  }
}
