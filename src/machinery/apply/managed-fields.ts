import { jsonEqual } from '../json-value.ts'
import type { ManagedFieldsEntry } from '../object.ts'
import { FieldSet, fieldsText as textOfSet, readFields, union } from './field-set.ts'
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
 * What a manager owns, as FieldsV1. Kept as the text that is stored: most is written again as it is, and what it says is read when
 * somebody asks.
 */
export class OwnedFields {
  readonly text: string
  #object: Readonly<Record<string, unknown>> | undefined
  #set: FieldSet | undefined

  constructor(text: string) {
    this.text = text
  }

  /** Frozen. */
  get object(): Readonly<Record<string, unknown>> {
    if (this.#object === undefined) {
      this.#object = freezeFields(JSON.parse(this.text) as Record<string, unknown>)
      ofObjects.set(this.#object, this)
    }
    return this.#object
  }

  /** Throws FieldsError. */
  get set(): FieldSet {
    return (this.#set ??= readFields(this.object))
  }

  /** Tells it what its text says, which then need not be read. */
  knows(set: FieldSet): void {
    this.#set ??= set
  }
}

const maxTextsLength = 4 << 20
const maxTextLength = 64 << 10
/** Objects of one kind mostly have the same fields: each set is kept once, by its text. */
let recent = new Map<string, OwnedFields>()
let older = new Map<string, OwnedFields>()
let recentLength = 0
const ofObjects = new WeakMap<object, OwnedFields>()
const ofEntries = new WeakMap<ManagedFieldsEntry, OwnedFields>()

/** The fields of a text that `fieldsText` (field-set.ts) has made; the same for the same text, as long as it is remembered. */
export function internedFields(text: string): OwnedFields {
  const known = recent.get(text) ?? older.get(text)
  if (known !== undefined) return known
  const fields = new OwnedFields(text)
  if (text.length <= maxTextLength) {
    if (recentLength > maxTextsLength) {
      older = recent
      recent = new Map()
      recentLength = 0
    }
    recentLength += text.length
    recent.set(text, fields)
  }
  return fields
}

/** The text of a FieldsV1 object that this server has made; undefined for other values. */
export function textOfOwned(fields: object): string | undefined {
  return ofObjects.get(fields)?.text
}

function freezeFields<T extends object>(fields: T): T {
  for (const inner of Object.values(fields)) if (typeof inner === 'object' && inner !== null) freezeFields(inner as object)
  return Object.freeze(fields)
}

/** The set that a FieldsV1 object describes. Throws FieldsError. */
export function setOfFields(fields: Readonly<Record<string, unknown>> | undefined): FieldSet {
  if (fields === undefined) return new FieldSet()
  // A body may hold anything here.
  if (typeof fields !== 'object' || fields === null) return readFields(fields)
  // What came in a body is looked up by its text, so that it need not be read again.
  return (ofObjects.get(fields) ?? internedFields(JSON.stringify(fields))).set
}

/** Reads `metadata.managedFields`. Throws FieldsError for entries that upstream would not take. */
export function readManagers(entries: readonly ManagedFieldsEntry[] | undefined): Managers {
  const managers: Managers = new Map()
  for (const [i, entry] of (entries ?? []).entries()) {
    const { manager: name = '', operation, apiVersion = '', fieldsType = '', time, subresource = '' } = entry
    if (operation !== 'Apply' && operation !== 'Update') throw new FieldsError('operation must be `Apply` or `Update`')
    if (apiVersion === '') throw new FieldsError('apiVersion must not be empty')
    if (fieldsType === '') throw new FieldsError(`missing fieldsType in managed fields entry ${i}`)
    if (fieldsType !== 'FieldsV1') throw new FieldsError(`invalid fieldsType ${JSON.stringify(fieldsType)} in managed fields entry ${i}`)
    managers.set(managerId(name, operation, apiVersion, subresource), { name, operation, subresource, apiVersion, time, fields: ofEntries.get(entry)?.set ?? setOfFields(entry.fieldsV1) })
  }
  return managers
}

const textKey = Symbol('JSON of managedFields')

/** A frozen list that carries its text along, so that writing an object writes no owners anew. */
interface WrittenEntries extends Array<ManagedFieldsEntry> { readonly [textKey]?: string }

/** `metadata.managedFields` as it is stored: appliers first, then by time and name. Frozen, with all in it. Undefined for no managers. */
export function writeManagers(managers: Managers): ManagedFieldsEntry[] | undefined {
  if (managers.size === 0) return undefined
  const ordered = [...managers.values()]
  if (ordered.length > 1) ordered.sort(compareManagers)
  const entries: ManagedFieldsEntry[] = []
  let text = ''
  for (const manager of ordered) {
    const { entry, text: ofEntry } = writtenOf(manager)
    entries.push(entry)
    text += `${text === '' ? '[' : ','}${ofEntry}`
  }
  return sealed(entries, `${text}]`)
}

interface WrittenManager { readonly entry: ManagedFieldsEntry; readonly text: string }

/** Most managers of an object stay as they are when another one changes it. */
const writtenManagers = new WeakMap<Manager, WrittenManager>()

function writtenOf(manager: Manager): WrittenManager {
  let known = writtenManagers.get(manager)
  if (known === undefined) {
    const fields = fieldsOfSet(manager.fields)
    writtenManagers.set(manager, (known = { entry: entryOf(manager, fields), text: entryText(manager, fields.text) }))
  }
  return known
}

/** The list for an object with one manager, whose fields are `internedFields`. */
export function writeManager(manager: Omit<Manager, 'fields'>, fields: OwnedFields): ManagedFieldsEntry[] {
  return sealed([entryOf(manager, fields)], `[${entryText(manager, fields.text)}]`)
}

function sealed(entries: ManagedFieldsEntry[], text: string): ManagedFieldsEntry[] {
  Object.defineProperty(entries, textKey, { value: text })
  return Object.freeze(entries) as ManagedFieldsEntry[]
}

const readWhenAsked: PropertyDescriptor = {
  get(this: ManagedFieldsEntry): unknown { return ofEntries.get(this)!.object }, enumerable: true,
}

function entryOf({ name, operation, apiVersion, time, subresource }: Omit<Manager, 'fields'>, fields: OwnedFields): ManagedFieldsEntry {
  const entry: ManagedFieldsEntry = name !== '' && time !== undefined
    ? { manager: name, operation, apiVersion, time, fieldsType: 'FieldsV1' }
    : { ...(name === '' ? {} : { manager: name }), operation, apiVersion, ...(time === undefined ? {} : { time }), fieldsType: 'FieldsV1' }
  Object.defineProperty(entry, 'fieldsV1', readWhenAsked)
  if (subresource !== '') entry.subresource = subresource
  ofEntries.set(entry, fields)
  return Object.freeze(entry)
}

/** Whether two lists say the same, apart from when. */
export function sameButTimes(a: readonly ManagedFieldsEntry[], b: readonly ManagedFieldsEntry[]): boolean {
  return a.length === b.length && a.every((entry, i) => sameButTime(entry, b[i]!))
}

function sameButTime(a: ManagedFieldsEntry, b: ManagedFieldsEntry): boolean {
  const ofA = ofEntries.get(a)
  const ofB = ofEntries.get(b)
  if (ofA === undefined || ofB === undefined) return jsonEqual({ ...a, time: '' }, { ...b, time: '' })
  return ofA.text === ofB.text && a.manager === b.manager && a.operation === b.operation && a.apiVersion === b.apiVersion && a.subresource === b.subresource
}

function entryText({ name, operation, apiVersion, time, subresource }: Omit<Manager, 'fields'>, fieldsText: string): string {
  const head = `${name === '' ? '{' : `{"manager":${jsonString(name)},`}"operation":"${operation}","apiVersion":${jsonString(apiVersion)},${time === undefined ? '' : `"time":${jsonString(time)},`}`
  return `${head}"fieldsType":"FieldsV1","fieldsV1":${fieldsText}${subresource === '' ? '' : `,"subresource":${jsonString(subresource)}`}}`
}

function jsonString(text: string): string {
  return /^[\w./:@ -]*$/.test(text) ? `"${text}"` : JSON.stringify(text)
}

/** JSON of `metadata.managedFields`. */
export function managersText(entries: readonly ManagedFieldsEntry[]): string {
  return (entries as WrittenEntries)[textKey] ?? JSON.stringify(entries)
}

const written = new WeakMap<FieldSet, OwnedFields>()

function fieldsOfSet(set: FieldSet): OwnedFields {
  let fields = written.get(set)
  if (fields === undefined) {
    fields = internedFields(textOfSet(set))
    fields.knows(set)
    written.set(set, fields)
  }
  return fields
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
