import type { Container, ContainerState, ContainerStatus, PodCondition, PodStatus } from '../api/types/core_v1.ts'
import { timeText } from '../machinery/object.ts'
import { sandboxChange, shouldRestart, type ProbeResults } from './pod-actions.ts'
import { containersOf, isSidecar, isTerminalPhase, type BoundPod, type PodContainer } from './pods.ts'
import { qosClassOf } from './resources.ts'
import { activeSandbox, type ObservedContainer, type ObservedPod } from './runtime-pods.ts'

/** Why a container could not be started last time: the waiting state's reason and message. */
export interface StartFailure { reason: string; message: string }

export interface StatusInput {
  pod: BoundPod
  observed: ObservedPod
  probes: ProbeResults
  /** By container name. */
  startFailures: ReadonlyMap<string, StartFailure>
  /** The status that was reported last. */
  previous: PodStatus
  hostIPs: readonly string[]
  nowMs: number
  /** Every container has ended and none will be started: the pod has come to its end. */
  ended: boolean
  /** The pod has failed for a reason of the kubelet's own (its deadline, its admission). */
  failure?: { reason: string; message: string }
}

function terminatedState(observed: ObservedContainer): ContainerState {
  return {
    terminated: {
      exitCode: observed.exitCode, ...(observed.reason === '' ? {} : { reason: observed.reason }), ...(observed.message === '' ? {} : { message: observed.message }),
      startedAt: timeText(observed.startedMs), finishedAt: timeText(observed.finishedMs), containerID: `containerd://${observed.id}`,
    },
  }
}

function stateOf(observed: ObservedContainer): ContainerState {
  switch (observed.state) {
    case 'running': return { running: { startedAt: timeText(observed.startedMs) } }
    case 'unknown':
      return { terminated: { ...terminatedState(observed).terminated!, exitCode: 137, reason: 'ContainerStatusUnknown', message: 'The container could not be located when the pod was terminated' } }
    case 'created':
    case 'exited': return terminatedState(observed)
  }
}

function lostState(): ContainerState {
  return { terminated: { exitCode: 137, reason: 'ContainerStatusUnknown', message: 'The container could not be located when the pod was terminated' } }
}

/** What is ready and started follows from the state and the probes. */
function readiness(entry: PodContainer, observed: ObservedContainer | undefined, state: ContainerState, probes: ProbeResults): { ready: boolean; started: boolean } {
  if (entry.kind === 'ephemeral') return { ready: false, started: state.running !== undefined }
  if (entry.kind === 'init' && !entry.sidecar) return { ready: state.terminated?.exitCode === 0, started: state.running !== undefined }
  if (state.running === undefined || observed === undefined) return { ready: false, started: false }
  const started = entry.container.startupProbe === undefined || probes.startup(observed.id) === 'success'
  const ready = started && (entry.container.readinessProbe === undefined || probes.readiness(observed.id) === 'success')
  return { ready, started }
}

function mountStatuses(container: Container): ContainerStatus['volumeMounts'] {
  return container.volumeMounts?.map(({ name, mountPath, readOnly }) => ({
    name, mountPath, ...(readOnly === true ? { readOnly: true, recursiveReadOnly: 'Disabled' } : {}),
  }))
}

function containerStatus(input: StatusInput, entry: PodContainer): ContainerStatus {
  const { container } = entry
  const all = input.observed.containers.filter((candidate) => candidate.name === container.name)
  const current = all[0]
  const previous = [...(input.previous.initContainerStatuses ?? []), ...(input.previous.containerStatuses ?? []), ...(input.previous.ephemeralContainerStatuses ?? [])]
    .find((status) => status.name === container.name)
  const hasInit = (input.pod.spec.initContainers?.length ?? 0) > 0
  const status: ContainerStatus = {
    name: container.name, image: container.image ?? '', imageID: '', ready: false, restartCount: previous?.restartCount ?? 0, started: false,
    state: { waiting: { reason: hasInit ? 'PodInitializing' : 'ContainerCreating' } }, lastState: {},
  }
  if (current !== undefined) {
    status.state = stateOf(current)
    status.restartCount = current.restartCount
    status.containerID = `containerd://${current.id}`
    status.image = current.image === '' ? (container.image ?? '') : current.image
    status.imageID = current.imageId
    if (current.user !== undefined) status.user = { linux: { uid: current.user.uid, gid: current.user.gid, supplementalGroups: current.user.supplementalGroups } }
    const before = all.find((candidate, at) => at > 0 && candidate.state === 'exited')
    if (before !== undefined) status.lastState = terminatedState(before)
    else if (previous?.lastState?.terminated !== undefined && current.restartCount > 0) status.lastState = previous.lastState
  } else if (previous?.containerID !== undefined && previous.containerID !== '') {
    // It ran, and the runtime has lost it: nobody knows how it ended.
    status.image = previous.image
    status.imageID = previous.imageID
    status.containerID = previous.containerID
    status.lastState = previous.lastState ?? {}
    if (previous.state?.terminated !== undefined) status.state = previous.state
    else if (input.ended || input.pod.spec.restartPolicy === 'Never') status.state = lostState()
    else status.lastState = lostState()
  } else if (input.ended && input.startFailures.get(container.name) === undefined && previous?.state?.terminated !== undefined) {
    status.state = previous.state
  }
  const failure = input.startFailures.get(container.name)
  const mayStart = entry.kind === 'init' && !entry.sidecar && status.state?.terminated?.exitCode === 0 ? false : shouldRestart(input.pod, container, current)
  if (failure !== undefined && mayStart && !input.ended) {
    if (status.state?.terminated !== undefined) status.lastState = status.state
    status.state = { waiting: { reason: failure.reason, ...(failure.message === '' ? {} : { message: failure.message }) } }
  }
  Object.assign(status, readiness(entry, current, status.state ?? {}, input.probes))
  const { requests, limits } = container.resources ?? {}
  if (requests !== undefined) status.allocatedResources = requests
  if (current !== undefined) status.resources = { ...(limits === undefined ? {} : { limits }), ...(requests === undefined ? {} : { requests }) }
  const volumeMounts = mountStatuses(container)
  if (volumeMounts !== undefined) status.volumeMounts = volumeMounts
  return status
}

