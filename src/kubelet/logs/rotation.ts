import { createReadStream, createWriteStream } from 'node:fs'
import { readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { Runtime } from '../../runtime/runtime.ts'
import type { ContainerRuntime } from '../container-runtime.ts'
import type { ObservedPod } from '../runtime-pods.ts'

/**
 * Cuts container logs that have grown too large: `0.log` becomes `0.log.20260101-120000`, the runtime opens a new file, older
 * cuts are compressed (`.gz`), and the oldest go when there are more than `maxFiles` in all.
 */
export interface LogRotation { rotate(pods: readonly ObservedPod[]): Promise<void> }

export interface LogRotationOptions { containers: ContainerRuntime; runtime: Runtime; maxBytes: number; maxFiles: number }

export function createLogRotation({ containers, runtime, maxBytes, maxFiles }: LogRotationOptions): LogRotation {
  let busy = false
  const sizeOf = async (path: string): Promise<number> => {
    try {
      return (await stat(path)).size
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0
      throw error
    }
  }
  const rotateOne = async (path: string, containerId: string): Promise<void> => {
    if (await sizeOf(path) < maxBytes) return
    const directory = dirname(path)
    const name = basename(path)
    const cuts = (await readdir(directory)).filter((entry) => entry.startsWith(`${name}.`) && !entry.endsWith('.tmp')).sort()
    // One place is the live file's, one the new cut's.
    for (const old of cuts.splice(0, Math.max(0, cuts.length - (maxFiles - 2)))) await rm(join(directory, old), { force: true })
    for (const cut of cuts) {
      if (cut.endsWith('.gz')) continue
      const source = join(directory, cut)
      await pipeline(createReadStream(source), createGzip(), createWriteStream(`${source}.tmp`))
      await rename(`${source}.tmp`, `${source}.gz`)
      await rm(source)
    }
    const stamp = new Date(runtime.clock.now()).toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-')
    const cut = `${path}.${stamp}`
    await rename(path, cut)
    try {
      await containers.reopenContainerLog(containerId)
    } catch (error) {
      // The container goes on writing to the old file: keep it under the name by which it is read.
      await rename(cut, path)
      throw error
    }
  }
  return {
    async rotate(pods) {
      if (busy) return
      busy = true
      try {
        for (const pod of pods) {
          for (const container of pod.containers) {
            if (container.state !== 'running' || container.logPath === '') continue
            try {
              await rotateOne(container.logPath, container.id)
            } catch (error) {
              runtime.log.warn('cannot rotate a container log', { path: container.logPath, err: error })
            }
          }
        }
      } finally {
        busy = false
      }
    },
  }
}
