import { apiVersionOf, storageKeyOf, type ResourceDescription, type Strategy, type StrategyContext } from '../api/resource.ts'
import { validateFixedMeta } from '../api/validation/object-meta.ts'
import { fieldErrorCause, fieldErrors, type FieldError } from '../machinery/field-error.ts'
import { goQuoted } from '../machinery/go-json.ts'
import { readOnly, timeText, type OpenObject } from '../machinery/object.ts'
import { errors, type StatusError } from '../machinery/status.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { ValueTooLargeError, type KeyValue, type Store, type WriteResult } from '../store/store.ts'
import type { AdmissionChain, AdmissionRequest } from './admission-chain.ts'
import { cloneJson } from './clone.ts'
import type { ChangeOptions, DeleteOutcome, DeleteRequest, Registry, WriteOptions } from './core.ts'
import { checkDeletePreconditions, deletionOf, mayRemove } from './deletion.ts'
import { EventLeases } from './event-leases.ts'
import { ignoreTimes, keepReadable } from './field-management/field-manager.ts'
import type { Known } from './known.ts'
import { withoutDuplicateOwners } from './owner-references.ts'
import { sameState } from './same-state.ts'
import type { Selection } from './selection.ts'
import { encodeForStore, entryOf, type StoredEntry } from './stored-object.ts'
import type { WatchCache } from './watch-cache.ts'
import type { WatchCaches } from './watch-caches.ts'

/** A write's result: the object in the version asked for, and where it lies in the store (not for dry runs and removals). */
export interface WriteOutcome { object: Readonly<OpenObject>; entry: StoredEntry | undefined; created: boolean }

export interface UpdateOptions extends ChangeOptions {
  /** Makes an object that is not there yet, for PUT on kinds that allow it. */
  createFrom?: () => OpenObject | Promise<OpenObject>
}

export type Change = (current: OpenObject) => OpenObject | undefined | void | Promise<OpenObject | undefined | void>

const generateNameAttempts = 8
/** Each retry means that somebody else's write succeeded. */
const updateAttempts = 200
const maxGeneratedPrefix = 58
const noStrategy: Strategy = {}
const maxKeptList = 50

/** The registry over one store and its watch caches; see `Registry` for what each method promises. */
export class GenericRegistry implements Registry {
  readonly #store: Store
  readonly #caches: WatchCaches
  readonly #runtime: Runtime
  readonly #eventLeases: EventLeases
  readonly #lists = new WeakMap<ResourceDescription, { cache: WatchCache; revision: number; found: readonly Readonly<OpenObject>[] }>()
  /** Set once, when the server is put together: plugins need the registry to be built. */
  admission: AdmissionChain | undefined

  constructor(store: Store, caches: WatchCaches, runtime: Runtime, events: { eventTtlMs?: number; leaseReuseMs?: number } = {}) {
    this.#store = store
    this.#caches = caches
    this.#runtime = runtime
    this.#eventLeases = new EventLeases(store, runtime, events)
  }

  async findEntry(resource: ResourceDescription, namespace: string, name: string): Promise<StoredEntry | undefined> {
    const cache = this.#caches.freshNow(resource.storagePrefix) ?? (await this.#caches.fresh(resource.storagePrefix))
    const entry = cache.entries.get(resource.namespaced ? `${namespace}/${name}` : name)
    if (resource.convert !== undefined && entry !== undefined) await prepareViews(resource, [entry])
    return entry
  }

  async find(resource: ResourceDescription, namespace: string, name: string): Promise<Readonly<OpenObject> | undefined> {
    const entry = await this.findEntry(resource, namespace, name)
    return entry === undefined ? undefined : viewOf(resource, entry)
  }

  /** `find` that answers at once where it can. */
  findNow(resource: ResourceDescription, namespace: string, name: string): Known<Readonly<OpenObject> | undefined> {
    const cache = resource.convert === undefined ? this.#caches.freshNow(resource.storagePrefix) : undefined
    if (cache === undefined) return this.find(resource, namespace, name)
    const entry = cache.entries.get(resource.namespaced ? `${namespace}/${name}` : name)
    return entry === undefined ? undefined : viewOf(resource, entry)
  }

