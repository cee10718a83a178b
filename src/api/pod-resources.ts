import { milliValue, quantityValue } from '../machinery/quantity.ts'
import type { Container, PodSpec } from './types/core_v1.ts'

/** Amounts by resource name: `cpu` in thousandths of a core, everything else in its own unit (bytes, pieces). */
export type ResourceAmounts = Map<string, number>

/** One quantity as a number, in the unit of `ResourceAmounts`. */
export function amountOf(resource: string, quantity: string): number {
  return resource === 'cpu' ? milliValue(quantity) : quantityValue(quantity)
}

export function amountsOf(list: Readonly<Record<string, string>> | undefined): ResourceAmounts {
  const amounts: ResourceAmounts = new Map()
  for (const [resource, quantity] of Object.entries(list ?? {})) amounts.set(resource, amountOf(resource, quantity))
  return amounts
}

function addTo(total: ResourceAmounts, more: ReadonlyMap<string, number>): void {
  for (const [resource, amount] of more) total.set(resource, (total.get(resource) ?? 0) + amount)
}

function raiseTo(total: ResourceAmounts, floor: ReadonlyMap<string, number>): void {
  for (const [resource, amount] of floor) if (amount > (total.get(resource) ?? 0)) total.set(resource, amount)
}

type ResourceKind = 'requests' | 'limits'

function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always'
}

/**
 * What a pod asks for as a whole (KEP-753): its containers and sidecars together, or what any one init container needs beside
 * the sidecars started before it, whichever is more; pod-level resources (KEP-2837) win; overhead is added.
 */
function podAmounts(spec: PodSpec, kind: ResourceKind): ResourceAmounts {
  const total: ResourceAmounts = new Map()
  for (const container of spec.containers) addTo(total, amountsOf(container.resources?.[kind]))
  const sidecars: ResourceAmounts = new Map()
  const initPeak: ResourceAmounts = new Map()
  for (const container of spec.initContainers ?? []) {
    const own = amountsOf(container.resources?.[kind])
    if (isSidecar(container)) {
      addTo(total, own)
      addTo(sidecars, own)
      raiseTo(initPeak, sidecars)
    } else {
      addTo(own, sidecars)
      raiseTo(initPeak, own)
    }
  }
  raiseTo(total, initPeak)
  for (const [resource, amount] of amountsOf(spec.resources?.[kind])) total.set(resource, amount)
  if (spec.overhead !== undefined) {
    for (const [resource, amount] of amountsOf(spec.overhead)) if (kind === 'requests' || total.has(resource)) total.set(resource, (total.get(resource) ?? 0) + amount)
  }
  return total
}

export function podRequests(spec: PodSpec): ResourceAmounts {
  return podAmounts(spec, 'requests')
}

export function podLimits(spec: PodSpec): ResourceAmounts {
  return podAmounts(spec, 'limits')
}
