import { createHash } from 'node:crypto'
import { mkdir, readFile, readdir, rename, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { addressAt, cidrHas, cidrsOverlap, formatIp, parseCidr, type Cidr } from '../../machinery/cidr.ts'
import type { Runtime } from '../../runtime/runtime.ts'

/**
 * The address ranges of one cluster on this host and the names of what it has in the host's network.
 * Chosen once, kept in `network.json` of the cluster's folder, and the same for as long as the folder stands.
 */
export interface ClusterNetwork {
  /** The cluster's folder. */
  readonly directory: string
  /** Six hexadecimal digits, from the folder's path: they mark every interface, namespace and cgroup of the cluster. */
  readonly id: string
  /** The bridge that joins the nodes; the API server listens on `bridgeAddress`. */
  readonly bridge: string
  readonly bridgeAddress: string
  /** An interface that leads nowhere and swallows packets for pod and service addresses that no better route takes. */
  readonly sink: string
  readonly nodeCIDR: string
  readonly podCIDR: string
  readonly serviceCIDR: string
  /** Place of each node in `nodeCIDR`, by its name; a name keeps its address. */
  readonly nodes: Record<string, number>
}

/** What is in the host's network already, as far as choosing ranges goes. */
export interface HostRanges {
  /** Destinations of the host's routes, default routes left out. */
  routes: readonly string[]
  /** The host's own addresses. */
  addresses: readonly string[]
  /** Ranges that other clusters of this user have reserved, up or not. */
  reserved: readonly string[]
}

/** The ranges that the `index`-th cluster of a host would like: the first has the ones that most documentation shows. */
function candidate(index: number): Pick<ClusterNetwork, 'nodeCIDR' | 'podCIDR' | 'serviceCIDR'> {
  return { nodeCIDR: `10.88.${index}.0/24`, podCIDR: `10.${244 - index}.0.0/16`, serviceCIDR: `10.${96 + index}.0.0/16` }
}

/** 10.244 downwards and 10.96 upwards meet after this many. */
const candidateCount = 70

function toCidr(text: string): Cidr | undefined {
  return parseCidr(text.includes('/') ? text : `${text}/${text.includes(':') ? 128 : 32}`)
}

/**
 * The first three ranges that are free. A host that routes a whole private range elsewhere (10.0.0.0/8 into a VPN) leaves
 * none: then a part of such a range is taken in which the host itself has no address, so that only the narrower range is hidden.
 */
export function chooseRanges(host: HostRanges): Pick<ClusterNetwork, 'nodeCIDR' | 'podCIDR' | 'serviceCIDR'> {
  const cidrs = (texts: readonly string[]): Cidr[] => texts.map(toCidr).filter((cidr) => cidr !== undefined)
  const [routes, addresses, reserved] = [cidrs(host.routes), cidrs(host.addresses), cidrs(host.reserved)]
  const free = (wanted: Cidr, hideWider: boolean): boolean =>
    !reserved.some((range) => cidrsOverlap(range, wanted)) &&
    !addresses.some((address) => cidrsOverlap(address, wanted)) &&
    !routes.some((route) => cidrsOverlap(route, wanted) && !(hideWider && route.prefix < wanted.prefix))
  for (const hideWider of [false, true]) {
    for (let index = 0; index < candidateCount; index++) {
      const ranges = candidate(index)
      if (Object.values(ranges).every((range) => free(parseCidr(range)!, hideWider))) return ranges
    }
  }
  throw new Error('no address ranges are free for a cluster: the host routes all of 10.88.0.0/16, 10.96.0.0/12 or 10.244.0.0/16 and their neighbours elsewhere; remove a cluster or a route')
}

interface RouteJson { dst?: string; dev?: string; type?: string }
interface AddressJson { ifname: string; addr_info?: { local?: string }[] }

/** Reads the host's routes and addresses (of every table), those on interfaces in `ownInterfaces` left out. */
export async function readHostRanges(runtime: Runtime, reserved: readonly string[], ownInterfaces: readonly string[]): Promise<HostRanges> {
  const [routes, addresses] = await Promise.all([
    runtime.processes.run('ip', ['-4', '-json', 'route', 'show', 'table', 'all']),
    runtime.processes.run('ip', ['-4', '-json', 'addr', 'show']),
  ])
  const routeList = JSON.parse(routes.stdout || '[]') as RouteJson[]
  const addressList = JSON.parse(addresses.stdout || '[]') as AddressJson[]
  const isOther = (dev: string | undefined): boolean => dev === undefined || !ownInterfaces.includes(dev)
  return {
    routes: routeList.filter((route) => isOther(route.dev) && (route.type ?? 'unicast') === 'unicast').map((route) => route.dst ?? 'default').filter((dst) => dst !== 'default'),
    addresses: addressList.filter((each) => isOther(each.ifname)).flatMap((each) => each.addr_info ?? []).map((each) => each.local ?? ''),
    reserved,
  }
}

const fileOf = (clusterDirectory: string): string => join(clusterDirectory, 'network.json')

async function readNetwork(clusterDirectory: string): Promise<ClusterNetwork | undefined> {
  try {
    const stored = JSON.parse(await readFile(fileOf(clusterDirectory), 'utf8')) as Omit<ClusterNetwork, 'directory'>
    return { ...stored, directory: clusterDirectory }
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new Error(`cannot read ${fileOf(clusterDirectory)}; if it is damaged, remove the cluster with \`k8ts down\``, { cause })
  }
}

async function writeNetwork({ directory, ...stored }: ClusterNetwork): Promise<void> {
  await mkdir(directory, { recursive: true })
  await writeFile(`${fileOf(directory)}.new`, `${JSON.stringify(stored, undefined, 2)}\n`)
  await rename(`${fileOf(directory)}.new`, fileOf(directory))
}

/** The network that was reserved for this cluster's folder, or undefined when none was. */
export function findNetwork(clusterDirectory: string): Promise<ClusterNetwork | undefined> {
  return readNetwork(resolve(clusterDirectory))
}

/**
 * The network of the cluster that lives in `clusterDirectory`; chosen and written down when there is none yet.
 * Ranges reserved by the other clusters (neighbouring folders) and ranges the host routes are left alone.
 */
export async function reserveNetwork(runtime: Runtime, clusterDirectory: string): Promise<ClusterNetwork> {
  const directory = resolve(clusterDirectory)
  const known = await readNetwork(directory)
  if (known !== undefined) return known
  const parent = dirname(directory)
  const neighbours = await readdir(parent).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  const others = await Promise.all(neighbours.map((name) => readNetwork(join(parent, name))))
  const reserved = others.filter((other) => other !== undefined).flatMap((other) => [other.nodeCIDR, other.podCIDR, other.serviceCIDR])
  const id = createHash('sha256').update(directory).digest('hex').slice(0, 6)
  const [bridge, sink] = [`k8ts-${id}`, `k8ts-${id}s`]
  const ranges = chooseRanges(await readHostRanges(runtime, reserved, [bridge, sink]))
  const network: ClusterNetwork = { directory, id, bridge, sink, ...ranges, bridgeAddress: formatIp(addressAt(parseCidr(ranges.nodeCIDR)!, 1)), nodes: {} }
  await writeNetwork(network)
  return network
}

/** What is under way for each folder: nodes that start at the same time take their places one after the other. */
const reservations = new Map<string, Promise<unknown>>()

/** Gives the node `name` its place in the network, and writes it down; a node that has one keeps it. Other processes are kept away by the cluster's lock. */
export function reserveNodeAddress(clusterDirectory: string, name: string): Promise<ClusterNetwork> {
  const directory = resolve(clusterDirectory)
  const before = reservations.get(directory) ?? Promise.resolve()
  const reservation = before.then(() => takePlace(directory, name))
  const settled = reservation.catch(() => undefined).then(() => {
    if (reservations.get(directory) === settled) reservations.delete(directory)
  })
  reservations.set(directory, settled)
  return reservation
}

async function takePlace(directory: string, name: string): Promise<ClusterNetwork> {
  const network = await readNetwork(directory)
  if (network === undefined) throw new Error(`no network is reserved for the cluster in ${directory}`)
  if (network.nodes[name] !== undefined) return network
  const taken = new Set(Object.values(network.nodes))
  let index = 1
  while (taken.has(index)) index++
  if (index > 250) throw new Error('a cluster on one machine can have at most 250 nodes')
  const updated = { ...network, nodes: { ...network.nodes, [name]: index } }
  await writeNetwork(updated)
  return updated
}

/** The address of a node that has its place. */
export function nodeAddress(network: ClusterNetwork, name: string): string {
  const index = network.nodes[name]
  if (index === undefined) throw new Error(`the node ${name} has no address in the cluster's network`)
  return formatIp(addressAt(parseCidr(network.nodeCIDR)!, index + 1))
}

/** Name of the node's network namespace, under /run/netns. */
export function nodeNamespace(network: ClusterNetwork, name: string): string {
  return `k8ts-${network.id}-${name}`
}

/** Name of the host's end of the node's cable. */
export function nodeCable(network: ClusterNetwork, name: string): string {
  return `k8${network.id}n${network.nodes[name]}`
}

/** Whether an address lies in the range. */
export function inRange(range: string, address: string): boolean {
  const [cidr, single] = [parseCidr(range), toCidr(address)]
  return cidr !== undefined && single !== undefined && cidrHas(cidr, { family: single.family, value: single.base })
}
