import { qosClass, type QosClass } from '../api/qos.ts'
import type { Container } from '../api/types/core_v1.ts'
import { milliValue, quantityValue } from '../machinery/quantity.ts'
import type { RuntimeResources } from './container-runtime.ts'
import { isSidecar, type BoundPod } from './pods.ts'

/** CPU in thousandths, memory in bytes; undefined where nothing was said. */
export interface Amounts { cpuMilli?: number; memoryBytes?: number }

type ResourceList = Record<string, string> | undefined

function amounts(list: ResourceList): Amounts {
  return {
    ...(list?.cpu === undefined ? {} : { cpuMilli: milliValue(list.cpu) }),
    ...(list?.memory === undefined ? {} : { memoryBytes: quantityValue(list.memory) }),
  }
}

/** Requests of a container; a limit without a request stands for it, as the API server defaults it. */
export function containerRequests(container: Container): Amounts {
  return { ...amounts(container.resources?.limits), ...amounts(container.resources?.requests) }
}

export function containerLimits(container: Container): Amounts {
  return amounts(container.resources?.limits)
}

/** The quality-of-service class: as the API server noted it, else worked out. */
export function qosClassOf(pod: BoundPod): QosClass {
  return (pod.status?.qosClass ?? qosClass(pod.spec)) as QosClass
}

function plus(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined && b === undefined ? undefined : (a ?? 0) + (b ?? 0)
}

function larger(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : Math.max(a, b)
}

function podSum(pod: BoundPod, of: (container: Container) => Amounts, overhead: Amounts): Amounts {
  const sum = (a: Amounts, b: Amounts): Amounts => ({ cpuMilli: plus(a.cpuMilli, b.cpuMilli), memoryBytes: plus(a.memoryBytes, b.memoryBytes) })
  const max = (a: Amounts, b: Amounts): Amounts => ({ cpuMilli: larger(a.cpuMilli, b.cpuMilli), memoryBytes: larger(a.memoryBytes, b.memoryBytes) })
  let running = pod.spec.containers.map(of).reduce(sum, {})
  let sidecars: Amounts = {}
  let initPeak: Amounts = {}
  for (const container of pod.spec.initContainers ?? []) {
    const asked = of(container)
    if (isSidecar(container)) {
      running = sum(running, asked)
      sidecars = sum(sidecars, asked)
      initPeak = max(initPeak, sidecars)
    } else {
      initPeak = max(initPeak, sum(sidecars, asked))
    }
  }
  return sum(max(running, initPeak), overhead)
}

/** What a pod asks for in all: the larger of its running containers and its init steps, sidecars counted in, plus overhead (KEP-753). */
export function podRequests(pod: BoundPod): Amounts {
  return { ...podSum(pod, containerRequests, amounts(pod.spec.overhead)), ...amounts(pod.spec.resources?.requests) }
}

/** The pod's limits; a resource that some container leaves unlimited is unlimited. */
export function podLimits(pod: BoundPod): Amounts {
  const summed = podSum(pod, containerLimits, {})
  const all = [...(pod.spec.initContainers ?? []).filter(isSidecar), ...pod.spec.containers].map(containerLimits)
  const limits: Amounts = {}
  if (all.every((limit) => limit.cpuMilli !== undefined)) limits.cpuMilli = summed.cpuMilli
  if (all.every((limit) => limit.memoryBytes !== undefined)) limits.memoryBytes = summed.memoryBytes
  return { ...limits, ...amounts(pod.spec.resources?.limits) }
}

const minShares = 2
const maxShares = 262_144
export const cpuPeriodUs = 100_000
const minQuotaUs = 1000

export function cpuShares(milli: number | undefined): number {
  return milli === undefined || milli === 0 ? minShares : Math.min(maxShares, Math.max(minShares, Math.floor((milli * 1024) / 1000)))
}

/** CFS quota in microseconds a period; 0 is none. */
export function cpuQuota(milli: number | undefined): number {
  return milli === undefined || milli === 0 ? 0 : Math.max(minQuotaUs, Math.floor((milli * cpuPeriodUs) / 1000))
}

/** The lower, the later the kernel ends it when memory runs out (upstream `pkg/kubelet/qos/policy.go`). */
export function oomScoreAdj(pod: BoundPod, container: Container, memoryCapacityBytes: number): number {
  if ((pod.spec.priority ?? 0) >= 2_000_000_000) return -997
  const qos = qosClassOf(pod)
  if (qos === 'Guaranteed') return -997
  if (qos === 'BestEffort') return 1000
  const request = containerRequests(container).memoryBytes ?? 0
  const score = 1000 - Math.floor((1000 * request) / memoryCapacityBytes)
  return score < 3 ? 3 : score === 1000 ? 999 : score
}

export function containerResources(pod: BoundPod, container: Container, memoryCapacityBytes: number): RuntimeResources {
  const requests = containerRequests(container)
  const limits = containerLimits(container)
  const podLimit = podLimits(pod)
  const memory = limits.memoryBytes ?? (pod.spec.resources === undefined ? undefined : podLimit.memoryBytes)
  const quota = cpuQuota(limits.cpuMilli)
  return {
    cpuShares: cpuShares(requests.cpuMilli), oomScoreAdj: oomScoreAdj(pod, container, memoryCapacityBytes),
    ...(quota === 0 ? {} : { cpuQuota: quota, cpuPeriod: cpuPeriodUs }), ...(memory === undefined || memory === 0 ? {} : { memoryLimitInBytes: memory }),
  }
}
