import { applyTypeById } from '../../api/apply-types.ts'
import { apiVersionOf, type ResourceDescription, type ResourceTable } from '../../api/resource.ts'
import { applyConflict } from '../../machinery/apply/conflict.ts'
import { ItemError } from '../../machinery/apply/list-items.ts'
import { beforeFirstApply, capUpdaters, isReset, managerId, readManagers, sameButTimes, writeManager, writeManagers, type Manager, type Managers } from '../../machinery/apply/managed-fields.ts'
import { FieldSet, difference, union } from '../../machinery/apply/field-set.ts'
import { newFieldsText } from '../../machinery/apply/new-fields.ts'
import { internedFields, type OwnedFields } from '../../machinery/apply/owned-fields.ts'
import { FieldsError, fieldElement } from '../../machinery/apply/path-element.ts'
import { structuredCopy } from '../../machinery/apply/structured.ts'
import { ConflictError, applyConfiguration, changesOwnOnly, updateManagers, type ApplyVersion, type Applied, type VersionConverter } from '../../machinery/apply/updater.ts'
import { typeProblems } from '../../machinery/apply/validate.ts'
import { jsonEqual, type JsonObject } from '../../machinery/json-value.ts'
import { timeText, type ManagedFieldsEntry, type OpenObject } from '../../machinery/object.ts'
import { StatusError, errors } from '../../machinery/status.ts'
import { conflictsBesideLastApplied, syncLastApplied, upgradingManager } from './last-applied.ts'
import { applyVersionOf, emptyObject, scaleVersion, versionConverter } from './versions.ts'

/**
 * Field management of one resource and subresource: who owns what after a request (upstream: `managedfields.FieldManager`). Requests
 * that are not applied change the owners of what they change; what mutating admission does afterwards belongs to nobody.
 */
export interface FieldManager {
  /** Sets `metadata.managedFields` of an object about to be created by `manager`. */
  created(object: OpenObject, manager: string, nowMs: number): void | Promise<void>
  /** Sets `metadata.managedFields` of what `old` is about to become. */
  updated(next: OpenObject, old: Readonly<OpenObject>, manager: string, nowMs: number): void | Promise<void>
  /**
   * What `live` (undefined: nothing yet) becomes by applying `configuration`: merged, with managers, neither defaulted nor
   * fitted to its type. Throws 409 with the conflicts, unless `force`, and 400 or 500 as upstream does for what cannot be applied.
   */
  applied(live: Readonly<OpenObject> | undefined, configuration: Readonly<JsonObject>, manager: string, force: boolean, nowMs: number): Promise<OpenObject>
}

const stripped = new Set(['name', 'namespace', 'creationTimestamp', 'selfLink', 'uid', 'clusterName', 'generation', 'managedFields', 'resourceVersion'])
/** What belongs to nobody: what an object is, and what the server keeps. */
const stripSet = FieldSet.of([fieldElement('apiVersion')], [fieldElement('kind')], [fieldElement('metadata')], ...[...stripped].map((name) => [fieldElement('metadata'), fieldElement(name)]))
const skippedMetadata = stripped

const managers = new WeakMap<ResourceTable, WeakMap<ResourceDescription, Map<string, FieldManager>>>()

/** `subresource` '' for the main resource. For `scale` the objects are Scales. */
export function fieldManagerFor(table: ResourceTable, resource: ResourceDescription, subresource: string): FieldManager {
  let ofTable = managers.get(table)
  if (ofTable === undefined) managers.set(table, (ofTable = new WeakMap()))
  let of = ofTable.get(resource)
  if (of === undefined) ofTable.set(resource, (of = new Map()))
  let manager = of.get(subresource)
  if (manager === undefined) of.set(subresource, (manager = makeManager(table, resource, subresource)))
  return manager
}

const noOthers: VersionConverter = {
  version: () => undefined,
  convert() {
    throw new Error('there is no other version of Scale')
  },
}

