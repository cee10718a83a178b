import { compareQuantities, parseQuantity, zeroQuantity } from '../machinery/quantity.ts'
import type { Container, PodSpec } from './types/core_v1.ts'

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort'

type Amounts = Readonly<Record<string, string>>

/** Only CPU and memory count. */
const computeResources = ['cpu', 'memory'] as const

/** Amounts of zero are none. */
function amountOf(list: Amounts | undefined, name: string): string | undefined {
  const amount = list?.[name]
  return amount === undefined || compareQuantities(parseQuantity(amount), zeroQuantity) <= 0 ? undefined : amount
}

const isSame = (a: string, b: string): boolean => a === b || compareQuantities(parseQuantity(a), parseQuantity(b)) === 0

/** Guaranteed: every container limits CPU and memory and requests just that; BestEffort: none says anything; else Burstable. */
export function qosClass(spec: Readonly<PodSpec>): QosClass {
  if (spec.resources !== undefined && (spec.resources.limits !== undefined || spec.resources.requests !== undefined)) return qosOf([spec.resources])
  const containers: readonly Container[] = [...(spec.containers ?? []), ...(spec.initContainers ?? [])]
  return qosOf(containers.map((container) => container.resources ?? {}))
}

function qosOf(all: ReadonlyArray<{ limits?: Amounts; requests?: Amounts }>): QosClass {
  let any = false
  let guaranteed = true
  for (const { limits, requests } of all) {
    for (const name of computeResources) {
      const limit = amountOf(limits, name)
      const request = amountOf(requests, name)
      if (limit !== undefined || request !== undefined) any = true
      if (limit === undefined || (request !== undefined && !isSame(request, limit))) guaranteed = false
    }
  }
  if (!any) return 'BestEffort'
  return guaranteed ? 'Guaranteed' : 'Burstable'
}
