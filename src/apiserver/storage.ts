import type { Runtime } from '../runtime/runtime.ts'
import type { Store } from '../store/store.ts'

/** Where an API server keeps its state. Drivers are loaded when asked for. */
export type StorageOptions = { driver: 'memory' } | { driver: 'lmdb'; path: string } | { driver: 'etcd'; endpoints: readonly string[]; tls?: { ca: string; cert?: string; key?: string } }

/** Opens the store, compacted regularly where it keeps history on disk. Disposing it closes both. */
export async function openStorage(runtime: Runtime, options: StorageOptions): Promise<Store> {
  const store = await openDriver(runtime, options)
  const { autoCompact } = await import('../store/auto-compact.ts')
  const compaction = autoCompact(store, runtime)
  const close = store[Symbol.asyncDispose].bind(store)
  store[Symbol.asyncDispose] = async () => {
    await compaction[Symbol.asyncDispose]()
    await close()
  }
  return store
}

async function openDriver(runtime: Runtime, options: StorageOptions): Promise<Store> {
  switch (options.driver) {
    case 'memory': return (await import('../store/memory.ts')).memoryStore(runtime)
    case 'lmdb': return (await import('../store/lmdb.ts')).openLmdbStore({ path: options.path, runtime })
    case 'etcd': return (await import('../store/etcd.ts')).connectEtcd({ endpoints: options.endpoints, runtime, ...(options.tls === undefined ? {} : { tls: options.tls }) })
  }
}
