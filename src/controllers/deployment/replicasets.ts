import type { Deployment, ReplicaSet } from '../../api/types/apps_v1.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { scaledIntOrPercent } from '../../machinery/intstr.ts'
import { timeMs } from '../pods.ts'

export const revisionAnnotation = 'deployment.kubernetes.io/revision'
export const revisionHistoryAnnotation = 'deployment.kubernetes.io/revision-history'
export const desiredAnnotation = 'deployment.kubernetes.io/desired-replicas'
export const maxAnnotation = 'deployment.kubernetes.io/max-replicas'
export const templateHashLabel = 'pod-template-hash'

/** Of the deployment's annotations these stay its own. */
const ownAnnotations = new Set(['kubectl.kubernetes.io/last-applied-configuration', revisionAnnotation, revisionHistoryAnnotation, desiredAnnotation, maxAnnotation, 'deprecated.deployment.rollback.to'])

const maxHistoryLength = 2000
const unlimited = 2 ** 31 - 1

export const replicasOf = (object: { spec?: { replicas?: number } }): number => object.spec?.replicas ?? 1
export const total = (sets: readonly ReplicaSet[]): number => sets.reduce((sum, set) => sum + replicasOf(set), 0)
export const actual = (sets: readonly ReplicaSet[]): number => sets.reduce((sum, set) => sum + (set.status?.replicas ?? 0), 0)
export const available = (sets: readonly ReplicaSet[]): number => sets.reduce((sum, set) => sum + (set.status?.availableReplicas ?? 0), 0)
export const active = (sets: readonly ReplicaSet[]): ReplicaSet[] => sets.filter((set) => replicasOf(set) > 0)
export const isRolling = (deployment: Deployment): boolean => (deployment.spec?.strategy?.type ?? 'RollingUpdate') === 'RollingUpdate'

const createdMs = (set: ReplicaSet): number => timeMs(set.metadata.creationTimestamp)
const byName = (a: ReplicaSet, b: ReplicaSet): number => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1)
export const oldestFirst = (sets: readonly ReplicaSet[]): ReplicaSet[] => [...sets].sort((a, b) => createdMs(a) - createdMs(b) || byName(a, b))
const newestFirst = (a: ReplicaSet, b: ReplicaSet): number => createdMs(b) - createdMs(a) || byName(a, b)
export const biggestFirst = (sets: readonly ReplicaSet[], ties: 'newer' | 'older'): ReplicaSet[] =>
  [...sets].sort((a, b) => replicasOf(b) - replicasOf(a) || (ties === 'newer' ? newestFirst(a, b) : -newestFirst(a, b)))

/** Both bounds of a rolling update in pods: surge rounded up, unavailable down; both 0 would stand still, so one may then be unavailable. */
export function bounds(deployment: Deployment): { maxSurge: number; maxUnavailable: number } {
  const replicas = replicasOf(deployment)
  if (!isRolling(deployment)) return { maxSurge: 0, maxUnavailable: 0 }
  const { maxSurge = '25%', maxUnavailable = '25%' } = deployment.spec?.strategy?.rollingUpdate ?? {}
  const surge = scaledIntOrPercent(maxSurge, replicas, 'up')
  const unavailable = scaledIntOrPercent(maxUnavailable, replicas, 'down')
  return { maxSurge: surge, maxUnavailable: replicas === 0 ? 0 : Math.min(surge === 0 && unavailable === 0 ? 1 : unavailable, replicas) }
}

export function progressDeadlineSeconds(deployment: Deployment): number | undefined {
  const seconds = deployment.spec?.progressDeadlineSeconds
  return seconds === undefined || seconds === unlimited ? undefined : seconds
}

export function revisionHistoryLimit(deployment: Deployment): number | undefined {
  const limit = deployment.spec?.revisionHistoryLimit
  return limit === undefined || limit === unlimited ? undefined : limit
}

