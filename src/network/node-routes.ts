import type { Node } from '../api/types/core_v1.ts'
import { watching, type KeysOf, type Source } from '../client/controller.ts'
import type { Informer } from '../client/informer.ts'
import { cidrHas, parseCidr } from '../machinery/cidr.ts'
import type { Runtime } from '../runtime/runtime.ts'

/** Pod range of a node -> the node's address. */
export type NodeRoutes = ReadonlyMap<string, string>

/** The mark (`proto`) of routes kept here, so that they are known again after a restart and no others are touched. */
const routeProtocol = 138

export function internalAddress(node: Node): string | undefined {
  return node.status?.addresses?.find((address) => address.type === 'InternalIP' && !address.address.includes(':'))?.address
}

function podRange(node: Node): string | undefined {
  return [node.spec?.podCIDR, ...(node.spec?.podCIDRs ?? [])].find((range) => range !== undefined && range !== '' && !range.includes(':'))
}

/** Where the pods of every node but `exceptNode` are reached. Nodes without a range or an address have none yet; simulated ones, at loopback addresses, never. */
export function routesToNodes(nodes: readonly Node[], exceptNode?: string): NodeRoutes {
  const routes = new Map<string, string>()
  for (const node of nodes) {
    const [range, address] = [podRange(node), internalAddress(node)]
    if (node.metadata.name !== exceptNode && range !== undefined && address !== undefined && !address.startsWith('127.')) routes.set(range, address)
  }
  return routes
}

/** A source that wakes when a node comes, goes, or changes its range or address; a heartbeat changes neither. */
export function nodeRouteChanges(nodes: Informer<Node>, key: string): Source {
  const told = (node: Node | undefined): string => (node === undefined ? '' : `${podRange(node)} ${internalAddress(node)}`)
  const keysOf: KeysOf<Node> = (node, old) => (told(node) === told(old) ? [] : [key])
  return watching(nodes, keysOf)
}

interface RouteJson { dst: string; gateway?: string }

/** The `ip` commands that lead from the routes that stand to the ones wanted. */
export function routeChanges(standing: NodeRoutes, wanted: NodeRoutes): string[] {
  const gone = [...standing].filter(([range]) => !wanted.has(range)).map(([range]) => `route del ${range} proto ${routeProtocol}`)
  const changed = [...wanted].filter(([range, address]) => standing.get(range) !== address)
  return [...gone, ...changed.map(([range, address]) => `route replace ${range} via ${address} proto ${routeProtocol}`)]
}

/** Makes the kernel's routes to node ranges within `clusterCIDR` be `wanted`. Nodes must be reachable without a router between them. */
export async function applyNodeRoutes(runtime: Runtime, clusterCIDR: string, wanted: NodeRoutes): Promise<void> {
  const { stdout } = await runtime.processes.run('ip', ['-4', '-json', 'route', 'show', 'proto', String(routeProtocol)])
  const cluster = parseCidr(clusterCIDR)
  if (cluster === undefined) throw new Error(`the cluster's pod range ${clusterCIDR} is no range`)
  const standing = new Map<string, string>()
  for (const route of JSON.parse(stdout || '[]') as RouteJson[]) {
    const range = parseCidr(route.dst)
    if (range !== undefined && cidrHas(cluster, { family: range.family, value: range.base })) standing.set(route.dst, route.gateway ?? '')
  }
  const lines = routeChanges(standing, wanted)
  if (lines.length === 0) return
  await runtime.processes.run('ip', ['-force', '-batch', '-'], { input: `${lines.join('\n')}\n` })
}
