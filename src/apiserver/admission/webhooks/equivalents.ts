import { apiVersionOf, type ResourceDescription, type ResourceTable } from '../../../api/resource.ts'
import type { OpenObject } from '../../../machinery/object.ts'
import { cloneJson } from '../../clone.ts'

/** Other versions of a resource, and other groups' views of it: what shares its objects and has the subresource as well. */
export function equivalentsOf(table: ResourceTable, resource: ResourceDescription, subresource: string): readonly ResourceDescription[] {
  if (resource.virtual === true) return []
  return table.all().filter((other) => other !== resource && other.storagePrefix === resource.storagePrefix && (subresource === '' || other.subresources.some(({ name }) => name === subresource)))
}

/** A kind in full. */
export interface FullKind { group: string; version: string; kind: string }

/** The kind of body that requests for a resource or its subresource have. */
export function kindFor(resource: ResourceDescription, subresource: string): FullKind {
  const described = subresource === '' ? undefined : resource.subresources.find(({ name }) => name === subresource)
  if (described?.kind === undefined) return { group: resource.group, version: resource.version, kind: resource.kind }
  return { group: described.group ?? resource.group, version: described.version ?? resource.version, kind: described.kind }
}

/**
 * An object of `from` as `to` shows it; a copy unless there is nothing to convert. Bodies of other kinds (Scale, Eviction) are the
 * same in every version of their parent.
 */
export async function inVersion<T extends Readonly<OpenObject> | undefined>(from: ResourceDescription, to: ResourceDescription, object: T): Promise<T> {
  if (object === undefined || from === to || object.kind !== from.kind || object.apiVersion !== apiVersionOf(from)) return object
  const copy = cloneJson(object) as OpenObject
  const apiVersion = apiVersionOf(to)
  const convert = to.convert ?? from.convert
  if (convert !== undefined) return (await convert([copy], apiVersion))[0] as unknown as T
  const stored = from.toStorage === undefined ? copy : from.toStorage(copy)
  stored.apiVersion = from.storageVersion
  const shown = to.view === undefined ? (to.fromStorage === undefined ? stored : to.fromStorage(stored)) : to.view.of(stored)
  return { ...shown, apiVersion, kind: to.kind } as unknown as T
}
