import { qosClass } from '../../api/qos.ts'
import type { Pod, Toleration } from '../../api/types/core_v1.ts'
import { jsonSyntaxProblem } from '../../machinery/json-syntax.ts'
import { semanticEqual } from '../../machinery/equality.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../context.ts'
import type { ApiServerCore } from '../core.ts'
import { plainServerError } from '../plain-error.ts'
import { admittedPod } from './refusal.ts'
import { namespaceOf } from './webhooks/matching.ts'

/** For namespaces without annotations: tolerations that their pods get, and those that they may have at most (none: any). */
export interface TolerationRestriction { default: readonly Toleration[]; whitelist: readonly Toleration[] }

const defaultsAnnotation = 'scheduler.alpha.kubernetes.io/defaultTolerations'
const whitelistAnnotation = 'scheduler.alpha.kubernetes.io/tolerationsWhitelist'

/** Whether everything that `narrow` tolerates, `wide` does too. */
function covers(wide: Toleration, narrow: Toleration): boolean {
  if (semanticEqual(wide, narrow)) return true
  if (narrow.key !== wide.key && ((wide.key ?? '') !== '' || wide.operator !== 'Exists')) return false
  if (narrow.effect !== wide.effect && (wide.effect ?? '') !== '') return false
  if (wide.effect === 'NoExecute' && wide.tolerationSeconds !== undefined && (narrow.tolerationSeconds === undefined || narrow.tolerationSeconds > wide.tolerationSeconds)) return false
  if (wide.operator === 'Exists') return true
  return (wide.operator ?? 'Equal') === 'Equal' && narrow.operator === 'Equal' && (narrow.value ?? '') === (wide.value ?? '')
}

/** Both lists without what others of them cover; of equals the first stays. */
export function mergeTolerations(first: readonly Toleration[], second: readonly Toleration[]): Toleration[] {
  const all = [...first, ...second]
  const merged: Toleration[] = []
  for (const [i, toleration] of all.entries()) {
    if (merged.some((other) => covers(other, toleration))) continue
    if (all.slice(i + 1).some((other) => !semanticEqual(toleration, other) && covers(other, toleration))) continue
    merged.push(toleration)
  }
  return merged
}

/** Gives a namespace's pods tolerations and keeps them to those it allows. Off by default. */
export function podTolerationRestriction(core: ApiServerCore, configured: TolerationRestriction = { default: [], whitelist: [] }): AdmissionPlugin {
  async function listOf(namespace: string, annotation: string): Promise<readonly Toleration[] | undefined> {
    const text = (await namespaceOf(core, namespace)).metadata.annotations?.[annotation]
    if (text === undefined) return undefined
    if (text === '') return []
    try {
      const list: unknown = JSON.parse(text)
      if (!Array.isArray(list)) throw new Error('json: cannot unmarshal object into Go value of type []v1.Toleration')
      return list as Toleration[]
    } catch (cause) {
      throw plainServerError(jsonSyntaxProblem(text) ?? (cause as Error).message)
    }
  }

  async function check({ namespace }: AdmissionAttributes, { spec: { tolerations = [] } }: Pod): Promise<void> {
    if (tolerations.length === 0) return
    const whitelist = await listOf(namespace, whitelistAnnotation) ?? configured.whitelist
    if (whitelist.length > 0 && !tolerations.every((toleration) => whitelist.some((allowed) => covers(allowed, toleration)))) {
      throw plainServerError('pod tolerations (possibly merged with namespace default tolerations) conflict with its namespace whitelist')
    }
  }

  return {
    name: 'PodTolerationRestriction',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    resources: ['pods'],
    async mutate(attributes) {
      const pod = admittedPod(attributes)
      if (pod === undefined) return
      const extra = attributes.operation === 'CREATE' ? [...(await listOf(attributes.namespace, defaultsAnnotation) ?? configured.default)] : []
      // Pods with requests stay where memory is short.
      if (qosClass(pod.spec) !== 'BestEffort') extra.push({ key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' })
      if (extra.length > 0) pod.spec.tolerations = mergeTolerations(pod.spec.tolerations ?? [], extra)
      await check(attributes, pod)
    },
    async validate(attributes) {
      const pod = admittedPod(attributes)
      if (pod !== undefined) await check(attributes, pod)
    },
  }
}
