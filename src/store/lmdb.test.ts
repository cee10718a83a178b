import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testRuntime } from '../runtime/runtime.ts'
import { openLmdbStore } from './lmdb.ts'
import { storeContract } from './store.contract.ts'

storeContract('lmdb', async () => {
  const runtime = testRuntime()
  const path = mkdtempSync(join(tmpdir(), 'k8ts-store-'))
  const store = await openLmdbStore({ path, runtime })
  return {
    store,
    passTime: (ms) => runtime.clock.advance(ms),
    close: async () => {
      await store[Symbol.asyncDispose]()
      rmSync(path, { recursive: true, force: true })
    },
  }
})
