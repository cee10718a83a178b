import type { Pod } from '../api/types/core_v1.ts'
import type { NodeInfo, PodInfo } from './node-info.ts'

/**
 * Why something said no.
 * - `unschedulable`: removing pods from the node might help, so preemption may look at it.
 * - `unresolvable`: removing pods would not help.
 * - `error`: something broke; the pod is tried again.
 * - `wait` (Permit only): the plugin will decide later.
 */
export interface Refusal { code: 'unschedulable' | 'unresolvable' | 'error' | 'wait'; reasons: readonly string[]; plugin?: string }

export function unschedulable(...reasons: string[]): Refusal {
  return { code: 'unschedulable', reasons }
}

export function unresolvable(...reasons: string[]): Refusal {
  return { code: 'unresolvable', reasons }
}

/** What plugins keep between the steps of one scheduling cycle, under their own names. */
export type CycleState = Map<string, unknown>

/** Something that happened in the cluster and may let a waiting pod through. */
export interface ClusterEvent { resource: 'Node' | 'Pod' | 'Service' | 'Namespace' | 'PersistentVolumeClaim'; action: 'add' | 'update' | 'delete' }

/** All nodes and pods as one cycle sees them; it does not change while a cycle runs, since cycles never wait. */
export interface ClusterView {
  readonly nodes: readonly NodeInfo[]
  node(name: string): NodeInfo | undefined
  /** Nodes that hold a pod with (anti-)affinity terms; the rest need not be looked at. */
  readonly nodesWithAffinityPods: ReadonlySet<NodeInfo>
  readonly nodesWithAntiAffinityPods: ReadonlySet<NodeInfo>
  /** Pods that room is being made for on a node: pods of lower priority must leave it to them. */
  nominatedOn(node: string): readonly PodInfo[]
  namespaceLabels(namespace: string): Readonly<Record<string, string>> | undefined
}

export const maxNodeScore = 100

/**
 * A plugin takes part in whatever extension points it implements (KEP-624), called in this order for each pod:
 * preEnqueue, less (queue order), preFilter, filter (each node), postFilter (none fits), preScore, score and normalize, reserve, permit,
 * preBind, bind, postBind; unreserve undoes reserve when a later step fails. Up to `reserve` everything is synchronous.
 */
export interface Plugin {
  readonly name: string
  /** Weight of the score; 1 where left out. */
  readonly weight?: number
  /**
   * All that `filter` and `score` look at in a pod, for plugins that look at nothing else but the node itself (KEP-5598): pods that
   * tell the same get the same answers from a node until it changes, so these are remembered. Left out: asked anew for each pod.
   */
  sign?(pod: PodInfo): string
  /** Events after which a pod that this plugin refused is worth trying again; all events where left out. */
  readonly events?: readonly ClusterEvent[]
  /** Narrows `events`: whether this very change may help `pod`. */
  mayHelp?(pod: PodInfo, event: ClusterEvent, object: unknown, old: unknown): boolean
  less?(a: QueuedPod, b: QueuedPod): boolean
  preEnqueue?(pod: Pod): Refusal | undefined
  /** 'skip': nothing to filter for this pod. A set: only these nodes are looked at. */
  preFilter?(state: CycleState, pod: PodInfo, view: ClusterView): 'skip' | ReadonlySet<string> | Refusal | undefined
  filter?(state: CycleState, pod: PodInfo, node: NodeInfo): Refusal | undefined
  postFilter?(state: CycleState, pod: PodInfo, view: ClusterView, refusals: ReadonlyMap<string, Refusal>): PostFilterResult | Promise<PostFilterResult>
  preScore?(state: CycleState, pod: PodInfo, nodes: readonly NodeInfo[], view: ClusterView): 'skip' | undefined
  score?(state: CycleState, pod: PodInfo, node: NodeInfo): number
  /** Instead of `score`: all nodes at once, in their order. */
  scoreAll?(state: CycleState, pod: PodInfo, nodes: readonly NodeInfo[]): Float64Array
  /** Brings scores, in the order of the nodes, into 0..100, in place. */
  normalize?(state: CycleState, pod: PodInfo, scores: Float64Array, nodes: readonly NodeInfo[]): void
  reserve?(state: CycleState, pod: PodInfo, node: string): Refusal | undefined
  unreserve?(state: CycleState, pod: PodInfo, node: string): void
  permit?(state: CycleState, pod: PodInfo, node: string, signal: AbortSignal): Promise<Refusal | undefined> | Refusal | undefined
  preBind?(state: CycleState, pod: PodInfo, node: string): Promise<Refusal | undefined>
  /** 'skip' leaves it to the next plugin. */
  bind?(state: CycleState, pod: PodInfo, node: string): Promise<Refusal | 'skip' | undefined>
  postBind?(state: CycleState, pod: PodInfo, node: string): void
}

/** `nominatedNode`: where room is being made. `message` completes the pod's condition. */
export interface PostFilterResult { nominatedNode?: string; message: string }

export interface QueuedPod {
  info: PodInfo
  /** When the pod was first seen; orders pods of one priority. */
  addedMs: number
  attempts: number
  /** Plugins that refused it at its last attempt. */
  refusedBy: ReadonlySet<string>
  /** When it was last put aside as unschedulable. */
  putAsideMs: number
}

/** Scales scores so that the highest becomes 100; `reverse` makes the lowest the best. */
export function normalizeScores(scores: Float64Array, reverse = false): void {
  let max = 0
  for (const score of scores) if (score > max) max = score
  for (let i = 0; i < scores.length; i++) {
    const scaled = max === 0 ? 0 : Math.trunc((maxNodeScore * scores[i]!) / max)
    scores[i] = reverse ? maxNodeScore - scaled : scaled
  }
}