  async get(resource: ResourceDescription, namespace: string, name: string): Promise<Readonly<OpenObject>> {
    const object = await this.find(resource, namespace, name)
    if (object === undefined) throw errors.noObject(resource, name)
    return object
  }

  async list(resource: ResourceDescription, namespace = ''): Promise<readonly Readonly<OpenObject>[]> {
    const cache = this.#caches.freshNow(resource.storagePrefix) ?? (await this.#caches.fresh(resource.storagePrefix))
    if (resource.convert === undefined) return this.#listOf(resource, cache, namespace)
    const entries = selected(cache, namespace)
    await prepareViews(resource, entries)
    return entries.map((entry) => viewOf(resource, entry))
  }

  /** `list` that answers at once where it can. */
  listNow(resource: ResourceDescription, namespace = ''): Known<readonly Readonly<OpenObject>[]> {
    const cache = resource.convert === undefined ? this.#caches.freshNow(resource.storagePrefix) : undefined
    return cache === undefined ? this.list(resource, namespace) : this.#listOf(resource, cache, namespace)
  }

  #listOf(resource: ResourceDescription, cache: WatchCache, namespace: string): readonly Readonly<OpenObject>[] {
    if (cache.entries.size === 0) return none
    // Admission asks for the same few objects with every request.
    const isKept = namespace === '' && resource.view === undefined && cache.entries.size <= maxKeptList
    const kept = isKept ? this.#lists.get(resource) : undefined
    if (kept?.cache === cache && cache.isUnchangedSince(kept.revision)) return kept.found
    const { revision } = cache
    const found = selected(cache, namespace).map((entry) => viewOf(resource, entry))
    if (isKept) this.#lists.set(resource, { cache, revision, found })
    return found
  }

  async create(resource: ResourceDescription, namespace: string, object: OpenObject, options: WriteOptions): Promise<Readonly<OpenObject>> {
    return (await this.createEntry(resource, namespace, object, options)).object
  }

  async createEntry(resource: ResourceDescription, namespace: string, object: OpenObject, options: WriteOptions): Promise<WriteOutcome> {
    object.metadata ??= {}
    const { metadata } = object
    placeInNamespace(resource, namespace, object)
    resource.applyDefaults?.(object)
    const managing = options.manageFields?.(object, undefined)
    if (managing !== undefined) await managing
    const owners = metadata.managedFields
    const admission = this.#admissionRequest('CREATE', resource, namespace, metadata.name ?? '', object, undefined, options)
    if (admission !== undefined) {
      const admitting = this.admission?.mutate(admission)
      if (admitting !== undefined) await admitting
      withoutDuplicateOwners(object, admission.warn, true)
    }
    placeInNamespace(resource, namespace, object)
    if (metadata.managedFields !== owners) keepReadable(object, owners, (message) => options.warn?.(message))
    const generateName = metadata.name === undefined || metadata.name === '' ? metadata.generateName : undefined
    for (let attempt = 1; ; attempt++) {
      const candidate = generateName === undefined ? object : cloneJson(object)
      if (generateName !== undefined) candidate.metadata.name = `${generateName.slice(0, maxGeneratedPrefix)}${this.#runtime.random.suffix(5)}`
      const outcome = await this.#createOnce(resource, namespace, candidate, options, admission)
      if ('object' in outcome) return outcome
      const { name = '' } = candidate.metadata
      if (generateName === undefined) throw existsError(resource, name, outcome.existing)
      if (attempt < generateNameAttempts) continue
      const error = errors.alreadyExists(resource, name)
      error.status.message = `${error.message}, the server was not able to generate a unique name for the object`
      error.status.details = { ...error.status.details, retryAfterSeconds: 1 }
      throw error
    }
  }

  async #createOnce(resource: ResourceDescription, namespace: string, object: OpenObject, options: WriteOptions, admission: AdmissionRequest | undefined): Promise<WriteOutcome | { existing: KeyValue | undefined }> {
    const strategy = options.strategy ?? resource.strategy
    const context = this.#strategyContext(options)
    const { metadata } = object
    metadata.uid = this.#runtime.random.uuid()
    metadata.creationTimestamp = timeText(this.#runtime.clock.now())
    delete metadata.deletionTimestamp
    delete metadata.deletionGracePeriodSeconds
    if (metadata.selfLink !== undefined) delete metadata.selfLink
    strategy.prepareForCreate?.(object, context)
    throwIfInvalid(resource, metadata.name ?? '', strategy.validate?.(object, context) ?? [])
    if (metadata.name === undefined || metadata.name === '') throw invalid(resource, '', [fieldErrors.required('metadata.name', 'name or generateName is required')])
    const name = metadata.name
    for (const warning of strategy.warnings?.(object, undefined) ?? []) context.warn(warning)
    const judging = admission === undefined ? undefined : this.admission?.validate({ ...admission, name, object })
    if (judging !== undefined) await judging
    const key = storageKeyOf(resource, namespace, name)
    if (options.dryRun === true) {
      const existing = await this.findEntry(resource, namespace, name)
      if (existing !== undefined) throw errors.alreadyExists(resource, name)
      return { object: readOnly(object), entry: undefined, created: true }
    }
    // As upstream's storage: the last thing to be wrong, and not looked at where nothing is written.
    if (namesRevision(metadata.resourceVersion)) throw plainServerError('resourceVersion should not be set on objects to be created')
    const { value, result } = await this.#put(resource, key, resource.convert === undefined ? toStorage(resource, object) : await convertToStorage(resource, object), 0, options)
    if (!result.ok) return { existing: result.kv }
    if (resource.convert !== undefined) await this.#prepare(resource, key, value, result.revision)
    return this.#outcome(resource, key, value, result.revision, true)
  }

  async update(resource: ResourceDescription, namespace: string, name: string, change: Change, options: ChangeOptions): Promise<Readonly<OpenObject>> {
    return (await this.updateEntry(resource, namespace, name, change, options)).object
  }

  /** `update` with all that HTTP verbs need. */
  async updateEntry(resource: ResourceDescription, namespace: string, name: string, change: Change, options: UpdateOptions): Promise<WriteOutcome> {
    let entry = await this.findEntry(resource, namespace, name)
    const key = storageKeyOf(resource, namespace, name)
    for (let attempt = 0; attempt < updateAttempts; attempt++) {
      if (entry === undefined) {
        if (options.createFrom === undefined) throw errors.noObject(resource, name)
        const made = await options.createFrom()
        // A write that may create does not mind which version it was thought for.
        delete made.metadata.resourceVersion
        return await this.createEntry(resource, namespace, made, options)
      }
      if (resource.convert !== undefined) await prepareViews(resource, [entry])
      const next = await this.#changed(resource, namespace, name, entry, change, options)
      if (next === undefined) return { object: viewOf(resource, entry), entry, created: false }
      if (next.metadata.deletionTimestamp !== undefined && mayRemove(resource, next)) {
        if (options.dryRun === true) return { object: readOnly(next), entry: undefined, created: false }
        const removed = await this.#store.delete(key, { expected: entry.revision })
        if (removed.ok) {
          this.#caches.noteWrite(resource.storagePrefix, removed.revision)
          return { object: readOnly(next), entry: undefined, created: false }
        }
        entry = this.#entryAfterConflict(resource, removed.kv)
        continue
      }
      if (options.dryRun === true) {
        return { object: readOnly(next), entry: undefined, created: false }
      }
      const stored = resource.convert === undefined ? toStorage(resource, next) : await convertToStorage(resource, next)
      // Compared as data: what differs in the order of fields only is no change, and must not wake whoever watches.
      if (sameState(stored, entry.object()) && this.#store.isStale?.(key, entry.sealedBy) !== true) return { object: viewOf(resource, entry), entry, created: false }
      const { value, result } = await this.#put(resource, key, stored, entry.revision, options)
      if (result.ok && resource.convert !== undefined) await this.#prepare(resource, key, value, result.revision)
      if (result.ok) return this.#outcome(resource, key, value, result.revision, false)
      entry = this.#entryAfterConflict(resource, result.kv)
    }
    throw errors.conflict(resource, name)
  }

  /** What the object becomes: changed, admitted, prepared and validated. Undefined when nothing is to be written. */
  async #changed(resource: ResourceDescription, namespace: string, name: string, entry: StoredEntry, change: Change, options: UpdateOptions): Promise<OpenObject | undefined> {
    const old = viewOf(resource, entry)
    checkPreconditions(resource, name, entry, old, options.preconditions)
    const copy = (options.changesNothingGiven === true ? old : cloneJson(old)) as OpenObject
    const changing = change(copy)
    const next = (changing instanceof Promise ? await changing : changing) ?? copy
    if (next === copy && sameState(copy, old) && (copy.metadata.resourceVersion ?? '') === (old.metadata.resourceVersion ?? '') && this.#store.isStale?.(storageKeyOf(resource, namespace, name), entry.sealedBy) !== true) return undefined
    resource.applyDefaults?.(next)
    const strategy = options.strategy ?? resource.strategy
    const managing = options.manageFields?.(next, old)
    if (managing !== undefined) await managing
    const owners = next.metadata.managedFields
    placeInNamespace(resource, namespace, next)
    const admission = this.#admissionRequest('UPDATE', resource, namespace, name, next, old, options)
    if (admission !== undefined) {
      const admitting = this.admission?.mutate(admission)
      if (admitting !== undefined) await admitting
      withoutDuplicateOwners(next, admission.warn, true)
    }
    if (next.metadata.managedFields !== owners) keepReadable(next, owners, (message) => options.warn?.(message))
    placeInNamespace(resource, namespace, next)
    checkResourceVersion(resource, strategy, name, next, entry.revision)
    // A blind write is for the version that stands.
    if ((next.metadata.resourceVersion ?? '') === '' || next.metadata.resourceVersion === '0') next.metadata.resourceVersion = String(entry.revision)
    const before = old.metadata
    if (before.generation === undefined) delete next.metadata.generation
    else next.metadata.generation = before.generation
    const context = this.#strategyContext(options)
    strategy.prepareForUpdate?.(next, old, context)
    // Strategies that convert the object give it other metadata.
    const { metadata } = next
    if (metadata.uid === undefined || metadata.uid === '') metadata.uid = before.uid
    if (before.creationTimestamp !== undefined) metadata.creationTimestamp = before.creationTimestamp
    if (before.deletionTimestamp !== undefined) metadata.deletionTimestamp = before.deletionTimestamp
    if (before.deletionGracePeriodSeconds !== undefined) metadata.deletionGracePeriodSeconds ??= before.deletionGracePeriodSeconds
    if (metadata.selfLink !== undefined) delete metadata.selfLink
    throwIfInvalid(resource, name, [...validateFixedMeta(next.metadata, old.metadata), ...(strategy.validateUpdate?.(next, old, context) ?? [])])
    for (const warning of strategy.warnings?.(next, old) ?? []) context.warn(warning)
    if (metadata.managedFields !== undefined) ignoreTimes(next, old)
    const judging = admission === undefined ? undefined : this.admission?.validate({ ...admission, object: next })
    if (judging !== undefined) await judging
    return next
  }

  async delete(resource: ResourceDescription, namespace: string, name: string, options: DeleteRequest): Promise<DeleteOutcome> {
    const key = storageKeyOf(resource, namespace, name)
    let entry = await this.findEntry(resource, namespace, name)
    for (let attempt = 0; attempt < updateAttempts; attempt++) {
      if (entry === undefined) throw errors.noObject(resource, name)
      if (resource.convert !== undefined) await prepareViews(resource, [entry])
      const old = viewOf(resource, entry)
      const deletion = deletionOf(resource, options.strategy ?? resource.strategy, old, options, this.#runtime.clock.now())
      checkDeletePreconditions(resource, old, entry.revision, options.preconditions)
      if (options.admission !== undefined) {
        const admission = this.#admissionRequest('DELETE', resource, namespace, options.ofCollection === true ? '' : name, undefined, old, options)
        if (admission !== undefined) {
          await this.admission?.mutate(admission)
          await this.admission?.validate(admission)
        }
      }
      if (deletion.change === undefined && !deletion.remove) return { object: old, removed: false }
      const changed = deletion.change === undefined ? undefined : (cloneJson(old) as OpenObject)
      if (changed !== undefined) deletion.change!(changed)
      if (options.dryRun === true) return { object: changed === undefined ? old : readOnly(changed), removed: deletion.remove }
      if (deletion.remove) {
        const result = await this.#store.delete(key, { expected: entry.revision })
        if (result.ok) {
          this.#caches.noteWrite(resource.storagePrefix, result.revision)
          const gone = entry.at(result.revision)
          if (resource.convert !== undefined) await prepareViews(resource, [gone])
          if (changed === undefined) return { object: viewOf(resource, gone), removed: true }
          changed.metadata.resourceVersion = String(result.revision)
          return { object: readOnly(changed), removed: true }
        }
        entry = this.#entryAfterConflict(resource, result.kv)
        continue
      }
      const { value, headroomBytes } = encodeForStore(resource.convert === undefined ? toStorage(resource, changed!) : await convertToStorage(resource, changed!), key)
      const result = await this.#store.put({ key, value, headroomBytes, expected: entry.revision })
      if (result.ok && resource.convert !== undefined) await this.#prepare(resource, key, value, result.revision)
      if (result.ok) return { object: this.#outcome(resource, key, value, result.revision, false).object, removed: false }
      entry = this.#entryAfterConflict(resource, result.kv)
    }
    throw errors.conflict(resource, name)
  }

  /** Writes what is in its storage version. What is too large with its owners is written without them, unless they are what the client asked for by applying. */
  async #put(resource: ResourceDescription, key: string, stored: OpenObject, expected: number, options: WriteOptions): Promise<{ value: Buffer; result: WriteResult }> {
    const { value, headroomBytes } = encodeForStore(stored, key)
    const lease = this.#eventLeases.leaseFor(resource)
    const leaseId = lease === undefined ? undefined : await lease
    try {
      return { value, result: await this.#store.put({ key, value, headroomBytes, expected, ...(leaseId === undefined ? {} : { leaseId }) }) }
    } catch (error) {
      if (!(error instanceof ValueTooLargeError)) throw error
      if (options.manageFields === undefined || stored.metadata.managedFields === undefined) throw plainServerError(error.message)
      const { managedFields: _tooMany, ...metadata } = stored.metadata
      return await this.#put(resource, key, { ...stored, metadata }, expected, options)
    }
  }

  /** Converts what was just written for the answer. */
  async #prepare(resource: ResourceDescription, key: string, value: Uint8Array, revision: number): Promise<void> {
    await prepareViews(resource, [entryOf({ key, value, createRevision: 0, modRevision: revision, version: 0, leaseId: 0 }, resource.storagePrefix)])
  }

  #outcome(resource: ResourceDescription, key: string, value: Uint8Array, revision: number, created: boolean): WriteOutcome {
    this.#caches.noteWrite(resource.storagePrefix, revision)
    const entry = entryOf({ key, value, createRevision: 0, modRevision: revision, version: 0, leaseId: 0 }, resource.storagePrefix)
    return { object: viewOf(resource, entry), entry, created }
  }

  #entryAfterConflict(resource: ResourceDescription, kv: KeyValue | undefined): StoredEntry | undefined {
    return kv === undefined ? undefined : entryOf(kv, resource.storagePrefix)
  }

  #strategyContext(options: WriteOptions): StrategyContext {
    return {
      nowMs: this.#runtime.clock.now(), user: options.user, subresource: options.subresource ?? '', dryRun: options.dryRun === true,
      warn: (message) => options.warn?.(message),
    }
  }

  #admissionRequest(operation: AdmissionRequest['operation'], resource: ResourceDescription, namespace: string, name: string, object: OpenObject | undefined, oldObject: Readonly<OpenObject> | undefined, options: WriteOptions): AdmissionRequest | undefined {
    if (options.admission === undefined) return undefined
    return {
      operation, resource, subresource: options.subresource ?? '', namespace, name, object, oldObject, user: options.user, dryRun: options.dryRun === true,
      options: options.admission, warn: (message) => options.warn?.(message), audit: options.audit,
    }
  }
}

