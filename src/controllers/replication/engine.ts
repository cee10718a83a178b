import type { Pod, PodTemplateSpec } from '../../api/types/core_v1.ts'
import type { ResourceType } from '../../client/client.ts'
import { runController, watching } from '../../client/controller.ts'
import { targetOf } from '../../client/events.ts'
import { createExpectations, type Expectations } from '../../client/expectations.ts'
import type { Informer } from '../../client/informer.ts'
import type { ReconcileResult } from '../../client/reconciler.ts'
import { pods } from '../../client/resources.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { labelSelectorMatcher, type LabelSelector, type Labels } from '../../machinery/labels.ts'
import { controllerOf, keyOf, timeText, type KubeObject } from '../../machinery/object.ts'
import { StatusError } from '../../machinery/status.ts'
import type { Running } from '../../runtime/runtime.ts'
import { claim } from '../claim.ts'
import type { ControllerContext } from '../context.ts'
import { indexByController, isPodActive, isPodAvailable, isPodReady, isPodTerminal, ownedAndOrphans, ownedBy, podCondition, podFromTemplate, timeMs } from '../pods.ts'
import { slowStart } from './batch.ts'
import { inDeletionOrder } from './ranking.ts'

/** Status as ReplicaSets and ReplicationControllers both have it. */
export interface ReplicationStatus {
  replicas: number
  fullyLabeledReplicas?: number
  readyReplicas?: number
  availableReplicas?: number
  terminatingReplicas?: number
  observedGeneration?: number
  conditions?: ReplicationCondition[]
}
export interface ReplicationCondition { type: string; status: string; lastTransitionTime?: string; reason?: string; message?: string }

/** What the engine needs of an owner, whatever its kind. */
export interface ReplicationSpec { replicas: number; minReadySeconds: number; selector: LabelSelector | undefined; template: PodTemplateSpec }

/** A kind that keeps a number of equal pods. */
export interface ReplicationKind<T extends KubeObject> {
  controllerName: string
  type: ResourceType<T>
  specOf(owner: T): ReplicationSpec
  statusOf(owner: T): ReplicationStatus
  withStatus(owner: T, status: ReplicationStatus): T
  /** The kind's status has `terminatingReplicas`. */
  countsTerminating: boolean
}

/** Pods made or deleted in one reconcile, at most: upstream's BurstReplicas. */
const burst = 500

/** Runs a controller of `kind`: creates and deletes pods until there are as many as the owner wants, and keeps its status. */
export function startReplication<T extends KubeObject>(kind: ReplicationKind<T>, context: ControllerContext): Running {
  const { informers, runtime } = context
  const owners = informers.informer(kind.type)
  const podInformer = informers.informer(pods)
  indexByController(podInformer)
  const expectations = createExpectations(runtime.clock)
  const engine: Engine<T> = { kind, context, owners, pods: podInformer, expectations }
  return runController({
    name: kind.controllerName, runtime, concurrency: 5, rest: { factor: 2, maxMs: 20 },
    sources: [watching(owners), watching(podInformer, (pod, old) => ownersWokenBy(engine, pod, old))],
    reconcile: (key) => reconcile(engine, key),
  })
}

interface Engine<T extends KubeObject> { kind: ReplicationKind<T>; context: ControllerContext; owners: Informer<T>; pods: Informer<Pod>; expectations: Expectations }

/** The key of the owner that a pod names as its controller, if it is of our kind and still the same object. */
function ownerKey<T extends KubeObject>({ kind, owners }: Engine<T>, pod: Pod): string | undefined {
  const reference = controllerOf(pod)
  if (reference === undefined || reference.kind !== kind.type.kind) return undefined
  const key = `${pod.metadata.namespace}/${reference.name}`
  return owners.get(key)?.metadata.uid === reference.uid ? key : undefined
}

