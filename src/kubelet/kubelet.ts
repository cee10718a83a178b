import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Client } from '../client/client.ts'
import { createEventRecorder } from '../client/events.ts'
import { createInformerFactory } from '../client/informer.ts'
import { nodes, pods, runtimeClasses, services } from '../client/resources.ts'
import { isReason } from '../machinery/status.ts'
import { withLogFields, type Running, type Runtime } from '../runtime/runtime.ts'
import { createBackOffs } from './back-off.ts'
import { podCgroups, type PodCgroups } from './cgroups.ts'
import type { ContainerRuntime } from './container-runtime.ts'
import { connectContainerRuntime } from './cri/client.ts'
import { followContainerdEvents } from './cri/containerd-events.ts'
import { hostDns, type ClusterDns } from './dns.ts'
import { createImageManager } from './images.ts'
import { createLogRotation } from './logs/rotation.ts'
import { inspectMachine } from './node/machine.ts'
import { startNodeAgent } from './node/node-agent.ts'
import { nodeResources, type NodeIdentity } from './node/node-status.ts'
import { watchObjects } from './objects.ts'
import type { PodContext } from './pod-context.ts'
import { createPodManager } from './pod-manager.ts'
import { createPodStatuses } from './pod-statuses.ts'
import { createProber } from './probes/prober.ts'
import { createRuntimePods } from './runtime-pods.ts'
import { startKubeletServer, type KubeletServerOptions } from './server/server.ts'
import { createPodTokens } from './tokens.ts'
import { claimSource } from './volumes/claims.ts'
import { createPodVolumes } from './volumes/pod-volumes.ts'

export interface KubeletOptions {
  nodeName: string
  /** The address by which others reach the node. */
  nodeIP: string
  client: Client
  runtime: Runtime
  /** Path of the container runtime's socket, with or without `unix://`. */
  criSocket: string
  /** Where pods' volumes and files are kept; /var/lib/kubelet by default. */
  rootDirectory?: string
  /** Where containers' logs are kept; /var/log/pods for the default root, `ROOT/log/pods` for another one. */
  podLogsDirectory?: string
  /** The cgroup under which `kubepods` is made; `/` by default. */
  cgroupRoot?: string
  clusterDns?: ClusterDns
  /** Whose name servers pods with dnsPolicy Default get; /etc/resolv.conf by default. */
  resolvConf?: string
  /** The node's server; left out, there is none and logs, exec and the like can't be had. */
  server?: KubeletServerOptions
  /** False when somebody else makes the Node object. */
  registerNode?: boolean
  hostname?: string
  labels?: Readonly<Record<string, string>>
  taints?: NodeIdentity['taints']
  maxPods?: number
  capacity?: Readonly<Record<string, string>>
  providerID?: string
  /** How many images are pulled at once; 1 by default, as upstream. */
  maxParallelImagePulls?: number
  /** A log is cut when it is larger, and so many files of it are kept; 10 MiB and 5 by default. */
  containerLogs?: { maxBytes: number; maxFiles: number }
  /** Replaces containerd, in tests. */
  containers?: ContainerRuntime
  /** Replaces the machine's cgroups, in tests. */
  cgroups?: PodCgroups
}

export interface Kubelet extends Running {
  /** Resolves when the node is registered. */
  readonly registered: Promise<void>
  /** The server's port; 0 when there is none. */
  readonly port: number
}

const defaultRoot = '/var/lib/kubelet'
const relistMs = 1000
const cleanUpMs = 60_000
const rotateMs = 10_000
/** containerd tells of an end before its CRI has taken note of it: look soon, and once more. */
const eventLooksMs = [20, 150]
const restartBackOff = { initialMs: 10_000, maxMs: 300_000 }

/**
 * Starts a kubelet: registers the node, runs the pods bound to it, and serves their logs and streams. Disposing it stops the
 * kubelet and leaves the pods running; a new one takes them over.
 */