function makeManager(table: ResourceTable, resource: ResourceDescription, subresource: string): FieldManager {
  const isScale = subresource === 'scale'
  const kind = isScale ? 'Scale' : resource.kind
  const typeId = isScale ? 'autoscaling/v1.Scale' : resource.typeId
  let version: ApplyVersion | undefined
  const versionNow = (): ApplyVersion => (version ??= isScale ? scaleVersion : applyVersionOf(resource, subresource))
  const others = isScale ? noOthers : versionConverter(table, resource, subresource)
  const apiVersion = isScale ? scaleVersion.apiVersion : apiVersionOf(resource)
  return new ResourceFieldManager({ kind, apiVersion, subresource, others, version: versionNow, empty: () => emptyObject(kind, apiVersion, typeId) })
}

const ofKinds = new Map<string, FieldManager>()

/** Field management of what is sent, and answered, but not stored: reviews, and what subresources take (`serviceaccounts/token`). */
export function fieldManagerOfKind(kind: string, apiVersion: string, subresource: string): FieldManager {
  const typeId = `${apiVersion}.${kind}`
  const key = `${typeId}/${subresource}`
  let manager = ofKinds.get(key)
  if (manager === undefined) {
    const version: ApplyVersion = { apiVersion, get type() { return applyTypeById(typeId) }, typed: true, reset: undefined }
    ofKinds.set(key, (manager = new ResourceFieldManager({ kind, apiVersion, subresource, others: noOthers, version: () => version, empty: () => emptyObject(kind, apiVersion, typeId) })))
  }
  return manager
}

interface Parts {
  kind: string
  apiVersion: string
  subresource: string
  others: VersionConverter
  version(): ApplyVersion
  empty(): OpenObject
}

interface Identity { id: string; manager: Omit<Manager, 'fields' | 'time'> }

const maxIdentities = 1000
const maxFieldsOfNew = 200

