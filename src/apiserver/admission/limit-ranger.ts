import { podLimits, podRequests, type ResourceAmounts } from '../../api/pod-resources.ts'
import type { Container, LimitRange, LimitRangeItem, PersistentVolumeClaim, Pod } from '../../api/types/core_v1.ts'
import { compareQuantities, milliValue, parseQuantity, quantityFromMilli, quantityFromValue, quantitySign, quantityText } from '../../machinery/quantity.ts'
import type { AdmissionAttributes, AdmissionPlugin } from '../context.ts'
import type { ApiServerCore } from '../core.ts'
import { whenKnown } from '../known.ts'
import { admittedPod, isCore, refusal } from './refusal.ts'

type List = Readonly<Record<string, string>>

/** What a LimitRange's container items give to those that say nothing: the last item wins, as upstream. */
function defaultsOf(range: LimitRange): { requests: List; limits: List } {
  const requests: Record<string, string> = {}
  const limits: Record<string, string> = {}
  for (const item of range.spec?.limits ?? []) {
    if (item.type !== 'Container') continue
    Object.assign(requests, item.defaultRequest)
    Object.assign(limits, item.default)
  }
  return { requests, limits }
}

function fill(container: Container, kind: 'requests' | 'limits', defaults: List): string[] {
  const given = container.resources?.[kind]
  const missing = Object.keys(defaults).filter((resource) => given?.[resource] === undefined)
  if (missing.length === 0) return []
  container.resources = { ...container.resources, [kind]: { ...given, ...Object.fromEntries(missing.map((resource) => [resource, defaults[resource]!])) } }
  return missing.toSorted()
}

/** Fills in defaults; answers what was set, for the annotation. */
function fillPod(pod: Pod, defaults: { requests: List; limits: List }): string[] {
  const notes: string[] = []
  const each = (container: Container, what: string): void => {
    const requests = fill(container, 'requests', defaults.requests)
    if (requests.length > 0) notes.push(`${requests.join(', ')} request for ${what} ${container.name}`)
    const limits = fill(container, 'limits', defaults.limits)
    if (limits.length > 0) notes.push(`${limits.join(', ')} limit for ${what} ${container.name}`)
  }
  for (const container of pod.spec.containers) each(container, 'container')
  for (const container of pod.spec.initContainers ?? []) each(container, 'init container')
  return notes
}

function over(a: string, b: string): boolean {
  return compareQuantities(parseQuantity(a), parseQuantity(b)) > 0
}

function ratioProblem(resource: string, type: string, ratio: string, request: string | undefined, limit: string | undefined): string | undefined {
  const isZero = (text: string | undefined): boolean => text === undefined || quantitySign(parseQuantity(text)) === 0
  const head = `${resource} max limit to request ratio per ${type} is ${ratio}, but`
  if (isZero(request)) return `${head} no request is specified or request is 0`
  if (isZero(limit)) return `${head} no limit is specified or limit is 0`
  const observed = milliValue(limit!) / milliValue(request!)
  return observed * 1000 > milliValue(ratio) ? `${head} provided ratio is ${observed.toFixed(6)}` : undefined
}

/** Everything that `requests` and `limits` break of one item. */
export function limitProblems(item: LimitRangeItem, requests: List, limits: List): string[] {
  const problems: Array<string | undefined> = []
  const { type } = item
  for (const [resource, min] of Object.entries(item.min ?? {})) {
    const head = `minimum ${resource} usage per ${type} is ${min}`
    if (requests[resource] === undefined) problems.push(`${head}.  No request is specified`)
    else if (over(min, requests[resource])) problems.push(`${head}, but request is ${requests[resource]}`)
    else if (limits[resource] !== undefined && over(min, limits[resource])) problems.push(`${head}, but limit is ${limits[resource]}`)
  }
  for (const [resource, max] of Object.entries(item.max ?? {})) {
    const head = `maximum ${resource} usage per ${type} is ${max}`
    // Claims have requests only.
    if (type === 'PersistentVolumeClaim') {
      if (requests[resource] === undefined) problems.push(`${head}.  No request is specified`)
      else if (over(requests[resource], max)) problems.push(`${head}, but request is ${requests[resource]}`)
    } else if (limits[resource] === undefined) problems.push(`${head}.  No limit is specified`)
    else if (over(limits[resource], max)) problems.push(`${head}, but limit is ${limits[resource]}`)
    else if (requests[resource] !== undefined && over(requests[resource], max)) problems.push(`${head}, but request is ${requests[resource]}`)
  }
  for (const [resource, ratio] of Object.entries(item.maxLimitRequestRatio ?? {})) problems.push(ratioProblem(resource, type, ratio, requests[resource], limits[resource]))
  return problems.filter((problem) => problem !== undefined)
}

