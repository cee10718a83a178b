import { rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { removeFromKubeconfigFile } from '../client/kubeconfig.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { findNetwork } from './machine/cluster-network.ts'
import { removeHostNetwork } from './machine/host-network.ts'
import { removeMachine, stopMachine } from './machine/machine.ts'
import { clusterPaths, type ClusterPaths } from './paths.ts'
import { endProcess, processRegister } from './process-record.ts'
import { clusterNames, lockCluster, readState } from './state.ts'

export interface DownOptions { runtime: Runtime; name: string; /** Keep objects, certificates and images, for a later `up`. */ keep: boolean }

/** The file kubectl reads: the first of `$KUBECONFIG`, else `~/.kube/config`. */
export function userKubeconfig(env: NodeJS.ProcessEnv = process.env): string {
  const first = (env['KUBECONFIG'] ?? '').split(':').find((each) => each !== '')
  return first ?? join(homedir(), '.kube', 'config')
}

export function contextName(cluster: string): string {
  return `k8ts-${cluster}`
}

async function endControlPlane(runtime: Runtime, paths: ClusterPaths): Promise<void> {
  const register = processRegister(paths.root)
  for (const name of await register.names()) {
    const record = await register.read(name)
    if (record !== undefined) await endProcess(runtime, record)
    await register.remove(name)
  }
}

/** Node names to take down: those of the state, and any whose machine an interrupted `up` had begun. */
async function nodeNames(paths: ClusterPaths): Promise<string[]> {
  const state = await readState(paths.state).catch(() => undefined)
  const network = await findNetwork(paths.root).catch(() => undefined)
  return [...new Set([...(state?.nodes ?? []), ...Object.keys(network?.nodes ?? {})])]
}

/** Ends every process of a cluster and clears what it has on this machine: processes, mounts, namespaces, interfaces, rules, cgroups and, unless kept, files. */
export async function down(options: DownOptions): Promise<void> {
  const { runtime, name, keep } = options
  if (!(await clusterNames()).includes(name)) {
    const others = await clusterNames()
    throw new Error(others.length === 0 ? 'there is no cluster' : `there is no cluster "${name}"; there is ${others.map((each) => `"${each}"`).join(', ')}`)
  }
  const paths = clusterPaths(name)
  await using _lock = await lockCluster(runtime, paths)
  await endControlPlane(runtime, paths)
  const locations = (await nodeNames(paths)).map((node) => ({ name: node, clusterDirectory: paths.root, directory: join(paths.machines, node) }))
  await Promise.all(locations.map((location) => (keep ? stopMachine(runtime, location) : removeMachine(runtime, location))))
  if (await findNetwork(paths.root).catch(() => undefined) !== undefined) await removeHostNetwork(runtime, paths.root)
  if (keep) return
  await removeFromKubeconfigFile(userKubeconfig(), contextName(name), runtime.random.suffix(8))
  await rm(paths.root, { recursive: true, force: true })
}
