import type { ContainerImage, Node, NodeCondition, NodeStatus } from '../../api/types/core_v1.ts'
import { timeText } from '../../machinery/object.ts'
import type { RuntimeImage } from '../container-runtime.ts'
import type { Machine, Pressure } from './machine.ts'

export const kubeletVersion = 'v1.36.0'

export interface NodeIdentity {
  name: string
  ip: string
  /** Name by which others reach it; its own name by default. */
  hostname: string
  port: number
  labels: Readonly<Record<string, string>>
  taints: readonly { key: string; value?: string; effect: string }[]
  maxPods: number
  /** Overrides what was measured: `{ cpu: '2', memory: '4Gi' }`. */
  capacity: Readonly<Record<string, string>>
  providerID?: string
}

const reserved = { memoryBytes: 100 * 1024 * 1024, storageShare: 0.1 }
const kib = (bytes: number): string => `${Math.floor(bytes / 1024)}Ki`

/** What the node has, and what of it pods may have: all but what keeps the node itself alive. */
export function nodeResources(machine: Machine, identity: NodeIdentity): { capacity: Record<string, string>; allocatable: Record<string, string> } {
  const hugepages = Object.entries(machine.hugepages)
  const huge = Object.fromEntries(hugepages.map(([size, bytes]) => [`hugepages-${size}`, bytes === 0 ? '0' : kib(bytes)]))
  const hugeBytes = hugepages.reduce((sum, [, bytes]) => sum + bytes, 0)
  const capacity = { cpu: String(machine.cpus), memory: kib(machine.memoryBytes), 'ephemeral-storage': kib(machine.storageBytes), pods: String(identity.maxPods), ...huge, ...identity.capacity }
  const allocatable = {
    ...capacity,
    ...(identity.capacity.memory === undefined ? { memory: kib(machine.memoryBytes - reserved.memoryBytes - hugeBytes) } : {}),
    ...(identity.capacity['ephemeral-storage'] === undefined ? { 'ephemeral-storage': String(Math.floor(machine.storageBytes * (1 - reserved.storageShare))) } : {}),
  }
  return { capacity, allocatable }
}

export interface NodeFindings {
  machine: Machine
  identity: NodeIdentity
  pressure: Pressure
  /** Why the node can't run pods; empty when it can. */
  problems: readonly string[]
  runtimeVersion: string
  images: readonly RuntimeImage[]
  nowMs: number
}

function conditions({ pressure, problems, nowMs }: NodeFindings, previous: readonly NodeCondition[]): NodeCondition[] {
  const heartbeat = timeText(nowMs)
  const make = (type: string, status: boolean, reason: string, message: string): NodeCondition => {
    const before = previous.find((condition) => condition.type === type)
    const text = status ? 'True' : 'False'
    return { type, status: text, lastHeartbeatTime: heartbeat, lastTransitionTime: before?.status === text ? before.lastTransitionTime : heartbeat, reason, message }
  }
  return [
    make('MemoryPressure', pressure.memory, pressure.memory ? 'KubeletHasInsufficientMemory' : 'KubeletHasSufficientMemory', pressure.memory ? 'kubelet has insufficient memory available' : 'kubelet has sufficient memory available'),
    make('DiskPressure', pressure.disk, pressure.disk ? 'KubeletHasDiskPressure' : 'KubeletHasNoDiskPressure', pressure.disk ? 'kubelet has disk pressure' : 'kubelet has no disk pressure'),
    make('PIDPressure', pressure.pids, pressure.pids ? 'KubeletHasInsufficientPID' : 'KubeletHasSufficientPID', pressure.pids ? 'kubelet has insufficient PID available' : 'kubelet has sufficient PID available'),
    problems.length === 0 ? make('Ready', true, 'KubeletReady', 'kubelet is posting ready status') : make('Ready', false, 'KubeletNotReady', problems.length === 1 ? problems[0]! : `[${problems.join(', ')}]`),
  ]
}

const maxImages = 50
const maxNames = 5

function imageList(images: readonly RuntimeImage[]): ContainerImage[] {
  return [...images].sort((a, b) => b.size - a.size).slice(0, maxImages).map(({ repoDigests, repoTags, size }) => ({ names: [...repoDigests, ...repoTags].slice(0, maxNames), sizeBytes: size }))
}

/** The node's status as found; a condition's transition time moves only with its status. */
export function nodeStatus(findings: NodeFindings, previous: NodeStatus | undefined): NodeStatus {
  const { machine, identity, runtimeVersion, images } = findings
  return {
    ...nodeResources(machine, identity),
    conditions: conditions(findings, previous?.conditions ?? []),
    addresses: [{ type: 'InternalIP', address: identity.ip }, { type: 'Hostname', address: identity.hostname }],
    daemonEndpoints: { kubeletEndpoint: { Port: identity.port } },
    nodeInfo: {
      machineID: machine.machineID, systemUUID: machine.systemUUID, bootID: machine.bootID, kernelVersion: machine.kernelVersion, osImage: machine.osImage,
      containerRuntimeVersion: runtimeVersion, kubeletVersion, kubeProxyVersion: '', operatingSystem: 'linux', architecture: machine.architecture,
    },
    images: imageList(images),
  }
}

/** Labels that the kubelet keeps on its node. */
export function ownLabels(machine: Machine, identity: NodeIdentity): Record<string, string> {
  return {
    'beta.kubernetes.io/arch': machine.architecture, 'beta.kubernetes.io/os': 'linux', 'kubernetes.io/arch': machine.architecture, 'kubernetes.io/hostname': identity.hostname,
    'kubernetes.io/os': 'linux', ...identity.labels,
  }
}

/** The node as it registers itself. */
export function newNode(findings: NodeFindings): Node {
  const { machine, identity } = findings
  return {
    apiVersion: 'v1', kind: 'Node',
    metadata: { name: identity.name, labels: ownLabels(machine, identity), annotations: { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' } },
    spec: { ...(identity.taints.length === 0 ? {} : { taints: identity.taints.map((taint) => ({ ...taint })) }), ...(identity.providerID === undefined ? {} : { providerID: identity.providerID }) },
    status: nodeStatus(findings, undefined),
  }
}
