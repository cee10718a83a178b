import type { Deployment, DeploymentStatus, ReplicaSet } from '../../api/types/apps_v1.ts'
import type { Pod } from '../../api/types/core_v1.ts'
import { targetOf } from '../../client/events.ts'
import type { ReconcileResult } from '../../client/reconciler.ts'
import { deployments, replicaSets } from '../../client/resources.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { objectHash } from '../../machinery/hash.ts'
import { controllerOf } from '../../machinery/object.ts'
import { StatusError, isReason } from '../../machinery/status.ts'
import type { ControllerContext } from '../context.ts'
import { controllerReference, timeMs } from '../pods.ts'
import {
  active, actual, annotationsForNew, available, biggestFirst, bounds, desiredAnnotation, findNew, isRolling, oldestFirst, progressDeadlineSeconds, proportion, replicasOf,
  revisionAnnotation, revisionHistoryLimit, revisionOf, sameTemplate, sizeAnnotations, sizeOfNew, templateHashLabel, total,
} from './replicasets.ts'
import { conditionOf, countedStatus, isComplete, newCondition, rolloutStatus, withCondition } from './status.ts'

/** The deployment's sets: the one of its present template (undefined until made) and the others. */
interface Sets { newSet: ReplicaSet | undefined; old: ReplicaSet[] }

/** One reconcile of one deployment: carries the newest version of it from write to write. */
export class Rollout {
  private readonly context: ControllerContext
  private deployment: Deployment
  private readonly claimed: ReplicaSet[]
  private readonly podsOf: (set: ReplicaSet) => Pod[]

  constructor(context: ControllerContext, deployment: Deployment, claimed: ReplicaSet[], podsOf: (set: ReplicaSet) => Pod[]) {
    this.context = context
    this.deployment = deployment
    this.claimed = claimed
    this.podsOf = podsOf
  }

  async run(): Promise<ReconcileResult | void> {
    if (this.deployment.metadata.deletionTimestamp !== undefined) return this.writeCounts(await this.sets(false))
    await this.notePause()
    if (this.deployment.spec?.paused === true || this.isScaling()) return this.scaleAndReport()
    return isRolling(this.deployment) ? this.rollingUpdate() : this.recreate()
  }

  private get nowMs(): number {
    return this.context.runtime.clock.now()
  }

  private all({ newSet, old }: Sets): ReplicaSet[] {
    return newSet === undefined ? old : [...old, newSet]
  }

  // Sets

  /** The sets, with the new one's revision and annotations brought up to date; `create` makes it where it isn't there. */
  private async sets(create: boolean): Promise<Sets> {
    const found = findNew(this.deployment, this.claimed)
    const old = this.claimed.filter((set) => set !== found)
    const revision = old.map(revisionOf).reduce((highest, revision) => revision > highest ? revision : highest, 0n) + 1n
    if (found !== undefined) return { newSet: await this.updateNew(found, revision), old }
    return { newSet: create ? await this.createNew(old, revision) : undefined, old }
  }

  private async updateNew(set: ReplicaSet, revision: bigint): Promise<ReplicaSet> {
    const annotations = annotationsForNew(this.deployment, set, revision)
    const minReadySeconds = this.deployment.spec?.minReadySeconds ?? 0
    let current = set
    if (!semanticEqual(annotations, set.metadata.annotations ?? {}) || minReadySeconds !== (set.spec?.minReadySeconds ?? 0)) {
      current = await this.context.client.update(replicaSets, { ...set, metadata: { ...set.metadata, annotations }, spec: { ...set.spec!, minReadySeconds } })
      this.replaceClaimed(set, current)
    }
    const known = progressDeadlineSeconds(this.deployment) === undefined || conditionOf(this.deployment.status, 'Progressing') !== undefined
    const condition = known ? undefined : newCondition('Progressing', 'True', 'FoundNewReplicaSet', `Found new replica set "${set.metadata.name}"`, this.nowMs)
    await this.noteRevision(annotations[revisionAnnotation] ?? String(revision), condition)
    return current
  }

  private replaceClaimed(old: ReplicaSet, current: ReplicaSet): void {
    const at = this.claimed.indexOf(old)
    if (at >= 0) this.claimed[at] = current
  }

