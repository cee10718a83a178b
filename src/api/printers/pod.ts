import type { ContainerStatus, Pod } from '../types/core_v1.ts'
import { humanDuration } from '../../machinery/human-duration.ts'
import { age, ageColumn, column, fieldColumn, nameColumn, orNone, printer } from './columns.ts'
import type { RowCondition } from '../resource.ts'
import type { KindPrinter } from './columns.ts'

/** What the containers of a pod come to: the READY, STATUS and RESTARTS of `kubectl get pods`. */
interface PodSummary { ready: number; total: number; reason: string; restarts: number; lastRestartMs: number }

function finishedMs(status: ContainerStatus): number {
  const time = status.lastState?.terminated?.finishedAt
  return time === undefined ? 0 : Date.parse(time)
}

/** `Error`, `Signal:9` or `ExitCode:1`. */
function terminatedReason({ reason = '', signal = 0, exitCode }: { reason?: string; signal?: number; exitCode: number }): string {
  if (reason !== '') return reason
  return signal === 0 ? `ExitCode:${exitCode}` : `Signal:${signal}`
}

/**
 * Goes through the init containers in order up to the first that is not done. `sidecars` counts those with
 * `restartPolicy: Always`, which go on beside the containers proper.
 */
function summarizeInit(pod: Pod, summary: PodSummary): { initializing: boolean; sidecarRestarts: number; sidecarRestartMs: number } {
  const specs = pod.spec.initContainers ?? []
  const sidecars = new Set(specs.filter((container) => container.restartPolicy === 'Always').map((container) => container.name))
  summary.total += sidecars.size
  let sidecarRestarts = 0
  let sidecarRestartMs = 0
  for (const [index, status] of (pod.status?.initContainerStatuses ?? []).entries()) {
    const isSidecar = sidecars.has(status.name)
    summary.restarts += status.restartCount
    summary.lastRestartMs = Math.max(summary.lastRestartMs, finishedMs(status))
    if (isSidecar) {
      sidecarRestarts += status.restartCount
      sidecarRestartMs = Math.max(sidecarRestartMs, finishedMs(status))
    }
    const { terminated, waiting } = status.state ?? {}
    if (terminated !== undefined && terminated.exitCode === 0) continue
    if (isSidecar && status.started === true) {
      if (status.ready) summary.ready++
      continue
    }
    if (terminated !== undefined) summary.reason = `Init:${terminatedReason(terminated)}`
    else if (waiting?.reason !== undefined && waiting.reason !== '' && waiting.reason !== 'PodInitializing') summary.reason = `Init:${waiting.reason}`
    else summary.reason = `Init:${index}/${specs.length}`
    return { initializing: true, sidecarRestarts, sidecarRestartMs }
  }
  return { initializing: false, sidecarRestarts, sidecarRestartMs }
}

function summarizeContainers(pod: Pod, summary: PodSummary): void {
  let hasRunning = false
  let failure = ''
  for (const status of [...(pod.status?.containerStatuses ?? [])].reverse()) {
    summary.restarts += status.restartCount
    summary.lastRestartMs = Math.max(summary.lastRestartMs, finishedMs(status))
    const { waiting, terminated, running } = status.state ?? {}
    if (waiting?.reason !== undefined && waiting.reason !== '') summary.reason = waiting.reason
    else if (terminated !== undefined) {
      summary.reason = terminatedReason(terminated)
      if (terminated.exitCode !== 0) failure = summary.reason
    } else if (status.ready && running !== undefined) {
      hasRunning = true
      summary.ready++
    }
  }
  // One that still runs outweighs those that completed, and so does one that failed where the pod is not ready.
  if (summary.reason !== 'Completed') return
  if (hasRunning && hasCondition(pod, 'Ready')) summary.reason = 'Running'
  else if (failure !== '') summary.reason = failure
  else if (hasRunning) summary.reason = 'NotReady'
}

function hasCondition(pod: Pod, type: string): boolean {
  return pod.status?.conditions?.some((condition) => condition.type === type && condition.status === 'True') === true
}

/** READY, STATUS and RESTARTS of a pod, by upstream's rules. */
export function summarizePod(pod: Pod): PodSummary {
  const phase = pod.status?.phase ?? ''
  const summary: PodSummary = { ready: 0, total: pod.spec.containers?.length ?? 0, reason: pod.status?.reason || phase, restarts: 0, lastRestartMs: 0 }
  if (pod.status?.conditions?.some((condition) => condition.type === 'PodScheduled' && condition.reason === 'SchedulingGated') === true) summary.reason = 'SchedulingGated'
  const { initializing, sidecarRestarts, sidecarRestartMs } = summarizeInit(pod, summary)
  if (!initializing || hasCondition(pod, 'Initialized')) {
    summary.restarts = sidecarRestarts
    summary.lastRestartMs = sidecarRestartMs
    summarizeContainers(pod, summary)
  }
  if (pod.metadata.deletionTimestamp !== undefined) {
    if (pod.status?.reason === 'NodeLost') summary.reason = 'Unknown'
    else if (phase !== 'Succeeded' && phase !== 'Failed') summary.reason = 'Terminating'
  }
  return summary
}

function readinessGatesText(pod: Pod): string {
  const gates = pod.spec.readinessGates ?? []
  return gates.length === 0 ? '<none>' : `${gates.filter((gate) => hasCondition(pod, gate.conditionType)).length}/${gates.length}`
}

const completed = { Succeeded: 'The pod has completed successfully.', Failed: 'The pod failed.' } as const

/** Rows of pods that are done say so: clients may leave them out. */
function doneConditions({ status }: Pod): RowCondition[] | undefined {
  const phase = status?.phase
  return phase === 'Succeeded' || phase === 'Failed' ? [{ type: 'Completed', status: 'True', reason: phase, message: completed[phase] }] : undefined
}

const rows: KindPrinter = printer<Pod>([
  nameColumn,
  column('Ready', 'string', 'The aggregate readiness state of this pod for accepting traffic.'),
  column('Status', 'string', 'The aggregate status of the containers in this pod.'),
  column('Restarts', 'string', 'The number of times the containers in this pod have been restarted and when the last container in this pod has restarted.'),
  ageColumn,
  fieldColumn('IP', 'string', 'v1.PodStatus', 'podIP', 1),
  fieldColumn('Node', 'string', 'v1.PodSpec', 'nodeName', 1),
  fieldColumn('Nominated Node', 'string', 'v1.PodStatus', 'nominatedNodeName', 1),
  fieldColumn('Readiness Gates', 'string', 'v1.PodSpec', 'readinessGates', 1),
], (pod, nowMs) => {
  const { ready, total, reason, restarts, lastRestartMs } = summarizePod(pod)
  return [
    pod.metadata.name ?? '', `${ready}/${total}`, reason,
    restarts !== 0 && lastRestartMs > 0 ? `${restarts} (${humanDuration(nowMs - lastRestartMs)} ago)` : String(restarts),
    age(pod, nowMs), orNone(pod.status?.podIPs?.[0]?.ip ?? pod.status?.podIP), orNone(pod.spec.nodeName), orNone(pod.status?.nominatedNodeName), readinessGatesText(pod),
  ]
})

export const podPrinter: KindPrinter = { ...rows, rowConditions: (pod) => doneConditions(pod as unknown as Pod) }
