import type { Node, NodeCondition, Pod } from '../api/types/core_v1.ts'
import type { Lease } from '../api/types/coordination.k8s.io_v1.ts'
import type { Client } from '../client/client.ts'
import { every, runController, watching, type Source } from '../client/controller.ts'
import { createInformerFactory, type Informer, type InformerFactory } from '../client/informer.ts'
import { leases, nodes, pods } from '../client/resources.ts'
import { microTimeText, timeText } from '../machinery/object.ts'
import { isReason } from '../machinery/status.ts'
import type { Running, Runtime } from '../runtime/runtime.ts'
import { endsByItself, runningPodStatus, succeededPodStatus } from './hollow-pod.ts'

export interface HollowNodesOptions {
  runtime: Runtime
  /** The client of each node, acting as `system:node:NAME`. */
  clientFor(nodeName: string): Client
  count: number
  /** Nodes are called `PREFIX-0`, `PREFIX-1`, …; `hollow` where left out. */
  prefix?: string
  capacity?: Readonly<Record<string, string>>
  labels?: Readonly<Record<string, string>>
  /** How long a container takes to start, and how long one that ends by itself runs. */
  startDelayMs?: number
  runTimeMs?: number
  kubeletVersion?: string
}

const defaultCapacity = { cpu: '32', memory: '256Gi', 'ephemeral-storage': '100Gi', pods: '110' }
/** What runs on nothing is resized at once: pods as a whole and init containers too. */
const resizeFeatures = ['InPlacePodLevelResourcesVerticalScaling', 'InPlacePodVerticalScalingInitContainers']
const leasePeriodMs = 10_000
const leaseDurationSeconds = 40
const heartbeatPeriodMs = 300_000

interface HollowNode {
  name: string
  client: Client
  pods: Informer<Pod>
  factory: InformerFactory
  address: string
  /** What is left of the pod range; addresses are given in order and never twice while the range lasts. */
  podPrefix: string
  nextPod: number
}

/** Hollow nodes have no network: their addresses are loopback ones that nobody listens on, so that whoever calls is refused at once and no packet leaves. */
function nodeAddress(index: number): string {
  return `127.1.${(index >> 8) & 255}.${index & 255}`
}