const none: readonly never[] = Object.freeze([])

function selected(cache: WatchCache, namespace: string): StoredEntry[] {
  return [...cache.select({ namespace, name: undefined, test: undefined, index: undefined, isWhole: true }, (any) => any.object())]
}

/** The entry's object in the version of `resource`. */
export function viewOf(resource: ResourceDescription, entry: StoredEntry): Readonly<OpenObject> {
  const apiVersion = apiVersionOf(resource)
  const { view } = resource
  if (view !== undefined) return entry.shape(view.key, () => refreshed(resource, view, entry.object()))
  if (apiVersion === resource.storageVersion) return entry.object()
  return entry.shape(`object ${apiVersion} ${resource.kind}`, () => {
    const copy = cloneJson(entry.object()) as OpenObject
    const converted = resource.fromStorage === undefined ? copy : resource.fromStorage(copy)
    return readOnly({ ...converted, apiVersion, kind: resource.kind })
  })
}

/** A stored object as a changed definition, or another version of it, shows it. */
function refreshed(resource: ResourceDescription, view: NonNullable<ResourceDescription['view']>, stored: Readonly<OpenObject>): Readonly<OpenObject> {
  if (resource.convert !== undefined && stored.apiVersion !== apiVersionOf(resource)) throw errors.internal(`${resource.kind} ${stored.metadata.name} has not been converted to ${apiVersionOf(resource)} ahead of reading`)
  const settled = view.stored(cloneJson(stored) as OpenObject)
  return readOnly(stored.apiVersion === apiVersionOf(resource) ? settled : view.of(settled))
}

