import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createClient } from '../client/api.ts'
import { mergeIntoKubeconfigFile, loadKubeconfig, transportFromKubeconfig } from '../client/kubeconfig.ts'
import { leases, nodes as nodeResource, serviceAccounts } from '../client/resources.ts'
import { addressAt, formatIp, parseCidr } from '../machinery/cidr.ts'
import { isReason } from '../machinery/status.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { openCertificates, type CertificateStore } from './certificates.ts'
import { contextName, userKubeconfig } from './down.ts'
import { apiServerServing, identities, kubeletServing, nodeIdentity, writeClientKubeconfig } from './identities.ts'
import { ensureImages } from './images/load-image.ts'
import { ensureLocalImages, type LocalImages } from './images/local-images.ts'
import { reserveNetwork, reserveNodeAddress, type ClusterNetwork } from './machine/cluster-network.ts'
import { ensureHostNetwork, ensureOutbound, routeServicesThrough } from './machine/host-network.ts'
import { startMachine, type Machine } from './machine/machine.ts'
import { clusterNameProblem, clusterPaths, type ClusterPaths } from './paths.ts'
import { installPrerequisites, missingPrerequisites, realNodesProblem } from './prerequisites.ts'
import { endProcess, isAlive, processRegister, startRecorded, type ProcessRecord } from './process-record.ts'
import { chooseApiPort, lockCluster, readState, takenPorts, writeState, type ClusterState } from './state.ts'
import { readUserConfig, type UserConfig } from './user-config.ts'

/** Told what is being done, a line a step. */
export interface UpProgress { step(text: string): void; note(text: string): void }

export interface UpOptions {
  runtime: Runtime
  /** The command line's file, which the cluster's processes are started from. */
  mainFile: string
  name: string
  /** Real nodes; the ones of the cluster that stands, or 1, where left out. */
  nodes?: number
  hollow?: number
  configFile?: string
  progress: UpProgress
}

export interface UpResult { context: string; kubeconfig: string; tookMs: number; summary: string; canRunImages: boolean }

const loopback = '127.0.0.1'
/** Ranges of a cluster without real nodes, where nothing of them reaches a network. */
const hollowRanges = { podCIDR: '10.244.0.0/16', serviceCIDR: '10.96.0.0/16' }
const hollowByDefault = 3
const readyWithinMs = 120_000

async function decideState(options: UpOptions, known: ClusterState | undefined): Promise<ClusterState> {
  const { name, progress } = options
  const problem = realNodesProblem()
  const wantedNodes = options.nodes ?? known?.nodes.length ?? (problem === undefined ? 1 : 0)
  if (problem !== undefined && wantedNodes > 0) throw new Error(`${problem}; "--nodes 0 --hollow 3" starts a cluster of simulated nodes`)
  const hollow = options.hollow ?? known?.hollow ?? (wantedNodes === 0 ? hollowByDefault : 0)
  if (problem !== undefined && known === undefined) progress.note(`No real nodes here (${problem}): starting the control plane with ${hollow} hollow nodes, which run no containers.`)
  if (known !== undefined && wantedNodes < known.nodes.length) throw new Error(`cluster "${name}" has ${known.nodes.length} nodes; nodes can be added, not taken away: "k8ts down --name ${name}" first`)
  const nodes = Array.from({ length: wantedNodes }, (_, index) => `node-${index + 1}`)
  return { version: 1, name, apiPort: known?.apiPort ?? await chooseApiPort(await takenPorts()), nodes, hollow }
}

interface Plan { options: UpOptions; paths: ClusterPaths; state: ClusterState; network: ClusterNetwork | undefined; certificates: CertificateStore }

function rangesOf(plan: Plan): { podCIDR: string; serviceCIDR: string } {
  return plan.network ?? hollowRanges
}

function apiAddresses(plan: Plan): string[] {
  return [loopback, ...(plan.network === undefined ? [] : [plan.network.bridgeAddress])]
}

