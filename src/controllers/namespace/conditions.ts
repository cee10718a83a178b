import type { Namespace, NamespaceCondition } from '../../api/types/core_v1.ts'
import { timeText } from '../../machinery/object.ts'

/** What is left of a namespace's content after an attempt to delete it. */
export interface Remaining {
  /** `pods.` -> how many objects. */
  counts: Map<string, number>
  /** Finalizer -> on how many objects. */
  finalizers: Map<string, number>
  failures: Error[]
  discoveryFailures: Map<string, Error>
  /** When asking again is worth it, by the grace periods of the pods that end. */
  estimateSeconds: number
}

interface Outcome { type: string; ok: { reason: string; message: string }; bad?: { reason: string; message: string } }

function outcomes({ counts, finalizers, failures, discoveryFailures }: Remaining): Outcome[] {
  const list = (entries: Map<string, number>, words: string): string => [...entries].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, count]) => `${name} ${words.replace('%d', String(count))}`).join(', ')
  const failed = failures.length === 0 ? undefined : `Failed to delete all resource types, ${failures.length} remaining: ${failures.map((error) => error.message).sort().join(', ')}`
  const discovery = discoveryFailures.size === 0 ? undefined
    : `Discovery failed for some groups, ${discoveryFailures.size} failing: unable to retrieve the complete list of server APIs: ${[...discoveryFailures].map(([group, error]) => `${group}: ${error.message}`).join(', ')}`
  return [
    { type: 'NamespaceDeletionDiscoveryFailure', ok: { reason: 'ResourcesDiscovered', message: 'All resources successfully discovered' }, ...(discovery === undefined ? {} : { bad: { reason: 'DiscoveryFailed', message: discovery } }) },
    { type: 'NamespaceDeletionGroupVersionParsingFailure', ok: { reason: 'ParsedGroupVersions', message: 'All legacy kube types successfully parsed' } },
    { type: 'NamespaceDeletionContentFailure', ok: { reason: 'ContentDeleted', message: 'All content successfully deleted, may be waiting on finalization' }, ...(failed === undefined ? {} : { bad: { reason: 'ContentDeletionFailed', message: failed } }) },
    {
      type: 'NamespaceContentRemaining', ok: { reason: 'ContentRemoved', message: 'All content successfully removed' },
      ...(counts.size === 0 ? {} : { bad: { reason: 'SomeResourcesRemain', message: `Some resources are remaining: ${list(counts, 'has %d resource instances')}` } }),
    },
    {
      type: 'NamespaceFinalizersRemaining', ok: { reason: 'ContentHasNoFinalizers', message: 'All content-preserving finalizers finished' },
      ...(finalizers.size === 0 ? {} : { bad: { reason: 'SomeFinalizersRemain', message: `Some content in the namespace has finalizers remaining: ${list(finalizers, 'in %d resource instances')}` } }),
    },
  ]
}

/** The namespace's conditions after an attempt; a condition that is fine and was never there is not added. */
export function deletionConditions(namespace: Namespace, remaining: Remaining, nowMs: number): NamespaceCondition[] {
  const conditions = [...(namespace.status?.conditions ?? [])]
  const anyBad = outcomes(remaining).some(({ bad }) => bad !== undefined)
  for (const { type, ok, bad } of outcomes(remaining)) {
    const at = conditions.findIndex((condition) => condition.type === type)
    if (bad === undefined && at < 0 && !anyBad) continue
    const { reason, message } = bad ?? ok
    const status = bad === undefined ? 'False' : 'True'
    const known = conditions[at]
    if (known?.status === status && known.reason === reason && known.message === message) continue
    const made: NamespaceCondition = { type, status, lastTransitionTime: known?.status === status ? known.lastTransitionTime : timeText(nowMs), reason, message }
    if (at < 0) conditions.push(made)
    else conditions[at] = made
  }
  return conditions
}
