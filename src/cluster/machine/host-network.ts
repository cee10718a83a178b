import { readFile } from 'node:fs/promises'
import type { Runtime } from '../../runtime/runtime.ts'
import { findNetwork, nodeAddress, nodeCable, nodeNamespace, type ClusterNetwork } from './cluster-network.ts'

/** An interface as `ip -json addr show` tells of it. */
interface Link { ifname: string; flags: string[]; operstate: string; mtu: number; master?: string; addr_info: { family: string; local: string; prefixlen: number }[] }

async function readLinks(runtime: Runtime, namespace?: string): Promise<Map<string, Link>> {
  const inside = namespace === undefined ? [] : ['-n', namespace]
  const { stdout } = await runtime.processes.run('ip', [...inside, '-json', 'addr', 'show'])
  return new Map((JSON.parse(stdout || '[]') as Link[]).map((link) => [link.ifname, link]))
}

async function runBatch(runtime: Runtime, lines: readonly string[], namespace?: string): Promise<void> {
  if (lines.length === 0) return
  const inside = namespace === undefined ? [] : ['-n', namespace]
  await runtime.processes.run('ip', [...inside, '-batch', '-'], { input: `${lines.join('\n')}\n` })
}

const prefixOf = (cidr: string): string => cidr.slice(cidr.indexOf('/') + 1)

/** What must be done, given what stands, to have an interface up with an address. */
function bringUp(link: Link | undefined, name: string, create: string, address: string): string[] {
  const [ip, prefix] = address.split('/')
  const has = link?.addr_info.some((each) => each.local === ip && String(each.prefixlen) === prefix) === true
  return [...(link === undefined ? [create] : []), ...(has ? [] : [`addr replace ${address} dev ${name}`]), ...(link?.flags.includes('UP') === true ? [] : [`link set ${name} up`])]
}

/** A fixed hardware address: a bridge without one takes a port's, and changes it when that port goes. */
const bridgeHardwareAddress = (id: string): string => `02:8b:${id.slice(0, 2)}:${id.slice(2, 4)}:${id.slice(4, 6)}:01`

/**
 * Makes the cluster's part of the host's network, or completes what is there of it: the bridge with the address the API
 * server is reached at, and the sink to which pod and service ranges are routed, so that no packet for them leaves the machine.
 */
export async function ensureHostNetwork(runtime: Runtime, network: ClusterNetwork): Promise<void> {
  const links = await readLinks(runtime)
  const { bridge, sink, bridgeAddress } = network
  await runBatch(runtime, [
    ...bringUp(links.get(bridge), bridge, `link add ${bridge} address ${bridgeHardwareAddress(network.id)} type bridge`, `${bridgeAddress}/${prefixOf(network.nodeCIDR)}`),
    ...(links.has(sink) ? [] : [`link add ${sink} arp off type bridge`]),
    ...(links.get(sink)?.flags.includes('UP') === true ? [] : [`link set ${sink} up`]),
    ...sinkRoutes(network, sink, bridgeAddress),
  ])
  await allowBridgeTraffic(runtime, network)
}

/*
 * The sink is a bridge without ports and without ARP: it swallows what is sent to it, as a dummy interface would,
 * which not every kernel has.
 */

/** The highest metric: any other route for the same range is preferred. */
const sinkMetric = 4_294_967_295

function sinkRoutes(network: ClusterNetwork, sink: string, source: string): string[] {
  // The source is named so that a connection to a service address, rewritten on its way out, carries an address that can be answered.
  return [network.podCIDR, network.serviceCIDR].map((range) => `route replace ${range} dev ${sink} src ${source} metric ${sinkMetric}`)
}

/** Lets the host itself reach service addresses, by handing their packets to the node `name`. */
export async function routeServicesThrough(runtime: Runtime, network: ClusterNetwork, name: string): Promise<void> {
  // The node may have got its address after the caller read the network.
  const current = await findNetwork(network.directory) ?? network
  await runBatch(runtime, [`route replace ${network.serviceCIDR} via ${nodeAddress(current, name)} dev ${network.bridge} src ${network.bridgeAddress}`])
}

