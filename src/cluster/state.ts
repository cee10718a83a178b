import { link, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname } from 'node:path'
import type { Runtime } from '../runtime/runtime.ts'
import { clusterPaths, clustersDirectory, type ClusterPaths } from './paths.ts'
import { isAlive, recordOf, type ProcessRecord } from './process-record.ts'

/** What a cluster on this machine consists of; kept in `state.json` and written before anything is started. */
export interface ClusterState {
  version: 1
  name: string
  /** Port of the API server, on loopback and on the bridge. The same for the cluster's life, so that kubeconfigs stay good. */
  apiPort: number
  /** Names of the real nodes. */
  nodes: readonly string[]
  hollow: number
}

export async function readState(path: string): Promise<ClusterState | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new Error(`cannot read the cluster's state`, { cause: error })
  }
  try {
    return JSON.parse(text) as ClusterState
  } catch (error) {
    throw new Error(`the cluster's state in ${path} is damaged: remove the cluster with "k8ts down" and start it anew`, { cause: error })
  }
}

export async function writeState(path: string, state: ClusterState): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await writeFile(`${path}.new`, `${JSON.stringify(state, undefined, 2)}\n`)
  await rename(`${path}.new`, path)
}

/** Names of the clusters of this user, in alphabetical order. */
export async function clusterNames(home?: string): Promise<string[]> {
  try {
    const entries = await readdir(clustersDirectory(home), { withFileTypes: true })
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name).sort()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw new Error('cannot list clusters', { cause: error })
  }
}

/** The cluster of that name, or an error that says which there are. */
export async function requireCluster(name: string): Promise<{ paths: ClusterPaths; state: ClusterState }> {
  const paths = clusterPaths(name)
  const state = await readState(paths.state)
  if (state !== undefined) return { paths, state }
  const others = await clusterNames()
  throw new Error(others.length === 0 ? 'there is no cluster; "k8ts up" starts one' : `there is no cluster "${name}"; there is ${others.map((each) => `"${each}"`).join(', ')}`)
}

/** A TCP port that nobody listens on and no other cluster has taken: 6443 or the next that is free. */
export async function chooseApiPort(taken: ReadonlySet<number>): Promise<number> {
  for (let port = 6443; port < 7443; port++) {
    if (taken.has(port)) continue
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer()
      server.once('error', () => resolve(false))
      server.listen({ port, host: '0.0.0.0', exclusive: true }, () => server.close(() => resolve(true)))
    })
    if (free) return port
  }
  throw new Error('no free port between 6443 and 7442 for the API server')
}

/** API ports that the user's clusters have, running or not. */
export async function takenPorts(): Promise<Set<number>> {
  const states = await Promise.all((await clusterNames()).map((name) => readState(clusterPaths(name).state).catch(() => undefined)))
  return new Set(states.flatMap((state) => (state === undefined ? [] : [state.apiPort])))
}

/**
 * Holds the cluster against a second `up` or `down` at the same time, until disposed. A lock whose holder has died is taken over.
 */
export async function lockCluster(runtime: Runtime, paths: ClusterPaths): Promise<AsyncDisposable> {
  await mkdir(paths.root, { recursive: true, mode: 0o700 })
  const mine = `${paths.lock}.${runtime.random.suffix(8)}`
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      // Linked into place with its content: a lock is never seen half written.
      await writeFile(mine, JSON.stringify(await recordOf(runtime, process.pid)))
      await link(mine, paths.lock)
      return { [Symbol.asyncDispose]: () => rm(paths.lock, { force: true }) }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw new Error('cannot lock the cluster', { cause: error })
    } finally {
      await rm(mine, { force: true })
    }
    const holder = await readFile(paths.lock, 'utf8').catch(() => '')
    const record = holder === '' ? undefined : JSON.parse(holder) as ProcessRecord
    if (record !== undefined && await isAlive(runtime, record)) throw new Error(`another k8ts command (process ${record.pid}) is working on this cluster: wait for it, or end it, and try again`)
    await rm(paths.lock, { force: true })
  }
  throw new Error(`cannot lock the cluster: ${paths.lock} keeps coming back`)
}
