import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { processesInNetwork } from '../../runtime/network-namespace.ts'
import type { RunOptions, RunResult } from '../../runtime/process.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { endProcess, isAlive, processRegister, startRecorded, type ProcessRecord } from '../process-record.ts'
import { findNetwork, nodeAddress, nodeNamespace, reserveNodeAddress, type ClusterNetwork } from './cluster-network.ts'
import { containerdConfig, hostsFile, hostsFolder, loopbackPorts, type RegistryConfig } from './containerd-config.ts'
import { servesPods } from './containers.ts'
import { ensureLoopbackPorts, ensureNodeNetwork, nodeNetworkStands, removeNodeNetwork } from './host-network.ts'
import {
  cgroupMounts, killProcesses, nodeProcesses, removeCgroups, removeCniResults, removeEmptyCgroup, removeShimSockets, unmountUnder,
} from './leftovers.ts'

/** The image every pod's sandbox runs. */
export const pauseImage = 'k8ts.local/pause:3.10' as const

/** Where Debian puts the CNI plugins. */
const cniBinDirectory = '/usr/lib/cni'

/** Which machine. */
export interface MachineLocation {
  /** The node's name. */
  name: string
  /** Folder of the cluster: `network.json` lies there. */
  clusterDirectory: string
  /** The node's own folder; everything of it, containers' files too, lies inside. */
  directory: string
}

export interface MachineSpec extends MachineLocation {
  /** Registries that are reached in another way than by their name over HTTPS. */
  registries?: readonly RegistryConfig[]
  /** Give the node a way beyond the machine (see `ensureOutbound`). */
  outbound?: boolean
}

/** Folders and files of a node. */
export interface MachinePaths {
  readonly directory: string
  readonly containerdSocket: string
  readonly cniConfDirectory: string
  readonly cniBinDirectory: string
  /** host-local's address book of this node's pods; the machine's default folder is shared by all nodes on it. */
  readonly cniDataDirectory: string
  /** For the node's kubelet. */
  readonly kubeletDirectory: string
  readonly logDirectory: string
}

/** A node machine that runs: a network namespace with a containerd in it. It lives on when this process ends. */
export interface Machine {
  readonly name: string
  readonly address: string
  readonly network: ClusterNetwork
  readonly paths: MachinePaths
  /** `unix://…`, for the kubelet. */
  readonly criEndpoint: string
  /** The network namespace, as nsenter wants it. */
  readonly namespacePath: string
  /** The cgroup below which everything of this node runs: `/k8ts-…/<name>`; pods belong in its `kubepods`. */
  readonly cgroupRoot: string
  /** Runs `ctr` on the node's containerd, in the namespace of Kubernetes' containers. */
  ctr(args: readonly string[], options?: RunOptions): Promise<RunResult>
  /** Runs a command to its end inside the node's network. */
  run(command: string, args: readonly string[], options?: RunOptions): Promise<RunResult>
  /**
   * Makes sure that the long-lived process `name` runs inside the node's network: takes over the one that was started earlier,
   * or starts it. It outlives this process; its output goes to `<logDirectory>/<name>.log`.
   */
  ensureProcess(name: string, command: string, args: readonly string[], options?: { env?: NodeJS.ProcessEnv; cwd?: string }): Promise<ProcessRecord>
  /** The living process `name`, if any. */
  findProcess(name: string): Promise<ProcessRecord | undefined>
  /** Ends the process `name` and no other. */
  endProcess(name: string, graceMs?: number): Promise<void>
}

function filesOf(directory: string) {
  const at = (...parts: string[]): string => join(directory, ...parts)
  return {
    config: at('containerd.toml'), root: at('root'), state: at('run', 'state'), socket: at('run', 'containerd.sock'), runc: at('run', 'runc'),
    certs: at('certs.d'), cniConf: at('cni', 'net.d'), cniData: at('cni', 'networks'), pids: at('pids'), logs: at('log'), kubelet: at('kubelet'), run: at('run'),
  }
}

/** The longest path a Unix socket can have, less what containerd appends for its second one. */
const socketPathLimit = 107 - '.ttrpc'.length

function pathsOf(directory: string): MachinePaths {
  const files = filesOf(directory)
  return {
    directory, containerdSocket: files.socket, cniConfDirectory: files.cniConf, cniBinDirectory, cniDataDirectory: files.cniData,
    kubeletDirectory: files.kubelet, logDirectory: files.logs,
  }
}

export function machineCgroup(network: ClusterNetwork, name: string): string {
  return `/k8ts-${network.id}/${name}`
}

