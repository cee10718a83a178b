import type { ContainerRuntime } from '../../kubelet/container-runtime.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { withContainers } from '../machine/containers.ts'
import type { Machine } from '../machine/machine.ts'

/**
 * Imports a docker or OCI archive into a node's containerd.
 * @returns the names of the images it held, as pods name them.
 * @throws when the archive is none of the two, or holds no named image.
 */
export async function importImage(machine: Machine, archive: string): Promise<string[]> {
  const result = await machine.ctr(['images', 'import', archive], { allowFailure: true })
  if (result.code !== 0) {
    const said = result.stderr.trim().split('\n').at(-1) ?? ''
    throw new Error(`the node ${machine.name} cannot import ${archive}: ${said.replace(/^ctr: /, '')}; it must be an archive as \`docker save\` writes it, or an OCI one`)
  }
  const names = [...result.stdout.matchAll(/^unpacking (\S+) \(sha256:/gm)].map((match) => match[1]!)
  if (names.length === 0) throw new Error(`${archive} names no image: save it by its name (\`docker save NAME\`), not by its id`)
  return names
}

/** Whether a pod on this machine finds the image by this name. */
export async function hasImage(runtime: Runtime, machine: Machine, name: string): Promise<boolean> {
  return withContainers(runtime, machine.paths.containerdSocket, async (containers) => await containers.imageStatus(name) !== undefined)
}

/** The part of containerd that serves kubelets takes note of an import a moment after it is done. */
async function untilOffered(runtime: Runtime, containers: ContainerRuntime, names: readonly string[]): Promise<void> {
  const untilMs = runtime.clock.monotonicMs() + 5_000
  for (const name of names) {
    while (await containers.imageStatus(name) === undefined) {
      if (runtime.clock.monotonicMs() > untilMs) throw new Error(`containerd imported ${name}, but does not offer it to pods`)
      await runtime.clock.sleep(5)
    }
  }
}

/**
 * Imports an archive into every machine, several at a time.
 * @returns the names of its images.
 */
export async function loadImage(runtime: Runtime, machines: readonly Machine[], archive: string): Promise<string[]> {
  const names = new Set<string>()
  const waiting = [...machines]
  const work = async (): Promise<void> => {
    for (let machine = waiting.shift(); machine !== undefined; machine = waiting.shift()) {
      const imported = await importImage(machine, archive)
      await withContainers(runtime, machine.paths.containerdSocket, (containers) => untilOffered(runtime, containers, imported))
      for (const name of imported) names.add(name)
    }
  }
  await Promise.all(Array.from({ length: Math.min(4, machines.length) }, work))
  return [...names]
}

/** Imports the archives of those images, by name, that the machine does not have. One after the other: containerd locks out a second import. */
export async function ensureImages(runtime: Runtime, machine: Machine, archives: Readonly<Record<string, string>>): Promise<void> {
  await withContainers(runtime, machine.paths.containerdSocket, async (containers) => {
    for (const [name, archive] of Object.entries(archives)) {
      if (await containers.imageStatus(name) !== undefined) continue
      await untilOffered(runtime, containers, await importImage(machine, archive))
    }
  })
}