function listOf(amounts: ResourceAmounts): List {
  return Object.fromEntries([...amounts].map(([resource, amount]) => [
    resource, quantityText(resource === 'cpu' ? quantityFromMilli(amount) : quantityFromValue(amount, resource === 'memory' || resource === 'ephemeral-storage' ? 'BinarySI' : 'DecimalSI')),
  ]))
}

function podProblems(range: LimitRange, pod: Pod): string[] {
  return (range.spec?.limits ?? []).flatMap((item) => {
    if (item.type === 'Pod') return limitProblems(item, listOf(podRequests(pod.spec)), listOf(podLimits(pod.spec)))
    if (item.type !== 'Container') return []
    return [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].flatMap((container) => limitProblems(item, container.resources?.requests ?? {}, container.resources?.limits ?? {}))
  })
}

/** Gives containers the namespace's default requests and limits, and refuses what goes beyond its ranges (documentation, "Limit Ranges"). */
export function limitRanger(core: ApiServerCore): AdmissionPlugin {
  const resource = core.resource('limitranges')
  /** Most namespaces have none: then there is nothing to do. */
  function withRanges(namespace: string, use: (ranges: readonly LimitRange[]) => void): Promise<void> | void {
    return whenKnown(core.registry.listNow(resource, namespace), (ranges) => (ranges.length === 0 ? undefined : use(ranges as unknown as readonly LimitRange[])))
  }

  function throwAny(attributes: AdmissionAttributes, problems: readonly string[]): void {
    const unique = [...new Set(problems)]
    if (unique.length > 0) throw refusal(attributes, unique.length === 1 ? unique[0]! : `[${unique.join(', ')}]`)
  }

  /** A pod that comes, or changes what it asks for. */
  function concernedPod(attributes: AdmissionAttributes): Pod | undefined {
    return attributes.operation === 'CREATE' ? admittedPod(attributes) : admittedPod(attributes, 'resize')
  }

  return {
    name: 'LimitRanger',
    handles: (operation) => operation === 'CREATE' || operation === 'UPDATE',
    resources: ['pods', 'persistentvolumeclaims'],
    mutate(attributes) {
      const pod = concernedPod(attributes)
      if (pod === undefined) return
      return withRanges(attributes.namespace, (ranges) => {
        const notes = ranges.flatMap((range) => fillPod(pod, defaultsOf(range)))
        if (notes.length > 0) pod.metadata.annotations = { ...pod.metadata.annotations, 'kubernetes.io/limit-ranger': `LimitRanger plugin set: ${notes.join('; ')}` }
      })
    },
    validate(attributes) {
      const pod = concernedPod(attributes)
      if (pod !== undefined) return withRanges(attributes.namespace, (ranges) => throwAny(attributes, ranges.flatMap((range) => podProblems(range, pod))))
      // What is being deleted may be let go whatever its size.
      if (!isCore(attributes, 'persistentvolumeclaims') || (attributes.operation === 'UPDATE' && attributes.object?.metadata.deletionTimestamp !== undefined)) return
      const requests = (attributes.object as PersistentVolumeClaim).spec?.resources?.requests ?? {}
      return withRanges(attributes.namespace, (ranges) => {
        const items = ranges.flatMap((range) => (range.spec?.limits ?? []).filter((item) => item.type === 'PersistentVolumeClaim'))
        throwAny(attributes, items.flatMap((item) => limitProblems(item, requests, {})))
      })
    },
  }
}
