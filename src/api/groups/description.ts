import type { OpenObject } from '../../machinery/object.ts'
import type { ResourceDescription, SubresourceDescription, Verb } from '../resource.ts'
import { scalePrinter } from '../printers/autoscaling.ts'
import type { KindPrinter } from '../printers/columns.ts'

/** One built-in resource as data; `api/builtin.ts` completes it from the type tables, printers, defaults and strategies. */
export interface BuiltinResource {
  kind: string
  /** Plural; where left out, the kind in lower case with an `s`. */
  resource?: string
  /** Where left out: namespaced. */
  cluster?: true
  shortNames?: readonly string[]
  categories?: readonly string[]
  /** Where left out: all of them. */
  verbs?: readonly Verb[]
  subresources?: readonly SubresourceDescription[]
  /** Where left out: `/registry/<resource>/`. */
  storagePrefix?: string
  /** Where left out: stored in its own version. */
  storage?: Pick<ResourceDescription, 'storageVersion' | 'toStorage' | 'fromStorage'>
  virtual?: true
  /** First release that warned of the kind's use, the first that no longer serves it, and what to use instead. */
  deprecated?: { since: string; removed?: string; use?: string }
  selectableFields?: ResourceDescription['selectableFields']
}

export interface BuiltinVersion { version: string; printers: Record<string, KindPrinter>; resources: readonly BuiltinResource[] }
/** Versions in order of preference. */
export interface BuiltinGroup { group: string; versions: readonly BuiltinVersion[] }

export const allVerbs: readonly Verb[] = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']
const writeVerbs: readonly Verb[] = ['get', 'patch', 'update']

export const status: SubresourceDescription = { name: 'status', verbs: writeVerbs }
export const scale: SubresourceDescription = { name: 'scale', verbs: writeVerbs, group: 'autoscaling', version: 'v1', kind: 'Scale', ...scalePrinter }

/** A subresource that writes the parent object, as `status` does. */
export function part(name: string, verbs: readonly Verb[] = writeVerbs): SubresourceDescription {
  return { name, verbs }
}

/** A subresource with a body of its own. */
export function action(name: string, verbs: readonly Verb[], group: string, version: string, kind: string): SubresourceDescription {
  return { name, verbs, group, version, kind }
}

/** The text a field selector compares with, found by path: numbers and booleans as Go prints them, '' for nothing. */
export function selectable(...paths: string[]): ResourceDescription['selectableFields'] {
  return Object.fromEntries(paths.map((path) => {
    const keys = path.split('.')
    return [path, (object: Readonly<OpenObject>) => valueText(keys.reduce<unknown>((value, key) =>
      (typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined), object))]
  }))
}

function valueText(value: unknown): string {
  return value === undefined || value === null || typeof value === 'object' ? '' : String(value)
}

/** Like `selectable`, for fields whose absence means `fallback` (`0`, `false`). */
export function selectableOr(fallback: string, ...paths: string[]): ResourceDescription['selectableFields'] {
  return Object.fromEntries(Object.entries(selectable(...paths)).map(([path, read]) => [path, (object: Readonly<OpenObject>) => {
    const text = read(object)
    return text === '' ? fallback : text
  }]))
}
