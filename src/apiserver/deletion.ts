import type { ResourceDescription, Strategy } from '../api/resource.ts'
import { timeText, type OpenObject } from '../machinery/object.ts'
import { errors } from '../machinery/status.ts'
import type { DeleteRequest } from './core.ts'

const orphanFinalizer = 'orphan'
const foregroundFinalizer = 'foregroundDeletion'

/** What a delete request does to an object: removes it, changes it (it then waits), or neither (it waits already). */
export interface Deletion { remove: boolean; change: ((object: OpenObject) => void) | undefined }

/** Whether an object that is being deleted has nothing left to wait for. */
export function mayRemove(resource: ResourceDescription, object: Readonly<OpenObject>): boolean {
  if ((object.metadata.finalizers?.length ?? 0) > 0) return false
  if ((object.metadata.deletionGracePeriodSeconds ?? 0) > 0) return false
  return !hasNamespaceFinalizers(resource, object)
}

function hasNamespaceFinalizers(resource: ResourceDescription, object: Readonly<OpenObject>): boolean {
  if (resource.group !== '' || resource.resource !== 'namespaces') return false
  const finalizers = (object.spec as { finalizers?: readonly string[] } | undefined)?.finalizers
  return (finalizers?.length ?? 0) > 0
}

/** Checks DeleteOptions as upstream's `ValidateDeleteOptions` does. */
export function checkDeleteOptions(options: DeleteRequest): void {
  if (options.orphanDependents !== undefined && options.propagationPolicy !== undefined) {
    throw errors.invalid({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', [
      { reason: 'FieldValueInvalid', field: 'propagationPolicy', message: `Invalid value: ${JSON.stringify(options.propagationPolicy)}: orphanDependents and deletionPropagation cannot be both set` },
    ])
  }
  const policy: string | undefined = options.propagationPolicy
  if (policy !== undefined && !['Foreground', 'Background', 'Orphan'].includes(policy)) {
    throw errors.invalid({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', [
      { reason: 'FieldValueNotSupported', field: 'propagationPolicy', message: `Unsupported value: ${JSON.stringify(policy)}: supported values: "Foreground", "Background", "Orphan", "nil"` },
    ])
  }
}

/** Kinds whose storage holds a deletion's preconditions against the object itself, ahead of what goes for all. */
const ownChecks = new Set(['namespaces', 'customresourcedefinitions.apiextensions.k8s.io'])

const hasOwnChecks = ({ group, resource }: ResourceDescription): boolean => ownChecks.has(group === '' ? resource : `${resource}.${group}`)

/** Holds what a deletion says of the object against it. The conflict names the kind where others name the resource, as upstream's `rest.BeforeDelete` does. */
export function checkDeletePreconditions(resource: ResourceDescription, { metadata }: Readonly<OpenObject>, revision: number, wanted: DeleteRequest['preconditions']): void {
  const own = hasOwnChecks(resource)
  const named = own ? resource : { group: resource.group, resource: resource.kind }
  const check = (what: string, precondition: string | undefined, record: string, happened: string): void => {
    if (precondition === undefined || precondition === record) return
    throw errors.conflict(named, metadata.name ?? '', own ? `Precondition failed: ${what} in precondition: ${precondition}, ${what} in object meta: ${record}`
      : `the ${what} in the precondition (${precondition}) does not match the ${what} in record (${record}). The object might have been ${happened}`)
  }
  check('UID', wanted?.uid, metadata.uid ?? '', 'deleted and then recreated')
  check('ResourceVersion', wanted?.resourceVersion, String(revision), 'modified')
}

/**
 * The rules of upstream's `rest.BeforeDelete` and `deletionFinalizersForGarbageCollection`: a grace period sets
 * deletionTimestamp once and may later only be shortened; finalizers hold the object; the propagation policy becomes a finalizer.
 */