/** Converts entries ahead of reading them, where that takes a webhook. All objects of one call go together, as upstream sends lists. */
export async function prepareViews(resource: ResourceDescription, entries: readonly StoredEntry[]): Promise<void> {
  const { view, convert } = resource
  if (view === undefined || convert === undefined) return
  const apiVersion = apiVersionOf(resource)
  const foreign = entries.filter((entry) => !entry.hasShape(view.key) && entry.object().apiVersion !== apiVersion)
  if (foreign.length === 0) return
  const converted = await convert(foreign.map((entry) => view.stored(cloneJson(entry.object()) as OpenObject)), apiVersion)
  for (const [i, entry] of foreign.entries()) entry.shape(view.key, () => readOnly(view.of(converted[i]!)))
}

async function convertToStorage(resource: ResourceDescription, object: OpenObject): Promise<OpenObject> {
  if (resource.storageVersion === apiVersionOf(resource)) return toStorage(resource, object)
  const [converted] = await resource.convert!([object], resource.storageVersion)
  return toStorage(resource, converted!)
}

/** The selection as caches take it: by an indexed field only where objects are shown as they are stored. */
export function storedSelection(resource: ResourceDescription, selection: Selection): Selection {
  return selection.index === undefined || (apiVersionOf(resource) === resource.storageVersion && resource.view === undefined) ? selection : { ...selection, index: undefined }
}

