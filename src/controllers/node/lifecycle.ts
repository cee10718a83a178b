import type { Node, Taint } from '../../api/types/core_v1.ts'
import type { Client } from '../../client/client.ts'
import { every, reading, runController, watching } from '../../client/controller.ts'
import { leases, nodes, pods } from '../../client/resources.ts'
import { timeText } from '../../machinery/object.ts'
import { isReason } from '../../machinery/status.ts'
import { together, type ControllerContext, type StartController } from '../context.ts'
import { podCondition } from '../pods.ts'
import { nodeCondition, notReadyTaint, observeHealth, unknownConditions, unreachableTaint, withNoExecuteTaint, withNoScheduleTaints, type NodeHealth } from './conditions.ts'
import { EvictionQueue } from './zones.ts'

export interface NodeLifecycleOptions {
  /** How often nodes are looked at. */
  monitorPeriodMs?: number
  /** A node that gave no sign of life for this long is Unknown (50 s since Kubernetes 1.32). */
  monitorGracePeriodMs?: number
  /** The same for a node that has never reported. */
  startupGracePeriodMs?: number
}

export const podsByNode = 'node'
const leaseNamespace = 'kube-node-lease'

/** Judges nodes by their heartbeats, and taints those that pods should not go to, or not stay on. */
export function nodeLifecycleController(options: NodeLifecycleOptions = {}): StartController {
  return (context) => {
    const { informers, runtime } = context
    const nodeInformer = informers.informer(nodes)
    const podInformer = informers.informer(pods)
    const leaseInformer = informers.informer(leases, { namespace: leaseNamespace })
    podInformer.addIndex(podsByNode, (pod) => (pod.spec?.nodeName === undefined ? [] : [pod.spec.nodeName]))
    const monitor = new Monitor(context, options)
    return together(
      runController({
        name: 'node-lifecycle-controller', runtime, concurrency: 1,
        sources: [every(runtime, options.monitorPeriodMs ?? 5000), reading(nodeInformer), reading(podInformer), reading(leaseInformer)],
        reconcile: () => monitor.look(),
      }),
      runController({
        name: 'node-lifecycle-controller', runtime, concurrency: 8, sources: [watching(nodeInformer)],
        async reconcile(name) {
          await changeTaints(context.client, nodeInformer.get(name), (node) => withNoScheduleTaints(node, runtime.clock.now()))
        },
      }),
    )
  }
}

/** Writes the taints that `change` makes of the node's, on its newest version; nothing when it answers undefined. */
async function changeTaints(client: Client, node: Node | undefined, change: (node: Node) => Taint[] | undefined): Promise<void> {
  if (node === undefined || change(node) === undefined) return
  const fresh = await client.find(nodes, '', node.metadata.name!)
  const taints = fresh === undefined || fresh.metadata.uid !== node.metadata.uid ? undefined : change(fresh)
  if (taints === undefined) return
  await client.patch(nodes, '', node.metadata.name!, 'merge', { metadata: { resourceVersion: fresh!.metadata.resourceVersion }, spec: { taints: taints.length === 0 ? null : taints } })
}

class Monitor {
  private readonly context: ControllerContext
  private readonly options: NodeLifecycleOptions
  private readonly health = new Map<string, NodeHealth>()
  private readonly known = new Map<string, Node>()
  private readonly podsToMark = new Set<string>()
  private readonly evictions = new EvictionQueue()

  constructor(context: ControllerContext, options: NodeLifecycleOptions) {
    this.context = context
    this.options = options
  }

  private get nowMs(): number {
    return this.context.runtime.clock.now()
  }

  /** One look at all nodes. */
  async look(): Promise<void> {
    const all = this.context.informers.informer(nodes).list()
    this.greet(all)
    const results = await Promise.allSettled(all.map((node) => this.judge(node)))
    for (const [at, result] of results.entries()) {
      if (result.status === 'rejected') this.context.runtime.log.warn('cannot judge a node; trying again', { node: all[at]!.metadata.name, err: result.reason })
    }
    const current = results.map((result, at) => (result.status === 'fulfilled' ? result.value : all[at]!))
    if (this.evictions.update(current, isReady)) return this.freeAll(current)
    for (const node of current) await this.queueOrFree(node)
    for (const [name, key] of this.evictions.take(this.nowMs)) await this.taint(name, key)
  }