/**
 * Makes the node's network namespace and its cable to the bridge, or completes what is there of them.
 * Inside: loopback, `eth0` with the node's address, the sink. There is no default route: nothing in the node or its pods
 * reaches beyond the machine, unless `outbound` asks for it (see `ensureOutbound`).
 */
export async function ensureNodeNetwork(runtime: Runtime, network: ClusterNetwork, name: string, options: { outbound?: boolean } = {}): Promise<void> {
  const namespace = nodeNamespace(network, name)
  const cable = nodeCable(network, name)
  const address = nodeAddress(network, name)
  const hostLinks = await readLinks(runtime)
  const existing = await readLinks(runtime, namespace).catch(() => undefined)
  // A namespace whose file is left over but is mounted no more (a crash between the two steps) can only be made anew.
  if (existing === undefined) {
    await runtime.processes.run('ip', ['netns', 'delete', namespace], { allowFailure: true })
    await runtime.processes.run('ip', ['netns', 'add', namespace])
  }
  const hostLink = hostLinks.get(cable)
  const inner = existing?.get('eth0')
  const whole = hostLink !== undefined && inner !== undefined
  await runBatch(runtime, [
    ...(hostLink !== undefined && !whole ? [`link delete ${cable}`] : []),
    ...(whole ? [] : [`link add ${cable} type veth peer name eth0 netns ${namespace}`]),
    `link set ${cable} master ${network.bridge} up`,
  ])
  await runBatch(runtime, [
    'link set lo up',
    ...bringUp(whole ? inner : { ifname: 'eth0', flags: [], operstate: '', mtu: 0, addr_info: [] }, 'eth0', '', `${address}/${prefixOf(network.nodeCIDR)}`),
    ...(existing?.has('sink') === true ? [] : ['link add sink arp off type bridge']),
    'link set sink up',
    ...sinkRoutes(network, 'sink', address),
    ...(options.outbound === true ? [`route replace default via ${network.bridgeAddress}`] : []),
  ], namespace)
  // What was asked for last time may not be asked for now.
  if (whole && options.outbound !== true) await runtime.processes.run('ip', ['-n', namespace, 'route', 'delete', 'default'], { allowFailure: true })
}

/** Whether a namespace of this name stands and can be entered. */
export async function nodeNetworkStands(runtime: Runtime, network: ClusterNetwork, name: string): Promise<boolean> {
  return (await runtime.processes.run('ip', ['-n', nodeNamespace(network, name), 'link', 'show', 'lo'], { allowFailure: true })).code === 0
}

/** Removes the node's namespace and cable; nothing happens when they are gone already. */
export async function removeNodeNetwork(runtime: Runtime, network: ClusterNetwork, name: string): Promise<void> {
  await runtime.processes.run('ip', ['link', 'delete', nodeCable(network, name)], { allowFailure: true })
  await runtime.processes.run('ip', ['netns', 'delete', nodeNamespace(network, name)], { allowFailure: true })
}

/** Removes everything the cluster in `clusterDirectory` has in the host's network, the nodes' namespaces too. Its ranges stay reserved while the folder stands. */
export async function removeHostNetwork(runtime: Runtime, clusterDirectory: string): Promise<void> {
  const network = await findNetwork(clusterDirectory)
  if (network === undefined) return
  for (const name of Object.keys(network.nodes)) await removeNodeNetwork(runtime, network, name)
  await removeTables(runtime, network)
  await removeFirewallRules(runtime, network)
  const links = await readLinks(runtime)
  await runBatch(runtime, [network.bridge, network.sink].filter((name) => links.has(name)).map((name) => `link delete ${name}`))
  await releaseNamespaceMount(runtime)
}

/** `ip netns add` binds /run/netns to itself, once; with the last namespace gone the binding is lifted again. */
async function releaseNamespaceMount(runtime: Runtime): Promise<void> {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').map((line) => line.split(' ')[4])
  if (!mounts.includes('/run/netns') || mounts.some((path) => path?.startsWith('/run/netns/'))) return
  // Somebody may be making a namespace at this moment: then it is in use, and stays.
  await runtime.processes.run('umount', ['/run/netns'], { allowFailure: true })
}

