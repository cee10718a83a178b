import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { test } from 'node:test'
import { memoryLogger } from '../runtime/log.ts'
import { systemRuntime, type Runtime } from '../runtime/runtime.ts'
import { connectEtcd } from './etcd.ts'
import { storeContract } from './store.contract.ts'
import type { Store } from './store.ts'

const runtime: Runtime = systemRuntime(memoryLogger())
const onPath = (command: string): boolean => (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, command)))

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

interface EtcdServer { endpoint: string; stop: (signal?: 'SIGKILL') => Promise<void>; start: () => void; remove: () => Promise<void> }

async function startEtcd(): Promise<EtcdServer> {
  const dataDir = mkdtempSync(join(tmpdir(), 'k8ts-etcd-'))
  const [client, peer] = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`]
  const start = () => runtime.processes.start('etcd', [
    '--data-dir', dataDir, '--listen-client-urls', client, '--advertise-client-urls', client, '--listen-peer-urls', peer,
    '--initial-advertise-peer-urls', peer, '--initial-cluster', `default=${peer}`, '--heartbeat-interval', '20', '--election-timeout', '200', '--log-level', 'error',
  ], { stdio: 'ignore' })
  let child = start()
  const stop = async (signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    await gone
  }
  return {
    endpoint: client, stop, start: () => void (child = start()),
    remove: async () => {
      await stop('SIGKILL')
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

async function connect(endpoint: string): Promise<Store> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await connectEtcd({ endpoints: [endpoint], runtime })
    } catch (error) {
      if (attempt === 100) throw error
      await runtime.clock.sleep(50)
    }
  }
}

if (!onPath('etcd')) test('store contract: etcd', { skip: 'there is no etcd on PATH (Debian: apt-get install etcd-server)' }, () => undefined)
else {
  storeContract('etcd', async () => {
    const server = await startEtcd()
    const store = await connect(server.endpoint)
    return {
      store, passTime: (ms) => runtime.clock.sleep(ms),
      close: async () => {
        await store[Symbol.asyncDispose]()
        await server.remove()
      },
    }
  })

  test('etcd: a watch survives a restart of the server, without a gap', { timeout: 30_000 }, async () => {
    const server = await startEtcd()
    try {
      await using store = await connect(server.endpoint)
      const abort = new AbortController()
      const watch = store.watch('/registry/', '/registry0', { signal: abort.signal })[Symbol.asyncIterator]()
      await store.put({ key: '/registry/a', value: Buffer.from('before') })
      await server.stop('SIGKILL')
      await assert.rejects(store.put({ key: '/registry/a', value: Buffer.from('lost') }))
      server.start()
      await using other = await connect(server.endpoint)
      await other.put({ key: '/registry/a', value: Buffer.from('after') })
      const seen: string[] = []
      while (!seen.includes('after')) {
        const { value } = await watch.next() as IteratorYieldResult<{ events: { kv: { value: Uint8Array } }[] }>
        seen.push(...value.events.map((event) => Buffer.from(event.kv.value).toString()))
      }
      assert.deepEqual(seen, ['before', 'after'])
      abort.abort()
    } finally {
      await server.remove()
    }
  })

  test('etcd: an endpoint that does not answer is passed over', { timeout: 30_000 }, async () => {
    const server = await startEtcd()
    try {
      await using _up = await connect(server.endpoint)
      await using store = await connectEtcd({ endpoints: [`http://127.0.0.1:${await freePort()}`, server.endpoint], runtime })
      for (let i = 0; i < 20; i++) assert.ok((await store.put({ key: `/registry/${i}`, value: Buffer.from('x') })).ok)
      await store.healthy()
    } finally {
      await server.remove()
    }
  })

  test('etcd: that nothing answers is said with the endpoints', { timeout: 30_000 }, async () => {
    const endpoint = `http://127.0.0.1:${await freePort()}`
    await assert.rejects(connectEtcd({ endpoints: [endpoint], runtime }), new RegExp(`cannot reach etcd at ${endpoint}: `))
  })

  test('etcd: etcdctl sees plain keys and values, and the store sees what etcdctl writes', { skip: onPath('etcdctl') ? false : 'there is no etcdctl on PATH (Debian: apt-get install etcd-client)', timeout: 30_000 }, async () => {
    const server = await startEtcd()
    try {
      await using store = await connect(server.endpoint)
      const etcdctl = async (...args: string[]): Promise<string> =>
        (await runtime.processes.run('etcdctl', ['--endpoints', server.endpoint, ...args], { env: { ...process.env, ETCDCTL_API: '3' } })).stdout
      const written = await store.put({ key: '/registry/configmaps/default/a', value: Buffer.from('{"kind":"ConfigMap"}') })
      assert.equal(await etcdctl('get', '--prefix', '/registry/'), '/registry/configmaps/default/a\n{"kind":"ConfigMap"}\n')
      await etcdctl('put', '/registry/configmaps/default/b', '{}')
      const read = await store.get('/registry/configmaps/default/b')
      assert.equal(Buffer.from(read.kv!.value).toString(), '{}')
      assert.equal(read.kv!.modRevision, written.revision + 1)
    } finally {
      await server.remove()
    }
  })
}