class ResourceFieldManager implements FieldManager {
  readonly #parts: Parts
  #skip: ReadonlySet<string> | undefined
  #empty: Readonly<OpenObject> | undefined
  /** By the texts of `newFieldsText`: looking up a string that has been seen is quick, comparing another with it is not. */
  readonly #ofNew = new Map<string, OwnedFields>()
  #lastNew: { manager: string; time: string; fields: OwnedFields; entries: ManagedFieldsEntry[] } | undefined
  readonly #identities = new Map<string, Identity>()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  created(object: OpenObject, manager: string, nowMs: number): void | Promise<void> {
    const { metadata } = object
    const given = metadata.managedFields
    delete metadata.managedFields
    delete metadata.deletionTimestamp
    delete metadata.deletionGracePeriodSeconds
    const earlier = given === undefined || isReset(given) ? undefined : readOrUndefined(given)
    if (earlier !== undefined && earlier.size > 0) return this.#update(object, this.#parts.empty(), earlier, manager, nowMs)
    const version = this.#parts.version()
    if (!resetsTopOnly(version)) return this.#update(object, this.#parts.empty(), new Map(), manager, nowMs)
    let text: string | undefined
    try {
      text = newFieldsText(version.type, object, { empty: (this.#empty ??= this.#parts.empty()), typed: version.typed, skip: (this.#skip ??= skippedFields(version)), skipMetadata: skippedMetadata })
    } catch (error) {
      // Lists that are not as their type wants them: validation will tell of them.
      if (error instanceof ItemError) return
      throw error
    }
    if (text === undefined) return
    let fields = this.#ofNew.get(text)
    if (fields === undefined) {
      fields = internedFields(`{${text}}`)
      if (this.#ofNew.size >= maxFieldsOfNew) this.#ofNew.clear()
      this.#ofNew.set(text, fields)
    }
    metadata.managedFields = this.#entriesOfNew(manager, timeText(nowMs), fields)
  }

  /** What is made in one second by one manager, with the same fields, shares its list of owners. */
  #entriesOfNew(manager: string, time: string, fields: OwnedFields): ManagedFieldsEntry[] {
    const last = this.#lastNew
    if (last !== undefined && last.fields === fields && last.time === time && last.manager === manager) return last.entries
    const entries = writeManager({ ...this.#identity(manager, 'Update').manager, time }, fields)
    this.#lastNew = { manager, time, fields, entries }
    return entries
  }

  updated(next: OpenObject, old: Readonly<OpenObject>, manager: string, nowMs: number): void | Promise<void> {
    const given = next.metadata.managedFields
    delete next.metadata.managedFields
    const stored = old.metadata.managedFields
    const sent = this.#sent(given, stored)
    const standing = sent ?? readOrUndefined(stored)
    // Objects that nobody's fields are known of stay so until something is applied to them.
    if (standing === undefined || standing.size === 0) return
    return this.#update(next, withoutManagedFields(old), standing, manager, nowMs, stored, sent === undefined)
  }

  /** Owners as the client gives them back or sets them; undefined where those of the stored object stand, as it doesn't, or mayn't. */
  #sent(given: readonly ManagedFieldsEntry[] | undefined, stored: readonly ManagedFieldsEntry[] | undefined): Managers | undefined {
    if (this.#parts.subresource !== '' || given === undefined) return undefined
    if (isReset(given)) return new Map()
    const sent = readOrUndefined(given, stored)
    return sent === undefined || sent.size === 0 ? undefined : sent
  }

  /** `stored`: the list of `old`; `stands` where `standing` was read from it. */
  #update(next: OpenObject, old: Readonly<OpenObject>, standing: Managers, manager: string, nowMs: number, stored?: ManagedFieldsEntry[], stands = false): void | Promise<void> {
    const identity = this.#identity(manager, 'Update')
    if (stands && this.#isOwnersOwn(next, old, standing, identity, nowMs)) {
      next.metadata.managedFields = stored
      return
    }
    const finish = (result: { managers: Managers; changed: FieldSet }): void => {
      this.#taken(result, identity, nowMs)
      // What stands need not be written anew, where it is as it was.
      if (stands && sameManagers(standing, result.managers)) next.metadata.managedFields = stored
      else setManagers(next, result.managers, stored)
    }
    try {
      const result = updateManagers(old, next, standing, identity.id, this.#parts.version(), this.#parts.others)
      return result instanceof Promise ? result.then(finish).catch(forgetOwners) : finish(result)
    } catch (error) {
      forgetOwners(error)
    }
  }

  /** Whether the only owner there is changed what is his, once more in the same second: most updates of an object are such. */
  #isOwnersOwn(next: OpenObject, old: Readonly<OpenObject>, standing: Managers, { id }: Identity, nowMs: number): boolean {
    const own = standing.size === 1 ? standing.get(id) : undefined
    try {
      return own !== undefined && own.time === timeText(nowMs) && changesOwnOnly(old, next, own, stripSet, this.#parts.version())
    } catch (error) {
      if (error instanceof ItemError) return false
      throw error
    }
  }

  #identity(manager: string, operation: Manager['operation']): Identity {
    const key = `${operation} ${manager}`
    let identity = this.#identities.get(key)
    if (identity === undefined) {
      const { apiVersion, subresource } = this.#parts
      const name = manager === '' ? 'unknown' : manager
      identity = { id: managerId(name, operation, apiVersion, subresource), manager: { name, operation, apiVersion, subresource } }
      if (this.#identities.size >= maxIdentities) this.#identities.clear()
      this.#identities.set(key, identity)
    }
    return identity
  }

  /** Gives what changed to who changed it. */
  #taken({ managers: after, changed }: { managers: Managers; changed: FieldSet }, { id, manager }: Identity, nowMs: number): void {
    const fields = difference(changed, stripSet)
    if (!fields.isEmpty) {
      const before = after.get(id)
      const time = timeText(nowMs)
      const isNew = before === undefined || !difference(fields, before.fields).isEmpty
      if (isNew || before.time !== time) after.set(id, { ...manager, time, fields: before === undefined ? fields : isNew ? union(before.fields, fields) : before.fields })
    }
    capUpdaters(after)
  }

  async applied(live: Readonly<OpenObject> | undefined, configuration: Readonly<JsonObject>, manager: string, force: boolean, nowMs: number): Promise<OpenObject> {
    this.#check(configuration)
    const version = this.#parts.version()
    const base = live ?? this.#parts.empty()
    const problems = typeProblems(version.type, configuration)
    if (problems !== undefined) throw errors.plain(`failed to create typed patch object (${this.#nameOf(configuration)}): ${problems}`)
    const bare = withoutManagedFields(base)
    const structured = (version.typed ? structuredCopy(version.type, bare) : bare) as OpenObject
    const standing = await this.#beforeApply(base, bare, nowMs)
    const identity = this.#identity(manager, 'Apply')
    const applyOnce = (forced: boolean): Promise<Applied> => applyConfiguration(structured, configuration, standing, identity.manager, identity.id, version, this.#parts.others, forced)
    let result: Applied
    try {
      result = await applyOnce(force)
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error
      const conflicts = manager === upgradingManager ? conflictsBesideLastApplied(error.conflicts, structured, version) : error.conflicts
      if (conflicts.length > 0) throw applyConflict(conflicts)
      result = await applyOnce(true)
    }
    const { managers: after } = result
    const own = after.get(identity.id)
    if (own !== undefined) {
      const fields = difference(own.fields, stripSet)
      if (fields.isEmpty) after.delete(identity.id)
      else after.set(identity.id, { ...own, fields, time: result.object === undefined ? own.time : timeText(nowMs) })
    }
    const next = { ...((result.object ?? bare) as OpenObject) }
    next.metadata = { ...next.metadata }
    if (next.metadata.annotations !== undefined) next.metadata.annotations = { ...next.metadata.annotations }
    setManagers(next, after, base.metadata.managedFields)
    if (manager === upgradingManager) syncLastApplied(next, configuration)
    return next
  }

  /** Owners before an apply. What stands on an object that nobody's fields are known of belongs to `before-first-apply`. */
  async #beforeApply(base: Readonly<OpenObject>, bare: Readonly<OpenObject>, nowMs: number): Promise<Managers> {
    let standing: Managers
    try {
      standing = readManagers(base.metadata.managedFields)
    } catch (error) {
      throw error instanceof FieldsError ? errors.plain(`failed to decode managed fields: ${error.message}`) : error
    }
    if (standing.size > 0) return standing
    const { id, manager } = this.#identity(beforeFirstApply, 'Update')
    const { changed } = await updateManagers(this.#parts.empty(), bare, new Map(), id, this.#parts.version(), this.#parts.others)
    const fields = difference(changed, stripSet)
    if (!fields.isEmpty) standing.set(id, { ...manager, time: timeText(nowMs), fields })
    return standing
  }

  #check(configuration: Readonly<JsonObject>): void {
    const { kind, apiVersion } = this.#parts
    const given = { apiVersion: textOf(configuration.apiVersion), kind: textOf(configuration.kind) }
    if (given.kind !== kind || given.apiVersion !== apiVersion) throw errors.badRequest(`invalid object type: ${kindText(given.apiVersion, given.kind)}`)
    const { metadata } = configuration
    if (typeof metadata === 'object' && metadata !== null && Array.isArray((metadata as JsonObject).managedFields)) throw errors.badRequest('metadata.managedFields must be nil')
  }

  #nameOf(configuration: Readonly<JsonObject>): string {
    const { namespace = '', name = '' } = (configuration.metadata ?? {}) as { namespace?: string; name?: string }
    return `${namespace}/${name}; ${kindText(this.#parts.apiVersion, this.#parts.kind)}`
  }
}

/**
 * What keeps owners from being worked out is not held against a write, which then goes on without owners (upstream's
 * `UpdateNoErrors`): lists that are not as their type wants them, which validation will tell of, and versions that a webhook
 * does not convert.
 */
function forgetOwners(error: unknown): void {
  if (!(error instanceof ItemError) && !(error instanceof StatusError)) throw error
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** A kind as Go prints it: `apps/v1, Kind=Deployment`, `/v1, Kind=Pod`. */
export function kindText(apiVersion: string, kind: string): string {
  return `${apiVersion.includes('/') ? apiVersion : `/${apiVersion}`}, Kind=${kind}`
}

/** Whether what the strategy puts back are whole fields at the top of the object: then one walk tells what its creator owns. */
function resetsTopOnly({ reset }: ApplyVersion): boolean {
  return reset === undefined || reset.children.size === 0
}

function skippedFields({ reset }: ApplyVersion): ReadonlySet<string> {
  const names = ['apiVersion', 'kind']
  if (reset !== undefined) for (const element of reset.members) names.push(element.slice(2))
  return new Set(names)
}

function readOrUndefined(entries: readonly ManagedFieldsEntry[] | undefined, known?: readonly ManagedFieldsEntry[]): Managers | undefined {
  try {
    return readManagers(entries, known)
  } catch (error) {
    // As upstream: owners that cannot be read are forgotten, not held against the request.
    if (error instanceof FieldsError) return undefined
    throw error
  }
}

function sameManagers(a: Managers, b: Managers): boolean {
  if (a.size !== b.size) return false
  for (const [id, manager] of a) if (b.get(id) !== manager) return false
  return true
}

function withoutManagedFields(object: Readonly<OpenObject>): Readonly<OpenObject> {
  if (object.metadata.managedFields === undefined) return object
  const { managedFields: _left, ...metadata } = object.metadata
  return { ...object, metadata }
}

function setManagers(object: OpenObject, after: Managers, before: readonly ManagedFieldsEntry[] | undefined): void {
  const entries = writeManagers(after, before)
  if (entries === undefined) delete object.metadata.managedFields
  else object.metadata.managedFields = entries
}

/**
 * Mutating admission may change owners, but not to what nobody can read: then they are as before, and the client is warned
 * (upstream: `managedFieldsValidatingAdmissionController`).
 */
export function keepReadable(object: OpenObject, before: ManagedFieldsEntry[] | undefined, warn: (message: string) => void): void {
  const after = object.metadata.managedFields
  if (after === before) return
  try {
    readManagers(after)
  } catch (error) {
    if (!(error instanceof FieldsError)) throw error
    if (before === undefined) delete object.metadata.managedFields
    else object.metadata.managedFields = before
    warn(`.metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating admission controller; please fix your requests: ${error.message}`)
  }
}

/** Takes back new times of owners where nothing else has changed: that alone is no reason to write (upstream: `IgnoreManagedFieldsTimestampsTransformer`). */
export function ignoreTimes(next: OpenObject, old: Readonly<OpenObject>): void {
  const before = old.metadata.managedFields
  const after = next.metadata.managedFields
  if (before === undefined || after === undefined || before.length !== after.length) return
  if (after.every((entry, i) => entry.time === before[i]!.time)) return
  if (!sameButTimes(after, before)) return
  const { managedFields: _after, resourceVersion: _given, ...metadata } = next.metadata
  const { managedFields: _before, resourceVersion: _stored, ...oldMetadata } = old.metadata
  if (jsonEqual({ ...next, metadata }, { ...old, metadata: oldMetadata })) next.metadata.managedFields = before.map((entry) => ({ ...entry }))
}

const maxManagerBytes = 128

/** The manager that a request names, else what its User-Agent begins with. */
export function managerOf(fieldManager: string | null | undefined, userAgent: string | undefined): string {
  if (fieldManager !== null && fieldManager !== undefined && fieldManager !== '') return fieldManager
  if (userAgent === undefined) return ''
  if (userAgent !== lastUserAgent.text) lastUserAgent = { text: userAgent, manager: managerOfUserAgent(userAgent) }
  return lastUserAgent.manager
}

/** Most requests come from who sent the one before. */
let lastUserAgent = { text: '', manager: '' }

function managerOfUserAgent(userAgent: string): string {
  const prefix = userAgent.split('/', 1)[0]!
  if (/^[\x20-\x7e]{0,128}$/.test(prefix)) return prefix
  let name = ''
  let sizeBytes = 0
  for (const char of prefix) {
    if (!/^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u.test(char)) continue
    sizeBytes += Buffer.byteLength(char)
    if (sizeBytes > maxManagerBytes) break
    name += char
  }
  return name
}