/** Marks the cluster's rules in the host's tables. */
const ruleMark = (network: ClusterNetwork): string => `k8ts ${network.id}`

/** Rules with the cluster's mark, as `iptables-save` shows them, by table. */
function markedRules(saved: string, network: ClusterNetwork): { table: string; rule: string }[] {
  const found: { table: string; rule: string }[] = []
  let table = ''
  for (const line of saved.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1)
    else if (line.startsWith('-A ') && line.includes(`--comment "${ruleMark(network)}"`)) found.push({ table, rule: line })
  }
  return found
}

async function restore(runtime: Runtime, table: string, lines: readonly string[]): Promise<void> {
  if (lines.length > 0) await runtime.processes.run('iptables-restore', ['--noflush', '--wait=5'], { input: `*${table}\n${lines.join('\n')}\nCOMMIT\n` })
}

function dropsByDefault(saved: string, chain: string): boolean {
  const filter = /^\*filter$([\s\S]*?)^COMMIT$/m.exec(saved)?.[1] ?? ''
  return new RegExp(`^:${chain} DROP `, 'm').test(filter)
}

/** What stands in the host's tables; asking makes none. */
async function savedRules(runtime: Runtime): Promise<string> {
  return (await runtime.processes.run('iptables-save', [])).stdout
}

/**
 * The rules a host needs whose firewall drops what it does not know (Docker sets FORWARD so, firewalls INPUT): nodes reach
 * each other across the bridge and the API server on the host. A host without such a policy gets none.
 */
export function bridgeRules(saved: string, network: ClusterNetwork): string[] {
  const comment = `-m comment --comment "${ruleMark(network)}"`
  return [
    ...(dropsByDefault(saved, 'FORWARD') ? [`-I FORWARD -i ${network.bridge} -o ${network.bridge} ${comment} -j ACCEPT`] : []),
    ...(dropsByDefault(saved, 'INPUT') ? [`-I INPUT -i ${network.bridge} ${comment} -j ACCEPT`] : []),
  ]
}

async function allowBridgeTraffic(runtime: Runtime, network: ClusterNetwork): Promise<void> {
  const saved = await savedRules(runtime)
  const standing = new Set(markedRules(saved, network).map(({ rule }) => rule.split(' ')[1]))
  await restore(runtime, 'filter', bridgeRules(saved, network).filter((rule) => !standing.has(rule.split(' ')[1])))
}

/** The cluster's own table in the host's packet filter: there only while nodes may reach beyond the machine. */
const outboundTable = (network: ClusterNetwork): string => `k8ts-${network.id}`

function outboundRules(network: ClusterNetwork): string {
  const table = outboundTable(network)
  // Named before it is deleted, so that there is something to delete the first time too.
  return `table ip ${table}
delete table ip ${table}
table ip ${table} {
  chain postrouting {
    type nat hook postrouting priority srcnat;
    ip saddr ${network.nodeCIDR} oifname != "${network.bridge}" masquerade
  }
  chain forward {
    type filter hook forward priority filter;
    iifname != "${network.bridge}" oifname "${network.bridge}" ct state != { established, related } drop
  }
}
`
}

async function uplinks(runtime: Runtime): Promise<string[]> {
  const { stdout } = await runtime.processes.run('ip', ['-4', '-json', 'route', 'show', 'default'])
  return [...new Set((JSON.parse(stdout || '[]') as { dev?: string }[]).map((route) => route.dev).filter((dev) => dev !== undefined))]
}

/** Where the host does not forward anyhow, it does so between these interfaces: `all` stays as it is. */
function setForwarding(runtime: Runtime, interfaces: readonly string[], value: 0 | 1): Promise<unknown> {
  const script = `[ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ] || for i in "$@"; do echo ${value} > "/proc/sys/net/ipv4/conf/$i/forwarding"; done`
  return runtime.processes.run('/bin/sh', ['-ec', script, 'sh', ...interfaces])
}

