import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testRuntime } from '../runtime/runtime.ts'
import { memoryStore } from './memory.ts'
import { prefixedStore } from './prefixed.ts'
import { prefixEnd } from './store.ts'
import { storeContract } from './store.contract.ts'

storeContract('prefixed memory', async () => {
  const runtime = testRuntime()
  const store = prefixedStore(memoryStore(runtime), '', '/elsewhere')
  return { store, passTime: (ms) => runtime.clock.advance(ms), close: async () => store[Symbol.asyncDispose]() }
})

test('what is written under one prefix lies under the other', async () => {
  await using inner = memoryStore(testRuntime())
  const outer = prefixedStore(inner, '/registry', '/clusters/a')
  const value = Buffer.from('x')
  await outer.put({ key: '/registry/pods/a/b', value })
  await inner.put({ key: '/clusters/b/pods/a/c', value })
  assert.equal((await inner.get('/clusters/a/pods/a/b')).kv?.key, '/clusters/a/pods/a/b')
  assert.deepEqual((await outer.range('/registry/', prefixEnd('/registry/'))).kvs.map(({ key }) => key), ['/registry/pods/a/b'])
  assert.deepEqual((await outer.range('/registry/pods/', prefixEnd('/registry/pods/'))).kvs.map(({ key }) => key), ['/registry/pods/a/b'])
  await assert.rejects(outer.get('/other'), /does not begin with \/registry/)
})
