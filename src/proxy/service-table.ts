import type { Service } from '../api/types/core_v1.ts'
import type { EndpointSlice } from '../api/types/discovery.k8s.io_v1.ts'
import { rulesOf, type NodeView, type ServiceRules } from './service-rules.ts'

/** Where the table reads Services and their slices. */
export interface ServiceSource {
  keys(): Iterable<string>
  service(key: string): Service | undefined
  slices(key: string): readonly EndpointSlice[]
}

/** The rules of one service port, by `namespace/name:port/protocol`. */
export type RulesByPort = ReadonlyMap<string, ServiceRules>

/**
 * The rules of all Services, computed anew only for those that changed. A port whose rules come out the same keeps its object.
 */
export interface ServiceTable {
  /** Notes that the Service, or a slice of it, has changed. */
  touch(key: string): void
  /** Notes that all have, because the node has. */
  touchAll(): void
  /** The rules as they are now. The same map when nothing is different from the last call. */
  compute(node: NodeView): RulesByPort
}

export function createServiceTable(source: ServiceSource): ServiceTable {
  const touched = new Set<string>()
  const byService = new Map<string, readonly ServiceRules[]>()
  let all = true
  let current: RulesByPort = new Map()

  const sameText = (a: ServiceRules, b: ServiceRules): boolean => JSON.stringify(a) === JSON.stringify(b)
  const recompute = (key: string, node: NodeView): boolean => {
    const service = source.service(key)
    const known = byService.get(key) ?? []
    const made = service === undefined ? [] : rulesOf(service, source.slices(key), node)
    const next = made.map((rules) => known.find((each) => sameText(each, rules)) ?? rules)
    if (next.length === known.length && next.every((rules, index) => rules === known[index])) return false
    if (next.length === 0) byService.delete(key)
    else byService.set(key, next)
    return true
  }
  return {
    touch: (key) => void touched.add(key),
    touchAll: () => {
      all = true
    },
    compute(node) {
      let changed = false
      const keys = all ? new Set([...byService.keys(), ...source.keys()]) : touched
      for (const key of keys) changed = recompute(key, node) || changed
      all = false
      touched.clear()
      if (!changed) return current
      const rules = [...byService].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, list]) => list)
      current = new Map(rules.map((each) => [`${each.portName}/${each.protocol}`, each]))
      return current
    },
  }
}
