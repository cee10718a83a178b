import type { Container, ContainerStatus, Pod, PodCondition, PodStatus } from '../api/types/core_v1.ts'
import { timeText } from '../machinery/object.ts'

function runningStatus(container: Container, startedAt: string): ContainerStatus {
  const { limits, requests } = container.resources ?? {}
  return {
    // What runs tells of its resources: that is how the API server knows that a node can resize.
    ...(requests === undefined ? {} : { allocatedResources: requests }), resources: { ...(limits === undefined ? {} : { limits }), ...(requests === undefined ? {} : { requests }) },
    name: container.name, image: container.image ?? '', imageID: `hollow://${container.image ?? ''}`, containerID: `hollow://${container.name}`,
    ready: true, started: true, restartCount: 0, state: { running: { startedAt } },
  }
}

function endedStatus(container: Container, startedAt: string, finishedAt: string): ContainerStatus {
  return { ...runningStatus(container, startedAt), ready: false, started: false, state: { terminated: { exitCode: 0, reason: 'Completed', startedAt, finishedAt } } }
}

function condition(type: string, status: boolean, time: string, reason?: string): PodCondition {
  return { type, status: status ? 'True' : 'False', lastTransitionTime: time, ...(reason === undefined ? {} : { reason }) }
}

/** Whether a pod is meant to come to an end by itself: its containers are not restarted, and a Job waits for it. */
export function endsByItself(pod: Pod): boolean {
  return pod.spec.restartPolicy !== 'Always' && (pod.metadata.ownerReferences ?? []).some((owner) => owner.kind === 'Job')
}

/** The status of a pod whose containers all run since `startedMs`, as a kubelet would report it. */
export function runningPodStatus(pod: Pod, where: { hostIP: string; podIP: string }, startedMs: number): PodStatus {
  const time = timeText(startedMs)
  const { hostIP, podIP } = where
  const gatesMet = (pod.spec.readinessGates ?? []).every((gate) => pod.status?.conditions?.some((each) => each.type === gate.conditionType && each.status === 'True') === true)
  const sidecars = (pod.spec.initContainers ?? []).filter((each) => each.restartPolicy === 'Always')
  const initial = (pod.spec.initContainers ?? []).filter((each) => each.restartPolicy !== 'Always')
  return {
    phase: 'Running', startTime: time, hostIP, hostIPs: [{ ip: hostIP }], podIP, podIPs: [{ ip: podIP }], observedGeneration: pod.metadata.generation,
    conditions: [
      condition('PodReadyToStartContainers', true, time), condition('Initialized', true, time),
      gatesMet ? condition('Ready', true, time) : condition('Ready', false, time, 'ReadinessGatesNotReady'), condition('ContainersReady', true, time),
    ],
    containerStatuses: pod.spec.containers.map((each) => runningStatus(each, time)),
    ...(initial.length + sidecars.length === 0 ? {} : { initContainerStatuses: [...initial.map((each) => endedStatus(each, time, time)), ...sidecars.map((each) => runningStatus(each, time))] }),
  }
}

/** The status of a pod whose containers have all ended well. */
export function succeededPodStatus(pod: Pod, endedMs: number): PodStatus {
  const time = timeText(endedMs)
  const startedAt = pod.status?.startTime ?? time
  return {
    phase: 'Succeeded',
    conditions: [condition('PodReadyToStartContainers', false, time), condition('Initialized', true, time, 'PodCompleted'), condition('Ready', false, time, 'PodCompleted'), condition('ContainersReady', false, time, 'PodCompleted')],
    containerStatuses: pod.spec.containers.map((each) => endedStatus(each, startedAt, time)),
  }
}
