import { fieldSelectorText, matchesFields, parseFieldSelector } from '../../machinery/fields.ts'
import { applyJsonPatch } from '../../machinery/json-patch.ts'
import { matchesSelector, parseLabelSelector } from '../../machinery/labels.ts'
import { controllerOf, deepFreeze, timeText, type KubeObject, type OpenObject, type WatchEvent } from '../../machinery/object.ts'
import { errors, success, toStatusError, type GroupResource, type StatusError } from '../../machinery/status.ts'
import type { TestRuntime } from '../../runtime/runtime.ts'
import { createClient } from '../api.ts'
import type { Client, ResourceType } from '../client.ts'
import * as builtin from '../resources.ts'
import type { ApiRequest, ApiResponse, Transport } from '../transport.ts'

/** A request as the fake understood it. */
export interface FakeRequest {
  verb: 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection'
  group: string
  version: string
  resource: string
  namespace: string
  name: string
  subresource: string
  query: URLSearchParams
  body: unknown
  contentType: string
}

/**
 * An API server over maps, for unit tests of clients and controllers: object metadata, resourceVersion, finalizers, graceful deletion of pods that
 * run on a node, selectors, watches (from a revision, with initial events, with 410), status as a subresource, generation, aggregated discovery.
 * It validates, defaults and authorizes nothing. Everything it hands out is frozen.
 */
export interface FakeApi {
  readonly transport: Transport
  readonly client: Client
  /** Every request that came, watches too. */
  readonly requests: FakeRequest[]
  /** Called before a request is served: what it answers or throws is what the client gets. */
  intercept: (request: FakeRequest) => StatusError | undefined
  /** Serves a further resource from now on, as a server does after a definition has come. */
  serve(type: ResourceType): void
  /** Puts an object in as it is (metadata filled up), without rules. */
  seed<T extends KubeObject>(type: ResourceType<T>, object: T): T
  /** Changes an object without rules, as another component would. */
  change<T extends KubeObject>(type: ResourceType<T>, key: string, edit: (object: T) => void): T
  /** Removes an object at once. */
  remove<T extends KubeObject>(type: ResourceType<T>, key: string): void
  get<T extends KubeObject>(type: ResourceType<T>, key: string): T | undefined
  all<T extends KubeObject>(type: ResourceType<T>): T[]
  /** Ends all watches; with `forget`, what happened so far cannot be resumed from (410). */
  breakWatches(options?: { forget?: boolean }): void
  readonly watchCount: number
}

interface Change { revision: number; event: WatchEvent<OpenObject>; old: OpenObject | undefined }
interface Watcher { request: FakeRequest; push: (change: Change) => void; end: () => void }

/** Resources whose objects are deleted gracefully when they run on a node. */
const defaultGraceSeconds = 30