export function deletionOf(resource: ResourceDescription, strategy: Strategy, object: Readonly<OpenObject>, options: DeleteRequest, nowMs: number): Deletion {
  const { metadata } = object
  const finalizers = finalizersAfter(strategy, withOwn(strategy, metadata), options)
  const finalizersChange = finalizers.join() !== (metadata.finalizers ?? []).join()
  const graceSeconds = graceOf(strategy, object, options)
  const setFinalizers = (target: OpenObject): void => {
    if (finalizers.length > 0) target.metadata.finalizers = finalizers
    else delete target.metadata.finalizers
  }
  if (graceSeconds > 0) {
    const pendingSeconds = metadata.deletionTimestamp === undefined ? undefined : Number(metadata.deletionGracePeriodSeconds ?? 0)
    // The grace period that runs already may only be shortened.
    if (pendingSeconds !== undefined && graceSeconds >= pendingSeconds) return { remove: false, change: finalizersChange ? setFinalizers : undefined }
    const startMs = pendingSeconds === undefined ? nowMs : Date.parse(metadata.deletionTimestamp!) - millisOf(pendingSeconds)
    return {
      remove: false,
      change: (target) => {
        setFinalizers(target)
        markDeleting(target, startMs + millisOf(graceSeconds), graceSeconds)
      },
    }
  }
  const waits = finalizers.length > 0 || hasNamespaceFinalizers(resource, object)
  if (!waits) {
    // What could have had a grace period is answered as it would have been without one.
    const pendingSeconds = metadata.deletionTimestamp === undefined ? undefined : Number(metadata.deletionGracePeriodSeconds ?? 0)
    if (strategy.gracePeriodSeconds === undefined || pendingSeconds === 0) return { remove: true, change: undefined }
    const atMs = pendingSeconds === undefined ? nowMs : Date.parse(metadata.deletionTimestamp!) - millisOf(pendingSeconds)
    return { remove: true, change: (target) => markDeleting(target, atMs, 0) }
  }
  const isMarked = metadata.deletionTimestamp !== undefined && (metadata.deletionGracePeriodSeconds ?? (resource.resource === 'namespaces' ? 0 : undefined)) === 0
  // Storage of some kinds marks them itself, and knows of no grace, generation or policy.
  const marksItself = hasOwnChecks(resource) && metadata.deletionTimestamp === undefined
  if (isMarked && !finalizersChange) return { remove: false, change: undefined }
  return {
    remove: false,
    change: (target) => {
      if (marksItself && resource.resource !== 'namespaces') target.metadata.finalizers = [...withOwn(strategy, metadata)]
      else setFinalizers(target)
      const atMs = Math.min(nowMs, metadata.deletionTimestamp === undefined ? nowMs : Date.parse(metadata.deletionTimestamp))
      if (marksItself) target.metadata.deletionTimestamp = timeText(atMs)
      else markDeleting(target, atMs, 0)
      if (metadata.deletionTimestamp === undefined) strategy.beginDeletion?.(target, nowMs)
      if (hasNamespaceFinalizers(resource, target)) target.status = { ...(target.status as object | undefined), phase: 'Terminating' }
    },
  }
}

function markDeleting(target: OpenObject, atMs: number, graceSeconds: number): void {
  const { metadata } = target
  if (metadata.deletionTimestamp === undefined && (metadata.generation ?? 0) > 0) metadata.generation! += 1
  metadata.deletionTimestamp = timeText(atMs)
  metadata.deletionGracePeriodSeconds = Number.isSafeInteger(graceSeconds) ? graceSeconds : int64Of(graceSeconds) as unknown as number
}

/** Whole seconds beyond what a double holds exactly, which is to say: the most there may be. */
function int64Of(seconds: number): bigint {
  const exact = BigInt(seconds)
  return BigInt.asIntN(64, exact) === exact ? exact : 2n ** 63n - 1n
}

/** Go's durations are 64 bits of nanoseconds: 292 years and more begin anew. */
function millisOf(seconds: number): number {
  const millis = seconds * 1000
  return Number.isSafeInteger(millis * 1000) ? millis : Number(BigInt.asIntN(64, int64Of(seconds) * 1_000_000_000n) / 1_000_000n)
}

/** Grace that this request gets; a pending graceful deletion without new wish keeps its own. */
function graceOf(strategy: Strategy, object: Readonly<OpenObject>, options: DeleteRequest): number {
  if (strategy.gracePeriodSeconds === undefined) return 0
  const { metadata } = object
  if (metadata.deletionTimestamp !== undefined) {
    const pending = Number(metadata.deletionGracePeriodSeconds ?? 0)
    if (pending === 0 || options.gracePeriodSeconds === undefined) return pending
    return Math.min(pending, Math.max(options.gracePeriodSeconds, 0))
  }
  return Math.max(Number(strategy.gracePeriodSeconds(object, options.gracePeriodSeconds)), 0)
}

/** A deletion that begins puts the kind's own finalizers on. */
function withOwn(strategy: Strategy, { finalizers = [], deletionTimestamp }: OpenObject['metadata']): readonly string[] {
  if (strategy.deletionFinalizers === undefined || deletionTimestamp !== undefined) return finalizers
  return [...new Set([...finalizers, ...strategy.deletionFinalizers])]
}

function finalizersAfter(strategy: Strategy, present: readonly string[], options: DeleteRequest): string[] {
  const policy = policyOf(strategy, present, options)
  const kept = present.filter((name) => name !== orphanFinalizer && name !== foregroundFinalizer)
  if (policy === 'Orphan') kept.push(orphanFinalizer)
  if (policy === 'Foreground') kept.push(foregroundFinalizer)
  return kept
}

/** What the client says counts, where the kind may have dependents; else a policy finalizer that is there already; else the kind's default. */
function policyOf(strategy: Strategy, present: readonly string[], options: DeleteRequest): 'Orphan' | 'Background' | 'Foreground' {
  if (strategy.defaultPropagation === 'Unsupported') return 'Background'
  if (options.orphanDependents !== undefined) return options.orphanDependents ? 'Orphan' : 'Background'
  if (options.propagationPolicy !== undefined) return options.propagationPolicy
  if (present.includes(orphanFinalizer)) return 'Orphan'
  if (present.includes(foregroundFinalizer)) return 'Foreground'
  return strategy.defaultPropagation ?? 'Background'
}