  private greet(all: readonly Node[]): void {
    const names = new Set(all.map((node) => node.metadata.name!))
    for (const node of all) {
      const name = node.metadata.name!
      if (!this.known.has(name)) this.event(node, 'RegisteredNode', `Node ${name} event: Registered Node ${name} in Controller`)
      this.known.set(name, node)
    }
    for (const [name, node] of this.known) {
      if (names.has(name)) continue
      this.event(node, 'RemovingNode', `Node ${name} event: Removing Node ${name} from Controller`)
      this.known.delete(name)
      this.health.delete(name)
      this.podsToMark.delete(name)
      this.evictions.remove(name)
    }
  }

  /** The node, with its conditions set to Unknown when it gives no sign of life. */
  private async judge(node: Node): Promise<Node> {
    const name = node.metadata.name!
    const lease = this.context.informers.informer(leases, { namespace: leaseNamespace }).get(`${leaseNamespace}/${name}`)
    const health = observeHealth(this.health.get(name), node, lease, this.nowMs)
    this.health.set(name, health)
    const graceMs = nodeCondition(node, 'Ready') === undefined ? (this.options.startupGracePeriodMs ?? 60_000) : (this.options.monitorGracePeriodMs ?? 50_000)
    const conditions = this.nowMs > health.aliveMs + graceMs ? unknownConditions(node, this.nowMs) : undefined
    let current = node
    if (conditions !== undefined) {
      current = await this.context.client.updateStatus(nodes, { ...node, status: { ...node.status, conditions } })
      if (isReady(node)) {
        this.event(node, 'NodeNotReady', `Node ${name} status is now: NodeNotReady`)
        this.podsToMark.add(name)
      }
    }
    if (isReady(current)) this.podsToMark.delete(name)
    else if (this.podsToMark.has(name)) await this.markPods(name)
    return current
  }

  /** Nobody can say of the pods of a silent node that they are ready; services stop sending to them. */
  private async markPods(name: string): Promise<void> {
    const { client, informers, runtime, recorder } = this.context
    for (const pod of informers.informer(pods).byIndex(podsByNode, name)) {
      if (podCondition(pod, 'Ready')?.status !== 'True') continue
      const { namespace = '', name: podName = '', uid } = pod.metadata
      const conditions = [{ type: 'Ready', status: 'False', lastTransitionTime: timeText(runtime.clock.now()) }]
      try {
        await client.patch(pods, namespace, podName, 'strategic', { metadata: { uid }, status: { conditions } }, { subresource: 'status' })
      } catch (error) {
        if (isReason(error, 'NotFound', 'Conflict')) continue
        throw error
      }
      recorder.event({ apiVersion: 'v1', kind: 'Pod', namespace, name: podName, uid }, 'Warning', 'NodeNotReady', 'Node is not ready')
    }
    this.podsToMark.delete(name)
  }

  private async queueOrFree(node: Node): Promise<void> {
    const ready = nodeCondition(node, 'Ready')?.status
    if (ready === 'True') {
      this.evictions.remove(node.metadata.name!)
      return this.setNoExecute(node, undefined)
    }
    if (ready === undefined) return
    const key = ready === 'False' ? notReadyTaint : unreachableTaint
    const tainted = (node.spec?.taints ?? []).filter((taint) => taint.effect === 'NoExecute' && (taint.key === notReadyTaint || taint.key === unreachableTaint))
    // Evicted from already: only the reason has changed.
    if (tainted.length > 0) return this.setNoExecute(node, key)
    this.evictions.add(node, key)
  }

  private async freeAll(all: readonly Node[]): Promise<void> {
    for (const node of all) await this.setNoExecute(node, undefined)
  }

  private async taint(name: string, key: string): Promise<void> {
    const node = this.context.informers.informer(nodes).get(name)
    if (node !== undefined) await this.setNoExecute(node, key)
  }

  private async setNoExecute(node: Node, key: string | undefined): Promise<void> {
    try {
      await changeTaints(this.context.client, node, (current) => withNoExecuteTaint(current, key, this.nowMs))
    } catch (error) {
      this.context.runtime.log.warn('cannot taint a node; trying again', { node: node.metadata.name, err: error })
    }
  }

  private event(node: Node, reason: string, message: string): void {
    this.context.recorder.event({ apiVersion: 'v1', kind: 'Node', name: node.metadata.name!, uid: node.metadata.uid }, 'Normal', reason, message)
  }
}

function isReady(node: Node): boolean {
  return nodeCondition(node, 'Ready')?.status === 'True'
}
