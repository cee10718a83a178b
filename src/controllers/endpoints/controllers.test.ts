import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { Pod, Service } from '../../api/types/core_v1.ts'
import type { EndpointSlice } from '../../api/types/discovery.k8s.io_v1.ts'
import { endpoints, endpointSlices, nodes, pods, services } from '../../client/resources.ts'
import { timeText } from '../../machinery/object.ts'
import { controllerTest } from '../testing/cluster.ts'
import { startEndpointsController } from './endpoints-controller.ts'
import { startEndpointSliceController } from './slice-controller.ts'

function setUp(t: TestContext) {
  const cluster = controllerTest()
  t.after(cluster.stop)
  const { api, runtime } = cluster
  const pod = (name: string, ip: string, ready = true, more: Partial<Pod['spec']> = {}): Pod => api.seed(pods, {
    metadata: { name, namespace: 'default', labels: { app: 'web' } },
    spec: { nodeName: 'n1', containers: [{ name: 'c', ports: [{ name: 'http', containerPort: 8080 }] }], ...more },
    status: { phase: 'Running', podIP: ip, podIPs: [{ ip }], conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: timeText(runtime.clock.now()) }] },
  })
  const service = (spec: Partial<Service['spec'] & object> = {}): Service => api.seed(services, {
    metadata: { name: 'web', namespace: 'default', labels: { team: 'a' } },
    spec: { selector: { app: 'web' }, clusterIP: '10.96.0.10', ipFamilies: ['IPv4'], ports: [{ name: 'http', port: 80, targetPort: 'http', protocol: 'TCP' }], ...spec },
  })
  cluster.start(startEndpointsController, startEndpointSliceController)
  const slices = (): EndpointSlice[] => api.all(endpointSlices)
  const writes = (): number => api.requests.filter((r) => ['create', 'update', 'delete'].includes(r.verb)).length
  return { ...cluster, pod, service, slices, writes }
}

test('a service has its pods as endpoints, in both forms', async (t) => {
  const { api, pod, service, slices, settle } = setUp(t)
  api.seed(nodes, { metadata: { name: 'n1', labels: { 'topology.kubernetes.io/zone': 'z1' } }, spec: {} })
  const web = service()
  const a = pod('a', '10.244.0.1')
  const b = pod('b', '10.244.0.2', false)
  pod('no-address', '')
  await settle()
  const [slice] = slices()
  assert.equal(slices().length, 1)
  assert.match(slice!.metadata.name!, /^web-/)
  assert.deepEqual(slice!.metadata.labels, { team: 'a', 'kubernetes.io/service-name': 'web', 'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io' })
  assert.equal(slice!.metadata.ownerReferences?.[0]?.uid, web.metadata.uid)
  assert.deepEqual([slice!.addressType, slice!.ports], ['IPv4', [{ name: 'http', protocol: 'TCP', port: 8080 }]])
  const target = (p: Pod): object => ({ kind: 'Pod', namespace: 'default', name: p.metadata.name, uid: p.metadata.uid })
  assert.deepEqual(slice!.endpoints, [
    { addresses: ['10.244.0.1'], conditions: { ready: true, serving: true, terminating: false }, targetRef: target(a), nodeName: 'n1', zone: 'z1' },
    { addresses: ['10.244.0.2'], conditions: { ready: false, serving: false, terminating: false }, targetRef: target(b), nodeName: 'n1', zone: 'z1' },
  ])
  assert.ok(slice!.metadata.annotations?.['endpoints.kubernetes.io/last-change-trigger-time'])
  assert.deepEqual(api.get(endpoints, 'default/web')?.subsets, [{
    addresses: [{ ip: '10.244.0.1', nodeName: 'n1', targetRef: target(a) }], notReadyAddresses: [{ ip: '10.244.0.2', nodeName: 'n1', targetRef: target(b) }],
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  }])
})

