import { compareQuantities, parseQuantity, zeroQuantity } from '../machinery/quantity.ts'
import type { Container, PodSpec } from './types/core_v1.ts'

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort'

/** Only CPU and memory count, and only amounts above zero. */
function computeAmounts(list: Readonly<Record<string, string>> | undefined): Array<[string, string]> {
  return Object.entries(list ?? {}).filter(([name, amount]) => (name === 'cpu' || name === 'memory') && compareQuantities(parseQuantity(amount), zeroQuantity) > 0)
}

const limitsBoth = (limits: Array<[string, string]>): boolean => limits.length === 2

/** Guaranteed: every container limits CPU and memory and requests just that; BestEffort: none says anything; else Burstable. */
export function qosClass(spec: Readonly<PodSpec>): QosClass {
  if (spec.resources !== undefined && (spec.resources.limits !== undefined || spec.resources.requests !== undefined)) return qosOf([spec.resources])
  const containers: readonly Container[] = [...(spec.containers ?? []), ...(spec.initContainers ?? [])]
  return qosOf(containers.map((container) => container.resources ?? {}))
}

function qosOf(all: ReadonlyArray<{ limits?: Record<string, string>; requests?: Record<string, string> }>): QosClass {
  let any = false
  let guaranteed = true
  for (const resources of all) {
    const limits = computeAmounts(resources.limits)
    const requests = computeAmounts(resources.requests)
    if (limits.length > 0 || requests.length > 0) any = true
    const same = limits.every(([name, amount]) => {
      const request = requests.find(([other]) => other === name)?.[1]
      return request === undefined || compareQuantities(parseQuantity(request), parseQuantity(amount)) === 0
    })
    if (!limitsBoth(limits) || !same) guaranteed = false
  }
  if (!any) return 'BestEffort'
  return guaranteed ? 'Guaranteed' : 'Burstable'
}
