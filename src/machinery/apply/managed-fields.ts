import { jsonEqual } from '../json-value.ts'
import type { ManagedFieldsEntry } from '../object.ts'
import { union, type FieldSet } from './field-set.ts'
import { OwnedFields, setOfFields } from './owned-fields.ts'
import { FieldsError } from './path-element.ts'

/** Who owns which fields of an object, by the identity of the manager; `time` is that of its last change. */
export interface Manager {
  readonly name: string
  readonly operation: 'Apply' | 'Update'
  readonly subresource: string
  /** The version that `fields` are written in. */
  readonly apiVersion: string
  readonly time: string | undefined
  readonly fields: FieldSet
}

export type Managers = Map<string, Manager>

export const maxUpdateManagers = 10
export const ancientChanges = 'ancient-changes'
export const beforeFirstApply = 'before-first-apply'

/** What tells managers apart: appliers are the same in every version, others are not. */
export function managerId(name: string, operation: string, apiVersion: string, subresource: string): string {
  const version = operation === 'Apply' ? '' : apiVersion
  const key = `${operation} ${version} ${subresource} ${name}`
  let id = ids.get(key)
  if (id === undefined) {
    if (ids.size >= maxIds) ids.clear()
    id = idText(name, operation, version, subresource)
    ids.set(key, id)
  }
  return id
}

const maxIds = 10_000
const ids = new Map<string, string>()

function idText(name: string, operation: string, version: string, subresource: string): string {
  return JSON.stringify({ ...(name === '' ? {} : { manager: name }), operation, ...(version === '' ? {} : { apiVersion: version }), ...(subresource === '' ? {} : { subresource }) })
}

/**
 * Reads `metadata.managedFields`. Throws FieldsError for entries that upstream would not take. Of entries that a client sends back as
 * they were in `known` the fields are not read anew.
 */
export function readManagers(entries: readonly ManagedFieldsEntry[] | undefined, known: readonly ManagedFieldsEntry[] = []): Managers {
  const managers: Managers = new Map()
  if (entries === undefined) return managers
  for (let i = 0; i < entries.length; i++) {
    const entry: WrittenEntry = entries[i]!
    const { manager: name = '', operation, apiVersion = '', time, subresource = '' } = entry
    const ours = entry[ofEntry]
    if (ours === undefined) checkEntry(entry, i)
    managers.set(managerId(name, operation!, apiVersion, subresource), { name, operation: operation as Manager['operation'], subresource, apiVersion, time, fields: ours?.set ?? knownSet(entry, known) ?? setOfFields(entry.fieldsV1) })
  }
  return managers
}

function checkEntry({ operation, apiVersion = '', fieldsType = '' }: ManagedFieldsEntry, i: number): void {
  if (operation !== 'Apply' && operation !== 'Update') throw new FieldsError('operation must be `Apply` or `Update`')
  if (apiVersion === '') throw new FieldsError('apiVersion must not be empty')
  if (fieldsType === '') throw new FieldsError(`missing fieldsType in managed fields entry ${i}`)
  if (fieldsType !== 'FieldsV1') throw new FieldsError(`invalid fieldsType ${JSON.stringify(fieldsType)} in managed fields entry ${i}`)
}

function knownSet({ manager, subresource, fieldsV1 }: ManagedFieldsEntry, known: readonly WrittenEntry[]): FieldSet | undefined {
  if (known.length === 0 || typeof fieldsV1 !== 'object' || fieldsV1 === null) return undefined
  const fields = known.find((each) => each.manager === manager && each.subresource === subresource)?.[ofEntry]
  return fields !== undefined && fields.text === JSON.stringify(fieldsV1) ? fields.set : undefined
}

/** The fields of an entry that this server has written. */
const ofEntry = Symbol('owned fields')

interface WrittenEntry extends ManagedFieldsEntry { readonly [ofEntry]?: OwnedFields }

const textKey = Symbol('JSON of managedFields')

/** A frozen list that carries its text along, where many objects share it. */
interface WrittenEntries extends ReadonlyArray<ManagedFieldsEntry> { readonly [textKey]?: string }

/**
 * `metadata.managedFields` as it is stored: appliers first, then by time and name. Frozen, with all in it. Undefined for no managers.
 * Entries of managers that are as they were are those of the list `before`.
 */
export function writeManagers(managers: Managers, before: readonly ManagedFieldsEntry[] = []): ManagedFieldsEntry[] | undefined {
  if (managers.size === 0) return undefined
  const ordered = [...managers.values()]
  if (ordered.length > 1) ordered.sort(compareManagers)
  return Object.freeze(ordered.map((manager) => before.find((entry) => isEntryOf(entry, manager)) ?? entryOf(manager, OwnedFields.ofSet(manager.fields)))) as ManagedFieldsEntry[]
}

function isEntryOf(entry: WrittenEntry, manager: Manager): boolean {
  return manager.fields.owned !== undefined && entry[ofEntry] === manager.fields.owned && entry.time === manager.time && (entry.manager ?? '') === manager.name && entry.operation === manager.operation
    && entry.apiVersion === manager.apiVersion && (entry.subresource ?? '') === manager.subresource
}

