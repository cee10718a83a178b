import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { Node } from '../api/types/core_v1.ts'
import { nodes } from '../client/resources.ts'
import { createFakeApi } from '../client/testing/fake-api.ts'
import type { RunOptions, RunResult } from '../runtime/process.ts'
import { testRuntime } from '../runtime/runtime.ts'
import { startHostRoutes, startPodNetwork } from './pod-network.ts'

const node = (name: string, podCIDR: string | undefined, address: string): Node => ({
  metadata: { name }, spec: podCIDR === undefined ? {} : { podCIDR }, status: { addresses: [{ type: 'InternalIP', address }] },
})

/** A kernel of a few lines: routes with our mark, and whether the masquerading rules stand. */
function fakeKernel() {
  const routes = new Map<string, string>()
  const state = { masquerades: false, switches: 0, failRoutes: false }
  const batch = (input: string): void => {
    for (const line of input.trim().split('\n')) {
      const [, verb, range, ...rest] = line.split(' ')
      if (verb === 'del') routes.delete(range!)
      else routes.set(range!, rest[1]!)
    }
  }
  const run = async (command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> => {
    const ok = (stdout = '', code = 0): RunResult => ({ code, stdout, stderr: '' })
    if (command === '/bin/sh') return state.switches++, ok()
    if (command === 'iptables') return args.includes('-C') ? ok('', state.masquerades ? 0 : 1) : ((state.masquerades = true), ok())
    if (command === 'iptables-restore') return ok()
    if (args.includes('addr')) return ok(JSON.stringify([{ mtu: 65536, addr_info: [{ local: '127.0.0.1' }] }, { mtu: 1450, addr_info: [{ local: '10.88.0.2' }] }]))
    if (args.includes('-batch')) {
      if (state.failRoutes) throw new Error('Nexthop has invalid gateway')
      batch(String(options.input))
      return ok()
    }
    return ok(JSON.stringify([...routes].map(([dst, gateway]) => ({ dst, gateway }))))
  }
  return { routes, state, processes: { run, start: (): never => assert.fail('nothing is to be started') } }
}

async function setUp(context: TestContext) {
  const kernel = fakeKernel()
  const runtime = testRuntime({ processes: kernel.processes })
  const api = createFakeApi(runtime)
  const directory = await mkdtemp(join(tmpdir(), 'k8ts-cni-'))
  context.after(() => rm(directory, { recursive: true }))
  const config = async (): Promise<unknown> => JSON.parse(await readFile(join(directory, '10-k8ts.conflist'), 'utf8'))
  const settle = async (ready: () => boolean | Promise<boolean>): Promise<void> => {
    // Files are written for real: each turn waits for one real operation too, so that a slow disk is no failure.
    for (let turn = 0; turn < 2000 && !(await ready()); turn++) {
      await stat(directory)
      await runtime.clock.settle()
    }
    assert.equal(await ready(), true)
  }
  const start = () => startPodNetwork({ runtime, client: api.client, nodeName: 'node-1', nodeIP: '10.88.0.2', clusterCIDR: '10.244.0.0/16', cniConfDirectory: directory, cniDataDirectory: '/data' })
  return { kernel, runtime, api, config, settle, start }
}

test('the CNI configuration appears with the node\'s pod range, and routes follow the other nodes', async (context) => {
  const { kernel, api, config, settle, start } = await setUp(context)
  api.seed(nodes, node('node-1', undefined, '10.88.0.2'))
  api.seed(nodes, node('node-2', '10.244.2.0/24', '10.88.0.3'))
  await using _network = start()
  await settle(() => kernel.state.masquerades)
  assert.deepEqual([...kernel.routes], [['10.244.2.0/24', '10.88.0.3']])
  await assert.rejects(config(), 'no range yet, no configuration')
  api.change(nodes, 'node-1', (object) => {
    object.spec = { podCIDR: '10.244.1.0/24' }
  })
  await settle(() => config().then(() => true, () => false))
  const { plugins } = await config() as { plugins: { mtu: number; ipam: unknown }[] }
  assert.equal(plugins[0]!.mtu, 1450)
  assert.deepEqual(plugins[0]!.ipam, { type: 'host-local', ranges: [[{ subnet: '10.244.1.0/24' }]], dataDir: '/data' })
  api.seed(nodes, node('node-3', '10.244.3.0/24', '10.88.0.4'))
  await settle(() => kernel.routes.size === 2)
  api.remove(nodes, 'node-2')
  await settle(() => !kernel.routes.has('10.244.2.0/24'))
  assert.deepEqual([...kernel.routes], [['10.244.3.0/24', '10.88.0.4']])
})

test('a heartbeat of another node changes nothing, removed rules are put back within half a minute', async (context) => {
  const { kernel, runtime, api, settle, start } = await setUp(context)
  api.seed(nodes, node('node-1', '10.244.1.0/24', '10.88.0.2'))
  api.seed(nodes, node('node-2', '10.244.2.0/24', '10.88.0.3'))
  await using _network = start()
  await settle(() => kernel.state.masquerades)
  const before = kernel.state.switches
  api.change(nodes, 'node-2', (object) => {
    object.status = { ...object.status, conditions: [{ type: 'Ready', status: 'True' }] }
  })
  await runtime.clock.settle()
  assert.equal(kernel.state.switches, before)
  kernel.state.masquerades = false
  kernel.routes.clear()
  await runtime.clock.advance(30_000)
  await settle(() => kernel.state.masquerades)
  assert.deepEqual([...kernel.routes.keys()], ['10.244.2.0/24'])
})

test('a route the kernel refuses is tried again', async (context) => {
  const { kernel, runtime, api, settle, start } = await setUp(context)
  kernel.state.failRoutes = true
  api.seed(nodes, node('node-2', '10.244.2.0/24', '10.88.0.3'))
  await using _network = start()
  await settle(() => runtime.log.lines.some((line) => line.level === 'warn'))
  kernel.state.failRoutes = false
  await runtime.clock.advance(1_000)
  await settle(() => kernel.routes.size === 1)
})

test('the machine itself gets a route to every node', async () => {
  const kernel = fakeKernel()
  const runtime = testRuntime({ processes: kernel.processes })
  const api = createFakeApi(runtime)
  api.seed(nodes, node('node-1', '10.244.1.0/24', '10.88.0.2'))
  api.seed(nodes, node('node-2', '10.244.2.0/24', '10.88.0.3'))
  await using _routes = startHostRoutes({ runtime, client: api.client, clusterCIDR: '10.244.0.0/16' })
  for (let turn = 0; turn < 50 && kernel.routes.size < 2; turn++) await runtime.clock.settle()
  assert.deepEqual([...kernel.routes], [['10.244.1.0/24', '10.88.0.2'], ['10.244.2.0/24', '10.88.0.3']])
})
