import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Client } from '../client/client.ts'
import { every, runController } from '../client/controller.ts'
import { createInformerFactory, type InformerFactory } from '../client/informer.ts'
import { nodes as nodeType } from '../client/resources.ts'
import type { Running, Runtime } from '../runtime/runtime.ts'
import { cniConfigList } from './cni-config.ts'
import { ensureMasquerade } from './masquerade.ts'
import { applyNodeRoutes, nodeRouteChanges, routesToNodes } from './node-routes.ts'

export interface PodNetworkOptions {
  runtime: Runtime
  client: Client
  nodeName: string
  nodeIP: string
  /** The range that all pods of the cluster have their addresses from. */
  clusterCIDR: string
  /** Where the container runtime looks for its network configuration. */
  cniConfDirectory: string
  /** host-local's address book: CNI's own default where left out. */
  cniDataDirectory?: string
  /** Name of the CNI network. */
  networkName?: string
  /** Leave addresses of pods as they are beyond the cluster, where the network around knows them. */
  masquerade?: boolean
  /** To share watches with other components of the node. */
  informers?: InformerFactory
}

/** How often rules and routes are looked after, should somebody have removed them. */
const resyncPeriodMs = 30_000

interface LinkJson { mtu: number; addr_info?: { local?: string }[] }

async function mtuTowards(runtime: Runtime, nodeIP: string): Promise<number> {
  const { stdout } = await runtime.processes.run('ip', ['-json', 'addr', 'show'])
  const links = JSON.parse(stdout || '[]') as LinkJson[]
  return links.find((link) => link.addr_info?.some((address) => address.local === nodeIP) === true)?.mtu ?? 1500
}

async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
}

/** The bridge switch is absent until the kernel has bridges with netfilter; then the pod bridge brings it. */
const switches = 'echo 1 > /proc/sys/net/ipv4/ip_forward; f=/proc/sys/net/bridge/bridge-nf-call-iptables; [ ! -e $f ] || echo 1 > $f'

/**
 * Forwarding between pods and the world, and rules for what crosses a bridge: a Service may lead to a pod on the same bridge.
 * Through a process, as all that touches the network here, so that it reaches the namespace that the runtime's processes are in.
 */
async function setKernelSwitches(runtime: Runtime): Promise<void> {
  await runtime.processes.run('/bin/sh', ['-ec', switches])
}

/** Writes the file whole, and only when its content changes: the container runtime watches it. */
async function writeConfig(directory: string, text: string): Promise<void> {
  const file = join(directory, '10-k8ts.conflist')
  if ((await readIfThere(file)) === text) return
  await mkdir(directory, { recursive: true })
  await writeFile(`${file}.new`, text)
  await rename(`${file}.new`, file)
}

/**
 * The pod network of a node, made inside the network namespace that this process is in: the CNI configuration once the node
 * has its pod range, a route to every other node's range, masquerading beyond the cluster.
 * Stopping it leaves the network as it is, so that pods keep theirs while the component is replaced.
 */
export function startPodNetwork(options: PodNetworkOptions): Running {
  const { runtime, client, nodeName, clusterCIDR } = options
  const informers = options.informers ?? createInformerFactory(client, runtime)
  const nodes = informers.informer(nodeType)
  const reconcile = async (): Promise<void> => {
    await setKernelSwitches(runtime)
    const podCIDR = nodes.get(nodeName)?.spec?.podCIDR
    if (podCIDR !== undefined && podCIDR !== '') {
      const mtu = await mtuTowards(runtime, options.nodeIP)
      const name = options.networkName ?? 'k8ts'
      await writeConfig(options.cniConfDirectory, cniConfigList({ name, podCIDR, mtu, dataDirectory: options.cniDataDirectory ?? '/var/lib/cni/networks' }))
    }
    if (options.masquerade !== false) await ensureMasquerade(runtime, clusterCIDR)
    await applyNodeRoutes(runtime, clusterCIDR, routesToNodes(nodes.list(), nodeName))
  }
  const key = 'pod-network'
  const controller = runController({
    name: key, runtime, reconcile, concurrency: 1, sources: [nodeRouteChanges(nodes, key), every(runtime, resyncPeriodMs, key)],
  })
  return {
    done: controller.done,
    async [Symbol.asyncDispose]() {
      await controller[Symbol.asyncDispose]()
      if (options.informers === undefined) await informers[Symbol.asyncDispose]()
    },
  }
}

/**
 * Keeps the routes by which the machine itself reaches the pods of nodes that run on it, each through its node.
 * For the machine that a cluster of network namespaces lives on; stopping it leaves the routes, which go with their bridge.
 */
export function startHostRoutes(options: { runtime: Runtime; client: Client; clusterCIDR: string; informers?: InformerFactory }): Running {
  const { runtime, client, clusterCIDR } = options
  const informers = options.informers ?? createInformerFactory(client, runtime)
  const nodes = informers.informer(nodeType)
  const key = 'host-routes'
  const controller = runController({
    name: key, runtime, concurrency: 1, sources: [nodeRouteChanges(nodes, key), every(runtime, resyncPeriodMs, key)],
    reconcile: () => applyNodeRoutes(runtime, clusterCIDR, routesToNodes(nodes.list())),
  })
  return {
    done: controller.done,
    async [Symbol.asyncDispose]() {
      await controller[Symbol.asyncDispose]()
      if (options.informers === undefined) await informers[Symbol.asyncDispose]()
    },
  }
}