test('a pod that ends serves on but is not ready; one that has ended is gone', async (t) => {
  const { api, pod, service, slices, settle } = setUp(t)
  service()
  pod('a', '10.244.0.1')
  await settle()
  api.change(pods, 'default/a', (a) => void (a.metadata.deletionTimestamp = '2026-01-01T00:01:00Z'))
  await settle()
  assert.deepEqual(slices()[0]?.endpoints?.[0]?.conditions, { ready: false, serving: true, terminating: true })
  assert.deepEqual(api.get(endpoints, 'default/web')?.subsets, [])
  api.remove(pods, 'default/a')
  await settle()
  assert.deepEqual([slices().length, slices()[0]?.endpoints], [1, []])
})

test('250 pods make three slices; what changes little writes little', async (t) => {
  const { api, pod, service, slices, settle, writes } = setUp(t)
  service()
  for (let i = 0; i < 250; i++) pod(`p${i}`, `10.244.1.${i}`)
  await settle()
  assert.deepEqual(slices().map((slice) => slice.endpoints?.length).sort(), [100, 100, 50])
  const before = writes()
  api.remove(pods, 'default/p3')
  await settle()
  assert.equal(writes() - before, 2)
  pod('new', '10.244.2.1')
  await settle()
  assert.equal(writes() - before, 4)
  assert.equal(slices().reduce((sum, slice) => sum + (slice.endpoints?.length ?? 0), 0), 250)
  const quiet = writes()
  api.change(pods, 'default/p5', (p) => void (p.metadata.annotations = { any: 'thing' }))
  await settle()
  assert.equal(writes(), quiet)
})

test('pods whose named port has another number are in a slice of their own', async (t) => {
  const { api, pod, service, slices, settle } = setUp(t)
  service()
  pod('a', '10.244.0.1')
  pod('b', '10.244.0.2', true, { containers: [{ name: 'c', ports: [{ name: 'http', containerPort: 9090 }] }] })
  pod('none', '10.244.0.3', true, { containers: [{ name: 'c' }] })
  await settle()
  assert.deepEqual(slices().map((slice) => [slice.ports?.[0]?.port, slice.endpoints?.length]), [[8080, 1], [9090, 1]])
  assert.equal(api.get(endpoints, 'default/web')?.subsets?.length, 2)
})

test('a headless service names its pods, publishes those not ready if asked, and needs no ports', async (t) => {
  const { pod, service, slices, settle, api } = setUp(t)
  service({ clusterIP: 'None', publishNotReadyAddresses: true, ports: undefined })
  pod('a', '10.244.0.1', false, { hostname: 'db-0', subdomain: 'web' })
  await settle()
  const [slice] = slices()
  assert.equal(slice?.metadata.labels?.['service.kubernetes.io/headless'], '')
  assert.deepEqual([slice?.endpoints?.[0]?.hostname, slice?.endpoints?.[0]?.conditions?.ready, slice?.ports], ['db-0', true, []])
  assert.equal(api.get(endpoints, 'default/web')?.subsets?.[0]?.addresses?.[0]?.hostname, 'db-0')
})

test('a service without selector is left to whoever made its endpoints; its end takes Endpoints along', async (t) => {
  const { api, service, slices, settle } = setUp(t)
  service({ selector: undefined })
  api.seed(endpoints, { metadata: { name: 'web', namespace: 'default' }, subsets: [{ addresses: [{ ip: '192.0.2.1' }] }] })
  api.seed(endpoints, { metadata: { name: 'a-lock', namespace: 'default' } })
  await settle()
  assert.equal(slices().length, 0)
  assert.equal(api.get(endpoints, 'default/web')?.subsets?.length, 1)
  api.remove(services, 'default/web')
  await settle()
  assert.deepEqual(api.all(endpoints).map((e) => e.metadata.name), ['a-lock'])
})

test('more than 1000 addresses are cut in Endpoints, with a note, but not in slices', async (t) => {
  const { api, pod, service, slices, settle } = setUp(t)
  service()
  for (let i = 0; i < 1010; i++) pod(`p${i}`, `10.244.${i >> 8}.${i & 255}`)
  await settle()
  const object = api.get(endpoints, 'default/web')
  assert.equal(object?.subsets?.[0]?.addresses?.length, 1000)
  assert.equal(object?.metadata.annotations?.['endpoints.kubernetes.io/over-capacity'], 'truncated')
  assert.equal(slices().length, 11)
})