/** The pod's phase (upstream `getPhase`). A pod that has come to its end without having succeeded has failed. */
export function podPhase(pod: BoundPod, statuses: readonly ContainerStatus[], ended: boolean): string {
  const phase = phaseOf(pod, statuses, ended)
  return ended && phase !== 'Succeeded' ? 'Failed' : phase
}

function phaseOf(pod: BoundPod, statuses: readonly ContainerStatus[], ended: boolean): string {
  const of = (name: string): ContainerStatus | undefined => statuses.find((status) => status.name === name)
  const restartPolicy = pod.spec.restartPolicy ?? 'Always'
  let pendingInit = 0
  let failedInit = 0
  for (const container of pod.spec.initContainers ?? []) {
    const status = of(container.name)
    if (isSidecar(container)) {
      if (status?.started !== true && status?.state?.terminated === undefined) pendingInit++
    } else if (status?.state?.terminated !== undefined) {
      if (status.state.terminated.exitCode !== 0) failedInit++
    } else if (status?.state?.waiting !== undefined && status.lastState?.terminated !== undefined && status.lastState.terminated.exitCode !== 0) {
      failedInit++
    } else {
      pendingInit++
    }
  }
  let running = 0
  let waiting = 0
  let stopped = 0
  let succeeded = 0
  let unknown = 0
  for (const container of pod.spec.containers) {
    const status = of(container.name)
    if (status?.state?.running !== undefined) running++
    else if (status?.state?.terminated !== undefined) {
      stopped++
      if (status.state.terminated.exitCode === 0) succeeded++
    } else if (status?.state?.waiting !== undefined) {
      if (status.lastState?.terminated !== undefined) stopped++
      else waiting++
    } else unknown++
  }
  if (failedInit > 0 && restartPolicy === 'Never') return 'Failed'
  const regularBegan = running + stopped > 0
  if ((pendingInit > 0 || failedInit > 0) && !regularBegan) return 'Pending'
  if (waiting > 0) return 'Pending'
  if (running > 0 && unknown === 0) return 'Running'
  if (running === 0 && stopped > 0 && unknown === 0) {
    if (restartPolicy === 'Always' && !ended) return 'Running'
    if (stopped === succeeded) return 'Succeeded'
    return restartPolicy === 'Never' ? 'Failed' : 'Running'
  }
  return 'Pending'
}

type Verdict = Omit<PodCondition, 'type' | 'lastProbeTime' | 'lastTransitionTime' | 'observedGeneration'>

const truth: Verdict = { status: 'True' }

function listText(names: readonly string[]): string {
  return `[${names.join(' ')}]`
}

function containersReady(pod: BoundPod, statuses: readonly ContainerStatus[], phase: string): Verdict {
  const unknown: string[] = []
  const unready: string[] = []
  for (const { container, kind, sidecar } of containersOf(pod)) {
    if (kind === 'ephemeral' || (kind === 'init' && !sidecar)) continue
    const status = statuses.find((candidate) => candidate.name === container.name)
    if (status === undefined) unknown.push(container.name)
    else if (!status.ready) unready.push(container.name)
  }
  if (phase === 'Succeeded' && unknown.length === 0) return { status: 'False', reason: 'PodCompleted' }
  if (phase === 'Failed') return { status: 'False', reason: 'PodFailed' }
  const messages = [
    ...(unknown.length === 0 ? [] : [`containers with unknown status: ${listText(unknown)}`]),
    ...(unready.length === 0 ? [] : [`containers with unready status: ${listText(unready)}`]),
  ]
  return messages.length === 0 ? truth : { status: 'False', reason: 'ContainersNotReady', message: messages.join(', ') }
}