export function createFakeApi(runtime: TestRuntime, extraTypes: readonly ResourceType[] = []): FakeApi {
  const types: ResourceType[] = [...Object.values(builtin as unknown as Record<string, ResourceType>), ...extraTypes]
  const stores = new Map<string, Map<string, OpenObject>>()
  const history = new Map<string, Change[]>()
  const watchers = new Set<Watcher>()
  let revision = 1
  let forgotten = 0

  const storeId = (r: { group: string; resource: string }): string => `${r.resource}.${r.group}`
  const storeOf = (r: { group: string; resource: string }): Map<string, OpenObject> => {
    const id = storeId(r)
    const known = stores.get(id)
    if (known !== undefined) return known
    const made = new Map<string, OpenObject>()
    stores.set(id, made)
    return made
  }
  const keyIn = (namespace: string, name: string): string => (namespace === '' ? name : `${namespace}/${name}`)

  const record = (r: GroupResource, type: 'ADDED' | 'MODIFIED' | 'DELETED', object: OpenObject, old: OpenObject | undefined): OpenObject => {
    revision++
    const stored = deepFreeze({ ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } }) as OpenObject
    const key = keyIn(stored.metadata.namespace ?? '', stored.metadata.name ?? '')
    if (type === 'DELETED') storeOf(r).delete(key)
    else storeOf(r).set(key, stored)
    const change: Change = { revision, event: { type, object: stored }, old }
    const id = storeId(r)
    if (!history.has(id)) history.set(id, [])
    history.get(id)!.push(change)
    for (const watcher of watchers) if (storeId(watcher.request) === id) watcher.push(change)
    return stored
  }

  const fill = (r: FakeRequest | ResourceType, object: OpenObject, namespace: string): OpenObject => {
    const metadata = { ...object.metadata }
    if (metadata.name === undefined || metadata.name === '') {
      if (metadata.generateName === undefined) throw errors.badRequest('resource name may not be empty')
      metadata.name = metadata.generateName + runtime.random.suffix(5)
    }
    if (namespace !== '') metadata.namespace = namespace
    metadata.uid ??= runtime.random.uuid()
    metadata.creationTimestamp ??= timeText(runtime.clock.now())
    if ('spec' in object) metadata.generation ??= 1
    const known = types.find((type) => type.group === r.group && type.resource === r.resource)
    return { apiVersion: r.group === '' ? r.version : `${r.group}/${r.version}`, kind: known?.kind ?? 'Unknown', ...object, metadata }
  }

  const find = (r: FakeRequest): OpenObject => {
    const found = storeOf(r).get(keyIn(r.namespace, r.name))
    if (found === undefined) throw errors.notFound(r, r.name)
    return found
  }

  /** Stores a new version, by the rules of an update; an object whose last finalizer went while it waited for deletion goes too. */
  const store = (r: FakeRequest, next: OpenObject, old: OpenObject): OpenObject => {
    const wanted = next.metadata.resourceVersion
    if (wanted !== undefined && wanted !== '' && wanted !== old.metadata.resourceVersion) throw errors.conflict(r, r.name)
    if (next.metadata.uid !== undefined && next.metadata.uid !== old.metadata.uid) throw errors.conflict(r, r.name, `Precondition failed: UID in precondition: ${next.metadata.uid}, UID in object meta: ${old.metadata.uid}`)
    let merged: OpenObject
    if (r.subresource === 'status') merged = { ...old, status: next['status'], metadata: { ...old.metadata, annotations: next.metadata.annotations } }
    else {
      const { metadata: m } = old
      merged = { ...next, metadata: { ...next.metadata, uid: m.uid, creationTimestamp: m.creationTimestamp, deletionTimestamp: m.deletionTimestamp, generation: m.generation } }
      if ('status' in old) merged['status'] = old['status']
      if (JSON.stringify(next['spec']) !== JSON.stringify(old['spec'])) merged.metadata.generation = (m.generation ?? 0) + 1
    }
    if (JSON.stringify(merged) === JSON.stringify(old)) return old
    if (merged.metadata.deletionTimestamp !== undefined && (merged.metadata.finalizers ?? []).length === 0 && (old.metadata.finalizers ?? []).length > 0 && (merged.metadata.deletionGracePeriodSeconds ?? 0) === 0) {
      return record(r, 'DELETED', merged, old)
    }
    return record(r, 'MODIFIED', merged, old)
  }

  const remove = (r: FakeRequest, body: Record<string, unknown> | undefined): unknown => {
    const old = find(r)
    const preconditions = body?.['preconditions'] as { uid?: string; resourceVersion?: string } | undefined
    if (preconditions?.uid !== undefined && preconditions.uid !== old.metadata.uid) {
      throw errors.conflict(r, r.name, `Precondition failed: UID in precondition: ${preconditions.uid}, UID in object meta: ${old.metadata.uid}`)
    }
    if (preconditions?.resourceVersion !== undefined && preconditions.resourceVersion !== old.metadata.resourceVersion) throw errors.conflict(r, r.name)
    const finalizers = new Set(old.metadata.finalizers ?? [])
    if (body?.['propagationPolicy'] === 'Foreground') finalizers.add('foregroundDeletion')
    if (body?.['propagationPolicy'] === 'Orphan') finalizers.add('orphan')
    const onNode = r.resource === 'pods' && (old['spec'] as { nodeName?: string } | undefined)?.nodeName !== undefined
    const graceSeconds = onNode ? ((body?.['gracePeriodSeconds'] as number | undefined) ?? defaultGraceSeconds) : 0
    const namespaceKept = r.resource === 'namespaces' && r.group === ''
    if (finalizers.size === 0 && graceSeconds === 0 && !namespaceKept) {
      record(r, 'DELETED', old, old)
      return success()
    }
    const metadata = { ...old.metadata, finalizers: [...finalizers] }
    metadata.deletionTimestamp ??= timeText(runtime.clock.now() + graceSeconds * 1000)
    metadata.deletionGracePeriodSeconds = graceSeconds
    const terminating = namespaceKept ? { ...old, metadata, status: { ...(old['status'] as object), phase: 'Terminating' } } : { ...old, metadata }
    return JSON.stringify(terminating) === JSON.stringify(old) ? old : record(r, 'MODIFIED', terminating, old)
  }

  const selects = (r: FakeRequest): ((object: OpenObject) => boolean) => {
    const labels = parseLabelSelector(r.query.get('labelSelector') ?? '')
    const fields = parseFieldSelector(r.query.get('fieldSelector') ?? '')
    return (object) => (r.namespace === '' || object.metadata.namespace === r.namespace) && matchesSelector(labels, object.metadata.labels)
      && (fieldSelectorText(fields) === '' || matchesFields(fields, (field) => String(field.split('.').reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], object) ?? '')))
  }

  async function* watch(r: FakeRequest, signal: AbortSignal | undefined): AsyncIterable<WatchEvent[]> {
    if (signal?.aborted === true) return
    const selected = selects(r)
    const initial = r.query.get('sendInitialEvents') === 'true'
    const from = Number(r.query.get('resourceVersion') ?? 0)
    if (!initial && from > 0 && from < forgotten) {
      yield [{ type: 'ERROR', object: errors.expired(`too old resource version: ${from} (${forgotten})`).status as unknown as KubeObject }]
      return
    }
    const queue: WatchEvent[] = []
    let ended = false
    let ring = Promise.withResolvers<void>()
    const push = ({ event, old }: Change): void => {
      const is = selected(event.object)
      const was = old !== undefined && selected(old)
      if (event.type === 'DELETED' ? was || is : is || was) {
        queue.push({ type: event.type === 'DELETED' || !is ? 'DELETED' : was ? 'MODIFIED' : 'ADDED', object: event.object })
        ring.resolve()
      }
    }
    const watcher: Watcher = { request: r, push, end: () => {
      ended = true
      ring.resolve()
    } }
    const onAbort = (): void => watcher.end()
    signal?.addEventListener('abort', onAbort, { once: true })
    if (initial || from === 0) {
      for (const object of storeOf(r).values()) if (selected(object)) queue.push({ type: 'ADDED', object })
      if (initial) queue.push({ type: 'BOOKMARK', object: { kind: 'Bookmark', metadata: { resourceVersion: String(revision), annotations: { 'k8s.io/initial-events-end': 'true' } } } })
    } else {
      for (const change of history.get(storeId(r)) ?? []) if (change.revision > from) push(change)
    }
    watchers.add(watcher)
    try {
      while (!ended) {
        if (queue.length > 0) yield queue.splice(0)
        else {
          await ring.promise
          ring = Promise.withResolvers()
        }
      }
    } finally {
      watchers.delete(watcher)
      signal?.removeEventListener('abort', onAbort)
    }
  }

  const serve = (r: FakeRequest): unknown => {
    if (r.verb === 'get') return find(r)
    if (r.verb === 'list') {
      const items = [...storeOf(r).values()].filter(selects(r))
      const kind = types.find((type) => type.group === r.group && type.resource === r.resource)?.kind ?? 'Unknown'
      return { kind: `${kind}List`, apiVersion: 'v1', metadata: { resourceVersion: String(revision) }, items }
    }
    if (r.verb === 'create') {
      if (r.subresource !== '') return createSubresource(r)
      const object = fill(r, r.body as OpenObject, r.namespace)
      const key = keyIn(r.namespace, object.metadata.name!)
      if (storeOf(r).has(key)) throw errors.alreadyExists(r, object.metadata.name!)
      return record(r, 'ADDED', object, undefined)
    }
    if (r.verb === 'update') {
      if (r.subresource === 'finalize') return finalize(r, r.body as OpenObject)
      return store(r, r.body as OpenObject, find(r))
    }
    if (r.verb === 'patch') {
      const old = find(r)
      return store(r, patched(old, r), old)
    }
    if (r.verb === 'delete') return remove(r, r.body as Record<string, unknown> | undefined)
    for (const object of [...storeOf(r).values()].filter(selects(r))) remove({ ...r, name: object.metadata.name!, namespace: object.metadata.namespace ?? '' }, r.body as Record<string, unknown> | undefined)
    return success()
  }

  /** Namespaces keep their finalizers in the spec. */
  const finalize = (r: FakeRequest, body: OpenObject): unknown => {
    const old = find(r)
    const next = { ...old, spec: body['spec'] }
    const left = (body['spec'] as { finalizers?: string[] } | undefined)?.finalizers ?? []
    return old.metadata.deletionTimestamp !== undefined && left.length === 0 ? record(r, 'DELETED', next, old) : record(r, 'MODIFIED', next, old)
  }

  const createSubresource = (r: FakeRequest): unknown => {
    const body = r.body as OpenObject
    if (r.subresource === 'eviction') return remove(r, (body['deleteOptions'] ?? {}) as Record<string, unknown>)
    if (r.subresource === 'binding') {
      const old = find(r)
      record(r, 'MODIFIED', { ...old, spec: { ...(old['spec'] as object), nodeName: (body['target'] as { name: string }).name } }, old)
      return success()
    }
    if (r.subresource === 'token') return { ...body, status: { token: `token-of-${r.name}`, expirationTimestamp: timeText(runtime.clock.now() + 3_600_000) } }
    throw errors.notFound(r, r.name)
  }

  const fake: FakeApi = {
    transport: {
      async request(request) {
        const parsed = parse(request)
        if (parsed === undefined) {
          const value = discovery(types, request.path)
          return value === undefined ? answer(404, errors.unknownPath().status) : answer(200, value)
        }
        fake.requests.push(parsed)
        try {
          request.signal?.throwIfAborted()
          const intercepted = fake.intercept(parsed)
          if (intercepted !== undefined) throw intercepted
          if (parsed.verb === 'watch') return { ...answer(200, undefined), events: watch(parsed, request.signal) }
          return answer(parsed.verb === 'create' ? 201 : 200, serve(parsed))
        } catch (error) {
          if (request.signal?.aborted === true) throw error
          const failure = toStatusError(error)
          return answer(failure.code, failure.status)
        }
      },
      [Symbol.asyncDispose]: async () => fake.breakWatches(),
    },
    client: undefined as unknown as Client,
    requests: [],
    intercept: () => undefined,
    serve: (type) => void types.push(type),
    seed<T extends KubeObject>(type: ResourceType<T>, object: T) {
      return record(type, 'ADDED', fill(type, object as unknown as OpenObject, object.metadata.namespace ?? ''), undefined) as unknown as T
    },
    change<T extends KubeObject>(type: ResourceType<T>, key: string, edit: (object: T) => void) {
      const old = storeOf(type).get(key)
      if (old === undefined) throw new Error(`no ${type.kind} ${key}`)
      const copy = structuredClone(old)
      edit(copy as unknown as T)
      if (JSON.stringify(copy['spec']) !== JSON.stringify(old['spec'])) copy.metadata.generation = (old.metadata.generation ?? 0) + 1
      return record(type, 'MODIFIED', copy, old) as unknown as T
    },
    remove(type, key) {
      const old = storeOf(type).get(key)
      if (old !== undefined) record(type, 'DELETED', old, old)
    },
    get: <T extends KubeObject>(type: ResourceType<T>, key: string) => storeOf(type).get(key) as unknown as T | undefined,
    all: <T extends KubeObject>(type: ResourceType<T>) => [...storeOf(type).values()] as unknown as T[],
    breakWatches({ forget = false } = {}) {
      if (forget) {
        forgotten = revision + 1
        history.clear()
        revision++
      }
      for (const watcher of watchers) watcher.end()
    },
    get watchCount() {
      return watchers.size
    },
  }
  Object.assign(fake, { client: createClient(fake.transport) })
  return fake
}

