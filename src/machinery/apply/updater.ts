import { jsonEqual } from '../json-value.ts'
import type { ApplyType } from './apply-type.ts'
import { changesOnly, compare, type Comparison } from './compare.ts'
import { FieldSet, difference, intersection, recursiveDifference, union } from './field-set.ts'
import { fieldsOf } from './fields-of.ts'
import type { Manager, Managers } from './managed-fields.ts'
import { merge } from './merge.ts'
import type { PathElement } from './path-element.ts'
import { reconciled, removeFields, withNamedFields } from './remove.ts'

/** A version of a kind, as objects are compared and merged in it. */
export interface ApplyVersion {
  readonly apiVersion: string
  readonly type: ApplyType
  /** Objects of built-in kinds, see `compare`. */
  readonly typed: boolean
  /** Fields that a request may not own, with all below them: those that its strategy puts back. */
  readonly reset: FieldSet | undefined
}

/**
 * Versions of an object's kind other than that of the request: those that managers wrote their fields in. `undefined` for a
 * version that is served no more, whose managers are forgotten.
 */
export interface VersionConverter {
  version(apiVersion: string): ApplyVersion | undefined
  /** The object, which is in version `from`, in version `to`. */
  convert(object: unknown, from: ApplyVersion, to: ApplyVersion): Promise<unknown>
}

/** A field that somebody else owns, with another value. */
export interface FieldConflict { readonly manager: Manager; readonly path: readonly PathElement[] }

/** The applied object takes fields that others own. */
export class ConflictError extends Error {
  readonly conflicts: readonly FieldConflict[]
  constructor(conflicts: readonly FieldConflict[]) {
    super(`${conflicts.length} conflicts`)
    this.conflicts = conflicts
  }
}

function filtered(set: FieldSet, reset: FieldSet | undefined): FieldSet {
  if (reset === undefined || set.isEmpty) return set
  return recursiveDifference(set, reset)
}

const wholeFields = new WeakMap<FieldSet, readonly string[]>()

/** The object with those fields at its top that are put back anyway as they were before: what is the same need not be looked at. */
function withoutReset(before: unknown, after: unknown, reset: FieldSet | undefined): unknown {
  if (reset === undefined || typeof before !== 'object' || before === null || typeof after !== 'object' || after === null) return after
  let names = wholeFields.get(reset)
  if (names === undefined) wholeFields.set(reset, (names = [...reset.members].filter((element) => element.startsWith('f:')).map((element) => element.slice(2))))
  if (names.length === 0) return after
  const copy: Record<string, unknown> = { ...(after as Record<string, unknown>) }
  for (const name of names) copy[name] = (before as Record<string, unknown>)[name]
  return copy
}

function compareIn(version: ApplyVersion, before: unknown, after: unknown, typed = version.typed): Comparison {
  const { removed, modified, added } = compare(version.type, before, withoutReset(before, after, version.reset), typed)
  return { removed: filtered(removed, version.reset), modified: filtered(modified, version.reset), added: filtered(added, version.reset) }
}

/** Managers whose version is served, with sets that fit the types of today. */
function current(managers: Managers, version: ApplyVersion, others: VersionConverter): Managers {
  const result: Managers = new Map()
  for (const [id, manager] of managers) {
    const of = manager.apiVersion === version.apiVersion ? version : others.version(manager.apiVersion)
    if (of === undefined) continue
    const fields = reconciled(of.type, manager.fields)
    result.set(id, fields === manager.fields ? manager : { ...manager, fields })
  }
  return result
}

/**
 * Takes from the other managers what changed, or tells of conflicts where that is not allowed. Changes `managers`. `own` is the
 * applier, whose fields are decided already, or undefined; `keeps` is who changed the object by an update: it would only be given
 * back what is taken.
 */
function settle(managers: Managers, own: string | undefined, keeps: string | undefined, comparisons: ReadonlyMap<string, Comparison>, force: boolean): void {
  const conflicts = new Map<string, FieldSet>()
  for (const [id, manager] of managers) {
    if (id === own || id === keeps) continue
    const { modified, added } = comparisons.get(manager.apiVersion)!
    const taken = union(intersection(manager.fields, modified), intersection(manager.fields, added))
    if (!taken.isEmpty) conflicts.set(id, taken)
  }
  if (!force && conflicts.size > 0) throw new ConflictError(conflictsOf(managers, conflicts))
  for (const [id, manager] of managers) {
    if (id === own) continue
    const { removed } = comparisons.get(manager.apiVersion)!
    const taken = conflicts.get(id)
    if (taken === undefined && removed.isEmpty) continue
    const fields = difference(taken === undefined ? manager.fields : difference(manager.fields, taken), removed)
    managers.set(id, { ...manager, fields })
  }
  for (const [id, manager] of managers) if (manager.fields.isEmpty) managers.delete(id)
}

function conflictsOf(managers: Managers, conflicts: ReadonlyMap<string, FieldSet>): FieldConflict[] {
  const list: FieldConflict[] = []
  for (const id of [...conflicts.keys()].sort()) conflicts.get(id)!.forEach((path) => list.push({ manager: managers.get(id)!, path: [...path] }))
  return list
}

/**
 * The managers after a change that was not applied: what changed leaves its owners. `changed` is what the one who changed it,
 * `id`, owns by that in `version`: what it set, and nothing that the request may not write. Changes nothing of what it is given.
 */