function podReady(pod: BoundPod, conditions: readonly PodCondition[], ready: Verdict): Verdict {
  if (ready.status !== 'True') return ready
  const messages = (pod.spec.readinessGates ?? []).flatMap(({ conditionType }) => {
    const condition = conditions.find(({ type }) => type === conditionType)
    if (condition === undefined) return [`corresponding condition of pod readiness gate "${conditionType}" does not exist.`]
    return condition.status === 'True' ? [] : [`the status of pod readiness gate "${conditionType}" is not "True", but ${condition.status}`]
  })
  return messages.length === 0 ? truth : { status: 'False', reason: 'ReadinessGatesNotReady', message: messages.join(', ') }
}

function initialized(pod: BoundPod, statuses: readonly ContainerStatus[], phase: string): Verdict {
  const inits = pod.spec.initContainers ?? []
  if (phase === 'Succeeded') return { status: 'True', reason: 'PodCompleted' }
  const regularBegan = pod.spec.containers.some(({ name }) => {
    const status = statuses.find((candidate) => candidate.name === name)
    return status?.state?.running !== undefined || status?.state?.terminated !== undefined || status?.lastState?.terminated !== undefined
  })
  if (regularBegan) return truth
  const incomplete = inits.filter((container) => {
    const status = statuses.find((candidate) => candidate.name === container.name)
    return isSidecar(container) ? status?.started !== true : status?.ready !== true
  })
  return incomplete.length === 0 ? truth : { status: 'False', reason: 'ContainersNotInitialized', message: `containers with incomplete status: ${listText(incomplete.map(({ name }) => name))}` }
}

/** The conditions that the kubelet owns, in upstream's order; others stay as they are. */
export const ownedConditions = ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady'] as const

/**
 * The conditions of a status with these container statuses. A condition's transition time moves only when its status does.
 * `phase` is the one that the conditions speak of; a reported phase may lag behind it while containers still run.
 */
export function podConditions(input: StatusInput, statuses: readonly ContainerStatus[], phase: string): PodCondition[] {
  const { pod, previous, nowMs } = input
  const others = (pod.status?.conditions ?? []).filter(({ type }) => !(ownedConditions as readonly string[]).includes(type))
  const ready = containersReady(pod, statuses, phase)
  const verdicts: Record<(typeof ownedConditions)[number], Verdict> = {
    PodReadyToStartContainers: { status: sandboxChange(pod, input.observed).changed ? 'False' : 'True' },
    Initialized: initialized(pod, statuses, phase),
    Ready: podReady(pod, others, ready),
    ContainersReady: ready,
  }
  const own = ownedConditions.map((type): PodCondition => {
    const before = previous.conditions?.find((condition) => condition.type === type)
    const moved = before === undefined || before.status !== verdicts[type].status || (before.lastTransitionTime ?? '') === ''
    return {
      type, ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }), ...verdicts[type],
      lastTransitionTime: moved ? timeText(nowMs) : before.lastTransitionTime,
    }
  })
  return [...own, ...others]
}

/** The status of a pod that this kubelet works on. */
export function podStatus(input: StatusInput): PodStatus {
  const { pod, observed, previous } = input
  const entries = containersOf(pod)
  const statuses = entries.map((entry) => containerStatus(input, entry))
  const of = (kind: PodContainer['kind']): ContainerStatus[] => statuses.filter((_, at) => entries[at]!.kind === kind)
  const regularAndInit = statuses.filter((_, at) => entries[at]!.kind !== 'ephemeral')
  const wasTerminal = isTerminalPhase(previous.phase)
  const phase = wasTerminal ? previous.phase! : input.failure !== undefined ? 'Failed' : podPhase(pod, regularAndInit, input.ended)
  const stillRuns = observed.containers.some((container) => container.state === 'running')
  const reported = isTerminalPhase(phase) && !wasTerminal && stillRuns ? (previous.phase ?? 'Pending') : phase
  const sandbox = activeSandbox(observed)
  const ips = pod.spec.hostNetwork === true ? (sandbox === undefined && previous.podIP === undefined ? [] : input.hostIPs) : (sandbox?.ips ?? previous.podIPs?.map(({ ip }) => ip) ?? [])
  const status: PodStatus = {
    phase: reported,
    conditions: podConditions(input, regularAndInit, phase),
    hostIP: input.hostIPs[0],
    hostIPs: input.hostIPs.map((ip) => ({ ip })),
    startTime: previous.startTime ?? timeText(input.nowMs),
    qosClass: qosClassOf(pod),
    containerStatuses: of('regular'),
  }
  if (pod.metadata.generation !== undefined) status.observedGeneration = pod.metadata.generation
  if (pod.spec.initContainers !== undefined && pod.spec.initContainers.length > 0) status.initContainerStatuses = of('init')
  if (pod.spec.ephemeralContainers !== undefined && pod.spec.ephemeralContainers.length > 0) status.ephemeralContainerStatuses = of('ephemeral')
  if (ips.length > 0) Object.assign(status, { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) })
  for (const field of ['reason', 'message', 'nominatedNodeName', 'resourceClaimStatuses'] as const) {
    if (previous[field] !== undefined) Object.assign(status, { [field]: previous[field] })
  }
  if (input.failure !== undefined) Object.assign(status, input.failure)
  return status
}