/** Everything the control plane and its administrator need on disk, before the control plane starts. */
async function writeCredentials(plan: Plan): Promise<void> {
  const { options: { runtime, name }, paths, certificates, state } = plan
  const serviceRange = parseCidr(rangesOf(plan).serviceCIDR)
  if (serviceRange === undefined) throw new Error(`not an address range: ${rangesOf(plan).serviceCIDR}`)
  await certificates.ensure('apiserver', apiServerServing(apiAddresses(plan), formatIp(addressAt(serviceRange, 1))))
  const admin = await certificates.ensure('admin', identities.admin)
  await writeClientKubeconfig(runtime, paths.kubeconfig, { name: contextName(name), server: `https://${loopback}:${state.apiPort}`, certificates, pair: admin })
}

async function lastLines(file: string): Promise<string> {
  return (await readFile(file, 'utf8').catch(() => '')).trimEnd().split('\n').slice(-5).join('\n')
}

/** Starts the control plane as a process of its own, or takes over the one that runs; resolves when it answers /readyz with 200. */
async function ensureControlPlane(plan: Plan, restart: boolean): Promise<{ isNew: boolean }> {
  const { options: { runtime }, paths } = plan
  const register = processRegister(paths.root)
  let record = await register.read('server')
  if (restart && record !== undefined) await endProcess(runtime, record)
  const log = join(paths.logs, 'server.log')
  const isNew = record === undefined || !(await isAlive(runtime, record))
  if (record === undefined || isNew) record = await startRecorded(runtime, register, 'server', { command: process.execPath, args: controlPlaneArgs(plan), log, cwd: paths.root })
  const { transport } = await transportFromKubeconfig(paths.kubeconfig, runtime, { userAgent: 'k8ts' })
  try {
    await untilReady(runtime, record, log, async () => (await transport.request({ method: 'GET', path: '/readyz' })).status === 200)
    return { isNew }
  } finally {
    await transport[Symbol.asyncDispose]()
  }
}

/** The command of the control plane's process. */
function controlPlaneArgs(plan: Plan): string[] {
  const { options: { mainFile }, paths, state } = plan
  const { podCIDR, serviceCIDR } = rangesOf(plan)
  return [
    '--disable-warning=ExperimentalWarning', mainFile, 'server', '--data-dir', paths.root, '--secure-port', String(state.apiPort), '--bind-address', apiAddresses(plan).join(','),
    '--advertise-address', plan.network?.bridgeAddress ?? loopback, '--cluster-cidr', podCIDR, '--service-cluster-ip-range', serviceCIDR,
    ...(state.hollow > 0 ? ['--hollow', String(state.hollow)] : []), ...(plan.network === undefined ? [] : ['--host-pod-routes']),
  ]
}

async function untilReady(runtime: Runtime, record: ProcessRecord, log: string, ready: () => Promise<boolean>): Promise<void> {
  const untilMs = runtime.clock.monotonicMs() + 30_000
  let last: unknown
  for (;;) {
    try {
      if (await ready()) return
    } catch (error) {
      last = error
    }
    if (!(await isAlive(runtime, record))) throw new Error(`the control plane ended while starting; its log ${log} ends with:\n${await lastLines(log)}`)
    if (runtime.clock.monotonicMs() > untilMs) throw new Error(`the control plane is not ready after 30 s; see ${log}`, { cause: last })
    await runtime.clock.sleep(20)
  }
}