  /** Writes the deployment's revision annotation (the status subresource takes annotations too), and a condition, where they differ. */
  private async noteRevision(revision: string, condition: ReturnType<typeof newCondition> | undefined): Promise<void> {
    const { annotations } = this.deployment.metadata
    const status = condition === undefined ? this.deployment.status : withCondition(this.deployment.status ?? {}, condition)
    if (annotations?.[revisionAnnotation] === revision && status === this.deployment.status) return
    const metadata = { ...this.deployment.metadata, annotations: { ...annotations, [revisionAnnotation]: revision } }
    this.deployment = await this.context.client.updateStatus(deployments, { ...this.deployment, metadata, status: status ?? {} })
  }

  private newSetOf(old: readonly ReplicaSet[], revision: bigint): ReplicaSet {
    const { metadata, spec, status } = this.deployment
    const template = spec!.template!
    const hash = objectHash(template, status?.collisionCount)
    const labels = { ...template.metadata?.labels, [templateHashLabel]: hash }
    return {
      apiVersion: 'apps/v1', kind: 'ReplicaSet',
      metadata: {
        name: `${metadata.name}-${hash}`, namespace: metadata.namespace, labels, annotations: annotationsForNew(this.deployment, undefined, revision),
        ownerReferences: [controllerReference(deployments, this.deployment)],
      },
      spec: {
        replicas: sizeOfNew(this.deployment, old, 0),
        ...(spec?.minReadySeconds === undefined ? {} : { minReadySeconds: spec.minReadySeconds }),
        selector: { ...spec!.selector, matchLabels: { ...spec!.selector?.matchLabels, [templateHashLabel]: hash } },
        template: { ...template, metadata: { ...template.metadata, labels } },
      },
    }
  }

  private async createNew(old: readonly ReplicaSet[], revision: bigint): Promise<ReplicaSet | undefined> {
    const wanted = this.newSetOf(old, revision)
    let created: ReplicaSet
    let existed = false
    try {
      created = await this.context.client.create(replicaSets, wanted)
    } catch (error) {
      const standing = isReason(error, 'AlreadyExists') ? await this.standing(wanted, error) : undefined
      if (standing === undefined) return this.creationFailed(wanted, error)
      created = standing
      existed = true
    }
    this.claimed.push(created)
    const size = replicasOf(created)
    if (!existed && size > 0) this.event('Normal', 'ScalingReplicaSet', `Scaled up replica set ${created.metadata.name} from 0 to ${size}`)
    const tells = !existed && progressDeadlineSeconds(this.deployment) !== undefined
    const condition = tells ? newCondition('Progressing', 'True', 'NewReplicaSetCreated', `Created new replica set "${created.metadata.name}"`, this.nowMs) : undefined
    await this.noteRevision(String(revision), condition)
    return created
  }

  /** A set of that name which is ours after all (the cache was behind); for a stranger's the next hash is tried. */
  private async standing(wanted: ReplicaSet, error: StatusError): Promise<ReplicaSet> {
    const found = await this.context.client.get(replicaSets, wanted.metadata.namespace!, wanted.metadata.name!)
    if (controllerOf(found)?.uid === this.deployment.metadata.uid && sameTemplate(this.deployment, found)) return found
    const status: DeploymentStatus = { ...this.deployment.status, collisionCount: (this.deployment.status?.collisionCount ?? 0) + 1 }
    this.deployment = await this.context.client.updateStatus(deployments, { ...this.deployment, status })
    throw error
  }

  private async creationFailed(wanted: ReplicaSet, error: unknown): Promise<undefined> {
    if (error instanceof StatusError && error.status.details?.causes?.some((cause) => cause.reason === 'NamespaceTerminating') === true) return undefined
    if (isReason(error, 'AlreadyExists')) throw error
    const message = `Failed to create new replica set "${wanted.metadata.name}": ${error instanceof Error ? error.message : String(error)}`
    if (progressDeadlineSeconds(this.deployment) !== undefined) {
      const status = withCondition(this.deployment.status ?? {}, newCondition('Progressing', 'False', 'ReplicaSetCreateError', message, this.nowMs))
      this.deployment = await this.context.client.updateStatus(deployments, { ...this.deployment, status })
    }
    this.event('Warning', 'ReplicaSetCreateError', message)
    throw error
  }

  // Scaling

  /** Sizes one set, with the event that tells of it; answers the set as it is then. */
  private async resize(set: ReplicaSet, replicas: number): Promise<ReplicaSet> {
    const annotations = { ...set.metadata.annotations, ...sizeAnnotations(this.deployment) }
    const from = replicasOf(set)
    if (from === replicas && semanticEqual(annotations, set.metadata.annotations ?? {})) return set
    const scaled = await this.context.client.update(replicaSets, { ...set, metadata: { ...set.metadata, annotations }, spec: { ...set.spec!, replicas } })
    this.replaceClaimed(set, scaled)
    if (from !== replicas) {
      this.event('Normal', 'ScalingReplicaSet', `Scaled ${from < replicas ? 'up' : 'down'} replica set ${set.metadata.name} from ${from} to ${replicas}`)
    }
    return scaled
  }

