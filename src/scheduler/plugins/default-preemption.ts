import type { Pod } from '../../api/types/core_v1.ts'
import type { PodDisruptionBudget } from '../../api/types/policy_v1.ts'
import type { Client } from '../../client/client.ts'
import { targetOf, type EventRecorder } from '../../client/events.ts'
import { pods } from '../../client/resources.ts'
import { labelSelectorMatcher } from '../../machinery/labels.ts'
import { timeText } from '../../machinery/object.ts'
import { isReason } from '../../machinery/status.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { fitMessage, type SchedulingCycle } from '../cycle.ts'
import { unresolvable, unschedulable, type ClusterView, type Plugin, type Refusal } from '../framework.ts'
import type { NodeInfo, PodInfo } from '../node-info.ts'

export interface PreemptionOptions {
  client: Client
  runtime: Runtime
  recorder: EventRecorder
  /** The cycle whose filters judge a node without its victims. */
  cycle: () => SchedulingCycle
  budgets: (namespace: string) => readonly PodDisruptionBudget[]
}

interface Candidate { node: NodeInfo; victims: PodInfo[]; violations: number }

const notHelpful = unresolvable('Preemption is not helpful for scheduling')
const noVictims = unschedulable('No preemption victims found for incoming pod')

/** More important: higher priority, then running longer. */
function moreImportant(a: PodInfo, b: PodInfo): number {
  if (a.priority !== b.priority) return b.priority - a.priority
  return (a.pod.status?.startTime ?? '9') < (b.pod.status?.startTime ?? '9') ? -1 : 1
}

/** Pods whose eviction would take their budget below zero, counting each eviction as it goes. */
function violatingBudgets(victims: readonly PodInfo[], budgets: PreemptionOptions['budgets']): Set<PodInfo> {
  const left = new Map<PodDisruptionBudget, number>()
  const violating = new Set<PodInfo>()
  for (const victim of victims) {
    for (const budget of budgets(victim.pod.metadata.namespace ?? '')) {
      if (budget.spec.selector === undefined || !labelSelectorMatcher(budget.spec.selector)(victim.pod.metadata.labels)) continue
      if (budget.status?.disruptedPods?.[victim.pod.metadata.name ?? ''] !== undefined) continue
      const rest = (left.get(budget) ?? budget.status?.disruptionsAllowed ?? 0) - 1
      left.set(budget, rest)
      if (rest < 0) violating.add(victim)
    }
  }
  return violating
}

/** The fewest, least important pods of lower priority whose absence lets the pod in; the node is left as it was found. */
function victimsOn(cycle: SchedulingCycle, info: PodInfo, node: NodeInfo, view: ClusterView, budgets: PreemptionOptions['budgets']): Candidate | undefined {
  const lower = [...node.pods.values()].filter((other) => other.priority < info.priority).sort(moreImportant)
  if (lower.length === 0) return undefined
  const fits = (): boolean => {
    const state = new Map<string, unknown>()
    const prepared = cycle.prepare(state, info, view)
    return !('refusal' in prepared) && cycle.filter(state, info, node, prepared) === undefined
  }
  for (const other of lower) node.remove(other.key)
  const victims: PodInfo[] = []
  try {
    if (!fits()) return undefined
    const violating = violatingBudgets(lower, budgets)
    // Those whose eviction breaks a budget are spared first, then the more important ones.
    for (const other of [...lower.filter((each) => violating.has(each)), ...lower.filter((each) => !violating.has(each))]) {
      node.add(other)
      if (fits()) continue
      node.remove(other.key)
      victims.push(other)
    }
    return { node, victims, violations: victims.filter((victim) => violating.has(victim)).length }
  } finally {
    for (const other of lower) if (!node.pods.has(other.key)) node.add(other)
  }
}

/** Upstream's order: fewest broken budgets, lowest highest priority, lowest sum of priorities, fewest victims, latest start of the most important. */
function better(a: Candidate, b: Candidate): number {
  const highest = (each: Candidate): number => Math.max(...each.victims.map((victim) => victim.priority))
  const sum = (each: Candidate): number => each.victims.reduce((total, victim) => total + victim.priority + 2 ** 31, 0)
  const started = (each: Candidate): string => [...each.victims].sort(moreImportant)[0]?.pod.status?.startTime ?? ''
  return a.violations - b.violations || highest(a) - highest(b) || sum(a) - sum(b) || a.victims.length - b.victims.length || (started(a) > started(b) ? -1 : 1)
}

/** Candidates looked at: a tenth of the nodes, at least 100. */
function candidatesWanted(nodes: number): number {
  return Math.min(nodes, Math.max(100, Math.trunc(nodes / 10)))
}

/** Makes room for a pod that fits nowhere by deleting pods of lower priority. */
export function defaultPreemption(options: PreemptionOptions): Plugin {
  const { client, runtime, recorder } = options
  const evict = async (preemptor: Pod, victim: Pod, node: string): Promise<void> => {
    const { namespace = '', name = '', uid } = victim.metadata
    const condition = {
      type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler', lastTransitionTime: timeText(runtime.clock.now()),
      message: `${preemptor.spec.schedulerName ?? 'default-scheduler'}: preempting to accommodate a higher priority pod`,
    }
    try {
      await client.patch(pods, namespace, name, 'strategic', { metadata: { uid }, status: { conditions: [condition] } }, { subresource: 'status' })
      await client.delete(pods, namespace, name, { preconditions: { uid } })
      recorder.event(targetOf(pods, victim), 'Normal', 'Preempted', `Preempted by pod ${preemptor.metadata.uid} on node ${node}`)
    } catch (error) {
      if (!isReason(error, 'NotFound', 'Conflict')) throw new Error(`cannot preempt pod ${namespace}/${name}`, { cause: error })
    }
  }
  return {
    name: 'DefaultPreemption',
    async postFilter(_state, info, view, refusals) {
      if (info.pod.spec.preemptionPolicy === 'Never') return { message: 'not eligible due to preemptionPolicy=Never.' }
      const nominated = view.node(info.pod.status?.nominatedNodeName ?? '')
      if (nominated !== undefined && refusals.get(nominated.name)?.code !== 'unresolvable'
        && [...nominated.pods.values()].some((other) => other.pod.metadata.deletionTimestamp !== undefined && other.priority < info.priority)) {
        return { nominatedNode: nominated.name, message: 'not eligible due to a terminating pod on the nominated node.' }
      }
      const answers = new Map<string, Refusal>()
      const candidates: Candidate[] = []
      const wanted = candidatesWanted(view.nodes.length)
      for (const node of view.nodes) {
        if (candidates.length >= wanted) break
        if (refusals.get(node.name)?.code !== 'unschedulable') {
          answers.set(node.name, notHelpful)
          continue
        }
        const candidate = victimsOn(options.cycle(), info, node, view, options.budgets)
        if (candidate === undefined) answers.set(node.name, noVictims)
        else candidates.push(candidate)
      }
      const best = candidates.sort(better)[0]
      if (best === undefined) return { message: `preemption: ${fitMessage(view.nodes.length, answers)}` }
      await Promise.all(best.victims.map((victim) => evict(info.pod, victim.pod, best.node.name)))
      return { nominatedNode: best.node.name, message: '' }
    },
  }
}
