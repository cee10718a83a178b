import { appendFile, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock } from '../../runtime/clock.ts'
import { RuntimeError, type ContainerConfig, type ContainerRuntime, type RuntimeImage, type SandboxConfig } from '../container-runtime.ts'
import type { Cri } from '../cri/messages.ts'

interface FakeSandbox { id: string; config: SandboxConfig; ready: boolean; ip: string; createdMs: number }
interface FakeContainer {
  id: string; sandboxId: string; config: ContainerConfig; logDirectory: string; state: 'CONTAINER_CREATED' | 'CONTAINER_RUNNING' | 'CONTAINER_EXITED'
  createdMs: number; startedMs: number; finishedMs: number; exitCode: number; reason: string; message: string; timer: Disposable | undefined; ended: (() => void)[]
}

/**
 * A container runtime over maps, for unit tests. Containers "run" a small shell: `sleep S`, `echo TEXT`, `exit N`, `forever`, `true`, `false`,
 * joined by `;`. `trap` ends them at once when they are asked to stop; without it they wait for SIGKILL.
 */
export interface FakeContainerRuntime extends ContainerRuntime {
  /** Every call that changes something, in order: `StartContainer web`. */
  readonly calls: string[]
  /** Called before a call is served; what it throws is the call's failure. */
  intercept: (call: string) => void | Promise<void>
  /** Images that can be pulled. */
  readonly registry: Map<string, RuntimeImage>
  /** Conditions that `status` answers. */
  networkReady: boolean
  /** What `execSync` answers, by the command joined with spaces; by default the small shell. */
  readonly execs: Map<string, { exitCode: number; output: string }>
  /** Ends a running container as if by itself. */
  exit(name: string, exitCode: number, reason?: string): void
  /** Makes a sandbox end as if its pause process had. */
  breakSandbox(podName: string): void
  /** Configurations of all containers, by id. */
  configs(): ContainerConfig[]
}

function step(text: string): { sleepMs: number; out: string; err: string; exit: number | undefined; known: boolean } {
  const none = { sleepMs: 0, out: '', err: '', exit: undefined, known: true }
  const words = text.trim().split(/\s+/)
  const toErr = words.at(-1) === '>&2'
  const rest = (toErr ? words.slice(1, -1) : words.slice(1)).join(' ')
  switch (words[0]) {
    case 'sleep': return { ...none, sleepMs: Number(rest) * 1000 }
    case 'forever': return { ...none, sleepMs: Infinity }
    case 'echo': return toErr ? { ...none, err: `${rest}\n` } : { ...none, out: `${rest}\n` }
    case 'exit': return { ...none, exit: Number(rest) }
    case 'false': return { ...none, exit: 1 }
    case 'true':
    case 'trap':
    case '': return none
    default: return { ...none, exit: 127, known: false }
  }
}

function script(command: readonly string[]): string[] {
  return (command[0] === 'sh' && command[1] === '-c' ? (command[2] ?? '') : command.join(' ')).split(';')
}