/** Notes what expectations a change fulfils, and answers whom it wakes. */
function ownersWokenBy<T extends KubeObject>(engine: Engine<T>, pod: Pod | undefined, old: Pod | undefined): string[] {
  const { expectations, kind, owners } = engine
  const keys = new Set<string>()
  const seen = (pod ?? old)!
  const owner = ownerKey(engine, seen)
  if (owner !== undefined) {
    keys.add(owner)
    if (old === undefined && pod?.metadata.deletionTimestamp === undefined) expectations.creationObserved(owner)
    if (pod === undefined || pod.metadata.deletionTimestamp !== undefined) expectations.deletionObserved(owner, keyOf(seen))
  }
  if (pod !== undefined && old !== undefined) {
    const before = ownerKey(engine, old)
    if (before !== undefined) keys.add(before)
  }
  if (pod !== undefined && controllerOf(pod) === undefined && pod.metadata.deletionTimestamp === undefined && (old === undefined || pod.metadata.labels !== old.metadata.labels || controllerOf(old) !== undefined)) {
    for (const candidate of owners.list(pod.metadata.namespace ?? '')) {
      if (labelSelectorMatcher(kind.specOf(candidate).selector)(pod.metadata.labels)) keys.add(keyOf(candidate))
    }
  }
  return [...keys]
}

async function reconcile<T extends KubeObject>(engine: Engine<T>, key: string): Promise<ReconcileResult | void> {
  const { kind, context, owners, expectations } = engine
  const owner = owners.get(key)
  if (owner === undefined) return expectations.forget(key)
  const spec = kind.specOf(owner)
  const settled = expectations.satisfied(key)
  const matches = labelSelectorMatcher(spec.selector)
  const candidates = ownedAndOrphans(engine.pods, owner)
  const claimed = await claim({ client: context.client, ownerType: kind.type, owner, type: pods, matches, candidates: candidates.filter(isPodActive) })
  const terminating = candidates.filter((pod) => controllerOf(pod)?.uid === owner.metadata.uid && pod.metadata.deletionTimestamp !== undefined && !isPodTerminal(pod))

  let failure: unknown
  if (settled && owner.metadata.deletionTimestamp === undefined) failure = await manage(engine, key, owner, spec, claimed)
  const nowMs = context.runtime.clock.now()
  const status = statusFor(kind.statusOf(owner), owner, spec, claimed, kind.countsTerminating ? terminating.length : undefined, failure, nowMs)
  if (!semanticEqual(status, kind.statusOf(owner))) await context.client.updateStatus(kind.type, kind.withStatus(owner, status))
  if (failure !== undefined) throw failure
  return { requeueAfterMs: nextAvailableMs(claimed, spec.minReadySeconds, nowMs) }
}

/** When the next of the ready pods becomes available; nothing happens then that an event would tell of. */
function nextAvailableMs(claimed: readonly Pod[], minReadySeconds: number, nowMs: number): number | undefined {
  if (minReadySeconds === 0) return undefined
  const waits = claimed.filter((pod) => isPodReady(pod) && !isPodAvailable(pod, minReadySeconds, nowMs))
    .map((pod) => timeMs(podCondition(pod, 'Ready')?.lastTransitionTime) + minReadySeconds * 1000 - nowMs)
  return waits.length === 0 ? undefined : Math.max(1, Math.min(...waits))
}

/** Creates or deletes what is missing or too much; answers the first failure. */
async function manage<T extends KubeObject>(engine: Engine<T>, key: string, owner: T, spec: ReplicationSpec, active: readonly Pod[]): Promise<unknown> {
  const missing = spec.replicas - active.length
  if (missing > 0) return createPods(engine, key, owner, spec, Math.min(missing, burst))
  return missing < 0 ? deletePods(engine, key, owner, active, Math.min(-missing, burst)) : undefined
}