export async function startKubelet(options: KubeletOptions): Promise<Kubelet> {
  const runtime = withLogFields(options.runtime, { component: 'kubelet', node: options.nodeName })
  const { clock, log } = runtime
  const { client, nodeName } = options
  const rootDirectory = options.rootDirectory ?? defaultRoot
  const logsDirectory = options.podLogsDirectory ?? (rootDirectory === defaultRoot ? '/var/log/pods' : join(rootDirectory, 'log', 'pods'))
  const socketPath = options.criSocket.replace(/^unix:\/\//, '')
  await mkdir(rootDirectory, { recursive: true })
  await mkdir(logsDirectory, { recursive: true })
  await using cleanup = new AsyncDisposableStack()

  const containers = options.containers ?? cleanup.use(connectContainerRuntime(socketPath, clock))
  const machine = await inspectMachine(rootDirectory)
  const identity: NodeIdentity = {
    name: nodeName, ip: options.nodeIP, hostname: options.hostname ?? nodeName, port: options.server?.port ?? 10_250, labels: options.labels ?? {}, taints: options.taints ?? [],
    maxPods: options.maxPods ?? 110, capacity: options.capacity ?? {}, ...(options.providerID === undefined ? {} : { providerID: options.providerID }),
  }
  const { allocatable } = nodeResources(machine, identity)
  const events = cleanup.use(createEventRecorder({ client, runtime, component: 'kubelet', host: nodeName }))
  const informers = cleanup.use(createInformerFactory(client, runtime))
  const statuses = cleanup.use(createPodStatuses(client, runtime))
  // Workers are told of what happens before there are any: those who tell only ever do so later.
  let wake: (uid: string, reason?: { volumesStale?: boolean }) => void = () => undefined
  const observed = createRuntimePods(containers, runtime, (uid) => wake(uid))
  const objects = cleanup.use(watchObjects(client, runtime, (uid) => wake(uid, { volumesStale: true })))
  const tokens = createPodTokens(client, runtime)
  const prober = cleanup.use(createProber({ containers, runtime, events, nodeIP: options.nodeIP, onResult: (uid) => wake(uid) }))
  let lastRelistMs = clock.monotonicMs()
  const agent = cleanup.use(startNodeAgent({
    client, runtime, containers, events, machine, identity, rootDirectory, registerNode: options.registerNode !== false, relistAgeMs: () => clock.monotonicMs() - lastRelistMs,
  }))
  const serviceInformer = informers.informer(services)
  const context: PodContext = {
    runtime, containers, events, pods: observed, statuses, prober, objects, tokens,
    images: createImageManager({ containers, runtime, events, maxParallelPulls: options.maxParallelImagePulls ?? 1 }),
    volumes: createPodVolumes(rootDirectory, runtime, { objects, tokens, claims: claimSource(client) }),
    cgroups: options.cgroups ?? await podCgroups(options.cgroupRoot ?? '/', clock),
    restarts: createBackOffs(clock, restartBackOff.initialMs, restartBackOff.maxMs),
    services: async () => {
      await serviceInformer.synced
      return serviceInformer.list()
    },
    node: () => ({ name: nodeName, hostIPs: [options.nodeIP], allocatable, memoryCapacityBytes: machine.memoryBytes }),
    cluster: options.clusterDns ?? { servers: [], domain: 'cluster.local' },
    hostDns: () => hostDns(options.resolvConf ?? '/etc/resolv.conf'),
    nodeHosts: () => readFile('/etc/hosts', 'utf8'),
    runtimeHandler: async (name) => {
      try {
        return (await client.get(runtimeClasses, '', name)).handler
      } catch (error) {
        if (isReason(error, 'NotFound')) throw new Error(`failed to get sandbox runtime: runtimeclass.node.k8s.io "${name}" not found`, { cause: error })
        throw error
      }
    },
    networkProblem: () => agent.networkProblem(),
    logsDirectory, profileRoot: join(rootDirectory, 'seccomp'),
  }
  const nodeInformer = informers.informer(nodes, { fieldSelector: `metadata.name=${nodeName}` })
  const manager = cleanup.use(createPodManager(context, () => nodeInformer.get(nodeName)))
  wake = manager.wake

  let relisting: Promise<void> | undefined
  const relist = (): Promise<void> => {
    relisting ??= observed.relist().then(
      () => {
        lastRelistMs = clock.monotonicMs()
      },
      (error: unknown) => log.warn('cannot look at the pods of the container runtime', { err: error }),
    ).finally(() => {
      relisting = undefined
    })
    return relisting
  }
  const rotation = createLogRotation({ containers, runtime, ...(options.containerLogs ?? { maxBytes: 10 * 1024 * 1024, maxFiles: 5 }) })
  const server = options.server === undefined ? undefined : cleanup.use(await startKubeletServer({ ...options.server, nodeName, client, runtime, containers, manager, observed, machine }))
  // What runs already must be known before the first pod is looked at, so that it is taken over and not admitted anew.
  await relist()
  cleanup.use(informers.informer(pods, { fieldSelector: `spec.nodeName=${nodeName}` }).onChange((pod, old) => manager.take(pod, old)))
  const podInformer = informers.informer(pods, { fieldSelector: `spec.nodeName=${nodeName}` })
  void podInformer.synced.then(() => manager.known(), () => undefined)
  cleanup.use(clock.interval(relistMs, () => void relist(), { background: true }))
  cleanup.use(clock.interval(cleanUpMs, () => void manager.cleanUp().catch((error: unknown) => log.warn('cannot clean up after pods', { err: error })), { background: true }))
  cleanup.use(clock.interval(rotateMs, () => void rotation.rotate(observed.all()), { background: true }))
  if (options.containers === undefined) {
    cleanup.use(followContainerdEvents(socketPath, runtime, () => {
      for (const delayMs of eventLooksMs) clock.timer(delayMs, () => void relist(), { background: true })
    }))
  }
  const { promise: done, resolve } = Promise.withResolvers<void>()
  const owned = cleanup.move()
  return {
    done, registered: agent.registered, port: server?.port ?? 0,
    async [Symbol.asyncDispose]() {
      await owned.disposeAsync()
      resolve()
    },
  }
}