/** The list for an object with one manager, for many objects made one after the other. */
export function writeManager(manager: Omit<Manager, 'fields'>, fields: OwnedFields): ManagedFieldsEntry[] {
  const entries = [entryOf(manager, fields)]
  Object.defineProperty(entries, textKey, { value: `[${entryText(entries[0]!)}]` })
  return Object.freeze(entries) as ManagedFieldsEntry[]
}

const readWhenAsked: PropertyDescriptor = {
  get(this: WrittenEntry): unknown { return this[ofEntry]!.object }, enumerable: true,
}

function entryOf({ name, operation, apiVersion, time, subresource }: Omit<Manager, 'fields'>, fields: OwnedFields): ManagedFieldsEntry {
  const entry: ManagedFieldsEntry = name !== '' && time !== undefined
    ? { manager: name, operation, apiVersion, time, fieldsType: 'FieldsV1' }
    : { ...(name === '' ? {} : { manager: name }), operation, apiVersion, ...(time === undefined ? {} : { time }), fieldsType: 'FieldsV1' }
  Object.defineProperty(entry, 'fieldsV1', readWhenAsked)
  if (subresource !== '') entry.subresource = subresource
  Object.defineProperty(entry, ofEntry, { value: fields })
  return Object.freeze(entry)
}

/** Whether two lists say the same, apart from when. */
export function sameButTimes(a: readonly ManagedFieldsEntry[], b: readonly ManagedFieldsEntry[]): boolean {
  return a.length === b.length && a.every((entry, i) => sameButTime(entry, b[i]!))
}

function sameButTime(a: WrittenEntry, b: WrittenEntry): boolean {
  const ofA = a[ofEntry]
  const ofB = b[ofEntry]
  if (ofA === undefined || ofB === undefined) return jsonEqual({ ...a, time: '' }, { ...b, time: '' })
  return (ofA === ofB || ofA.text === ofB.text) && a.manager === b.manager && a.operation === b.operation && a.apiVersion === b.apiVersion && a.subresource === b.subresource
}

function entryText(entry: WrittenEntry): string {
  const fields = entry[ofEntry]
  if (fields === undefined) return JSON.stringify(entry)
  const { manager, operation, apiVersion = '', time, subresource } = entry
  const head = `${manager === undefined ? '{' : `{"manager":${jsonString(manager)},`}"operation":"${operation}","apiVersion":${jsonString(apiVersion)},${time === undefined ? '' : `"time":${jsonString(time)},`}`
  return `${head}"fieldsType":"FieldsV1","fieldsV1":${fields.text}${subresource === undefined ? '' : `,"subresource":${jsonString(subresource)}`}}`
}

function jsonString(text: string): string {
  return /^[\w./:@ -]*$/.test(text) ? `"${text}"` : JSON.stringify(text)
}

/** JSON of `metadata.managedFields`. */
export function managersText(entries: readonly ManagedFieldsEntry[]): string {
  const known = (entries as WrittenEntries)[textKey]
  if (known !== undefined) return known
  let text = ''
  for (const entry of entries) text += `${text === '' ? '[' : ','}${entryText(entry)}`
  return `${text === '' ? '[' : text}]`
}

function compareManagers(a: Manager, b: Manager): number {
  return compareTexts(a.operation, b.operation) || compareTexts(a.time ?? '', b.time ?? '') || compareTexts(a.name, b.name)
    || compareTexts(a.apiVersion, b.apiVersion) || compareTexts(a.subresource, b.subresource)
}

function compareTexts(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1
}

/** Whether a client asks to forget who manages what: an empty list, or one empty entry. */
export function isReset(entries: readonly ManagedFieldsEntry[] | undefined): boolean {
  if (entries === undefined) return false
  if (entries.length === 0) return true
  return entries.length === 1 && Object.values(entries[0]!).every((value) => value === undefined || value === '')
}

/** Merges the oldest updaters of a version into one, until there are no more than `maxUpdateManagers`. */
export function capUpdaters(managers: Managers): void {
  if (managers.size <= maxUpdateManagers) return
  const updaters = [...managers].filter(([, manager]) => manager.operation === 'Update')
  let count = updaters.length
  if (count <= maxUpdateManagers) return
  updaters.sort(([idA, a], [idB, b]) => compareTexts(a.time ?? '', b.time ?? '') || compareTexts(idA, idB))
  const firstOf = new Map<string, string>()
  for (const [id, manager] of updaters) {
    if (count <= maxUpdateManagers) return
    const { apiVersion } = manager
    const first = firstOf.get(apiVersion)
    if (first === undefined) {
      firstOf.set(apiVersion, id)
      continue
    }
    const bucketId = managerId(ancientChanges, 'Update', apiVersion, '')
    const bucket = managers.get(bucketId) ?? managers.get(first)!
    if (!managers.has(bucketId)) managers.delete(first)
    // The time is that of what was merged last, which is more recent.
    managers.set(bucketId, { name: ancientChanges, operation: 'Update', subresource: '', apiVersion, time: manager.time, fields: union(manager.fields, bucket.fields) })
    managers.delete(id)
    count--
  }
}
