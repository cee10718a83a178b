import type { OpenObject, OwnerReference } from '../machinery/object.ts'

function same(a: OwnerReference, b: OwnerReference): boolean {
  return a.uid === b.uid && a.kind === b.kind && a.name === b.name && a.apiVersion === b.apiVersion && (a.controller ?? false) === (b.controller ?? false) && (a.blockOwnerDeletion ?? false) === (b.blockOwnerDeletion ?? false)
}

/**
 * Drops owner references given twice, with upstream's warning. Those of bodies are seen as they come; those that patches and mutating
 * admission make are seen `later`.
 */
export function withoutDuplicateOwners(object: OpenObject, warn: (message: string) => void, later = false): void {
  const given = object.metadata.ownerReferences
  if (given === undefined || given.length < 2) return
  const kept: OwnerReference[] = []
  const duplicates: string[] = []
  for (const reference of given) {
    if (kept.some((other) => same(other, reference))) duplicates.push(reference.uid)
    else kept.push(reference)
  }
  if (duplicates.length === 0) return
  object.metadata.ownerReferences = kept
  warn(`.metadata.ownerReferences contains duplicate entries${later ? ' after mutating admission happens' : ''}; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ${duplicates.join(', ')}`)
}