function endsWithNamespace(error: unknown): boolean {
  return error instanceof StatusError && error.status.details?.causes?.some((cause) => cause.reason === 'NamespaceTerminating') === true
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

async function createPods<T extends KubeObject>(engine: Engine<T>, key: string, owner: T, spec: ReplicationSpec, count: number): Promise<unknown> {
  const { kind, context, expectations } = engine
  const target = targetOf(kind.type, owner)
  const pod = podFromTemplate(spec.template, kind.type, owner)
  expectations.expectCreations(key, count)
  let attempts = 0
  const { failure } = await slowStart(count, async () => {
    attempts++
    try {
      const created = await context.client.create(pods, pod)
      context.recorder.event(target, 'Normal', 'SuccessfulCreate', `Created pod: ${created.metadata.name}`)
    } catch (error) {
      expectations.creationObserved(key)
      // Its pods go with the namespace: there is nothing left to reach.
      if (endsWithNamespace(error)) return
      context.recorder.event(target, 'Warning', 'FailedCreate', `Error creating: ${textOf(error)}`)
      throw error
    }
  })
  for (let skipped = count - attempts; skipped > 0; skipped--) expectations.creationObserved(key)
  return failure
}

async function deletePods<T extends KubeObject>(engine: Engine<T>, key: string, owner: T, active: readonly Pod[], count: number): Promise<unknown> {
  const { kind, context, expectations } = engine
  const target = targetOf(kind.type, owner)
  const ordered = count < active.length ? inDeletionOrder(active, relatedPods(engine, owner), context.runtime.clock.now()) : active
  const chosen = ordered.slice(0, count)
  expectations.expectDeletions(key, chosen.map(keyOf))
  const results = await Promise.allSettled(chosen.map(async (pod) => {
    const { namespace = '', name = '', uid } = pod.metadata
    try {
      await context.client.delete(pods, namespace, name, { preconditions: { uid } })
      context.recorder.event(target, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`)
    } catch (error) {
      expectations.deletionObserved(key, keyOf(pod))
      if (error instanceof StatusError && error.reason === 'NotFound') return
      context.recorder.event(target, 'Warning', 'FailedDelete', `Error deleting: ${textOf(error)}`)
      throw error
    }
  }))
  return results.find((result) => result.status === 'rejected')?.reason
}

/** Active pods of all owners that share this one's own owner (the ReplicaSets of one Deployment). */
function relatedPods<T extends KubeObject>({ owners, pods: podInformer }: Engine<T>, owner: T): Pod[] {
  const grandOwner = controllerOf(owner)
  const siblings = grandOwner === undefined ? [owner] : owners.list(owner.metadata.namespace).filter((sibling) => controllerOf(sibling)?.uid === grandOwner.uid)
  return siblings.flatMap((sibling) => ownedBy(podInformer, sibling).filter(isPodActive))
}

function hasLabels(labels: Labels, wanted: Labels): boolean {
  for (const key in wanted) if (labels?.[key] !== wanted[key]) return false
  return true
}

function statusFor<T extends KubeObject>(old: ReplicationStatus, owner: T, spec: ReplicationSpec, active: readonly Pod[], terminating: number | undefined, failure: unknown, nowMs: number): ReplicationStatus {
  const wantedLabels = spec.template.metadata?.labels
  let fullyLabeledReplicas = 0
  let readyReplicas = 0
  let availableReplicas = 0
  for (const pod of active) {
    if (hasLabels(pod.metadata.labels, wantedLabels)) fullyLabeledReplicas++
    if (!isPodReady(pod)) continue
    readyReplicas++
    if (spec.minReadySeconds === 0 || isPodAvailable(pod, spec.minReadySeconds, nowMs)) availableReplicas++
  }
  const { conditions, ...kept } = old
  const others = (conditions ?? []).filter((condition) => condition.type !== 'ReplicaFailure')
  const known = conditions?.find((condition) => condition.type === 'ReplicaFailure')
  const failed: ReplicationCondition | undefined = failure === undefined ? undefined : known ?? {
    type: 'ReplicaFailure', status: 'True', lastTransitionTime: timeText(nowMs), reason: active.length < spec.replicas ? 'FailedCreate' : 'FailedDelete', message: textOf(failure),
  }
  const all = failed === undefined ? others : [...others, failed]
  return {
    ...kept,
    replicas: active.length,
    fullyLabeledReplicas,
    readyReplicas,
    availableReplicas,
    ...(terminating === undefined ? {} : { terminatingReplicas: terminating }),
    observedGeneration: owner.metadata.generation,
    ...(all.length === 0 ? {} : { conditions: all }),
  }
}
