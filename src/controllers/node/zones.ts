import type { Node } from '../../api/types/core_v1.ts'

/** How fast nodes of a zone may be tainted so that pods are evicted from them (upstream's kube-controller-manager defaults). */
const evictionsPerSecond = 0.1
const reducedEvictionsPerSecond = 0.01
const largeZoneNodes = 50
const unhealthyThreshold = 0.55

type ZoneState = 'Normal' | 'PartialDisruption' | 'FullDisruption'

interface Zone { waiting: Map<string, string>; state: ZoneState; nodeCount: number; nextMs: number }

function zoneOf(node: Node): string {
  const labels = node.metadata.labels ?? {}
  return `${labels['topology.kubernetes.io/region'] ?? ''}:${labels['topology.kubernetes.io/zone'] ?? ''}`
}

function stateOf(ready: number, notReady: number): ZoneState {
  if (ready === 0 && notReady > 0) return 'FullDisruption'
  return notReady > 2 && notReady / (ready + notReady) >= unhealthyThreshold ? 'PartialDisruption' : 'Normal'
}

/**
 * Nodes that wait for a NoExecute taint, zone by zone. When many nodes fail at once the fault is more likely in what joins them than in
 * them, so evictions go slower, or stop: in a small zone that is mostly down, and everywhere when everything is down.
 */
export class EvictionQueue {
  private readonly zones = new Map<string, Zone>()
  private allDown = false

  /** Takes in how many nodes of each zone are ready. Answers true while all nodes everywhere are down: then nothing is evicted. */
  update(nodes: readonly Node[], isReady: (node: Node) => boolean): boolean {
    const byZone = Map.groupBy(nodes, zoneOf)
    for (const [name, members] of byZone) {
      const zone = this.zone(name)
      const ready = members.filter(isReady).length
      zone.state = stateOf(ready, members.length - ready)
      zone.nodeCount = members.length
    }
    for (const name of this.zones.keys()) if (!byZone.has(name)) this.zones.delete(name)
    this.allDown = this.zones.size > 0 && [...this.zones.values()].every(({ state }) => state === 'FullDisruption')
    if (this.allDown) for (const zone of this.zones.values()) zone.waiting.clear()
    return this.allDown
  }

  add(node: Node, taintKey: string): void {
    if (!this.allDown) this.zone(zoneOf(node)).waiting.set(node.metadata.name ?? '', taintKey)
  }

  remove(name: string): void {
    for (const zone of this.zones.values()) zone.waiting.delete(name)
  }

  /** The nodes whose turn it is now, with the taint's key; each is out of the queue then. */
  take(nowMs: number): Array<[name: string, taintKey: string]> {
    const due: Array<[string, string]> = []
    for (const zone of this.zones.values()) {
      const rate = zone.state !== 'PartialDisruption' ? evictionsPerSecond : zone.nodeCount > largeZoneNodes ? reducedEvictionsPerSecond : 0
      const first = zone.waiting.entries().next().value
      if (rate === 0 || first === undefined || nowMs < zone.nextMs) continue
      zone.waiting.delete(first[0])
      zone.nextMs = nowMs + 1000 / rate
      due.push(first)
    }
    return due
  }

  private zone(name: string): Zone {
    const known = this.zones.get(name)
    if (known !== undefined) return known
    const made: Zone = { waiting: new Map(), state: 'Normal', nodeCount: 0, nextMs: 0 }
    this.zones.set(name, made)
    return made
  }
}
