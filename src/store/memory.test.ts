import { testRuntime } from '../runtime/runtime.ts'
import { memoryStore } from './memory.ts'
import { storeContract } from './store.contract.ts'

storeContract('memory', async () => {
  const runtime = testRuntime()
  const store = memoryStore(runtime)
  return { store, passTime: (ms) => runtime.clock.advance(ms), close: async () => store[Symbol.asyncDispose]() }
})
