import type { OpenObject } from '../machinery/object.ts'
import type { StoredEntry } from './stored-object.ts'

/** Which objects of a resource a list or watch wants. */
export interface Selection {
  /** '' for all namespaces. */
  namespace: string
  /** Set when only one name can match (`metadata.name=x`). */
  name: string | undefined
  /** Label and field selectors beyond namespace and name; undefined when there are none. */
  test: ((object: Readonly<OpenObject>) => boolean) | undefined
  /** One field that must have one value, by which watchers are indexed: `spec.nodeName=n1`. */
  index: { field: string; value: string; read(object: Readonly<OpenObject>): string } | undefined
  /** True when nothing but the namespace narrows the set: then a list's `remainingItemCount` is exact. */
  isWhole: boolean
}

export const everything: Selection = { namespace: '', name: undefined, test: undefined, index: undefined, isWhole: true }

/** Whether `entry` is in the set; `view` gives it in the version that the selectors speak of. */
export function selects(selection: Selection, entry: StoredEntry, view: (entry: StoredEntry) => Readonly<OpenObject>): boolean {
  if (selection.namespace !== '' && entry.namespace !== selection.namespace) return false
  if (selection.name !== undefined && entry.name !== selection.name) return false
  return selection.test === undefined || selection.test(view(entry))
}
