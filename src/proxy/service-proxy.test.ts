import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Service } from '../api/types/core_v1.ts'
import type { EndpointSlice } from '../api/types/discovery.k8s.io_v1.ts'
import { endpointSlices, nodes, services } from '../client/resources.ts'
import { createFakeApi, type FakeApi } from '../client/testing/fake-api.ts'
import { testRuntime, type TestRuntime } from '../runtime/runtime.ts'
import type { ProxyBackend } from './proxy-backend.ts'
import type { ServiceRules } from './service-rules.ts'
import { startServiceProxy } from './service-proxy.ts'

const service = (name: string, clusterIP: string, more: Partial<Service['spec']> = {}): Service => ({
  metadata: { namespace: 'default', name }, spec: { type: 'ClusterIP', clusterIP, ports: [{ port: 80, protocol: 'TCP' }], ...more },
})
const slice = (name: string, ips: string[]): EndpointSlice => ({
  metadata: { namespace: 'default', name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } }, addressType: 'IPv4', ports: [{ name: '', port: 8080, protocol: 'TCP' }],
  endpoints: ips.map((ip) => ({ addresses: [ip], nodeName: 'node-1', conditions: { ready: true } })),
})

/** A backend that remembers what it was given. */
interface Recorded extends ProxyBackend { syncs: { full: boolean; rules: Record<string, string[]> }[]; intact: boolean; fails: boolean }

function recordingBackend(): Recorded {
  const backend: Recorded = {
    name: 'recording', family: 'IPv4', syncs: [], intact: true, fails: false,
    async sync(given: readonly ServiceRules[], { full }) {
      if (backend.fails) throw new Error('the kernel says no')
      backend.syncs.push({ full, rules: Object.fromEntries(given.map((each) => [each.portName, each.clusterEndpoints.map((endpoint) => endpoint.ip)])) })
      return { rulesWritten: given.length }
    },
    isIntact: async () => backend.intact,
    cleanUp: async () => undefined,
  }
  return backend
}

async function setUp(prepare: (api: FakeApi) => void = () => undefined) {
  const runtime: TestRuntime = testRuntime()
  const api = createFakeApi(runtime)
  api.seed(nodes, { metadata: { name: 'node-1' }, spec: {} })
  prepare(api)
  const backend = recordingBackend()
  const anyPort = { host: '127.0.0.1', port: 0 }
  const proxy = await startServiceProxy({ runtime, client: api.client, nodeName: 'node-1', nodeIPs: ['10.88.0.2'], clusterCIDR: '10.244.0.0/16', backend: () => backend, healthz: anyPort, metrics: anyPort })
  await runtime.clock.advance(0)
  return { runtime, api, backend, proxy }
}

test('rules are written once services are known, and follow changes of services and of their slices', async () => {
  const { runtime, api, backend, proxy } = await setUp((fake) => {
    fake.seed(services, service('web', '10.96.0.10'))
    fake.seed(endpointSlices, slice('web', ['10.244.0.5']))
  })
  assert.deepEqual(backend.syncs, [{ full: true, rules: { 'default/web': ['10.244.0.5'] } }])
  api.seed(services, service('other', '10.96.0.11'))
  api.change(endpointSlices, 'default/web-1', (object) => {
    object.endpoints = [{ addresses: ['10.244.0.6'], nodeName: 'node-1', conditions: { ready: true } }]
  })
  await runtime.clock.advance(1_000)
  assert.deepEqual(backend.syncs.slice(1), [{ full: false, rules: { 'default/other': [], 'default/web': ['10.244.0.6'] } }])
  api.remove(services, 'default/web')
  await runtime.clock.advance(1_000)
  assert.deepEqual(backend.syncs.at(-1)?.rules, { 'default/other': [] })
  await proxy[Symbol.asyncDispose]()
  await proxy.done
})

test('without services the fixed rules are written all the same', async () => {
  const { backend, proxy } = await setUp()
  assert.deepEqual(backend.syncs, [{ full: true, rules: {} }])
  await proxy[Symbol.asyncDispose]()
})

test('a change that makes no difference to the rules writes none', async () => {
  const { runtime, api, backend, proxy } = await setUp((fake) => fake.seed(services, service('web', '10.96.0.10')))
  api.change(services, 'default/web', (object) => {
    object.metadata.annotations = { note: 'new' }
  })
  await runtime.clock.advance(2_000)
  assert.equal(backend.syncs.length, 1)
  await proxy[Symbol.asyncDispose]()
})

test('what failed is written in full the next time', async () => {
  const { runtime, api, backend, proxy } = await setUp()
  backend.fails = true
  api.seed(services, service('web', '10.96.0.10'))
  await runtime.clock.advance(1_500)
  assert.equal(backend.syncs.length, 1)
  assert.equal(runtime.log.lines.some((line) => line.level === 'error' && line.message.includes('cannot write service rules')), true)
  backend.fails = false
  await runtime.clock.advance(30_000)
  assert.deepEqual(backend.syncs.at(-1), { full: true, rules: { 'default/web': [] } })
  await proxy[Symbol.asyncDispose]()
})

test('rules that somebody removed are put back', async () => {
  const { runtime, backend, proxy } = await setUp()
  backend.intact = false
  await runtime.clock.advance(31_000)
  assert.deepEqual(backend.syncs.map((sync) => sync.full), [true, true])
  await proxy[Symbol.asyncDispose]()
})

test('headless services and those of another proxy are not even asked for', async () => {
  const { api, proxy } = await setUp()
  const asked = api.requests.filter((request) => request.resource === 'services').map((request) => request.query.get('labelSelector'))
  assert.deepEqual([...new Set(asked)], ['!service.kubernetes.io/service-proxy-name,!service.kubernetes.io/headless'])
  await proxy[Symbol.asyncDispose]()
})