function answer(status: number, value: unknown): ApiResponse {
  const bytes = (): Uint8Array => Buffer.from(JSON.stringify(value) ?? '')
  return {
    status, headers: { 'content-type': 'application/json' }, ...(value === undefined ? {} : { value: deepFreeze(value) }),
    bytes: async () => bytes(),
    stream: async function* () {
      yield bytes()
    },
  }
}

const verbs = { POST: 'create', PUT: 'update', PATCH: 'patch' } as const

function parse(request: ApiRequest): FakeRequest | undefined {
  const url = new URL(request.path, 'https://fake')
  const parts = url.pathname.split('/').filter((part) => part !== '').map(decodeURIComponent)
  const core = parts[0] === 'api'
  const [group, version, ...rest] = core ? ['', ...parts.slice(1)] : parts.slice(1)
  if (version === undefined || rest.length === 0) return undefined
  const inNamespace = rest[0] === 'namespaces' && rest.length > 2 && !['status', 'finalize'].includes(rest[2]!)
  const [namespace = '', resource = '', name = '', subresource = ''] = inNamespace ? rest.slice(1) : ['', ...rest]
  const { method } = request
  const watches = url.searchParams.get('watch') === 'true'
  const verb = method === 'GET' ? (watches ? 'watch' : name === '' ? 'list' : 'get') : method === 'DELETE' ? (name === '' ? 'deletecollection' : 'delete') : verbs[method]
  const text = request.body === undefined ? '' : Buffer.from(request.body as Uint8Array).toString()
  return {
    verb, group: group ?? '', version, resource, namespace, name, subresource, query: url.searchParams,
    body: text === '' ? undefined : JSON.parse(text), contentType: request.headers?.['content-type'] ?? '',
  }
}

