import { access } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Runtime } from '../runtime/runtime.ts'
import { loadImage } from './images/load-image.ts'
import { findMachine, type Machine } from './machine/machine.ts'
import type { ClusterPaths } from './paths.ts'
import { requireCluster } from './state.ts'

/** The machines of a cluster's real nodes, all of which must run. */
export async function runningMachines(runtime: Runtime, paths: ClusterPaths, nodeNames: readonly string[]): Promise<Machine[]> {
  return Promise.all(nodeNames.map(async (name) => {
    const machine = await findMachine(runtime, { name, clusterDirectory: paths.root, directory: join(paths.machines, name) })
    if (machine === undefined || await machine.findProcess('containerd') === undefined) throw new Error(`node ${name} does not run: "k8ts up" resumes the cluster`)
    return machine
  }))
}

/** Imports an archive into every real node; the names of its images. */
export async function loadArchive(options: { runtime: Runtime; name: string; archive: string }): Promise<string[]> {
  const { runtime, name } = options
  const archive = resolve(options.archive)
  await access(archive).catch((cause: unknown) => {
    throw new Error(`there is no file ${archive}`, { cause })
  })
  const { paths, state } = await requireCluster(name)
  if (state.nodes.length === 0) throw new Error(`cluster "${name}" has only hollow nodes, which run no images`)
  return loadImage(runtime, await runningMachines(runtime, paths, state.nodes), archive)
}
