import { matchesRequiredNodeAffinity } from '../api/node-affinity.ts'
import { untoleratedTaint } from '../api/tolerations.ts'
import type { Node } from '../api/types/core_v1.ts'
import { milliValue, quantityValue } from '../machinery/quantity.ts'
import type { BoundPod } from './pods.ts'
import { containersOf } from './pods.ts'
import { podRequests } from './resources.ts'

export interface Rejection { reason: string; message: string }

function hostPorts(pod: BoundPod): string[] {
  return containersOf(pod).flatMap(({ container }) => (container.ports ?? []).filter(({ hostPort }) => hostPort !== undefined && hostPort !== 0)
    .map(({ hostIP, hostPort, protocol = 'TCP' }) => `${protocol}/${hostPort}/${hostIP === undefined || hostIP === '' ? '0.0.0.0' : hostIP}`))
}

function portsClash(a: readonly string[], b: readonly string[]): boolean {
  return a.some((one) => b.some((other) => {
    const [protocol, port, ip] = one.split('/')
    const [otherProtocol, otherPort, otherIp] = other.split('/')
    return protocol === otherProtocol && port === otherPort && (ip === otherIp || ip === '0.0.0.0' || otherIp === '0.0.0.0')
  }))
}

const reasonNames: Record<string, string> = { cpu: 'OutOfcpu', memory: 'OutOfmemory', pods: 'OutOfpods', 'ephemeral-storage': 'OutOfephemeral-storage' }

/**
 * Whether the node can take the pod beside the active ones that it has; what it answers is the pod's failure
 * (upstream `pkg/kubelet/lifecycle/predicate.go`). Who bound the pod may have known less than the node.
 */
export function admitPod(pod: BoundPod, node: Node, active: readonly BoundPod[]): Rejection | undefined {
  const os = pod.spec.os?.name
  if (os !== undefined && os !== '' && os !== 'linux') return { reason: 'PodOSNotSupported', message: `Failed to admit pod as the OS field doesn't match node OS` }
  const allocatable = node.status?.allocatable ?? {}
  const short = (resource: string, requested: number, used: number, capacity: number): Rejection => ({
    reason: reasonNames[resource] ?? `OutOf${resource}`, message: `Pod was rejected: Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
  })
  const maxPods = quantityValue(allocatable.pods ?? '110')
  if (active.length + 1 > maxPods) return short('pods', 1, active.length, maxPods)
  const wanted = podRequests(pod)
  const used = active.map((other) => podRequests(other))
  const usedCpu = used.reduce((sum, { cpuMilli = 0 }) => sum + cpuMilli, 0)
  const usedMemory = used.reduce((sum, { memoryBytes = 0 }) => sum + memoryBytes, 0)
  if (allocatable.cpu !== undefined && (wanted.cpuMilli ?? 0) > 0 && (wanted.cpuMilli ?? 0) + usedCpu > milliValue(allocatable.cpu)) return short('cpu', wanted.cpuMilli!, usedCpu, milliValue(allocatable.cpu))
  if (allocatable.memory !== undefined && (wanted.memoryBytes ?? 0) > 0 && (wanted.memoryBytes ?? 0) + usedMemory > quantityValue(allocatable.memory)) {
    return short('memory', wanted.memoryBytes!, usedMemory, quantityValue(allocatable.memory))
  }
  if (!matchesRequiredNodeAffinity(pod.spec, node)) return { reason: 'NodeAffinity', message: "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector" }
  const ports = hostPorts(pod)
  if (ports.length > 0 && active.some((other) => portsClash(ports, hostPorts(other)))) return { reason: 'NodePorts', message: "Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports" }
  if (untoleratedTaint(node.spec?.taints, pod.spec.tolerations, ['NoExecute']) !== undefined) return { reason: 'TaintToleration', message: 'Pod was rejected: Predicate TaintToleration failed: node(s) had taints that the pod didn\'t tolerate' }
  return undefined
}
