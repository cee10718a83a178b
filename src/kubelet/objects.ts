import type { ConfigMap, Secret } from '../api/types/core_v1.ts'
import type { Client, ResourceType } from '../client/client.ts'
import { createInformerFactory, type Informer, type InformerFactory } from '../client/informer.ts'
import { configMaps, secrets } from '../client/resources.ts'
import type { KubeObject } from '../machinery/object.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { ObjectNotFound, type ObjectSource } from './env.ts'
import type { BoundPod } from './pods.ts'

/**
 * Config maps and secrets that this node's pods refer to, each watched on its own (a node may read only what its pods name)
 * for as long as some pod refers to it. `onChange` names the pods that refer to what changed.
 */
export interface WatchedObjects extends ObjectSource, AsyncDisposable {
  /** The pod is gone: what only it referred to is no longer watched. */
  release(uid: string): void
}

interface Watched { factory: InformerFactory; informer: Informer; pods: Set<string> }

/** How long a pod's start waits for the first answer. */
const firstAnswerMs = 30_000

export function watchObjects(client: Client, runtime: Runtime, onChange: (uid: string) => void): WatchedObjects {
  const watched = new Map<string, Watched>()
  const ending = new Set<Promise<void>>()

  const watch = (type: ResourceType, namespace: string, name: string): Watched => {
    const id = `${type.resource}/${namespace}/${name}`
    const known = watched.get(id)
    if (known !== undefined) return known
    const factory = createInformerFactory(client, runtime)
    const informer = factory.informer(type, { namespace, fieldSelector: `metadata.name=${name}` })
    const entry: Watched = { factory, informer, pods: new Set() }
    watched.set(id, entry)
    informer.onChange(() => {
      if (informer.hasSynced) for (const uid of entry.pods) onChange(uid)
    })
    return entry
  }
  const get = async <T extends KubeObject>(type: ResourceType<T>, singular: string, pod: BoundPod, name: string): Promise<T> => {
    const { namespace, uid } = pod.metadata
    const entry = watch(type as ResourceType, namespace, name)
    entry.pods.add(uid)
    if (!entry.informer.hasSynced) {
      const limit = new AbortController()
      const tooLate = runtime.clock.sleep(firstAnswerMs, limit.signal).then(() => {
        throw new Error(`failed to sync ${singular} cache: timed out waiting for the condition`)
      })
      tooLate.catch(() => undefined)
      try {
        await Promise.race([entry.informer.synced, tooLate])
      } finally {
        limit.abort(new Error('no longer waited for'))
      }
    }
    const object = entry.informer.get(`${namespace}/${name}`)
    if (object === undefined) throw new ObjectNotFound(`${singular} "${name}" not found`)
    return { ...object, kind: type.kind } as KubeObject as T
  }
  const end = (entry: Watched): void => {
    const ended = Promise.resolve(entry.factory[Symbol.asyncDispose]())
    ending.add(ended)
    void ended.finally(() => ending.delete(ended))
  }
  return {
    configMap: (pod, name) => get<ConfigMap>(configMaps, 'configmap', pod, name),
    secret: (pod, name) => get<Secret>(secrets, 'secret', pod, name),
    release(uid) {
      for (const [id, entry] of watched) {
        if (!entry.pods.delete(uid) || entry.pods.size > 0) continue
        watched.delete(id)
        end(entry)
      }
    },
    async [Symbol.asyncDispose]() {
      for (const entry of watched.values()) end(entry)
      watched.clear()
      await Promise.all(ending)
    },
  }
}
