import type { Node, Pod, PodCondition, ReplicationController, Service } from '../api/types/core_v1.ts'
import type { ReplicaSet, StatefulSet } from '../api/types/apps_v1.ts'
import type { LabelSelector } from '../api/types/meta_v1.ts'
import type { Client } from '../client/client.ts'
import { createEventRecorder, targetOf } from '../client/events.ts'
import { createInformerFactory, type Informer } from '../client/informer.ts'
import { namespaces, nodes, podDisruptionBudgets, pods, replicaSets, replicationControllers, services, statefulSets } from '../client/resources.ts'
import { controllerOf, keyOf, timeText, type KubeObject } from '../machinery/object.ts'
import { isReason } from '../machinery/status.ts'
import { withCauses } from '../runtime/causes.ts'
import type { Running, Runtime } from '../runtime/runtime.ts'
import { SchedulerCache } from './cache.ts'
import { SchedulingCycle } from './cycle.ts'
import type { ClusterEvent, Plugin, QueuedPod } from './framework.ts'
import { podInfoOf, type PodInfo } from './node-info.ts'
import { defaultBinder } from './plugins/default-binder.ts'
import { defaultPreemption } from './plugins/default-preemption.ts'
import { interPodAffinity } from './plugins/inter-pod-affinity.ts'
import { nodeResourcesBalancedAllocation, nodeResourcesFit } from './plugins/node-resources.ts'
import { imageLocality, nodeAffinity, nodeName, nodePorts, nodeUnschedulable, taintToleration } from './plugins/node-selection.ts'
import { prioritySort, schedulingGates } from './plugins/queue-order.ts'
import { podTopologySpread } from './plugins/topology-spread.ts'
import { SchedulingQueue } from './queue.ts'

export interface SchedulerOptions {
  runtime: Runtime
  client: Client
  /** Pods with this `spec.schedulerName` are ours. */
  schedulerName?: string
  /** Plugins beside the built-in ones, run after them. */
  plugins?: readonly Plugin[]
  /** Bindings under way at once. */
  maxBindings?: number
}

/** Cycles run for this long before other work gets a turn. */
const turnMs = 5

