import type { Node } from '../../api/types/core_v1.ts'
import { runController, watching } from '../../client/controller.ts'
import { nodes } from '../../client/resources.ts'
import { cidrHas, formatCidr, parseCidr, type Cidr } from '../../machinery/cidr.ts'
import type { StartController } from '../context.ts'

export interface NodeIpamOptions {
  /** `10.244.0.0/16`: node ranges are cut from it; two for dual-stack. */
  clusterCidrs: readonly string[]
  /** Prefix of a node's range: 24 for IPv4 and 64 for IPv6 where left out. */
  maskSizes?: { IPv4?: number; IPv6?: number }
}

/** One cluster range cut into node ranges of equal size; number N is the Nth of them. */
class RangeSet {
  readonly size: number
  private readonly cluster: Cidr
  private readonly prefixLength: number
  private readonly used = new Map<number, string>()
  private next = 0

  constructor(text: string, maskSizes: NodeIpamOptions['maskSizes']) {
    const cluster = parseCidr(text)
    if (cluster === undefined) throw new Error(`the cluster CIDR ${text} is not a CIDR`)
    this.cluster = cluster
    this.prefixLength = cluster.family === 4 ? (maskSizes?.IPv4 ?? 24) : (maskSizes?.IPv6 ?? 64)
    if (this.prefixLength < cluster.prefix) throw new Error(`node ranges of /${this.prefixLength} do not fit into the cluster CIDR ${text}`)
    // Upstream bounds the set likewise: a /48 cut into /64s is 65,536 nodes.
    this.size = 2 ** Math.min(this.prefixLength - cluster.prefix, 16)
  }

  private get hostBits(): bigint {
    return BigInt((this.cluster.family === 4 ? 32 : 128) - this.prefixLength)
  }
  private text(index: number): string {
    return formatCidr({ family: this.cluster.family, base: this.cluster.base + (BigInt(index) << this.hostBits), prefix: this.prefixLength })
  }
  /** The number of a range that is cut from this set; undefined when it isn't. */
  indexOf(text: string): number | undefined {
    const range = parseCidr(text)
    if (range === undefined || !cidrHas(this.cluster, { family: range.family, value: range.base })) return undefined
    return Number((range.base - this.cluster.base) >> this.hostBits)
  }
  occupy(index: number, node: string): void {
    this.used.set(index, node)
  }
  release(index: number, node: string): void {
    if (this.used.get(index) === node) this.used.delete(index)
  }
  /** A free range, taken in turn so that one just given back is not at once another node's. */
  allocate(node: string): { index: number; cidr: string } | undefined {
    for (let step = 0; step < this.size; step++) {
      const index = (this.next + step) % this.size
      if (this.used.has(index)) continue
      this.next = index + 1
      this.used.set(index, node)
      return { index, cidr: this.text(index) }
    }
    return undefined
  }
}

/** Gives every node a range of pod addresses (`spec.podCIDRs`), and takes it back when the node is gone. */
export function nodeIpamController(options: NodeIpamOptions): StartController {
  return ({ informers, runtime, client, recorder }) => {
    const informer = informers.informer(nodes)
    const sets = options.clusterCidrs.map((cidr) => new RangeSet(cidr, options.maskSizes))
    const held = new Map<string, number[]>()
    let learned = false
    const learn = (node: Node): void => {
      const indexes = (node.spec?.podCIDRs ?? []).map((cidr, at) => sets[at]?.indexOf(cidr))
      const name = node.metadata.name!
      for (const [at, index] of indexes.entries()) if (index !== undefined) sets[at]!.occupy(index, name)
      if (indexes.length > 0) held.set(name, indexes.map((index) => index ?? -1))
    }
    const release = (name: string): void => {
      for (const [at, index] of (held.get(name) ?? []).entries()) sets[at]?.release(index, name)
      held.delete(name)
    }
    const event = (node: Node, reason: string): void =>
      recorder.event({ apiVersion: 'v1', kind: 'Node', name: node.metadata.name!, uid: node.metadata.uid }, 'Normal', reason, `Node ${node.metadata.name} status is now: ${reason}`)

    return runController({
      name: 'node-ipam-controller', runtime, concurrency: 1, sources: [watching(informer)],
      async reconcile(name) {
        // What stands is taken before anything is given.
        if (!learned) for (const node of informer.list()) learn(node)
        learned = true
        const node = informer.get(name)
        if (node === undefined) return release(name)
        if ((node.spec?.podCIDRs ?? []).length > 0) return learn(node)
        release(name)
        const ranges = sets.map((set) => set.allocate(name))
        held.set(name, ranges.map((range) => range?.index ?? -1))
        if (ranges.some((range) => range === undefined)) {
          release(name)
          event(node, 'CIDRNotAvailable')
          throw new Error(`failed to allocate cidr for node ${name}: CIDR allocation failed; there are no remaining CIDRs left to allocate in the accepted range`)
        }
        const podCIDRs = ranges.map((range) => range!.cidr)
        try {
          await client.patch(nodes, '', name, 'strategic', { metadata: { uid: node.metadata.uid }, spec: { podCIDR: podCIDRs[0], podCIDRs } })
        } catch (error) {
          release(name)
          event(node, 'CIDRAssignmentFailed')
          throw error
        }
      },
    })
  }
}