  /** A size that is annotated on a set is not the one wanted now: somebody scaled the deployment. */
  private isScaling(): boolean {
    return active(this.claimed).some((set) => {
      const desired = set.metadata.annotations?.[desiredAnnotation]
      return desired !== undefined && Number(desired) !== replicasOf(this.deployment)
    })
  }

  private async scaleAndReport(): Promise<ReconcileResult | void> {
    const sets = await this.sets(false)
    await this.scale(sets)
    const now = this.current(sets)
    if (this.deployment.spec?.paused === true) await this.cleanUp(now.old)
    return this.writeCounts(now)
  }

  /** The same sets as they are after writes. */
  private current({ newSet }: Sets): Sets {
    const now = this.claimed.find((set) => set.metadata.uid === newSet?.metadata.uid)
    return { newSet: now, old: this.claimed.filter((set) => set !== now) }
  }

  private async scale({ newSet, old }: Sets): Promise<void> {
    const wanted = replicasOf(this.deployment)
    const activeSets = active(this.all({ newSet, old }))
    const only = activeSets.length > 1 ? undefined : (activeSets[0] ?? newSet ?? oldestFirst(old).at(-1))
    if (only !== undefined) {
      if (replicasOf(only) !== wanted) await this.resize(only, wanted)
      return
    }
    if (newSet !== undefined && this.isSaturated(newSet)) {
      for (const set of active(old)) await this.resize(set, 0)
      return
    }
    if (isRolling(this.deployment)) await this.scaleInProportion(activeSets)
  }

  private isSaturated(newSet: ReplicaSet): boolean {
    const wanted = replicasOf(this.deployment)
    return replicasOf(newSet) === wanted && Number(newSet.metadata.annotations?.[desiredAnnotation]) === wanted && newSet.status?.availableReplicas === wanted
  }

  private async scaleInProportion(sets: readonly ReplicaSet[]): Promise<void> {
    const wanted = replicasOf(this.deployment)
    const toAdd = (wanted > 0 ? wanted + bounds(this.deployment).maxSurge : 0) - total(sets)
    const ordered = biggestFirst(sets, toAdd > 0 ? 'newer' : 'older')
    let added = 0
    const sizes = ordered.map((set) => {
      const share = proportion(this.deployment, set, toAdd, added)
      added += share
      return replicasOf(set) + share
    })
    if (toAdd !== 0) sizes[0] = Math.max(0, sizes[0]! + toAdd - added)
    for (const [at, set] of ordered.entries()) await this.resize(set, sizes[at]!)
  }

  // Rolling out

  private async rollingUpdate(): Promise<ReconcileResult | void> {
    const sets = await this.sets(true)
    if (sets.newSet === undefined) return
    const size = replicasOf(sets.newSet) > replicasOf(this.deployment) ? replicasOf(this.deployment) : sizeOfNew(this.deployment, this.all(sets), replicasOf(sets.newSet))
    if (size !== replicasOf(sets.newSet)) {
      await this.resize(sets.newSet, size)
      return this.writeRollout(this.current(sets))
    }
    if (await this.scaleDownOld(sets)) return this.writeRollout(this.current(sets))
    if (isComplete(this.deployment, this.deployment.status ?? {})) await this.cleanUp(sets.old)
    return this.writeRollout(this.current(sets))
  }

  /** Takes away what availability allows: first old pods that never came up, then old ones that work. */
  private async scaleDownOld({ newSet, old }: Sets): Promise<boolean> {
    const oldActive = active(old)
    if (oldActive.length === 0) return false
    const minAvailable = replicasOf(this.deployment) - bounds(this.deployment).maxUnavailable
    const newUnavailable = replicasOf(newSet!) - (newSet!.status?.availableReplicas ?? 0)
    const maxCleanup = total(oldActive) + replicasOf(newSet!) - minAvailable - newUnavailable
    if (maxCleanup <= 0) return false
    let cleaned = 0
    const remaining: ReplicaSet[] = []
    for (const set of oldestFirst(oldActive)) {
      const unhealthy = Math.min(maxCleanup - cleaned, replicasOf(set) - (set.status?.availableReplicas ?? 0))
      cleaned += Math.max(0, unhealthy)
      remaining.push(unhealthy > 0 ? await this.resize(set, replicasOf(set) - unhealthy) : set)
    }
    const surplus = available([...remaining, newSet!]) - minAvailable
    let scaledDown = 0
    for (const set of remaining) {
      const count = Math.min(surplus - scaledDown, replicasOf(set))
      if (count <= 0) continue
      await this.resize(set, replicasOf(set) - count)
      scaledDown += count
    }
    return cleaned > 0 || scaledDown > 0
  }