/** How selectors see entries: as stored where a view would have to be asked for. */
export function selectionView(resource: ResourceDescription): (entry: StoredEntry) => Readonly<OpenObject> {
  return resource.convert === undefined ? (entry) => viewOf(resource, entry) : (entry) => entry.object()
}

function toStorage(resource: ResourceDescription, object: OpenObject): OpenObject {
  const converted = resource.toStorage === undefined ? object : resource.toStorage(object)
  return { ...converted, apiVersion: resource.storageVersion, kind: resource.kind }
}

function placeInNamespace(resource: ResourceDescription, namespace: string, object: OpenObject): void {
  const { metadata } = object
  if (!resource.namespaced) delete metadata.namespace
  else if (metadata.namespace === undefined || metadata.namespace === '') metadata.namespace = namespace
  else if (metadata.namespace !== namespace) throw errors.badRequest('the namespace of the provided object does not match the namespace sent on the request')
}

export function invalid(resource: ResourceDescription, name: string, problems: readonly FieldError[]): StatusError {
  // Events of both groups are one kind inside upstream, which is named after the first.
  const kind = resource.group === 'events.k8s.io' ? { group: '', kind: resource.kind } : resource
  return errors.invalid(kind, name, problems.map(fieldErrorCause))
}

function throwIfInvalid(resource: ResourceDescription, name: string, problems: readonly FieldError[]): void {
  if (problems.length > 0) throw invalid(resource, name, problems)
}