function patched(old: OpenObject, r: FakeRequest): OpenObject {
  const copy = structuredClone(old)
  if (r.contentType === 'application/json-patch+json') return applyJsonPatch(copy as never, r.body) as never
  return mergeInto(copy, r.body, r.contentType === 'application/strategic-merge-patch+json') as OpenObject
}

/** Merge patch (RFC 7386); in the strategic form, lists of owner references merge by uid and lists of conditions by type. */
function mergeInto(target: unknown, patch: unknown, strategic: boolean, field = ''): unknown {
  if (Array.isArray(patch)) {
    const key = { ownerReferences: 'uid', conditions: 'type' }[field]
    if (!strategic || key === undefined || !Array.isArray(target)) return patch
    const list = [...target] as Record<string, unknown>[]
    for (const item of patch as Record<string, unknown>[]) {
      const at = list.findIndex((known) => known[key] === item[key])
      if (item['$patch'] === 'delete') {
        if (at >= 0) list.splice(at, 1)
      } else if (at >= 0) list[at] = mergeInto(list[at], item, strategic) as Record<string, unknown>
      else list.push(item)
    }
    return list
  }
  if (typeof patch !== 'object' || patch === null) return patch
  const result: Record<string, unknown> = typeof target === 'object' && target !== null && !Array.isArray(target) ? { ...target } : {}
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name]
    else result[name] = mergeInto(result[name], value, strategic, name)
  }
  return result
}