/** The oldest set whose template is the deployment's, but for the hash label that the sets carry. */
export function findNew(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined {
  return oldestFirst(sets).find((set) => sameTemplate(deployment, set))
}

export function sameTemplate(deployment: Deployment, set: ReplicaSet): boolean {
  const { [templateHashLabel]: _hash, ...labels } = set.spec?.template?.metadata?.labels ?? {}
  const template = set.spec?.template
  return semanticEqual({ ...template, metadata: { ...template?.metadata, labels } }, { ...deployment.spec?.template, metadata: { ...deployment.spec?.template?.metadata, labels: deployment.spec?.template?.metadata?.labels ?? {} } })
}

/** The set's revision, a 64-bit number that whoever wrote it may have begun anywhere; 0 without one. */
export function revisionOf(set: ReplicaSet): bigint {
  return parseRevision(set.metadata.annotations?.[revisionAnnotation]) ?? 0n
}

function parseRevision(text: string | undefined): bigint | undefined {
  if (text === undefined || !/^[+-]?\d+$/.test(text)) return undefined
  const revision = BigInt(text.replace('+', ''))
  return BigInt.asIntN(64, revision) === revision ? revision : undefined
}

/** Annotations that say what the set's size was part of; a scaling of the deployment is told by them. */
export function sizeAnnotations(deployment: Deployment): Record<string, string> {
  const replicas = replicasOf(deployment)
  return { [desiredAnnotation]: String(replicas), [maxAnnotation]: String(replicas + bounds(deployment).maxSurge) }
}

/** The annotations of the new set: the deployment's, and the revision with what it was before. */
export function annotationsForNew(deployment: Deployment, set: ReplicaSet | undefined, revision: bigint): Record<string, string> {
  const annotations = { ...set?.metadata.annotations }
  for (const [key, value] of Object.entries(deployment.metadata.annotations ?? {})) if (!ownAnnotations.has(key)) annotations[key] = value
  const before = annotations[revisionAnnotation]
  const known = before === undefined || before === '' ? 0n : parseRevision(before)
  if (known !== undefined && known < revision) {
    annotations[revisionAnnotation] = String(revision)
    if (set !== undefined && before !== undefined) annotations[revisionHistoryAnnotation] = appendHistory(annotations[revisionHistoryAnnotation], before)
  }
  return set === undefined ? { ...annotations, ...sizeAnnotations(deployment) } : annotations
}

function appendHistory(history: string | undefined, revision: string): string {
  const revisions = history === undefined || history === '' ? [] : history.split(',')
  revisions.push(revision)
  while (revisions.length > 1 && revisions.join(',').length > maxHistoryLength) revisions.shift()
  return revisions.join(',')
}

/** How big the new set may be now. */
export function sizeOfNew(deployment: Deployment, all: readonly ReplicaSet[], current: number): number {
  if (!isRolling(deployment)) return replicasOf(deployment)
  const room = replicasOf(deployment) + bounds(deployment).maxSurge - total(all)
  return room <= 0 ? current : current + Math.min(room, replicasOf(deployment) - current)
}

/** What a set gets of `toAdd` pods (negative: loses) so that all keep their shares when a deployment is scaled amid a rollout. */
export function proportion(deployment: Deployment, set: ReplicaSet, toAdd: number, added: number): number {
  const size = replicasOf(set)
  if (size === 0 || toAdd === 0 || toAdd === added) return 0
  const fraction = fractionOf(deployment, set, size)
  return toAdd > 0 ? Math.min(fraction, toAdd - added) : Math.max(fraction, toAdd - added)
}

function fractionOf(deployment: Deployment, set: ReplicaSet, size: number): number {
  if (replicasOf(deployment) === 0) return -size
  const annotated = Number(set.metadata.annotations?.[maxAnnotation] ?? 0)
  const before = Number.isInteger(annotated) && annotated > 0 ? annotated : (deployment.status?.replicas ?? 0)
  if (before === 0) return 0
  return Math.round((size * (replicasOf(deployment) + bounds(deployment).maxSurge)) / before) - size
}