/**
 * Lets nodes and pods reach beyond the machine: the host forwards for them and puts its own address in place of theirs.
 * Nobody out there can open a connection to them. For a user who wants images pulled; `removeHostNetwork` takes it back.
 */
export async function ensureOutbound(runtime: Runtime, network: ClusterNetwork): Promise<void> {
  await runtime.processes.run('nft', ['-f', '-'], { input: outboundRules(network) })
  await setForwarding(runtime, [network.bridge, ...await uplinks(runtime)], 1)
  const saved = await savedRules(runtime)
  const comment = `-m comment --comment "${ruleMark(network)}"`
  const has = (direction: string): boolean => markedRules(saved, network).some(({ rule }) => rule.includes(`-A FORWARD ${direction}`))
  if (!dropsByDefault(saved, 'FORWARD')) return
  await restore(runtime, 'filter', [
    ...(has(`-i ${network.bridge} !`) ? [] : [`-I FORWARD -i ${network.bridge} ! -o ${network.bridge} ${comment} -j ACCEPT`]),
    ...(has(`! -i ${network.bridge}`) ? [] : [`-I FORWARD ! -i ${network.bridge} -o ${network.bridge} -m conntrack --ctstate RELATED,ESTABLISHED ${comment} -j ACCEPT`]),
  ])
}

/** The cluster's table for registries on the host's loopback. */
const registryTable = (network: ClusterNetwork): string => `k8ts-${network.id}-registry`

/**
 * Lets nodes reach these ports of the host's loopback at the bridge address, and no others: a registry started with
 * `docker run -p 127.0.0.1:5000:5000` serves the nodes too.
 */
export async function ensureLoopbackPorts(runtime: Runtime, network: ClusterNetwork, ports: readonly number[]): Promise<void> {
  const table = registryTable(network)
  const fresh = `table ip ${table}\ndelete table ip ${table}\n`
  const rules = `table ip ${table} {
  chain guard {
    type filter hook prerouting priority raw;
    iifname "${network.bridge}" ip daddr 127.0.0.0/8 drop
  }
  chain prerouting {
    type nat hook prerouting priority dstnat;
    iifname "${network.bridge}" ip daddr ${network.bridgeAddress} tcp dport { ${ports.join(', ')} } dnat to 127.0.0.1
  }
}
`
  await runtime.processes.run('nft', ['-f', '-'], { input: ports.length === 0 ? fresh : `${fresh}${rules}` })
  if (ports.length > 0) await runtime.processes.run('/bin/sh', ['-ec', `echo 1 > /proc/sys/net/ipv4/conf/${network.bridge}/route_localnet`])
}

/** Removes the cluster's tables; the last cluster that let its nodes out takes the forwarding back. */
async function removeTables(runtime: Runtime, network: ClusterNetwork): Promise<void> {
  const listed = await runtime.processes.run('nft', ['list', 'tables', 'ip'], { allowFailure: true })
  const tables = listed.stdout.split('\n').map((line) => line.replace('table ip ', '').trim())
  const own = [outboundTable(network), registryTable(network)].filter((table) => tables.includes(table))
  if (own.length === 0) return
  await runtime.processes.run('nft', ['-f', '-'], { input: own.map((table) => `delete table ip ${table}\n`).join('') })
  const othersAreOut = tables.some((table) => /^k8ts-[0-9a-f]{6}$/.test(table) && table !== outboundTable(network))
  if (own.includes(outboundTable(network)) && !othersAreOut) await setForwarding(runtime, await uplinks(runtime), 0)
}

async function removeFirewallRules(runtime: Runtime, network: ClusterNetwork): Promise<void> {
  const marked = markedRules(await savedRules(runtime), network)
  for (const table of new Set(marked.map((each) => each.table))) {
    await restore(runtime, table, marked.filter((each) => each.table === table).map(({ rule }) => rule.replace(/^-A /, '-D ')))
  }
}
