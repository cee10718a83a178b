import type { Namespace, Pod } from '../../api/types/core_v1.ts'
import type { Client } from '../../client/client.ts'
import { runController, watching } from '../../client/controller.ts'
import { discover, type DiscoveredResource } from '../../client/discovery.ts'
import type { ReconcileResult } from '../../client/reconciler.ts'
import { namespaces } from '../../client/resources.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import { isReason } from '../../machinery/status.ts'
import type { ControllerContext, StartController } from '../context.ts'
import { isPodTerminal } from '../pods.ts'
import { deletionConditions, type Remaining } from './conditions.ts'

const finalizer = 'kubernetes'
/** Objects that wait for somebody's finalizer are looked at again after this time (upstream's finalizerEstimateSeconds). */
const finalizerEstimateSeconds = 15
/** Resources emptied at once. */
const parallel = 8

/** Deletes everything in a namespace that is being deleted (pods first), then lets the namespace go. */
export const startNamespaceController: StartController = (context) => {
  const informer = context.informers.informer(namespaces)
  const attempts = new Map<string, number>()
  return runController({
    name: 'namespace-controller', runtime: context.runtime, concurrency: 10, sources: [watching(informer)],
    async reconcile(key, signal) {
      const namespace = informer.get(key)
      if (namespace?.metadata.deletionTimestamp === undefined) return void attempts.delete(key)
      const attempt = attempts.get(key) ?? 0
      attempts.set(key, attempt + 1)
      return empty(context, namespace, attempt, signal)
    },
  })
}

async function empty({ client, runtime }: ControllerContext, cached: Namespace, attempt: number, signal: AbortSignal): Promise<ReconcileResult | void> {
  const name = cached.metadata.name!
  let namespace = await client.find(namespaces, '', name)
  if (namespace === undefined || namespace.metadata.uid !== cached.metadata.uid) return
  if ((namespace.spec?.finalizers ?? []).length === 0) return
  if (namespace.status?.phase !== 'Terminating') {
    namespace = await client.updateStatus(namespaces, { ...namespace, status: { ...namespace.status, phase: 'Terminating' } })
  }
  const remaining = await deleteContent(client, name, signal)
  const conditions = deletionConditions(namespace, remaining, runtime.clock.now())
  if (!semanticEqual(conditions, namespace.status?.conditions ?? [])) {
    namespace = await client.updateStatus(namespaces, { ...namespace, status: { ...namespace.status, conditions } })
  }
  if (remaining.failures.length > 0) throw new AggregateError(remaining.failures, `cannot delete all content of namespace ${name}: ${remaining.failures[0]!.message}`)
  // A group that cannot be asked may hold content that must not be forgotten.
  if (remaining.discoveryFailures.size > 0) throw new Error(`cannot discover all resources of namespace ${name}: ${[...remaining.discoveryFailures.keys()].join(', ')}`)
  if (remaining.counts.size > 0) return { requeueAfterMs: 1000 * Math.min(remaining.estimateSeconds / 2 + 1, 2 ** Math.min(attempt, 10)) }
  await finalize(client, namespace)
}

async function finalize(client: Client, namespace: Namespace): Promise<void> {
  const body = { ...namespace, apiVersion: 'v1', kind: 'Namespace', spec: { ...namespace.spec, finalizers: (namespace.spec?.finalizers ?? []).filter((name) => name !== finalizer) } }
  try {
    await client.request({ method: 'PUT', path: `/api/v1/namespaces/${namespace.metadata.name}/finalize`, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })
      .then((response) => (response.value === undefined ? response.bytes() : undefined))
  } catch (error) {
    if (!isReason(error, 'NotFound')) throw error
  }
}

async function deleteContent(client: Client, namespace: string, signal: AbortSignal): Promise<Remaining> {
  const { resources, failures } = await discover(client, signal)
  const remaining: Remaining = { counts: new Map(), finalizers: new Map(), failures: [], discoveryFailures: failures, estimateSeconds: 0 }
  const deletable = resources.filter(({ namespaced, verbs }) => namespaced && verbs.includes('delete') && verbs.includes('list'))
  const isPods = ({ group, resource }: DiscoveredResource): boolean => group === '' && resource === 'pods'
  for (const type of deletable.filter(isPods)) await deleteAll(client, type, namespace, remaining, signal)
  // Pods go first, so that none outlives what shields it (KEP 5080).
  if (remaining.counts.size > 0) return remaining
  const queue = deletable.filter((type) => !isPods(type))
  await Promise.all(Array.from({ length: parallel }, async () => {
    for (let type = queue.shift(); type !== undefined; type = queue.shift()) await deleteAll(client, type, namespace, remaining, signal)
  }))
  return remaining
}

async function deleteAll(client: Client, type: DiscoveredResource, namespace: string, remaining: Remaining, signal: AbortSignal): Promise<void> {
  try {
    const before = await client.list(type, { namespace, metadataOnly: true, signal })
    if (before.items.length === 0) return
    if (type.verbs.includes('deletecollection')) await client.deleteCollection(type, { namespace, propagationPolicy: 'Background', signal })
    else for (const { metadata } of before.items) await client.delete(type, namespace, metadata.name!, { propagationPolicy: 'Background', signal })
    const after = await client.list(type, { namespace, signal })
    if (after.items.length === 0) return
    remaining.counts.set(`${type.resource}.${type.group}`, after.items.length)
    let estimateSeconds = 0
    for (const item of after.items) {
      for (const name of item.metadata.finalizers ?? []) remaining.finalizers.set(name, (remaining.finalizers.get(name) ?? 0) + 1)
      const ends = type.resource === 'pods' && type.group === '' && !isPodTerminal(item as Pod) ? Number((item as Pod).spec?.terminationGracePeriodSeconds ?? 0) : 0
      estimateSeconds = Math.max(estimateSeconds, ends, (item.metadata.finalizers ?? []).length > 0 ? finalizerEstimateSeconds : 0)
    }
    remaining.estimateSeconds = Math.max(remaining.estimateSeconds, estimateSeconds)
  } catch (error) {
    if (signal.aborted) throw error
    if (isReason(error, 'NotFound', 'MethodNotAllowed')) return
    remaining.failures.push(error instanceof Error ? error : new Error(String(error)))
  }
}
