import { deepFreeze, type KubeObject, type WatchEvent } from '../../machinery/object.ts'
import type { ObjectReader } from '../context.ts'

/** An `ObjectReader` over objects that a test puts in: ready at once, every change seen at once. */
export interface FakeReader extends ObjectReader {
  put(resource: string, object: KubeObject): void
  remove(resource: string, namespace: string, name: string): void
}

export function fakeReader(): FakeReader {
  const objects = new Map<string, Map<string, Readonly<KubeObject>>>()
  const handlers = new Map<string, Set<(event: WatchEvent) => void>>()
  const of = (resource: string): Map<string, Readonly<KubeObject>> => {
    const found = objects.get(resource) ?? new Map<string, Readonly<KubeObject>>()
    objects.set(resource, found)
    return found
  }
  const tell = (resource: string, event: WatchEvent): void => {
    for (const handler of handlers.get(resource) ?? []) handler(event)
  }
  return {
    get: (resource, namespace, name) => of(resource).get(`${namespace}/${name}`),
    list: (resource, namespace) => [...of(resource).values()].filter((object) => namespace === undefined || object.metadata.namespace === namespace),
    onChange(resource, handler) {
      const all = handlers.get(resource) ?? new Set<(event: WatchEvent) => void>()
      handlers.set(resource, all.add(handler))
      return { [Symbol.dispose]: () => void all.delete(handler) }
    },
    whenReady: async () => undefined,
    put(resource, object) {
      const key = `${object.metadata.namespace ?? ''}/${object.metadata.name ?? ''}`
      const type = of(resource).has(key) ? 'MODIFIED' : 'ADDED'
      of(resource).set(key, deepFreeze(object))
      tell(resource, { type, object })
    },
    remove(resource, namespace, name) {
      const key = `${namespace}/${name}`
      const object = of(resource).get(key)
      if (object === undefined) return
      of(resource).delete(key)
      tell(resource, { type: 'DELETED', object })
    },
  }
}