/** The hierarchies that the node's own processes are entered into: one is enough to find them all again. */
async function systemCgroups(cgroupRoot: string): Promise<string[]> {
  const mounts = await cgroupMounts()
  const versionOne = mounts.filter((mount) => !mount.unified)
  const chosen = versionOne.find((mount) => mount.path.endsWith('/pids')) ?? versionOne[0] ?? mounts[0]
  return chosen === undefined ? [] : [join(chosen.path, cgroupRoot, 'system')]
}

/** What node processes see of this process's environment: no proxies, which a node could not reach. */
function nodeEnvironment(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { HOME, LANG, PATH } = process.env
  return { HOME, LANG, PATH: `${PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin`, ...extra }
}

async function answers(socket: string): Promise<boolean> {
  return new Promise((done) => {
    const connection = connect(socket)
    connection.once('connect', () => {
      connection.destroy()
      done(true)
    })
    connection.once('error', () => done(false))
  })
}

async function tailOf(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text.trimEnd().split('\n').slice(-5).join('\n')
}

async function waitUntilServing(runtime: Runtime, record: ProcessRecord, socket: string, log: string): Promise<void> {
  const untilMs = runtime.clock.monotonicMs() + 20_000
  while (!(await answers(socket)) || !(await servesPods(runtime, socket))) {
    if (!(await isAlive(runtime, record))) throw new Error(`containerd ended while starting; its log ${log} ends with:\n${await tailOf(log)}`)
    if (runtime.clock.monotonicMs() > untilMs) throw new Error(`containerd does not answer on ${socket} after 20 s; see ${log}`)
    await runtime.clock.sleep(5)
  }
}

/** overlayfs, unless the folder itself lies on an overlay (as inside a container), where it does not work. */
async function snapshotterFor(runtime: Runtime, directory: string): Promise<'overlayfs' | 'native'> {
  const { stdout } = await runtime.processes.run('stat', ['-f', '-c', '%T', directory])
  return stdout.trim() === 'overlayfs' ? 'native' : 'overlayfs'
}

/** Whether processes may be shielded from the kernel's out-of-memory killer; in some containers even root may not do that. */
async function canLowerOomScore(runtime: Runtime): Promise<boolean> {
  return (await runtime.processes.run('/bin/sh', ['-c', 'echo -999 > /proc/self/oom_score_adj'], { allowFailure: true })).code === 0
}

async function writeConfiguration(runtime: Runtime, directory: string, network: ClusterNetwork, registries: readonly RegistryConfig[]): Promise<void> {
  const files = filesOf(directory)
  for (const folder of [files.root, files.state, files.certs, files.cniConf, files.cniData, files.pids, files.logs, files.kubelet]) await mkdir(folder, { recursive: true })
  const [snapshotter, lowerOomScore] = await Promise.all([snapshotterFor(runtime, directory), canLowerOomScore(runtime)])
  await writeFile(files.config, containerdConfig(files, { pauseImage, cniBinDirectory, snapshotter, canLowerOomScore: lowerOomScore }))
  await rm(files.certs, { recursive: true })
  await mkdir(files.certs)
  for (const registry of registries) {
    const folder = join(files.certs, hostsFolder(registry))
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, 'hosts.toml'), hostsFile(registry, network.bridgeAddress))
  }
}

/** Only a cluster whose settings name a registry on the host's loopback touches the packet filter for it. */
async function reachRegistries(runtime: Runtime, network: ClusterNetwork, ports: readonly number[]): Promise<void> {
  if (ports.length > 0) await ensureLoopbackPorts(runtime, network, ports)
}

/**
 * Starts the machine of a node, or takes over what still runs of it after a crash; the cluster's host network must stand.
 * Resolves when containerd answers.
 */
export async function startMachine(runtime: Runtime, spec: MachineSpec): Promise<Machine> {
  const directory = resolve(spec.directory)
  const files = filesOf(directory)
  if (Buffer.byteLength(files.socket) > socketPathLimit) {
    throw new Error(`${files.socket} is too long for a socket's path (${socketPathLimit} bytes): set K8TS_HOME to a shorter folder, or use shorter names`)
  }
  const network = await reserveNodeAddress(spec.clusterDirectory, spec.name)
  // Without its network namespace nothing of the node can be alive but leftovers (the machine was started anew, or was being torn down).
  if (!(await nodeNetworkStands(runtime, network, spec.name))) await clearRunning(runtime, network, spec.name, directory)
  await Promise.all([
    ensureNodeNetwork(runtime, network, spec.name, { outbound: spec.outbound === true }),
    writeConfiguration(runtime, directory, network, spec.registries ?? []),
    reachRegistries(runtime, network, loopbackPorts(spec.registries ?? [])),
  ])
  const machine = machineAt(runtime, network, spec.name, directory)
  const record = await machine.ensureProcess('containerd', 'containerd', ['--config', files.config])
  try {
    await waitUntilServing(runtime, record, files.socket, join(files.logs, 'containerd.log'))
  } catch (error) {
    await machine.endProcess('containerd', 0)
    throw error
  }
  return machine
}

