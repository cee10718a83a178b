import type { Runtime } from '../runtime/runtime.ts'
import type { Store } from '../store/store.ts'

/** Where an API server keeps its state. Drivers are loaded when asked for. */
export type StorageOptions = StorageDriver & {
  /** What keys begin with; `/registry` when left out. */
  prefix?: string
  /** How often history is compacted; 0: never, somebody else does. */
  compactEveryMs?: number
}
export type StorageDriver = { driver: 'memory' } | { driver: 'lmdb'; path: string } | { driver: 'etcd'; endpoints: readonly string[]; tls?: { ca: string; cert?: string; key?: string } }

/** Opens the store, compacted regularly where it keeps history on disk. Disposing it closes both. */
export async function openStorage(runtime: Runtime, options: StorageOptions): Promise<Store> {
  const opened = await openDriver(runtime, options)
  const { prefix = '/registry', compactEveryMs } = options
  const store = prefix === '/registry' ? opened : (await import('../store/prefixed.ts')).prefixedStore(opened, '/registry', prefix)
  if (compactEveryMs === 0) return store
  const { autoCompact } = await import('../store/auto-compact.ts')
  const compaction = autoCompact(store, runtime, compactEveryMs === undefined ? {} : { everyMs: compactEveryMs })
  const close = store[Symbol.asyncDispose].bind(store)
  store[Symbol.asyncDispose] = async () => {
    await compaction[Symbol.asyncDispose]()
    await close()
  }
  return store
}

async function openDriver(runtime: Runtime, options: StorageDriver): Promise<Store> {
  switch (options.driver) {
    case 'memory': return (await import('../store/memory.ts')).memoryStore(runtime)
    case 'lmdb': return (await import('../store/lmdb.ts')).openLmdbStore({ path: options.path, runtime })
    case 'etcd': return (await import('../store/etcd.ts')).connectEtcd({ endpoints: options.endpoints, runtime, ...(options.tls === undefined ? {} : { tls: options.tls }) })
  }
}
