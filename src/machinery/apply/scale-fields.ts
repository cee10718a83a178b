import type { ManagedFieldsEntry } from '../object.ts'
import { FieldSet, difference } from './field-set.ts'
import { managerId, readManagers, writeManagers, type Manager, type Managers } from './managed-fields.ts'
import { fieldElement, type PathElement } from './path-element.ts'

/** Owners of an object's replicas as owners of its Scale, and back (upstream: `managedfields.ScaleHandler`). */

const scaleApiVersion = 'autoscaling/v1'
const replicasOfScale = [fieldElement('spec'), fieldElement('replicas')]

/** Where a version of the kind keeps its replicas; null for a version without scale, undefined for one that is not served. */
export type ReplicasPaths = (apiVersion: string) => readonly PathElement[] | null | undefined

function scaleIdOf({ name, operation, subresource }: Manager): string {
  return managerId(name, operation, scaleApiVersion, subresource)
}

/** Those of the object's owners that own its replicas, as owners of the Scale. Throws FieldsError. */
export function ownersOfScale(entries: readonly ManagedFieldsEntry[] | undefined, paths: ReplicasPaths): ManagedFieldsEntry[] | undefined {
  const owners: Managers = new Map()
  for (const manager of readManagers(entries).values()) {
    const path = paths(manager.apiVersion)
    if (path === undefined || path === null || !manager.fields.has(path)) continue
    owners.set(scaleIdOf(manager), { ...manager, apiVersion: scaleApiVersion, fields: FieldSet.of(replicasOfScale) })
  }
  return writeManagers(owners)
}

/** The object's owners after its Scale was written in the object's version `apiVersion`. Throws FieldsError. */
export function ownersAfterScale(entries: readonly ManagedFieldsEntry[] | undefined, scaleEntries: readonly ManagedFieldsEntry[] | undefined, apiVersion: string, paths: ReplicasPaths): ManagedFieldsEntry[] | undefined {
  const ofScale = readManagers(scaleEntries)
  const owners: Managers = new Map()
  for (const [id, manager] of readManagers(entries)) {
    const path = paths(manager.apiVersion)
    if (path === undefined) continue
    const scaleId = scaleIdOf(manager)
    if (path === null || !manager.fields.has(path) || ofScale.delete(scaleId)) {
      owners.set(id, manager)
      continue
    }
    const fields = difference(manager.fields, FieldSet.of(path))
    if (!fields.isEmpty) owners.set(id, { ...manager, fields })
  }
  const path = paths(apiVersion)
  for (const manager of ofScale.values()) {
    if (path === undefined || path === null || !manager.fields.has(replicasOfScale)) continue
    // As upstream, which knows no time for what is new through scale.
    owners.set(managerId(manager.name, manager.operation, apiVersion, manager.subresource), { ...manager, apiVersion, time: undefined, fields: FieldSet.of(path) })
  }
  return writeManagers(owners)
}
