import type { ResourceTable } from '../api/resource.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { ObjectStatistics } from './flow-control/work-estimate.ts'
import type { WatchCaches } from './watch-caches.ts'

/** How long an average size holds (upstream polls its counts once a minute). */
const freshMs = 60_000
const sampleCount = 16

/** Counts of the watch caches, and sizes of some of their objects; of what is not cached nothing is known. */
export function objectStatistics(resources: ResourceTable, caches: WatchCaches, runtime: Runtime): ObjectStatistics {
  const sizes = new Map<string, { averageBytes: number; takenMs: number }>()
  return ({ apiGroup, apiVersion, resource }) => {
    const prefix = resources.find(apiGroup, apiVersion, resource)?.storagePrefix
    const cache = prefix === undefined ? undefined : caches.peek(prefix)
    if (prefix === undefined || cache === undefined || cache.entries.size === 0) return undefined
    const nowMs = runtime.clock.monotonicMs()
    let size = sizes.get(prefix)
    if (size === undefined || nowMs - size.takenMs > freshMs) {
      let bytes = 0
      let count = 0
      for (const entry of cache.entries.values()) {
        bytes += entry.bytes.length
        if (++count === sampleCount) break
      }
      sizes.set(prefix, (size = { averageBytes: Math.ceil(bytes / count), takenMs: nowMs }))
    }
    return { count: cache.entries.size, averageBytes: size.averageBytes }
  }
}
