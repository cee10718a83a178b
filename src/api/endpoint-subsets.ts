import { createHash } from 'node:crypto'
import type { EndpointAddress, EndpointPort, EndpointSubset } from './types/core_v1.ts'

/**
 * Subsets of Endpoints as upstream keeps them (`pkg/api/endpoints`): a set of addresses stands once, with every port that all of
 * them offer. Two subsets `a:80` and `a:443` become one, `a:80,443`.
 */
export function repackSubsets(subsets: readonly EndpointSubset[]): EndpointSubset[] {
  const addresses = new Map<string, EndpointAddress>()
  const offers = new Map<string, { port: EndpointPort | undefined; ready: Map<string, boolean> }>()
  for (const subset of subsets) {
    for (const port of (subset.ports ?? []).length === 0 ? [undefined] : (subset.ports ?? [])) {
      const id = portText(port)
      let offer = offers.get(id)
      if (offer === undefined) offers.set(id, (offer = { port, ready: new Map() }))
      for (const [list, isReady] of [[subset.addresses, true], [subset.notReadyAddresses, false]] as const) {
        for (const address of list ?? []) {
          const key = `${address.ip} ${address.targetRef?.uid ?? ''}`
          if (!addresses.has(key)) addresses.set(key, address)
          // Whoever is said not to be ready anywhere is not.
          offer.ready.set(key, isReady && offer.ready.get(key) !== false)
        }
      }
    }
  }
  const groups = new Map<string, { ready: ReadonlyMap<string, boolean>; ports: EndpointPort[] }>()
  for (const { port, ready } of offers.values()) {
    const id = JSON.stringify([...ready].sort(([a], [b]) => (a < b ? -1 : 1)))
    const group = groups.get(id) ?? { ready, ports: [] }
    groups.set(id, group)
    if (port !== undefined) group.ports.push(port)
  }
  const of = (ready: ReadonlyMap<string, boolean>, wanted: boolean): EndpointAddress[] =>
    [...ready].filter(([, isReady]) => isReady === wanted).map(([key]) => addresses.get(key) as EndpointAddress).sort(byAddress)
  return [...groups.values()].map(({ ready, ports }) => {
    const [up, down] = [of(ready, true), of(ready, false)]
    return { ...(up.length === 0 ? {} : { addresses: up }), ...(down.length === 0 ? {} : { notReadyAddresses: down }), ...(ports.length === 0 ? {} : { ports: sortedByHash(ports, portText) }) }
  }).map((subset) => ({ subset, text: JSON.stringify(subset) })).sort((a, b) => (hash(a.text) < hash(b.text) ? -1 : 1)).map(({ subset }) => subset)
}

function byAddress(a: EndpointAddress, b: EndpointAddress): number {
  if (a.ip !== b.ip) return a.ip < b.ip ? -1 : 1
  const [left, right] = [a.targetRef?.uid ?? '', b.targetRef?.uid ?? '']
  return left < right ? -1 : left > right ? 1 : 0
}

const hash = (text: string): string => createHash('md5').update(text).digest('hex')

function sortedByHash<T>(items: readonly T[], textOf: (item: T) => string): T[] {
  return items.map((item) => ({ item, order: hash(textOf(item)) })).sort((a, b) => (a.order < b.order ? -1 : 1)).map(({ item }) => item)
}

/** A port as upstream's hash sees it, which decides where it stands. */
function portText(port: EndpointPort | undefined): string {
  if (port === undefined) return ''
  return `(core.EndpointPort){Name:(string)${port.name ?? ''} Port:(int32)${port.port} Protocol:(core.Protocol)${port.protocol ?? ''} AppProtocol:(*string)${port.appProtocol ?? '<nil>'}}`
}