async function ensureAgent(plan: Plan, machine: Machine): Promise<{ isNew: boolean }> {
  const { options: { runtime, mainFile }, certificates, state, network } = plan
  if (network === undefined) throw new Error('a node needs the network of its cluster')
  const server = `https://${network.bridgeAddress}:${state.apiPort}`
  const directory = join(machine.paths.directory, 'credentials')
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const [client, , proxy] = await Promise.all([
    certificates.ensure(`kubelet-${machine.name}`, nodeIdentity(machine.name)),
    certificates.ensure(`kubelet-serving-${machine.name}`, kubeletServing(machine.name, [machine.address])),
    certificates.ensure('kube-proxy', identities.proxy),
  ])
  const kubeletConfig = join(directory, 'kubelet.kubeconfig')
  const proxyConfig = join(directory, 'kube-proxy.kubeconfig')
  await writeClientKubeconfig(runtime, kubeletConfig, { name: 'kubelet', server, certificates, pair: client })
  await writeClientKubeconfig(runtime, proxyConfig, { name: 'kube-proxy', server, certificates, pair: proxy })
  const pki = certificates.directory
  const isNew = await machine.findProcess('agent') === undefined
  await machine.ensureProcess('agent', process.execPath, [
    '--disable-warning=ExperimentalWarning', mainFile, 'agent', '--node-name', machine.name, '--node-ip', machine.address,
    '--kubeconfig', kubeletConfig, '--proxy-kubeconfig', proxyConfig, '--container-runtime-endpoint', machine.criEndpoint,
    '--root-dir', machine.paths.kubeletDirectory, '--pod-log-dir', join(machine.paths.logDirectory, 'pods'), '--cgroup-root', machine.cgroupRoot,
    '--cluster-cidr', network.podCIDR, '--cni-conf-dir', machine.paths.cniConfDirectory, '--cni-data-dir', machine.paths.cniDataDirectory,
    '--tls-cert-file', join(pki, `kubelet-serving-${machine.name}.crt`), '--tls-private-key-file', join(pki, `kubelet-serving-${machine.name}.key`), '--client-ca-file', join(pki, 'ca.crt'),
  ], { env: { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] } })
  return { isNew }
}

/**
 * Waits until every node is Ready and pods of the default namespace can be made. What stands of an earlier run does not count: those of
 * `restarted` must have renewed their leases since `sinceMs`.
 */