  private async recreate(): Promise<ReconcileResult | void> {
    const found = await this.sets(false)
    const oldActive = active(found.old)
    for (const set of oldActive) await this.resize(set, 0)
    if (oldActive.length > 0 || this.oldPodsRun(found.old)) return this.writeRollout(this.current(found))
    const sets = found.newSet === undefined ? await this.sets(true) : found
    if (sets.newSet === undefined) return
    if (replicasOf(sets.newSet) !== replicasOf(this.deployment)) await this.resize(sets.newSet, replicasOf(this.deployment))
    if (isComplete(this.deployment, this.deployment.status ?? {})) await this.cleanUp(sets.old)
    return this.writeRollout(this.current(sets))
  }

  private oldPodsRun(old: readonly ReplicaSet[]): boolean {
    return actual(old) > 0 || old.some((set) => this.podsOf(set).some((pod) => pod.status?.phase !== 'Failed' && pod.status?.phase !== 'Succeeded'))
  }

  /** Deletes old sets beyond the history limit, the oldest revisions first. */
  private async cleanUp(old: readonly ReplicaSet[]): Promise<void> {
    const limit = revisionHistoryLimit(this.deployment)
    if (limit === undefined) return
    const candidates = old.filter((set) => set.metadata.deletionTimestamp === undefined)
    if (candidates.length <= limit) return
    const ordered = [...candidates].sort((a, b) => Number(revisionOf(a) - revisionOf(b)))
    for (const set of ordered.slice(0, candidates.length - limit)) {
      if ((set.status?.replicas ?? 0) !== 0 || replicasOf(set) !== 0 || (set.metadata.generation ?? 0) > (set.status?.observedGeneration ?? 0)) continue
      try {
        await this.context.client.delete(replicaSets, set.metadata.namespace!, set.metadata.name!, { preconditions: { uid: set.metadata.uid } })
      } catch (error) {
        if (!isReason(error, 'NotFound')) throw error
      }
    }
  }

  // Status

  private async notePause(): Promise<void> {
    if (progressDeadlineSeconds(this.deployment) === undefined) return
    const reason = conditionOf(this.deployment.status, 'Progressing')?.reason
    if (reason === 'ProgressDeadlineExceeded') return
    const paused = this.deployment.spec?.paused === true
    if (paused === (reason === 'DeploymentPaused')) return
    const condition = newCondition('Progressing', 'Unknown', paused ? 'DeploymentPaused' : 'DeploymentResumed', paused ? 'Deployment is paused' : 'Deployment is resumed', this.nowMs)
    this.deployment = await this.context.client.updateStatus(deployments, { ...this.deployment, status: withCondition(this.deployment.status ?? {}, condition) })
  }

  private async writeCounts(sets: Sets): Promise<void> {
    await this.writeStatus(countedStatus(this.deployment, this.all(sets), sets.newSet, this.nowMs))
  }

  private async writeRollout(sets: Sets): Promise<ReconcileResult> {
    const status = rolloutStatus(this.deployment, this.all(sets), sets.newSet, this.nowMs)
    if (await this.writeStatus(status)) return {}
    return { requeueAfterMs: this.deadlineMs(status) }
  }

  /** Nothing wakes a rollout that is stuck: its deadline does. */
  private deadlineMs(status: DeploymentStatus): number | undefined {
    const condition = conditionOf(this.deployment.status, 'Progressing')
    const deadline = progressDeadlineSeconds(this.deployment)
    if (condition === undefined || deadline === undefined || isComplete(this.deployment, status) || condition.reason === 'ProgressDeadlineExceeded') return undefined
    return Math.max(0, timeMs(condition.lastUpdateTime) + deadline * 1000 - this.nowMs) + 1000
  }

  private async writeStatus(status: DeploymentStatus): Promise<boolean> {
    if (semanticEqual(status, this.deployment.status ?? {})) return false
    this.deployment = await this.context.client.updateStatus(deployments, { ...this.deployment, status })
    return true
  }

  private event(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.context.recorder.event(targetOf(deployments, this.deployment), type, reason, message)
  }
}