function discovery(types: readonly ResourceType[], path: string): unknown {
  if (path !== '/api' && path !== '/apis') return undefined
  const groups = new Map<string, Map<string, ResourceType[]>>()
  for (const type of types) {
    if ((type.group === '') !== (path === '/api')) continue
    const versions = groups.get(type.group) ?? new Map<string, ResourceType[]>()
    groups.set(type.group, versions)
    versions.set(type.version, [...(versions.get(type.version) ?? []), type])
  }
  return {
    kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2', metadata: {},
    items: [...groups].map(([name, versions]) => ({
      metadata: { name },
      versions: [...versions].map(([version, resources]) => ({
        version, freshness: 'Current',
        resources: resources.map((type) => ({
          resource: type.resource, responseKind: { group: type.group, version: type.version, kind: type.kind }, scope: type.namespaced ? 'Namespaced' : 'Cluster', singularResource: '',
          verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
        })),
      })),
    })),
  }
}

/** Marks what a controller owns; for building test objects. */
export function ownedBy(type: ResourceType, owner: KubeObject): NonNullable<KubeObject['metadata']['ownerReferences']> {
  return [{ apiVersion: type.group === '' ? type.version : `${type.group}/${type.version}`, kind: type.kind, name: owner.metadata.name!, uid: owner.metadata.uid!, controller: true, blockOwnerDeletion: true }]
}

/** Of `objects`, those whose controller is `owner`. */
export function ownedObjects<T extends KubeObject>(objects: readonly T[], owner: KubeObject): T[] {
  return objects.filter((object) => controllerOf(object)?.uid === owner.metadata.uid)
}