async function untilNodesReady(plan: Plan, restarted: ReadonlySet<string>, sinceMs: number): Promise<void> {
  const { options: { runtime }, paths, state } = plan
  const { transport } = await transportFromKubeconfig(paths.kubeconfig, runtime, { userAgent: 'k8ts' })
  const client = createClient(transport)
  const wanted = [...state.nodes, ...Array.from({ length: state.hollow }, (_, index) => `hollow-${index}`)]
  const untilMs = runtime.clock.monotonicMs() + readyWithinMs
  try {
    for (;;) {
      const found = await client.list(nodeResource, { resourceVersion: '0' })
      const ready = new Set(found.items.filter((node) => node.status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True') === true && !(node.spec.taints ?? []).some((taint) => taint.key === 'node.kubernetes.io/not-ready')).map((node) => node.metadata.name))
      const renewed = new Map((await client.list(leases, { namespace: 'kube-node-lease', resourceVersion: '0' })).items.map((lease) => [lease.metadata.name, Date.parse(lease.spec.renewTime ?? '')]))
      const missing = wanted.filter((name) => !ready.has(name) || (restarted.has(name) && !((renewed.get(name) ?? 0) >= sinceMs)))
      if (missing.length === 0 && await client.find(serviceAccounts, 'default', 'default') !== undefined) return
      if (runtime.clock.monotonicMs() > untilMs) {
        const why = missing.map((name) => `${name}: ${found.items.find((node) => node.metadata.name === name)?.status?.conditions?.find((each) => each.type === 'Ready')?.message ?? 'never reported; see its agent.log'}`)
        throw new Error(`not ready after ${readyWithinMs / 1000} s: ${why.join('; ')}`)
      }
      await runtime.clock.sleep(25)
    }
  } catch (error) {
    if (!isReason(error, 'Unauthorized')) throw error
    throw new Error(`the control plane does not know this cluster's administrator: remove the cluster with "k8ts down" and start it anew`, { cause: error })
  } finally {
    await transport[Symbol.asyncDispose]()
  }
}

async function startNode(plan: Plan, name: string, images: Promise<LocalImages>, outbound: boolean, registries: UserConfig['registries'], controlPlane: Promise<unknown>): Promise<{ name: string; isNew: boolean }> {
  const { options: { runtime }, paths } = plan
  const machine = await startMachine(runtime, { name, clusterDirectory: paths.root, directory: join(paths.machines, name), registries, outbound })
  const importing = images.then((archives) => ensureImages(runtime, machine, archives))
  // An agent needs the API server; images are needed only by pods, and are there before the node says it is ready for them.
  await controlPlane
  const [{ isNew }] = await Promise.all([ensureAgent(plan, machine), importing])
  return { name, isNew }
}

/** Starts a cluster, or brings one that was stopped or has crashed back to what it was: every step first looks at what stands. */
export async function up(options: UpOptions): Promise<UpResult> {
  const { runtime, name, progress } = options
  const [startedMs, sinceMs] = [runtime.clock.monotonicMs(), runtime.clock.now()]
  const problem = clusterNameProblem(name)
  if (problem !== undefined) throw new Error(problem)
  const paths = clusterPaths(name)
  await using _lock = await lockCluster(runtime, paths)
  const userConfig = await readUserConfig(options.configFile)
  const known = await readState(paths.state)
  const state = await decideState(options, known)
  await writeState(paths.state, state)
  await mkdir(paths.logs, { recursive: true })
  if (state.nodes.length > 0) await installPrerequisites(runtime, await missingPrerequisites(), (line) => progress.note(line))

  progress.step('Preparing the network and certificates')
  let network = state.nodes.length > 0 ? await reserveNetwork(runtime, paths.root) : undefined
  for (const node of state.nodes) network = await reserveNodeAddress(paths.root, node)
  const certificates = await openCertificates(runtime, paths.pki)
  const plan: Plan = { options, paths, state, network, certificates }
  await Promise.all([writeCredentials(plan), network === undefined ? undefined : ensureHostNetwork(runtime, network)])
  const outbound = network !== undefined && userConfig.outbound
  if (network !== undefined && outbound) await ensureOutbound(runtime, network)

  progress.step('Starting the control plane')
  const images = state.nodes.length > 0 ? ensureLocalImages(runtime, paths.images) : undefined
  // What the control plane was started with has changed: more hollow nodes, or a network that it does not listen on yet.
  const restart = known !== undefined && (known.hollow !== state.hollow || (known.nodes.length === 0) !== (state.nodes.length === 0))
  const controlPlane = ensureControlPlane(plan, restart)
  const nodesStarting = images === undefined ? [] : state.nodes.map((node) => startNode(plan, node, images, outbound, userConfig.registries, controlPlane))
  const allNodes = Promise.all(nodesStarting)
  // Whichever fails first is what is reported; the other's failure is a consequence.
  allNodes.catch(() => undefined)
  const { isNew } = await controlPlane
  progress.step(state.nodes.length === 1 ? 'Starting the node' : `Starting ${state.nodes.length + state.hollow} nodes`)
  const started = await allNodes
  if (network !== undefined && state.nodes[0] !== undefined) await routeServicesThrough(runtime, network, state.nodes[0])
  progress.step('Waiting until the nodes are ready')
  const hollowNames = Array.from({ length: isNew ? state.hollow : 0 }, (_, index) => `hollow-${index}`)
  await untilNodesReady(plan, new Set([...hollowNames, ...started.filter((each) => each.isNew).map((each) => each.name)]), sinceMs)
  await mergeIntoKubeconfigFile(userKubeconfig(), await loadKubeconfig(paths.kubeconfig), runtime.random.suffix(8))
  const parts = [...(state.nodes.length > 0 ? [`${state.nodes.length} ${state.nodes.length === 1 ? 'node' : 'nodes'}`] : []), ...(state.hollow > 0 ? [`${state.hollow} hollow ${state.hollow === 1 ? 'node' : 'nodes'}`] : [])]
  return { context: contextName(name), kubeconfig: paths.kubeconfig, tookMs: runtime.clock.monotonicMs() - startedMs, summary: parts.join(' and ') || 'no nodes', canRunImages: state.nodes.length > 0 }
}
