import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from '../../api/types/apps_v1.ts'
import { timeText } from '../../machinery/object.ts'
import { timeMs } from '../pods.ts'
import { actual, available, bounds, progressDeadlineSeconds, replicasOf, total } from './replicasets.ts'

export function conditionOf(status: DeploymentStatus | undefined, type: string): DeploymentCondition | undefined {
  return status?.conditions?.find((condition) => condition.type === type)
}

export function newCondition(type: string, status: string, reason: string, message: string, nowMs: number): DeploymentCondition {
  const now = timeText(nowMs)
  return { type, status, lastUpdateTime: now, lastTransitionTime: now, reason, message }
}

export function withoutCondition(status: DeploymentStatus, type: string): DeploymentStatus {
  return { ...status, conditions: (status.conditions ?? []).filter((condition) => condition.type !== type) }
}

/** Sets a condition; one of the same status and reason stays as it is, one of the same status keeps its transition time. */
export function withCondition(status: DeploymentStatus, condition: DeploymentCondition): DeploymentStatus {
  const known = conditionOf(status, condition.type)
  if (known !== undefined && known.status === condition.status && known.reason === condition.reason) return status
  const kept = known !== undefined && known.status === condition.status ? { ...condition, lastTransitionTime: known.lastTransitionTime } : condition
  return { ...status, conditions: [...(withoutCondition(status, condition.type).conditions ?? []), kept] }
}

/** Everything is updated, available and nothing old is left. */
export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const replicas = replicasOf(deployment)
  return status.updatedReplicas === replicas && status.replicas === replicas && status.availableReplicas === replicas && (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
}

function isProgressing(before: DeploymentStatus, now: DeploymentStatus): boolean {
  const old = (status: DeploymentStatus): number => (status.replicas ?? 0) - (status.updatedReplicas ?? 0)
  return (now.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) || old(now) < old(before)
    || (now.readyReplicas ?? 0) > (before.readyReplicas ?? 0) || (now.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
}

export function hasTimedOut(deployment: Deployment, status: DeploymentStatus, nowMs: number): boolean {
  const condition = conditionOf(status, 'Progressing')
  const deadline = progressDeadlineSeconds(deployment)
  if (condition === undefined || deadline === undefined || condition.reason === 'NewReplicaSetAvailable') return false
  return condition.reason === 'ProgressDeadlineExceeded' || timeMs(condition.lastUpdateTime) + deadline * 1000 < nowMs
}

/** Counts, and whether enough is available; progress is judged by `withProgress`. */
export function countedStatus(deployment: Deployment, all: readonly ReplicaSet[], newSet: ReplicaSet | undefined, nowMs: number): DeploymentStatus {
  const availableReplicas = available(all)
  const terminating = all.reduce((sum, set) => sum + (set.status?.terminatingReplicas ?? 0), 0)
  const { collisionCount, conditions } = deployment.status ?? {}
  const status: DeploymentStatus = {
    observedGeneration: deployment.metadata.generation,
    replicas: actual(all),
    updatedReplicas: actual(newSet === undefined ? [] : [newSet]),
    readyReplicas: all.reduce((sum, set) => sum + (set.status?.readyReplicas ?? 0), 0),
    availableReplicas,
    unavailableReplicas: Math.max(0, total(all) - availableReplicas),
    terminatingReplicas: terminating,
    ...(collisionCount === undefined ? {} : { collisionCount }),
    conditions: [...(conditions ?? [])],
  }
  const enough = availableReplicas >= replicasOf(deployment) - bounds(deployment).maxUnavailable
  return withCondition(status, enough
    ? newCondition('Available', 'True', 'MinimumReplicasAvailable', 'Deployment has minimum availability.', nowMs)
    : newCondition('Available', 'False', 'MinimumReplicasUnavailable', 'Deployment does not have minimum availability.', nowMs))
}

/** The status of a rollout under way: counts, progress by its deadline, and failures of the sets. */
export function rolloutStatus(deployment: Deployment, all: readonly ReplicaSet[], newSet: ReplicaSet | undefined, nowMs: number): DeploymentStatus {
  const counted = countedStatus(deployment, all, newSet, nowMs)
  const progressed = withProgress(deployment, counted, newSet, nowMs)
  const failure = [newSet, ...all].filter((set) => set !== undefined).map((set) => set.status?.conditions?.find(({ type }) => type === 'ReplicaFailure')).find((condition) => condition !== undefined)
  if (failure === undefined) return withoutCondition(progressed, 'ReplicaFailure')
  return withCondition(progressed, { ...newCondition('ReplicaFailure', failure.status, failure.reason ?? '', failure.message ?? '', nowMs), lastTransitionTime: failure.lastTransitionTime })
}

function withProgress(deployment: Deployment, status: DeploymentStatus, newSet: ReplicaSet | undefined, nowMs: number): DeploymentStatus {
  if (progressDeadlineSeconds(deployment) === undefined) return withoutCondition(status, 'Progressing')
  const current = conditionOf(deployment.status, 'Progressing')
  if (status.replicas === status.updatedReplicas && current?.reason === 'NewReplicaSetAvailable') return status
  const subject = newSet === undefined ? `Deployment "${deployment.metadata.name}"` : `ReplicaSet "${newSet.metadata.name}"`
  const make = (truth: string, reason: string, what: string): DeploymentCondition => newCondition('Progressing', truth, reason, `${subject} ${what}`, nowMs)
  if (isComplete(deployment, status)) return withCondition(status, make('True', 'NewReplicaSetAvailable', 'has successfully progressed.'))
  if (isProgressing(deployment.status ?? {}, status)) {
    const condition = make('True', 'ReplicaSetUpdated', 'is progressing.')
    // Every step forward moves the time of update on, from which the deadline counts.
    const kept = current?.status === 'True' ? { ...condition, lastTransitionTime: current.lastTransitionTime } : condition
    return withCondition(withoutCondition(status, 'Progressing'), kept)
  }
  return hasTimedOut(deployment, status, nowMs) ? withCondition(status, make('False', 'ProgressDeadlineExceeded', 'has timed out progressing.')) : status
}
