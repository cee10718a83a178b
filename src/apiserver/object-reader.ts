import { groupResourceOf, type ResourceDescription, type ResourceTable } from '../api/resource.ts'
import type { KubeObject, WatchEvent } from '../machinery/object.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { ObjectReader } from './context.ts'
import { viewOf } from './registry.ts'
import type { CacheEvent, WatchCache } from './watch-cache.ts'
import type { WatchCaches } from './watch-caches.ts'

/** Reads objects from the watch caches for parts of the API server itself. A resource that nobody has asked for is loaded on first use, and empty until then. */
export function objectReader(resources: ResourceTable, caches: WatchCaches, runtime: Runtime): ObjectReader {
  const known = new Map<string, ResourceDescription>()
  const describe = (id: string): ResourceDescription => {
    const found = known.get(id) ?? findResource(resources, id)
    // Custom resources change.
    if (found.typeId !== undefined) known.set(id, found)
    return found
  }
  const loaded = (resource: ResourceDescription): WatchCache | undefined => {
    const cache = caches.peek(resource.storagePrefix)
    if (cache === undefined) caches.cache(resource.storagePrefix).catch((err: unknown) => runtime.log.error('a watch cache could not be loaded', { resource: resource.resource, err }))
    return cache
  }
  return {
    get(id, namespace, name) {
      const resource = describe(id)
      const entry = loaded(resource)?.entries.get(resource.namespaced ? `${namespace}/${name}` : name)
      return entry === undefined ? undefined : viewOf(resource, entry)
    },
    list(id, namespace = '') {
      const resource = describe(id)
      const cache = loaded(resource)
      if (cache === undefined) return []
      const found: Readonly<KubeObject>[] = []
      const selection = { namespace, name: undefined, test: undefined, index: undefined, isWhole: true }
      for (const entry of cache.select(selection, (each) => each.object())) found.push(viewOf(resource, entry))
      return found
    },
    onChange(id, handler) {
      const resource = describe(id)
      const subscription = new DisposableStack()
      const tell = (event: CacheEvent): void => handler(watchEventOf(resource, event))
      caches.cache(resource.storagePrefix).then(
        (cache) => (subscription.disposed ? undefined : void subscription.use(cache.onEvent(tell))),
        (err: unknown) => runtime.log.error('changes cannot be followed: a watch cache could not be loaded', { resource: id, err }),
      )
      return subscription
    },
    async whenReady(ids) {
      await Promise.all(ids.map((id) => caches.fresh(describe(id).storagePrefix)))
    },
  }
}

function watchEventOf(resource: ResourceDescription, { type, entry, previous }: CacheEvent): WatchEvent {
  return { type: type === 'delete' ? 'DELETED' : previous === undefined ? 'ADDED' : 'MODIFIED', object: viewOf(resource, entry) as KubeObject }
}

/** `pods` or `roles.rbac.authorization.k8s.io`, in the group's preferred version that has it. */
export function findResource(resources: ResourceTable, id: string): ResourceDescription {
  const dot = id.indexOf('.')
  const [name, group] = dot < 0 ? [id, ''] : [id.slice(0, dot), id.slice(dot + 1)]
  for (const version of resources.versions(group)) {
    const found = resources.find(group, version, name)
    if (found !== undefined) return found
  }
  throw new Error(`the API server has no resource ${groupResourceOf({ group, resource: name })}`)
}