export function updateManagers(before: unknown, after: unknown, given: Managers, id: string, version: ApplyVersion, others: VersionConverter): Promise<{ managers: Managers; changed: FieldSet }> | { managers: Managers; changed: FieldSet } {
  const managers = current(given, version, others)
  const comparison = compareIn(version, before, after)
  const comparisons = new Map([[version.apiVersion, comparison]])
  const finish = (): { managers: Managers; changed: FieldSet } => {
    settle(managers, undefined, id, comparisons, true)
    return { managers, changed: union(comparison.modified, comparison.added) }
  }
  const foreign = foreignVersions(managers, version)
  return foreign.length === 0 ? finish() : compareInOthers(foreign, before, after, version, others, comparisons).then(finish)
}

/**
 * Whether a change leaves the owners as they are: the one who changed the object, as who `own` stands there alone, changed nothing but
 * what is his already or is `nobodys`. Says no where it would take a closer look to tell.
 */
export function changesOwnOnly(before: unknown, after: unknown, own: Manager, nobodys: FieldSet, version: ApplyVersion): boolean {
  const { apiVersion, type, typed, reset } = version
  if (own.apiVersion !== apiVersion || own.fields.isEmpty || reconciled(type, own.fields) !== own.fields || (reset !== undefined && reset.children.size > 0)) return false
  return changesOnly(type, before, withoutReset(before, after, reset), typed, own.fields, nobodys)
}

function foreignVersions(managers: Managers, version: ApplyVersion): string[] {
  const found: string[] = []
  for (const { apiVersion } of managers.values()) if (apiVersion !== version.apiVersion && !found.includes(apiVersion)) found.push(apiVersion)
  return found
}

async function compareInOthers(foreign: readonly string[], before: unknown, after: unknown, version: ApplyVersion, others: VersionConverter, comparisons: Map<string, Comparison>): Promise<void> {
  for (const apiVersion of foreign) {
    const other = others.version(apiVersion)!
    comparisons.set(apiVersion, compareIn(other, await others.convert(before, version, other), await others.convert(after, version, other)))
  }
}

export interface Applied {
  /** The object as the applier wants it, undefined where that is what stands. */
  object: unknown
  managers: Managers
}

/**
 * Applies a configuration: lays it over the live object, takes away what its manager applied before and does not any more and
 * nobody else owns, and sees to conflicts. `live` has null where Go has it (see `MapField.nullWhenUnset`). Throws ConflictError.
 */
export async function applyConfiguration(live: unknown, configuration: unknown, given: Managers, own: Omit<Manager, 'fields' | 'time'>, ownId: string, version: ApplyVersion, others: VersionConverter, force: boolean): Promise<Applied> {
  const managers = current(given, version, others)
  const merged = merge(version.type, live, configuration)
  const last = managers.get(ownId)
  managers.set(ownId, { ...own, time: last?.time, fields: filtered(fieldsOf(version.type, configuration), version.reset) })
  const object = last === undefined || last.fields.isEmpty ? merged : await pruned(merged, managers, last, version, others)
  const comparisons = new Map([[version.apiVersion, compareIn(version, live, object, false)]])
  const foreign = foreignVersions(managers, version)
  if (foreign.length > 0) await compareInOthers(foreign, live, object, version, others, comparisons)
  settle(managers, ownId, undefined, comparisons, force)
  return { object: jsonEqual(live, object) ? undefined : object, managers }
}

/** An object in one of its versions. */
interface Versioned { object: unknown; version: ApplyVersion }

async function inVersion({ object, version }: Versioned, to: ApplyVersion, others: VersionConverter): Promise<unknown> {
  return version.apiVersion === to.apiVersion ? object : await others.convert(object, version, to)
}

/** The merged object without what its applier has given up: fields and items of its last set that it names no more and nobody else owns. */
async function pruned(merged: unknown, managers: Managers, last: Manager, version: ApplyVersion, others: VersionConverter): Promise<unknown> {
  const then = last.apiVersion === version.apiVersion ? version : others.version(last.apiVersion)
  if (then === undefined) return merged
  const whole = await inVersion({ object: merged, version }, then, others)
  let rest: Versioned = { object: removeFields(then.type, whole, withNamedFields(then.type, last.fields)), version: then }
  rest = await addBackOwned({ object: whole, version: then }, rest, managers, others, version)
  const restThen = await inVersion(rest, then, others)
  const kept = withNamedFields(then.type, fieldsOf(then.type, restThen))
  const all = withNamedFields(then.type, fieldsOf(then.type, whole))
  const gone = intersection(difference(all, kept), withNamedFields(then.type, last.fields))
  return await inVersion({ object: removeFields(then.type, whole, gone), version: then }, version, others)
}

/** Puts back what was removed but is owned, also by the new configuration, version by version; the version it was pruned in comes first. */
async function addBackOwned(whole: Versioned, rest: Versioned, managers: Managers, others: VersionConverter, requested: ApplyVersion): Promise<Versioned> {
  const owned = new Map<string, FieldSet>([[whole.version.apiVersion, new FieldSet()]])
  for (const { apiVersion, fields } of managers.values()) owned.set(apiVersion, union(owned.get(apiVersion) ?? new FieldSet(), fields))
  let at = whole
  let left = rest
  for (const [apiVersion, fields] of owned) {
    const version = apiVersion === whole.version.apiVersion ? whole.version : apiVersion === requested.apiVersion ? requested : others.version(apiVersion)
    if (version === undefined) continue
    const { type } = version
    at = { object: await inVersion(at, version, others), version }
    const remaining = await inVersion(left, version, others)
    const all = withNamedFields(type, fieldsOf(type, at.object))
    const kept = union(withNamedFields(type, fieldsOf(type, remaining)), withNamedFields(type, fields))
    left = { object: removeFields(type, at.object, difference(all, kept)), version }
  }
  return left
}