/** An error that upstream answers without a reason: 500 and the bare message. */
function plainServerError(message: string): StatusError {
  const error = errors.internal(message)
  error.status.message = message
  delete error.status.reason
  delete error.status.details
  return error
}

/** Whether a resourceVersion is that of something written: one that is no number is nobody's, and not minded. */
function namesRevision(resourceVersion: string | undefined): boolean {
  return resourceVersion !== undefined && /^\d+$/.test(resourceVersion) && BigInt(resourceVersion) !== 0n && BigInt(resourceVersion) < 1n << 64n
}

function existsError(resource: ResourceDescription, name: string, existing: KeyValue | undefined): StatusError {
  const error = errors.alreadyExists(resource, name)
  if (existing !== undefined && entryOf(existing, resource.storagePrefix).object().metadata.deletionTimestamp !== undefined) {
    error.status.message = `object is being deleted: ${error.message}`
  }
  return error
}

function checkPreconditions(resource: ResourceDescription, name: string, entry: StoredEntry, old: Readonly<OpenObject>, wanted: UpdateOptions['preconditions']): void {
  const mismatch = (what: string, expected: string, actual: string): never => {
    const message = `Precondition failed: ${what} in precondition: ${expected}, ${what} in object meta: ${actual}`
    throw errors.conflict(resource, name, `StorageError: invalid object, Code: 4, Key: ${resource.storagePrefix}${entry.key}, ResourceVersion: 0, AdditionalErrorMsg: ${message}`)
  }
  if (wanted?.uid !== undefined && wanted.uid !== '' && wanted.uid !== old.metadata.uid) mismatch('UID', wanted.uid, old.metadata.uid ?? '')
  if (wanted?.resourceVersion !== undefined && wanted.resourceVersion !== '' && wanted.resourceVersion !== String(entry.revision)) {
    mismatch('ResourceVersion', wanted.resourceVersion, String(entry.revision))
  }
}

function checkResourceVersion(resource: ResourceDescription, strategy: Strategy, name: string, next: OpenObject, revision: number): void {
  const given = next.metadata.resourceVersion ?? ''
  if (given === '' || given === '0') {
    if (strategy.allowUnconditionalUpdate === false && strategy !== noStrategy) {
      throw errors.invalid({ group: resource.group, kind: resource.resource }, name, [
        { reason: 'FieldValueInvalid', field: 'metadata.resourceVersion', message: 'Invalid value: 0: must be specified for an update' },
      ])
    }
    return
  }
  if (!/^[0-9]+$/.test(given)) throw plainServerError(`strconv.ParseUint: parsing ${goQuoted(given)}: invalid syntax`)
  if (given !== String(revision)) throw errors.conflict(resource, name)
}