function machineAt(runtime: Runtime, network: ClusterNetwork, name: string, directory: string): Machine {
  const files = filesOf(directory)
  const register = processRegister(files.pids)
  const namespacePath = `/run/netns/${nodeNamespace(network, name)}`
  const cgroupRoot = machineCgroup(network, name)
  const findProcess = async (processName: string): Promise<ProcessRecord | undefined> => {
    const record = await register.read(processName)
    return record !== undefined && await isAlive(runtime, record) ? record : undefined
  }
  return {
    name, network, namespacePath, cgroupRoot, findProcess, address: nodeAddress(network, name), paths: pathsOf(directory), criEndpoint: `unix://${files.socket}`,
    ctr: (args, options) => runtime.processes.run('ctr', ['--address', files.socket, '--namespace', 'k8s.io', ...args], options),
    run: processesInNetwork(namespacePath, runtime.processes).run,
    async ensureProcess(processName, command, args, options) {
      const running = await findProcess(processName)
      if (running !== undefined) return running
      const cgroups = await systemCgroups(cgroupRoot)
      for (const cgroup of cgroups) await mkdir(cgroup, { recursive: true })
      // `nsenter`, unlike `ip netns exec`, leaves /sys as it is, and the process its id.
      return startRecorded(runtime, register, processName, {
        command: 'nsenter', args: [`--net=${namespacePath}`, '--', command, ...args], log: join(files.logs, `${processName}.log`),
        cwd: options?.cwd ?? '/', env: nodeEnvironment(options?.env), cgroups: cgroups.map((cgroup) => join(cgroup, 'cgroup.procs')),
      })
    },
    async endProcess(processName, graceMs = 5_000) {
      const record = await register.read(processName)
      if (record !== undefined) await endProcess(runtime, record, graceMs)
      await register.remove(processName)
    },
  }
}

/** The machine of a node, whether it runs or not, to look at it or to run `ctr`; undefined when there never was one. */
export async function findMachine(runtime: Runtime, location: MachineLocation): Promise<Machine | undefined> {
  const network = await findNetwork(location.clusterDirectory)
  if (network?.nodes[location.name] === undefined) return undefined
  return machineAt(runtime, network, location.name, resolve(location.directory))
}

async function recordedProcesses(directory: string): Promise<string[]> {
  return processRegister(filesOf(directory).pids).names().catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
}

/** Ends every process of the node and clears what only a running machine has: mounts, sockets, cgroups, the state of its containers. */
async function clearRunning(runtime: Runtime, network: ClusterNetwork, name: string, directory: string): Promise<void> {
  const files = filesOf(directory)
  const machine = machineAt(runtime, network, name, directory)
  // The agent first, so that it does not start again what ends; then containerd, so that nothing new is made while the rest is killed.
  const names = await recordedProcesses(directory)
  for (const processName of names.filter((each) => each !== 'containerd')) await machine.endProcess(processName, 3_000)
  if (names.includes('containerd')) await machine.endProcess('containerd', 0)
  for (let round = 0; round < 5; round++) {
    const left = await nodeProcesses(runtime, machine.cgroupRoot, files.socket)
    if (left.length === 0) break
    await killProcesses(runtime, left)
  }
  await removeShimSockets(files.state)
  await removeCniResults(await readdir(join(files.root, 'io.containerd.grpc.v1.cri', 'sandboxes')).catch(() => []))
  await unmountUnder(runtime, directory)
  await removeCgroups(runtime, machine.cgroupRoot)
  await removeEmptyCgroup(`/k8ts-${network.id}`)
  await rm(files.run, { recursive: true, force: true })
  await rm(files.cniData, { recursive: true, force: true })
}

/**
 * Stops a node's machine, as pulling its plug would; images, containers' files and logs stay, and `startMachine` starts it again.
 * A machine that does not run is no error.
 */
export async function stopMachine(runtime: Runtime, location: MachineLocation): Promise<void> {
  const network = await findNetwork(location.clusterDirectory)
  if (network?.nodes[location.name] === undefined) return
  await clearRunning(runtime, network, location.name, resolve(location.directory))
  await removeNodeNetwork(runtime, network, location.name)
}

/** Stops a node's machine and removes its folder. */
export async function removeMachine(runtime: Runtime, location: MachineLocation): Promise<void> {
  await stopMachine(runtime, location)
  await rm(resolve(location.directory), { recursive: true, force: true })
}
