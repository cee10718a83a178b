import type { Scale } from '../../api/types/autoscaling_v1.ts'
import type { Pod } from '../../api/types/core_v1.ts'
import type { Client, ResourceType } from '../../client/client.ts'
import { discover } from '../../client/discovery.ts'
import { deployments, replicaSets, replicationControllers, statefulSets } from '../../client/resources.ts'
import { controllerOf, type KubeObject, type OwnerReference } from '../../machinery/object.ts'
import { isReason } from '../../machinery/status.ts'
import type { ControllerContext } from '../context.ts'

interface Replicated extends KubeObject { spec?: { replicas?: number } }

/** How many pods the controllers of `pods` want together, and which pods no controller wants. Rejects for a controller that nobody can scale. */
export type ScaleFinder = (pods: readonly Pod[], signal: AbortSignal) => Promise<{ replicas: number; unmanaged: readonly Pod[] }>

/** Finds scales in the caches of the workloads that there are always, and by the scale subresource for others. */
export function scaleFinder({ client, informers }: ControllerContext): ScaleFinder {
  const cached = [replicaSets, replicationControllers, statefulSets, deployments] as readonly ResourceType[]
  const find = (owner: OwnerReference, namespace: string): { type: ResourceType; object: Replicated } | undefined => {
    const type = cached.find(({ group, kind }) => kind === owner.kind && group === groupOf(owner))
    const object = type === undefined ? undefined : informers.informer(type).get(`${namespace}/${owner.name}`)
    return type === undefined || object === undefined || object.metadata.uid !== owner.uid ? undefined : { type, object }
  }
  const scaleOf = async (owner: OwnerReference, namespace: string, signal: AbortSignal): Promise<{ uid: string; replicas: number } | undefined> => {
    const found = find(owner, namespace)
    if (found === undefined) return cached.some(({ group, kind }) => kind === owner.kind && group === groupOf(owner)) ? undefined : scaleByRequest(client, owner, namespace, signal)
    // A Deployment's replica sets come and go; what it wants is what counts.
    const above = found.type.kind === 'ReplicaSet' ? controllerOf(found.object) : undefined
    const { object } = (above?.kind === 'Deployment' ? find(above, namespace) : undefined) ?? found
    return { uid: object.metadata.uid!, replicas: object.spec?.replicas ?? 1 }
  }
  return async (pods, signal) => {
    const scales = new Map<string, number>()
    const asked = new Set<string>()
    const unmanaged: Pod[] = []
    for (const pod of pods) {
      const owner = controllerOf(pod)
      if (owner === undefined) {
        unmanaged.push(pod)
        continue
      }
      if (asked.has(owner.uid)) continue
      asked.add(owner.uid)
      const scale = await scaleOf(owner, pod.metadata.namespace ?? '', signal)
      if (scale !== undefined) scales.set(scale.uid, scale.replicas)
    }
    return { replicas: [...scales.values()].reduce((sum, replicas) => sum + replicas, 0), unmanaged }
  }
}

function groupOf({ apiVersion }: OwnerReference): string {
  const slash = apiVersion.indexOf('/')
  return slash < 0 ? '' : apiVersion.slice(0, slash)
}

async function scaleByRequest(client: Client, owner: OwnerReference, namespace: string, signal: AbortSignal): Promise<{ uid: string; replicas: number } | undefined> {
  const { resources } = await discover(client, signal)
  const type = resources.find(({ group, kind }) => kind === owner.kind && group === groupOf(owner))
  const failure = new Error(`${owner.kind}.${groupOf(owner)} ${JSON.stringify(owner.name)} does not implement the scale subresource`)
  if (type === undefined) throw failure
  const root = type.group === '' ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`
  try {
    const response = await client.request({ method: 'GET', path: `${root}/namespaces/${namespace}/${type.resource}/${owner.name}/scale`, signal })
    const scale = (response.value ?? JSON.parse(Buffer.from(await response.bytes()).toString())) as Scale
    return { uid: owner.uid, replicas: scale.spec?.replicas ?? 0 }
  } catch (cause) {
    if (!isReason(cause, 'NotFound')) throw cause
    // Whether the owner is gone or cannot be scaled is told apart by reading it.
    if ((await client.find(type, namespace, owner.name, { signal })) === undefined) return undefined
    throw failure
  }
}