export function createFakeContainerRuntime(clock: Clock, images: readonly string[] = ['docker.io/library/busybox:test']): FakeContainerRuntime {
  const sandboxes = new Map<string, FakeSandbox>()
  const containers = new Map<string, FakeContainer>()
  const local = new Map<string, RuntimeImage>()
  let count = 0
  const nextId = (): string => (++count).toString(16).padStart(64, '0')
  const imageOf = (name: string): RuntimeImage => ({ id: `sha256:${Buffer.from(name).toString('hex').slice(0, 16)}`, repoTags: [name], repoDigests: [], size: 1234, username: '', pinned: false })
  for (const name of images) local.set(name, imageOf(name))
  const byIdOrName = (name: string): RuntimeImage | undefined => local.get(name) ?? [...local.values()].find(({ id }) => id === name)
  const missing = (what: string): never => {
    throw new RuntimeError('NotFound', `an error occurred when try to find ${what}: not found`)
  }
  const containerOf = (id: string): FakeContainer => containers.get(id) ?? missing(`container "${id}"`)
  const sandboxOf = (id: string): FakeSandbox => sandboxes.get(id) ?? missing(`sandbox "${id}"`)
  const commandOf = (container: FakeContainer): string[] => [...(container.config.command ?? []), ...(container.config.args ?? [])]
  const finish = (container: FakeContainer, exitCode: number, reason = exitCode === 0 ? 'Completed' : 'Error'): void => {
    if (container.state !== 'CONTAINER_RUNNING') return
    container.timer?.[Symbol.dispose]()
    Object.assign(container, { state: 'CONTAINER_EXITED', exitCode, reason, finishedMs: clock.now(), timer: undefined })
    for (const tell of container.ended.splice(0)) tell()
  }
  const play = async (container: FakeContainer, steps: string[]): Promise<void> => {
    for (let at = 0; at < steps.length; at++) {
      const { sleepMs, out, err, exit } = step(steps[at]!)
      const line = out === '' ? err : out
      if (line !== '') {
        const path = join(container.logDirectory, container.config.logPath ?? '')
        await mkdir(dirname(path), { recursive: true })
        await appendFile(path, `${new Date(clock.now()).toISOString()} ${out === '' ? 'stderr' : 'stdout'} F ${line}`)
      }
      if (exit !== undefined) return finish(container, exit)
      if (sleepMs === Infinity) return
      if (sleepMs > 0) {
        container.timer = clock.timer(sleepMs, () => void play(container, steps.slice(at + 1)))
        return
      }
    }
    finish(container, 0)
  }
  const name = (container: FakeContainer): string => container.config.metadata?.name ?? ''
  const fake: FakeContainerRuntime = {
    calls: [], intercept: () => undefined, registry: new Map(), networkReady: true, execs: new Map(),
    exit(wanted, exitCode, reason) {
      for (const container of containers.values()) if (name(container) === wanted) finish(container, exitCode, reason)
    },
    breakSandbox(podName) {
      for (const sandbox of sandboxes.values()) {
        if (sandbox.config.metadata?.name !== podName) continue
        sandbox.ready = false
        for (const container of containers.values()) if (container.sandboxId === sandbox.id) finish(container, 137)
      }
    },
    configs: () => [...containers.values()].map(({ config }) => config),
    version: async () => ({ version: '0.1.0', runtimeName: 'containerd', runtimeVersion: '1.6.20', runtimeApiVersion: 'v1' }),
    status: async () => [
      { type: 'RuntimeReady', status: true, reason: '', message: '' },
      { type: 'NetworkReady', status: fake.networkReady, reason: fake.networkReady ? '' : 'NetworkPluginNotReady', message: fake.networkReady ? '' : 'Network plugin returns error: cni plugin not initialized' },
    ],
    async runPodSandbox(config) {
      fake.calls.push(`RunPodSandbox ${config.metadata?.name}`)
      await fake.intercept(fake.calls.at(-1)!)
      const id = nextId()
      sandboxes.set(id, { id, config, ready: true, ip: config.linux?.securityContext?.namespaceOptions?.network === 'NODE' ? '' : `10.0.0.${sandboxes.size + 1}`, createdMs: clock.now() })
      return id
    },
    async stopPodSandbox(id) {
      const sandbox = sandboxes.get(id)
      if (sandbox === undefined) return
      fake.calls.push(`StopPodSandbox ${sandbox.config.metadata?.name}`)
      await fake.intercept(fake.calls.at(-1)!)
      for (const container of containers.values()) if (container.sandboxId === id) finish(container, 137)
      sandbox.ready = false
    },
    async removePodSandbox(id) {
      if (!sandboxes.has(id)) return
      fake.calls.push(`RemovePodSandbox ${sandboxes.get(id)!.config.metadata?.name}`)
      for (const container of containers.values()) {
        if (container.sandboxId !== id) continue
        finish(container, 137)
        containers.delete(container.id)
      }
      sandboxes.delete(id)
    },
    async podSandboxStatus(id) {
      const { config, ready, ip, createdMs } = sandboxOf(id)
      return {
        id, metadata: config.metadata as Cri<'PodSandboxMetadata'>, state: ready ? 'SANDBOX_READY' : 'SANDBOX_NOTREADY', createdAt: createdMs * 1e6, network: { ip, additionalIps: [] },
        linux: { namespaces: { options: { network: ip === '' ? 'NODE' : 'POD', pid: 'CONTAINER', ipc: 'POD', targetId: '' } } }, labels: config.labels ?? {}, annotations: config.annotations ?? {}, runtimeHandler: '',
      }
    },
    async listPodSandboxes(filter) {
      const wanted = Object.entries(filter?.labelSelector ?? {})
      return [...sandboxes.values()].filter(({ id, config }) => (filter?.id === undefined || filter.id === id) && wanted.every(([key, value]) => config.labels?.[key] === value)).map(({ id, config, ready, createdMs }) => ({
        id, metadata: config.metadata as Cri<'PodSandboxMetadata'>, state: ready ? 'SANDBOX_READY' : 'SANDBOX_NOTREADY', createdAt: createdMs * 1e6, labels: config.labels ?? {}, annotations: config.annotations ?? {}, runtimeHandler: '',
      }))
    },
    async createContainer(sandboxId, config, sandboxConfig) {
      fake.calls.push(`CreateContainer ${config.metadata?.name}`)
      await fake.intercept(fake.calls.at(-1)!)
      sandboxOf(sandboxId)
      if (byIdOrName(config.image?.image ?? '') === undefined) return missing(`image "${config.image?.image}"`)
      const id = nextId()
      containers.set(id, { id, sandboxId, config, logDirectory: sandboxConfig.logDirectory ?? '', state: 'CONTAINER_CREATED', createdMs: clock.now(), startedMs: 0, finishedMs: 0, exitCode: 0, reason: '', message: '', timer: undefined, ended: [] })
      return id
    },
    async startContainer(id) {
      const container = containerOf(id)
      fake.calls.push(`StartContainer ${name(container)}`)
      await fake.intercept(fake.calls.at(-1)!)
      const command = commandOf(container)
      if (command[0] !== undefined && !step(command[0]).known && command[0] !== 'sh') {
        Object.assign(container, { state: 'CONTAINER_EXITED', exitCode: 128, reason: 'StartError', finishedMs: clock.now(), message: `exec: "${command[0]}": no such file or directory` })
        throw new RuntimeError('Unknown', `failed to create containerd task: exec: "${command[0]}": stat ${command[0]}: no such file or directory: unknown`)
      }
      Object.assign(container, { state: 'CONTAINER_RUNNING', startedMs: clock.now() })
      void play(container, command.length === 0 ? ['forever'] : script(command))
    },
    async stopContainer(id, timeoutSeconds) {
      const container = containers.get(id)
      if (container === undefined || container.state !== 'CONTAINER_RUNNING') return
      fake.calls.push(`StopContainer ${name(container)} ${timeoutSeconds}`)
      await fake.intercept(fake.calls.at(-1)!)
      if (commandOf(container).join(' ').includes('trap')) return finish(container, 0)
      if (timeoutSeconds > 0) await Promise.race([clock.sleep(timeoutSeconds * 1000), new Promise<void>((resolve) => container.ended.push(resolve))])
      finish(container, 137)
    },
    async removeContainer(id) {
      const container = containers.get(id)
      if (container === undefined) return
      fake.calls.push(`RemoveContainer ${name(container)}`)
      finish(container, 137)
      containers.delete(id)
    },
    async listContainers(filter) {
      const wanted = Object.entries(filter?.labelSelector ?? {})
      return [...containers.values()]
        .filter(({ sandboxId, config }) => (filter?.podSandboxId === undefined || filter.podSandboxId === sandboxId) && wanted.every(([key, value]) => config.labels?.[key] === value))
        .map(({ id, sandboxId, config, state, createdMs }) => ({
          id, podSandboxId: sandboxId, metadata: config.metadata as Cri<'ContainerMetadata'>, imageRef: config.image?.image ?? '', state, createdAt: createdMs * 1e6, labels: config.labels ?? {}, annotations: config.annotations ?? {}, imageId: '',
        }))
    },
    async containerStatus(id) {
      const { config, state, createdMs, startedMs, finishedMs, exitCode, reason, message, logDirectory } = containerOf(id)
      const image = byIdOrName(config.image?.image ?? '')
      return {
        id, metadata: config.metadata as Cri<'ContainerMetadata'>, state, createdAt: createdMs * 1e6, startedAt: startedMs * 1e6, finishedAt: finishedMs * 1e6, exitCode, reason, message,
        image: { image: image?.repoTags[0] ?? '', annotations: {}, userSpecifiedImage: '', runtimeHandler: '', imageRef: '' }, imageRef: image?.id ?? '', imageId: '', labels: config.labels ?? {}, annotations: config.annotations ?? {},
        mounts: (config.mounts ?? []) as Cri<'Mount'>[], logPath: join(logDirectory, config.logPath ?? ''), stopSignal: 0,
      }
    },
    updateContainerResources: async (id) => void containerOf(id),
    reopenContainerLog: async (id) => void fake.calls.push(`ReopenContainerLog ${name(containerOf(id))}`),
    async execSync(id, command) {
      containerOf(id)
      const text = command.join(' ')
      fake.calls.push(`ExecSync ${text}`)
      await fake.intercept(fake.calls.at(-1)!)
      const known = fake.execs.get(text)
      if (known !== undefined) return { stdout: Buffer.from(known.output), stderr: Buffer.alloc(0), exitCode: known.exitCode }
      const steps = script(command).map(step)
      return { stdout: Buffer.from(steps.map(({ out }) => out).join('')), stderr: Buffer.from(steps.map(({ err }) => err).join('')), exitCode: steps.find(({ exit }) => exit !== undefined)?.exit ?? 0 }
    },
    exec: async (id) => `http://127.0.0.1:1/exec/${containerOf(id).id}`,
    attach: async (id) => `http://127.0.0.1:1/attach/${containerOf(id).id}`,
    portForward: async (id) => `http://127.0.0.1:1/portforward/${sandboxOf(id).id}`,
    containerStats: async (id) => ({ attributes: { id: containerOf(id).id, labels: {}, annotations: {} } }),
    listContainerStats: async () => [],
    async pullImage(image) {
      fake.calls.push(`PullImage ${image}`)
      await fake.intercept(fake.calls.at(-1)!)
      const found = fake.registry.get(image)
      if (found === undefined) throw new RuntimeError('NotFound', `failed to pull and unpack image "${image}": failed to resolve reference "${image}": ${image}: not found`)
      local.set(image, found)
      return found.id
    },
    imageStatus: async (image) => byIdOrName(image),
    listImages: async () => [...local.values()],
    removeImage: async (image) => void local.delete(image),
    imageFilesystems: async () => [],
    [Symbol.asyncDispose]: async () => {
      for (const container of containers.values()) container.timer?.[Symbol.dispose]()
    },
  }
  return fake
}