function conditions(nowMs: number): NodeCondition[] {
  const time = timeText(nowMs)
  const pressure = (type: string, reason: string, message: string): NodeCondition => ({ type, status: 'False', reason, message, lastHeartbeatTime: time, lastTransitionTime: time })
  return [
    pressure('MemoryPressure', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
    pressure('DiskPressure', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
    pressure('PIDPressure', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
    { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status', lastHeartbeatTime: time, lastTransitionTime: time },
  ]
}

function nodeObject(hollow: HollowNode, options: HollowNodesOptions, nowMs: number): Node {
  const { capacity = defaultCapacity, labels = {}, kubeletVersion = 'v1.36.0' } = options
  return {
    apiVersion: 'v1', kind: 'Node',
    metadata: {
      name: hollow.name,
      labels: { 'kubernetes.io/hostname': hollow.name, 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64', 'k8ts.io/hollow': 'true', ...labels },
      annotations: { 'node.alpha.kubernetes.io/ttl': '0' },
    },
    spec: {},
    status: {
      capacity, allocatable: capacity, declaredFeatures: [...resizeFeatures], conditions: conditions(nowMs), addresses: [{ type: 'InternalIP', address: hollow.address }, { type: 'Hostname', address: hollow.name }],
      nodeInfo: {
        kubeletVersion, kubeProxyVersion: '', containerRuntimeVersion: 'hollow://', operatingSystem: 'linux', architecture: 'amd64',
        kernelVersion: 'hollow', osImage: 'hollow', machineID: hollow.name, systemUUID: hollow.name, bootID: hollow.name,
      },
    },
  }
}

/** Creates the node, or takes over the one that an earlier run left. */
async function register(hollow: HollowNode, options: HollowNodesOptions): Promise<Node> {
  const wanted = nodeObject(hollow, options, options.runtime.clock.now())
  try {
    return await hollow.client.create(nodes, wanted)
  } catch (error) {
    if (!isReason(error, 'AlreadyExists')) throw new Error(`cannot register node ${hollow.name}`, { cause: error })
    return hollow.client.patch(nodes, '', hollow.name, 'strategic', { status: wanted.status }, { subresource: 'status' })
  }
}

async function renewLease(hollow: HollowNode, nowMs: number): Promise<void> {
  const renewTime = microTimeText(nowMs)
  try {
    await hollow.client.patch(leases, 'kube-node-lease', hollow.name, 'merge', { spec: { renewTime } }, { withoutManagedFields: true })
  } catch (error) {
    if (!isReason(error, 'NotFound')) throw error
    // As a kubelet's: it goes with its node.
    const { metadata: { uid = '' } } = await hollow.client.get(nodes, '', hollow.name)
    const ownerReferences = [{ apiVersion: 'v1', kind: 'Node', name: hollow.name, uid }]
    const lease: Lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { namespace: 'kube-node-lease', name: hollow.name, ownerReferences }, spec: { holderIdentity: hollow.name, leaseDurationSeconds, renewTime } }
    await hollow.client.create(leases, lease)
  }
}

function podPrefixOf(node: Node, index: number): string {
  const range = node.spec.podCIDR
  if (range !== undefined && range !== '') return range.slice(0, range.lastIndexOf('.'))
  return `100.${96 + ((index >> 8) & 31)}.${index & 255}`
}

function podAddress(hollow: HollowNode): string {
  hollow.nextPod = (hollow.nextPod % 253) + 1
  return `${hollow.podPrefix}.${hollow.nextPod + 1}`
}

/**
 * Nodes that run no containers: they register, renew their leases and walk their pods through the phases, so that everything above the
 * kubelet works as with real ones. Each acts with its own client and sees only its own pods.
 */
export async function startHollowNodes(options: HollowNodesOptions): Promise<Running> {
  const { runtime, count, prefix = 'hollow', startDelayMs = 0, runTimeMs = 1000 } = options
  const { clock } = runtime
  const all = new Map<string, HollowNode>()
  for (let index = 0; index < count; index++) {
    const name = `${prefix}-${index}`
    const client = options.clientFor(name)
    const factory = createInformerFactory(client, runtime)
    all.set(name, { name, client, factory, pods: factory.informer(pods, { fieldSelector: `spec.nodeName=${name}` }), address: nodeAddress(index + 1), podPrefix: '', nextPod: 0 })
  }
  let index = 0
  const batch = 50
  const list = [...all.values()]
  for (let from = 0; from < list.length; from += batch) {
    await Promise.all(list.slice(from, from + batch).map(async (hollow) => {
      const at = index++
      const node = await register(hollow, options)
      await renewLease(hollow, clock.now())
      hollow.podPrefix = podPrefixOf(node, at)
    }))
  }

  const syncPod = async (key: string): Promise<{ requeueAfterMs: number } | void> => {
    const [nodeName = '', podKey = ''] = key.split('|')
    const hollow = all.get(nodeName)
    const pod = hollow?.pods.get(podKey)
    if (hollow === undefined || pod === undefined) return
    const { namespace = '', name = '', uid, deletionTimestamp } = pod.metadata
    const phase = pod.status?.phase ?? 'Pending'
    const writeStatus = (status: object): Promise<Pod> => hollow.client.patch(pods, namespace, name, 'strategic', { metadata: { uid }, status }, { subresource: 'status', withoutManagedFields: true })
    try {
      if (deletionTimestamp !== undefined) {
        await hollow.client.delete(pods, namespace, name, { gracePeriodSeconds: 0, preconditions: { uid } })
      } else if (phase === 'Pending') {
        const boundAt = pod.status?.conditions?.find((each) => each.type === 'PodScheduled')?.lastTransitionTime
        const leftMs = startDelayMs === 0 ? 0 : Date.parse(boundAt ?? '') + startDelayMs - clock.now()
        if (leftMs > 0) return { requeueAfterMs: leftMs }
        await writeStatus(runningPodStatus(pod, { hostIP: hollow.address, podIP: podAddress(hollow) }, clock.now()))
      } else if (phase === 'Running' && endsByItself(pod)) {
        const leftMs = Date.parse(pod.status?.startTime ?? '') + runTimeMs - clock.now()
        if (leftMs > 0) return { requeueAfterMs: leftMs }
        await writeStatus(succeededPodStatus(pod, clock.now()))
      }
    } catch (error) {
      if (!isReason(error, 'NotFound', 'Conflict')) throw error
    }
  }
  const sources: Source[] = list.map((hollow) => watching(hollow.pods, (pod, old) => {
    const { namespace = '', name = '' } = (pod ?? old)!.metadata
    return [`${hollow.name}|${namespace}/${name}`]
  }))
  const podLoop = runController({ name: 'hollow-kubelet', runtime, sources, reconcile: syncPod, concurrency: 128 })

  // Leases are spread over the period: a beat renews those whose turn it is.
  const beats = 20
  let beat = 0
  const leaseLoop = runController({
    name: 'hollow-node-lease', runtime, concurrency: 1, sources: [every(runtime, leasePeriodMs / beats)],
    async reconcile() {
      const turn = beat++ % beats
      const due = list.filter((_, position) => position % beats === turn)
      await Promise.all(due.map((hollow) => renewLease(hollow, clock.now())))
    },
  })
  const statusLoop = runController({
    name: 'hollow-node-status', runtime, concurrency: 1, sources: [every(runtime, heartbeatPeriodMs)],
    async reconcile() {
      for (const hollow of list) await hollow.client.patch(nodes, '', hollow.name, 'strategic', { status: { conditions: conditions(clock.now()) } }, { subresource: 'status' })
    },
  })
  await Promise.all(list.map((hollow) => hollow.factory.synced()))

  return {
    done: Promise.race([podLoop.done, leaseLoop.done, statusLoop.done]),
    async [Symbol.asyncDispose]() {
      await Promise.all([podLoop, leaseLoop, statusLoop].map((loop) => loop[Symbol.asyncDispose]()))
      await Promise.all(list.map((hollow) => hollow.factory[Symbol.asyncDispose]()))
    },
  }
}