/** Starts the scheduler. Resolves once it is watching; from then on every unassigned pod of its name is given a node. */
export async function startScheduler(options: SchedulerOptions): Promise<Running> {
  const { runtime, client, schedulerName = 'default-scheduler', maxBindings = 512 } = options
  const { clock, log } = runtime
  const stopped = new AbortController()
  const recorder = createEventRecorder({ client, runtime, component: schedulerName })
  const factory = createInformerFactory(client, runtime)
  const sources = {
    pods: factory.informer(pods, { fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed' }), nodes: factory.informer(nodes), namespaces: factory.informer(namespaces),
    services: factory.informer(services), replicaSets: factory.informer(replicaSets), statefulSets: factory.informer(statefulSets),
    replicationControllers: factory.informer(replicationControllers), budgets: factory.informer(podDisruptionBudgets),
  }
  const cache = new SchedulerCache((namespace) => sources.namespaces.get(namespace)?.metadata.labels)
  const plugins: Plugin[] = [
    prioritySort, schedulingGates, nodeUnschedulable, nodeName, taintToleration, nodeAffinity, nodePorts, nodeResourcesFit,
    podTopologySpread((pod) => spreadSelector(pod, sources)), interPodAffinity, nodeResourcesBalancedAllocation, imageLocality,
    defaultPreemption({ client, runtime, recorder, cycle: () => cycle, budgets: (namespace) => sources.budgets.list(namespace) }),
    ...(options.plugins ?? []), defaultBinder(client),
  ]
  const byName = new Map(plugins.map((plugin) => [plugin.name, plugin]))
  const judging = plugins.filter((plugin) => plugin.permit !== undefined || plugin.preBind !== undefined)
  const binding = plugins.filter((plugin) => plugin.bind !== undefined)
  const cycle = new SchedulingCycle(plugins, runtime.random)
  const queue = new SchedulingQueue({
    clock,
    less: plugins.find((plugin) => plugin.less !== undefined)!.less!,
    preEnqueue(info) {
      for (const plugin of plugins) {
        const refusal = plugin.preEnqueue?.(info.pod)
        if (refusal !== undefined) return refusal
      }
      return undefined
    },
    mayHelp: (queued, event, object, old) => queued.refusedBy.size === 0 || [...queued.refusedBy].some((name) => {
      const plugin = byName.get(name)
      if (plugin?.events === undefined) return true
      return plugin.events.some((each) => each.resource === event.resource && each.action === event.action) && (plugin.mayHelp?.(queued.info, event, object, old) ?? true)
    }),
  })
  const under = new Set<Promise<void>>()
  let scheduled = false
  let ready = false

  const patchCondition = async (pod: Pod, condition: PodCondition, nominatedNode: string | undefined): Promise<void> => {
    const known = pod.status?.conditions?.find((each) => each.type === condition.type)
    const same = known?.status === condition.status && known.reason === condition.reason && known.message === condition.message
    const sameNode = nominatedNode === undefined || nominatedNode === (pod.status?.nominatedNodeName ?? '')
    if (same && sameNode) return
    const { namespace = '', name = '', uid } = pod.metadata
    const lastTransitionTime = known?.status === condition.status ? known.lastTransitionTime : timeText(clock.now())
    const patch = { metadata: { uid }, status: { conditions: [{ ...condition, lastTransitionTime }], ...(nominatedNode === undefined ? {} : { nominatedNodeName: nominatedNode === '' ? null : nominatedNode }) } }
    await client.patch(pods, namespace, name, 'strategic', patch, { subresource: 'status' })
  }

  const notPlaced = async (queued: QueuedPod, reason: 'Unschedulable' | 'SchedulerError', message: string, refusedBy: ReadonlySet<string>, nominatedNode?: string): Promise<void> => {
    const { info } = queued
    if (nominatedNode !== undefined) cache.nominate(info, nominatedNode)
    if (reason === 'Unschedulable') queue.putAside(info.key, refusedBy)
    else queue.backOff(info.key)
    recorder.event(targetOf(pods, info.pod), 'Warning', 'FailedScheduling', message)
    try {
      await patchCondition(info.pod, { type: 'PodScheduled', status: 'False', reason, message, observedGeneration: info.pod.metadata.generation }, nominatedNode)
    } catch (error) {
      if (!isReason(error, 'NotFound', 'Conflict')) log.warn('cannot record why a pod was not scheduled', { pod: info.key, err: error })
    }
  }

  /** Everything after the decision: reserved and assumed already. Runs beside further cycles. */
  const bind = async (state: Map<string, unknown>, queued: QueuedPod, node: string): Promise<void> => {
    const { info } = queued
    try {
      for (const plugin of judging) {
        const refusal = await plugin.permit?.(state, info, node, stopped.signal) ?? await plugin.preBind?.(state, info, node)
        if (refusal !== undefined) throw new Error(`plugin ${plugin.name} refused: ${refusal.reasons.join(', ')}`)
      }
      for (const plugin of binding) {
        const answer = await plugin.bind!(state, info, node)
        if (answer === 'skip') continue
        if (answer !== undefined) throw new Error(`plugin ${plugin.name} could not bind: ${answer.reasons.join(', ')}`)
        break
      }
    } catch (error) {
      for (const plugin of plugins.toReversed()) plugin.unreserve?.(state, info, node)
      cache.forget(info.key)
      if (stopped.signal.aborted) return
      if (isReason(error, 'NotFound')) return queue.done(info.key)
      // What this pod had taken is free again.
      queue.notify({ resource: 'Pod', action: 'delete' }, { ...info.pod, spec: { ...info.pod.spec, nodeName: node } })
      return notPlaced(queued, 'SchedulerError', `binding rejected: ${error instanceof Error ? error.message : String(error)}`, new Set())
    }
    queue.done(info.key)
    for (const plugin of plugins) plugin.postBind?.(state, info, node)
    recorder.event(targetOf(pods, info.pod), 'Normal', 'Scheduled', `Successfully assigned ${info.key} to ${node}`)
  }

  const track = (work: Promise<void>): void => {
    const tracked = work.catch((error: unknown) => log.error('scheduling a pod failed', { err: error })).finally(() => {
      under.delete(tracked)
      schedule()
    })
    under.add(tracked)
  }

  const reserve = (state: Map<string, unknown>, info: PodInfo, node: string): string | undefined => {
    for (const [index, plugin] of plugins.entries()) {
      const refusal = plugin.reserve?.(state, info, node)
      if (refusal === undefined) continue
      for (const earlier of plugins.slice(0, index).toReversed()) earlier.unreserve?.(state, info, node)
      return `plugin ${plugin.name} refused: ${refusal.reasons.join(', ')}`
    }
    return undefined
  }

  const one = (queued: QueuedPod): void => {
    const { info } = queued
    if (info.pod.metadata.deletionTimestamp !== undefined || cache.isAssumed(info.key)) return queue.done(info.key)
    const state = new Map<string, unknown>()
    const result = cycle.run(state, info, cache)
    if (result.node !== undefined) {
      const refused = reserve(state, info, result.node)
      if (refused !== undefined) return track(notPlaced(queued, 'SchedulerError', refused, new Set()))
      cache.assume(info, result.node)
      const cause = { kind: 'Pod', namespace: info.pod.metadata.namespace, name: info.pod.metadata.name ?? '', resourceVersion: info.pod.metadata.resourceVersion ?? '' }
      return track(withCauses({ actor: schedulerName, causes: [cause] }, () => bind(state, queued, result.node)))
    }
    track((async () => {
      let { message } = result
      let nominated: string | undefined
      if (result.refusals.size > 0) {
        for (const plugin of plugins) {
          const answer = await plugin.postFilter?.(state, info, cache, result.refusals)
          if (answer === undefined) continue
          nominated = answer.nominatedNode ?? ''
          if (answer.message !== '') message = `${message} ${answer.message}`
          if (answer.nominatedNode !== undefined) break
        }
      }
      await notPlaced(queued, 'Unschedulable', message, result.refusedBy, nominated)
    })())
  }

  const turn = (): void => {
    scheduled = false
    const untilMs = clock.monotonicMs() + turnMs
    while (ready && !stopped.signal.aborted && under.size < maxBindings) {
      const queued = queue.pop()
      if (queued === undefined) return
      try {
        one(queued)
      } catch (error) {
        log.error('a scheduling cycle failed', { pod: queued.info.key, err: error })
        track(notPlaced(queued, 'SchedulerError', error instanceof Error ? error.message : String(error), new Set()))
      }
      if (clock.monotonicMs() >= untilMs) return schedule()
    }
  }
  const schedule = (): void => {
    if (scheduled || !ready || stopped.signal.aborted) return
    scheduled = true
    clock.immediate(turn)
  }

  queue.onReady(schedule)
  const ours = (pod: Pod): boolean => (pod.spec.nodeName ?? '') === '' && (pod.spec.schedulerName ?? 'default-scheduler') === schedulerName
  const notify = (resource: ClusterEvent['resource'], object: KubeObject | undefined, old: KubeObject | undefined): void =>
    queue.notify({ resource, action: object === undefined ? 'delete' : old === undefined ? 'add' : 'update' }, object ?? old, old)
  const subscriptions = [
    sources.nodes.onChange((node, old) => {
      if (node === undefined) cache.removeNode(old?.metadata.name ?? '')
      else cache.setNode(node)
      if (node === undefined || old === undefined || nodeMatters(node, old)) notify('Node', node, old)
    }),
    sources.pods.onChange((pod, old) => {
      const key = keyOf((pod ?? old)!)
      if (pod === undefined) {
        queue.remove(key)
        cache.removePod(key)
        cache.withdrawNomination(key)
        if ((old?.spec.nodeName ?? '') !== '') notify('Pod', undefined, old)
      } else if ((pod.spec.nodeName ?? '') !== '') {
        queue.remove(key)
        cache.withdrawNomination(key)
        const assumed = cache.isAssumed(key)
        cache.setPod(pod)
        if (!assumed && old !== undefined && (old.spec.nodeName ?? '') !== '' && (old.spec !== pod.spec || old.metadata.labels !== pod.metadata.labels)) notify('Pod', pod, old)
        else if ((old?.spec.nodeName ?? '') === '') notify('Pod', pod, undefined)
      } else if (ours(pod) && !cache.isAssumed(key)) {
        const info = podInfoOf(pod)
        cache.nominate(info, pod.status?.nominatedNodeName ?? '')
        queue.update(info)
      }
    }),
    sources.services.onChange((service, old) => notify('Service', service, old)),
    sources.namespaces.onChange((namespace, old) => notify('Namespace', namespace, old)),
  ]
  await factory.synced()
  ready = true
  schedule()

  const done = Promise.withResolvers<void>()
  return {
    done: done.promise,
    async [Symbol.asyncDispose]() {
      stopped.abort(new Error('the scheduler is stopping'))
      for (const subscription of subscriptions) subscription[Symbol.dispose]()
      queue[Symbol.dispose]()
      await Promise.all(under)
      await recorder[Symbol.asyncDispose]()
      await factory[Symbol.asyncDispose]()
      done.resolve()
    },
  }
}

/** Heartbeats and the like change nothing that a pod waits for. */
function nodeMatters(node: Node, old: Node): boolean {
  const seen = (each: Node): string => JSON.stringify([each.spec.unschedulable, each.spec.taints, each.metadata.labels, each.status?.allocatable])
  return seen(node) !== seen(old)
}

interface SpreadSources {
  services: Informer<Service>
  replicaSets: Informer<ReplicaSet>
  statefulSets: Informer<StatefulSet>
  replicationControllers: Informer<ReplicationController>
}

/** What a pod without spread constraints is spread by: the selectors of its services and of its controller together. */
function spreadSelector(pod: Pod, sources: SpreadSources): LabelSelector | undefined {
  const labels = pod.metadata.labels ?? {}
  const matchLabels: Record<string, string> = {}
  const matchExpressions: NonNullable<LabelSelector['matchExpressions']> = []
  for (const service of sources.services.list(pod.metadata.namespace)) {
    const selector = Object.entries(service.spec.selector ?? {})
    if (selector.length > 0 && selector.every(([key, value]) => labels[key] === value)) Object.assign(matchLabels, service.spec.selector)
  }
  const owner = controllerOf(pod)
  const key = `${pod.metadata.namespace ?? ''}/${owner?.name ?? ''}`
  if (owner?.kind === 'ReplicationController') Object.assign(matchLabels, sources.replicationControllers.get(key)?.spec.selector)
  else if (owner?.kind === 'ReplicaSet' || owner?.kind === 'StatefulSet') {
    const selector = (owner.kind === 'ReplicaSet' ? sources.replicaSets : sources.statefulSets).get(key)?.spec.selector
    Object.assign(matchLabels, selector?.matchLabels)
    matchExpressions.push(...(selector?.matchExpressions ?? []))
  }
  return Object.keys(matchLabels).length + matchExpressions.length === 0 ? undefined : { matchLabels, matchExpressions }
}
